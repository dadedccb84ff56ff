"""Plans that are saved and applied, over random graphs and random stories."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.workshop import Workshop

from assets_cli.cli import saved_plans
from assets_cli.model.event import RunFinished
from assets_cli.model.plan import Plan
from assets_cli.model.problem import AssetsError

REAL = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
GRAPHS = st.lists(st.lists(st.integers(0, 5), unique=True, max_size=3), min_size=1, max_size=6)
DEEDS = st.lists(st.tuples(st.sampled_from(["edit", "tamper", "delete", "run one"]), st.integers(0, 5)), max_size=4)
MOVES = st.sampled_from(["nothing", "edit", "run one", "rewire"])


def workshop(folder: str, above: list[list[int]]) -> Workshop:
    """A project of these edges, each to an asset further up; every other writes one hex digit only."""
    edges = {f"a{i}": sorted({f"a{up % i}" for up in ups}) if i else [] for i, ups in enumerate(above)}
    return Workshop(Path(folder) / "p", edges, width={name: 1 for i, name in enumerate(edges) if i % 2})


def saved(shop: Workshop, *selection: str, force: bool = False) -> Plan:
    """A plan that was written down and read again."""
    path = shop.root / "plan.json"
    project = shop.open()
    saved_plans.write(path, project.propose(selection, upstream=True, force=force), project.manifest)
    return saved_plans.read(path)


def apply(shop: Workshop, plan: Plan) -> RunFinished:
    """As the command line does it."""
    project = shop.open()
    project.recover(lambda _: None)
    with project.applying(plan, jobs=2) as ready:
        return project.materialize(ready, jobs=2)


@given(GRAPHS, DEEDS, st.integers(0, 5), st.booleans())
@settings(REAL, max_examples=int(os.environ.get("PLAN_EXAMPLES", "15")))
def test_where_nothing_moved_a_saved_plan_runs_as_if_it_had_never_been_saved(above, deeds, selected, force):
    """Its steps are those of the run, those that run are its own, the real ones all do; afterwards nothing is left."""
    with tempfile.TemporaryDirectory() as folder:
        shop = workshop(folder, above)
        names = list(shop.upstreams)
        shop.run()
        for number, (what, index) in enumerate(deeds):
            name = names[index % len(names)]
            if what == "edit":
                shop.edit(name, f"v{number}")
            elif what == "run one":
                shop.run(name, upstream=True)
            else:
                shop.tamper(name) if what == "tamper" else shop.delete(name)
        shop.executed()
        target = names[selected % len(names)]
        plan = saved(shop, target, force=force)
        finished = apply(shop, plan)
        steps = [step.asset for step in plan.steps]
        executed = shop.executed()
        assert sorted([*finished.succeeded, *finished.skipped]) == sorted(steps)
        assert sorted(executed) == sorted(finished.succeeded)
        assert set(executed) >= {step.asset for step in plan.steps if not step.is_tentative}
        assert [step.asset for step in shop.open().plan([target], upstream=True).steps] == []
        if steps:
            assert refusal(shop, plan).startswith(f"the plan was applied already, by run {finished.run}")
            assert shop.executed() == []


@given(GRAPHS, st.integers(0, 5), st.integers(0, 5), MOVES)
@settings(REAL, max_examples=int(os.environ.get("PLAN_EXAMPLES", "15")))
def test_a_saved_plan_is_refused_exactly_if_something_that_it_rests_on_moved(above, edited, touched, move):
    """A step's code or edges, a step's or a direct upstream's records; and nothing runs then."""
    with tempfile.TemporaryDirectory() as folder:
        shop = workshop(folder, above)
        names = list(shop.upstreams)
        shop.run()
        shop.edit(names[edited % len(names)], "2")
        plan = saved(shop, names[edited % len(names)])
        steps = {step.asset for step in plan.steps}
        name = names[touched % len(names)]
        if move == "edit":
            shop.edit(name, "3")
        elif move == "run one":
            shop.run(name, force=True)
        elif move == "rewire":
            shop.upstreams[name] = [] if shop.upstreams[name] else names[: names.index(name)][:1]
            shop.write_manifest()
        shop.executed()
        rests_on = steps | {
            up for step in plan.steps for up in (plan.basis.upstreams[step.asset] if plan.basis else ())
        }
        # The commands name what they read: a new edge is new code, too.
        is_moved = {"nothing": False, "edit": name in steps, "run one": name in rests_on, "rewire": name in steps}[move]
        if move == "rewire" and names.index(name) == 0:
            is_moved = False
        if is_moved:
            assert refusal(shop, plan).startswith("the plan ")
            assert shop.executed() == []
        else:
            assert set(apply(shop, plan).succeeded) <= steps
            assert set(shop.executed()) <= steps


def refusal(shop: Workshop, plan: Plan) -> str:
    """Why a plan is not applied."""
    try:
        apply(shop, plan)
    except AssetsError as error:
        return error.problems[0].message
    raise AssertionError("it was applied")
