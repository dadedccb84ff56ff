"""Real servers that are down, slow, crash or lose a connection, under whole runs: no half table, no row twice."""

from __future__ import annotations

import itertools
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support.place import Place
from support.postgres import Server, shared
from support.relay import Relay

from assets_cli.connections import open_database
from assets_cli.connections.protocol import Growth

KINDS = ("postgres", "sqlalchemy")
ASSETS = """
- {name: t, command: {sql: "select 2 as id, pg_sleep({sleep})::text as s"}, output: {table: t}}
- name: log
  command: {sql: "select 2 as id, pg_sleep({sleep})::text as s"}
  output: {table: log, materialization: append}
- {name: file, command: {shell: "date > file"}, output: {path: file}}
"""


class Far:
    """A project whose tables are on a server behind a relay."""

    def __init__(self, root: Path, kind: str, url: str, near: str) -> None:
        self.place = Place(root)
        self.kind = kind
        self.url = url if kind == "postgres" else url.replace("postgresql:", "postgresql+psycopg:")
        self._near = near

    def declare(self, assets: str = ASSETS, *, sleep: float = 0) -> None:
        """Write the manifest."""
        head = f"connections: {{w: {{type: {self.kind}, url: '{self.url}'}}}}\n"
        self.place.assets(assets.replace("{sleep}", str(sleep)), head)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the server itself says."""
        with psycopg.connect(self._near, autocommit=True) as raw:
            return raw.execute(query).fetchall()  # type: ignore[call-overload]

    def tables(self) -> list[str]:
        """All tables of ours that are there, also those that nobody should see."""
        asked = (
            "select c.relname from pg_class c where c.relkind = 'r' and c.relnamespace::regnamespace::text !~ '^pg_c' "
        )
        return sorted(name for (name,) in self.rows(asked + "and c.relnamespace <> 'information_schema'::regnamespace"))

    def until_it_works(self, query: str = "pg_sleep") -> list[int]:
        """Wait until the server is at work for us; the processes that are."""
        asked = (
            "select pid from pg_stat_activity where datname = current_database() and state = 'active' "
            f"and query like '%{query}%' and pid <> pg_backend_pid()"
        )
        return [pid for (pid,) in until(lambda: self.rows(asked))]


def until(ask: Callable[[], Any]) -> Any:
    """Ask until the answer is something."""
    deadline = time.monotonic() + 30
    while not (found := ask()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def told(done: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """The last event of a run that was started, and the detail of each step."""
    stdout, stderr = done.communicate(timeout=120)
    assert "Traceback" not in stderr
    events = [json.loads(line) for line in stdout.splitlines()]
    return events[-1], {each["asset"]: each["detail"] for each in events if each["event"] == "step_finished"}


@pytest.fixture
def relay(postgres: Server) -> Iterator[Relay]:
    """The way to the server."""
    with Relay(postgres) as relay:
        yield relay


@pytest.fixture(params=KINDS)
def far(request: pytest.FixtureRequest, tmp_path: Path, pg: str, relay: Relay) -> Far:
    """A project."""
    name = str(psycopg.conninfo.conninfo_to_dict(pg)["dbname"])
    return Far(tmp_path, request.param, relay.url(name), pg)


def test_a_connection_that_breaks_in_mid_statement(far: Far, relay: Relay) -> None:
    """What was begun is undone by the server, and done again within the same attempt."""
    far.declare(sleep=1)
    running = far.place.start("materialize", "--json", "--jobs", "3")
    far.until_it_works()
    relay.cut()
    end, _ = told(running)
    assert (sorted(end["succeeded"]), end["failed"]) == (["file", "log", "t"], [])
    assert (far.rows("select id from t"), far.rows("select id from log")) == ([(2,)], [(2,)])
    assert far.tables() == ["_assets_attempts", "log", "t"]
    attempts = json.loads(far.place.call("runs", "latest", "--json").stdout)["attempts"]
    assert sorted((each["asset"], each["number"]) for each in attempts) == [("file", 1), ("log", 1), ("t", 1)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_connection_that_breaks_anywhere(kind: str, postgres: Server, pg: str, monkeypatch: Any) -> None:
    """At whichever of the messages of a step the connection is cut: the rows are there, each once."""
    monkeypatch.setattr("assets_cli.connections.server_session.PAUSES", (0.01, 0.01))
    name = str(psycopg.conninfo.conninfo_to_dict(pg)["dbname"])
    cut = 0
    with psycopg.connect(pg, autocommit=True) as near:
        for place in itertools.count(1):
            near.execute("drop table if exists t, log, _assets_attempts")
            with Relay(postgres) as relay:
                relay.cut_at = place
                url = relay.url(name) if kind == "postgres" else relay.url(name).replace(":", "+psycopg:", 1)
                database = open_database(kind, {"url": url}, Path())
                with closing(database.open()) as session:
                    session.publish_select("t", "select 1 as id", "table", lambda _: None)
                    session.grow("log", "select 2 as id", Growth("r/1"), lambda *_: None)
                    assert session.attempt_of("log") == "r/1", place
                if relay.passed < place:
                    break
                cut += 1
            found = [near.execute(f"select id from {table}").fetchall() for table in ("t", "log")]
            assert (place, found) == (place, [[(1,)], [(2,)]])
    assert cut > 20


def test_a_server_that_goes_away_in_mid_statement(far: Far, relay: Relay) -> None:
    """Its steps fail with a clear error, the others go on, the old tables stand whole; then a retry does the rest."""
    far.declare()
    assert far.place.materialize()["exit"] == 0
    far.declare(sleep=1)
    running = far.place.start("materialize", "t", "file", "--force", "--json", "--jobs", "2")
    far.until_it_works()
    relay.close()
    end, details = told(running)
    assert (running.returncode, end["succeeded"], end["failed"]) == (1, ["file"], ["t"])
    assert "connection" in details["t"]
    assert "is the server running, and " in details["t"]
    assert (far.rows("select id from t"), far.tables()) == ([(2,)], ["_assets_attempts", "log", "t"])
    relay.is_open = True
    assert far.place.call("retry").returncode == 0
    assert far.place.call("plan", "t", "--exit-code").returncode == 0


def test_a_server_that_is_back_when_the_step_is_tried_again(far: Far, relay: Relay) -> None:
    """Declared retries outlast what a connection by itself does not wait for."""
    far.declare(ASSETS.replace("table: t}", "table: t}, retries: {max: 5, delay: 1s}"))
    relay.close()
    running = far.place.start("materialize", "t", "--json")
    until(lambda: relay.accepted > 3)  # more often than one attempt asks
    relay.is_open = True
    end, _ = told(running)
    assert (end["succeeded"], far.rows("select id from t")) == (["t"], [(2,)])


@pytest.mark.parametrize("away", [False, True])
def test_a_commit_whose_answer_is_lost(far: Far, relay: Relay, away: bool) -> None:
    """The rows are there once, and on record: at once, or where the server was not to be asked any more, by the next.

    Who finds them is a retry within the run, or another run.
    """
    far.declare()
    far.place.materialize("log")
    lost: list[int] = []

    def lose() -> None:
        until(lambda: far.rows("select count(*) from log") == [(expected,)])
        lost.append(1)
        relay.on_commit = None
        (relay.close if away else relay.cut)()

    far.declare(sleep=1)
    assert far.place.call("state", "mark", "log").returncode == 0
    for more, expected in (("", 2), ("\n  retries: {max: 5, delay: 1s}", 3)):
        lost.clear()
        far.declare(ASSETS.replace("append}", f"append}}{more}"), sleep=1)
        running = far.place.start("materialize", "log", "--force", "--json")
        far.until_it_works()
        relay.on_commit = lose
        if away and more:
            until(lambda: lost)
            time.sleep(6)  # until the attempt has failed
            relay.is_open = True
        end, details = told(running)
        assert lost
        if away and not more:
            assert (end["failed"], "connection" in details["log"]) == (["log"], True), (end, details)
            relay.is_open = True
            end = far.place.materialize("log")
            assert (end["exit"], end["skipped"]) == (0, ["log"])
        else:
            assert end["succeeded"] == ["log"]
        assert far.rows("select count(*) from log") == [(expected,)]
        assert far.place.plan("log") == {}


def test_a_server_that_never_answers(far: Far, relay: Relay) -> None:
    """It is waited for no longer than the connection's url says; what is known without it is told."""
    far.declare()
    far.place.materialize()
    relay.is_silent = True
    began = time.monotonic()
    plan = far.place.call("plan")
    assert (plan.returncode, time.monotonic() - began < 15) == (0, True)
    assert "was not probed: " in plan.stdout
    assert "timeout" in plan.stdout


