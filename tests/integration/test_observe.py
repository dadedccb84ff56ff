"""Observation of external assets through the real command line: what is seen, when, and what follows from it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from pathlib import Path

import jsonschema
import pytest
from support.place import Place, is_alive

from assets_cli.manifest.schemas import schema_text

PATH = """
- name: feed
  observe: {path: in/feed.csv}
- name: report
  upstreams: [feed]
  command: {shell: "cat $ASSETS_UPSTREAM_FEED > $ASSETS_OUTPUT"}
  output: {path: out/report.csv}
"""
SHELL = """
- name: crm
  observe: {shell: "echo x >> probes; cat crm.txt"}
- name: a
  upstreams: [crm]
  command: {shell: "cat crm.txt > $ASSETS_OUTPUT"}
  output: {path: out/a}
- name: b
  upstreams: [crm, a]
  command: {shell: "cat crm.txt > $ASSETS_OUTPUT"}
  output: {path: out/b}
"""


def on_record(root: Path) -> list[tuple[str, str]]:
    """The observations on record, oldest first: asset and data version."""
    with sqlite3.connect(f"file:{root}/.assets/state.db?mode=ro", uri=True) as state:
        return state.execute("SELECT asset, data_version FROM observations ORDER BY seq").fetchall()


def observed(place: Place, *words: str) -> dict[str, dict[str, object]]:
    """`observe --json` by asset, held against its schema."""
    document = json.loads(place.call("observe", "--json", *words).stdout)
    jsonschema.validate(document, json.loads(schema_text("observe")))
    return {each["asset"]: each for each in document["observations"]}


def test_a_file_that_others_write_makes_stale(place):
    """By its content, not by its mtime; commands below find it."""
    place.write("in/feed.csv", "1\n")
    place.assets(PATH)

    assert place.materialize()["succeeded"] == ["report"]
    assert (place.root / "out/report.csv").read_text() == "1\n"
    assert place.plan() == {}
    os.utime(place.root / "in/feed.csv")
    assert place.plan() == {}
    place.write("in/feed.csv", "2\n")
    assert place.plan() == {"report": ["upstream_changed"]}
    assert place.materialize()["succeeded"] == ["report"]
    assert place.plan() == {}


def test_a_folder_and_a_glob(place):
    """A new file in either is a new version; the newest mtime is the data time."""
    place.assets("- {name: folder, observe: {path: in}}\n- {name: glob, observe: {path: 'in/*.csv'}}")
    place.write("in/a.csv", "1\n")
    os.utime(place.root / "in/a.csv", (1_700_000_000, 1_700_000_000))
    first = observed(place)
    assert {each["data_time"] for each in first.values()} == {"2023-11-14T22:13:20Z"}

    place.write("in/b.txt", "2\n")
    os.utime(place.root / "in/b.txt", (1_700_000_060, 1_700_000_060))
    second = observed(place)

    assert {name: each["result"] for name, each in second.items()} == {"folder": "changed", "glob": "unchanged"}
    assert second["folder"]["previous"] == first["folder"]["data_version"]
    assert second["folder"]["data_time"] == "2023-11-14T22:14:20Z"


def test_one_observation_serves_a_run(place):
    """It is looked at once, recorded before the first step, and all readers record that version."""
    place.write("crm.txt", "v1\n")
    place.assets(SHELL)

    assert place.materialize()["succeeded"] == ["a", "b"]

    assert (place.root / "probes").read_text() == "x\n"
    assert on_record(place.root) == [("crm", "v1")]
    with sqlite3.connect(place.root / ".assets/state.db") as state:
        inputs = [json.loads(text)["crm"] for (text,) in state.execute("SELECT inputs FROM materializations")]
    assert inputs == [["v1", 1], ["v1", 1]]


def test_a_plan_looks_and_records_nothing(place):
    """Not even with a state file that cannot be written; `--no-observe` takes what is on record."""
    place.write("crm.txt", "v1\n")
    place.assets(SHELL)
    place.materialize()
    place.write("crm.txt", "v2\n")
    before = (place.root / "probes").read_text()

    assert place.plan() == {"a": ["upstream_changed"], "b": ["upstream_changed", "upstream_stale"]}
    assert place.plan("--no-observe") == {}
    assert place.materialize("--no-observe")["run"] is None

    assert on_record(place.root) == [("crm", "v1")]
    assert (place.root / "probes").read_text() == before + "x\n"


def test_only_what_is_needed_is_observed(place):
    """Externals in the selection and direct upstreams of it."""
    place.assets(
        """
        - {name: far, observe: {shell: "echo far >> probes; echo 1"}}
        - {name: near, observe: {shell: "echo near >> probes; echo 1"}}
        - {name: a, upstreams: [far], command: {shell: "true"}}
        - {name: b, upstreams: [near], command: {shell: "true"}}
        """
    )
    place.plan("b")
    assert (place.root / "probes").read_text() == "near\n"
    place.plan("is:missing")
    assert sorted((place.root / "probes").read_text().split()) == ["far", "near", "near"]


def test_what_a_probe_says(place):
    """Text is a version, a time is a data time too, JSON says it all."""
    place.assets(
        """
        - {name: text, observe: {shell: "printf '  two words \\n'"}}
        - {name: time, observe: {shell: "echo 2026-01-31T10:30:00+01:00"}}
        - name: json
          observe: {shell: 'echo noise; cat report.json > $ASSETS_RESULT'}
        - name: own
          env: {A: "from env"}
          observe:
            shell: {run: "import os; print(os.environ['A'], os.environ['ASSETS_ENV'])", with: [python, -c]}
        - {name: long, observe: {shell: "seq 1 1000"}}
        """
    )
    place.write("report.json", '{"data_version": 7, "data_time": "2026-02-01", "metadata": {"rows": 3}}')
    seen = observed(place)

    assert {name: each["data_version"] for name, each in seen.items() if name != "long"} == {
        "text": "two words",
        "time": "2026-01-31T10:30:00+01:00",
        "json": "7",
        "own": "from env default",
    }
    assert str(seen["long"]["data_version"]).startswith("sha256:")
    assert (seen["time"]["data_time"], seen["json"]["data_time"]) == ("2026-01-31T09:30:00Z", "2026-02-01T00:00:00Z")
    assert seen["json"]["metadata"] == {"rows": 3}
    assert seen["text"]["data_time"] == seen["text"]["observed"]
    assert {each["result"] for each in seen.values()} == {"first"}


def test_a_probe_that_fails_is_a_warning(place):
    """The last answer stands; `observe` itself exits with 1."""
    place.write("crm.txt", "v1\n")
    place.assets(SHELL)
    place.materialize()
    (place.root / "crm.txt").unlink()

    done = place.call("plan", "--json")
    document = json.loads(done.stdout)

    reason = "exit code 1: cat: crm.txt: No such file or directory"
    said = f"crm could not be observed: {reason}; what was observed last stands"
    assert (document["steps"], [each["message"] for each in document["warnings"]]) == ([], [said])
    alone = place.call("observe")
    assert (alone.returncode, alone.stdout) == (1, "crm  failed\n")
    assert observed(place)["crm"]["data_version"] == "v1"
    assert on_record(place.root) == [("crm", "v1")]


@pytest.mark.parametrize(
    ("asset", "reason"),
    [
        ("observe: {path: gone}", "nothing is at gone"),
        ("observe: {path: 'gone/*.csv'}", "nothing is at gone/*.csv"),
        ("observe: {path: '${env.NOT_SET}/x'}", "the environment variable NOT_SET is not set"),
        (
            "observe: {shell: 'echo ${env.NOT_SET}'}",
            "the environment variable NOT_SET is not set, observe.shell uses it",
        ),
        ("observe: {shell: 'true'}", "it ended well and printed nothing, which is no data version"),
        ("observe: {shell: 'echo wrong; exit 4'}", "exit code 4"),
        (
            "observe: {shell: 'echo x > $ASSETS_RESULT'}",
            "the file at $ASSETS_RESULT is not JSON: expecting value in line 1",
        ),
        ("observe: {shell: {run: x, with: [no-such-program]}}", "there is no program no-such-program"),
        ("observe: {shell: 'sleep 60'}, timeout: 300ms", "timed out after 300 ms"),
    ],
)
def test_why_nobody_could_look(place, asset, reason):
    """A sentence; nothing is recorded."""
    place.assets(f"- {{name: x, {asset}}}")
    seen = observed(place)["x"]
    assert seen["message"] == f"x could not be observed: {reason}; nothing is known of it yet"
    assert (seen["result"], seen["data_version"], on_record(place.root)) == ("failed", None, [])


def test_probes_run_beside_each_other(place):
    """Four that wait for each other all end."""
    wait = "touch {0}; for n in $(seq 100); do test -e p0 -a -e p1 -a -e p2 -a -e p3 && break; sleep 0.05; done; "
    lines = [f'- {{name: x{n}, observe: {{shell: "{wait.format(f"p{n}")} test -e p3; echo {n}"}}}}' for n in range(4)]
    place.assets("\n".join(lines))
    assert [each["data_version"] for each in observed(place).values()] == ["0", "1", "2", "3"]


def test_an_interrupted_plan_leaves_no_probe_behind(place):
    """Ctrl-C ends the probe's whole group at once."""
    place.assets(
        """
        - {name: x, observe: {shell: "sleep 300 & echo $! > pid; wait"}}
        - {name: below, upstreams: [x], command: {shell: "true"}}
        """
    )
    process = place.start("plan")
    place.wait_for("pid")
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    assert not is_alive(int((place.root / "pid").read_text()))


