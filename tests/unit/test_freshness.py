"""Data time and need, by hand and against a brute-force oracle."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from support.space import HOUR, NOON, Space, asset, promise

from assets_cli.model.history import Observation
from assets_cli.model.manifest import Asset, FreshnessPolicy
from assets_cli.model.plan import Step
from assets_cli.planning import freshness, ticks
from assets_cli.planning.plan import Selection, plan


def diamond(**policy: object) -> Space:
    """events, rates -> joined -> mart."""
    return Space(
        asset("events"), asset("rates"), asset("joined", ["events", "rates"]), asset("mart", ["joined"], **policy)
    )


def test_a_table_is_as_old_as_the_oldest_thing_it_was_made_from():
    """Rebuilt a minute ago from three-day-old events is three days old."""
    space = diamond()
    space.make("events")
    space.now += 72 * HOUR
    space.make("rates")
    space.make("joined")
    space.make("mart")

    assert space.view().times == {"events": NOON, "rates": NOON + 72 * HOUR, "joined": NOON, "mart": NOON}


def test_an_unchanged_refresh_moves_everything_below_forward():
    """The version that was read is still the current one, so its data time counts, without a run below."""
    space = diamond()
    space.run()
    space.now += HOUR
    space.make("events")
    space.make("rates")

    assert set(space.view().times.values()) == {NOON + HOUR}


def test_a_superseded_version_counts_as_of_just_before():
    """What is below keeps the data time that the version had when it was replaced."""
    space = diamond()
    space.run()
    space.now += HOUR
    space.make("events", space.latest["events"].usable.data_version)
    space.now += HOUR
    space.make("events", "v2")
    space.make("rates", space.latest["rates"].usable.data_version)

    times = space.view().times
    assert (times["events"], times["joined"]) == (NOON + 2 * HOUR, NOON + HOUR)


def test_one_unknown_makes_it_unknown():
    """An external without an observation has no data time, nor has anything below."""
    space = Space(asset("crm", command=None, output=None), asset("raw"), asset("joined", ["crm", "raw"]))
    space.run()

    assert space.view().times == {"crm": None, "raw": NOON, "joined": None}


def test_external_counts_by_what_it_reports_and_the_future_as_now():
    """A reported time rules, else the time of observation; one from the future is cut to now."""
    space = Space(*(asset(name, command=None, output=None) for name in ("crm", "web", "odd")))
    space.observe("crm", "1", NOON - HOUR)
    space.observe("web", "1")
    space.observe("odd", "1", NOON + HOUR)

    assert space.view().times == {"crm": NOON - HOUR, "web": NOON, "odd": NOON}


def test_a_version_superseded_only_in_the_world_has_its_recorded_data_time():
    """A newer observation that is not on record yet has frozen nothing: what is on record of the older one holds."""
    space = Space(asset("crm", command=None, output=None), asset("mart", ["crm"]))
    space.observe("crm", "1", NOON - HOUR)
    space.run()
    space.now += 2 * HOUR
    seen = Observation(1, "crm", space.now, "2", space.now)
    world = space.world._replace(observations={"crm": seen})

    view = freshness.view(space.graph, space.snapshot, world, space.now)

    assert view.times == {"crm": space.now, "mart": NOON - HOUR}
    odd = space.observations["crm"]._replace(data_time=space.now + HOUR)
    snapshot = space.snapshot._replace(observations={"crm": odd})
    assert freshness.view(space.graph, snapshot, world, space.now).times["mart"] == space.now


def test_what_an_asset_with_upstreams_reports_is_metadata():
    """Its data time is that of what it was made from, whatever it says; that of a root is cut to now."""
    space = diamond()
    space.make("events", data_time=NOON + HOUR)
    space.make("rates")
    space.make("joined", data_time=NOON - HOUR)
    space.make("mart")

    assert space.view().times == {"events": NOON, "rates": NOON, "joined": NOON, "mart": NOON}


def test_freshness_uses_the_last_one_that_was_not_blocked():
    """A blocked materialization makes nothing newer, neither itself nor what is below."""
    space = Space(asset("raw"), asset("clean", ["raw"]))
    space.run()
    space.now += HOUR
    space.make("raw", blocked=True)

    assert space.view().times == {"raw": NOON, "clean": NOON}


def test_only_the_late_root_is_asked():
    """`need` goes up only where the contribution is too old."""
    space = diamond(freshness=promise(6))
    space.run()
    space.now += 7 * HOUR
    space.make("rates", space.latest["rates"].usable.data_version)

    assert space.causes()["events"] == ["overdue"]
    assert "rates" not in space.causes()


def test_the_strictest_of_several_promises_rules():
    """A root with two policies below is asked by the one that needs newer data, and the message names who asks."""
    space = Space(
        asset("raw"), asset("daily", ["raw"], freshness=promise(24)), asset("hourly", ["raw"], freshness=promise(1))
    )
    space.run()
    space.now += 2 * HOUR

    (step, *_) = space.plan().steps
    assert step.causes[0].detail == "overdue: its data is 2h old, hourly asks for at most 1h"


def test_overdue_says_who_holds_it_back():
    """The root that is too old, or the external that only others can refresh."""
    space = Space(
        asset("crm", command=None, output=None), asset("raw"), asset("mart", ["crm", "raw"], freshness=promise(6))
    )
    space.observe("crm", "1")
    space.run()
    space.now += 9 * HOUR
    space.make("raw", space.latest["raw"].usable.data_version)

    (broken,) = space.plan().overdue
    assert (broken.asset, broken.data_time, broken.held_by) == ("mart", NOON, ("crm",))
    assert [warning.message for warning in space.plan().warnings] == [
        "mart is overdue: its data may be at most 6h old, and waits for crm, external"
    ]


def test_a_reader_of_an_old_version_holds_itself_back():
    """Where the upstream is new enough and only the reader has not read it, the reader is who has to run."""
    space = Space(asset("raw"), asset("mart", ["raw"], freshness=promise(6)))
    space.run()
    space.now += 9 * HOUR
    space.make("raw", "v2")

    (broken,) = space.plan().overdue
    assert broken.held_by == ("mart",)
    assert space.causes() == {"mart": ["upstream_changed(raw)"]}


def test_selected_non_root_is_not_run_for_being_overdue():
    """The plan names the root and the flag instead."""
    space = diamond(freshness=promise(6))
    space.run()
    space.now += 7 * HOUR

    plan = space.plan("mart")
    assert plan.steps == ()
    (warning,) = plan.warnings
    assert (warning.message, warning.hint) == (
        "mart is overdue: its data may be at most 6h old, and waits for events and rates",
        "add --upstream to materialize what holds it back, too",
    )


def verdict_of(space: Space, name: str) -> tuple[str, list[tuple[str, str]]]:
    """How an asset keeps its promise, and who holds it back for which reason."""
    (verdict,) = freshness.verdicts(space.view(), [name])
    return verdict.status, [(holder.asset, holder.reason) for holder in verdict.held_by]


def test_equal_to_a_limit_passes():
    """It warns only beyond `warn_lag`, fails only beyond `max_lag`; the moment of breaking is data time + max_lag."""
    space = Space(asset("raw", freshness=promise(6, 4)))
    space.run()
    found = []
    for later in (4 * HOUR, 4 * HOUR + 1, 6 * HOUR, 6 * HOUR + 1):
        space.now = NOON + later
        (verdict,) = freshness.verdicts(space.view(), ["raw"])
        found.append((verdict.status, verdict.age, verdict.broken_at))
    assert found == [
        ("pass", 4 * HOUR, NOON + 6 * HOUR),
        ("warn", 4 * HOUR + 1, NOON + 6 * HOUR),
        ("warn", 6 * HOUR, NOON + 6 * HOUR),
        ("fail", 6 * HOUR + 1, NOON + 6 * HOUR),
    ]


def test_only_assets_with_a_policy_are_judged_in_topological_order():
    """Whatever the order in which they are asked for."""
    space = Space(
        asset("raw"), asset("mid", ["raw"], freshness=promise(1)), asset("low", ["mid"], freshness=promise(2))
    )
    space.run()
    assert [verdict.asset for verdict in freshness.verdicts(space.view(), ["low", "raw", "mid"])] == ["mid", "low"]


def test_a_warning_names_who_is_beyond_the_warning_limit():
    """Not only who is beyond the promise."""
    space = Space(asset("old"), asset("new"), asset("mart", ["old", "new"], freshness=promise(6, 2)))
    space.run()
    space.now += 3 * HOUR
    space.make("new", space.latest["new"].usable.data_version)
    assert verdict_of(space, "mart") == ("warn", [("old", "root")])


def test_an_unknown_age_names_who_makes_it_unknown():
    """An external that was never observed; a root that was never made; a reader of what had no version then."""
    space = Space(
        asset("crm", command=None, output=None), asset("raw"), asset("mart", ["crm", "raw"], freshness=promise(6))
    )
    assert verdict_of(space, "mart") == ("unknown", [("crm", "external"), ("raw", "missing")])
    space.run()
    assert verdict_of(space, "mart") == ("unknown", [("crm", "external")])
    space.observe("crm", "1")
    assert verdict_of(space, "mart") == ("unknown", [("mart", "behind")])
    space.make("mart")
    assert verdict_of(space, "mart") == ("pass", [])


def test_who_was_never_made_is_named_where_all_above_is_known():
    """Its upstreams are not to blame."""
    space = Space(asset("raw"), asset("mart", ["raw"], freshness=promise(6)))
    space.make("raw")
    assert verdict_of(space, "mart") == ("unknown", [("mart", "missing")])


def test_who_is_blocked_is_named_as_blocked():
    """The newest materialization must not be read, so what is below keeps the age of the one before."""
    space = Space(asset("raw"), asset("mart", ["raw"], freshness=promise(6)))
    space.run()
    space.now += 7 * HOUR
    space.make("raw", "bad", blocked=True)
    assert verdict_of(space, "mart") == ("fail", [("raw", "blocked")])


def test_roots_that_nothing_refreshes():
    """A policy covers a root from below, through any number of assets."""
    space = Space(asset("lonely"), asset("raw"), asset("a", ["raw"]), asset("b", ["a"], freshness=promise(1)))

    assert freshness.never_refreshed(space.graph) == ("lonely",)


NINE = FreshnessPolicy(HOUR, 30 * HOUR // 60, "0 9 * * *", "Europe/Paris")
"""NOON is 9:00 in Paris."""


def test_between_ticks_the_last_one_rules():
    """Data of an hour before the tick passes until the next; a microsecond older, and it fails at once."""
    space = diamond(freshness=NINE)
    space.now -= HOUR
    space.run()
    made = space.now
    for later, status in ((0, "pass"), (HOUR - 1, "pass"), (HOUR, "warn"), (24 * HOUR, "warn"), (25 * HOUR, "fail")):
        space.now = made + later
        [verdict] = freshness.verdicts(space.view(), ["mart"])
        assert (verdict.status, verdict.broken_at) == (status, NOON + 24 * HOUR)
        assert set(freshness.promises(space.view())) == ({"events", "rates"} if status == "fail" else set())
    space.now = made
    space.make("rates", data_time=NOON - HOUR - 1)
    space.run()
    space.now = NOON
    [verdict] = freshness.verdicts(space.view(), ["mart"])
    assert (verdict.status, verdict.broken_at) == ("fail", NOON)
    assert [(one.asset, one.bound) for one in freshness.overdue(space.view(), {"mart"})] == [("mart", NOON - HOUR)]


def test_what_a_tick_ahead_asks_runs_once_its_data_can_be_new_enough():
    """At eight it can be, for nine; before that, nothing that starts now helps, however far one looks."""
    space = diamond(freshness=NINE)
    space.now -= 12 * HOUR
    space.run()
    for hour, ahead, asked in ((10, 24, False), (11, 0, False), (11, 1, True), (11, 24, True)):
        space.now = NOON + (hour - 12) * HOUR
        assert bool(freshness.promises(space.view(), ahead * HOUR)) == asked


def test_what_a_lag_will_ask_runs_when_it_would_be_overdue_by_then():
    """A moment before that it does not; and when all is as new as now, nothing does."""
    space = diamond(freshness=promise(6))
    space.run()
    assert freshness.promises(space.view(), 24 * HOUR) == {}
    space.now += 2 * HOUR
    assert freshness.promises(space.view(), 4 * HOUR) == {}
    assert set(freshness.promises(space.view(), 4 * HOUR + 1)) == {"events", "rates"}
    [cause] = [one for step in plan_ahead(space, 5 * HOUR) if step.asset == "events" for one in step.causes]
    assert (cause.kind, cause.detail) == ("overdue", "overdue in 4h: its data is 2h old, mart asks for at most 6h")


def plan_ahead(space: Space, ahead: int) -> tuple[Step, ...]:
    """The steps of a plan that looks ahead."""
    names = frozenset(space.graph.assets)
    return plan(space.graph, Selection(names), space.snapshot, space.world, space.now, ahead=ahead).steps


def test_the_hour_that_happens_twice_and_the_one_that_does_not():
    """The first 2:30 of the two is the tick; and in spring it is when the gap ends."""
    policy = FreshnessPolicy(HOUR, cron="30 2 * * *", timezone="Europe/Paris")
    autumn, spring = (int(datetime(*day, 0, 30, tzinfo=UTC).timestamp()) * 1_000_000 for day in TURNS)
    assert freshness.bound(policy, autumn - 1) == autumn - 25 * HOUR
    assert freshness.bound(policy, autumn) == freshness.bound(policy, autumn + 24 * HOUR) == autumn - HOUR
    assert freshness.broken_at(policy, autumn - HOUR) == autumn + 25 * HOUR
    gap = spring + HOUR // 2
    assert freshness.bound(policy, gap - 1) == gap - 24 * HOUR - HOUR // 2
    assert freshness.bound(policy, gap) == gap - HOUR
    assert freshness.broken_at(policy, gap - HOUR) == gap + 23 * HOUR + HOUR // 2


TURNS = ((2026, 10, 25), (2026, 3, 29))


def test_a_clock_that_was_set_back_finds_data_of_the_future_as_new_as_now():
    """By a day: nothing is older than nothing, and the promise is broken when its time has come again."""
    space = diamond(freshness=NINE)
    space.run()
    space.now -= 24 * HOUR
    [verdict] = freshness.verdicts(space.view(), ["mart"])
    assert (verdict.status, verdict.age, verdict.broken_at) == ("pass", 0, NOON)


def test_a_policy_on_what_nothing_can_refresh_waits_for_those_who_produce_it():
    """No step, whatever is asked ahead."""
    space = Space(asset("crm", command=None, output=None), asset("mart", ["crm"], freshness=NINE))
    space.observe("crm", "1")
    space.run()
    space.now += 48 * HOUR
    assert verdict_of(space, "mart") == ("fail", [("crm", "external")])
    assert plan_ahead(space, 48 * HOUR) == ()


def test_equal_expressions_are_computed_once():
    """Ten thousand policies with one expression ask for its last tick once."""
    space = Space(*(asset(f"a{number}", freshness=NINE) for number in range(100)))
    space.run()
    ticks._previous.cache_clear()
    ticks._spans.clear()
    space.now += 48 * HOUR
    freshness.promises(space.view())
    assert ticks._previous.cache_info().misses == 1


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Asset], list[tuple[str, int, str]]]:
    """A small layered graph and a random story of materializations: (asset, hours later, version)."""
    count = draw(st.integers(2, 6))
    assets = []
    for index in range(count):
        above = draw(st.lists(st.sampled_from(range(index)), unique=True, max_size=3)) if index else []
        policy = draw(st.sampled_from([None, promise(1), promise(3), NINE, HALF_HOURS]))
        assets.append(asset(f"a{index}", [f"a{i}" for i in above], freshness=policy))
    events = st.tuples(st.integers(0, count - 1), st.integers(0, 3), st.sampled_from("xyz"))
    story = [(f"a{i}", hours, version) for i, hours, version in draw(st.lists(events, max_size=25))]
    return assets, story


class Oracle:
    """Data time by replaying the whole history: what each asset's content was made from, without frozen values."""

    def __init__(self, assets: list[Asset]) -> None:
        self.upstreams = {each.name: each.upstreams for each in assets}
        self.version: dict[str, str] = {}
        self.started: dict[str, int] = {}
        self.read: dict[str, dict[str, str | None]] = {}
        self.left: dict[tuple[str, str], int | None] = {}

    def time(self, name: str) -> int | None:
        """The data time now."""
        if name not in self.version:
            return None
        if not self.upstreams[name]:
            return self.started[name]
        times = [
            self.time(up)
            if self.read[name][up] == self.version.get(up)
            else self.left.get((up, self.read[name][up] or ""))
            for up in self.upstreams[name]
        ]
        return None if None in times else min(time for time in times if time is not None)

    def make(self, name: str, version: str, now: int) -> None:
        """An asset is materialized."""
        if self.version.get(name, version) != version:
            self.left[name, self.version[name]] = self.time(name)
        self.version[name], self.started[name] = version, now
        self.read[name] = {up: self.version.get(up) for up in self.upstreams[name]}


