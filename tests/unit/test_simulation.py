"""A virtual clock: what runs when, by hand; promises against a search of every start; days where clocks are set."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise, product
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.shop import DAY, HOUR, MINUTE, NOON, asset, manifest

from assets_cli.graph.graph import AssetGraph
from assets_cli.model.duration import SECOND
from assets_cli.model.history import Latest, Observation, StateSnapshot
from assets_cli.model.manifest import Asset, FreshnessPolicy, PathProbe, Schedule, ShellCommand
from assets_cli.model.simulation import Assumed, Rhythm, Simulation
from assets_cli.model.upkeep import Memory, Outlook
from assets_cli.model.world import World
from assets_cli.planning import freshness
from assets_cli.planning.deadlines import deadlines
from assets_cli.planning.deciding import ahead_for, due_promises, strictest
from assets_cli.planning.plan import Selection, plan_in
from assets_cli.planning.simulation import Scenario, midnights, rhythm_of, simulate
from assets_cli.planning.upkeep import outlook
from assets_cli.planning.virtual_history import VirtualHistory

TAKES = {"raw": 10 * MINUTE, "clean": 5 * MINUTE, "mart": 15 * MINUTE, "report": 20 * MINUTE, "other": 30 * MINUTE}
PARIS = "Europe/Paris"


def promise(hours: float, cron: str | None = None, zone: str = "UTC") -> FreshnessPolicy:
    """No older than so many hours, with cron at its ticks."""
    return FreshnessPolicy(int(hours * HOUR), cron=cron, timezone=zone)


def course(*assets: Asset, length: int, jobs: int | None = None, now: int = NOON, **fields: Any) -> Simulation:
    """What happens to these assets, which have never run but whose durations are known."""
    latest = {one.name: Latest(durations=(TAKES.get(one.name, MINUTE),)) for one in assets if not one.is_external}
    world = World({}, {}, fields.pop("seen", {}))
    snapshot = StateSnapshot("default", latest, world.observations, {})
    return simulate(Scenario(AssetGraph(manifest(*assets)), snapshot, world, now, length, jobs, **fields))


def starts(found: Simulation, name: str) -> list[float]:
    """When an asset starts, in hours from the beginning."""
    return [(bar.start - found.start) / HOUR for bar in found.bars if bar.asset == name]


def chain(**policies: Any) -> tuple[Asset, ...]:
    """Assets raw -> clean -> mart, with these policies."""
    above = {"raw": (), "clean": ("raw",), "mart": ("clean",)}
    return tuple(asset(name, *ups, freshness=policies.get(name)) for name, ups in above.items())


def test_what_is_missing_runs_at_once_and_then_as_late_as_is_safe():
    """Half an hour of work for a promise of six hours: each time it ends three minutes, a tenth of it, before that."""
    found = course(*chain(mart=promise(6)), length=13 * HOUR)
    assert starts(found, "raw") == [0, 5.45, 10.9]
    assert starts(found, "mart") == [0.25, 5.7, 11.15]
    assert [bar.trigger for bar in found.bars if bar.asset == "mart"] == ["stale", "promise", "promise"]
    assert found.breaches == ()
    mart = found.assets[-1]
    assert (mart.runs, mart.compute, mart.worst_age) == (3, 45 * MINUTE, 6 * HOUR - 3 * MINUTE)


def test_a_promise_at_ticks_is_kept_once_a_tick():
    """Data for nine o'clock may be an hour old, and takes half an hour: it starts at 8:27."""
    found = course(*chain(mart=promise(1, "0 9 * * *")), length=3 * DAY)
    assert starts(found, "raw") == [0, 20.45, 44.45, 68.45]
    assert found.assets[-1].worst_age == 33 * MINUTE
    assert found.breaches == ()


