"""How old the newest value of a column is. Times without a zone are taken as UTC, and that is said. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from assets_cli.checks.protocol import CheckError, Finding
from assets_cli.checks.values import Column
from assets_cli.model.duration import show

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_JULIAN_EPOCH: Final = 2_440_587.5
_DAY: Final = 86_400_000_000
_MILLISECOND: Final = 1_000


def judge_age(newest: Any, column: Column, dialect: str, arguments: Mapping[str, Any], *, private: bool) -> Finding:
    """Whether the newest value is no older than `max` at `now`, both in microseconds. What is later counts as now."""
    if newest is None:
        return Finding(passed=False, message=f"no row has a time in {column.name} whose age could be told")
    moment, taken = _moment(newest, column, dialect)
    said = f"; {taken}" if taken else ""
    age, most = max(arguments["now"] - moment, 0), arguments["max"]
    if age <= most:
        return Finding(passed=True, message=f"the newest is {show(age)} old{said}" if taken else "")
    value = "" if private else f", {_rfc3339(moment)},"
    return Finding(
        passed=False, message=f"the newest {column.name}{value} is {show(age)} old, at most {show(most)}{said}"
    )


def _moment(newest: Any, column: Column, dialect: str) -> tuple[int, str]:
    """Microseconds UTC, and how a value without a zone was taken."""
    if dialect == "sqlite":
        milliseconds = round((newest - _JULIAN_EPOCH) * _DAY / _MILLISECOND)
        return milliseconds * _MILLISECOND, "times without a zone are taken as UTC"
    if dialect == "duckdb":
        return newest, _taken(column.type)
    if isinstance(newest, str):
        try:
            newest = datetime.fromisoformat(newest)
        except ValueError:
            raise CheckError(f"{column.name} is {column.type}, and its newest value is no time") from None
    if not isinstance(newest, date):
        raise CheckError(f"{column.name} is {column.type}, which is no date and no time")
    if not isinstance(newest, datetime):
        return _since(datetime(newest.year, newest.month, newest.day, tzinfo=UTC)), _taken("DATE")
    if newest.tzinfo is None:
        return _since(newest.replace(tzinfo=UTC)), _taken("TIMESTAMP")
    return _since(newest), ""


def _since(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _taken(kind: str) -> str:
    if kind == "DATE":
        return "a date is taken as its beginning in UTC"
    if kind == "VARCHAR":
        return "times without a zone are taken as UTC"
    return "" if "WITH TIME ZONE" in kind else "it has no zone and is taken as UTC"


def _rfc3339(moment: int) -> str:
    text = (_EPOCH + timedelta(microseconds=moment)).isoformat().removesuffix("+00:00")
    return f"{text}Z"
