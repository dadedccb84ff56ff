"""What only a server does: views bound to tables, connections that break, users who may not, whole projects on it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support.place import Place
from support.postgres import Server

from assets_cli.connections import open_database
from assets_cli.connections.postgres_session import PostgresSession
from assets_cli.connections.protocol import DatabaseError, Growth

KINDS = ("postgres", "sqlalchemy")


def opened(url: str, kind: str = "postgres") -> Any:
    """An open connection of either kind."""
    if kind == "sqlalchemy":
        url = url.replace("postgresql:", "postgresql+psycopg:")
    return open_database(kind, {"url": url}, Path("/")).open()


@pytest.fixture
def session(pg: str) -> Iterator[PostgresSession]:
    """An open connection."""
    session = opened(pg)
    yield session
    session.close()


def fill(session: Any, table: str, query: str, kind: Any = "table") -> None:
    """Publish a query."""
    session.publish_select(table, query, kind, lambda _: None)


def rows(session: Any, query: str) -> list[tuple[Any, ...]]:
    """All rows of a query."""
    return [tuple(row) for batch in session.read(query).batches for row in batch]


def refusal(call: Any) -> tuple[str, str | None]:
    """The message and the hint of a refusal."""
    with pytest.raises(DatabaseError) as caught:
        call()
    return str(caught.value), caught.value.hint


class TestWhatHangsOnATable:
    def test_it_stays_where_the_columns_stay(self, session: PostgresSession) -> None:
        """Indexes, grants and comments are the table's own, and it is the same table."""
        fill(session, "t", "select 1 as id")
        session.run_script(
            "create unique index by_id on t (id); grant select on t to public; comment on table t is 'mine'"
        )
        before = rows(session, "select 't'::regclass::oid")
        fill(session, "t", "select 2 as id")
        assert rows(session, "select 't'::regclass::oid") == before
        assert rows(session, "select count(*) from pg_indexes where indexname = 'by_id'") == [(1,)]

    def test_it_is_made_again_where_they_change(self, session: PostgresSession) -> None:
        """Views of the table, and views of those, with their grants and comments; grants and comment of the table."""
        fill(session, "t", "select 1 as id")
        fill(session, "v", "select id + 10 as id from t", "view")
        fill(session, "w", "select id + 100 as id from v", "view")
        session.run_script(
            "grant select on t, v to public; comment on view w is 'it''s %s'; comment on table t is 'kept'"
        )
        fill(session, "t", "select 2::bigint as id, 'x' as more")
        assert rows(session, "select id from w") == [(112,)]
        said = "select obj_description('w'::regclass), obj_description('t'::regclass)"
        assert rows(session, said) == [("it's %s", "kept")]
        granted = (
            "select grantee || ' ' || table_name from information_schema.role_table_grants "
            "where grantee = 'PUBLIC' and table_schema = 'public' order by 1"
        )
        assert rows(session, granted) == [("PUBLIC t",), ("PUBLIC v",)]

    def test_a_view_that_would_break(self, session: PostgresSession) -> None:
        """It is named, and nothing has changed."""
        fill(session, "t", "select 1 as id, 2 as gone")
        fill(session, "v", "select gone from t", "view")
        assert refusal(lambda: fill(session, "t", "select 1 as id")) == (
            "the view public.v reads t and would break: column t.gone does not exist",
            "change or drop the view first",
        )
        assert rows(session, "select gone from v") == [(2,)]

    def test_what_cannot_be_made_again(self, session: PostgresSession) -> None:
        """A materialized view is named, not dropped."""
        fill(session, "t", "select 1 as id")
        session.run_script("create materialized view m as select id from t")
        message, hint = refusal(lambda: fill(session, "t", "select 'a' as id"))
        assert message == "the columns of t change, and materialized view m depends on table t"
        assert hint == "drop it first; it can be made again afterwards"
        fill(session, "t", "select 5 as id")  # the same columns
        assert rows(session, "select id from t") == [(5,)]

    def test_readers_never_wait(self, pg: str, session: PostgresSession) -> None:
        """One who has read the table in an open transaction stops nobody, and goes on with the rows that it saw."""
        fill(session, "t", "select 1 as id")
        with psycopg.connect(pg) as reader:
            reader.execute("set transaction isolation level repeatable read")
            assert reader.execute("select id from t").fetchall() == [(1,)]
            fill(session, "t", "select 2 as id")
            assert reader.execute("select id from t").fetchall() == [(1,)]
        assert rows(session, "select id from t") == [(2,)]


