"""The verdicts of assets, as `list`, `why`, `lineage`, `show` and `impact` answer with them.

They are those of the whole-project plan, also where only some assets are asked for: `scope` says what those rest on.
Pure. Decides nothing by itself: staleness is the plan's, age is `freshness`'.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from assets_cli.graph.graph import Arrangement, AssetGraph
from assets_cli.graph.selection.resolve import Facts
from assets_cli.model.answers import Affected, AssetStatus, Impact, Lineage, Shown, Status, Why
from assets_cli.model.history import CheckResult, Materialization, StateSnapshot
from assets_cli.model.plan import Step
from assets_cli.model.world import World
from assets_cli.planning import freshness
from assets_cli.planning.freshness import FreshnessView
from assets_cli.planning.plan import Selection, plan


class Scope(NamedTuple):
    """What the verdicts of some assets rest on.

    `names` are these and everything above them, which is all that has to be probed. `graph` holds besides what their
    roots owe data to, the assets below those that have a freshness policy, and everything above that.
    """

    graph: AssetGraph
    names: frozenset[str]


class Survey(NamedTuple):
    """`statuses` are of the assets that were asked for and of everything above them, in topological order."""

    view: FreshnessView
    statuses: Mapping[str, AssetStatus]


def scope(graph: AssetGraph, names: Collection[str]) -> Scope:
    """The part of a graph in which a plan says of these assets what it says in the whole."""
    assets = graph.assets
    names = frozenset((*names, *graph.ancestors(names)))
    roots = [name for name in names if not assets[name].upstreams and not assets[name].is_external]
    owed = [name for name in graph.descendants(roots) if assets[name].freshness is not None]
    return Scope(_part(graph, {*names, *owed, *graph.ancestors(owed)}), names)


def _part(graph: AssetGraph, names: Collection[str]) -> AssetGraph:
    """The graph of these assets alone, to which everything above them belongs, in the order of the whole."""
    if len(names) == len(graph.order):
        return graph
    order = tuple(name for name in graph.order if name in names)
    downstreams = {name: tuple(each for each in graph.downstreams(name) if each in names) for name in order}
    manifest = graph.manifest._replace(assets={name: graph.assets[name] for name in order})
    return AssetGraph(manifest, Arrangement(order, downstreams))


def survey(seen: Scope, snapshot: StateSnapshot, world: World, now: int) -> Survey:
    """The assets of a scope with their verdicts in the whole-project plan; `world` covers its names.

    Raises:
        AssetsError: as `plan`.
    """
    made = plan(seen.graph, Selection(seen.names), snapshot, world, now)
    steps = {step.asset: step for step in made.steps}
    late = {broken.asset for broken in made.overdue}
    view = freshness.view(seen.graph, snapshot, world, now)
    names = seen.graph.sort(seen.names)
    return Survey(view, {name: _status(view, name, steps.get(name), is_late=name in late) for name in names})


def facts(seen: Survey) -> dict[str, Facts]:
    """What `is:` of a selection asks for, of every asset."""
    return {
        name: Facts(
            stale=bool(status.causes) and not status.tentative,
            missing=status.status == "missing",
            overdue=status.overdue,
            failed=any(cause.kind == "last_run_failed" for cause in status.causes),
        )
        for name, status in seen.statuses.items()
    }


def why(seen: Survey, name: str) -> Why:
    """The causes of an asset, each followed down to its roots."""
    known: dict[str, Why] = {}
    for each, status in seen.statuses.items():
        behind = dict.fromkeys(cause.upstream for cause in status.causes if cause.upstream)
        known[each] = Why(status, tuple(known[up] for up in behind if up is not None and up in known))
    return known[name]


def lineage(seen: Survey, name: str, above: dict[str, int], below: dict[str, int]) -> Lineage:
    """An asset with what is above and below it, by distance."""
    names = {name, *above, *below}
    nodes = {each: status for each, status in seen.statuses.items() if each in names}
    edges = ((up, each) for each in nodes for up in seen.view.graph.upstreams(each) if up in names)
    return Lineage(name, tuple(nodes.values()), tuple(edges), above, below)


def impact(seen: Survey, name: str) -> Impact:
    """Everything below an asset, the nearest first."""
    below = seen.view.graph.descendants([name])
    promises = {verdict.asset: verdict for verdict in freshness.verdicts(seen.view, below)}
    affected = (Affected(seen.statuses[each], distance, promises.get(each)) for each, distance in below.items())
    return Impact(seen.statuses[name], tuple(affected))


def shown(seen: Survey, name: str, history: tuple[Materialization, ...], checks: tuple[CheckResult, ...]) -> Shown:
    """All there is to say of one asset of the manifest."""
    graph, snapshot = seen.view.graph, seen.view.snapshot
    return Shown(
        name=name,
        status=seen.statuses[name],
        latest=snapshot.of(name),
        observation=seen.view.world.observations.get(name),
        freshness=next(iter(freshness.verdicts(seen.view, [name])), None),
        history=history,
        checks=checks,
        upstreams=tuple(seen.statuses[each] for each in graph.upstreams(name)),
        downstreams=tuple(seen.statuses[each] for each in graph.downstreams(name)),
    )


def remembered(snapshot: StateSnapshot, name: str, history: tuple[Materialization, ...]) -> Shown | None:
    """What history knows of an asset that the manifest does not have; None where it knows nothing."""
    if name not in snapshot.latest and name not in snapshot.observations:
        return None
    return Shown(name, None, snapshot.of(name), snapshot.observations.get(name), None, history, (), (), ())


def _status(view: FreshnessView, name: str, step: Step | None, *, is_late: bool) -> AssetStatus:
    asset = view.graph.assets[name]
    made = view.snapshot.of(name).materialization
    causes = step.causes if step else ()
    rows = made.metadata.get("rows") if made else None
    is_tentative = step is not None and step.is_tentative
    is_stale = step is not None and not is_tentative
    seen = view.world.observations.get(name) if asset.is_external else None
    return AssetStatus(
        asset=asset,
        status=_word(external=asset.is_external, recorded=made is not None, stale=is_stale),
        overdue=is_late or any(cause.kind == "overdue" for cause in causes),
        tentative=is_tentative,
        causes=causes,
        materialized=made.finished if made else seen.observed if seen else None,
        run=made.run if made else None,
        data_time=view.times[name],
        rows=rows if isinstance(rows, int) else None,
    )


def _word(*, external: bool, recorded: bool, stale: bool) -> Status:
    if external:
        return "external"
    if not recorded:
        return "missing"
    return "stale" if stale else "up_to_date"
