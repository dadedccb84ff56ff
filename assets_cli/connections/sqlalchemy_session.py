"""One connection through SQLAlchemy, and what its kind of database can do.

That differs. Rows are replaced by DML in one transaction wherever there are transactions, so that what hangs on a table
stays. Where the columns of a table change it is made anew: in one transaction where DDL is part of them, by one
statement where there is one, and elsewhere by a drop and a rename, between which there is no table for a moment
(`_TRAITS` says which is which). Knows nothing of assets.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from assets_cli.connections import growing, names, statements
from assets_cli.connections.protocol import (
    SERVER_TABLE,
    VIEW_DIGEST,
    DatabaseError,
    Fetched,
    Growth,
    Kind,
    Rows,
    TableState,
)
from assets_cli.connections.refusals import first_line, no_table
from assets_cli.connections.server_session import ServerSession, is_transient
from assets_cli.connections.sqlalchemy_growing import GrowingTable, Name

if TYPE_CHECKING:  # it imports this module
    from assets_cli.connections.sqlalchemy import SQLAlchemyDatabase

_BATCH = 1_000
_ARROW_BATCH = 20_000
_STREAM = {"stream_results": True, "max_row_buffer": _ARROW_BATCH}


class _Traits(NamedTuple):
    """What a kind of database does differently: `transactional` DDL; `replaces` tables by one statement."""

    transactional: bool = False
    replaces: bool = False
    fold: Callable[[str], str] | None = None


_TRAITS = {
    "sqlite": _Traits(transactional=True),
    "postgresql": _Traits(transactional=True, fold=str.lower),
    "redshift": _Traits(transactional=True, fold=str.lower),
    "duckdb": _Traits(transactional=True),
    "mssql": _Traits(transactional=True),
    "snowflake": _Traits(replaces=True, fold=str.lower),
    "bigquery": _Traits(replaces=True),
    "databricks": _Traits(replaces=True),
    "oracle": _Traits(fold=str.lower),
}


class SQLAlchemySession(ServerSession):
    """One connection. `raw` is a `sqlalchemy.Connection`: statements begin a transaction."""

    def __init__(self, base: SQLAlchemyDatabase, raw: Any) -> None:
        self.raw = raw
        self.dialect = base.dialect
        self._base = base
        self._preparer = raw.dialect.identifier_preparer
        self._traits = _TRAITS.get(raw.dialect.name, _Traits())

    def existing(self, tables: Sequence[str]) -> set[str]:
        """Which of these tables or views exist: two questions to the catalogue for each schema."""
        by_schema: dict[str | None, dict[str, list[str]]] = {}
        for table in tables:
            name = self._name(table)
            by_schema.setdefault(name.schema, {}).setdefault(self._folded(name.table), []).append(table)
        found: set[str] = set()
        with self._refusals():
            for schema, wanted in by_schema.items():
                there = {self._folded(each) for each in self._names_in(schema)}
                found.update(table for key, asked in wanted.items() if key in there for table in asked)
        return found

    def table_state(self, table: str) -> TableState:
        """Its columns and the number of its rows; of a file database also its content."""
        with self._refusals():
            name = self._name(table)
            kind = self._kind(name)
            if kind is None:
                raise no_table(table, self._table_names())
            columns = self._described(name)
            if kind == "view":
                return TableState(None, VIEW_DIGEST, columns)
            (rows,) = self._run(f"select count(*) from {self._quoted(name)}").fetchone()  # noqa: S608 - quoted
            return TableState(rows, self._digest(name, columns), columns)

    def publish_select(
        self, table: str, query: str, kind: Kind, before_commit: Callable[[TableState], None]
    ) -> TableState:
        """Fill `table` from a SELECT; in one transaction as far as the database has such."""
        select = statements.one_select(query, self.dialect)

        def fill(name: Name) -> TableState:
            if kind == "view":
                self._replace_view(name, select)
                state = TableState(None, VIEW_DIGEST, self._described(name))
            else:
                rows = self._replace_table(name, lambda what: self._create(what, select))
                columns = self._described(name)
                state = TableState(rows, self._digest(name, columns), columns)
            before_commit(state)
            return state

        return self._retry(lambda: self._publish(table, fill))

    def grow(
        self, table: str, query: str, growth: Growth, before_commit: Callable[[TableState, int | None], None]
    ) -> TableState:
        """Add the rows of a SELECT in one transaction."""
        select = statements.one_select(query, self.dialect)
        done: list[TableState] = []

        def fill(name: Name) -> TableState:
            into = GrowingTable(self, name)
            grown = growing.grow(into, select, growth, table)
            columns = self._described(name)
            digest = self._digest(name, columns)
            rows = growing.total(into, grown, counted=growth.counted or self._base.file is not None)
            state = TableState(rows, digest, columns)
            before_commit(state, grown.added)
            done[:] = [state]
            return state

        def publish() -> TableState:
            # The connection may have broken while the server committed.
            if done and self._attempt_of(table) == growth.attempt:
                return done[0]
            with self._refusals(), self._transaction():
                self._prepare_attempts(self._name(table))
            with growing.hinting(query, self._name(table).table, growth):
                return self._publish(table, fill)

        return self._retry(publish)

    def attempt_of(self, table: str) -> str | None:
        """The attempt that filled `table` last."""
        return self._retry(lambda: self._attempt_of(table))

    def content(self, table: str) -> str:
        """The digest of its rows, each read and hashed here."""
        with self._refusals():
            name = self._name(table)
            return self._content(name, self._described(name))

    def version(self) -> str:
        """The dialect, and the server's version where it is known."""
        found = self.raw.dialect.server_version_info
        number = ".".join(str(part) for part in found) if found else ""
        self.scalar("select 1")
        return f"{self.raw.dialect.name} {number}".strip()

    def arrow(self, table: str) -> Any:
        """All rows as a `pyarrow.Table`, moments in UTC."""
        from assets_cli.connections import arrow_rows  # on use: only for frames

        with self._refusals():
            name = self._name(table)
            if self._kind(name) is None:
                raise no_table(table, self._table_names())
            columns = self._described(name)
            return arrow_rows.table(columns, self._typed(name))

    def publish_arrow(self, table: str, rows: Any, before_commit: Callable[[TableState], None]) -> TableState:
        """Fill `table` from Arrow, otherwise like `publish_select`."""
        from assets_cli.connections import sqlalchemy_arrow  # on use: only for frames

        def create(what: str) -> None:
            columns = sqlalchemy_arrow.declarations(rows.schema, self.raw.dialect, self.quote)
            self._run(f"create table {what} ({columns})")
            sqlalchemy_arrow.insert(self.raw, what, rows)

        def fill(name: Name) -> TableState:
            written = self._replace_table(name, create)
            columns = self._described(name)
            state = TableState(written, self._digest(name, columns), columns)
            before_commit(state)
            return state

        return self._publish(table, fill)

    def run_script(self, script: str) -> None:
        """Run the statements of a script one by one, committed together as far as the database lets DDL be."""
        with self._refusals(), self._transaction():
            for statement in statements.split(script, self.dialect):
                self._run(statement)

    def scalar(self, query: str) -> Any:
        """The first column of the first row of a query; None where it returns no row."""
        with self._refusals():
            row = self._run(statements.one_query(query, self.dialect)).fetchone()
        return row[0] if row else None

    def qualified(self, table: str) -> str:
        """A table's name as a query writes it."""
        return self._quoted(self._name(table))

    def columns(self, table: str) -> tuple[tuple[str, str], ...]:
        """Names and types of the columns of a table or view."""
        with self._refusals():
            name = self._name(table)
            if self._kind(name) is None:
                raise no_table(table, self._table_names())
            return self._described(name)

    def fetch(self, query: str, keep: int, count_to: int) -> Fetched:
        """Run one SELECT and count what it returns."""
        select = statements.one_select(query, self.dialect)
        with self._refusals():
            cursor = self._run(select, stream=True)
            columns = tuple(cursor.keys())
            found = Fetched.read(cursor, columns, keep, count_to)
            cursor.close()
        return found

    def read(self, query: str) -> Rows:
        """The answer of one query that only reads as far as its first word says, streamed."""
        text = statements.one_query(query, self.dialect)
        with self._refusals():
            cursor = self._run(text, stream=True)
            columns = tuple((str(name), "") for name in cursor.keys())  # noqa: SIM118 - no mapping
        return Rows(columns, self._batches(cursor))

    def _batches(self, cursor: Any) -> Iterator[list[tuple[Any, ...]]]:
        while True:
            with self._refusals():
                batch = [tuple(row) for row in cursor.fetchmany(_BATCH)]
            if not batch:
                return
            yield batch

    def close(self) -> None:
        """Close the connection; what was not committed is lost."""
        engine = self.raw.engine
        with suppress(Exception):  # one that broke cannot be closed in order
            self.raw.close()
        engine.dispose()

    def _connect(self) -> Any:
        return self._base.connect()

    # -- names -----------------------------------------------------------------------------------------------------

    def _name(self, table: str) -> Name:
        from sqlalchemy.sql.elements import quoted_name  # loaded long since

        parts: list[str] = []
        for text, quoted in names.pieces(table):
            folded = text if quoted or self._traits.fold is None else self._traits.fold(text)
            parts.append(quoted_name(folded, quote=True) if quoted else folded)
        schema = ".".join(parts[:-1]) or None
        if len(parts) == 2:  # noqa: PLR2004 - schema and name
            schema = parts[0]
        return Name(schema, parts[-1])

    def quote(self, name: str) -> str:
        """A column's, a table's or a schema's name, quoted where it must be, for `_run`."""
        quoted = str(self._preparer.quote(name))
        # Where `%` marks parameters it comes doubled, and here it marks none.
        return quoted.replace("%%", "%") if "%%" in self._preparer.quote("%") else quoted

    def _quoted(self, name: Name) -> str:
        return f"{self.quote(name.schema)}.{self.quote(name.table)}" if name.schema else self.quote(name.table)

    def _beside(self, name: Name) -> Name:
        digest = hashlib.sha256(f"{name.schema}.{name.table}".encode()).hexdigest()[:16]
        return Name(name.schema, f"assets_new_{digest}")

    def _folded(self, name: str) -> str:
        """A name for comparisons: most databases of the kind compare without regard to case."""
        return str(name) if self._traits.fold else str.lower(name)

    def _inspect(self) -> Any:
        """An inspector that remembers nothing of before, on this very connection, so within its transaction."""
        import sqlalchemy as sa  # loaded long since

        return sa.inspect(self.raw)

    def _names_in(self, schema: str | None) -> list[str]:
        look = self._inspect()
        found: list[str] = [*look.get_table_names(schema=schema), *look.get_view_names(schema=schema)]
        return found

    def _table_names(self) -> list[str]:
        return [each for each in self._names_in(None) if each != growing.ATTEMPTS]

    def _kind(self, name: Name) -> Kind | None:
        look, key = self._inspect(), self._folded(name.table)
        if key in {self._folded(each) for each in look.get_table_names(schema=name.schema)}:
            return "table"
        return "view" if key in {self._folded(each) for each in look.get_view_names(schema=name.schema)} else None

    def _described(self, name: Name) -> tuple[tuple[str, str], ...]:
        found = self._inspect().get_columns(name.table, schema=name.schema)
        return tuple((str(column["name"]), self._type(column["type"])) for column in found)

    def _type(self, kind: Any) -> str:
        import sqlalchemy as sa  # loaded long since

        try:
            return str(kind.compile(dialect=self.raw.dialect))
        except sa.exc.SQLAlchemyError:
            return "" if isinstance(kind, sa.types.NullType) else str(kind)

    # -- publishing ------------------------------------------------------------------------------------------------

    def _run(self, statement: str, *, stream: bool = False) -> Any:
        """Run a statement as it stands: no character of it is a parameter's mark."""
        options = {"no_parameters": True, **(_STREAM if stream else {})}
        return self.raw.exec_driver_sql(statement, execution_options=options)

    def _publish(self, table: str, fill: Callable[[Name], TableState]) -> TableState:
        with self._refusals(), self._transaction():
            name = self._name(table)
            self._make_schema(name.schema)
            return fill(name)

    def _make_schema(self, schema: str | None) -> None:
        if schema is not None and "." not in schema and self._base.file is None:
            known = {self._folded(each) for each in self._inspect().get_schema_names()}
            if self._folded(schema) not in known:
                self._run(f"create schema {self.quote(schema)}")

    def _create(self, what: str, select: str) -> None:
        if self.dialect == "tsql":
            self._run(f"select * into {what} from (\n{select}\n) as query")  # noqa: S608 - quoted
        else:
            self._run(f"create table {what} as\n{select}")

    def _replace_table(self, name: Name, create: Callable[[str], None]) -> int:
        """Replace the rows of a table whose columns stay, and otherwise the table; the number of rows."""
        before, target = self._kind(name), self._quoted(name)
        if before is None:
            create(target)
            return self._count(target)
        beside = self._beside(name)
        place = self._quoted(beside)
        if self._kind(beside):
            self._run(f"drop table {place}")  # what a killed attempt left, where DDL is not part of transactions
        create(place)
        rows = self._count(place)
        if not self._traits.transactional:
            self.raw.commit()
        if before == "table" and self._described(beside) == self._described(name):
            self._run(f"delete from {target}")  # noqa: S608 - quoted
            self._run(f"insert into {target} select * from {place}")  # noqa: S608 - quoted
            if not self._traits.transactional:
                self.raw.commit()
            self._run(f"drop table {place}")
        elif self._traits.replaces and before == "table":
            self._run(f"create or replace table {target} as select * from {place}")  # noqa: S608 - quoted
            self._run(f"drop table {place}")
        else:
            self._run(f"drop {before} {target}")
            self._rename(place, name)
        return rows

    def _rename(self, place: str, name: Name) -> None:
        plain = self.quote(name.table)
        if self.dialect == "tsql":
            self._run(f"exec sp_rename '{place}', '{name.table.replace(chr(39), chr(39) * 2)}'")
        else:
            # Otherwise SQLite refuses, since for a moment the views that name the table are broken.
            legacy = "pragma legacy_alter_table = {}" if self.dialect == "sqlite" else None
            if legacy:
                self._run(legacy.format("on"))
            self._run(f"alter table {place} rename to {plain}")
            if legacy:
                self._run(legacy.format("off"))

    def _replace_view(self, name: Name, select: str) -> None:
        before, target = self._kind(name), self._quoted(name)
        if before:
            self._run(f"drop {before} {target}")
        self._run(f"create view {target} as\n{select}")
        self._run(f"select * from {target} where 1 = 0")  # noqa: S608 - some believe a view until it is read

    def _count(self, place: str) -> int:
        return int(self._run(f"select count(*) from {place}").fetchone()[0])  # noqa: S608 - quoted

    def _prepare_attempts(self, name: Name) -> None:
        """The table of attempts, in a transaction of its own: two steps may want it at once."""
        import sqlalchemy as sa  # loaded long since

        self._make_schema(name.schema)
        attempts = Name(name.schema, growing.ATTEMPTS)
        if self._kind(attempts) is None:
            try:
                kind = self._type(sa.String(255))
                self._run(f"create table {self._quoted(attempts)} (target {kind}, attempt {kind})")
            except sa.exc.SQLAlchemyError:
                self.raw.rollback()
                if self._kind(attempts) is None:  # not made by another step meanwhile
                    raise

    def _digest(self, name: Name, columns: tuple[tuple[str, str], ...]) -> str:
        return SERVER_TABLE if self._base.file is None else self._content(name, columns)

    def _content(self, name: Name, columns: tuple[tuple[str, str], ...]) -> str:
        rows = total = 0
        for batch in self._stream(name, columns):
            rows += len(batch)
            for row in batch:
                total += int.from_bytes(hashlib.blake2b(ascii(row).encode(), digest_size=16).digest(), "little")
        text = json.dumps([columns, rows, total % (1 << 128)])
        return "sqlalchemy-rows:" + hashlib.sha256(text.encode()).hexdigest()

    def _stream(self, name: Name, columns: Sequence[tuple[str, str]]) -> Iterator[list[tuple[Any, ...]]]:
        listed = ", ".join(self.quote(column) for column, _ in columns)
        cursor = self._run(f"select {listed} from {self._quoted(name)}", stream=True)  # noqa: S608 - quoted
        while batch := cursor.fetchmany(_ARROW_BATCH):
            yield [tuple(row) for row in batch]

    def _typed(self, name: Name) -> Iterator[list[tuple[Any, ...]]]:
        """All rows, with values as SQLAlchemy's types have them: in SQLite a date is a text, and here a date."""
        import sqlalchemy as sa  # loaded long since

        found = sa.Table(name.table, sa.MetaData(), schema=name.schema, autoload_with=self.raw)
        cursor = self.raw.execute(sa.select(found), execution_options=_STREAM)
        while batch := cursor.fetchmany(_ARROW_BATCH):
            yield [tuple(row) for row in batch]

    def _attempt_of(self, table: str) -> str | None:
        with self._refusals():
            name = self._name(table)
            known = self._kind(Name(name.schema, growing.ATTEMPTS))
            return growing.last_attempt(GrowingTable(self, name)) if known else None

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """Turn what SQLAlchemy and drivers raise into a `DatabaseError`."""
        import sqlalchemy as sa  # loaded long since

        try:
            yield
        except sa.exc.SQLAlchemyError as error:
            raise refusal(error) from None


def refusal(error: Any, *, connecting: bool = False) -> DatabaseError:
    """What went wrong in the driver's words, without SQLAlchemy's."""
    original = getattr(error, "orig", None)
    text = first_line(str(original or error))
    lost = bool(getattr(error, "connection_invalidated", False))
    if lost:
        text = f"the connection to the server broke: {text}"
    hint = "is the server running, and is the url right?" if lost or connecting else None
    lost = lost or (connecting and is_transient(str(original or error)))
    return DatabaseError(text, hint=hint, detail=str(original or error), lost=lost)
