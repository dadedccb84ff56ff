"""One command on this machine: started, watched, ended, its whole process group with it.

A command is the leader of a session and a process group of its own, and its output goes straight into its log.
Knows nothing of assets, locks or records: descriptors to inherit and callbacks are handed in.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from assets_cli.computes.reported import Reported, merge
from assets_cli.model import duration
from assets_cli.running.executors.cancellation import Cancellation
from assets_cli.running.executors.channel import WorkerChannel
from assets_cli.running.executors.logs import MaskingCopy, tail
from assets_cli.running.executors.processes import Exit, end_group, group_lives, is_ready, signal_group

__all__ = ["Cancellation", "Invocation", "LocalExecutor", "Outcome", "tail"]

State = Literal["succeeded", "failed", "timed_out", "cancelled"]

_LONGEST_POLL = 86_400_000
"""Milliseconds: longer ones don't fit into the kernel's integer, so a longer wait is several of these."""

_LEASH_PATIENCE = 0.1
"""Seconds that a leash is given to end: for an instant, children that other threads start hold a copy of it."""

_COPY_PATIENCE = 5.0
"""Seconds for the last of a log to be copied: a pipe holds 64 KiB, but a machine may be busy."""

_SIGNALLED = 128
"""What shells add to a signal's number to make an exit code of it."""


