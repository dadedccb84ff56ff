"""What a saved plan rests on, what of it has moved, and the plan for that moment: pure."""

from __future__ import annotations

import pytest
from support.space import HOUR, NOON, Space, asset, promise

from assets_cli.model.history import Component, Observation
from assets_cli.model.manifest import Asset
from assets_cli.model.plan import Basis, Code, Plan, Recorded
from assets_cli.model.world import CodeProbe, World
from assets_cli.planning import saved


def external(name: str) -> Asset:
    """An asset that others make."""
    return asset(name, command=None, output=None, kind="external")


def shop() -> Space:
    """`crm` from outside, `orders` reads it, `report` reads `orders`."""
    space = Space(external("crm"), asset("orders", ["crm"]), asset("report", ["orders"]))
    space.observations["crm"] = Observation(7, "crm", NOON, "v1", None)
    return space


def make(space: Space, name: str, version: str, run: str, *, blocked: bool = False) -> None:
    """An asset is materialized by this run."""
    space.make(name, version, blocked=blocked)
    latest = space.latest[name]
    assert latest.materialization
    assert latest.attempt
    made = latest.materialization._replace(run=run)
    usable = latest.usable if blocked else made
    space.latest[name] = latest._replace(materialization=made, usable=usable, attempt=latest.attempt._replace(run=run))


def basis(space: Space, *names: str, world: World | None = None) -> Basis:
    """What a plan of these steps rests on now."""
    return saved.basis(names, space.graph, space.snapshot, world or space.world, "/project")


def moved(then: Basis, space: Space, world: World | None = None) -> list[str]:
    """What has moved since, in words."""
    return [str(each) for each in saved.moved(then, basis(space, *then.code, world=world), space.graph)]


def proposed(space: Space, *names: str) -> Plan:
    """A plan with its basis."""
    plan = space.plan(*names)
    return plan._replace(basis=basis(space, *(step.asset for step in plan.steps)))


# -- the basis ---------------------------------------------------------------------------------------------------------


def test_a_basis_holds_the_steps_and_their_direct_upstreams() -> None:
    """And nothing of what lies further above, or beside."""
    space = shop()
    make(space, "orders", "o1", "r1")
    then = basis(space, "report")
    assert then == Basis(
        project="test",
        root="/project",
        code={"report": Code(then.code["report"].version, {"command": Component("test:1")})},
        upstreams={"report": ("orders",)},
        records={"report": Recorded(), "orders": Recorded("r1", "o1", False, "r1", 1, "succeeded")},
        observations={},
    )
    assert then.code["report"].version.startswith("sha256:")
    assert basis(space, "orders").observations == {"crm": space.observations["crm"]}


def test_the_code_version_is_the_recorded_one_where_nothing_changed() -> None:
    """As in a plan."""
    space = shop()
    make(space, "orders", "o1", "r1")
    assert basis(space, "orders").code["orders"].version == "test:1"


# -- what has moved ----------------------------------------------------------------------------------------------------


def test_nothing_moves_by_itself() -> None:
    """Time alone, sequence numbers and the order of upstreams are nothing."""
    space = shop()
    make(space, "orders", "o1", "r1")
    then = basis(space, "orders", "report")
    space.now += HOUR
    latest = space.latest["orders"]
    assert latest.materialization
    space.latest["orders"] = latest._replace(materialization=latest.materialization._replace(seq=99))
    assert moved(then, space) == []


def test_the_order_of_upstreams_does_not_count() -> None:
    """Edges do."""
    space = Space(asset("a"), asset("b"), asset("c", ["a", "b"]))
    then = basis(space, "c")
    space.declare(asset("a"), asset("b"), asset("c", ["b", "a"]))
    assert moved(then, space) == []
    space.declare(asset("a"), asset("b"), asset("c", ["b"]))
    assert moved(then, space) == ["c: upstreams (a, b -> b)"]
    space.declare(asset("a"), asset("b"), asset("c"))
    assert moved(then, space) == ["c: upstreams (a, b -> none)"]


def test_code() -> None:
    """Component by component; that of upstreams which are no steps does not count."""
    space = shop()
    then = basis(space, "report")
    space.code["orders"] = "2"
    assert moved(then, space) == []
    space.code["report"] = "2"
    assert moved(then, space) == ["report: code changed: command (test:1 -> test:2)"]


def test_code_that_says_the_same() -> None:
    """Equal normalised digests of the same normaliser are equal, as ever."""
    space = shop()

    def world(raw: str, normaliser: str) -> World:
        found = {"command": Component(raw, "n", normaliser)}
        return space.world._replace(code={"report": CodeProbe(found)})

    then = basis(space, "report", world=world("a", "sql/1"))
    assert moved(then, space, world("b", "sql/1")) == []
    assert moved(then, space, world("b", "sql/2")) == ["report: code changed: command (a -> b)"]


def test_records() -> None:
    """Of steps and of what they read: materializations, what blocks them, attempts."""
    space = shop()
    then = basis(space, "report")
    make(space, "orders", "o1", "r1")
    assert moved(then, space) == ["orders: materialized (never -> in run r1)"]
    then = basis(space, "report")
    make(space, "orders", "o1", "r3")
    assert moved(then, space) == ["orders: materialized (in run r1 -> in run r3)"]
    then = basis(space, "report")
    space.fail("orders")
    space.fail("report", "timed_out")
    assert moved(then, space) == [
        "report: newest attempt (none -> timed out in run r2)",
        "orders: newest attempt (succeeded in run r3 -> failed in run r2)",
    ]
    del space.latest["orders"]
    assert moved(then, space)[1:] == [
        "orders: materialized (in run r3 -> never)",
        "orders: newest attempt (succeeded in run r3 -> none)",
    ]


