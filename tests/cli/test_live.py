"""The block at the bottom of a terminal, as a terminal shows it: a real pseudo-terminal, read by an emulator."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import sys
import termios
import threading
from pathlib import Path

import pyte

ROWS, COLUMNS = 30, 80
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
# The run waits at each "look" until the test has seen the screen.
PROGRAM = """
import os, sys
from support.shop import NOON, RUN, SECOND, USUAL_PLAN, FakeProject
from assets_cli.cli import listeners, main, session
from assets_cli.model.event import RunFinished, RunStarted, StepFinished, StepStarted, StepWaiting
from assets_cli.model.problem import AssetsError, Problem

class Slow(FakeProject):
    def materialize(self, planned, **flags):
        (listener,) = flags["listeners"]
        look = sys.stdin.readline
        listener(RunStarted(RUN, NOON, ("raw_events", "sessions", "features"), 2))
        listener(StepStarted("raw_events", NOON, 1, (), None, 3 * SECOND))
        listener(StepWaiting("sessions", NOON, "run r2 on box"))
        look()
        listener(StepFinished("raw_events", NOON, "succeeded", False, "", 3 * SECOND, rows=12))
        listener(StepStarted("sessions", NOON, 1, (), None, 2 * SECOND))
        look()
        if os.environ.get("BREAK"):
            raise AssetsError(Problem("A0506", "the state file cannot be written"))
        listener(StepFinished("sessions", NOON, "failed", False, "exit code 1", SECOND, tail=("oh no",)))
        listener(StepFinished("features", NOON, "blocked", False, "its upstream sessions failed", 0))
        end = RunFinished(RUN, NOON, "failed", ("raw_events",), (), ("sessions",), (), ("features",), (), 4 * SECOND)
        listener(end)
        return end

