"""Full disks and read-only ones under state, logs and outputs: what is said, what is on record, what is left to do.

Every fault comes by a way that needs no privileges: SQLite itself is made to find its disk full, modes are obeyed, a
limit is set on the size of files. Where the system allows it they also come by real disks in a mount namespace; the
summary at the end says whether it did.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
from support.disks import WHY_NOT, Disks
from support.history import history, planned
from support.mill import Mill, gone, processes_in
from support.modes import lock_up, obey_modes, unlock

SEED = int(os.environ.get("KILL_SEED", "1"))
STORIES = int(os.environ.get("DISK_STORIES", "2"))
REAL = ["real disk"] if WHY_NOT is None else []
SABOTAGE = """
import sqlite3, sys
from assets_cli.state import writer

class Sabotaged(sqlite3.Connection):
    written = 0
    def execute(self, statement, *values):
        if statement.startswith({statements}):
            Sabotaged.written += 1
            if Sabotaged.written == {number}:
                super().execute("{pragma}")
        return super().execute(statement, *values)

real = sqlite3.connect
writer.sqlite3 = type(sys)("sabotaged")
writer.sqlite3.__dict__.update(sqlite3.__dict__, connect=lambda *a, **k: real(*a, factory=Sabotaged, **k))
from assets_cli.__main__ import main
sys.argv = ["assets", "materialize", "--json", "--jobs", "2"]
main()
"""


def run(command, root, **options: object):
    """Run a command in a project to its end."""
    options = {"capture_output": True, "text": True, "timeout": 120, **options}
    options["env"] = {**options.get("env", os.environ), "COLUMNS": "400"}
    return subprocess.run(command, cwd=root, stdin=subprocess.DEVNULL, check=False, **options)


def told(done):
    """What was told as succeeded, seen to be the same in the events and in the last line."""
    events = [json.loads(line) for line in done.stdout.splitlines()]
    if not events:
        return []
    assert events[-1]["event"] == "run_finished"
    names = [each["asset"] for each in events if each["event"] == "step_finished" and each["result"] == "succeeded"]
    assert sorted(names) == sorted(events[-1]["succeeded"])
    return names


def is_clear(done):
    """It worked, or one says what is wrong, where, and what to do."""
    assert "Traceback" not in done.stderr
    assert "database is locked" not in done.stderr
    assert done.returncode in (0, 2), done.stderr
    if done.returncode:
        assert "error[A05" in done.stderr
        assert "hint: " in done.stderr


def settle(mill, before, again, record_property, kind):
    """What holds after a run that the disk cut short, and after the one that comes when there is room again."""
    is_clear(before)
    assert gone(list(processes_in(mill.root)), mill.root, 5), "commands were left behind"
    known = history(mill.root)
    named = told(before)
    assert set(named) <= set(known.made), "something was told as done that is not on record"
    expected = sorted(planned(mill.root))
    assert expected == sorted(set(mill.upstreams) - set(known.made))

    last = again()
    assert last.returncode == 0, last.stderr
    events = [json.loads(line) for line in last.stdout.splitlines()]
    promoted = [each["asset"] for each in events if "had published it before it died" in each.get("message", "")]
    assert sorted([*events[-1]["succeeded"], *promoted]) == expected
    known = history(mill.root)
    assert known.made == dict.fromkeys(mill.upstreams, 1)
    assert mill.contents() == mill.expected()
    started = [line[1] for line in mill.journal() if line[0] == "start"]
    assert all(started.count(name) <= len(known.attempts[name]) for name in mill.upstreams)
    assert [line for line in mill.journal() if line[0] in ("overlap", "edge")] == []
    record_property(f"disks survived ({kind})", 1)


@pytest.mark.parametrize(
    ("pragma", "statements", "most"),
    [
        ("PRAGMA max_page_count = 1", ("INSERT", "UPDATE"), 60),
        ("PRAGMA query_only = 1", ("INSERT", "UPDATE"), 60),
        # The beginning of a step, which is recorded together with the end of another.
        ("PRAGMA query_only = 1", ("INSERT INTO attempts",), 6),
    ],
    ids=["full", "read-only", "read-only at a beginning"],
)
@pytest.mark.parametrize("seed", range(SEED, SEED + STORIES))
def test_a_state_that_can_be_written_no_more(tmp_path, seed, pragma, statements, most, record_property):
    """From some record on, in the midst of a transaction: the loss is said, and only what is on record was told."""
    mill = Mill(tmp_path / "p", seed, count=6, seconds=0.01)
    number = mill.chance.randint(2, most)
    (tmp_path / "sabotage.py").write_text(SABOTAGE.format(number=number, pragma=pragma, statements=statements))
    done = run([sys.executable, str(tmp_path / "sabotage.py")], mill.root)

    settle(mill, done, lambda: mill.run("materialize", "--json"), record_property, "state, by SQLite")


@pytest.mark.parametrize("seed", range(SEED, SEED + STORIES) if REAL else [])
def test_a_real_disk_that_fills_up(tmp_path, seed, record_property):
    """The whole of `.assets` on a disk with so and so much room left."""
    mill = Mill(tmp_path / "p", seed, count=6, seconds=0.01)
    with Disks(mill.root) as disks:
        disks.mount(".assets", 2_000_000)
        disks.leave(".assets", random.Random(seed).randint(0, 400_000))
        done = run(disks.assets("materialize", "--json", "--jobs", "2"), mill.root)
        shown = run(disks.assets("runs", "--json"), mill.root)
        assert shown.returncode == 0, shown.stderr
        # What is inside is looked at from outside: a copy of what is there.
        disks.free(".assets")
        disks.must("cp", "-a", str(mill.root / ".assets"), str(tmp_path / "copy"))
    (mill.root / ".assets").rmdir()
    (tmp_path / "copy").rename(mill.root / ".assets")
    settle(mill, done, lambda: mill.run("materialize", "--json"), record_property, "state, a real disk")


@contextmanager
def read_only(place, folder, way):
    """A folder is read-only; yields what runs `assets`."""
    (place.root / folder).mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "assets_cli"]
    if way == "modes":
        lock_up(place.root / folder)
        yield lambda *words: run([*command, *words], place.root, preexec_fn=obey_modes)
        unlock(place.root / folder)
    else:
        with Disks(place.root) as disks:
            disks.must("mount", "--bind", str(place.root / folder), str(place.root / folder))
            disks.must("mount", "-o", "remount,bind,ro", str(place.root / folder))
            yield lambda *words: run(disks.assets(*words), place.root)


CHAIN = """
- {name: a, command: {shell: "echo a >> journal; echo 1 > out/a"}, output: {path: out/a}}
- {name: b, upstreams: [a], command: {shell: "echo b >> journal; cat out/a > out/b"}, output: {path: out/b}}
"""


@pytest.mark.parametrize("way", ["modes", *REAL])
def test_a_read_only_state(place, way, record_property):
    """Nothing is started whose record could not be kept; questions are answered all the same."""
    place.write("out/.keep", "")
    place.assets(CHAIN)
    place.materialize("a")
    with read_only(place, ".assets", way) as assets:
        done = assets("materialize")
        plan = assets("plan", "--json")

    assert (done.returncode, plan.returncode) == (2, 0)
    state = f"state file {place.root}/.assets/state.db"
    if way == "modes":
        assert f"error[A0506]: {state} cannot be written: attempt to write a readonly database\n" in done.stderr
    else:
        assert f"error[A0505]: {state} cannot be used: its disk is read-only\n" in done.stderr
    assert "hint: " in done.stderr
    assert [step["asset"] for step in json.loads(plan.stdout)["steps"]] == ["b"]
    assert (place.root / "journal").read_text() == "a\n"
    assert place.materialize()["succeeded"] == ["b"]
    record_property(f"disks survived (read-only, {way})", 1)


@pytest.mark.parametrize("way", ["modes", *REAL])
def test_read_only_logs(place, way, record_property):
    """A step whose log cannot be written fails before its command starts, and says which file it is."""
    place.write("out/.keep", "")
    place.assets(CHAIN)
    with read_only(place, ".assets/logs", way) as assets:
        done = assets("materialize", "--json")

    end = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, end["failed"], end["blocked"]) == (1, ["a"], ["b"])
    ((state, reason),) = history(place.root).attempts["a"]
    log = f"{place.root}/.assets/logs/{end['run']}/a.1.log"
    why = "permission denied" if way == "modes" else "read-only file system"
    assert (state, reason) == ("failed", f"the log {log} cannot be written: {why}")
    assert not (place.root / "journal").exists()
    assert place.materialize()["succeeded"] == ["a", "b"]
    record_property(f"disks survived (read-only, {way})", 1)


@pytest.mark.parametrize("way", ["modes", *REAL])
def test_read_only_outputs(place, way, record_property):
    """Whoever publishes, the step fails with the reason; what was there before is still there, and as recorded."""
    place.write("out/.keep", "")
    place.write("work.py", 'def f():\n    return "x\\n"\n')
    place.assets(
        CHAIN
        + """
