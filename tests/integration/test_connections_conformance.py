"""What every connection does the same: each kind, the built-in ones and SQLAlchemy's, over one suite."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pytest

from assets_cli.connections import open_database
from assets_cli.connections.protocol import Database, DatabaseError, Growth, Session, TableState

KINDS = ("duckdb", "sqlite", "postgres", "sqlalchemy-sqlite", "sqlalchemy-postgres")


class Base(NamedTuple):
    """A kind of connection and how a database of it is declared."""

    type: str
    options: dict[str, str]
    root: Path

    def database(self) -> Database:
        """The database."""
        return open_database(self.type, self.options, self.root)


@pytest.fixture(params=KINDS)
def base(request: pytest.FixtureRequest, tmp_path: Path) -> Base:
    """An empty database of each kind."""
    kind, _, backend = request.param.partition("-")
    if kind in ("duckdb", "sqlite"):
        return Base(kind, {"path": "data/base.db"}, tmp_path)
    if backend == "sqlite":
        return Base(kind, {"url": "sqlite:///data/base.db"}, tmp_path)
    url: str = request.getfixturevalue("pg")
    return Base(kind, {"url": url.replace("postgresql:", "postgresql+psycopg:") if backend else url}, tmp_path)


@pytest.fixture
def session(base: Base) -> Iterator[Session]:
    """An open connection."""
    session = base.database().open()
    yield session
    session.close()


def agree(*_: object) -> None:
    """Agree to what is about to be published."""


def rows(session: Session, query: str) -> list[tuple[Any, ...]]:
    """All rows of a query."""
    return [tuple(row) for batch in session.read(query).batches for row in batch]


def fill(session: Session, table: str, query: str, kind: Any = "table") -> TableState:
    """Publish a query."""
    return session.publish_select(table, query, kind, agree)


def refused(call: Any) -> str:
    """The message of a refusal."""
    with pytest.raises(DatabaseError) as caught:
        call()
    return str(caught.value)


class TestTables:
    def test_a_table_is_made_and_replaced(self, session: Session) -> None:
        """Made, replaced with the same columns, and replaced with others."""
        assert fill(session, "t", "select 1 as id, 'a' as v union all select 2, 'b'").rows == 2
        assert fill(session, "t", "select 3 as id, 'c' as v").rows == 1
        assert rows(session, "select id, v from t") == [(3, "c")]
        fill(session, "t", "select 4 as id, 'd' as v, 'e' as more")
        assert rows(session, "select id, v, more from t") == [(4, "d", "e")]

    def test_a_query_may_read_what_it_replaces(self, session: Session) -> None:
        """The old rows are there until the new ones are."""
        fill(session, "t", "select 1 as id")
        fill(session, "t", "select id + 1 as id from t")
        assert rows(session, "select id from t") == [(2,)]

    def test_dependent_views_survive(self, session: Session) -> None:
        """A view of a table, and one of that view, show the new rows."""
        fill(session, "t", "select 1 as id")
        fill(session, "v", "select id + 10 as id from t", "view")
        fill(session, "w", "select id + 100 as id from v", "view")
        fill(session, "t", "select 2 as id")
        assert rows(session, "select id from w") == [(112,)]

    def test_a_view_is_made_and_replaced(self, session: Session) -> None:
        """A view takes other columns when it is made again; it holds no rows."""
        fill(session, "t", "select 1 as id")
        assert fill(session, "v", "select id from t", "view").rows is None
        fill(session, "v", "select 'x' as other, id from t", "view")
        assert rows(session, "select other, id from v") == [("x", 1)]

    def test_tables_and_views_take_each_others_place(self, session: Session) -> None:
        """A table becomes a view, and a table again."""
        fill(session, "t", "select 1 as id")
        fill(session, "x", "select 1 as id")
        fill(session, "x", "select id + 1 as id from t", "view")
        assert rows(session, "select id from x") == [(2,)]
        fill(session, "x", "select 7 as id")
        assert rows(session, "select id from x") == [(7,)]

    def test_an_empty_result(self, session: Session) -> None:
        """No rows are a table of no rows, with its columns."""
        state = fill(session, "t", "select 1 as id, 'a' as v where 1 = 0")
        assert (state.rows, [name for name, _ in state.columns]) == (0, ["id", "v"])
        assert session.existing(["t", "nowhere"]) == {"t"}

    def test_failing_sql_leaves_the_old_table(self, session: Session) -> None:
        """A query that fails, one that is none, and several: the rows are the old ones."""
        fill(session, "t", "select 1 as id")
        refused(lambda: fill(session, "t", "select nope as id from nowhere"))
        assert (
            refused(lambda: fill(session, "t", "select 2 as id; select 3")) == "expected one SELECT, found 2 statements"
        )
        assert refused(lambda: fill(session, "t", "delete from t")).startswith("expected a SELECT, found DELETE")
        assert refused(lambda: fill(session, "t", "  -- nothing\n")) == "the query is empty"
        assert rows(session, "select id from t") == [(1,)]

    def test_what_is_not_agreed_to_is_not_published(self, session: Session) -> None:
        """Whatever the callback raises undoes all of it, also where there was no table before."""
        fill(session, "t", "select 1 as id")

        def disagree(*_: object) -> None:
            raise RuntimeError

        for table in ("t", "fresh"):
            with pytest.raises(RuntimeError):
                session.publish_select(table, "select 2 as id", "table", disagree)
        assert rows(session, "select id from t") == [(1,)]
        assert session.existing(["fresh"]) == set()

    @pytest.mark.parametrize("name", ['"select"', '"with space"', '"Ünï-çödé 表"', '"semi;colon"', '"100%"'])
    def test_names_of_all_sorts(self, session: Session, name: str) -> None:
        """Reserved words, spaces, Unicode: a quoted name is that name, and so are columns."""
        fill(session, name, 'select 1 as "order", 2 as "Größe %s", 3 as "a:b"')
        fill(session, name, 'select 4 as "order", 5 as "Größe %s", 6 as "a:b"')
        assert session.existing([name, "other"]) == {name}
        assert [column for column, _ in session.columns(name)] == ["order", "Größe %s", "a:b"]
        assert rows(session, f'select "order", "Größe %s", "a:b" from {session.qualified(name)}') == [(4, 5, 6)]

    def test_marks_of_parameters_in_a_query_are_text(self, session: Session) -> None:
        """`%s`, `:name` and `?` in a query stand for themselves."""
        fill(session, "t", "select '50%' as a, '%s %(x)s' as b, ':name' as c, '?' as d")
        assert rows(session, "select a, b, c, d from t where a like '%!%' escape '!'") == [
            ("50%", "%s %(x)s", ":name", "?")
        ]

    def test_types_and_nulls(self, session: Session) -> None:
        """Null, text with quotes and newlines, the empty text, and numbers come back as they were."""
        fill(session, "t", "select 1 as i, 1.5 as f, 'it''s\n\"two\" lines' as s, '' as e, cast(null as integer) as n")
        (row,) = rows(session, "select i, s, e, n from t")
        assert row == (1, 'it\'s\n"two" lines', "", None)
        assert float(rows(session, "select f from t")[0][0]) == 1.5

    def test_a_large_result_streams(self, session: Session) -> None:
        """The first rows of many are there at once, and the rest is not read."""
        query = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000) select i from n"
        fill(session, "big", query)
        fetched = session.fetch("select i from big order by i", 2, 5000)
        assert (fetched.columns, [tuple(row) for row in fetched.rows], fetched.total) == (("i",), [(1,), (2,)], 5000)
        assert len(rows(session, "select i from big")) == 20000

    def test_scripts(self, session: Session) -> None:
        """Statements run as they stand; semicolons in texts and comments end none."""
        session.run_script("create table s (a varchar(9)); -- one; two\ninsert into s values ('x;y');\n")
        assert rows(session, "select a from s") == [("x;y",)]

    def test_schemas(self, session: Session, base: Base) -> None:
        """A schema that is not there is made; a database without schemas says so."""
        if "sqlite" in (base.type, base.options.get("url", "").partition(":")[0]):
            refused(lambda: fill(session, "mart.orders", "select 1 as id"))
            return
        fill(session, "mart.orders", "select 1 as id")
        fill(session, "mart.orders", "select 2 as id")
        session.grow("mart.log", "select 1 as id", Growth("r/1"), agree)
        assert rows(session, "select id from mart.orders union all select id from mart.log") == [(2,), (1,)]
        assert session.existing(["mart.orders", "orders", "nowhere.x"]) == {"mart.orders"}

    def test_what_is_not_there(self, session: Session) -> None:
        """A missing table is told with what there is."""
        fill(session, "customers", "select 1 as id")
        with pytest.raises(DatabaseError) as caught:
            session.table_state("customer")
        assert (str(caught.value), caught.value.hint) == (
            "the table customer does not exist",
            "did you mean customers?",
        )

    def test_content(self, session: Session) -> None:
        """The digest of a table's rows is the same in any order, and another for other rows."""
        fill(session, "t", "select 1 as a union all select 2")
        first = session.content("t")
        fill(session, "t", "select 2 as a union all select 1")
        second = session.content("t")
        fill(session, "t", "select 2 as a union all select 2")
        assert first == second != session.content("t")


