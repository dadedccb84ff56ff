"""Promises of the model, each held against the real command line, real processes, real DuckDB and real files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from support.place import DUCKDB, Place, is_alive, watchdog_of

from assets_cli.project import Project


def events(done: dict[str, object], kind: str) -> list[dict[str, object]]:
    """The events of one kind of a run."""
    return [event for event in done["events"] if event["event"] == kind]


def details(done: dict[str, object]) -> dict[str, str]:
    """What was said of each step that ended."""
    return {event["asset"]: event["detail"] for event in events(done, "step_finished")}


def die_at(place: Place, patch: str, **environment: str) -> None:
    """Materialize in a process that kills itself where `patch` says."""
    place.write(
        "die.py",
        f"""
        import os, sys
        from assets_cli.running.ledger import Ledger
        from assets_cli.running.step import _Performance
        die = lambda *_, **__: os.kill(os.getpid(), 9)
        async def after(work):
            await work
            die()
        {patch}
        from assets_cli.__main__ import main
        sys.argv = ["assets", "materialize"]
        main()
        """,
    )
    done = subprocess.run(
        [sys.executable, "die.py"],
        cwd=place.root,
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == -signal.SIGKILL


AFTER_PREPARED = "before = _Performance._prepare; _Performance._prepare = lambda *a: after(before(*a))"
AFTER_PUBLISHED = "Ledger.record = die"


# -- recovery ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("materialization", ["table", "view"])
def test_killed_before_publishing_it_is_made_again(place, materialization):
    """What was prepared and not published is not taken for done, although an older one is there."""

    def declare(number: int) -> None:
        output = f"{{table: t, materialization: {materialization}}}"
        place.assets(f'- {{name: t, command: {{sql: "select {number} as x"}}, output: {output}}}', DUCKDB)

    declare(1)
    place.materialize()
    declare(2)
    die_at(place, AFTER_PREPARED)
    assert place.query("select x from t") == [(1,)]

    done = place.materialize()

    run = json.loads(place.call("runs", "--json").stdout)["runs"][1]["run"]
    warnings = [event["message"] for event in events(done, "warning")]
    assert warnings == [f"run {run} had died; it is on record as crashed now"]
    assert (done["succeeded"], done["unchanged"]) == (["t"], [])
    assert place.query("select x from t") == [(2,)]
    assert events(place.materialize(), "warning") == []
    assert place.plan() == {}


def test_recovery_does_without_a_variable_that_is_gone(place):
    """What cannot be looked at any more is not taken for done, and nothing breaks."""
    place.assets(
        '- {name: t, command: {sql: "select 1 as x"}, output: {table: t}}',
        "connections:\n  w: {type: duckdb, path: '${env.HERE}/w.duckdb'}\n",
    )
    die_at(place, AFTER_PUBLISHED, HERE=str(place.root))

    done = place.materialize()
    assert (done["exit"], done["failed"]) == (1, ["t"])
    assert details(done) == {"t": "the environment variable HERE is not set, connection w uses it"}
    assert place.materialize(HERE=str(place.root))["succeeded"] == ["t"]


def test_a_version_declared_in_sql_is_asked_again_after_a_death(place):
    """Its answer is known only after publishing, so that nothing is promoted with another version."""
    place.assets(
        '- {name: t, command: {sql: "select 1 as x"}, output: {table: t}, data_version: {sql: "select 42"}}', DUCKDB
    )
    die_at(place, AFTER_PUBLISHED)

    assert place.materialize()["succeeded"] == ["t"]
    assert place.materialize("--force")["unchanged"] == ["t"]


def test_recovery_ends_the_commands_of_a_dead_run(place):
    """Where the watchdog was killed too, the next run ends what is left before it starts anything on the same asset."""
    place.assets('- {name: a, command: {shell: "echo $$ >> pids; test -e quick || sleep 60; echo $$ >> ended"}}')
    process = place.start("materialize")
    place.wait_for("pids")
    time.sleep(0.1)
    os.kill(watchdog_of(process.pid), signal.SIGKILL)
    process.kill()
    process.communicate(timeout=30)
    orphan = int((place.root / "pids").read_text())
    assert is_alive(orphan)
    place.write("quick", "")

    assert place.materialize()["succeeded"] == ["a"]
    assert not is_alive(orphan)
    assert str(orphan) not in (place.root / "ended").read_text().split()


def test_the_watchdog_ends_what_a_dead_run_leaves(place):
    """SIGKILL of the coordinator alone: its commands, and what they started, are gone at once, without a next run."""
    place.assets("- {name: a, command: {shell: \"sh -c 'sleep 60; exit 1' & echo $! > child; echo $$ > pid; wait\"}}")
    process = place.start("materialize")
    place.wait_for("pid")
    time.sleep(0.1)
    pids = [int((place.root / name).read_text()) for name in ("pid", "child")]
    process.kill()
    process.communicate(timeout=30)
    deadline = time.monotonic() + 10
    while any(map(is_alive, pids)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


# -- locks -----------------------------------------------------------------------------------------------------------


READERS = """
- {name: raw, command: {shell: "echo 1 > raw.txt"}, output: {path: raw.txt}}
- name: slow
  upstreams: [raw]
  command: {shell: "touch started; while test ! -e go; do sleep 0.02; done"}
