"""The built-in checks of a table's columns and rows, all of one table in one scan.

Each check becomes one aggregate of one SELECT; only for one that fails a second, small query fetches the first rows.

Nulls: `not_null` finds them, every other check passes over them (`unique` over rows with a null in any of its columns).
NaN is a value: `not_null` passes it, `between` fails it, two of them are the same for `unique`. An empty table fails
nothing but `row_count`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from assets_cli.checks import conditions
from assets_cli.checks.conditions import Column
from assets_cli.checks.files import quoted
from assets_cli.checks.jsonable import row
from assets_cli.checks.protocol import PASSED, SAMPLE, Asked, CheckError, Finding, Session, Subject, refused
from assets_cli.model.spelling import nearest

_MOST_NAMED = 8


class Relation(NamedTuple):
    """A table as a query names it, with its columns."""

    source: str
    columns: tuple[Column, ...]
    dialect: str


class _Test(NamedTuple):
    """A check as SQL. `aggregate` counts what fails (of `row_count`: the rows); `sample` fetches the first of it.

    `words` gives the sentence for a count of failures among so many rows, or None where all is well.
    """

    aggregate: str
    words: Callable[[int, int], str | None]
    sample: str | None = None


def relation(session: Session, subject: Subject) -> Relation:
    """What is looked at.

    Raises:
        CheckError: the asset has no output that could be queried; or whatever the database raises.
    """
    table = subject.table
    if subject.path is not None:
        table = quoted(subject.asset)
    if table is None:
        raise CheckError(f"{subject.asset} declares no output that could be looked at")
    columns = tuple(Column(name, kind.upper()) for name, kind in session.columns(table))
    return Relation(session.qualified(table), columns, session.dialect)


def look(
    asked: Sequence[Asked], relation: Relation, session: Session, known: tuple[type[Exception], ...]
) -> Iterator[tuple[Asked, Finding]]:
    """What each of these checks finds; one that cannot be evaluated fails by itself."""
    tests: list[tuple[Asked, _Test]] = []
    for check in asked:
        try:
            tests.append((check, _TESTS[check.kind](relation, check.arguments)))
        except CheckError as error:
            yield check, refused(error)
    try:
        counted = _count([test for _, test in tests], relation, session)
    except known:
        counted = None
    for index, (check, test) in enumerate(tests):
        try:
            # What the database refuses may be the fault of one of them: then each is asked for alone.
            rows, count = (counted[0], counted[index + 1]) if counted else _count([test], relation, session)
            yield check, _finding(test, count, rows, session)
        except known as error:
            yield check, refused(error)


def _count(tests: Sequence[_Test], relation: Relation, session: Session) -> list[int]:
    """The number of rows, then what each test counts."""
    if not tests:
        return [0]
    aggregates = ", ".join(["count(*)", *(test.aggregate for test in tests)])
    found = session.fetch(f"select {aggregates} from {relation.source}", 1, 1)  # noqa: S608 - every name is quoted
    return [int(value or 0) for value in found.rows[0]]


def _finding(test: _Test, count: int, rows: int, session: Session) -> Finding:
    message = test.words(count, rows)
    if message is None:
        return PASSED
    if test.sample is None:
        return Finding(passed=False, message=message)
    found = session.fetch(f"{test.sample} limit {SAMPLE}", SAMPLE, SAMPLE)
    sample = tuple(row(found.columns, values) for values in found.rows)
    return Finding(passed=False, failing=count, message=message, sample=sample)


def _not_null(relation: Relation, arguments: Mapping[str, Any]) -> _Test:
    columns = _columns(relation, arguments["columns"])
    condition = " or ".join(f"{column.sql} is null" for column in columns)
    where = f" in {_listed(columns, 'or')}" if len(columns) > 1 else ""
    return _rows_where(f"({condition})", columns, relation, lambda failing: f"{_have(failing)} no value{where}")


def _accepted_values(relation: Relation, arguments: Mapping[str, Any]) -> _Test:
    (column,) = _columns(relation, [arguments["column"]])
    values = arguments["values"]
    condition = conditions.not_among(relation.dialect, column, values)
    shown = ", ".join(str(value) for value in values[:_MOST_NAMED]) + (", …" if len(values) > _MOST_NAMED else "")
    return _rows_where(
        condition, [column], relation, lambda failing: f"{_have(failing)} a value that is none of {shown}"
    )


def _between(relation: Relation, arguments: Mapping[str, Any]) -> _Test:
    (column,) = _columns(relation, [arguments["column"]])
    least, most = arguments.get("min"), arguments.get("max")
    condition = conditions.not_between(relation.dialect, column, least, most)
    said = f"outside {least} to {most}"
    if most is None or least is None:
        said = f"below {least}" if most is None else f"above {most}"
    return _rows_where(condition, [column], relation, lambda failing: f"{_have(failing)} a value {said}")


def _rows_where(condition: str, columns: Sequence[Column], relation: Relation, verb: Callable[[int], str]) -> _Test:
    """A test that no row meets a condition. The sample shows the columns that it is about first."""
    about = [column.name for column in columns]
    others = [column.name for column in relation.columns if column.name not in about]
    shown = ", ".join(quoted(name) for name in [*about, *others])
    return _Test(
        f"sum(case when {condition} then 1 else 0 end)",
        lambda failing, rows: f"{failing:,} of {_rows(rows)} {verb(failing)}" if failing else None,
        f"select {shown} from {relation.source} where {condition}",  # noqa: S608 - every name is quoted
    )


def _unique(relation: Relation, arguments: Mapping[str, Any]) -> _Test:
    columns = _columns(relation, arguments["columns"])
    whole = " and ".join(f"{column.sql} is not null" for column in columns)
    key = conditions.key(relation.dialect, columns)
    listed = ", ".join(column.sql for column in columns)
    times = "times" if all(column.name.lower() != "times" for column in columns) else "occurrences"
    return _Test(
        f"sum(case when {whole} then 1 else 0 end) - count(distinct case when {whole} then {key} end)",
        lambda failing, rows: (
            f"{failing:,} of {_rows(rows)} {'repeats' if failing == 1 else 'repeat'} the {_listed(columns, 'and')} "
            "of another"
            if failing
            else None
        ),
        f"select {listed}, count(*) as {times} from {relation.source} where {whole} "  # noqa: S608 - as above
        f"group by {listed} having count(*) > 1 order by count(*) desc, {listed}",
    )


def _row_count(_: Relation, arguments: Mapping[str, Any]) -> _Test:
    least, most = arguments.get("min"), arguments.get("max")

    def words(count: int, _rows_there: int) -> str | None:
        if least is not None and count < least:
            return f"{_rows(count)}, expected at least {least:,}"
        if most is not None and count > most:
            return f"{_rows(count)}, expected at most {most:,}"
        return None

    return _Test("count(*)", words)


_TESTS: Mapping[str, Callable[[Relation, Mapping[str, Any]], _Test]] = {
    "not_null": _not_null,
    "unique": _unique,
    "accepted_values": _accepted_values,
    "row_count": _row_count,
    "between": _between,
}
KINDS = frozenset(_TESTS)


def _columns(relation: Relation, names: Sequence[str]) -> list[Column]:
    """The columns of these names, as databases compare names: without regard to case.

    Raises:
        CheckError: one is not there.
    """
    there = {column.name.lower(): column for column in relation.columns}
    missing = [name for name in names if name.lower() not in there]
    if missing:
        near = nearest(missing[0], there)
        shown = [column.name for column in relation.columns]
        more = f" and {len(shown) - _MOST_NAMED} more" if len(shown) > _MOST_NAMED else ""
        hint = f"did you mean {there[near].name}?" if near else f"columns: {', '.join(shown[:_MOST_NAMED])}{more}"
        named = " and ".join(missing) if len(missing) <= 2 else f"{missing[0]} and {len(missing) - 1} more"  # noqa: PLR2004 - a pair
        raise CheckError(f"there is no column {named} ({hint})")
    return [there[name.lower()] for name in names]


def _listed(columns: Sequence[Column], last: str) -> str:
    *some, final = [column.name for column in columns]
    return f"{', '.join(some)} {last} {final}" if some else final


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def _have(failing: int) -> str:
    return "has" if failing == 1 else "have"
