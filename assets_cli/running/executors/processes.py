"""A command's processes: when the first has exited, whether others of its group live, and how they are ended.

Linux has a descriptor for the exit of a process and `/proc`; what other systems do instead is here too.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import threading
import time
from pathlib import Path

_INTERVALS = (0.002, 0.005, 0.01, 0.02, 0.05)
"""Seconds between looks at a group that was told to end: there is no descriptor for the end of a group."""

_PROC = Path("/proc")


class Exit:
    """A descriptor that is readable from the moment when a process has exited, before or after it is reaped."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        try:
            self._descriptor = os.pidfd_open(process.pid)
        except (AttributeError, OSError):  # not Linux, or a sandbox that knows no pidfd
            self._descriptor = _exit_by_thread(process)

    def fileno(self) -> int:
        """The descriptor; only to be polled."""
        return self._descriptor

    def wait(self, seconds: float, unless: int | None = None) -> bool:
        """Wait for the exit no longer than this, nor when the descriptor `unless` is readable; whether it has come."""
        poller = select.poll()
        for descriptor in (self._descriptor, *([] if unless is None else [unless])):
            poller.register(descriptor, select.POLLIN)
        return self._descriptor in {ready for ready, _ in poller.poll(max(seconds, 0) * 1000)}

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)


def _exit_by_thread(process: subprocess.Popen[bytes]) -> int:
    reader, writer = os.pipe()

    def wait() -> None:
        process.wait()
        os.close(writer)  # which the reader sees

    threading.Thread(target=wait, name="assets-exit", daemon=True).start()
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


def end_group(group: int, grace: float) -> bool:
    """End what is left of a group that has already had its SIGTERM; whether it is gone."""
    if _gone_within(group, grace):
        return True
    signal_group(group, signal.SIGKILL)
    return _gone_within(group, grace)


def _gone_within(group: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    for look in range(1_000_000):
        if not group_lives(group):
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(_INTERVALS[min(look, len(_INTERVALS) - 1)])
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
