"""Opens the state file for one reading, without ever writing: not to the file, and where it can be, not beside it.

Knows SQLite's files (`-wal`, `-journal`) and modes; not what is read.

SQLite's own read-only mode needs `-wal` and `-shm` files beside a database in WAL mode and makes them where they are
missing, which fails in a folder that we may not write to and leaves litter in one that we may. So, by what is there:

- no file: an empty database in memory.
- nothing in `-wal` or `-journal`: the file alone holds everything. It is read as immutable, and the answer counts only
  if neither it nor its neighbours moved meanwhile (git's racy-clean rule for the clock of the file system).
- otherwise: SQLite's read-only mode, which takes part in the locking. Where that cannot work because the folder is
  read-only, a copy of the file with its `-wal` or `-journal` is read, so that nothing committed is missed.
- an older schema is migrated in a copy in memory.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

from assets_cli.model.problem import AssetsError, Problem
from assets_cli.state import failures, migrations

T = TypeVar("T")
_COMPANIONS = ("-wal", "-journal")
_RACY_NS = 50_000_000  # well above the tick of any file system's clock that SQLite's WAL mode works on
_TRIES = 8
_NO_ACCESS = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}


class _Stamp(NamedTuple):
    inode: int
    size: int
    mtime_ns: int
    companions: tuple[int, ...]

    @property
    def is_alone(self) -> bool:
        return not any(self.companions)

    @property
    def is_racy(self) -> bool:
        return abs(time.time_ns() - self.mtime_ns) < _RACY_NS


def read(path: Path, timeout: float, work: Callable[[sqlite3.Connection], T]) -> T:
    """Call `work` with an open connection inside one read transaction, and return its answer.

    `work` may be called more than once, when a writer came in between.

    Args:
        path: the state file; it may be missing.
        timeout: how many seconds to wait for a lock.
        work: reads; it must not keep the connection.

    Raises:
        AssetsError: the file cannot be read, or is not ours to read.
    """
    with failures.explained(path, timeout):
        real = Path(os.path.realpath(path))  # SQLite keeps `-wal` beside the file itself, not beside a link to it
        for _ in range(_TRIES):
            stamp = _stamp(real)
            if stamp is None:
                with closing(migrations.blank()) as connection:
                    return work(connection)
            answer = _read_once(path, real, stamp, timeout, work)
            if answer is not None:
                return answer[0]
    raise AssetsError(
        Problem(
            "A0504",
            f"state file {path} changed each time while it was read",
            hint="wait for the commands that write to it, and run the command again",
        )
    )


def _read_once(
    path: Path, real: Path, stamp: _Stamp, timeout: float, work: Callable[[sqlite3.Connection], T]
) -> tuple[T] | None:
    """The answer, or None where the file moved while it was read without SQLite's locks, whatever came of it."""
    if stamp.is_alone and not stamp.is_racy:
        return _unlocked(path, real, stamp, work)
    try:
        with _connected(real, "mode=ro", timeout) as connection:
            return (_work(connection, path, work),)
    except sqlite3.OperationalError as error:
        if failures.primary_code(error) not in _NO_ACCESS or not os.access(real, os.R_OK) or not real.is_file():
            raise
    if not stamp.is_alone:
        return _copied(path, real, stamp, work)
    time.sleep(_RACY_NS / 1e9)  # until the file's time of change tells the next change from the last
    return _unlocked(path, real, stamp, work)


def _unlocked(path: Path, real: Path, stamp: _Stamp, work: Callable[[sqlite3.Connection], T]) -> tuple[T] | None:
    try:
        with _connected(real, "immutable=1", 0) as connection:
            answer = _work(connection, path, work)
    except (AssetsError, sqlite3.Error):
        if _stamp(real) == stamp:
            raise
        return None  # a writer replaced what was read under our hands
    return (answer,) if _stamp(real) == stamp else None


def _copied(path: Path, real: Path, stamp: _Stamp, work: Callable[[sqlite3.Connection], T]) -> tuple[T] | None:
    # Imported on use: they cost more than reading the state, and this is the rare way.
    import shutil
    import tempfile

    with tempfile.TemporaryDirectory(prefix="assets-state-") as folder:
        copy = Path(folder, "state.db")
        for suffix in ("", *_COMPANIONS):
            if _beside(real, suffix).exists():
                shutil.copyfile(_beside(real, suffix), _beside(copy, suffix))
        if _stamp(real) != stamp:
            return None
        with _connected(copy, "mode=rw", 0) as connection:
            return (_work(connection, path, work),)


def _work(connection: sqlite3.Connection, path: Path, work: Callable[[sqlite3.Connection], T]) -> T:
    connection.execute("BEGIN")
    if migrations.schema_of(connection, path) == migrations.SCHEMA_VERSION:
        return work(connection)
    connection.execute("COMMIT")
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as memory:
        connection.backup(memory)
        migrations.migrate(memory, path)
        return work(memory)


@contextmanager
def _connected(real: Path, mode: str, timeout: float) -> Iterator[sqlite3.Connection]:
    uri = f"{real.as_uri()}?{mode}"
    with closing(sqlite3.connect(uri, uri=True, timeout=timeout, isolation_level=None)) as connection:
        yield connection


def _stamp(real: Path) -> _Stamp | None:
    """What tells one state of the files from another; None where there is no file."""
    try:
        main = real.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISDIR(main.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    return _Stamp(
        main.st_ino, main.st_size, main.st_mtime_ns, tuple(_size(_beside(real, suffix)) for suffix in _COMPANIONS)
    )


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def _beside(file: Path, suffix: str) -> Path:
    return file.with_name(file.name + suffix)
