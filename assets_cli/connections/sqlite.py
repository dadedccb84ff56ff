"""SQLite: tables in a file, built beside and renamed in one transaction, fingerprinted row by row in Python.

Knows nothing of assets. SQLite has no hash of its own, so a fingerprint reads the whole table through the driver.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote as url_quote

from assets_cli.connections import files, growing, names
from assets_cli.connections.protocol import DatabaseError, Fetched, Growth, Kind, Rows, TableState
from assets_cli.connections.refusals import (
    SCRIPT_HINT,
    no_query,
    no_select,
    no_table,
    require_one_query,
    require_one_select,
)
from assets_cli.connections.sqlite_growing import BESIDE, GrowingTable

_PATIENCE = 30.0
"""Seconds to wait for another program's lock before giving up."""

_BATCH = 1_000
_NEEDS_WRITE = {264, 776, 1288}
"""SQLITE_READONLY_RECOVERY, _ROLLBACK, _CANTINIT: a killed writer left a journal, which only a writer can undo."""

_SUMMED = 1 << 128
_LEADING = re.compile(r"(?:\s+|--[^\n]*(?:\n|$)|/\*.*?(?:\*/|$)|;)*", re.DOTALL)
_WORD = re.compile(r"[A-Za-z]+")
_NO_TABLE = re.compile(r"no such table: (?:main\.)?(.+)")
_WRITES = re.compile(r'near "(?:insert|update|delete|replace)": syntax error', re.IGNORECASE)
_READS = ("select", "with", "values", "explain", "pragma")
_BETWEEN_LOOKS = 100_000  # instructions of SQLite's machine: a few milliseconds
_OWN_TRANSACTION = {
    "begin", "commit", "end", "rollback", "savepoint", "release",  # the script keeps its own transactions
    "vacuum", "attach", "detach", "pragma",  # refused or without effect inside of one
}  # fmt: skip


def database(options: Mapping[str, str], root: Path) -> SQLiteDatabase:
    """The database of a connection of type `sqlite`; its only option is `path`, relative to the project root.

    Raises:
        DatabaseError: an option is missing or unknown.
    """
    written, file = files.path_option("sqlite", options, root)
    return SQLiteDatabase(written, file)


class SQLiteDatabase(NamedTuple):
    """An SQLite file, not opened. `written` is its path as declared, `file` the real one."""

    written: str
    file: Path
    dialect: str = "sqlite"

    @property
    def location(self) -> str:
        """The path as declared, so that a checkout elsewhere has the same code version."""
        return f"sqlite:{self.written}"

    def open(self, *, read_only: bool = False) -> SQLiteSession:
        """Connect.

        Raises:
            DatabaseError: it cannot be opened, or is no SQLite database.
        """
        header = files.prepare(self.file, self.written, read_only=read_only)
        if header[8:12] == b"DUCK":
            raise DatabaseError(f"{self.written} is a DuckDB database", hint="declare the connection `type: duckdb`")
        try:
            try:
                raw = self._connect("ro" if read_only else "rwc")
            except sqlite3.OperationalError as error:
                if not read_only or error.sqlite_errorcode not in _NEEDS_WRITE:
                    raise
                self._connect("rw").close()
                raw = self._connect("ro")
        except sqlite3.Error as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
                message = f"{self.written} is not an SQLite database"
                raise DatabaseError(message, hint="check the connection's `path`") from None
            raise _refusal(error, self.written) from None
        return SQLiteSession(raw, self.written)

    def _connect(self, mode: str) -> sqlite3.Connection:
        raw = sqlite3.connect(f"file:{url_quote(str(self.file))}?mode={mode}", uri=True, timeout=_PATIENCE)
        try:
            raw.execute("select count(*) from sqlite_master").fetchone()  # connecting alone reads nothing
        except BaseException:
            raw.close()
            raise
        return raw


