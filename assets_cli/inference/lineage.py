"""Columns from asset to asset: what each is made from, hop by hop, and where a change of one arrives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from assets_cli.inference.catalog import Columns
from assets_cli.inference.parsing import unmasked
from assets_cli.inference.relations import Column, Leaf, Relation, Way
from assets_cli.model.answers import ColumnEdge, ColumnFilter, ColumnLineage, ColumnNode, Reached
from assets_cli.model.problem import AssetsError, Problem
from assets_cli.model.spelling import nearest

_MOST_KNOWN = 8


def require(columns: Columns, asset: str, column: str) -> str:
    """The name of a column as its asset has it.

    Raises:
        AssetsError: the asset has no such column (A0405).
    """
    names, complete = columns.known(asset)
    key = columns.key(asset, column)
    for name in names:
        if columns.key(asset, name) == key:
            return name
    if complete:
        near = nearest(column, names)
        shown = ", ".join(names[:_MOST_KNOWN]) + (" …" if len(names) > _MOST_KNOWN else "")
        hint = f"did you mean {asset}.{near}?" if near else f"its columns: {shown}"
        raise AssetsError(Problem("A0405", f"asset {asset} has no column '{column}'", hint=hint, asset=asset))
    return column


class _Graph:
    """Nodes and edges as they are found."""

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self.nodes: dict[str, ColumnNode] = {}
        self.edges: dict[tuple[str, str], ColumnEdge] = {}

    def node(self, leaf: Leaf) -> str:
        """The name of a column's node, which is there from now on."""
        name = f"{leaf.table}.{leaf.column}" if leaf.column else leaf.table
        if name not in self.nodes:
            self.nodes[name] = ColumnNode(name, leaf.table if leaf.is_asset else None, leaf.column, self._note(leaf))
        return name

    def _note(self, leaf: Leaf) -> str:
        if not leaf.is_asset:
            return f"{leaf.table} belongs to no asset"
        found = self.columns.column(leaf.table, leaf.column)
        if found is None:
            return self.columns.why(leaf.table)
        return "; ".join(sorted(found.gaps))

    def edge(self, start: str, end: str, expression: str) -> None:
        """One hop; two that differ in their expressions are shown as one."""
        known = self.edges.get((start, end))
        if known is not None and expression not in known.expression.split(" | "):
            expression = f"{known.expression} | {expression}"
        self.edges[start, end] = ColumnEdge(start, end, expression)


def lineage(
    columns: Columns, asset: str, column: str | None, *, upstream: bool, downstream: bool, depth: int | None
) -> ColumnLineage:
    """What a column, or every column of an asset, is made from, and what is made of it.

    Raises:
        AssetsError: the asset has no such column (A0405).
    """
    columns.read([asset])
    names, complete = columns.known(asset)
    asked = [require(columns, asset, column)] if column is not None else list(names)
    graph = _Graph(columns)
    start = [Leaf(asset, name) for name in asked]
    shown = tuple(graph.node(leaf) for leaf in start)
    above = _up(columns, graph, start, depth) if upstream else {}
    below = _down(columns, graph, asset, start, depth) if downstream else {}
    looked_into = {
        asset,
        *(node.asset for name, node in graph.nodes.items() if node.asset and name in {*above, *below}),
    }
    notes = () if complete else (columns.why(asset),)
    return ColumnLineage(
        asset,
        asked[0] if column is not None else None,
        shown,
        tuple(graph.nodes.values()),
        tuple(graph.edges.values()),
        _filters(columns, columns.graph.sort(looked_into)),
        above,
        below,
        notes,
    )


def _up(columns: Columns, graph: _Graph, start: Sequence[Leaf], depth: int | None) -> dict[str, int]:
    found: dict[str, int] = {}
    done = set(start)
    layer = list(start)
    distance = 0
    while layer and (depth is None or distance < depth):
        distance += 1
        following: list[Leaf] = []
        for leaf in layer:
            made = columns.column(leaf.table, leaf.column) if leaf.is_asset else None
            for way in made.ways if made else ():
                for source in sorted(way.sources):
                    name = graph.node(source)
                    graph.edge(name, graph.node(leaf), _expression(columns, leaf, way, source))
                    if source not in done:
                        done.add(source)
                        found[name] = distance
                        following.append(source)
        layer = following
    return found


