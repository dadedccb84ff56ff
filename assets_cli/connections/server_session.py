"""What sessions with servers have in common: transactions, and another try where a connection breaks.

Knows no driver.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, TypeVar

from assets_cli.connections.protocol import DatabaseError

T = TypeVar("T")
PAUSES = (1.0, 3.0)
"""Seconds before each further try."""

_TRANSIENT = (
    *("refused", "timeout", "timed out", "starting up", "shutting down", "recovery mode", "not yet accepting"),
    *("too many", "no such file", "reset by peer", "closed the connection unexpectedly", "temporary failure"),
    *("connection is lost", "connection is closed", "broken pipe"),
)


def is_transient(said: str) -> bool:
    """Whether what a server says to who wants to connect, or nobody does, may well be otherwise in a moment."""
    text = said.lower()
    return any(words in text for words in _TRANSIENT)


def retry(work: Callable[[], T], prepare: Callable[[], object] = lambda: None) -> T:
    """Do it, and where the connection is lost meanwhile, `prepare` and do it again; it must bear being done twice.

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
        prepare()
    return work()


class ServerSession(ABC):
    """One connection to a server. `raw` is the driver's: statements begin a transaction."""

    raw: Any

    def commit(self) -> None:
        """Commit what a user's statements left open; nothing where the connection is closed."""
        with self._refusals():
            if not self.raw.closed:
                self.raw.commit()

    @abstractmethod
    def close(self) -> None:
        """Close the connection; what was not committed is lost."""

    @abstractmethod
    def _connect(self) -> Any:
        """Another connection like this one."""

    @abstractmethod
    def _refusals(self) -> AbstractContextManager[None]:
        """Turn what the driver raises into a `DatabaseError`."""

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """A transaction of our own: what a look before has begun is ended first."""
        self.raw.commit()
        try:
            yield
            self.raw.commit()
        except BaseException:
            with suppress(Exception):  # a connection that broke has undone it
                self.raw.rollback()
            raise

    def _retry(self, work: Callable[[], T]) -> T:
        """Do it, and if the connection breaks meanwhile, which undid it, do it again with another one."""

        def connected() -> T:
            if self.raw.closed:
                self.raw = self._connect()
            return work()

        return retry(connected, self.close)
