"""A run as Chrome trace JSON, which ui.perfetto.dev and chrome://tracing draw: `--trace FILE`.

The format is the JSON object of Google's "Trace Event Format": complete events (`X`) for attempts, flow events (`s`,
`f`) from each step to those that came after it, metadata (`M`) with the names of what is drawn. Moments and lengths are
microseconds, as on record.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from assets_cli.cli.documents import VERSION
from assets_cli.model.event import RunEvent, RunStarted, StepFinished, StepStarted, StepWaiting
from assets_cli.model.history import Attempt, RunRecord, StepRecord
from assets_cli.planning.timeline import Bar, Timeline, timeline

# What the viewers call processes: the jobs, who waited for others, and steps that only checked.
_RUN, _WAITS, _CHECKS = 1, 2, 3
_BAD = ("failed", "timed_out", "crashed")


class Wait(NamedTuple):
    """A step waited for somebody. `kind` is what for: a lock or a pool."""

    asset: str
    started: int
    ended: int
    kind: str
    name: str | None
    holder: str


class Tracer:
    """A listener that notes what is not on record: who waited for whom, and how long steps took that only checked."""

    def __init__(self) -> None:
        self.run: str | None = None
        self.waits: list[Wait] = []
        self.checked: dict[str, tuple[int, int]] = {}
        self._waiting: dict[str, StepWaiting] = {}
        self._begun: set[str] = set()

    def __call__(self, event: RunEvent) -> None:
        """Take in an event."""
        if isinstance(event, RunStarted):
            self.run = event.run
        elif isinstance(event, StepWaiting | StepStarted | StepFinished):
            self._end_wait(event.asset, event.at)
            if isinstance(event, StepWaiting):
                self._waiting[event.asset] = event
            elif isinstance(event, StepStarted):
                self._begun.add(event.asset)
            elif event.duration and event.asset not in self._begun:
                self.checked[event.asset] = (event.at - event.duration, event.at)

    def _end_wait(self, asset: str, at: int) -> None:
        waited = self._waiting.pop(asset, None)
        if waited is not None:
            self.waits.append(Wait(asset, waited.at, at, waited.kind, waited.name, waited.holder))


def document(
    record: RunRecord,
    steps: Sequence[StepRecord],
    attempts: Sequence[Attempt],
    now: int,
    told: Tracer | None = None,
) -> str:
    """The trace of a run, an event a line."""
    chart = timeline(record, steps, attempts, now)
    waits = told.waits if told else []
    placed = _place(chart)
    events = [_meta(_RUN, 0, "process_name", f"run {record.id}"), _meta(_RUN, 0, "thread_name", "the run")]
    events += [_meta(_RUN, lane, "thread_name", f"job {lane}") for lane in sorted({one.lane for one in placed})]
    events += [_run(record, chart), *_attempts(placed, chart, waits), *_flows(placed)]
    if waits:
        events += [_meta(_WAITS, 0, "process_name", "waiting for others"), *_waits(waits)]
    if told and told.checked:
        events += [_meta(_CHECKS, 0, "process_name", "checks only"), *_checks(steps, told.checked)]
    return _text(
        {
            "run": record.id,
            "environment": record.environment,
            "status": record.status,
            "jobs": record.jobs,
            "selection": list(record.selection),
            "host": record.host,
            "pid": record.pid,
            "critical_path": [bar.asset for bar in chart.critical],
        },
        events,
    )


def nothing() -> str:
    """The trace of a call that had nothing to do."""
    return _text({"run": None}, [])


def _text(other: Mapping[str, Any], events: Sequence[Mapping[str, Any]]) -> str:
    encode = json.JSONEncoder(separators=(",", ":")).encode
    head = encode({"version": VERSION, "displayTimeUnit": "ms", "otherData": other})[:-1]
    lines = ",\n".join(map(encode, events))
    return f'{head},"traceEvents":[\n{lines}\n]}}\n'


def _meta(process: int, thread: int, name: str, value: str) -> dict[str, Any]:
    return {"ph": "M", "pid": process, "tid": thread, "name": name, "args": {"name": value}}


def _slice(process: int, thread: int, times: tuple[int, int], name: str, args: Mapping[str, Any]) -> dict[str, Any]:
    """A complete event; however short it was, it has a length, or viewers would not draw it."""
    started, ended = times
    return {
        "ph": "X",
        "pid": process,
        "tid": thread,
        "ts": started,
        "dur": max(ended - started, 1),
        "name": name,
        "args": dict(args),
    }


def _run(record: RunRecord, chart: Timeline) -> dict[str, Any]:
    args = {"status": record.status, "steps": dict(record.counts)}
    return {**_slice(_RUN, 0, (chart.started, chart.ended), f"run {record.id}", args), "cat": "run"}


class _Placed(NamedTuple):
    """An attempt, its step, the row that it is drawn in, and its end."""

    attempt: Attempt
    bar: Bar
    lane: int
    ended: int


def _place(chart: Timeline) -> list[_Placed]:
    """Each attempt of each step, in time. Which job it had is not on record, so each takes the first that is free."""
    pieces = [(attempt, bar) for bar in chart.bars for attempt in bar.attempts]
    pieces.sort(key=lambda piece: piece[0].started)
    lanes = _Lanes()
    placed = []
    for attempt, bar in pieces:
        ended = attempt.finished if attempt.finished is not None else chart.ended
        placed.append(_Placed(attempt, bar, lanes.take(attempt.started, ended), ended))
    return placed


def _attempts(placed: Sequence[_Placed], chart: Timeline, waits: Sequence[Wait]) -> Iterator[dict[str, Any]]:
    critical = {bar.asset for bar in chart.critical}
    holders: dict[str, list[str]] = {}
    for wait in waits:
        holders.setdefault(wait.asset, []).append(wait.holder)
    for attempt, bar, lane, ended in placed:
        name = bar.asset if attempt.number == 1 else f"{bar.asset}, attempt {attempt.number}"
        args = _told(attempt, bar)
        args["on_critical_path"] = bar.asset in critical
        args["waited_for"] = holders.get(bar.asset, [])
        colour = {"cname": "terrible"} if attempt.state in _BAD else {}
        yield {**_slice(_RUN, lane, (attempt.started, ended), name, args), "cat": f"attempt,{attempt.state}", **colour}


def _told(attempt: Attempt, bar: Bar) -> dict[str, Any]:
    return {
        "asset": bar.asset,
        "attempt": attempt.number,
        "state": attempt.state,
        "result": bar.step.result,
        "unchanged": bar.step.unchanged,
        "causes": [str(cause.get("detail", "")) for cause in bar.step.causes],
        "after": list(bar.after),
        "waited_seconds": bar.waited / 1_000_000,
        "exit_code": attempt.exit_code,
        "reason": attempt.reason,
        "log": attempt.log,
    }


def _flows(placed: Sequence[_Placed]) -> Iterator[dict[str, Any]]:
    """An arrow from the last attempt of a step to the first of each step that came after it."""
    first: dict[str, _Placed] = {}
    last: dict[str, _Placed] = {}
    for one in placed:
        first.setdefault(one.bar.asset, one)
        last[one.bar.asset] = one
    number = 0
    for target in first.values():
        for source in filter(None, map(last.get, target.bar.after)):
            number += 1
            common = {"cat": "upstream", "name": "upstream", "id": number, "pid": _RUN}
            # An arrow belongs to the slice that its ends lie in.
            yield {"ph": "s", **common, "tid": source.lane, "ts": max(source.ended - 1, source.attempt.started)}
            yield {"ph": "f", "bp": "e", **common, "tid": target.lane, "ts": target.attempt.started}


def _waits(waits: Sequence[Wait]) -> Iterator[dict[str, Any]]:
    lanes = _Lanes()
    for wait in sorted(waits, key=lambda each: each.started):
        args = {"asset": wait.asset, "for": wait.kind, "name": wait.name, "holder": wait.holder}
        lane = lanes.take(wait.started, wait.ended)
        yield {**_slice(_WAITS, lane, (wait.started, wait.ended), f"{wait.asset} waits", args), "cat": "wait"}


def _checks(steps: Sequence[StepRecord], checked: Mapping[str, tuple[int, int]]) -> Iterator[dict[str, Any]]:
    """Steps that only evaluated checks, which are no attempts."""
    lanes = _Lanes()
    results = {step.asset: step.result for step in steps}
    for asset, times in sorted(checked.items(), key=lambda item: item[1]):
        args = {"asset": asset, "result": results.get(asset)}
        yield {**_slice(_CHECKS, lanes.take(*times), times, f"{asset}, checks only", args), "cat": "checks"}


class _Lanes:
    """Rows for what overlaps in time, counted from 1: each piece takes the lowest that is free."""

    def __init__(self) -> None:
        self._free: list[int] = []
        self._busy: list[tuple[int, int]] = []
        self._count = 0

    def take(self, started: int, ended: int) -> int:
        """The row of a piece. Pieces come in the order in which they start."""
        while self._busy and self._busy[0][0] <= started:
            heapq.heappush(self._free, heapq.heappop(self._busy)[1])
        if self._free:
            lane = heapq.heappop(self._free)
        else:
            self._count += 1
            lane = self._count
        heapq.heappush(self._busy, (max(ended, started + 1), lane))
        return lane