class SQLiteSession:
    """One open connection. `raw` is a `sqlite3.Connection` in the driver's default mode."""

    dialect = "sqlite"

    def __init__(self, raw: sqlite3.Connection, written: str) -> None:
        self.raw: Any = raw
        self._written = written

    def existing(self, tables: Sequence[str]) -> set[str]:
        """Which of these tables or views exist."""
        with self._refusals():
            split = {table: names.split(table) for table in tables}
            found: set[str] = set()
            for table, parts in split.items():
                schema = names.fold(parts[0]) if len(parts) > 1 else b"main"
                if len(parts) < 3 and schema == b"main" and self._kind(parts[-1]):  # noqa: PLR2004 - schema and name
                    found.add(table)
            return found

    def table_state(self, table: str) -> TableState:
        """Count and sum of row hashes: the same for the same rows in any order."""
        with self._refusals():
            name = self._resolve(table)
            kind = self._kind(name)
            if kind is None:
                raise no_table(table, self._table_names())
            return self._state(name, kind)

    def publish_select(
        self, table: str, query: str, kind: Kind, before_commit: Callable[[TableState], None]
    ) -> TableState:
        """Fill `table` from a SELECT in one transaction."""
        select = _one_select(query)
        with self._refusals():
            name = self._resolve(table)
        with self._refusals(), self._legacy_rename(), self._transaction():
            self._replace(name, select, kind)
            state = self._state(name, kind)
            before_commit(state)
        return state

    def grow(
        self, table: str, query: str, growth: Growth, before_commit: Callable[[TableState, int | None], None]
    ) -> TableState:
        """Add the rows of a SELECT in one transaction."""
        select = _one_select(query)
        with self._refusals():
            name = self._resolve(table)
        hinting = growing.hinting(query, name, growth)
        with hinting, self._refusals(), self._legacy_rename(), self._transaction():
            into = GrowingTable(self, name)
            self.raw.execute(f"create table if not exists {into.attempts} (target text, attempt text)")
            grown = growing.grow(into, select, growth, table)
            state = self._state(name, "table")
            before_commit(state, grown.added)
        return state

    def attempt_of(self, table: str) -> str | None:
        """The attempt that filled `table` last."""
        with self._refusals():
            name = self._resolve(table)
            return growing.last_attempt(GrowingTable(self, name)) if self._kind(growing.ATTEMPTS) else None

    def content(self, table: str) -> str:
        """The digest of its rows, which is the fingerprint."""
        return self.table_state(table).digest

    def version(self) -> str:
        """The library's version."""
        return f"SQLite {sqlite3.sqlite_version}"

    def arrow(self, table: str) -> Any:
        """All rows as a `pyarrow.Table`; the types are the declared ones where the values keep to them."""
        from assets_cli.connections import sqlite_arrow  # on use: only for frames

        with self._refusals():
            name = self._resolve(table)
            if self._kind(name) is None:
                raise no_table(table, self._table_names())
            return sqlite_arrow.read(self.raw, name, self._described(name))

    def publish_arrow(self, table: str, rows: Any, before_commit: Callable[[TableState], None]) -> TableState:
        """Fill `table` from Arrow in one transaction."""
        from assets_cli.connections import sqlite_arrow  # on use: only for frames

        columns = sqlite_arrow.declarations(rows.schema)
        with self._refusals():
            name = self._resolve(table)
        with self._refusals(), self._legacy_rename(), self._transaction():
            beside = names.quote("main", BESIDE + name)
            self.raw.execute(f"create table {beside} ({columns})")
            sqlite_arrow.insert(self.raw, beside, rows)
            self._put_in_place(name, self._kind(name))
            state = self._state(name, "table")
            before_commit(state)
        return state

    def run_script(self, script: str) -> None:
        """Run the statements of a script, in one transaction unless the script has its own."""
        statements = _statements(script)
        words = {_first_word(statement) for statement in statements}
        with self._refusals():
            try:
                if not words & _OWN_TRANSACTION:
                    with self._transaction():
                        self._run(statements)
                    return
                # Autocommit, so that the driver begins no transaction on its own before an insert or update.
                self.raw.isolation_level = None
                self._run(statements)
                if self.raw.in_transaction:
                    raise DatabaseError("the script leaves a transaction open", hint="end it with `commit`")
            finally:
                if self.raw.in_transaction:
                    self.raw.rollback()
                self.raw.isolation_level = ""

    def scalar(self, query: str) -> Any:
        """The first column of the first row of a query; None where it returns no row."""
        statements = _statements(query)
        if len(statements) != 1:
            raise DatabaseError(f"expected one query, found {len(statements)} statements")
        with self._refusals():
            row = self.raw.execute(statements[0]).fetchone()
        return row[0] if row else None

    def qualified(self, table: str) -> str:
        """A table's name as a query writes it."""
        return names.quote("main", self._resolve(table))

    def columns(self, table: str) -> tuple[tuple[str, str], ...]:
        """Names and types of the columns of a table or view."""
        with self._refusals():
            name = self._resolve(table)
            if self._kind(name) is None:
                raise no_table(table, self._table_names())
            return self._described(name)

    def fetch(self, query: str, keep: int, count_to: int) -> Fetched:
        """Run one SELECT and count what it returns."""
        with self._refusals(), closing(self.raw.execute(_one_select(query))) as cursor:
            columns = tuple(str(each[0]) for each in cursor.description or ())
            return Fetched.read(cursor, columns, keep, count_to)

    def read(self, query: str) -> Rows:
        """The answer of one query that only reads, streamed."""
        statements = _statements(query)
        require_one_query(len(statements))
        word = _first_word(statements[0])
        if word not in _READS:
            raise no_query(word.upper() or statements[0].strip())
        # Called every few milliseconds, it lets Python notice Ctrl-C, which makes SQLite stop.
        self.raw.set_progress_handler(lambda: 0, _BETWEEN_LOOKS)
        with self._refusals(), _interruptible():
            cursor = self.raw.execute(statements[0])
        columns = tuple((str(column[0]), "") for column in cursor.description or ())
        return Rows(columns, self._batches(cursor))

    def _batches(self, cursor: sqlite3.Cursor) -> Iterator[list[tuple[Any, ...]]]:
        while True:
            with self._refusals(), _interruptible():
                batch = cursor.fetchmany(_BATCH)
            if not batch:
                return
            yield batch

    def commit(self) -> None:
        """Commit the transaction that the driver or a user began; nothing where there is none, or no connection."""
        with self._refusals(), suppress(sqlite3.ProgrammingError):
            self.raw.commit()

    def close(self) -> None:
        """Close the connection, and with it the file."""
        self.raw.close()

    def _run(self, statements: Sequence[str]) -> None:
        for statement in statements:
            for _ in self.raw.execute(statement):  # a query runs only as far as it is read
                pass

    def _replace(self, name: str, select: str, kind: Kind) -> None:
        before = self._kind(name)
        target = names.quote("main", name)
        if kind == "view":
            if before:
                self.raw.execute(f"drop {before} {target}")
            self.raw.execute(f"create view {target} as\n{select}")
            self.raw.execute(f"select * from {target} limit 0")  # noqa: S608 - SQLite believes a view until it is read
            return
        # Built beside, since the query may read what it replaces.
        self.raw.execute(f"create table {names.quote('main', BESIDE + name)} as\n{select}")
        self._put_in_place(name, before)

    def _put_in_place(self, name: str, before: Kind | None) -> None:
        """Replace what is there by the table that was built beside it."""
        if before:
            self.raw.execute(f"drop {before} {names.quote('main', name)}")
        self.raw.execute(f"alter table {names.quote('main', BESIDE + name)} rename to {names.quote(name)}")

    def _state(self, name: str, kind: Kind) -> TableState:
        columns = self._described(name)
        if kind == "view":
            # As its algorithm is called like that of rows, it differs from any table's.
            asked = "select sql from main.sqlite_master where type = 'view' and name = ? collate nocase"
            text = json.dumps(["view", self.raw.execute(asked, [name]).fetchall()])
            return TableState(None, "sqlite-rows:" + hashlib.sha256(text.encode()).hexdigest(), columns)
        try:
            rows, total = self._hash_rows(name)
        except sqlite3.OperationalError as error:
            if "decode to UTF-8" not in str(error):
                raise
            # Text that is no UTF-8: decoded in Python, which is slower and gives the same for all other text.
            self.raw.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
            try:
                rows, total = self._hash_rows(name)
            finally:
                self.raw.text_factory = str
        text = json.dumps([columns, rows, total])
        return TableState(rows, "sqlite-rows:" + hashlib.sha256(text.encode()).hexdigest(), columns)

    def _described(self, name: str, schema: str = "main") -> tuple[tuple[str, str], ...]:
        described = self.raw.execute(f"pragma {schema}.table_xinfo({names.quote(name)})").fetchall()
        return tuple((str(row[1]), str(row[2])) for row in described if row[6] != 1)

    def _hash_rows(self, name: str) -> tuple[int, int]:
        """Count and sum of row hashes. `ascii` writes SQLite's five types apart, the same on every Python."""
        rows = total = 0
        blake2b = hashlib.blake2b
        query = f"select * from {names.quote('main', name)}"  # noqa: S608 - the name is quoted
        with closing(self.raw.execute(query)) as cursor:
            while batch := cursor.fetchmany(_BATCH):
                rows += len(batch)
                for row in batch:
                    total += int.from_bytes(blake2b(ascii(row).encode(), digest_size=16).digest(), "little")
        return rows, total % _SUMMED

    def _kind(self, name: str) -> Kind | None:
        row = self.raw.execute(
            "select type from main.sqlite_master where type in ('table', 'view') and name = ? collate nocase", [name]
        ).fetchone()
        return row[0] if row else None

    def _table_names(self) -> list[str]:
        rows = self.raw.execute(
            "select name from main.sqlite_master where type in ('table', 'view') and substr(name, 1, 7) <> 'sqlite_'"
        )
        return [row[0] for row in rows if row[0] != growing.ATTEMPTS]

    def _resolve(self, table: str) -> str:
        parts = names.split(table)
        if len(parts) == 1 or (len(parts) == 2 and names.fold(parts[0]) == b"main"):  # noqa: PLR2004 - schema and name
            return parts[-1]
        hint = f"name the table {'_'.join(parts)}, or quote its dots: {names.quote('.'.join(parts))}"
        raise DatabaseError(f"{table} names a schema, and SQLite has none", hint=hint)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self.raw.execute("begin immediate")
        try:
            yield
            self.raw.execute("commit")
        finally:
            if self.raw.in_transaction:
                self.raw.rollback()

    @contextmanager
    def _legacy_rename(self) -> Iterator[None]:
        """Let a table be renamed while views name it: otherwise SQLite refuses, since for a moment they are broken."""
        (before,) = self.raw.execute("pragma legacy_alter_table").fetchone()
        self.raw.execute("pragma legacy_alter_table = on")
        try:
            yield
        finally:
            self.raw.execute(f"pragma legacy_alter_table = {before}")

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """Turn what SQLite raises into a `DatabaseError`; entered before any transaction, so as to be left after it."""
        try:
            yield
        except sqlite3.Error as error:
            refusal = _refusal(error, self._written)
            missing = _NO_TABLE.search(str(error))
            if missing:
                with suppress(sqlite3.Error):  # no better hint is worth losing the error for
                    refusal.hint = names.hint(missing[1], self._table_names())
            raise refusal from None


