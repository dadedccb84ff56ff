"""Until when work has to start, by hand and against an oracle that tries every moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any
from unittest import mock

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.space import HOUR, NOON, Space, asset, promise

from assets_cli.model.duration import SECOND
from assets_cli.model.manifest import FreshnessPolicy
from assets_cli.model.plan import Deadline
from assets_cli.planning import deadlines as module
from assets_cli.planning import freshness
from assets_cli.planning.deadlines import FIRST, deadlines, from_history, high
from assets_cli.planning.virtual_history import VirtualHistory

MINUTE = 60 * SECOND
NINE = FreshnessPolicy(HOUR, cron="0 9 * * *")
"""NOON is 8:00 UTC of 15 January 2027."""


def chain(**policies: FreshnessPolicy) -> Space:
    """Assets raw -> clean -> mart, with these policies."""
    space = Space(*(asset(name, above, freshness=policies.get(name)) for name, above in CHAIN.items()))
    space.run()
    return space


CHAIN = {"raw": [], "clean": ["raw"], "mart": ["clean"]}
TAKES = {"raw": 10 * MINUTE, "clean": 5 * MINUTE, "mart": 15 * MINUTE}


def of(space: Space, jobs: int = 9, takes: Mapping[str, int] = TAKES) -> Mapping[str, Deadline]:
    """The deadlines of all promises now."""
    return deadlines(space.view(), takes.__getitem__, jobs)


def test_work_starts_so_that_it_ends_when_the_promise_would_be_broken():
    """Six hours less the half hour that it takes."""
    space = chain(mart=promise(6))
    space.now += HOUR
    assert of(space) == {
        "mart": Deadline(
            "mart", NOON + 6 * HOUR, "raw", HOUR // 2, NOON + 11 * HOUR // 2, NOON + 11 * HOUR // 2, reach=HOUR // 2
        )
    }


def test_of_a_cron_expression_it_ends_at_the_first_tick_that_would_find_old_data():
    """Data of 8:00 is good enough for 9:00 today; tomorrow's needs to be of 8:00, and takes until 8:30."""
    space = chain(mart=NINE)
    tomorrow = NOON + 25 * HOUR
    assert of(space)["mart"].broken_at == tomorrow
    assert of(space)["mart"].start == tomorrow - HOUR // 2


def test_where_it_is_too_late_it_says_by_how_much():
    """With 18 minutes left for work of 30 it is 12 minutes late."""
    space = chain(mart=promise(6))
    space.now += 6 * HOUR - 18 * MINUTE
    late = of(space)["mart"]
    assert (late.late, late.can_be_met(space.now)) == (12 * MINUTE, False)


def test_what_takes_longer_than_its_promise_allows_never_can_be_met():
    """Its data is as old as its run is long."""
    space = chain(mart=FreshnessPolicy(20 * MINUTE))
    assert of(space)["mart"].late == 10 * MINUTE


def test_what_is_read_already_only_has_to_be_read():
    """What raw holds is newer than what clean has read of it: clean and mart are enough."""
    space = chain(mart=promise(6))
    space.now += HOUR
    space.make("raw", "v2")
    found = of(space)["mart"]
    assert (found.first, found.takes) == ("clean", 20 * MINUTE)
    assert found.start == NOON + 6 * HOUR - 20 * MINUTE


def test_what_begins_before_the_promise_is_broken_is_one_run():
    """A long root that is due a moment later begins before, and mart is made once, after both."""
    space = Space(asset("short"), asset("long"), asset("mart", ["short", "long"], freshness=promise(6)))
    space.make("short")
    space.now += SECOND
    space.make("long")
    space.make("mart")
    found = of(space, takes={"short": MINUTE, "long": HOUR, "mart": MINUTE})["mart"]
    assert (found.first, found.start) == ("long", NOON + 5 * HOUR - MINUTE)


