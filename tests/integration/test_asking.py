"""Questions over real processes, real databases and real files: show, query, impact, freshness, retry, runs, mark."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import time

import duckdb
import jsonschema
import pytest
from support.place import DUCKDB, Place

from assets_cli.manifest.schemas import schema_text


def document(
    place: Place, command: str, *arguments: str, schema: str | None = None, code: int = 0
) -> dict[str, object]:
    """What `--json` prints, as its schema has it."""
    done = place.call(command, *arguments, "--json")
    assert done.returncode == code, done.stderr
    found = json.loads(done.stdout)
    jsonschema.validate(found, json.loads(schema_text(schema or command)))
    return found


CHAIN = """
- name: raw
  owner: ingest
  command: {shell: "cat number > $ASSETS_OUTPUT"}
  code: [number]
  output: {path: data/raw.csv}
- name: orders
  owner: [data-team, bi]
  command: {sql: "select * from read_csv('data/raw.csv')"}
  upstreams: [raw]
  output: {table: orders}
  freshness: {max_lag: 1h}
- name: report
  command: {shell: "test -e fixed; echo done > $ASSETS_OUTPUT"}
  upstreams: [orders]
  output: {path: report.txt}
- name: mail
  command: {shell: "echo sent >> mails; cp report.txt $ASSETS_OUTPUT"}
  upstreams: [report]
  output: {path: mail.txt}
