"""SIGKILL of coordinators and workers while rows come to tables that grow: each attempt's rows are there once or never.

The data's commit and ours are two. Between them a process is killed at the very place, by a hook that kills it there,
and at random instants, by whoever has its number. `KILL_SEED` is the first seed of these, as in `test_kills`.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from support.mill import gone, kill, kill_with_watchdog, processes_in
from support.place import Place

from assets_cli.connections import open_database

SEED = int(os.environ.get("KILL_SEED", "1"))
KINDS = ("duckdb", "sqlite", "postgres", "sqlalchemy", "sqlalchemy-sqlite")
MANIFEST = """
- name: a
  command: {sql: "select 1 as n"}
  output: {table: a, materialization: append}
  checks: [{name: slow, python: "checks:slow", blocking: true}]
- name: b
  command: {sql: "select count(*) as seen from a"}
  output: {table: b, materialization: incremental, time_column: seen}
  upstreams: [a]
"""
CHECKS = """
import time
def slow(a):
    time.sleep(0.1)  # between the commit of the rows and that of the record
    return True
"""
HOOK = """
import os, signal
place = os.environ.get("DIE")

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def deadly(owner, place):
    grow = owner.grow
    def grow_and_die(self, table, query, growth, before_commit):
        def tell(*said):
            before_commit(*said)
            if place == "worker before":  # what it is about to commit is on record
                die()
        grow(self, table, query, growth, tell)
        die()
    owner.grow = grow_and_die

if place in ("coordinator", "both"):
    from assets_cli.running.ledger import Ledger
    from assets_cli.running.step import _Performance
    Ledger.record = die
    if place == "both":
        _Performance._has_arrived = die
if place in ("worker", "worker before", "both"):
    from assets_cli.connections.duckdb import DuckDBSession
    from assets_cli.connections.postgres_session import PostgresSession
    from assets_cli.connections.sqlalchemy_session import SQLAlchemySession
    from assets_cli.connections.sqlite import SQLiteSession
    for session in (DuckDBSession, PostgresSession, SQLAlchemySession, SQLiteSession):
        deadly(session, place)
"""


class Ledgers:
    """A project with two tables that grow, and what is in the tables and on record."""

    def __init__(self, root: Path, kind: str, pg: str) -> None:
        self.place = Place(root)
        self.root = root
        if kind in ("duckdb", "sqlite"):
            self.options = {"path": f"w.{kind}"}
        elif kind == "sqlalchemy-sqlite":
            kind, self.options = "sqlalchemy", {"url": "sqlite:///w.sqlite"}
        else:
            self.options = {"url": pg if kind == "postgres" else pg.replace("postgresql:", "postgresql+psycopg:")}
        self.kind = kind
        self.place.assets(MANIFEST, f"connections: {{w: {json.dumps({'type': kind, **self.options})}}}\n")
        self.place.write("checks.py", CHECKS)
        self.place.write("sitecustomize.py", HOOK)

    def materialize(self, *arguments: str, die: str = "") -> dict[str, Any]:
        """Run, until somebody dies at a place."""
        done = self.place.call("materialize", "--json", *arguments, PYTHONPATH=str(self.root), DIE=die)
        assert die or done.stdout, done.stderr
        end = json.loads(done.stdout.splitlines()[-1]) if done.stdout else {}
        return {**end, "exit": done.returncode, "said": done.stderr}

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a query answers."""
        session = open_database(self.kind, self.options, self.root).open(read_only=True)
        try:
            return [tuple(row) for batch in session.read(query).batches for row in batch]
        finally:
            session.close()

    def check(self) -> int:
        """The rows of each attempt on record as made are there, once, and nobody else's; how many attempts."""
        with sqlite3.connect(f"file:{self.root}/.assets/state.db?mode=ro", uri=True) as raw:
            assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            asked = "SELECT asset, run, attempt FROM materializations ORDER BY seq"
            made = [(asset, f"{run}/{attempt}") for asset, run, attempt in raw.execute(asked)]
            attempts = raw.execute("SELECT asset, state FROM attempts ORDER BY seq").fetchall()
        ours = {name: [attempt for asset, attempt in made if asset == name] for name in ("a", "b")}
        assert len(set(made)) == len(made), "an attempt is on record as made at most once"
        assert ours["a"], "something was made"
        assert self.rows("select count(*) from a") == [(len(ours["a"]),)], "rows were lost, or are there twice"
        last = dict(self.rows("select target, attempt from _assets_attempts"))
        assert last == {name: found[-1] for name, found in ours.items() if found}, "and the record says whose they are"
        seen = [seen for (seen,) in self.rows("select seen from b order by seen")] if ours["b"] else []
        assert seen == sorted(set(seen))
        assert {state for _, state in attempts} <= {"succeeded", "failed", "crashed"}
        return len(attempts)


