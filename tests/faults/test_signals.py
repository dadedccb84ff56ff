"""SIGTERM, Ctrl-C and a closed terminal: once, twice, and wherever a run may be when they come."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import random
import signal
import subprocess
import sys
import termios
import time
from contextlib import suppress

import pytest
from support.history import history, planned
from support.mill import gone, processes_in
from support.place import DUCKDB, Place

from assets_cli.project import Project

SEED = int(os.environ.get("KILL_SEED", "1"))
STORIES = int(os.environ.get("KILL_STORIES", "6"))
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
# Two that run and say goodbye, one that waits for a slot, one that waits for them, and one that is done.
BUSY = """
- {name: done, command: {shell: "echo 1 > done.txt"}, output: {path: done.txt}}
- name: left
  upstreams: [done]
  command: {shell: "trap 'echo bye > left.bye; exit 1' TERM; touch left.on; sleep 60 & wait"}
- name: right
  upstreams: [done]
  command: {shell: "trap 'echo bye > right.bye; exit 1' TERM; touch right.on; sleep 60 & wait"}
- {name: third, upstreams: [done], command: {shell: "touch third.on"}}
- {name: below, upstreams: [left], command: {shell: "touch below.on"}}
"""
STUBBORN = """
- name: stubborn
  command: {shell: "trap '' TERM INT HUP; touch stubborn.on; while :; do sleep 0.2; done"}
"""


def start(place, *words: str, **options: object):
    """Start `assets` as the leader of a process group, as a shell with job control does."""
    return subprocess.Popen(
        [sys.executable, "-m", "assets_cli", *words],
        cwd=place.root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **{"process_group": 0, **options},
    )


def ended(process, place, seconds=30):
    """What it printed, when it has ended and left nobody behind."""
    out, err = process.communicate(timeout=seconds)
    assert gone(list(processes_in(place.root)), place.root, 5), processes_in(place.root)
    # Before our first line has run it is Python that hears of it, and says so in its own way.
    assert "Traceback" not in err or process.returncode < 0
    return out, err


def last(out):
    """The last line of `--json`, which is always the end of the run."""
    end = json.loads(out.splitlines()[-1])
    assert end["event"] == "run_finished"
    return end


@pytest.mark.parametrize("to", ["process", "group"])
@pytest.mark.parametrize("number", SIGNALS)
def test_once(place, number, to):
    """Nothing new starts, commands get SIGTERM and time for it, all is on record, and the next run does the rest."""
    place.assets(BUSY)
    process = start(place, "materialize", "--json", "--jobs", "2")
    place.wait_for("left.on")
    place.wait_for("right.on")

    (os.kill if to == "process" else os.killpg)(process.pid, number)
    out, _ = ended(process, place)

    end = last(out)
    assert (process.returncode, end["status"]) == (130, "cancelled")
    assert (end["succeeded"], end["failed"], end["blocked"]) == (["done"], [], [])
    assert sorted(end["cancelled"]) == ["below", "left", "right", "third"]
    assert sorted(path.name for path in place.root.glob("*.bye")) == ["left.bye", "right.bye"]
    assert sorted(path.name for path in place.root.glob("*.on")) == ["left.on", "right.on"]
    known = history(place.root)
    assert known.runs == ["cancelled"]
    assert known.attempts == {
        "done": [("succeeded", None)],
        "left": [("cancelled", "cancelled")],
        "right": [("cancelled", "cancelled")],
    }
    assert planned(place.root) == {
        "left": ["missing", "last_run_failed"],
        "right": ["missing", "last_run_failed"],
        "third": ["missing"],
        "below": ["missing", "upstream_stale"],
    }


@pytest.mark.parametrize("numbers", [(signal.SIGINT, signal.SIGINT), (signal.SIGTERM, signal.SIGHUP)])
def test_twice(place, numbers):
    """The second time nobody is given time: also a command that ignores it is gone at once, and on record."""
    place.assets(STUBBORN)
    process = start(place, "materialize", "--json")
    place.wait_for("stubborn.on")

    process.send_signal(numbers[0])
    while json.loads(process.stdout.readline())["event"] != "warning":
        pass  # until it has said that it gives some time
    began = time.monotonic()
    process.send_signal(numbers[1])
    out, _ = ended(process, place)

    assert time.monotonic() - began < 4  # the grace is five seconds
    assert (process.returncode, last(out)["cancelled"]) == (130, ["stubborn"])
    assert history(place.root).attempts == {"stubborn": [("cancelled", "cancelled")]}


def test_nohup(place):
    """Who ignores SIGHUP for us wants the run to outlive the terminal."""
    place.assets('- {name: a, command: {shell: "touch a.on; while test ! -e go; do sleep 0.02; done"}}')
    process = start(place, "materialize", "--json", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    place.wait_for("a.on")
    process.send_signal(signal.SIGHUP)
    time.sleep(0.2)
    place.write("go", "")
    out, _ = ended(process, place)

    assert (process.returncode, last(out)["succeeded"]) == (0, ["a"])


def on_terminal(place, *words: str):
    """Start `assets` as the foreground process group of a terminal of its own; the terminal's other side."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "assets_cli", *words]
    process = subprocess.Popen(
        command,
        cwd=place.root,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "CI": ""},
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - there are no threads
    )
    os.close(theirs)
    return process, ours


