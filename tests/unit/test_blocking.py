"""The life of a blocked materialization: in the plan, in the history, in the ledger of a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.space import HOUR, NOON, Space, asset, graph_of

from assets_cli.model.duration import SECOND
from assets_cli.model.history import CheckResult, Input, Materialization, RunRecord
from assets_cli.running.ledger import Ledger
from assets_cli.state.record import Recorder, open_recorder

RUN = "r1"


def kinds(space: Space, *names: str) -> dict[str, str]:
    """The kind of each step of the plan."""
    return {step.asset: step.kind for step in space.plan(*names).steps}


def chain() -> Space:
    """raw, clean below it, both made."""
    space = Space(asset("raw"), asset("clean", ["raw"]))
    space.run()
    return space


def test_only_blocked_is_a_step_of_kind_check():
    """Nothing else is wrong with it, so its checks are asked before its command is run; below it is tentative."""
    space = chain()
    space.make("raw", "bad", blocked=True)
    assert kinds(space) == {"raw": "check", "clean": "materialize"}
    (cause,) = space.plan().steps[1].causes
    assert (cause.kind, cause.detail) == ("upstream_stale", "upstream raw is to be checked again")


def test_a_recheck_is_not_estimated_by_its_command():
    """How long the command takes says nothing of its checks; they are taken to cost nothing beside other steps."""
    space = chain()
    space.make("raw", "bad", blocked=True)
    plan = space.plan()
    assert [step.estimated for step in plan.steps] == [None, SECOND]
    assert plan.estimated == SECOND + 1


def test_with_any_other_cause_the_command_runs():
    """A change of code, drift, a failed attempt, an upstream that may change, --force."""
    for change in ("code", "drift", "failure"):
        space = chain()
        space.make("clean", "bad", blocked=True)
        assert kinds(space) == {"clean": "check"}
        if change == "code":
            space.code["clean"] = "2"
        elif change == "drift":
            space.outputs["clean"] = "touched"
        else:
            space.fail("clean")
        assert kinds(space) == {"clean": "materialize"}
    space = chain()
    space.make("clean", "bad", blocked=True)
    space.code["raw"] = "2"
    assert kinds(space) == {"raw": "materialize", "clean": "materialize"}
    assert [step.kind for step in space.plan("clean", forced=["clean"]).steps] == ["materialize"]


def test_freshness_uses_the_last_one_that_was_not_blocked():
    """What is blocked makes nothing fresher."""
    space = chain()
    space.now += HOUR
    space.make("raw", "bad", blocked=True)
    assert space.view().times == {"raw": NOON, "clean": NOON}


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    """A history with one run."""
    with open_recorder(tmp_path / "state.db") as recorder:
        recorder.begin_run(RunRecord(RUN, "default", "running", NOON, None, 1, (), "host", 1, {}), [])
        yield recorder


def made(
    recorder: Recorder, name: str, version: str, at: int, *, blocked: bool = False, **inputs: str
) -> Materialization:
    """A materialization, not on record yet."""
    attempt = recorder.open_attempt(RUN, name, 1, at, None)
    read = {upstream: Input(version, 1) for upstream, version in inputs.items()}
    value = Materialization(0, name, RUN, attempt, at, at, "c:1", {}, version, None, None, read)
    return value._replace(blocked=blocked)


def result(name: str, *, passed: bool, at: int = NOON, blocking: bool = False) -> CheckResult:
    """What a check found."""
    found = CheckResult(name, passed, "error", blocking, None, "", (), at, RUN)
    return found if passed else found._replace(failing=2, message="2 rows", sample=({"id": 1}, {"id": None}))


def ledger_of(recorder: Recorder) -> Ledger:
    """The ledger of a run over raw and clean, which reads it."""
    graph = graph_of(raw=[], clean=["raw"])
    return Ledger(recorder, graph, recorder.snapshot("default"), {}, lambda: NOON + 9 * HOUR)


def test_results_are_kept_with_the_materialization(recorder: Recorder) -> None:
    """The latest of each check is found by its name, in the order that is asked for."""
    ledger = ledger_of(recorder)
    first = (result("a", passed=False), result("b", passed=True))
    ledger.record(made(recorder, "raw", "1", NOON), first)
    assert recorder.check_results("default", "raw", ["b", "a", "never"]) == (first[1], first[0])
    second = result("a", passed=True, at=NOON + 1)
    ledger.note_checks("raw", [second], 1)
    assert recorder.check_results("default", "raw", ["a", "b"]) == (second, first[1])
    assert recorder.check_results("default", "clean", ["a"]) == ()
    assert recorder.check_results("prod", "raw", ["a"]) == ()
    kept = recorder._connection.execute("SELECT run, materialization, name FROM check_results ORDER BY seq").fetchall()
    assert kept == [(RUN, 1, "a"), (RUN, 1, "b"), (RUN, 1, "a")]


def test_what_a_command_reported_is_found_by_its_materialization(recorder: Recorder) -> None:
    """In the order in which it was said; what is declared, or was said of an earlier one, is not among it."""
    ledger = ledger_of(recorder)
    said = [
        result(name, passed=name != "z")._replace(reported=True, metadata={"rows": 3, "by": name}) for name in "zay"
    ]
    first = ledger.record(made(recorder, "raw", "1", 1), (result("declared", passed=True), *said))
    second = ledger.record(made(recorder, "raw", "2", 2), (result("declared", passed=True), *said[:2]))
    assert first is not None
    assert second is not None
    assert recorder.reported_checks("default", "raw", second.seq) == tuple(said[:2])
    assert recorder.reported_checks("default", "raw", first.seq) == (said[2],)
    assert recorder.reported_checks("default", "clean", first.seq) == ()
    assert recorder.reported_checks("prod", "raw", first.seq) == ()


def test_results_cost_one_look_up_each(recorder: Recorder) -> None:
    """By an index: however long the history is."""
    plan = recorder._connection.execute(
        "EXPLAIN QUERY PLAN SELECT * FROM check_results c WHERE c.environment = 'd' AND c.asset = 'a' "
        "AND c.partition = '' AND c.name = 'n' ORDER BY c.seq DESC LIMIT 1"
    ).fetchall()
    assert [row[3] for row in plan] == [
        "SEARCH c USING INDEX check_results_of_asset (environment=? AND asset=? AND partition=? AND name=?)"
    ]


def test_a_blocked_one_is_the_latest_but_not_usable(recorder: Recorder) -> None:
    """In the ledger as in the file; nothing is superseded by it."""
    ledger = ledger_of(recorder)
    ledger.record(made(recorder, "raw", "1", NOON))
    ledger.record(made(recorder, "raw", "2", NOON + HOUR, blocked=True))
    for snapshot in (ledger.snapshot, recorder.snapshot("default")):
        latest = snapshot.of("raw")
        assert latest.materialization is not None
        assert latest.usable is not None
        assert (latest.materialization.seq, latest.materialization.blocked, latest.usable.seq) == (2, True, 1)
        assert dict(snapshot.frozen) == {}


def test_unblocking_supersedes_the_one_before(recorder: Recorder) -> None:
    """Its data time is frozen for those who read it, in the same transaction; in the ledger as in the file."""
    ledger = ledger_of(recorder)
    ledger.record(made(recorder, "raw", "1", NOON))
    ledger.record(made(recorder, "clean", "1", NOON, raw="1"))
    ledger.record(made(recorder, "raw", "2", NOON + HOUR, blocked=True))
    assert ledger.unblock("raw", [result("a", passed=True, blocking=True)], RUN)
    for snapshot in (ledger.snapshot, recorder.snapshot("default")):
        latest = snapshot.of("raw")
        assert latest.materialization == latest.usable
        assert latest.usable is not None
        assert (latest.usable.seq, latest.usable.blocked) == (3, False)
        assert dict(snapshot.frozen) == {("raw", "1"): NOON}
    assert [each.passed for each in recorder.check_results("default", "raw", ["a"])] == [True]
    assert recorder._connection.execute("SELECT materialization, run, at FROM unblocks").fetchall() == [
        (3, RUN, NOON + 9 * HOUR)
    ]
    history = recorder.materialization_history("default", "raw", 5)
    assert [(each.seq, each.blocked) for each in history] == [(3, False), (1, False)]


def test_unblocking_happens_once(recorder: Recorder) -> None:
    """And only to what is blocked; results are recorded all the same."""
    ledger = ledger_of(recorder)
    assert not ledger.unblock("raw", [], RUN)
    ledger.record(made(recorder, "raw", "1", NOON, blocked=True))
    assert ledger.unblock("raw", [], RUN)
    assert not ledger.unblock("raw", [result("a", passed=True)], RUN)
    assert recorder._connection.execute("SELECT count(*) FROM unblocks").fetchone() == (1,)
    assert len(recorder.check_results("default", "raw", ["a"])) == 1


def test_what_is_no_longer_the_latest_is_not_unblocked(recorder: Recorder) -> None:
    """Another process has made it anew meanwhile."""
    ledger = ledger_of(recorder)
    ledger.record(made(recorder, "raw", "1", NOON, blocked=True))
    recorder.add_materialization(made(recorder, "raw", "2", NOON + HOUR, blocked=True), None, None)
    assert not ledger.unblock("raw", [], RUN)
    usable = recorder.snapshot("default").of("raw").usable
    assert usable is None
