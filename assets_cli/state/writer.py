"""One connection that writes: transactions that nest, from any thread, and a state file made ready for them.

Knows how to commit all or nothing; knows nothing of what is recorded.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from assets_cli.model.problem import AssetsError
from assets_cli.state import failures, migrations, opening
from assets_cli.state.store import TIMEOUT, StateReader

T = TypeVar("T")


def connect(path: Path, timeout: float) -> sqlite3.Connection:
    """A connection to the state file at `path`, which is made, or migrated, where needed.

    Raises:
        AssetsError: as `store.open_reader`, or the file cannot be written (A0506). Nothing of it was changed then.
    """
    # Refuses a newer, a foreign or a damaged file before a connection that could write to it is opened.
    opening.read(path, timeout, lambda _: None)
    with failures.explained(path, timeout):
        _make_folder(path.parent)
        connection = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
        try:
            _prepare(connection, path, timeout)
        except BaseException:
            connection.close()
            raise
    return connection


class StateWriter(StateReader):
    """Reads and writes through one connection, from any thread; one thread at a time holds it."""

    def __init__(
        self, path: Path, connection: sqlite3.Connection, *, timeout: float = TIMEOUT, locks: Path | None = None
    ) -> None:
        super().__init__(path, timeout=timeout, locks=locks)
        self._connection = connection
        self._guard = threading.RLock()
        self._depth = 0
        self._failure: BaseException | None = None
        self._together = False
        self._asked_since_begin = False
        self._broken: BaseException | None = None
        self._seen = self._data_version()
        self._identity = _identity(path)
        self._transaction = _Transaction(self)

    def forget(self) -> None:
        """Called when a transaction was rolled back: what was remembered of it did not happen."""

    def close(self) -> None:
        """Close the file. What was not committed is not recorded."""
        with self._guard, failures.explained(self.path, self.timeout):
            self._connection.close()

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is recorded inside, in transactions or not, is committed by `commit` and at the end, and not before.

        Once anything of it fails, nothing more can be recorded: what came before in the same commit is lost, too.
        """
        self._together = True
        try:
            yield
            self.commit()
        finally:
            self._together = False
            with self._guard:
                self._roll_back()

    def commit(self) -> None:
        """Commit what was recorded `together` until now.

        Raises:
            AssetsError: the file cannot be written; nothing more can be recorded then.
        """
        with self._guard:
            if self._broken is not None:
                raise self._broken  # it took along what was recorded before it and is to be committed now
            if self._together and self._connection.in_transaction:
                try:
                    self._commit()
                except BaseException as error:
                    self._broken = error
                    self._roll_back()
                    self.forget()
                    raise

    def transaction(self) -> AbstractContextManager[None]:
        """All that is recorded inside is committed together at the end, or not at all.

        Inside another transaction it is part of that one. If anything inside fails, nothing of the whole is recorded,
        even if the failure was caught on the way: then the outermost raises it again.

        Raises:
            AssetsError: the file cannot be written.
        """
        return self._transaction

    def _enter(self) -> None:
        if self._broken is not None:
            raise self._broken
        self._guard.acquire()
        try:
            if self._depth:
                self._raise_failure()
            else:
                self._failure = None
                if not (self._together and self._connection.in_transaction):
                    self._begin()
            self._depth += 1
        except BaseException:
            self._guard.release()
            raise

    def _raise_failure(self) -> None:
        # SQLite may have rolled back by itself: then the rest would commit alone, statement by statement.
        if self._failure is not None:
            raise self._failure

    def _begin(self) -> None:
        try:
            with failures.explained(self.path, self.timeout):
                self._connection.execute("BEGIN IMMEDIATE")
        except BaseException as error:
            self._abandon(error)
            raise
        self._asked_since_begin = False

    def _leave(self, error: BaseException | None) -> None:
        self._depth -= 1
        try:
            if self._depth:
                self._failure = self._failure or error
            elif error is not None:
                self._abandon(error)
            else:
                self._end()
        finally:
            self._guard.release()

    def _abandon(self, error: BaseException) -> None:
        """Nothing of the outermost transaction is recorded."""
        if self._together:
            self._broken = error
        self._roll_back()
        self.forget()

    def changed_elsewhere(self) -> bool:
        """Whether another connection committed since this was last asked, or since the recorder was opened."""
        if self._asked_since_begin:
            return False  # nobody else can commit while we write
        with self._guard, failures.explained(self.path, self.timeout):
            self._asked_since_begin = self._connection.in_transaction
            before, self._seen = self._seen, self._data_version()
            return before != self._seen

    def _insert(self, statement: str, values: Sequence[object]) -> int:
        seq = self._connection.execute(statement, values).lastrowid
        assert seq is not None  # noqa: S101 - for mypy: an INSERT gives a row id
        return seq

    def _write(self, statement: str, values: Sequence[object]) -> None:
        """Change the one row that the statement names, which is there: else a fact would be lost in silence."""
        with self._transaction:
            if self._connection.execute(statement, values).rowcount != 1:
                raise AssetsError(failures.missing(self.path, values[-1]))

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._guard, failures.explained(self.path, self.timeout):
            if self._connection.in_transaction:
                return work(self._connection)
            self._connection.execute("BEGIN")
            try:
                return work(self._connection)
            finally:
                self._roll_back()

    def _end(self) -> None:
        """The outermost transaction is over; what is recorded together is committed later."""
        try:
            self._raise_failure()
            if not self._together:
                self._commit()
        except BaseException as error:
            self._abandon(error)
            raise

    def _commit(self) -> None:
        self._raise_failure()
        if self._identity != _identity(self.path):
            raise AssetsError(failures.replaced(self.path))
        with failures.explained(self.path, self.timeout):
            self._connection.execute("COMMIT")
        self._asked_since_begin = False

    def _roll_back(self) -> None:
        # After a full disk SQLite may have rolled back by itself; an error here would hide the one that counts.
        self._asked_since_begin = False
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _data_version(self) -> int:
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])