def test_ctrl_c_on_a_terminal(place):
    """The key itself: commands hear SIGTERM of us, and no SIGINT of the terminal, whose group they are not in."""
    place.assets(BUSY.replace("trap 'echo bye", "trap 'echo int > $ASSETS_ASSET.bye; exit 1' INT; trap 'echo bye"))
    process, ours = on_terminal(place, "materialize", "--jobs", "2")
    place.wait_for("left.on")
    place.wait_for("right.on")
    os.write(ours, b"\x03")
    shown = b""
    with suppress(OSError):  # it is closed
        while chunk := os.read(ours, 65536):
            shown += chunk
    assert process.wait(timeout=30) == 130
    os.close(ours)

    assert b"interrupt again to end it at once" in shown
    assert b"Traceback" not in shown
    assert [path.read_text() for path in place.root.glob("*.bye")] == ["bye\n", "bye\n"]
    assert history(place.root).attempts["left"] == [("cancelled", "cancelled")]


@pytest.mark.parametrize("words", [(), ("--json",)], ids=["live", "json"])
def test_a_closed_terminal(place, words):
    """The window is closed: as SIGTERM, although nothing can be said to anybody any more."""
    place.assets(BUSY)
    process, ours = on_terminal(place, "materialize", "--jobs", "2", *words)
    place.wait_for("left.on")
    place.wait_for("right.on")
    os.close(ours)

    assert process.wait(timeout=30) == 130
    assert gone(list(processes_in(place.root)), place.root, 5)
    assert history(place.root).runs == ["cancelled"]
    assert sorted(path.name for path in place.root.glob("*.bye")) == ["left.bye", "right.bye"]


@pytest.mark.parametrize(
    ("words", "number"),
    [
        (("plan", "--json"), signal.SIGTERM),
        (("materialize", "--json"), signal.SIGTERM),
        (("materialize", "--json"), signal.SIGINT),
        (("observe",), signal.SIGHUP),
    ],
)
def test_while_it_looks_at_the_world(place, words, number):
    """Shell probes that run are ended, nothing is left in the folder for temporary files, and the exit code is 130."""
    place.assets(
        """
        - name: feed
          observe: {shell: "touch probe.on; sleep 60"}
        - name: other
          observe: {shell: "touch other.on; sleep 60"}
        - {name: a, upstreams: [feed, other], freshness: {max_lag: 1h}, command: {shell: "true"}}
        """
    )
    scratch = place.root.parent / "tmp"
    scratch.mkdir()
    process = start(place, *words, env={**os.environ, "TMPDIR": str(scratch)})
    place.wait_for("probe.on")
    place.wait_for("other.on")
    process.send_signal(number)
    out, err = ended(process, place)

    assert (process.returncode, err) == (130, "interrupted\n")
    assert list(scratch.iterdir()) == []
    if words[0] == "materialize":
        assert (last(out)["status"], last(out)["run"]) == ("cancelled", None)
    else:
        assert out == ""
    assert history(place.root).runs == []


