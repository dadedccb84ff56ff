"""How a process is started: by the cheapest way that the system has, as the leader of a session of its own.

`posix_spawn` costs a third of `subprocess.Popen`, which matters where commands are short. It has no way to start in
another folder, and not every system can make a session with it: then `subprocess` does.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

_IGNORED_BY_PYTHON = tuple(
    number for name in ("SIGPIPE", "SIGXFZ", "SIGXFSZ") if (number := getattr(signal, name, None)) is not None
)
"""Signals that Python ignores, and that a command must find as they usually are."""


class Start(NamedTuple):
    """What to start: an argument list, its whole environment, its folder, its output, descriptors to inherit.

    Without `stdin` it has nothing to read.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    stdout: int
    stderr: int
    descriptors: Sequence[int] = ()
    stdin: int | None = None


class Started(NamedTuple):
    """A process that was started. `popen` is there where `subprocess` did it, and then it has to do the reaping."""

    pid: int
    popen: subprocess.Popen[bytes] | None = None


def start(what: Start) -> Started:
    """Start a process, the leader of a session and of a process group.

    Raises:
        OSError: there is no such program or folder, or it may not be executed.
        ValueError: an argument or a variable holds what no process can be given.
    """
    program = _found(what.argv[0], what.env.get("PATH", os.defpath))
    if program is not None and _can_make_sessions() and os.getcwd() == _real(what.cwd):  # noqa: PTH109 - a text
        return Started(_spawn(program, what))
    process = subprocess.Popen(
        what.argv,
        executable=program,
        env=what.env,
        cwd=what.cwd,
        stdin=_null() if what.stdin is None else what.stdin,
        stdout=what.stdout,
        stderr=what.stderr,
        start_new_session=True,
        pass_fds=what.descriptors,
    )
    return Started(process.pid, process)


def reap(process: Started) -> int:
    """Wait for the end of a process: its exit code, or the negative number of the signal that ended it."""
    if process.popen is not None:
        return process.popen.wait()
    try:
        return os.waitstatus_to_exitcode(os.waitpid(process.pid, 0)[1])
    except ChildProcessError:
        return 0  # somebody else in this program has reaped it: how it ended is lost


def _spawn(program: str, what: Start) -> int:
    # Inherited descriptors keep their numbers, which a copy onto itself says; the others are closed by exec.
    actions: list[tuple[Any, ...]] = [
        (os.POSIX_SPAWN_DUP2, _null() if what.stdin is None else what.stdin, 0),
        (os.POSIX_SPAWN_DUP2, what.stdout, 1),
        (os.POSIX_SPAWN_DUP2, what.stderr, 2),
    ]
    actions += [(os.POSIX_SPAWN_DUP2, each, each) for each in what.descriptors]
    return os.posix_spawn(program, what.argv, what.env, file_actions=actions, setsid=True, setsigdef=_IGNORED_BY_PYTHON)


@lru_cache(maxsize=64)
def _found(program: str, path: str) -> str | None:
    """Where a program is, looked up once; None leaves it to the system, which tries every folder for every command."""
    where = None if "/" in program else shutil.which(program, path=path)
    return where if where is not None and where.startswith("/") else None


@lru_cache(maxsize=8)
def _real(folder: str) -> str:
    return os.path.realpath(folder)


@lru_cache(maxsize=1)
def _null() -> int:
    return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)


@lru_cache(maxsize=1)
def _can_make_sessions() -> bool:
    """Whether `posix_spawn` knows sessions here; found out by doing it."""
    try:
        pid = os.posix_spawn("/bin/sh", ["sh", "-c", ":"], {}, setsid=True)
    except (NotImplementedError, OSError, AttributeError):
        return False
    os.waitpid(pid, 0)
    return True