- {name: quick, upstreams: [raw], command: {shell: "cat raw.txt"}}
"""


def test_readers_share_an_upstream_and_its_writer_waits_for_them(place):
    """A second reader need not wait; whoever would write what is being read has to, and says for whom."""
    place.assets(READERS)
    place.materialize("raw")
    reading = place.start("materialize", "slow")
    place.wait_for("started")

    assert events(place.materialize("quick"), "step_waiting") == []
    writing = place.start("materialize", "raw", "--force", "--json")
    waiting = None
    while waiting is None:
        event = json.loads(writing.stdout.readline())
        waiting = event if event["event"] == "step_waiting" else None
        assert event["event"] != "run_finished"
    place.write("go", "")
    writing.communicate(timeout=30)
    reading.communicate(timeout=30)

    assert waiting["holder"] == "a step that reads it"
    assert (writing.returncode, reading.returncode) == (0, 0)


def test_a_database_file_is_a_mutex_between_processes(place):
    """A step that touches the same DuckDB file waits, although it has nothing else to do with the other one."""
    place.write(
        "slow.py",
        """
        import duckdb, pathlib, time
        with duckdb.connect("w.duckdb") as w:
            w.execute("create or replace table slow as select 1 as x")
            pathlib.Path("started").touch()
            while not pathlib.Path("go").exists():
                time.sleep(0.02)
        """,
    )
    place.assets(
        """
        - {name: slow, command: {shell: "$PYTHON slow.py"}, output: {table: slow}, env: {PYTHON: "${vars.python}"}}
        - {name: other, command: {sql: "select 2 as x"}, output: {table: other}}
        """,
        f"vars: {{python: {sys.executable}}}\n{DUCKDB}",
    )
    writing = place.start("materialize", "slow")
    place.wait_for("started")
    other = place.start("materialize", "other", "--json")
    lines = []
    while not lines or lines[-1]["event"] not in ("step_waiting", "run_finished"):
        lines.append(json.loads(other.stdout.readline()))
    place.write("go", "")
    other.communicate(timeout=60)
    writing.communicate(timeout=60)

    assert lines[-1]["event"] == "step_waiting"
    assert "materializing slow" in lines[-1]["holder"]
    assert (other.returncode, writing.returncode) == (0, 0)
    assert place.plan() == {}


def test_what_another_run_did_between_plan_and_run_is_not_done_again(place):
    """It is skipped as done by that run."""
    place.assets('- {name: a, command: {shell: "echo x >> count; cp count a.txt"}, output: {path: a.txt}}')
    late = Project.open(place.root)
    plan = late.plan()
    run = place.materialize()["run"]

    seen: list[object] = []
    assert late.materialize(plan, listeners=(seen.append,)).skipped == ("a",)
    assert f"done by run {run} meanwhile" in [getattr(event, "detail", None) for event in seen]
    assert (place.root / "count").read_text() == "x\n"


def test_what_was_mended_between_plan_and_run_is_skipped(place):
    """The causes are evaluated again under the lock, from the output and the code as they are then."""
    place.write("code", "1")
    place.assets(
        '- {name: a, code: [code], command: {shell: "echo x >> count; echo 1 > a.txt"}, output: {path: a.txt}}'
    )
    place.materialize()
    place.write("a.txt", "tampered\n")
    place.write("code", "2")
    project = Project.open(place.root)
    plan = project.plan()
    place.write("a.txt", "1\n")
    place.write("code", "1")

    assert [[cause.kind for cause in step.causes] for step in plan.steps] == [["code_changed", "output_changed"]]
    seen: list[object] = []
    assert project.materialize(plan, listeners=(seen.append,)).skipped == ("a",)
    assert "nothing is left to do" in [getattr(event, "detail", None) for event in seen]
    assert (place.root / "count").read_text() == "x\n"


# -- what a plan holds -------------------------------------------------------------------------------------------------


CHAIN = """
- {name: a, command: {shell: "echo a >> order; echo a > a.txt"}, output: {path: a.txt}}
- {name: b, upstreams: [a], command: {shell: "echo b >> order; cat a.txt > b.txt"}, output: {path: b.txt}}
- {name: c, upstreams: [b], command: {shell: "echo c >> order; cat b.txt > c.txt"}, output: {path: c.txt}}
"""


def test_flags_add_all_ancestors_or_descendants_and_force_only_what_is_named(place):
    """Not just the next ones; what the flags add runs for causes of its own."""
    place.assets(CHAIN)
    assert list(place.plan("c", "--upstream")) == ["a", "b", "c"]
    assert list(place.plan("a", "--downstream")) == ["a", "b", "c"]
    place.materialize()

    assert place.plan("c", "--upstream", "--force") == {"c": ["forced"]}
    assert place.plan("a", "--downstream", "--force") == {
        "a": ["forced"],
        "b": ["upstream_stale"],
        "c": ["upstream_stale"],
    }
    done = place.materialize("b", "--force")
    assert (done["succeeded"], done["unchanged"]) == (["b"], ["b"])


def test_the_longest_remaining_path_starts_first(place):
    """With one job, a chain starts before an asset that nothing waits for, wherever it is declared."""
    place.assets('- {name: alone, command: {shell: "echo alone >> order"}}' + CHAIN)

    place.materialize("--jobs", "1")

    assert (place.root / "order").read_text().split() == ["a", "b", "alone", "c"]


def test_no_more_steps_at_once_than_jobs(place):
    """Each step sees only its own mark."""
    script = "mkdir running; sleep 0.05; rmdir running"
    place.assets("".join(f'- {{name: a{i}, command: {{shell: "{script}"}}}}\n' for i in range(4)))

    assert place.materialize("--jobs", "1")["failed"] == []


def test_a_step_that_waits_for_a_database_fills_no_slot(place):
    """With two jobs, what needs no database runs beside the one that holds the file."""
    create = "create table one as select 1 as x"
    place.write("one.py", f"import duckdb\nopen('go').close()\nduckdb.connect('w.duckdb').execute('{create}')\n")
    place.assets(
        f"""
        - name: one
          command: {{shell: "for i in $(seq 500); do test -e go || sleep 0.02; done; {sys.executable} one.py"}}
          output: {{table: one}}
        - {{name: two, command: {{sql: "select 2 as x"}}, output: {{table: two}}}}
        - {{name: three, command: {{shell: "touch go"}}}}
        """,
        DUCKDB,
    )

    assert place.materialize("--jobs", "2")["failed"] == []


def test_what_is_left_stale_below_is_said_at_the_end(place):
    """Also by a run that came out unchanged: its reader still holds an older version."""
    place.write("s", "1")
    place.assets(
        """
        - {name: a, code: [s], command: {shell: "cat s > a.txt"}, output: {path: a.txt}}
        - {name: b, upstreams: [a], command: {shell: "cat a.txt > b.txt"}, output: {path: b.txt}}
        """
    )
    place.materialize()
    assert place.materialize("a", "--force")["still_stale"] == []
    place.write("s", "2")

    assert place.materialize("a")["still_stale"] == ["b"]
    assert place.materialize("a", "--force")["still_stale"] == ["b"]


def test_max_lag_of_nothing_means_every_run(place):
    """The root is overdue at once; under the lock the promise is asked again, and still stands."""
    place.assets(
        """
        - {name: a, command: {shell: "echo 1 > a.txt"}, output: {path: a.txt}, freshness: {max_lag: 0s}}
        - {name: b, upstreams: [a], command: {shell: "cat a.txt > b.txt"}, output: {path: b.txt}}
        """
    )
    place.materialize()
    assert place.plan() == {"a": ["overdue"], "b": ["upstream_stale"]}

    done = place.materialize()

    assert (done["succeeded"], done["unchanged"], done["skipped"]) == (["a"], ["a"], ["b"])
    assert place.call("plan", "--exit-code").returncode == 3
    assert place.call("plan", "b", "--exit-code").returncode == 0


def test_a_changed_declaration_of_the_output_is_a_change_of_code_and_no_drift(place):
    """The same content elsewhere is unchanged to those who read it."""
    command = 'command: {shell: "echo 1 > $ASSETS_OUTPUT"}'
    place.assets(f"- {{name: a, {command}, output: {{path: a.txt}}}}")
    place.materialize()
    place.assets(f"- {{name: a, {command}, output: {{path: sub/b.txt}}}}")

    assert place.plan() == {"a": ["code_changed"]}
    assert place.materialize()["unchanged"] == ["a"]
    assert place.plan() == {}


def test_questions_write_no_state(place):
    """Not even a state file, and none where a run died; where `--state` and ASSETS_STATE point is the state."""
    place.assets(CHAIN)
    questions = [("plan",), ("why", "a"), ("list",), ("lineage", "a"), ("runs",)]
    for question in questions:
        assert place.call(*question).returncode == 0, question
    assert not (place.root / ".assets/state.db").exists()

    die_at(place, AFTER_PUBLISHED)
    state = place.root / ".assets/state.db"
    before = state.read_bytes(), (place.root / ".assets/state.db-wal").read_bytes()
    for question in questions[::4]:
        assert place.call(*question).returncode == 0, question
    assert before[0] == state.read_bytes()
    assert before[1] in ((place.root / ".assets/state.db-wal").read_bytes(), b"")

    place.materialize()
    missing = {"a": ["missing"], "b": ["missing", "upstream_stale"], "c": ["missing", "upstream_stale"]}
    assert place.plan("--state", "other.db") == missing
    assert place.plan(ASSETS_STATE="other.db") == missing
    assert place.plan("--state", ".assets/state.db", ASSETS_STATE="other.db") == {}
    assert not (place.root / "other.db").exists()


# -- how a step ends ---------------------------------------------------------------------------------------------------


def test_interruption_rules_whatever_else_happened(place):
    """A step that failed before makes no difference; SIGTERM is as good as Ctrl-C."""
    place.assets(
        """
        - {name: bad, command: {shell: "exit 1"}}
        - {name: below, upstreams: [bad], command: {shell: "true"}}
        - {name: slow, command: {shell: "touch started; sleep 60"}}
        """
    )
    process = place.start("materialize", "--json", "--jobs", "2")
    failed = False
    while not failed:
        event = json.loads(process.stdout.readline())
        failed = event["event"] == "step_finished" and event["asset"] == "below"
    place.wait_for("started")
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)

    end = json.loads(out.splitlines()[-1])
    assert (process.returncode, end["status"]) == (130, "cancelled")
    assert (end["failed"], end["blocked"], end["cancelled"]) == (["bad"], ["below"], ["slow"])


def test_interrupted_while_it_waits(place):
    """For a lock that another run holds, or for the next attempt: both end at once, and the other run goes on."""
    place.assets(
        """
        - {name: slow, command: {shell: "touch started; while test ! -e go; do sleep 0.02; done"}}
        - {name: flaky, command: {shell: "exit 1"}, retries: {max: 1, delay: 1h}}
        """
    )
    holder = place.start("materialize", "slow")
    place.wait_for("started")
    process = place.start("materialize", "--json", "--jobs", "2")
    awaited = {"step_waiting", "step_retrying"}
    while awaited:
        awaited.discard(json.loads(process.stdout.readline())["event"])
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    place.write("go", "")
    holder.communicate(timeout=30)

    end = json.loads(out.splitlines()[-1])
    assert (process.returncode, end["cancelled"], end["failed"]) == (130, ["slow", "flaky"], [])
    assert holder.returncode == 0
    assert place.plan() == {"flaky": ["missing", "last_run_failed"]}


def test_history_that_cannot_be_written_stops_the_run(place):
    """What runs is ended first; the error is said without a traceback, and nothing counts as done."""
    place.assets(
        """
        - {name: quick, command: {shell: "while test ! -e started; do sleep 0.02; done"}}
        - {name: slow, command: {shell: "echo $$ > pid; mv pid started; sleep 60"}}
        - {name: later, upstreams: [quick], command: {shell: "true"}}
        """
    )
    place.write(
        "full.py",
        """
        import sys
        from assets_cli.model.problem import AssetsError, Problem
        from assets_cli.running.ledger import Ledger
        def fail(*_, **__):
            raise AssetsError(Problem("A0506", "the disk is full"))
        Ledger.record = fail
        from assets_cli.__main__ import main
        sys.argv = ["assets", "materialize", "--jobs", "2"]
        main()
        """,
    )
    done = subprocess.run(
        [sys.executable, "full.py"], cwd=place.root, capture_output=True, text=True, check=False, timeout=40
    )

    assert done.returncode == 2
    assert "error[A0506]: the disk is full" in done.stderr
    assert "Traceback" not in done.stderr
    assert not is_alive(int((place.root / "started").read_text()))
    assert place.plan() == {
        "quick": ["missing", "last_run_failed"],
        "slow": ["missing", "last_run_failed"],
        "later": ["missing", "upstream_stale"],
    }


def test_fail_fast_starts_nothing_new(place):
    """What has not started is cancelled without an attempt, which is no failure of its own."""
    place.assets(
        """
        - {name: bad, command: {shell: "exit 1"}}
        - {name: below, upstreams: [bad], command: {shell: "true"}}
        - {name: end, upstreams: [below], command: {shell: "true"}}
        - {name: other, command: {shell: "true"}}
        """
    )

    done = place.materialize("--fail-fast", "--jobs", "1")

    assert (done["exit"], done["status"]) == (1, "failed")
    assert (done["failed"], done["blocked"], done["cancelled"]) == (["bad"], ["below", "end"], ["other"])
    assert place.plan()["other"] == ["missing"]
    assert place.plan()["below"] == ["missing", "upstream_stale"]


def test_delays_between_attempts_grow_and_timeouts_are_tried_again(place):
    """Exponential: each delay is twice the one before; constant ones stay as they are; chance adds up to a quarter."""
    place.assets(
        """
        - {name: a, command: {shell: "exit 1"}, retries: {max: 2, delay: 10ms, backoff: exponential}}
        - {name: b, command: {shell: "sleep 60"}, timeout: 100ms, retries: {max: 1, delay: 10ms}}
        """
    )

    done = place.materialize()

    waits = [(event["asset"], event["delay_seconds"]) for event in events(done, "step_retrying")]
    expected = [("a", 0.01), ("a", 0.02), ("b", 0.01)]
    assert [name for name, _ in sorted(waits)] == [name for name, _ in expected]
    assert all(least <= waited <= 1.25 * least for (_, waited), (_, least) in zip(sorted(waits), expected, strict=True))
    attempts = json.loads(place.call("runs", "latest", "--json").stdout)["attempts"]
    assert [each["state"] for each in attempts if each["asset"] == "b"] == ["timed_out", "timed_out"]


def test_code_mended_between_attempts_is_what_is_recorded(place):
    """Each attempt runs the code of its own moment, and so is no change afterwards."""
    place.write("a.sh", "mv mended.sh a.sh; exit 1\n")
    place.write("mended.sh", "echo 1 > a.txt\n")
    place.assets(
        '- {name: a, command: {shell: "sh a.sh"}, output: {path: a.txt}, retries: {max: 1, delay: 0s}}',
    )

    assert place.materialize()["succeeded"] == ["a"]
    assert place.plan() == {}


def test_a_command_that_cannot_start_fails_alone(place):
    """A file where a folder must be, a variable that is not set: results of their steps, and the others go on."""
    place.write("data", "a file")
    place.assets(
        """
        - {name: room, command: {shell: "true"}, output: {path: data/a.txt}}
        - {name: unset, command: {shell: "true"}, output: {table: t, connection: u}}
        - {name: other, command: {sql: "select 1 as x"}, output: {table: t, connection: w}}
        """,
        "connections:\n  w: {type: duckdb, path: w.duckdb}\n  u: {type: duckdb, path: '${env.UNSET_ONE}/w.duckdb'}\n",
    )

    done = place.materialize()

    assert (done["exit"], done["failed"], done["succeeded"]) == (1, ["room", "unset"], ["other"])
    assert details(done) == {
        "room": "the folder of data/a.txt cannot be made: file exists",
        "unset": "the environment variable UNSET_ONE is not set, connection u uses it",
        "other": "",
    }


def test_warnings_of_an_untouched_output_and_of_a_child_that_got_away(place):
    """Neither stops anything."""
    place.assets(
        """
        - {name: same, command: {shell: "true"}, output: {path: same.txt}}
        - name: away
          command: {shell: "python away.py; while test ! -e gone; do sleep 0.02; done"}
        """
    )
    place.write("same.txt", "1")
    place.write("away.py", "import os, time\nos.fork() or (os.setsid(), open('gone', 'w'), time.sleep(3))\n")

    done = place.materialize()

    assert done["succeeded"] == ["same", "away"]
    assert sorted((event["asset"], event["message"]) for event in events(done, "warning")) == [
        (
            "away",
            "a process that the command started left its process group and still runs; assets cannot end it",
        ),
        ("same", "the command left same.txt untouched"),
    ]


# -- versions ----------------------------------------------------------------------------------------------------------


def reader(name: str) -> str:
    """An asset below, which runs only for another version."""
    return f'- {{name: below_{name}, upstreams: [{name}], command: {{shell: "true"}}}}\n'


def test_what_each_data_version_compares(place):
    """Forced again with the same or with another content: who is unchanged, and which readers run."""
    same, other = "echo 1 > $ASSETS_OUTPUT", "date +%N > $ASSETS_OUTPUT"
    assets = {
        "default_same": (same, ""),
        "content_same": (same, "data_version: content"),
        "always_same": (same, "data_version: always"),
        "stat_same": (same, "data_version: stat"),
        "asked_other": (other, "data_version: {sql: 'select 1'}"),
        "default_other": (other, ""),
    }
    text = "".join(
        f'- {{name: {name}, command: {{shell: "{command}"}}, output: {{path: {name}.txt}}, {version}}}\n'
        for name, (command, version) in assets.items()
    )
    text += '- {name: no_output, command: {shell: "true"}}\n'
    names = [*assets, "no_output"]
    import duckdb

    duckdb.connect(place.root / "w.duckdb").close()
    place.assets(text + "".join(map(reader, names)), DUCKDB)
    assert place.materialize()["failed"] == []

    done = place.materialize(*names, "--force", "--downstream")

    unchanged = ["default_same", "content_same", "asked_other"]
    assert [name for name in done["unchanged"] if name in names] == unchanged
    assert done["skipped"] == [f"below_{name}" for name in unchanged]


def test_a_view_has_the_version_of_its_code_and_of_what_it_reads(place):
    """Made again it is unchanged; over other rows it is another, although nobody rewrote it; comments don't count."""
    place.write("v.sql", "select x from t")
    tables = """
        - {{name: t, command: {{sql: "select {} as x"}}, output: {{table: t}}}}
        - {{name: v, upstreams: [t], command: {{sql: v.sql}}, output: {{table: v, materialization: view}}}}
        - {{name: end, upstreams: [v], command: {{shell: "true"}}}}
        """
    place.assets(tables.format(1), DUCKDB)
    place.materialize()
    place.write("v.sql", "-- what it is\nSELECT x FROM t")
    done = place.materialize("v", "--force", "--downstream")
    assert (done["unchanged"], done["skipped"]) == (["v"], ["end"])

    place.assets(tables.format(2), DUCKDB)
    assert place.materialize()["succeeded"] == ["t", "v", "end"]


