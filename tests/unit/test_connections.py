"""What every file database does the same, then what only DuckDB or SQLite does."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from assets_cli.connections import names, open_database
from assets_cli.connections.protocol import Database, DatabaseError, Session, TableState

KINDS = ("duckdb", "sqlite")


@pytest.fixture(params=KINDS)
def base(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """A database of each kind, in a folder that does not exist yet."""
    return open_database(request.param, {"path": "data/warehouse.db"}, tmp_path)


@pytest.fixture
def session(base: Database) -> Iterator[Session]:
    """An open connection to each kind."""
    session = base.open()
    yield session
    session.close()


@pytest.fixture
def duckdb(tmp_path: Path) -> Iterator[Session]:
    """An open connection to DuckDB."""
    session = open_database("duckdb", {"path": "mart.duckdb"}, tmp_path).open()
    yield session
    session.close()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Session]:
    """An open connection to SQLite."""
    session = open_database("sqlite", {"path": "mart.sqlite"}, tmp_path).open()
    yield session
    session.close()


def nothing(state: TableState) -> None:
    """Agree to what is about to be published."""


def rows(session: Session, query: str) -> list[tuple[object, ...]]:
    """All rows of a query."""
    found: list[tuple[object, ...]] = session.raw.execute(query).fetchall()
    return found


def refused(call: Callable[[], object]) -> tuple[str, str | None]:
    """The message and the hint of a refusal."""
    with pytest.raises(DatabaseError) as caught:
        call()
    return str(caught.value), caught.value.hint


class TestPlace:
    def test_location_and_file(self, base: Database, tmp_path: Path) -> None:
        """The location is the path as written, the file the real one; nothing is made before the first open."""
        kind = base.dialect
        assert (base.location, base.file) == (
            f"{kind}:data/warehouse.db",
            Path(os.path.realpath(tmp_path)) / "data/warehouse.db",
        )
        assert not (tmp_path / "data").exists()

    def test_a_symlink_is_followed(self, tmp_path: Path) -> None:
        """Two paths to one file are one mutex."""
        (tmp_path / "link").symlink_to(tmp_path / "real.db")
        assert open_database("sqlite", {"path": "link"}, tmp_path).file == Path(os.path.realpath(tmp_path)) / "real.db"

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({}, "a {} connection needs a `path`"),
            ({"path": "x", "threads": "4"}, "a {} connection has no option 'threads'"),
            ({"path": ":memory:"}, "an in-memory database is gone when the step that filled it ends"),
            ({"path": "md:mine"}, "md:mine is not the path of a file"),
        ],
    )
    def test_options_that_are_refused(self, kind: str, options: dict[str, str], message: str, tmp_path: Path) -> None:
        """A missing path, another option, and what is no file are refused before anything is opened."""
        assert refused(lambda: open_database(kind, options, tmp_path))[0] == message.format(kind)

    def test_an_unknown_kind(self, tmp_path: Path) -> None:
        """A kind that is not installed is refused with the kinds that are."""
        known = "known types: duckdb, sqlite, postgres, sqlalchemy"
        more = "a package that brings another has an entry point oracle in the group assets_cli.connections"
        expected = ("unknown connection type 'oracle'", f"{known}; {more}")
        assert refused(lambda: open_database("oracle", {}, tmp_path)) == expected

    def test_reading_what_is_not_there(self, base: Database, tmp_path: Path) -> None:
        """Opening to read makes neither a file nor a folder."""
        assert refused(lambda: base.open(read_only=True)) == ("the database data/warehouse.db does not exist", None)
        assert not (tmp_path / "data").exists()

    def test_a_file_of_another_sort(self, base: Database, tmp_path: Path) -> None:
        """A file that is no database of this kind is refused by name."""
        name = {"duckdb": "a DuckDB", "sqlite": "an SQLite"}[base.dialect]
        (tmp_path / "data").mkdir()
        (tmp_path / "data/warehouse.db").write_text("hello world\n" * 2000)
        assert refused(base.open) == (f"data/warehouse.db is not {name} database", "check the connection's `path`")

    def test_the_other_kind(self, tmp_path: Path) -> None:
        """A database of the other kind is recognised, and the hint is the declaration that would work."""
        for kind in KINDS:
            session = open_database(kind, {"path": f"{kind}.db"}, tmp_path).open()
            session.publish_select("t", "select 1 as a", "table", nothing)
            session.close()
        expected = ("sqlite.db is an SQLite database", "declare the connection `type: sqlite`")
        assert refused(open_database("duckdb", {"path": "sqlite.db"}, tmp_path).open) == expected
        expected = ("duckdb.db is a DuckDB database", "declare the connection `type: duckdb`")
        assert refused(open_database("sqlite", {"path": "duckdb.db"}, tmp_path).open) == expected

    def test_a_folder_in_the_way(self, base: Database, tmp_path: Path) -> None:
        """What the operating system says is passed on in lower case."""
        (tmp_path / "data/warehouse.db").mkdir(parents=True)
        assert refused(base.open) == ("cannot open the database data/warehouse.db: is a directory", None)


class TestPublish:
    def test_a_table(self, session: Session) -> None:
        """The state handed to `before_commit` is the one returned and the one found afterwards."""
        seen: list[TableState] = []
        state = session.publish_select("orders", "select 1 as id, 'x' as name", "table", seen.append)
        assert seen == [state] == [session.table_state("orders")]
        assert (state.rows, [name for name, _ in state.columns]) == (1, ["id", "name"])
        assert rows(session, "select * from orders") == [(1, "x")]

    def test_a_view(self, session: Session) -> None:
        """Of a view no rows are counted: that would mean to run it."""
        session.publish_select("orders", "select 1 as id", "table", nothing)
        state = session.publish_select("recent", "select id from orders", "view", nothing)
        assert (state.rows, [name for name, _ in state.columns]) == (None, ["id"])
        assert session.table_state("recent") == state

    def test_a_view_is_its_query(self, session: Session) -> None:
        """Another query is another digest, of the algorithm of rows: neither is taken for the other, or for a table."""
        first = session.publish_select("recent", "select 1 as id", "view", nothing)
        second = session.publish_select("recent", "select 2 as id", "view", nothing)
        table = session.publish_select("recent", "select 2 as id", "table", nothing)
        assert len({first.digest, second.digest, table.digest}) == 3
        assert len({state.digest.partition(":")[0] for state in (first, second, table)}) == 1
        assert session.publish_select("recent", "select 1 as id", "view", nothing) == first

    @pytest.mark.parametrize("before", ["table", "view"])
    @pytest.mark.parametrize("after", ["table", "view"])
    def test_replacing(self, session: Session, before: str, after: str) -> None:
        """Whatever was there, table or view, is replaced."""
        session.publish_select("t", "select 1 as a", before, nothing)  # type: ignore[arg-type]
        session.publish_select("t", "select 2 as b", after, nothing)  # type: ignore[arg-type]
        assert rows(session, "select b from t") == [(2,)]

    @pytest.mark.parametrize("before", ["table", "view"])
    def test_a_query_that_reads_what_it_replaces(self, session: Session, before: str) -> None:
        """The old contents are there while the new ones are made, and nothing of the building is left."""
        session.publish_select("t", "select 1 as a", before, nothing)  # type: ignore[arg-type]
        session.publish_select("t", "select a + 1 as a from t", "table", nothing)
        session.publish_select("t", "select a + 1 as a from t", "table", nothing)
        assert rows(session, "select a from t") == [(3,)]
        assert session.existing(["t", "__assets_new_t"]) == {"t"}

    def test_a_view_of_itself(self, session: Session) -> None:
        """A view that reads itself is refused and leaves what was there."""
        session.publish_select("t", "select 1 as a", "table", nothing)
        session.publish_select("v", "select a from t", "view", nothing)
        refused(lambda: session.publish_select("v", "select a from v", "view", nothing))
        assert rows(session, "select a from v") == [(1,)]

    def test_dependent_views_survive(self, session: Session) -> None:
        """A view on a table shows the table's new rows after it was replaced, and again after the next time."""
        session.publish_select("t", "select 1 as a", "table", nothing)
        session.publish_select("v", "select a from t", "view", nothing)
        for number in (2, 3):
            session.publish_select("t", f"select {number} as a, 0 as b", "table", nothing)
            assert rows(session, "select a from v") == [(number,)]

    def test_a_failing_query(self, session: Session) -> None:
        """A query that fails leaves the old table as it was, and the connection usable."""
        session.publish_select("t", "select 1 as a", "table", nothing)
        refused(lambda: session.publish_select("t", "select nope from t", "table", nothing))
        assert rows(session, "select a from t") == [(1,)]
        session.publish_select("t", "select 2 as a", "table", nothing)

    def test_a_refusal_before_the_commit(self, session: Session) -> None:
        """Whatever `before_commit` raises is passed on, and nothing was published."""

        def refuse(state: TableState) -> None:
            raise KeyError(state.rows)

        for kind in ("table", "view"):
            with pytest.raises(KeyError):
                session.publish_select("t", "select 1 as a", kind, refuse)  # type: ignore[arg-type]
        assert session.existing(["t"]) == set()

    def test_others_see_nothing_before_the_commit(self, base: Database) -> None:
        """A second connection sees the old rows until the commit, the new ones after it."""
        session = base.open()
        session.publish_select("t", "select 1 as a", "table", nothing)
        other = session.raw.cursor() if base.dialect == "duckdb" else sqlite3.connect(str(base.file))
        seen: list[object] = []
        session.publish_select(
            "t", "select 2 as a", "table", lambda state: seen.extend(other.execute("select a from t").fetchall())
        )
        seen += other.execute("select a from t").fetchall()
        assert seen == [(1,), (2,)]
        other.close()
        session.close()

    @pytest.mark.parametrize(
        "query", ["select 1 as a;", "select 1 as a -- all", "-- why;\nselect 1 as a ; /* ; */\n;;\n-- end"]
    )
    @pytest.mark.parametrize("kind", ["table", "view"])
    def test_semicolons_and_comments(self, session: Session, query: str, kind: str) -> None:
        """Semicolons and comments around the one statement don't matter."""
        session.publish_select("t", query, kind, nothing)  # type: ignore[arg-type]
        assert rows(session, "select a from t") == [(1,)]

    def test_a_semicolon_in_a_text(self, session: Session) -> None:
        """A semicolon within quotes ends no statement."""
        session.publish_select("t", "select 'a;b' as \"x;y\"", "table", nothing)
        assert rows(session, "select * from t") == [("a;b",)]

    @pytest.mark.parametrize(
        ("query", "message"),
        [
            ("select 1; select 2", "expected one SELECT, found 2 statements"),
            ("insert into t values (1)", "expected a SELECT, found INSERT"),
            ("create table x as select 1", "expected a SELECT, found CREATE"),
        ],
    )
    def test_what_is_no_select(self, session: Session, query: str, message: str) -> None:
        """Anything but one SELECT is refused with the materialization that would run it."""
        hint = "declare `materialization: script` to run statements as they stand"
        assert refused(lambda: session.publish_select("t", query, "table", nothing)) == (message, hint)

    def test_a_with_that_writes(self, session: Session) -> None:
        """A statement that begins like a query and writes is refused with the same hint."""
        session.publish_select("t", "select 1 as a", "table", nothing)
        query = "with x as (select 2 as a) insert into t select a from x"
        _, hint = refused(lambda: session.publish_select("u", query, "table", nothing))
        assert hint == "declare `materialization: script` to run statements as they stand"
        assert rows(session, "select a from t") == [(1,)]

    @pytest.mark.parametrize("query", ["", " \n", "-- nothing\n", ";"])
    def test_an_empty_query(self, session: Session, query: str) -> None:
        """A query of nothing but comments is called empty."""
        assert refused(lambda: session.publish_select("t", query, "table", nothing)) == ("the query is empty", None)

    @pytest.mark.parametrize("query", ["with x as (select 1 as a) select a from x", "values (1)"])
    def test_other_queries(self, session: Session, query: str) -> None:
        """WITH and VALUES are queries too."""
        session.publish_select("t", query, "table", nothing)
        assert rows(session, "select * from t") == [(1,)]

    @pytest.mark.parametrize("name", ["order", "my table", "Größe", '"a.b"', 'say ""hi""', "a;b", "main.select"])
    def test_any_name(self, session: Session, name: str) -> None:
        """Reserved words, spaces, Unicode, quoted dots and quotes are names like others."""
        name = f'"{name}"' if '""' in name else name
        for number in (1, 2):
            state = session.publish_select(name, f"select {number} as a", "table", nothing)
        assert session.existing([name, "a", "b"]) == {name}
        assert session.table_state(name) == state
        assert state.rows == 1

    def test_case(self, session: Session) -> None:
        """Names differ in more than the case of their letters, as the database has it."""
        session.publish_select("Orders", "select 1 as a", "table", nothing)
        session.publish_select("ORDERS", "select 2 as a", "table", nothing)
        assert session.existing(["orders", "Orders", "MAIN.orders", "orderz"]) == {"orders", "Orders", "MAIN.orders"}
        assert rows(session, "select a from orders") == [(2,)]

    @pytest.mark.parametrize("name", ["", ".", "a.", ".a", 'a"b', '"a', "a..b", '""'])
    def test_what_is_no_name(self, session: Session, name: str) -> None:
        """An empty part or half a quote is no name."""
        expected = (f"{name!r} is not a table's name", 'write `table`, `schema.table` or `"my table"`')
        assert refused(lambda: session.publish_select(name, "select 1 as a", "table", nothing)) == expected


