"""Tables that grow, by the command line: rows are added once, rebuilt when their code changes, and never mixed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.place import DUCKDB, Place

DIE = """
import os, sys
from assets_cli.running.ledger import Ledger
Ledger.record = lambda *_, **__: os.kill(os.getpid(), 9)
from assets_cli.__main__ import main
sys.argv = ["assets", "materialize"]
main()
"""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A project whose `source.csv` holds two rows."""
    place = Place(tmp_path)
    place.write("source.csv", "id,v\n1,a\n2,b\n")
    return place


def declare(place: Place, output: str, query: str = "select id, v from read_csv('source.csv')", more: str = "") -> None:
    """The asset `log` on the file, and one that reads it."""
    place.assets(
        f"""
        - {{name: source, observe: {{path: source.csv}}, output: {{path: source.csv}}}}
        - name: log
          command: {{sql: "{query}"}}
          output: {{table: log, {output}}}
          upstreams: [source]
          {more}
        - {{name: below, command: {{sql: "select count(*) as n from log"}}, output: {{table: below}}, upstreams: [log]}}
        """,
        DUCKDB,
    )


def version(place: Place) -> str:
    """The data version of `log` without the run's id."""
    shown = json.loads(place.call("show", "log", "--json").stdout)["materialization"]["data_version"]
    return f"{shown.partition(':')[0]}:{shown.rpartition(':')[2]}"


def test_append(place: Place) -> None:
    """Each run adds the query's rows; nothing new adds none; what is below is made again."""
    declare(place, "materialization: append")
    assert place.materialize()["succeeded"] == ["log", "below"]
    assert place.materialize()["succeeded"] == []
    place.write("source.csv", "id,v\n3,c\n")
    done = place.materialize()
    assert (done["succeeded"], done["unchanged"]) == (["log", "below"], [])
    assert place.query("select id from log order by id") == [(1,), (2,), (3,)]
    assert (version(place), place.query("select n from below")) == ("attempt:1", [(3,)])


def test_an_append_of_no_rows_is_unchanged(place: Place) -> None:
    """Nothing came, so nothing below runs."""
    declare(place, "materialization: append")
    place.materialize()
    place.write("source.csv", "id,v\n")
    done = place.materialize()
    assert (done["succeeded"], done["unchanged"], done["skipped"]) == (["log"], ["log"], ["below"])
    assert place.query("select count(*) from log") == [(2,)]


def test_unique_key_and_time_column(place: Place) -> None:
    """Rows of a key are replaced, and so is the window of a time."""
    declare(place, "materialization: incremental, unique_key: id")
    place.materialize()
    place.write("source.csv", "id,v\n2,B\n3,c\n")
    place.materialize()
    assert place.query("select id, v from log order by id") == [(1, "a"), (2, "B"), (3, "c")]
    declare(place, "materialization: incremental, time_column: id")
    assert place.materialize()["succeeded"] == ["log", "below"]
    assert place.query("select id, v from log order by id") == [(2, "B"), (3, "c")]  # its output changed: made anew
    place.write("source.csv", "id,v\n3,C\n5,e\n")
    place.materialize()
    assert place.query("select id, v from log order by id") == [(2, "B"), (3, "C"), (5, "e")]


def test_a_change_of_code_builds_anew(place: Place) -> None:
    """An incremental table is then what its query alone returns; the plan says so."""
    declare(place, "materialization: incremental, unique_key: id")
    place.materialize()
    place.write("source.csv", "id,v\n3,c\n")
    place.materialize()
    declare(
        place, "materialization: incremental, unique_key: id", "select id, upper(v) as v from read_csv('source.csv')"
    )
    assert "builds anew table log" in place.call("plan").stdout
    place.materialize()
    assert place.query("select id, v from log") == [(3, "C")]
    assert version(place) == "attempt:1"