- {name: c, command: {shell: "echo 1 > $ASSETS_OUTPUT"}, output: {path: out/c, atomic: true}}
- {name: d, command: {python: "work:f"}, output: {path: out/d}}
"""
    )
    place.materialize()
    before = {path.name: path.read_text() for path in (place.root / "out").iterdir()}
    with read_only(place, "out", way) as assets:
        done = assets("materialize", "--force", "a", "c", "d", "--json")
    why = "permission denied" if way == "modes" else "read-only file system"

    end = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, sorted(end["failed"])) == (1, ["a", "c", "d"])
    logs = "".join(path.read_text() for path in (place.root / ".assets/logs" / end["run"]).glob("*.log")).lower()
    assert logs.count(why) >= 3
    assert {path.name: path.read_text() for path in (place.root / "out").iterdir()} == before
    assert planned(place.root) == {
        "a": ["last_run_failed"],
        "b": ["upstream_stale"],
        "c": ["last_run_failed"],
        "d": ["last_run_failed"],
    }
    assert place.materialize()["exit"] == 0
    record_property(f"disks survived (read-only, {way})", 1)


BIG = """
- {name: shell, command: {shell: "head -c 3000000 /dev/zero > out/shell"}, output: {path: out/shell}}
- name: atomic
  command: {shell: "head -c 3000000 /dev/zero > $ASSETS_OUTPUT"}
  output: {path: out/atomic, atomic: true}
