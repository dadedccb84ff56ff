"""Until when work has to start so that promises stay kept, and by how much they are missed where that is too late.

Pure; estimates, never promises of their own. How long a step takes is what its last few durations say, taken high.

The work for one promise is one run: what has to begin before the promise is broken runs together, so that what is made
from all of it is made once. Its latest start is the moment of the promise less the longest path through that work:
exact where there are as many jobs as steps. With fewer jobs all promises are looked at together: their steps are put
at the latest moments at which that many machines can do them, the least slack first, going back in time from the
promises; a promise starts as much earlier as its steps had to give way. That is safe, and not always the best that
could be done, so that what would begin in the past by it alone only may be late.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from assets_cli.graph.graph import AssetGraph
from assets_cli.model.answers import Verdict
from assets_cli.model.duration import SECOND
from assets_cli.model.history import StateSnapshot
from assets_cli.model.manifest import FreshnessPolicy
from assets_cli.model.plan import Deadline
from assets_cli.planning import freshness
from assets_cli.planning.freshness import FreshnessView, broken_at

FIRST: Final = 60 * SECOND
"""How long a step is taken to need that was never timed."""
LEAST: Final = SECOND
"""How long a step needs at least: what starts it takes time, too."""
_ENOUGH: Final = 5

Durations = Callable[[str], int]


class Deadlines(NamedTuple):
    """The deadline of each promise whose data time is known, in topological order.

    `starts` are the latest starts of the steps for them, at the jobs there are. `next_moment` is the earliest moment
    from now on at which something has to start or to be delivered, or a promise is broken; None where there is none.
    """

    promises: Mapping[str, Deadline]
    starts: Mapping[str, int]
    next_moment: int | None


class Work(NamedTuple):
    """So many materializations, which take so many microseconds in all."""

    runs: int = 0
    time: int = 0


class _Chain(NamedTuple):
    """Data of this `time` reaches an asset when the steps of a chain have run, which take `length`.

    `head` is what it begins with: the first of the steps, or an external asset.
    """

    time: int
    length: int
    head: str
    external: bool = False


def high(durations: Sequence[int]) -> int:
    """How long a step takes, rather too long: the second longest of its last few durations, of fewer the longest.

    One run that was held up by something does not set it, and it never is less than a second.
    """
    if not durations:
        return FIRST
    ordered = sorted(durations)
    return max(ordered[-2] if len(ordered) >= _ENOUGH else ordered[-1], LEAST)


def from_history(snapshot: StateSnapshot) -> Durations:
    """How long each asset takes by what is on record of it."""
    return lambda name: high(snapshot.of(name).durations)


def deadlines(view: FreshnessView, durations: Durations, jobs: int, names: Iterable[str] | None = None) -> Deadlines:
    """Until when work has to start for each promise, or for those of these assets alone. One look at every edge.

    Args:
        view: the ages of the data now.
        durations: how long each step takes.
        jobs: how many run at once.
        names: whose promises; those of other assets take no part.
    """
    graph, assets = view.graph, view.graph.assets
    asked = [name for name in (assets if names is None else names) if assets[name].freshness is not None]
    # New data in every run is nothing that could be kept at any moment.
    asked = [name for name in asked if view.times[name] is not None and not _is_always(assets[name].freshness)]
    scope = list(graph.sort({*asked, *graph.ancestors(asked)}))
    length = {name: durations(name) for name in scope if not assets[name].is_external}
    chains = _chains(view, scope, length)
    found: dict[str, Deadline] = {}
    for name in graph.sort(asked):
        policy = assets[name].freshness
        assert policy is not None  # noqa: S101 - for mypy: chosen above
        found[name] = _deadline(view, name, policy, chains[name])
    starts, behind = _scheduled(graph, scope, length, found, jobs)
    for name, one in found.items():
        if one.latest is not None:
            found[name] = one._replace(start=one.latest - behind[name])
    return Deadlines(found, starts, _next(found.values(), view.now))


def verdicts(view: FreshnessView, names: Collection[str], jobs: int) -> tuple[Verdict, ...]:
    """How each of these assets keeps its freshness policy, and until when something has to start for it."""
    found = deadlines(view, from_history(view.snapshot), jobs, names).promises
    return tuple(one._replace(deadline=found.get(one.asset)) for one in freshness.verdicts(view, names))


def by_own_cron(graph: AssetGraph, durations: Durations, after: int, until: int) -> Work:
    """What would run between two moments if each asset had a cron of its own, and nobody looked at what is new.

    An asset that a policy on it or below covers fires as often as the strictest of them asks: every `max_lag`, or at
    the ticks of its expression. That is fair to crons: in a chain each would have to fire more often, for each waits
    for the next turn of the one above.
    """
    asked: dict[str, tuple[int | None, frozenset[tuple[str, str]]]] = {}
    runs = time = 0
    for name in reversed(graph.order):
        asset = graph.assets[name]
        lag, crons = asked.pop(name, (None, frozenset()))
        policy = asset.freshness
        if policy is not None and policy.cron is not None:
            crons |= {(policy.cron, policy.timezone)}
        elif policy is not None and policy.max_lag:
            lag = policy.max_lag if lag is None else min(lag, policy.max_lag)
        if asset.is_external or (lag is None and not crons):
            continue
        often = max(0 if lag is None else (until - after) // lag, *(_count(*each, after, until) for each in crons), 0)
        runs, time = runs + often, time + often * durations(name)
        for upstream in asset.upstreams:
            other, more = asked.get(upstream, (None, frozenset()))
            lags = [each for each in (lag, other) if each is not None]
            asked[upstream] = min(lags, default=None), crons | more
    return Work(runs, time)


@lru_cache(maxsize=1_024)
def _count(cron: str, timezone: str, after: int, until: int) -> int:
    from assets_cli.planning.ticks import ticks  # only a cron expression needs its library

    return sum(1 for _ in ticks(cron, timezone, after, until))


def _is_always(policy: FreshnessPolicy | None) -> bool:
    return policy is not None and policy.cron is None and not policy.max_lag


def _next(found: Iterable[Deadline], now: int) -> int | None:
    """The earliest of what is still to come; what should have started has to start now."""
    moments: list[int] = []
    for one in found:
        if one.start is not None:
            moments.append(max(one.start, now))
        moments += [moment for moment in (one.deliver, one.broken_at) if moment is not None and moment > now]
    return min(moments, default=None)


def _chains(view: FreshnessView, scope: Sequence[str], length: Mapping[str, int]) -> dict[str, list[_Chain]]:
    """For each asset the chains that make it newer: of two, one that is of newer data and shorter goes without saying.

    They go up in time and in length.
    """
    assets = view.graph.assets
    chains: dict[str, list[_Chain]] = {}
    for name in scope:
        asset, time = assets[name], view.times[name]
        if asset.is_external:
            chains[name] = [] if time is None else [_Chain(time, 0, name, external=True)]
            continue
        own = length[name]
        if not asset.upstreams:
            chains[name] = [] if time is None else [_Chain(time, own, name)]
            continue
        found: list[_Chain] = []
        for upstream in asset.upstreams:
            found += [_Chain(one.time, one.length + own, one.head, one.external) for one in chains[upstream]]
            read, now = view.contribution(asset, upstream), view.times[upstream]
            if read is not None and now is not None and read < now:
                found.append(_Chain(read, own, name))  # what is newer is there, and only has to be read
        chains[name] = _kept(found)
    return chains


def _kept(found: list[_Chain]) -> list[_Chain]:
    if len(found) < 2:  # noqa: PLR2004 - nothing to compare
        return found
    kept: list[_Chain] = []
    longest = {True: -1, False: -1}
    for one in sorted(found, key=lambda one: (one.time, -one.length)):
        if one.length > longest[one.external]:
            kept.append(one)
            longest[one.external] = one.length
    return kept


def _deadline(view: FreshnessView, name: str, policy: FreshnessPolicy, chains: Sequence[_Chain]) -> Deadline:
    time = view.times[name]
    assert time is not None  # noqa: S101 - for mypy: it is asked of those whose data time is known
    breaks = broken_at(policy, time)
    ours = [(broken_at(policy, one.time), one) for one in chains if not one.external]
    theirs = [(broken_at(policy, one.time) - one.length, one) for one in chains if one.external]
    found = Deadline(name, breaks)
    if theirs:
        deliver, chain = min(theirs, key=lambda each: each[0])
        found = found._replace(waits_for=chain.head, deliver=deliver)
    if not ours:
        return found
    first = min(due for due, _ in ours)
    # What has to begin before then is part of the run that has to be done by then.
    longest = max((one for due, one in ours if due - one.length < first), key=lambda one: one.length)
    # Data is as old as its run is long when that ends: what takes longer than the promise allows always is too old.
    late = max(view.now + longest.length - first, longest.length - policy.max_lag, 0)
    latest = first - longest.length
    return found._replace(first=longest.head, takes=longest.length, start=latest, latest=latest, late=late)


def _scheduled(
    graph: AssetGraph, scope: Sequence[str], length: Mapping[str, int], found: Mapping[str, Deadline], jobs: int
) -> tuple[dict[str, int], dict[str, int]]:
    """The latest start of each step at so many jobs, and of each asset how much earlier its steps had to start.

    Goes back in time from the promises: a step is looked at when all that is made from it has been put, at the moment
    at which it has to be done, and is put at the latest moment at which a machine has time for it.
    """
    import heapq  # only where something is promised

    due = _due(graph, scope, length, found)
    steps = [name for name in scope if name in due and name in length]
    if jobs >= len(steps):
        return {name: due[name] - length[name] for name in steps}, dict.fromkeys(scope, 0)  # nobody waits for a job
    readers = {name: [each for each in graph.downstreams(name) if each in due and each in length] for name in steps}
    waiting = {name: len(those) for name, those in readers.items()}
    free = [-max((due[name] for name in steps), default=0)] * min(jobs, len(steps))  # the latest first, so negative
    ready = [(-due[name], name) for name in steps if not waiting[name]]
    heapq.heapify(ready)
    starts: dict[str, int] = {}
    while ready:
        moment, name = heapq.heappop(ready)
        # The machine that is free last, or at least the moment at which it has to be done.
        starts[name] = -max(moment, heapq.heappop(free)) - length[name]
        heapq.heappush(free, -starts[name])
        for upstream in graph.upstreams(name):
            if upstream in waiting:
                waiting[upstream] -= 1
                if not waiting[upstream]:
                    end = min(due[upstream], *(starts[each] for each in readers[upstream]))
                    heapq.heappush(ready, (-end, upstream))
    behind: dict[str, int] = {}
    for name in scope:
        shift = due[name] - length[name] - starts[name] if name in starts else 0
        behind[name] = max([shift, *(behind[upstream] for upstream in graph.upstreams(name) if upstream in behind)])
    return starts, behind


def _due(
    graph: AssetGraph, scope: Sequence[str], length: Mapping[str, int], found: Mapping[str, Deadline]
) -> dict[str, int]:
    """Until when each asset has to be made for the promises on it and below, if nobody waits for a job."""
    due: dict[str, int] = {}
    for name in reversed(scope):
        one = found.get(name)
        if one is not None and one.latest is not None:
            due[name] = min(one.latest + one.takes, due.get(name, one.latest + one.takes))
        if name in due and name in length:
            for upstream in graph.upstreams(name):
                moment = due[name] - length[name]
                due[upstream] = min(due.get(upstream, moment), moment)
    return due
