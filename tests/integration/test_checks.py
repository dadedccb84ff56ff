"""Checks through the real command line: what blocks, what unblocks, what is on record and on the screen."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from support.place import DUCKDB, Place

from assets_cli.manifest.schemas import schema_text
from assets_cli.project import Project


class Shop(Place):
    """A project whose tables are in a DuckDB file, unless `head` says otherwise."""

    def assets(self, assets: str, head: str = DUCKDB) -> None:
        """Write the manifest."""
        super().assets(assets, head)

    def call(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `assets`, eighty columns wide."""
        return super().call(*arguments, **{"COLUMNS": "80", **environment})

    def materialize(self, *arguments: str, **environment: str) -> dict[str, Any]:
        """The last event of a run, with its checks under `checks` as `{asset: {check: passed}}`."""
        done = self.call("materialize", "--json", *arguments, **environment)
        assert done.stdout, done.stderr
        events = [json.loads(line) for line in done.stdout.splitlines()]
        for event in events:
            jsonschema.validate(event, json.loads(schema_text("run-events")))
        finished = {event["asset"]: event for event in events if event["event"] == "step_finished"}
        found = {name: {each["name"]: each["passed"] for each in one["checks"]} for name, one in finished.items()}
        return {**events[-1], "steps": finished, "checks": found, "exit": done.returncode}

    def check(self, *arguments: str) -> dict[str, Any]:
        """What `assets check --json` says, with its exit code."""
        done = self.call("check", "--json", *arguments)
        assert done.stdout, done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        jsonschema.validate(document, json.loads(schema_text("check")))
        return {**document, "exit": done.returncode, "of": {one["asset"]: one for one in document["assets"]}}

    def plan(self, *arguments: str) -> dict[str, tuple[str, list[str]]]:
        """The plan as `{asset: (kind, [cause kinds])}`."""
        done = self.call("plan", "--json", *arguments)
        assert done.returncode == 0, done.stderr
        steps = json.loads(done.stdout)["steps"]
        return {step["asset"]: (step["kind"], [cause["kind"] for cause in step["causes"]]) for step in steps}

    def is_blocked(self, name: str) -> tuple[bool, bool]:
        """Whether the latest materialization is blocked, and whether an earlier one is used instead."""
        facts = Project.open(self.root)._parts.reader.snapshot("default").of(name)
        assert facts.materialization is not None
        return facts.materialization.blocked, facts.usable is not None and facts.usable != facts.materialization


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """An empty project."""
    return Shop(tmp_path)


GUARDED = """
    - name: raw
      command: {shell: "cp source.csv $ASSETS_OUTPUT; echo made >> made.txt"}
      code: [source.csv]
      output: {path: raw.csv}
      checks:
        - {name: agreed, shell: "test -e agreed", blocking: true}
        - {row_count: {min: 1}}
    - name: orders
      upstreams: [raw]
      command: {sql: "select * from read_csv('raw.csv')"}
      output: {table: orders}
"""


def test_a_blocking_failure_stops_what_is_below(shop):
    """The step fails, its attempt has succeeded, nothing below runs, then or later."""
    shop.write("source.csv", "id\n1\n")
    shop.assets(GUARDED)
    run = shop.materialize()
    assert (run["failed"], run["blocked"], run["status"], run["exit"]) == (["raw"], ["orders"], "failed", 1)
    assert run["checks"] == {"raw": {"agreed": False, "row_count": True}, "orders": {}}
    assert run["checks_failed"] == [{"asset": "raw", "check": "agreed"}]
    assert run["steps"]["raw"]["detail"] == "blocking check agreed failed: exit code 1"
    assert shop.is_blocked("raw") == (True, False)
    assert shop.plan() == {"raw": ("check", ["check_failed"]), "orders": ("materialize", ["missing", "upstream_stale"])}
    refused = shop.call("materialize", "orders")
    assert refused.returncode == 2
    assert "its upstream raw is not selected and is blocked" in refused.stderr


