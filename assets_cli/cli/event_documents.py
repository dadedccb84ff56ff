"""The lines of `materialize --json`, an event each, as `schemas/run-events.schema.json` has them. Prints nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assets_cli.cli.documents import VERSION, cause, check_result, seconds
from assets_cli.cli.words import rfc3339
from assets_cli.model.event import (
    RunEvent,
    RunFinished,
    RunStarted,
    StepFinished,
    StepRetrying,
    StepStarted,
    StepWaiting,
    Warned,
)


def event(value: RunEvent) -> dict[str, Any]:
    """One line of `materialize --json`."""
    head: Mapping[str, Any]
    match value:
        case RunStarted():
            head = {"event": "run_started", "run": value.run, "steps": list(value.steps), "jobs": value.jobs}
        case StepWaiting():
            head = {
                "event": "step_waiting",
                "asset": value.asset,
                "kind": value.kind,
                "name": value.name,
                "holder": value.holder,
            }
        case StepStarted():
            head = {
                "event": "step_started",
                "asset": value.asset,
                "number": value.number,
                "causes": [cause(one) for one in value.causes],
                "log": value.log,
                "estimated_seconds": seconds(value.usual),
            }
        case StepRetrying():
            head = {
                "event": "step_retrying",
                "asset": value.asset,
                "number": value.number,
                "reason": value.reason,
                "delay_seconds": seconds(value.delay),
            }
        case StepFinished():
            head = _finished(value)
        case Warned():
            head = {"event": "warning", "asset": value.asset, "message": value.message}
        case RunFinished():
            head = _ended(value)
    return {**head, "at": rfc3339(value.at), "version": VERSION}


def _finished(value: StepFinished) -> dict[str, Any]:
    return {
        "event": "step_finished",
        "asset": value.asset,
        "result": value.result,
        "unchanged": value.unchanged,
        "detail": value.detail,
        "duration_seconds": seconds(value.duration),
        "rows": value.rows,
        "log": value.log,
        "tail": list(value.tail),
        "checks": [check_result(one) for one in value.checks],
    }


def _ended(value: RunFinished) -> dict[str, Any]:
    return {
        "event": "run_finished",
        "run": value.run,
        "status": value.status,
        "succeeded": list(value.succeeded),
        "unchanged": list(value.unchanged),
        "failed": list(value.failed),
        "skipped": list(value.skipped),
        "blocked": list(value.blocked),
        "cancelled": list(value.cancelled),
        "duration_seconds": seconds(value.duration),
        "still_stale": list(value.still_stale),
        "checks_failed": [{"asset": one.asset, "check": one.check} for one in value.checks_failed],
    }