HALF_HOURS = FreshnessPolicy(2 * HOUR, cron="*/30 * * * *", timezone="Asia/Kathmandu")


def least(policy: FreshnessPolicy, now: int, ahead: int) -> int:
    """What the data time must be, by looking at every quarter of an hour; never what nothing that starts now can be."""
    if policy.cron is None:
        return min(now + ahead - policy.max_lag, now)
    moment = (now + ahead) // (15 * 60_000_000) * 15 * 60_000_000
    while not is_tick(policy, moment) or moment - policy.max_lag > now:
        moment -= 15 * 60_000_000
    return moment - policy.max_lag


def is_tick(policy: FreshnessPolicy, moment: int) -> bool:
    """Whether one of the two expressions here fires, by the clock on the wall."""
    wall = datetime.fromtimestamp(moment // 1_000_000, ZoneInfo(policy.timezone))
    return wall.minute in (0, 30) if policy is HALF_HOURS else (wall.hour, wall.minute) == (9, 0)


@given(histories(), st.sampled_from([0, 1, 2, 30]))
def test_data_times_and_needs_agree_with_the_oracle(history, hours_ahead):
    """One pass over the edges finds what replaying history finds, and asks exactly the roots that some policy needs."""
    assets, story = history
    space, oracle = Space(*assets), Oracle(assets)
    for name, hours, version in story:
        space.now += hours * HOUR
        if all(up in space.latest for up in space.graph.upstreams(name)):
            space.make(name, version)
            oracle.make(name, version, space.now)
    view = space.view()

    assert view.times == {each.name: oracle.time(each.name) for each in assets}

    needed: set[str] = set()

    def need(name: str, bound: int) -> None:
        above = space.graph.upstreams(name)
        if not above:
            if (time := oracle.time(name)) is not None and time < bound:
                needed.add(name)
            return
        for up in above:
            read = oracle.read.get(name, {}).get(up)
            stands = name not in oracle.read or read == oracle.version.get(up)
            time = oracle.time(up) if stands else oracle.left.get((up, read or ""))
            if time is not None and time < bound:
                need(up, bound)

    for each in assets:
        if each.freshness:
            need(each.name, least(each.freshness, space.now, hours_ahead * HOUR))
    assert set(freshness.promises(view, hours_ahead * HOUR)) == needed


@given(histories())
def test_holders_are_what_a_walk_up_from_each_asset_finds(history):
    """Asked for all assets at once they are the same as followed edge by edge from each."""
    assets, story = history
    space = Space(*assets)
    for name, hours, version in story:
        space.now += hours * HOUR
        space.make(name, version)
    space.now += HOUR
    seen = space.view()
    for verdict in freshness.verdicts(seen, space.graph.assets):
        bound = None if verdict.status == "unknown" else least(verdict.policy, seen.now, 0)
        if verdict.status == "warn":
            bound += verdict.policy.max_lag - verdict.policy.warn_lag
        expected = walk(space, seen, verdict.asset, bound) if verdict.status != "pass" else set()
        assert {holder.asset for holder in verdict.held_by} == expected


def walk(space: Space, seen: freshness.FreshnessView, start: str, bound: int | None) -> set[str]:
    """Everything that can be reached upwards through contributions that are too old and has nobody to wait for."""

    def is_behind(time: int | None) -> bool:
        return time is None if bound is None else time is not None and time < bound

    found, known, waiting = set(), {start}, [start]
    while waiting:
        name = waiting.pop()
        each = space.graph.assets[name]
        late = [up for up in each.upstreams if is_behind(seen.contribution(each, up))]
        if not late or any(not is_behind(seen.times[up]) for up in late):
            found.add(name)
        further = [up for up in late if is_behind(seen.times[up]) and up not in known]
        known.update(further)
        waiting += further
    return found


def test_a_promise_that_an_external_asset_breaks_makes_no_root_overdue():
    """What is asked of a root ahead of time is told by its own age, also where who asks waits for somebody else."""
    space = Space(
        asset("crm", command=None, output=None),
        asset("raw"),
        asset("mart", ["raw", "crm"], freshness=promise(6)),
        asset("board", ["raw"], freshness=promise(24)),
    )
    space.observe("crm", "1", space.now - 9 * HOUR)
    space.run()
    space.now += 2 * HOUR

    def said(ahead: int) -> list[str]:
        return [cause.detail for step in plan_ahead(space, ahead) for cause in step.causes if cause.kind == "overdue"]

    assert said(0) == []
    assert said(5 * HOUR) == ["overdue in 4h: its data is 2h old, mart asks for at most 6h"]
    assert said(23 * HOUR) == ["overdue in 4h: its data is 2h old, board and mart ask for at most 6h"]
    space.now += 5 * HOUR
    assert said(0) == ["overdue: its data is 7h old, mart asks for at most 6h"]