"""


def chain(place: Place) -> None:
    """Raw -> orders -> report, which fails until a file `fixed` is there -> mail."""
    place.write("number", "n\n1\n2\n")
    place.assets(CHAIN, DUCKDB)


# -- show ------------------------------------------------------------------------------------------------------------


def test_show_over_three_runs(place):
    """State, versions and data time are those of the last run; numbers are its history; the sample is what is there."""
    chain(place)
    runs = []
    for rows in ("1", "1\n2", "1\n2\n3"):
        place.write("number", f"n\n{rows}\n")
        runs.append(place.materialize("raw", "orders")["run"])

    shown = document(place, "show", "orders", "--sample", schema="show")
    assert shown["materialization"]["run"] == runs[-1]
    assert shown["materialization"]["metadata"]["rows"] == 3
    assert [one["numbers"]["rows"] for one in shown["history"]] == [3, 2, 1]
    assert [one["run"] for one in shown["history"]] == runs[::-1]
    assert (shown["status"], shown["causes"], shown["freshness"]["status"]) == ("up_to_date", [], "pass")
    assert shown["sample"]["rows"] == [[1], [2], [3]]
    assert shown["place"]["file"] == "assets.yml"
    raw = document(place, "show", "raw", schema="show")
    assert raw["materialization"]["data_time"] == raw["materialization"]["started"]
    # As old as what it was made from.
    assert shown["materialization"]["data_time"] == raw["materialization"]["data_time"]

    place.write("number", "n\n4\n")
    assert [cause["kind"] for cause in document(place, "show", "raw")["causes"]] == ["code_changed"]
    text = place.call("show", "orders", COLUMNS="80").stdout
    assert "  rows  ▁▅█  3 (1 to 3)\n" in text
    assert max(map(len, text.splitlines())) <= 80


def test_show_of_an_asset_that_left_the_manifest(place):
    """History still knows it, until nobody ever heard of it."""
    chain(place)
    place.materialize("raw", "orders")
    place.assets("- {name: other, command: {shell: 'true'}}")
    assert document(place, "show", "orders")["declared"] is False
    assert place.call("show", "orders").stdout.startswith("orders  not in the manifest\n")
    refused = place.call("show", "ordres")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "error[A0402]: no asset is named 'ordres'" in refused.stderr


def test_asking_writes_no_state(place):
    """A read-only state file serves every question, and is the same afterwards."""
    chain(place)
    place.materialize("raw", "orders")
    state = place.root / ".assets/state.db"
    before = state.read_bytes()
    state.chmod(0o400)
    for arguments in (
        ["show", "orders", "--sample"],
        ["impact", "raw"],
        ["freshness"],
        ["runs"],
        ["query", "select 1"],
    ):
        assert place.call(*arguments).returncode == 0
    assert state.read_bytes() == before


SAMPLES = {
    "csv": ("printf 'a,b\\n1,x\\n' > $ASSETS_OUTPUT", "x.csv", {"rows": [[1, "x"]]}),
    "jsonl": ('printf \'{"a": 1}\\n{"a": 2}\\n\' > $ASSETS_OUTPUT', "x.jsonl", {"rows": [[1], [2]]}),
    "packed": ("printf 'a\\n1\\n' | gzip > $ASSETS_OUTPUT", "x.csv.gz", {"rows": [[1]]}),
    "text": ("seq 1 30 > $ASSETS_OUTPUT", "x.log", {"lines": [str(n) for n in range(1, 11)], "more": True}),
    "binary": ("printf '\\000\\001\\002' > $ASSETS_OUTPUT", "model.pkl", {"note": "a binary file of 3 bytes"}),
    "nothing": (": > $ASSETS_OUTPUT", "empty.csv", {"note": "an empty file"}),
    "broken": ("printf 'not json' > $ASSETS_OUTPUT", "x.json", {"lines": ["not json"]}),
    "folder": (
        "mkdir -p d; touch d/_SUCCESS; printf 'a\\n1\\n' > d/p0.csv; printf 'a\\n2\\n' > d/p1.csv",
        "d",
        {"rows": [[1]], "note": "of d/p0.csv, one of 3 files"},
    ),
    "glob": ("mkdir -p g; printf 'a\\n1\\n' > g/1.csv", "g/*.csv", {"rows": [[1]], "note": None}),
}


def test_samples_of_files(place):
    """Rows where the ending says that there are some, else lines, else a note; never an error."""
    for number, (command, path, _) in enumerate(SAMPLES.values()):
        place.write(f"make{number}.sh", command.replace("\\n", "\\n"))
        assert path
    listed = "".join(
        f"- {{name: {name}, command: {{shell: sh make{number}.sh}}, output: {{path: '{path}'}}}}\n"
        for number, (name, (_, path, _)) in enumerate(SAMPLES.items())
    )
    place.assets(listed + "- {name: none, command: {shell: 'true'}}")
    assert place.materialize()["failed"] == []
    for name, (_, _, expected) in SAMPLES.items():
        sample = document(place, "show", name, "--sample")["sample"]
        assert {key: sample[key] for key in expected} == expected, name
    assert document(place, "show", "none", "--sample")["sample"]["note"] == "it declares no output"
    (place.root / "x.csv").unlink()
    assert place.call("show", "csv", "--sample").stdout.endswith("\nSample: nothing is there\n")


# -- query -----------------------------------------------------------------------------------------------------------


def test_query_asks_and_changes_nothing(place):
    """DuckDB by default, SQLite by name, files from the project's root; statements that write are refused."""
    chain(place)
    place.materialize("raw", "orders")
    with sqlite3.connect(place.root / "s.db") as other:
        other.execute("create table t as select 7 as x")
    other.close()
    place.assets(CHAIN, DUCKDB + "  s: {type: sqlite, path: s.db}\ndefault_connection: w\n")
    before = {name: (place.root / name).read_bytes() for name in ("w.duckdb", "s.db")}

    assert place.call("query", "select * from orders order by n").stdout == "n\n1\n2\n"
    assert place.call("query", "select x + 1 as y from t", "--connection", "s").stdout == "y\n8\n"
    (place.root / "below").mkdir()
    below = place.call("-C", "below", "query", "select count(*) as n from 'data/raw.csv'", "--format", "csv")
    assert below.stdout == "n\n2\n"
    answer = document(place, "query", "select n, null as x from orders order by n desc")
    assert (answer["columns"][0], answer["rows"]) == ({"name": "n", "type": "BIGINT"}, [[2, None], [1, None]])

    for arguments, message in (
        (["drop table orders"], "expected a query, found DROP"),
        (["copy orders to 'x.csv'"], "expected a query, found COPY"),
        (["select 1; drop table orders"], "expected one query, found 2 statements"),
        ([""], "the query is empty"),
        (["insert into t values (1)", "--connection", "s"], "expected a query, found INSERT"),
        (["with x as (select 1) delete from t", "--connection", "s"], "attempt to write a readonly database"),
        (["attach 'x.db' as x", "--connection", "s"], "expected a query, found ATTACH"),
    ):
        refused = place.call("query", *arguments)
        assert (refused.returncode, refused.stdout) == (2, ""), arguments
        assert refused.stderr.splitlines()[0] == f"error[A0612]: {message}"
    near = place.call("query", "select * from order").stderr + place.call("query", "select * from orderz").stderr
    assert "did you mean orders?" in near
    assert "error[A0208]: no connection is named 'pg'" in place.call("query", "select 1", "--connection", "pg").stderr
    assert {name: (place.root / name).read_bytes() for name in before} == before
    assert not (place.root / "x.csv").exists()