listeners.now = lambda: NOON
session.Session.open = lambda _: Slow(plan=USUAL_PLAN._replace(warnings=()))
sys.exit(main.run(sys.argv[1:]))
"""


class TerminalProcess:
    """A program on a pseudo-terminal; `lines()` is what a person would see."""

    def __init__(self, *arguments: str, **environ: str) -> None:
        self._screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self._screen)
        self._changed = threading.Condition()
        self.seen = b""
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            here = Path(__file__).parents[1]
            clean = {key: value for key, value in os.environ.items() if key not in {"CI", "NO_COLOR", "COLUMNS"}}
            path = f"{here}{os.pathsep}{here.parent}"
            terminal = {"TERM": "xterm-256color", "PYTHONPATH": path, "LANG": "C.UTF-8", "LINES": str(ROWS)}
            os.execve(sys.executable, [sys.executable, "-c", PROGRAM, *arguments], {**clean, **terminal, **environ})
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        attributes = termios.tcgetattr(self._master)
        attributes[3] &= ~termios.ECHO  # the newlines that let it go on are no part of the screen
        termios.tcsetattr(self._master, termios.TCSANOW, attributes)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._master, 65536)
            except OSError:
                data = b""
            with self._changed:
                if data:
                    self.seen += data
                    self._stream.feed(data)
                self._changed.notify_all()
            if not data:
                return

    def lines(self) -> list[str]:
        """The screen without empty lines, each frame of the spinner as `*`."""
        shown = [line.rstrip() for line in self._screen.display if line.strip()]
        return ["*" + line[1:] if line[0] in SPINNER else line for line in shown]

    def wait_for(self, *expected: str) -> None:
        """Wait until the screen shows exactly these lines; on the way there it shows others."""
        with self._changed:
            shown = self._changed.wait_for(lambda: self.lines() == list(expected), timeout=20)
            assert shown, "\n".join(self.lines())

    def resize(self, rows: int, columns: int) -> None:
        """Drag its corner."""
        with self._changed:
            self._screen.resize(rows, columns)
            fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def go_on(self) -> None:
        """Let the program take its next step."""
        os.write(self._master, b"\n")

    def end(self) -> int:
        """The exit code."""
        self._reader.join(timeout=20)
        _, status = os.waitpid(self.pid, 0)
        os.close(self._master)
        return os.waitstatus_to_exitcode(status)


PLANNED = (
    "shop: 3 to materialize (1 may be cut off), 2 up to date, 1 external",
    "about 9 s with 2 jobs",
)
RULE = "─" * 78
ENDED = (
    "[2/3] sessions    failed after 1.0 s: exit code 1",
    f"  ── its log {RULE[11:]}",
    "  oh no",
    f"  {RULE}",
    "  all: assets logs 20261121T115800-3f9a sessions",
    "[3/3] features    blocked: its upstream sessions failed",
    "1 succeeded, 1 failed, 1 blocked in 4.0 s · run 20261121T115800-3f9a",
    "  failed     sessions: exit code 1",
    "  blocked    features: its upstream sessions failed",
    "next: fix sessions, then run assets materialize",
    "      what has succeeded will not run again",
)


def test_a_terminal_shows_who_runs_and_who_waits() -> None:
    """Running steps with their usual time, waiting ones with the holder; finished lines above; nothing left behind."""
    terminal = TerminalProcess("materialize")
    terminal.wait_for(
        *PLANNED,
        "* raw_events  0 s · usually 3.0 s · sessions waits",
        "· sessions    0 s · waiting for run r2 on box · features waits",
        "────────────────────  0 of 3 · about 6 s left · 1 running · 1 waiting",
    )
    terminal.go_on()
    terminal.wait_for(
        *PLANNED,
        "[1/3] raw_events  succeeded in 3.0 s (12 rows)",
        "* sessions  0 s · usually 2.0 s · features waits",
        "━━━━━━──────────────  1 of 3 · about 6 s left · 1 running",
    )
    terminal.go_on()
    terminal.wait_for(*PLANNED, "[1/3] raw_events  succeeded in 3.0 s (12 rows)", *ENDED)
    assert terminal.end() == 1


def test_ci_gets_plain_lines_even_on_a_terminal() -> None:
    """CI says that nobody watches: one line an event, nothing is rewritten."""
    terminal = TerminalProcess("materialize", CI="true")
    terminal.wait_for(*PLANNED)
    terminal.go_on()
    ended = (*PLANNED, "[1/3] raw_events  succeeded in 3.0 s (12 rows)")
    terminal.wait_for(*ended)
    terminal.go_on()
    terminal.wait_for(*ended, *ENDED)
    assert terminal.end() == 1
    assert set(re.findall(rb"\x1b\[[0-9;?]*(.)", terminal.seen)) == {b"m"}  # colours alone


def test_a_terminal_that_is_dragged_keeps_its_block() -> None:
    """The block follows the terminal's width and height; what it has wrapped is drawn over."""
    terminal = TerminalProcess("materialize")
    terminal.wait_for(
        *PLANNED,
        "* raw_events  0 s · usually 3.0 s · sessions waits",
        "· sessions    0 s · waiting for run r2 on box · features waits",
        "────────────────────  0 of 3 · about 6 s left · 1 running · 1 waiting",
    )
    terminal.resize(8, 52)
    terminal.wait_for(
        "* raw_events  0 s · usually 3.0 s · sessions waits",
        "· sessions    0 s · waiting for run r2 on box",
        "0 of 3 · about 6 s left · 1 running · 1 waiting",
    )
    terminal.go_on()
    terminal.go_on()
    assert terminal.end() == 1


def test_nothing_is_left_of_the_block_after_a_run_that_broke_off() -> None:
    """An error that stops the run stands where the block was; the cursor is there to be seen."""
    terminal = TerminalProcess("materialize", BREAK="yes")
    terminal.go_on()
    terminal.go_on()
    assert terminal.end() == 2
    assert terminal.lines() == [
        *PLANNED,
        "[1/3] raw_events  succeeded in 3.0 s (12 rows)",
        "error[A0506]: the state file cannot be written",
    ]
    assert terminal.seen.rstrip().rfind(b"\x1b[?25h") > terminal.seen.rfind(b"\x1b[?25l")