def test_what_passes_again_is_unblocked_without_its_command(shop):
    """A step of kind check; what is below goes on."""
    shop.write("source.csv", "id\n1\n")
    shop.assets(GUARDED)
    shop.materialize()
    shop.write("agreed", "")
    run = shop.materialize()
    assert (run["succeeded"], run["exit"]) == (["raw", "orders"], 0)
    assert run["checks"]["raw"] == {"agreed": True}
    assert run["steps"]["raw"]["detail"] == "unblocked: its blocking checks pass"
    assert (shop.root / "made.txt").read_text() == "made\n"
    assert shop.plan() == {}
    assert shop.is_blocked("raw") == (False, False)


def test_what_still_fails_is_made_again(shop):
    """The checks are evaluated first; then the command runs, and they are evaluated on what it made."""
    shop.write("source.csv", "id\n1\n")
    shop.assets(GUARDED)
    shop.materialize()
    run = shop.materialize()
    assert (run["failed"], run["blocked"]) == (["raw"], ["orders"])
    assert (shop.root / "made.txt").read_text() == "made\n" * 2


def test_a_check_that_left_the_manifest_stops_counting(shop):
    """Nothing is left to fail: unblocked, the command does not run."""
    shop.write("source.csv", "id\n1\n")
    shop.assets(GUARDED)
    shop.materialize()
    shop.assets(GUARDED.replace('- {name: agreed, shell: "test -e agreed", blocking: true}', ""))
    assert shop.plan()["raw"] == ("check", ["check_failed"])
    run = shop.materialize()
    assert (run["succeeded"], run["exit"], run["checks"]["raw"]) == (["raw", "orders"], 0, {})
    assert run["steps"]["raw"]["detail"] == "unblocked: no blocking check is left"
    assert (shop.root / "made.txt").read_text() == "made\n"


def test_a_change_of_checks_is_no_change_of_code(shop):
    """A new check runs nothing by itself."""
    shop.write("source.csv", "id\n1\n")
    shop.write("agreed", "")
    shop.assets(GUARDED)
    shop.materialize()
    shop.assets(GUARDED.replace("min: 1", "min: 5").replace("row_count", "name: few, row_count"))
    assert shop.plan() == {}


def test_downstream_stays_on_what_was_usable(shop):
    """A blocked version is not read: orders keeps the one before, and is current again when that is unblocked."""
    shop.write("source.csv", "id\n1\n")
    shop.write("agreed", "")
    shop.assets(GUARDED)
    shop.materialize()
    (shop.root / "agreed").unlink()
    shop.write("source.csv", "id\n1\n2\n")
    run = shop.materialize()
    assert (run["failed"], run["blocked"]) == (["raw"], ["orders"])
    assert shop.is_blocked("raw") == (True, True)
    shop.write("agreed", "")
    run = shop.materialize()
    assert run["succeeded"] == ["raw", "orders"]
    assert (run["unchanged"], run["exit"]) == ([], 0)
    assert shop.is_blocked("raw") == (False, False)


def test_a_warning_is_no_failure(shop):
    """Exit code 0, status succeeded; it is said all the same."""
    shop.assets("""
        - name: raw
          command: {shell: "printf 'id\\n1\\n' > $ASSETS_OUTPUT"}
          output: {path: raw.csv}
          checks: [{row_count: {min: 5}, severity: warn}]
    """)
    done = shop.call("materialize")
    assert done.returncode == 0
    assert "  check warns: row_count: 1 row, expected at least 5\n" in done.stderr
    assert "1 succeeded, 1 check warned in " in done.stderr
    assert shop.call("check").returncode == 0


CSV = """
    - name: raw
      command: {shell: "printf 'id,x\\\\n1,5\\\\n2,\\\\n2,7\\\\n' > $ASSETS_OUTPUT"}
      output: {path: raw.csv}
      checks: [{unique: [id]}, {not_null: [x]}]
    - name: below
      upstreams: [raw]
      command: {shell: "cp raw.csv $ASSETS_OUTPUT"}
      output: {path: below.csv}
"""