def test_work_does_not_start_before_its_data_could_be_new_enough():
    """Two hours of work for data of at most an hour: it starts at eight, and is late by an hour each day."""
    found = course(asset("slow", freshness=promise(1, "0 9 * * *")), length=2 * DAY, jobs=1, seen={})
    assert not found.breaches
    latest = {"slow": Latest(durations=(2 * HOUR,))}
    graph = AssetGraph(manifest(asset("slow", freshness=promise(1, "0 9 * * *"))))
    late = simulate(Scenario(graph, StateSnapshot("default", latest, {}, {}), World({}, {}, {}), NOON, 2 * DAY, 1))
    assert starts(late, "slow") == [0, 20, 44]
    assert [(one.start - NOON, one.end - NOON) for one in late.breaches] == [
        (21 * HOUR, 22 * HOUR),
        (45 * HOUR, 46 * HOUR),
    ]


def test_what_cannot_be_kept_is_tried_again_after_a_pause():
    """Half an hour of work for a promise of twenty minutes: broken always, and never tried without a pause."""
    found = course(*chain(mart=promise(1 / 3)), length=6 * HOUR)
    runs = [bar for bar in found.bars if bar.asset == "raw"]
    gaps = [later.start - earlier.end for earlier, later in pairwise(runs)]
    assert min(gaps) >= 2 * MINUTE
    assert len(runs) <= 12
    assert found.assets[-1].broken > 5 * HOUR


def test_a_run_for_one_promise_leaves_what_another_covers():
    """Both share a root: the one of a day is made once a day, from what is there."""
    assets = (*chain(mart=promise(6)), asset("report", "raw", freshness=promise(24)))
    found = course(*assets, length=2 * DAY)
    assert len(starts(found, "report")) <= 3
    assert len(starts(found, "mart")) == 9
    assert found.breaches == ()


def test_what_no_promise_covers_runs_along():
    """Nothing would run it otherwise."""
    found = course(*chain(clean=promise(6)), length=DAY)
    assert len(starts(found, "mart")) == len(starts(found, "clean")) == 5


def test_a_schedule_starts_at_its_ticks():
    """At three in the morning in Paris, whatever its state; with what is made from it."""
    assets = (asset("raw", schedule=Schedule("0 3 * * *", PARIS)), asset("clean", "raw"))
    found = course(*assets, length=2 * DAY)
    assert starts(found, "raw") == [0, 14, 38]
    assert len(starts(found, "clean")) == 3
    assert [bar.trigger for bar in found.bars if bar.asset == "raw"] == ["stale", "schedule", "schedule"]


def test_one_job_runs_one_at_a_time():
    """No two bars overlap, and what waited is told."""
    assets = [asset(f"a{number}", freshness=promise(6)) for number in range(5)]
    found = course(*assets, length=DAY, jobs=1)
    ends = sorted((bar.start, bar.end) for bar in found.bars)
    assert all(end <= start for (_, end), (start, _) in pairwise(ends))
    assert found.waited == (1 + 2 + 3 + 4) * MINUTE
    assert found.breaches == ()


def test_nothing_runs_twice_at_once():
    """A schedule that ticks every ten minutes, for work of half an hour: the next run waits for the one before."""
    found = course(asset("other", schedule=Schedule("*/10 * * * *")), length=2 * HOUR)
    bars = [(bar.start - NOON, bar.end - NOON) for bar in found.bars]
    assert bars == [(start * MINUTE, (start + 30) * MINUTE) for start in range(0, 120, 30)] + [(120 * MINUTE,) * 2]


def test_an_external_asset_that_is_late_breaks_promises_below():
    """It is new once a day, and six hours are promised of what is made from it: nothing that runs helps."""
    seen = {"crm": Observation(1, "crm", NOON, "v1", NOON)}
    assets = (asset("crm", external=True, observe=PathProbe("crm.csv")), asset("mart", "crm", freshness=promise(6)))
    times = {"crm": [NOON - 3 * DAY, NOON - 2 * DAY, NOON - DAY, NOON]}
    found = course(*assets, length=2 * DAY, seen=seen, jobs=4)
    assert found.breaches == ()  # its rhythm is not known: it counts as new whenever it is read
    late = simulate(
        Scenario(
            AssetGraph(manifest(*assets)),
            StateSnapshot("default", {"mart": Latest(durations=(15 * MINUTE,))}, seen, {}),
            World({}, {}, seen),
            NOON,
            2 * DAY,
            4,
            times,
        )
    )
    assert [(one.start - NOON) / HOUR for one in late.breaches] == [6, 30]
    assert [bar.trigger for bar in late.bars] == ["stale", "change", "change"]
    assert late.assumed[0].rhythm == Rhythm("observed", NOON, DAY)


