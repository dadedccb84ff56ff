"""What a run left undone."""

from __future__ import annotations

import pytest

from assets_cli.model.history import Result, StepRecord
from assets_cli.model.plan import FULL_REFRESH, Cause
from assets_cli.planning.retry import Undone, undone


def step(name: str, result: Result | None, *, forced: bool = False, kind: str = "materialize") -> StepRecord:
    """How a step ended."""
    return StepRecord(name, kind, (), forced=forced, result=result, unchanged=False, detail=None)


@pytest.mark.parametrize("result", ["failed", "blocked", "cancelled", None])
def test_what_did_not_go_well_is_undone(result):
    """Failed, blocked, cancelled, and without a result because it never started or its run died."""
    assert undone([step("a", result)], {"a"}) == Undone(("a",), frozenset(), ())


@pytest.mark.parametrize("result", ["succeeded", "skipped"])
def test_what_went_well_is_not(result):
    """A step that had no cause left by then needs nothing either, forced or not."""
    assert undone([step("a", result, forced=True)], {"a"}) == Undone((), frozenset(), ())


def test_forced_stays_forced_and_the_order_is_the_run_s():
    """Also of what was only blocked."""
    steps = [step("b", "failed", forced=True), step("a", "blocked"), step("c", "succeeded", forced=True)]
    assert undone(steps, {"a", "b", "c"}) == Undone(("b", "a"), frozenset({"b"}), ())


def test_what_was_to_be_built_from_nothing_still_is():
    """It says so in its causes; being forced otherwise is no full refresh."""
    anew, forced = (Cause("forced", said)._asdict() for said in (FULL_REFRESH, "forced by --force"))
    steps = [
        step("a", "failed", forced=True)._replace(causes=(anew,)),
        step("b", "blocked", forced=True)._replace(causes=(forced,)),
        step("gone", "failed", forced=True)._replace(causes=(anew,)),
        step("done", "succeeded", forced=True)._replace(causes=(anew,)),
    ]
    assert undone(steps, {"a", "b", "done"}) == Undone(("a", "b"), frozenset("ab"), ("gone",), frozenset("a"))


def test_what_left_the_manifest_is_named():
    """It cannot be planned."""
    assert undone([step("gone", "failed", forced=True), step("a", None)], {"a"}) == Undone(
        ("a",), frozenset(), ("gone",)
    )


def test_marking_is_not_run_again():
    """A marking that failed half-way must not materialize what somebody mended by hand."""
    assert undone([step("a", None, forced=True, kind="mark")], {"a"}) == Undone((), frozenset(), ())