def test_shell_commands_and_scripts_may_write_any_table(place):
    """What they did to the table of another asset is noticed; a declared table that they leave out is a failure."""
    place.write("w.py", "import duckdb, sys\nduckdb.connect('w.duckdb').execute(sys.argv[1])\n")
    place.assets(
        """
        - {name: one, command: {sql: "select 1 as x"}, output: {table: one}}
        - {name: two, command: {sql: "select 1 as x"}, output: {table: two}}
        - {name: three, upstreams: [one], command: {shell: "${vars.python} w.py 'update one set x = 5'"}}
        - name: four
          upstreams: [two]
          command: {sql: "create or replace table four as select 4 as x; update two set x = 5"}
          output: {table: four, materialization: script}
        - {name: five, command: {shell: "true"}, output: {table: five}}
        """,
        f"vars: {{python: {sys.executable}}}\n{DUCKDB}",
    )

    place.materialize("two", "four")
    assert place.plan("two") == {"two": ["output_changed"]}
    done = place.materialize("one", "three", "five")

    assert details(done)["five"] == "the command ended well but left no table five"
    assert place.plan("one", "two") == {"one": ["output_changed"], "two": ["output_changed"]}


def test_a_glob_or_a_directory_may_be_an_output(place):
    """A file more is a change by somebody else; the variable holds the pattern for the reader's shell."""
    place.assets(
        """
        - {name: parts, command: {shell: "mkdir -p d; echo 1 > d/1.csv; echo 2 > d/2.csv"}, output: {path: "d/*.csv"}}
        - name: all
          upstreams: [parts]
          command: {shell: "cat $ASSETS_UPSTREAM_PARTS > all.txt"}
          output: {path: all.txt}
        - {name: dir, command: {shell: "mkdir -p e; echo 1 > e/1"}, output: {path: e/}}
        """
    )
    assert place.materialize()["failed"] == []
    assert (place.root / "all.txt").read_text() == "1\n2\n"
    assert place.plan() == {}

    place.write("d/3.csv", "3")
    place.write("d/other.txt", "no part of it")
    place.write("e/sub/2", "2")

    assert place.plan() == {"parts": ["output_changed"], "all": ["upstream_stale"], "dir": ["output_changed"]}


