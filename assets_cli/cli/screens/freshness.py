"""Promises about the age of data: how each is kept, when it is broken, and who holds the data back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from assets_cli.cli.screens.table import NAME, Column
from assets_cli.cli.screens.table import lines as table
from assets_cli.cli.terminal import Terminal
from assets_cli.cli.words import about, ago, clock, count, some, tally
from assets_cli.model.answers import Holder, Verdict, VerdictStatus
from assets_cli.model.duration import show as duration
from assets_cli.model.plan import Deadline

COLOURS: dict[VerdictStatus, str] = {"fail": "red", "warn": "yellow", "unknown": "yellow", "pass": "green"}
_WORST_FIRST = tuple(COLOURS)
_MOST_HOLDERS = 3
_MOST = 50
_MOST_HOLDING = 10
_COLUMNS = (
    Column("asset", least=NAME, worth=9),
    Column("status", worth=8),
    Column("data age", worth=7),
    Column("promise", least=13, worth=6),
    Column("broken", worth=8),
)
_START = Column("start by", worth=4)


def lines(verdicts: Sequence[Verdict], terminal: Terminal, now: int, *, everything: bool = False) -> Iterator[str]:
    """A row for each promise, the worst first; below one that is not kept, who holds it back.

    Of very many, on a screen, those that are not kept, up to a number, and who holds most of them back.
    """
    ordered = sorted(verdicts, key=lambda one: (_WORST_FIRST.index(one.status), one.broken_at or 0))
    if len(verdicts) <= _MOST or everything or not terminal.wraps:
        yield from _rows(ordered, terminal, now)
        return
    broken = [one for one in ordered if one.status != "pass"]
    if not broken:
        yield f"all {len(verdicts):,} are kept (--all lists them)"
        return
    yield from _rows(broken[:_MOST], terminal, now)
    left = ordered[len(broken[:_MOST]) :]
    yield from terminal.wrap(f"… and {len(left):,} more: {_counted(left)} (--all lists them)", terminal.width)
    holders = tally(holder.asset for one in broken for holder in one.held_by)
    if len(broken) > _MOST and holders:
        yield ""
        yield terminal.paint("Who holds most back", "bold")
        most = sorted(holders.items(), key=lambda item: -item[1])
        width = len(f"{most[0][1]:,}")
        for name, number in most[:_MOST_HOLDING]:
            yield f"  {number:>{width},}  {name}"
        if len(most) > _MOST_HOLDING:
            yield f"  … and {count(len(most) - _MOST_HOLDING, 'other')}"


def _rows(ordered: Sequence[Verdict], terminal: Terminal, now: int) -> Iterator[str]:
    rows = [
        (
            one.asset,
            terminal.paint(one.status, COLOURS[one.status]),
            "unknown" if one.age is None else duration(max(one.age, 0)),
            one.policy.text,
            "" if one.broken_at is None else ago(one.broken_at, now),
            _start(one.deadline, now),
        )
        for one in ordered
    ]
    # Where nothing has to start, nobody misses the column.
    columns = (*_COLUMNS, _START) if any(row[-1] for row in rows) else _COLUMNS
    head, *rest = table(columns, [row[: len(columns)] for row in rows], terminal)
    yield head
    for index, line in enumerate(rest):
        yield line
        if index < len(ordered) and ordered[index].held_by:
            for text in terminal.wrap(f"waiting for {held_by(ordered[index], now)}", terminal.width - 4):
                yield "    " + terminal.paint(text, "dim")


def _start(one: Deadline | None, now: int) -> str:
    """Until when something has to start, in a word or two."""
    if one is None or one.start is None:
        return ""
    if one.late:
        return "now" if one.broken_at <= now else f"late by {about(one.late)}"
    return "may be late" if one.may_be_late(now) else clock(one.start, now)


def deadline(one: Deadline, now: int, jobs: int) -> str:
    """`start by 08:12 to be fresh at 09:00`; `can't be met: late by 12m`."""
    due = clock(one.broken_at, now)
    if one.start is None or one.latest is None:
        if one.waits_for is None or one.deliver is None:
            return f"nothing that runs here renews it before {due}"
        return f"{one.waits_for}, external, has to deliver by {clock(one.deliver, now)} to be fresh at {due}"
    if one.broken_at <= now:
        return f"broken since {due}; started now it is made in about {about(one.takes)}"
    if one.late:
        return f"can't be met: late by {about(one.late)}, at {due}"
    if one.may_be_late(now):
        return f"may be late at {due} with {count(jobs, 'job')}; with more it can start by {clock(one.latest, now)}"
    return f"start by {clock(one.start, now)} to be fresh at {due}"


def totals(verdicts: Sequence[Verdict]) -> str:
    """`4 promises: 1 fail, 1 warn, 2 pass`."""
    return f"{count(len(verdicts), 'promise')}: {_counted(verdicts)}"


def _counted(verdicts: Sequence[Verdict]) -> str:
    counts = tally(verdict.status for verdict in verdicts)
    return ", ".join(f"{counts[status]:,} {status}" for status in _WORST_FIRST if status in counts)


def held_by(verdict: Verdict, now: int) -> str:
    """`crm_accounts, external, 9h old, and raw_events, 8h old`."""
    told = [_holder(holder, verdict.asset, now) for holder in verdict.held_by[:_MOST_HOLDERS]]
    more = len(verdict.held_by) - len(told)
    if more:
        told.append(f"{more:,} more")
    return some(told, _MOST_HOLDERS + 1) if len(told) == 1 else f"{'; '.join(told[:-1])}; and {told[-1]}"


def sentence(verdict: Verdict, now: int) -> str:
    """`data 9h old, promised at most 6h: broken 3 hours ago`."""
    if verdict.age is None or verdict.broken_at is None:
        return f"age unknown, promised at most {verdict.policy.text}"
    when = "broken" if verdict.status == "fail" else "will be broken"
    age = duration(max(verdict.age, 0))
    return f"data {age} old, promised at most {verdict.policy.text}: {when} {ago(verdict.broken_at, now)}"


def _holder(holder: Holder, asset: str, now: int) -> str:
    """Who it is, what kind of holder, and how old its data is."""
    age = f"{duration(max(now - holder.data_time, 0))} old" if holder.data_time is not None else "age unknown"
    if holder.reason == "external":
        return f"{holder.asset}, external, {age if holder.data_time is not None else 'never observed'}"
    if holder.reason == "missing":
        return f"{holder.asset}, never materialized"
    if holder.reason == "blocked":
        return f"{holder.asset}, blocked by a check"
    if holder.reason == "behind":
        own = (
            "its own next materialization" if holder.asset == asset else f"{holder.asset}, which has newer data to read"
        )
        return own if holder.asset == asset else f"{own}, {age}"
    return f"{holder.asset}, {age}" if holder.asset != asset else "its own next materialization"
