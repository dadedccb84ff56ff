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
from assets_cli.model.difference import Pairs, Reader, RemovalSort, RemovedColumn
from assets_cli.model.manifest import Check, SqlCommand
from assets_cli.model.problem import AssetsError

MOST: Final = 1_000
"""So many texts are followed, and so many assets below a column are asked whether they read it."""


class RemovedColumns(NamedTuple):
    """The columns that go away, and whether all that could be looked at was."""

    columns: tuple[RemovedColumn, ...]
    complete: bool = True


class NearColumns(Columns):
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


class ColumnViews(NamedTuple):
    """The columns of both states: names alone, and of the one before with what each is made from."""

    before: NearColumns
    now: NearColumns
    expressions: NearColumns


def removed_columns(pairs: Pairs, changed: Sequence[str], views: ColumnViews) -> RemovedColumns:
    """The columns that go away. `changed` are the assets whose code or upstreams differ, in topological order."""
    sql = [name for name in changed if all(isinstance(each.command, SqlCommand) for each in pairs.common[name])]
    removed: dict[tuple[str, str], RemovalSort] = {}
    for name in sql[:MOST]:
        removed.update(dict.fromkeys(((name, column) for column in _removed(pairs, name, views)), "inferred"))
    for name, (earlier, asset) in pairs.common.items():
        there = {column.name.lower() for column in asset.columns}
        for declared in earlier.columns:
            if declared.name.lower() not in there:
                known = next(
                    (key for key in removed if key[0] == name and key[1].lower() == declared.name.lower()), None
                )
                removed[known or (name, declared.name)] = "both" if known else "declared"
    complete = len(sql) <= MOST
    if not removed:
        return RemovedColumns((), complete)
    today = {former: name for name, former in pairs.former.items()}
    found = []
    for (name, column), sort in removed.items():
        former = pairs.former.get(name, name)
        few = len(views.expressions.graph.descendants([former])) <= MOST
        complete = complete and few
        readers = tuple(_readers(former, column, views, today)) if few else ()
        asset = pairs.common[name][1]
        is_declared = column.lower() in {each.name.lower() for each in asset.columns}
        checks = tuple(check.name for check in asset.checks if _looks_at(check, column))
        found.append(RemovedColumn(name, column, sort, readers, is_declared, checks))
    return RemovedColumns(tuple(found), complete)


def _looks_at(check: Check, column: str) -> bool:
    """Whether a check names a column of its own asset."""
    named = check.arguments.get("columns"), check.arguments.get("column")
    flat = [each for one in named for each in (one if isinstance(one, list | tuple) else [one])]
    return column.lower() in {each.lower() for each in flat if isinstance(each, str)}


def _removed(pairs: Pairs, name: str, views: ColumnViews) -> list[str]:
    """The columns that the SQL of an asset gave and gives no more, where both texts say all that they give."""
    former = pairs.former.get(name, name)
    views.before.read([former])
    views.now.read([name])
    old, new = _all(views.before, former), _all(views.now, name)
    if old is None or new is None:
        return []
    there = {views.now.key(name, column) for column in new}
    return [column for column in old if views.before.key(former, column) not in there]


def _all(columns: Columns, name: str) -> tuple[str, ...] | None:
    """The names of all columns; None where the SQL does not say for certain."""
    reading = columns.reading(name)
    names, complete = columns.known(name)
    return names if reading is not None and not reading.relation.opens and complete and names else None


def _readers(asset: str, column: str, views: ColumnViews, today: Mapping[str, str]) -> Iterator[Reader]:
    """Who reads a column, however far below, and is still there."""
    try:
        reached: Mapping[str, Reached] = reach(views.expressions, asset, column)
    except AssetsError:  # it is declared, and the SQL does not give it
        return
    now = views.now
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
