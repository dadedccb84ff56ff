"""What is recorded is what is read, and nothing of it is lost."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import textwrap
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from assets_cli.model.history import (
    Attempt,
    Component,
    Fingerprint,
    Input,
    Latest,
    Made,
    Materialization,
    Observation,
    RunRecord,
    StateSnapshot,
    StepRecord,
)
from assets_cli.model.problem import AssetsError
from assets_cli.state.locks import Held
from assets_cli.state.record import DeadRun, OpenAttempt, Recorder, open_recorder
from assets_cli.state.store import open_reader

ROOT = Path(__file__).parents[2]
R1, R2, R3 = "20261122T110040.123456-7f3a", "20261122T120000.000000-0b1c", "20261123T090000.000000-7f3b"


def run_record(run: str = R1, environment: str = "default") -> RunRecord:
    """A run as it begins."""
    return RunRecord(run, environment, "running", 100, None, 4, ("orders", "tag:x"), "host", 7, {})


def step(asset: str) -> StepRecord:
    """A step that has not ended."""
    return StepRecord(
        asset,
        "materialize",
        ({"kind": "missing", "detail": "never"},),
        forced=False,
        result=None,
        unchanged=False,
        detail=None,
    )


def made(asset: str, attempt: int, version: str = "sha256:1", **changes: object) -> Materialization:
    """A materialization as it is recorded."""
    value = Materialization(0, asset, R1, attempt, 110, 120, "sha256:code", {}, version, None, None, {})
    return value._replace(**changes)  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The state file, not yet made."""
    return tmp_path / ".assets" / "state.db"


@pytest.fixture
def recorder(path: Path) -> Recorder:
    """A recorder with a live run R1 whose plan holds events, orders and report."""
    recorder = open_recorder(path)
    recorder.held = begin(recorder, "events", "orders", "report")  # type: ignore[attr-defined]
    return recorder


def begin(recorder: Recorder, *assets: str, run: str = R1, environment: str = "default") -> Held:
    """Begin a run that is alive until what is returned is released."""
    held = recorder.locks.hold_run(run)
    recorder.begin_run(run_record(run, environment), [step(asset) for asset in assets])
    return held


def make(recorder: Recorder, asset: str, version: str = "sha256:1", run: str = R1, **changes: object) -> int:
    """One attempt that succeeds."""
    frozen = changes.pop("frozen", None)
    attempt = recorder.open_attempt(run, asset, 1, 110, None)
    return recorder.add_materialization(made(asset, attempt, version, run=run, **changes), frozen, 10)  # type: ignore[arg-type]


def both(recorder: Recorder, environment: str = "default") -> StateSnapshot:
    """The snapshot, which is the same for the recorder and for a reader."""
    snapshot = recorder.snapshot(environment)
    assert open_reader(recorder.path).snapshot(environment) == snapshot
    return snapshot


def test_round_trip(recorder: Recorder) -> None:
    """Every field of a materialization and its attempt comes back as it was recorded."""
    attempt = recorder.open_attempt(R1, "orders", 2, 110, ".assets/logs/orders.log")
    value = Materialization(
        0,
        "orders",
        R1,
        attempt,
        111,
        222,
        "sha256:code",
        {"command": Component("sha256:a", "sha256:b", "sqlglot/30"), "env": Component("sha256:c")},
        "sha256:data é",
        Fingerprint("sha256:f", "12,34", 10**18, 10**18 + 1),
        99,
        {"events": Input("sha256:e", 5), "crm": Input(None, None)},
        unchanged=True,
        metadata={"rows": 3, "nested": {"a": [1, None]}},
    )
    seq = recorder.add_materialization(value, None, 1_000)
    expected = value._replace(seq=seq)
    assert both(recorder).of("orders") == Latest(
        expected,
        expected,
        Attempt(attempt, R1, "orders", 2, "succeeded", 110, 222, 0, None, ".assets/logs/orders.log"),
        (1_000,),
    )
    assert recorder.materialization_history("default", "orders", 5) == (expected,)


