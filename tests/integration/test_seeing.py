"""Seeing it run, with real commands and real processes: each line of the stream is as its schema says."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from support.place import Place

from assets_cli.manifest.schemas import schema_text

EVENTS = jsonschema.Draft7Validator(json.loads(schema_text("run-events")))
ASSETS = """
- name: raw
  command: {shell: "seq 3 > raw.csv"}
  output: {path: raw.csv}
- name: flaky
  command: {shell: "test -e tried || { touch tried; exit 75; }; cp raw.csv flaky.csv"}
  output: {path: flaky.csv}
  upstreams: [raw]
  retries: {max: 1, delay: 10ms}
- name: lazy
  command: {shell: "test -e lazy.csv || cp raw.csv lazy.csv"}
  output: {path: lazy.csv}
  upstreams: [raw]
- name: checked
  command: {shell: "cp flaky.csv checked.csv"}
  output: {path: checked.csv}
  upstreams: [flaky]
  checks:
    - {name: three, shell: "test $(wc -l < checked.csv) = 3"}
    - {name: ninety, shell: "test $(wc -l < checked.csv) = 90", severity: warn}
- name: broken
  command: {shell: "echo sorry; exit 3"}
  upstreams: [raw]
- name: below
  command: {shell: "true"}
  upstreams: [broken]
"""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A project in which everything happens that an event tells of."""
    place = Place(tmp_path)
    place.assets(ASSETS)
    return place


def valid(text: str) -> list[dict[str, Any]]:
    """The events of a stream, each held against the schema; the last is the end."""
    events = [json.loads(line) for line in text.splitlines()]
    for event in events:
        EVENTS.validate(event)
    assert [event["event"] == "run_finished" for event in events] == [False] * (len(events) - 1) + [True]
    return events


def test_retries_checks_failures_and_warnings_are_as_the_schema_says(place: Place) -> None:
    """And in the order in which they happened, step by step."""
    events = valid(place.call("materialize", "--json").stdout)
    told: dict[str, list[str]] = {}
    for event in events:
        if "asset" in event:
            told.setdefault(event["asset"], []).append(event["event"])
    assert told == {
        "raw": ["step_started", "step_finished"],
        "flaky": ["step_started", "step_retrying", "step_started", "step_finished"],
        "lazy": ["step_started", "step_finished"],
        "checked": ["step_started", "step_finished"],
        "broken": ["step_started", "step_finished"],
        "below": ["step_finished"],
    }
    (checked,) = [each for each in events if each["event"] == "step_finished" and each["asset"] == "checked"]
    assert [(check["name"], check["passed"]) for check in checked["checks"]] == [("three", True), ("ninety", False)]
    (place.root / "raw.csv").unlink()
    events = valid(place.call("materialize", "lazy", "--force", "--upstream", "--json").stdout)
    assert [each["asset"] for each in events if each["event"] == "warning"] == ["lazy"]


def test_nothing_to_do_is_one_line(tmp_path: Path) -> None:
    """Without a run."""
    place = Place(tmp_path)
    place.assets('- name: a\n  command: {shell: "true"}\n')
    valid(place.call("materialize", "--json").stdout)
    (event,) = valid(place.call("materialize", "--json").stdout)
    assert (event["run"], event["status"]) == (None, "succeeded")


def test_who_waits_for_another_process_says_for_whom(tmp_path: Path) -> None:
    """In the stream, and in the trace."""
    place = Place(tmp_path)
    place.assets(
        """
        - name: a
          command: {shell: "touch begun; while test ! -e go; do sleep 0.05; done"}
        """
    )
    first = place.start("materialize", "--json")
    place.wait_for("begun")
    second = place.start("materialize", "--json", "--trace", "trace.json")
    assert second.stdout is not None
    lines = [second.stdout.readline(), second.stdout.readline()]
    place.write("go", "")
    events = valid("".join(lines) + second.stdout.read())
    assert second.wait(30) == 0
    assert first.stdout is not None
    (begun,) = [each for each in valid(first.stdout.read()) if each["event"] == "run_started"]
    (waiting,) = [each for each in events if each["event"] == "step_waiting"]
    assert (waiting["asset"], waiting["kind"], waiting["name"]) == ("a", "lock", None)
    assert begun["run"] in waiting["holder"]
    trace = json.loads((place.root / "trace.json").read_text())
    jsonschema.validate(trace, json.loads(schema_text("trace")))
    (piece,) = [each for each in trace["traceEvents"] if each.get("cat") == "wait"]
    assert piece["args"]["holder"] == waiting["holder"]


def test_an_interrupted_run_ends_its_stream_and_writes_its_trace(tmp_path: Path) -> None:
    """What ran is drawn as cancelled."""
    place = Place(tmp_path)
    place.assets(
        """
        - name: a
          command: {shell: "touch begun; sleep 60"}
        - name: b
          command: {shell: "true"}
          upstreams: [a]
        """
    )
    process = place.start("materialize", "--json", "--trace", "trace.json")
    place.wait_for("begun")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert valid(out)[-1]["cancelled"] == ["a", "b"]
    trace = json.loads((place.root / "trace.json").read_text())
    jsonschema.validate(trace, json.loads(schema_text("trace")))
    assert [each["name"] for each in trace["traceEvents"] if each.get("cat") == "attempt,cancelled"] == ["a"]


def test_the_edges_of_a_run_are_on_record(place: Place) -> None:
    """So its critical path can be told when the manifest has long been another."""
    place.call("materialize")
    place.assets('- name: other\n  command: {shell: "true"}\n')
    run = json.loads(place.call("runs", "latest", "--json").stdout)
    jsonschema.validate(run, json.loads(schema_text("run")))
    assert {step["asset"]: step["after"] for step in run["steps"]} == {
        "raw": [],
        "flaky": ["raw"],
        "lazy": ["raw"],
        "checked": ["flaky"],
        "broken": ["raw"],
        "below": ["broken"],
    }
    assert run["critical_path"][0] == "raw"


def test_a_reader_who_left_changes_no_exit_code(place: Place) -> None:
    """`| head -1` has the first line; the run has all its steps, and fails as it would have."""
    command = f"{sys.executable} -m assets_cli materialize --json | head -n 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=place.root, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert (json.loads(done.stdout)["event"], done.stderr, done.returncode) == ("run_started", "", 1)
    run = json.loads(place.call("runs", "latest", "--json").stdout)
    assert run["counts"] == {"blocked": 1, "failed": 1, "succeeded": 4}


def test_nothing_of_rich_is_imported_for_a_run(place: Place) -> None:
    """A log is plain text, and so is a block that is drawn by hand."""
    program = "import sys; from assets_cli.cli import main; main.run(['materialize']); print('rich' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=place.root, capture_output=True, text=True, check=False)
    assert done.stdout == "False\n"