def test_a_rhythm_is_what_was_observed_then_what_is_promised():
    """The middle gap counts; without enough of them the asset's own promise."""
    assert rhythm_of(None, [0, DAY, 2 * DAY, 9 * DAY], NOON) == Rhythm("observed", 9 * DAY, DAY)
    assert rhythm_of(promise(6), [DAY], NOON) == Rhythm("promised", DAY, 6 * HOUR)
    assert rhythm_of(promise(1, "0 5 * * *", PARIS), [], NOON) == Rhythm(
        "promised", NOON, cron="0 5 * * *", timezone=PARIS
    )
    assert rhythm_of(None, [DAY, NOON + DAY], NOON) is None


def test_nothing_promised_runs_nothing_more():
    """What is missing runs once."""
    found = course(*chain(), length=30 * DAY)
    assert [bar.asset for bar in found.bars] == ["raw", "clean", "mart"]
    assert found.unpromised == 3


def test_a_project_of_nothing():
    """Days go by."""
    found = simulate(
        Scenario(AssetGraph(manifest(asset("crm", external=True))), StateSnapshot("default", {}, {}, {}),
                 World({}, {}, {}), NOON, 3 * DAY, 1)
    )  # fmt: skip
    assert (found.bars, len(found.days)) == ((), 4)


def test_the_same_input_gives_the_same_simulation():
    """Field by field."""
    assets = [asset(f"a{number}", *([f"a{number // 2}"] if number else []), freshness=promise(3 + number % 5))
              for number in range(40)]  # fmt: skip
    assert course(*assets, length=5 * DAY, jobs=3) == course(*assets, length=5 * DAY, jobs=3)


@pytest.mark.parametrize(
    ("zone", "shorter", "longer"),
    [
        (PARIS, "2027-03-28", "2027-10-31"),
        ("America/New_York", "2027-03-14", "2027-11-07"),
        ("Australia/Lord_Howe", "2027-10-03", "2027-04-04"),
    ],
)
def test_a_year_in_a_zone_has_each_day_once(zone: str, shorter: str, longer: str):
    """Also those on which the clock is set: work for nine o'clock is there at nine o'clock by the wall, once a day."""
    begin = int(datetime(2027, 1, 1, tzinfo=ZoneInfo(zone)).timestamp()) * SECOND
    found = course(asset("mart", freshness=promise(1, "0 9 * * *", zone)), length=365 * DAY, now=begin)
    assert found.breaches == ()
    assert found.timezone == zone
    ends = [datetime.fromtimestamp(bar.end / SECOND, ZoneInfo(zone)) for bar in found.bars[1:]]
    assert {(end.hour, end.minute, end.second) for end in ends} == {(8, 58, 30)}
    assert len({end.date() for end in ends}) == len(ends) == 365
    days = midnights(zone, begin, begin + 365 * DAY)
    lengths = {
        datetime.fromtimestamp(day / SECOND, ZoneInfo(zone)).date().isoformat(): later - day
        for day, later in pairwise(days)
    }
    step = HOUR // 2 if zone.startswith("Australia") else HOUR
    assert {day: length for day, length in lengths.items() if length != DAY} == {
        shorter: DAY - step,
        longer: DAY + step,
    }


@pytest.mark.parametrize("jobs", [None, 2])
def test_promises_that_share_assets_do_not_hold_each_other_up(jobs: int | None):
    """What is made for one of them would have to wait for who reads it for another: it is made before, in one run."""
    takes = {"a0": 6, "a1": 14, "a3": 6, "a4": 5}
    assets = (
        asset("a0", freshness=FreshnessPolicy(129 * MINUTE)),
        asset("a1", "a0"),
        asset("a3", "a0", freshness=FreshnessPolicy(328 * MINUTE)),
        asset("a4", "a1", "a3", freshness=FreshnessPolicy(630 * MINUTE)),
    )
    latest = {name: Latest(durations=(each * MINUTE,)) for name, each in takes.items()}
    graph, nothing = AssetGraph(manifest(*assets)), World({}, {}, {})
    found = simulate(Scenario(graph, StateSnapshot("default", latest, {}, {}), nothing, NOON, 10 * DAY, jobs))
    assert found.breaches == ()