class TestNames:
    def test_case(self, session: PostgresSession) -> None:
        """A name is folded unless it is quoted, as in a query."""
        fill(session, "Orders", "select 1 as id")
        fill(session, '"Orders"', "select 2 as id")
        assert rows(session, 'select (select id from orders), (select id from "Orders")') == [(1, 2)]
        assert session.existing(["ORDERS", '"Orders"', '"ORDERS"']) == {"ORDERS", '"Orders"'}

    def test_the_search_path(self, pg: str) -> None:
        """A bare name is where the connection's search path finds it, or would make it."""
        session = opened(f"{pg}&options=-csearch_path%3Dmart%2Cpublic")
        session.run_script("create schema mart; create table public.old (id int)")
        fill(session, "new", "select 1 as id")
        assert (session.qualified("new"), session.qualified("old")) == ('"mart"."new"', '"public"."old"')
        session.close()

    def test_another_database(self, session: PostgresSession) -> None:
        """A connection leads to one database."""
        message, hint = refusal(lambda: fill(session, "other.public.t", "select 1 as id"))
        assert message == "other.public.t is in another database, and a connection to PostgreSQL leads to one"
        assert hint == "declare a connection with that database in its url"

    def test_lines_are_the_users(self, session: PostgresSession) -> None:
        """An error names the line of the query as it is written."""
        with pytest.raises(DatabaseError) as caught:
            fill(session, "t", "-- first\nselect 1,\n  nope\n")
        assert (str(caught.value), caught.value.line) == ('column "nope" does not exist', 3)