def test_components_are_a_mapping(recorder: Recorder) -> None:
    """Components that are decoded late behave as the mapping that they stand for."""
    components = {"b": Component("sha256:1"), "a": Component("sha256:2", "sha256:3", "python-ast/3.11")}
    make(recorder, "orders", components=components)
    value = recorder.snapshot("default").of("orders").usable
    assert value is not None
    assert dict(value.components) == components
    assert list(value.components) == ["b", "a"]
    assert len(value.components) == 2
    assert "a" in value.components
    assert value.components.get("c") is None
    assert value.components["a"].normaliser == "python-ast/3.11"
    assert repr(value.components) == repr(components)


def test_missing_file(path: Path) -> None:
    """Where there is no file nothing is on record, and reading makes none."""
    reader = open_reader(path)
    assert reader.snapshot("default") == StateSnapshot("default", {}, {}, {})
    assert reader.runs(10) == ()
    assert reader.steps(R1) == ()
    assert reader.attempts(R1) == ()
    assert reader.materialization_history("default", "orders", 5) == ()
    assert not path.parent.exists()


def test_environments_apart(recorder: Recorder) -> None:
    """Environments share the file and nothing else."""
    begin(recorder, "orders", run=R2, environment="prod")
    make(recorder, "orders", "sha256:default")
    make(recorder, "orders", "sha256:prod", run=R2)
    for environment in ("default", "prod"):
        usable = both(recorder, environment).of("orders").usable
        assert usable is not None
        assert usable.data_version == f"sha256:{environment}"
    assert both(recorder, "other") == StateSnapshot("other", {}, {}, {})
    assert [run.id for run in recorder.runs(9, "prod")] == [R2]


def test_latest_by_sequence(recorder: Recorder) -> None:
    """The latest is what was recorded last, though the clock went back."""
    make(recorder, "orders", "sha256:1", started=500, finished=600)
    last = make(recorder, "orders", "sha256:2", started=1, finished=2)
    latest = both(recorder).of("orders").materialization
    assert latest is not None
    assert (latest.seq, latest.data_version) == (last, "sha256:2")
    assert [value.data_version for value in recorder.materialization_history("default", "orders", 1)] == ["sha256:2"]


def test_blocked_is_not_usable(recorder: Recorder) -> None:
    """A blocked materialization is the latest; the one before stays usable, and its version current."""
    good = make(recorder, "orders", "sha256:1")
    bad = make(recorder, "orders", "sha256:2", blocked=True, frozen=("sha256:1", 5))
    make(recorder, "report", inputs={"orders": Input("sha256:1", good)})
    snapshot = both(recorder)
    latest = snapshot.of("orders")
    assert latest.materialization is not None
    assert latest.usable is not None
    assert (latest.materialization.seq, latest.materialization.blocked) == (bad, True)
    assert (latest.usable.seq, latest.usable.blocked) == (good, False)
    assert snapshot.frozen == {}


def test_unblocked(recorder: Recorder) -> None:
    """A record of unblocking makes a materialization usable without changing it."""
    bad = make(recorder, "orders", blocked=True)
    assert recorder.snapshot("default").of("orders").usable is None
    recorder._connection.execute("INSERT INTO unblocks (materialization, at) VALUES (?, 1)", (bad,))
    recorder._connection.execute("UPDATE latest SET usable = ?", (bad,))
    latest = both(recorder).of("orders")
    assert latest.usable is not None
    assert latest.usable.blocked is False
    assert latest.materialization == latest.usable
    assert recorder.materialization_history("default", "orders", 5)[0].blocked is False