def test_append_refuses_a_change_of_code(place: Place) -> None:
    """Nothing is added, whatever else there is goes on, and the flag is named; with it the table is built anew."""
    declare(place, "materialization: append")
    place.materialize()
    declare(place, "materialization: append", "select id, upper(v) as v from read_csv('source.csv')")
    plan = place.call("plan")
    assert "warning[A0608]: log will be refused (code changed: command (" in plan.stdout
    assert "assets materialize log --full-refresh" in plan.stdout
    done = place.materialize()
    assert (done["failed"], done["blocked"], done["exit"]) == (["log"], ["below"], 1)
    (failure,) = [each for each in done["events"] if each["event"] == "step_finished" and each["asset"] == "log"]
    assert "append would mix rows of two kinds" in failure["detail"]
    assert "--full-refresh" in failure["detail"]
    assert place.query("select id, v from log order by id") == [(1, "a"), (2, "b")]

    done = place.materialize("--full-refresh")

    assert (done["succeeded"], place.query("select v from log order by v")) == (["log", "below"], [("A",), ("B",)])
    assert place.plan() == {}


def test_full_refresh(place: Place) -> None:
    """It forces the tables that grow among those that the selection names, and no others."""
    declare(place, "materialization: append")
    place.materialize()
    place.materialize("log", "--force", "--downstream")
    assert place.query("select count(*) from log") == [(4,)]
    plan = json.loads(place.call("plan", "--full-refresh", "--json").stdout)
    assert [(step["asset"], [cause["detail"] for cause in step["causes"]]) for step in plan["steps"]] == [
        ("log", ["forced by --full-refresh"]),
        ("below", ["upstream log is to be materialized"]),
    ]
    place.materialize("--full-refresh")
    assert place.query("select count(*) from log") == [(2,)]
    assert place.plan("below", "--full-refresh") == {}


