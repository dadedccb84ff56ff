"""What `assets up` says: a line an event, with its moment, and on a terminal what it waits for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from assets_cli.cli.terminal import Terminal, clean
from assets_cli.cli.words import count, some
from assets_cli.model.duration import SECOND
from assets_cli.model.duration import show as duration
from assets_cli.model.upkeep import Moment

_DAY = 86_400 * SECOND
_COLOURS = {"succeeded": "green", "failed": "red", "cancelled": "yellow"}


def stamp(at: int) -> str:
    """The moment of a line, by the clock of this machine: `2026-11-22 09:00:03`."""
    return datetime.fromtimestamp(at / SECOND).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def clock(at: int, now: int) -> str:
    """`08:12`, with seconds where it is near and the day where it is far."""
    moment = datetime.fromtimestamp(at / SECOND).astimezone()
    if at - now > _DAY:
        return moment.strftime("%Y-%m-%d %H:%M")
    return moment.strftime("%H:%M:%S" if at - now < 600 * SECOND else "%H:%M")


def waiting(moment: Moment | None, now: int) -> str:
    """`next: 08:12 orders must start to be fresh at 09:00`."""
    if moment is None:
        return "next: nothing is due; a change of a file wakes it"
    at = clock(moment.at, now)
    match moment.kind:
        case "promise":
            until = "" if moment.until is None else f" to stay fresh after {clock(moment.until, now)}"
            return f"next: {at} work for {moment.asset} must start{until}"
        case "schedule":
            return f"next: {at} {moment.asset} is scheduled"
        case "observe":
            return f"next: {at} {moment.asset} is looked at"
        case "retry":
            return f"next: {at} {moment.asset} is tried again"
        case _:
            return f"next: {at} promises are looked at"


class Runs:
    """The runs of one `up`, told in few lines: what starts, what fails, how it ended."""

    def __init__(self, terminal: Terminal, command: Any) -> None:
        self._terminal = terminal
        self._command = command
        self._started: dict[int, str] = {}

    def lines(self, number: int, event: Mapping[str, Any]) -> Iterator[str]:
        """What to say of an event of a run, as `materialize --json` has it."""
        match event["event"]:
            case "run_started":
                self._started[number] = event["run"]
                yield f"run {event['run']}: {some([clean(name) for name in event['steps']], 5)}"
            case "step_retrying":
                yield f"{clean(event['asset'])}: attempt {event['number']} failed: {clean(event['reason'])}"
            case "step_finished":
                yield from self._step(number, event)
            case "warning":
                about = f"{event['asset']}: " if event["asset"] else ""
                yield f"{self._terminal.paint('warning', 'bold', 'yellow')}: {clean(about + event['message'])}"
            case "run_finished" if event["run"]:
                yield self._end(event)
            case _:
                pass

    def _step(self, number: int, event: Mapping[str, Any]) -> Iterator[str]:
        wrong = [each for each in event["checks"] if not each["passed"]]
        if event["result"] in ("succeeded", "skipped", "cancelled") and not wrong:
            return
        said = self._terminal.paint(event["result"], "bold", _COLOURS.get(event["result"], "yellow"))
        detail = " ".join(clean(event["detail"]).split())
        yield f"{clean(event['asset'])} {said}{f': {detail}' if detail else ''}"
        if event["result"] == "failed" and event["log"] and number in self._started:
            yield f"  {self._command('logs', self._started[number], event['asset'])}"

    def _end(self, event: Mapping[str, Any]) -> str:
        said = self._terminal.paint(event["status"], "bold", _COLOURS.get(event["status"], "yellow"))
        unchanged = len(event["unchanged"])
        parts = [f"{len(event['succeeded']):,} succeeded"]
        parts += [f"{unchanged:,} of them unchanged"] if unchanged else []
        parts += [
            f"{len(event[word]):,} {word}" for word in ("failed", "blocked", "skipped", "cancelled") if event[word]
        ]
        took = duration(int(event["duration_seconds"] * SECOND))
        return f"run {event['run']} {said} in {took}: {', '.join(parts)}"


def begun(project: str, environment: str, assets: int, selection: Sequence[str]) -> str:
    """The first line."""
    where = "" if environment == "default" else f", environment {environment}"
    which = f", of which it keeps {' '.join(selection)}" if selection else ""
    return f"{clean(project)}{where}: keeping {count(assets, 'asset')}{which}"
