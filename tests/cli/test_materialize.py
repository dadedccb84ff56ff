"""What `assets materialize` says, event by event, to people and to programs."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from support.shop import NOON, RUN, SECOND, USUAL_PLAN, CommandLine, manifest, plan

from assets_cli.cli.screens.run import Transcript
from assets_cli.cli.terminal import Terminal
from assets_cli.manifest.schemas import schema_text
from assets_cli.model.event import (
    RunEvent,
    RunFinished,
    RunStarted,
    StepFinished,
    StepRetrying,
    StepStarted,
    StepWaiting,
    Warned,
)
from assets_cli.model.history import Attempt, RunRecord, StepRecord
from assets_cli.model.plan import Skip
from assets_cli.model.problem import AssetsError, Problem

PLAN = USUAL_PLAN._replace(warnings=())
NAMES = ("raw_events", "sessions", "features")


def ended(status: str, **results: Sequence[str]) -> RunFinished:
    """The end of the run, fourteen seconds after its start."""
    words = ("succeeded", "unchanged", "failed", "skipped", "blocked", "cancelled")
    lists = {word: tuple(results.get(word, ())) for word in words}
    still_stale = tuple(results.get("still_stale", ()))
    return RunFinished(RUN, NOON, status, **lists, duration=14 * SECOND, still_stale=still_stale)


GOOD: tuple[RunEvent, ...] = (
    RunStarted(RUN, NOON, NAMES, 2),
    StepStarted("raw_events", NOON, 1, (), None, 3_100_000),
    StepFinished("raw_events", NOON, "succeeded", unchanged=False, detail="", duration=2_900_000, rows=23_570),
    StepWaiting("sessions", NOON, "run 20261121T115900-77aa on box (process 812)"),
    StepStarted("sessions", NOON, 1, (), None, None),
    StepFinished("sessions", NOON, "succeeded", unchanged=True, detail="", duration=2_000_000),
    StepFinished("features", NOON, "skipped", unchanged=False, detail="no cause is left", duration=0),
    ended(
        "succeeded",
        succeeded=("raw_events", "sessions"),
        unchanged=("sessions",),
        skipped=("features",),
        still_stale=("report",),
    ),
)
BAD: tuple[RunEvent, ...] = (
    RunStarted(RUN, NOON, NAMES, 2),
    StepStarted("raw_events", NOON, 1, (), None, None),
    StepRetrying("raw_events", NOON, 1, "exit code 75", 5 * SECOND),
    StepStarted("raw_events", NOON, 2, (), None, None),
    StepFinished(
        "raw_events",
        NOON,
        "failed",
        unchanged=False,
        detail="exit code 1",
        duration=2_300_000,
        log=".assets/logs/r/raw_events.2.log",
        tail=("Traceback (most recent call last):", "\x1b[31mKeyError\x1b[0m: 'x'\r"),
    ),
    StepFinished("sessions", NOON, "blocked", unchanged=False, detail="its upstream raw_events failed", duration=0),
    StepFinished("features", NOON, "blocked", unchanged=False, detail="its upstream raw_events failed", duration=0),
    Warned("raw_events", NOON, "a process of it is still running"),
    ended("failed", failed=("raw_events",), blocked=("sessions", "features")),
)


def test_a_good_run_is_one_line_an_event(assets: CommandLine) -> None:
    """Without a terminal: plain lines on stderr, nothing on stdout."""
    assets.open(plan=PLAN, events=GOOD)
    assert assets("materialize") == (
        "",
        """\
shop: 3 to materialize (1 may be cut off), 2 up to date, 1 external
about 9 s with 2 jobs

[1/3] raw_events  succeeded in 2.9 s (23,570 rows)
[2/3] sessions    succeeded in 2.0 s, unchanged
[3/3] features    skipped: no cause is left

2 succeeded (1 unchanged), 1 skipped in 14 s · run 20261121T115800-3f9a
still stale below: report
run: assets materialize raw_events --downstream
""",
        0,
    )


def test_a_failure_shows_its_log_and_the_way_on(assets: CommandLine) -> None:
    """The end of the log, where all of it is, who is blocked, and what to type after the fix."""
    assets.open(plan=PLAN, events=BAD)
    assert assets("materialize", "+features") == (
        "",
        """\
