"""What is in tables: asked of a database only when its file moved since we left it.

Knows the protocols of databases and of their locks; knows nothing of assets or of SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

from assets_cli.connections.protocol import VIEW_DIGEST, Database, DatabaseError, Session
from assets_cli.model.history import Fingerprint
from assets_cli.model.world import SERVER_TABLE, OutputProbe
from assets_cli.probing.table_cache import DatabaseCache, cache_file, database_stat

__all__ = ["AskedTable", "DatabaseCache", "DatabaseLocks", "cache_file", "database_stat", "probe_tables"]

PATIENCE = 1.0


class DatabaseLocks(Protocol):
    """The mutexes of file databases, as far as a probe needs them."""

    def try_database(self, path: Path, seconds: float) -> AbstractContextManager[str | None]:
        """Hold the mutex of a database, waiting so long at most; None when it is held, else who has it."""
        ...


class AskedTable(NamedTuple):
    """A table to look at: the fingerprint on record, and whether it is a view."""

    recorded: Fingerprint | None = None
    view: bool = False


class TablesAtAGlance(NamedTuple):
    """What the tables of one database plainly hold now, by what was noted when its file was last seen as it is."""

    stat: str | None
    digests: Mapping[str, str]

    @classmethod
    def of(cls, file: Path | None, root: str, now_ns: int) -> TablesAtAGlance:
        """The tables of a database file; nothing is plain of a server, or of a file that moved."""
        stat = None if file is None else database_stat(file, now_ns)
        if file is None or stat is None:
            return cls(None, {})
        return cls(stat, DatabaseCache.load(cache_file(root, file)).digests(stat))

    def is_as_left(self, table: str, digest: str | None, stat: str | None) -> bool:
        """Whether a table plainly is as when its digest was taken at a stat of the file. False says nothing."""
        found = self.digests.get(table)
        return found == digest is not None if found is not None else self.stat is not None and self.stat == stat


def probe_tables(
    database: Database,
    tables: Mapping[str, AskedTable],
    cache: DatabaseCache,
    locks: DatabaseLocks | None,
    now_ns: int,
) -> dict[str, OutputProbe]:
    """What these tables hold now. The database is opened, read-only, only for those that are not known.

    `locks` is None where the caller holds the mutex. Whatever goes wrong is `unknown`, with a sentence.
    """
    if database.file is None:
        return _guarded(lambda: _open_and_ask(database, tables, None), tables)
    stat = database_stat(database.file, now_ns)
    if stat is None:
        return dict.fromkeys(tables, OutputProbe("missing"))
    probes: dict[str, OutputProbe] = {}
    unknown: dict[str, AskedTable] = {}
    for table, asked in tables.items():
        known = _known(table, asked, cache, stat)
        if known is None:
            unknown[table] = asked
        else:
            probes[table] = OutputProbe("present", known)
    if unknown:
        probes.update(_under_lock(database, database.file, unknown, cache, locks, now_ns))
    return probes


def _known(table: str, asked: AskedTable, cache: DatabaseCache, stat: str) -> Fingerprint | None:
    found = cache.known(table, stat)
    if found is None and asked.recorded is not None and asked.recorded.stat == stat:
        found = asked.recorded
    return found


def _under_lock(
    database: Database,
    file: Path,
    tables: Mapping[str, AskedTable],
    cache: DatabaseCache,
    locks: DatabaseLocks | None,
    now_ns: int,
) -> dict[str, OutputProbe]:
    with locks.try_database(file, PATIENCE) if locks else _held_already() as holder:
        if holder is not None:
            return dict.fromkeys(tables, OutputProbe("unknown", detail=f"not probed: in use by {holder}"))
        before = database_stat(file, now_ns)
        probes = _guarded(lambda: _open_and_ask(database, tables, before), tables)
        # What was found belongs to no stat if somebody wrote meanwhile.
        if before is not None and database_stat(file, now_ns) == before:
            cache.found(before, {name: each.fingerprint.digest for name, each in probes.items() if each.fingerprint})
    return probes


@contextmanager
def _held_already() -> Iterator[str | None]:
    yield None


def _open_and_ask(database: Database, tables: Mapping[str, AskedTable], stat: str | None) -> dict[str, OutputProbe]:
    session = database.open(read_only=True)
    try:
        existing = session.existing(list(tables))
        probes = {}
        for table, asked in tables.items():
            if table not in existing:
                probes[table] = OutputProbe("missing")
            elif database.file is None:
                probes[table] = OutputProbe("present", Fingerprint(VIEW_DIGEST if asked.view else SERVER_TABLE))
            else:
                probes[table] = OutputProbe("present", Fingerprint(_digest(session, table, asked), stat))
        return probes
    finally:
        session.close()


def _digest(session: Session, table: str, asked: AskedTable) -> str:
    try:
        return session.table_state(table).digest
    except DatabaseError:
        if not asked.view:
            raise
        return VIEW_DIGEST  # it is there, and what it reads is not


def _guarded(ask: Callable[[], dict[str, OutputProbe]], tables: Mapping[str, AskedTable]) -> dict[str, OutputProbe]:
    try:
        return ask()
    except (DatabaseError, OSError, ImportError) as error:
        sentence = " ".join(str(error).split()) or type(error).__name__
        return dict.fromkeys(tables, OutputProbe("unknown", detail=f"not probed: {sentence}"))