def test_query_without_any_connection_reads_files(place):
    """A project of files needs no database to be asked."""
    place.write("a.csv", "x\n3\n4\n")
    place.assets("- {name: a, command: {shell: 'true'}}")
    assert place.call("query", "select sum(x) as s from 'a.csv'").stdout == "s\n7\n"


def test_query_of_a_database_that_is_not_there(place):
    """It says so, and does not make one."""
    place.assets("- {name: a, command: {shell: 'true'}}", DUCKDB + "default_connection: w\n")
    refused = place.call("query", "select 1")
    assert (refused.returncode, refused.stderr) == (2, "error[A0612]: the database w.duckdb does not exist\n")
    assert not (place.root / "w.duckdb").exists()


def test_a_database_in_use_by_a_run_is_not_available(place):
    """After a second, with the run's name; `show --sample` says so and shows the rest."""
    place.assets(
        """
        - name: slow
          command: {shell: "touch started; while [ ! -e stop ]; do sleep 0.05; done"}
          output: {table: slow, connection: w}
        """,
        DUCKDB,
    )
    duckdb.connect(place.root / "w.duckdb").close()
    running = place.start("materialize")
    try:
        place.wait_for("started")
        began = time.monotonic()
        refused = place.call("query", "select 1", "--connection", "w")
        assert (refused.returncode, time.monotonic() - began < 20) == (2, True)
        said = " ".join(refused.stderr.split())
        assert said.startswith("error[A0613]: the database of connection w is not available: in use by run 2")
        sampled = place.call("show", "slow", "--sample")
        assert sampled.returncode == 0
        said = " ".join(sampled.stdout.split())
        assert "Sample: the database of connection w is not available: in use by run 2" in said
        assert "attempt      still running " in sampled.stdout
        refused = place.call("retry")
        assert (refused.returncode, "error[A0614]: run 2" in refused.stderr) == (2, True)
    finally:
        (place.root / "stop").touch()
        running.communicate(timeout=60)


@pytest.mark.parametrize("connection", ["w", "s"])
def test_ctrl_c_ends_a_query_at_once(place, connection):
    """Whatever the database is in the middle of; the exit code is 130."""
    sqlite3.connect(place.root / "s.db").close()
    duckdb.connect(place.root / "w.duckdb").close()
    place.assets("- {name: a, command: {shell: 'true'}}", DUCKDB + "  s: {type: sqlite, path: s.db}\n")
    endless = "with recursive r(x) as (select 1 union all select (x + 1) % 1000 from r) select x from r where x < 0"
    process = place.start("query", endless, "--connection", connection, "--format", "csv")
    # Begun when the mutex of the file is taken: a probe that waits is told by whom.
    deadline = time.monotonic() + 30
    while not any((place.root / ".assets/locks").glob("*")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, "interrupted\n")


