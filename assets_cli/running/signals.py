"""SIGINT and SIGTERM as messages to the loop of a run, so that one place decides what an interrupt means."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue

from assets_cli.running.run import Interrupt, Message


@contextmanager
def signals_into(inbox: SimpleQueue[Message]) -> Iterator[None]:
    """Turn SIGINT and SIGTERM into messages while a run lasts. Only the main thread can; elsewhere nothing changes."""

    def on_signal(number: int, _frame: object) -> None:
        inbox.put(Interrupt(signal.Signals(number).name))

    before = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, on_signal)
    except ValueError:
        before = {}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
