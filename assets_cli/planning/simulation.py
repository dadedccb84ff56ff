"""What would run when, which promises would break, and what it would cost: the decisions of `up`, on a virtual clock.

Pure. What happens when is `event_simulation`'s business; here is what it rests on, and what it comes to. External
assets bring something new by a rhythm, where one is known, and it is seen when `up` would look; of the others it is
assumed that they are new whenever they are looked at. Cost follows what happens, and the same input gives the same
simulation.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from statistics import median_low
from typing import NamedTuple

from assets_cli.graph.graph import AssetGraph
from assets_cli.model.duration import SECOND
from assets_cli.model.history import Latest, Materialization, StateSnapshot
from assets_cli.model.manifest import FreshnessPolicy, PathProbe, ShellCommand
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
from assets_cli.planning.crons import by_own_cron
from assets_cli.planning.deadlines import FIRST, high, longest_paths
from assets_cli.planning.deciding import strictest
from assets_cli.planning.event_simulation import EventSimulation, Terms
from assets_cli.planning.freshness import FreshnessView
from assets_cli.planning.plan import Selection, plan_in
from assets_cli.planning.upkeep import interval

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
    intervals = _intervals(scenario.graph, rhythms)
    graph = _with_looks(scenario.graph, looks)
    snapshot = _looked_at(scenario.snapshot, scenario.world, looks)
    start = freshness.view(graph, snapshot, scenario.world, scenario.now)
    usual = {name: _usual(snapshot, name, looks) for name in graph.order}
    terms = Terms(
        jobs=scenario.jobs,
        planned=lambda name: 0 if name in looks else high(snapshot.durations_of(name)),
        usual=usual,
        looks=looks,
        arrivals={
            name: partial(_next_seen, rhythm, intervals[name], _first_look(scenario, name, intervals[name]))
            for name, rhythm in rhythms.items()
            if rhythm is not None
        },
        hours={
            name: partial(_next_tick, asset.schedule.cron, asset.schedule.timezone)
            for name, asset in graph.assets.items()
            if asset.schedule is not None
        },
    )
    simulated = EventSimulation(start, terms)
    stale = [step.asset for step in plan_in(start, Selection(frozenset(graph.assets))).steps]
    end = scenario.now + scenario.length
    simulated.run(stale, end)
    saved = _saved(start, simulated, terms, end, stale)
    assumed = tuple(Assumed(name, rhythm, intervals[name] if rhythm else 0) for name, rhythm in rhythms.items())
    return _result(scenario, simulated, assumed, saved)


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


def _intervals(graph: AssetGraph, names: Iterable[str]) -> dict[str, int]:
    """How often `up` looks at each of these external assets; 0 where it is woken by a change."""
    limits, found = strictest(graph), {}
    for name in names:
        asset = graph.assets[name]
        is_looked_at = asset.observe is not None and not isinstance(asset.observe, PathProbe)
        found[name] = interval(asset, limits.get(name)) if is_looked_at else 0
    return found


def _first_look(scenario: Scenario, name: str, every: int) -> int:
    """A moment at which an external asset is looked at: now, where that is overdue."""
    seen = scenario.snapshot.observations.get(name)
    return seen.observed if seen is not None and 0 <= scenario.now - seen.observed < every else scenario.now


def _next_seen(rhythm: Rhythm, every: int, look: int, after: int) -> tuple[int, int]:
    """When something that comes after a moment is seen first, and of when the newest is that is seen then."""
    arrival = _next_arrival(rhythm, after)
    if not every:
        return arrival, arrival
    moment = look - (look - arrival) // every * every
    return moment, _newest_arrival(rhythm, moment)


def _newest_arrival(rhythm: Rhythm, moment: int) -> int:
    if rhythm.cron is None:
        return rhythm.last + (moment - rhythm.last) // rhythm.every * rhythm.every
    from assets_cli.planning.ticks import previous_tick  # as below

    return previous_tick(rhythm.cron, rhythm.timezone, moment)


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
    known = schedule.usual(snapshot.durations_of(name))
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


def _saved(start: FreshnessView, simulated: EventSimulation, terms: Terms, end: int, stale: Collection[str]) -> Saved:
    """What runs for promises, and to keep up what they are about, against a cron job for each of them.

    What is stale as it begins runs with crons, too. Where nobody ever knows how old data is, nothing is compared.
    """
    graph = start.graph
    makes = [name for name in graph.order if name not in terms.looks and not graph.assets[name].is_external]
    usual = {name: terms.usual[name] for name in makes}
    promised = [name for name in makes if name in simulated.log.worst]
    takes = longest_paths(graph, graph.order, {name: terms.planned(name) for name in usual})
    crons = by_own_cron(start, usual, {name: takes[name] for name in promised}, end, frozenset(stale))
    covered = {*promised, *graph.ancestors(promised)}
    ours = [bar for bar in simulated.bars if bar.asset in covered and bar.trigger != "stale"]
    followed = [bar for bar in ours if bar.trigger != "promise"]
    return Saved(
        runs=len(ours),
        compute=sum(bar.end - bar.start for bar in ours),
        cron_runs=crons.runs,
        cron_compute=crons.time,
        followed=len(followed),
        followed_compute=sum(bar.end - bar.start for bar in followed),
    )


def _result(scenario: Scenario, simulated: EventSimulation, assumed: tuple[Assumed, ...], saved: Saved) -> Simulation:
    graph, start, end = scenario.graph, scenario.now, scenario.now + scenario.length
    bars = tuple(sorted(simulated.bars, key=lambda bar: (bar.start, graph.position[bar.asset])))
    breaches = tuple(sorted(simulated.log.breaches, key=lambda one: (one.start, graph.position[one.asset])))
    assets = _assets(graph, bars, breaches, simulated.log.worst)
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
        saved=saved,
        assumed=assumed,
        unpromised=sum(name not in covered for name in makes),
        untimed=sum(not scenario.snapshot.durations_of(name) for name in makes),
        waited=simulated.waited,
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