class TestGrowing:
    def test_append(self, session: Session) -> None:
        """Rows are added, columns go by name, and the attempt is on record with them."""
        told: list[Any] = []
        for attempt, query in (("r/1", "select 1 as id, 'a' as v"), ("r/2", "select 'b' as v, 2 as id")):
            session.grow("t", query, Growth(attempt, after="r/1"), lambda state, added: told.append(added))
        assert rows(session, "select id, v from t order by id") == [(1, "a"), (2, "b")]
        assert (told, session.attempt_of("t"), session.attempt_of("other")) == ([None, 1], "r/2", None)

    def test_unique_key(self, session: Session) -> None:
        """New rows replace those of the same key, also of two columns."""
        first = "select 1 as a, 1 as b, 'old' as v union all select 1, 2, 'old' union all select 2, 1, 'old'"
        session.grow("t", first, Growth("r/1", ("a", "b")), agree)
        session.grow(
            "t", "select 1 as a, 2 as b, 'new' as v union all select 3, 3, 'new'", Growth("r/2", ("A", "b")), agree
        )
        found = rows(session, "select a, b, v from t order by a, b")
        assert found == [(1, 1, "old"), (1, 2, "new"), (2, 1, "old"), (3, 3, "new")]

    def test_time_column(self, session: Session) -> None:
        """The window of the new rows is replaced; what lies outside stays."""
        days = " union all ".join(f"select {day} as day, 'old' as v" for day in range(1, 6))
        session.grow("t", days, Growth("r/1", time_column="day"), agree)
        session.grow(
            "t", "select 2 as day, 'new' as v union all select 4, 'new'", Growth("r/2", time_column="day"), agree
        )
        assert rows(session, "select day, v from t order by day") == [(1, "old"), (2, "new"), (4, "new"), (5, "old")]

    def test_rows_are_counted_where_that_is_asked_for(self, session: Session) -> None:
        """What is told with what came is then how many the table has, on a server, too."""
        session.grow("t", "select 1 as id", Growth("r/1"), agree)
        state = session.grow("t", "select 2 as id union all select 3", Growth("r/2", counted=True), agree)
        assert state.rows == 3

    def test_no_rows(self, session: Session) -> None:
        """A query without rows changes nothing, and says that it did not."""
        told: list[Any] = []
        session.grow("t", "select 1 as id", Growth("r/1", time_column="id"), agree)
        session.grow(
            "t", "select 1 as id where 1 = 0", Growth("r/2", time_column="id"), lambda _, added: told.append(added)
        )
        assert (rows(session, "select id from t"), told) == ([(1,)], [0])

    def test_a_query_reads_its_own_table(self, session: Session) -> None:
        """It finds what is there; built anew, it finds nothing; without a table it needs declared columns."""
        query = "select coalesce(max(id), 0) + 1 as id from t"
        refusal = refused(lambda: session.grow("t", query, Growth("r/0"), agree))
        assert "t" in refusal
        columns = (("id", "integer"),)
        session.grow("t", query, Growth("r/1", columns=columns), agree)
        session.grow("t", query, Growth("r/2", columns=columns), agree)
        assert rows(session, "select id from t order by id") == [(1,), (2,)]
        session.grow("t", query, Growth("r/3", anew=True), agree)
        assert rows(session, "select id from t") == [(1,)]

    def test_nothing_is_applied_twice(self, session: Session) -> None:
        """An attempt that nobody has on record filled the table last: no row is added to it."""
        session.grow("t", "select 1 as id", Growth("r/1"), agree)
        session.grow("t", "select 2 as id", Growth("r/2", after="r/1"), agree)
        message = refused(lambda: session.grow("t", "select 2 as id", Growth("r/3", after="r/1"), agree))
        assert message == "t was last filled by attempt r/2, and on record is attempt r/1"
        message = refused(lambda: session.grow("t", "select 2 as id", Growth("r/3", first=True), agree))
        assert message == "t is there already, and nothing on record says what is in it"
        assert rows(session, "select id from t order by id") == [(1,), (2,)]

    def test_what_is_not_agreed_to_is_not_added(self, session: Session) -> None:
        """The rows and the attempt's id come together, or neither."""
        session.grow("t", "select 1 as id", Growth("r/1", ("id",)), agree)

        def disagree(*_: object) -> None:
            raise RuntimeError

        with pytest.raises(RuntimeError):
            session.grow("t", "select 1 as id", Growth("r/2", ("id",)), disagree)
        assert (rows(session, "select id from t"), session.attempt_of("t")) == ([(1,)], "r/1")

    @pytest.mark.parametrize(
        ("query", "growth", "message"),
        [
            ("select 1 as id", Growth("r", ("id",)), "the query no longer gives v"),
            ("select 1 as id, 'x' as v, 2 as w", Growth("r", ("id",)), "the query gives w, which t has not"),
            ("select 1 as id, 'x' as v", Growth("r", ("key",)), "the query gives no column key, its unique_key"),
            (
                "select 1 as id, 'x' as v union all select 1, 'y'",
                Growth("r", ("id",)),
                "the query gives 2 rows for one ",
            ),
            ("select cast(null as integer) as id, 'x' as v", Growth("r", ("id",)), "1 row has no value in "),
            ("select cast(null as integer) as id, 'x' as v", Growth("r", time_column="id"), "1 row has no value in "),
        ],
    )
    def test_rows_that_do_not_fit(self, session: Session, query: str, growth: Growth, message: str) -> None:
        """What would leave a table with rows twice, or without a column, is refused; the table is as it was."""
        session.grow("t", "select 1 as id, 'a' as v", Growth("r/1"), agree)
        assert refused(lambda: session.grow("t", query, growth, agree)).startswith(message)
        assert (rows(session, "select id, v from t"), session.attempt_of("t")) == ([(1, "a")], "r/1")


