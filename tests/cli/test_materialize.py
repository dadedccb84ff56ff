"""What `assets materialize` says, event by event, to people and to programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import jsonschema
import pytest
from support.shop import NOON, RUN, SECOND, USUAL_PLAN, CommandLine, plan

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

      raw_events  started (usually 3.1 s)
[1/3] raw_events  succeeded in 2.9 s (23,570 rows)
      sessions    waiting for run 20261121T115900-77aa on box (process 812)
      sessions    started
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

      raw_events  started
      raw_events  attempt 1 failed: exit code 75; again in 5.0 s
      raw_events  started again, attempt 2
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
            },
        ),
        ("materialize", (PLAN,), {"jobs": 7, "fail_fast": True}),
    ]


@pytest.mark.parametrize(
    ("jobs", "said"),
    [
        ("0", "--jobs 0: not a number from 1 to 1024\n  hint: leave --jobs out to use every processor"),
        ("-1", "--jobs -1: not a number from 1 to 1024\n  hint: leave --jobs out to use every processor"),
        ("1025", "--jobs 1025: not a number from 1 to 1024\n  hint: leave --jobs out to use every processor"),
        ("many", "--jobs: 'many' is not a whole number\n  hint: assets materialize --help says how it is used"),
    ],
)
def test_impossible_jobs_are_refused(assets: CommandLine, jobs: str, said: str) -> None:
    """Before anything is opened."""
    assert assets("materialize", "--jobs", jobs) == ("", f"error[A0815]: {said}\n", 2)


def test_what_was_cleaned_up_is_said(assets: CommandLine) -> None:
    """The warnings of the recovery come first."""
    assets.open(plan=PLAN, events=GOOD, recovered=(Warned(None, NOON, "run r died; its commands were ended"),))
    assert assets("materialize").err.startswith("warning: run r died; its commands were ended\nshop: 3 to materialize")
