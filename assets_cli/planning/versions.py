"""Comparing versions: which component of a code version changed, which version of an upstream stands now.

Pure. Where digests come from is `probing`'s business.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import NamedTuple

from assets_cli.graph.graph import AssetGraph
from assets_cli.model import texts
from assets_cli.model.history import Component, Input, Materialization, Observation, StateSnapshot
from assets_cli.model.manifest import Asset

DECLARED = "code_version"
"""The component that stands alone where the manifest declares a version."""


_HEXADECIMAL, _DIGEST = frozenset("0123456789abcdef"), 8
_SHORT = 32


class ComponentChange(NamedTuple):
    """A named part of the code version that differs; None where it was not there, or is not there now."""

    name: str
    old: str | None
    new: str | None


def same(old: Component, new: Component) -> bool:
    """Whether two states of a component mean the same.

    Equal bytes do; otherwise equal normalised digests of the same normaliser do, so that comments do not count and an
    upgrade of a parser changes nothing by itself.
    """
    if old.raw == new.raw:
        return True
    return old.normalised is not None and old.normalised == new.normalised and old.normaliser == new.normaliser


def component_changes(recorded: Mapping[str, Component], now: Mapping[str, Component]) -> list[ComponentChange]:
    """What differs between the components on record and those now, by name."""
    if recorded is now:
        return []
    if (DECLARED in recorded) != (DECLARED in now):
        # From files to a declared version or back: one change, instead of one for every file.
        old, new = recorded.get(DECLARED), now.get(DECLARED)
        return [ComponentChange(DECLARED, old.raw if old else None, new.raw if new else None)]
    changes = []
    for name in sorted({*recorded, *now}):
        before, after = recorded.get(name), now.get(name)
        if before is None or after is None or not same(before, after):
            changes.append(ComponentChange(name, before.raw if before else None, after.raw if after else None))
    return changes


def code_version(recorded: Materialization | None, now: Mapping[str, Component]) -> str:
    """The digest over all components; the recorded one where nothing that counts has changed."""
    if recorded is not None and not component_changes(recorded.components, now):
        return recorded.code_version
    digest = hashlib.sha256()
    for name in sorted(now):
        component = now[name]
        for field in (name, component.normalised or component.raw):
            digest.update(f"{len(field)}:{field};".encode())
    return f"sha256:{digest.hexdigest()}"


def current_input(
    upstream: str, snapshot: StateSnapshot, observations: Mapping[str, Observation], *, external: bool
) -> Input:
    """The version of an upstream that a downstream would read now: its latest record that is not blocked."""
    found = observations.get(upstream) if external else snapshot.of(upstream).usable
    return Input(found.data_version, found.seq) if found else Input(None, None)


def doubtful(graph: AssetGraph, snapshot: StateSnapshot, observations: Mapping[str, Observation]) -> frozenset[str]:
    """The assets of which a closer look must say what they have read.

    Of all others nothing is the matter, and they have read of each upstream the version there now, and of nothing else.
    One look at each edge: what was read is compared as one text. It is taken apart only where the same version is on
    record anew, or where something moved.
    """
    assets, settled = graph.assets, snapshot.settled
    seen = {*observations, *snapshot.observations}
    readable = dict(snapshot.readable)
    found: set[str] = set()
    for name in graph.order:
        asset = assets[name]
        external = asset.command is None
        if external or name in seen:
            readable[name] = _readable(asset, snapshot, observations)
        known = None if external else settled.get(name)
        if known is None:
            found.add(name)
        elif known.inputs != texts.of_inputs([readable.get(upstream, "") for upstream in asset.upstreams]):
            inputs = texts.inputs(known.inputs)
            if inputs.keys() != set(asset.upstreams) or any(
                read.data_version != _version_now(assets[upstream], snapshot, observations)
                for upstream, read in inputs.items()
            ):
                found.add(name)
    return frozenset(found)


def _readable(asset: Asset, snapshot: StateSnapshot, observations: Mapping[str, Observation]) -> str:
    """As in `StateSnapshot.readable`, of an asset that is observed, or was."""
    name, external = asset.name, asset.is_external
    now, known = current_input(name, snapshot, observations, external=external), snapshot.observations.get(name)
    if external and known is not None and known.data_version == now.data_version:
        now = Input(known.data_version, known.seq)  # seen again: those who read it have the record of then
    return texts.of_input(name, *now)


def _version_now(asset: Asset, snapshot: StateSnapshot, observations: Mapping[str, Observation]) -> str | None:
    known = None if asset.is_external else snapshot.settled.get(asset.name)
    if known is not None:
        return known.data_version
    return current_input(asset.name, snapshot, observations, external=asset.is_external).data_version


def short(digest: str | None) -> str:
    """A version for people: of a digest the first eight digits, of anything else the beginning."""
    if digest is None:
        return "none"
    algorithm, _, value = digest.rpartition(":")
    if algorithm and set(value) <= _HEXADECIMAL and len(value) >= _DIGEST:
        return value[:8]
    text = " ".join(digest.split())
    return text if len(text) <= _SHORT else f"{text[: _SHORT - 1]}…"
