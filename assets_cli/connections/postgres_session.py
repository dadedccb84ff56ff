"""One connection to PostgreSQL: tables replaced in one transaction, so that who reads sees the old rows or the new.

A table whose columns stay keeps everything that hangs on it (views, indexes, grants): its rows are replaced, and not
the table. Where the columns change it is made anew, and the views that read it with it. Knows nothing of assets.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from assets_cli.connections import growing, names, postgres_views, statements
from assets_cli.connections.postgres_growing import OURS, GrowingTable, Name, beside_of
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
from assets_cli.connections.server_session import ServerSession

UNREACHABLE = "is the server running, and are this its host and port?"
_LINE = re.compile(r"^LINE (\d+):", re.MULTILINE)
_MISSING = re.compile(r'relation "(.+?)" does not exist')
_BATCH = 1_000
_ARROW_BATCH = 20_000
_KINDS = {"r": "table", "p": "table", "v": "view", "m": "materialized view", "f": "foreign table"}
_NOT_ALLOWED = "42501"
_LOST_STATES = ("08", "57P01", "57P02", "57P03", "53300")


class _Source(NamedTuple):
    """Rows to fill a table with: `declare("table x")` creates an empty one for them, `load("x")` puts them in."""

    declare: Callable[[str], None]
    load: Callable[[str], int]


class PostgresSession(ServerSession):
    """One connection. `raw` is a `psycopg.Connection` in its default mode: statements begin a transaction."""

    dialect = "postgres"

    def __init__(self, raw: Any, connect: Callable[[], Any]) -> None:
        self.raw = raw
        self._open = connect
        self._streams = 0

    def existing(self, tables: Sequence[str]) -> set[str]:
        """Which of these tables or views exist: one query."""
        asked = {table: names.quote(*self._parts(table)) for table in tables}
        with self._refusals():
            rows = self.raw.execute(
                "select q from unnest(%s::text[]) q join pg_class c on c.oid = to_regclass(q) "
                "where c.relkind in ('r', 'p', 'v', 'm', 'f')",
                [list(asked.values())],
            ).fetchall()
        there = {row[0] for row in rows}
        return {table for table, quoted in asked.items() if quoted in there}

    def table_state(self, table: str) -> TableState:
        """Its columns and the number of its rows; the digest says no more than that it is there."""
        with self._refusals():
            name, kind = self._found(table)
            columns = self._described(name.quoted)
            if kind == "v":
                return TableState(None, VIEW_DIGEST, columns)
            (rows,) = self.raw.execute(f"select count(*) from {name.quoted}").fetchone()  # noqa: S608 - quoted
            return TableState(rows, SERVER_TABLE, columns)

    def publish_select(
        self, table: str, query: str, kind: Kind, before_commit: Callable[[TableState], None]
    ) -> TableState:
        """Fill `table` from a SELECT in one transaction."""
        select = statements.one_select(query, self.dialect)

        def fill(name: Name) -> TableState:
            if kind == "view":
                self._replace_view(name, select)
                state = TableState(None, VIEW_DIGEST, self._described(name.quoted))
            else:
                rows = self._replace_table(name, self._source(select))
                state = TableState(rows, SERVER_TABLE, self._described(name.quoted))
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
            with growing.hinting(query, name.table, growth), self._refusals():
                into = GrowingTable(self, name)
                grown = growing.grow(into, select, growth, table)
                rows = growing.total(into, grown, counted=growth.counted)
            state = TableState(rows, SERVER_TABLE, self._described(name.quoted))
            before_commit(state, grown.added)
            done[:] = [state]
            return state

        def publish() -> TableState:
            # The connection may have broken while the server committed.
            if done and self._attempt_of(table) == growth.attempt:
                return done[0]
            with self._refusals(), self._transaction():
                self._prepare_attempts(self._target(table))
            return self._publish(table, fill)

        return self._retry(publish)

    def attempt_of(self, table: str) -> str | None:
        """The attempt that filled `table` last."""
        return self._retry(lambda: self._attempt_of(table))

    def content(self, table: str) -> str:
        """The digest of its rows: the sum of the MD5 of each, written in one way whatever the settings are."""
        with self._refusals():
            name, _ = self._found(table)
            with self._transaction():
                for setting, value in _SETTINGS.items():
                    self.raw.execute("select set_config(%s, %s, true)", [setting, value])
                total = "coalesce(sum(('x' || left(md5(r::text), 16))::bit(64)::bigint::numeric), 0)"
                query = f"select count(*), {total} from {name.quoted} r"  # noqa: S608 - quoted
                count, total = self.raw.execute(query).fetchone()
        text = f"{count}:{total}:{self._described(name.quoted)}"
        return "postgres-rows:" + hashlib.sha256(text.encode()).hexdigest()

    def version(self) -> str:
        """The server's version."""
        return f"PostgreSQL {str(self.raw.info.parameter_status('server_version')).partition(' ')[0]}"

    def arrow(self, table: str) -> Any:
        """All rows as a `pyarrow.Table`, moments in UTC."""
        from assets_cli.connections import postgres_arrow  # on use: only for frames

        with self._refusals():
            name, _ = self._found(table)
            return postgres_arrow.read(self.raw, name.quoted, self._described(name.quoted), _ARROW_BATCH)

    def publish_arrow(self, table: str, rows: Any, before_commit: Callable[[TableState], None]) -> TableState:
        """Fill `table` from Arrow in one transaction."""
        from assets_cli.connections import postgres_arrow  # on use: only for frames

        columns = postgres_arrow.declarations(rows.schema)

        def fill(name: Name) -> TableState:
            source = _Source(
                lambda what: self.raw.execute(f"create {what} ({columns})") and None,
                lambda target: postgres_arrow.copy(self.raw, target, rows),
            )
            state = TableState(self._replace_table(name, source), SERVER_TABLE, self._described(name.quoted))
            before_commit(state)
            return state

        # Not again where the connection breaks: a stream of rows is read once.
        return self._publish(table, fill)

    def run_script(self, script: str) -> None:
        """Run the statements of a script, in one transaction unless the script has its own."""
        from psycopg.pq import TransactionStatus  # loaded long since

        with self._refusals(0):
            self.raw.commit()
            self.raw.autocommit = True
            try:
                self.raw.execute(script)
                if self.raw.info.transaction_status != TransactionStatus.IDLE:
                    raise DatabaseError("the script leaves a transaction open", hint="end it with `commit`")
            finally:
                if not self.raw.closed:
                    with suppress(Exception):  # what was raised says more
                        self.raw.rollback()
                        self.raw.autocommit = False

    def scalar(self, query: str) -> Any:
        """The first column of the first row of a query; None where it returns no row."""
        with self._refusals(0):
            row = self.raw.execute(statements.one_query(query, self.dialect)).fetchone()
        return row[0] if row else None

    def qualified(self, table: str) -> str:
        """A table's name as a query writes it."""
        with self._refusals():
            return self._target(table).quoted

    def columns(self, table: str) -> tuple[tuple[str, str], ...]:
        """Names and types of the columns of a table or view."""
        with self._refusals():
            return self._described(self._found(table)[0].quoted)

    def fetch(self, query: str, keep: int, count_to: int) -> Fetched:
        """Run one SELECT and count what it returns; the server sends no more than is asked for."""
        select = statements.one_select(query, self.dialect)
        with self._refusals(0), self.raw.cursor("assets_fetch") as cursor:
            cursor.execute(select)
            columns = tuple(column.name for column in cursor.description or ())
            return Fetched.read(cursor, columns, keep, count_to)

    def read(self, query: str) -> Rows:
        """The answer of one query that only reads, streamed."""
        text = statements.one_query(query, self.dialect)
        streams = statements.first_word(text) in ("select", "with", "values", "table")
        with self._refusals(0):
            self._streams += 1
            cursor = self.raw.cursor(f"assets_{self._streams}") if streams else self.raw.cursor()
            cursor.execute(text)
            columns = tuple((column.name, str(column.type_display)) for column in cursor.description or ())
        return Rows(columns, self._batches(cursor))

    def _batches(self, cursor: Any) -> Iterator[list[tuple[Any, ...]]]:
        while True:
            with self._refusals():
                batch = cursor.fetchmany(_BATCH)
            if not batch:
                cursor.close()
                return
            yield batch

    def close(self) -> None:
        """Close the connection; what was not committed is lost."""
        self.raw.close()

    def _connect(self) -> Any:
        return self._open()

    # -- names -----------------------------------------------------------------------------------------------------

    @staticmethod
    def _parts(table: str) -> tuple[str, ...]:
        """The parts of a name, in lower case unless they are quoted, as PostgreSQL has it."""
        return tuple(text if quoted else text.lower() for text, quoted in names.pieces(table))

    def _target(self, table: str) -> Name:
        """Where a name leads: to what is there under it, or else where it would be created."""
        parts = self._parts(table)
        if len(parts) == 3:  # noqa: PLR2004 - database, schema and name
            if parts[0] != self.raw.info.dbname:
                message = f"{table} is in another database, and a connection to PostgreSQL leads to one"
                raise DatabaseError(message, hint="declare a connection with that database in its url")
            parts = parts[1:]
        if len(parts) == 2:  # noqa: PLR2004 - schema and name
            return Name(parts[0], parts[1])
        if len(parts) > 1:
            raise DatabaseError(f"{table} has too many parts", hint="write `schema.table`")
        (schema,) = self.raw.execute(
            "select coalesce((select n.nspname from pg_class c join pg_namespace n on n.oid = c.relnamespace "
            "where c.oid = to_regclass(%s)), current_schema())",
            [names.quote(*parts)],
        ).fetchone()
        if schema is None:
            raise DatabaseError(f"there is no schema for {table}", hint="write `schema.table`, or set the search_path")
        return Name(schema, parts[0])

    def _relation(self, name: Name) -> tuple[int, str] | None:
        """Its number in the catalogue, and its kind by a letter of PostgreSQL's."""
        row = self.raw.execute(
            "select c.oid, c.relkind from pg_class c where c.oid = to_regclass(%s) "
            "and c.relkind in ('r', 'p', 'v', 'm', 'f')",
            [name.quoted],
        ).fetchone()
        return (int(row[0]), _letter(row[1])) if row else None

    def _found(self, table: str) -> tuple[Name, str]:
        name = self._target(table)
        there = self._relation(name)
        if there is None:
            raise no_table(table, self._table_names())
        return name, there[1]

    def _table_names(self) -> list[str]:
        rows = self.raw.execute(
            "select case when n.nspname = current_schema() then c.relname else n.nspname || '.' || c.relname end "
            "from pg_class c join pg_namespace n on n.oid = c.relnamespace "
            "where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname not in ('pg_catalog', 'information_schema') "
            "and n.nspname not like 'pg\\_%%' and c.relname <> %s",
            [growing.ATTEMPTS],
        ).fetchall()
        return [row[0] for row in rows]

    def _described(self, quoted: str) -> tuple[tuple[str, str], ...]:
        rows = self.raw.execute(
            "select a.attname, format_type(a.atttypid, a.atttypmod) from pg_attribute a "
            "where a.attrelid = to_regclass(%s) and a.attnum > 0 and not a.attisdropped order by a.attnum",
            [quoted],
        ).fetchall()
        return tuple((str(name), str(kind)) for name, kind in rows)

    # -- publishing ------------------------------------------------------------------------------------------------

    def _publish(self, table: str, fill: Callable[[Name], TableState]) -> TableState:
        with self._refusals(), self._transaction():
            name = self._target(table)
            self._make_schema(name.schema)
            return fill(name)

    def _make_schema(self, schema: str) -> None:
        # Asked before, since `create schema if not exists` wants the right to create one even where it is there.
        if not self.raw.execute("select 1 from pg_namespace where nspname = %s", [schema]).fetchone():
            self.raw.execute(f"create schema if not exists {names.quote(schema)}")

    def _source(self, select: str) -> _Source:
        def declare(what: str) -> None:
            with self._refusals(OURS):
                self.raw.execute(f"create {what} as\n{select}\nwith no data")

        def load(target: str) -> int:
            with self._refusals(OURS):
                return int(self.raw.execute(f"insert into {target}\n{select}").rowcount)

        return _Source(declare, load)

    def _replace_table(self, name: Name, source: _Source) -> int:
        """Replace the rows of a table whose columns stay, and otherwise the table; the number of rows."""
        there = self._relation(name)
        if there is None:
            source.declare(f"table {name.quoted}")
            return source.load(name.quoted)
        beside = beside_of(name)
        source.declare(f"temp table {beside}")
        if there[1] in "rp" and self._described(beside) == self._described(name.quoted):
            rows = source.load(beside)
            # Deleted, not truncated: who reads meanwhile neither waits nor finds an empty table.
            self.raw.execute(f"delete from {name.quoted}")  # noqa: S608 - quoted
            self.raw.execute(f"insert into {name.quoted} select * from {beside}")  # noqa: S608 - quoted
            self.raw.execute(f"drop table {beside}")
            return rows
        self.raw.execute(f"drop table {beside}")
        fresh = Name(name.schema, beside.strip('"'))
        source.declare(f"table {fresh.quoted}")
        rows = source.load(fresh.quoted)
        rename = f"alter table {fresh.quoted} rename to {names.quote(name.table)}"
        self._exchange(name, there, lambda: self.raw.execute(rename), same="rp")
        return rows

    def _replace_view(self, name: Name, select: str) -> None:
        import psycopg  # loaded long since

        there = self._relation(name)
        statement = f"view {name.quoted} as\n{select}"
        if there is None or there[1] == "v":
            try:
                with self._refusals(OURS, but=psycopg.errors.InvalidTableDefinition), self.raw.transaction():
                    self.raw.execute(f"create or replace {statement}")
                    return
            except psycopg.errors.InvalidTableDefinition:
                if there is None:
                    raise  # for other reasons than its columns

        def make() -> None:
            with self._refusals(OURS):
                self.raw.execute(f"create {statement}")

        assert there is not None  # noqa: S101 - for mypy
        self._exchange(name, there, make, same="v")

    def _exchange(self, name: Name, there: tuple[int, str], make: Callable[[], object], same: str) -> None:
        """Drop what is there, make what replaces it, and make the views again that read it."""
        import psycopg  # loaded long since

        oid, kind = there
        views = postgres_views.dependents(self.raw, oid)
        besides = postgres_views.besides(self.raw, oid) if kind in same else ()
        try:
            postgres_views.drop(self.raw, views)
            self.raw.execute(f"drop {_KINDS[kind]} {name.quoted}")
        except psycopg.errors.DependentObjectsStillExist as error:
            detail = first_line(error.diag.message_detail or str(error))
            message = f"the columns of {name.table} change, and {detail}"
            raise DatabaseError(message, hint="drop it first; it can be made again afterwards") from None
        make()
        for statement in besides:
            self.raw.execute(statement)
        try:
            postgres_views.make_again(self.raw, views)
        except postgres_views.ViewLostError as lost:
            message = f"the view {lost.view} reads {name.table} and would break: {first_line(str(lost.__cause__))}"
            raise DatabaseError(message, hint="change or drop the view first") from None

    def _prepare_attempts(self, name: Name) -> None:
        """The table of attempts, in a transaction of its own: two steps may want it at once."""
        self._make_schema(name.schema)
        table = Name(name.schema, growing.ATTEMPTS)
        if self._relation(table) is None:
            self.raw.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [table.quoted])
            self.raw.execute(f"create table if not exists {table.quoted} (target text primary key, attempt text)")

    def _attempt_of(self, table: str) -> str | None:
        with self._refusals():
            name = self._target(table)
            known = self._relation(Name(name.schema, growing.ATTEMPTS))
            return growing.last_attempt(GrowingTable(self, name)) if known else None

    @contextmanager
    def _refusals(self, ours: int | None = None, *, but: type[Exception] | None = None) -> Iterator[None]:
        """Turn what psycopg raises into a `DatabaseError`; `ours` are the lines before the user's, None: all are."""
        import psycopg  # loaded long since

        try:
            yield
        except psycopg.Error as error:
            if but is not None and isinstance(error, but):
                raise
            refusal = _refusal(error, ours, broken=self.raw.closed)
            if isinstance(error, psycopg.errors.UndefinedTable) and (missing := _MISSING.search(str(error))):
                refusal.hint = self._nearest(missing[1]) or refusal.hint
            raise refusal from None

    def _nearest(self, missing: str) -> str | None:
        import psycopg  # loaded long since

        try:
            self.raw.rollback()  # what failed is over; nothing else can be asked before
            return names.hint(missing, self._table_names())
        except psycopg.Error:
            return None


_SETTINGS = {
    "timezone": "UTC",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
}


def _letter(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _refusal(error: Any, ours: int | None, *, broken: bool) -> DatabaseError:
    state, diag = error.sqlstate or "", error.diag
    said = first_line(diag.message_primary or str(error))
    if broken or state.startswith(_LOST_STATES):
        message = f"the connection to the server broke: {said}"
        return DatabaseError(message, hint=UNREACHABLE, detail=str(error), lost=True)
    message = f"{said} ({first_line(diag.message_detail)})" if diag.message_detail else said
    hint = first_line(diag.message_hint) if diag.message_hint else None
    if state == _NOT_ALLOWED:
        hint = hint or "grant it to the user of the connection's url, or use another user"
    line = _LINE.search(str(error)) if ours is not None else None
    number = max(int(line[1]) - (ours or 0), 1) if line else None
    return DatabaseError(message, hint=hint, line=number, detail=str(error))
