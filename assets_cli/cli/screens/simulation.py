"""A simulated time as a screen: what it comes to, day by day, asset by asset, and what that rests on."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from assets_cli.cli.screens.table import NAME, Column
from assets_cli.cli.screens.table import lines as table
from assets_cli.cli.terminal import Terminal
from assets_cli.cli.words import about, count
from assets_cli.model.duration import SECOND, written
from assets_cli.model.simulation import Assumed, Day, Saved, Share, Simulated, Simulation, WhatIf

_MOST = 40
_MOST_DAYS = 31
_MOST_SHARES = 10
_MOST_ASSUMED = 5
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ASSETS = (
    Column("asset", least=NAME, worth=9),
    Column("runs", worth=8, right=True),
    Column("compute", worth=7, right=True),
    Column("promise", least=8, worth=5),
    Column("worst age", worth=6, right=True),
    Column("broken", worth=8, right=True),
)
_DAYS = (
    Column("day"),
    Column("runs", right=True),
    Column("compute", right=True),
    Column("broken promises", right=True),
)


def lines(found: WhatIf, names: Collection[str], terminal: Terminal, *, everything: bool) -> Iterator[str]:
    """The whole of it first, then what it is made of."""
    value = found.after
    yield from terminal.pack(_summary(value, names), terminal.width)
    if value.saved.percent is not None:
        yield from terminal.wrap(_saved(value.saved), terminal.width)
    if found.before is not None:
        yield ""
        yield from _compared(found, found.before, terminal)
    yield ""
    yield from _assets(value, names, terminal, everything=everything)
    if len(value.days) > 1:
        yield ""
        yield from _days(value, terminal, everything=everything)
    for title, shares in (("group", value.groups), ("owner", value.owners)):
        if len(shares) > 1:
            yield ""
            yield from _shares(title, shares, terminal, everything=everything)
    notes = list(_notes(value, everything=everything))
    if notes:
        yield ""
        for note in notes:
            yield from (terminal.paint(line, "dim") for line in terminal.wrap(note, terminal.width))


def _summary(value: Simulation, names: Collection[str]) -> Iterator[str]:
    length = written((value.end - value.start) // SECOND * SECOND)
    yield f"{length} from {_moment(value.start, value.timezone)}"
    yield f"{count(value.jobs, 'job')}"
    yield f"{count(len(value.bars), 'run')}"
    yield f"{_time(value.compute)} of compute"
    promised = sum(1 for one in value.assets if one.promise)
    broken = sum(1 for one in value.broken if one.asset in names)
    if not promised:
        yield "nothing is promised"
    elif not broken:
        yield "every promise is kept" if len(names) == len(value.assets) else "every promise of these is kept"
    else:
        yield f"{count(broken, 'promise')} broken"


def _saved(saved: Saved) -> str:
    """How it compares with a cron job for each promise."""
    percent, crons = saved.percent or 0, f"a cron job for each promise ({_time(saved.cron_compute)})"
    if percent > 0:
        return f"promises take {_time(saved.compute)}: {percent} % saved against {crons}"
    more = f"{-percent} % more than" if percent else "as much as"
    why = f": {saved.why_more}" if saved.why_more else ""
    return f"promises take {_time(saved.compute)}, {more} {crons}{why}"


def _compared(found: WhatIf, before: Simulation, terminal: Terminal) -> Iterator[str]:
    """What the changes make of it."""
    after = found.after
    yield from terminal.wrap(f"What if: {', '.join(found.changes)}", terminal.width)
    columns = (Column(""), Column("as it is", right=True), Column("what if", right=True))
    rows = (
        ("runs", f"{len(before.bars):,}", f"{len(after.bars):,}"),
        ("compute", _time(before.compute), _time(after.compute)),
        ("broken promises", f"{len(before.broken):,}", f"{len(after.broken):,}"),
        ("broken for", _time(sum(o.broken for o in before.assets)), _time(sum(o.broken for o in after.assets))),
    )
    yield from table(columns, rows, terminal)


def _assets(value: Simulation, names: Collection[str], terminal: Terminal, *, everything: bool) -> Iterator[str]:
    """The broken promises first, the longest before the others; then what costs most."""
    chosen = [one for one in value.assets if one.asset in names and (one.runs or one.promise)]
    ordered = sorted(chosen, key=lambda one: (-one.broken, -one.compute, not one.promise, one.asset))
    shown = ordered if everything or len(ordered) <= _MOST or not terminal.wraps else ordered[:_MOST]
    if not ordered:
        yield "nothing runs"
        return
    yield from table(_ASSETS, [_row(one, terminal) for one in shown], terminal)
    left = ordered[len(shown) :]
    if left:
        runs, compute = sum(one.runs for one in left), sum(one.compute for one in left)
        broken = sum(1 for one in left if one.breaches)
        text = f"… and {count(len(left), 'more', 'more')}: {count(runs, 'run')}, {_time(compute)}"
        text += f", {count(broken, 'promise')} broken" if broken else ", all kept"
        yield from terminal.wrap(f"{text} (--all lists them)", terminal.width)


def _row(one: Simulated, terminal: Terminal) -> Sequence[str]:
    age = "" if not one.promise else "unknown" if one.worst_age is None else _time(one.worst_age)
    broken = ""
    if one.breaches:
        times = f" in {one.breaches:,}" if one.breaches > 1 else ""
        broken = terminal.paint(f"! {_time(one.broken)}{times}", "red")
    return one.asset, f"{one.runs:,}", _time(one.compute) if one.runs else "", one.promise, age, broken


def _days(value: Simulation, terminal: Terminal, *, everything: bool) -> Iterator[str]:
    many = not everything and len(value.days) > _MOST_DAYS
    shown = value.days[:_MOST_DAYS] if many else value.days
    yield from table(_DAYS, [_day(one, value.timezone, terminal) for one in shown], terminal)
    if many:
        yield f"… and {count(len(value.days) - len(shown), 'more day')} (--all lists them)"


def _day(day: Day, zone: str, terminal: Terminal) -> Sequence[str]:
    broken = terminal.paint(f"! {day.broken:,}", "red") if day.broken else "0"
    return _local(day.start, zone).strftime("%a %Y-%m-%d"), f"{day.runs:,}", _time(day.compute), broken


def _shares(title: str, shares: Sequence[Share], terminal: Terminal, *, everything: bool) -> Iterator[str]:
    columns = (
        Column(title, least=12),
        Column("assets", right=True),
        Column("runs", right=True),
        Column("compute", right=True),
    )
    shown = shares if everything else shares[:_MOST_SHARES]
    rows = [(one.name or f"(no {title})", f"{one.assets:,}", f"{one.runs:,}", _time(one.compute)) for one in shown]
    yield from table(columns, rows, terminal)
    if len(shown) < len(shares):
        yield f"… and {count(len(shares) - len(shown), 'more', 'more')} (--all lists them)"


def _notes(value: Simulation, *, everything: bool) -> Iterator[str]:
    """What the simulation rests on that nobody knows for sure."""
    shown = value.assumed if everything else value.assumed[:_MOST_ASSUMED]
    for one in shown:
        yield f"assumed: {_assumed(one)}"
    if len(shown) < len(value.assumed):
        yield f"assumed: of {count(len(value.assumed) - len(shown), 'more external asset')} as well (--all lists them)"
    if value.untimed:
        noun = "asset has" if value.untimed == 1 else "assets have"
        yield f"assumed: {value.untimed:,} {noun} never run and {'takes' if value.untimed == 1 else 'take'} 1m"
    if value.unpromised:
        noun = "asset that nothing is promised of runs" if value.unpromised == 1 else "assets that nothing is"
        noun += "" if value.unpromised == 1 else " promised of run"
        yield f"{value.unpromised:,} {noun} only when something above changes"
    if value.waited:
        yield f"steps waited {_time(value.waited)} in all for a free job (--jobs)"


def _assumed(one: Assumed) -> str:
    if one.rhythm is None:
        return f"{one.asset} is new whenever it is read: its rhythm is not known"
    how = "as it was observed" if one.rhythm.source == "observed" else "as it promises"
    how += f", and looked at every {written(one.looked)}" if one.looked else ", and noticed at once"
    if one.rhythm.cron is not None:
        return f"{one.asset} is new at {one.rhythm.cron} {one.rhythm.timezone}, {how}"
    return f"{one.asset} is new every {about(one.rhythm.every)}, {how}"


def _time(length: int) -> str:
    return about(length) if length else "0 s"


def _local(moment: int, zone: str) -> datetime:
    return (_EPOCH + timedelta(microseconds=moment)).astimezone(ZoneInfo(zone))


def _moment(moment: int, zone: str) -> str:
    return f"{_local(moment, zone):%Y-%m-%d %H:%M} {zone}"
