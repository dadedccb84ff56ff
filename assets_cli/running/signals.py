"""SIGINT, SIGTERM and SIGHUP cancel a run: the first gives what runs some time to end, the next ends it at once.

SIGHUP says that the terminal is gone. Whoever started us with SIGHUP ignored, as `nohup` does, wants us to go on.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from assets_cli.running.executors.cancellation import Cancellation


@contextmanager
def signals_into(cancellation: Cancellation) -> Iterator[None]:
    """Turn these signals into cancelling. Only the main thread can; elsewhere nothing changes."""

    def on_signal(_number: int, _frame: object) -> None:
        if cancellation.is_set():
            cancellation.hurry()
        else:
            cancellation.cancel()

    before = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, on_signal)
    except ValueError:
        before = {}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
