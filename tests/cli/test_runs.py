"""The screens of `assets runs` and `assets logs`, whole."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from support.shop import HOUR, NOON, RUN, SECOND, CommandLine

from assets_cli.manifest.schemas import schema_text
from assets_cli.model.history import Attempt, AttemptState, Result, RunRecord, StepRecord

START = NOON - 2 * HOUR


def step(name: str, result: Result, detail: str | None, *after: str, unchanged: bool = False) -> StepRecord:
    """How a step ended that was planned because its asset was missing, after others."""
    missing = {"kind": "missing", "detail": "never materialized", "upstream": None}
    tentative = ({"kind": "upstream_stale", "detail": "may change", "upstream": upstream} for upstream in after)
    causes = (missing, *tentative)
    return StepRecord(name, "materialize", causes, forced=False, result=result, unchanged=unchanged, detail=detail)


RECORD = RunRecord(
    RUN,
    "default",
    "failed",
    START,
    START + 14 * SECOND,
    2,
    ("+features",),
    "box",
    4711,
    {"succeeded": 1, "failed": 1, "blocked": 1},
    ("sessions",),
)
STEPS = (
    step("raw_events", "succeeded", None, unchanged=True),
    step("sessions", "failed", "exit code 1: no space", "raw_events"),
    step("features", "blocked", "its upstream sessions failed", "sessions"),
)


def attempt(seq: int, name: str, number: int, state: AttemptState, started: int, finished: int | None) -> Attempt:
    """One try, in seconds after the run's start."""
    end = None if finished is None else START + finished * SECOND
    code = 0 if state == "succeeded" else 1
    reason = None if state == "succeeded" else "exit code 1"
    return Attempt(
        seq,
        RUN,
        name,
        number,
        state,
        START + started * SECOND,
        end,
        code,
        reason,
        f".assets/logs/r/{name}.{number}.log",
    )


ATTEMPTS = (
    attempt(1, "raw_events", 1, "succeeded", 1, 4),
    attempt(2, "sessions", 1, "failed", 5, 7),
    attempt(3, "sessions", 2, "failed", 12, 14),
)
CHART = """\
When  █ at work, ▒ failed, ─ waiting, * critical path
              0 s                                                    14 s   span
* raw_events  ────████████████                                             3.0 s
* sessions                    ─────▒▒▒▒▒▒▒▒─────────────────────▒▒▒▒▒▒▒▒   9.0 s
critical path 12 s of 14 s: raw_events 3.0 s → sessions 9.0 s
  its steps waited 2.0 s for one of 2 jobs, a lock or a pool, raw_events alone
    1.0 s"""
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
sessions  failed   4.0 s         2  exit code 1: no space
features  blocked                   its upstream sessions failed
… of 1,003 steps: 1,001 succeeded, 1 failed, 1 blocked (--all lists them)""",
        CHART,
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
sessions    failed                4.0 s         2  exit code 1: no space
features    blocked                                its upstream sessions failed

"""
        + CHART
        + """

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
    assert [(step["asset"], step["result"], step["after"], step["waited_seconds"]) for step in run["steps"]] == [
        ("raw_events", "succeeded", [], 1.0),
        ("sessions", "failed", ["raw_events"], 1.0),
        ("features", "blocked", ["sessions"], None),
    ]
    assert run["critical_path"] == ["raw_events", "sessions"]


def test_a_run_of_marks_fits_the_schema(assets: CommandLine) -> None:
    """`state mark` leaves a run with steps, and no attempt, so no chart."""
    marked = StepRecord("raw_events", "mark", (), forced=True, result="succeeded", unchanged=False, detail=None)
    assets.open(run=(RECORD._replace(status="succeeded", failed=()), (marked,), ()))
    run = json.loads(assets("runs", "latest", "--json").out)
    jsonschema.validate(run, json.loads(schema_text("run")))
    assert (run["critical_path"], run["steps"][0]["waited_seconds"]) == ([], None)
    assert assets("runs", "latest").out.splitlines()[-1] == "raw_events  succeeded"


def test_of_thousands_of_steps_the_longest_are_drawn(assets: CommandLine) -> None:
    """And the critical path; `--all` draws every one."""
    chain = [step(f"c{number}", "succeeded", None, *[f"c{number - 1}"] * (number > 0)) for number in range(3)]
    wide = [step(f"w{number}", "succeeded", None) for number in range(3_000)]
    attempts = [attempt(number, f"c{number}", 1, "succeeded", 4 * number, 4 * number + 4) for number in range(3)]
    attempts += [attempt(9 + number, f"w{number}", 1, "succeeded", 0, 5 + (number == 77)) for number in range(3_000)]
    assets.open(run=(RECORD, (*chain, *wide), tuple(attempts)))
    drawn = assets("runs", "latest").out.split("\n\n")[2].splitlines()
    assert drawn[0] == "When  █ at work, * critical path"
    assert [line.split()[:2] for line in drawn[2:-2] if line.startswith("*")] == [["*", f"c{n}"] for n in range(3)]
    assert len(drawn) == 2 + 30 + 2
    assert any(line.startswith("  w77 ") for line in drawn)
    assert drawn[-2] == "… the longest of 3,003 steps that ran, and the critical path (--all draws all)"
    assert drawn[-1] == "critical path 12 s of 14 s: c0 4.0 s → c1 4.0 s → c2 4.0 s"
    everything = assets("runs", "latest", "--all").out.splitlines()
    assert sum(line.startswith("  w") and "█" in line for line in everything) == 3_000


def test_a_chart_needs_room(assets: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """In forty columns it is drawn, in thirty the numbers are all there is."""
    assets.open(run=(RECORD, STEPS, ATTEMPTS))
    monkeypatch.setenv("COLUMNS", "40")
    drawn = [line for line in assets("runs", "latest").out.splitlines() if line.startswith("*")]
    assert [len(line) for line in drawn] == [40, 40]
    monkeypatch.setenv("COLUMNS", "30")
    assert "  (no room for a chart; --json has the times)\n" in assets("runs", "latest").out


def test_without_unicode_the_chart_is_plain(assets: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each sign still says one thing."""
    monkeypatch.setenv("LANG", "C")
    assets.open(run=(RECORD, STEPS, ATTEMPTS))
    assert (
        """\
When  # at work, x failed, - waiting, * critical path
              0 s                                                    14 s   span
* raw_events  ----############                                             3.0 s
* sessions                    -----xxxxxxxx---------------------xxxxxxxx   9.0 s
critical path 12 s of 14 s: raw_events 3.0 s -> sessions 9.0 s
"""
        in assets("runs", "latest").out
    )


