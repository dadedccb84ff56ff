"""What a run is at: who works since when, who waits for what, how many are left, and for how long.

Made from the plan and the events; shared by the live block and by the lines of a log. Draws nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Literal, NamedTuple

from assets_cli.cli.terminal import clean
from assets_cli.cli.words import about
from assets_cli.model.duration import SECOND
from assets_cli.model.duration import show as duration
from assets_cli.model.event import RunEvent, RunStarted, StepFinished, StepRetrying, StepStarted, StepWaiting
from assets_cli.model.plan import Plan, Step
from assets_cli.planning import schedule

_ENOUGH = 3  # finished steps without a history, before others like them are guessed at
_CALM = 10 * SECOND  # who is late by less says nothing
_SHARE = 20  # an estimate is made anew when so many times its own cost has passed


class Row(NamedTuple):
    """Somebody at work, waiting, or between two attempts. `since`, `usual` and `until` are in microseconds.

    `note` says for what or why; `until` is when a retry begins.
    """

    since: int
    does: Literal["runs", "waits", "pauses"]
    usual: int | None = None
    note: str = ""
    until: int = 0


class UnderWay:
    """The rows of a run, by asset. `monotonic` tells what an estimate costs, in seconds."""

    def __init__(self, plan: Plan, *, fail_fast: bool = False, clock: Callable[[], float] = monotonic) -> None:
        self.total = len(plan.steps)
        self.rows: dict[str, Row] = {}
        self.left: dict[str, Step] = {step.asset: step for step in plan.steps}
        self.failed = 0
        self._jobs = plan.jobs
        self._fail_fast = fail_fast
        self._clock = clock
        self._started: int | None = None
        self._readers: dict[str, list[str]] = {}
        self._missing: dict[str, int] = {}
        self._ready = {step.asset for step in plan.steps if not step.after}
        for step in plan.steps:
            self._missing[step.asset] = len(step.after)
            for upstream in step.after:
                self._readers.setdefault(upstream, []).append(step.asset)
        self._learnt: list[int] = [0, 0]  # finished steps that had no history: how many, and how long they took
        self._estimate: tuple[float, float, int, str] | None = None  # made at, cost, moment, what

    @property
    def done(self) -> int:
        """How many steps have ended."""
        return self.total - len(self.left)

    @property
    def running(self) -> int:
        """How many commands run."""
        return sum(row.does == "runs" for row in self.rows.values())

    @property
    def ready(self) -> int:
        """How many steps could start, if there were jobs for them."""
        return len(self._ready)

    def take(self, event: RunEvent) -> None:
        """Follow an event."""
        match event:
            case StepStarted():
                note = f"attempt {event.number}" if event.number > 1 else ""
                self._begin(event.asset, Row(event.at, "runs", event.usual, note))
            case StepFinished():
                self._finish(event)
            case StepWaiting():
                self._begin(event.asset, Row(event.at, "waits", None, clean(event.holder)))
            case StepRetrying():
                note = f"attempt {event.number} failed: {one_line(event.reason)}"
                self._begin(event.asset, Row(event.at, "pauses", None, note, event.at + event.delay))
            case RunStarted():
                self._started, self._jobs = event.at, event.jobs
            case _:
                pass

    def _begin(self, asset: str, row: Row) -> None:
        self.rows[asset] = row
        self._ready.discard(asset)

    def _finish(self, event: StepFinished) -> None:
        name = event.asset
        self.rows.pop(name, None)
        self._ready.discard(name)
        step = self.left.pop(name, None)
        if step is None:
            return
        if event.result == "failed":
            self.failed += 1
        elif event.result in ("succeeded", "skipped"):
            if event.result == "succeeded" and step.estimated is None and step.kind == "materialize":
                self._learnt[0] += 1
                self._learnt[1] += event.duration
            for reader in self._readers.get(name, ()):
                self._missing[reader] -= 1
                if not self._missing[reader] and reader in self.left and reader not in self.rows:
                    self._ready.add(reader)

    def readers(self, asset: str) -> list[str]:
        """The steps of this run that cannot start before this one has ended."""
        return [name for name in self._readers.get(asset, ()) if name in self.left]

    def time_left(self, now: int) -> str:
        """`about 9 s left`, `at a guess 3m left`, or for how long it has run where nothing can be said."""
        made = self._clock()
        if self._estimate is None or made - self._estimate[0] >= _SHARE * self._estimate[1]:
            moment, word = self._compute(now)
            self._estimate = (made, self._clock() - made, now + moment, word)
        _, _, end, word = self._estimate
        if word:
            return f"{word} {about(max(end - now, SECOND))} left"
        spent = max(now - self._started, 0) if self._started is not None else 0
        return f"{spent_for(spent)}, no estimate"

    def _compute(self, now: int) -> tuple[int, str]:
        """How much longer, in microseconds, by list scheduling, and how sure that is; no word where nobody knows."""
        count, took = self._learnt
        steps = {name: step for name, step in self.left.items() if name in self.rows} if self._stops else self.left
        word = "about"
        if any(step.estimated is None and step.kind == "materialize" for step in steps.values()):
            if count < _ENOUGH:
                return 0, ""
            word = "at a guess"
        length = schedule.lengths(steps, max(took // count, 1) if count else 1)
        begun: dict[str, int] = {}
        for name, row in self.rows.items():
            if name not in steps:
                continue
            if row.does != "runs":
                begun[name] = length[name] + max(row.until - now, 0)
                continue
            rest = length[name] - max(now - row.since, 0)
            if rest < -max(length[name], _CALM):
                word = "at a guess"
            begun[name] = abs(rest)  # who is late already is taken to be late as much again
        return schedule.left(steps, length, self._jobs, begun), word

    @property
    def _stops(self) -> bool:
        return self._fail_fast and self.failed > 0


def one_line(text: str) -> str:
    """A text from outside without its line breaks, and without what moves the cursor."""
    return clean(text) if "\n" not in text else clean(" ".join(text.split()))


def spent_for(length: int) -> str:
    """A length of time that grows on the screen: whole seconds."""
    return f"{length // SECOND} s" if length < 60 * SECOND else duration(length)