def test_durations_keep_seven(recorder: Recorder) -> None:
    """The last seven durations are kept, newest last."""
    for number in range(9):
        attempt = recorder.open_attempt(R1, "orders", 1, 1, None)
        recorder.add_materialization(made("orders", attempt), None, number)
    assert both(recorder).of("orders").durations == (2, 3, 4, 5, 6, 7, 8)


def test_failed_attempt(recorder: Recorder) -> None:
    """A failed attempt is the newest attempt and no materialization; bytes that are no text come out escaped."""
    good = make(recorder, "orders")
    attempt = recorder.open_attempt(R1, "orders", 1, 130, None)
    recorder.end_attempt(attempt, "failed", 140, 3, "said \udcff")
    latest = both(recorder).of("orders")
    assert latest.attempt == Attempt(attempt, R1, "orders", 1, "failed", 130, 140, 3, "said \\udcff")
    assert latest.usable is not None
    assert latest.usable.seq == good
    assert [value.state for value in recorder.attempts(R1)] == ["succeeded", "failed"]
    assert recorder.attempts(R1, "events") == ()


def test_frozen(recorder: Recorder) -> None:
    """Frozen data times are those of versions that somebody read and that are no longer current."""
    first = make(recorder, "events", "sha256:1")
    make(recorder, "orders", inputs={"events": Input("sha256:1", first)})
    assert both(recorder).frozen == {}
    make(recorder, "events", "sha256:2", frozen=("sha256:1", 77))
    assert both(recorder).frozen == {("events", "sha256:1"): 77}
    before = recorder.snapshot("default")
    make(recorder, "events", "sha256:3", frozen=("sha256:2", 88))
    assert both(recorder).frozen == {("events", "sha256:1"): 77}
    assert before.frozen == {("events", "sha256:1"): 77}, "asked for when more was superseded"
    make(recorder, "events", "sha256:1", frozen=("sha256:3", 99))
    assert both(recorder).frozen == {}


def test_frozen_replaced(recorder: Recorder) -> None:
    """A version that was superseded twice has the data time of the second time, unknown if that is unknown."""
    make(recorder, "events", "sha256:1")
    make(recorder, "report", inputs={"events": Input("sha256:1", 1)})
    make(recorder, "events", "sha256:2", frozen=("sha256:1", 77))
    make(recorder, "events", "sha256:1", frozen=("sha256:2", 78))
    make(recorder, "events", "sha256:2", frozen=("sha256:1", 79))
    assert both(recorder).frozen == {("events", "sha256:1"): 79}
    make(recorder, "events", "sha256:1")
    make(recorder, "events", "sha256:2")
    assert both(recorder).frozen == {("events", "sha256:1"): None}


def test_unchanged_freezes_nothing(recorder: Recorder) -> None:
    """A materialization that comes out unchanged supersedes nothing."""
    make(recorder, "events", "sha256:1")
    make(recorder, "events", "sha256:1", frozen=("sha256:1", 77), unchanged=True)
    assert recorder._connection.execute("SELECT count(*) FROM frozen_data_times").fetchone() == (0,)


def test_frozen_observation(recorder: Recorder) -> None:
    """An observation of another version keeps the data time of the last: as reported, else when it was observed."""
    recorder.add_observation("default", Observation(0, "crm", 50, "v1", 40))
    recorder.add_observation("default", Observation(0, "crm", 60, "v1", 45))
    make(recorder, "orders", inputs={"crm": Input("v1", 1)})
    make(recorder, "report", inputs={"crm": Input("v2", 1)})
    recorder.add_observation("default", Observation(0, "crm", 70, "v2", None))
    assert both(recorder).frozen == {("crm", "v1"): 45}
    seq = recorder.add_observation("default", Observation(0, "crm", 80, "v3", None, {"rows": 1}))
    snapshot = both(recorder)
    assert snapshot.frozen == {("crm", "v1"): 45, ("crm", "v2"): 70}
    assert snapshot.observations == {"crm": Observation(seq, "crm", 80, "v3", None, {"rows": 1})}


