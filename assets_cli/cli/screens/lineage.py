"""Lineage as a tree, as mermaid and as dot: what an asset is made from above it, what is made from it below."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from assets_cli.cli.screens.tree import Bounds, Drawing
from assets_cli.cli.terminal import Terminal
from assets_cli.cli.words import colour_of, count, state, tally
from assets_cli.model.answers import AssetStatus, Lineage

_HINT = "--depth, --json"
_MOST_NODES = 100
"""What has room in one direction, before only the nearest layers of it are drawn."""
_WITH_EXPLICIT_DEPTH = Bounds(wide=10**6, deep=10**6, most=10**6)
_CLASSES = {
    "up_to_date": "fill:#e6f4ea,stroke:#34a853,color:#111",
    "stale": "fill:#fef7e0,stroke:#f9ab00,color:#111",
    "missing": "fill:#fce8e6,stroke:#d93025,color:#111",
    "external": "fill:#e8f0fe,stroke:#4285f4,color:#111",
    "overdue": "stroke:#d93025,stroke-width:3px",
    "asked": "stroke-width:3px",
}


def tree(lineage: Lineage, terminal: Terminal, *, bounded: bool = True) -> Iterator[str]:
    """Upstream part, the asset with a marker, downstream part; `bounded` leaves out what would flood a screen."""
    statuses = {node.asset.name: node for node in lineage.nodes}
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    up_layers = _layers(lineage.upstream_depth) if bounded else None
    down_layers = _layers(lineage.downstream_depth) if bounded else None
    up_names = {lineage.asset, *_within(lineage.upstream_depth, up_layers)}
    down_names = {lineage.asset, *_within(lineage.downstream_depth, down_layers)}
    for start, end in lineage.edges:
        if start in up_names and end in up_names:
            above.setdefault(end, []).append(start)
        if start in down_names and end in down_names:
            below.setdefault(start, []).append(end)
    bounds = Bounds() if bounded else _WITH_EXPLICIT_DEPTH

    def text(name: str) -> list[str]:
        return [f"{name}  {_verdict(statuses.get(name), terminal)}".rstrip()]

    def rest(names: Sequence[str]) -> str:
        counts = tally(state(statuses[name]) for name in names if name in statuses)
        return ": " + ", ".join(f"{number:,} {word}" for word, number in counts.items())

    def drawing(edges: Mapping[str, Sequence[str]]) -> Drawing:
        def neighbours(name: str) -> Sequence[str]:
            found = edges.get(name, ())
            # Where not all have room, those that are as they should be can be left out best.
            return sorted(found, key=lambda each: _is_well(statuses.get(each))) if len(found) > bounds.wide else found

        return Drawing(terminal, neighbours, text, bounds=bounds, hint=_HINT, rest=rest)

    yield from drawing(above).above(lineage.asset, "  ")
    marker = terminal.paint("▶", "bold", "cyan")
    name = terminal.paint(lineage.asset, "bold")
    yield f"{marker} {name}  {_verdict(statuses.get(lineage.asset), terminal)}".rstrip()
    yield from drawing(below).below(lineage.asset, "  ")
    yield ""
    above_all, below_all = len(lineage.upstream_depth), len(lineage.downstream_depth)
    yield f"{count(above_all, 'ancestor')}, {count(below_all, 'descendant')}"
    cut = [f"{layers} up" for layers in (up_layers,) if layers] + [
        f"{layers} down" for layers in (down_layers,) if layers
    ]
    if cut:
        yield f"only the nearest are drawn, {' and '.join(cut)}: --depth N draws more"


def _layers(depths: Mapping[str, int]) -> int | None:
    """How many edges away all have room; None where everything has."""
    if len(depths) <= _MOST_NODES:
        return None
    sizes = Counter(depths.values())
    layers, taken = 1, sizes[1]
    while sizes[layers + 1] and taken + sizes[layers + 1] <= _MOST_NODES:
        layers += 1
        taken += sizes[layers]
    return layers if layers < max(sizes) else None


def _within(depths: Mapping[str, int], layers: int | None) -> Iterable[str]:
    return depths if layers is None else [name for name, depth in depths.items() if depth <= layers]


def _is_well(status: AssetStatus | None) -> bool:
    if status is None:
        return True
    return status.status in {"up_to_date", "external"} and not status.tentative and not status.overdue


def _verdict(status: AssetStatus | None, terminal: Terminal) -> str:
    return terminal.paint(state(status), colour_of(status)) if status is not None else ""


def mermaid(lineage: Lineage) -> Iterator[str]:
    """A mermaid flowchart; nodes have safe ids, since names may hold anything that a manifest allows."""
    ids = {node.asset.name: f"n{number}" for number, node in enumerate(lineage.nodes)}
    yield "flowchart LR"
    for node in lineage.nodes:
        label = mermaid_text(node.asset.name)
        shape = ("[(", ")]") if node.asset.is_external else ("[", "]")
        yield f'  {ids[node.asset.name]}{shape[0]}"{label}<br/>{state(node)}"{shape[1]}:::{node.status}'
    for start, end in lineage.edges:
        yield f"  {ids[start]} --> {ids[end]}"
    late = [ids[node.asset.name] for node in lineage.nodes if node.overdue]
    used = {node.status for node in lineage.nodes} | ({"overdue"} if late else set()) | {"asked"}
    for name, style in _CLASSES.items():
        if name in used:
            yield f"  classDef {name} {style}"
    if late:
        yield f"  class {','.join(late)} overdue"
    if lineage.asset in ids:
        yield f"  class {ids[lineage.asset]} asked"


def dot(lineage: Lineage) -> Iterator[str]:
    """A Graphviz digraph."""
    yield "digraph lineage {"
    yield "  rankdir=LR"
    yield '  node [shape=box, style="rounded,filled", fillcolor=white, fontname="Helvetica"]'
    for node in lineage.nodes:
        style = dict(part.split(":") for part in _CLASSES[node.status].split(","))
        bold = ", penwidth=3" if node.asset.name == lineage.asset else ""
        colour = _CLASSES["missing"].split("stroke:")[1][:7] if node.overdue else style["stroke"]
        label = f"{_escaped(node.asset.name)}\\n{state(node)}"
        yield f'  {dot_text(node.asset.name)} [label="{label}", fillcolor="{style["fill"]}", color="{colour}"{bold}]'
    for start, end in lineage.edges:
        yield f"  {dot_text(start)} -> {dot_text(end)}"
    yield "}"


def _escaped(name: str) -> str:
    return name.replace("\\", "\\\\").replace('"', '\\"')


def mermaid_text(text: str) -> str:
    """A text for a mermaid flowchart, between quotes."""
    return text.replace("#", "#35;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;")


def dot_text(text: str) -> str:
    """A text for Graphviz, quoted."""
    return f'"{_escaped(text)}"'