def test_a_large_answer_is_streamed(place):
    """A reader that has seen enough ends it; nobody waits for two hundred million rows."""
    place.assets("- {name: a, command: {shell: 'true'}}")
    process = place.start("query", "select range as n from range(200000000)", "--format", "csv")
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(3)] == ["n\n", "0\n", "1\n"]
    process.stdout.close()
    assert process.wait(timeout=30) == 0


# -- impact, freshness -----------------------------------------------------------------------------------------------


def test_impact_of_a_root(place):
    """Everything below, by owner; an asset's own owners, not those of what is above."""
    chain(place)
    found = document(place, "impact", "raw")
    assert [(one["name"], one["distance"], one["status"]) for one in found["assets"]] == [
        ("orders", 1, "missing"),
        ("report", 2, "missing"),
        ("mail", 3, "missing"),
    ]
    assert found["owners"] == [
        {"owner": "data-team", "assets": ["orders"]},
        {"owner": "bi", "assets": ["orders"]},
        {"owner": None, "assets": ["report", "mail"]},
    ]
    assert place.call("impact", "mail").stdout == "mail  missing\nnothing is made from it\n"


def test_freshness_names_the_external_that_holds_back(place):
    """What nobody here can renew is named with its age; exit code 3 only for a broken promise that is selected."""
    place.write("crm.csv", "n\n1\n")
    place.assets(
        """
        - {name: crm, observe: {path: crm.csv}}
        - name: mart
          command: {shell: "cp crm.csv $ASSETS_OUTPUT"}
          upstreams: [crm]
          output: {path: mart.csv}
          freshness: {max_lag: 6h}
        - name: kept
          command: {shell: "echo 1 > $ASSETS_OUTPUT"}
          output: {path: kept.txt}
          freshness: {max_lag: 6h}
        """
    )
    nothing_made = document(place, "freshness")
    assert [(one["asset"], one["status"], one["held_by"]) for one in nothing_made["assets"]] == [
        ("kept", "unknown", ["kept"]),
        ("mart", "unknown", ["mart"]),
    ]
    nine_hours_ago = time.time() - 9 * 3600
    import os

    os.utime(place.root / "crm.csv", (nine_hours_ago, nine_hours_ago))
    place.materialize()
    found = {one["asset"]: one for one in document(place, "freshness", "--exit-code", code=3)["assets"]}
    assert (found["kept"]["status"], found["mart"]["status"]) == ("pass", "fail")
    assert (found["mart"]["held_by"], found["mart"]["promise"]) == (["crm"], "6h")
    assert 9 * 3600 <= found["mart"]["age_seconds"] < 9 * 3600 + 600
    assert "    waiting for crm, external, 9h old\n" in place.call("freshness").stdout
    assert place.call("freshness", "kept", "--exit-code").returncode == 0
    # The file is renewed: seen without a run, and without a record.
    os.utime(place.root / "crm.csv")
    assert document(place, "freshness", "mart")["assets"][0]["status"] == "pass"
    assert place.call("freshness", "nothing").returncode == 2


# -- retry, runs -----------------------------------------------------------------------------------------------------


def test_retry_runs_what_failed_and_what_that_blocked(place):
    """And nothing else, though something else is stale by then; a second one has nothing to do."""
    chain(place)
    assert (place.call("retry").returncode, place.call("retry").stderr) == (
        0,
        "nothing to retry: no run is on record\n",
    )
    first = place.materialize()
    assert (first["failed"], first["blocked"]) == (["report"], ["mail"])
    place.write("fixed", "")
    place.write("number", "n\n3\n")
    done = place.call("retry", "--json", "--jobs", "2", "--fail-fast")
    last = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, last["succeeded"]) == (0, ["report", "mail"])
    assert set(place.plan()) == {"raw", "orders", "report", "mail"}
    assert place.call("retry").stderr == f"nothing to retry: run {last['run']} left nothing undone\n"
    again = json.loads(place.call("retry", str(first["run"]), "--json").stdout.splitlines()[-1])
    assert (again["run"], again["status"]) == (None, "succeeded")
    assert place.call("retry", "nonsense").returncode == 2


