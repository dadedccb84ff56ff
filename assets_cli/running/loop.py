"""A loop on one thread: coroutines that wait for descriptors or for time, and go on one at a time.

One thread, because whoever starts thousands of short commands pays more for threads that wait for each other than for
the commands. Not asyncio, because its import and its subprocesses cost more than a short command does.

Before the loop sleeps it calls `at_rest`: the place to commit, once, what several coroutines have recorded. Knows
nothing of steps, commands or records.
"""

from __future__ import annotations

import heapq
import os
import select
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from typing import Any, Final, Literal, NamedTuple, TypeVar

T = TypeVar("T")

Fds = frozenset[int]
"""Descriptors."""

NOTHING: Final[Fds] = frozenset()

_LONGEST_POLL: Final = 86_400.0
"""Seconds: longer ones don't fit into the kernel's integer, so a longer wait is several of these."""


class _Wait(NamedTuple):
    """What a coroutine hands to the loop: descriptors with their events, or seconds, or both; whichever comes first."""

    events: Mapping[int, int]
    seconds: float | None

    def __await__(self) -> Generator[_Wait, Fds, Fds]:
        return (yield self)


class _Rest:
    """What a coroutine hands to the loop to go on when the loop has been at rest."""

    def __await__(self) -> Generator[_Rest, Fds, Fds]:
        return (yield self)


_REST: Final = _Rest()
_Asked = _Wait | _Rest


def ready(events: Mapping[int, int], seconds: float | None = None) -> Awaitable[Fds]:
    """Wait until one of these descriptors has one of its events, or its other side is gone, or for so many seconds.

    Gives the descriptors that are ready; none where the time was over first.
    """
    return _Wait(events, seconds)


def pause(seconds: float) -> Awaitable[Fds]:
    """Wait for some seconds."""
    return _Wait({}, seconds)


def rest() -> Awaitable[Fds]:
    """Wait until everybody has gone on as far as possible and `at_rest` was called: what was recorded is committed."""
    return _REST


async def in_thread(work: Callable[[], T]) -> T:
    """What `work` returns, done by another thread while others go on; for what may take longer than an instant."""
    reader, writer = os.pipe()
    outcome: list[tuple[Literal[True], T] | tuple[Literal[False], BaseException]] = []

    def carry_out() -> None:
        try:
            outcome.append((True, work()))
        except BaseException as error:  # noqa: BLE001 - it is raised again by who waits
            outcome.append((False, error))
        finally:
            os.close(writer)  # which the reader sees

    try:
        threading.Thread(target=carry_out, name="assets-work", daemon=True).start()
        await ready({reader: select.POLLIN})
    finally:
        os.close(reader)
    done = outcome[0]
    if done[0]:
        return done[1]
    raise done[1]


class _Task:
    """A coroutine that was started, and what is called with its end."""

    __slots__ = ("coroutine", "events", "on_end", "timer")

    def __init__(
        self, coroutine: Coroutine[_Asked, Fds | None, Any], on_end: Callable[[Any, BaseException | None], None]
    ) -> None:
        self.coroutine = coroutine
        self.on_end = on_end
        self.events: Mapping[int, int] = {}
        self.timer: float | None = None


