"""A past run as a chart: a row for each step that ran, in the order in which they began, and the critical path.

Attempts, failures and waits are told apart by their signs, so that colour need say nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from assets_cli.cli.terminal import Terminal, cells
from assets_cli.cli.words import count
from assets_cli.model.duration import SECOND
from assets_cli.model.duration import show as duration
from assets_cli.model.history import Attempt
from assets_cli.planning.timeline import Bar, Timeline

MOST_BARS = 30
_MOST_CRITICAL = 12
_NARROWEST = 12
_WORTH_SAYING = 20  # the chain waited for more than one of so many parts of the run, and a second
_CRITICAL = "*"
_RAN, _FAILED, _GOES_ON, _WAITED, _NOTHING = "█", "▒", "▶", "─", " "
_COLOURS = {_RAN: "green", _FAILED: "red", _GOES_ON: "cyan", _WAITED: "dim"}


def lines(chart: Timeline, terminal: Terminal, jobs: int, *, everything: bool = False) -> Iterator[str]:
    """The chart; nothing where nothing ran. Of very many steps the longest, and those of the critical path."""
    if not chart.bars:
        return
    bars = chart.bars if everything else _most_telling(chart)
    names = min(max(cells(bar.asset) for bar in bars), max(terminal.width // 3, _NARROWEST))
    took = [duration(bar.ended - bar.begun) for bar in bars]
    widest = max(len("span"), *map(len, took))
    room = terminal.width - names - 4 - widest - 2
    yield terminal.paint("When", "bold") + f"  {_legend(bars, chart)}"
    if room < _NARROWEST:
        yield "  (no room for a chart; --json has the times)"
    else:
        total = duration(chart.ended - chart.started)
        # Attempts and what lies between them: the table has the time at work alone.
        yield terminal.paint(f"{' ' * (names + 4)}0 s{total:>{room - 3}}  {'span':>{widest}}", "dim")
        critical = frozenset(bar.asset for bar in chart.critical)
        for bar, spent in zip(bars, took, strict=True):
            mark = _CRITICAL if bar.asset in critical else " "
            name = terminal.paint(terminal.fit(bar.asset, names), *(["bold"] if bar.asset in critical else []))
            drawn = _paint(_draw(bar, chart, room), terminal)
            yield f"{mark} {name}  {drawn}  {spent:>{widest}}"
    if len(bars) < len(chart.bars):
        text = f"… the longest of {count(len(chart.bars), 'step')} that ran, and the critical path (--all draws all)"
        yield from terminal.wrap(text, terminal.width)
    yield from _path(chart, terminal, jobs)


def _most_telling(chart: Timeline) -> Sequence[Bar]:
    if len(chart.bars) <= MOST_BARS:
        return chart.bars
    kept = {bar.asset for bar in sorted(chart.critical, key=lambda bar: bar.begun - bar.ended)[:_MOST_CRITICAL]}
    for bar in sorted(chart.bars, key=lambda bar: bar.begun - bar.ended):
        if len(kept) >= MOST_BARS:
            break
        kept.add(bar.asset)
    return [bar for bar in chart.bars if bar.asset in kept]


def _draw(bar: Bar, chart: Timeline, room: int) -> str:
    """`   ───██████   `: waiting, then at work; however short an attempt was, it has a cell."""
    length = max(chart.ended - chart.started, 1)

    def cell(moment: int) -> int:
        return min(max((moment - chart.started) * room // length, 0), room - 1)

    drawn = [_NOTHING] * room
    drawn[cell(bar.ready) : cell(bar.begun)] = _WAITED * max(cell(bar.begun) - cell(bar.ready), 0)
    before: int | None = None
    for attempt in bar.attempts:
        start = cell(attempt.started)
        end = max(cell(attempt.finished if attempt.finished is not None else chart.ended), start + 1)
        if before is not None:
            drawn[before:start] = _WAITED * max(start - before, 0)
        drawn[start:end] = _sign(attempt) * (end - start)
        if attempt.state == "open":
            drawn[end - 1] = _GOES_ON
        before = end
    return "".join(drawn)


def _sign(attempt: Attempt) -> str:
    return _RAN if attempt.state in ("succeeded", "open") else _FAILED


def _paint(drawn: str, terminal: Terminal) -> str:
    """Each stretch of one sign in its colour."""
    if not terminal.colour:
        return drawn
    painted: list[str] = []
    start = 0
    for index in range(1, len(drawn) + 1):
        if index == len(drawn) or drawn[index] != drawn[start]:
            colour = _COLOURS.get(drawn[start])
            stretch = drawn[start:index]
            painted.append(terminal.paint(stretch, colour) if colour else stretch)
            start = index
    return "".join(painted)


def _legend(bars: Sequence[Bar], chart: Timeline) -> str:
    """What the signs mean, of those that may be there."""
    attempts = [attempt for bar in bars for attempt in bar.attempts]
    cancelled = any(attempt.state == "cancelled" for attempt in attempts)
    failed = any(_sign(attempt) == _FAILED and attempt.state != "cancelled" for attempt in attempts)
    meanings = [
        (True, _RAN, "at work"),
        (failed or cancelled, _FAILED, " or ".join(["failed"] * failed + ["cancelled"] * cancelled)),
        (any(attempt.state == "open" for attempt in attempts), _GOES_ON, "not ended"),
        (any(bar.waited or len(bar.attempts) > 1 for bar in bars), _WAITED, "waiting"),
        (len(chart.critical) > 1, _CRITICAL, "critical path"),
    ]
    return ", ".join(f"{sign} {meaning}" for is_there, sign, meaning in meanings if is_there)


def _path(chart: Timeline, terminal: Terminal, jobs: int) -> Iterator[str]:
    """`critical path 41 s of 60 s: raw_events 10 s → sessions 31 s`, and for what the rest of the time went."""
    bars = chart.critical
    whole = chart.ended - chart.started
    spent = sum(bar.ended - bar.begun for bar in bars)
    told = [f"{bar.asset} {duration(bar.ended - bar.begun)}" for bar in bars]
    if len(told) > 6:  # noqa: PLR2004 - what can be read at a glance
        told = [*told[:3], f"{len(told) - 5:,} more", *told[-2:]]
    said = f"critical path {duration(spent)} of {duration(whole)}: {' → '.join(told)}"
    yield from _hanging(said, terminal, 0)
    waited = sum(bar.waited for bar in bars)
    if waited > max(whole // _WORTH_SAYING, SECOND):
        longest = max(bars, key=lambda bar: bar.waited)
        place = "the one job" if jobs == 1 else f"one of {jobs:,} jobs"
        said = f"its steps waited {duration(waited)} for {place}, a lock or a pool"
        if len(bars) > 1:
            said += f", {longest.asset} alone {duration(longest.waited)}"
        yield from _hanging(said, terminal, 2)


def _hanging(said: str, terminal: Terminal, indent: int) -> Iterator[str]:
    first, *rest = terminal.wrap(said, terminal.width - 4)
    yield " " * indent + first
    yield from (f"    {line}" for line in rest)
