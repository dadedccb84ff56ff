"""What checks are told besides what the manifest says: the present, the past, and where another asset's data is.

Also whose values they must not show. Reads history; evaluates nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from assets_cli.model.manifest import PRIVATE, Asset, Check, Manifest
from assets_cli.running.commands import CannotStartError, locate_output
from assets_cli.running.surroundings import Surroundings

_LATEST: Final = 50
"""How many materializations are read to find enough that were counted and not blocked."""


def complete(
    check: Check, asset: Asset, manifest: Manifest, around: Surroundings, checked: int | None = None
) -> Mapping[str, Any]:
    """The arguments with what only a run knows; `checked` is the record of what is looked at, where it has one.

    Raises:
        CannotStartError: a variable of an address is not set.
    """
    arguments = check.arguments
    if check.kind == "max_age":
        return {**arguments, "now": around.clock()}
    if check.kind == "volume":
        return {**arguments, "before": _row_counts(asset, manifest.environment, around, checked)}
    if check.kind == "schema":
        return {**arguments, "columns": [(column.name, column.type) for column in asset.columns]}
    if check.kind == "relationships":
        where = locate_output(manifest, manifest.assets[arguments["to"]], around.environ)
        if where is None:
            raise CannotStartError(f"{arguments['to']} has no table and no file")
        from assets_cli.checks.files import quoted  # with all kinds of checks: 5 ms that most runs can do without

        return {**arguments, "path": where.path, "table": where.table or quoted(arguments["to"])}
    return arguments


def private(asset: Asset, manifest: Manifest) -> dict[str, Any]:
    """The columns whose values must not be shown, of the asset and of what its checks may read besides.

    An asset that is tagged itself, and does not say which of its columns are meant, shows nothing.
    """
    compared = [check.arguments["to"] for check in asset.checks if check.kind == "relationships"]
    near = [asset, *(manifest.assets[name] for name in (*asset.upstreams, *compared) if name in manifest.assets)]
    names = {column.name.lower() for each in near for column in each.columns if column.is_private}
    everything = PRIVATE in asset.tags and not any(column.is_private for column in asset.columns)
    return {"columns": sorted(names), "everything": everything}


def _row_counts(asset: Asset, environment: str, around: Surroundings, checked: int | None) -> list[int]:
    """How many rows there were before, newest first."""
    return [
        rows
        for made in around.recorder.materialization_history(environment, asset.name, _LATEST)
        if made.seq != checked and not made.blocked and isinstance(rows := made.metadata.get("rows"), int)
    ]
