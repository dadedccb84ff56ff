"""The block at the bottom of a terminal during a run: who runs for how long, who waits for whom, how long it takes.

Finished lines scroll by above it. `Block` says what it shows now, in so many rows; `Canvas` keeps it in its place, by
moving the cursor up to its first line. Neither knows when it is drawn.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from assets_cli.cli.screens.under_way import Row, UnderWay, spent_for
from assets_cli.cli.terminal import Terminal, cells
from assets_cli.cli.words import some
from assets_cli.model.duration import SECOND
from assets_cli.model.duration import show as duration

_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_PLAIN_FRAMES = "-\\|/"
_FRAME = 100_000
_BAR = 20
_SHORTEST_BAR = 6
_FEWEST_ROWS = 3
_LATE = 2  # times the usual duration
_CALM = 10 * SECOND  # who runs for less than this is never late


class Block:
    """What the block shows."""

    def __init__(self, under_way: UnderWay) -> None:
        self._run = under_way

    def lines(self, terminal: Terminal, height: int, now: int) -> list[str]:
        """The block in at most half of `height` rows (or three, where that is less), each as wide as the terminal."""
        room = max(min(max(height // 2, _FEWEST_ROWS), height - 1) - 1, 0)
        rows = sorted(self._run.rows.items(), key=lambda item: (item[1].does != "runs", item[1].since))
        shown, folded = _fold(rows, room)
        frames = _FRAMES if terminal.unicode else _PLAIN_FRAMES
        frame = frames[now // _FRAME % len(frames)]
        names = min(max((cells(name) for name, _ in shown), default=0), max(terminal.width // 2, 12))
        lines = [self._row(name, row, terminal, (names, frame), now) for name, row in shown]
        if folded and room:
            lines.append(terminal.fit(f"  … and {_folded(folded)}", terminal.width).rstrip())
        lines.append(self._footer(terminal, now))
        return lines

    def _row(self, name: str, row: Row, terminal: Terminal, look: tuple[int, str], now: int) -> str:
        """`⠋ sessions  12 s · usually 3.0 s · features and 2 more wait`."""
        width, frame = look
        spent = max(now - row.since, 0) // SECOND * SECOND
        parts = [spent_for(spent)]
        if row.usual is not None:
            parts.append(f"usually {duration(row.usual)}")
        if row.does == "waits":
            parts.append(f"waiting for {row.note}")
        elif row.does == "pauses":
            parts.append(f"again in {spent_for(max(row.until - now, 0))} · {row.note}")
        elif row.note:
            parts.append(row.note)
        room = max(terminal.width - width - 5, 4)
        parts += _waiters(self._run.readers(name), room - cells(" · ".join(parts)) - 3)
        is_late = row.usual is not None and spent > max(_LATE * row.usual, _CALM)
        colour = "yellow" if is_late else "dim"
        sign = terminal.paint(frame, "cyan")
        if row.does != "runs":
            sign = terminal.paint("·" if terminal.unicode else ".", "dim")
        said = terminal.fit(" · ".join(parts), room).rstrip()
        return f"{sign} {terminal.fit(name, width)}  {terminal.paint(said, colour)}"

    def _footer(self, terminal: Terminal, now: int) -> str:
        """`━━━━━━────────  4 of 60 · about 9 s left · 2 running · 1 waiting · 12 ready`, as much of it as fits."""
        run = self._run
        running, resting = run.running, len(run.rows) - run.running
        parts = [f"{run.done:,} of {run.total:,}", run.time_left(now)]
        parts += [f"{run.failed:,} failed"] if run.failed else []
        parts.append(f"{running:,} running")
        parts += [f"{resting:,} waiting"] if resting else []
        parts += [f"{run.ready:,} ready"] if run.ready else []
        while len(parts) > 1 and cells(" · ".join(parts)) > terminal.width:
            parts.pop()
        text = " · ".join(parts)
        bar_width = min(_BAR, terminal.width - cells(text) - 2)
        if bar_width < _SHORTEST_BAR:
            return terminal.fit(text, terminal.width).rstrip()
        filled = bar_width * run.done // max(run.total, 1)
        signs = ("━", "─") if terminal.unicode else ("#", "-")
        colour = "red" if run.failed else "green"
        bar = terminal.paint(signs[0] * filled, colour) + terminal.paint(signs[1] * (bar_width - filled), "dim")
        return f"{bar}  {text}"


def _waiters(names: Sequence[str], room: int) -> list[str]:
    """`features and 2 more wait`, or how many where the names do not fit, or nothing where that does not fit either."""
    verb = "waits" if len(names) == 1 else "wait"
    texts = (f"{some(names, 1)} {verb}", f"{len(names):,} {verb} for it")
    return [text for text in texts if cells(text) <= room][:1] if names else []


def _fold(rows: Sequence[tuple[str, Row]], room: int) -> tuple[list[tuple[str, Row]], list[tuple[str, Row]]]:
    """What is shown and what is only counted, where there are more rows than room: the newest of each sort go."""
    if len(rows) <= room:
        return list(rows), []
    room = max(room - 1, 0)  # the line that counts
    running = [item for item in rows if item[1].does == "runs"]
    resting = [item for item in rows if item[1].does != "runs"]
    shown = running[: room - min(len(resting), room // 4)]
    shown += resting[: room - len(shown)]
    return shown, [item for item in rows if item not in shown]


def _folded(rows: Sequence[tuple[str, Row]]) -> str:
    """`180 more: 168 running, 12 waiting`; the words only where both are among them."""
    running = sum(row.does == "runs" for _, row in rows)
    if running in (0, len(rows)):
        return f"{len(rows):,} more {'running' if running else 'waiting'}"
    return f"{len(rows):,} more: {running:,} running, {len(rows) - running:,} waiting"


class Canvas:
    """The end of a terminal's screen: what was drawn last goes, lines are written, the block is drawn below them."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.height = 24
        self._drawn: list[int] = []  # the width of each line of the block

    def measure(self) -> None:
        """Ask how large the terminal is now; people drag its corners while a run goes on."""
        try:
            columns, rows = os.get_terminal_size(self.terminal.stream.fileno())
        except (OSError, ValueError):
            columns, rows = 0, 0
        environ = os.environ.get("LINES", "")
        self.height = rows or (int(environ) if environ.isdigit() else 0) or 24
        if columns:
            self.terminal = self.terminal._replace(width=columns)

    def draw(self, above: Sequence[str], block: Sequence[str]) -> None:
        """Write lines above the block, and the block; all of it in one piece, with the cursor hidden meanwhile."""
        parts = ["\x1b[?25l", self._back()]
        parts += [f"{line}\n" for line in above]
        parts.append("\n".join(block))
        # At the start of its last line, so that an echoed ^C stays within the block.
        parts.append("\r\x1b[?25h")
        text = "".join(parts)
        self.terminal.stream.write(self.terminal.shown(text))
        self.terminal.stream.flush()
        self._drawn = [cells(line) for line in block]

    def _back(self) -> str:
        """To the first line of what was drawn, and all from there on erased.

        A terminal that became narrower has wrapped its lines meanwhile.
        """
        if not self._drawn:
            return ""
        width = max(self.terminal.width, 1)
        up = sum(max(-(-line // width), 1) for line in self._drawn[:-1])
        return "\r" + (f"\x1b[{up}A" if up else "") + "\x1b[J"
