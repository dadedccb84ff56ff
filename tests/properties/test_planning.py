"""Planning over random worlds: what is seen at a glance is what a close look finds.

A plan is made twice: from all that a snapshot and a look may say at once, and from values alone. Whatever was made,
failed, blocked, observed, edited, rewired, renamed, removed, touched or left to age, the two are the same plan.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from support.space import HOUR, Space, asset, promise
from support.space import settled as settled_of

from assets_cli.model import texts
from assets_cli.model.history import Fingerprint, Latest, Observation, StateSnapshot
from assets_cli.model.manifest import Asset
from assets_cli.model.plan import Plan
from assets_cli.model.problem import AssetsError
from assets_cli.model.world import CodeProbe, OutputProbe, World
from assets_cli.planning import freshness
from assets_cli.planning.plan import Selection, plan
from assets_cli.planning.staleness import stale_causes, suspects
from assets_cli.planning.versions import doubtful
from assets_cli.state.renamed import renamed

SIZE = 6
NAMES = [f"a{index}" for index in range(SIZE)]
KINDS = [
    *("run", "run", "make", "make", "same", "block", "fail", "open", "observe", "deliver", "lose", "edit", "touch"),
    *("delete", "age", "rewire", "remove", "hire"),
]
DEEDS = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.integers(0, SIZE - 1),
        st.sampled_from("123"),
    ),
    max_size=25,
)


@st.composite
def graphs(draw: st.DrawFn) -> list[Asset]:
    """A few assets, some external, some without an output, some with a promise."""
    found = []
    for index, name in enumerate(NAMES):
        above = draw(st.lists(st.integers(0, index - 1), unique=True, max_size=3)) if index else []
        fields: dict[str, Any] = {"freshness": draw(st.sampled_from([None, None, promise(1), promise(3)]))}
        if not above and draw(st.booleans()):
            fields |= {"command": None, "output": None}
        elif draw(st.integers(0, 4)) == 0:
            fields["output"] = None
        found.append(asset(name, [NAMES[each] for each in above], **fields))
    return found


class Told:
    """A space in which a story has happened; `seen` are observations that are not on record yet, None for lost ones."""

    def __init__(self, assets: list[Asset]) -> None:
        self.space = Space(*assets)
        self.seen: dict[str, Observation | None] = {}

    def tell(self, deed: str, index: int, what: str) -> None:
        """One thing happens."""
        space = self.space
        assets = dict(space.graph.assets)
        name = NAMES[index]
        if deed == "age":
            space.now += int(what) * HOUR
        elif deed == "run":
            space.run()
        elif name not in assets:
            return
        elif deed in ("rewire", "remove", "hire"):
            self._declare(deed, name, assets, int(what))
        elif assets[name].is_external:
            self._observe(deed, name, what)
        else:
            self._work(deed, name, what)

    def _declare(self, deed: str, name: str, assets: dict[str, Asset], number: int) -> None:
        position = NAMES.index(name)
        if deed == "remove":
            del assets[name]
            for other, each in assets.items():
                assets[other] = each._replace(upstreams=tuple(up for up in each.upstreams if up != name))
        elif deed == "rewire":
            above = [up for up in NAMES[max(0, position - number) : position] if up in assets]
            assets[name] = assets[name]._replace(upstreams=tuple(reversed(above)))
        elif not assets[name].upstreams:  # others make it from now on, or we do
            hired = asset(name) if assets[name].is_external else asset(name, command=None, output=None)
            assets[name] = hired._replace(freshness=assets[name].freshness)
        self.space.declare(*assets.values())

    def _observe(self, deed: str, name: str, what: str) -> None:
        if deed == "observe":
            self.space.observe(name, what)
            self.seen.pop(name, None)
        elif deed == "deliver":
            self.seen[name] = Observation(0, name, self.space.now, what, None)
        elif deed == "lose":
            self.seen[name] = None

    def _work(self, deed: str, name: str, what: str) -> None:
        space = self.space
        latest = space.latest.get(name, Latest())
        if deed == "make":
            space.make(name, f"{name}:{what}")
        elif deed == "same" and latest.usable is not None:
            space.make(name, latest.usable.data_version)
        elif deed == "block":
            space.make(name, f"{name}:{what}", blocked=True)
        elif deed in ("fail", "open"):
            space.fail(name, "failed" if deed == "fail" else "open")
        elif deed == "edit":
            space.code[name] = what
        elif deed in ("touch", "delete") and name in space.outputs:
            space.outputs[name] = f"touched {what}" if deed == "touch" else None

    def slow(self) -> tuple[StateSnapshot, World]:
        """What is on record and what is there, as values alone."""
        space = self.space
        observations = {**space.observations, **{name: each for name, each in self.seen.items() if each}}
        for name, each in self.seen.items():
            if each is None:
                observations.pop(name, None)
        return space.snapshot, space.world._replace(observations=observations)

    def fast(self) -> tuple[StateSnapshot, World]:
        """The same as a state file and a look have it."""
        snapshot, world = self.slow()
        settled = {name: settled_of(each) for name, each in snapshot.latest.items() if _is_settled(each)}
        readable = {each.asset: texts.of_input(each.asset, each.data_version, each.seq) for each in _readable(snapshot)}
        code = {name: each for name, each in world.code.items() if not self._is_as_recorded(name, each)}
        outputs = {name: each for name, each in world.outputs.items() if not self._is_as_left(name, each)}
        return snapshot._replace(settled=settled, readable=readable), world._replace(code=code, outputs=outputs)

    def _is_as_recorded(self, name: str, probe: CodeProbe) -> bool:
        made = self.space.latest.get(name, Latest()).materialization
        return self.space.graph.assets[name].is_external or (made is not None and made.components == probe.components)

    def _is_as_left(self, name: str, probe: OutputProbe) -> bool:
        made = self.space.latest.get(name, Latest()).materialization
        return made is None or (_is_settled(self.space.latest[name]) and probe.fingerprint == made.fingerprint)


def _is_settled(latest: Latest) -> bool:
    made, tried = latest.materialization, latest.attempt
    return made is not None and latest.usable is made and (tried is None or tried.state == "succeeded")


def _readable(snapshot: StateSnapshot) -> list[Any]:
    return [*snapshot.observations.values(), *(each.usable for each in snapshot.latest.values() if each.usable)]


def outcome(make: Callable[[], Plan]) -> object:
    """A plan, or why there is none."""
    try:
        return make()
    except AssetsError as error:
        return error.problems


@given(graphs(), DEEDS, st.sets(st.sampled_from(NAMES)), st.sets(st.sampled_from(NAMES)), st.booleans())
@settings(deadline=None, max_examples=int(os.environ.get("PLANNING_EXAMPLES", "400")))
def test_a_glance_plans_what_a_close_look_plans(
    assets: list[Asset], story: list[tuple[str, int, str]], chosen: set[str], forced: set[str], is_moved: bool
) -> None:
    """Steps, causes, skips, overdue assets, warnings and refusals are the same; so are data times and verdicts."""
    told = Told(assets)
    for deed in story:
        told.tell(*deed)
    (before, slow), (snapshot, fast), graph = told.slow(), told.fast(), told.space.graph
    if is_moved:
        before, snapshot = (renamed(each, {"a1": "old", "a4": "a9"}) for each in (before, snapshot))
    now = told.space.now
    for names in (frozenset(graph.assets), frozenset(graph.assets.keys() & chosen)):
        selection = Selection(names, names & forced)
        expected = outcome(lambda picked=selection: plan(graph, picked, before, slow, now))  # type: ignore[misc]
        assert outcome(lambda picked=selection: plan(graph, picked, snapshot, fast, now)) == expected  # type: ignore[misc]
    closely, quickly = (freshness.view(graph, *each, now) for each in ((before, slow), (snapshot, fast)))
    assert quickly.times == closely.times
    assert freshness.verdicts(quickly, graph.assets) == freshness.verdicts(closely, graph.assets)
    assert freshness.promises(quickly) == freshness.promises(closely)


@given(graphs(), DEEDS)
@settings(deadline=None, max_examples=int(os.environ.get("PLANNING_EXAMPLES", "400")))
def test_of_what_is_not_suspected_there_is_nothing_to_say(
    assets: list[Asset], story: list[tuple[str, int, str]]
) -> None:
    """The function that decides agrees; and of what nothing is the matter with nothing is suspected."""
    told = Told(assets)
    for deed in story:
        told.tell(*deed)
    (before, slow), (snapshot, fast), graph = told.slow(), told.fast(), told.space.graph
    suspected = suspects(doubtful(graph, snapshot, fast.observations), fast)
    causes: Mapping[str, list[Any]] = {
        name: stale_causes(name, graph, before, slow, {}, told.space.now)
        for name, each in graph.assets.items()
        if not each.is_external
    }
    assert all(name in suspected for name, found in causes.items() if found)
    quiet = {name for name, found in causes.items() if not found and not _has_lost(name, told)}
    assert suspected.isdisjoint(quiet)


def _has_lost(name: str, told: Told) -> bool:
    """Whether an asset is not settled, or has read what may be another today."""
    snapshot, world = told.slow()
    latest = snapshot.of(name)
    if not _is_settled(latest) or latest.materialization is None:
        return True
    graph = told.space.graph
    for upstream, read in latest.materialization.inputs.items():
        external = graph.assets[upstream].is_external
        seen = world.observations.get(upstream) if external else snapshot.of(upstream).usable
        if (seen.data_version if seen else None) != read.data_version:
            return True
    return False


def test_the_stories_reach_what_they_are_about() -> None:
    """A story told here has steps of its own causes, and assets of which nothing is said."""
    told = Told([asset("a0"), asset("a1", ["a0"]), asset("a2", ["a0"]), asset("a3", ["a2"])])
    for deed in [("run", 0, "1"), ("make", 0, "1"), ("same", 1, "1"), ("touch", 3, "1")]:
        told.tell(*deed)
    snapshot, world = told.fast()
    assert suspects(doubtful(told.space.graph, snapshot, world.observations), world) == {"a2", "a3"}
    assert world.outputs == {"a3": OutputProbe("present", Fingerprint("test:touched 1"))}
