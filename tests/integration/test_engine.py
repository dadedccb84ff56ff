"""The engine over real processes, real DuckDB and real files: what happens, and what is on record afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from support.place import DUCKDB, is_alive


def test_shell_sql_and_python_in_one_graph(place):
    """A file, a table, a view, a function; the second run does nothing."""
    place.write(
        "f.py",
        "def top(orders: str, context):\n    c = context.connection()\n"
        "    n = c.execute(f'select sum(x) from {orders}').fetchone()[0]\n"
        "    open(context.output, 'w').write(str(n))\n    context.report(total=n)\n",
    )
    place.assets(
        """
        - name: raw
          command: {shell: "printf 'x\\n1\\n2\\n' > $ASSETS_OUTPUT"}
          output: {path: data/raw.csv}
        - name: orders
          upstreams: [raw]
          command: {sql: "select x from read_csv('data/raw.csv')"}
          output: {table: orders}
        - name: doubled
          upstreams: [orders]
          command: {sql: "select 2 * x as y from orders"}
          output: {table: doubled, materialization: view}
        - name: top
          upstreams: [orders]
          command: {python: "f:top"}
          output: {path: data/top.txt}
        """,
        DUCKDB,
    )

    first = place.materialize()

    assert (first["exit"], first["status"]) == (0, "succeeded")
    assert first["succeeded"] == ["raw", "orders", "doubled", "top"]
    assert place.query("select * from doubled order by 1") == [(2,), (4,)]
    assert (place.root / "data/top.txt").read_text() == "3"
    assert place.plan() == {}
    second = place.materialize()
    assert (second["exit"], second["run"], second["succeeded"]) == (0, None, [])
    assert place.call("plan", "--exit-code").returncode == 0


def test_cosmetic_edits_change_nothing_and_real_ones_do(place):
    """Comments in SQL and Python, docstrings, layout; then a constant."""
    place.write("q.sql", "select 1 as x")
    place.write("lib.py", "N = 1\n")
    place.write("f.py", "import lib\ndef make(context):\n    open(context.output, 'w').write(str(lib.N))\n")
    place.assets(
        """
        - name: table
          command: {sql: q.sql}
          output: {table: t}
        - name: file
          command: {python: "f:make"}
          output: {path: out.txt}
        """,
        DUCKDB,
    )
    place.materialize()
    place.write("q.sql", "-- a comment\nSELECT\n   1   AS x")
    place.write("lib.py", '"""What it is."""\n\n# a number\nN = 1\n')
    assert place.plan() == {}

    place.write("q.sql", "select 2 as x")
    place.write("lib.py", "N = 2\n")
    assert place.plan() == {"table": ["code_changed"], "file": ["code_changed"]}
    done = json.loads(place.call("plan", "--json").stdout)
    assert [step["causes"][0]["component"] for step in done["steps"]] == ["q.sql", "lib.py"]


def test_unchanged_output_stops_propagation(place):
    """A step whose data comes out the same is `unchanged`, and what is below is skipped."""
    place.assets(
        """
        - name: a
          code: [seed]
          command: {shell: "echo same > a.txt"}
          output: {path: a.txt}
        - name: b
          upstreams: [a]
          command: {shell: "cat a.txt > b.txt"}
          output: {path: b.txt}
        """
    )
    place.write("seed", "1")
    place.materialize()
    place.write("seed", "2")

    done = place.materialize()

    assert (done["succeeded"], done["unchanged"], done["skipped"]) == (["a"], ["a"], ["b"])


def test_dropped_and_rewritten_tables_are_noticed(place):
    """By hand, from outside; a table of the same content is no change."""
    import duckdb

    place.assets(
        """
        - {name: one, command: {sql: "select 1 as x"}, output: {table: one}}
        - {name: two, command: {sql: "select 2 as x"}, output: {table: two}}
        - {name: three, command: {sql: "select 3 as x"}, output: {table: three}}
        """,
        DUCKDB,
    )
    place.materialize()
    with duckdb.connect(place.root / "w.duckdb") as connection:
        connection.execute("drop table one")
        connection.execute("update two set x = 22")
        connection.execute("create or replace table three as select 3 as x")

    assert place.plan() == {"one": ["output_missing"], "two": ["output_changed"]}
    place.materialize()
    assert place.query("select (select x from one), (select x from two)") == [(1, 2)]
    assert place.plan() == {}


def test_failure_blocks_what_is_below_and_nothing_else(place):
    """With the log's last lines in the event; fixed, only what is left runs."""
    place.assets(
        """
        - {name: bad, command: {shell: "echo sorry >&2; test -e mended && echo x > bad.txt"}, output: {path: bad.txt}}
        - {name: below, upstreams: [bad], command: {shell: "cat bad.txt > below.txt"}, output: {path: below.txt}}
        - {name: other, command: {shell: "echo y > other.txt"}, output: {path: other.txt}}
        """
    )

    done = place.materialize()

    assert (done["exit"], done["status"]) == (1, "failed")
    assert (done["succeeded"], done["failed"], done["blocked"]) == (["other"], ["bad"], ["below"])
    (failed,) = [event for event in done["events"] if event["event"] == "step_finished" and event["result"] == "failed"]
    assert failed["tail"] == ["sorry"]
    assert place.plan() == {"bad": ["missing", "last_run_failed"], "below": ["missing", "upstream_stale"]}
    place.write("mended", "")
    assert place.materialize()["succeeded"] == ["bad", "below"]