def test_a_run_that_goes_on_is_drawn_until_now(assets: CommandLine) -> None:
    """What has not ended says so."""
    assets.open(run=(RUNNING, STEPS, (ATTEMPTS[0], attempt(2, "sessions", 1, "open", 5, None))))
    assert "█▶" in assets("runs", "latest").out
    assert ", ▶ not ended, " in assets("runs", "latest").out


@pytest.mark.parametrize(
    ("state", "said"), [("open", "running"), ("crashed", "crashed"), ("failed", "not finished"), (None, "not started")]
)
def test_a_step_without_a_result_is_told_by_its_last_attempt(assets: CommandLine, state: str, said: str) -> None:
    """Where its run has died, too, and nobody has settled that yet."""
    steps = (STEPS[1]._replace(result=None, detail=None),)
    tried = (attempt(2, "sessions", 1, state, 5, None),) if state else ()
    assets.open(run=(RECORD, steps, tried))
    line = next(line for line in assets("runs", "latest").out.splitlines() if line.startswith("sessions"))
    assert line.split("  ")[1].strip() == said


def test_a_trace_of_a_past_run(assets: CommandLine, tmp_path: Path) -> None:
    """It replaces the screen; a JSON document goes beside it."""
    assets.open(run=(RECORD, STEPS, ATTEMPTS))
    file = tmp_path / "trace.json"
    said = f"trace: {file} (for ui.perfetto.dev or chrome://tracing)\n"
    assert assets("runs", "latest", "--trace", str(file)) == ("", said, 0)
    trace = json.loads(file.read_text())
    jsonschema.validate(trace, json.loads(schema_text("trace")))
    shown = assets("runs", "latest", "--json", "--trace", str(file))
    assert json.loads(shown.out)["run"] == RUN


def test_a_trace_is_of_one_run(assets: CommandLine) -> None:
    """Without one there is nothing to draw."""
    assets.open(runs=(RECORD,))
    assert assets("runs", "--trace", "t.json") == (
        "",
        "error[A0814]: --trace is of one run\n  hint: name the run: assets runs latest --trace t.json\n",
        2,
    )


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


def test_of_many_empty_logs_the_number_is_enough(assets: CommandLine, tmp_path: Path) -> None:
    """Where nobody named the asset; what was written has its header all the same."""
    log, empty = tmp_path / "a.log", tmp_path / "b.log"
    log.write_text("hello\n")
    empty.touch()
    assets.open(log_files=((ATTEMPTS[1], log), *[(ATTEMPTS[0], empty)] * 11))
    assert assets("logs") == (
        "hello\n",
        """\
── sessions, attempt 1, failed ─────────────────────────────────────────────────

11 more attempts wrote nothing
""",
        0,
    )


def test_logs_of_an_asset_alone_name_the_run(assets: CommandLine, tmp_path: Path) -> None:
    """Which was not said, on stderr."""
    log = tmp_path / "a.log"
    log.write_text("hello\n")
    assets.open(log_files=((ATTEMPTS[1], log),))
    assert assets("logs", "sessions") == ("hello\n", f"run {RUN}\n", 0)


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
