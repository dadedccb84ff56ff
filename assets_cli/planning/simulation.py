"""What would run when, which promises would break, and what it would cost: the decisions of `up`, on a virtual clock.

Pure. The course of events is `course`'s business; here is what it rests on, and what it comes to. External assets bring
something new by a rhythm, where one is known; of the others it is assumed that they are new whenever they are looked
at. Cost follows what happens, and the same input gives the same simulation.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from statistics import median_low
from typing import NamedTuple

from assets_cli.graph.graph import AssetGraph
from assets_cli.model.duration import SECOND
from assets_cli.model.history import Latest, Materialization, StateSnapshot
from assets_cli.model.manifest import FreshnessPolicy, ShellCommand
from assets_cli.model.simulation import (
    Assumed,
    Bar,
    Breach,
    Day,
    Rhythm,
    Saved,
    Share,
    Simulated,
    Simulation,
)
from assets_cli.model.world import World
from assets_cli.planning import freshness, schedule
from assets_cli.planning.course import Course, Terms
from assets_cli.planning.deadlines import FIRST, by_own_cron, high
from assets_cli.planning.plan import Selection, plan_in

_MIDNIGHT = "0 0 * * *"
_LEAST_GAPS = 2
_LOOKED_AT = ShellCommand("")


class Scenario(NamedTuple):
    """What a simulation begins with. Without `jobs` there are as many as there are steps.

    `seen` are, by external asset, the data times that were observed, in any order.
    """

    graph: AssetGraph
    snapshot: StateSnapshot
    world: World
    now: int
    length: int
    jobs: int | None
    seen: Mapping[str, Sequence[int]] = {}


def simulate(scenario: Scenario) -> Simulation:
    """What happens in so much time from now on, if `assets up` keeps the promises of the project."""
    rhythms = {
        name: rhythm_of(asset.freshness, scenario.seen.get(name, ()), scenario.now)
        for name, asset in scenario.graph.assets.items()
        if asset.is_external and (asset.observe is not None or name in scenario.world.observations)
    }
    looks = frozenset(name for name, rhythm in rhythms.items() if rhythm is None)
    graph = _with_looks(scenario.graph, looks)
    snapshot = _looked_at(scenario.snapshot, scenario.world, looks)
    start = freshness.view(graph, snapshot, scenario.world, scenario.now)
    usual = {name: _usual(snapshot, name, looks) for name in graph.order}
    terms = Terms(
        jobs=scenario.jobs,
        planned=lambda name: 0 if name in looks else high(snapshot.of(name).durations),
        usual=usual,
        looks=looks,
        arrivals={name: partial(_next_arrival, rhythm) for name, rhythm in rhythms.items() if rhythm is not None},
        hours={
            name: partial(_next_tick, asset.schedule.cron, asset.schedule.timezone)
            for name, asset in graph.assets.items()
            if asset.schedule is not None
        },
    )
    course = Course(start, terms)
    stale = plan_in(start, Selection(frozenset(graph.assets))).steps
    end = scenario.now + scenario.length
    course.go([step.asset for step in stale], end)
    return _told(scenario, course, terms, tuple(Assumed(*each) for each in rhythms.items()))


def rhythm_of(policy: FreshnessPolicy | None, seen: Iterable[int], now: int) -> Rhythm | None:
    """When an external asset brings something new: as often as it usually did, or as it promises; None if neither."""
    moments = sorted({moment for moment in seen if moment <= now})
    gaps = [late - early for early, late in pairwise(moments)]
    if len(gaps) >= _LEAST_GAPS:
        return Rhythm("observed", moments[-1], max(median_low(gaps), SECOND))
    if policy is None:
        return None
    last = moments[-1] if moments else now
    if policy.cron is not None:
        return Rhythm("promised", last, cron=policy.cron, timezone=policy.timezone)
    return Rhythm("promised", last, max(policy.max_lag, SECOND))


def _next_arrival(rhythm: Rhythm, after: int) -> int:
    if rhythm.cron is not None:
        return _next_tick(rhythm.cron, rhythm.timezone, after)
    return rhythm.last + (max(after - rhythm.last, 0) // rhythm.every + 1) * rhythm.every


def _next_tick(cron: str, timezone: str, after: int) -> int:
    from assets_cli.planning.ticks import next_tick  # only a cron expression needs its library

    return next_tick(cron, timezone, after)


def _usual(snapshot: StateSnapshot, name: str, looks: frozenset[str]) -> int:
    """How long an asset takes: the median of the last few times, and what is assumed where it never ran."""
    if name in looks:
        return 0
    known = schedule.usual(snapshot.of(name).durations)
    return FIRST if known is None else max(known, 1_000)


def _with_looks(graph: AssetGraph, looks: frozenset[str]) -> AssetGraph:
    """The graph in which who is new whenever it is looked at is something that runs, in no time."""
    if not looks:
        return graph
    assets = {
        name: asset._replace(command=_LOOKED_AT, upstreams=()) if name in looks else asset
        for name, asset in graph.assets.items()
    }
    if any(graph.assets[name].upstreams for name in looks):
        return AssetGraph(graph.manifest._replace(assets=assets))
    return AssetGraph(graph.manifest._replace(assets=assets), graph.arrangement)


def _looked_at(snapshot: StateSnapshot, world: World, looks: frozenset[str]) -> StateSnapshot:
    """The snapshot in which what was observed of these is what they made."""
    if not looks:
        return snapshot
    latest = dict(snapshot.latest)
    for name in looks:
        seen = world.observations.get(name)
        latest.pop(name, None)
        if seen is not None:
            time = seen.observed if seen.data_time is None else seen.data_time
            made = Materialization(
                seen.seq, name, "", 1, seen.observed, seen.observed, "", {}, seen.data_version, None, time, {}
            )
            latest[name] = Latest(made, made)
    settled = {name: one for name, one in snapshot.settled.items() if name not in looks}
    return snapshot._replace(latest=latest, settled=settled)


# -- what it comes to ----------------------------------------------------------------------------------------------


def _told(scenario: Scenario, course: Course, terms: Terms, assumed: tuple[Assumed, ...]) -> Simulation:
    graph, start, end = scenario.graph, scenario.now, scenario.now + scenario.length
    bars = tuple(sorted(course.bars, key=lambda bar: (bar.start, graph.position[bar.asset])))
    breaches = tuple(sorted(course.ledger.breaches, key=lambda one: (one.start, graph.position[one.asset])))
    assets = _assets(graph, bars, breaches, course.ledger.worst)
    zone = project_zone(graph)
    covered = _covered(graph)
    makes = [name for name, asset in graph.assets.items() if not asset.is_external]
    return Simulation(
        start=start,
        end=end,
        jobs=scenario.jobs or 0,
        timezone=zone,
        bars=bars,
        breaches=breaches,
        assets=assets,
        days=_days(zone, start, end, bars, breaches),
        owners=_shares(assets, lambda one: one.owners or (None,)),
        groups=_shares(assets, lambda one: (one.group,)),
        alone=Saved(*by_own_cron(graph, terms.usual.__getitem__, start, end)),
        assumed=assumed,
        unpromised=sum(name not in covered for name in makes),
        untimed=sum(not scenario.snapshot.of(name).durations for name in makes),
        waited=course.waited,
    )


def _assets(
    graph: AssetGraph, bars: Iterable[Bar], breaches: Iterable[Breach], worst: Mapping[str, int]
) -> tuple[Simulated, ...]:
    runs: dict[str, list[int]] = {}
    for bar in bars:
        runs.setdefault(bar.asset, []).append(bar.end - bar.start)
    broken: dict[str, list[int]] = {}
    for one in breaches:
        broken.setdefault(one.asset, []).append(one.end - one.start)
    found: list[Simulated] = []
    for name in graph.order:
        asset = graph.assets[name]
        took, late = runs.get(name, ()), broken.get(name, ())
        found.append(
            Simulated(
                asset=name,
                owners=asset.owners,
                group=asset.group,
                is_external=asset.is_external,
                runs=len(took),
                compute=sum(took),
                promise=asset.freshness.text if asset.freshness is not None else "",
                worst_age=worst.get(name),
                broken=sum(late),
                breaches=len(late),
            )
        )
    return tuple(found)


def _shares(assets: Iterable[Simulated], of: Callable[[Simulated], Iterable[str | None]]) -> tuple[Share, ...]:
    """What belongs to several counts for each; the costliest first."""
    found: dict[str | None, list[Simulated]] = {}
    for one in assets:
        for name in of(one) if not one.is_external else ():
            found.setdefault(name, []).append(one)
    shares = [
        Share(name, len(those), sum(one.runs for one in those), sum(one.compute for one in those))
        for name, those in found.items()
    ]
    return tuple(sorted(shares, key=lambda share: (-share.compute, share.name is None, share.name or "")))


def project_zone(graph: AssetGraph) -> str:
    """The time zone of the project's days: that in which most of its cron expressions are; of several the first."""
    counts: dict[str, int] = {}
    for asset in graph.assets.values():
        for each in (asset.freshness, asset.schedule):
            if each is not None and each.cron is not None:
                counts[each.timezone] = counts.get(each.timezone, 0) + 1
    return max(counts, key=lambda zone: counts[zone], default="UTC")


