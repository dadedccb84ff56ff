"""Dagster Pipes through the real command line: a script that uses the public client is an asset's shell command."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from support.place import Place

from assets_cli.manifest.schemas import schema_text

HEAD = "from dagster_pipes import *\nimport os, sys\nwith open_dagster_pipes() as context:\n"


class Shop(Place):
    """A project of one script."""

    def script(self, text: str, name: str = "load.py", head: str = HEAD) -> None:
        """Write the script; what it does is inside its session."""
        lines = "".join(f"    {line}\n" for line in text.strip().splitlines())
        self.write(name, head + (lines if head == HEAD else text))

    def show(self, name: str = "orders") -> dict[str, Any]:
        """What `assets show --json` says."""
        done = self.call("show", name, "--json")
        assert done.returncode == 0, done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        jsonschema.validate(document, json.loads(schema_text("show")))
        return document

    def run(self, *arguments: str, **environment: str) -> dict[str, Any]:
        """The last event of a run, with the end of its step as `step` and its warnings."""
        last = self.materialize(*arguments, **environment)
        events: Any = last.pop("events")
        for event in events:
            jsonschema.validate(event, json.loads(schema_text("run-events")))
        step = next((event for event in reversed(events) if event["event"] == "step_finished"), None)
        warnings = [event["message"] for event in events if event["event"] == "warning"]
        return {**last, "step": step, "warnings": warnings}

    def log(self, *arguments: str) -> str:
        """What `assets logs` prints of the latest run."""
        return self.call("logs", "latest", *arguments).stdout

    def left(self) -> list[str]:
        """What lies in the folders of logs besides logs."""
        return sorted(path.name for path in (self.root / ".assets/logs").rglob("*.json"))


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A script that makes orders, run by the Python that has the client."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    shop = Shop(tmp_path)
    shop.assets(ORDERS, "vars: {currency: EUR}\n")
    return shop


ORDERS = """
- name: orders
  command: {shell: "echo made > orders.txt; python load.py"}
  output: {path: orders.txt}
  freshness: {max_lag: 24h}
"""


def test_all_that_a_script_says_is_recorded(shop):
    """Metadata with its types, data version, checks, log lines; the channel is gone."""
    shop.script(
        """
print("printed")
context.log.info("currency %s", context.get_extra("currency"))
context.report_asset_check("no_nulls", True, metadata={"rows": 3})
context.report_asset_check("few", False, "WARN", {"limit": 2})
context.report_asset_materialization(
    {"rows": 3, "page": {"raw_value": "https://x", "type": "url"}, "share": float("nan")}, data_version="batch-7"
)
"""
    )
    run = shop.run()
    assert (run["exit"], run["succeeded"], run["status"], run["warnings"]) == (0, ["orders"], "succeeded", [])
    assert [(check["name"], check["passed"], check["reported"]) for check in run["step"]["checks"]] == [
        ("no_nulls", True, True),
        ("few", False, True),
    ]
    shown = shop.show()
    made = shown["materialization"]
    assert made["data_version"] == "batch-7"
    assert made["metadata"] == {
        "bytes": 5,
        "rows": 3,
        "page": {"raw_value": "https://x", "type": "url"},
        "share": "NaN",
    }
    checks = [
        {key: check[key] for key in ("name", "passed", "severity", "blocking", "message", "reported", "metadata")}
        for check in shown["checks"]
    ]
    assert checks == [
        {
            "name": "no_nulls",
            "passed": True,
            "severity": "error",
            "blocking": False,
            "message": "",
            "reported": True,
            "metadata": {"rows": 3},
        },
        {
            "name": "few",
            "passed": False,
            "severity": "warn",
            "blocking": False,
            "message": "reported by the command (limit: 2)",
            "reported": True,
            "metadata": {"limit": 2},
        },
    ]
    assert shop.log() == (
        "printed\nINFO currency EUR\ncheck no_nulls: passed, rows: 3\ncheck few: warns, limit: 2\n"
        "materialized: data version batch-7, rows: 3, page: https://x, share: NaN\n"
    )
    assert shop.left() == []
    assert "page         https://x\n" in shop.call("show", "orders").stdout


def test_the_context_tells_what_was_made_before(shop):
    """The key with its slashes, code version, provenance, the run, the upstreams, and which attempt this is."""
    shop.assets(
        """
        - name: raw/events
          command: {shell: "echo 1 > events.txt"}
          output: {path: events.txt}
          freshness: {max_lag: 24h}
        - name: shop/orders
          upstreams: [raw/events]
          command: {shell: "python load.py"}
          output: {path: orders.txt}
          retries: {max: 1}
        """
    )
    shop.script(
        """
with open("orders.txt", "a") as file:
    print(context.asset_key, context.provenance, context.retry_number, file=file)
with open("seen.json", "w") as file:
    import json
    json.dump([context.code_version, context.run_id, dict(context.extras)], file)
if not os.path.exists("again"):
    open("again", "w").close()
    sys.exit(1)
