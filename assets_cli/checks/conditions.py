"""What fails a check of one column, as a condition in SQL: in DuckDB columns have types, in SQLite values have.

Nulls pass here: that a value is there is `not_null`'s business. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from assets_cli.checks import servers
from assets_cli.checks.files import text
from assets_cli.checks.protocol import CheckError
from assets_cli.checks.values import Bound, Column, number, plain
from assets_cli.model import patterns

_NUMBERS = re.compile(r"^(?:U?(?:TINY|SMALL|BIG|HUGE)?INT(?:EGER)?|DECIMAL\(.*\)|FLOAT|DOUBLE|BIGNUM|VARINT)$")
_FLOATS = ("FLOAT", "DOUBLE")
_MOMENTS = re.compile(r"^(?:DATE|TIME\b.*|TIMESTAMP.*)$")
_NEVER = "false"
_NUMERIC = "('integer', 'real')"
_ZONED = r":\d\d(\.\d+)? ?([zZ]|[+-]\d\d(:?\d\d)?)$"
SQLITE_FUNCTION = "assets_matches"


def not_among(dialect: str, column: Column, values: Sequence[Any]) -> str:
    """Whether a row's value is none of these."""
    if dialect == "sqlite":
        among = _among_sqlite(column, values)
    else:
        among = _among_duckdb(column, values) if dialect == "duckdb" else servers.among(dialect, column, values)
    return f"({column.sql} is not null and not {among})"


def not_between(dialect: str, column: Column, least: Bound | None, most: Bound | None) -> str:
    """Whether a row's value lies outside of these bounds, of which one may be missing. NaN lies outside of any.

    Raises:
        CheckError: the column's values cannot be compared with a bound.
    """
    bounds = [(sign, bound) for sign, bound in ((">=", least), ("<=", most)) if bound is not None]
    if dialect == "sqlite":
        inside = " and ".join(_inside_sqlite(column, sign, bound) for sign, bound in bounds)
        return f"({column.sql} is not null and not ({inside}))"
    if dialect != "duckdb":
        inside = " and ".join(servers.inside(dialect, column, sign, bound) for sign, bound in bounds)
        nan = servers.is_nan(dialect, column)
        return f"({column.sql} is not null and (not ({inside}){f' or {nan}' if nan else ''}))"
    inside = " and ".join(f"coalesce({_inside_duckdb(column, sign, bound)}, false)" for sign, bound in bounds)
    # DuckDB orders NaN above every number.
    nan = f" or isnan({column.sql})" if column.type in _FLOATS else ""
    return f"({column.sql} is not null and (not ({inside}){nan}))"


def _among_duckdb(column: Column, values: Sequence[Any]) -> str:
    compared = column.sql
    if _NUMBERS.match(column.type):
        listed = [found for value in values if (found := number(value)) is not None]
    elif column.type == "BOOLEAN":
        words = [plain(value).lower() for value in values]
        listed = [word for word in words if word in ("true", "false")]
    elif _MOMENTS.match(column.type):
        listed = [f"try_cast({text(plain(value))} as {column.type})" for value in values]
    else:
        compared = f"{column.sql}::varchar"
        listed = [text(plain(value)) for value in values]
    return f"coalesce({compared} in ({', '.join(listed)}), false)" if listed else _NEVER


def _inside_duckdb(column: Column, sign: str, bound: Bound) -> str:
    if _NUMBERS.match(column.type):
        return servers.number_inside(column, sign, bound)
    if _MOMENTS.match(column.type):
        return servers.moment_inside(column, sign, bound)
    if isinstance(bound, str):
        return f"{column.sql}::varchar {sign} {text(bound)}"
    cast = f"try_cast({column.sql}::varchar as double)"
    return f"({cast} {sign} {plain(bound)} and not isnan({cast}))"


def _among_sqlite(column: Column, values: Sequence[Any]) -> str:
    listed: list[str] = []
    for value in values:
        if isinstance(value, bool):
            listed.append("1" if value else "0")
        elif (found := number(value)) is not None:
            listed.append(found)
        listed.append(text(plain(value)))
    return f"{column.sql} in ({', '.join(listed)})"


def _inside_sqlite(column: Column, sign: str, bound: Bound) -> str:
    found = number(bound)
    parts = [] if found is None else [f"(typeof({column.sql}) in {_NUMERIC} and {column.sql} {sign} {found})"]
    if isinstance(bound, str):
        # The plus takes the column's affinity off, so that two texts are compared as texts.
        parts.append(f"(typeof({column.sql}) = 'text' and +{column.sql} {sign} {text(bound)})")
    return f"({' or '.join(parts)})"


def matcher(dialect: str, column: Column, pattern: str) -> str | None:
    """Whether a row's value, which is not null, holds a pattern; None where this database is not asked.

    SQLite has no regular expressions: there `SQLITE_FUNCTION` has to be one of Python's.
    """
    if dialect == "duckdb":
        return f"regexp_matches({column.sql}::varchar, {text(patterns.translate(pattern, patterns.RE2))})"
    if dialect == "sqlite":
        return f"{SQLITE_FUNCTION}({column.sql}, {text(patterns.translate(pattern))})"
    if dialect == "postgres":
        return f"cast({column.sql} as text) ~ {text(patterns.translate(pattern, patterns.POSTGRES))}"
    return None


def newest(dialect: str, column: Column) -> str:
    """The newest value of a column of moments, as the aggregate of a SELECT: microseconds UTC where SQL can say it."""
    if dialect == "duckdb":
        if column.type == "VARCHAR":
            # Cast as it stands, a time without a zone would be one of wherever this runs.
            zoned = f"regexp_matches({column.sql}, {text(_ZONED)})"
            moment = "epoch_us(try_cast({} as {}))".format
            return (
                f"max(case when {zoned} then {moment(column.sql, 'timestamptz')} "
                f"else {moment(column.sql, 'timestamp')} end)"
            )
        if not column.type.startswith(("DATE", "TIMESTAMP")):
            raise CheckError(f"{column.name} is {column.type}, which is no date and no time")
        return f"epoch_us(max({column.sql}))"
    if dialect == "sqlite":
        day = f"case when typeof({column.sql}) = 'text' and {column.sql} glob '[0-9][0-9][0-9][0-9]-*' then "
        # Julian days, in which SQLite counts times of any zone alike.
        return f"max({day}julianday({column.sql}) end)"
    return f"max({column.sql})"


def key(dialect: str, columns: Sequence[Column]) -> str:
    """One value for each combination of these columns, none of which is null."""
    if len(columns) == 1:
        return columns[0].sql
    if dialect == "duckdb":
        return f"row({', '.join(column.sql for column in columns)})"
    if dialect != "sqlite":
        return servers.key(dialect, columns)
    # SQLite counts distinct single values only: `quote` writes a value so that it cannot be taken for two.
    return " || ',' || ".join(_quoted_value(column.sql) for column in columns)


def _quoted_value(name: str) -> str:
    whole = f"typeof({name}) = 'real' and {name} = cast({name} as integer)"  # 1.0 is the same value as 1
    return f"case when {whole} then quote(cast({name} as integer)) else quote({name}) end"
