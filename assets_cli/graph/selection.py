"""Which assets an expression names: `name`, `raw/*`, `tag:x`, `group:x`, `owner:x`, `kind:x`, `path:f`, `+x`, `x+2`.

Several expressions are a union. Knows the graph; knows nothing of state.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Sequence

from assets_cli.graph.graph import AssetGraph
from assets_cli.model.manifest import Asset
from assets_cli.model.problem import AssetsError, Problem

_PARTS = re.compile(r"(?:(?P<up>\d*)\+)?(?P<core>[^+]*)(?:\+(?P<down>\d*))?")
_WILDCARDS = re.compile(r"[*?]")

_ATTRIBUTES: dict[str, Callable[[Asset], Iterable[str]]] = {
    "tag": lambda asset: [*asset.tags, *(tag.partition("=")[0] for tag in asset.tags)],
    "group": lambda asset: [asset.group] if asset.group else [],
    "owner": lambda asset: asset.owners,
    "kind": lambda asset: [asset.kind],
    "path": lambda asset: [asset.place.file],
}


def select(expressions: Sequence[str], graph: AssetGraph) -> frozenset[str]:
    """The assets that any of the expressions names; every asset where there is no expression.

    Raises:
        AssetsError: expressions that cannot be read (A0401) or that name nothing (A0402), all of them.
    """
    if not expressions:
        return frozenset(graph.assets)
    found: set[str] = set()
    problems: list[Problem] = []
    for expression in expressions:
        try:
            found |= _select_one(expression, graph)
        except AssetsError as error:
            problems.extend(error.problems)
    if problems:
        raise AssetsError(*problems)
    return frozenset(found)


def _select_one(expression: str, graph: AssetGraph) -> set[str]:
    parts = _PARTS.fullmatch(expression.strip())
    if parts is None or not parts["core"]:
        raise AssetsError(
            Problem(
                "A0401",
                f"cannot read the selection {expression!r}",
                hint="write a name, raw/*, tag:x, group:x, owner:x, kind:sql or path:file; +x adds what is above",
            )
        )
    core = _matching(parts["core"], graph)
    found = set(core)
    if parts["up"] is not None:
        found |= graph.ancestors(core, int(parts["up"]) if parts["up"] else None).keys()
    if parts["down"] is not None:
        found |= graph.descendants(core, int(parts["down"]) if parts["down"] else None).keys()
    return found


def _matching(term: str, graph: AssetGraph) -> list[str]:
    """The assets that one term without `+` names, in the manifest's order."""
    attribute, colon, value = term.partition(":")
    if not colon:
        found = [term] if term in graph.assets else _by_wildcard(term, graph.assets)
        if not found:
            raise AssetsError(_nothing(f"no asset is named {term!r}", term, graph.assets))
        return found
    values_of = _ATTRIBUTES.get(attribute)
    if values_of is None:
        raise AssetsError(
            Problem(
                "A0401",
                f"cannot select by {attribute!r} in {term!r}",
                hint=_nearest(attribute, _ATTRIBUTES) or f"known: {', '.join(_ATTRIBUTES)}",
            )
        )
    if not value:
        raise AssetsError(Problem("A0401", f"{term!r} names no {attribute}", hint=f"write {attribute}:NAME"))
    matches = _matcher(value)
    found = [name for name, asset in graph.assets.items() if any(map(matches, values_of(asset)))]
    if not found:
        known = {known for asset in graph.assets.values() for known in values_of(asset)}
        raise AssetsError(_nothing(f"no asset has {attribute} {value!r}", value, known))
    return found


def _by_wildcard(term: str, names: Iterable[str]) -> list[str]:
    if not _WILDCARDS.search(term):
        return []
    matches = _matcher(term)
    return [name for name in names if matches(name)]


def _matcher(pattern: str) -> Callable[[str], bool]:
    """`*` stands for any characters, `/` among them, and `?` for one."""
    if not _WILDCARDS.search(pattern):
        return pattern.__eq__
    expression = "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in pattern)
    compiled = re.compile(expression, re.DOTALL)
    return lambda text: compiled.fullmatch(text) is not None


def _nothing(message: str, wanted: str, known: Iterable[str]) -> Problem:
    return Problem("A0402", message, hint=_nearest(wanted, known) or "assets list shows all assets")


def _nearest(wanted: str, known: Iterable[str]) -> str | None:
    close = difflib.get_close_matches(wanted, list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else None
