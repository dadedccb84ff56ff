"""What cron jobs would do in place of `up`, by hand and against one that counts every asset."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.space import HOUR, NOON, Space, asset, promise

from assets_cli.model.duration import SECOND
from assets_cli.model.manifest import FreshnessPolicy
from assets_cli.model.plan import Together
from assets_cli.model.simulation import Saved
from assets_cli.planning.crons import Job, Work, by_own_cron, jobs, together
from assets_cli.planning.plan import Selection, plan_in

MINUTE = 60 * SECOND
DAY = 24 * HOUR
NINE = FreshnessPolicy(HOUR, cron="0 9 * * *")
USUAL = {"raw": 10 * MINUTE, "clean": 5 * MINUTE, "mart": 15 * MINUTE}
ABOVE = {"raw": [], "clean": ["raw"], "mart": ["clean"]}


def chain(**policies: FreshnessPolicy) -> Space:
    """Assets raw -> clean -> mart, with these policies."""
    space = Space(*(asset(name, above, freshness=policies.get(name)) for name, above in ABOVE.items()))
    space.run()
    return space


def work(space: Space, takes: dict[str, int], *stale: str) -> Work:
    """What the jobs would do in a day."""
    return by_own_cron(space.view(), USUAL, takes, NOON + DAY, stale)


def test_a_job_makes_all_that_is_above_its_promise_so_often_that_it_is_kept():
    """Half an hour of work, a margin of three minutes, six hours: every 5 h 27 m, so four times a day."""
    assert work(chain(mart=promise(6)), {"mart": 30 * MINUTE}) == Work(12, 4 * 30 * MINUTE)


def test_each_promise_has_a_job_that_does_not_know_of_the_others():
    """Clean at nine o'clock makes raw again, which the job of mart makes, too."""
    found = work(chain(mart=promise(6), clean=NINE), {"mart": 30 * MINUTE, "clean": 15 * MINUTE})
    assert found == Work(12 + 2, 4 * 30 * MINUTE + 15 * MINUTE)


def test_what_is_stale_runs_at_once_so_that_its_job_comes_a_period_later():
    """By then the data of before would have been too old long ago."""
    space = chain(mart=promise(6))
    space.now += 5 * HOUR
    takes = {"mart": 30 * MINUTE}
    assert by_own_cron(space.view(), USUAL, takes, space.now + HOUR, ()) == Work(3, 30 * MINUTE)
    assert by_own_cron(space.view(), USUAL, takes, space.now + HOUR, ("mart",)) == Work()


def test_a_promise_shorter_than_its_work_is_run_over_and_over_and_one_of_every_run_has_no_job():
    """Each time after the time before has ended."""
    assert work(chain(mart=FreshnessPolicy(20 * MINUTE)), {"mart": 30 * MINUTE}).runs == 3 * 49
    assert work(chain(mart=promise(0)), {"mart": 30 * MINUTE}) == Work()


def test_external_assets_cost_nothing():
    """Others make them."""
    space = Space(asset("crm", command=None, output=None), asset("mart", ["crm"], freshness=promise(6)))
    assert list(jobs(space.graph, ["mart"], {"mart": MINUTE})) == [Job("mart", Work(1, MINUTE))]


def test_one_run_for_two_promises_is_less_than_two_jobs():
    """Raw and clean are made once; the jobs make them twice."""
    space = Space(
        asset("raw"),
        asset("clean", ["raw"]),
        asset("mart", ["clean"], freshness=promise(6)),
        asset("more", ["clean"], freshness=promise(6)),
    )
    space.run()
    space.now += 5 * HOUR
    plan = plan_in(space.view(), Selection(frozenset(space.graph.assets)), ahead=2 * HOUR)
    assert plan.together == Together(2, 4, 4 * SECOND, 6, 6 * SECOND)
    nothing = plan_in(space.view(), Selection(frozenset(space.graph.assets)), ahead=MINUTE)
    assert (nothing.steps, nothing.together) == ((), None)


def test_what_was_never_timed_is_not_compared():
    """There is nothing to compare."""
    space = chain(mart=promise(6))
    space.now += 7 * HOUR
    steps = {one.asset: one for one in plan_in(space.view(), Selection(frozenset(ABOVE))).steps}
    assert together(space.graph, steps, ABOVE, lambda name: None if name == "clean" else SECOND) is None


@pytest.mark.parametrize(
    ("saved", "percent", "why"),
    [
        (Saved(2, 60, 4, 90), 33, None),
        (Saved(4, 90, 4, 90), 0, None),
        (Saved(5, 99, 4, 90), -10, "data is renewed earlier where jobs are few, or where it came at different moments"),
        (
            Saved(5, 99, 4, 90, 2, 30),
            -10,
            "what changes outside, or has a schedule, is passed on at once; crons leave it for their next turn",
        ),
        (Saved(1, 9, 0, 0), None, None),
    ],
)
def test_more_work_than_crons_would_do_is_said_with_its_reason(saved, percent, why):
    """Never a number below nothing alone."""
    assert (saved.percent, saved.why_more) == (percent, why)


@settings(deadline=None)
@given(st.data())
def test_jobs_are_what_somebody_finds_who_looks_at_every_asset(data):
    """On random graphs: the asset and its ancestors that have a command, and how long they take together."""
    names = "abcdefgh"[: data.draw(st.integers(1, 8))]
    external = data.draw(st.sets(st.sampled_from(names)))
    assets = []
    for index, name in enumerate(names):
        above = data.draw(st.lists(st.sampled_from(names[:index]), unique=True)) if index else []
        bare = {"command": None, "output": None} if name in external else {}
        assets.append(asset(name, [] if bare else above, **bare))
    graph = Space(*assets).graph
    usual = {name: data.draw(st.integers(0, 1 << 40)) for name in names if name not in external}
    wanted = data.draw(st.sets(st.sampled_from(names)))
    for job in jobs(graph, wanted, usual):
        members = [each for each in (job.asset, *graph.ancestors([job.asset])) if each in usual]
        assert job.work == Work(len(members), sum(usual[each] for each in members))