- {name: python, command: {python: "work:big"}, output: {path: out/python}}
- {name: small, command: {shell: "echo 1 > out/small"}, output: {path: out/small}}
"""


@pytest.mark.parametrize("way", ["limit", *REAL])
def test_a_full_disk_under_outputs(place, way, record_property):
    """What does not fit fails, with the system's words in its log; nothing half is left where we publish."""
    place.write("out/.keep", "")
    place.write("work.py", 'def big():\n    return "x" * 3_000_000\n')
    place.assets(BIG)
    words = ("materialize", "--json", "--jobs", "1")
    if way == "limit":

        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

        done = run([sys.executable, "-m", "assets_cli", *words], place.root, preexec_fn=limit)
        left = {path.name for path in (place.root / "out").iterdir()}
    else:
        with Disks(place.root) as disks:
            disks.mount("out", 1_000_000)
            # What publishes goes first: the shell leaves what it has written, and the disk full.
            done = run(disks.assets(*words, "atomic", "python", "small"), place.root)
            left = {path.name for path in (disks.inside / "out").iterdir()} | {".keep", "shell"}
            full = run(disks.assets(*words, "shell"), place.root)
            assert json.loads(full.stdout.splitlines()[-1])["failed"] == ["shell"]

    end = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, end["succeeded"]) == (1, ["small"])
    assert left == {".keep", "shell", "small"}
    reasons = {asset: [reason for _, reason in tries] for asset, tries in history(place.root).attempts.items()}
    if way == "limit":
        assert reasons["shell"] == [f"exit code {128 + signal.SIGXFSZ}"]
        assert reasons["atomic"] == [f"exit code {128 + signal.SIGXFSZ}"]
        assert "File too large" in reasons["python"][0]
    else:
        assert "No space left on device" in reasons["python"][0]
    if way == "limit":
        assert place.materialize()["succeeded"] == ["shell", "atomic", "python"]
    record_property(f"disks survived (outputs, {way})", 1)


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("way", ["limit", *REAL])
def test_a_full_disk_under_logs(place, way, masked, record_property):
    """The log ends where the disk does; where we copy it the command goes on, and the loss is said."""
    secret = "env: {TOKEN: '${env.TOKEN}'}, " if masked else ""
    place.assets(f'- {{name: noisy, {secret}command: {{shell: "head -c 3000000 /dev/zero; echo the end of $TOKEN"}}}}')
    words = ("materialize", "--json")
    environ = {**os.environ, "TOKEN": "s3cr3t-of-ours"}
    if way == "limit":

        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

        done = run([sys.executable, "-m", "assets_cli", *words], place.root, preexec_fn=limit, env=environ)
        why = "file too large"
    else:
        with Disks(place.root) as disks:
            disks.mount(".assets/logs", 1_000_000)
            done = run(disks.assets(*words), place.root, env=environ)
        why = "no space left on device"

    events = [json.loads(line) for line in done.stdout.splitlines()]
    warnings = [(each["asset"], each["message"]) for each in events if each["event"] == "warning"]
    if masked:
        assert (done.returncode, events[-1]["succeeded"]) == (0, ["noisy"])
        assert warnings == [("noisy", f"a part of what the command printed is not in its log: {why}")]
    else:
        assert (done.returncode, events[-1]["failed"], warnings) == (1, ["noisy"], [])
    assert "s3cr3t" not in done.stdout
    record_property(f"disks survived (logs, {way})", 1)


def test_a_full_disk_under_everything_that_is_temporary(place):
    """What a dead run leaves is ended also where there is no room for temporary files."""
    place.assets('- {name: a, command: {shell: "touch on; sleep 60"}}')
    nowhere = place.root / "nowhere"
    environ = {**os.environ, "TMPDIR": str(nowhere), "TMP": str(nowhere), "TEMP": str(nowhere)}
    process = subprocess.Popen([sys.executable, "-m", "assets_cli", "materialize"], cwd=place.root, env=environ)
    place.wait_for("on")
    below = list(processes_in(place.root))
    process.kill()
    process.wait()
    assert gone(below, place.root)
