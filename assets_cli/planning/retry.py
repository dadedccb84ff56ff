"""What a run left undone: which of its assets are to be planned anew. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from assets_cli.model.history import StepRecord

_DONE = {"succeeded", "skipped"}


class Undone(NamedTuple):
    """What to plan anew, in the order of the run. `gone` is no longer in the manifest."""

    names: tuple[str, ...]
    forced: frozenset[str]
    gone: tuple[str, ...]


def undone(steps: Sequence[StepRecord], known: Collection[str]) -> Undone:
    """Of a run's steps those that failed, crashed, were cancelled or blocked, or never started; `known` are today's.

    What was forced stays forced. A step that only marked its asset ran nothing, so there is nothing to run again.
    """
    left = [step for step in steps if step.result not in _DONE and step.kind != "mark"]
    return Undone(
        tuple(step.asset for step in left if step.asset in known),
        frozenset(step.asset for step in left if step.asset in known and step.forced),
        tuple(step.asset for step in left if step.asset not in known),
    )