def test_an_error_that_does_not_block(shop):
    """All steps succeed, what is below runs, and the run has failed."""
    shop.assets(CSV)
    run = shop.materialize()
    assert (run["succeeded"], run["failed"], run["blocked"]) == (["raw", "below"], [], [])
    assert (run["status"], run["exit"]) == ("failed", 1)
    assert run["checks_failed"] == [{"asset": "raw", "check": "unique(id)"}, {"asset": "raw", "check": "not_null(x)"}]
    found = {each["name"]: each for each in run["steps"]["raw"]["checks"]}
    assert (found["unique(id)"]["failing"], found["unique(id)"]["sample"]) == (1, [{"id": 2, "times": 2}])
    assert (found["not_null(x)"]["failing"], found["not_null(x)"]["sample"]) == (1, [{"x": None, "id": 2}])
    assert shop.materialize()["exit"] == 0, "nothing is stale, so nothing runs"


def test_the_screen_shows_the_first_failing_rows(shop):
    """Below the step, and what to type next at the end."""
    shop.assets(CSV)
    done = shop.call("materialize")
    assert (
        """\
  check failed: unique(id): 1 of 3 rows repeats the id of another
    id  times
    2   2
  check failed: not_null(x): 1 of 3 rows has no value
    x     id
    null  2
"""
        in done.stderr
    )
    assert done.stderr.endswith(
        """\
  check      raw: unique(id)
  check      raw: not_null(x)
next: look into what the checks found, then run assets check raw
"""
    )


def test_checks_alone(shop):
    """`assets check` looks at what is there now, records it, and exits with 1 where one fails."""
    shop.assets(CSV)
    refused = shop.check()
    assert (refused["exit"], refused["run"]) == (2, None)
    assert refused["of"]["raw"]["refused"]["code"] == "A0620"
    shop.materialize()
    found = shop.check()
    assert (found["exit"], found["passed"], found["failed"], found["warned"]) == (1, 0, 2, 0)
    shop.write("raw.csv", "id,x\n1,5\n2,6\n")
    found = shop.check("raw")
    assert (found["exit"], found["passed"], found["failed"]) == (0, 2, 0)
    assert [(each["name"], each["passed"], each["run"]) for each in found["of"]["raw"]["checks"]] == [
        ("unique(id)", True, found["run"]),
        ("not_null(x)", True, found["run"]),
    ]
    shown = json.loads(shop.call("runs", "latest", "--json").stdout)
    assert (shown["run"], shown["status"], shown["steps"][0]["kind"]) == (found["run"], "succeeded", "check")
    assert shop.call("check", "below").stderr == "no selected asset has checks\n"


def test_checks_alone_on_the_screen(shop):
    """An asset a block, then how many there were."""
    shop.assets(CSV)
    shop.materialize()
    done = shop.call("check")
    assert (
        done.stdout
        == """\
raw
  check failed: unique(id): 1 of 3 rows repeats the id of another
    id  times
    2   2
  check failed: not_null(x): 1 of 3 rows has no value
    x     id
    null  2

2 checks of 1 asset: 2 failed
"""
    )


def test_checks_alone_unblock(shop):
    """What was blocked and passes now may be used from now on; a failure blocks nothing that is in use."""
    shop.write("source.csv", "id\n1\n")
    shop.assets(GUARDED)
    shop.materialize()
    assert (shop.check("raw")["exit"], shop.is_blocked("raw")) == (1, (True, False))
    shop.write("agreed", "")
    found = shop.check("raw")
    assert (found["exit"], found["of"]["raw"]["unblocked"]) == (0, True)
    assert shop.plan() == {"orders": ("materialize", ["missing"])}
    (shop.root / "agreed").unlink()
    found = shop.check("raw")
    assert (found["exit"], shop.is_blocked("raw")) == (1, (False, False))
    assert found["of"]["raw"]["note"] == "it stays in use below: only a run blocks what it has made"