def test_twice_while_it_looks_at_the_world(place):
    """A probe that ignores SIGTERM is gone at once with the second one."""
    place.assets(
        """
        - name: feed
          observe: {shell: "trap '' TERM; touch probe.on; while :; do sleep 0.2; done"}
        - {name: a, upstreams: [feed], command: {shell: "true"}}
        """
    )
    scratch = place.root.parent / "tmp"
    scratch.mkdir()
    process = start(place, "plan", env={**os.environ, "TMPDIR": str(scratch)})
    place.wait_for("probe.on")
    process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    assert processes_in(place.root) == {}, "nobody else has to end it"
    ended(process, place)

    assert time.monotonic() - began < 4
    assert process.returncode == 130
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_while_it_waits_for_a_lock(place, number):
    """It ends at once, without an attempt; the run that holds the lock goes on."""
    place.assets('- {name: a, command: {shell: "touch a.on; while test ! -e go; do sleep 0.02; done"}}')
    holder = start(place, "materialize", "--json")
    place.wait_for("a.on")
    process = start(place, "materialize", "--json")
    while json.loads(process.stdout.readline())["event"] != "step_waiting":
        pass
    began = time.monotonic()
    process.send_signal(number)
    out, _ = process.communicate(timeout=30)
    took = time.monotonic() - began
    place.write("go", "")
    held, _ = ended(holder, place)

    assert (process.returncode, last(out)["cancelled"]) == (130, ["a"])
    assert took < 3
    assert (holder.returncode, last(held)["succeeded"]) == (0, ["a"])


PYTHON = """
import pathlib, signal, time
def patient():
    pathlib.Path("patient.on").touch()
    time.sleep(60)
def stubborn():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    pathlib.Path("stubborn.on").touch()
    while True:
        pass
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_while_workers_compute(place, number):
    """A function and a long query get SIGTERM; what the query had begun is not there."""
    place.write("work.py", PYTHON)
    place.assets(
        """
        - {name: patient, command: {python: "work:patient"}}
        - name: query
          command: {sql: "select count(*) as n from range(9999999) a, range(999999) b where a.range % 7 = b.range % 3"}
          output: {table: query}
        """,
        DUCKDB,
    )
    process = start(place, "materialize", "--json", "--jobs", "2")
    place.wait_for("patient.on")
    place.wait_for("w.duckdb")
    process.send_signal(number)
    out, _ = ended(process, place)

    assert (process.returncode, sorted(last(out)["cancelled"])) == (130, ["patient", "query"])
    assert history(place.root).states() == {"patient": ["cancelled"], "query": ["cancelled"]}


def test_twice_while_a_worker_computes(place):
    """A function that ignores every signal but one is ended with that one."""
    place.write("work.py", PYTHON)
    place.assets('- {name: stubborn, command: {python: "work:stubborn"}}')
    process = start(place, "materialize", "--json")
    place.wait_for("stubborn.on")
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, _ = ended(process, place)

    assert time.monotonic() - began < 4
    assert (process.returncode, last(out)["cancelled"]) == (130, ["stubborn"])


def test_while_checks_are_evaluated_alone(place):
    """The command of a check is ended; its run is on record as cancelled, and no check as passed."""
    place.assets(
        """
        - name: a
          command: {shell: "echo 1 > a.txt"}
          output: {path: a.txt}
          checks: [{shell: "test ! -e slow || { touch check.on; sleep 60; }"}]
        """
    )
    place.materialize()
    place.write("slow", "")
    before = Project.open(place.root).show("a").checks
    process = start(place, "check")
    place.wait_for("check.on")
    process.send_signal(signal.SIGTERM)
    out, err = ended(process, place)

    assert (process.returncode, out, err) == (130, "", "interrupted\n")
    assert history(place.root).runs == ["succeeded", "cancelled"]
    assert Project.open(place.root).show("a").checks == before


def test_at_any_moment_of_a_short_run(tmp_path, record_property):
    """Whenever it comes: an exit code that says so, no traceback, nobody left, and a history that can be read."""
    chance = random.Random(SEED)
    for number in range(STORIES):
        place = Place(tmp_path / str(number))
        place.root.mkdir()
        place.assets("".join(f'- {{name: a{i}, command: {{shell: "sleep 0.03"}}}}\n' for i in range(5)))
        process = start(place, "materialize", "--json", "--jobs", "1")
        time.sleep(chance.uniform(0, 1))
        process.send_signal(chance.choice(SIGNALS))
        out, _ = ended(process, place)

        # Before our first line has run, and after our last one has, it is the system that ends it.
        early = not out and history(place.root).runs == []
        late = bool(out) and last(out)["status"] == "succeeded"
        assert process.returncode in (130, 0) or ((early or late) and process.returncode < 0)
        if out and process.returncode >= 0:
            assert last(out)["status"] == ("cancelled" if process.returncode else "succeeded")
        assert history(place.root).runs in ([], ["cancelled"], ["succeeded"])
        done = Project.open(place.root)
        assert done.materialize(done.plan()).status == "succeeded"
    record_property("signals survived", STORIES)