class _Transaction:
    """What `StateWriter.transaction` gives: always the same, since all that it remembers is its writer's.

    Not a generator, which costs more than what is recorded inside.
    """

    __slots__ = ("_writer",)

    def __init__(self, writer: StateWriter) -> None:
        self._writer = writer

    def __enter__(self) -> None:
        self._writer._enter()  # noqa: SLF001 - two halves of one thing

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._writer._leave(None)  # noqa: SLF001 - as above
            return
        if isinstance(error, (sqlite3.Error, OSError, OverflowError, UnicodeError)):
            told = failures.explanation(error, self._writer.path, self._writer.timeout)
            self._writer._leave(told)  # noqa: SLF001 - as above
            raise told from error
        self._writer._leave(error)  # noqa: SLF001 - as above


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file is at a path."""
    try:
        found = os.stat(path)  # noqa: PTH116 - before every commit
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _make_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    ignore = folder / ".gitignore"
    # Only in a folder that is all ours: beside a state file put elsewhere it would hide the user's own files from git.
    if folder.name == ".assets" and not ignore.exists():
        ignore.write_text("*\n", encoding="utf-8")


def _prepare(connection: sqlite3.Connection, path: Path, timeout: float) -> None:
    _prepare_schema(connection, path, timeout)
    # What cannot be written is found now, before a command is run whose success could not be recorded.
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("ROLLBACK")


def _prepare_schema(connection: sqlite3.Connection, path: Path, timeout: float) -> None:
    connection.execute("BEGIN")  # else somebody could make the file between two looks at it, and it would seem foreign
    try:
        version = migrations.schema_of(connection, path)
    finally:
        connection.execute("ROLLBACK")
    connection.execute("PRAGMA synchronous = NORMAL")
    # First: a schema that is made in a rollback journal waits four times for the disk.
    _prepare_mode(connection, timeout)
    if version < migrations.SCHEMA_VERSION:
        migrations.migrate(connection, path)


def _prepare_mode(connection: sqlite3.Connection, timeout: float) -> None:
    if connection.execute("PRAGMA journal_mode").fetchone() == ("wal",):
        return
    # SQLite does not wait for a lock when it changes the mode, so that two first runs could refuse each other.
    deadline = time.monotonic() + timeout
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if failures.primary_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
            time.sleep(0.01)
        else:
            return