def test_an_output_leads_to_its_asset(place):
    """Who comes from make names files; a path that no asset makes leads to the list."""
    place.assets("- {name: report, command: {shell: 'date > out.txt'}, output: {path: out.txt}}")
    said = "error[A0402]: no asset is named './out.txt'\n  hint: did you mean 'report', whose output this is?\n"
    assert place.call("plan", "./out.txt").stderr == said
    assert place.call("plan", "in.txt").stderr.splitlines()[1] == "  hint: assets list shows all assets"


def test_logs_of_an_asset_are_those_of_the_last_run_that_tried_it(place):
    """Not of one in which it was blocked or marked; without any argument they are those of the latest run."""
    place.assets(
        """
- name: raw
  command: {shell: "echo reading; test -e broken && exit 1; date > $ASSETS_OUTPUT"}
  output: {path: raw.txt}
- name: report
  command: {shell: "echo writing; cp raw.txt $ASSETS_OUTPUT"}
  upstreams: [raw]
  output: {path: report.txt}
"""
    )
    refused = place.call("logs", "report")
    assert (refused.returncode, refused.stderr) == (
        2,
        "error[A0821]: no run on record left a log of report\n  hint: `assets runs --asset report` lists its runs\n",
    )
    assert place.call("materialize").returncode == 0
    first = json.loads(place.call("runs", "--json").stdout)["runs"][0]["run"]
    (place.root / "broken").touch()
    assert place.call("materialize", "--force").returncode == 1
    found = place.call("logs", "report")
    assert (found.stdout, found.stderr) == ("writing\n", f"run {first}\n")
    assert place.call("logs").stdout == "reading\n"


def test_retry_keeps_what_was_forced_and_leaves_out_what_is_gone(place):
    """A forced step that was cut off runs again though nothing is stale; a removed asset is named."""
    chain(place)
    place.write("fixed", "")
    place.materialize()
    (place.root / "fixed").unlink()
    failed = place.materialize("report", "mail", "--force")
    assert (failed["failed"], failed["blocked"]) == (["report"], ["mail"])
    place.write("fixed", "")
    assert (place.root / "mails").read_text() == "sent\n"
    place.assets(CHAIN.replace("- name: report", "- name: summary").replace("[report]", "[summary]"), DUCKDB)
    done = place.call("retry", "--upstream")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("warning: report is no longer in the manifest and left out\n")
    assert (place.root / "mails").read_text() == "sent\nsent\n"


def test_retry_after_a_run_that_was_killed(place):
    """The run is settled first; what had not finished runs, what had does not."""
    place.assets(
        """
        - name: quick
          command: {shell: "echo 1 >> quick; echo 1 > $ASSETS_OUTPUT"}
          output: {path: quick.txt}
        - name: slow
          command: {shell: "touch started; test -e go || sleep 60; echo 1 > $ASSETS_OUTPUT"}
          upstreams: [quick]
          output: {path: slow.txt}
        - name: last
          command: {shell: "echo 1 > $ASSETS_OUTPUT"}
          upstreams: [slow]
          output: {path: last.txt}
        """
    )
    process = place.start("materialize")
    place.wait_for("started")
    process.kill()
    process.communicate()
    place.write("go", "")
    shown = place.call("runs").stdout
    assert "  crashed  " in shown
    assert "    2 not finished\n" in shown
    done = place.call("retry", "--json")
    assert json.loads(done.stdout.splitlines()[-1])["succeeded"] == ["slow", "last"]
    assert (place.root / "quick").read_text() == "1\n"


