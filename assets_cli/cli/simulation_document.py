"""The JSON document of `simulate`, field by field as `schemas/simulate.schema.json` describes it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from assets_cli.cli.documents import VERSION, seconds
from assets_cli.cli.words import rfc3339
from assets_cli.model.simulation import Assumed, Saved, Share, Simulated, Simulation, WhatIf


def document(found: WhatIf, names: Collection[str]) -> dict[str, Any]:
    """`simulate --json`: assets, runs and breaches are those of the selected assets, all else is of the project."""
    value = found.after
    return {
        "version": VERSION,
        "start": rfc3339(value.start),
        "end": rfc3339(value.end),
        "jobs": value.jobs,
        "timezone": value.timezone,
        "changes": list(found.changes),
        "before": None if found.before is None else _totals(found.before),
        "total": _totals(value),
        "by_own_cron": {"runs": value.saved.cron_runs, "compute_seconds": seconds(value.saved.cron_compute)},
        "saved": _saved(value.saved),
        "assets": [_asset(one) for one in value.assets if one.asset in names],
        "runs": [
            {
                "asset": bar.asset,
                "start": rfc3339(bar.start),
                "end": rfc3339(bar.end),
                "trigger": bar.trigger,
                "asked_by": list(bar.asked_by),
            }
            for bar in value.bars
            if bar.asset in names
        ],
        "broken": [
            {"asset": one.asset, "start": rfc3339(one.start), "end": None if one.is_open else rfc3339(one.end)}
            for one in value.breaches
            if one.asset in names
        ],
        "days": [
            {
                "start": rfc3339(day.start),
                "runs": day.runs,
                "compute_seconds": seconds(day.compute),
                "broken": day.broken,
            }
            for day in value.days
        ],
        "owners": [_share("owner", one) for one in value.owners],
        "groups": [_share("group", one) for one in value.groups],
        "assumed": [_assumed(one) for one in value.assumed],
        "unpromised": value.unpromised,
        "untimed": value.untimed,
        "waited_seconds": seconds(value.waited),
    }


def _totals(value: Simulation) -> dict[str, Any]:
    return {
        "runs": len(value.bars),
        "compute_seconds": seconds(value.compute),
        "broken_promises": len(value.broken),
        "broken_seconds": seconds(sum(one.broken for one in value.assets)),
    }


def _saved(one: Saved) -> dict[str, Any]:
    return {
        "runs": one.cron_runs - one.runs,
        "compute_seconds": seconds(one.cron_compute - one.compute),
        "percent": one.percent,
        "why_more": one.why_more,
    }


def _asset(one: Simulated) -> dict[str, Any]:
    return {
        "asset": one.asset,
        "runs": one.runs,
        "compute_seconds": seconds(one.compute),
        "promise": one.promise or None,
        "worst_age_seconds": seconds(one.worst_age),
        "breaches": one.breaches,
        "broken_seconds": seconds(one.broken),
    }


def _share(key: str, one: Share) -> dict[str, Any]:
    return {key: one.name, "assets": one.assets, "runs": one.runs, "compute_seconds": seconds(one.compute)}


def _assumed(one: Assumed) -> dict[str, Any]:
    rhythm = one.rhythm
    return {
        "asset": one.asset,
        "source": None if rhythm is None else rhythm.source,
        "every_seconds": seconds(rhythm.every) if rhythm is not None and rhythm.cron is None else None,
        "cron": None if rhythm is None or rhythm.cron is None else f"{rhythm.cron} {rhythm.timezone}",
        "looked_at_every_seconds": seconds(one.looked) if one.looked else None,
    }
