"""What fails a check of one column on a server, as a condition in SQL: PostgreSQL, and what else speaks standard SQL.

Where a value would have to be cast that may not be castable, only PostgreSQL knows how to ask first; elsewhere the
check is refused, with what to write instead. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from assets_cli.checks.files import text
from assets_cli.checks.protocol import CheckError
from assets_cli.checks.values import Bound, Column, number, plain

_NUMBERS = re.compile(
    r"^(?:U?(?:TINY|SMALL|MEDIUM|BIG|HUGE)?INT|INTEGER|SMALLSERIAL|SERIAL|BIGSERIAL|DEC|NUM|FLOAT|REAL|DOUBLE)"
)
_FLOATS = re.compile(r"^(?:FLOAT|REAL|DOUBLE|NUM)")
_MOMENTS = re.compile(r"^(?:DATE|TIME)")
_TEXT: Final = {"mysql": "char", "bigquery": "string", "databricks": "string", "spark": "string"}
_IS_NUMBER: Final = r"'^\s*[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?\s*$'"
_NEVER: Final = "(1 = 0)"


def among(dialect: str, column: Column, values: Sequence[Any]) -> str:
    """Whether a row's value, which is not null, is one of these."""
    compared = column.sql
    if _NUMBERS.match(column.type):
        listed = [found for value in values if (found := number(value)) is not None]
    elif column.type.startswith("BOOL"):
        listed = [word for value in values if (word := plain(value).lower()) in ("true", "false")]
    elif _MOMENTS.match(column.type):
        listed = [f"cast({text(plain(value))} as {column.type})" for value in values if _is_moment(plain(value))]
    else:
        compared = _as_text(dialect, column)
        listed = [text(plain(value)) for value in values]
    return f"{compared} in ({', '.join(listed)})" if listed else _NEVER


def inside(dialect: str, column: Column, sign: str, bound: Bound) -> str:
    """Whether a row's value, which is not null, is on the right side of a bound."""
    if _NUMBERS.match(column.type):
        return number_inside(column, sign, bound)
    if _MOMENTS.match(column.type):
        return moment_inside(column, sign, bound)
    if isinstance(bound, str):
        # By code points, whatever the database's own order of texts is.
        collated = ' collate "C"' if dialect == "postgres" else ""
        return f"{_as_text(dialect, column)}{collated} {sign} {text(bound)}"
    if dialect == "postgres":
        value = _as_text(dialect, column)
        return f"(case when {value} ~ {_IS_NUMBER} then {value}::double precision {sign} {plain(bound)} else false end)"
    raise CheckError(f"{column.name} is {column.type}, and {bound} is a number (write a sql check that casts it)")


def number_inside(column: Column, sign: str, bound: Bound) -> str:
    """The same of a column of numbers, in any database with types.

    Raises:
        CheckError: the bound is none.
    """
    found = number(bound)
    if found is None:
        raise CheckError(f"{column.name} is {column.type}, and {bound!r} is no number")
    return f"{column.sql} {sign} {found}"


def moment_inside(column: Column, sign: str, bound: Bound) -> str:
    """The same of a column of dates or times.

    Raises:
        CheckError: the bound is none.
    """
    if not isinstance(bound, str):
        raise CheckError(f"{column.name} is {column.type}, and {bound} is no date or time")
    # A day begins at midnight: compared as a moment, a bound within a day is not cut off to that day.
    kind = "TIMESTAMP" if column.type == "DATE" else column.type
    return f"{column.sql} {sign} cast({text(bound)} as {kind})"


def is_nan(dialect: str, column: Column) -> str | None:
    """Whether a row's value is not a number, where the database knows such a value."""
    if dialect == "postgres" and _FLOATS.match(column.type):
        return f"{column.sql} = 'NaN'"
    return None


def key(dialect: str, columns: Sequence[Column]) -> str:
    """One value for each combination of several columns, for `count(distinct …)`."""
    listed = ", ".join(column.sql for column in columns)
    if dialect in ("mysql", "snowflake"):
        return listed  # they count distinct lists, of rows without a null
    return f"to_json_string(struct({listed}))" if dialect == "bigquery" else f"row({listed})"


def counts_lists(dialect: str) -> bool:
    """Whether `key` is a list, which cannot stand in an expression; rows with a null don't count in it anyway."""
    return dialect in ("mysql", "snowflake")


def _as_text(dialect: str, column: Column) -> str:
    return f"cast({column.sql} as {_TEXT.get(dialect, 'text' if dialect == 'postgres' else 'varchar')})"


def _is_moment(value: str) -> bool:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True