def test_exit_0_without_the_output_is_a_failure(place):
    """A command that leaves no declared output has failed."""
    place.assets('- {name: a, command: {shell: "true"}, output: {path: nowhere.txt}}')

    done = place.materialize()

    assert done["failed"] == ["a"]
    assert "left no nowhere.txt" in json.dumps(done["events"])


def test_retries_and_their_record(place):
    """Each attempt is on record with its reason; `retry_on` chooses."""
    place.assets(
        """
        - name: flaky
          command: {shell: "echo x >> tries; test $(wc -l < tries) -ge 3 || exit 75; echo done > flaky.txt"}
          output: {path: flaky.txt}
          retries: {max: 3, delay: 0s, retry_on: [75]}
        - name: hopeless
          command: {shell: "exit 2"}
          retries: {max: 3, delay: 0s, retry_on: [75]}
        """
    )

    done = place.materialize()

    assert (done["succeeded"], done["failed"]) == (["flaky"], ["hopeless"])
    record = json.loads(place.call("runs", "latest", "--json").stdout)
    attempts = [(each["asset"], each["state"], each["exit_code"]) for each in record["attempts"]]
    assert sorted(attempts) == [
        ("flaky", "failed", 75),
        ("flaky", "failed", 75),
        ("flaky", "succeeded", 0),
        ("hopeless", "failed", 2),
    ]


def test_what_cannot_start_is_not_tried_again(place):
    """An unset variable does not come by waiting."""
    place.assets('- {name: a, command: {shell: "echo ${env.NOT_SET}"}, retries: {max: 3, delay: 1h}}')

    done = place.materialize()

    assert done["failed"] == ["a"]
    assert len(json.loads(place.call("runs", "latest", "--json").stdout)["attempts"]) == 1


def test_python_functions_that_open_a_connection_take_turns(place):
    """A connection that nothing declared is in still is a database file that lets one process in."""
    place.write(
        "f.py",
        """
        import time

        def use(context):
            connection = context.connection()
            connection.execute(f"create or replace table {context.asset} as select 1 as x")
            time.sleep(0.3)
            open(context.output, "w").write("done")
        """,
    )
    place.assets(
        "\n".join(f"- {{name: a{i}, command: {{python: 'f:use'}}, output: {{path: a{i}.txt}}}}" for i in range(3)),
        DUCKDB,
    )

    done = place.materialize("--jobs", "3")

    assert done["succeeded"] == ["a0", "a1", "a2"], done
    assert place.query("select count(*) from duckdb_tables()") == [(3,)]


def test_timeout_ends_the_whole_process_group(place):
    """Children of the command end with it."""
    place.assets('- {name: a, command: {shell: "sleep 60 & echo $! > child; wait"}, timeout: 500ms}')

    done = place.materialize()

    assert done["failed"] == ["a"]
    child = int((place.root / "child").read_text())
    assert not is_alive(child)


