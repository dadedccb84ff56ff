"""One file for each kind of database. `open_database` finds the kind by its name."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from assets_cli.connections.protocol import Database, DatabaseError
from assets_cli.model.spelling import nearest

BUILT_IN = ("duckdb", "sqlite", "postgres", "sqlalchemy")
GROUP = "assets_cli.connections"
"""The entry points of further kinds: the name of each is the `type`, and leads to a module with `database`."""


def open_database(kind: str, options: Mapping[str, str], root: Path) -> Database:
    """The database of a connection whose options have their variables filled in; nothing is connected yet.

    Built-in kinds resolve to their module without a scan of entry points, which would cost start-up.

    Raises:
        DatabaseError: no such kind is installed.
    """
    module = import_module(f"{__name__}.{kind}") if kind in BUILT_IN else _plugged_in(kind)
    database: Database = module.database(options, root)
    return database


def _plugged_in(kind: str) -> Any:
    from importlib.metadata import entry_points  # a scan of all that is installed: only for a name that is not ours

    found = {point.name: point for point in entry_points(group=GROUP)}
    if kind in found:
        try:
            return found[kind].load()
        except Exception as error:  # noqa: BLE001 - whatever a package of somebody else does when it is imported
            text = f"the connection type {kind!r} cannot be loaded from {found[kind].value}: {error}"
            raise DatabaseError(" ".join(text.split())) from None
    known = [*BUILT_IN, *sorted(found)]
    near = nearest(kind, known)
    hint = f"did you mean {near}?" if near else f"known types: {', '.join(known)}"
    if near is None:
        hint += f"; a package that brings another has an entry point {kind} in the group {GROUP}"
    raise DatabaseError(f"unknown connection type {kind!r}", hint=hint)