@contextmanager
def _interruptible() -> Iterator[None]:
    """What SQLite calls interrupted was Ctrl-C: nothing else stops a query here."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        raise KeyboardInterrupt from None


def _refusal(error: sqlite3.Error, written: str) -> DatabaseError:
    text = str(error)
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        message = f"the database {written} is in use by another program"
        return DatabaseError(message, hint="end the transaction that is open there", in_use=True)
    return DatabaseError(text, hint=SCRIPT_HINT if _WRITES.search(text) else None)


def _statements(text: str) -> list[str]:
    """The statements of a text, without those that are empty. SQLite's own tokenizer says where each is complete."""
    found: list[str] = []
    start = position = 0
    while (position := text.find(";", position)) >= 0:
        position += 1
        piece = text[start:position]
        if sqlite3.complete_statement(piece):
            found.append(piece)
            start = position
    found.append(text[start:])
    return [statement for statement in found if _first_word(statement) or _rest(statement)]


def _rest(statement: str) -> str:
    leading = _LEADING.match(statement)
    return statement[leading.end() :] if leading else statement


def _first_word(statement: str) -> str:
    word = _WORD.match(_rest(statement))
    return word[0].lower() if word else ""


def _one_select(query: str) -> str:
    statements = _statements(query)
    require_one_select(len(statements))
    word = _first_word(statements[0])
    if word not in ("select", "with", "values"):
        raise no_select(word.upper() or statements[0].strip())
    return statements[0]
