"""Many `assets materialize` at once over overlapping selections: each thing is done once, and nobody is turned away.

`CROWD` says how many are many.
"""

from __future__ import annotations

import json
import os
import random
import re
import resource
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing

import pytest
from support.history import history
from support.mill import Mill, gone, kill_with_watchdog, processes_in

from assets_cli.state import migrations, writer

SEED = int(os.environ.get("KILL_SEED", "1"))
CROWD = int(os.environ.get("CROWD", "20"))
HOLDER = re.compile(r"run (\S+), materializing (\S+)|a step that reads it|another process")


def start(mill, chance):
    """Start a run of some assets and all above them, at once with the others."""
    names = chance.sample(list(mill.upstreams), chance.randint(1, 3))
    return mill.start("--json", "--upstream", "--jobs", str(chance.choice([1, 2, 4])), *names)


def finished(processes):
    """What those printed who were not killed: they all did well, and none has heard of a locked database."""
    streams = []
    for process in processes:
        out, err = process.communicate(timeout=300)
        assert "database is locked" not in (out + err).decode()
        assert "Traceback" not in err.decode()
        if process.returncode != -9:
            assert process.returncode == 0, (err.decode(), out.decode()[-2000:])
            streams.append([json.loads(line) for line in out.splitlines()])
    return streams


def told_to_each_other(streams, mill):
    """Who waits says for whom, and whose work another did says who that was; how often either happened."""
    runs = {run for run, _ in history(mill.root).results}
    counts = Counter()
    for events in streams:
        assert events[-1]["event"] == "run_finished"
        for event in events:
            if event["event"] == "step_waiting":
                known = HOLDER.fullmatch(event["holder"])
                assert known, event
                assert known[1] is None or (known[1] in runs and known[2] in mill.upstreams)
                counts["waits"] += 1
            elif event["event"] == "step_finished" and event["result"] == "skipped":
                by = re.fullmatch(r"done by run (\S+) meanwhile", event["detail"])
                assert by, event
                assert by[1] in runs
                counts["done by another"] += 1
    return counts


@pytest.mark.parametrize("number", sorted({2, CROWD}))
def test_at_once(tmp_path, number, record_property):
    """In a project where nobody ever ran anything: they make the state file, too, all of them at once."""
    mill = Mill(tmp_path / "p", SEED, count=10, seconds=0.05)
    chance = random.Random(SEED + number)
    processes = [mill.start("--json", "--jobs", "2"), *(start(mill, chance) for _ in range(number - 1))]
    streams = finished(processes)

    counts = told_to_each_other(streams, mill)
    assert counts["waits"] or number == 2  # of two, one may be done before the other has begun
    known = history(mill.root)
    assert known.made == dict.fromkeys(mill.upstreams, 1)
    assert known.states() == {name: ["succeeded"] for name in mill.upstreams}
    assert set(known.runs) == {"succeeded"}
    assert mill.contents() == mill.expected()
    assert Counter(line[0] for line in mill.journal()) == {"start": 10, "end": 10}
    succeeded = Counter(name for events in streams for name in events[-1]["succeeded"])
    assert succeeded == dict.fromkeys(mill.upstreams, 1)
    record_property("processes at once", number)
    for what, count in counts.items():
        record_property(what, count)


@pytest.mark.parametrize("limit", [None, 256])
def test_a_hub(place, limit):
    """A crowd of upstreams: all their locks are held, and inherited; or the limit that is in the way is named."""
    names = [f"a{index}" for index in range(300)]
    place.assets(
        "".join(f"- {{name: {name}, command: {{shell: ':'}}}}\n" for name in names)
        + f"- {{name: hub, upstreams: [{', '.join(names)}], command: {{shell: 'ls /dev/fd | wc -l > hub.txt'}},"
        + " output: {path: hub.txt}}\n"
    )
    if limit is None:
        assert place.materialize("--jobs", "8")["exit"] == 0
        assert int((place.root / "hub.txt").read_text()) > 300
        return
    done = subprocess.run(
        [sys.executable, "-m", "assets_cli", "materialize", "--jobs", "8"],
        cwd=place.root,
        env={**os.environ, "COLUMNS": "400"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert f"error[A0508]: cannot take a lock in {place.root}/.assets/locks: Too many open files\n" in done.stderr
    assert (
        "  hint: raise the limit of open files, as with `ulimit -n 4096`: a step holds a lock for each" in done.stderr
    )
    assert "Traceback" not in done.stderr


def test_made_by_another_between_two_looks(tmp_path, monkeypatch):
    """A state file that another process makes while we look at it is not taken for one of another program."""
    path = tmp_path / "state.db"
    real = sqlite3.connect
    interfered = []

    class Slow(sqlite3.Connection):
        def execute(self, statement, *values: object) -> object:
            answer = super().execute(statement, *values)
            if statement == "PRAGMA application_id" and not interfered:
                interfered.append(True)
                answer = iter(answer.fetchall())
                with closing(real(path, timeout=0, isolation_level=None)) as other:
                    try:
                        migrations.migrate(other, path)
                    except sqlite3.OperationalError:
                        interfered.append("had to wait")
                return type("Rows", (), {"fetchone": lambda _: next(answer)})()
            return answer

    path.touch()  # a file without a byte, as whoever makes it begins
    monkeypatch.setattr(writer.sqlite3, "connect", lambda *a, **k: real(*a, factory=Slow, **k))
    with closing(writer.connect(path, 1.0)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (migrations.SCHEMA_VERSION,)
    assert interfered


def test_at_once_while_some_are_killed(tmp_path, record_property):
    """A few are killed, some with their watchdogs: the others do what those cannot, and all of it once."""
    mill = Mill(tmp_path / "p", SEED, count=10, seconds=0.1)
    chance = random.Random(SEED)
    processes = [start(mill, chance) for _ in range(CROWD)]
    survivors = list(processes)
    for _ in range(CROWD // 3):
        time.sleep(chance.uniform(0, 0.3))
        victim = survivors.pop(chance.randrange(len(survivors)))
        if chance.random() < 0.3 and victim.poll() is None:
            kill_with_watchdog(victim)
        else:
            victim.kill()
    streams = finished(processes)
    streams += finished([mill.start("--json")])

    told_to_each_other(streams, mill)
    assert gone(list(processes_in(mill.root)), mill.root)
    known = history(mill.root)
    assert known.made == dict.fromkeys(mill.upstreams, 1)
    assert {state for states in known.states().values() for state in states} <= {"succeeded", "crashed"}
    assert set(known.runs) <= {"succeeded", "crashed"}
    assert mill.contents() == mill.expected()
    assert [line for line in mill.journal() if line[0] in ("overlap", "edge")] == []
    started = Counter(line[1] for line in mill.journal() if line[0] == "start")
    assert all(started[name] <= len(known.attempts[name]) for name in mill.upstreams)
    record_property("processes at once", CROWD)
    record_property("kills survived (one of a crowd)", sum(process.returncode == -9 for process in processes))
