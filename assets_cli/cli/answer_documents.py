"""The JSON documents of `show`, `freshness` and `impact`, field by field as `schemas/` describes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time
from typing import Any

from assets_cli.cli.documents import VERSION, attempt, check_result, deadline, seconds, status
from assets_cli.cli.words import rfc3339
from assets_cli.model.answers import Affected, AssetStatus, ColumnLineage, Impact, Sample, Shown, Verdict
from assets_cli.model.duration import written as promise
from assets_cli.model.history import Materialization, Observation
from assets_cli.model.manifest import Asset, PythonCommand, ShellCommand


def freshness(values: Iterable[Verdict]) -> dict[str, Any]:
    """`freshness --json`."""
    return {"version": VERSION, "assets": [_kept(value) for value in values]}


def _kept(value: Verdict) -> dict[str, Any]:
    now = (value.data_time or 0) + (value.age or 0)
    return {"asset": value.asset, **verdict(value), **deadline(value.deadline, now)}


def verdict(value: Verdict) -> dict[str, Any]:
    """How one promise is kept."""
    return {
        "status": value.status,
        "data_time": rfc3339(value.data_time),
        "age_seconds": seconds(value.age),
        "promise": value.policy.text,
        "warn": None if value.policy.warn_lag is None else promise(value.policy.warn_lag),
        "broken_at": rfc3339(value.broken_at),
        "held_by": [holder.asset for holder in value.held_by],
    }


def impact(value: Impact) -> dict[str, Any]:
    """`impact --json`: the assets below, the nearest first, and the same names by owner."""
    owners: dict[str | None, list[str]] = {}
    for one in value.affected:
        for owner in one.status.asset.owners or (None,):
            owners.setdefault(owner, []).append(one.status.asset.name)
    return {
        "version": VERSION,
        "asset": value.asset.asset.name,
        **({"column": value.column} if value.column is not None else {}),
        "assets": [{**_affected(one), **_reached(value, one.status.asset.name)} for one in value.affected],
        "owners": [{"owner": owner, "assets": names} for owner, names in owners.items()],
    }


def _affected(one: Affected) -> dict[str, Any]:
    return {
        **status(one.status),
        "distance": one.distance,
        "freshness": verdict(one.freshness) if one.freshness else None,
    }


def _inferred(reader: AssetStatus | None, upstream: str) -> str | None:
    """Where the code names an upstream that nobody wrote: `sql/orders.sql:3:6`, or `:3:6` of an inline query."""
    found = next((each for each in (reader.asset.inferred if reader else ()) if each.upstream == upstream), None)
    return f"{found.file or ''}:{found.line}:{found.column}" if found is not None else None


def _reached(value: Impact, name: str) -> dict[str, Any]:
    """What a change of a column reaches in an asset; nothing where no column was asked for."""
    reached = value.reached.get(name)
    if reached is None:
        return {}
    return {
        "columns": [{"name": column, "expression": expression} for column, expression in reached.columns],
        "clauses": list(reached.clauses),
        "note": reached.note or None,
    }


def column_lineage(value: ColumnLineage) -> dict[str, Any]:
    """`lineage --columns --json`: nodes hold the column itself, `from` is what the expression is made from."""
    return {
        "version": VERSION,
        "asset": value.asset,
        "column": value.column,
        "nodes": [
            {
                "name": node.name,
                "asset": node.asset,
                "column": node.column or None,
                "note": node.note or None,
                "upstream_depth": value.upstream_depth.get(node.name),
                "downstream_depth": value.downstream_depth.get(node.name),
            }
            for node in value.nodes
        ],
        "edges": [{"from": each.start, "to": each.end, "expression": each.expression} for each in value.edges],
        "filters": [{"from": each.start, "asset": each.asset, "clauses": list(each.clauses)} for each in value.filters],
        "notes": list(value.notes),
    }


def shown(value: Shown, sample: Sample | None) -> dict[str, Any]:
    """`show --json`. Where only history knows the asset, what the manifest would say is null or empty."""
    now = value.status
    made, tried = value.latest.materialization, value.latest.attempt
    document: dict[str, Any] = {
        "version": VERSION,
        "asset": value.name,
        "declared": now is not None,
        **(_declared(now.asset) if now else _UNDECLARED),
        "status": now.status if now else None,
        "overdue": now.overdue if now else False,
        "tentative": now.tentative if now else False,
        "causes": status(now)["causes"] if now else [],
        "freshness": verdict(value.freshness) if value.freshness else None,
        "materialization": _materialization(made, now.data_time if now else made.data_time) if made else None,
        "observation": _observation(value.observation) if value.observation else None,
        "attempt": {"run": tried.run, **attempt(tried)} if tried else None,
        "history": [_past(one) for one in value.history],
        "checks": [check_result(one) for one in value.checks],
        "upstreams": [
            {
                "name": up.asset.name,
                "status": up.status,
                "overdue": up.overdue,
                "inferred": _inferred(now, up.asset.name),
            }
            for up in value.upstreams
        ],
        "downstreams": [
            {"name": down.asset.name, "status": down.status, "overdue": down.overdue} for down in value.downstreams
        ],
    }
    if sample is not None:
        document["sample"] = _sample(sample)
    return document


_UNDECLARED: dict[str, Any] = {
    "kind": None,
    "description": "",
    "group": None,
    "owners": [],
    "tags": [],
    "metadata": {},
    "columns": [],
    "command": None,
    "output": None,
    "place": None,
}


def _declared(asset: Asset) -> dict[str, Any]:
    output = asset.output
    return {
        "kind": asset.kind,
        "description": asset.description,
        "group": asset.group,
        "owners": list(asset.owners),
        "tags": list(asset.tags),
        "metadata": plain(asset.metadata),
        "columns": [
            {**column._asdict(), "type": column.type or None, "tags": list(column.tags)} for column in asset.columns
        ],
        "command": _command(asset),
        "output": {"path": output.path, "table": output.table, "connection": output.connection} if output else None,
        "place": asset.place._asdict(),
    }


def _command(asset: Asset) -> dict[str, str | None] | None:
    command = asset.command
    if command is None:
        return None
    if isinstance(command, ShellCommand):
        return {"compute": "shell", "text": command.run, "path": None}
    if isinstance(command, PythonCommand):
        return {"compute": "python", "text": f"{command.module}:{command.function}", "path": None}
    return {"compute": "sql", "text": command.query, "path": command.path}


def _materialization(made: Materialization, data_time: int | None) -> dict[str, Any]:
    return {
        "run": made.run,
        "started": rfc3339(made.started),
        "finished": rfc3339(made.finished),
        "duration_seconds": seconds(made.finished - made.started),
        "code_version": made.code_version,
        "data_version": made.data_version,
        "data_time": rfc3339(data_time),
        "unchanged": made.unchanged,
        "blocked": made.blocked,
        "metadata": plain(made.metadata),
    }


def _past(made: Materialization) -> dict[str, Any]:
    return {
        "run": made.run,
        "finished": rfc3339(made.finished),
        "duration_seconds": seconds(made.finished - made.started),
        "data_version": made.data_version,
        "unchanged": made.unchanged,
        "blocked": made.blocked,
        "numbers": numbers(made),
    }


def numbers(made: Materialization) -> dict[str, int | float]:
    """What a materialization reported in numbers, by name."""
    return {
        name: value
        for name, value in made.metadata.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value - value == 0
    }


def _observation(seen: Observation) -> dict[str, Any]:
    return {
        "observed": rfc3339(seen.observed),
        "data_version": seen.data_version,
        "data_time": rfc3339(seen.observed if seen.data_time is None else seen.data_time),
        "metadata": plain(seen.metadata),
    }


def _sample(value: Sample) -> dict[str, Any]:
    return {
        "columns": columns(value.columns),
        "rows": [[plain(cell) for cell in row] for row in value.rows],
        "lines": None if value.lines is None else list(value.lines),
        "more": value.more,
        "note": value.note,
    }


def columns(values: Iterable[tuple[str, str]]) -> list[dict[str, str | None]]:
    """Columns of an answer with their types, null where the database has none."""
    return [{"name": name, "type": kind or None} for name, kind in values]


def plain(value: Any) -> Any:
    """A value of a database as JSON has it; what JSON has no word for is its text."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        # JSON has no word for these either, and Python would write one all the same.
        return value if value - value == 0 else str(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [plain(item) for item in value]
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    return str(value)
