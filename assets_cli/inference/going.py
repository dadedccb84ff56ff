"""Columns that go away between two states of a project, and who reads them below.

Of assets that SQL fills on both sides, where both texts say for certain which columns there are; and of what `columns:`
declares. Compares, decides nothing, opens no database.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from assets_cli.inference.catalog import Columns
from assets_cli.inference.lineage import reach
from assets_cli.model.answers import Reached
from assets_cli.model.difference import Gone, GoneSort, Pairs, Reader
from assets_cli.model.manifest import Check, SqlCommand
from assets_cli.model.problem import AssetsError

MOST: Final = 1_000
"""So many texts are followed, and so many assets below a column are asked whether they read it."""


class Going(NamedTuple):
    """The columns that go away, and whether all that could be looked at was."""

    columns: tuple[Gone, ...]
    complete: bool = True


class Near(Columns):
    """The columns of a project, of which no more is read than what is asked rests on: chains may be long and wide.

    A text without a star says by itself what it gives, and takes from what is just above it.
    """

    def read(self, names: Iterable[str]) -> None:
        """Follow the SQL of these assets, and of those above them that they cannot be understood without."""
        asked = set(names)
        wanted = asked | {upstream for name in asked for upstream in self.graph.upstreams(name)}
        waiting = list(wanted)
        while waiting:
            name = waiting.pop()
            if self.has_star(name):
                new = set(self.graph.upstreams(name)) - wanted
                wanted |= new
                waiting += new
        self.read_alone(wanted)


class Lenses(NamedTuple):
    """The columns of both states: names alone, and of the one before with what each is made from."""

    before: Near
    now: Near
    ways: Near


def going(pairs: Pairs, changed: Sequence[str], lenses: Lenses) -> Going:
    """The columns that go away. `changed` are the assets whose code or upstreams differ, in topological order."""
    sql = [name for name in changed if all(isinstance(each.command, SqlCommand) for each in pairs.common[name])]
    lost: dict[tuple[str, str], GoneSort] = {}
    for name in sql[:MOST]:
        lost.update(dict.fromkeys(((name, column) for column in _lost(pairs, name, lenses)), "inferred"))
    for name, (earlier, asset) in pairs.common.items():
        there = {column.name.lower() for column in asset.columns}
        for declared in earlier.columns:
            if declared.name.lower() not in there:
                known = next((key for key in lost if key[0] == name and key[1].lower() == declared.name.lower()), None)
                lost[known or (name, declared.name)] = "both" if known else "declared"
    complete = len(sql) <= MOST
    if not lost:
        return Going((), complete)
    today = {former: name for name, former in pairs.former.items()}
    found = []
    for (name, column), sort in lost.items():
        former = pairs.former.get(name, name)
        few = len(lenses.ways.graph.descendants([former])) <= MOST
        complete = complete and few
        readers = tuple(_readers(former, column, lenses, today)) if few else ()
        asset = pairs.common[name][1]
        is_declared = column.lower() in {each.name.lower() for each in asset.columns}
        checks = tuple(check.name for check in asset.checks if _looks_at(check, column))
        found.append(Gone(name, column, sort, readers, is_declared, checks))
    return Going(tuple(found), complete)


def _looks_at(check: Check, column: str) -> bool:
    """Whether a check names a column of its own asset."""
    named = check.arguments.get("columns"), check.arguments.get("column")
    flat = [each for one in named for each in (one if isinstance(one, list | tuple) else [one])]
    return column.lower() in {each.lower() for each in flat if isinstance(each, str)}


def _lost(pairs: Pairs, name: str, lenses: Lenses) -> list[str]:
    """The columns that the SQL of an asset gave and gives no more, where both texts say all that they give."""
    former = pairs.former.get(name, name)
    lenses.before.read([former])
    lenses.now.read([name])
    old, new = _all(lenses.before, former), _all(lenses.now, name)
    if old is None or new is None:
        return []
    there = {lenses.now.key(name, column) for column in new}
    return [column for column in old if lenses.before.key(former, column) not in there]


def _all(columns: Columns, name: str) -> tuple[str, ...] | None:
    """The names of all columns; None where the SQL does not say for certain."""
    reading = columns.reading(name)
    names, complete = columns.known(name)
    return names if reading is not None and not reading.relation.opens and complete and names else None


def _readers(asset: str, column: str, lenses: Lenses, today: Mapping[str, str]) -> Iterator[Reader]:
    """Who reads a column, however far below, and is still there."""
    try:
        reached: Mapping[str, Reached] = reach(lenses.ways, asset, column)
    except AssetsError:  # it is declared, and the SQL does not give it
        return
    now = lenses.now
    names = [name for name in (today.get(each, each) for each in reached) if name in now.graph.assets]
    now.read(names)
    former = {today.get(each, each): each for each in reached}
    for name in names:
        found, reading = reached[former[name]], now.reading(name)
        missed = {absent.name.lower() for absent in reading.absent} if reading is not None else set()
        yield Reader(
            name,
            now.graph.assets[name].owners,
            tuple(each for each, _ in found.columns),
            found.clauses,
            found.note,
            column.lower() in missed,
        )