class TestState:
    def digest(self, session: Session, query: str) -> str:
        """The digest of a query's rows."""
        return session.publish_select("t", query, "table", nothing).digest

    def test_the_order_of_rows(self, session: Session) -> None:
        """The same rows in any order have the same digest."""
        one = self.digest(session, "select 1 as a, 'x' as b union all select 2, null union all select 3, 'z'")
        two = self.digest(session, "select 3 as a, 'z' as b union all select 1, 'x' union all select 2, null")
        assert one == two

    @pytest.mark.parametrize(
        ("one", "two"),
        [
            ("select 1 as a", "select 1 as a union all select 1"),
            ("select 1 as a, null as b", "select null as a, 1 as b"),
            ("select 1 as a, 2 as b", "select 2 as a, 1 as b"),
            ("select 1 as a", "select 1 as b"),
            ("select 1 as a", "select '1' as a"),
            ("select '' as a", "select cast(null as text) as a"),
            ("select 1 as a where false", "select 1 as a"),
            ("select 'ab' as a, 'c' as b", "select 'a' as a, 'bc' as b"),
        ],
    )
    def test_what_differs(self, session: Session, one: str, two: str) -> None:
        """Another count, value, place, column name or type is another digest."""
        assert self.digest(session, one) != self.digest(session, two)

    def test_the_same_after_closing(self, base: Database) -> None:
        """The digest taken before the commit is the one found by the next connection, which only reads."""
        session = base.open()
        state = session.publish_select("t", "select 1.5 as a, 'é' as b, null as c", "table", nothing)
        session.close()
        session = base.open(read_only=True)
        assert session.table_state("t") == state
        session.close()

    def test_a_missing_table(self, session: Session) -> None:
        """A table that is not there is named, with the nearest one that is."""
        expected = ("the table orders does not exist", "the database has no tables yet")
        assert refused(lambda: session.table_state("orders")) == expected
        session.publish_select("customers", "select 1 as a", "table", nothing)
        assert refused(lambda: session.table_state("orders"))[1] == "tables there: customers"
        session.publish_select("Order", "select 1 as a", "table", nothing)
        assert refused(lambda: session.table_state("orders"))[1] == "did you mean Order?"


