"""The schema of the state file, as named migrations, and the check that a file is ours and that we know its schema.

Knows tables; neither what is written into them nor how the file is opened for reading.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from assets_cli.model.problem import AssetsError
from assets_cli.state import failures

APPLICATION_ID = 0x41535445  # "ASTE", in the file's header: another program's database is recognised and refused
Step = Callable[[sqlite3.Connection], None]
_HISTORY = (
    """CREATE TABLE runs (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        environment TEXT NOT NULL,
        status TEXT NOT NULL,
        started INTEGER NOT NULL,
        finished INTEGER,
        jobs INTEGER NOT NULL,
        selection TEXT NOT NULL,
        host TEXT NOT NULL,
        pid INTEGER NOT NULL,
        version TEXT NOT NULL
    )""",
    # What may have died is found without reading the history.
    "CREATE INDEX runs_running ON runs (seq) WHERE status = 'running'",
    """CREATE TABLE run_steps (
        run_seq INTEGER NOT NULL REFERENCES runs (seq),
        asset TEXT NOT NULL,
        partition TEXT NOT NULL DEFAULT '',
        position INTEGER NOT NULL,
        kind TEXT NOT NULL,
        causes TEXT NOT NULL,
        forced INTEGER NOT NULL,
        result TEXT,
        unchanged INTEGER NOT NULL,
        detail TEXT,
        PRIMARY KEY (run_seq, asset, partition)
    ) WITHOUT ROWID""",
    # AUTOINCREMENT wherever a number is quoted elsewhere (inputs, saved plans): it is never given out a second time.
    """CREATE TABLE attempts (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        run_seq INTEGER NOT NULL REFERENCES runs (seq),
        environment TEXT NOT NULL,
        asset TEXT NOT NULL,
        partition TEXT NOT NULL DEFAULT '',
        number INTEGER NOT NULL,
        state TEXT NOT NULL,
        started INTEGER NOT NULL,
        finished INTEGER,
        exit_code INTEGER,
        reason TEXT,
        log TEXT,
        process_group INTEGER,
        prepared TEXT
    )""",
    "CREATE INDEX attempts_of_run ON attempts (run_seq)",
    "CREATE INDEX attempts_open ON attempts (run_seq) WHERE state = 'open'",
    """CREATE TABLE materializations (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        environment TEXT NOT NULL,
        asset TEXT NOT NULL,
        partition TEXT NOT NULL DEFAULT '',
        run TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        started INTEGER NOT NULL,
        finished INTEGER NOT NULL,
        code_version TEXT NOT NULL,
        components TEXT NOT NULL,
        data_version TEXT NOT NULL,
        fingerprint TEXT,
        fingerprint_stat TEXT,
        fingerprint_newest INTEGER NOT NULL DEFAULT 0,
        fingerprint_taken INTEGER NOT NULL DEFAULT 0,
        data_time INTEGER,
        inputs TEXT NOT NULL,
        unchanged INTEGER NOT NULL,
        blocked INTEGER NOT NULL,
        metadata TEXT NOT NULL
    )""",
    "CREATE INDEX materializations_of_asset ON materializations (environment, asset, partition)",
    # History is never updated: that a blocked materialization may be used after all is a record of its own.
    """CREATE TABLE unblocks (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        materialization INTEGER NOT NULL UNIQUE REFERENCES materializations (seq),
        run TEXT,
        at INTEGER NOT NULL
    )""",
    """CREATE TABLE observations (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        environment TEXT NOT NULL,
        asset TEXT NOT NULL,
        partition TEXT NOT NULL DEFAULT '',
        observed INTEGER NOT NULL,
        data_version TEXT NOT NULL,
        data_time INTEGER,
        metadata TEXT NOT NULL
    )""",
    """CREATE TABLE check_results (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        environment TEXT NOT NULL,
        asset TEXT NOT NULL,
        partition TEXT NOT NULL DEFAULT '',
        run TEXT,
        materialization INTEGER,
        name TEXT NOT NULL,
        passed INTEGER NOT NULL,
        severity TEXT NOT NULL,
        blocking INTEGER NOT NULL,
        details TEXT NOT NULL,
        at INTEGER NOT NULL
    )""",
    # The latest record per key, written in the transaction of the record itself: reading the state costs what the
    # assets cost, never what the history costs.
    """CREATE TABLE latest (
        environment TEXT NOT NULL,
        asset TEXT NOT NULL,
        partition TEXT NOT NULL DEFAULT '',
        materialization INTEGER,
        usable INTEGER,
        attempt INTEGER,
        observation INTEGER,
        durations TEXT NOT NULL DEFAULT '[]',
        PRIMARY KEY (environment, asset, partition)
    ) WITHOUT ROWID""",
    """CREATE TABLE frozen_data_times (
        environment TEXT NOT NULL,
        asset TEXT NOT NULL,
        partition TEXT NOT NULL DEFAULT '',
        data_version TEXT NOT NULL,
        data_time INTEGER,
        PRIMARY KEY (environment, asset, partition, data_version)
    ) WITHOUT ROWID""",
    """CREATE TABLE state_events (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        environment TEXT,
        asset TEXT,
        partition TEXT NOT NULL DEFAULT '',
        at INTEGER NOT NULL,
        kind TEXT NOT NULL,
        details TEXT NOT NULL
    )""",
)


def m0001_history(connection: sqlite3.Connection) -> None:
    """Runs, attempts, materializations, observations, check results, and the latest of each."""
    for statement in _HISTORY:
        connection.execute(statement)


def m0002_check_results_of_asset(connection: sqlite3.Connection) -> None:
    """The latest result of a check is one look-up, however many there are."""
    connection.execute("CREATE INDEX check_results_of_asset ON check_results (environment, asset, partition, name)")


_ALERTS = (
    """CREATE TABLE alerts_told (
        environment TEXT NOT NULL,
        route TEXT NOT NULL,
        family TEXT NOT NULL,
        asset TEXT NOT NULL,
        event TEXT NOT NULL,
        cause TEXT NOT NULL,
        since INTEGER,
        at INTEGER NOT NULL,
        severity TEXT NOT NULL,
        resolved INTEGER,
        PRIMARY KEY (environment, route, family, asset)
    ) WITHOUT ROWID""",
    """CREATE TABLE alert_deliveries (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        environment TEXT NOT NULL,
        route TEXT NOT NULL,
        target INTEGER NOT NULL,
        event TEXT NOT NULL,
        title TEXT NOT NULL,
        created INTEGER NOT NULL,
        state TEXT NOT NULL,
        tries INTEGER NOT NULL DEFAULT 0,
        next_try INTEGER,
        error TEXT,
        delivered INTEGER,
        document TEXT NOT NULL
    )""",
    # What is yet to be delivered is found without reading what was.
    "CREATE INDEX alert_deliveries_waiting ON alert_deliveries (environment, seq) WHERE state <> 'sent'",
)


def m0003_alerts(connection: sqlite3.Connection) -> None:
    """What was told to whom, and the messages on their way."""
    for statement in _ALERTS:
        connection.execute(statement)


# In the order in which they are applied. A released one is never edited: what changes is a new one at the end.
STEPS: tuple[Step, ...] = (m0001_history, m0002_check_results_of_asset, m0003_alerts)
SCHEMA_VERSION = len(STEPS)


def schema_of(connection: sqlite3.Connection, path: Path) -> int:
    """The schema version of an open file; 0 for one that holds nothing yet.

    Raises:
        AssetsError: the file is another program's (A0503), or a newer version's (A0501).
        sqlite3.Error: it cannot be read.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application == APPLICATION_ID:
        if version > SCHEMA_VERSION:
            raise AssetsError(failures.newer(path, version, SCHEMA_VERSION))
        return int(version)
    if application or version or connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
        raise AssetsError(failures.foreign(path))
    return 0


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring an open file up to date, all of it in one transaction, or leave it as it was.

    The connection is in autocommit mode. Another process that migrates at the same moment is waited for.

    Raises:
        AssetsError, sqlite3.Error: as `schema_of`.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        if schema_of(connection, path) < SCHEMA_VERSION:
            _apply(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def blank() -> sqlite3.Connection:
    """A database in memory with today's schema and nothing in it: what is on record where no file is."""
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    for step in STEPS:
        step(connection)
    return connection


def build(connection: sqlite3.Connection, version: int) -> None:
    """Give an empty database the schema of an earlier version; `bring_up` goes on from there."""
    for step in STEPS[:version]:
        step(connection)
    _sign(connection, version)


def bring_up(connection: sqlite3.Connection) -> None:
    """Bring what `build` made to today's schema, all of it in one transaction."""
    connection.execute("BEGIN")
    _apply(connection)
    connection.execute("COMMIT")


def _apply(connection: sqlite3.Connection) -> None:
    """Do, in the transaction at hand, what comes after the version that a database has."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    for step in STEPS[version:]:
        step(connection)
    _sign(connection, SCHEMA_VERSION)


def _sign(connection: sqlite3.Connection, version: int) -> None:
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {version}")
