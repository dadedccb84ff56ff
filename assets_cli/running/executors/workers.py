"""Warm workers: processes that run SQL and Python commands one after another, so that imports are paid once.

A worker that is free is taken by the next command that wants the same environment. One is kept only if its last
command left it as it was: after a timeout, a crash, children or threads that still live, or a change of the code that
it has imported it is ended, and another starts. Knows nothing of assets or locks.
"""

from __future__ import annotations

import os
import select
import signal
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from assets_cli.running.executors.channel import WorkerChannel
from assets_cli.running.executors.processes import Process, is_ready, signal_group
from assets_cli.running.executors.spawning import Start

_LAST_WORDS = 1.0
"""Seconds for an idle worker to end by itself."""


class Kind(NamedTuple):
    """What one worker can stand in for another by: program, environment and folder."""

    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    cwd: str


class Worker:
    """A worker process, its channel, and the pipe that it and its children hold open while they live."""

    def __init__(self, kind: Kind, log: int) -> None:
        self.kind = kind
        self.leash, theirs_leash = os.pipe()
        ours, theirs = socket.socketpair()
        self.channel = WorkerChannel(ours)
        env = {**dict(kind.env), "ASSETS_CHANNEL": str(theirs.fileno())}
        try:
            self.process = Process(Start(kind.argv, env, kind.cwd, log, log, (theirs_leash, theirs.fileno())))
        except BaseException:
            self.channel.close()
            os.close(self.leash)
            raise
        finally:
            os.close(theirs_leash)
            theirs.close()

    def is_usable(self) -> bool:
        """Whether it lives and waits for a job."""
        return self.channel.is_open and not self.process.has_exited()

    def close(self) -> None:
        """Give back what it took; the process has ended, or is somebody else's business."""
        self.channel.close()
        self.process.close()
        os.close(self.leash)


class WorkerPool:
    """The workers that are free. Who takes one gives it back, or ends it."""

    def __init__(self) -> None:
        self._free: dict[Kind, list[Worker]] = {}

    def take(self, kind: Kind) -> Worker | None:
        """A free worker of this kind, if there is one."""
        free = self._free.get(kind, [])
        while True:
            try:
                worker = free.pop()
            except IndexError:  # looked at only by this: probes run in threads of their own
                return None
            if worker.is_usable():
                return worker
            end(worker)

    def give_back(self, worker: Worker) -> None:
        """It is free again, as it was before."""
        self._free.setdefault(worker.kind, []).append(worker)

    def close(self) -> Sequence[int]:
        """End all that are free; the numbers of their process groups, which are gone."""
        workers = [worker for free in self._free.values() for worker in free]
        self._free.clear()
        for worker in workers:
            worker.channel.close()  # which tells it to end
        return [end(worker) for worker in workers]


def end(worker: Worker) -> int:
    """End a worker that has no job; the number of its process group, which is gone."""
    worker.channel.close()
    if not is_ready(worker.process.fileno(), select.POLLIN, _LAST_WORDS):
        signal_group(worker.process.pid, signal.SIGKILL)
    worker.process.reap()
    with suppress(OSError):
        worker.close()
    return worker.process.pid


def kind_of(argv: Sequence[str], env: Mapping[str, str], cwd: str) -> Kind:
    """The kind of worker that a command wants."""
    return Kind(tuple(argv), tuple(env.items()), cwd)
