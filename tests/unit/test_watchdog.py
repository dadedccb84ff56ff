"""The watchdog as a real process: whom it ends when its coordinator dies, and whom it leaves alone."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from assets_cli.running.executors import spawning
from assets_cli.running.executors.watchdog import Watchdog

COORDINATOR = """
import os, subprocess, sys
from assets_cli.running.executors import spawning
from assets_cli.running.executors.watchdog import Watchdog
if "popen" in sys.argv:
    spawning._can_make_sessions = lambda: False
if "no memfd" in sys.argv:
    del os.memfd_create
watchdog = Watchdog()
def child(script):
    return subprocess.Popen(["sh", "-c", script], start_new_session=True, stdout=subprocess.DEVNULL).pid
quick = child("sleep 60 & sleep 60")
stubborn = child("trap '' TERM; sleep 60 & while :; do sleep 0.1; done")
taken_back = child("sleep 60")
for pid in (taken_back, quick, stubborn):
    watchdog.add(pid)
watchdog.remove(taken_back)
print(quick, stubborn, taken_back, watchdog._process.pid, flush=True)
sys.stdin.read()
watchdog.close()
"""


def alive(group: int) -> bool:
    """Whether anybody of a process group lives."""
    shown = subprocess.run(["ps", "-eo", "pgid=,stat="], capture_output=True, text=True, check=True).stdout
    return any(int(line.split()[0]) == group and line.split()[1][0] not in "ZX" for line in shown.splitlines())


def within(seconds: float, groups: list[int]) -> bool:
    """Whether all of them are gone within this time."""
    deadline = time.monotonic() + seconds
    while any(alive(group) for group in groups):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize("how", ["", "popen", "no memfd"])
def test_a_coordinator_that_dies(how: str) -> None:
    """Its groups get SIGTERM and, two seconds later, SIGKILL; one that was taken back is somebody else's by now."""
    coordinator = subprocess.Popen(
        [sys.executable, "-c", COORDINATOR, how], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert coordinator.stdout
    quick, stubborn, taken_back, watchdog = map(int, coordinator.stdout.readline().split())
    coordinator.kill()
    coordinator.communicate()
    try:
        assert within(1.5, [quick])
        assert within(6, [stubborn, watchdog])
        assert alive(taken_back)
    finally:
        os.killpg(taken_back, 9)


def test_a_coordinator_that_says_farewell() -> None:
    """Then nothing is ended, whatever was named and not taken back."""
    coordinator = subprocess.Popen(
        [sys.executable, "-c", COORDINATOR], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert coordinator.stdout
    quick, stubborn, taken_back, watchdog = map(int, coordinator.stdout.readline().split())
    coordinator.communicate("")
    try:
        assert coordinator.returncode == 0
        assert within(1, [watchdog])
        assert all(alive(group) for group in (quick, stubborn, taken_back))
    finally:
        for group in (quick, stubborn, taken_back):
            os.killpg(group, 9)


def test_signals_to_the_terminal_are_not_for_it(tmp_path: Path) -> None:
    """It is in a session of its own, and deaf to all that asks it to end."""
    watchdog = Watchdog()
    try:
        assert os.getsid(watchdog._process.pid) == watchdog._process.pid
        time.sleep(0.1)  # until the shell has set its traps
        for number in (1, 2, 3, 13, 15):
            os.kill(watchdog._process.pid, number)
        time.sleep(0.1)
        assert alive(watchdog._process.pid)
    finally:
        watchdog.close()


def test_one_that_was_killed() -> None:
    """Named to or taken back from, it complains of nothing; nor when it is let go."""
    watchdog = Watchdog()
    os.kill(watchdog._process.pid, 9)
    watchdog.add(4_000_000)
    watchdog.remove(4_000_000)
    watchdog.close()


def test_many_groups_from_many_threads() -> None:
    """Each has a line of its own in the file, however they come and go; lines are used again."""
    watchdog = Watchdog()
    try:

        def come_and_go(start: int) -> None:
            for group in range(start, start + 200):
                watchdog.add(group)
            for group in range(start, start + 100):
                watchdog.remove(group)

        threads = [threading.Thread(target=come_and_go, args=(10_000_000 + 1000 * index,)) for index in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        written = os.pread(watchdog._groups, 1 << 20, 0).split()
        named = sorted(int(word) for word in written if word != b"0")
        assert named == sorted(10_000_000 + 1000 * index + each for index in range(8) for each in range(100, 200))
        assert len(written) <= 1600
        for group in list(watchdog._slots):
            watchdog.remove(group)
    finally:
        watchdog.close()


def test_it_reads_with_the_whole_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """It starts by either way of starting."""
    monkeypatch.setattr(spawning, "_can_make_sessions", lambda: False)
    watchdog = Watchdog()
    assert watchdog._process.popen is not None
    watchdog.close()
