"""SIGKILL of whoever takes part in a run, at random instants over random graphs, and what must hold afterwards.

`KILL_STORIES` says how many stories of kills are told; `KILL_SEED` is the first one's seed.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections import Counter

import pytest
from support.mill import Mill, gone, kill, kill_with_watchdog

SEED = int(os.environ.get("KILL_SEED", "1"))
STORIES = int(os.environ.get("KILL_STORIES", "6"))
VICTIMS = ("coordinator", "coordinator", "coordinator and watchdog", "somebody below")


@pytest.mark.parametrize("seed", range(SEED, SEED + STORIES))
def test_killed_at_random_instants(seed, tmp_path, record_property):
    """Nothing is lost, nothing is done twice, nobody is left behind, nobody works where somebody else does."""
    mill = Mill(tmp_path / "p", seed)
    kills = Counter()
    for _ in range(4):
        kills[_kill_somebody(mill)] += 1
        _check_history(mill)
    for _ in range(3):
        done = mill.run("materialize", "--json")
        assert done.stdout, done.stderr
        end = json.loads(done.stdout.splitlines()[-1])
        if not end["failed"]:
            break
    assert (done.returncode, end["failed"]) == (0, []), done.stderr
    assert mill.contents() == mill.expected()
    assert mill.run("plan", "--exit-code").returncode == 0
    steps = _check_history(mill)
    assert [line for line in mill.journal() if line[0] in ("overlap", "edge")] == []
    made = Counter(asset for asset, state in steps if state == "succeeded")
    assert made == dict.fromkeys(mill.upstreams, 1), "each asset is on record as made, once"
    started = Counter(line[1] for line in mill.journal() if line[0] == "start")
    tried = Counter(asset for asset, _ in steps)
    assert all(started[name] <= tried[name] for name in mill.upstreams), "no command ran without an attempt"
    assert {state for _, state in steps} <= {"succeeded", "failed", "crashed"}
    for victim, number in kills.items():
        record_property(f"kills survived ({victim})", number)
    record_property("attempts checked", len(steps))


def _kill_somebody(mill: Mill) -> str:
    """Start a run and kill who takes part in it, at a random instant; who it was."""
    victim = mill.chance.choice(VICTIMS)
    process = mill.start("--json", "--jobs", str(mill.chance.choice([1, 2, 4])))
    if mill.chance.random() < 0.9:  # most die at work, a few before
        assert process.stdout
        process.stdout.readline()
        time.sleep(mill.chance.uniform(0, mill.seconds * 6))
    below = mill.commands_alive()
    if victim == "somebody below" and below:
        kill(mill.chance.choice(below))
        process.communicate(timeout=60)
        assert process.returncode in (0, 1)
        return victim
    if victim == "coordinator and watchdog":
        kill_with_watchdog(process)
    else:
        process.kill()
    process.communicate(timeout=60)
    if victim != "coordinator and watchdog":
        assert gone(below, mill.root), "the watchdog ends what the coordinator left"
    return victim


def _check_history(mill: Mill) -> list[tuple[str, str]]:
    """History is whole, and every attempt on record is one of a run on record; the attempts."""
    done = mill.run("runs", "--json")
    assert done.returncode == 0, done.stderr
    state = mill.root / ".assets/state.db"
    if not state.exists():
        return []
    with sqlite3.connect(f"file:{state}?mode=ro", uri=True) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        twice = "SELECT attempt FROM materializations GROUP BY attempt HAVING count(*) > 1"
        assert connection.execute(twice).fetchall() == []
        return connection.execute("SELECT asset, state FROM attempts ORDER BY seq").fetchall()
