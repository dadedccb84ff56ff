"""A listener that never holds up a run: events are told by a thread of its own, at most ten times a second.

A terminal that was stopped, or a pipe that nobody reads, takes nothing for as long as it likes; meanwhile commands
end, timeouts pass and Ctrl-C must work. Knows neither what an event says nor how it is shown.
"""

from __future__ import annotations

import errno
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol, Self

from assets_cli.model.event import RunEvent, RunFinished

_PAUSE = 0.1  # seconds
_GONE = (errno.EPIPE, errno.EIO)  # of a pipe, and of a terminal that was closed


class Show(Protocol):
    """Shows events, maybe none; gives the seconds after which it wants to be called anyway, None for never."""

    def __call__(self, events: Sequence[RunEvent], *, is_last: bool) -> float | None:
        """Show them. After the last call there is none."""


class BackgroundListener:
    """A context; what happened before its end is told when it ends, and only the first `RunFinished`.

    Whoever has read so far may leave, as `| head` does: the run goes on and nobody is told.
    """

    def __init__(self, show: Show, *, on_reader_gone: Callable[[], None] = lambda: None) -> None:
        self._show = show
        self._on_reader_gone = on_reader_gone
        self._events: deque[RunEvent] = deque()
        self._ended = False
        self._wake = threading.Event()
        self._closing = threading.Event()
        # A daemon: where even the end cannot be told, an interrupt must get us out.
        self._thread = threading.Thread(target=self._work, name="assets-listener", daemon=True)
        self.is_reader_gone = False
        self.error: Exception | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._wake.set()
        self._thread.join()

    def __call__(self, event: RunEvent) -> None:
        """Take in an event."""
        if self._ended:
            return
        self._ended = isinstance(event, RunFinished)
        self._events.append(event)
        if not self._wake.is_set():
            self._wake.set()

    def _work(self) -> None:
        patience = self._try((), is_last=False)
        while True:
            self._wake.wait(patience)
            # In this order: whatever comes after one of these looks wakes us again.
            self._wake.clear()
            is_last = self._closing.is_set()
            events = [self._events.popleft() for _ in range(len(self._events))]
            patience = self._try(events, is_last=is_last)
            if is_last:
                return
            self._closing.wait(_PAUSE)

    def _try(self, events: Sequence[RunEvent], *, is_last: bool) -> float | None:
        if self.is_reader_gone or self.error is not None:
            return None
        try:
            return self._show(events, is_last=is_last)
        except OSError as error:
            if error.errno not in _GONE:
                self.error = error
                return None
            self.is_reader_gone = True
            self._on_reader_gone()
        except Exception as error:  # noqa: BLE001 - a screen that fails must never stop a run; it is said at the end
            self.error = error
        return None