class TestFrames:
    def test_arrow_and_back(self, session: Session) -> None:
        """Types, nulls and moments survive the way into a table and out of it."""
        frame = pa.table(
            {
                "flag": pa.array([True, None]),
                "n": pa.array([2**40, None], pa.int64()),
                "x": pa.array([1.5, None]),
                "s": pa.array(['a,"b\n', ""]),
                "d": pa.array([date(2020, 2, 29), None]),
                "local": pa.array([datetime(2020, 1, 2, 3, 4, 5, 6), None], pa.timestamp("us")),  # noqa: DTZ001 - without zone
                "raw": pa.array([b"\x00\xff", None]),
            }
        )
        session.publish_arrow("t", frame, agree)
        session.publish_arrow("t", frame, agree)  # the same columns: the rows are replaced
        back = session.arrow("t")
        assert back.to_pylist() == frame.to_pylist()
        assert [str(kind) for kind in back.schema.types] == [str(kind) for kind in frame.schema.types]

    def test_a_stream_of_rows(self, session: Session) -> None:
        """A reader is written batch by batch."""
        schema = pa.schema([("n", pa.int64())])
        batches = (pa.record_batch([pa.array(range(i * 1000, (i + 1) * 1000))], schema=schema) for i in range(5))
        state = session.publish_arrow("t", pa.RecordBatchReader.from_batches(schema, batches), agree)
        assert (state.rows, rows(session, "select sum(n) from t")) == (5000, [(12497500,)])

    def test_lists_are_refused(self, session: Session, base: Base) -> None:
        """Only DuckDB has types for what is nested."""
        frame = pa.table({"l": [[1, 2]]})
        if base.type == "duckdb":
            session.publish_arrow("t", frame, agree)
            return
        assert refused(lambda: session.publish_arrow("t", frame, agree)).startswith("the column l holds list<")