"""
    )
    first = shop.run()
    assert first["exit"] == 0
    version, run, extras = json.loads((shop.root / "seen.json").read_text())
    assert (version, run) == (shop.show("shop/orders")["materialization"]["code_version"], first["run"])
    assert extras == {
        "vars": {},
        "environment": "default",
        "output": str(shop.root / "orders.txt"),
        "upstreams": {"raw/events": str(shop.root / "events.txt")},
    }
    shop.run("--force", "shop/orders")
    events = shop.show("raw/events")["materialization"]["data_version"]
    provenance = {"code_version": version, "input_data_versions": {"raw/events": events}, "is_user_provided": False}
    assert (shop.root / "orders.txt").read_text().splitlines() == [
        "shop/orders None 0",
        "shop/orders None 1",
        f"shop/orders {provenance} 0",
    ]


def test_a_check_that_failed_makes_the_run_fail(shop):
    """As a declared one of severity error does: exit code 1, the step has succeeded, nothing below is held up."""
    shop.script('context.report_asset_check("no_nulls", False, metadata={"nulls": 2})')
    shop.assets(ORDERS + "- {name: report, upstreams: [orders], command: {shell: 'true'}}\n")
    run = shop.run()
    assert (run["exit"], run["status"], run["succeeded"]) == (1, "failed", ["orders", "report"])
    assert run["checks_failed"] == [{"asset": "orders", "check": "no_nulls"}]
    shop.call("materialize", "--force", "orders")
    done = shop.call("materialize", "--force", "orders", COLUMNS="80")
    assert done.returncode == 1
    assert "  check failed: no_nulls: reported by the command (nulls: 2)\n" in done.stderr + done.stdout


def test_what_a_command_no_longer_reports_is_not_shown(shop):
    """Only what it said of what is there now."""
    shop.script('context.report_asset_check("no_nulls", True)')
    shop.run()
    assert [check["name"] for check in shop.show()["checks"]] == ["no_nulls"]
    shop.script("pass")
    shop.run()
    assert shop.show()["checks"] == []


def test_an_exception_is_the_reason(shop):
    """In a line, wherever the step is told of; its traceback is in the log."""
    shop.script('for _ in range(30):\n    context.log.info("loading")\nraise ValueError("no rows today")')
    run = shop.run()
    assert (run["exit"], run["failed"], run["step"]["detail"]) == (1, ["orders"], "ValueError: no rows today")
    assert run["step"]["tail"][-4:] == [
        "Traceback (most recent call last):",
        '  File "' + str(shop.root / "load.py") + '", line 6, in <module>',
        '    raise ValueError("no rows today")',
        "ValueError: no rows today",
    ]
    assert shop.show()["attempt"]["reason"] == "ValueError: no rows today"
    assert "\nINFO loading\n" in shop.log()
    assert shop.left() == []


def test_a_command_that_survives_an_exception_has_succeeded(shop):
    """Its exit code is the verdict. What was reported is told."""
    shop.write(
        "load.py", HEAD.replace("with", "try:\n  with") + "    raise ValueError('no')\nexcept ValueError: pass\n"
    )
    run = shop.run()
    assert (run["exit"], run["succeeded"]) == (0, ["orders"])
    assert run["warnings"] == ["the script reported ValueError: no, but the command exited with 0"]
    assert "ValueError: no\n" in shop.log()


def test_a_script_that_dies_in_the_middle_of_a_report(shop):
    """The step fails by its exit code. What was said is in the log, and nothing of it on record."""
    shop.script(
        """
context.log.info("one")
context.report_asset_materialization({"rows": 3})
context.report_asset_check("no_nulls", False)
with open(context._message_channel._path, "a") as file:
    file.write('{"__dagster_pipes_version": "0.1", "me')
os._exit(7)
"""
    )
    run = shop.run()
    assert (run["exit"], run["failed"], run["step"]["detail"]) == (1, ["orders"], "exit code 7")
    assert run["warnings"] == ["its last Pipes message is unfinished and was left out"]
    assert (run["checks_failed"], run["step"]["checks"]) == ([], [])
    assert shop.log() == "INFO one\nmaterialized: rows: 3\ncheck no_nulls: failed\n"
    assert (shop.show()["materialization"], shop.show()["checks"]) == (None, [])
    assert shop.left() == []


def test_a_script_that_takes_too_long(shop):
    """It is ended; what it had logged is kept, and that it took too long is the reason."""
    shop.assets(ORDERS + "  timeout: 1s\n")
    shop.script('context.log.info("one")\nimport time\ntime.sleep(60)')
    run = shop.run()
    assert (run["failed"], run["step"]["detail"]) == (["orders"], "timed out after 1.0 s")
    assert (shop.log(), shop.left()) == ("INFO one\n", [])


def test_both_ways_to_report_work_together(shop):
    """What is in $ASSETS_RESULT counts, by field and by the name of metadata; the rest is from Pipes."""
    shop.script(
        """
