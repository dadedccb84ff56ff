"""The verdicts of some assets, held against those of all of them."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.space import HOUR, NOON, Space, asset, promise

from assets_cli.graph import AssetGraph
from assets_cli.model.answers import AssetStatus
from assets_cli.model.history import StateSnapshot
from assets_cli.model.world import World
from assets_cli.planning.survey import Scope, Survey, impact, lineage, scope, shown, survey, why

ACTIONS = ("run", "make", "new", "fail", "blocked", "edit", "observe", "wait", "drift")


@st.composite
def lives(draw: st.DrawFn) -> Space:
    """A project after a while: things were made, failed, changed, observed, and promises may be broken."""
    names = [f"a{number}" for number in range(draw(st.integers(1, 9)))]
    assets = []
    for number, name in enumerate(names):
        above = draw(st.lists(st.sampled_from(names[:number]), unique=True, max_size=3)) if number else []
        fields: dict[str, object] = {}
        if not above and draw(st.booleans()):
            fields = {"command": None, "output": None}
        elif draw(st.booleans()):
            fields = {"freshness": promise(draw(st.integers(0, 3)), None)}
        assets.append(asset(name, above, **fields))
    space = Space(*assets)
    for action, name in draw(st.lists(st.tuples(st.sampled_from(ACTIONS), st.sampled_from(names)), max_size=12)):
        act(space, action, name)
    return space


def act(space: Space, action: str, name: str) -> None:
    """Something happens."""
    is_external = space.graph.assets[name].is_external
    if action == "run":
        space.run()
    elif action == "wait":
        space.now += HOUR
    elif is_external:
        if action in ("observe", "new"):
            space.observe(name, f"{name}@{space.seq}", NOON if action == "new" else None)
    elif action in ("make", "new", "blocked"):
        space.make(name, f"{name}@{space.seq}" if action == "new" else None, blocked=action == "blocked")
    elif action == "fail":
        space.fail(name)
    elif action == "edit":
        space.code[name] = f"edited {space.seq}"
    elif action == "drift" and name in space.outputs:
        space.outputs[name] = "somebody else's"


def whole(space: Space) -> Survey:
    """Every asset with its verdicts."""
    return survey(Scope(space.graph, frozenset(space.graph.assets)), space.snapshot, space.world, space.now)


def part(space: Space, names: set[str]) -> Survey:
    """The same of some assets, from no more than their scope says is needed."""
    seen = scope(space.graph, names)
    there = seen.graph.assets
    snapshot = StateSnapshot(
        "default",
        {name: latest for name, latest in space.latest.items() if name in there},
        {name: one for name, one in space.observations.items() if name in there},
        {pair: time for pair, time in space.frozen.items() if pair[0] in there},
    )
    world = World(
        {name: probe for name, probe in space.world.code.items() if name in seen.names},
        {name: probe for name, probe in space.world.outputs.items() if name in seen.names},
        snapshot.observations,
    )
    return survey(seen, snapshot, world, space.now)


def of(seen: Survey, names: set[str]) -> list[AssetStatus]:
    """The verdicts of these, in order."""
    return list(seen.statuses(names).values())


def promised() -> Space:
    """A root that is asked to run by a promise on another branch, which depends on an external asset besides."""
    space = Space(
        asset("raw"),
        asset("crm", command=None, output=None),
        asset("mart", ["raw"]),
        asset("joined", ["raw", "crm"]),
        asset("report", ["joined"], freshness=promise(1)),
    )
    space.observe("crm", "1")
    space.run()
    space.now += 2 * HOUR
    return space


@settings(max_examples=300)
@given(space=lives(), chosen=st.sets(st.integers(0, 8), min_size=1))
@example(space=promised(), chosen={2})
def test_a_part_says_what_the_whole_says(space: Space, chosen: set[int]) -> None:
    """Of any assets: state, causes, ages, promises, what is above and below."""
    names = {name for number, name in enumerate(space.graph.order) if number in chosen} or {space.graph.order[0]}
    everything = whole(space)
    assert of(part(space, names), names) == of(everything, names)
    for name in names:
        above, below = space.graph.ancestors([name]), space.graph.descendants([name])
        around = {name, *above, *below}
        assert why(part(space, {name}), name) == why(everything, name)
        assert lineage(part(space, around), name, above, below) == lineage(everything, name, above, below)
        assert impact(part(space, {name, *below}), name) == impact(everything, name)
        beside = {name, *space.graph.upstreams(name), *space.graph.downstreams(name)}
        assert shown(part(space, beside), name, (), ()) == shown(everything, name, (), ())


def test_a_promise_elsewhere_reaches_the_root() -> None:
    """Neither below the asset nor above it, and yet why it will run."""
    seen = part(promised(), {"mart"})
    assert [cause.kind for cause in seen.status("raw").causes] == ["overdue"]
    assert [cause.kind for cause in seen.status("mart").causes] == ["upstream_stale"]


def test_what_has_nothing_to_do_with_it_is_not_looked_at() -> None:
    """Only what is above is probed; only promises of data of the same roots are followed."""
    graph: AssetGraph = Space(
        asset("raw"), asset("mart", ["raw"]), asset("other"), asset("far", ["other"], freshness=promise(1))
    ).graph
    seen = scope(graph, ["mart"])
    assert (seen.names, set(seen.graph.order)) == ({"raw", "mart"}, {"raw", "mart"})