def test_an_observation_from_the_future_is_frozen_as_now(recorder: Recorder) -> None:
    """Until it was superseded its data time was the moment itself."""
    recorder.add_observation("default", Observation(0, "crm", 50, "v1", 1_000))
    make(recorder, "orders", inputs={"crm": Input("v1", 1)})
    recorder.add_observation("default", Observation(0, "crm", 60, "v2", None))
    assert both(recorder).frozen == {("crm", "v1"): 60}


def test_what_is_hidden_is_not_written(path: Path) -> None:
    """Reasons, details and metadata pass what was handed in; names and versions don't."""

    def hide(value: Any) -> Any:
        return json.loads(json.dumps(value).replace("orders", "***"))

    with open_recorder(path, hide=hide) as recorder:
        recorder.begin_run(run_record(), [step("orders")])
        seq = recorder.open_attempt(R1, "orders", 1, 100, None)
        recorder.end_attempt(seq, "failed", 110, 1, "no orders")
        recorder.finish_step(R1, "orders", "failed", unchanged=False, detail="no orders")
        recorder.add_observation("default", Observation(0, "orders", 1, "orders", None, {"of": "orders"}))
        assert recorder.attempts(R1)[0].reason == "no ***"
        assert [(each.asset, each.detail) for each in recorder.steps(R1)] == [("orders", "no ***")]
        assert recorder.snapshot("default").observations["orders"][3:] == ("orders", None, {"of": "***"})


def test_snapshot_of_some(recorder: Recorder) -> None:
    """A snapshot of some assets is the same part of the whole, with what their upstreams were at."""
    make(recorder, "events", "sha256:1")
    recorder.add_observation("default", Observation(0, "crm", 50, "v1", 40))
    make(recorder, "orders", inputs={"events": Input("sha256:1", 1), "crm": Input("v1", 1)})
    make(recorder, "report", inputs={"orders": Input("sha256:0", 1)})
    whole = both(recorder)
    part = recorder.snapshot("default", ["orders"])
    settled, readable, timed = ({"orders": each["orders"]} for each in (whole.settled, whole.readable, whole.timed))
    assert part == StateSnapshot("default", {"orders": whole.of("orders")}, {}, {}, settled, readable, {}, timed)
    listed = recorder.snapshot("default", ["orders"], listed=True)
    assert listed == part._replace(made={"orders": whole.made_of("orders")})
    make(recorder, "events", "sha256:2", frozen=("sha256:1", 7))
    assert recorder.snapshot("default", ["orders"]).frozen == {("events", "sha256:1"): 7}
    assert recorder.snapshot("default", ["report"]).frozen == {("orders", "sha256:0"): None}


@pytest.mark.parametrize("number", [1, 40])
def test_what_lists_say_of_each(recorder: Recorder, number: int) -> None:
    """The run, the end and the rows are those of the materialization, whether few are asked for or many."""
    told = [{}, {"rows": 7}, {"rows": 3.5}, {"rows": None}, {"other": "rows"}]
    for each in range(number):
        make(recorder, f"a{each}", f"sha256:{each}", metadata=told[each % 5])
    snapshot = recorder.snapshot("default", listed=True)
    for each in range(number):
        made = snapshot.of(f"a{each}").materialization
        assert made is not None
        assert snapshot.made[f"a{each}"] == Made(made.run, made.finished, 7 if each % 5 == 1 else None)
        assert snapshot._replace(made={}).made_of(f"a{each}") == snapshot.made_of(f"a{each}")
    assert snapshot.made_of("nobody") is None


