"""Turns what SQLite and the disk say about the state file into problems that a user can mend.

Knows the kinds of failure, not what was being read or written.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from assets_cli.model.problem import AssetsError, Problem

_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_ERROR}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_UNWRITABLE = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG}
_PRIMARY = 0xFF  # the low byte of an extended result code is its primary code


def primary_code(error: BaseException) -> int:
    """SQLite's primary result code of an error; -1 where the error is Python's own."""
    code = getattr(error, "sqlite_errorcode", None)
    return -1 if code is None else code & _PRIMARY


@contextmanager
def explained(path: Path, timeout: float) -> Iterator[None]:
    """Raise an `AssetsError` that names the state file in place of any error of SQLite, the disk or a value.

    Args:
        path: the state file, as the user wrote it.
        timeout: how many seconds a lock was waited for.
    """
    try:
        yield
    except (sqlite3.Error, OSError, OverflowError, UnicodeError) as error:
        raise explanation(error, path, timeout) from error


def explanation(
    error: sqlite3.Error | OSError | OverflowError | UnicodeError, path: Path, timeout: float
) -> AssetsError:
    """What `explained` raises in place of an error."""
    if isinstance(error, sqlite3.Error):
        return AssetsError(_problem(error, path, timeout))
    if isinstance(error, OSError):
        return AssetsError(unusable(path, error.strerror or str(error)))
    hint = "nothing of it was recorded"
    return AssetsError(Problem("A0506", f"state file {path} cannot hold a value: {error}", hint=hint))


def unusable(path: Path, reason: str) -> Problem:
    """The state file cannot be used: permissions, a folder in its place, a disk that fails."""
    return Problem(
        "A0505",
        f"state file {path} cannot be used: {reason}",
        hint="check the permissions of the file and its folder, or name another file with --state",
    )


def replaced(path: Path) -> Problem:
    """What is open is no more what is at the path: what is written goes nowhere."""
    return Problem(
        "A0505",
        f"state file {path} cannot be used: it was removed or replaced while it was open",
        hint="what was on record went with it; run the command again, which begins with what is there now",
    )


def damaged(path: Path, reason: str) -> Problem:
    """The state file is no SQLite database any more, or its tables are not ours."""
    return Problem(
        "A0502",
        f"state file {path} is damaged: {reason}",
        hint="nothing was changed; restore it from a backup, or start another history with --state FILE",
    )


def newer(path: Path, found: int, known: int) -> Problem:
    """The state file has a schema that only a later version of this program knows."""
    return Problem(
        "A0501",
        f"state file {path} was written by a newer version of assets (schema {found}; this one knows {known})",
        hint="upgrade with `pip install --upgrade assets-cli`, or name another file with --state",
    )


def foreign(path: Path) -> Problem:
    """The file is a database of another program."""
    return Problem(
        "A0503",
        f"{path} is a SQLite database, but not a state file of assets",
        hint="nothing was changed; name the state file with --state FILE or `state:` in the manifest",
    )


def missing(path: Path, what: object) -> Problem:
    """Something is to be added to a record that is not there, such as a run that was removed meanwhile."""
    return Problem(
        "A0509",
        f"state file {path} holds no record of {what}, which is to be added to",
        hint="was the file replaced or restored while a run was at work? run the command again",
    )


def _problem(error: sqlite3.Error, path: Path, timeout: float) -> Problem:
    code = primary_code(error)
    if code in _BUSY:
        return Problem(
            "A0504",
            f"state file {path} is kept locked by another program (waited {timeout:g} s)",
            hint="close the program that has it open (a database browser, a backup) and run the command again",
        )
    if code in _DAMAGED:
        return damaged(path, str(error))
    if code in _UNWRITABLE:
        return Problem(
            "A0506",
            f"state file {path} cannot be written: {error}",
            hint="free space on its disk, check the permissions of the file and its folder, or use --state FILE",
        )
    return unusable(path, "its disk is read-only" if _is_on_read_only_disk(path) else str(error))


def _is_on_read_only_disk(path: Path) -> bool:
    try:
        return bool(os.statvfs(path.parent).f_flag & os.ST_RDONLY)
    except OSError:
        return False
