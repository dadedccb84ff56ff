"""What fails a check of one column, as a condition in SQL: in DuckDB columns have types, in SQLite values have.

Nulls pass here: that a value is there is `not_null`'s business. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from assets_cli.checks.files import quoted, text
from assets_cli.checks.protocol import CheckError

_NUMBERS = re.compile(r"^(?:U?(?:TINY|SMALL|BIG|HUGE)?INT(?:EGER)?|DECIMAL\(.*\)|FLOAT|DOUBLE|BIGNUM|VARINT)$")
_FLOATS = ("FLOAT", "DOUBLE")
_MOMENTS = re.compile(r"^(?:DATE|TIME\b.*|TIMESTAMP.*)$")
_NEVER = "false"
_NUMERIC = "('integer', 'real')"


class Column(NamedTuple):
    """A column as the database has it."""

    name: str
    type: str

    @property
    def sql(self) -> str:
        """Its name in a statement."""
        return quoted(self.name)


Bound = str | int | float


def not_among(dialect: str, column: Column, values: Sequence[Any]) -> str:
    """Whether a row's value is none of these."""
    among = _among_sqlite(column, values) if dialect == "sqlite" else _among_duckdb(column, values)
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
    inside = " and ".join(f"coalesce({_inside_duckdb(column, sign, bound)}, false)" for sign, bound in bounds)
    # DuckDB orders NaN above every number.
    nan = f" or isnan({column.sql})" if column.type in _FLOATS else ""
    return f"({column.sql} is not null and (not ({inside}){nan}))"


def _among_duckdb(column: Column, values: Sequence[Any]) -> str:
    compared = column.sql
    if _NUMBERS.match(column.type):
        listed = [number for value in values if (number := _number(value)) is not None]
    elif column.type == "BOOLEAN":
        words = [_plain(value).lower() for value in values]
        listed = [word for word in words if word in ("true", "false")]
    elif _MOMENTS.match(column.type):
        listed = [f"try_cast({text(_plain(value))} as {column.type})" for value in values]
    else:
        compared = f"{column.sql}::varchar"
        listed = [text(_plain(value)) for value in values]
    return f"coalesce({compared} in ({', '.join(listed)}), false)" if listed else _NEVER


def _inside_duckdb(column: Column, sign: str, bound: Bound) -> str:
    if _NUMBERS.match(column.type):
        number = _number(bound)
        if number is None:
            raise CheckError(f"{column.name} is {column.type}, and {bound!r} is no number")
        return f"{column.sql} {sign} {number}"
    if _MOMENTS.match(column.type):
        if not isinstance(bound, str):
            raise CheckError(f"{column.name} is {column.type}, and {bound} is no date or time")
        # A day begins at midnight: compared as a moment, a bound within a day is not cut off to that day.
        kind = "TIMESTAMP" if column.type == "DATE" else column.type
        return f"{column.sql} {sign} cast({text(bound)} as {kind})"
    if isinstance(bound, str):
        return f"{column.sql}::varchar {sign} {text(bound)}"
    number = f"try_cast({column.sql}::varchar as double)"
    return f"({number} {sign} {_plain(bound)} and not isnan({number}))"


def _among_sqlite(column: Column, values: Sequence[Any]) -> str:
    listed: list[str] = []
    for value in values:
        if isinstance(value, bool):
            listed.append("1" if value else "0")
        elif (number := _number(value)) is not None:
            listed.append(number)
        listed.append(text(_plain(value)))
    return f"{column.sql} in ({', '.join(listed)})"


def _inside_sqlite(column: Column, sign: str, bound: Bound) -> str:
    number = _number(bound)
    parts = [] if number is None else [f"(typeof({column.sql}) in {_NUMERIC} and {column.sql} {sign} {number})"]
    if isinstance(bound, str):
        # The plus takes the column's affinity off, so that two texts are compared as texts.
        parts.append(f"(typeof({column.sql}) = 'text' and +{column.sql} {sign} {text(bound)})")
    return f"({' or '.join(parts)})"


def key(dialect: str, columns: Sequence[Column]) -> str:
    """One value for each combination of these columns, none of which is null."""
    if len(columns) == 1:
        return columns[0].sql
    if dialect == "duckdb":
        return f"row({', '.join(column.sql for column in columns)})"
    # SQLite counts distinct single values only: `quote` writes a value so that it cannot be taken for two.
    return " || ',' || ".join(_quoted_value(column.sql) for column in columns)


def _quoted_value(name: str) -> str:
    whole = f"typeof({name}) = 'real' and {name} = cast({name} as integer)"  # 1.0 is the same value as 1
    return f"case when {whole} then quote(cast({name} as integer)) else quote({name}) end"


def _number(value: Any) -> str | None:
    """A number for a statement; None for what is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return repr(value)
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return str(number) if number.is_finite() else None


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