# -- what a command finds ----------------------------------------------------------------------------------------------


def test_what_a_shell_command_finds(place):
    """Variables, working directory, no input; what `env` says comes last, and the environment is inherited whole."""
    place.write("made", "1")
    shown = ["ASSET", "RUN_ID", "ENV", "OUTPUT", "UPSTREAM_RAW_DAILY_1", "UPSTREAM_T"]
    lines = "; ".join(f'echo "${{ASSETS_{name}-unset}}"' for name in shown)
    place.assets(
        f"""
        - {{name: raw/daily-1, command: {{shell: "echo 1 > $ASSETS_OUTPUT"}}, output: {{path: raw/1.txt}}}}
        - {{name: t, command: {{sql: "select 1 as x"}}, output: {{table: t}}}}
        - name: a.b
          upstreams: [raw/daily-1, t]
          command:
            shell: |
              {{ {lines}; pwd; cat; echo $INHERITED $OWN; python -c 'print(1)'; }} > $ASSETS_OUTPUT
          env: {{OWN: mine}}
          output: {{path: out/deep/a.txt}}
        """,
        DUCKDB,
    )

    done = place.materialize(INHERITED="theirs", OWN="theirs")

    assert done["failed"] == [], details(done)
    root = str(place.root)
    assert (place.root / "out/deep/a.txt").read_text().splitlines() == [
        "a.b",
        done["run"],
        "default",
        f"{root}/out/deep/a.txt",
        f"{root}/raw/1.txt",
        "t",
        root,
        "theirs mine",
        "1",
    ]


