"""Rows that come to a table: appended, merged by a key, or in place of a window of time, each attempt once.

The same statements for every database, within a transaction that the caller opened: the query is built beside, the
rows that it replaces go, its own come, and the attempt's id is noted in a table of ours in the same schema. Knows no
driver.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

from assets_cli.connections.protocol import DatabaseError, Growth

ATTEMPTS = "_assets_attempts"
"""The table that says which attempt filled each table of its schema last: one row for each."""

_SHOWN = 5


class GrowingTable(Protocol):
    """A table within an open transaction. Names come quoted, as statements write them."""

    target: str
    """The table that grows."""

    beside: str
    """Where the query's rows are put first."""

    attempts: str
    """The table `ATTEMPTS` of the same schema."""

    name: str
    """What stands for the table in that one."""

    def execute(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement, whose values are `?`; all of its rows."""
        ...

    def quote(self, name: str) -> str:
        """The name of a column for a statement."""
        ...

    def exists(self) -> bool:
        """Whether there is a table to add to; a view is none."""
        ...

    def columns(self, table: str) -> tuple[tuple[str, str], ...]:
        """Names and types of `target` or `beside`."""
        ...

    def build(self, query: str) -> None:
        """Put the rows of a query into `beside`."""
        ...

    def discard(self) -> None:
        """Remove `beside`."""
        ...

    def replace(self, query: str) -> int:
        """Make the table of a query alone, whatever was there; the number of its rows."""
        ...


class _Names(NamedTuple):
    """The columns of the new rows, quoted."""

    all: tuple[str, ...]
    key: tuple[str, ...]
    time: str | None


class Grown(NamedTuple):
    """What a query brought: `rows` of it, and whether the table now holds these alone."""

    rows: int
    alone: bool

    @property
    def added(self) -> int | None:
        """How many rows came to those that were there."""
        return None if self.alone else self.rows


def grow(into: GrowingTable, query: str, growth: Growth, table: str) -> Grown:
    """Add the rows of a query. `table` is the name for messages.

    Raises:
        DatabaseError: as `Session.grow`.
    """
    there = into.exists()
    if growth.first and there:
        hint = "adopt what is there with `assets state mark`, or build it from nothing with --full-refresh"
        raise DatabaseError(f"{table} is there already, and nothing on record says what is in it", hint=hint)
    alone = growth.anew or not there
    if alone:
        rows = _anew(into, query, growth, there=there)
    else:
        _refuse_unnoticed(into, growth, table)
        into.build(query)
        rows = _add(into, growth, table)
        into.discard()
    _note(into, growth)
    return Grown(rows, alone)


def total(into: GrowingTable, grown: Grown, *, counted: bool) -> int | None:
    """How many rows the table has now; None where that takes a scan that nobody asked for."""
    if grown.alone or not counted:
        return grown.rows if grown.alone else None
    ((count,),) = into.execute(f"select count(*) from {into.target}")  # noqa: S608 - quoted
    return int(count)


@contextmanager
def hinting(query: str, name: str, growth: Growth) -> Iterator[None]:
    """Say what helps where a query reads its own table before there is one."""
    try:
        yield
    except DatabaseError as error:
        if not growth.columns and mentions(query, name) and mentions(str(error), name) and "exist" in _told(error):
            error.hint = (
                f"if the query reads {name} itself, declare `columns:` with a type for each: then it begins empty"
            )
        raise


def _told(error: DatabaseError) -> str:
    return str(error).replace("no such table", "does not exist")


def last_attempt(into: GrowingTable) -> str | None:
    """The attempt that filled the table last; the table of attempts must be there."""
    rows = into.execute(f"select attempt from {into.attempts} where target = ?", [into.name])  # noqa: S608 - quoted
    return str(rows[0][0]) if rows else None


def mentions(query: str, table: str) -> bool:
    """Whether a query may read the table: its name stands in the text."""
    return re.search(rf"(?<!\w){re.escape(table)}(?!\w)", query, re.IGNORECASE) is not None


def _anew(into: GrowingTable, query: str, growth: Growth, *, there: bool) -> int:
    """Build it from nothing: what the query reads of the table itself is nothing, too."""
    if mentions(query, into.name):
        if there:
            into.execute(f"delete from {into.target}")  # noqa: S608 - quoted
        elif growth.columns:
            listed = ", ".join(f"{into.quote(name)} {kind}" for name, kind in growth.columns)
            into.execute(f"create table {into.target} ({listed})")
    return into.replace(query)


def _refuse_unnoticed(into: GrowingTable, growth: Growth, table: str) -> None:
    found = last_attempt(into)
    if growth.after is not None and found is not None and found != growth.after:
        raise DatabaseError(
            f"{table} was last filled by attempt {found}, and on record is attempt {growth.after}",
            hint="adopt what is there with `assets state mark`, or build it from nothing with --full-refresh",
        )


def _add(into: GrowingTable, growth: Growth, table: str) -> int:
    names = _matched(into, growth, table)
    (count,) = into.execute(f"select count(*) from {into.beside}")[0]  # noqa: S608 - quoted
    if not count:
        return 0
    _check_values(into, names)
    target, beside = into.target, into.beside
    if names.key:
        same = " and ".join(f"{beside}.{each} = {target}.{each}" for each in names.key)
        statement = f"delete from {target} where exists (select 1 from {beside} where {same})"  # noqa: S608 - quoted
        into.execute(statement)
    if names.time:
        first, last = (f"(select {f}({names.time}) from {beside})" for f in ("min", "max"))  # noqa: S608 - quoted
        into.execute(f"delete from {target} where {names.time} between {first} and {last}")  # noqa: S608 - quoted
    listed = ", ".join(names.all)
    into.execute(f"insert into {target} ({listed}) select {listed} from {beside}")  # noqa: S608 - quoted
    return int(count)


def _matched(into: GrowingTable, growth: Growth, table: str) -> _Names:
    """The columns of the new rows, which must be those of the table in any order."""
    given = [name for name, _ in into.columns(into.beside)]
    held = [name for name, _ in into.columns(into.target)]
    known = {name.lower() for name in held}
    more = [name for name in given if name.lower() not in known]
    fewer = [name for name in held if name.lower() not in {each.lower() for each in given}]
    if more or fewer:
        said = [f"gives {_some(more)}, which {table} has not"] if more else []
        said += [f"no longer gives {_some(fewer)}"] if fewer else []
        hint = "build the table from nothing with --full-refresh, or correct the query"
        raise DatabaseError(f"the query {' and '.join(said)}", hint=hint)
    key = tuple(_column(name, given, "unique_key") for name in growth.unique_key)
    time = _column(growth.time_column, given, "time_column") if growth.time_column else None
    return _Names(
        tuple(into.quote(name) for name in given),
        tuple(into.quote(name) for name in key),
        into.quote(time) if time else None,
    )


def _column(name: str, given: Sequence[str], what: str) -> str:
    found = name if name in given else next((each for each in given if each.lower() == name.lower()), None)
    if found is None:
        raise DatabaseError(f"the query gives no column {name}, its {what}", hint=f"its columns: {_some(given)}")
    return found


def _check_values(into: GrowingTable, names: _Names) -> None:
    """A key must be whole and there once, a time be there: otherwise each run would leave the row once more."""
    beside = into.beside
    for column, what in [
        *((each, "unique_key") for each in names.key),
        *([(names.time, "time_column")] * bool(names.time)),
    ]:
        (count,) = into.execute(f"select count(*) from {beside} where {column} is null")[0]  # noqa: S608 - quoted
        if count:
            rows = "1 row has" if count == 1 else f"{count:,} rows have"
            raise DatabaseError(f"{rows} no value in {column}, the {what}", hint="leave them out, or give them one")
    if names.key:
        listed, first = ", ".join(names.key), names.key[0]
        repeated = f"select {listed}, count(*) as times from {beside} group by {listed} having count(*) > 1"  # noqa: S608 - quoted
        found = into.execute(f"select count(*), min({first}), max(times) from ({repeated}) repeated")  # noqa: S608 - quoted
        count, example, times = found[0]
        if count:
            what = f"{first} {example}" if len(names.key) == 1 else f"{listed} of {first} {example}"
            message = f"the query gives {times:,} rows for one unique_key: {what}"
            message += f", and {count - 1:,} more such keys" if count > 1 else ""
            raise DatabaseError(message, hint="keep one of them, or add a column to the key")


def _note(into: GrowingTable, growth: Growth) -> None:
    into.execute(f"delete from {into.attempts} where target = ?", [into.name])  # noqa: S608 - quoted
    into.execute(f"insert into {into.attempts} values (?, ?)", [into.name, growth.attempt])  # noqa: S608 - quoted


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown
