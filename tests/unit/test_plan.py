"""The plan: order, skips, refusals, estimates."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.space import HOUR, Space, asset, promise

from assets_cli.model.duration import SECOND
from assets_cli.model.manifest import Output, SqlCommand
from assets_cli.model.plan import Step
from assets_cli.model.problem import AssetsError, Problem
from assets_cli.model.world import CodeProbe
from assets_cli.planning import schedule
from assets_cli.planning.plan import Selection, plan


def wide() -> Space:
    """Raw -> a, b -> end; crm is external."""
    return Space(
        asset("raw"),
        asset("crm", command=None, output=None),
        asset("a", ["raw"]),
        asset("b", ["raw", "crm"]),
        asset("end", ["a", "b"]),
    )


def test_steps_come_in_topological_order_and_say_what_they_wait_for():
    """`after` holds the direct upstreams that are steps."""
    steps = wide().plan().steps

    assert [(step.asset, step.after) for step in steps] == [
        ("raw", ()),
        ("a", ("raw",)),
        ("b", ("raw",)),
        ("end", ("a", "b")),
    ]


def test_skips_say_why():
    """Up to date, external, or not selected."""
    space = wide()
    space.run()
    space.code["a"] = "2"

    assert [(skip.asset, skip.reason) for skip in space.plan("a", "crm", "b").skips] == [
        ("crm", "external"),
        ("b", "up_to_date"),
        ("raw", "not_selected_upstream"),
    ]


def test_up_to_date_root_without_a_policy_says_that_nothing_refreshes_it():
    """Nobody should believe that it will be kept fresh."""
    space = Space(asset("raw"), asset("kept", freshness=promise(1)))
    space.run()

    assert [skip.detail for skip in space.plan().skips] == [
        "nothing will refresh it: no freshness policy on it or below",
        "",
    ]


def test_a_name_alone_means_that_asset_alone():
    """What is above and below stays out of the plan."""
    space = wide()
    space.run()
    space.code.update(raw="2", a="2")

    assert space.causes("a") == {"a": ["code_changed"]}
    (warning,) = space.plan("a").warnings
    assert (warning.message, warning.hint) == (
        "a will read raw as it stands, although it is stale (code changed: command (test:1 -> test:2))",
        "add --upstream to materialize what is above, too",
    )


def test_force_runs_what_is_up_to_date():
    """A forced step has a real cause; below it is tentative."""
    space = wide()
    space.run()

    steps = space.plan(forced=["raw"]).steps
    assert [step.is_tentative for step in steps] == [False, True, True, True]
    assert steps[0].is_forced


@pytest.mark.parametrize(
    ("happens", "message"),
    [
        ("never", "a cannot run: its upstream raw is not selected and was never materialized"),
        (
            "gone",
            "a cannot run: its upstream raw is not selected and is not as recorded (out/raw is gone since run r1)",
        ),
        (
            "touched",
            (
                "a cannot run: its upstream raw is not selected and is not as recorded (out/raw was changed by somebody"
                " else since run r1; materialize it again, or adopt what is there: assets state mark raw)"
            ),
        ),
        (
            "failed",
            (
                "a cannot run: its upstream raw is not selected and may be half-written (the last attempt failed in run"
                " r2: exit code 1)"
            ),
        ),
    ],
)
def test_an_unselected_upstream_that_cannot_be_read_is_refused(happens, message):
    """Nothing runs on what is not there, or not whole."""
    space = wide()
    if happens != "never":
        space.run()
        space.code["a"] = "2"
    if happens == "gone":
        space.outputs["raw"] = None
    if happens == "touched":
        space.outputs["raw"] = "other"
    if happens == "failed":
        space.fail("raw")

    with pytest.raises(AssetsError) as error:
        space.plan("a")
    (problem,) = error.value.problems
    assert (problem.code, problem.message) == ("A0602", message)
    assert problem.hint == "add --upstream to materialize what is above, too"


def test_a_blocked_upstream_is_refused():
    """Nothing runs on a materialization that a blocking check refused."""
    space = wide()
    space.run()
    space.make("raw", blocked=True)
    space.code["a"] = "2"

    with pytest.raises(AssetsError) as error:
        space.plan("a")
    assert [problem.message for problem in error.value.problems] == [
        "a cannot run: its upstream raw is not selected and is blocked (a blocking check failed in run r1)"
    ]


def test_a_failed_upstream_that_we_publish_in_a_transaction_is_only_stale():
    """A table that SQL fills cannot be half-written."""
    table = {"command": SqlCommand(query="select 1"), "output": Output(table="raw", connection="db")}
    space = Space(asset("raw", **table), asset("a", ["raw"]))
    space.run()
    space.fail("raw")
    space.code["a"] = "2"

    assert [warning.code for warning in space.plan("a").warnings] == ["A0603"]


def test_an_upstream_that_nobody_needs_now_is_not_refused():
    """A selection that is up to date has nothing to refuse; that it is so only with what its upstream was, is said."""
    space = wide()
    space.run()
    space.fail("raw")

    plan = space.plan("a")
    assert plan.steps == ()
    assert [(warning.code, warning.message, warning.hint) for warning in plan.warnings] == [
        (
            "A0603",
            "raw, which is not selected, is stale (the last attempt failed in run r2: exit code 1); it is read by a",
            "add --upstream to materialize what is above, too",
        )
    ]


def test_an_upstream_beside_the_selection_that_is_only_overdue_is_told_once():
    """The promise that asks for it names it and the flag: a second warning would say nothing more."""
    space = Space(asset("raw"), asset("a", ["raw"], freshness=promise(1)), asset("b", ["raw"]))
    space.run()
    space.now += 2 * HOUR

    assert [warning.code for warning in space.plan("a").warnings] == ["A0604"]
    assert [warning.code for warning in space.plan("b").warnings] == []


def test_unreadable_code_is_refused_with_its_place():
    """A missing SQL file is an error before anything runs, and all of them are said."""
    space = wide()
    problems = [Problem("A0301", "no sql"), Problem("A0301", "no module")]
    code = {**space.world.code, "a": CodeProbe({}, problems[0]), "b": CodeProbe({}, problems[1])}
    world = space.world._replace(code=code)

    with pytest.raises(AssetsError) as error:
        plan(space.graph, Selection(frozenset(space.graph.assets)), space.snapshot, world, space.now)
    assert error.value.problems == tuple(problems)


def test_assets_that_left_the_manifest_are_named():
    """Their history stays; the plan says so."""
    space = wide()
    space.run()
    space.declare(asset("raw"))

    assert space.plan().removed == ("a", "b", "end")


def test_overdue_is_listed_for_the_selection_only():
    """`--exit-code` asks about what was selected."""
    space = Space(asset("raw", freshness=promise(1)), asset("other", freshness=promise(1)))
    space.run()
    space.now += 2 * HOUR

    assert [broken.asset for broken in space.plan("raw").overdue] == ["raw"]


def steps_of(**durations: tuple[int | None, list[str]]) -> dict[str, Step]:
    """Steps with seconds and upstreams."""
    return {
        name: Step(name, (), tuple(after), None if seconds is None else seconds * SECOND)
        for name, (seconds, after) in durations.items()
    }


def test_estimate_schedules_by_longest_remaining_path():
    """Two jobs: the long chain starts first, the short ones fill the other slot."""
    steps = steps_of(short=(1, []), long=(3, []), last=(4, ["long"]), other=(2, []))

    assert schedule.estimate(steps, 2) == (7 * SECOND, ("long", "last"))
    assert schedule.estimate(steps, 1).duration == 10 * SECOND


def test_the_usual_duration_is_the_median():
    """One slow time does not count."""
    assert schedule.usual([2, 2, 90]) == 2
    assert schedule.usual([]) is None


def test_unknown_durations_count_as_the_usual_one():
    """A step that never ran counts as the median of the others; with none known there is no estimate."""
    assert schedule.estimate(steps_of(a=(4, []), b=(None, ["a"])), 1).duration == 8 * SECOND
    assert schedule.estimate(steps_of(a=(None, []), b=(None, ["a"])), 1) == (None, ("a", "b"))


@st.composite
def random_spaces(draw: st.DrawFn) -> Space:
    """A random graph of shell assets with some history."""
    count = draw(st.integers(1, 8))
    assets = [
        asset(f"a{i}", [f"a{j}" for j in draw(st.lists(st.integers(0, i - 1), unique=True, max_size=3))] if i else [])
        for i in range(count)
    ]
    space = Space(*assets)
    for name in draw(st.lists(st.sampled_from([each.name for each in assets]), max_size=10)):
        what = draw(st.sampled_from(["make", "edit", "fail", "touch"]))
        if what == "make" and all(up in space.latest for up in space.graph.upstreams(name)):
            space.make(name)
        elif what == "edit":
            space.code[name] += "'"
        elif what == "fail":
            space.fail(name)
        elif what == "touch" and name in space.outputs:
            space.outputs[name] = "touched"
    return space


@given(random_spaces())
def test_one_run_of_the_plan_leaves_nothing_to_do(space):
    """Whatever happened before, a run makes everything up to date, and never more than the plan named."""
    planned = [step.asset for step in space.plan().steps]
    done = space.run()

    assert set(done) <= set(planned)
    assert space.plan().steps == ()


@given(random_spaces())
def test_steps_and_skips_partition_the_selection(space):
    """Every selected asset is either a step or a skip, and order respects edges."""
    made = space.plan()
    names = [step.asset for step in made.steps]

    assert sorted([*names, *(skip.asset for skip in made.skips)]) == sorted(space.graph.assets)
    for step in made.steps:
        assert all(names.index(up) < names.index(step.asset) for up in step.after)