class TestReading:
    def test_a_moment_of_a_zone_is_utc(self, session: Session, base: Base) -> None:
        """A moment comes in UTC, whatever zone it was written in."""
        if "sqlite" in str(base):
            return  # it has no moments
        fill(session, "t", "select cast('2024-06-01 12:00:00+02:00' as timestamp with time zone) as at")
        assert session.arrow("t").to_pylist() == [{"at": datetime(2024, 6, 1, 10, tzinfo=UTC)}]

    def test_only_reading(self, base: Base, session: Session) -> None:
        """A query that writes is refused where only reading is meant."""
        fill(session, "t", "select 1 as id")
        session.close()
        reader = base.database().open(read_only=True)
        assert refused(lambda: list(reader.read("delete from t").batches)).startswith("expected a query, found DELETE")
        assert rows(reader, "select id from t") == [(1,)]
        assert reader.version()
        reader.close()

    def test_two_at_once_see_the_old_or_the_new(self, base: Base, session: Session) -> None:
        """Who reads while a table is replaced sees the old rows, and then the new ones: never none."""
        if base.type == "duckdb":
            return  # one process at a time
        fill(session, "t", "select 1 as id")
        seen = []

        def look(*_: object) -> None:
            reader = base.database().open(read_only=True)
            seen.append(rows(reader, "select id from t"))
            reader.close()

        session.publish_select("t", "select 2 as id", "table", look)
        look()
        assert seen == [[(1,)], [(2,)]]


