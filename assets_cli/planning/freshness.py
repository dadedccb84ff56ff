"""How old data is, which promises are broken, and which roots must run to keep them.

Pure. Data time and need are as the model page defines them: the data time of a root is when its latest materialization
started (or what it reported); of anything else the minimum over its upstreams, where an upstream whose version was
superseded since counts with the data time that it had just before that.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from assets_cli.graph.graph import AssetGraph
from assets_cli.model.history import Input, StateSnapshot
from assets_cli.model.manifest import Asset
from assets_cli.model.plan import Overdue, Promise
from assets_cli.model.world import World
from assets_cli.planning.versions import current_input


class FreshnessView(NamedTuple):
    """What questions of freshness are answered from. `times` holds the data time of every asset, None for unknown."""

    graph: AssetGraph
    snapshot: StateSnapshot
    world: World
    now: int
    times: Mapping[str, int | None]

    def contribution(self, asset: Asset, upstream: str) -> int | None:
        """The data time that an upstream lends to an asset, through the version of it that the asset has read."""
        return _contribution(asset, upstream, self.graph, self.snapshot, self.world, self.times.__getitem__)


def data_time(
    asset: Asset,
    graph: AssetGraph,
    snapshot: StateSnapshot,
    world: World,
    now: int,
    time_of: Callable[[str], int | None],
) -> int | None:
    """The moment up to which an asset's contents reflect the outside world; None where that is unknown.

    `time_of` gives the data times of its upstreams.
    """
    if asset.is_external:
        seen = world.observations.get(asset.name)
        if seen is None:
            return None
        # An observation from the future counts as now.
        return min(seen.observed if seen.data_time is None else seen.data_time, now)
    made = snapshot.of(asset.name).usable
    if made is None:
        return None
    if not asset.upstreams:
        return made.started if made.data_time is None else min(made.data_time, now)
    times = [_contribution(asset, upstream, graph, snapshot, world, time_of) for upstream in asset.upstreams]
    known = [time for time in times if time is not None]
    return min(known) if len(known) == len(times) else None


def _contribution(
    asset: Asset,
    upstream: str,
    graph: AssetGraph,
    snapshot: StateSnapshot,
    world: World,
    time_of: Callable[[str], int | None],
) -> int | None:
    made = snapshot.of(asset.name).usable
    read: Input | None = made.inputs.get(upstream) if made else None
    if read is None:
        return time_of(upstream)
    external = graph.assets[upstream].is_external
    if read.data_version == current_input(upstream, snapshot, world.observations, external=external).data_version:
        return time_of(upstream)
    if read.data_version is None:
        return None
    return snapshot.frozen.get((upstream, read.data_version))


def view(graph: AssetGraph, snapshot: StateSnapshot, world: World, now: int) -> FreshnessView:
    """The data times of all assets; the cost is one look at every edge, whatever the history's length."""
    times: dict[str, int | None] = {}
    for name in graph.order:
        times[name] = data_time(graph.assets[name], graph, snapshot, world, now, times.__getitem__)
    return FreshnessView(graph, snapshot, world, now, times)


def promises(seen: FreshnessView) -> dict[str, Promise]:
    """What freshness policies ask of roots with a command: `need(X, now - max_lag)` for every policy.

    One walk from the sinks up: of several bounds the strictest goes on, for what it needs includes what the others do.
    """
    graph = seen.graph
    asked: dict[str, Promise] = {}
    found: dict[str, Promise] = {}
    for name in reversed(graph.order):
        asset = graph.assets[name]
        if asset.freshness is not None:
            _ask(asked, name, Promise(seen.now - asset.freshness.max_lag, (name,)))
        promise = asked.get(name)
        if promise is None or asset.is_external:
            continue
        if not asset.upstreams:
            time = seen.times[name]
            if time is not None and time < promise.bound:
                found[name] = promise
            continue
        for upstream in asset.upstreams:
            time = seen.contribution(asset, upstream)
            if time is not None and time < promise.bound:
                _ask(asked, upstream, promise)
    return found


def _ask(asked: dict[str, Promise], name: str, promise: Promise) -> None:
    before = asked.get(name)
    if before is None:
        asked[name] = promise
    else:
        by = tuple(dict.fromkeys((*before.asked_by, *promise.asked_by)))
        asked[name] = Promise(max(before.bound, promise.bound), by)


def overdue(seen: FreshnessView, names: Collection[str]) -> tuple[Overdue, ...]:
    """The broken promises of these assets, in topological order; equal to the limit still passes."""
    found = []
    for name in seen.graph.sort(name for name in names if seen.graph.assets[name].freshness):
        policy, time = seen.graph.assets[name].freshness, seen.times[name]
        if policy is not None and time is not None and time < seen.now - policy.max_lag:
            bound = seen.now - policy.max_lag
            found.append(Overdue(name, time, bound, policy.max_lag, held_by(seen, name, bound)))
    return tuple(found)


def held_by(seen: FreshnessView, name: str, bound: int) -> tuple[str, ...]:
    """Who keeps an asset older than `bound`: roots and externals, or an asset that has yet to read a newer version."""
    holders: dict[str, None] = {}
    known = {name}
    waiting = [name]
    while waiting:
        current = waiting.pop()
        asset = seen.graph.assets[current]
        late = [up for up in asset.upstreams if _is_before(seen.contribution(asset, up), bound)]
        if not asset.upstreams or any(not _is_before(seen.times[up], bound) for up in late):
            holders[current] = None
        for upstream in late:
            if _is_before(seen.times[upstream], bound) and upstream not in known:
                known.add(upstream)
                waiting.append(upstream)
    return tuple(seen.graph.sort(holders))


def _is_before(time: int | None, bound: int) -> bool:
    return time is not None and time < bound


def never_refreshed(graph: AssetGraph) -> tuple[str, ...]:
    """Roots with a command that no policy covers, on them or below: only a change of code runs them again."""
    covered: set[str] = set()
    for name in reversed(graph.order):
        asset = graph.assets[name]
        if asset.freshness is not None or name in covered:
            covered.add(name)
            covered.update(asset.upstreams)
    return tuple(
        name
        for name in graph.order
        if not (asset := graph.assets[name]).upstreams and asset.command and name not in covered
    )