class TestScript:
    def test_statements(self, session: Session) -> None:
        """All statements run, in order."""
        session.run_script("create table t (a integer); insert into t values (1); -- more;\nupdate t set a = 2")
        assert rows(session, "select a from t") == [(2,)]

    def test_its_own_transaction(self, base: Database) -> None:
        """A script that says `begin` and `commit` itself is left to do so."""
        session = base.open()
        session.run_script(
            "begin; create table t (a integer); insert into t values (1); commit; insert into t values (2);"
        )
        session.close()
        session = base.open()
        assert rows(session, "select a from t order by a") == [(1,), (2,)]
        session.close()

    def test_a_transaction_left_open(self, session: Session) -> None:
        """Statements that would be lost with the connection are an error."""
        session.run_script("create table t (a integer)")
        expected = ("the script leaves a transaction open", "end it with `commit`")
        assert refused(lambda: session.run_script("begin; insert into t values (1);")) == expected
        assert rows(session, "select * from t") == []
        session.run_script("begin; insert into t values (1); commit")

    def test_a_failing_statement(self, session: Session) -> None:
        """What the database says comes through, and the connection goes on."""
        message, _ = refused(lambda: session.run_script("create table t (a integer); insert into nowhere values (1)"))
        assert "nowhere" in message
        session.run_script("create table u (a integer)")

    def test_nothing(self, session: Session) -> None:
        """A script of comments does nothing."""
        session.run_script("-- nothing yet")
        assert session.scalar("select 1") == 1