def test_an_output_that_was_touched_is_not_unblocked(shop):
    """What is checked is not what is on record: the record stays blocked, and the way out is named."""
    shop.write("source.csv", "id\n")
    shop.assets(GUARDED.replace("- {row_count: {min: 1}}", "- {row_count: {min: 1}, blocking: true}"))
    shop.write("agreed", "")
    assert shop.materialize()["failed"] == ["raw"]
    shop.write("raw.csv", "id\n1\n")
    found = shop.check("raw")
    assert (found["exit"], found["of"]["raw"]["unblocked"], shop.is_blocked("raw")) == (0, False, (True, False))
    assert found["of"]["raw"]["note"].endswith("to adopt it: assets state mark raw")
    assert shop.call("state", "mark", "raw").returncode == 0
    assert shop.plan() == {"orders": ("materialize", ["missing"])}


FUNCTIONS = """
import os

def enough(t: str, raw, context):
    (count,) = context.connection().execute(f"select count(*) from {t}").fetchone()
    assert count > 5, f"only {count} rows"
    return True

def ends():
    os._exit(3)

def rows():
    print("looking at rows")
    return [{"id": 1}, {"id": 2}]

def fine(context):
    return context.asset == "t"
"""


def test_functions(shop):
    """Called with the asset itself and its upstreams; one that ends the process takes only its own result with it."""
    shop.write("looks.py", FUNCTIONS)
    shop.assets("""
        - name: raw
          command: {shell: "echo 1 > $ASSETS_OUTPUT"}
          output: {path: raw.txt}
        - name: t
          upstreams: [raw]
          command: {sql: "select 1 as id"}
          output: {table: t}
          checks:
            - {python: "looks:enough"}
            - {python: "looks:ends"}
            - {python: "looks:rows"}
            - {python: "looks:fine"}
            - {python: "looks:gone", name: gone}
            - {not_null: [id]}
            - {sql: "select * from t where id = ${env.WANTED}", name: wanted}
    """)
    run = shop.materialize(WANTED="123456789")
    found = {each["name"]: each for each in run["steps"]["t"]["checks"]}
    assert {name: (each["passed"], each["message"]) for name, each in found.items()} == {
        "python(looks:enough)": (False, "only 1 rows (looks.py:6)"),
        "python(looks:ends)": (False, "it could not be evaluated: exit code 3"),
        "python(looks:rows)": (False, "it returned 2 items"),
        "python(looks:fine)": (True, ""),
        "gone": (False, "the module looks has no function gone"),
        "not_null(id)": (True, ""),
        "wanted": (True, ""),
    }
    assert found["python(looks:rows)"]["sample"] == [{"id": 1}, {"id": 2}]
    assert "looking at rows" in shop.call("logs", "latest", "t").stdout
    said = " ".join(shop.call("check").stdout.split())
    assert "check failed: wanted: the environment variable WANTED is not set, check wanted uses it" in said


def test_secrets_are_masked_everywhere(shop):
    """In messages, in failing rows, in history, in logs."""
    shop.assets("""
        - name: t
          command: {sql: "select '${env.TOKEN}' as token"}
          output: {table: t}
          checks:
            - {sql: "select token from t where token = '${env.TOKEN}'", name: by_sql}
            - {shell: "echo $TOKEN is bad; exit 1", name: by_shell}
          env: {TOKEN: "${env.TOKEN}"}
    """)
    run = shop.materialize(TOKEN="hunter2hunter2")
    found = {each["name"]: each for each in run["steps"]["t"]["checks"]}
    assert found["by_sql"]["sample"] == [{"token": "***"}]
    assert found["by_shell"]["message"] == "exit code 1: *** is bad"
    assert "hunter2" not in json.dumps(run)
    with sqlite3.connect(shop.root / ".assets/state.db") as state:
        kept = "\n".join(state.iterdump())
    state.close()
    assert "by_shell" in kept
    assert "hunter2" not in kept
    logs = "".join(path.read_text() for path in (shop.root / ".assets/logs").rglob("*.log"))
    assert "*** is bad" in logs
    assert "hunter2" not in logs


