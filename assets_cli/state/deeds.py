"""The transactions in which history is repaired on purpose, and the record of each: what was done, when, by whom.

Knows where such records lie (`state_events`) and how a state file is opened to be changed; not what is changed.
"""

from __future__ import annotations

import json
import os
import socket
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from assets_cli.model.history import Deed, DeedKind
from assets_cli.model.problem import AssetsError, Problem
from assets_cli.state import failures, opening, rows
from assets_cli.state.store import TIMEOUT
from assets_cli.state.writer import connect

ABOUT_THE_FILE = ("export", "import", "backup")
"""Deeds that say something of the file, not of the history in it: they are no part of an export."""


def require_history(path: Path) -> None:
    """Refuse to work on a history that is not there.

    Raises:
        AssetsError: there is no state file (A0510).
    """
    if not path.exists():
        message = f"there is no history yet: no state file at {path}"
        hint = "`assets materialize` starts one; --state names another file"
        raise AssetsError(Problem("A0510", message, hint=hint))


@contextmanager
def changing(path: Path, *, timeout: float = TIMEOUT) -> Iterator[sqlite3.Connection]:
    """A connection inside a transaction that is committed at the end, or of which nothing is left.

    The state file is made, or migrated, where needed.

    Raises:
        AssetsError: as `record.open_recorder`.
    """
    with closing(connect(path, timeout)) as connection, transaction(connection, path, timeout):
        yield connection


@contextmanager
def transaction(connection: sqlite3.Connection, path: Path, timeout: float = TIMEOUT) -> Iterator[None]:
    """One transaction of a connection that was opened before: all or nothing.

    Raises:
        AssetsError: the file cannot be written.
    """
    with failures.explained(path, timeout):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")


def note(
    connection: sqlite3.Connection, kind: DeedKind, at: int, environment: str | None, details: Mapping[str, Any]
) -> None:
    """Put a deed on record, in the transaction of the deed itself.

    Args:
        connection: inside the transaction.
        kind: what was done.
        at: when, in microseconds UTC.
        environment: whose history was changed; None for a deed that concerns the whole file.
        details: what was done, field by field, as JSON.
    """
    (after,) = connection.execute("SELECT max(seq) FROM runs").fetchone()
    who = {"host": socket.gethostname(), "pid": os.getpid(), "after": after}
    connection.execute(
        "INSERT INTO state_events (environment, at, kind, details) VALUES (?, ?, ?, ?)",
        (environment, at, kind, rows.dump({**who, **details})),
    )


def between(
    path: Path, environment: str, newest: str | None = None, oldest: str | None = None, *, limit: int = 100
) -> tuple[Deed, ...]:
    """The deeds of an environment and those that concern the whole file, the newest first.

    Args:
        path: the state file; it may be missing.
        environment: whose deeds.
        newest: not those that happened after a newer run than this; None for no such bound.
        oldest: not those that happened before this run; None for no such bound.
        limit: how many at most.
    """

    def work(connection: sqlite3.Connection) -> tuple[Deed, ...]:
        found = connection.execute(
            "SELECT e.kind, e.at, e.environment, e.details, (SELECT r.id FROM runs r WHERE r.environment = ?1 "
            "AND r.seq <= json_extract(e.details, '$.after') ORDER BY r.seq DESC LIMIT 1) "
            "FROM state_events e WHERE (e.environment IS NULL OR e.environment = ?1) "
            "AND (?2 IS NULL OR coalesce(json_extract(e.details, '$.after'), 0) "
            "<= (SELECT seq FROM runs WHERE id = ?2)) "
            "AND (?3 IS NULL OR json_extract(e.details, '$.after') >= (SELECT seq FROM runs WHERE id = ?3)) "
            "ORDER BY e.seq DESC LIMIT ?4",
            (environment, newest, oldest, limit),
        ).fetchall()
        return _deeds(found)

    return opening.read(path, TIMEOUT, work)


def last_collection(path: Path, environment: str) -> Deed | None:
    """The last time that old records of an environment were removed."""

    def work(connection: sqlite3.Connection) -> tuple[Deed, ...]:
        return _deeds(
            connection.execute(
                "SELECT kind, at, environment, details, NULL FROM state_events WHERE kind = 'gc' "
                "AND (environment IS NULL OR environment = ?) ORDER BY json_extract(details, '$.before') DESC LIMIT 1",
                (environment,),
            ).fetchall()
        )

    return next(iter(opening.read(path, TIMEOUT, work)), None)


def _deeds(found: Sequence[rows.Row]) -> tuple[Deed, ...]:
    deeds = []
    for kind, at, environment, text, after in found:
        details = json.loads(text)
        host, pid = details.pop("host"), details.pop("pid")
        details.pop("after")
        deeds.append(Deed(kind, at, environment, host, pid, details, after))
    return tuple(deeds)