def test_a_block() -> None:
    """Put up or taken down."""
    space = shop()
    make(space, "orders", "o1", "r1")
    then = basis(space, "report")
    make(space, "orders", "o1", "r1", blocked=True)
    assert moved(then, space) == ["orders: blocked by a check (no -> yes)"]
    assert moved(basis(space, "report"), space) == []


def test_an_attempt_that_came_to_an_end() -> None:
    """What was under way when the plan was made."""
    space = shop()
    space.fail("orders", "open")
    then = basis(space, "orders")
    make(space, "orders", "o1", "r2")
    assert moved(then, space) == ["orders: materialized (never -> in run r2)"]
    space.fail("orders", "crashed")
    del space.latest["orders"]
    space.fail("orders", "crashed")
    assert moved(then, space) == ["orders: newest attempt (under way in run r2 -> crashed in run r2)"]


def test_observations() -> None:
    """By data version alone: another look at the same is no move."""
    space = shop()
    then = basis(space, "orders")
    space.observations["crm"] = Observation(9, "crm", NOON + HOUR, "v1", NOON)
    assert moved(then, space) == []
    space.observations["crm"] = Observation(9, "crm", NOON + HOUR, "v2", NOON)
    assert moved(then, space) == ["crm: observed (v1 -> v2)"]
    space.observations.clear()
    assert moved(then, space) == ["crm: observed (v1 -> nothing)"]


def test_what_assets_are() -> None:
    """Gone, given to others or taken from them; what is not read any more is not asked for."""
    space = shop()
    then = basis(space, "orders", "report")
    space.declare(external("orders"), asset("crm"), asset("report", ["orders"]))
    assert moved(then, space) == [
        "orders: declared (with a command -> external)",
        "crm: declared (external -> with a command)",
    ]
    space.declare(external("crm"), asset("orders"))
    assert moved(then, space) == [
        "orders: upstreams (crm -> none)",
        "report: declared (with a command -> no more)",
    ]


@pytest.mark.parametrize(("held", "said"), [(None, "gone"), ("other", "changed by somebody else")])
def test_outputs_that_are_read_as_they_stand(held: str | None, said: str) -> None:
    """They must be as recorded."""
    space = shop()
    make(space, "orders", "o1", "r1")
    assert saved.drifted(["orders"], space.graph, space.snapshot, space.world) == ()
    space.outputs["orders"] = held
    found = saved.drifted(["orders"], space.graph, space.snapshot, space.world)
    assert [str(each) for each in found] == [f"orders: output (as recorded -> {said})"]


def test_the_only_run_that_moved_things() -> None:
    """One run and nothing else."""
    by_r1 = saved.Moved("a", "materialized", "never", "in run r1", "r1")
    assert saved.only_run([by_r1, by_r1._replace(asset="b")]) == "r1"
    assert saved.only_run([by_r1, by_r1._replace(run="r2")]) is None
    assert saved.only_run([by_r1, by_r1._replace(run=None)]) is None
    assert saved.only_run([by_r1._replace(run=None)]) is None


# -- the plan for that moment ------------------------------------------------------------------------------------------


def test_observations_that_stand() -> None:
    """What is seen now; else what others recorded since; else the plan's own, after the record that is there."""
    space = shop()
    recorded = space.observations["crm"]
    then = basis(space, "orders")

    def stands(*now: Observation) -> Observation:
        return saved.observed(then, space.snapshot, {each.asset: each for each in now})["crm"]

    fresh = Observation(7, "crm", NOON + HOUR, "v1", None)
    assert stands(fresh) is fresh
    assert stands() is recorded
    pending = recorded._replace(data_version="v2")
    then = then._replace(observations={"crm": pending})
    assert stands() == pending
    later = space.observations["crm"] = recorded._replace(seq=9, data_version="v3")
    assert stands() is later
    space.observations.clear()
    assert stands() == pending._replace(seq=0)
    then = then._replace(observations={})
    assert saved.observed(then, space.snapshot, {}) == {}


def test_a_plan_for_another_moment_has_the_same_steps() -> None:
    """Same causes, same promises with the bounds of the plan; what was known of durations then is known now."""
    space = Space(asset("a", freshness=promise(1)), asset("b", ["a"]))
    make(space, "a", "a1", "r1")
    make(space, "b", "b1", "r1")
    space.now += 2 * HOUR
    plan = proposed(space)
    then = plan._replace(steps=tuple(step._replace(estimated=None, record=None) for step in plan.steps))
    ready = saved.ready(then, space.graph, space.snapshot, space.world, space.now + HOUR)
    assert ready.steps == plan.steps
    assert (ready.now, ready.basis, ready.estimated) == (space.now + HOUR, None, plan.estimated)
    assert ready.steps[0].promise == plan.steps[0].promise
    assert ready.steps[0].promise


def test_what_is_not_on_record_yet_is_to_be_recorded() -> None:
    """An observation that the plan carries, and not those that are on record."""
    space = shop()
    plan = proposed(space)
    assert saved.ready(plan, space.graph, space.snapshot, space.world, NOON).observations == ()
    pending = space.observations["crm"]._replace(data_version="v2")
    world = space.world._replace(observations={"crm": pending})
    assert saved.ready(plan, space.graph, space.snapshot, world, NOON).observations == (pending,)