class Loop:
    """Runs coroutines until none is left. Everything happens in the thread that calls `run`."""

    def __init__(self, at_rest: Callable[[], None] | None = None) -> None:
        self._at_rest = at_rest or (lambda: None)
        self._poll = select.poll()
        self._waiting: dict[int, list[_Task]] = {}
        self._masks: dict[int, int] = {}
        self._timers: list[tuple[float, int, _Task]] = []
        self._count = 0
        self._runnable: deque[tuple[_Task, Fds | None]] = deque()
        self._resting: list[_Task] = []
        self._watched: dict[int, Callable[[], None]] = {}
        self._alive = 0

    def start(self, coroutine: Coroutine[Any, Any, T], on_end: Callable[[T, BaseException | None], None]) -> None:
        """Let a coroutine run; `on_end` gets what it returned, or what it raised and nothing worth reading."""
        self._alive += 1
        self._runnable.append((_Task(coroutine, on_end), None))

    def watch(self, descriptor: int, call: Callable[[], None]) -> None:
        """Call this once when a descriptor is readable, for as long as the loop runs. Keeps the loop not alive."""
        self._watched[descriptor] = call
        self._register(descriptor)

    def run(self) -> None:
        """Go on until every coroutine has ended, those that were started meanwhile too."""
        while self._alive:
            while self._runnable:
                task, value = self._runnable.popleft()
                self._resume(task, value)
            self._at_rest()
            if self._resting:
                self._runnable.extend((task, NOTHING) for task in self._resting)
                self._resting.clear()
            if not self._runnable and self._alive:
                try:
                    self._sleep()
                except BaseException as error:  # noqa: BLE001 - such as KeyboardInterrupt: whoever waits cleans up
                    self._interrupt(error)
        self._at_rest()

    def _resume(self, task: _Task, value: Fds | None, raised: BaseException | None = None) -> None:
        coroutine = task.coroutine
        try:
            asked = coroutine.send(value) if raised is None else coroutine.throw(raised)
        except StopIteration as end:
            self._alive -= 1
            task.on_end(end.value, None)
        except BaseException as error:  # noqa: BLE001 - handed on to who started it
            self._alive -= 1
            task.on_end(None, error)
        else:
            self._suspend(task, asked)

    def _interrupt(self, error: BaseException) -> None:
        """Raise an error in everybody who waits."""
        waiting = dict.fromkeys(task for tasks in self._waiting.values() for task in tasks)
        waiting |= dict.fromkeys(task for moment, _, task in self._timers if task.timer == moment)
        if not waiting:
            raise error
        for task in waiting:
            self._forget(task)
            self._resume(task, NOTHING, error)

    def _suspend(self, task: _Task, asked: _Asked) -> None:
        if isinstance(asked, _Rest):
            self._resting.append(task)
            return
        task.events = asked.events
        for descriptor in asked.events:
            self._waiting.setdefault(descriptor, []).append(task)
            self._register(descriptor)
        if asked.seconds is not None:
            self._count += 1
            task.timer = time.monotonic() + asked.seconds
            heapq.heappush(self._timers, (task.timer, self._count, task))

    def _register(self, descriptor: int) -> None:
        mask = select.POLLIN if descriptor in self._watched else 0
        for task in self._waiting.get(descriptor, ()):
            mask |= task.events[descriptor]
        if mask != self._masks.get(descriptor):
            self._masks[descriptor] = mask
            self._poll.register(descriptor, mask)

    def _forget(self, task: _Task) -> None:
        """A task waits no longer for anything: its descriptors may be closed from now on."""
        task.timer = None
        for descriptor in task.events:
            others = self._waiting[descriptor]
            others.remove(task)
            if others or descriptor in self._watched:
                self._register(descriptor)
            else:
                del self._waiting[descriptor], self._masks[descriptor]
                self._poll.unregister(descriptor)
        task.events = {}

    def _sleep(self) -> None:
        """Wait for the next event or moment, and make runnable who waited for it."""
        found = {descriptor for descriptor, _ in self._poll.poll(self._milliseconds())}
        for descriptor in found & self._watched.keys():
            call = self._watched.pop(descriptor)
            if descriptor not in self._waiting:
                del self._masks[descriptor]
                self._poll.unregister(descriptor)
            call()
        woken = dict.fromkeys(task for descriptor in found for task in self._waiting.get(descriptor, ()))
        for task in woken:
            value = frozenset(found.intersection(task.events))
            self._forget(task)
            self._runnable.append((task, value))
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            moment, _, task = heapq.heappop(self._timers)
            if task.timer == moment:
                self._forget(task)
                self._runnable.append((task, NOTHING))

    def _milliseconds(self) -> float:
        while self._timers and self._timers[0][2].timer != self._timers[0][0]:
            heapq.heappop(self._timers)  # it was woken by something else
        if not self._timers:
            return _LONGEST_POLL * 1000
        return min(max(self._timers[0][0] - time.monotonic(), 0), _LONGEST_POLL) * 1000


def wait_for(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run one coroutine to its end; what it returned.

    Raises:
        BaseException: what it raised.
    """
    ends: list[tuple[T, BaseException | None]] = []
    loop = Loop()
    loop.start(coroutine, lambda result, error: ends.append((result, error)))
    loop.run()
    result, error = ends[0]
    if error is not None:
        raise error
    return result
