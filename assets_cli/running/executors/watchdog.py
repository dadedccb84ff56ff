"""The watchdog: a small process that ends the commands of a coordinator that died, children and grandchildren too.

It waits on a pipe whose other end only the coordinator holds, so that it learns of any death, SIGKILL included. A
shell, because that starts in a millisecond and waits in a megabyte. It is told nothing while all is well: the running
process groups are in a file without a name, which it reads when it is alone.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress

from assets_cli.running.executors.spawning import Start, reap, start

_SLOT = 12
"""Bytes of a line with the number of a process group."""

_SCRIPT = """
trap '' HUP INT TERM QUIT PIPE
read -r farewell
[ -n "$farewell" ] && exit 0
groups=$(cat <&2)
ended=
for group in $groups; do
  [ "$group" -gt 1 ] && kill -s TERM -- "-$group" 2>/dev/null && ended="$ended $group"
done
[ -z "$ended" ] && exit 0
sleep 2
for group in $ended; do kill -s KILL -- "-$group" 2>/dev/null; done
exit 0
"""
"""What it does. A group that is told to end gets two seconds for it."""


def _nameless_file() -> int:
    """In memory, so that a full disk takes nothing away; on a disk where the system cannot do that."""
    try:
        return os.memfd_create("assets-groups")
    except (AttributeError, OSError):
        import tempfile  # on use: Linux needs none

        with tempfile.TemporaryFile() as file:
            return os.dup(file.fileno())


class Watchdog:
    """Watches over the process groups that are named to it until they are taken back, or until we die."""

    def __init__(self) -> None:
        self._groups = _nameless_file()
        self._guard = threading.Lock()  # probes run in threads of their own
        self._free: list[int] = []
        self._slots: dict[int, int] = {}
        reader, self._farewell = os.pipe()
        null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        env = {"PATH": os.environ.get("PATH", os.defpath)}
        try:
            what = Start(("sh", "-c", _SCRIPT), env, os.getcwd(), null, self._groups, stdin=reader)  # noqa: PTH109 - a text
            self._process = start(what)
        finally:
            os.close(reader)
            os.close(null)

    def add(self, group: int) -> None:
        """End this group if we die."""
        with self._guard:
            slot = self._free.pop() if self._free else len(self._slots)
            self._slots[group] = slot
            self._write(slot, group)

    def remove(self, group: int) -> None:
        """This group has ended; its number may be another's soon."""
        with self._guard:
            slot = self._slots.pop(group)
            self._free.append(slot)
            self._write(slot, 0)

    def close(self) -> None:
        """Nothing runs any more: let the watchdog go."""
        with suppress(OSError):  # it may have been killed
            os.write(self._farewell, b"done\n")
        os.close(self._farewell)
        os.close(self._groups)
        reap(self._process)

    def _write(self, slot: int, group: int) -> None:
        with suppress(OSError):  # a full disk: what it is for is lost, and nothing else
            os.pwrite(self._groups, b"%*d\n" % (_SLOT - 1, group), slot * _SLOT)
