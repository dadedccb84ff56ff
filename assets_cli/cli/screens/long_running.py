"""What a log says of steps that take long: the lines off a terminal that no event brings.

A step that ends soon has one line, when it ends. One that usually takes long has one when it starts. Whatever runs, or
waits, for longer than one would think is named again and again, ever more seldom, so that a hang can be seen while it
lasts. Prints nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from assets_cli.cli.screens.under_way import Row, UnderWay, spent_for
from assets_cli.model.duration import SECOND
from assets_cli.model.duration import show as duration
from assets_cli.model.event import RunEvent, StepFinished, StepRetrying, StepStarted, StepWaiting

LONG = 10 * SECOND
"""What takes so long is announced; what has taken so long is named."""
_SHORT_WAIT = SECOND
_MOMENTS = (LONG, 30 * SECOND, 60 * SECOND, 120 * SECOND, 300 * SECOND)
_SELDOM = 300 * SECOND
_BETWEEN = 30 * SECOND
_MOST_NAMED = 5


class LongRunning:
    """Follows a run's rows. `said_last` is when it last named somebody."""

    def __init__(self, under_way: UnderWay) -> None:
        self._run = under_way
        self._due: dict[str, int] = {}
        self._unsaid: dict[str, str] = {}  # waiting, not told yet
        self._said_last = 0

    def take(self, event: RunEvent) -> Iterator[tuple[str, str]]:
        """Follow an event; an asset and what to say of it at once, if there is something."""
        match event:
            case StepFinished() | StepRetrying():
                self._due.pop(event.asset, None)
                self._unsaid.pop(event.asset, None)
            case StepWaiting():
                self._due[event.asset] = event.at + LONG
                self._unsaid[event.asset] = self._run.rows[event.asset].note
            case StepStarted():
                self._unsaid.pop(event.asset, None)
                usual = event.usual
                if usual is None or usual < LONG:
                    self._due[event.asset] = event.at + LONG
                else:
                    self._due[event.asset] = event.at + min(usual * 3 // 2, _SELDOM)
                    again = f", attempt {event.number}" if event.number > 1 else ""
                    yield event.asset, f"started{again} (usually {duration(usual)})"
            case _:
                pass

    def waiting(self, now: int) -> Iterator[tuple[str, str]]:
        """Who has begun to wait and does not come by at once: the asset, and what to say of it."""
        for name, note in list(self._unsaid.items()):
            if now - self._run.rows[name].since >= _SHORT_WAIT:
                del self._unsaid[name]
                yield name, f"waiting for {note}"

    def said(self, now: int) -> str | None:
        """`still running: a (3m, usually 20 s), b (40 s) and 3 more; still waiting: c (2m, for run r2)`, when due."""
        if now - self._said_last < _BETWEEN or not any(due <= now for due in self._due.values()):
            return None
        self._said_last = now
        rows = self._run.rows
        long = [(name, rows[name]) for name in self._due if now - rows[name].since >= LONG]
        long.sort(key=lambda item: item[1].since)
        for name, row in long:
            self._due[name] = next((row.since + each for each in _MOMENTS if row.since + each > now), now + _SELDOM)
        parts = []
        for does, word in (("runs", "running"), ("waits", "waiting")):
            those = [(name, row) for name, row in long if row.does == does]
            if those:
                named = ", ".join(_named(name, row, now) for name, row in those[:_MOST_NAMED])
                more = f" and {len(those) - _MOST_NAMED:,} more" if len(those) > _MOST_NAMED else ""
                parts.append(f"still {word}: {named}{more}")
        return "; ".join(parts) or None


def _named(name: str, row: Row, now: int) -> str:
    details = [spent_for((now - row.since) // SECOND * SECOND)]
    if row.does == "waits":
        details.append(f"for {row.note}")
    elif row.usual is not None:
        details.append(f"usually {duration(row.usual)}")
    return f"{name} ({', '.join(details)})"
