"""A clock for whole trees of processes by which waiting takes next to no time, and work as long as it takes.

A process in whose PYTHONPATH it is lives by it, and so do those that it starts; nothing of the product knows of it. It
goes fast while `assets up` sleeps and nothing that it has started is at work, also nothing that outlived it. So hours
pass between two runs in a fraction of a second, while starting a process, planning and running take what they take by
the real clock: how close a promise comes to being broken is what it would be in real hours.

The time of day is the real one, and what was skipped (`waited`), what the machine slept (`slept`), and by how much
somebody has set the clock (`set`). Of the last two the steady clock of the system knows nothing, and the one that
counts since the machine was started knows that it slept.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

SPEED = 20_000
"""How much faster waiting is."""
_SITE = f"""
import fcntl, os, selectors, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
FILES = {{name: os.open(os.path.join(HERE, name), os.O_RDWR) for name in ("waited", "slept", "set", "work")}}
wall, steady, boot = time.time_ns, time.monotonic_ns, time.CLOCK_BOOTTIME
of = time.clock_gettime_ns


def offset(*names):
    return sum(int(os.pread(FILES[name], 30, 0)) for name in names)


time.time_ns = lambda: wall() + offset("waited", "slept", "set")
time.time = lambda: time.time_ns() / 1e9
time.monotonic_ns = lambda: steady() + offset("waited")
time.clock_gettime_ns = lambda which: of(which) + (offset("waited", "slept") if which == boot else 0)


class Selector(selectors.DefaultSelector):
    def select(self, timeout=None):
        with open(f"/proc/self/task/{{os.getpid()}}/children") as children:
            if timeout is None or children.read():
                return super().select(timeout)
        try:
            fcntl.flock(FILES["work"], fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return super().select(min(timeout, 0.05))
        began = steady()
        found = super().select(timeout / {SPEED})
        took = steady() - began
        passed = min(took * {SPEED}, timeout * 1e9) if found else timeout * 1e9
        os.pwrite(FILES["waited"], f"{{offset('waited') + max(int(passed) - took, 0):>29}}".encode(), 0)
        fcntl.flock(FILES["work"], fcntl.LOCK_UN)
        return found


if "up" in sys.orig_argv:
    selectors.DefaultSelector = Selector
else:
    fcntl.flock(FILES["work"], fcntl.LOCK_SH)  # until this process is gone
"""


class FastClock:
    """One, in a folder of its own. All times are in seconds, and `now` is true: what `set` says is not in it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        for name in ("waited", "slept", "set", "work"):
            (folder / name).write_text(f"{0:>29}")
        (folder / "sitecustomize.py").write_text(_SITE)
        path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
        self.environment = {"PYTHONPATH": path, "CLOCK": str(folder)}
        """What a process needs to live by it. In a command of the shell, `TRUE_TIME` gives `now`."""

    TRUE_TIME = "$(( $(date +%s%N) + $(cat $CLOCK/waited) + $(cat $CLOCK/slept) ))"
    """In a command of the shell: true time, in nanoseconds."""

    WALL_TIME = "$(( $(date +%s%N) + $(cat $CLOCK/waited) + $(cat $CLOCK/slept) + $(cat $CLOCK/set) ))"
    """What the clock on the wall shows."""

    def now(self) -> float:
        """True time."""
        return (time.time_ns() + self._offset("waited") + self._offset("slept")) / 1e9

    def wall(self) -> float:
        """What the clock on the wall shows."""
        return self.now() + self._offset("set") / 1e9

    def pass_while_nothing_runs(self, seconds: float) -> None:
        """Let time go by when no process lives by this clock; those that still do are waited for."""
        with (self._folder / "work").open("r+") as work:
            fcntl.flock(work, fcntl.LOCK_EX)
            self._add("waited", seconds)

    def sleep(self, seconds: float) -> None:
        """The machine sleeps."""
        self._add("slept", seconds)

    def set(self, seconds: float) -> None:
        """Somebody sets the clock forward, or back."""
        self._add("set", seconds)

    def _offset(self, name: str) -> int:
        return int((self._folder / name).read_text())

    def _add(self, name: str, seconds: float) -> None:
        file = os.open(self._folder / name, os.O_RDWR)
        os.pwrite(file, f"{self._offset(name) + int(seconds * 1e9):>29}".encode(), 0)
        os.close(file)