shop: 3 to materialize (1 may be cut off), 2 up to date, 1 external
about 9 s with 2 jobs

      raw_events  attempt 1 failed: exit code 75; again in 5.0 s
[1/3] raw_events  failed after 2.3 s: exit code 1
  ── the last 2 lines of its log ───────────────────────────────────────────────
  Traceback (most recent call last):
  KeyError: 'x'
  ──────────────────────────────────────────────────────────────────────────────
  log: .assets/logs/r/raw_events.2.log
  all: assets logs 20261121T115800-3f9a raw_events
[2/3] sessions    blocked: its upstream raw_events failed
[3/3] features    blocked: its upstream raw_events failed
warning: raw_events: a process of it is still running

1 failed, 2 blocked in 14 s · run 20261121T115800-3f9a
  failed     raw_events: exit code 1
  blocked    sessions: its upstream raw_events failed
  blocked    features: its upstream raw_events failed
next: fix raw_events, then run assets materialize +features
      what has succeeded will not run again
""",
        1,
    )


def test_an_interrupted_run_says_how_to_go_on(assets: CommandLine) -> None:
    """Exit code 130, and the same command again."""
    events = (RunStarted(RUN, NOON, NAMES, 2), ended("cancelled", succeeded=("raw_events",), cancelled=NAMES[1:]))
    assets.open(plan=PLAN, events=events)
    assert assets("--env", "prod", "materialize") == (
        "",
        """\
shop: 3 to materialize (1 may be cut off), 2 up to date, 1 external
about 9 s with 2 jobs


interrupted: 1 succeeded, 2 cancelled in 14 s · run 20261121T115800-3f9a
  cancelled  sessions
  cancelled  features
