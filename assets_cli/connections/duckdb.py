"""DuckDB: tables in a file, published in one transaction, fingerprinted by DuckDB's own row hash.

Knows nothing of assets. The driver is imported when a database is opened: it takes longer than the rest of a command.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from assets_cli.connections import duckdb_messages, files, growing, names
from assets_cli.connections.duckdb_growing import GrowingTable
from assets_cli.connections.protocol import DatabaseError, Fetched, Growth, Kind, Rows, TableState
from assets_cli.connections.refusals import (
    first_line,
    no_query,
    no_select,
    no_table,
    require_one_query,
    require_one_select,
)

T = TypeVar("T")
KINDS: tuple[Kind, ...] = ("table", "view")
_PREFIX_LINES = 1
"""A query is put on the line after our `create … as`: what DuckDB calls line 2 is the user's line 1."""

_ARROW_BATCH = 122_880
"""Rows: small enough for texts of 17 KB each, since the texts of an Arrow batch have 2 GB together."""

_ARRIVING = "__assets_arriving"
_OWNER = "__assets_owner"
_BATCH = 1_000
_HOLDER = re.compile(r"\(PID (\d+)\)")
_NESTED = re.compile(r"\]$|^(?:STRUCT|MAP|UNION|VARIANT)\b")


def database(options: Mapping[str, str], root: Path) -> DuckDBDatabase:
    """The database of a connection of type `duckdb`; its only option is `path`, relative to the project root.

    Raises:
        DatabaseError: an option is missing or unknown.
    """
    written, file = files.path_option("duckdb", options, root)
    return DuckDBDatabase(written, file)


def in_memory() -> DuckDBSession:
    """A session without a file, to read files with."""
    import duckdb  # heavy: on use

    return DuckDBSession(duckdb.connect())


def look_from(session: DuckDBSession, folder: Path) -> None:
    """Let the relative paths of files in queries start at a folder, wherever the process was started."""
    session.raw.execute("set file_search_path = '" + str(folder).replace("'", "''") + "'")


class DuckDBDatabase(NamedTuple):
    """A DuckDB file, not opened. `written` is its path as declared, `file` the real one."""

    written: str
    file: Path
    dialect: str = "duckdb"

    @property
    def location(self) -> str:
        """The path as declared, so that a checkout elsewhere has the same code version."""
        return f"duckdb:{self.written}"

    def open(self, *, read_only: bool = False) -> DuckDBSession:
        """Connect; DuckDB takes a lock on the file, which excludes every other process.

        Raises:
            DatabaseError: it cannot be opened.
        """
        if files.prepare(self.file, self.written, read_only=read_only).startswith(b"SQLite format 3"):
            raise DatabaseError(f"{self.written} is an SQLite database", hint="declare the connection `type: sqlite`")
        import duckdb  # heavy: on use

        try:
            try:
                return DuckDBSession(duckdb.connect(str(self.file), read_only=read_only), only_reads=read_only)
            except duckdb.ConnectionException:
                if not read_only:
                    raise
                # Somebody in this process, such as a user's function, still holds it open for writing.
                return DuckDBSession(duckdb.connect(str(self.file)))
        except duckdb.Error as error:
            raise self._cannot_open(str(error)) from None

    def _cannot_open(self, text: str) -> DatabaseError:
        if "Could not set lock" in text:
            holder = _HOLDER.search(text)
            who = f" (PID {holder[1]})" if holder else ""
            message = f"the database {self.written} is in use by another program{who}"
            return DatabaseError(message, hint="close it there: DuckDB lets in one process at a time", in_use=True)
        if "not a valid DuckDB database" in text:
            return DatabaseError(f"{self.written} is not a DuckDB database", hint="check the connection's `path`")
        return DatabaseError(first_line(text), detail=text)


