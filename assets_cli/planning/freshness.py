"""How old data is, which promises are broken, and which roots must run to keep them.

Pure. Data time and need are as the model page defines them: the data time of a root is when its latest materialization
started (or what it reported); of anything else the minimum over its upstreams, where an upstream whose version was
superseded since counts with the data time that it had just before that.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from assets_cli.graph.graph import AssetGraph
from assets_cli.model.answers import Holder, HolderReason, Verdict, VerdictStatus
from assets_cli.model.history import Input, Observation, StateSnapshot
from assets_cli.model.manifest import Asset, FreshnessPolicy
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
        times = self.times.__getitem__
        return _contribution(asset, upstream, self.graph, self.snapshot, self.world, self.now, times)


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
        return _time_observed(seen, now)
    made = snapshot.of(asset.name).usable
    if made is None:
        return None
    if not asset.upstreams:
        return min(made.started if made.data_time is None else made.data_time, now)
    times = [_contribution(asset, upstream, graph, snapshot, world, now, time_of) for upstream in asset.upstreams]
    known = [time for time in times if time is not None]
    return min(known) if len(known) == len(times) else None


def _contribution(
    asset: Asset,
    upstream: str,
    graph: AssetGraph,
    snapshot: StateSnapshot,
    world: World,
    now: int,
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
    known = snapshot.observations.get(upstream) if external else None
    if known is not None and known.data_version == read.data_version:
        # Superseded by an observation that is not on record yet, so nothing is frozen: what is on record still holds.
        return _time_observed(known, now)
    frozen = snapshot.frozen.get((upstream, read.data_version))
    return None if frozen is None else min(frozen, now)  # it may be of a clock that was set back since


def _time_observed(seen: Observation, now: int) -> int:
    """The data time of an external asset: what its probe reported, else when it was looked at; the future is now."""
    return min(seen.observed if seen.data_time is None else seen.data_time, now)


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
    for verdict in verdicts(seen, names):
        policy = seen.graph.assets[verdict.asset].freshness
        if verdict.status == "fail" and policy is not None and verdict.data_time is not None:
            held = tuple(holder.asset for holder in verdict.held_by)
            found.append(Overdue(verdict.asset, verdict.data_time, seen.now - policy.max_lag, policy.max_lag, held))
    return tuple(found)


def verdicts(seen: FreshnessView, names: Iterable[str]) -> tuple[Verdict, ...]:
    """How each of these assets that has a freshness policy keeps it, in topological order.

    Equal to a limit still passes. Who holds back is asked for all assets with the same limit at once, so that the cost
    follows the assets and their edges.
    """
    judged: dict[str, tuple[VerdictStatus, int | None]] = {}
    limits: dict[int | None, list[str]] = {}
    for name in seen.graph.sort(names):
        policy, time = seen.graph.assets[name].freshness, seen.times[name]
        if policy is None:
            continue
        judged[name] = _judge(None if time is None else seen.now - time, policy)
        status, lag = judged[name]
        if status != "pass":
            limits.setdefault(None if lag is None else seen.now - lag, []).append(name)
    holders: dict[str, tuple[Holder, ...]] = {}
    known: dict[str, Holder] = {}
    for bound, late in limits.items():
        holders.update(_held_by(seen, late, bound, known))
    return tuple(_verdict(seen, name, status, holders.get(name, ())) for name, (status, _) in judged.items())


def _judge(age: int | None, policy: FreshnessPolicy) -> tuple[VerdictStatus, int | None]:
    """The status of data of this age, and the limit that it is beyond, if there is one."""
    if age is None:
        return "unknown", None
    if age > policy.max_lag:
        return "fail", policy.max_lag
    if policy.warn_lag is not None and age > policy.warn_lag:
        return "warn", policy.warn_lag
    return "pass", None


def _verdict(seen: FreshnessView, name: str, status: VerdictStatus, held_by: tuple[Holder, ...]) -> Verdict:
    policy, time = seen.graph.assets[name].freshness, seen.times[name]
    assert policy is not None  # noqa: S101 - for mypy: only assets with a policy are judged
    return Verdict(
        asset=name,
        status=status,
        data_time=time,
        age=None if time is None else seen.now - time,
        max_lag=policy.max_lag,
        warn_lag=policy.warn_lag,
        broken_at=None if time is None else time + policy.max_lag,
        held_by=held_by,
    )


def _reason(seen: FreshnessView, name: str) -> HolderReason:
    """Why this asset holds others back."""
    asset = seen.graph.assets[name]
    if asset.is_external:
        return "external"
    latest = seen.snapshot.of(name)
    if latest.materialization is not None and latest.materialization.blocked:
        return "blocked"
    if latest.usable is None:
        return "missing"
    return "behind" if asset.upstreams else "root"


def _held_by(
    seen: FreshnessView, names: Collection[str], bound: int | None, known: dict[str, Holder]
) -> dict[str, tuple[Holder, ...]]:
    """Who keeps each of these assets older than `bound`, or unknown where that is None; `known` gathers holders.

    Roots and externals, or an asset that has yet to read a newer version. One walk down over everything above them; the
    holders of an asset are the bits of an integer, so that handing them on costs next to nothing, however many.
    """

    def is_behind(time: int | None) -> bool:
        return time is None if bound is None else time is not None and time < bound

    graph = seen.graph
    masks: dict[str, int] = {}
    for name in graph.sort({*names, *graph.ancestors(names)}):
        if not is_behind(seen.times[name]):
            continue
        asset = graph.assets[name]
        late = [up for up in asset.upstreams if is_behind(seen.contribution(asset, up))]
        # Nothing above is to blame, or something there is newer than what was read: it is this asset's turn.
        its_turn = not late or any(not is_behind(seen.times[up]) for up in late)
        mask = 1 << graph.position[name] if its_turn else 0
        for upstream in late:
            mask |= masks.get(upstream, 0)
        masks[name] = mask
    found = {mask: tuple(graph.order[bit] for bit in _bits(mask)) for mask in {masks[name] for name in names}}
    for each in {each for held in found.values() for each in held}:
        known.setdefault(each, Holder(each, seen.times[each], _reason(seen, each)))
    shared = {mask: tuple([known[each] for each in held]) for mask, held in found.items()}
    return {name: shared[masks[name]] for name in names}


def _bits(mask: int) -> Iterator[int]:
    """The positions of the bits that are set, rising."""
    text = f"{mask:b}"[::-1]
    bit = text.find("1")
    while bit >= 0:
        yield bit
        bit = text.find("1", bit + 1)


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