def test_run_as_shown(recorder: Recorder) -> None:
    """A run is shown with its steps in the plan's order and the count of each result that occurs."""
    recorder.finish_step(R1, "events", "succeeded", unchanged=True, detail="3 rows")
    recorder.finish_step(R1, "orders", "succeeded", unchanged=False, detail=None)
    recorder.finish_step(R1, "report", "failed", unchanged=False, detail="exit code 1")
    recorder.end_run(R1, "failed", 900)
    expected = run_record()._replace(
        status="failed", finished=900, counts={"failed": 1, "succeeded": 2, "unchanged": 1}, failed=("report",)
    )
    assert recorder.runs(5) == (expected,)
    assert recorder.steps(R1) == (
        step("events")._replace(result="succeeded", unchanged=True, detail="3 rows"),
        step("orders")._replace(result="succeeded"),
        step("report")._replace(result="failed", detail="exit code 1"),
    )


def test_runs_newest_first(recorder: Recorder) -> None:
    """Runs come newest first, and page by page."""
    begin(recorder, run=R3)
    begin(recorder, run=R2)
    assert [run.id for run in recorder.runs(2)] == [R2, R3]
    assert [run.id for run in recorder.runs(2, before=R3)] == [R1]
    assert recorder.runs(2, before=R1) == ()


@pytest.mark.parametrize(("text", "found"), [(R1, R1), ("20261123", R3), ("7f3a", R1), ("latest", R3)])
def test_find_run(recorder: Recorder, text: str, found: str) -> None:
    """A run is found by its id, by a beginning or an end that fits one run only, or as the latest."""
    begin(recorder, run=R2)
    begin(recorder, run=R3)
    assert recorder.find_run(text).id == found


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("202611", f"more than one run matches '202611': {R3}, {R2}, {R1}", "give more of the id"),
        ("", "no run '' is on record", f"did you mean {R3} or {R2} or {R1}? `assets runs` lists them all"),
        (
            "20261122T120000.000000-0b1d",
            "no run '20261122T120000.000000-0b1d' is on record",
            f"did you mean {R2} or {R3} or {R1}? `assets runs` lists them all",
        ),
        ("last", "no run 'last' is on record", "did you mean latest? `assets runs` lists them all"),
        ("%", "no run '%' is on record", f"did you mean {R3} or {R2} or {R1}? `assets runs` lists them all"),
    ],
)
def test_find_no_run(recorder: Recorder, text: str, message: str, hint: str) -> None:
    """A run that is not there is an error with the nearest names."""
    begin(recorder, run=R2)
    begin(recorder, run=R3)
    with pytest.raises(AssetsError) as error:
        recorder.find_run(text)
    (problem,) = error.value.problems
    assert (problem.code, problem.message, problem.hint) == ("A0507", message, hint)


def test_find_without_runs(path: Path) -> None:
    """Without any run the error says so."""
    with pytest.raises(AssetsError, match=r"^A0507: no run is on record$"):
        open_reader(path).find_run("latest")


