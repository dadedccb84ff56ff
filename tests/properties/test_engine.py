"""The engine over random graphs and random stories: what must hold whatever was edited, failed, touched or killed."""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.workshop import Workshop

REAL = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@st.composite
def graphs(draw: st.DrawFn) -> tuple[dict[str, list[str]], dict[str, int]]:
    """Up to seven assets; some write only one hex digit, so that they often come out unchanged."""
    count = draw(st.integers(1, 7))
    upstreams: dict[str, list[str]] = {}
    for index in range(count):
        above = draw(st.lists(st.integers(0, index - 1), unique=True, max_size=3)) if index else []
        upstreams[f"a{index}"] = [f"a{i}" for i in sorted(above)]
    width = {name: draw(st.sampled_from([1, 64])) for name in upstreams}
    return upstreams, width


STORIES = st.lists(
    st.tuples(
        st.sampled_from(["edit", "same", "break", "mend", "tamper", "delete", "run", "run", "run one", "rewire"]),
        st.integers(0, 6),
        st.sampled_from("1234"),
    ),
    max_size=12,
)


class Reference:
    """Which commands a run may execute, from versions alone: the model against which the engine is held.

    Keeps for each asset what its last success was made from. An execution was needed if that differs, if the output is
    not as left, or if the newest attempt failed.
    """

    def __init__(self, shop: Workshop) -> None:
        self.shop = shop
        self.made: dict[str, tuple[object, str | None]] = {}
        self.failed: set[str] = set()

    def basis(self, name: str) -> object:
        """What the asset would be made from now: its code and what its upstreams' last successes held."""
        shop = self.shop
        code = (shop.root / "code" / f"{name}.txt").read_text(), tuple(shop.upstreams[name]), shop.width.get(name)
        return code, tuple(self.made[up][1] if up in self.made else None for up in shop.upstreams[name])

    def expect(self, selection: set[str]) -> list[str]:
        """Replay a run in topological order: what must be executed, exactly. `contents` are read before the run."""
        before = self.shop.contents()
        truth = dict(before)
        executed = []
        blocked: set[str] = set()
        for name, above in self.shop.upstreams.items():
            if name not in selection:
                continue
            if any(up in blocked for up in above):
                blocked.add(name)
                continue
            stale = name not in self.made or name in self.failed
            stale = stale or self.made[name][0] != self.basis(name) or self.made[name][1] != truth[name]
            if not stale:
                continue
            executed.append(name)
            if (self.shop.root / "fail" / name).exists():
                self.failed.add(name)
                blocked.add(name)
                continue
            self.failed.discard(name)
            text = (self.shop.root / "code" / f"{name}.txt").read_text() + "".join(truth[up] or "" for up in above)
            truth[name] = _digest(text, self.shop.width.get(name, 64))
            self.made[name] = (self.basis(name), truth[name])
        return executed


def _digest(text: str, width: int) -> str:
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()[:width] + "\n"


@given(graphs(), STORIES)
@settings(REAL, max_examples=int(os.environ.get("ENGINE_EXAMPLES", "25")))
def test_whatever_happened_exactly_what_is_needed_runs(graph, story):
    """Each run executes exactly the commands that versions ask for; in the end all equals a build from scratch."""
    upstreams, width = graph
    with tempfile.TemporaryDirectory() as folder:
        shop = Workshop(Path(folder) / "p", upstreams, width=width)
        reference = Reference(shop)
        names = list(upstreams)
        for what, index, constant in story:
            name = names[index % len(names)]
            if what == "edit":
                shop.edit(name, constant)
            elif what == "same":
                path = shop.root / "code" / f"{name}.txt"
                path.write_text(path.read_text())
            elif what in ("break", "mend"):
                shop.set_failing(name, failing=what == "break")
            elif what == "tamper":
                shop.tamper(name)
            elif what == "delete":
                shop.delete(name)
            elif what == "rewire":
                position = names.index(name)
                shop.upstreams[name] = [names[int(constant) % position]] if position else []
                shop.write_manifest()
            else:
                selection = {name, *_above(shop, name)} if what == "run one" else set(names)
                expected = reference.expect(selection)
                finished = shop.run(name, upstream=True) if what == "run one" else shop.run()
                assert sorted(shop.executed()) == sorted(expected)
                assert set(finished.failed) == {each for each in expected if each in reference.failed}
        for name in names:
            shop.set_failing(name, failing=False)
        expected = reference.expect(set(names))
        assert shop.run().failed == ()
        assert sorted(shop.executed()) == sorted(expected)
        assert shop.contents() == shop.from_scratch()
        assert shop.steps() == []
        assert shop.run().run is None
        assert shop.executed() == []


def _above(shop: Workshop, name: str) -> set[str]:
    return {name}.union(*(_above(shop, up) for up in shop.upstreams[name]))


@given(graphs(), st.integers(0, 2**32))
@settings(REAL, max_examples=int(os.environ.get("KILL_EXAMPLES", "6")))
def test_killed_at_any_instant_nothing_is_lost_or_done_twice(graph, seed):
    """SIGKILL of the coordinator, several times: history is whole, the result equals a build from scratch."""
    upstreams, width = graph
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        shop = Workshop(Path(folder) / "p", upstreams, seconds="0.02", width=width)
        for _ in range(3):
            process = shop.start()
            time.sleep(chance.uniform(0.1, 0.5))
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=60)
        shop.executed()
        assert shop.run().failed == ()
        assert shop.contents() == shop.from_scratch()
        project = shop.open()
        done = [
            step.asset for run in project.runs(100) for step in project.run(run.id)[1] if step.result == "succeeded"
        ]
        assert sorted(done) == sorted(set(done)), "a step that is on record as done was done again"
        states = {attempt.state for run in project.runs(100) for attempt in project.run(run.id)[2]}
        assert states <= {"succeeded", "crashed"}
        assert shop.steps() == []


@given(graphs())
@settings(REAL, max_examples=10)
def test_no_edge_is_violated(graph):
    """An asset's command starts only after those of all its upstreams, whatever the number of jobs."""
    upstreams, width = graph
    with tempfile.TemporaryDirectory() as folder:
        shop = Workshop(Path(folder) / "p", upstreams, width=width)
        shop.run(jobs=4)
        order = shop.executed()
        assert sorted(order) == sorted(upstreams)
        assert all(order.index(up) < order.index(name) for name, above in upstreams.items() for up in above)
