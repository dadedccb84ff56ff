"""What a query gives: columns with what each is made from, as far as it is known, and what decides about its rows.

Values only; `columns` makes them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from sqlglot import exp


class Leaf(NamedTuple):
    """A column of a table outside the query. `table` is the asset's name where it is an asset's."""

    table: str
    column: str
    is_asset: bool = True


class Filter(NamedTuple):
    """A column that decides which rows there are, or how they are put together, and the clause that it stands in."""

    leaf: Leaf
    clause: str


class Way(NamedTuple):
    """One way that values come into a column; a union has several. `gaps` say what of it is not known."""

    sources: frozenset[Leaf]
    expression: exp.Expr | None = None
    gaps: frozenset[str] = frozenset()


class Column(NamedTuple):
    """A column by its name and the key that it is compared by.

    Where nobody gave it a name, it is not `certain` what the database calls it.
    """

    key: str
    name: str
    ways: tuple[Way, ...]
    is_certain: bool = True

    @property
    def sources(self) -> frozenset[Leaf]:
        """All that it is made from."""
        return frozenset[Leaf]().union(*(way.sources for way in self.ways))

    @property
    def gaps(self) -> frozenset[str]:
        """What is not known about it."""
        return frozenset[str]().union(*(way.gaps for way in self.ways))


class Open(NamedTuple):
    """Columns that are there besides: those of `table`, or nobody knows which, which is None. `why` says so."""

    table: str | None
    why: str
    is_asset: bool = True
    without: frozenset[str] = frozenset()


class Relation(NamedTuple):
    """Columns in their order, what there may be besides, and the filters that made its rows."""

    columns: tuple[Column, ...] = ()
    opens: tuple[Open, ...] = ()
    filters: frozenset[Filter] = frozenset()

    def find(self, key: str) -> Column | None:
        """The column of a key."""
        return next((column for column in self.columns if column.key == key), None)

    def beyond(self, key: str, name: str) -> Column | None:
        """A column that is not known to be there and may be; None where there can be none."""
        opens = [each for each in self.opens if key not in each.without]
        if not opens:
            vague = [column for column in self.columns if not column.is_certain]
            gaps = frozenset(f"what the database calls {column.name}" for column in vague)
            return Column(key, name, (Way(frozenset(), None, gaps),)) if vague else None
        known = [each for each in opens if each.table is not None]
        sources = frozenset(Leaf(each.table, name, each.is_asset) for each in known if each.table is not None)
        gaps = frozenset(each.why for each in opens if each.table is None)
        if len(known) > 1:
            gaps |= {f"whether {name} is a column of {' or '.join(sorted(str(each.table) for each in known))}"}
        return Column(key, name, (Way(sources, None, gaps),))

    def seek(self, key: str, name: str) -> Column | None:
        """The column of a key, known or possible."""
        return self.find(key) or self.beyond(key, name)

    @property
    def everything(self) -> Way:
        """All columns taken together."""
        sources = frozenset[Leaf]().union(*(column.sources for column in self.columns))
        gaps = frozenset[str]().union(*(column.gaps for column in self.columns))
        return Way(sources, None, gaps | {each.why for each in self.opens})

    def renamed(self, names: Iterable[tuple[str, str]]) -> Relation:
        """The first columns by other names (key and name), as an alias with columns gives them."""
        given = list(names)
        if not given:
            return self
        columns = [
            Column(key, name, self.columns[index].ways if index < len(self.columns) else (self.everything,))
            for index, (key, name) in enumerate(given)
        ]
        return self._replace(columns=(*columns, *self.columns[len(given) :]))

    def union(self, other: Relation, *, by_name: bool) -> Relation:
        """Rows of both. Columns belong together by position; by name where that is said or positions are not known."""
        filters = self.filters | other.filters
        by_position = not by_name and not self.opens and not other.opens
        columns = []
        for index, column in enumerate(self.columns):
            if by_position:
                match = other.columns[index] if index < len(other.columns) else None
            else:
                match = other.seek(column.key, column.name)
            columns.append(column._replace(ways=(*column.ways, *(match.ways if match else ()))))
        if by_name or self.opens:
            known = {column.key for column in columns}
            columns += [column for column in other.columns if column.key not in known]
        opens = (*self.opens, *other.opens) if by_name or self.opens else ()
        return Relation(tuple(columns), opens, filters)


def distinct(ways: tuple[Way, ...]) -> tuple[Way, ...]:
    """Ways without those that bring in nothing that another does not."""
    kept: list[Way] = []
    seen: set[Leaf] = set()
    for way in ways:
        if not kept or not way.sources <= seen or way.gaps:
            kept.append(way)
            seen |= way.sources
    return tuple(kept)
