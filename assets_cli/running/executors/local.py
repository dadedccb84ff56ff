"""One command on this machine: started, watched, ended, its whole process group with it.

A command is the leader of a session and a process group of its own, and its output goes straight into its log.
Knows nothing of assets, locks or records: descriptors to inherit and callbacks are handed in.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from assets_cli.computes.reported import Reported, merge
from assets_cli.model import duration
from assets_cli.running import loop
from assets_cli.running.executors.cancellation import Cancellation
from assets_cli.running.executors.channel import WorkerChannel
from assets_cli.running.executors.logs import MaskingCopy, tail
from assets_cli.running.executors.processes import Process, end_group, group_lives, is_ready, signal_group
from assets_cli.running.executors.spawning import Start
from assets_cli.running.executors.watchdog import Watchdog
from assets_cli.running.executors.workers import Worker, WorkerPool, kind_of

__all__ = ["Cancellation", "Invocation", "LocalExecutor", "Outcome", "tail"]

State = Literal["succeeded", "failed", "timed_out", "cancelled"]

_LEASH_PATIENCE = 0.1
"""Seconds that a leash is given to end: for an instant, children that other threads start hold a copy of it."""

_COPY_PATIENCE = 5.0
"""Seconds for the last of a log to be copied: a pipe holds 64 KiB, but a machine may be busy."""

_SIGNALLED = 128
"""What shells add to a signal's number to make an exit code of it."""