def midnights(zone: str, start: int, end: int) -> tuple[int, ...]:
    """The beginnings of the days that a span of time touches: the first one is at its beginning or before it."""
    from assets_cli.planning.ticks import previous_tick, ticks  # as above

    return (previous_tick(_MIDNIGHT, zone, start), *ticks(_MIDNIGHT, zone, start, end - 1))


def _days(zone: str, start: int, end: int, bars: Iterable[Bar], breaches: Iterable[Breach]) -> tuple[Day, ...]:
    """What begins on a day counts for it."""
    starts = midnights(zone, start, end)
    runs, compute = [0] * len(starts), [0] * len(starts)
    broken: list[set[str]] = [set() for _ in starts]
    for bar in bars:
        day = bisect_right(starts, bar.start) - 1
        runs[day] += 1
        compute[day] += bar.end - bar.start
    for one in breaches:
        for day in range(bisect_right(starts, one.start) - 1, bisect_right(starts, max(one.end - 1, one.start))):
            broken[day].add(one.asset)
    return tuple(Day(*each) for each in zip(starts, runs, compute, map(len, broken), strict=True))


def _covered(graph: AssetGraph) -> set[str]:
    """The assets that a promise or a schedule makes run: what has one, and all that is above."""
    own = [name for name, asset in graph.assets.items() if asset.freshness is not None or asset.schedule is not None]
    return {*own, *graph.ancestors(own)}
