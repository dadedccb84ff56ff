"""The screens of `assets runs` and `assets logs`, whole."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
from support.shop import HOUR, NOON, RUN, SECOND, CommandLine

from assets_cli.manifest.schemas import schema_text
from assets_cli.model.history import Attempt, Result, RunRecord, StepRecord


def step(name: str, result: Result, detail: str | None, *, unchanged: bool = False) -> StepRecord:
    """How a step ended that was planned because its asset was missing."""
    causes = ({"kind": "missing", "detail": "never materialized"},)
    return StepRecord(name, "materialize", causes, forced=False, result=result, unchanged=unchanged, detail=detail)


RECORD = RunRecord(
    RUN,
    "default",
    "failed",
    NOON - 2 * HOUR,
    NOON - 2 * HOUR + 14 * SECOND,
    2,
    ("+features",),
    "box",
    4711,
    {"succeeded": 1, "failed": 1, "blocked": 1},
    ("sessions",),
)
STEPS = (
    step("raw_events", "succeeded", None, unchanged=True),
    step("sessions", "failed", "exit code 1: no space"),
    step("features", "blocked", "its upstream sessions failed"),
)
ATTEMPTS = (
    Attempt(1, RUN, "raw_events", 1, "succeeded", NOON, NOON + 3 * SECOND, 0, None, ".assets/logs/r/raw_events.1.log"),
    Attempt(2, RUN, "sessions", 1, "failed", NOON, NOON + SECOND, 1, "exit code 1", ".assets/logs/r/sessions.1.log"),
    Attempt(3, RUN, "sessions", 2, "failed", NOON, NOON + SECOND, 1, "exit code 1", ".assets/logs/r/sessions.2.log"),
)
RUNNING = RECORD._replace(status="running", finished=None, selection=(), counts={"not_finished": 2}, failed=())


def test_runs_are_a_table(assets: CommandLine) -> None:
    """The newest first; what failed is named; a run that goes on has no duration yet."""
    project = assets.open(runs=(RUNNING, RECORD))
    assert assets("runs", "--limit", "5") == (
        """\
run                   started      status   took    done  selection
20261121T115800-3f9a  2 hours ago  running        0 of 2  all
    2 not finished
20261121T115800-3f9a  2 hours ago  failed   14 s  1 of 3  +features
    failed: sessions · 1 blocked
""",
        "",
        0,
    )
    assert project.asked == [("runs", (6,), {"before": None, "asset": None})]


def test_a_page_of_runs_says_how_to_go_on(assets: CommandLine) -> None:
    """After a thousand runs one reads a page, then the older one; a narrowed list stays narrowed."""
    page = tuple(RECORD._replace(id=f"run-{number}") for number in range(1_000, 995, -1))
    project = assets.open(runs=page[:4])
    screen = assets("runs", "--limit", "3", "--asset", "sessions", "--before", "run-1001")
    assert [line.split()[0] for line in screen.out.splitlines()[1::2]] == ["run-1000", "run-999", "run-998"]
    assert screen.err == "\nolder: assets runs --asset sessions --before run-998\n"
    assert project.asked == [("runs", (4,), {"before": "run-1001", "asset": "sessions"})]


def test_many_failures_and_a_long_selection_stay_short(assets: CommandLine) -> None:
    """With ids as long as they are, a run takes two lines of eighty columns."""
    names = tuple(f"asset_number_{number}" for number in range(40))
    record = RECORD._replace(
        id="20261121T115800.123456-3f9a", selection=names, failed=names, counts={"failed": 40, "succeeded": 960}
    )
    assets.open(runs=(record,))
    assert (
        assets("runs").out
        == """\
run                          started      status  took          done  selection
20261121T115800.123456-3f9a  2 hours ago  failed  14 s  960 of 1,000  asset_num…
    failed: asset_number_0, asset_number_1, asset_number_2, asset_number_3,
    asset_number_4 and 35 more
"""
    )


def test_nothing_before_a_run(assets: CommandLine) -> None:
    """That is said, and no error."""
    assets.open(runs=())
    assert assets("runs", "--asset", "x", "--before", "r").err == "no run with a step for x before r\n"


def test_of_many_steps_those_that_did_not_go_well_are_listed(assets: CommandLine) -> None:
    """The rest is counted; `--all` lists every step."""
    steps = (*STEPS, *(step(f"good_{number}", "succeeded", None) for number in range(1_000)))
    assets.open(run=(RECORD, steps, ATTEMPTS))
    assert assets("runs", "latest").out.split("\n\n")[1:] == [
        """\
