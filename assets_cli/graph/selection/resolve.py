"""The assets that a selection names. Knows the graph; what is stale or overdue is told by whoever asks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property, reduce
from posixpath import normpath
from typing import Final, NamedTuple

from assets_cli.graph.graph import AssetGraph
from assets_cli.graph.selection.lexer import pointed
from assets_cli.graph.selection.parser import And, Ends, Layers, Not, Or, Term, Tree, parse, show
from assets_cli.model.manifest import Asset
from assets_cli.model.problem import AssetsError, Problem


class Facts(NamedTuple):
    """What `is:` asks about one asset, but for `is:external`, which the manifest answers.

    `stale`: a cause that is not tentative stands in the whole-project plan. `failed`: its newest attempt failed,
    crashed, timed out or was cancelled.
    """

    stale: bool
    missing: bool
    overdue: bool
    failed: bool


Statuses = Callable[[], Mapping[str, Facts]]

ATTRIBUTES: Final[Mapping[str, Callable[[Asset], Iterable[str]]]] = {
    "tag": lambda asset: [*asset.tags, *(tag.partition("=")[0] for tag in asset.tags)],
    "group": lambda asset: [asset.group] if asset.group else [],
    "owner": lambda asset: asset.owners,
    "kind": lambda asset: [asset.kind],
    "path": lambda asset: [asset.place.file],
}
STATES: Final = (*Facts._fields, "external")

_WILDCARDS = re.compile(r"[*?]")
_STATES_ELSEWHERE: Final = {
    "modified": "stale",
    "changed": "stale",
    "outdated": "stale",
    "dirty": "stale",
    "new": "missing",
    "error": "failed",
    "late": "overdue",
}
_ELSEWHERE: Final = {"name": "", "key": "", "asset": "", "status": "is:", "state": "is:", "file": "path:"}


def resolve(expressions: Sequence[str], graph: AssetGraph, statuses: Statuses | None) -> frozenset[str]:
    """The assets that any of these expressions names, as `select` has it."""
    resolver = _Resolver(graph, statuses)
    found: set[str] = set()
    for expression in expressions:
        found |= resolver.resolve(expression)
    if resolver.problems:
        raise AssetsError(*resolver.problems)
    return frozenset(found)


class _Resolver:
    """Expressions of one call. Its problems are gathered, so that a user sees all of them."""

    def __init__(self, graph: AssetGraph, statuses: Statuses | None) -> None:
        self.graph = graph
        self.statuses = statuses
        self.problems: list[Problem] = []
        self.expression = ""
        self.whole: Tree | None = None

    def resolve(self, expression: str) -> AbstractSet[str]:
        """What one expression names; nothing where it has a problem."""
        try:
            tree = parse(expression)
        except AssetsError as error:
            self.problems.extend(error.problems)
            return frozenset()
        self.expression, self.whole = expression, tree
        before = len(self.problems)
        found = self.names(tree)
        if not found and len(self.problems) == before and not _asks_for_state(tree):
            self.problems.append(self.empty(tree))
        return found

    def names(self, tree: Tree) -> AbstractSet[str]:
        """What a part of the expression names."""
        if isinstance(tree, Term):
            return self.term(tree)
        if isinstance(tree, Layers):
            core = self.names(tree.of)
            above = self.graph.ancestors(core, tree.up) if tree.up != 0 else {}
            below = self.graph.descendants(core, tree.down) if tree.down != 0 else {}
            return core | above.keys() | below.keys()
        if isinstance(tree, Ends):
            core = self.names(tree.of)
            return core - (self.graph.descendants if tree.end == "roots" else self.graph.ancestors)(core).keys()
        if isinstance(tree, Not):
            return self.graph.assets.keys() - self.names(tree.of)
        # All parts, also where the first one decides: each may hold a name that does not exist.
        parts = [self.names(part) for part in tree.parts]
        return reduce(lambda one, other: one & other if isinstance(tree, And) else one | other, parts)

    def term(self, term: Term) -> AbstractSet[str]:
        """What one term names. That it names nothing is a problem, unless it asks for a state."""
        if not term.attribute:
            return self.by_name(term)
        if term.attribute == "is":
            return self.by_state(term)
        values_of = ATTRIBUTES.get(term.attribute)
        if values_of is None:
            self.refuse("A0401", term.at, f"cannot select by {term.attribute!r} in {show(term)!r}", _instead_of(term))
            return frozenset()
        value = term.value.removeprefix("./") if term.attribute == "path" else term.value
        found = {name for name, asset in self.graph.assets.items() if value in values_of(asset)}
        if not found and (matches := wildcard(value)):
            found = {name for name, asset in self.graph.assets.items() if any(map(matches, values_of(asset)))}
        if not found:
            hint = _nearest(value, (known for asset in self.graph.assets.values() for known in values_of(asset)))
            self.refuse("A0402", term.value_at, f"no asset has {term.attribute} {value!r}", hint, alone=term)
        return found

    def by_name(self, term: Term) -> AbstractSet[str]:
        """What a name or a wildcard names; a name that is written like a wildcard is a name first."""
        if term.value in self.graph.assets:
            return {term.value}
        matches = wildcard(term.value)
        found = {name for name in self.graph.assets if matches(name)} if matches else set[str]()
        if not found:
            message = f"no asset's name matches {term.value!r}" if matches else f"no asset is named {term.value!r}"
            self.refuse("A0402", term.at, message, self.other_name(term.value), alone=term)
        return found

    def by_state(self, term: Term) -> AbstractSet[str]:
        """What is in a state; perhaps nothing."""
        if term.value not in STATES:
            meant = _STATES_ELSEWHERE.get(term.value)
            known = f"it is one of {', '.join(STATES)}"
            hint = f"did you mean 'is:{meant}'?" if meant else _nearest(term.value, STATES, known)
            self.refuse("A0401", term.value_at, f"there is no state {term.value!r}", hint)
        elif term.value == "external":
            return {name for name, asset in self.graph.assets.items() if asset.is_external}
        elif self.statuses is None:
            self.refuse("A0404", term.at, f"{show(term)!r} cannot be asked here", "name the assets by something else")
        else:
            return {name for name, facts in self.facts.items() if getattr(facts, term.value)}
        return frozenset()

    @cached_property
    def facts(self) -> Mapping[str, Facts]:
        """What `is:` asks for, looked at once for all expressions."""
        return self.statuses() if self.statuses else {}

    def refuse(self, code: str, at: int, message: str, hint: str, alone: Term | None = None) -> None:
        """Keep a problem; where the term that it is about is all there is, a mark under it would say nothing."""
        problem = pointed(self.expression, at, code, message, hint)
        self.problems.append(problem._replace(place=None, excerpt=None) if alone is self.whole else problem)

    def other_name(self, wanted: str) -> str:
        """What was probably meant by a name that no asset has."""
        assets = self.graph.assets
        for attribute, values_of in ATTRIBUTES.items():
            if any(wanted in values_of(asset) for asset in assets.values()):
                return f"did you mean '{attribute}:{wanted}'?"
        made = normpath(wanted)
        for name, asset in assets.items():
            if asset.output is not None and made in (asset.output.path, asset.output.table):
                return f"did you mean {name!r}, whose output this is?"
        return _nearest(wanted, assets)

    def empty(self, tree: Tree) -> Problem:
        """Each term names assets, all of it together none."""
        message, hint = f"no asset matches {show(tree)!r}", "assets list shows all assets"
        while isinstance(tree, (Layers, Ends)):
            tree = tree.of
        if isinstance(tree, And):
            counts = [f"{show(part)} names {len(self.names(part)):,}" for part in tree.parts]
            hint = f"{', '.join(counts)}, but no asset is in all of them"
        return Problem("A0402", message, hint=hint)


def _asks_for_state(tree: Tree) -> bool:
    return any(term.attribute == "is" for term in _terms(tree))


def _terms(tree: Tree) -> Iterator[Term]:
    if isinstance(tree, Term):
        yield tree
    elif isinstance(tree, (And, Or)):
        for part in tree.parts:
            yield from _terms(part)
    else:
        yield from _terms(tree.of)


def wildcard(pattern: str) -> Callable[[str], object] | None:
    """`*` stands for any characters, `/` among them, and `?` for one; None where the text has neither."""
    if not _WILDCARDS.search(pattern):
        return None
    first, *rest = ("".join("." if char == "?" else re.escape(char) for char in part) for part in pattern.split("*"))
    if not rest:
        return re.compile(first, re.DOTALL).fullmatch
    *between, last = rest
    # What a star skips is settled once the part behind it is found: no pattern takes longer than the names are long.
    found = "".join(f"(?>.*?{part})" for part in between if part)
    return re.compile(f"{first}{found}.*{last}", re.DOTALL).fullmatch


def _instead_of(term: Term) -> str:
    """What to write for an attribute that there is not."""
    known = (*ATTRIBUTES, "is")
    if term.attribute in _ELSEWHERE:
        value = _STATES_ELSEWHERE.get(term.value, term.value) if _ELSEWHERE[term.attribute] == "is:" else term.value
        return f"did you mean '{_ELSEWHERE[term.attribute]}{value}'?"
    return _nearest(term.attribute, known, f"known: {', '.join(known)}")


def _nearest(wanted: str, known: Iterable[str], otherwise: str = "assets list shows all assets") -> str:
    """A hint at the most similar one of what is known."""
    import difflib  # only once something is wrong

    names = list(dict.fromkeys(known))
    folded = wanted.casefold()
    close = [name for name in names if name.casefold() == folded][:1] or difflib.get_close_matches(
        wanted[:200], names, n=1
    )
    close = close or [name for name in names if name.casefold().startswith(folded)]
    if len(close) > 1:
        return f"did you mean {wanted + '*'!r}?"
    return f"did you mean {close[0]!r}?" if close else otherwise
