"""Checks of a table's columns and rows that one aggregate answers, so that all of a table share one scan.

Nulls: `not_null` finds them, every other check passes over them (`unique` over rows with a null in any of its columns).
NaN is a value: `not_null` passes it, `between` fails it, two of them are the same for `unique`. An empty table fails
nothing but `row_count`, `volume` and `max_age`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from assets_cli.checks import conditions, servers
from assets_cli.checks.ages import judge_age
from assets_cli.checks.protocol import PASSED, Finding
from assets_cli.checks.relation import Relation
from assets_cli.checks.values import Column, rows
from assets_cli.checks.volume import judge_volume

_MOST_NAMED = 8


class Aggregate(NamedTuple):
    """A check as SQL. `sql` is the aggregate, `judge` what its value says of a table of so many rows.

    `sample` fetches the first of what fails.
    """

    sql: str
    judge: Callable[[Any, int], Finding]
    sample: str | None = None


def _not_null(relation: Relation, arguments: Mapping[str, Any]) -> Aggregate:
    columns = relation.named(arguments["columns"])
    condition = " or ".join(f"{column.sql} is null" for column in columns)
    where = f" in {_listed(columns, 'or')}" if len(columns) > 1 else ""
    found = _rows_where(f"({condition})", columns, relation, lambda failing: f"{_have(failing)} no value{where}")
    # Of one column there is nothing quicker than its count.
    return found if len(columns) > 1 else found._replace(sql=f"count(*) - count({columns[0].sql})")


def _accepted_values(relation: Relation, arguments: Mapping[str, Any]) -> Aggregate:
    (column,) = relation.named([arguments["column"]])
    values = arguments["values"]
    condition = conditions.not_among(relation.dialect, column, values)
    shown = ", ".join(str(value) for value in values[:_MOST_NAMED]) + (", …" if len(values) > _MOST_NAMED else "")
    return _rows_where(
        condition, [column], relation, lambda failing: f"{_have(failing)} a value that is none of {shown}"
    )


def _between(relation: Relation, arguments: Mapping[str, Any]) -> Aggregate:
    (column,) = relation.named([arguments["column"]])
    least, most = arguments.get("min"), arguments.get("max")
    condition = conditions.not_between(relation.dialect, column, least, most)
    said = f"outside {least} to {most}"
    if most is None or least is None:
        said = f"below {least}" if most is None else f"above {most}"
    return _rows_where(condition, [column], relation, lambda failing: f"{_have(failing)} a value {said}")


def _matches(relation: Relation, arguments: Mapping[str, Any]) -> Aggregate | None:
    """None where this database is not asked: see `own_query`."""
    (column,) = relation.named([arguments["column"]])
    pattern = arguments["pattern"]
    matches = conditions.matcher(relation.dialect, column, pattern)
    if matches is None:
        return None
    condition = f"({column.sql} is not null and not {matches})"
    return _rows_where(condition, [column], relation, lambda failing: no_match(failing, pattern))


def no_match(failing: int, pattern: str) -> str:
    """What is wrong with so many rows whose value does not match."""
    return f"{_have(failing)} a value that does not match {pattern}"


def _rows_where(condition: str, columns: Sequence[Column], relation: Relation, verb: Callable[[int], str]) -> Aggregate:
    """A test that no row meets a condition. The sample shows the columns that it is about first."""
    return Aggregate(
        f"sum(case when {condition} then 1 else 0 end)",
        lambda count, total: _failing(count, total, verb),
        f"select {relation.shown_first(columns)} from {relation.source} where {condition}",  # noqa: S608 - quoted
    )


def _failing(count: Any, total: int, verb: Callable[[int], str]) -> Finding:
    failing = int(count or 0)
    if not failing:
        return PASSED
    return Finding(passed=False, failing=failing, message=f"{failing:,} of {rows(total)} {verb(failing)}")


def _unique(relation: Relation, arguments: Mapping[str, Any]) -> Aggregate:
    columns = relation.named(arguments["columns"])
    whole = " and ".join(f"{column.sql} is not null" for column in columns)
    key = conditions.key(relation.dialect, columns)
    times = "times" if all(column.name.lower() != "times" for column in columns) else "occurrences"
    # Private columns are selected under their own names as something else: what is grouped by is said in full.
    listed = ", ".join(f"s.{column.sql}" for column in columns)
    source = f"{relation.source} s where {' and '.join(f's.{column.sql} is not null' for column in columns)}"
    alone = len(columns) == 1
    if alone or servers.counts_lists(relation.dialect):
        counted, distinct = (key, key) if alone else (f"case when {whole} then 1 end", key)
    else:
        counted, distinct = f"case when {whole} then 1 end", f"case when {whole} then {key} end"
    return Aggregate(
        f"count({counted}) - count(distinct {distinct})",
        lambda count, total: _failing(
            count,
            total,
            lambda failing: f"{'repeats' if failing == 1 else 'repeat'} the {_listed(columns, 'and')} of another",
        ),
        f"select {relation.shown(columns)}, count(*) as {times} from {source} "  # noqa: S608 - every name is quoted
        f"group by {listed} having count(*) > 1 order by count(*) desc, {listed}",
    )


def _row_count(_: Relation, arguments: Mapping[str, Any]) -> Aggregate:
    least, most = arguments.get("min"), arguments.get("max")

    def judge(count: Any, _total: int) -> Finding:
        if least is not None and count < least:
            return Finding(passed=False, message=f"{rows(count)}, expected at least {least:,}")
        if most is not None and count > most:
            return Finding(passed=False, message=f"{rows(count)}, expected at most {most:,}")
        return PASSED

    return Aggregate("count(*)", judge)


def _volume(_: Relation, arguments: Mapping[str, Any]) -> Aggregate:
    return Aggregate("count(*)", lambda count, _total: judge_volume(int(count), arguments))


def _max_age(relation: Relation, arguments: Mapping[str, Any]) -> Aggregate:
    (column,) = relation.named([arguments["column"]])
    private = relation.privacy.hides(column.name)
    return Aggregate(
        conditions.newest(relation.dialect, column),
        lambda newest, _: judge_age(newest, column, relation.dialect, arguments, private=private),
    )


AGGREGATES: Mapping[str, Callable[[Relation, Mapping[str, Any]], Aggregate | None]] = {
    "not_null": _not_null,
    "unique": _unique,
    "accepted_values": _accepted_values,
    "row_count": _row_count,
    "between": _between,
    "matches": _matches,
    "volume": _volume,
    "max_age": _max_age,
}


def _listed(columns: Sequence[Column], last: str) -> str:
    *some, final = [column.name for column in columns]
    return f"{', '.join(some)} {last} {final}" if some else final


def _have(failing: int) -> str:
    return "has" if failing == 1 else "have"
