"""Numbers that materializations reported, as a history: a small line for each, its newest value, its range."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from assets_cli.cli.answer_documents import numbers
from assets_cli.cli.screens.sparkline import draw
from assets_cli.cli.terminal import Terminal, cells, clean
from assets_cli.cli.words import ago, count, size
from assets_cli.model.duration import show as duration
from assets_cli.model.history import Materialization

_FIRST = ("rows", "bytes")
_MOST = 12
_WIDEST_NAME = 20
_THOUSAND = 1_000
_BEYOND_READING = 10**18
_DIGITS = 4
_TOOK = "took"


def history_lines(newest_first: Sequence[Materialization], terminal: Terminal, now: int) -> Iterator[str]:
    """Oldest to newest. Nothing for a single materialization without numbers."""
    history = newest_first[::-1]
    series = _series(history)
    if not history or (len(history) == 1 and len(series) == 1):
        return
    title = f"{count(len(history), 'materialization')}, since {ago(history[0].finished, now)}"
    yield f"{terminal.paint('History', 'bold')}  {title}"
    width = min(max(cells(name) for name in series), _WIDEST_NAME)
    for name, values in list(series.items())[:_MOST]:
        known = [value for value in values if value is not None]
        if not known:
            continue
        line = terminal.paint(draw(values, unicode=terminal.unicode), "cyan")
        said = [number(name, known[-1])]
        if min(known) != max(known):
            said.append(f"({number(name, min(known))} to {number(name, max(known))})")
        yield f"  {terminal.fit(clean(name), width)}  {line}  {' '.join(said)}"
    if len(series) > _MOST:
        yield f"  … and {count(len(series) - _MOST, 'more number')} (--json)"


def _series(history: Sequence[Materialization]) -> dict[str, list[float | None]]:
    """Each number that was reported, oldest first: rows, bytes, how long it took, then the rest by name."""
    told = [numbers(made) for made in history]
    names = {name for one in told for name in one} - {_TOOK}
    ordered = [*(name for name in _FIRST if name in names), *sorted(names - set(_FIRST))]
    series = {name: [one.get(name) for one in told] for name in ordered}
    # What was only marked ran nothing, so it took no time that could be compared.
    took = [None if made.metadata.get("marked") else made.finished - made.started for made in history]
    at = sum(name in series for name in _FIRST)
    items = list(series.items())
    return dict([*items[:at], (_TOOK, list(took)), *items[at:]])


def number(name: str, value: float) -> str:
    """A number as it is read: a duration, a size, a count, or a figure with four digits."""
    if name == _TOOK:
        return duration(max(int(value), 0))
    if abs(value) >= _BEYOND_READING:
        from decimal import Decimal  # on use: exact, however large an integer somebody reported

        return f"{Decimal(value):.{_DIGITS}g}"
    if name == "bytes":
        return size(value)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if abs(value) >= _THOUSAND * 10 else f"{value:.{_DIGITS}g}"