def test_killed_in_mid_statement(base: Base) -> None:
    """A process that is killed while a table is built leaves the old one and nothing beside it; the next one works."""
    database = base.database()
    session = database.open()
    fill(session, "t", "select 1 as id")
    session.grow("g", "select 1 as id", Growth("r/1"), agree)
    session.close()
    program = f"""
        import sys, time
        from pathlib import Path
        from assets_cli.connections import open_database
        from assets_cli.connections.protocol import Growth
        session = open_database({base.type!r}, {base.options!r}, Path({str(base.root)!r})).open()
        def stop(*_):
            print("there", flush=True)
            time.sleep(60)
        if sys.argv[1] == "publish":
            session.publish_select("t", "select 2 as id, 3 as more", "table", stop)
        else:
            session.grow("g", "select 2 as id", Growth("r/2"), stop)
    """
    for deed in ("publish", "grow"):
        command = [sys.executable, "-c", textwrap.dedent(program), deed]
        worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert worker.stdout is not None
        assert worker.stdout.readline() == "there\n"
        worker.kill()
        worker.wait()
        worker.stdout.close()
    session = _opened(database)
    assert (rows(session, "select * from t"), rows(session, "select * from g")) == ([(1,)], [(1,)])
    assert session.attempt_of("g") == "r/1"
    fill(session, "t", "select 3 as id, 4 as more")
    session.grow("g", "select 2 as id", Growth("r/3", after="r/1"), agree)
    assert rows(session, "select id from g order by id") == [(1,), (2,)]
    session.close()


def _opened(database: Database) -> Session:
    deadline = time.monotonic() + 10
    while True:
        try:
            return database.open()
        except DatabaseError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
