"""The block at the bottom of a terminal during a run: who runs for how long, who waits for whom, how long it takes.

Finished lines scroll by above it. Rich keeps the block in place; it is imported here, on a terminal, and nowhere else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple, Self

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from assets_cli.cli.screens.run import Transcript
from assets_cli.cli.terminal import Terminal, cells, clean
from assets_cli.cli.words import about
from assets_cli.model.duration import show as duration
from assets_cli.model.event import (
    RunEvent,
    RunFinished,
    RunStarted,
    StepFinished,
    StepRetrying,
    StepStarted,
    StepWaiting,
)

_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_PLAIN_FRAMES = "-\\|/"
_FRAME = 100_000
_REFRESHES = 10
_LINES_BESIDE = 4
_BAR = 20


class _Row(NamedTuple):
    """Somebody at work or waiting. `since` and `usual` are in microseconds."""

    since: int
    usual: int | None
    note: str
    runs: bool


class LiveBlock:
    """A listener that prints finished lines and keeps the block below them."""

    def __init__(self, transcript: Transcript, terminal: Terminal, clock: Callable[[], int]) -> None:
        self._transcript = transcript
        self._terminal = terminal
        self._clock = clock
        self._lock = threading.Lock()
        self._rows: dict[str, _Row] = {}
        self._left = {step.asset for step in transcript.plan.steps}
        self._total = len(self._left)
        self._ended = False
        console = Console(
            file=terminal.stream,
            force_terminal=True,
            no_color=not terminal.colour,
            highlight=False,
            markup=False,
            emoji=False,
            width=terminal.width,
        )
        self._live = Live(self, console=console, refresh_per_second=_REFRESHES, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def __call__(self, event: RunEvent) -> None:
        """Take in an event."""
        if self._ended:
            return
        if isinstance(event, RunFinished):
            self._ended = True
            self._live.stop()
        with self._lock:
            self._follow(event)
            said = list(self._transcript.lines(event))
        if isinstance(event, RunFinished):
            self._terminal.write(said)
        elif said:
            # In one piece and past rich's own layout, which would fold lines that are wider than the terminal.
            self._live.console.print(Text.from_ansi("\n".join(said)), soft_wrap=True)

    def _follow(self, event: RunEvent) -> None:
        match event:
            case RunStarted():
                self._total = len(event.steps)
            case StepWaiting():
                self._rows[event.asset] = _Row(self._clock(), None, f"waiting for {clean(event.holder)}", runs=False)
            case StepStarted():
                note = f"attempt {event.number}" if event.number > 1 else ""
                self._rows[event.asset] = _Row(self._clock(), event.usual, note, runs=True)
            case StepRetrying():
                note = f"again in {duration(event.delay)}: {clean(event.reason)}"
                self._rows[event.asset] = _Row(self._clock(), None, note, runs=False)
            case StepFinished():
                self._rows.pop(event.asset, None)
                self._left.discard(event.asset)
            case _:
                pass

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The block as it is now; called by rich's own thread, ten times a second."""
        with self._lock:
            lines = self._block(options.max_width, console.size.height)
        for line in lines:
            yield Text.from_ansi(line, no_wrap=True, overflow="crop", end="\n")

    def _block(self, width: int, height: int) -> list[str]:
        now = self._clock()
        rows = sorted(self._rows.items(), key=lambda item: (not item[1].runs, item[1].since))
        shown = rows[: max(height - _LINES_BESIDE, 1)]
        frames = _FRAMES if self._terminal.unicode else _PLAIN_FRAMES
        frame = frames[now // _FRAME % len(frames)]
        names = min(max((cells(name) for name, _ in shown), default=0), max(width // 2, 12))
        lines = [self._row(name, row, names, frame, width, now) for name, row in shown]
        if len(rows) > len(shown):
            lines.append(f"  … and {len(rows) - len(shown):,} more")
        lines.append(self._footer(now, width))
        return lines

    def _row(self, name: str, row: _Row, names: int, frame: str, width: int, now: int) -> str:
        fit, paint = self._terminal.fit, self._terminal.paint
        spent = max(now - row.since, 0) // 1_000_000 * 1_000_000
        parts = [f"{spent // 1_000_000} s" if spent < 60_000_000 else duration(spent)]  # noqa: PLR2004 - a minute
        if row.usual is not None:
            parts.append(f"usually {duration(row.usual)}")
        if row.note:
            parts.append(row.note)
        sign = paint(frame, "cyan") if row.runs else paint("·", "dim")
        return f"{sign} {fit(name, names)}  {paint(fit(' · '.join(parts), max(width - names - 5, 4)).rstrip(), 'dim')}"

    def _footer(self, now: int, width: int) -> str:
        """`━━━━━━────────  4 of 6 · 2 running · about 9 s left`, as much of it as fits."""
        done = self._total - len(self._left)
        running = sum(row.runs for row in self._rows.values())
        parts = [f"{done:,} of {self._total:,}", f"{running:,} running"]
        waiting = len(self._rows) - running
        if waiting:
            parts.append(f"{waiting:,} waiting")
        left = self._time_left(now)
        if left:
            parts.append(f"about {about(left)} left")
        filled = _BAR * done // max(self._total, 1)
        signs = ("━", "─") if self._terminal.unicode else ("#", "-")
        text = " · ".join(parts)
        colour = "red" if any(event.result == "failed" for event in self._transcript.finished) else "green"
        bar = self._terminal.paint(signs[0] * filled, colour) + self._terminal.paint(signs[1] * (_BAR - filled), "dim")
        if cells(text) + _BAR + 2 > width:
            return self._terminal.fit(text, width).rstrip()
        return f"{bar}  {text}"

    def _time_left(self, now: int) -> int | None:
        """What the remaining steps usually take, spread over the jobs but no less than their longest chain.

        None where one of them was never timed.
        """
        work = 0
        chains: dict[str, int] = {}
        for step in self._transcript.plan.steps:
            if step.asset not in self._left:
                continue
            if step.estimated is None:
                return None
            row = self._rows.get(step.asset)
            rest = max(step.estimated - (now - row.since), 0) if row is not None and row.runs else step.estimated
            work += rest
            chains[step.asset] = rest + max((chains.get(name, 0) for name in step.after), default=0)
        return max([work // max(self._transcript.plan.jobs, 1), *chains.values()])
