"""What gc removes, and what it never does: random histories through the recorder, in memory of a plan's readers."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.space import settled

from assets_cli.model import texts
from assets_cli.model.history import CheckResult, Input, Latest, Materialization, Observation, RunRecord, StateSnapshot
from assets_cli.state import deeds, migrations, moving, retention, transfer
from assets_cli.state.record import Recorder, open_recorder
from assets_cli.state.renamed import renamed
from assets_cli.state.store import open_reader

UPSTREAMS = {"raw": ["crm"], "mid": ["raw"], "low": ["mid", "crm", "raw"]}
DEEDS = st.lists(
    st.tuples(
        st.sampled_from(["make", "make", "block", "unblock", "fail", "open", "observe", "check", "end", "end", "end"]),
        st.sampled_from(["raw", "mid", "low"]),
        st.sampled_from("123"),
        st.sampled_from(["default", "default", "prod"]),
    ),
    min_size=5,
    max_size=50,
)
QUICK = settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])


class Story:
    """A history that grows by what happens; every deed is later than the one before."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.now = 1_000
        self.runs: dict[str, str] = {}
        self.count = 0

    def tell(self, deed: str, asset: str, version: str, environment: str) -> None:
        """One thing happens."""
        self.now += 10
        recorder = self.recorder
        snapshot = recorder.snapshot(environment)
        latest = snapshot.of(asset).materialization
        if deed == "observe":
            recorder.add_observation(environment, Observation(0, "crm", self.now, version, self.now - 5))
        elif deed == "end":
            if environment in self.runs:
                recorder.end_run(self.runs.pop(environment), "succeeded", self.now)
        elif deed == "unblock":
            if latest is not None and latest.blocked:
                recorder.unblock(environment, latest, None, self.run(environment), self.now)
        elif deed == "check":
            result = CheckResult("c" + version, True, "error", False, None, "", (), self.now, self.run(environment))
            recorder.add_check_results(environment, asset, [result], latest.seq if latest else None)
        else:
            attempt = recorder.open_attempt(self.run(environment), asset, 1, self.now, None)
            if deed == "fail":
                recorder.end_attempt(attempt, "failed", self.now + 1, 1, "no")
            elif deed == "open":
                recorder.prepare(attempt, self.made(snapshot, asset, version, attempt))
            else:
                made = self.made(snapshot, asset, version, attempt)._replace(blocked=deed == "block")
                recorder.add_materialization(made, None, self.now)

    def run(self, environment: str) -> str:
        """The run that goes on in an environment."""
        if environment not in self.runs:
            self.count += 1
            self.runs[environment] = f"r{self.count}"
            record = RunRecord(f"r{self.count}", environment, "running", self.now, None, 1, (), "box", 1, {})
            self.recorder.begin_run(record, [])
        return self.runs[environment]

    def made(self, snapshot: StateSnapshot, asset: str, version: str, attempt: int) -> Materialization:
        """A materialization that reads what is there."""
        inputs = {}
        for upstream in UPSTREAMS[asset]:
            seen = snapshot.observations.get(upstream) if upstream == "crm" else snapshot.of(upstream).usable
            inputs[upstream] = Input(seen.data_version, seen.seq) if seen else Input(None, None)
        run = self.runs[snapshot.environment]
        return Materialization(
            0, asset, run, attempt, self.now, self.now + 1, "c", {}, f"{asset}{version}", None, None, inputs
        )


def told(folder: str, story: list[tuple[str, str, str, str]]) -> tuple[Path, Story]:
    """A state file in which this happened."""
    path = Path(folder, "state.db")
    with open_recorder(path) as recorder:
        whole = Story(recorder)
        for deed in story:
            whole.tell(*deed)
    return path, whole


def readings(path: Path) -> list[object]:
    """All that a plan, a recovery and a look at an asset's checks may read."""
    reader = open_reader(path)
    snapshots = [reader.snapshot("default"), reader.snapshot("prod")]
    read: list[object] = [(each, dict(each.latest)) for each in snapshots]  # all of it now, not when it is compared
    for environment in ("default", "prod"):
        read += [reader.check_results(environment, asset, ["c1", "c2", "c3"]) for asset in UPSTREAMS]
    with open_recorder(path) as recorder:
        read.append(recorder.dead_runs())
    return read


@QUICK
@given(DEEDS, st.integers(0, 50), st.sampled_from([1, 1, 2]), st.sampled_from([None, "default", "prod"]), st.booleans())
def test_what_a_plan_reads_is_the_same_before_and_after(
    story: list[tuple[str, str, str, str]], back: int, runs: int, environment: str | None, ended: bool
) -> None:
    """Whatever happened, whatever is kept; and a second time removes nothing."""
    with tempfile.TemporaryDirectory() as folder:
        if ended:
            story = [*story, ("end", "raw", "1", "default"), ("end", "raw", "1", "prod")]
        path, whole = told(folder, story)
        before = readings(path)
        wanted = retention.Retention(whole.now - back, runs, environment)
        with deeds.changing(path) as connection:
            retention.collect(connection, wanted)
        assert readings(path) == before
        with deeds.changing(path) as connection:
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
            assert retention.collect(connection, wanted) == {}


