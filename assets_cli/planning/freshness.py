"""How old data is, which promises are broken, and which roots must run to keep them.

Pure. Data time and need are as the model page defines them: the data time of a root is when its latest materialization
started (or what it reported); of anything else the minimum over its upstreams, where an upstream whose version was
superseded since counts with the data time that it had just before that.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from assets_cli.graph.graph import AssetGraph
from assets_cli.model.history import Input, Observation, StateSnapshot
from assets_cli.model.manifest import Asset, FreshnessPolicy
from assets_cli.model.plan import Overdue, Promise
from assets_cli.model.world import World
from assets_cli.planning.subsets import Subset
from assets_cli.planning.versions import current_input, doubtful

if TYPE_CHECKING:
    from assets_cli.model.answers import Holder, HolderReason, Verdict, VerdictStatus


class FreshnessView(NamedTuple):
    """What questions of freshness are answered from. `times` holds the data time of every asset, None for unknown.

    Of what is not `doubtful` it is plain that it has read of each upstream what is there now (`versions.doubtful`).
    `broken` are those whose data is older than their policy allows, or nobody knows how old, in topological order.
    """

    graph: AssetGraph
    snapshot: StateSnapshot
    world: World
    now: int
    times: Mapping[str, int | None]
    doubtful: frozenset[str]
    broken: tuple[str, ...]

    def contribution(self, asset: Asset, upstream: str) -> int | None:
        """The data time that an upstream lends to an asset, through the version of it that the asset has read."""
        times = self.times.__getitem__
        if asset.name not in self.doubtful:
            return times(upstream)
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
    return _oldest(times)


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


def bound(policy: FreshnessPolicy, now: int, ahead: int = 0) -> int:
    """What the data time must be at least, by a policy.

    With `ahead` also for what the policy asks of the time until then, as far as it can be met by what starts now: the
    data is never newer than that.
    """
    moment = now + min(ahead, policy.max_lag)
    if policy.cron is None:
        return moment - policy.max_lag
    from assets_cli.planning.ticks import previous_tick  # only a cron expression needs its library

    return previous_tick(policy.cron, policy.timezone, moment) - policy.max_lag


def broken_at(policy: FreshnessPolicy, time: int) -> int:
    """The moment at which the promise is broken if the data time stays what it is; a lag is kept at the moment itself.

    Of a cron expression it is the first tick for which the data is too old.
    """
    if policy.cron is None:
        return time + policy.max_lag
    from assets_cli.planning.ticks import next_tick  # as above

    return next_tick(policy.cron, policy.timezone, time + policy.max_lag)


def view(graph: AssetGraph, snapshot: StateSnapshot, world: World, now: int) -> FreshnessView:
    """The data times of all assets; the cost is one look at every edge, whatever the history's length."""
    assets, settled = graph.assets, snapshot.settled
    unsure = doubtful(graph, snapshot, world.observations)
    times: dict[str, int | None] = {}
    broken: list[str] = []
    for name in graph.order:
        asset = assets[name]
        if name in unsure:
            time = data_time(asset, graph, snapshot, world, now, times.__getitem__)
        elif upstreams := asset.upstreams:
            time = _oldest([times[upstream] for upstream in upstreams])
        else:
            time = min(settled[name].time, now)
        times[name] = time
        policy = asset.freshness
        # A lag, which most are, is looked at without a call.
        if policy is not None and (
            time is None or (now - time > policy.max_lag if policy.cron is None else time < bound(policy, now))
        ):
            broken.append(name)
    return FreshnessView(graph, snapshot, world, now, times, unsure, tuple(broken))


def _oldest(times: list[int | None]) -> int | None:
    return None if None in times else min(times)  # type: ignore[type-var]


_Asked = tuple[int, Subset[str], FreshnessPolicy, int]
"""What the data time must be at least, who asks for it, the strictest of their policies, and what it must be now."""


def promises(seen: FreshnessView, ahead: int = 0) -> dict[str, Promise]:
    """What freshness policies ask of roots with a command: `need(X, bound)` for every policy.

    With `ahead` also what they ask of the time until then. One walk up from those that are not kept: of several bounds
    the strictest goes on, for what it needs includes what the others do.
    """
    graph, soon = seen.graph, due(seen, ahead)
    if not soon or all(time is None for time in seen.times.values()):
        return {}  # kept, or nothing is there that could be too old
    askers: list[str] = []
    asked: dict[str, _Asked] = {}
    found: dict[str, Promise] = {}
    for name in reversed(graph.order):
        if name not in soon and name not in asked:
            continue
        asset = graph.assets[name]
        policy = asset.freshness
        if policy is not None:
            askers.append(name)
            own = Subset(askers, len(askers) - 1)
            _ask(asked, name, (bound(policy, seen.now, ahead), own, policy, bound(policy, seen.now)))
        promise = asked.pop(name)
        least, who, strictest, least_now = promise
        if asset.is_external:
            continue
        if not asset.upstreams:
            time = seen.times[name]
            if time is not None and time < least:
                breaks = None if time < least_now else broken_at(strictest, time)
                found[name] = Promise(least, who, strictest.text, breaks)
            continue
        for upstream in asset.upstreams:
            time = seen.contribution(asset, upstream)
            if time is not None and time < least:
                _ask(asked, upstream, promise)
    return found


def due(seen: FreshnessView, ahead: int) -> frozenset[str]:
    """The assets whose promises are broken, or will be until then as far as starting something now helps."""
    found = set(seen.broken)
    if ahead:
        for name, asset in seen.graph.assets.items():
            policy, time = asset.freshness, seen.times[name]
            if policy is not None and time is not None and time < bound(policy, seen.now, ahead):
                found.add(name)
    return frozenset(found)


