"""What `assets retry` says; how a run reads is the business of the tests of `materialize`."""

from __future__ import annotations

import json

import jsonschema
from support.shop import NOON, RUN, SECOND, CommandLine, plan

from assets_cli.manifest.schemas import schema_text
from assets_cli.model.answers import Retry
from assets_cli.model.event import RunEvent, RunFinished, RunStarted, StepFinished
from assets_cli.model.history import RunRecord
from assets_cli.model.plan import Cause, Step
from assets_cli.model.problem import AssetsError, Problem

RECORD = RunRecord("20261121T110000-77aa", "default", "failed", NOON, NOON, 2, (), "box", 1, {"failed": 1})
PLAN = plan(Step("sessions", (Cause("last_run_failed", "the last attempt failed"),), ()))


def events(status: str) -> tuple[RunEvent, ...]:
    """A run of one step that ends so."""
    result = "succeeded" if status == "succeeded" else "failed"
    lists = {word: ("sessions",) if word == result else () for word in ("succeeded", "failed")}
    rest = dict.fromkeys(("unchanged", "skipped", "blocked", "cancelled"), ())
    return (
        RunStarted(RUN, NOON, ("sessions",), 2),
        StepFinished("sessions", NOON, result, unchanged=False, detail="", duration=SECOND),  # type: ignore[arg-type]
        RunFinished(RUN, NOON, status, **lists, **rest, duration=SECOND),
    )


def test_what_is_left_is_run(assets: CommandLine) -> None:
    """The run is named, what left the manifest too; the rest reads like `materialize`."""
    found = Retry(RECORD, ("old_report", "older"), PLAN)
    project = assets.open(retry=found, events=events("succeeded"))
    screen = assets("retry", "77aa", "--upstream", "--jobs", "3", "--fail-fast")
    assert screen == (
        "",
        """\
warning: old_report and older are no longer in the manifest and left out
retrying run 20261121T110000-77aa
shop: 1 to materialize · no estimate: none of them was timed yet

[1/1] sessions  succeeded in 1.0 s

1 succeeded in 1.0 s · run 20261121T115800-3f9a
""",
        0,
    )
    assert project.asked == [
        ("retry", ("77aa",), {"upstream": True, "jobs": 3}),
        ("materialize", (PLAN,), {"jobs": 3, "fail_fast": True}),
    ]


def test_after_another_failure_it_says_how_to_retry_again(assets: CommandLine) -> None:
    """Not `materialize`, which would plan the whole project."""
    assets.open(retry=Retry(RECORD, (), PLAN), events=events("failed"))
    screen = assets("retry")
    assert screen.err.endswith(
        "next: fix sessions, then run assets retry\n      what has succeeded will not run again\n"
    )
    assert screen.code == 1


def test_nothing_to_retry(assets: CommandLine) -> None:
    """Exit code 0, and with --json the last line all the same."""
    assets.open(retry=Retry(RECORD, (), None))
    said = "nothing to retry: run 20261121T110000-77aa left nothing undone\n"
    assert assets("retry") == ("", said, 0)
    document = json.loads(assets("retry", "--json").out)
    jsonschema.validate(document, json.loads(schema_text("run-events")))
    assert (document["event"], document["run"], document["status"]) == ("run_finished", None, "succeeded")
    assets.open(retry=Retry(None, (), None))
    assert assets("retry") == ("", "nothing to retry: no run is on record\n", 0)


def test_only_assets_that_are_gone(assets: CommandLine) -> None:
    """They are named, and there is nothing to do."""
    assets.open(retry=Retry(RECORD, ("old_report",), None))
    screen = assets("retry")
    assert screen.err == (
        "warning: old_report is no longer in the manifest and left out\n"
        "nothing to retry: run 20261121T110000-77aa left nothing else undone\n"
    )
    first, last = assets("retry", "--json").out.splitlines()
    assert json.loads(first)["message"] == "old_report is no longer in the manifest and left out"
    assert json.loads(last)["event"] == "run_finished"


def test_a_run_that_goes_on_is_refused(assets: CommandLine) -> None:
    """Exit code 2; nothing is asked to run."""
    project = assets.open(retry=AssetsError(Problem("A0614", "run r still goes on")))
    assert assets("retry") == ("", "error[A0614]: run r still goes on\n", 2)
    assert [name for name, _, _ in project.asked] == ["retry"]