def test_a_retry_of_a_full_refresh_builds_anew(place: Place) -> None:
    """Also where the run died before that step began; what has become no table that grows is forced like any other."""
    declare(place, "materialization: append")
    place.materialize()
    place.write("source.csv", "id,v\n3,c\n")
    refused = place.root / "source.csv"
    refused.rename(place.root / "gone.csv")
    failed = place.call("materialize", "log", "--full-refresh", "--no-observe")
    assert "next: fix log, then run assets retry\n" in failed.stderr
    (place.root / "gone.csv").rename(refused)
    done = retried(place)
    assert (done["succeeded"], place.query("select id from log")) == (["log"], [(3,)])
    assert version(place) == "attempt:1"

    place.write("source.csv", "id,v\n4,d\n")
    place.write("die.py", DIE.replace("Ledger.record", "Ledger.note_attempt").replace("]\n", ', "--full-refresh"]\n'))
    killed = subprocess.run([sys.executable, "die.py"], cwd=place.root, capture_output=True, check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    done = retried(place)
    assert (done["succeeded"], place.query("select id from log")) == (["log", "below"], [(4,)])

    refused.rename(place.root / "gone.csv")
    assert place.materialize("log", "--full-refresh", "--no-observe")["failed"] == ["log"]
    (place.root / "gone.csv").rename(refused)
    declare(place, "materialization: table")
    done = retried(place)
    assert (done["succeeded"], place.query("select id from log")) == (["log"], [(4,)])


def retried(place: Place) -> dict[str, list[str]]:
    """The last event of `assets retry`."""
    done = place.call("retry", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_table_that_somebody_changed(place: Place) -> None:
    """An incremental one is built anew, an append is refused until it is marked; a dropped one is made again."""
    import duckdb

    def rewrite(statement: str) -> None:
        with duckdb.connect(place.root / "w.duckdb") as raw:
            raw.execute(statement)

    declare(place, "materialization: append")
    place.materialize()
    rewrite("delete from log where id = 1")
    assert place.plan("log") == {"log": ["output_changed"]}
    assert place.materialize("log")["failed"] == ["log"]
    assert place.call("state", "mark", "log").returncode == 0
    place.write("source.csv", "id,v\n3,c\n")
    assert place.materialize("log")["succeeded"] == ["log"]
    assert place.query("select id from log order by id") == [(2,), (3,)]
    rewrite("drop table log")
    assert place.plan("log") == {"log": ["output_missing"]}
    place.materialize("log")
    assert place.query("select id from log") == [(3,)]

    declare(place, "materialization: incremental, unique_key: id")
    place.materialize()
    rewrite("insert into log values (99, 'x')")
    place.materialize()
    assert place.query("select id from log") == [(3,)]


@pytest.mark.parametrize("output", ["materialization: append", "materialization: incremental, time_column: id"])
@pytest.mark.parametrize("more", ["", 'data_version: {sql: "select count(*) from log"}'])
def test_killed_between_commit_and_record(place: Place, output: str, more: str) -> None:
    """The rows are there and nobody has it on record: the next run finds the attempt in the database, adds nothing."""
    declare(place, output, more=more)
    place.write("die.py", DIE)
    for _ in range(2):  # the first attempt ever, and a later one
        killed = subprocess.run(
            [sys.executable, "die.py"], cwd=place.root, capture_output=True, check=False, timeout=60
        )
        assert killed.returncode == -signal.SIGKILL
        before = place.query("select id from log order by id")
        done = place.materialize()
        assert (done["failed"], "log" in done["succeeded"]) == ([], False)  # type: ignore[operator]
        assert place.query("select id from log order by id") == before
        assert place.plan() == {}
        place.write("source.csv", "id,v\n3,c\n")
    assert place.query("select id from log order by id") == [(1,), (2,), (3,)]


def test_killed_worker_after_commit(place: Place) -> None:
    """A worker that ends badly after its commit has succeeded: its rows are there once."""
    declare(place, "materialization: append")
    place.materialize()
    place.write("source.csv", "id,v\n3,c\n")
    place.write(
        "sitecustomize.py",
        """
        import os, sys
        if os.environ.get("DIE_AFTER_COMMIT"):
            from assets_cli.connections.duckdb import DuckDBSession
            grow = DuckDBSession.grow
            def deadly(self, *arguments):
                grow(self, *arguments)
                self.close()
                os._exit(7)
            DuckDBSession.grow = deadly
        """,
    )
    done = place.materialize("log", PYTHONPATH=str(place.root), DIE_AFTER_COMMIT="1")
    assert (done["succeeded"], done["failed"]) == (["log"], [])
    assert place.query("select id from log order by id") == [(1,), (2,), (3,)]
    assert place.plan("log") == {}


def test_a_table_that_is_there_already_is_not_appended_to(place: Place) -> None:
    """Where nothing is on record, as with a new state file, what is there is not known to be ours."""
    declare(place, "materialization: append")
    place.materialize()
    done = place.materialize("log", "--state", "other.db")
    assert done["failed"] == ["log"]
    assert place.query("select count(*) from log") == [(2,)]
    assert place.call("state", "mark", "log", "--state", "other.db").returncode == 0
    assert place.materialize("log", "--force", "--state", "other.db")["succeeded"] == ["log"]
    assert place.query("select count(*) from log") == [(4,)]
    # The first state file now knows less than there is: it adds nothing either.
    place.materialize("log", "--force", "--state", "other.db")
    assert place.materialize("log", "--force")["failed"] == ["log"]
    assert place.query("select count(*) from log") == [(6,)]


def test_repairs_keep_the_thread(place: Place) -> None:
    """A renamed asset, and a history that was exported and imported, go on adding to the same table."""
    declare(place, "materialization: append")
    place.materialize()
    manifest = place.root / "assets.yml"
    manifest.write_text(manifest.read_text().replace("name: log", "name: journal").replace("[log]", "[journal]"))
    assert place.call("state", "mv", "log", "journal").returncode == 0
    assert place.plan("journal") == {}
    place.write("source.csv", "id,v\n3,c\n")
    assert place.materialize("journal")["succeeded"] == ["journal"]
    assert place.call("state", "export", "history.jsonl").returncode == 0
    assert place.call("state", "import", "history.jsonl", "--state", "other.db").returncode == 0
    place.write("source.csv", "id,v\n4,d\n")
    assert place.materialize("journal", "--state", "other.db")["succeeded"] == ["journal"]
    assert place.query("select id from log order by id") == [(1,), (2,), (3,), (4,)]


def test_a_query_that_reads_its_own_table(place: Place) -> None:
    """With declared columns it begins empty, and a full refresh begins there again."""
    query = "select * from read_csv('source.csv') where id > (select coalesce(max(id), 0) from log)"
    declare(place, "materialization: append", query, "columns: [{name: id, type: bigint}, {name: v, type: varchar}]")
    assert place.materialize()["failed"] == []
    place.write("source.csv", "id,v\n1,a\n2,b\n3,c\n")
    place.materialize()
    assert place.query("select id from log order by id") == [(1,), (2,), (3,)]
    place.materialize("--full-refresh")
    assert place.query("select id from log order by id") == [(1,), (2,), (3,)]
