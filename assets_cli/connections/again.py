"""Doing again what a connection that broke has undone. Knows no driver."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from assets_cli.connections.protocol import DatabaseError

T = TypeVar("T")
PAUSES = (1.0, 3.0)
"""Seconds before each further try."""

_PASSING = (
    *("refused", "timeout", "timed out", "starting up", "shutting down", "recovery mode", "not yet accepting"),
    *("too many", "no such file", "reset by peer", "closed the connection unexpectedly", "temporary failure"),
    *("connection is lost", "connection is closed", "broken pipe"),
)


def may_pass(said: str) -> bool:
    """Whether what a server says to who wants to connect, or nobody does, may well be otherwise in a moment."""
    text = said.lower()
    return any(words in text for words in _PASSING)


def again(work: Callable[[], T], mend: Callable[[], object] = lambda: None) -> T:
    """Do it, and where the connection is lost meanwhile, `mend` it and do it again; `work` must bear being done twice.

    Raises:
        DatabaseError: what the work raises that is not for a lost connection, or what it raises the last time.
    """
    for pause in PAUSES:
        try:
            return work()
        except DatabaseError as error:
            if not error.lost:
                raise
        time.sleep(pause)
        mend()
    return work()
