"""What a plan says of tables that grow: which are built anew, and which would refuse to grow. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from assets_cli.graph.graph import AssetGraph
from assets_cli.model.manifest import Asset
from assets_cli.model.plan import Step
from assets_cli.model.problem import Problem

MIXING = "append would mix rows of two kinds"
REBUILD = "build it from nothing with `assets materialize {0} --full-refresh`, or adopt it with `assets state mark {0}`"


def is_rebuildable(asset: Asset) -> bool:
    """Whether `--full-refresh` means something to an asset."""
    return asset.output is not None and asset.output.grows


def refusals(steps: Iterable[Step], graph: AssetGraph) -> Iterator[Problem]:
    """A warning for each `append` that would refuse to run, since what it is made by, or its table, changed."""
    for step in steps:
        asset = graph.assets[step.asset]
        if asset.output is None or asset.output.materialization != "append" or step.is_full_refresh:
            continue
        cause = next((each for each in step.causes if each.kind in ("code_changed", "output_changed")), None)
        if cause is not None:
            yield Problem(
                "A0608",
                f"{asset.name} will be refused ({cause.detail.partition(';')[0]}): {MIXING}",
                severity="warning",
                hint=REBUILD.format(asset.name),
                asset=asset.name,
            )
