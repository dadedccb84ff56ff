"""What a run left undone: which of its assets are to be planned anew. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from assets_cli.model.history import StepRecord
from assets_cli.model.plan import FULL_REFRESH

_DONE = {"succeeded", "skipped"}


class Undone(NamedTuple):
    """What to plan anew, in the order of the run. `gone` is no longer in the manifest.

    `anew` are those of the forced ones that were to be built from nothing.
    """

    names: tuple[str, ...]
    forced: frozenset[str]
    gone: tuple[str, ...]
    anew: frozenset[str] = frozenset()


def undone(steps: Sequence[StepRecord], known: Collection[str]) -> Undone:
    """Of a run's steps those that failed, crashed, were cancelled or blocked, or never started; `known` are today's.

    What was forced stays forced, and what was to be built from nothing is still to be. A step that only marked its
    asset ran nothing, so there is nothing to run again.
    """
    left = [step for step in steps if step.result not in _DONE and step.kind != "mark"]
    return Undone(
        tuple(step.asset for step in left if step.asset in known),
        frozenset(step.asset for step in left if step.asset in known and step.forced),
        tuple(step.asset for step in left if step.asset not in known),
        frozenset(step.asset for step in left if step.asset in known and _is_full_refresh(step)),
    )


def _is_full_refresh(step: StepRecord) -> bool:
    return any(cause["kind"] == "forced" and cause["detail"] == FULL_REFRESH for cause in step.causes)