class TestScalarAndRaw:
    def test_scalar(self, session: Session) -> None:
        """The first column of the first row; None where there is no row, or a null."""
        assert session.scalar("select 7 as a, 8 as b union all select 9, 9 order by 1;  -- c") == 7
        assert session.scalar("select 1 where false") is None
        assert session.scalar("select null") is None

    def test_an_unknown_table(self, session: Session) -> None:
        """The hint names the nearest table."""
        session.publish_select("orders", "select 1 as a", "table", nothing)
        message, hint = refused(lambda: session.scalar("select * from ordrs"))
        assert "ordrs" in message
        assert "\n" not in message
        assert hint == "did you mean orders?"

    def test_commit(self, base: Database) -> None:
        """What a user's statements left in an open transaction lasts after `commit`, and is lost without it."""
        session = base.open()
        session.raw.execute("create table t (a integer)")
        for number, committed in ((1, True), (2, False)):
            session.raw.execute("begin")
            session.raw.execute("insert into t values (?)", [number])
            if committed:
                session.commit()
                session.commit()
        session.close()
        session.commit()
        session = base.open()
        assert rows(session, "select a from t") == [(1,)]
        session.close()


class TestDuckDB:
    def test_schemas(self, duckdb: Session) -> None:
        """A schema that is not there is made; the database's own name is no schema."""
        duckdb.publish_select("sales.orders", "select 1 as a", "table", nothing)
        duckdb.publish_select('sales."my orders"', "select 1 as a", "view", nothing)
        duckdb.publish_select("mart.orders", "select 2 as a", "table", nothing)
        assert rows(duckdb, "select a from mart.main.orders") == [(2,)]
        asked = ["sales.orders", 'sales."my orders"', "mart.orders", "orders", "mart.sales.orders", "nowhere.orders"]
        assert duckdb.existing(asked) == set(asked[:-1])

    def test_a_schema_named_like_the_database(self, duckdb: Session) -> None:
        """A schema that has the name of the database file is used once it exists."""
        duckdb.raw.execute("create schema mart.mart")
        duckdb.publish_select("mart.orders", "select 1 as a", "table", nothing)
        assert rows(duckdb, "select a from mart.mart.orders") == [(1,)]

    def test_views_of_a_schema(self, duckdb: Session) -> None:
        """Views on a table in a schema survive that it is replaced."""
        duckdb.publish_select("sales.orders", "select 1 as a", "table", nothing)
        duckdb.publish_select("recent", "select a from sales.orders", "view", nothing)
        duckdb.publish_select("sales.orders", "select 2 as a", "table", nothing)
        assert rows(duckdb, "select a from recent") == [(2,)]

    def test_a_missing_table_of_a_schema(self, duckdb: Session) -> None:
        """The nearest table is named with its schema."""
        duckdb.publish_select("sales.orders", "select 1 as a", "table", nothing)
        assert refused(lambda: duckdb.table_state("sales.ordres"))[1] == "did you mean sales.orders?"

    @pytest.mark.parametrize("query", ["from r", "table r", "pivot r on a using count(*)", "(select 1 as a)"])
    def test_queries_of_its_own(self, duckdb: Session, query: str) -> None:
        """DuckDB's other ways to write a query fill a table too."""
        duckdb.publish_select("r", "select 1 as a", "table", nothing)
        assert duckdb.publish_select("t", query, "table", nothing).rows == 1

    @pytest.mark.parametrize(
        ("one", "two"),
        [
            ("[]::integer[]", "null::integer[]"),
            ("[null]::integer[]", "[]::integer[]"),
            ("[[1], [2]]", "[[1, 2]]"),
            ("['a, b']", "['a', 'b']"),
            ("{'x': null::integer}", "null::struct(x integer)"),
            ("map {1: null}", "map {}::map(integer, integer)"),
            ("1.50::decimal(9,2)", "1.51::decimal(9,2)"),
        ],
    )
    def test_nested_values_differ(self, duckdb: Session, one: str, two: str) -> None:
        """Values that DuckDB's own hash takes for equal are told apart."""
        duckdb.publish_select("x", f"select {one} as a", "table", nothing)
        first = duckdb.table_state("x")
        duckdb.raw.execute(f"delete from x; insert into x select {two}")
        assert duckdb.table_state("x").columns == first.columns
        assert duckdb.table_state("x").digest != first.digest

    def test_every_type(self, tmp_path: Path) -> None:
        """Nested types, decimals, NaN and the rest have one digest, in memory, on disk and on one thread."""
        base = open_database("duckdb", {"path": "x.duckdb"}, tmp_path)
        session = base.open()
        query = """
            select i, i::decimal(30,4) as d, 'nan'::double as n, 'inf'::float as f, i::hugeint as h, i::bit as b,
                case when i % 2 = 0 then {'a': i, 'b': [i, null]} end as s, map {i: 'x'} as m, union_value(n := i) as u,
                case when i % 3 = 0 then [i, null] end as l, array_value(i::float, 2) as ar, interval (i) day as iv,
                'b'::blob as bl, (case when i % 2 = 0 then 'x' end)::enum('x', 'y') as e, to_timestamp(i) as ts,
                date '2020-01-01' + i::integer as dt, time '10:00' as t, 'é' || i as v, true as bo, null as nothing
            from range(5000) r(i)"""
        state = session.publish_select("t", query, "table", nothing)
        assert state.rows == 5000
        assert re.fullmatch(r"duckdb-\d+\.\d+\.\d+[^:]*-rows:[0-9a-f]{64}", state.digest)
        session.close()
        session = base.open(read_only=True)
        session.raw.execute("set threads = 1")
        assert session.table_state("t") == state
        session.close()

    def test_an_error_in_the_query(self, duckdb: Session) -> None:
        """The line is the user's, not that of the statement around it, and the whole text is kept for the log."""
        duckdb.publish_select("t", "select 1 as amount", "table", nothing)
        with pytest.raises(DatabaseError) as caught:
            duckdb.publish_select("u", "select\n  amuont\nfrom t", "table", nothing)
        error = caught.value
        assert str(error) == 'Binder Error: Referenced column "amuont" not found in FROM clause!'
        assert error.line == 2
        assert error.hint in ('candidate bindings: "amount"', 'candidate bindings: "t.amount"')  # the latter is 1.1's
        assert "LINE 2:   amuont" in str(error.detail)

    def test_a_syntax_error(self, duckdb: Session) -> None:
        """A query that cannot be parsed gives the parser's line."""
        with pytest.raises(DatabaseError) as caught:
            duckdb.publish_select("u", "select 1\nfrom from t", "table", nothing)
        assert caught.value.line in (2, None)  # 1.1 names none
        assert str(caught.value).startswith("Parser Error: syntax error at or near ")

    def test_in_use(self, tmp_path: Path) -> None:
        """A file that another process holds is said to be in use, by which process."""
        script = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
        holder = subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path / "w.duckdb")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert holder.stdin
        assert holder.stdout
        try:
            holder.stdout.readline()
            with pytest.raises(DatabaseError) as caught:
                open_database("duckdb", {"path": "w.duckdb"}, tmp_path).open(read_only=True)
        finally:
            holder.communicate(b"")
        assert str(caught.value) == f"the database w.duckdb is in use by another program (PID {holder.pid})"
        assert caught.value.in_use

    def test_reading_while_this_process_writes(self, tmp_path: Path) -> None:
        """A connection that a user's function forgot does not stand in the way of reading in the same process."""
        base = open_database("duckdb", {"path": "w.duckdb"}, tmp_path)
        forgotten = base.open()
        forgotten.publish_select("t", "select 1 as a", "table", nothing)
        reader = base.open(read_only=True)
        assert reader.table_state("t").rows == 1
        reader.close()
        forgotten.close()

    def test_a_script_is_no_transaction(self, duckdb: Session) -> None:
        """Statements commit one by one: DuckDB refuses too much within one transaction to wrap them all."""
        refused(lambda: duckdb.run_script("create table t (a integer); checkpoint; insert into nowhere values (1)"))
        assert duckdb.existing(["t"]) == {"t"}


