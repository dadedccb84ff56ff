"""State files of earlier versions, in which a run had died, and of a later one."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest
from support.history import history, planned
from support.mill import gone, processes_in

from assets_cli.state import migrations
from assets_cli.state.locks import LockRequest, LockService, asset_key

RUN = "20250101T000000.000000-dead"
ASSETS = """
- {name: done, command: {shell: "echo done >> journal; echo 1 > done.txt"}, output: {path: done.txt}}
- name: cut
  upstreams: [done]
  command: {shell: "echo cut >> journal; cat done.txt > cut.txt"}
  output: {path: cut.txt}
- name: never
  upstreams: [cut]
  command: {shell: "echo never >> journal; echo 1 > never.txt"}
  output: {path: never.txt}
"""


def files(folder):
    """Everything in a folder, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def rewritten(place, version):
    """The history that is there, as an earlier version would have written it; all that it had columns for."""
    state = place.root / ".assets/state.db"
    old = place.root / "old.db"
    with closing(sqlite3.connect(old, isolation_level=None)) as connection:
        migrations.build(connection, version)
        connection.execute("ATTACH ? AS now", (str(state),))
        tables = connection.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            if table.startswith(("sqlite_", "_sqlite")):
                continue
            columns = {row[1] for row in connection.execute(f"PRAGMA now.table_info({table})")}
            both = ", ".join(
                row[1] for row in connection.execute(f"PRAGMA main.table_info({table})") if row[1] in columns
            )
            connection.execute(f"INSERT INTO main.{table} ({both}) SELECT {both} FROM now.{table}")
    for file in state.parent.glob("state.db*"):
        file.unlink()
    old.rename(state)


def leave_open(place):
    """A run that died at work: the latest attempt at `cut` is open, and its command still lives and holds its lock."""
    with closing(sqlite3.connect(place.root / ".assets/state.db", isolation_level=None)) as connection:
        (old,) = connection.execute("SELECT id FROM runs").fetchone()
        connection.execute("UPDATE runs SET id = ?, status = 'running', finished = NULL", (RUN,))
        connection.execute("UPDATE materializations SET run = ?", (RUN,))
        connection.execute("UPDATE attempts SET state = 'open', finished = NULL WHERE asset = 'cut'")
        connection.execute("UPDATE latest SET materialization = NULL, usable = NULL WHERE asset = 'cut'")
        connection.execute("DELETE FROM materializations WHERE asset = 'cut'")
        connection.execute("UPDATE run_steps SET result = NULL WHERE asset = 'cut'")
    assert old != RUN
    locks = LockService(place.root / ".assets/locks")
    request = LockRequest(asset_key("default", "cut"), exclusive=True)
    held = locks.acquire([request], holder=f"run {RUN}, materializing cut")
    command = subprocess.Popen(
        ["sleep", "60"], cwd=place.root, pass_fds=held.descriptors, start_new_session=True, stdin=subprocess.DEVNULL
    )
    held.name_group(command.pid)
    for descriptor in held.descriptors:  # closed as by a death, not unlocked
        os.close(descriptor)
    return command


@pytest.mark.parametrize("version", range(1, migrations.SCHEMA_VERSION + 1))
def test_a_dead_run_in_an_old_file(place, version, record_property):
    """It is planned from as it is, then migrated, recovered and used; what was done is not done again."""
    place.assets(ASSETS)
    place.materialize("cut", "--upstream")
    (place.root / "journal").unlink()
    command = leave_open(place)
    rewritten(place, version)
    before = files(place.root / ".assets")

    assert planned(place.root) == {"cut": ["missing", "last_run_failed"], "never": ["missing", "upstream_stale"]}
    assert json.loads(place.call("runs", "--json").stdout)["runs"][0]["status"] == "crashed"
    assert files(place.root / ".assets") == before, "questions change nothing"

    done = place.materialize()
    command.wait(timeout=30)
    assert gone(list(processes_in(place.root)), place.root)

    assert (done["exit"], done["succeeded"]) == (0, ["cut", "never"])
    warnings = [event["message"] for event in done["events"] if event["event"] == "warning"]
    assert warnings == [
        f"waiting for the end of run {RUN}, materializing cut",
        f"run {RUN} had died; it is on record as crashed now",
    ]
    assert (place.root / "journal").read_text() == "cut\nnever\n"
    known = history(place.root)
    assert known.runs == ["crashed", "succeeded"]
    assert known.states() == {"done": ["succeeded"], "cut": ["crashed", "succeeded"], "never": ["succeeded"]}
    assert known.made == {"done": 1, "cut": 1, "never": 1}
    with closing(sqlite3.connect(place.root / ".assets/state.db")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (migrations.SCHEMA_VERSION,)
    assert place.call("plan", "--exit-code").returncode == 0
    record_property("old state files used", 1)


@pytest.mark.parametrize("words", [("materialize",), ("plan",), ("runs",), ("state", "rm", "done"), ("observe",)])
def test_a_newer_file(place, words):
    """Refused by whoever opens it, and not touched by a byte; nor is anything beside it."""
    place.assets(ASSETS + "- {name: feed, observe: {path: done.txt}}\n")
    place.materialize("done")
    newer = migrations.SCHEMA_VERSION + 1
    with closing(sqlite3.connect(place.root / ".assets/state.db")) as connection:
        connection.execute(f"PRAGMA user_version = {newer}")
    time.sleep(0.1)  # one that was written this instant is read under SQLite's locks, which are files beside it
    before = files(place.root / ".assets")
    done = place.call(*words, COLUMNS="400")

    known = migrations.SCHEMA_VERSION
    assert done.returncode == 2
    assert (
        f"error[A0501]: state file {place.root}/.assets/state.db was written by a newer version of assets "
        f"(schema {newer}; this one knows {known})\n"
        "  hint: upgrade with `pip install --upgrade assets-cli`, or name another file with --state\n"
    ) in done.stderr
    assert files(place.root / ".assets") == before
    assert (place.root / "journal").read_text() == "done\n"


def test_several_open_an_old_file_at_once(place):
    """One of them migrates it; nobody is turned away, and what each had to do is done once."""
    place.assets("".join(f'- {{name: a{i}, command: {{shell: "echo a{i} >> journal"}}}}\n' for i in range(6)))
    place.materialize("a0")
    rewritten(place, 1)
    command = [sys.executable, "-m", "assets_cli", "materialize"]
    crowd = [
        subprocess.Popen(command, cwd=place.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(6)
    ]
    said = [process.communicate(timeout=120)[0] for process in crowd]

    assert [process.returncode for process in crowd] == [0] * 6, said
    assert history(place.root).made == {f"a{i}": 1 for i in range(6)}
    assert sorted((place.root / "journal").read_text().split()) == [f"a{i}" for i in range(6)]