def test_interrupt_ends_commands_records_and_exits_with_130(place):
    """The last line is still the end of the run, and the next run goes on from there."""
    place.assets(
        """
        - {name: first, command: {shell: "echo 1 > first.txt"}, output: {path: first.txt}}
        - name: slow
          upstreams: [first]
          command: {shell: "touch started; sleep 60; echo 2 > slow.txt"}
          output: {path: slow.txt}
        - {name: last, upstreams: [slow], command: {shell: "echo 3 > last.txt"}, output: {path: last.txt}}
        """
    )
    process = place.start("materialize", "--json")
    place.wait_for("started")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)

    end = json.loads(out.splitlines()[-1])
    assert process.returncode == 130
    assert (end["event"], end["status"]) == ("run_finished", "cancelled")
    assert (end["succeeded"], end["cancelled"]) == (["first"], ["slow", "last"])
    assert place.plan() == {"slow": ["missing", "last_run_failed"], "last": ["missing", "upstream_stale"]}


def test_a_killed_run_is_recovered(place):
    """SIGKILL of the coordinator: its command ends or is ended, its attempt is crashed, the next run does the rest."""
    place.assets(
        """
        - {name: first, command: {shell: "echo 1 > first.txt"}, output: {path: first.txt}}
        - name: slow
          upstreams: [first]
          command: {shell: "echo $$ > started; test -e quick || sleep 60; echo 2 > slow.txt"}
          output: {path: slow.txt}
        """
    )
    process = place.start("materialize")
    place.wait_for("started")
    time.sleep(0.1)
    process.kill()
    process.communicate(timeout=30)
    assert place.plan() == {"slow": ["missing", "last_run_failed"]}
    place.write("quick", "")

    done = place.materialize()

    assert done["succeeded"] == ["slow"]
    states = {run["status"] for run in json.loads(place.call("runs", "--json").stdout)["runs"]}
    assert states == {"crashed", "succeeded"}


