"""Answers to questions that people ask about a project: why, lineage, list, show, freshness, impact, query.

Values; the command line shows them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from assets_cli.model.history import CheckResult, Latest, Materialization, Observation, RunRecord
from assets_cli.model.manifest import Asset
from assets_cli.model.plan import Cause, Plan
from assets_cli.model.problem import Problem

Status = Literal["up_to_date", "stale", "missing", "external"]
VerdictStatus = Literal["pass", "warn", "fail", "unknown"]
HolderReason = Literal["external", "root", "behind", "missing", "blocked"]


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


class ColumnNode(NamedTuple):
    """A column, `name` is `asset.column`. `asset` is None for a table that belongs to none.

    `column` is empty where a column reaches an asset that nobody can look into. `note` says what is not known.
    """

    name: str
    asset: str | None
    column: str
    note: str = ""


class ColumnEdge(NamedTuple):
    """One hop from a column to one that is made from it, by this expression. Names are those of nodes."""

    start: str
    end: str
    expression: str


class ColumnFilter(NamedTuple):
    """A column that decides about the rows of an asset, in these clauses, without being part of the values."""

    start: str
    asset: str
    clauses: tuple[str, ...]


class ColumnLineage(NamedTuple):
    """What columns are made from and what is made of them. `column` is None where all of the asset were asked for.

    `asked` are the names of the nodes that were asked for; the depths are their distances in hops, as in `Lineage`.
    `notes` are what is not known of the asset as a whole.
    """

    asset: str
    column: str | None
    asked: tuple[str, ...]
    nodes: tuple[ColumnNode, ...]
    edges: tuple[ColumnEdge, ...]
    filters: tuple[ColumnFilter, ...]
    upstream_depth: dict[str, int]
    downstream_depth: dict[str, int]
    notes: tuple[str, ...] = ()


class Reached(NamedTuple):
    """What a change of a column reaches in one asset: columns by their expressions, rows by the clauses it stands in.

    `note` is set where nobody can look into the asset, which ends the way.
    """

    asset: str
    columns: tuple[tuple[str, str], ...] = ()
    clauses: tuple[str, ...] = ()
    note: str = ""


class Holder(NamedTuple):
    """Who keeps data old, and why: an external asset, a root that is due, an asset that has newer data to read.

    That last is `behind`; `missing` was never materialized; of a `blocked` one the newest materialization must not be
    used.
    """

    asset: str
    data_time: int | None
    reason: HolderReason


class Verdict(NamedTuple):
    """How an asset keeps its freshness policy. Times and lengths are in microseconds.

    `broken_at` is the moment at which the promise was or will be broken if nothing is renewed; `held_by` is empty where
    the policy passes. Where the data time is unknown, so are `age` and `broken_at`, and `held_by` says by whom.
    """

    asset: str
    status: VerdictStatus
    data_time: int | None
    age: int | None
    max_lag: int
    warn_lag: int | None
    broken_at: int | None
    held_by: Sequence[Holder]


class Affected(NamedTuple):
    """One asset below another, `distance` edges away; `freshness` where it has a policy."""

    status: AssetStatus
    distance: int
    freshness: Verdict | None


class Impact(NamedTuple):
    """Everything below an asset, the nearest first; below one `column` of it what a change of that column reaches."""

    asset: AssetStatus
    affected: tuple[Affected, ...]
    column: str | None = None
    reached: Mapping[str, Reached] = {}


class Shown(NamedTuple):
    """All there is to say of one asset. `status` is None where only history knows it: the manifest no longer does.

    `history` and `checks` are the newest materializations, newest first, and the latest result of each check;
    `upstreams` and `downstreams` the direct ones.
    """

    name: str
    status: AssetStatus | None
    latest: Latest
    observation: Observation | None
    freshness: Verdict | None
    history: tuple[Materialization, ...]
    checks: tuple[CheckResult, ...]
    upstreams: tuple[AssetStatus, ...]
    downstreams: tuple[AssetStatus, ...]


class Sample(NamedTuple):
    """The beginning of an output: rows, or the lines of a text, or a `note` on why there is neither.

    `more` is whether the output goes on.
    """

    columns: tuple[tuple[str, str], ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    lines: tuple[str, ...] | None = None
    more: bool = False
    note: str | None = None


class Sighting(NamedTuple):
    """What became of looking at an external asset: what is on record of it now, what was before, why nobody could look.

    Where it failed, `observation` is what was on record before.
    """

    asset: str
    observation: Observation | None
    before: Observation | None
    failure: Problem | None


class Retry(NamedTuple):
    """What a run left undone, planned anew. `gone` are those of its assets that the manifest no longer has.

    `run` and `plan` are None where there is nothing to retry: no run is on record, or it left nothing.
    """

    run: RunRecord | None
    gone: tuple[str, ...]
    plan: Plan | None


class Checked(NamedTuple):
    """The checks of one asset, evaluated alone. `refused` says why none could be.

    `unblocked`: its latest materialization was blocked and may be used from now on. `note` is a sentence besides.
    """

    asset: str
    results: tuple[CheckResult, ...] = ()
    unblocked: bool = False
    refused: Problem | None = None
    note: str = ""


class Checks(NamedTuple):
    """What `assets check` found, in topological order. `run` is None where nothing was evaluated."""

    run: str | None
    assets: tuple[Checked, ...]
