"""One file for each kind of database. `open_database` finds the kind by its name."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from assets_cli.connections.protocol import Database, DatabaseError

BUILT_IN = ("duckdb", "sqlite")


def open_database(kind: str, options: Mapping[str, str], root: Path) -> Database:
    """The database of a connection whose options have their variables filled in; nothing is connected yet.

    Built-in kinds resolve to their module without a scan of entry points, which would cost start-up.

    Raises:
        DatabaseError: no such kind is installed.
    """
    if kind not in BUILT_IN:
        message = f"unknown connection type {kind!r}"
        raise DatabaseError(message, hint=f"known types: {', '.join(BUILT_IN)}")
    module = import_module(f"assets_cli.connections.{kind}")
    database: Database = module.database(options, root)
    return database
