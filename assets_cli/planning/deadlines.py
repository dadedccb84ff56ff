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
from typing import TYPE_CHECKING, Final, NamedTuple

from assets_cli.graph.graph import AssetGraph
from assets_cli.model.duration import SECOND
from assets_cli.model.history import StateSnapshot
from assets_cli.model.manifest import FreshnessPolicy
from assets_cli.model.plan import Deadline
from assets_cli.planning import freshness
from assets_cli.planning.freshness import FreshnessView, broken_at

if TYPE_CHECKING:
    from assets_cli.model.answers import Verdict

FIRST: Final = 60 * SECOND
"""How long a step is taken to need that was never timed."""
LEAST: Final = SECOND
"""How long a step needs at least: what starts it takes time, too."""
_ENOUGH: Final = 5

Durations = Callable[[str], int]


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
    return lambda name: high(snapshot.durations_of(name))


def deadlines(
    view: FreshnessView, durations: Durations, jobs: int, names: Iterable[str] | None = None
) -> dict[str, Deadline]:
    """Until when work has to start for each promise whose data time is known, in topological order.

    One look at every edge.

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
    reach = longest_paths(graph, scope, length)
    found: dict[str, Deadline] = {}
    for name in graph.sort(asked):
        policy = assets[name].freshness
        assert policy is not None  # noqa: S101 - for mypy: chosen above
        found[name] = _deadline(view, name, policy, chains[name])._replace(reach=reach[name])
    starts, behind = _scheduled(graph, scope, length, found, jobs)
    # All jobs are taken by steps that are at least as long as the one that ends first.
    wait = sorted((length[name] for name in starts), reverse=True)[jobs - 1] if jobs < len(starts) else 0
    for name, one in found.items():
        if one.latest is not None and behind[name]:
            found[name] = one._replace(start=one.latest - behind[name], wait=wait)
    return found


def verdicts(view: FreshnessView, names: Collection[str], jobs: int) -> tuple[Verdict, ...]:
    """How each of these assets keeps its freshness policy, and until when something has to start for it."""
    from assets_cli.model.answers import Verdict  # as in `freshness.verdicts`

    found = deadlines(view, from_history(view.snapshot), jobs, names)
    return tuple(Verdict(*one[:-1], found.get(one.asset)) for one in freshness.verdicts(view, names))


def _is_always(policy: FreshnessPolicy | None) -> bool:
    return policy is not None and policy.cron is None and not policy.max_lag


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
            if name not in view.doubtful:
                continue
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
    deliver, waits_for = min([(due, one.head) for due, one in theirs], default=(None, None))
    if not ours:
        return Deadline(name, breaks, waits_for=waits_for, deliver=deliver)
    first = min(due for due, _ in ours)
    # What has to begin before then is part of the run that has to be done by then.
    longest = max((one for due, one in ours if due - one.length < first), key=lambda one: one.length)
    # Data is as old as its run is long when that ends: what takes longer than the promise allows always is too old.
    late = max(view.now + longest.length - first, longest.length - policy.max_lag, 0)
    latest = first - longest.length
    return Deadline(name, breaks, longest.head, longest.length, latest, latest, late, waits_for, deliver)


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
    above = {name: [each for each in graph.upstreams(name) if each in due and each in length] for name in steps}
    waiting = dict.fromkeys(steps, 0)
    for upstreams in above.values():
        for each in upstreams:
            waiting[each] += 1
    ends = dict(due)
    free = [-max((due[name] for name in steps), default=0)] * jobs  # the latest first, so negative
    ready = [(-due[name], name) for name in steps if not waiting[name]]
    heapq.heapify(ready)
    starts: dict[str, int] = {}
    while ready:
        moment, name = heapq.heappop(ready)
        # The machine that is free last, or at least the moment at which it has to be done.
        start = starts[name] = -max(moment, free[0]) - length[name]
        heapq.heapreplace(free, -start)
        for each in above[name]:
            waiting[each] -= 1
            ends[each] = min(ends[each], start)
            if not waiting[each]:
                heapq.heappush(ready, (-ends[each], each))
    shifts = {name: due[name] - length[name] - start for name, start in starts.items()}
    return starts, _largest(graph, scope, shifts)


def _largest(graph: AssetGraph, scope: Sequence[str], shifts: Mapping[str, int]) -> dict[str, int]:
    """Of each asset the largest of its own and of all above it."""
    found: dict[str, int] = {}
    for name in scope:
        most = shifts.get(name, 0)
        for each in graph.upstreams(name):
            if found.get(each, 0) > most:
                most = found[each]
        found[name] = most
    return found


def longest_paths(graph: AssetGraph, scope: Iterable[str], length: Mapping[str, int]) -> dict[str, int]:
    """Of each of these assets, upstreams first, how long it and the longest path above it take."""
    found: dict[str, int] = {}
    for name in scope:
        most = 0
        for upstream in graph.upstreams(name):
            most = max(most, found[upstream])
        found[name] = length.get(name, 0) + most
    return found


def _due(
    graph: AssetGraph, scope: Sequence[str], length: Mapping[str, int], found: Mapping[str, Deadline]
) -> dict[str, int]:
    """Until when each asset has to be made for the promises on it and below, if nobody waits for a job."""
    due: dict[str, int] = {}
    for name in reversed(scope):
        one = found.get(name)
        moment = due.get(name)
        if one is not None and one.latest is not None and (moment is None or one.latest + one.takes < moment):
            moment = due[name] = one.latest + one.takes
        if moment is None or name not in length:
            continue
        moment -= length[name]
        for upstream in graph.upstreams(name):
            if due.get(upstream, moment) >= moment:
                due[upstream] = moment
    return due