next: assets --env prod materialize goes on from here
""",
        130,
    )


def test_nothing_to_do(assets: CommandLine) -> None:
    """One sentence, exit code 0; for programs the last line alone."""
    end = RunFinished(None, NOON, "succeeded", (), (), (), (), (), ())
    assets.open(plan=plan(skips=(Skip("a", "up_to_date"),)), events=(end,))
    assert assets("materialize") == ("", "Nothing to do: the only asset is up to date.\n", 0)
    screen = assets("materialize", "--json")
    assert [json.loads(line)["event"] for line in screen.out.splitlines()] == ["run_finished"]
    assert json.loads(screen.out)["run"] is None


@pytest.mark.parametrize("events", [GOOD, BAD])
def test_json_is_one_event_a_line(assets: CommandLine, events: Sequence[RunEvent]) -> None:
    """Each line is as the schema says, the end comes last and once, and stderr is silent."""
    assets.open(plan=PLAN, events=events)
    screen = assets("materialize", "--json")
    lines = [json.loads(line) for line in screen.out.splitlines()]
    validator = jsonschema.Draft7Validator(json.loads(schema_text("run-events")))
    for line in lines:
        validator.validate(line)
    assert len(lines) == len(events)
    assert lines[-1]["event"] == "run_finished"
    assert screen.err == ""


def test_the_last_line_of_json_has_all_results(assets: CommandLine) -> None:
    """Field by field."""
    assets.open(plan=PLAN, events=BAD)
    assert json.loads(assets("materialize", "--json").out.splitlines()[-1]) == {
        "event": "run_finished",
        "run": RUN,
        "status": "failed",
        "succeeded": [],
        "unchanged": [],
        "failed": ["raw_events"],
        "skipped": [],
        "blocked": ["sessions", "features"],
        "cancelled": [],
        "duration_seconds": 14.0,
        "still_stale": [],
        "checks_failed": [],
        "at": "2026-11-21T12:00:00Z",
        "version": 1,
    }


def test_json_ends_properly_when_interrupted_before_the_run(assets: CommandLine) -> None:
    """Ctrl-C during planning: `run_finished` without a run, exit code 130."""
    assets.open(plan=KeyboardInterrupt())
    screen = assets("materialize", "--json")
    last = json.loads(screen.out)
    assert (last["event"], last["run"], last["status"]) == ("run_finished", None, "cancelled")
    assert (screen.err, screen.code) == ("interrupted\n", 130)


def test_json_ends_properly_when_recording_breaks(assets: CommandLine) -> None:
    """A run that breaks off still says its last line; what had not finished is cancelled."""
    broken: Any = AssetsError(Problem("A0501", "the state file is gone"))
    assets.open(plan=PLAN, events=(*GOOD[:3], broken))
    screen = assets("materialize", "--json")
    last = json.loads(screen.out.splitlines()[-1])
    assert (last["event"], last["status"]) == ("run_finished", "failed")
    assert (last["succeeded"], last["cancelled"]) == (["raw_events"], ["sessions", "features"])
    assert (screen.err, screen.code) == ("error[A0501]: the state file is gone\n", 2)


def test_a_refused_plan_runs_nothing(assets: CommandLine) -> None:
    """Exit code 2, the message on stderr."""
    assets.open(plan=AssetsError(Problem("A0602", "features cannot run", hint="add --upstream")))
    assert assets("materialize", "features") == (
        "",
        "error[A0602]: features cannot run\n  hint: add --upstream\n",
        2,
    )


def test_options_reach_the_project(assets: CommandLine) -> None:
    """Selection and flags go to the plan, jobs and fail-fast to the run."""
    project = assets.open(plan=PLAN, events=GOOD)
    assets("materialize", "features", "--upstream", "--force", "--jobs", "7", "--fail-fast")
    assert project.asked == [
        (
            "plan",
            (("features",),),
            {
                "upstream": True,
                "downstream": False,
                "force": True,
                "full_refresh": False,
                "jobs": 7,
                "observe": True,
                "ahead": 0,
            },
        ),
        ("materialize", (PLAN,), {"jobs": 7, "fail_fast": True}),
    ]


@pytest.mark.parametrize(
    ("jobs", "said"),
    [
        ("0", "--jobs 0: not a number from 1 to 1000000\n  hint: leave --jobs out to use every processor"),
        ("-1", "--jobs -1: not a number from 1 to 1000000\n  hint: leave --jobs out to use every processor"),
        ("1000001", "--jobs 1000001: not a number from 1 to 1000000\n  hint: leave --jobs out to use every processor"),
        ("many", "--jobs: 'many' is not a whole number\n  hint: assets materialize --help says how it is used"),
    ],
)
@pytest.mark.parametrize("command", ["materialize", "retry", "simulate", "up"])
def test_impossible_jobs_are_refused(assets: CommandLine, command: str, jobs: str, said: str) -> None:
    """Before anything is opened."""
    said = said.replace("materialize", command)
    assert assets(command, "--jobs", jobs) == ("", f"error[A0815]: {said}\n", 2)


def test_what_was_cleaned_up_is_said(assets: CommandLine) -> None:
    """The warnings of the recovery come first."""
    assets.open(plan=PLAN, events=GOOD, recovered=(Warned(None, NOON, "run r died; its commands were ended"),))
    assert assets("materialize").err.startswith("warning: run r died; its commands were ended\nshop: 3 to materialize")


# -- what a log is spared ----------------------------------------------------------------------------------------------


def failing(**fields: Any) -> tuple[RunEvent, ...]:
    """A run whose first step fails."""
    told: dict[str, Any] = {"unchanged": False, "detail": "exit code 1", "duration": SECOND}
    end = ended("failed", failed=("raw_events",), blocked=("sessions", "features"))
    return (RunStarted(RUN, NOON, NAMES, 2), StepFinished("raw_events", NOON, "failed", **{**told, **fields}), end)


@pytest.mark.parametrize("tail", [(), ("",), ("  ", "\t")])
def test_an_empty_log_is_not_pointed_to(assets: CommandLine, tail: tuple[str, ...]) -> None:
    """There is nothing to read in it."""
    assets.open(plan=PLAN, events=failing(log=".assets/logs/r/raw_events.1.log", tail=tail))
    assert assets("materialize").err.splitlines()[3:5] == ["[1/3] raw_events  failed after 1.0 s: exit code 1", ""]


LONG = "exit code 1: the table that it wanted to read was not where it used to be, and nobody had said a word of that"


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (
            80,
            """\
[1/3] raw_events  failed after 1.0 s: exit code 1: the table that it wanted to
                  read was not where it used to be, and nobody had said a word
                  of that
""",
        ),
        (
            40,
            """\
[1/3] raw_events
      failed after 1.0 s: exit code 1:
      the table that it wanted to read
      was not where it used to be, and
      nobody had said a word of that