def test_a_statement_that_takes_too_long(far: Far) -> None:
    """The server ends it, too; what was there before still is."""
    far.declare()
    far.place.materialize("t")
    far.declare(ASSETS.replace("table: t}", "table: t}, timeout: 2s"), sleep=60)
    running = far.place.start("materialize", "t", "--json")
    (pid,) = far.until_it_works()
    end, details = told(running)
    assert (end["failed"], details["t"]) == (["t"], "timed out after 2.0 s")
    until(lambda: far.rows(f"select count(*) from pg_stat_activity where pid = {pid}") == [(0,)])
    assert (far.rows("select id from t"), far.tables()) == ([(2,)], ["t"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_crashes(tmp_path: Path, kind: str) -> None:
    """All of its connections break, and it is back in a moment: each row is there once."""
    server, lock = shared(tmp_path / "server")
    try:
        url = server.new_database("crash")
        far = Far(tmp_path, kind, url, url)
        far.declare()
        far.place.materialize()
        far.declare(sleep=1)
        assert far.place.call("state", "mark", "log").returncode == 0
        running = far.place.start("materialize", "--force", "--json", "--jobs", "3")
        for pid in far.until_it_works():
            os.kill(pid, signal.SIGKILL)
            break
        end, _ = told(running)
        assert (sorted(end["succeeded"]), end["failed"]) == (["file", "log", "t"], [])

        def rows(query: str) -> Any:
            try:
                return far.rows(query)
            except psycopg.OperationalError:
                return None

        assert until(lambda: rows("select (select count(*) from t), (select count(*) from log)")) == [(1, 2)]
    finally:
        lock.close()


def test_connections_are_closed_after_each_step(far: Far, relay: Relay) -> None:
    """A warm worker keeps none from one step to the next, also where a step failed: a dead one disturbs no other."""
    far.place.write(
        "mod.py",
        """
        import time
        def leave(context):
            context.connection().execute("select 1") if hasattr(context.connection(), "info") else None
            context.connection()
            raise ValueError("leaves it open")
        def wait():
            time.sleep(3)
        """,
    )
    far.declare(
        """
        - {name: a, command: {sql: "select 1 as id"}, output: {table: a}}
        - {name: b, command: {sql: "select nope from a"}, output: {table: b}, upstreams: [a]}
        - {name: c, command: {python: "mod:leave"}, output: {table: c}, upstreams: [a]}
        - {name: d, command: {python: "mod:wait"}, upstreams: [a]}
        - {name: e, command: {sql: "select 2 as id"}, output: {table: e}, upstreams: [d]}
        """
    )
    running = far.place.start("materialize", "--json", "--jobs", "1")
    threading.Thread(target=running.wait, daemon=True).start()
    assert running.stdout
    lines: list[str] = []
    while not (lines and '"step_started"' in lines[-1] and '"asset": "d"' in lines[-1]):
        lines.append(running.stdout.readline())
        assert lines[-1]
    others = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    assert until(lambda: far.rows(others) == [(0,)])
    relay.cut()
    end = [json.loads(line) for line in running.stdout.read().splitlines()][-1]
    assert (sorted(end["succeeded"]), sorted(end["failed"])) == (["a", "d", "e"], ["b", "c"])
    assert far.rows("select id from e") == [(2,)]