def test_a_command_has_no_input(place):
    """What is typed or piped is not for it."""
    place.assets('- {name: a, command: {shell: "cat > a.txt"}, output: {path: a.txt}}')

    command = [sys.executable, "-m", "assets_cli", "materialize"]
    done = subprocess.run(command, cwd=place.root, input=b"typed\n", capture_output=True, check=False, timeout=60)

    assert done.returncode == 0
    assert (place.root / "a.txt").read_bytes() == b""


def test_secrets_are_masked_wherever_they_could_be_seen(place):
    """From six characters on: in reasons, metadata, logs; a shorter one would hide half of every log."""
    place.write("f.py", "import os\ndef make(context):\n    raise ValueError('no ' + os.environ['LONG'])\n")
    place.assets(
        """
        - name: told
          command: {shell: "echo $LONG $SHORT; echo '{\\"metadata\\": {\\"key\\": \\"'$LONG'\\"}}' > $ASSETS_RESULT"}
          env: {LONG: "${env.LONG}", SHORT: "${env.SHORT}"}
        - {name: failed, command: {python: "f:make"}, env: {LONG: "${env.LONG}"}}
        """
    )

    done = place.materialize(LONG="s3cret", SHORT="hidde")  # the folder's name holds the word itself

    assert done["failed"] == ["failed"]
    assert details(done)["failed"] == "ValueError: no *** (f.py:3)"
    assert place.call("logs", "latest", "told").stdout.strip() == "*** hidde"
    everything = [path for path in (place.root / ".assets").rglob("*") if path.is_file()]
    assert [path.name for path in everything if b"s3cret" in path.read_bytes()] == []
