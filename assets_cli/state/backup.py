"""Copies the state file while others write to it: SQLite's own backup, placed whole or not at all.

Knows files; nothing of what is in them.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from assets_cli.model.problem import AssetsError, Problem
from assets_cli.state import failures, opening
from assets_cli.state.store import TIMEOUT

_COMPANIONS = ("-wal", "-journal")
_UNWRITABLE = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)


def back_up(path: Path, target: Path, *, replace: bool = False) -> int:
    """Copy the state file as it is at one moment. Writers go on meanwhile. Returns the size in bytes.

    Raises:
        AssetsError: the state file cannot be read, the target is there already (A0511) or cannot be written (A0512).
    """
    with placed(path, target, replace=replace) as temporary:

        def work(connection: sqlite3.Connection) -> None:
            with writing(target), closing(sqlite3.connect(temporary)) as copy:
                connection.backup(copy)

        opening.read(path, TIMEOUT, work)
        return temporary.stat().st_size


@contextmanager
def placed(state: Path, target: Path, *, replace: bool) -> Iterator[Path]:
    """A temporary file beside a target, which takes its place when all went well; else nothing is left of it.

    Args:
        state: the state file, which is never the target.
        target: where it goes.
        replace: whether a file that is there may be replaced.

    Raises:
        AssetsError: the target is there already, or in use (A0511), or cannot be written (A0512).
    """
    _refuse(state, target, replace=replace)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with writing(target):
            temporary.touch(exist_ok=False)
        yield temporary
        with writing(target):
            _put(temporary, target, replace=replace)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Raise an `AssetsError` that names the target where it cannot be written, and not the state file that is read."""
    try:
        yield
    except FileExistsError:
        raise AssetsError(_taken(target)) from None
    except (OSError, sqlite3.Error) as error:
        if isinstance(error, sqlite3.Error) and failures.primary_code(error) not in _UNWRITABLE:
            raise
        reason = getattr(error, "strerror", None) or str(error)
        hint = "name a file in a folder that is there, that you may write to, and that has room"
        raise AssetsError(Problem("A0512", f"cannot write {target}: {reason.lower()}", hint=hint)) from error


def _put(temporary: Path, target: Path, *, replace: bool) -> None:
    with temporary.open("rb") as written:
        os.fsync(written.fileno())
    if replace:
        temporary.replace(target)
    else:
        os.link(temporary, target)  # unlike a rename, it never replaces what somebody else just put there
    with suppress(OSError):  # not every file system can do that for folders
        descriptor = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _refuse(state: Path, target: Path, *, replace: bool) -> None:
    if target.is_dir():
        hint = f"name a file in it: {target / 'state.db'}"
        raise AssetsError(Problem("A0511", f"{target} is a folder", hint=hint))
    if os.path.realpath(target) == os.path.realpath(state):
        raise AssetsError(Problem("A0511", f"{target} is the state file itself", hint="name another file"))
    if os.path.lexists(target) and not replace:
        raise AssetsError(_taken(target))
    for suffix in _COMPANIONS:
        if (beside := target.with_name(target.name + suffix)).exists():
            message = f"{target} is in use as a database, or was left in the middle: {beside.name} lies beside it"
            raise AssetsError(Problem("A0511", message, hint="name another file"))


def _taken(target: Path) -> Problem:
    return Problem("A0511", f"{target} is there already", hint="name another file, or replace it with --force")
