"""Promises ahead of time, over real processes: what runs early, what is said of it, what a saved plan keeps."""

from __future__ import annotations

import json
import sqlite3

import jsonschema
import pytest
from support.place import Place

from assets_cli.manifest.schemas import schema_text

HOUR = 3_600_000_000


@pytest.fixture
def place(tmp_path):
    """Raw -> mart, with a promise of six hours, made just now; `older` makes it older."""
    place = Place(tmp_path)
    place.assets(
        """
        - {name: raw, command: {shell: 'date +%N > raw.txt'}, output: {path: raw.txt}}
        - name: mart
          command: {shell: 'cp raw.txt mart.txt'}
          output: {path: mart.txt}
          upstreams: [raw]
          freshness: {max_lag: 6h}
        """
    )
    assert place.materialize()["succeeded"] == ["raw", "mart"]
    return place


def older(place, hours):
    """All was made so many hours earlier."""
    with sqlite3.connect(place.root / ".assets" / "state.db") as state:
        state.execute(f"update materializations set started = started - {hours * HOUR}")


def document(place, command, *words: str):
    """What a command says as JSON, as its schema has it."""
    done = place.call(command, "--json", *words)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    jsonschema.validate(found, json.loads(schema_text(command)))
    return found


def test_what_would_be_overdue_by_then_runs_now(place):
    """Five hours old it has an hour: half an hour ahead nothing runs, two hours ahead all does, and it is new after."""
    older(place, 5)
    assert place.plan() == place.plan("--ahead", "30m") == {}
    assert place.plan("--ahead", "2h") == {"raw": ["overdue"], "mart": ["upstream_stale"]}
    found = document(place, "plan", "--ahead", "2h")
    assert (found["overdue"], [one["asset"] for one in found["deadlines"]]) == ([], ["mart"])
    [deadline] = found["deadlines"]
    assert (deadline["begins_with"], deadline["late_seconds"], deadline["may_be_late"]) == ("raw", 0, False)
    assert found["now"] < deadline["start_by"] < deadline["broken_at"]
    shown = place.call("plan", "--ahead=2h").stdout
    assert "Ahead\n  mart: start by " in shown
    # Nothing is saved where there is one promise, and nothing where nothing was asked.
    assert "\n  one run for 1 promise: 2 steps, " in shown
    assert " of work, as much as its own cron job\n" in shown.replace("\n  its own", " its own")
    together = found["together"]
    assert (together["promises"], together["steps"], together["by_own_cron"]["steps"]) == (1, 2, 2)
    assert together["compute_seconds"] == together["by_own_cron"]["compute_seconds"] > 0
    assert document(place, "plan")["together"] is None
    assert shown.endswith("run: assets materialize --ahead 2h\n")
    assert place.materialize("--ahead", "2h")["succeeded"] == ["raw", "mart"]
    assert place.plan("--ahead", "2h") == {}


def test_a_saved_plan_runs_what_was_to_be_early(place):
    """It carries what each promise asked, also when it is applied later; and it keeps what it said of it."""
    older(place, 5)
    done = place.call("plan", "--ahead", "2h", "--out", "plan.json")
    assert done.returncode == 0, done.stderr
    saved = json.loads((place.root / "plan.json").read_text())
    jsonschema.validate(saved, json.loads(schema_text("saved-plan")))
    promise = saved["steps"][0]["promise"]
    assert (promise["asked_by"], promise["text"]) == (["mart"], "6h")
    assert promise["broken_at"] == saved["deadlines"][0]["broken_at"]
    assert place.materialize("--plan", "plan.json")["succeeded"] == ["raw", "mart"]


def test_what_cannot_be_met_says_by_how_much(place):
    """A promise that is shorter than the work for it; and one that has two seconds left for work of a minute."""
    place.write("assets.yml", (place.root / "assets.yml").read_text().replace("max_lag: 6h", "max_lag: 1s"))
    assert "late by" in place.call("freshness").stdout or "now" in place.call("freshness").stdout
    place.write("assets.yml", (place.root / "assets.yml").read_text().replace("max_lag: 1s", "max_lag: 6h"))
    with sqlite3.connect(place.root / ".assets" / "state.db") as state:
        state.execute(f"update materializations set started = started - {6 * HOUR - 60_000_000}")
        state.execute("update latest set durations = '[780000000]' where asset = 'raw'")
    shown = place.call("plan", "--ahead", "5m").stdout
    assert "mart: can't be met: late by 12m" in shown
    [one] = document(place, "freshness")["assets"]
    assert 700 < one["late_seconds"] < 760


def test_promises_at_ticks_are_kept_in_a_cache_and_judged(place):
    """Read a second time from the compiled manifest; the promise is said with its cron; a bad one is refused."""
    manifest = (place.root / "assets.yml").read_text()
    place.write(
        "assets.yml", manifest.replace("{max_lag: 6h}", "{cron: '0 9 * * *', timezone: Asia/Tokyo, max_lag: 1h}")
    )
    for _ in range(2):
        [one] = document(place, "freshness")["assets"]
        assert (one["promise"], one["status"]) == ("1h at 0 9 * * * Asia/Tokyo", "pass")
        assert one["broken_at"].endswith("T00:00:00Z")
    older(place, 26)
    [late] = document(place, "plan")["overdue"]
    assert (late["promise"], late["held_by"]) == ("1h at 0 9 * * * Asia/Tokyo", ["raw"])
    assert "promised at most 1h at 0 9 * * * Asia/Tokyo" in place.call("plan").stdout
    assert "1h at 0 9 * * * Asia/Tokyo" in place.call("show", "mart").stdout
    assert "1h at 0 9 * * * Asia/Tokyo" in place.call("impact", "raw").stdout
    place.write("assets.yml", manifest.replace("{max_lag: 6h}", "{cron: '0 9 30 2 *', max_lag: 1h}"))
    refused = place.call("plan")
    assert (refused.returncode, "never fires" in refused.stderr) == (2, True)


def test_ahead_takes_a_duration(place):
    """Else it says so; a saved plan is run as it is."""
    for command in ("plan", "materialize"):
        done = place.call(command, "--ahead", "soon")
        assert (done.returncode, "--ahead: 'soon' is not a duration" in done.stderr) == (2, True)
    done = place.call("materialize", "--plan", "plan.json", "--ahead", "2h")
    assert (done.returncode, "without --ahead" in done.stderr) == (2, True)
