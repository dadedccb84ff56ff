"""A command's processes: when the first has exited, whether others of its group live, and how they are ended.

Linux has a descriptor for the exit of a process and `/proc`; what other systems do instead is here too.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from pathlib import Path

from assets_cli.running import loop
from assets_cli.running.executors import spawning
from assets_cli.running.executors.spawning import Start

_INTERVALS = (0.002, 0.005, 0.01, 0.02, 0.05)
"""Seconds between looks at a group that was told to end: there is no descriptor for the end of a group."""

_PROC = Path("/proc")


class Process:
    """A process that we started, the leader of its group. Its descriptor is readable from its exit on.

    Until it is reaped the dead leader holds the group's number, so that a signal to the group reaches nobody else.
    """

    def __init__(self, what: Start) -> None:
        self._started = spawning.start(what)
        self.pid = self._started.pid
        self.exit_code: int | None = None
        self._reaper: threading.Thread | None = None
        try:
            self._descriptor = os.pidfd_open(self.pid)
        except (AttributeError, OSError):  # not Linux, or a sandbox that knows no pidfd
            self._descriptor = self._exit_by_thread()

    def fileno(self) -> int:
        """The descriptor; only to be polled."""
        return self._descriptor

    async def wait(self, seconds: float, unless: int | None = None) -> bool:
        """Wait for the exit no longer than this, nor when the descriptor `unless` is readable; whether it has come."""
        events = {self._descriptor: select.POLLIN}
        if unless is not None:
            events[unless] = select.POLLIN
        return self._descriptor in await loop.ready(events, max(seconds, 0))

    def has_exited(self) -> bool:
        """Whether it has exited by now."""
        return self.exit_code is not None or is_ready(self._descriptor, select.POLLIN, 0)

    def reap(self) -> int:
        """Its exit code, or the negative number of the signal that ended it; waits for the exit."""
        if self._reaper is not None:
            self._reaper.join()
        elif self.exit_code is None:
            self.exit_code = spawning.reap(self._started)
        return self.exit_code or 0

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)

    def _exit_by_thread(self) -> int:
        reader, writer = os.pipe()

        def wait() -> None:
            self.exit_code = spawning.reap(self._started)
            os.close(writer)  # which the reader sees

        self._reaper = threading.Thread(target=wait, name="assets-exit", daemon=True)
        self._reaper.start()
        return reader


def is_ready(descriptor: int, events: int, seconds: float) -> bool:
    """Whether one of the events, or the end of the other side, comes within this time."""
    poller = select.poll()
    poller.register(descriptor, events)
    return bool(poller.poll(max(seconds, 0) * 1000))


def signal_group(group: int, number: signal.Signals) -> None:
    """Send a signal to every process of a group that is left."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return  # nobody left; or, on macOS, only zombies


def group_lives(group: int) -> bool:
    """Whether a process of a group is left that has not exited. One that we may not signal does not count."""
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    # Where nobody reaps orphans (a container without an init), zombies keep their group for ever.
    return not _PROC.joinpath("self/stat").exists() or _has_member(group)


async def end_group(group: int, grace: float) -> bool:
    """End what is left of a group that has already had its SIGTERM; whether it is gone."""
    if await _gone_within(group, grace):
        return True
    signal_group(group, signal.SIGKILL)
    return await _gone_within(group, grace)


async def _gone_within(group: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    for look in range(1_000_000):
        if not group_lives(group):
            return True
        if time.monotonic() >= deadline:
            return False
        await loop.pause(_INTERVALS[min(look, len(_INTERVALS) - 1)])
    return False


def _has_member(group: int) -> bool:
    for entry in os.scandir(_PROC):
        if entry.name.isdigit():
            try:
                stat = Path(entry.path, "stat").read_bytes()
            except OSError:
                continue  # it has just ended
            # After the name, which is in parentheses and may hold anything: state, parent, group.
            state, _, of = stat[stat.rindex(b")") + 2 :].split(None, 3)[:3]
            if int(of) == group and state not in (b"Z", b"X"):
                return True
    return False