asset     result    took  attempts  reason
sessions  failed   2.0 s         2  exit code 1: no space
features  blocked                   its upstream sessions failed
… of 1,003 steps: 1,001 succeeded, 1 failed, 1 blocked (--all lists them)""",
        """\
logs: assets logs 20261121T115800-3f9a sessions
next: assets retry 20261121T115800-3f9a
""",
    ]
    assert assets("runs", "latest", "--all").out.count("\ngood_") == 1_000


def test_one_run_with_its_steps(assets: CommandLine) -> None:
    """Each step with its result, time, attempts and reason; then where to look."""
    assets.open(run=(RECORD, STEPS, ATTEMPTS))
    assert assets("runs", "latest") == (
        """\
run 20261121T115800-3f9a failed, started 2 hours ago, took 14 s
environment default · 2 jobs · selection +features · on box, process 4711

asset       result                 took  attempts  reason
raw_events  succeeded, unchanged  3.0 s         1
sessions    failed                2.0 s         2  exit code 1: no space
features    blocked                                its upstream sessions failed

logs: assets logs 20261121T115800-3f9a sessions
next: assets retry 20261121T115800-3f9a
""",
        "",
        0,
    )


def test_no_run_yet(assets: CommandLine) -> None:
    """An empty history is no error."""
    assets.open(runs=())
    assert assets("runs") == ("", "no run is on record yet\nrun: assets materialize\n", 0)


def test_json(assets: CommandLine) -> None:
    """Both documents are as their schemas say."""
    assets.open(runs=(RUNNING, RECORD), run=(RECORD, STEPS, ATTEMPTS))
    runs = json.loads(assets("runs", "--json").out)
    jsonschema.validate(runs, json.loads(schema_text("runs")))
    assert [run["duration_seconds"] for run in runs["runs"]] == [None, 14.0]
    run = json.loads(assets("runs", "latest", "--json").out)
    jsonschema.validate(run, json.loads(schema_text("run")))
    assert [(step["asset"], step["result"]) for step in run["steps"]] == [
        ("raw_events", "succeeded"),
        ("sessions", "failed"),
        ("features", "blocked"),
    ]


def test_one_log_is_printed_as_it_is(assets: CommandLine, tmp_path: Path) -> None:
    """Byte for byte on stdout, without a header."""
    log = tmp_path / "a.log"
    log.write_bytes(b"one\ntwo, no newline")
    assets.open(log_files=((ATTEMPTS[0], log),))
    assert assets("logs", "latest", "raw_events") == ("one\ntwo, no newline", "", 0)


def test_several_logs_have_headers_on_stderr(assets: CommandLine, tmp_path: Path) -> None:
    """So that stdout holds nothing but logs."""
    log = tmp_path / "a.log"
    log.write_text("hello\n")
    assets.open(log_files=((ATTEMPTS[1], log), (ATTEMPTS[2], log)))
    assert assets("logs", "latest") == (
        "hello\nhello\n",
        """\
── sessions, attempt 1, failed ─────────────────────────────────────────────────

── sessions, attempt 2, failed ─────────────────────────────────────────────────
""",
        0,
    )


def test_logs_json(assets: CommandLine, tmp_path: Path) -> None:
    """One entry an attempt, with the text."""
    log = tmp_path / "a.log"
    log.write_bytes(b"caf\xe9\n")
    assets.open(log_files=((ATTEMPTS[1], log),))
    document = json.loads(assets("logs", "latest", "--json").out)
    jsonschema.validate(document, json.loads(schema_text("logs")))
    assert document["logs"] == [
        {"asset": "sessions", "number": 1, "state": "failed", "path": str(log), "text": "caf\ufffd\n"}
    ]


def test_no_log(assets: CommandLine) -> None:
    """A step that never ran left none; the message says where to look."""
    assets.open(log_files=())
    assert assets("logs", "latest", "features") == (
        "",
        """\
error[A0821]: run latest left no log of features
  hint: assets runs latest tells how each step ended
""",
        2,
    )


def test_an_empty_log_is_said_to_be_empty(assets: CommandLine, tmp_path: Path) -> None:
    """Among several, so that nobody waits for lines that never come."""
    log = tmp_path / "a.log"
    log.touch()
    assets.open(log_files=((ATTEMPTS[0], log), (ATTEMPTS[1], log)))
    assert assets("logs", "latest").err.startswith("── raw_events, attempt 1, succeeded, wrote nothing ───")