def test_sql_published_before_the_death_counts_as_done(place):
    """Killed between publishing and recording, the table is there and its prepared record is promoted."""
    place.assets('- {name: t, command: {sql: "select 7 as x"}, output: {table: t}}', DUCKDB)
    place.write(
        "die.py",
        """
        import os, sys
        from assets_cli.running.ledger import Ledger
        Ledger.record = lambda *_, **__: os.kill(os.getpid(), 9)
        from assets_cli.__main__ import main
        sys.argv = ["assets", "materialize"]
        main()
        """,
    )
    killed = subprocess.run([sys.executable, "die.py"], cwd=place.root, capture_output=True, check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert place.query("select x from t") == [(7,)]

    done = place.materialize()

    assert done["succeeded"] == []
    assert place.plan() == {}


def test_two_runs_at_once_do_each_thing_once(place):
    """The second waits, says for whom, and then finds it done."""
    place.assets(
        """
        - name: slow
          command: {shell: "echo x >> count; touch started; while test ! -e go; do sleep 0.02; done; echo 1 > slow.txt"}
          output: {path: slow.txt}
        - name: below
          upstreams: [slow]
          command: {shell: "echo x >> count; cat slow.txt > below.txt"}
          output: {path: below.txt}
        """
    )
    first = place.start("materialize", "--json")
    place.wait_for("started")
    second = place.start("materialize", "--json")
    waiting = {"event": "nothing yet"}
    while waiting["event"] not in ("step_waiting", "run_finished"):
        waiting = json.loads(second.stdout.readline())
    place.write("go", "")
    out, _ = first.communicate(timeout=60)
    rest, _ = second.communicate(timeout=60)

    assert (place.root / "count").read_text() == "x\nx\n"
    run = json.loads(out.splitlines()[-1])["run"]
    assert run in waiting["holder"]
    assert json.loads(rest.splitlines()[-1])["status"] == "succeeded"
    assert f"done by run {run} meanwhile" in rest


def test_environment_variables_at_the_moment_of_use(place):
    """A rotated secret is no change, an unset one fails the step by its name, and none reaches the log."""
    place.assets(
        """
        - name: a
          command: {shell: "echo token $TOKEN ${env.SECRET} > a.txt; cat a.txt"}
          env: {TOKEN: "${env.TOKEN}"}
          output: {path: a.txt}
        """
    )
    assert place.materialize(TOKEN="first-token", SECRET="hush-hush")["succeeded"] == ["a"]
    assert (place.root / "a.txt").read_text() == "token first-token hush-hush\n"
    assert place.call("logs", "latest", "a").stdout.strip() == "token *** ***"
    assert place.plan(TOKEN="second-token") == {}

    place.write("a.txt", "gone")
    done = place.materialize(TOKEN="x")
    assert done["failed"] == ["a"]
    assert "the environment variable SECRET is not set" in json.dumps(done["events"])


def test_reported_versions_and_metadata(place):
    """What the command reports comes first: the same data version stops propagation although the bytes differ."""
    report = '{\\"data_version\\": \\"v1\\", \\"metadata\\": {\\"rows\\": 3}}'
    place.assets(
        f"""
        - name: a
          command: {{shell: "date +%N > a.txt; echo '{report}' > $ASSETS_RESULT"}}
          output: {{path: a.txt}}
        - name: b
          upstreams: [a]
          command: {{shell: "cat a.txt > b.txt"}}
          output: {{path: b.txt}}
        """
    )
    place.materialize()

    done = place.materialize("a", "--force", "--downstream")

    assert (done["unchanged"], done["skipped"]) == (["a"], ["b"])
    listed = json.loads(place.call("list", "a", "--json").stdout)["assets"]
    assert listed[0]["rows"] == 3


def test_a_data_time_that_is_no_roots_is_metadata(place):
    """What has upstreams is as old as they are, whatever it says; what it said is kept for people, in UTC."""
    place.assets(
        """
        - name: a
          command:
            shell: |
              echo > a.txt; echo '{"data_time": "2026-01-31T06:00:00Z"}' > $ASSETS_RESULT
          output: {path: a.txt}
        - name: b
          upstreams: [a]
          command:
            shell: |
              echo > b.txt; echo '{"data_time": "2026-02-01T06:00:00+02:00", "metadata": {"n": 1}}' > $ASSETS_RESULT
          output: {path: b.txt}
        """
    )
    place.materialize()

    made = {name: json.loads(place.call("show", name, "--json").stdout)["materialization"] for name in "ab"}
    assert {name: one["data_time"] for name, one in made.items()} == dict.fromkeys("ab", "2026-01-31T06:00:00Z")
    assert made["a"]["metadata"] == {"bytes": 1}
    assert made["b"]["metadata"] == {"bytes": 1, "data_time": "2026-02-01T04:00:00Z", "n": 1}


def test_a_read_only_state_answers_questions(place):
    """`plan` serves from a folder in which nothing can be written; tested as another user, since root ignores modes."""
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    place.assets('- {name: a, command: {shell: "echo 1 > a.txt"}, output: {path: a.txt}}')
    place.materialize()
    for folder in [place.root, *place.root.parents][:-2]:
        folder.chmod(0o755)
    # Its Python may lie where only root may go: the first call imports everything before it becomes somebody else, who
    # compiles the manifest anew since what is kept is root's; so must the first call.
    for kept in (place.root / ".assets" / "cache").glob("manifest-*"):
        kept.unlink()
    code = """if True:
        import os, sys
        from assets_cli.__main__ import main
        sys.argv = ["assets", "plan"]
        for become in (lambda: None, lambda: (os.setgid(65534), os.setuid(65534))):
            become()
            try:
                main()
            except SystemExit as end:
                print("exit", end.code, "user", os.getuid())
        """
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=place.root, capture_output=True, text=True, check=False, timeout=60
    )
    assert "exit 0 user 65534" in done.stdout, done.stderr
    assert done.stdout.count("Nothing to do") == 2


def test_marked_assets_are_up_to_date_as_they_stand(place):
    """Adopt what exists: after a hand's repair, or made elsewhere."""
    place.assets(
        """
        - {name: a, command: {shell: "exit 1"}, output: {path: a.txt}}
        - {name: b, upstreams: [a], command: {shell: "cat a.txt > b.txt"}, output: {path: b.txt}}
        """
    )
    place.write("a.txt", "by hand\n")

    marked = place.call("state", "mark", "a")

    assert marked.returncode == 0, marked.stderr
    assert place.plan() == {"b": ["missing"]}
    assert place.materialize()["succeeded"] == ["b"]