@pytest.fixture(params=KINDS)
def ledgers(request: pytest.FixtureRequest, tmp_path: Path, pg: str) -> Ledgers:
    """A project on each kind of database."""
    return Ledgers(tmp_path, request.param, pg)


@pytest.mark.parametrize("die", ["coordinator", "worker", "both", "worker before"])
def test_killed_at_the_very_place(ledgers: Ledgers, die: str) -> None:
    """Between the data's commit and ours what was added is taken over; before the data's commit nothing was added.

    The first attempt ever, and a later one; each followed by a run without a fault.
    """
    for expected in (1, 2):
        killed = ledgers.materialize("a", "--force", die=die)
        if die in ("coordinator", "both"):
            assert killed["exit"] == -9
        elif die == "worker":  # the coordinator finds the rows, and has another worker look at them
            assert (killed["exit"], killed["succeeded"]) == (0, ["a"])
        else:
            assert (killed["exit"], killed["failed"], killed["succeeded"]) == (1, ["a"], [])
        done = ledgers.materialize("a")
        assert (done["exit"], done["succeeded"]) == (0, [] if die == "worker" else ["a"]), done["said"]
        assert ledgers.rows("select count(*) from a") == [(expected,)]
        ledgers.check()
        assert ledgers.place.plan("a") == {}


def test_killed_at_random_instants(ledgers: Ledgers, record_property: Any) -> None:
    """Whoever dies whenever: no row is lost, none is there twice, and the history says whose they are."""
    chance = random.Random(f"{SEED} {ledgers.kind}")
    for _ in range(6):
        victim = _kill_somebody(ledgers, chance)
        record_property(f"kills survived ({victim})", 1)
        if chance.random() < 0.5:
            ledgers.materialize()
            ledgers.check()
    for _ in range(2):
        done = ledgers.materialize()
    assert (done["exit"], done["run"]) == (0, None), done["said"]
    assert ledgers.place.call("plan", "--exit-code").returncode == 0
    record_property("attempts checked", ledgers.check())


def _kill_somebody(ledgers: Ledgers, chance: random.Random) -> str:
    """Start a run and kill who takes part in it, at a random instant after its first step began; who it was."""
    command = [sys.executable, "-m", "assets_cli", "materialize", "--force", "--json"]
    process = subprocess.Popen(
        command, cwd=ledgers.root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout
    while b"step_started" not in (line := process.stdout.readline()):
        assert line
    time.sleep(chance.uniform(0, 1.2))
    workers = [pid for pid, line in processes_in(ledgers.root).items() if b"assets_cli.running.worker" in line]
    victim = chance.choice(["coordinator", "worker", "coordinator and watchdog"])
    if victim == "worker":
        for worker in workers:
            kill(worker)
    elif victim == "coordinator":
        process.kill()
    else:
        kill_with_watchdog(process)
    process.communicate(timeout=60)
    if victim != "coordinator and watchdog":
        assert gone(workers, ledgers.root)
    return victim