class DuckDBSession:
    """One open connection. `raw` is a `duckdb.DuckDBPyConnection`."""

    dialect = "duckdb"

    def __init__(self, raw: Any, *, only_reads: bool = False) -> None:
        self.raw = raw
        self._only_reads = only_reads
        self._known: dict[tuple[bytes, ...], Kind] | None = None
        self._catalog: str = raw.execute("select current_database()").fetchall()[0][0]

    def existing(self, tables: Sequence[str]) -> set[str]:
        """Which of these tables or views exist."""
        with self._refusals():
            there = self._relations()
            return {table for table in tables if names.key(self._resolve(table)) in there}

    def table_state(self, table: str) -> TableState:
        """Count and sum of row hashes: the same for the same rows in any order."""
        with self._refusals():
            name = self._resolve(table)
            kind = self._relations().get(names.key(name))
            if kind is None:
                raise no_table(table, self._table_names())
            return self._state(name, kind)

    def publish_select(
        self, table: str, query: str, kind: Kind, before_commit: Callable[[TableState], None]
    ) -> TableState:
        """Fill `table` from a SELECT in one transaction."""
        with self._refusals():
            self._check_select(query)
            name = self._resolve(table)
            before = self._kind(name)
        with self._refusals(_PREFIX_LINES), self._transaction():
            self.raw.execute(f"create schema if not exists {names.quote(*name[:2])}")
            self._replace(name, query, kind, before)
            state = self._state(name, kind)
            before_commit(state)
        return state

    def grow(
        self, table: str, query: str, growth: Growth, before_commit: Callable[[TableState, int | None], None]
    ) -> TableState:
        """Add the rows of a SELECT in one transaction."""
        with self._refusals():
            self._check_select(query)
            name = self._resolve(table)
        hinting = growing.hinting(query, name[2], growth)
        with hinting, self._refusals(_PREFIX_LINES), self._transaction():
            self.raw.execute(f"create schema if not exists {names.quote(*name[:2])}")
            into = GrowingTable(self, name)
            self.raw.execute(f"create table if not exists {into.attempts} (target varchar, attempt varchar)")
            grown = growing.grow(into, query, growth, table)
            state = self._state(name, "table")
            before_commit(state, grown.added)
        return state

    def attempt_of(self, table: str) -> str | None:
        """The attempt that filled `table` last."""
        with self._refusals():
            name = self._resolve(table)
            known = names.key((*name[:2], growing.ATTEMPTS)) in self._relations()
            return growing.last_attempt(GrowingTable(self, name)) if known else None

    def content(self, table: str) -> str:
        """The digest of its rows, which is the fingerprint."""
        return self.table_state(table).digest

    def version(self) -> str:
        """The engine's version."""
        import duckdb  # loaded long since

        return f"DuckDB {duckdb.__version__}"

    def lazily(self, table: str) -> Any:
        """A table or view as a `duckdb.DuckDBPyRelation` of this connection: nothing is read yet."""
        with self._refusals():
            name = self._resolve(table)
            if names.key(name) not in self._relations():
                raise no_table(table, self._table_names())
            return self.raw.sql(f"select * from {names.quote(*name)}")  # noqa: S608 - quoted

    def arrow(self, table: str) -> Any:
        """All rows as a `pyarrow.Table`, moments in UTC."""
        with self._refusals(), self._in_utc():
            return self.lazily(table).to_arrow_table(_ARROW_BATCH)

    def publish_arrow(self, table: str, rows: Any, before_commit: Callable[[TableState], None]) -> TableState:
        """Fill `table` from Arrow in one transaction."""
        with self._refusals():
            self.raw.register(_ARRIVING, rows)
        try:
            return self.publish_select(table, f"select * from {_ARRIVING}", "table", before_commit)  # noqa: S608 - ours
        finally:
            self.raw.unregister(_ARRIVING)

    def owns(self, relation: Any) -> bool:
        """Whether a relation is one of this very connection: only that sees its variables."""
        import duckdb  # loaded long since

        token = os.urandom(8).hex()
        try:
            self.raw.execute(f"set variable {_OWNER} = '{token}'")
            held = relation.limit(0).aggregate(f"count(*) as n, getvariable('{_OWNER}') as held").fetchall()
        except duckdb.Error:
            return False
        return bool(held == [(0, token)])

    def publish_relation(self, table: str, relation: Any, before_commit: Callable[[TableState], None]) -> TableState:
        """Fill `table` from a relation of this connection, so without a detour, otherwise like `publish_select`."""
        with self._refusals():
            name = self._resolve(table)
        with self._refusals(), self._transaction():
            self.raw.execute(f"create schema if not exists {names.quote(*name[:2])}")
            before = self._relations().get(names.key(name))
            # Built beside, since the relation may read what it replaces.
            beside = "__assets_new_" + name[2]
            relation.create(names.quote(*name[:2], beside))
            if before:
                self.raw.execute(f"drop {before} {names.quote(*name)}")
            self.raw.execute(f"alter table {names.quote(*name[:2], beside)} rename to {names.quote(name[2])}")
            state = self._state(name, "table")
            before_commit(state)
        return state

    def run_script(self, script: str) -> None:
        """Run the statements of a script as they stand: each commits by itself unless the script says `begin`."""
        with self._refusals():
            try:
                self.raw.execute(script)
            except BaseException:
                self._rollback()
                raise
            if self._rollback():
                raise DatabaseError("the script leaves a transaction open", hint="end it with `commit`")

    def scalar(self, query: str) -> Any:
        """The first column of the first row of a query; None where it returns no row."""
        with self._refusals():
            row = self.raw.execute(query).fetchone()
        return row[0] if row else None

    def qualified(self, table: str) -> str:
        """A table's name as a query writes it."""
        with self._refusals():
            return names.quote(*self._resolve(table))

    def columns(self, table: str) -> tuple[tuple[str, str], ...]:
        """Names and types of the columns of a table or view."""
        with self._refusals():
            name = self._resolve(table)
            if names.key(name) not in self._relations():
                raise no_table(table, self._table_names())
            return self._described(names.quote(*name))

    def fetch(self, query: str, keep: int, count_to: int) -> Fetched:
        """Run one SELECT and count what it returns."""
        with self._refusals():
            self._check_select(query)
            cursor = self.raw.execute(query)
            columns = tuple(str(each[0]) for each in cursor.description or ())
            return Fetched.read(cursor, columns, keep, count_to)

    def define(self, name: str, source: str) -> None:
        """Make a view of what comes after `from`, in a session without a file."""
        with self._refusals():
            self.raw.execute(f"create or replace view {names.quote(name)} as select * from {source}")  # noqa: S608 - ours

    def read(self, query: str) -> Rows:
        """The answer of one query that only reads, streamed."""
        with self._refusals():
            self._check_reads(query)
            self._interruptibly(lambda: self.raw.execute(query))
            columns = tuple((str(name), str(kind)) for name, kind, *_ in self.raw.description or ())
        return Rows(columns, self._batches())

    def _batches(self) -> Iterator[list[tuple[Any, ...]]]:
        while True:
            with self._refusals():
                batch = self._interruptibly(lambda: self.raw.fetchmany(_BATCH))
            if not batch:
                return
            yield batch

    def _interruptibly(self, work: Callable[[], T]) -> T:
        """Do it in a thread, so that Ctrl-C reaches us meanwhile and ends it: within DuckDB nobody would hear of it."""
        from concurrent.futures import ThreadPoolExecutor  # on use: most commands need no thread

        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(work)
            try:
                return future.result()
            except BaseException:
                self.raw.interrupt()
                raise

    def _check_reads(self, query: str) -> None:
        import duckdb  # loaded long since

        statements = [each for each in self.raw.extract_statements(query) if each.query]
        require_one_query(len(statements))
        known = duckdb.StatementType
        if statements[0].type not in (known.SELECT, known.EXPLAIN, known.PRAGMA, known.MULTI):
            raise no_query(statements[0].type.name)

    def commit(self) -> None:
        """Commit a transaction that a user began and did not end; nothing where there is none, or no connection."""
        import duckdb  # loaded long since

        with self._refusals(), suppress(duckdb.ConnectionException):
            try:
                self.raw.commit()
            except duckdb.TransactionException as error:
                if "no transaction is active" not in str(error):
                    raise

    def close(self) -> None:
        """Close the connection, and with it the file."""
        self.raw.close()

    def _replace(self, name: tuple[str, str, str], query: str, kind: Kind, before: Kind | None) -> None:
        target = names.quote(*name)
        if before == "table" and kind == "view":
            self.raw.execute(f"drop table {target}")
        if before == "view" and kind == "table":
            # Built beside, since the query may read the view that it replaces.
            beside = "__assets_new_" + name[2]
            self.raw.execute(f"create table {names.quote(*name[:2], beside)} as\n{query}")
            self.raw.execute(f"drop view {target}")
            self.raw.execute(f"alter table {names.quote(*name[:2], beside)} rename to {names.quote(name[2])}")
            return
        self.raw.execute(f"create or replace {kind} {target} as\n{query}")

    def _state(self, name: tuple[str, str, str], kind: Kind) -> TableState:
        import duckdb  # loaded long since

        target = names.quote(*name)
        columns = self._described(target)
        algorithm = f"duckdb-{duckdb.__version__}-rows"
        if kind == "view":
            return TableState(None, f"{algorithm}:{self._view_digest(name)}", columns)
        # DuckDB hashes null, an empty list and a struct of nulls alike, so nested values count as text too.
        hashed = [names.quote(column) for column, _ in columns]
        hashed += [f"{names.quote(column)}::varchar" for column, type_ in columns if _NESTED.search(type_)]
        query = f"select count(*), sum(hash({', '.join(hashed)})) from {target}"  # noqa: S608 - every name is quoted
        rows, total = self.raw.execute(query).fetchone()
        text = json.dumps([columns, rows, int(total or 0)])
        digest = hashlib.sha256(text.encode()).hexdigest()
        return TableState(rows, f"{algorithm}:{digest}", columns)

    def _view_digest(self, name: tuple[str, str, str]) -> str:
        """The digest of a view's query. As its algorithm is called like that of rows, it differs from any table's."""
        asked = "select sql from duckdb_views() where database_name = ? and schema_name = ? and lower(view_name) = ?"
        found = self.raw.execute(asked, [name[0], name[1], name[2].lower()]).fetchall()
        return hashlib.sha256(json.dumps(["view", found]).encode()).hexdigest()

    def _described(self, target: str) -> tuple[tuple[str, str], ...]:
        # Of the query, not of the name: that way DuckDB 1.1 too notices that a view reads itself.
        described = self.raw.execute(f"describe select * from {target}").fetchall()  # noqa: S608 - quoted
        return tuple((str(row[0]), str(row[1])) for row in described)

    def _check_select(self, query: str) -> None:
        import duckdb  # loaded long since

        statements = self.raw.extract_statements(query)
        # DuckDB 1.1 takes a PIVOT apart into statements without a text, of which the last is the SELECT.
        statements = [statement for statement in statements if statement.query] or statements[-1:]
        require_one_select(len(statements))
        # Newer ones parse a PIVOT as MULTI, since it first looks up the values that become columns.
        kind = statements[0].type
        if kind not in (duckdb.StatementType.SELECT, duckdb.StatementType.MULTI):
            raise no_select(kind.name)

    def _resolve(self, table: str) -> tuple[str, str, str]:
        """Database, schema and name. `x.orders` is in schema x unless there is none and the database itself is x."""
        parts = names.split(table)
        if len(parts) == 1:
            return (self._catalog, "main", parts[0])
        if len(parts) == 2:  # noqa: PLR2004 - schema and name
            own = names.fold(parts[0]) == names.fold(self._catalog)
            if own and names.fold(parts[0]) not in self._schemas():
                return (self._catalog, "main", parts[1])
            return (self._catalog, parts[0], parts[1])
        if len(parts) == 3:  # noqa: PLR2004 - database, schema and name
            return (parts[0], parts[1], parts[2])
        raise DatabaseError(f"{table} has too many parts", hint="write `schema.table`")

    def _schemas(self) -> set[bytes]:
        rows = self.raw.execute("select schema_name from duckdb_schemas() where database_name = ?", [self._catalog])
        return {names.fold(row[0]) for row in rows.fetchall()}

    def _relations(self) -> dict[tuple[bytes, ...], Kind]:
        """All that is there. Of ten thousand tables this takes a while: where none can come or go it is asked once."""
        if self._known is None or not self._only_reads:
            rows = self.raw.execute(
                "select database_name, schema_name, table_name, 'table' from duckdb_tables() where not internal "
                "union all select database_name, schema_name, view_name, 'view' from duckdb_views() where not internal"
            )
            self._known = {names.key(row[:3]): row[3] for row in rows.fetchall()}
        return self._known

    def _kind(self, name: tuple[str, str, str]) -> Kind | None:
        """What a name stands for, outside a transaction. A list of all, the first of a connection, takes 7 ms."""
        import duckdb  # loaded long since

        for kind in KINDS:
            self.raw.execute("begin transaction")
            try:
                self.raw.execute(f"drop {kind} {names.quote(*name)}")  # and taken back
            except duckdb.Error:
                continue
            else:
                return kind
            finally:
                self._rollback()
        return None

    def _table_names(self) -> list[str]:
        rows = self.raw.execute(
            "select schema_name, table_name from duckdb_tables() where not internal "
            "union all select schema_name, view_name from duckdb_views() where not internal"
        )
        return [
            name if schema == "main" else f"{schema}.{name}"
            for schema, name in rows.fetchall()
            if name != growing.ATTEMPTS
        ]

    @contextmanager
    def _in_utc(self) -> Iterator[None]:
        """Give moments in UTC meanwhile: they are the same, and no zone of this machine gets into the data."""
        (zone,) = self.raw.execute("select current_setting('TimeZone')").fetchone()
        self.raw.execute("set TimeZone = 'UTC'")
        try:
            yield
        finally:
            self.raw.execute("set TimeZone = ?", [zone])

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self.raw.execute("begin transaction")
        try:
            yield
            self.raw.execute("commit")
        except BaseException:
            self._rollback()
            raise

    def _rollback(self) -> bool:
        """Whether there was a transaction to undo."""
        import duckdb  # loaded long since

        try:
            self.raw.execute("rollback")
        except duckdb.Error:
            return False
        return True

    @contextmanager
    def _refusals(self, prefix_lines: int = 0) -> Iterator[None]:
        """Turn what DuckDB raises into a `DatabaseError`; entered before any transaction, so as to be left after it."""
        import duckdb  # loaded long since

        try:
            yield
        except duckdb.Error as error:
            raise self._refusal(str(error), prefix_lines) from None

    def _refusal(self, text: str, prefix_lines: int) -> DatabaseError:
        refusal = duckdb_messages.refusal(text, prefix_lines)
        missing = duckdb_messages.missing_table(text)
        if missing is not None:
            import duckdb  # loaded long since

            with suppress(duckdb.Error):  # no better hint is worth losing the error for
                refusal.hint = names.hint(missing, self._table_names())
        return refusal