def test_interrupted_while_checking(shop):
    """The attempt counts as cancelled, so that the next plan makes it again; nothing unchecked is on record."""
    shop.assets("""
        - name: raw
          command: {shell: "echo 1 > $ASSETS_OUTPUT"}
          output: {path: raw.csv}
          checks: [{shell: "touch checking; sleep 60", blocking: true}]
    """)
    process = subprocess.Popen(
        [sys.executable, "-m", "assets_cli", "materialize", "--json"],
        cwd=shop.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    shop.wait_for("checking")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    last = json.loads(out.splitlines()[-1])
    assert (process.returncode, last["cancelled"], last["succeeded"]) == (130, ["raw"], [])
    assert shop.plan() == {"raw": ("materialize", ["missing", "last_run_failed"])}


def test_killed_while_checking(shop):
    """A table that was published but not yet checked is blocked, not trusted: its checks are evaluated first."""
    shop.assets("""
        - name: t
          command: {sql: "select 1 as id"}
          output: {table: t}
          checks: [{shell: "touch checking; test -e go || sleep 60", blocking: true}]
    """)
    process = subprocess.Popen(
        [sys.executable, "-m", "assets_cli", "materialize"],
        cwd=shop.root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    shop.wait_for("checking")
    process.kill()
    process.wait(30)
    shop.write("go", "")
    run = shop.materialize()
    assert (run["succeeded"], run["exit"]) == (["t"], 0)
    assert run["steps"]["t"]["detail"] == "unblocked: its blocking checks pass"
    assert shop.is_blocked("t") == (False, False)


def test_sqlite_and_external_assets(shop):
    """A table in SQLite; an external file, which is checked alone since nobody materializes it here."""
    shop.write("given.csv", "id\n1\n1\n")
    shop.assets(
        """
        - name: given
          output: {path: given.csv}
          checks: [{unique: [id]}]
        - name: t
          command: {sql: "select 1 as id union all select null"}
          output: {table: t}
          checks: [{not_null: [id]}]
        """,
        head="connections:\n  w: {type: sqlite, path: w.sqlite}\n",
    )
    run = shop.materialize()
    assert run["checks"] == {"t": {"not_null(id)": False}}
    found = shop.check("given", "t")
    assert [one["checks"][0]["message"] for one in found["assets"]] == [
        "1 of 2 rows repeats the id of another",
        "1 of 2 rows has no value",
    ]


def test_validate_finds_what_is_missing(shop):
    """A function, a module, a query's file: with places, before anything runs."""
    shop.write("looks.py", "def enough():\n    pass\n")
    shop.assets("""
        - name: t
          command: {shell: "true"}
          checks:
            - {python: "looks:enuogh"}
            - {python: "loks:enough"}
            - {python: "looks:enough"}
            - {sql: checks/a.sql}
            - {shell: "echo ${env.NOT_SET_ANYWHERE}"}
    """)
    problems = json.loads(shop.call("validate", "--json").stdout)["problems"]
    assert [(each["code"], each["message"], each["line"], each["hint"]) for each in problems if each["line"] > 9] == [
        ("A0305", "looks.py has no function enuogh", 10, "did you mean enough?"),
        ("A0304", "there is no module loks", 11, "did you mean looks?"),
        ("A0301", "the SQL file checks/a.sql does not exist", 13, "create it, or correct the path"),
        (
            "A0311",
            "the environment variable NOT_SET_ANYWHERE is not set, t uses it",
            14,
            "set NOT_SET_ANYWHERE, put it into .env, or give it a default: ${env.NOT_SET_ANYWHERE:-…}",
        ),
    ]