def test_dead_run(recorder: Recorder) -> None:
    """A run whose lock is free is shown as crashed, its open attempts too, and can be recovered."""
    done = recorder.open_attempt(R1, "events", 1, 1, None)
    recorder.add_materialization(made("events", done), None, 1)
    bare = recorder.open_attempt(R1, "orders", 1, 110, None)
    ready = recorder.open_attempt(R1, "report", 1, 120, "log")
    value = made(
        "report",
        ready,
        components={"command": Component("sha256:a", "b", "c")},
        fingerprint=Fingerprint("sha256:f", "1", 2, 3),
        inputs={"orders": Input("v", 1)},
        metadata={"rows": 1},
    )
    recorder.prepare(ready, value)
    assert recorder.dead_runs() == []
    assert [attempt.state for attempt in recorder.attempts(R1)] == ["succeeded", "open", "open"]
    assert both(recorder).of("orders").attempt == Attempt(bare, R1, "orders", 1, "open", 110)
    assert recorder.find_run(R1).status == "running"

    recorder.held.release()  # type: ignore[attr-defined]
    crashed = Attempt(bare, R1, "orders", 1, "crashed", 110)
    assert both(recorder).of("orders").attempt == crashed
    assert [attempt.state for attempt in recorder.attempts(R1)] == ["succeeded", "crashed", "crashed"]
    run = run_record()._replace(status="crashed", counts={"not_finished": 3})
    assert open_reader(recorder.path).runs(1) == (run,)
    prepared = Attempt(ready, R1, "report", 1, "crashed", 120, log="log")
    dead = DeadRun(run, (OpenAttempt(crashed, None), OpenAttempt(prepared, value)))
    assert recorder.dead_runs() == recorder.dead_runs("default") == [dead]
    assert recorder.dead_runs("prod") == []

    seq = recorder.promote(ready, value, None, 9)
    assert recorder.promote(ready, value, None, 9) is None
    recorder.crash_attempts([R1], 500)
    snapshot = both(recorder)
    assert snapshot.of("report").usable == value._replace(seq=seq)
    assert snapshot.of("report").attempt == prepared._replace(state="succeeded", finished=120)
    assert snapshot.of("orders").attempt == crashed._replace(finished=500, reason=f"run {R1} died")
    assert recorder.runs(1) == (run._replace(finished=500),)
    assert recorder.dead_runs() == []
    assert [value.result for value in recorder.steps(R1)] == [None, None, None]


def test_transaction_is_all_or_nothing(recorder: Recorder) -> None:
    """What fails inside a transaction takes the whole of it along, even if it was caught on the way."""

    def fail() -> None:
        with recorder.transaction():
            make(recorder, "orders")
            raise KeyError

    def fail_and_catch() -> None:
        with recorder.transaction():
            make(recorder, "orders")
            with suppress(AssetsError):
                recorder.finish_step(R1, "nowhere", "failed", unchanged=False, detail=None)

    with pytest.raises(KeyError):
        fail()
    with pytest.raises(AssetsError, match="A0509"):
        fail_and_catch()
    assert both(recorder).latest == {}
    with recorder.transaction(), recorder.transaction():
        make(recorder, "orders")
    assert set(both(recorder).latest) == {"orders"}


def test_rolled_back_run_is_forgotten(recorder: Recorder) -> None:
    """A run whose record was rolled back is not written to from memory."""

    def fail() -> None:
        with recorder.transaction():
            recorder.begin_run(run_record(R2), [])
            recorder.open_attempt(R2, "orders", 1, 1, None)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    with pytest.raises(AssetsError, match="A0509"):
        recorder.open_attempt(R2, "orders", 1, 1, None)


def test_full_disk(recorder: Recorder) -> None:
    """A full disk is an error that names the file; nothing of the record is kept, and the rest stays readable."""
    good = make(recorder, "orders")
    attempt = recorder.open_attempt(R1, "events", 1, 1, None)
    pages = recorder._connection.execute("PRAGMA page_count").fetchone()[0]
    recorder._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(AssetsError) as error:
        recorder.add_materialization(made("events", attempt, metadata={"text": "x" * 100_000}), None, 1)
    (problem,) = error.value.problems
    assert problem.code == "A0506"
    assert problem.message == f"state file {recorder.path} cannot be written: database or disk is full"
    snapshot = both(recorder)
    assert snapshot.of("orders").usable == made("orders", 1)._replace(seq=good)
    assert snapshot.of("events") == Latest(attempt=Attempt(attempt, R1, "events", 1, "open", 1))


def test_full_disk_inside_transaction(recorder: Recorder) -> None:
    """After a full disk that was caught, the rest of the transaction does not commit piece by piece."""
    pages = recorder._connection.execute("PRAGMA page_count").fetchone()[0]
    recorder._connection.execute(f"PRAGMA max_page_count = {pages}")

    def fail_and_catch() -> None:
        with recorder.transaction():
            with suppress(AssetsError):
                recorder.add_observation("default", Observation(0, "crm", 1, "x" * 100_000, None))
            with suppress(AssetsError):
                recorder.end_run(R1, "failed", 1)

    with pytest.raises(AssetsError, match="disk is full"):
        fail_and_catch()
    assert recorder.runs(1)[0].status == "running"


