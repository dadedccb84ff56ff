"""Answers to questions that people ask about a project: why, lineage, list. Values; the command line shows them."""

from __future__ import annotations

from typing import Literal, NamedTuple

from assets_cli.model.manifest import Asset
from assets_cli.model.plan import Cause

Status = Literal["up_to_date", "stale", "missing", "external"]


class AssetStatus(NamedTuple):
    """One asset with its verdict. `data_time`, `materialized` are microseconds UTC, None where nothing is known.

    `status` is `missing` where nothing is on record, `stale` where a cause that is not tentative stands in the
    whole-project plan; `overdue` is the other verdict: older than its freshness policy allows. `tentative` marks an
    asset whose only causes are tentative.
    """

    asset: Asset
    status: Status
    overdue: bool
    tentative: bool
    causes: tuple[Cause, ...]
    materialized: int | None
    run: str | None
    data_time: int | None
    rows: int | None


class Why(NamedTuple):
    """The causes of one asset, each followed down to its roots: `upstreams` are the whys of what causes it."""

    status: AssetStatus
    upstreams: tuple[Why, ...]


class Lineage(NamedTuple):
    """The neighbourhood of an asset. `nodes` hold the asset itself; edges go from upstream to downstream.

    `upstream_depth` and `downstream_depth` give each node's distance from the asset in that direction.
    """

    asset: str
    nodes: tuple[AssetStatus, ...]
    edges: tuple[tuple[str, str], ...]
    upstream_depth: dict[str, int]
    downstream_depth: dict[str, int]