def _ask(asked: dict[str, _Asked], name: str, promise: _Asked) -> None:
    before = asked.get(name)
    if before is None:
        asked[name] = promise
        return
    least, who, policy, least_now = promise
    strictest = policy if least > before[0] else before[2]
    asked[name] = max(before[0], least), before[1] | who, strictest, max(before[3], least_now)


def overdue(seen: FreshnessView, names: Container[str]) -> tuple[Overdue, ...]:
    """The broken promises of these assets, in topological order; equal to the limit still passes."""
    late: dict[str, tuple[int, int, FreshnessPolicy]] = {}
    limits: dict[int, list[str]] = {}  # who holds back is asked for all with the same limit at once
    for name in seen.broken:
        policy, time = seen.graph.assets[name].freshness, seen.times[name]
        if name in names and time is not None and policy is not None:
            least = bound(policy, seen.now)
            late[name] = time, least, policy
            limits.setdefault(least, []).append(name)
    held: dict[str, Subset[str]] = {}
    for least, those in limits.items():
        held.update(_held_by(seen, those, least)[1])
    return tuple(Overdue(name, time, least, policy, held[name]) for name, (time, least, policy) in late.items())


def verdicts(seen: FreshnessView, names: Iterable[str]) -> tuple[Verdict, ...]:
    """How each of these assets that has a freshness policy keeps it, in topological order.

    Equal to a limit still passes. Who holds back is asked for all assets with the same limit at once, so that the cost
    follows the assets and their edges.
    """
    from assets_cli.model.answers import Holder  # a plan without promises does without answers

    judged: dict[str, tuple[VerdictStatus, int | None]] = {}
    limits: dict[int | None, list[str]] = {}
    for name in seen.graph.sort(names):
        policy, time = seen.graph.assets[name].freshness, seen.times[name]
        if policy is None:
            continue
        judged[name] = _judge(time, policy, seen.now)
        status, least = judged[name]
        if status != "pass":
            limits.setdefault(least, []).append(name)
    holders: dict[str, Sequence[Holder]] = {}
    known: dict[str, Holder] = {}
    for limit, late in limits.items():
        names_of, held = _held_by(seen, late, limit)
        for name in names_of:
            if name not in known:
                known[name] = Holder(name, seen.times[name], _reason(seen, name))
        told = [known[name] for name in names_of]
        holders.update((name, members.among(told)) for name, members in held.items())
    return tuple(_verdict(seen, name, status, holders.get(name, ())) for name, (status, _) in judged.items())


def _judge(time: int | None, policy: FreshnessPolicy, now: int) -> tuple[VerdictStatus, int | None]:
    """The status of data of this time, and what the time had to be at least, where it is not."""
    if time is None:
        return "unknown", None
    least = bound(policy, now)
    if time < least:
        return "fail", least
    if policy.warn_lag is not None and time < least + policy.max_lag - policy.warn_lag:
        return "warn", least + policy.max_lag - policy.warn_lag
    return "pass", None


def _verdict(seen: FreshnessView, name: str, status: VerdictStatus, held_by: Sequence[Holder]) -> Verdict:
    from assets_cli.model.answers import Verdict  # as above

    policy, time = seen.graph.assets[name].freshness, seen.times[name]
    assert policy is not None  # noqa: S101 - for mypy: only assets with a policy are judged
    return Verdict(
        asset=name,
        status=status,
        data_time=time,
        age=None if time is None else seen.now - time,
        policy=policy,
        broken_at=None if time is None else broken_at(policy, time),
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
    seen: FreshnessView, names: Collection[str], least: int | None
) -> tuple[list[str], dict[str, Subset[str]]]:
    """Who keeps these assets older than `least`, or unknown where that is None: all of them, and those of each asset.

    Roots and externals, or an asset that has yet to read a newer version. One walk down over everything above them.
    """

    def is_behind(time: int | None) -> bool:
        return time is None if least is None else time is not None and time < least

    graph = seen.graph
    holders: list[str] = []
    held: dict[str, Subset[str]] = {}
    for name in graph.sort({*names, *graph.ancestors(names)}):
        if not is_behind(seen.times[name]):
            continue
        asset = graph.assets[name]
        late = [up for up in asset.upstreams if is_behind(seen.contribution(asset, up))]
        found: Subset[str] | None = None
        # Nothing above is to blame, or something there is newer than what was read: it is this asset's turn.
        if not late or any(not is_behind(seen.times[up]) for up in late):
            holders.append(name)
            found = Subset(holders, len(holders) - 1)
        for upstream in late:
            if upstream in held:
                found = held[upstream] if found is None else found | held[upstream]
        if found is not None:
            held[name] = found
    return holders, {name: held[name] for name in names}


def never_refreshed(graph: AssetGraph) -> tuple[str, ...]:
    """Roots with a command that no schedule runs and no policy covers, on them or below: only new code runs them."""
    assets = graph.assets
    bare = [
        name
        for name, asset in assets.items()
        if not asset.upstreams and asset.command and asset.freshness is None and asset.schedule is None
    ]
    if not bare:
        return ()
    covered: set[str] = set()
    for name in reversed(graph.order):
        asset = assets[name]
        if asset.freshness is not None or name in covered:
            covered.update(asset.upstreams)
    return tuple(graph.sort(name for name in bare if name not in covered))