def test_full_disk_together(recorder: Recorder) -> None:
    """What was recorded before, to be committed together, is lost with what failed, which whoever commits is told."""
    pages = recorder._connection.execute("PRAGMA page_count").fetchone()[0]
    recorder._connection.execute(f"PRAGMA max_page_count = {pages}")

    def record_and_commit() -> None:
        with recorder.together():
            recorder.end_run(R1, "succeeded", 1)
            with suppress(AssetsError):
                recorder.add_observation("default", Observation(0, "crm", 1, "x" * 100_000, None))
            with pytest.raises(AssetsError, match="disk is full"):
                recorder.commit()

    with pytest.raises(AssetsError, match="disk is full"):
        record_and_commit()
    assert recorder.runs(1)[0].status == "running"


def test_value_too_large(recorder: Recorder) -> None:
    """A number that does not fit is an error, and nothing of it is recorded."""
    with pytest.raises(AssetsError, match=r"A0506: state file .* cannot hold a value: "):
        make(recorder, "orders", data_time=10**30)
    assert recorder.snapshot("default").of("orders").materialization is None


def test_run_id_taken(recorder: Recorder) -> None:
    """A run id that is on record already is refused, with its steps."""
    with pytest.raises(AssetsError, match=r"A0506: .* cannot be written: UNIQUE constraint failed: runs.id"):
        recorder.begin_run(run_record(), [step("other")])
    assert [value.asset for value in recorder.steps(R1)] == ["events", "orders", "report"]


def test_changed_elsewhere(recorder: Recorder) -> None:
    """What another process committed is noticed once; one's own records are not."""
    make(recorder, "orders")
    assert not recorder.changed_elsewhere()
    with open_recorder(recorder.path) as other:
        make(other, "orders")
    assert recorder.changed_elsewhere()
    assert not recorder.changed_elsewhere()


