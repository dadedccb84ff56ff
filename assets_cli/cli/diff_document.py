"""The JSON document of `diff`, field by field as `schemas/diff.schema.json` describes it."""

from __future__ import annotations

from typing import Any

from assets_cli.cli.documents import VERSION, problem, seconds
from assets_cli.model.difference import AssetChange, Next, RemovedColumn, Report


def document(report: Report) -> dict[str, Any]:
    """`diff --json`."""
    base, found = report.base, report.difference
    return {
        "version": VERSION,
        "base": {
            "name": base.name,
            "commit": base.commit,
            "merge_base": base.merge_base,
            "manifest": base.manifest,
            "assets": report.before,
        },
        "project": report.project,
        "environment": report.environment,
        "total": report.now,
        "different": not found.is_empty,
        "settings": [each._asdict() for each in found.settings],
        "assets": [_asset(each) for each in found.assets],
        "columns": [_removed_column(each) for each in found.columns],
        "stale": list(found.stale),
        "below": [{**each._asdict(), "owners": list(each.owners)} for each in found.below],
        "owners": [
            {"owner": each.owner, "changed": list(each.changed), "below": list(each.below)} for each in found.concerned
        ],
        "cosmetic": list(found.cosmetic),
        "next": _next(report.next),
        "warnings": [problem(each) for each in report.warnings],
    }


def _asset(one: AssetChange) -> dict[str, Any]:
    place = one.place
    return {
        "name": one.name,
        "change": one.sort,
        "former": one.former,
        "guess": one.guess,
        "owners": list(one.owners),
        "kind": one.kind,
        "group": one.group,
        "file": place.file if place else None,
        "line": place.line if place else None,
        "column": place.column if place else None,
        "stale": one.stale,
        "readers": list(one.readers),
        "upstreams": list(one.upstreams),
        "changes": [each._asdict() for each in one.changes],
    }


def _removed_column(gone: RemovedColumn) -> dict[str, Any]:
    return {
        "asset": gone.asset,
        "column": gone.column,
        "how": gone.sort,
        "declared": gone.declared,
        "checks": list(gone.checks),
        "readers": [
            {
                "asset": each.asset,
                "owners": list(each.owners),
                "columns": list(each.columns),
                "clauses": list(each.clauses),
                "note": each.note or None,
                "still": each.still,
            }
            for each in gone.readers
        ],
    }


def _next(following: Next | None) -> dict[str, Any] | None:
    if following is None:
        return None
    return {
        "steps": following.steps,
        "tentative": following.tentative,
        "own": list(following.own),
        "estimated_seconds": seconds(following.estimated),
        "jobs": following.jobs,
    }