@QUICK
@given(DEEDS)
def test_what_is_settled_is_what_is_latest(story: list[tuple[str, str, str, str]]) -> None:
    """The facts that are read at first say what those say that are read later, and nothing of what failed or waits."""
    with tempfile.TemporaryDirectory() as folder:
        path, _ = told(folder, story)
        snapshot = open_reader(path).snapshot("default")
        latest = {name: each for name, each in snapshot.latest.items() if name != "crm"}
        assert snapshot.settled == {name: settled(each) for name, each in latest.items() if is_settled(each)}
        now = {name: (each.data_version, each.seq) for name, each in snapshot.observations.items()}
        now |= {name: (each.usable.data_version, each.usable.seq) for name, each in latest.items() if each.usable}
        assert snapshot.readable == {name: texts.of_input(name, *each) for name, each in now.items()}
        made = [value for each in latest.values() for value in (each.materialization, each.usable) if value]
        read = {(name, version) for value in made for name, (version, _) in value.inputs.items() if version}
        assert set(snapshot.frozen) == {(name, version) for name, version in read if now[name][0] != version}


def is_settled(latest: Latest) -> bool:
    """Whether nothing is the matter with an asset."""
    made, tried = latest.materialization, latest.attempt
    return made is not None and latest.usable == made and (tried is None or tried.state == "succeeded")


@QUICK
@given(DEEDS)
def test_a_moved_history_is_read_as_the_old_one_under_the_new_name(story: list[tuple[str, str, str, str]]) -> None:
    """The written move and the one that readers make of it agree; another environment is not touched; back is back."""
    with tempfile.TemporaryDirectory() as folder:
        path, _ = told(folder, story)
        reader = open_reader(path)
        before, other = reader.snapshot("default"), reader.snapshot("prod")
        for moves in ({"raw": "new"}, {"mid": "low", "low": "mid"}, {"crm": "a/b", "low": "x"}):
            with deeds.changing(path) as connection:
                moving.move(connection, "default", moves)
            now, then = reader.snapshot("default"), renamed(before, moves)
            assert now._replace(made={}) == then
            assert [now.made_of(name) for name in now.latest] == [then.made_of(name) for name in now.latest]
            with deeds.changing(path) as connection:
                moving.move(connection, "default", {new: old for old, new in moves.items()})
            assert (reader.snapshot("default"), reader.snapshot("prod")) == (before, other)


@QUICK
@given(DEEDS)
def test_an_export_of_an_import_is_the_export(story: list[tuple[str, str, str, str]]) -> None:
    """Byte by byte, whatever happened."""
    with tempfile.TemporaryDirectory() as folder:
        path, _ = told(folder, story)
        lines: list[bytes] = []
        again: list[bytes] = []
        with deeds.changing(path) as connection:
            transfer.export(connection, lines.append)
        with transfer.scratch(str(Path(folder, "scratch.db"))) as connection:
            found = transfer.load(lines, connection)
            assert transfer.export(connection, again.append) == found
        assert again == lines


def test_what_is_old_goes(tmp_path: Path) -> None:
    """The figures of one story: three makes of what was observed thrice, of which the last of each is needed."""
    story = [(deed, "raw", version, "default") for version in "123" for deed in ("observe", "make", "end")]
    path, whole = told(str(tmp_path), story)
    wanted = retention.Retention(whole.now, 1, None)
    with deeds.changing(path) as connection:
        removed = retention.collect(connection, wanted)
    assert removed == {"materializations": 2, "attempts": 2, "runs": 2, "observations": 2, "data times": 4}


def test_nothing_that_is_young_goes(tmp_path: Path) -> None:
    """However little of it is needed."""
    story = [(deed, "raw", version, "default") for version in "123" for deed in ("observe", "make", "end")]
    path, _ = told(str(tmp_path), story)
    with deeds.changing(path) as connection:
        removed = retention.collect(connection, retention.Retention(0, 1, None))
    assert set(removed) <= {"data times"}


@pytest.mark.parametrize("version", [1, 2])
def test_an_older_file_is_migrated_first(tmp_path: Path, version: int) -> None:
    """A repair works on a file of every earlier version."""
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrations.build(connection, version)
        connection.execute("INSERT INTO latest (environment, asset, observation) VALUES ('default', 'crm', 1)")
        connection.execute("INSERT INTO observations VALUES (1, 'default', 'crm', '', 5, 'v1', NULL, '{}')")
    with deeds.changing(path) as connection:
        moving.move(connection, "default", {"crm": "accounts"})
    assert open_reader(path).snapshot("default").observations["accounts"].data_version == "v1"