def test_what_is_new_outside_is_seen_when_up_looks():
    """A database that is filled every two hours, and looked at every half hour, ten minutes past: ten later."""
    probe = ShellCommand("date")
    seen = {"crm": Observation(1, "crm", NOON - 20 * MINUTE, "v1", NOON - 2 * HOUR)}
    crm = asset("crm", external=True, observe=probe, observe_every=30 * MINUTE)
    assets = (crm, asset("mart", "crm", freshness=promise(6)))
    times = {"crm": [NOON - 6 * HOUR, NOON - 4 * HOUR, NOON - 2 * HOUR]}
    graph = AssetGraph(manifest(*assets))
    snapshot = StateSnapshot("default", {"mart": Latest(durations=(15 * MINUTE,))}, seen, {})
    found = simulate(Scenario(graph, snapshot, World({}, {}, seen), NOON, 5 * HOUR, 4, times))
    assert [(bar.start - NOON) // MINUTE for bar in found.bars if bar.trigger == "change"] == [130, 250]
    assert found.assumed == (Assumed("crm", Rhythm("observed", NOON - 2 * HOUR, 2 * HOUR), 30 * MINUTE),)
    at_once = simulate(
        Scenario(
            AssetGraph(manifest(crm._replace(observe=PathProbe("crm.csv")), assets[1])), snapshot,
            World({}, {}, seen), NOON, 5 * HOUR, 4, times,
        )
    )  # fmt: skip
    assert [(bar.start - NOON) // MINUTE for bar in at_once.bars if bar.trigger == "change"] == [120, 240]


def test_what_is_saved_is_what_cron_jobs_would_repeat():
    """Two marts of one source, every six hours: a job for each makes the source twice. A single one saves nothing."""
    assets = (asset("raw"), asset("mart", "raw", freshness=promise(6)), asset("report", "raw", freshness=promise(6)))
    both = course(*assets, length=2 * DAY).saved
    assert both.runs == both.cron_runs * 3 // 4
    assert (both.percent, both.why_more) == (18, None)
    one = course(*chain(mart=promise(6)), length=2 * DAY).saved
    assert (one.percent, one.runs, one.why_more) == (0, one.cron_runs, None)


# -- odd promises ----------------------------------------------------------------------------------------------------


def test_a_promise_for_the_29th_of_february_is_kept_in_leap_years():
    """In four years from the beginning of 2027 on there is one such day."""
    begin = int(datetime(2027, 1, 1, tzinfo=ZoneInfo("UTC")).timestamp()) * SECOND
    found = course(asset("mart", freshness=promise(1, "0 9 29 2 *")), length=4 * 365 * DAY, now=begin)
    assert found.breaches == ()
    days = [datetime.fromtimestamp(bar.end / SECOND, ZoneInfo("UTC")).date().isoformat() for bar in found.bars[1:]]
    assert days == ["2028-02-29"]
    assert found.saved.cron_runs == 1


@pytest.mark.parametrize(
    ("date", "done"),
    [("2027-03-28", "01:58:30 CET"), ("2027-10-31", "02:28:30 CEST"), ("2027-06-01", "02:28:30 CEST")],
)
def test_work_for_an_hour_that_does_not_happen_or_happens_twice_is_there_once(date: str, done: str):
    """For half past two it is there before the gap, which ends at three, or the first time that it is half past two."""
    zone = ZoneInfo(PARIS)
    begin = int(datetime.fromisoformat(f"{date}T00:30").replace(tzinfo=zone).timestamp()) * SECOND
    found = course(asset("mart", freshness=promise(1, "30 2 * * *", PARIS)), length=5 * HOUR, now=begin)
    assert found.breaches == ()
    [bar] = [bar for bar in found.bars if bar.trigger == "promise"]
    end = datetime.fromtimestamp(bar.end / SECOND, zone)
    assert f"{end:%H:%M:%S %Z}" == done


def test_a_promise_that_nothing_can_refresh_runs_nothing_and_says_that_the_age_is_not_known():
    """Its upstream is external and never observed; no cron job would help either."""
    assets = (asset("crm", external=True), asset("mart", "crm", freshness=promise(6)))
    found = course(*assets, length=5 * DAY)
    assert [bar.trigger for bar in found.bars] == ["stale"]
    assert (found.assets[1].worst_age, found.breaches, found.assumed) == (None, (), ())
    assert found.saved.percent is None


def test_a_project_without_durations_takes_a_minute_for_each_step_and_says_so():
    """Nothing was ever timed."""
    graph = AssetGraph(manifest(*chain(mart=promise(6))))
    found = simulate(Scenario(graph, StateSnapshot("default", {}, {}, {}), World({}, {}, {}), NOON, DAY, None))
    assert {bar.end - bar.start for bar in found.bars} == {MINUTE}
    assert (found.untimed, found.breaches) == (3, ())


# -- against a search ------------------------------------------------------------------------------------------------


def _can_be_kept(lag: int, takes: int, length: int) -> bool:
    """Whether any times of starting keep data of one root no older than `lag`, by trying all, from data of 0 on."""
    reached = {0}  # the data times that can be had, each without a breach before
    while reached:
        following = {
            start
            for time in reached
            for start in range(time + takes, time + lag - takes + 1)
            if start + takes <= time + lag
        }
        if any(start + lag >= length for start in following | reached):
            return True
        reached = following
    return False


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(1, 6), st.integers(6, 30))
def test_a_promise_of_a_root_that_could_be_kept_is_kept(lag: int, takes: int, length: int):
    """With as many jobs as steps, and every start tried by the oracle, in minutes."""
    graph = AssetGraph(manifest(asset("raw", freshness=FreshnessPolicy(lag * MINUTE))))
    snapshot = StateSnapshot("default", {"raw": Latest(durations=(takes * MINUTE,))}, {}, {})
    found = simulate(Scenario(graph, snapshot, World({}, {}, {}), NOON, length * MINUTE, None))
    if _can_be_kept(lag, takes, length):
        assert found.breaches == ()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_chains_keep_what_can_be_kept_and_nothing_runs_early_or_for_nothing(data: st.DataObject):
    """A chain with a promise at its end: kept where its path is at most half of it; each run ends a tenth early."""
    depth = data.draw(st.integers(1, 4))
    takes = data.draw(st.lists(st.integers(1, 20), min_size=depth, max_size=depth))
    lag = data.draw(st.integers(2 * sum(takes), 4 * sum(takes)))
    names = [f"a{number}" for number in range(depth)]
    assets = [
        asset(name, *names[index - 1 : index] if index else (), freshness=FreshnessPolicy(lag * MINUTE))
        if index == depth - 1
        else asset(name, *names[index - 1 : index] if index else ())
        for index, name in enumerate(names)
    ]
    latest = {name: Latest(durations=(each * MINUTE,)) for name, each in zip(names, takes, strict=True)}
    found = simulate(
        Scenario(AssetGraph(manifest(*assets)), StateSnapshot("default", latest, {}, {}), World({}, {}, {}), NOON,
                 20 * lag * MINUTE, None)
    )  # fmt: skip
    assert found.breaches == ()
    roots = [bar.start for bar in found.bars if bar.asset == names[0]]
    ends = [bar.end for bar in found.bars if bar.asset == names[-1]]
    for before, end in zip(roots, ends[1:], strict=False):
        assert end == found.end or 0 <= before + lag * MINUTE - end <= sum(takes) * MINUTE // 10
    for bar in found.bars:
        assert bar.trigger == "stale" or bar.asked_by == (names[-1],)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_every_run_has_a_cause_and_reads_what_is_made_before(data: st.DataObject):
    """On random graphs: a promise that it is above or at, no step beside its upstream, bars within the time."""
    size = data.draw(st.integers(1, 8))
    assets: list[Asset] = []
    for number in range(size):
        above = data.draw(st.sets(st.integers(0, number - 1), max_size=2)) if number else set()
        hours = data.draw(st.sampled_from([None, 1, 2, 3, 6]))
        policy = None if hours is None else promise(hours)
        assets.append(asset(f"a{number}", *(f"a{one}" for one in sorted(above)), freshness=policy))
    jobs = data.draw(st.sampled_from([None, 1, 2]))
    found = course(*assets, length=DAY, jobs=jobs)
    graph = AssetGraph(manifest(*assets))
    for bar in found.bars:
        assert found.start <= bar.start <= bar.end <= found.end
        for each in bar.asked_by:
            related = {each, *graph.ancestors([each]), *graph.descendants([each])}
            assert bar.asset in related or graph.ancestors([bar.asset]).keys() & graph.ancestors([each]).keys()
        if bar.trigger != "stale":
            assert bar.asked_by
    for one, other in product(found.bars, found.bars):
        if one.asset in graph.upstreams(other.asset) or (one.asset == other.asset and one is not other):
            assert one.end <= other.start or other.end <= one.start
    if jobs is not None:
        for bar in found.bars:
            assert sum(each.start <= bar.start < each.end for each in found.bars) <= jobs


# -- and `assets up` -------------------------------------------------------------------------------------------------


def _asked_of_up(assets: tuple[Asset, ...], found: Simulation, now: int) -> Outlook:
    """What `assets up` would decide at a moment, if all ran until then as was simulated."""
    graph = AssetGraph(manifest(*assets))
    latest = {one.name: Latest(durations=(TAKES[one.name],)) for one in assets}
    snapshot = StateSnapshot("default", latest, {}, {})
    history = VirtualHistory(freshness.view(graph, snapshot, World({}, {}, {}), found.start))
    events = sorted((moment, not ends, bar) for bar in found.bars for moment, ends in ((bar.start, 0), (bar.end, 1)))
    for moment, begins, bar in events:
        if moment < now and begins:
            history.begin(bar.asset)
        elif moment <= now and not begins and bar.start < now:
            history.finish(bar.asset, bar.start, moment)
    view = history.view(now)
    promises = deadlines(view, TAKES.__getitem__, 9)
    ahead = ahead_for(due_promises(view, promises), now)
    steps = plan_in(view, Selection(frozenset(graph.assets)), ahead=ahead).steps
    busy = frozenset(bar.asset for bar in found.bars if bar.start < now < bar.end)
    return outlook(view, steps, promises, Memory(busy=busy), strictest(graph), graph.assets)


@pytest.mark.parametrize("cron", [None, "0 9,15 * * *"])
def test_up_decides_at_the_same_moments(cron: str | None):
    """Just before a simulated run it waits for that moment, and at that moment it runs the same assets."""
    assets = (*chain(mart=promise(6, cron)), asset("report", "raw", freshness=promise(24)))
    found = course(*assets, length=2 * DAY)
    moments = sorted({bar.start for bar in found.bars if bar.asset == "raw" and bar.trigger == "promise"})
    assert len(moments) >= 3
    for moment in moments:
        before, then = (_asked_of_up(assets, found, at) for at in (moment - SECOND, moment))
        assert (before.names, before.next and before.next.at) == ((), moment)
        asked = {bar.asset for bar in found.bars if moment <= bar.start < moment + 20 * MINUTE}
        assert set(then.names) == asked


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_what_is_known_of_ages_is_what_a_look_at_all_would_say(data: st.DataObject):
    """After each event, on random graphs, with external assets that bring something in between."""
    size = data.draw(st.integers(2, 7))
    assets = [asset("a0", external=True, observe=PathProbe("x"))]
    for number in range(1, size):
        above = data.draw(st.sets(st.integers(0, number - 1), max_size=3))
        assets.append(asset(f"a{number}", *(f"a{one}" for one in sorted(above))))
    graph = AssetGraph(manifest(*assets))
    seen = {"a0": Observation(1, "a0", NOON, "v1", NOON)}
    history = VirtualHistory(freshness.view(graph, StateSnapshot("default", {}, seen, {}), World({}, {}, seen), NOON))
    now, running = NOON, {}
    for name in data.draw(st.lists(st.sampled_from(graph.order), max_size=25)):
        now += MINUTE
        if graph.assets[name].is_external:
            history.observe(name, now)
        elif name in running:
            history.finish(name, running.pop(name), now)
        else:
            running[name] = now
            history.begin(name)
        view = history.view(now)
        assert freshness.view(graph, view.snapshot, view.world, now).times == view.times