class Invocation(NamedTuple):
    """One command. `env` is its whole environment, `timeout` in microseconds.

    `descriptors` are inherited, such as those of locks; a `job` is for a worker, of which `argv` is the program: one
    that is `warm` already, or one of its own. `masks` are secrets that must not reach the log. Standard output goes to
    the log too, or, as it is, to the file `stdout`.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    log: str | os.PathLike[str]
    descriptors: tuple[int, ...] = ()
    timeout: int | None = None
    job: Mapping[str, Any] | None = None
    masks: tuple[str, ...] = ()
    stdout: Path | None = None
    warm: bool = True


class Outcome(NamedTuple):
    """How a command ended.

    `exit_code` is None where it did not start; of a killed one it is 128 and the signal's number, as shells have it.
    `reason` says in a few words why it did not succeed. `result` is a worker's last document, `reports` what it
    reported. `escaped`: a child of the command has left its process group and still lives. `lost` is why a part of what
    it printed is not in its log.
    """

    exit_code: int | None
    state: State
    reason: str | None = None
    result: dict[str, Any] | None = None
    reports: tuple[dict[str, Any], ...] = ()
    escaped: bool = False
    lost: str | None = None

    @property
    def reported(self) -> Reported:
        """All that a worker reported, as one."""
        return merge(
            Reported(each.get("data_version"), each.get("data_time"), each.get("metadata") or {})
            for each in self.reports
        )


class LocalExecutor:
    """Runs commands, any number at once. Times are in seconds."""

    def __init__(self, *, grace: float = 5.0, rest_grace: float = 2.0) -> None:
        self._grace = grace
        self._rest_grace = rest_grace
        self._workers = WorkerPool()
        self._guard = threading.Lock()
        self._keepers: Keepers | None = None

    async def run(
        self,
        invocation: Invocation,
        *,
        on_start: Callable[[int], None],
        on_prepared: Callable[[dict[str, Any]], Awaitable[None]],
        cancelled: Cancellation,
    ) -> Outcome:
        """Run one command to its end.

        A command that is cancelled or takes too long gets SIGTERM, and SIGKILL after the grace, with its whole process
        group; after any end the rest of the group is ended. Whatever the callbacks raise ends the command too. If we
        die the watchdog ends it.

        Args:
            invocation: the command.
            on_start: called with the id of its process group once it has started.
            on_prepared: called with what a worker is about to publish; it publishes when this returns.
            cancelled: ends it, whenever it comes.
        """
        while True:
            if cancelled.is_set():
                return Outcome(None, "cancelled", "cancelled")
            try:
                command = self._start(invocation)
            except (OSError, ValueError) as error:
                return Outcome(None, "failed", _why_not_started(error, invocation))
            try:
                try:
                    on_start(command.group)
                    verdict = await command.watch(on_prepared, cancelled)
                    if verdict is not None:
                        await command.end(self._grace, cancelled.urgent_fileno())
                except BaseException:
                    await command.end(0)
                    await command.end_rest(self._rest_grace)
                    raise
                escaped = await command.end_rest(0 if cancelled.is_urgent() else self._rest_grace)
                if not command.is_refused():
                    return command.outcome(verdict, escaped=escaped)
                # The worker has imported code that has changed since, or died while it was idle: a new one takes over.
            finally:
                command.close()

    def close(self) -> None:
        """Let go of idle workers and of the watchdog. Nothing may run any more."""
        idle = self._workers.close()
        if self._keepers is not None:
            for group in idle:
                self._keepers.watchdog.remove(group)
            self._keepers.watchdog.close()
            self._keepers = None

    def _start(self, invocation: Invocation) -> _Command:
        if self._keepers is None:
            with self._guard:  # probes run in threads of their own
                self._keepers = self._keepers or Keepers(self._workers, Watchdog())
        kind = _ShellCommand if invocation.job is None else _WorkerJob
        return kind(invocation, self._keepers)


class Keepers(NamedTuple):
    """Who keeps processes beyond one command, and who ends them if we die."""

    workers: WorkerPool
    watchdog: Watchdog


class _Command:
    """A command that has started. `close` gives back what it has opened."""

    _process: Process
    _channel: WorkerChannel | None = None
    _leash: int

    def __init__(self, invocation: Invocation, keepers: Keepers) -> None:
        self._timeout = invocation.timeout
        self._keepers = keepers
        log = _open_log(invocation.log)
        self._copy = MaskingCopy(log, invocation.masks) if invocation.masks else None
        output = self._copy.writer if self._copy else log
        try:
            self._begin(invocation, output)
        except BaseException:
            if self._copy:
                self._copy.close()
            raise
        finally:
            os.close(output)
        self._started = time.monotonic()
        self.group = self._process.pid

    def _begin(self, invocation: Invocation, output: int) -> None:
        """Start it; whoever fails gives back what it has opened."""
        raise NotImplementedError

    def close(self) -> None:
        """It is over: give back what it has opened."""
        if self._copy:
            self._copy.close()

    async def watch(
        self, on_prepared: Callable[[dict[str, Any]], Awaitable[None]], cancelled: Cancellation
    ) -> Literal["cancelled", "timed_out"] | None:
        """Wait for its end, which is None, or for a reason to end it."""
        raise NotImplementedError

    async def end(self, grace: float, hurry: int | None = None) -> None:
        """End it: SIGTERM, and SIGKILL after the grace, or at once when the descriptor `hurry` is readable."""
        signal_group(self.group, signal.SIGTERM)
        if not await self._process.wait(grace, hurry):
            signal_group(self.group, signal.SIGKILL)
            await self._process.wait(max(grace, 1.0))  # not for ever: a process may hang in the kernel

    async def end_rest(self, grace: float) -> bool:
        """End what the command left in its group; whether a child outside of it still lives."""
        if self._channel:
            await self._channel.converse(None)
        # The dead leader still holds the group's number, so this reaches nobody else; nor anybody in most cases.
        signal_group(self.group, signal.SIGTERM)
        if self._process.has_exited():
            self._process.reap()
        gone = not group_lives(self.group) or await end_group(self.group, grace)
        self._keepers.watchdog.remove(self.group)
        leashed = is_ready(self._leash, 0, 0) or bool(await loop.ready({self._leash: 0}, _LEASH_PATIENCE))
        escaped = not (gone and leashed)
        if self._copy:
            # Whoever has closed the leash and kept the log has escaped too.
            escaped |= not await self._copy.finish(_LEASH_PATIENCE if escaped else _COPY_PATIENCE)
        return escaped

    def outcome(self, verdict: Literal["cancelled", "timed_out"] | None, *, escaped: bool) -> Outcome:
        """How it ended."""
        code = self._exit_code()
        shown = None if code is None else _SIGNALLED - code if code < 0 else code
        result = self._channel.result if self._channel else None
        reports = tuple(self._channel.reports) if self._channel else ()
        reason = self._reason(verdict, code, result)
        state: State = verdict or ("failed" if reason else "succeeded")
        return Outcome(shown, state, reason, result, reports, escaped, self._copy.lost if self._copy else None)

    def is_refused(self) -> bool:
        """Whether nothing was done, and somebody else has to do it."""
        return False

    def _exit_code(self) -> int | None:
        return self._process.exit_code

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

    def _seconds_left(self) -> float | None:
        if self._timeout is None:
            return None
        return max(self._started + self._timeout / duration.SECOND - time.monotonic(), 0)


class _ShellCommand(_Command):
    """A process of its own, which is over when its first process is."""

    def _begin(self, invocation: Invocation, output: int) -> None:
        printed = _open_log(invocation.stdout) if invocation.stdout else None
        # Whoever inherits the leash and still lives holds its writing end open, in whatever group.
        self._leash, leash = os.pipe()
        stdout = output if printed is None else printed
        descriptors = (*invocation.descriptors, leash)
        try:
            self._process = Process(Start(invocation.argv, invocation.env, invocation.cwd, stdout, output, descriptors))
        except BaseException:
            os.close(self._leash)
            raise
        finally:
            os.close(leash)
            if printed is not None:
                os.close(printed)
        self._keepers.watchdog.add(self._process.pid)

    def close(self) -> None:
        self._process.close()
        os.close(self._leash)
        super().close()

    async def watch(
        self,
        on_prepared: Callable[[dict[str, Any]], Awaitable[None]],  # noqa: ARG002 - only workers have something to say
        cancelled: Cancellation,
    ) -> Literal["cancelled", "timed_out"] | None:
        exited, stop = self._process.fileno(), cancelled.fileno()
        found = await loop.ready({exited: select.POLLIN, stop: select.POLLIN}, self._seconds_left())
        if exited in found:
            return None
        return "cancelled" if found else "timed_out"


class _WorkerJob(_Command):
    """A job of a worker, which is over when the worker has done with it, or is gone."""

    _channel: WorkerChannel

    def _begin(self, invocation: Invocation, output: int) -> None:
        kind = kind_of(invocation.argv, invocation.env, invocation.cwd)
        worker = self._keepers.workers.take(kind) if invocation.warm else None
        self._was_idle = worker is not None
        if worker is None:
            worker = Worker(kind, output)
            self._keepers.watchdog.add(worker.process.pid)
        self._worker = worker
        self._process, self._channel, self._leash = worker.process, worker.channel, worker.leash
        self._is_warm, self._is_kept = invocation.warm, False
        try:
            self._channel.submit(invocation.job or {}, (output, *invocation.descriptors))
        except BaseException:
            self._worker.close()
            raise

    async def watch(
        self, on_prepared: Callable[[dict[str, Any]], Awaitable[None]], cancelled: Cancellation
    ) -> Literal["cancelled", "timed_out"] | None:
        channel, exited, stop = self._channel, self._process.fileno(), cancelled.fileno()
        while True:
            events = {exited: select.POLLIN, stop: select.POLLIN}
            if channel.is_open:
                events[channel.fileno()] = channel.events
            found = await loop.ready(events, self._seconds_left())
            if channel.is_open and channel.fileno() in found:
                await channel.converse(on_prepared)
            if channel.left is not None or exited in found:
                return None
            if stop in found:
                return "cancelled"
            if not found:
                return "timed_out"

    def is_refused(self) -> bool:
        if self._was_idle and not self._channel.has_begun and self._process.exit_code is not None:
            return True  # it died before it heard of the job
        return bool(self._channel.result and self._channel.result["event"] == "refused")

    async def end_rest(self, grace: float) -> bool:
        """Keep the worker for the next job if it is as it was before; else end it with all that it left."""
        await self._channel.converse(None)
        left = self._channel.left
        self._is_kept = self._is_warm and self._channel.is_open and left is not None and left.get("clean") is True
        if not self._is_kept:
            if not self._process.has_exited():
                await self.end(grace)
            return await super().end_rest(grace)
        return self._copy is not None and not await self._copy.finish(_COPY_PATIENCE)

    def _exit_code(self) -> int | None:
        result = self._channel.result
        if result is None:
            return super()._exit_code()
        return 0 if result["event"] == "done" else int(result.get("exit_code") or 1)

    def close(self) -> None:
        if self._is_kept:
            self._keepers.workers.give_back(self._worker)
        else:
            self._worker.close()
        super().close()


def _open_log(log: str | os.PathLike[str]) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    try:
        return os.open(log, flags, 0o666)
    except FileNotFoundError:
        Path(log).parent.mkdir(parents=True, exist_ok=True)
        return os.open(log, flags, 0o666)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _why_not_started(error: OSError | ValueError, invocation: Invocation) -> str:
    program = invocation.argv[0]
    if isinstance(error, ValueError):
        return f"{program} cannot be started: {error}"
    above = [str(folder) for folder in Path(invocation.log).parents]
    if error.filename == str(invocation.log) or (error.filename in above and error.filename != invocation.cwd):
        return f"the log {invocation.log} cannot be written: {(error.strerror or '').lower()}"
    if error.filename == invocation.cwd:
        return f"the folder {invocation.cwd} cannot be entered: {(error.strerror or '').lower()}"
    if isinstance(error, FileNotFoundError):
        return f"there is no program {program}"
    if isinstance(error, PermissionError):
        return f"{program} is not executable"
    return f"{program} cannot be started: {(error.strerror or str(error)).lower()}"