""",
        ),
    ],
)
def test_a_long_reason_stays_in_its_column(
    assets: CommandLine, monkeypatch: pytest.MonkeyPatch, columns: int, expected: str
) -> None:
    """Or, where that is narrow, below the name."""
    monkeypatch.setenv("COLUMNS", str(columns))
    assets.open(plan=PLAN, events=failing(detail=LONG))
    assert expected in assets("materialize").err


def test_a_reason_of_several_lines_is_one(assets: CommandLine) -> None:
    """One line an event, whatever an exception says."""
    assets.open(plan=PLAN, events=failing(detail="ValueError: no\n  such\tthing"))
    assert "[1/3] raw_events  failed after 1.0 s: ValueError: no such thing\n" in assets("materialize").err


def test_a_failure_that_blocks_thousands_takes_few_lines(assets: CommandLine) -> None:
    """Nor does an interrupt take a line for each step that never started; the end counts them."""
    names = ("a", *(f"b{number}" for number in range(3_000)))
    blocked = [StepFinished(name, NOON, "blocked", False, "its upstream a failed", 0) for name in names[1:2_001]]
    idle = [StepFinished(name, NOON, "cancelled", False, "interrupted", 0) for name in names[2_001:]]
    started = RunStarted(RUN, NOON, names, 2)
    first = StepFinished("a", NOON, "failed", False, "exit code 1", SECOND)
    end = RunFinished(RUN, NOON, "cancelled", (), (), ("a",), (), names[1:2_001], names[2_001:], 14 * SECOND)
    steps = tuple(USUAL_PLAN.steps[0]._replace(asset=name, after=()) for name in names)
    assets.open(plan=PLAN._replace(steps=steps), events=(started, first, *blocked, *idle, end))
    shown = assets("materialize").err.splitlines()
    assert shown[2:21] == [
        "[   1/3001] a      failed after 1.0 s: exit code 1",
        *(f"[{number + 2:>4}/3001] b{number}     blocked: its upstream a failed" for number in range(8)),
        "            … and 1,992 more blocked",
        *(f"[{number + 2:>4}/3001] b{number}  cancelled: interrupted" for number in range(2_000, 2_008)),
        "            … and 992 more cancelled",
    ]
    assert [line for line in shown if line.startswith("  blocked")] == [
        *(f"  blocked    b{number}: its upstream a failed" for number in range(8)),
        "  blocked    … and 1,992 more",
    ]

    every = assets("materialize", "--all").err.splitlines()
    assert every[2:3003] == [
        "[   1/3001] a      failed after 1.0 s: exit code 1",
        *(f"[{number + 2:>4}/3001] {f'b{number}':<5}  blocked: its upstream a failed" for number in range(2_000)),
        *(f"[{number + 2:>4}/3001] b{number}  cancelled: interrupted" for number in range(2_000, 3_000)),
    ]
    assert [line for line in every if line.startswith("  blocked")] == [
        f"  blocked    b{number}: its upstream a failed" for number in range(2_000)
    ]


def test_all_names_every_asset_that_is_stale_below(assets: CommandLine) -> None:
    """Eight of them are enough to see what is meant."""
    below = tuple(f"below_{number:02}" for number in range(10))
    end = RunFinished(RUN, NOON, "succeeded", ("raw_events",), (), (), (), (), (), SECOND, still_stale=below)
    assets.open(plan=PLAN, events=(RunStarted(RUN, NOON, ("raw_events",), 2), end))
    assert "below_07 and 2 more" in " ".join(assets("materialize").err.split())
    assert f"still stale below: {', '.join(below[:-1])} and {below[-1]}" in " ".join(
        assets("materialize", "--all").err.split()
    )


def test_a_reader_who_left_does_not_end_the_run(assets: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """`assets materialize 2>&1 | head -1` runs all of it, and its exit code is the run's."""

    def break_pipe(*_: object) -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr(Terminal, "write", break_pipe)
    project = assets.open(plan=PLAN, events=failing())
    assert assets("materialize").code == 1
    assert [name for name, _, _ in project.asked] == ["plan", "materialize"]


