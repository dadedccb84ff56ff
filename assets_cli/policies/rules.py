"""What each kind of rule finds of one asset. Pure: an asset and what is asked of it in, findings out.

Which assets a policy is about, what is excepted and how findings are put is `evaluate`'s business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from assets_cli.graph.graph import AssetGraph
from assets_cli.graph.selection.resolve import wildcard
from assets_cli.model.manifest import Asset, Policy, SqlCommand
from assets_cli.model.matching import Matches
from assets_cli.model.spelling import nearest
from assets_cli.policies.columns import column_rule
from assets_cli.policies.features import Feature, feature
from assets_cli.policies.finding import Finding, Known, Locate, Rule, listed

_MOST_ALLOWED: Final = 10


class Prepared(NamedTuple):
    """A policy with what its texts stand for: its patterns by key (`names`, `columns.match`), what may be read."""

    policy: Policy
    patterns: Mapping[str, Matches]
    readable: frozenset[str] | None


def rules_of(prepared: Prepared, graph: AssetGraph, known: Known | None) -> list[Rule]:
    """The rules of a policy; those of columns only where columns are known."""
    policy, locate = prepared.policy, graph.manifest.locate
    rules: list[Rule] = []
    if policy.require:
        rules.append(_required([feature(name) for name in policy.require], locate))
    if policy.forbid:
        rules.append(_forbidden([(name, feature(name)) for name in policy.forbid], locate))
    if policy.names is not None and "names" in prepared.patterns:
        rules.append(_named(policy.names, prepared.patterns["names"], locate))
    if policy.allowed:
        rules.append(_allowed(policy.allowed, graph))
    if prepared.readable is not None:
        rules.append(_reading(policy.upstreams or "", prepared.readable, graph))
    if policy.columns is not None and known is not None:
        rules.append(column_rule(policy.columns, prepared.patterns, known, locate))
    return rules


# -- features and names ----------------------------------------------------------------------------------------------


def _required(features: Sequence[Feature], locate: Locate) -> Rule:
    def rule(assets: Sequence[Asset]) -> Iterator[Finding]:
        missing: dict[str, list[Feature]] = {}
        for each in features:
            has = each.has
            for asset in assets:
                if not has(asset):
                    missing.setdefault(asset.name, []).append(each)
        for name in [asset.name for asset in assets if asset.name in missing]:
            lacking = missing[name]
            message = f"it has {listed([each.lacking for each in lacking])}"
            hint = f"write {listed([f'`{each.write}`' for each in lacking])}"
            yield Finding(name, "A0701", message, hint, locate(name, "name"))

    return rule


def _forbidden(features: Sequence[tuple[str, Feature]], locate: Locate) -> Rule:
    def rule(assets: Sequence[Asset]) -> Iterator[Finding]:
        for name, each in features:
            for asset in [asset for asset in assets if each.has(asset)]:
                at = each.position(asset)
                place = locate(asset.name, *each.keys, *(() if at is None else (at,)))
                hint = "make it by another kind of command" if name.startswith("command.") else "remove it"
                yield Finding(asset.name, "A0702", f"it has {name}, which is forbidden", hint, place)

    return rule


def _named(written: str, matches: Matches, locate: Locate) -> Rule:
    def rule(assets: Sequence[Asset]) -> Iterator[Finding]:
        for asset in [asset for asset in assets if not matches(asset.name)]:
            hint = f"rename it; `moved: {{from: {asset.name}}}` keeps its history"
            message = f"its name does not match {written}"
            yield Finding(asset.name, "A0703", message, hint, locate(asset.name, "name"))

    return rule


# -- values ----------------------------------------------------------------------------------------------------------


class _Restricted(NamedTuple):
    """A key of which the values are restricted: how it is called, where its values are, and what they are as texts."""

    shown: str
    keys: tuple[str, ...]
    values: Callable[[Asset], tuple[str, ...]]
    allowed: _Allowed


class _Allowed:
    """The values that are allowed, patterns with `*` and `?` among them."""

    def __init__(self, written: str | Sequence[str]) -> None:
        self.written = [written] if isinstance(written, str) else list(written)
        self._plain = frozenset(self.written)
        self._patterns = [matches for each in self.written if (matches := wildcard(each))]
        self._wrong: dict[tuple[str, ...], tuple[int, ...]] = {}

    def wrong(self, values: tuple[str, ...]) -> tuple[int, ...]:
        """The positions of values that are not allowed. Many assets have the same values."""
        known = self._wrong.get(values)
        if known is None:
            known = self._wrong[values] = tuple(at for at, value in enumerate(values) if not self._has(value))
        return known

    def _has(self, text: str) -> bool:
        return text in self._plain or any(matches(text) for matches in self._patterns)

    def hint(self, text: str) -> str:
        """What to write instead."""
        near = nearest(text, self.written)
        known = listed(self.written, joined="or", most=_MOST_ALLOWED)
        return f"did you mean '{near}'? allowed: {known}" if near and len(self.written) > 1 else f"allowed: {known}"


def _allowed(allowed: Mapping[str, Any], graph: AssetGraph) -> Rule:
    locate = graph.manifest.locate
    restricted = [_Restricted(*_VALUES[key], _Allowed(written)) for key, written in allowed.items() if key in _VALUES]
    if "connection" in allowed:
        at = ("output", "connection")
        restricted.append(_Restricted("connection", at, _connections(graph), _Allowed(allowed["connection"])))
    for key, written in allowed.get("metadata", {}).items():
        restricted.append(_Restricted(f"metadata.{key}", ("metadata", key), _metadata(key), _Allowed(written)))

    def rule(assets: Sequence[Asset]) -> Iterator[Finding]:
        for each in restricted:
            values, wrong = each.values, each.allowed.wrong
            for asset in [asset for asset in assets if wrong(values(asset))]:
                for at in wrong(values(asset)):
                    text = values(asset)[at]
                    message = f"{each.shown} '{text}' is not allowed"
                    place = locate(asset.name, *each.keys, at)  # the nearest there is, where it is no list
                    yield Finding(asset.name, "A0704", message, each.allowed.hint(text), place)

    return rule


def _materialization(asset: Asset) -> tuple[str, ...]:
    is_filled = isinstance(asset.command, SqlCommand) and asset.output is not None
    return (asset.output.materialization,) if is_filled and asset.output is not None else ()


_VALUES: Final[Mapping[str, tuple[str, tuple[str, ...], Callable[[Asset], tuple[str, ...]]]]] = {
    "owner": ("owner", ("owner",), lambda asset: asset.owners),
    "group": ("group", ("group",), lambda asset: (asset.group,) if asset.group is not None else ()),
    "tags": ("tag", ("tags",), lambda asset: asset.tags),
    "kind": ("kind", ("kind",), lambda asset: (asset.kind,)),
    "materialization": ("materialization", ("output", "materialization"), _materialization),
}
"""Of each key of `allowed` that asks no more than the asset: how it is called, where it is, what its values are."""


def _connections(graph: AssetGraph) -> Callable[[Asset], tuple[str, ...]]:
    def values(asset: Asset) -> tuple[str, ...]:
        has_table = asset.output is not None and asset.output.table is not None
        connection = graph.manifest.connection_of(asset)
        is_there = connection is not None and (has_table or isinstance(asset.command, SqlCommand))
        return (connection.name,) if connection is not None and is_there else ()

    return values


def _metadata(key: str) -> Callable[[Asset], tuple[str, ...]]:
    def values(asset: Asset) -> tuple[str, ...]:
        value = asset.metadata.get(key)
        if value is None:
            return ()
        return (str(value).lower() if isinstance(value, bool) else str(value),)  # as YAML has it

    return values


# -- edges -----------------------------------------------------------------------------------------------------------


def _reading(written: str, readable: frozenset[str], graph: AssetGraph) -> Rule:
    def rule(assets: Sequence[Asset]) -> Iterator[Finding]:
        for asset in assets:
            if readable.issuperset(asset.upstreams):
                continue
            for upstream in [each for each in asset.upstreams if each not in readable]:
                place = graph.manifest.place_of_upstream(asset.name, upstream)
                message = f"it is made from '{upstream}', which is not allowed"
                yield Finding(asset.name, "A0706", message, f"allowed upstreams: {written}", place)

    return rule
