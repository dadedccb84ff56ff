"""The latest facts of a run while another process writes to the same history."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.space import HOUR, NOON, graph_of

from assets_cli.model.history import Input, Materialization, RunRecord
from assets_cli.running.ledger import Ledger
from assets_cli.state.record import Recorder, open_recorder


class Process:
    """One run with its own connection to the state file."""

    def __init__(self, state: Path, run: str) -> None:
        self.recorder: Recorder = open_recorder(state)
        self.run = run
        record = RunRecord(run, "default", "running", NOON, None, 1, (), "host", 1, {})
        self.recorder.begin_run(record, [])
        snapshot = self.recorder.snapshot("default")
        graph = graph_of(root=[], middle=["root"], leaf=["middle"])
        self.ledger = Ledger(self.recorder, graph, snapshot, {}, lambda: NOON + 9 * HOUR)

    def make(self, asset: str, version: str, started: int, **inputs: str) -> None:
        """Materialize an asset, as a step does under its lock."""
        attempt = self.recorder.open_attempt(self.run, asset, 1, started, None)
        read = {name: Input(read, 1) for name, read in inputs.items()}
        self.ledger.record(
            Materialization(0, asset, self.run, attempt, started, started, "c:1", {}, version, None, None, read)
        )

    def fail(self, asset: str) -> None:
        """An attempt at an asset fails."""
        attempt = self.recorder.open_attempt(self.run, asset, 1, NOON, None)
        self.recorder.end_attempt(attempt, "failed", NOON, 1, "exit code 1")


@pytest.fixture
def processes(tmp_path):
    """Two runs on one history, in which each asset was made at noon."""
    state = tmp_path / ".assets" / "state.db"
    first = Process(state, "r1")
    first.make("root", "v1", NOON)
    first.make("middle", "v1", NOON, root="v1")
    first.make("leaf", "v1", NOON, middle="v1")
    ours, theirs = Process(state, "r2"), Process(state, "r3")
    yield ours, theirs
    for each in (first, ours, theirs):
        each.recorder.close()


def test_a_failure_elsewhere_is_seen_by_each_step_that_asks_for_it(processes):
    """Also when the step of another asset was the first to look after it."""
    ours, theirs = processes
    theirs.fail("leaf")

    ours.ledger.refresh("root")
    ours.ledger.refresh("leaf")

    attempt = ours.ledger.snapshot.of("leaf").attempt
    assert (attempt.state, attempt.run) == ("failed", "r3")


def test_what_another_run_made_is_seen_under_the_lock(processes):
    """By the step of that asset and by those that read it."""
    ours, theirs = processes
    theirs.make("root", "v2", NOON + HOUR)

    ours.ledger.refresh("middle")

    assert ours.ledger.input_of("root").data_version == "v2"


def test_a_superseded_version_keeps_the_data_time_of_that_moment(processes):
    """A root far above that another process refreshed during the step counts, even if nothing came out changed."""
    ours, theirs = processes
    ours.ledger.refresh("leaf")
    theirs.make("root", "v1", NOON + HOUR)

    ours.make("leaf", "v2", NOON + HOUR, middle="v1")

    frozen = ours.recorder._connection.execute("SELECT asset, data_version, data_time FROM frozen_data_times")
    assert frozen.fetchall() == [("leaf", "v1", NOON + HOUR)]