def test_old_data_is_old_however_it_is_read(place):
    """A table below an external is as old as the version that it read, also when a newer one is only just seen."""
    place.write("in/feed.csv", "1\n")
    two_days = time.time() - 2 * 86_400
    os.utime(place.root / "in/feed.csv", (two_days, two_days))
    place.assets(
        PATH.replace("output: {path: out/report.csv}", "output: {path: out/report.csv}\n  freshness: {max_lag: 1d}")
    )
    place.materialize()

    def late() -> list[tuple[str, list[str]]]:
        return [(each["asset"], each["held_by"]) for each in json.loads(place.call("plan", "--json").stdout)["overdue"]]

    assert late() == [("report", ["feed"])]
    place.write("in/feed.csv", "2\n")
    assert late() == [("report", ["report"])]  # it has yet to read what is there now
    place.call("observe")
    assert late() == [("report", ["report"])]
    place.materialize()
    assert late() == []


def test_selections_of_observe(place):
    """Nothing to look at is an error where it was named, and a remark where it was not."""
    place.assets(SHELL)
    place.write("crm.txt", "v1\n")
    assert list(observed(place, "+b")) == ["crm"]
    refused = place.call("observe", "a")
    said = "error[A0607]: a is no external asset: what it holds is known from its runs\n"
    hint = "  hint: assets list is:external names those that can be observed\n"
    assert (refused.returncode, refused.stdout, refused.stderr) == (2, "", said + hint)
    place.assets("- {name: silent}")
    assert "error[A0607]: silent does not say how it is observed\n" in place.call("observe", "silent").stderr
    none = place.call("observe")
    assert (none.returncode, none.stdout) == (0, "")
    assert none.stderr.startswith("no external asset says how it is observed\n")


def test_marking_adopts_what_is_outside_too(place):
    """Marked up to date, so up to date: the external is observed for it."""
    place.write("in/feed.csv", "1\n")
    place.write("out/report.csv", "1\n")
    place.assets(PATH)
    assert place.call("state", "mark", "report").returncode == 0
    assert place.plan() == {}
    place.write("in/feed.csv", "2\n")
    assert place.plan() == {"report": ["upstream_changed"]}


def test_an_external_without_observe_is_unknown(place):
    """It never makes anything stale."""
    place.assets("- {name: x, output: {path: x.txt}}\n- {name: below, upstreams: [x], command: {shell: 'true'}}")
    place.materialize()
    place.write("x.txt", "1\n")
    assert place.plan() == {}