context.report_asset_materialization({"a": 1, "b": 1, "data_time": "2026-01-31T06:00:00Z"}, data_version="pipes")
with open(os.environ["ASSETS_RESULT"], "w") as file:
    file.write('{"data_version": "result", "metadata": {"b": 2}}')
"""
    )
    assert shop.run()["exit"] == 0
    made = shop.show()["materialization"]
    assert made["data_version"] == "result"
    assert made["data_time"] == "2026-01-31T06:00:00Z"
    assert made["metadata"] == {"bytes": 5, "a": 1, "b": 2, "data_time": "2026-01-31T06:00:00Z"}


def test_messages_in_what_is_printed(shop):
    """A script that picked a writer to its stdout, as one in a container does."""
    shop.script(
        """from dagster_pipes import *
class Writer(PipesMessageWriter):
    def open(self, params):
        return PipesDefaultMessageWriter().open({"stdio": "stdout"})
with open_dagster_pipes(message_writer=Writer()) as context:
    print("printed")
    context.report_asset_materialization({"rows": 3})
""",
        head="",
    )
    assert shop.run()["exit"] == 0
    assert shop.show()["materialization"]["metadata"] == {"bytes": 5, "rows": 3}
    assert "printed\n" in shop.log()
    assert shop.log().endswith("materialized: rows: 3\n")


def test_the_channel_of_a_container(shop):
    """The manifest may name the stream itself, where the file would be out of reach."""
    shop.assets(ORDERS + "  env: {DAGSTER_PIPES_MESSAGES: eJyrViouScnMV7JSADFSi4qUagFBNAaS}\n")
    shop.script("context.report_asset_materialization({'rows': 3})")
    assert shop.run()["exit"] == 0
    assert shop.show()["materialization"]["metadata"] == {"bytes": 5, "rows": 3}


def test_secrets_are_hidden_wherever_a_script_says_them(shop):
    """Log, metadata, data version, checks, exceptions."""
    secret = "opensesame"
    shop.assets(ORDERS + '  env: {TOKEN: "${env.TOKEN}"}\n')
    shop.script(
        """
token = os.environ["TOKEN"]
context.log.info(token)
context.report_asset_materialization({"token": token, "deep": [{"x": token}]}, data_version=token)
context.report_asset_check("c", False, metadata={"token": token})
if os.path.exists("fail"):
    raise ValueError(token)
"""
    )
    run = shop.run(TOKEN=secret)
    assert run["checks_failed"] == [{"asset": "orders", "check": "c"}]
    shown = shop.show()
    assert shown["materialization"]["metadata"] == {"bytes": 5, "token": "***", "deep": [{"x": "***"}]}
    assert shown["materialization"]["data_version"].startswith("sha256:")
    shop.write("fail", "")
    run = shop.run("--force", "orders", TOKEN=secret)
    assert run["step"]["detail"] == "ValueError: ***"
    written = [path for path in (shop.root / ".assets").rglob("*") if path.is_file()]
    assert [path.name for path in written if secret.encode() in path.read_bytes()] == []


def test_a_long_context_reaches_the_script(shop):
    """By a file, which is gone when it has ended."""
    shop.assets(ORDERS, f"vars: {{big: {'x' * 200_000}}}\n")
    shop.script('print(len(context.get_extra("big")))')
    assert shop.run()["exit"] == 0
    assert (shop.log(), shop.left()) == ("200000\n", [])


def test_what_was_said_before_the_run_died_is_in_its_log(shop):
    """Recovery adds it, and removes the channel."""
    shop.script('context.log.info("one")\nopen("started", "w").close()\nimport time; time.sleep(60)')
    process = shop.start("materialize")
    shop.wait_for("started")
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert shop.left() == ["orders.1.pipes.result.json"]
    dead = json.loads(shop.call("runs", "--json").stdout)["runs"][0]["run"]
    shop.script('context.log.info("two")')
    assert shop.run()["exit"] == 0
    assert shop.left() == []
    assert shop.call("logs", dead).stdout == "INFO one\n"


def test_a_check_has_no_channel(shop):
    """A shell check that uses the client has nothing to report, and is no part of a session."""
    shop.assets(ORDERS + "  checks: [{name: c, shell: python check.py}]\n")
    shop.script("pass")
    shop.write("check.py", "import os\nassert 'DAGSTER_PIPES_CONTEXT' not in os.environ\n")
    run = shop.run()
    assert (run["exit"], [check["passed"] for check in run["step"]["checks"]]) == (0, [True])


def test_a_run_that_was_started_by_dagster(shop):
    """Its variables are inherited, and the asset's own stand in their place."""
    shop.script('context.report_asset_materialization({"rows": 3})')
    assert shop.run(DAGSTER_PIPES_CONTEXT="outer", DAGSTER_PIPES_MESSAGES="outer")["exit"] == 0
    assert shop.show()["materialization"]["metadata"] == {"bytes": 5, "rows": 3}
