"""When the steps of a run began and ended, how long each waited, and the chain of them that made the run take so long.

Pure, and a reader of what is on record: a step's causes name the steps that it came after, its attempts say when it
ran. What had no attempt (skipped, blocked, only checked again) has no times of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from assets_cli.model.history import Attempt, RunRecord, StepRecord


class Bar(NamedTuple):
    """A step that ran: its attempts in order, each with an end. `ready` is when the last step before it had ended."""

    step: StepRecord
    attempts: tuple[Attempt, ...]
    after: tuple[str, ...]
    ready: int

    @property
    def asset(self) -> str:
        """Its asset."""
        return self.step.asset

    @property
    def begun(self) -> int:
        """When its first attempt started."""
        return self.attempts[0].started

    @property
    def ended(self) -> int:
        """When its last attempt ended; where that still goes on, the end of the timeline."""
        return max(self.begun, *(_end(attempt) for attempt in self.attempts))

    @property
    def waited(self) -> int:
        """How long it could have run and did not: no job was free, or a lock or a pool."""
        return max(self.begun - self.ready, 0)


class Timeline(NamedTuple):
    """A run from its start to its end, in microseconds. `bars` are in the order in which they began.

    `critical` is the critical path, first to last: each is the step that the next one had to wait for, and the last is
    the one that ended last.
    """

    started: int
    ended: int
    bars: tuple[Bar, ...]
    critical: tuple[Bar, ...]


def timeline(record: RunRecord, steps: Sequence[StepRecord], attempts: Sequence[Attempt], now: int) -> Timeline:
    """The times of a run. One that goes on, or died, lasts until `now`, or until the last that is known of it.

    Clocks go back: nothing here is shorter than nothing.
    """
    known = [moment for each in attempts for moment in (each.started, each.finished) if moment is not None]
    last = max([record.started, *known])
    end = record.finished if record.finished is not None else max(now, last) if record.status == "running" else last
    by_asset: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        closed = attempt if attempt.finished is not None else attempt._replace(finished=max(end, attempt.started))
        by_asset.setdefault(attempt.asset, []).append(closed)
    after = {step.asset: edges(step) for step in steps}
    done: dict[str, int] = {}
    bars: dict[str, Bar] = {}
    for step in steps:
        name = step.asset
        ready = max((done[upstream] for upstream in after[name] if upstream in done), default=record.started)
        done[name] = ready
        if name in by_asset:
            bars[name] = bar = Bar(step, tuple(by_asset[name]), after[name], ready)
            done[name] = bar.ended
    ordered = sorted(bars.values(), key=lambda bar: bar.begun)
    return Timeline(record.started, max(end, last), tuple(ordered), _critical(bars, after))


def edges(step: StepRecord) -> tuple[str, ...]:
    """The steps of its run that a step came after: each of them is on record as a tentative cause."""
    named = (cause.get("upstream") for cause in step.causes if cause.get("kind") == "upstream_stale")
    return tuple(name for name in named if isinstance(name, str))


def _critical(bars: Mapping[str, Bar], after: Mapping[str, tuple[str, ...]]) -> tuple[Bar, ...]:
    """Back from the step that ended last, always to the one that ended last before it; what had no times is passed."""
    path: list[Bar] = []
    current = max(bars.values(), key=lambda bar: bar.ended, default=None)
    while current is not None:
        path.append(current)
        current = max(_before(current.asset, bars, after), key=lambda bar: bar.ended, default=None)
    return tuple(reversed(path))


def _before(name: str, bars: Mapping[str, Bar], after: Mapping[str, tuple[str, ...]]) -> list[Bar]:
    """The nearest steps above that have times."""
    found: list[Bar] = []
    seen: set[str] = set()
    waiting = list(after.get(name, ()))
    while waiting:
        upstream = waiting.pop()
        if upstream in seen:
            continue
        seen.add(upstream)
        if upstream in bars:
            found.append(bars[upstream])
        else:
            waiting += after.get(upstream, ())
    return found


def _end(attempt: Attempt) -> int:
    return attempt.started if attempt.finished is None else attempt.finished
