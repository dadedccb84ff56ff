"""Assets with their state, and past runs, as tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from assets_cli.cli.screens import gantt
from assets_cli.cli.screens.deeds import parts
from assets_cli.cli.screens.table import NAME, Column
from assets_cli.cli.screens.table import lines as table
from assets_cli.cli.terminal import Terminal, clean
from assets_cli.cli.words import ago, colour_of, count, some, state, tally
from assets_cli.model.answers import AssetStatus
from assets_cli.model.duration import show as duration
from assets_cli.model.history import Attempt, Deed, RunRecord, StepRecord
from assets_cli.planning.timeline import timeline

_LIST = (
    Column("name", least=NAME, worth=9),
    Column("kind", least=8, worth=3),
    Column("group", least=8, worth=4),
    Column("owner", least=8, worth=2),
    Column("state", worth=8),
    Column("materialized", worth=6),
    Column("rows", worth=1, right=True),
)
_RUNS = (
    Column("run", worth=9),
    Column("started", worth=7),
    Column("status", worth=8),
    Column("took", worth=5, right=True),
    Column("done", worth=6, right=True),
    Column("selection", least=9, worth=2),
)
_STEPS = (
    Column("asset", least=NAME, worth=9),
    Column("result", worth=8),
    Column("took", worth=5, right=True),
    Column("attempts", worth=3, right=True),
    Column("reason", least=20, worth=6),
)
_MOST_STEPS = 50
_MOST_FAILED = 5
_WENT_WELL = ("succeeded", "skipped")
_RESULT_COLOURS = {
    "succeeded": "green",
    "failed": "red",
    "crashed": "red",
    "timed_out": "red",
    "blocked": "yellow",
    "cancelled": "yellow",
    "running": "cyan",
    "skipped": "dim",
}


def assets(statuses: Sequence[AssetStatus], terminal: Terminal, now: int) -> Iterator[str]:
    """`assets list`."""
    rows = [
        (
            status.asset.name,
            clean(status.asset.kind),
            clean(status.asset.group or ""),
            clean(", ".join(status.asset.owners)),
            terminal.paint(state(status), colour_of(status)),
            ago(status.materialized, now) if status.materialized is not None else "",
            f"{status.rows:,}" if status.rows is not None else "",
        )
        for status in statuses
    ]
    return table(_LIST, rows, terminal)


def totals(statuses: Sequence[AssetStatus]) -> str:
    """`6 assets: 3 up to date, 2 stale, 1 external; 1 overdue`."""
    words = {"up_to_date": "up to date"}
    counts = tally(
        "upstream stale" if status.tentative else words.get(status.status, status.status) for status in statuses
    )
    late = sum(status.overdue for status in statuses)
    text = f"{count(len(statuses), 'asset')}: " + ", ".join(f"{number:,} {word}" for word, number in counts.items())
    return f"{text}; {late:,} overdue" if late else text


class RunPage(NamedTuple):
    """What the screen of one run needs besides the run; `everything` lists what is otherwise counted."""

    terminal: Terminal
    now: int
    command: Callable[..., str]
    everything: bool = False


def runs(records: Sequence[RunRecord], terminal: Terminal, now: int, deeds: Sequence[Deed] = ()) -> Iterator[str]:
    """`assets runs`: a row for each run; below one that did not go well, what failed and what that left undone.

    What was done to the history on purpose has a row above the run after which it happened.
    """
    by_run: dict[str | None, list[Deed]] = {}
    for deed in deeds:
        by_run.setdefault(deed.after, []).append(deed)
    rows: list[tuple[str, ...]] = []
    below: list[list[str]] = []
    for record in (*records, None):
        for deed in by_run.get(record.id if record else None, ()):
            rows.append((f"state {deed.kind}", ago(deed.at, now), "done", "", "", ""))
            below.append(parts(deed))
        if record:
            status = terminal.paint(record.status, _RESULT_COLOURS[record.status])
            took = _took(record.started, record.finished)
            rows.append((record.id, ago(record.started, now), status, took, _done(record), _selected(record)))
            below.append(_trouble(record))
    head, *rest = table(_RUNS, rows, terminal)
    yield head
    for index, line in enumerate(rest):
        yield line
        for text in terminal.pack(below[index] if index < len(below) else (), terminal.width - 4):
            yield "    " + terminal.paint(text, "dim")


def run(record: RunRecord, steps: Sequence[StepRecord], attempts: Sequence[Attempt], page: RunPage) -> Iterator[str]:
    """`assets runs RUN`. Of very many steps those that did not go well are listed, and the rest is counted."""
    terminal = page.terminal
    status = terminal.paint(record.status, "bold", _RESULT_COLOURS[record.status])
    took = _took(record.started, record.finished)
    yield f"run {record.id} {status}, started {ago(record.started, page.now)}" + (f", took {took}" if took else "")
    facts = [
        f"environment {record.environment}",
        count(record.jobs, "job"),
        f"selection {_selected(record)}",
        f"on {record.host}, process {record.pid}",
    ]
    yield from terminal.pack(facts, terminal.width)
    yield ""
    by_asset: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        by_asset.setdefault(attempt.asset, []).append(attempt)
    listed = list(steps)
    if len(steps) > _MOST_STEPS and not page.everything:
        listed = [step for step in steps if step.result not in _WENT_WELL][:_MOST_STEPS]
    if listed:
        yield from table(_STEPS, [_step(step, by_asset.get(step.asset, []), terminal) for step in listed], terminal)
    if len(listed) < len(steps):
        counts = tally(step.result or "not finished" for step in steps)
        told = ", ".join(f"{number:,} {word}" for word, number in counts.items())
        yield from terminal.wrap(f"… of {count(len(steps), 'step')}: {told} (--all lists them)", terminal.width)
    if len(attempts) > 1:  # of a single one the table says it all
        yield ""
        chart = timeline(record, steps, attempts, page.now)
        yield from gantt.lines(chart, terminal, record.jobs, everything=page.everything)
    yield from _next(record, steps, page)


def _next(record: RunRecord, steps: Sequence[StepRecord], page: RunPage) -> Iterator[str]:
    """Where to look, and how to go on from a run that left something undone."""
    failed = [step.asset for step in steps if step.result == "failed"]
    left = any(step.result not in _WENT_WELL and step.kind != "mark" for step in steps)
    if failed or left:
        yield ""
    if failed:
        yield f"logs: {page.command('logs', record.id, failed[0])}"
        if len(failed) > 1:
            yield f"      and of {some(failed[1:])}"
    if left and record.status != "running":
        yield f"next: {page.command('retry', record.id)}"


_UNFINISHED: Final = {"open": "running", "crashed": "crashed"}
"""What a step is called that has no result yet, or whose run died before it had one, by its last attempt."""


def _step(step: StepRecord, attempts: Sequence[Attempt], terminal: Terminal) -> tuple[str, ...]:
    result: str = step.result or (_UNFINISHED.get(attempts[-1].state, "not finished") if attempts else "not started")
    if attempts and result == "failed" and attempts[-1].state in {"crashed", "timed_out"}:
        result = attempts[-1].state
    spent = sum(attempt.finished - attempt.started for attempt in attempts if attempt.finished is not None)
    last = attempts[-1] if attempts else None
    reason = step.detail or (last.reason if last and last.reason else "") or ""
    shown = terminal.paint(result.replace("_", " "), *filter(None, [_RESULT_COLOURS.get(result)]))
    return (
        step.asset,
        f"{shown}, unchanged" if step.unchanged else shown,
        duration(spent) if attempts and any(attempt.finished is not None for attempt in attempts) else "",
        str(len(attempts)) if attempts else "",
        clean(reason.split("\n", 1)[0]),
    )


def _took(started: int, finished: int | None) -> str:
    return duration(max(finished - started, 0)) if finished is not None else ""


def _done(record: RunRecord) -> str:
    """How many steps went well; `3 of 6` where not all did."""
    total = sum(number for word, number in record.counts.items() if word != "unchanged")
    good = sum(record.counts.get(word, 0) for word in _WENT_WELL)
    return f"{good:,}" if good == total else f"{good:,} of {total:,}"


def _selected(record: RunRecord) -> str:
    return some([clean(word) for word in record.selection], 3, last="and") or "all"


def _trouble(record: RunRecord) -> list[str]:
    """`failed: sessions and features`, `2 blocked`, `1 cancelled`."""
    parts = [f"failed: {some(record.failed, _MOST_FAILED)}"] if record.failed else []
    words = {"blocked": "blocked", "cancelled": "cancelled", "not_finished": "not finished"}
    return parts + [f"{record.counts[key]:,} {word}" for key, word in words.items() if record.counts.get(key)]
