"""When steps of a past run began, waited and ended, its critical path, and the trace that is made of it."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
from support.shop import NOON, RUN, SECOND

from assets_cli.cli import trace
from assets_cli.manifest.schemas import schema_text
from assets_cli.model.event import RunStarted, StepFinished, StepStarted, StepWaiting
from assets_cli.model.history import Attempt, AttemptState, RunRecord, StepRecord
from assets_cli.planning.timeline import timeline

RECORD = RunRecord(RUN, "default", "succeeded", NOON, NOON + 10 * SECOND, 2, (), "box", 4711, {"succeeded": 3})


def at(second: float) -> int:
    """So many seconds after noon."""
    return NOON + int(second * SECOND)


def step(name: str, *after: str, result: str | None = "succeeded") -> StepRecord:
    """A step with the edges that its causes keep."""
    causes = (
        {"kind": "missing", "detail": "never materialized", "upstream": None},
        {"kind": "upstream_changed", "detail": "other changed", "upstream": "no step of this run"},
        *({"kind": "upstream_stale", "detail": f"upstream {name}", "upstream": name} for name in after),
    )
    return StepRecord(name, "materialize", causes, False, result, False, None)  # type: ignore[arg-type]


def tried(
    name: str, started: float, finished: float | None, number: int = 1, state: AttemptState = "succeeded"
) -> Attempt:
    """An attempt between two moments."""
    end = None if finished is None else at(finished)
    return Attempt(0, RUN, name, number, state, at(started), end, 0, None, f"logs/{name}.{number}.log")


def critical(*steps: StepRecord, attempts: list[Attempt], record: RunRecord = RECORD) -> list[str]:
    """The critical path."""
    return [bar.asset for bar in timeline(record, steps, attempts, at(99)).critical]


def test_the_critical_path_goes_back_along_what_was_waited_for() -> None:
    """From what ended last to the upstream that ended last, and so on; not along what took longest."""
    steps = (step("quick"), step("slow"), step("both", "quick", "slow"), step("alone"))
    attempts = [tried("alone", 0, 9), tried("quick", 0, 1), tried("slow", 0.5, 3), tried("both", 3, 10)]
    assert critical(*steps, attempts=attempts) == ["slow", "both"]


def test_what_did_not_run_is_passed() -> None:
    """A skipped step took no time, but what came before it did."""
    steps = (step("a"), step("b", "a", result="skipped"), step("c", "b"))
    assert critical(*steps, attempts=[tried("a", 0, 4), tried("c", 4, 10)]) == ["a", "c"]


def test_a_run_in_which_nothing_ran_has_no_path() -> None:
    """Nor bars."""
    assert timeline(RECORD, (step("a", result="skipped"),), (), at(99)).critical == ()


def test_waiting_counts_from_the_end_of_what_came_before() -> None:
    """For the first ones from the start of the run."""
    steps = (step("a"), step("b", "a"), step("c", "b", result="skipped"), step("d", "c"))
    bars = timeline(RECORD, steps, [tried("a", 1, 2), tried("b", 5, 6), tried("d", 6.5, 7)], at(99)).bars
    assert [(bar.asset, bar.waited / SECOND) for bar in bars] == [("a", 1.0), ("b", 3.0), ("d", 0.5)]


def test_retries_are_one_bar_with_several_attempts() -> None:
    """It lasts from the first to the end of the last."""
    attempts = [tried("a", 0, 1, state="failed"), tried("a", 3, 4, number=2)]
    (bar,) = timeline(RECORD, (step("a"),), attempts, at(99)).bars
    assert [(each.number, each.state) for each in bar.attempts] == [(1, "failed"), (2, "succeeded")]
    assert (bar.begun, bar.ended) == (at(0), at(4))


def test_what_goes_on_lasts_until_now_and_what_died_until_its_last_sign() -> None:
    """A crashed run has no end on record."""
    running = RECORD._replace(status="running", finished=None)
    crashed = RECORD._replace(status="crashed", finished=None)
    attempts = [tried("a", 0, 3), tried("b", 1, None, state="open")]
    ends = [timeline(each, (step("a"), step("b")), attempts, at(99)).ended for each in (running, crashed)]
    assert ends == [at(99), at(3)]


def test_a_clock_that_went_back_makes_nothing_negative() -> None:
    """Neither lengths nor waits."""
    attempts = [tried("a", 5, 2), tried("b", 1, 1)]
    chart = timeline(RECORD, (step("a"), step("b", "a")), attempts, at(99))
    assert [(bar.waited, bar.ended - bar.begun) for bar in chart.bars] == [(0, 0), (5 * SECOND, 0)]


# -- traces ------------------------------------------------------------------------------------------------------------


def traced(steps: tuple[StepRecord, ...], attempts: list[Attempt], told: trace.Tracer | None = None) -> dict[str, Any]:
    """The trace of a run, which is as its schema says."""
    document: dict[str, Any] = json.loads(trace.document(RECORD, steps, attempts, at(99), told))
    jsonschema.validate(document, json.loads(schema_text("trace")))
    return document


def slices(document: dict[str, Any], category: str = "attempt") -> list[tuple[Any, ...]]:
    """What is drawn: row, name, and seconds after noon."""
    return [
        (each["tid"], each["name"], (each["ts"] - NOON) / SECOND, each["dur"] / SECOND)
        for each in document["traceEvents"]
        if each["ph"] == "X" and each["cat"].startswith(category)
    ]


def test_each_attempt_is_drawn_in_a_row_that_is_free() -> None:
    """Side by side where they overlap; a retry is another piece."""
    steps = (step("a"), step("b"), step("c", "a"))
    attempts = [
        tried("a", 0, 2, state="failed"),
        tried("b", 1, 5),
        tried("a", 3, 4, number=2),
        tried("c", 4, 4),
    ]
    document = traced(steps, attempts)
    assert slices(document) == [
        (1, "a", 0.0, 2.0),
        (2, "b", 1.0, 4.0),
        (1, "a, attempt 2", 3.0, 1.0),
        (1, "c", 4.0, 0.000001),
    ]
    names = [(each["tid"], each["args"]["name"]) for each in document["traceEvents"] if each["ph"] == "M"]
    assert names == [(0, f"run {RUN}"), (0, "the run"), (1, "job 1"), (2, "job 2")]
    assert document["otherData"]["critical_path"] == ["b"]


def test_arrows_lead_from_the_last_attempt_to_what_came_after() -> None:
    """Their ends lie within the pieces that they connect."""
    steps = (step("a"), step("b", "a", "gone"))
    attempts = [tried("a", 0, 1, state="failed"), tried("a", 2, 3, number=2), tried("b", 4, 5)]
    flows = [each for each in traced(steps, attempts)["traceEvents"] if each["ph"] in "sf"]
    assert [(each["ph"], each["id"], each["ts"] - NOON) for each in flows] == [
        ("s", 1, 3 * SECOND - 1),
        ("f", 1, 4 * SECOND),
    ]


def test_what_is_told_of_an_attempt() -> None:
    """Field by field."""
    steps = (step("a"), step("b", "a"))
    (_, piece) = [
        each
        for each in traced(steps, [tried("a", 0, 3), tried("b", 4, 5)])["traceEvents"]
        if each.get("cat") == "attempt,succeeded"
    ]
    assert piece["args"] == {
        "asset": "b",
        "attempt": 1,
        "state": "succeeded",
        "result": "succeeded",
        "unchanged": False,
        "causes": ["never materialized", "other changed", "upstream a"],
        "after": ["a"],
        "waited_seconds": 1.0,
        "exit_code": 0,
        "reason": None,
        "log": "logs/b.1.log",
        "on_critical_path": True,
        "waited_for": [],
    }


def test_a_run_that_is_traced_itself_knows_who_waited_for_whom() -> None:
    """And how long a step took that only evaluated checks."""
    told = trace.Tracer()
    for event in (
        RunStarted(RUN, NOON, ("a", "b"), 2),
        StepWaiting("a", at(1), "run r2"),
        StepWaiting("a", at(2), "2 of 2 taken", "pool", "api"),
        StepStarted("a", at(4), 1, (), None, None),
        StepFinished("a", at(5), "succeeded", unchanged=False, detail="", duration=SECOND),
        StepFinished("b", at(6), "succeeded", unchanged=True, detail="", duration=2 * SECOND),
    ):
        told(event)
    document = traced((step("a"), step("b")), [tried("a", 4, 5)], told)
    assert told.run == RUN
    assert slices(document, "wait") == [(1, "a waits", 1.0, 1.0), (1, "a waits", 2.0, 2.0)]
    assert slices(document, "checks") == [(1, "b, checks only", 4.0, 2.0)]
    (piece,) = [each for each in document["traceEvents"] if each.get("cat") == "attempt,succeeded"]
    assert piece["args"]["waited_for"] == ["run r2", "2 of 2 taken"]