class Invocation(NamedTuple):
    """One command. `env` is its whole environment, `timeout` in microseconds.

    `descriptors` are inherited, such as those of locks; a `job` is sent to a worker by a socket whose number is put
    into ASSETS_CHANNEL; `masks` are secrets that must not reach the log. Standard output goes to the log too, or, as it
    is, to the file `stdout`.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    log: Path
    descriptors: tuple[int, ...] = ()
    timeout: int | None = None
    job: Mapping[str, Any] | None = None
    masks: tuple[str, ...] = ()
    stdout: Path | None = None


class Outcome(NamedTuple):
    """How a command ended.

    `exit_code` is None where it did not start; of a killed one it is 128 and the signal's number, as shells have it.
    `reason` says in a few words why it did not succeed. `result` is a worker's last document, `reports` what it
    reported. `escaped`: a child of the command has left its process group and still lives.
    """

    exit_code: int | None
    state: State
    reason: str | None = None
    result: dict[str, Any] | None = None
    reports: tuple[dict[str, Any], ...] = ()
    escaped: bool = False

    @property
    def reported(self) -> Reported:
        """All that a worker reported, as one."""
        return merge(
            Reported(each.get("data_version"), each.get("data_time"), each.get("metadata") or {})
            for each in self.reports
        )


class LocalExecutor:
    """Runs commands, one for each thread that calls it. Times are in seconds."""

    def __init__(self, *, grace: float = 5.0, rest_grace: float = 2.0) -> None:
        self._grace = grace
        self._rest_grace = rest_grace

    def run(
        self,
        invocation: Invocation,
        *,
        on_start: Callable[[int], None],
        on_prepared: Callable[[dict[str, Any]], None],
        cancelled: Cancellation,
    ) -> Outcome:
        """Run one command to its end.

        A command that is cancelled or takes too long gets SIGTERM, and SIGKILL after the grace, with its whole process
        group; after any end the rest of the group is ended. Whatever the callbacks raise ends the command too.

        Args:
            invocation: the command.
            on_start: called with the id of its process group once it has started.
            on_prepared: called with what a worker is about to publish; it publishes when this returns.
            cancelled: ends it, whenever it comes.
        """
        if cancelled.is_set():
            return Outcome(None, "cancelled", "cancelled")
        with ExitStack() as stack:
            try:
                command = _Command(invocation, stack)
            except (OSError, ValueError) as error:
                return Outcome(None, "failed", _why_not_started(error, invocation))
            try:
                on_start(command.group)
                verdict = command.watch(on_prepared, cancelled)
                if verdict is not None:
                    command.end(self._grace, cancelled)
            except BaseException:
                command.end(0, cancelled)
                command.end_rest(self._rest_grace)
                raise
            escaped = command.end_rest(0 if cancelled.is_urgent() else self._rest_grace)
            return command.outcome(verdict, escaped=escaped)


class _Command:
    """A command that has started. What it opened is closed with the stack."""

    def __init__(self, invocation: Invocation, stack: ExitStack) -> None:
        self._timeout = invocation.timeout
        log = _open_log(invocation.log)
        self._copy = MaskingCopy(log, invocation.masks) if invocation.masks else None
        output = self._copy.writer if self._copy else log
        printed = _open_log(invocation.stdout) if invocation.stdout else None
        # Whoever inherits the leash and still lives holds its writing end open, in whatever group.
        self._leash, leash = os.pipe()
        stack.callback(os.close, self._leash)
        theirs = None
        environment = invocation.env
        self._channel: WorkerChannel | None = None
        if invocation.job is not None:
            ours, theirs = socket.socketpair()
            self._channel = WorkerChannel(ours, invocation.job)
            stack.callback(self._channel.close)
            environment = {**environment, "ASSETS_CHANNEL": str(theirs.fileno())}
        try:
            self._process = subprocess.Popen(
                invocation.argv,
                executable=_found(invocation.argv[0], environment.get("PATH", os.defpath)),
                env=environment,
                cwd=invocation.cwd,
                stdin=subprocess.DEVNULL,
                stdout=output if printed is None else printed,
                stderr=output,
                start_new_session=True,
                pass_fds=(*invocation.descriptors, leash, *([theirs.fileno()] if theirs else [])),
            )
        finally:
            os.close(output)
            if printed is not None:
                os.close(printed)
            os.close(leash)
            if theirs is not None:
                theirs.close()
        self._started = time.monotonic()
        self.group = self._process.pid
        self._exit = Exit(self._process)
        stack.callback(self._exit.close)

    def watch(
        self, on_prepared: Callable[[dict[str, Any]], None], cancelled: Cancellation
    ) -> Literal["cancelled", "timed_out"] | None:
        """Wait for the exit, which is None, or for a reason to end it."""
        poller = select.poll()
        exited, stop = self._exit.fileno(), cancelled.fileno()
        poller.register(exited, select.POLLIN)
        poller.register(stop, select.POLLIN)
        while True:
            channel = self._channel if self._channel and self._channel.is_open else None
            if channel:
                poller.register(channel.fileno(), channel.events)
            ready = {descriptor for descriptor, _ in poller.poll(self._milliseconds_left())}
            if exited in ready:
                return None
            if stop in ready:
                return "cancelled"
            if channel and channel.fileno() in ready:
                descriptor = channel.fileno()
                channel.converse(on_prepared)
                if not channel.is_open:
                    poller.unregister(descriptor)
            if self._milliseconds_left() == 0:
                return "timed_out"

    def end(self, grace: float, cancelled: Cancellation) -> None:
        """End it: SIGTERM, and SIGKILL after the grace, or at once when whoever cancelled it is in a hurry."""
        signal_group(self.group, signal.SIGTERM)
        if not self._exit.wait(grace, cancelled.urgent_fileno()):
            signal_group(self.group, signal.SIGKILL)
            self._exit.wait(max(grace, 1.0))  # not for ever: a process may hang in the kernel

    def end_rest(self, grace: float) -> bool:
        """End what the command left in its group; whether a child outside of it still lives."""
        if self._channel:
            self._channel.converse(None)
        # The dead leader still holds the group's number, so this reaches nobody else; nor anybody in most cases.
        signal_group(self.group, signal.SIGTERM)
        if self._exit.wait(0):
            self._process.wait()
        gone = not group_lives(self.group) or end_group(self.group, grace)
        leashed = is_ready(self._leash, 0, 0) or is_ready(self._leash, 0, _LEASH_PATIENCE)
        escaped = not (gone and leashed)
        if self._copy:
            # Whoever has closed the leash and kept the log has escaped too.
            escaped |= not self._copy.finish(_LEASH_PATIENCE if escaped else _COPY_PATIENCE)
        return escaped

    def outcome(self, verdict: Literal["cancelled", "timed_out"] | None, *, escaped: bool) -> Outcome:
        """How it ended."""
        code = self._process.returncode
        shown = None if code is None else _SIGNALLED - code if code < 0 else code
        result = self._channel.result if self._channel else None
        reports = tuple(self._channel.reports) if self._channel else ()
        reason = self._reason(verdict, code, result)
        state: State = verdict or ("failed" if reason else "succeeded")
        return Outcome(shown, state, reason, result, reports, escaped)

    def _reason(self, verdict: str | None, code: int | None, result: Mapping[str, Any] | None) -> str | None:
        if verdict == "cancelled":
            return "cancelled"
        if verdict == "timed_out":
            return f"timed out after {duration.show(self._timeout or 0)}"
        if result and result["event"] == "failed":
            return f"{result['message']} ({result['hint']})" if result.get("hint") else str(result["message"])
        if code:
            return f"killed by {_signal_name(-code)}" if code < 0 else f"exit code {code}"
        if self._channel and result is None:
            return "ended without a result"
        return None

    def _milliseconds_left(self) -> float:
        if self._timeout is None:
            return _LONGEST_POLL
        left = self._started + self._timeout / duration.SECOND - time.monotonic()
        return min(max(left * 1000, 0), _LONGEST_POLL)


@lru_cache(maxsize=64)
def _found(program: str, path: str) -> str | None:
    """Where a program is, looked up once; None leaves it to the system, which tries every folder for every command."""
    where = None if "/" in program else shutil.which(program, path=path)
    return where if where is not None and where.startswith("/") else None


def _open_log(log: Path) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    try:
        return os.open(log, flags, 0o666)
    except FileNotFoundError:
        log.parent.mkdir(parents=True, exist_ok=True)
        return os.open(log, flags, 0o666)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _why_not_started(error: OSError | ValueError, invocation: Invocation) -> str:
    program = invocation.argv[0]
    if isinstance(error, OSError) and error.filename == str(invocation.log):
        return f"the log {invocation.log} cannot be written: {(error.strerror or '').lower()}"
    if isinstance(error, ValueError):
        return f"{program} cannot be started: {error}"
    if error.filename == invocation.cwd:
        return f"the folder {invocation.cwd} cannot be entered: {(error.strerror or '').lower()}"
    if isinstance(error, FileNotFoundError):
        return f"there is no program {program}"
    if isinstance(error, PermissionError):
        return f"{program} is not executable"
    return f"{program} cannot be started: {(error.strerror or str(error)).lower()}"
