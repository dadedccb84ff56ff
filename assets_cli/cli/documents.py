"""The JSON documents, field by field as `schemas/` describes them. Values in, plain dicts out; prints nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from assets_cli.cli.words import rfc3339
from assets_cli.model.answers import AssetStatus, Checked, Lineage, Why
from assets_cli.model.duration import SECOND
from assets_cli.model.history import Attempt, CheckResult, Deed, RunRecord, StepRecord
from assets_cli.model.plan import Cause, Deadline, Plan, Together
from assets_cli.model.problem import Problem
from assets_cli.planning.timeline import Timeline, edges

if TYPE_CHECKING:
    from assets_cli.validation import Validation

VERSION = 1


def seconds(microseconds: int | None) -> float | None:
    """A length of time as JSON has it."""
    return None if microseconds is None else microseconds / SECOND


def cause(value: Cause) -> dict[str, Any]:
    """One cause, all its fields always there."""
    return value._asdict()


def problem(value: Problem) -> dict[str, Any]:
    """One problem; `file`, `line` and `column` are null where it has no place."""
    place = value.place
    return {
        "code": value.code,
        "severity": value.severity,
        "message": value.message,
        "file": place.file if place else None,
        "line": place.line if place else None,
        "column": place.column if place else None,
        "hint": value.hint,
        "asset": value.asset,
        "related": [
            {"file": at.place.file, "line": at.place.line, "column": at.place.column, "message": at.message}
            for at in value.related
        ],
    }


def plan(value: Plan) -> dict[str, Any]:
    """The plan: what would run and why, what would not, which promises are broken."""
    return {
        "version": VERSION,
        "environment": value.environment,
        "now": rfc3339(value.now),
        "selection": list(value.selection),
        "jobs": value.jobs,
        "estimated_seconds": seconds(value.estimated),
        "critical_path": list(value.critical_path),
        "steps": [
            {
                "asset": step.asset,
                "partition": step.partition or None,
                "kind": step.kind,
                "causes": [cause(one) for one in step.causes],
                "tentative": step.is_tentative,
                "after": list(step.after),
                "estimated_seconds": seconds(step.estimated),
            }
            for step in value.steps
        ],
        "skipped": [{"asset": skip.asset, "reason": skip.reason, "detail": skip.detail} for skip in value.skips],
        "overdue": [
            {
                "asset": late.asset,
                "data_time": rfc3339(late.data_time),
                "promise": late.policy.text,
                "held_by": list(late.held_by),
            }
            for late in value.overdue
        ],
        "deadlines": [
            {"asset": one.asset, "broken_at": rfc3339(one.broken_at), **deadline(one, value.now)}
            for one in value.deadlines
        ],
        "together": None if value.together is None else _together(value.together),
        "removed": list(value.removed),
        "warnings": [problem(one) for one in value.warnings],
    }


def deadline(value: Deadline | None, now: int) -> dict[str, Any]:
    """Until when something has to start for a promise, and whether that is enough."""
    one = value or Deadline("", 0)
    return {
        "start_by": rfc3339(one.start),
        "takes_seconds": seconds(one.takes) if one.first else None,
        "begins_with": one.first,
        "late_seconds": seconds(value.late) if value else None,
        "may_be_late": one.may_be_late(now),
        "waits_for": one.waits_for,
        "deliver_by": rfc3339(one.deliver),
    }


def _together(one: Together) -> dict[str, Any]:
    return {
        "promises": one.promises,
        "steps": one.runs,
        "compute_seconds": seconds(one.time),
        "by_own_cron": {"steps": one.cron_runs, "compute_seconds": seconds(one.cron_time)},
    }


def status(value: AssetStatus) -> dict[str, Any]:
    """One asset with its verdicts."""
    asset = value.asset
    return {
        "name": asset.name,
        "kind": asset.kind,
        "description": asset.description,
        "group": asset.group,
        "owners": list(asset.owners),
        "tags": list(asset.tags),
        "upstreams": list(asset.upstreams),
        "status": value.status,
        "overdue": value.overdue,
        "tentative": value.tentative,
        "causes": [cause(one) for one in value.causes],
        "materialized": rfc3339(value.materialized),
        "run": value.run,
        "data_time": rfc3339(value.data_time),
        "rows": value.rows,
    }


def listing(values: Iterable[AssetStatus]) -> dict[str, Any]:
    """`list --json`."""
    return {"version": VERSION, "assets": [status(value) for value in values]}


def lineage(value: Lineage) -> dict[str, Any]:
    """`lineage --json`: nodes hold the asset itself; `from` is the upstream."""
    nodes = [status(node) for node in value.nodes]
    for node in nodes:
        node["upstream_depth"] = value.upstream_depth.get(node["name"])
        node["downstream_depth"] = value.downstream_depth.get(node["name"])
    edges = [{"from": start, "to": end} for start, end in value.edges]
    return {"version": VERSION, "asset": value.asset, "nodes": nodes, "edges": edges}


def why(value: Why) -> dict[str, Any]:
    """`why --json`: the asset first, then each asset that its causes lead to, once; `roots` lead no further."""
    found: dict[str, dict[str, Any]] = {}
    roots: list[str] = []
    waiting = [value]
    while waiting:
        one = waiting.pop(0)
        name = one.status.asset.name
        if name in found:
            continue
        found[name] = {**status(one.status), "because_of": [up.status.asset.name for up in one.upstreams]}
        if not one.upstreams:
            roots.append(name)
        waiting += one.upstreams
    return {"version": VERSION, "asset": value.status.asset.name, "assets": list(found.values()), "roots": roots}


def validation(found: Validation) -> dict[str, Any]:
    """`validate --json`."""
    problems = found.problems
    errors = sum(one.severity == "error" for one in problems)
    return {
        "version": VERSION,
        "problems": [problem(one) for one in problems],
        "errors": errors,
        "warnings": len(problems) - errors,
        "suppressed": len(found.suppressed),
        "assets": found.assets,
        "files": found.files,
        "policies": found.policies,
        "left_out": list(found.left_out),
    }


def run(value: RunRecord) -> dict[str, Any]:
    """One run of the history."""
    return {
        "run": value.id,
        "environment": value.environment,
        "status": value.status,
        "started": rfc3339(value.started),
        "finished": rfc3339(value.finished),
        "duration_seconds": seconds(value.finished - value.started) if value.finished is not None else None,
        "jobs": value.jobs,
        "selection": list(value.selection),
        "host": value.host,
        "pid": value.pid,
        "counts": dict(value.counts),
        "failed": list(value.failed),
    }


def runs(values: Iterable[RunRecord], deeds: Iterable[Deed] = ()) -> dict[str, Any]:
    """`runs --json`, newest first."""
    return {"version": VERSION, "runs": [run(value) for value in values], "deeds": [deed(value) for value in deeds]}


def deed(value: Deed) -> dict[str, Any]:
    """What was done to the history on purpose."""
    return {
        "kind": value.kind,
        "at": rfc3339(value.at),
        "environment": value.environment,
        "host": value.host,
        "pid": value.pid,
        "after": value.after,
        "details": dict(value.details),
    }


def run_detail(
    record: RunRecord, steps: Iterable[StepRecord], attempts: Iterable[Attempt], chart: Timeline
) -> dict[str, Any]:
    """`runs RUN --json`."""
    waited = {bar.asset: bar.waited for bar in chart.bars}
    return {
        "version": VERSION,
        **run(record),
        "steps": [
            {
                "asset": step.asset,
                "partition": step.partition or None,
                "kind": step.kind,
                "result": step.result,
                "unchanged": step.unchanged,
                "forced": step.forced,
                "causes": [dict(one) for one in step.causes],
                "detail": step.detail,
                "after": list(edges(step)),
                "waited_seconds": seconds(waited.get(step.asset)),
            }
            for step in steps
        ],
        "attempts": [attempt(one) for one in attempts],
        "critical_path": [bar.asset for bar in chart.critical],
    }


def attempt(value: Attempt) -> dict[str, Any]:
    """One try of a step."""
    return {
        "asset": value.asset,
        "partition": value.partition or None,
        "number": value.number,
        "state": value.state,
        "started": rfc3339(value.started),
        "finished": rfc3339(value.finished),
        "exit_code": value.exit_code,
        "reason": value.reason,
        "log": value.log,
    }


def check_result(value: CheckResult) -> dict[str, Any]:
    """What one check found."""
    return {
        "name": value.name,
        "passed": value.passed,
        "severity": value.severity,
        "blocking": value.blocking,
        "failing": value.failing,
        "message": value.message,
        "sample": [dict(row) for row in value.sample],
        "at": rfc3339(value.at),
        "run": value.run,
        "reported": value.reported,
        "metadata": dict(value.metadata),
    }


def checks(environment: str, run: str | None, values: Sequence[Checked]) -> dict[str, Any]:
    """`check --json`."""
    results = [result for value in values for result in value.results]
    return {
        "version": VERSION,
        "environment": environment,
        "run": run,
        "assets": [
            {
                "asset": value.asset,
                "checks": [check_result(one) for one in value.results],
                "unblocked": value.unblocked,
                "refused": problem(value.refused) if value.refused else None,
                "note": value.note,
            }
            for value in values
        ],
        "passed": sum(result.passed for result in results),
        "failed": sum(result.is_error for result in results),
        "warned": sum(not result.passed and not result.is_error for result in results),
    }