def test_a_thousand_runs_are_read_page_by_page(place):
    """Every run appears once, newest first; a page is two lines a run at most, within eighty columns."""
    place.assets("- {name: a, command: {shell: 'exit 1'}}\n- {name: b, command: {shell: 'true'}}")
    place.materialize()
    with sqlite3.connect(place.root / ".assets/state.db") as state:
        for number in range(1_000):
            state.execute(
                "insert into runs (id, environment, status, started, finished, jobs, selection, host, pid, version) "
                "select ?, environment, status, started, finished, jobs, selection, host, pid, version from runs "
                "where seq = 1",
                (f"20260101T000000.{number:06d}-0000",),
            )
            state.execute(
                "insert into run_steps select (select max(seq) from runs), asset, partition, position, kind, causes, "
                "forced, result, unchanged, detail from run_steps where run_seq = 1 and (asset = 'b' or ?)",
                (number % 2,),
            )
    state.close()
    seen: list[str] = []
    before: list[str] = []
    while page := document(place, "runs", "--limit", "300", *before)["runs"]:
        seen += [run["run"] for run in page]
        before = ["--before", str(page[-1]["run"])]
    assert (len(seen), len(set(seen)), seen[0]) == (1_001, 1_001, "20260101T000000.000999-0000")
    screen = place.call("runs", "--before", "20260101T000000.000999-0000", COLUMNS="80")
    assert screen.stderr == "\nolder: assets runs --before 20260101T000000.000979-0000\n"
    assert max(map(len, screen.stdout.splitlines())) <= 80
    assert screen.stdout.count("    failed: a\n") == 10
    assert len(document(place, "runs", "--asset", "a", "--limit", "2000")["runs"]) == 501
    assert document(place, "runs", "--asset", "gone")["runs"] == []


# -- state mark ------------------------------------------------------------------------------------------------------


def test_mark_adopts_what_exists_by_selection(place):
    """The causes of what was marked vanish, nobody else's; the record says that it was marked, by which run."""
    chain(place)
    place.write("fixed", "")
    place.materialize()
    (place.root / "data/raw.csv").write_text("n\n9\n")
    (place.root / "report.txt").write_text("mended by hand\n")
    place.write("number", "n\n5\n")
    assert {name: kinds[0] for name, kinds in place.plan().items()}["report"] == "output_changed"

    done = place.call("state", "mark", "owner:ingest", "report+")
    assert done.returncode == 0
    assert done.stderr.splitlines()[:3] == ["raw: marked", "report: marked", "mail: marked"]
    run = done.stderr.split()[-1]
    assert place.plan() == {
        "orders": ["upstream_changed"],
        "report": ["upstream_stale"],
        "mail": ["upstream_stale"],
    }
    shown = document(place, "show", "report")
    assert (shown["materialization"]["metadata"], shown["materialization"]["run"]) == ({"marked": True}, run)
    text = place.call("show", "report").stdout
    assert f"last         marked as it was just now, run {run}\n" in text
    assert "  took  ▄ \n" not in text
    # Nothing ran, and nothing of it is left to be retried.
    assert (place.root / "mails").read_text() == "sent\n"
    assert place.call("retry").stderr == f"nothing to retry: run {run} left nothing undone\n"


def test_mark_of_nothing_that_can_be_marked(place):
    """An output that is not there, or an external asset: refused, and no run but the one that tried is on record."""
    place.write("crm.csv", "1")
    place.assets(
        "- {name: crm, observe: {path: crm.csv}}\n- {name: a, command: {shell: 'true'}, output: {path: gone.txt}}"
    )
    refused = place.call("state", "mark", "crm")
    assert (refused.returncode, refused.stderr.splitlines()[0]) == (
        2,
        "error[A0606]: only external assets are selected: nothing to mark",
    )
    assert document(place, "runs")["runs"] == []
    refused = place.call("state", "mark", "a")
    assert (refused.returncode, "cannot be marked: gone.txt" in refused.stderr) == (2, True)
    assert place.plan() == {"a": ["missing"]}
    assert place.call("retry").stderr.startswith("nothing to retry: run ")


def test_help_of_every_question_fits_and_names_its_options():
    """As `assets COMMAND --help` prints it."""
    import sys

    from assets_cli.cli.commands import TABLE

    for name in ("show", "query", "impact", "freshness", "retry", "runs"):
        done = subprocess.run(
            [sys.executable, "-m", "assets_cli", name, "--help"], capture_output=True, text=True, check=True
        )
        assert all(option in done.stdout for option in TABLE[name].options)