def _down(columns: Columns, graph: _Graph, asset: str, start: Sequence[Leaf], depth: int | None) -> dict[str, int]:
    project = columns.graph
    below = project.sort(project.descendants([asset], depth))
    columns.read(below)
    reached = dict.fromkeys(start, 0)
    found: dict[str, int] = {}
    for name in below:
        reading = columns.reading(name)
        if reading is None:
            touched = [leaf for leaf in reached if leaf.table in project.upstreams(name) and leaf.column]
            nearest_one = min((reached[leaf] for leaf in touched), default=None)
            if nearest_one is not None and (depth is None or nearest_one < depth):
                end = Leaf(name, "")
                found[graph.node(end)] = nearest_one + 1
                for leaf in touched:
                    graph.edge(graph.node(leaf), graph.node(end), "")
            continue
        for column in _passed(reading.relation, reached):
            end = Leaf(name, column.name)
            for way in column.ways:
                for source in sorted(way.sources & reached.keys()):
                    distance = reached[source] + 1
                    if depth is not None and distance > depth:
                        continue
                    graph.edge(graph.node(source), graph.node(end), _expression(columns, end, way, source))
                    reached[end] = min(reached.get(end, distance), distance)
                    found[graph.node(end)] = reached[end]
    return found


def _passed(relation: Relation, reached: Iterable[Leaf]) -> list[Column]:
    """The columns of a relation, and those that pass unknown through its stars."""
    found = {column.key: column for column in relation.columns}
    for each in relation.opens:
        for leaf in list(reached):
            key = leaf.column.lower()
            if leaf.table == each.table and leaf.column and key not in each.without and key not in found:
                found[key] = Column(key, leaf.column, (Way(frozenset({leaf})),))
    return list(found.values())


def _filters(columns: Columns, assets: Iterable[str]) -> tuple[ColumnFilter, ...]:
    found = []
    for name in assets:
        reading = columns.reading(name)
        if reading is None:
            continue
        clauses: dict[Leaf, set[str]] = {}
        for each in reading.relation.filters:
            clauses.setdefault(each.leaf, set()).add(each.clause)
        found += [
            ColumnFilter(f"{leaf.table}.{leaf.column}", name, tuple(sorted(clauses[leaf]))) for leaf in sorted(clauses)
        ]
    return tuple(found)


def _expression(columns: Columns, end: Leaf, way: Way, source: Leaf) -> str:
    if way.expression is None:
        return source.column
    dialect = columns.dialect(end.table)
    return unmasked(way.expression.sql(dialect=dialect, comments=False, normalize_functions="lower"))


def reach(columns: Columns, asset: str, column: str) -> dict[str, Reached]:
    """What a change of a column reaches in each asset below.

    Where it decides about rows, every column of the asset is reached, and all that is made of these.

    Raises:
        AssetsError: the asset has no such column (A0405).
    """
    project = columns.graph
    below = project.sort(project.descendants([asset]))
    columns.read([asset, *below])
    reached: dict[Leaf, None] = {Leaf(asset, require(columns, asset, column)): None}
    found: dict[str, Reached] = {}
    for name in below:
        reading = columns.reading(name)
        if reading is None:
            if any(leaf.table in project.upstreams(name) for leaf in reached):
                found[name] = Reached(name, note=columns.why(name))
            continue
        relation = reading.relation
        clauses = {each.clause for each in relation.filters if each.leaf in reached}
        told: dict[str, str] = {}
        for each in _passed(relation, reached):
            for way in each.ways:
                for source in sorted(way.sources & reached.keys()):
                    told.setdefault(each.name, _expression(columns, Leaf(name, each.name), way, source))
        read = {leaf.table for leaf in reached} & set(project.upstreams(name))
        if told or clauses:
            found[name] = Reached(name, tuple(told.items()), tuple(sorted(clauses)))
            everything = [each.name for each in relation.columns] if clauses else list(told)
            reached.update(dict.fromkeys(Leaf(name, each) for each in everything))
        elif read and any(each.table is None for each in relation.opens):
            found[name] = Reached(name, note=next(each.why for each in relation.opens if each.table is None))
    return found
