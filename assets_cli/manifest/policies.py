"""The policies of a root file as values. Those of a wrong shape are left out; whether one makes sense is not asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assets_cli.manifest.document import Document
from assets_cli.manifest.schema import fits
from assets_cli.model.manifest import ColumnPolicy, Policy, PythonCommand


def make_policies(document: Document) -> tuple[Policy, ...]:
    """The policies that a root file declares, in its order."""
    written = document.values.get("policies")
    if not isinstance(written, list):
        return ()
    return tuple(_policy(document, position, entry) for position, entry in enumerate(written) if fits("policy", entry))


def _policy(document: Document, position: int, values: Mapping[str, Any]) -> Policy:
    module, _, function = values.get("python", "").partition(":")
    return Policy(
        name=values["name"],
        place=document.place(("policies", position, "name")),
        position=position,
        description=" ".join(values.get("description", "").split()),
        select=values.get("select"),
        excepted=values.get("except"),
        severity=values.get("severity", "error"),
        require=tuple(values.get("require", ())),
        forbid=tuple(values.get("forbid", ())),
        names=values.get("names"),
        allowed=values.get("allowed", {}),
        upstreams=values.get("upstreams"),
        columns=_columns(values["columns"]) if "columns" in values else None,
        python=PythonCommand(module, function) if module else None,
    )


def _columns(values: Mapping[str, Any]) -> ColumnPolicy:
    return ColumnPolicy(
        match=values.get("match"),
        tags=tuple(values.get("tags", ())),
        names=values.get("names"),
        require=tuple(values.get("require", ())),
    )