def test_a_screen_that_fails_is_a_warning(assets: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run counts."""
    monkeypatch.setattr(Transcript, "lines", lambda *_: 1 / 0)
    assets.open(plan=PLAN, events=GOOD)
    screen = assets("materialize")
    assert screen.err.splitlines()[-1] == ("warning: the run could not be shown (ZeroDivisionError: division by zero)")
    assert screen.code == 0


# -- traces ------------------------------------------------------------------------------------------------------------

RECORD = RunRecord(
    RUN, "default", "failed", NOON, NOON + 14 * SECOND, 2, (), "box", 4711, {"failed": 1}, ("raw_events",)
)
HISTORY = (
    RECORD,
    (StepRecord("raw_events", "materialize", (), False, "failed", False, "exit code 1"),),
    (Attempt(1, RUN, "raw_events", 1, "failed", NOON, NOON + SECOND, 1, "exit code 1"),),
)


def test_a_trace_is_written_at_the_end(assets: CommandLine, tmp_path: Path) -> None:
    """Also of a run that failed."""
    assets.open(plan=PLAN, events=BAD, run=HISTORY)
    file = tmp_path / "trace.json"
    screen = assets("materialize", "--trace", str(file))
    assert screen.err.splitlines()[-1] == f"trace: {file} (for ui.perfetto.dev or chrome://tracing)"
    assert screen.code == 1
    trace = json.loads(file.read_text())
    jsonschema.validate(trace, json.loads(schema_text("trace")))
    assert [event["name"] for event in trace["traceEvents"] if event["ph"] == "X"] == [f"run {RUN}", "raw_events"]


@pytest.mark.parametrize("end", [KeyboardInterrupt(), AssetsError(Problem("A0506", "the state file is full"))])
def test_a_trace_of_a_run_that_broke_off(assets: CommandLine, tmp_path: Path, end: BaseException) -> None:
    """What is on record is drawn."""
    assets.open(plan=PLAN, events=(*BAD[:2], end), run=HISTORY)
    file = tmp_path / "trace.json"
    screen = assets("materialize", "--json", "--trace", str(file))
    assert json.loads(screen.out.splitlines()[-1])["event"] == "run_finished"
    assert json.loads(file.read_text())["otherData"]["run"] == RUN


def test_a_trace_of_nothing(assets: CommandLine, tmp_path: Path) -> None:
    """A file that is asked for is there."""
    file = tmp_path / "trace.json"
    end = RunFinished(None, NOON, "succeeded", (), (), (), (), (), ())
    assets.open(plan=plan(skips=(Skip("a", "up_to_date"),)), events=(end,))
    assert assets("materialize", "--json", "--trace", str(file)).code == 0
    trace = json.loads(file.read_text())
    jsonschema.validate(trace, json.loads(schema_text("trace")))
    assert (trace["otherData"], trace["traceEvents"]) == ({"run": None}, [])


def test_a_trace_that_cannot_be_written_is_refused_before_the_run(
    assets: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2, and nothing was asked of the project."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    shop = manifest(root=str(tmp_path))
    for name, why in (
        ("nowhere/trace.json", "there is no such directory"),
        ("folder", "is a directory"),
        ("assets.yml", "it is a file of the project"),
        ("report.html", "it is a file of the project"),
        (".assets/state.db", "it is a file of the project"),
    ):
        (tmp_path / ".assets").mkdir(exist_ok=True)
        project = assets.open(manifest=shop, plan=PLAN, events=GOOD)
        said = f"error[A0822]: cannot write {name}: {why}\n  hint: name another file with --trace\n"
        assert assets("materialize", "--trace", name) == ("", said, 2)
        assert project.asked == []


def test_a_trace_that_cannot_be_written_at_the_end_changes_no_result(assets: CommandLine, tmp_path: Path) -> None:
    """The folder went while the run went on: a warning, and the run's exit code."""
    folder = tmp_path / "gone"
    folder.mkdir()

    class Leaving(list[RunEvent]):
        def __iter__(self) -> Iterator[RunEvent]:
            folder.rmdir()
            return super().__iter__()

    assets.open(plan=PLAN, events=Leaving(GOOD), run=HISTORY)
    screen = assets("materialize", "--trace", str(folder / "t.json"))
    path = folder / "t.json"
    assert screen.err.splitlines()[-1] == (
        f"warning: no trace was written: cannot write {path}: no such file or directory"
    )
    assert screen.code == 0