def test_threads(recorder: Recorder) -> None:
    """Threads share one recorder; a transaction of one holds nothing of another's."""

    def work(asset: str) -> None:
        for _ in range(50):
            with recorder.transaction():
                make(recorder, asset)

    threads = [threading.Thread(target=work, args=(asset,)) for asset in ("events", "orders", "report")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    counts = [len(recorder.materialization_history("default", asset, 99)) for asset in ("events", "orders", "report")]
    assert counts == [50, 50, 50]


WRITER = """
    import sys
    from pathlib import Path
    from assets_cli.model.history import Materialization, RunRecord, StepRecord
    from assets_cli.state.record import open_recorder
    path, run, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    recorder = open_recorder(path)
    held = recorder.locks.hold_run(run)
    recorder.begin_run(RunRecord(run, "default", "running", 1, None, 1, (), "h", 1, {}), [])
    for number in range(count):
        attempt = recorder.open_attempt(run, "orders", 1, 1, None)
        recorder.add_materialization(
            Materialization(0, "orders", run, attempt, 1, 2, "c", {}, f"{run}-{number}", None, None, {}), None, 1
        )
        print(number, flush=True)
"""


def writer(path: Path, run: str, count: int) -> subprocess.Popen[str]:
    """Another process that records `count` materializations of orders."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER), str(path), run, str(count)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_two_processes(path: Path) -> None:
    """Two processes that make the file and record at once lose nothing."""
    writers = [writer(path, run, 200) for run in ("r1", "r2")]
    for process in writers:
        process.communicate(timeout=60)
        assert process.returncode == 0
    history = open_reader(path).materialization_history("default", "orders", 999)
    expected = {f"{run}-{number}" for run in ("r1", "r2") for number in range(200)}
    assert {value.data_version for value in history} == expected
    assert len(history) == 400
    newest = open_reader(path).snapshot("default").of("orders").usable
    assert newest == history[0]


def test_killed_recorder(path: Path) -> None:
    """What a killed process had recorded stays on record, and its run counts as crashed."""
    process = writer(path, "r1", 10_000)
    assert process.stdout is not None
    for _ in range(50):
        process.stdout.readline()
    process.kill()
    told = 50 + len(process.stdout.read().splitlines())
    process.wait(30)
    reader = open_reader(path)
    count = len(reader.materialization_history("default", "orders", 99_999))
    assert told <= count <= told + 1
    assert reader.find_run("latest").status == "crashed"
    with open_recorder(path) as recorder:
        assert len(recorder.materialization_history("default", "orders", 99_999)) == count
        assert [dead.run.id for dead in recorder.dead_runs()] == ["r1"]
        assert recorder._connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_snapshot_ignores_history(recorder: Recorder) -> None:
    """The queries of a snapshot look rows up by primary key: their price is the assets', not the history's."""
    seen: list[str] = []
    recorder._connection.set_trace_callback(seen.append)
    make(recorder, "orders", inputs={"events": Input("sha256:9", 1)})
    del seen[:]
    whole = recorder.snapshot("default")
    assert "orders" in whole.settled
    assert whole.of("orders").attempt is not None  # read now
    recorder.snapshot("default", ["orders"])
    recorder._connection.set_trace_callback(None)
    plans = [
        row[3]
        for query in seen
        if query.startswith(("SELECT", "WITH"))
        for row in recorder._connection.execute(f"EXPLAIN QUERY PLAN {query}")
    ]
    assert any(line.startswith("SEARCH m USING INTEGER PRIMARY KEY") for line in plans)
    assert [line for line in plans if line.startswith("SCAN") and "VIRTUAL TABLE" not in line] == []


def test_what_is_read_later_is_what_was_on_record(path: Path) -> None:
    """Of many assets most is read when it is asked for: what was recorded meanwhile changes nothing of it."""
    names = [f"n{number}" for number in range(40)]
    with open_recorder(path) as recorder:
        recorder.begin_run(run_record(), [step(name) for name in names])
        for name in names:
            make(recorder, name, inputs={"events": Input("sha256:9", 1)}, metadata={"rows": len(name)})
        reader = open_reader(path)
        one_by_one, at_once = (reader.snapshot("default") for _ in range(2))
        said = reader.snapshot("default", listed=True)
        before = dict(at_once.latest)
        make(recorder, "n0", "sha256:later")
        recorder.open_attempt(R1, "n1", 2, 500, None)
        assert {name: one_by_one.of(name) for name in names} == before
        made = {name: each.materialization for name, each in before.items()}
        assert {name: said.made_of(name) for name in names} == {
            name: Made(each.run, each.finished, each.metadata["rows"]) for name, each in made.items() if each
        }
        assert reader.snapshot("default").of("n0") != before["n0"]


def test_what_is_gone_before_it_was_read_is_an_error(path: Path) -> None:
    """A file that another one took the place of says so; nothing is made up."""
    names = [f"n{number}" for number in range(40)]
    with open_recorder(path) as recorder:
        recorder.begin_run(run_record(), [step(name) for name in names])
        for name in names:
            make(recorder, name)
    reader = open_reader(path)
    snapshot = reader.snapshot("default", listed=True)
    path.unlink()
    assert snapshot.made_of("n7") is not None
    with pytest.raises(AssetsError) as error:
        snapshot.of("n7")
    assert [problem.code for problem in error.value.problems] == ["A0505"]


def test_sqlite_is_hidden(recorder: Recorder) -> None:
    """Using a closed recorder is an error of ours, not of SQLite."""
    recorder.close()
    with pytest.raises(AssetsError, match="A0505") as error:
        recorder.snapshot("default")
    assert isinstance(error.value.__cause__, sqlite3.ProgrammingError)