class TestSQLite:
    def test_a_schema(self, sqlite: Session) -> None:
        """SQLite has no schemas; the hint gives two names that would do."""
        expected = (
            "mart.orders names a schema, and SQLite has none",
            'name the table mart_orders, or quote its dots: "mart.orders"',
        )
        assert refused(lambda: sqlite.publish_select("mart.orders", "select 1 as a", "table", nothing)) == expected
        assert sqlite.existing(["mart.orders"]) == set()

    def test_a_failing_script(self, sqlite: Session) -> None:
        """A script without a transaction of its own is one: what fails leaves nothing."""
        message = refused(
            lambda: sqlite.run_script("create table t (a); insert into t values (1); insert into u values (1)")
        )
        assert message == ("no such table: u", "the database has no tables yet")
        assert sqlite.existing(["t"]) == set()

    def test_triggers(self, sqlite: Session) -> None:
        """The semicolons within a trigger don't end the statement."""
        sqlite.run_script(
            "create table t (a); create table log (a);"
            "create trigger keep after insert on t begin insert into log values (new.a); select 1; end;"
            "insert into t values (5); vacuum;"
        )
        assert rows(sqlite, "select a from log") == [(5,)]

    @pytest.mark.parametrize("pair", [("1", "1.0"), ("'a'", "x'61'"), ("9e999", "null"), ("'é'", "'\\xe9'")])
    def test_types_differ(self, sqlite: Session, pair: tuple[str, str]) -> None:
        """SQLite's five types are told apart whatever the column's declared type."""
        sqlite.raw.execute("create table t (a)")
        digests = set()
        for value in pair:
            sqlite.raw.execute("delete from t")
            sqlite.raw.execute(f"insert into t values ({value})")
            digests.add(sqlite.table_state("t").digest)
        assert len(digests) == 2

    def test_text_that_is_no_utf8(self, sqlite: Session) -> None:
        """Text that Python cannot decode is counted like other text."""
        sqlite.run_script("create table t (a); insert into t values (cast(x'ff41' as text)), ('é')")
        first = sqlite.table_state("t")
        sqlite.run_script("delete from t; insert into t values (cast(x'fe41' as text)), ('é')")
        assert first.rows == 2
        assert sqlite.table_state("t").digest != first.digest
        assert rows(sqlite, "select a from t where a = 'é'") == [("é",)]

    def test_in_use(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A lock that another program does not give back is said to be in use."""
        monkeypatch.setattr("assets_cli.connections.sqlite._PATIENCE", 0.01)
        session = open_database("sqlite", {"path": "w.db"}, tmp_path).open()
        other = sqlite3.connect(tmp_path / "w.db")
        other.execute("begin immediate")
        with pytest.raises(DatabaseError) as caught:
            session.publish_select("t", "select 1 as a", "table", nothing)
        other.close()
        session.close()
        assert str(caught.value) == "the database w.db is in use by another program"
        assert caught.value.in_use

    def test_reading_after_a_killed_writer(self, tmp_path: Path) -> None:
        """A journal that a killed writer left is undone, though the database is opened only to read."""
        base = open_database("sqlite", {"path": "w.db"}, tmp_path)
        session = base.open()
        session.publish_select("t", "select 1 as a", "table", nothing)
        session.close()
        script = (
            "import os, signal, sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('pragma cache_size = 1');"
            "c.execute('begin'); c.execute('create table u as with recursive r(i) as (select 1 union all "
            "select i + 1 from r limit 50000) select i, hex(randomblob(20)) from r');"
            "os.kill(os.getpid(), signal.SIGKILL)"
        )
        killed = subprocess.run([sys.executable, "-c", script, str(base.file)], check=False)
        assert killed.returncode == -signal.SIGKILL
        assert (tmp_path / "w.db-journal").stat().st_size > 0
        session = base.open(read_only=True)
        assert session.existing(["t", "u"]) == {"t"}
        session.close()

    def test_a_read_only_session(self, tmp_path: Path) -> None:
        """A session that was opened to read writes nothing, and a name with a question mark is a file name."""
        base = open_database("sqlite", {"path": "what?.db"}, tmp_path)
        base.open().close()
        assert base.file
        base.file.touch()
        session = base.open(read_only=True)
        message, _ = refused(lambda: session.run_script("create table t (a)"))
        session.close()
        assert message == "attempt to write a readonly database"


def test_split() -> None:
    """Dots within double quotes don't split, and doubled quotes are one."""
    assert names.split('mart. "my.table"') == ("mart", "my.table")
    assert names.split('"a""b".c d') == ('a"b', "c d")
    assert names.quote('a"b', "c d") == '"a""b"."c d"'
