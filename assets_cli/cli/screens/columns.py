"""Columns and what they are made from, as trees, as mermaid and as dot: each hop with its expression."""

from __future__ import annotations

from collections.abc import Iterator

from assets_cli.cli.screens.lineage import dot_text, mermaid_text
from assets_cli.cli.screens.tree import Drawing
from assets_cli.cli.terminal import Terminal, clean
from assets_cli.cli.words import count
from assets_cli.model.answers import ColumnEdge, ColumnLineage

_HINT = "--depth, --json"
_BETWEEN = "\n"
_LABEL = 72


def tree(lineage: ColumnLineage, terminal: Terminal) -> Iterator[str]:
    """A tree for each column that was asked for, and what besides decides about the rows."""
    if not lineage.asked:
        yield f"{terminal.paint(lineage.asset, 'bold')}  no columns are known"
    for number, name in enumerate(lineage.asked):
        if number:
            yield ""
        yield from _one(lineage, name, terminal)
    yield ""
    for note in lineage.notes:
        yield from terminal.wrap(clean(f"not known: {note}, so it may have more columns"), terminal.width)
    yield from _filters(lineage, terminal)
    above, below = len(lineage.upstream_depth), len(lineage.downstream_depth)
    yield f"{count(above, 'column')} above, {count(below, 'column')} below"


def _one(lineage: ColumnLineage, asked: str, terminal: Terminal) -> Iterator[str]:
    """What the column is made from above it, what is made of it below."""
    notes = {node.name: node.note for node in lineage.nodes}
    into: dict[str, list[ColumnEdge]] = {}
    out_of: dict[str, list[ColumnEdge]] = {}
    for edge in lineage.edges:
        into.setdefault(edge.end, []).append(edge)
        out_of.setdefault(edge.start, []).append(edge)
    edges: dict[str, ColumnEdge] = {}

    def keep(node: str, edge: ColumnEdge) -> str:
        key = f"{node}{_BETWEEN}{edge.start}{_BETWEEN}{edge.end}"
        edges[key] = edge
        return key

    def above(key: str) -> list[str]:
        return [keep(edge.start, edge) for edge in into.get(_node(key), ()) if edge.start in lineage.upstream_depth]

    def below(key: str) -> list[str]:
        return [keep(edge.end, edge) for edge in out_of.get(_node(key), ()) if edge.end in lineage.downstream_depth]

    def text(key: str) -> list[str]:
        name, made = _node(key), _made(edges[key])
        made = _short(made) if terminal.wraps else made
        unknown = f"  ({_unknown(notes[name])})" if notes.get(name) else ""
        return [clean(f"{name}{made}{unknown}")]

    bare = terminal._replace(colour=False)
    yield from Drawing(bare, above, text, identity=_node, hint=_HINT).above(asked, "  ")
    unknown = f"  ({_unknown(notes[asked])})" if notes.get(asked) else ""
    yield f"{terminal.paint('▶', 'bold', 'cyan')} {terminal.paint(clean(asked), 'bold')}{unknown}"
    yield from Drawing(bare, below, text, identity=_node, hint=_HINT).below(asked, "  ")


def _node(key: str) -> str:
    return key.split(_BETWEEN, 1)[0]


def _made(edge: ColumnEdge) -> str:
    """The expression of a hop; nothing for a column that only changes hands."""
    said = " ".join(edge.expression.split())
    before, after = edge.start.rpartition(".")[2], edge.end.rpartition(".")[2]
    only_passed = before.lower() == after.lower() == said.rpartition(".")[2].lower()
    return f"  →  {said}" if said and not only_passed else ""


def _unknown(note: str) -> str:
    return f"not known further: {note}"


def _filters(lineage: ColumnLineage, terminal: Terminal) -> Iterator[str]:
    """`rows of totals: orders.status (where)`."""
    by_asset: dict[str, list[str]] = {}
    for each in lineage.filters:
        by_asset.setdefault(each.asset, []).append(f"{each.start} ({', '.join(each.clauses)})")
    for asset, told in by_asset.items():
        yield from terminal.wrap(clean(f"rows of {asset}: {', '.join(told)}"), terminal.width)


def mermaid(lineage: ColumnLineage) -> Iterator[str]:
    """A mermaid flowchart with the expressions at its edges."""
    ids = {node.name: f"n{number}" for number, node in enumerate(lineage.nodes)}
    yield "flowchart LR"
    for node in lineage.nodes:
        shape = ("[", "]") if node.column else ("[[", "]]")
        yield f'  {ids[node.name]}{shape[0]}"{mermaid_text(node.name)}"{shape[1]}'
    for edge in lineage.edges:
        made = _made(edge).removeprefix("  →  ")
        label = f'|"{mermaid_text(_short(made))}"|' if made else ""
        yield f"  {ids[edge.start]} -->{label} {ids[edge.end]}"
    yield "  classDef asked stroke-width:3px"
    if lineage.asked:
        yield f"  class {','.join(ids[name] for name in lineage.asked)} asked"


def dot(lineage: ColumnLineage) -> Iterator[str]:
    """A Graphviz digraph."""
    yield "digraph lineage {"
    yield "  rankdir=LR"
    yield '  node [shape=box, style="rounded,filled", fillcolor=white, fontname="Helvetica"]'
    for node in lineage.nodes:
        bold = " [penwidth=3]" if node.name in lineage.asked else ""
        yield f"  {dot_text(node.name)}{bold}"
    for edge in lineage.edges:
        made = _made(edge).removeprefix("  →  ")
        label = f" [label={dot_text(_short(made))}]" if made else ""
        yield f"  {dot_text(edge.start)} -> {dot_text(edge.end)}{label}"
    yield "}"


def _short(text: str) -> str:
    return text if len(text) <= _LABEL else f"{text[: _LABEL - 1]}…"