def test_an_external_asset_has_to_deliver_in_time_and_nothing_of_ours_has_to_start():
    """By 15 minutes before the promise is broken, which is what mart takes."""
    space = Space(asset("crm", command=None, output=None), asset("mart", ["crm"], freshness=promise(6)))
    space.observe("crm", "1")
    space.make("mart")
    space.now += HOUR
    one = of(space, 1)["mart"]
    assert (one.waits_for, one.deliver, one.start, one.first) == ("crm", NOON + 23 * HOUR // 4, None, None)
    space.now += 6 * HOUR
    assert not of(space, 1)["mart"].can_be_met(space.now)


def test_with_one_job_what_would_run_beside_each_other_starts_earlier_and_may_be_late():
    """Two of half an hour each that end together: one of them has to start half an hour before the other."""
    space = Space(*(asset(name, freshness=promise(6)) for name in ("a", "b")))
    space.run()
    takes = {"a": HOUR // 2, "b": HOUR // 2}
    assert {one.start for one in of(space, 2, takes).values()} == {NOON + 11 * HOUR // 2}
    few = sorted(of(space, 1, takes).values(), key=lambda one: one.start)
    assert [one.start - NOON for one in few] == [5 * HOUR, 11 * HOUR // 2]
    assert [one.wait for one in few] == [HOUR // 2, 0]
    space.now += 5 * HOUR + MINUTE
    assert sorted(one.may_be_late(space.now) for one in of(space, 1, takes).values()) == [False, True]
    assert all(one.can_be_met(space.now) for one in of(space, 1, takes).values())


def test_what_is_of_unknown_age_or_asks_for_every_run_has_no_deadline():
    """There is no moment to name."""
    space = Space(asset("new", freshness=promise(6)), asset("always", freshness=promise(0)))
    space.make("always")
    assert deadlines(space.view(), TAKES.get, 1) == {}


def test_a_clock_that_was_set_back_by_a_day_and_an_observation_from_the_future_count_as_now():
    """Nothing is newer than now."""
    space = Space(
        asset("crm", command=None, output=None, freshness=NINE), asset("raw", freshness=promise(6)), asset("bare")
    )
    space.observe("crm", "1", NOON + 48 * HOUR)
    space.make("raw")
    space.now -= 24 * HOUR
    found = of(space)
    assert (found["raw"].broken_at, found["crm"].broken_at) == (space.now + 6 * HOUR, space.now + 25 * HOUR)


@pytest.mark.parametrize(
    ("durations", "expected"),
    [
        ((), FIRST),
        ((3,), SECOND),
        ((5 * SECOND,), 5 * SECOND),
        ((5 * SECOND, 9 * SECOND, 1), 9 * SECOND),
        ((*[4 * SECOND] * 3, 6 * SECOND, 900 * SECOND), 6 * SECOND),
    ],
)
def test_durations_are_taken_high_without_believing_one(durations, expected):
    """Of enough of them the second longest; never less than a second; a minute where nothing is known."""
    assert high(durations) == expected


def test_durations_come_from_what_is_on_record():
    """Of an asset without any, too."""
    space = chain()
    assert [from_history(space.snapshot)(name) for name in ("raw", "nobody")] == [SECOND, FIRST]


# -- the oracle ------------------------------------------------------------------------------------------------------


@st.composite
def situations(draw) -> tuple[Space, dict[str, int]]:
    """A few assets with promises, a history, and how long each takes, in minutes."""
    names = "abcdef"[: draw(st.integers(1, 6))]
    policies = st.sampled_from(
        [None, promise(1), promise(3), NINE, FreshnessPolicy(HOUR, cron="*/30 * * * *", timezone="Asia/Kathmandu")]
    )
    assets = []
    for index, name in enumerate(names):
        above = draw(st.lists(st.sampled_from(names[:index]), unique=True)) if index else []
        assets.append(asset(name, above, freshness=draw(policies)))
    space = Space(*assets)
    for name, minutes, version in draw(
        st.lists(st.tuples(st.sampled_from(names), st.integers(0, 90), st.sampled_from("xyz")), max_size=12)
    ):
        space.now += minutes * MINUTE
        if all(up in space.latest for up in space.graph.upstreams(name)):
            space.make(name, version)
    space.now += draw(st.integers(0, 120)) * MINUTE
    return space, {name: draw(st.integers(1, 60)) * MINUTE for name in names}


def chains_to(view: freshness.FreshnessView, name: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Every way by which data gets newer: of when it is, and the steps."""
    each = view.graph.assets[name]
    if not each.upstreams:
        if view.times[name] is not None:
            yield view.times[name], (name,)
        return
    for up in each.upstreams:
        yield from ((time, (*steps, name)) for time, steps in chains_to(view, up))
        read, now = view.contribution(each, up), view.times[up]
        if read is not None and now is not None and read < now:
            yield read, (name,)


def finished(edges: set[tuple[str, str]], steps: set[str], takes: Mapping[str, int], start: int, last: str) -> int:
    """When a run of these steps has made the last one, with as many jobs as there are steps."""
    above = [finished(edges, steps, takes, start, up) for up, down in edges if down == last]
    return max(above, default=start) + takes[last]


@settings(deadline=None)
@given(situations())
def test_the_latest_start_is_the_last_moment_from_which_a_run_makes_it(situation):
    """A run that begins then ends in time; one that begins any later does not."""
    space, takes = situation
    view = space.view()
    found = of(space, 99, takes)
    for name, each in space.graph.assets.items():
        if each.freshness is None or view.times[name] is None:
            assert name not in found
            continue
        ways = [(freshness.broken_at(each.freshness, time), steps) for time, steps in chains_to(view, name)]
        first = min(due for due, _ in ways)
        begun = [steps for due, steps in ways if due - sum(map(takes.__getitem__, steps)) < first]
        edges = {pair for steps in begun for pair in pairwise(steps)}
        run = {step for steps in begun for step in steps}
        one = found[name]
        assert one.broken_at == freshness.broken_at(each.freshness, view.times[name])
        assert one.start == one.latest
        assert finished(edges, run, takes, one.start, name) <= first < finished(edges, run, takes, one.start + 1, name)
        assert (one.late > 0) == (one.start < space.now or one.takes > each.freshness.max_lag)


@settings(deadline=None)
@given(situations(), st.integers(1, 3))
def test_with_few_jobs_the_starts_are_a_schedule_that_keeps_every_latest_moment(situation, jobs):
    """Never more at once than there are jobs, nothing before what it is made from, and all done in time."""
    space, takes = situation
    starts: dict[str, int] = {}
    scheduled = module._scheduled

    def noted(*arguments: Any) -> tuple[dict[str, int], dict[str, int]]:
        found = scheduled(*arguments)
        starts.update(found[0])
        return found

    with mock.patch.object(module, "_scheduled", noted):
        promises = of(space, jobs, takes)
    for moment in starts.values():
        assert sum(begin <= moment < begin + takes[name] for name, begin in starts.items()) <= jobs
    for name, begin in starts.items():
        for up in space.graph.upstreams(name):
            assert starts[up] + takes[up] <= begin
    for name, one in promises.items():
        assert starts[name] + takes[name] <= one.latest + one.takes
        assert one.start <= one.latest


# -- the same by trial -----------------------------------------------------------------------------------------------


@st.composite
def rounds(draw) -> tuple[Space, dict[str, int], str]:
    """A few assets made in one round, a promise on one of them, and how long each takes, in minutes.

    Every step takes longer than all data is apart, so that no work for the promise can be left until it is broken.
    """
    names = "abcde"[: draw(st.integers(1, 5))]
    promised = draw(st.sampled_from(names))
    lags = st.integers(10, 120).map(lambda minutes: FreshnessPolicy(minutes * MINUTE))
    crons = st.builds(
        FreshnessPolicy,
        st.integers(10, 60).map(lambda minutes: minutes * MINUTE),
        cron=st.sampled_from(["*/30 * * * *", "0 * * * *", "17 9,10 * * *"]),
        timezone=st.sampled_from(["UTC", "Asia/Kathmandu"]),
    )
    policy = draw(lags | crons)
    assets = []
    for index, name in enumerate(names):
        above = draw(st.lists(st.sampled_from(names[:index]), unique=True)) if index else []
        assets.append(asset(name, above, freshness=policy if name == promised else None))
    space = Space(*assets)
    for index, name in enumerate(names):
        space.now += draw(st.integers(0, 1)) * MINUTE
        space.make(name, f"v{index}")
    space.now += draw(st.integers(0, 30)) * MINUTE
    return space, {name: draw(st.integers(6, 30)) * MINUTE for name in names}, promised


def first_broken(view: freshness.FreshnessView, name: str) -> int:
    """The first minute at which the promise would not be kept any more if nothing ran, looked for minute by minute."""
    policy, moment = view.graph.assets[name].freshness, view.now
    while view.times[name] >= freshness.bound(policy, moment):
        moment += MINUTE
    return moment


def is_kept(space: Space, takes: Mapping[str, int], name: str, start: int, until: int) -> bool:
    """Whether the promise is kept at every minute until its work is done that starts at a moment, and at the next tick.

    All of it runs, each step as soon as its upstreams are made; what that makes of the data is asked of a history.
    """
    graph, policy = space.graph, space.graph.assets[name].freshness
    history = VirtualHistory(space.view())
    ends: dict[str, int] = {}
    for each in graph.sort({name, *graph.ancestors([name])}):
        ends[each] = max((ends[up] for up in graph.upstreams(each)), default=start) + takes[each]
    until = ends[name] if policy.cron is None else max(ends[name], until)
    for moment in range(space.now, until + MINUTE, MINUTE):
        # Until now and from now on: what is made now is there at the tick of now, and by a lag is old from now on.
        if history.times[name] < freshness.bound(policy, moment if policy.cron is None else moment - 1):
            return False
        for each, end in ends.items():
            if end == moment:
                history.finish(each, end - takes[each], moment)
        for each, end in ends.items():
            if end - takes[each] == moment:
                history.begin(each)
        if history.times[name] < freshness.bound(policy, moment):
            return False
    return True


@settings(deadline=None, max_examples=60)
@given(rounds())
def test_the_latest_start_is_the_last_minute_from_which_a_trial_keeps_the_promise(situation):
    """Every minute is tried, with as many jobs as steps; where none keeps it, it is said to be late."""
    space, takes, name = situation
    view = space.view()
    first = first_broken(view, name)
    assume(first > space.now)
    minutes = range(first, space.now - MINUTE, -MINUTE)
    latest = next((start for start in minutes if is_kept(space, takes, name, start, first)), None)
    found = of(space, 99, takes)[name]
    if latest is None:
        assert found.late > 0
    else:
        assert (found.late, found.start) == (0, latest)
