"""Removes what is old and what nothing needs any more. What a plan reads is the same before and after.

The unit is the run: one is kept whole, with its steps and attempts, or goes whole. Runs are kept that are young, among
the newest, not ended, or named by a record that somebody still reads. Of everything else the latest record of each key
is kept, and what the latest materializations say that they have read. Deletes no file; says which logs may go.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Final, NamedTuple

# A materialization or observation that a materialization of `needed` has read, by the number that it has on record.
_READ = """
    SELECT t.seq FROM (
        SELECT m.environment, i.key AS upstream, json_extract(i.value, '$[1]') AS record
        FROM materializations m JOIN needed n ON n.kind = 'made' AND n.seq = m.seq, json_each(m.inputs) i
        UNION
        SELECT a.environment, i.key, json_extract(i.value, '$[1]')
        FROM attempts a, json_each(a.prepared, '$.inputs') i WHERE a.state = 'open' AND a.prepared IS NOT NULL
    ) r JOIN {table} t ON t.seq = r.record AND t.asset = r.upstream AND t.environment = r.environment
"""
_NEEDED: Final = (
    "CREATE TEMP TABLE needed (kind TEXT, seq INTEGER, PRIMARY KEY (kind, seq)) WITHOUT ROWID",
    "INSERT OR IGNORE INTO needed SELECT 'made', materialization FROM latest WHERE materialization IS NOT NULL",
    "INSERT OR IGNORE INTO needed SELECT 'made', usable FROM latest WHERE usable IS NOT NULL",
    "INSERT OR IGNORE INTO needed SELECT 'seen', observation FROM latest WHERE observation IS NOT NULL",
    "INSERT OR IGNORE INTO needed SELECT 'tried', attempt FROM latest WHERE attempt IS NOT NULL",
    (
        "INSERT OR IGNORE INTO needed SELECT 'found', max(seq) FROM check_results "
        "GROUP BY environment, asset, partition, name"
    ),
    "INSERT OR IGNORE INTO needed SELECT 'seen', seq FROM (" + _READ.format(table="observations") + ")",  # noqa: S608
    "INSERT OR IGNORE INTO needed SELECT 'read', seq FROM (" + _READ.format(table="materializations") + ")",  # noqa: S608
    "INSERT OR IGNORE INTO needed SELECT 'made', seq FROM needed WHERE kind = 'read'",
)
# `fresh` runs keep their logs, too; the others are kept for what names them.
_RUNS: Final = (
    "CREATE TEMP TABLE fresh (seq INTEGER PRIMARY KEY)",
    (
        "INSERT OR IGNORE INTO fresh SELECT seq FROM runs WHERE coalesce(finished, started) >= :before "
        "OR status = 'running' OR environment IS NOT coalesce(:environment, environment)"
    ),
    "INSERT OR IGNORE INTO fresh SELECT run_seq FROM attempts WHERE state = 'open'",
    (
        "INSERT OR IGNORE INTO fresh SELECT seq FROM (SELECT seq, row_number() OVER "
        "(PARTITION BY environment ORDER BY seq DESC) AS place FROM runs) WHERE place <= max(:runs, 1)"
    ),
    "CREATE TEMP TABLE kept (seq INTEGER PRIMARY KEY, id TEXT UNIQUE)",
    "INSERT INTO kept SELECT seq, id FROM runs WHERE seq IN (SELECT seq FROM fresh)",
    (
        "INSERT OR IGNORE INTO kept SELECT r.seq, r.id FROM needed n JOIN attempts a ON a.seq = n.seq "
        "JOIN runs r ON r.seq = a.run_seq WHERE n.kind = 'tried'"
    ),
    (
        "INSERT OR IGNORE INTO kept SELECT r.seq, r.id FROM needed n JOIN materializations m ON m.seq = n.seq "
        "JOIN runs r ON r.id = m.run WHERE n.kind = 'made'"
    ),
    (
        "INSERT OR IGNORE INTO kept SELECT r.seq, r.id FROM needed n JOIN materializations m ON m.seq = n.seq "
        "JOIN attempts a ON a.seq = m.attempt JOIN runs r ON r.seq = a.run_seq WHERE n.kind = 'made'"
    ),
    (
        "INSERT OR IGNORE INTO kept SELECT r.seq, r.id FROM needed n JOIN check_results c ON c.seq = n.seq "
        "JOIN runs r ON r.id = c.run WHERE n.kind = 'found'"
    ),
)
_HERE = "environment IS coalesce(:environment, environment)"
_AT_WORK = "SELECT environment FROM runs WHERE status = 'running'"
# By the name of what is removed, in an order in which nothing refers to what is gone.
_REMOVALS: Final = {
    "check results": f"DELETE FROM check_results WHERE {_HERE} AND seq NOT IN "  # noqa: S608 - constants, as all below
    "(SELECT seq FROM needed WHERE kind = 'found') AND CASE WHEN run IS NULL THEN at < :before "
    "ELSE run NOT IN (SELECT id FROM kept) END",
    "materializations": f"DELETE FROM materializations WHERE {_HERE} AND seq NOT IN "  # noqa: S608
    "(SELECT seq FROM needed WHERE kind = 'made') AND run NOT IN (SELECT id FROM kept)",
    "unblocks": "DELETE FROM unblocks WHERE materialization NOT IN (SELECT seq FROM materializations)",
    "attempts": "DELETE FROM attempts WHERE run_seq NOT IN (SELECT seq FROM kept)",
    "steps": "DELETE FROM run_steps WHERE run_seq NOT IN (SELECT seq FROM kept)",
    "runs": "DELETE FROM runs WHERE seq NOT IN (SELECT seq FROM kept)",
    # A run that goes on may be reading what somebody else supersedes meanwhile, and has not said so yet.
    "observations": f"DELETE FROM observations WHERE {_HERE} AND observed < :before AND seq NOT IN "  # noqa: S608
    f"(SELECT seq FROM needed WHERE kind = 'seen') AND environment NOT IN ({_AT_WORK})",
    "data times": (
        f"DELETE FROM frozen_data_times AS f WHERE {_HERE} AND environment NOT IN ({_AT_WORK}) "  # noqa: S608
        "AND NOT EXISTS (SELECT 1 FROM read r WHERE r.environment = f.environment AND r.asset = f.asset "
        "AND r.version = f.data_version)"
    ),
    "alerts": f"DELETE FROM alert_deliveries WHERE {_HERE} AND created < :before AND state <> 'waiting'",  # noqa: S608
    "deeds": "DELETE FROM state_events WHERE at < :before AND (:environment IS NULL OR environment IS :environment) "
    "AND seq NOT IN (SELECT max(seq) FROM state_events WHERE kind = 'gc' GROUP BY environment)",
}
# The versions that a materialization on record has read, or one that is prepared: once the old ones are gone.
_VERSIONS: Final = (
    (
        "CREATE TEMP TABLE read (environment TEXT, asset TEXT, version TEXT, "
        "PRIMARY KEY (environment, asset, version)) WITHOUT ROWID"
    ),
    (
        "INSERT OR IGNORE INTO read SELECT m.environment, i.key, json_extract(i.value, '$[0]') "
        "FROM materializations m, json_each(m.inputs) i WHERE json_extract(i.value, '$[0]') IS NOT NULL"
    ),
    (
        "INSERT OR IGNORE INTO read SELECT a.environment, i.key, json_extract(i.value, '$[0]') "
        "FROM attempts a, json_each(a.prepared, '$.inputs') i WHERE a.state = 'open' AND a.prepared IS NOT NULL "
        "AND json_extract(i.value, '$[0]') IS NOT NULL"
    ),
)
_LOGS = (
    "SELECT a.log FROM attempts a WHERE a.log IS NOT NULL AND a.run_seq NOT IN (SELECT seq FROM fresh) "
    "AND NOT (a.seq IN (SELECT seq FROM needed WHERE kind = 'tried') AND a.state <> 'succeeded') "
    "ORDER BY a.seq"
)


class Retention(NamedTuple):
    """What to keep: everything since `before` (microseconds UTC), and the newest `runs` of each environment.

    `environment` is the one to work on; None for all that the file holds.
    """

    before: int
    runs: int
    environment: str | None


class Old(NamedTuple):
    """What may be removed of the logs: single ones, as they are on record, and all of some runs."""

    logs: tuple[str, ...]
    runs: tuple[str, ...]


def old_logs(connection: sqlite3.Connection, wanted: Retention) -> Old:
    """The logs that are too old to be kept; not those of what failed and was not mended since.

    Called inside a transaction.
    """
    _mark(connection, wanted)
    logs = tuple(log for (log,) in connection.execute(_LOGS))
    runs = tuple(run for (run,) in connection.execute("SELECT id FROM runs WHERE seq NOT IN (SELECT seq FROM kept)"))
    _forget_marks(connection)
    return Old(logs, runs)


def collect(connection: sqlite3.Connection, wanted: Retention) -> dict[str, int]:
    """Remove what is not to be kept; how many records of each kind went. Called inside a transaction."""
    _mark(connection, wanted)
    values = wanted._asdict()
    removed: dict[str, int] = {}
    for name, statement in _REMOVALS.items():
        if name == "data times":
            _each(connection, _VERSIONS, values)
        removed[name] = _run(connection, statement, values)
    connection.execute("DROP TABLE temp.read")
    _forget_marks(connection)
    return {name: number for name, number in removed.items() if number}


def compact(connection: sqlite3.Connection) -> None:
    """Give the room of what was removed back to the disk. Not inside a transaction.

    Raises:
        sqlite3.Error: the disk has no room for a copy, or somebody else keeps the file.
    """
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    if free:
        connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def running(connection: sqlite3.Connection) -> tuple[str, ...]:
    """The runs that are recorded as running, in whatever environment."""
    return tuple(run for (run,) in connection.execute("SELECT id FROM runs WHERE status = 'running' ORDER BY seq"))


def _mark(connection: sqlite3.Connection, wanted: Retention) -> None:
    _each(connection, (*_NEEDED, *_RUNS), wanted._asdict())


def _forget_marks(connection: sqlite3.Connection) -> None:
    for table in ("needed", "fresh", "kept"):
        connection.execute(f"DROP TABLE temp.{table}")


def _each(connection: sqlite3.Connection, statements: Iterable[str], values: dict[str, object]) -> None:
    for statement in statements:
        _run(connection, statement, values)


def _run(connection: sqlite3.Connection, statement: str, values: dict[str, object]) -> int:
    asked = {name: value for name, value in values.items() if f":{name}" in statement}
    return max(connection.execute(statement, asked).rowcount, 0)
