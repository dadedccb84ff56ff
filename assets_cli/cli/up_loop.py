"""The process of `assets up`: holds the lease, sleeps, starts children, hands on what they say.

It stays small: what it knows of the project are names. `running.scheduler` says what to do next. What has to run is
found by a child, which is gone again when it has answered; and what runs, runs in children, too.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from assets_cli.cli.session import Session
from assets_cli.cli.up_child import INTERRUPTED, outlook_document, outlook_of, watch_of
from assets_cli.cli.up_reporter import Reporter, Said
from assets_cli.cli.words import now
from assets_cli.model.duration import SECOND
from assets_cli.model.upkeep import Memory, Outlook
from assets_cli.running.scheduler import Ask, Leave, Run, Scheduler
from assets_cli.running.watching import Watcher, pipe
from assets_cli.state.locks import Held, LockRequest, LockService, Waited, up_key

REFUSED: Final = 2
_NAP: Final = 30.0
"""The longest sleep, in seconds: that the machine slept itself, or that its clock was set, is found out by then."""
_DRIFT: Final = 2 * SECOND
_CHILD: Final = (sys.executable, "-P", "-m", "assets_cli.cli.up_child")


class Wanted(NamedTuple):
    """What was typed."""

    session: Session
    selection: tuple[str, ...]
    jobs: int | None
    once: bool


class _Child:
    """A process that we have started. `number` is that of its run, 0 where it answers a question."""

    def __init__(self, document: Mapping[str, Any], number: int = 0) -> None:
        self.number = number
        self.process = subprocess.Popen(_CHILD, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        assert self.process.stdin is not None  # noqa: S101 - for mypy: they are pipes
        assert self.process.stdout is not None  # noqa: S101 - as above
        self.output = self.process.stdout.fileno()
        os.set_blocking(self.output, False)
        self._text = b""
        with suppress(BrokenPipeError), self.process.stdin as stdin:
            stdin.write(json.dumps(document).encode())

    def documents(self, *, last: bool = False) -> Iterator[Any]:
        """What it has said since this was asked, a document a line. What it was killed in the midst of is left out."""
        with suppress(BlockingIOError):
            while data := os.read(self.output, 1 << 20):
                self._text += data
        *whole, self._text = self._text.split(b"\n")
        yield from map(json.loads, whole)
        if last:
            with suppress(ValueError):
                yield json.loads(self._text)

    def end(self) -> None:
        """Have it end what it does; said twice, at once."""
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)


class Loop:
    """One `up`. `clock` is that on the wall, in microseconds."""

    def __init__(self, wanted: Wanted, reporter: Reporter, clock: Callable[[], int] = now) -> None:
        self._wanted, self._reporter, self._clock = wanted, reporter, clock
        self._jobs = wanted.jobs or os.cpu_count() or 1
        self._scheduler = Scheduler(self._jobs, clock())
        self._children: list[_Child] = []
        self._which: dict[str, Any] = {
            "directory": str(wanted.session.directory),
            "environment": wanted.session.environment,
            "variables": dict(wanted.session.variables),
            "state": wanted.session.state,
            "file": None,
        }
        self._watcher = Watcher()
        self._held: Held | None = None
        self._told: frozenset[str] = frozenset()
        self._broken = False
        self._stops = self._handed = 0
        self._code = 0
        self._shown: object = ()
        self._drift = 0

    def run(self) -> int:
        """Go on until told to stop; the exit code."""
        with selectors.DefaultSelector() as self._selector, self._signals() as wake:
            self._selector.register(wake, selectors.EVENT_READ)
            self._selector.register(self._watcher.read_end, selectors.EVENT_READ)
            self._drift = self._clock() - time.monotonic_ns() // 1_000
            try:
                return self._go_on()
            finally:
                self._reporter.close()
                self._watcher.close()
                for child in self._children:
                    child.end()
                if self._held is not None:
                    self._held.release()

    def _go_on(self) -> int:
        while True:
            action = self._scheduler.decide(self._clock())
            if isinstance(action, Leave):
                if self._stops:
                    self._reporter.remark("up_stopped", "stopped")
                return INTERRUPTED if self._stops else self._code
            if isinstance(action, Ask):
                self._ask(action.memory)
            elif isinstance(action, Run):
                self._run(action)
            else:
                self._sleep(action.until)

    # -- children ----------------------------------------------------------------------------------------------------

    def _document(self, do: str) -> dict[str, Any]:
        return {"do": do, "which": self._which, "selection": self._wanted.selection}

    def _ask(self, memory: Memory) -> None:
        asked = {**memory._asdict(), "busy": sorted(memory.busy), "ended": sorted(memory.ended)}
        document = {**self._document("ask"), "jobs": self._jobs, "told": sorted(self._told), "memory": asked}
        self._add(_Child(document))

    def _run(self, action: Run) -> None:
        wanted = outlook_document(action.wanted._replace(next=None, tried={}))
        self._add(_Child({**self._document("run"), "jobs": action.jobs, "wanted": wanted}, action.number))

    def _add(self, child: _Child) -> None:
        self._children.append(child)
        self._selector.register(child.output, selectors.EVENT_READ)

    def _listen(self) -> None:
        """Hear what children have said, and see who has ended."""
        for child in tuple(self._children):
            code = child.process.poll()
            lines = list(child.documents(last=code is not None))
            if child.number:
                for line in lines:
                    self._hear(child.number, line)
            if code is None:
                continue
            self._children.remove(child)
            self._selector.unregister(child.output)
            if child.process.stdout is not None:
                child.process.stdout.close()
            if child.number:
                self._ended(child.number, code)
            else:
                self._answered(lines[-1] if lines else {"problems": [_gone(code)]})

    def _hear(self, number: int, line: Mapping[str, Any]) -> None:
        if line["event"] == "problems":
            self._reporter.problems(line["problems"], standing_in=False)
        else:
            self._reporter.run(number, line)

    def _ended(self, number: int, code: int) -> None:
        self._scheduler.on_end(number, self._clock())
        if code < 0:
            self._reporter.remark(
                "run_lost", f"a run was ended by signal {-code}; what it left is settled by the next one"
            )
        if self._wanted.once:
            self._code = code if code >= 0 else 1
            self._scheduler.on_stop()

    def _answered(self, found: Mapping[str, Any]) -> None:
        if self._stops:
            self._scheduler.on_failure(self._clock())
            return
        if "file" not in found:
            self._refused(found["problems"])
            return
        self._which["file"] = found["file"]
        if self._held is None and not self._wanted.once and not self._lease(found):
            return
        self._warn(found)
        outlook = outlook_of(found["outlook"])
        self._scheduler.on_answer(outlook, found["looked"], self._clock())
        if self._wanted.once:
            if not outlook.names:
                self._reporter.remark("nothing_due", "nothing is due")
                self._scheduler.on_stop()
            return
        why = self._watcher.watch(watch_of(found["watch"]))
        if why is not None:
            self._reporter.remark(
                "polling", f"the system does not tell of changes of files ({why}): looking every 30 s"
            )

    def _refused(self, problems: Said) -> None:
        """Nothing could be decided. At the start that is the end; later it is tried again."""
        self._scheduler.on_failure(self._clock())
        if any(each["lines"] for each in problems):
            self._reporter.problems(problems, standing_in=False)
        self._told = frozenset(each["key"] for each in problems)
        self._broken = True
        if self._held is None:
            self._code = REFUSED
            self._scheduler.on_stop()

    def _warn(self, found: Mapping[str, Any]) -> None:
        """Tell what is new of what is wrong."""
        if any(each["lines"] for each in found["broken"]):
            self._reporter.problems(found["broken"], standing_in=True)
        elif self._broken and not found["broken"]:
            self._reporter.whole_again()
        self._broken = bool(found["broken"])
        self._reporter.warnings(found["warnings"])
        self._told = frozenset(each["key"] for each in (*found["broken"], *found["warnings"]))

    # -- the lease ---------------------------------------------------------------------------------------------------

    def _lease(self, found: Mapping[str, Any]) -> bool:
        """Be the only one, waiting for that; whether what was found still is fresh."""
        locks = LockService(Path(found["locks"]))
        request = LockRequest(up_key(self._which["environment"]), exclusive=True)
        holder = f"assets up (pid {os.getpid()})"
        held = locks.attempt([request], holder=holder)
        waited = isinstance(held, Waited)
        if isinstance(held, Waited):
            self._reporter.standing_by(held.holder)
            self._held = self._wait(locks, request, holder)
            if self._held is None:
                return False
        else:
            self._held = held
        self._reporter.begun(found["project"], self._which["environment"], found["assets"], self._wanted.selection)
        if waited:
            self._scheduler.on_answer(Outlook(), {}, self._clock())
            self._scheduler.on_change(self._clock())
        return not waited

    def _wait(self, locks: LockService, request: LockRequest, holder: str) -> Held | None:
        """Wait in the kernel, which wakes us at once; None where we were told to stop."""
        try:
            with self._interruptible():
                return locks.wait_alone(request.key, holder=holder)
        except KeyboardInterrupt:
            self._stops += 1
            self._scheduler.on_failure(self._clock())
            self._scheduler.on_stop()
            return None

    # -- time and signals --------------------------------------------------------------------------------------------

    def _sleep(self, until: int | None) -> None:
        """Until something happens or the moment has come, and never longer than a nap."""
        if (
            self._scheduler.is_idle
            and self._held is not None
            and self._shown != self._scheduler.next
            and not self._stops
        ):
            self._shown = self._scheduler.next
            self._reporter.next(self._scheduler.next)
        left = _NAP if until is None else min(max(until - self._clock(), 0) / SECOND, _NAP)
        for key, _ in self._selector.select(left):
            if key.fd == self._watcher.read_end:
                if self._watcher.take():
                    self._scheduler.on_change(self._clock())
            elif not any(child.output == key.fd for child in self._children):
                with suppress(BlockingIOError):
                    os.read(key.fd, 1_000)
        drift = self._clock() - time.monotonic_ns() // 1_000
        if abs(drift - self._drift) > _DRIFT:
            self._drift = drift
            self._scheduler.on_jump(self._clock())
        self._listen()
        if self._stops:
            self._stop()

    def _stop(self) -> None:
        """Hand every signal on: the first ends what runs, the next one at once."""
        self._scheduler.on_stop()
        while self._handed < self._stops:
            self._handed += 1
            if self._handed == 1 and any(child.number for child in self._children):
                self._reporter.remark("up_stopping", "stopping: ending what runs; once more to end it at once")
            for child in self._children:
                child.end()

    @contextmanager
    def _signals(self) -> Iterator[int]:
        """Have signals counted, and wake us: what they come by is yielded."""

        def on_signal(_number: int, _frame: object) -> None:
            self._stops += 1

        reading, writing = pipe()
        before = {number: signal.signal(number, on_signal) for number in _endings()}
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        woken = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        try:
            yield reading
        finally:
            signal.set_wakeup_fd(woken)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(reading)
            os.close(writing)

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        before = {number: signal.signal(number, signal.default_int_handler) for number in _endings()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _endings() -> list[signal.Signals]:
    """The signals that tell us to stop; whoever has us ignore SIGHUP wants us to outlive the terminal."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    return numbers if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else [*numbers, signal.SIGHUP]


def _gone(code: int) -> dict[str, Any]:
    """What to say of a child that has ended without an answer."""
    message = f"the process that decides what has to run ended without an answer (exit code {code})"
    document = {"code": "A0833", "severity": "error", "message": message, "hint": "it is tried again in a minute"}
    empty = dict.fromkeys(("file", "line", "column", "asset"))
    return {
        "key": message,
        "lines": [f"error[A0833]: {message}", "  hint: it is tried again in a minute"],
        "document": {**document, **empty, "related": []},
    }
