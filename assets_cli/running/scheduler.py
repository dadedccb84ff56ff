"""The scheduler of `assets up`, a state machine: what has happened goes in, what to do next comes out.

Pure: knows no clock, process or file, and nothing of assets but names. Moments are microseconds UTC, by the clock on
the wall: it may be set, and the machine may sleep; whoever drives this says so by `on_jump`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from assets_cli.model.duration import SECOND
from assets_cli.model.upkeep import Memory, Moment, Outlook, Tried

SETTLE: Final = SECOND // 5
"""How long changes are waited for to be complete: who saves a file, or several, takes a moment."""
AGAIN: Final = 60 * SECOND
"""After how long a waking that failed is tried again."""
_LONGEST_LEAD: Final = 60 * SECOND


class Ask(NamedTuple):
    """Ask what has to run, with what this process knows."""

    memory: Memory


class Run(NamedTuple):
    """Run this, with so many jobs. `number` is what `on_end` is told."""

    number: int
    wanted: Outlook
    jobs: int


class Wait(NamedTuple):
    """Nothing to do until this moment, or until something happens where that is None."""

    until: int | None


class Leave(NamedTuple):
    """All has ended."""


Action = Ask | Run | Wait | Leave


class Scheduler:
    """The schedule of one `up`. `next` is what it waits for, for people."""

    def __init__(self, jobs: int, now: int) -> None:
        self.next: Moment | None = None
        self._jobs = jobs
        self._wake: int | None = now
        self._asking: int | None = None
        self._again = False
        self._stopping = False
        self._runs: dict[int, Run] = {}
        self._waiting: Outlook | None = None
        self._tried: dict[str, Tried] = {}
        self._ended: dict[str, Tried] = {}
        self._looked: Mapping[str, int] = {}
        self._lead = SECOND // 2
        self._count = 0

    @property
    def is_idle(self) -> bool:
        """Whether nothing is asked and nothing runs."""
        return self._asking is None and not self._runs

    def decide(self, now: int) -> Action:
        """What to do now. What it says counts as done: the next call says what comes after it."""
        if self._stopping:
            return Wait(None) if not self.is_idle else Leave()
        if self._waiting is not None and self._free:
            return self._run(self._waiting)
        if self._asking is None and self._wake is not None and self._wake <= now:
            self._asking, self._again, self._wake, self._waiting = now, False, None, None
            busy = frozenset(name for one in self._runs.values() for name in one.wanted.names)
            memory = Memory(self._tried, busy, self._looked, self._lead, frozenset(self._ended))
            self._ended = {}
            return Ask(memory)
        return Wait(self._wake if self._asking is None else None)

    @property
    def _free(self) -> int:
        return self._jobs - sum(one.jobs for one in self._runs.values())

    def _run(self, wanted: Outlook) -> Run:
        self._waiting = None
        self._count += 1
        one = Run(self._count, wanted, min(self._free, len(wanted.names)))
        self._runs[self._count] = one
        return one

    # -- what happens ------------------------------------------------------------------------------------------------

    def on_answer(self, outlook: Outlook, looked: Mapping[str, int], now: int) -> None:
        """A question was answered. What is due and finds no free job is asked for again when one is."""
        took = now - self._asking if self._asking is not None else 0
        self._lead = min(max(2 * took, SECOND // 2), _LONGEST_LEAD)
        self._asking = None
        self._tried = {**outlook.tried, **self._ended}
        self._looked = looked
        self.next = outlook.next
        self._waiting = outlook if outlook.names and self._free else None
        self._sleep(
            now + SETTLE if self._again else None if outlook.next is None else max(outlook.next.at, now + SETTLE)
        )

    def on_failure(self, now: int) -> None:
        """A question could not be answered."""
        self._asking = None
        self.next = None
        self._sleep(now + (SETTLE if self._again else AGAIN))

    def on_end(self, number: int, now: int) -> None:
        """A run has ended, however it did: what was asked of its assets is not asked again at once."""
        wanted = self._runs.pop(number).wanted
        ended = {name: Tried(wanted.due.get(name, ""), now) for name in wanted.names}
        self._tried.update(ended)
        self._ended.update(ended)
        self._soon(now)

    def on_change(self, now: int) -> None:
        """A file that matters is not what it was."""
        self._soon(now + SETTLE)

    def on_jump(self, now: int) -> None:
        """The clock was set, or the machine slept: moments are not what they were."""
        self._soon(now)

    def on_stop(self) -> None:
        """Start nothing new."""
        self._stopping = True
        self._waiting = None

    def _soon(self, at: int) -> None:
        self._again = self._asking is not None
        self._sleep(at if self._wake is None else min(self._wake, at))

    def _sleep(self, until: int | None) -> None:
        self._wake = until