class TestBadServers:
    @pytest.mark.parametrize(
        ("url", "message", "hint"),
        [
            (
                "postgresql://u:secret@127.0.0.1:1/db",
                'connection to server at "127.0.0.1", port 1 failed: Connection refused',
                "is the server running, and are this its host and port?",
            ),
            (
                "mysql://u:secret@h/db",
                "mysql://h/db is not the URL of a PostgreSQL database",
                "write postgresql://user@host:5432/database, or declare the connection `type: sqlalchemy`",
            ),
            (
                "nonsense",
                "nonsense is not the URL of a PostgreSQL database",
                "write postgresql://user@host:5432/database",
            ),
            (
                "postgresql://u:secret@h/db?nonsense=1",
                "postgresql://h/db?nonsense=1 is not a URL that PostgreSQL understands",
                "write postgresql://user@host:5432/database",
            ),
        ],
    )
    def test_urls(self, url: str, message: str, hint: str) -> None:
        """Each says what is wrong and what to look at; no password is shown."""
        call = lambda: open_database("postgres", {"url": url}, Path("/")).open(read_only=True)  # noqa: E731
        assert refusal(call) == (message, hint)

    def test_a_wrong_password(self, postgres: Server) -> None:
        """The user is named, the password is not."""
        url = postgres.tcp("assets", "wrong-password", "postgres")
        message, hint = refusal(lambda: open_database("postgres", {"url": url}, Path("/")).open())
        assert message.endswith('FATAL:  password authentication failed for user "assets"')
        assert hint == "check the user and the password of the connection's url"
        assert "wrong-password" not in message

    def test_no_such_database(self, postgres: Server) -> None:
        """The hint is to create it."""
        call = lambda: open_database("postgres", {"url": postgres.url("nowhere")}, Path("/")).open()  # noqa: E731
        message, hint = refusal(call)
        assert message.endswith('FATAL:  database "nowhere" does not exist')
        assert hint == "create it, or correct the database of the connection's url"

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_user_who_may_not(self, postgres: Server, pg: str, kind: str) -> None:
        """Neither a table nor a schema can be made: the message says so, and what helps."""
        database = psycopg.conninfo.conninfo_to_dict(pg)["dbname"]
        role = f"guest_{database}"
        postgres.execute(f"drop role if exists {role}")
        postgres.execute(f"create role {role} login")
        session = opened(pg.replace("assets@", f"{role}@"), kind)
        message, hint = refusal(lambda: fill(session, "t", "select 1 as id"))
        assert message == "permission denied for schema public"
        message, _ = refusal(lambda: fill(session, "mart.t", "select 1 as id"))
        assert message.startswith("permission denied for database")
        if kind == "postgres":
            assert hint == "grant it to the user of the connection's url, or use another user"
        session.close()
        postgres.execute(f"drop role {role}")

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_connection_that_breaks(self, postgres: Server, pg: str, kind: str) -> None:
        """In mid-statement: what was begun is undone, and done again with another connection."""
        session = opened(pg, kind)
        fill(session, "t", "select 1 as id")
        session.grow("g", "select 1 as id", Growth("r/1"), lambda *_: None)
        for deed in (
            lambda: fill(session, "t", "select 2 as id from pg_sleep(1)"),
            lambda: session.grow("g", "select 2 as id from pg_sleep(1)", Growth("r/2"), lambda *_: None),
        ):
            killer = threading.Thread(target=_end_sleepers, args=(postgres, pg))
            killer.start()
            deed()
            killer.join()
        assert (rows(session, "select * from t"), sorted(rows(session, "select * from g"))) == ([(2,)], [(1,), (2,)])
        session.close()

    def test_a_connection_that_breaks_while_it_commits(self, postgres: Server, pg: str) -> None:
        """The server committed and could not say so: the attempt is found there, and its rows are not added again."""
        session = opened(pg)
        commit = session.raw.commit
        broken: list[int] = []

        def breaking() -> None:
            commit()
            if session.raw.info.backend_pid == broken[0] and done:
                session.raw.close()
                raise psycopg.OperationalError("server closed the connection unexpectedly")

        done: list[bool] = []
        broken.append(session.raw.info.backend_pid)
        session.raw.commit = breaking
        session.grow("g", "select 1 as id", Growth("r/1"), lambda *_: done.append(True))
        assert (rows(session, "select * from g"), done) == ([(1,)], [True])
        session.close()

    def test_a_connection_that_keeps_breaking(self, postgres: Server, pg: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """In the end there is one clear error, and no half table."""
        monkeypatch.setattr("assets_cli.connections.server_session.PAUSES", (0.01, 0.01))
        session = opened(pg)

        def end(*_: object) -> None:
            postgres.execute(f"select pg_terminate_backend({session.raw.info.backend_pid})")
            session.raw.execute("select 1")

        message, hint = refusal(lambda: session.publish_select("t", "select 1 as id", "table", end))
        assert message.startswith("the connection to the server broke: ")
        assert hint == "is the server running, and are this its host and port?"
        assert opened(pg).existing(["t"]) == set()

    def test_a_server_that_starts_up(self, pg: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """A connection that is refused for a moment is tried again for a deed, and not for a look."""
        monkeypatch.setattr("assets_cli.connections.server_session.PAUSES", (0.01, 0.01))
        real, tried = psycopg.connect, []

        def refusing(*arguments: Any, **options: Any) -> Any:
            tried.append(1)
            if len(tried) < 3:
                raise psycopg.OperationalError("connection failed: FATAL:  the database system is starting up")
            return real(*arguments, **options)

        monkeypatch.setattr(psycopg, "connect", refusing)
        opened(pg).close()
        assert len(tried) == 3
        tried.clear()
        refusal(lambda: open_database("postgres", {"url": pg}, Path("/")).open(read_only=True))
        assert len(tried) == 1


def _end_sleepers(postgres: Server, pg: str) -> None:
    database = psycopg.conninfo.conninfo_to_dict(pg)["dbname"]
    deadline = time.monotonic() + 20
    ask = (
        "select count(pg_terminate_backend(pid)) from pg_stat_activity "
        f"where datname = '{database}' and query like '%pg_sleep%' and state = 'active' and pid <> pg_backend_pid()"
    )
    while postgres.execute(ask) == [(0,)]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


MANIFEST = """
- {name: numbers, command: {sql: "select i as id from generate_series(1, 3) i"}, output: {table: numbers}}
- name: evens
  command: {sql: "select id from numbers where id % 2 = 0"}
  output: {table: evens, materialization: view}
  upstreams: [numbers]
- name: log
  command: {sql: "select count(*) as n from numbers"}
  output: {table: log, materialization: append}
  upstreams: [numbers]
- name: framed
  command: {python: "framed:build"}
  output: {table: framed}
  upstreams: [numbers]
  data_version: content
- {name: total, command: {sql: "select sum(x) as s from framed"}, output: {table: total}, upstreams: [framed]}
"""


class TestProjects:
    @pytest.fixture(params=KINDS)
    def place(self, request: pytest.FixtureRequest, tmp_path: Path, pg: str) -> Place:
        """A project on a server."""
        place = Place(tmp_path)
        url = pg if request.param == "postgres" else pg.replace("postgresql:", "postgresql+psycopg:")
        place.write(".env", f"PG_URL={url}\n")
        place.write(
            "framed.py",
            """
            import polars
            def build(numbers: polars.DataFrame, context):
                context.connection()
                return numbers.with_columns(x=polars.col("id") * 2)
            """,
        )
        place.assets(MANIFEST, f"connections:\n  pg: {{type: {request.param}, url: '${{env.PG_URL}}'}}\n")
        return place

    def test_a_whole_project(self, place: Place, pg: str) -> None:
        """Made once, up to date, and again where something changed; unchanged content stops what is below."""
        done = place.materialize()
        assert (sorted(done["succeeded"]), done["exit"]) == (["evens", "framed", "log", "numbers", "total"], 0)  # type: ignore[call-overload]
        assert place.plan() == {}
        done = place.materialize("numbers", "--force", "--downstream")
        assert (done["unchanged"], done["skipped"]) == (["framed"], ["total"])
        with psycopg.connect(pg) as raw:
            assert raw.execute("select n from log").fetchall() == [(3,), (3,)]
            assert raw.execute("select s from total").fetchall() == [(12,)]
            assert raw.execute("select id from evens").fetchall() == [(2,)]

    def test_a_dropped_table_is_noticed(self, place: Place, pg: str) -> None:
        """One question to the catalogue tells it, and a view that was dropped, too."""
        place.materialize()
        with psycopg.connect(pg) as raw:
            raw.execute("drop table total")
            raw.execute("drop view evens")
        assert place.plan() == {"evens": ["output_missing"], "total": ["output_missing"]}

    def test_a_server_that_is_down(self, place: Place) -> None:
        """A plan goes on with a warning, a run fails with a clear error, and no password is shown."""
        place.materialize()
        scheme = "postgresql+psycopg" if "+psycopg" in (place.root / ".env").read_text() else "postgresql"
        down = {"PG_URL": f"{scheme}://etl:geheim99@127.0.0.1:1/db"}
        plan = place.call("plan", **down)
        assert plan.returncode == 0
        assert "was not probed: " in plan.stdout
        assert "Connection refused" in plan.stdout
        tested = place.call("connections", "test", **down)
        assert tested.returncode == 1
        assert "pg  failed  ${env.PG_URL}" in tested.stdout
        assert "Connection refused" in tested.stderr + tested.stdout
        assert "geheim99" not in plan.stdout + plan.stderr + tested.stdout + tested.stderr

    def test_what_is_shown(self, place: Place) -> None:
        """Samples, queries, checks and connection tests are answered by the server, and only read."""
        place.materialize()
        assert "2" in place.call("show", "evens", "--sample").stdout
        assert place.call("query", "select count(*) as n from numbers", "--format", "csv").stdout == "n\n3\n"
        refused = place.call("query", "delete from numbers")
        assert (refused.returncode, "error[A0612]: expected a query, found DELETE" in refused.stderr) == (2, True)
        tested = json.loads(place.call("connections", "test", "--json").stdout)
        (one,) = tested["connections"]
        assert (one["name"], one["status"], one["location"], one["message"]) == ("pg", "ok", "${env.PG_URL}", None)
        assert "15" in one["database_version"] or "." in one["database_version"]

    def test_killed_between_commit_and_record(self, place: Place, pg: str) -> None:
        """The attempt's id is in the server: the rows that arrived are not added again."""
        place.materialize()
        place.write(
            "die.py",
            """
            import os, sys
            from assets_cli.running.ledger import Ledger
            Ledger.record = lambda *_, **__: os.kill(os.getpid(), 9)
            from assets_cli.__main__ import main
            sys.argv = ["assets", "materialize", "log", "--force"]
            main()
            """,
        )
        killed = subprocess.run(
            [sys.executable, "die.py"], cwd=place.root, capture_output=True, check=False, timeout=60
        )
        assert killed.returncode == -signal.SIGKILL
        assert place.materialize()["succeeded"] == []
        assert place.plan() == {}
        with psycopg.connect(pg) as raw:
            assert raw.execute("select n from log").fetchall() == [(3,), (3,)]

    def test_a_table_that_was_published_but_not_recorded_is_made_again(self, place: Place, pg: str) -> None:
        """Of a server's table nobody can tell, and making it again changes nothing."""
        place.materialize()
        place.write(
            "die.py",
            """
            import os, sys
            from assets_cli.running.ledger import Ledger
            Ledger.record = lambda *_, **__: os.kill(os.getpid(), 9)
            from assets_cli.__main__ import main
            sys.argv = ["assets", "materialize", "total", "--force"]
            main()
            """,
        )
        killed = subprocess.run(
            [sys.executable, "die.py"], cwd=place.root, capture_output=True, check=False, timeout=60
        )
        assert killed.returncode == -signal.SIGKILL
        assert place.materialize()["succeeded"] == ["total"]


def test_the_volume_of_a_table_that_grows_is_held_against_its_history(tmp_path: Path, pg: str) -> None:
    """Each load is counted whole for it, although what came is all that a load itself needs to know."""
    place = Place(tmp_path)
    place.assets(
        """
        - name: log
          command: {sql: "select id from generate_series(1, ${vars.rows}) id"}
          output: {table: log, materialization: incremental, unique_key: [id]}
          checks: [{volume: {history: 2}}]
        """,
        f"vars: {{rows: 100}}\nconnections:\n  pg: {{type: postgres, url: '{pg}'}}\n",
    )
    for _ in range(3):
        assert place.materialize("--force")["succeeded"] == ["log"]
    with psycopg.connect(pg) as raw:
        raw.execute("insert into log select generate_series(1000, 1300)")

    done = place.materialize("--force")

    (step,) = [event for event in done["events"] if event["event"] == "step_finished"]
    assert [(check["passed"], check["message"]) for check in step["checks"]] == [
        (False, "401 rows, usually 90 to 110 (by 3 materializations)")
    ]


def test_a_run_that_is_interrupted_leaves_no_statement_behind(tmp_path: Path, postgres: Server, pg: str) -> None:
    """Ctrl-C ends the worker, and the server ends what it was doing for it."""
    place = Place(tmp_path)
    place.assets(
        """
        - {name: slow, command: {sql: "select 1 as id, pg_sleep(60)::text as s"}, output: {table: slow}}
        """,
        f"connections:\n  pg: {{type: postgres, url: '{pg}'}}\n",
    )
    running = place.start("materialize")
    database = psycopg.conninfo.conninfo_to_dict(pg)["dbname"]
    ask = f"select count(*) from pg_stat_activity where datname = '{database}' and query like '%pg_sleep%'"
    _until(lambda: postgres.execute(ask) == [(1,)])
    os.kill(running.pid, signal.SIGINT)
    running.communicate(timeout=30)
    assert running.returncode == 130
    _until(lambda: postgres.execute(ask) == [(0,)])


def _until(condition: Any) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
