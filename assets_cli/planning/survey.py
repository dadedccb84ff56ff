"""The verdicts of assets, as `list`, `why`, `lineage`, `show` and `impact` answer with them.

They are those of the whole-project plan, also where only some assets are asked for: `scope` says what those rest on.
Pure. Decides nothing by itself: staleness is the plan's, age is `freshness`'.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from assets_cli.graph.graph import Arrangement, AssetGraph
from assets_cli.graph.selection.resolve import Facts
from assets_cli.model.answers import Affected, AssetStatus, Impact, Lineage, Shown, Status, Why
from assets_cli.model.history import CheckResult, Materialization, StateSnapshot
from assets_cli.model.plan import Step
from assets_cli.model.world import World
from assets_cli.planning import freshness
from assets_cli.planning.freshness import FreshnessView
from assets_cli.planning.plan import Selection, decide


class Scope(NamedTuple):
    """What the verdicts of some assets rest on.

    `names` are these and everything above them, which is all that has to be probed. `graph` holds besides what their
    roots owe data to, the assets below those that have a freshness policy, and everything above that.
    """

    graph: AssetGraph
    names: frozenset[str]


class Survey(NamedTuple):
    """What a plan says of the names of a scope: the steps that there would be, and which promises are `late`."""

    view: FreshnessView
    steps: Mapping[str, Step]
    late: frozenset[str]

    def status(self, name: str) -> AssetStatus:
        """One asset with its verdicts."""
        asset = self.view.graph.assets[name]
        made = self.view.snapshot.made_of(name)
        step = self.steps.get(name)
        causes = step.causes if step else ()
        is_tentative = step is not None and step.is_tentative
        seen = self.view.world.observations.get(name) if asset.is_external else None
        return AssetStatus(
            asset,
            _word(external=asset.is_external, recorded=made is not None, stale=step is not None and not is_tentative),
            name in self.late or any(cause.kind == "overdue" for cause in causes),
            is_tentative,
            causes,
            made.finished if made else seen.observed if seen else None,
            made.run if made else None,
            self.view.times[name],
            made.rows if made else None,
        )

    def statuses(self, names: Iterable[str]) -> dict[str, AssetStatus]:
        """Several, in topological order."""
        return {name: self.status(name) for name in self.view.graph.sort(names)}


def scope(graph: AssetGraph, names: Collection[str]) -> Scope:
    """The part of a graph in which a plan says of these assets what it says in the whole."""
    assets = graph.assets
    names = frozenset((*names, *graph.ancestors(names)))
    if 2 * len(names) > len(assets):
        return Scope(graph, names)  # there is little to leave out
    roots = [name for name in names if not assets[name].upstreams and not assets[name].is_external]
    owed = [name for name in graph.descendants(roots) if assets[name].freshness is not None]
    return Scope(_part(graph, {*names, *owed, *graph.ancestors(owed)}), names)


def _part(graph: AssetGraph, names: Collection[str]) -> AssetGraph:
    """The graph of these assets alone, to which everything above them belongs, in the order of the whole."""
    if len(names) == len(graph.order):
        return graph
    assets, below = graph.assets, graph.arrangement.downstreams
    order = tuple(name for name in graph.order if name in names)
    downstreams = {name: tuple([each for each in below[name] if each in names]) for name in order}
    manifest = graph.manifest._replace(assets={name: assets[name] for name in order})
    return AssetGraph(manifest, Arrangement(order, downstreams))


def survey(seen: Scope, snapshot: StateSnapshot, world: World, now: int) -> Survey:
    """The names of a scope in the whole-project plan; `world` covers them.

    Raises:
        AssetsError: code that cannot be read.
    """
    view = freshness.view(seen.graph, snapshot, world, now)
    late = [name for name in view.broken if name in seen.names and view.times[name] is not None]
    return Survey(view, decide(view, Selection(seen.names)), frozenset(late))


def facts(seen: Survey) -> dict[str, Facts]:
    """What `is:` of a selection asks for, of every asset."""
    statuses = seen.statuses(seen.view.graph.order)
    return {
        name: Facts(
            stale=bool(status.causes) and not status.tentative,
            missing=status.status == "missing",
            overdue=status.overdue,
            failed=any(cause.kind == "last_run_failed" for cause in status.causes),
        )
        for name, status in statuses.items()
    }


def why(seen: Survey, name: str) -> Why:
    """The causes of an asset, each followed down to its roots."""
    behind: dict[str, list[str]] = {}
    waiting = [name]
    while waiting:
        each = waiting.pop()
        if each not in behind:
            causes = seen.steps[each].causes if each in seen.steps else ()
            named = dict.fromkeys(cause.upstream for cause in causes if cause.upstream)
            behind[each] = [up for up in named if up in seen.view.times]
            waiting += behind[each]
    known: dict[str, Why] = {}
    for each, status in seen.statuses(behind).items():
        known[each] = Why(status, tuple(known[up] for up in behind[each]))
    return known[name]


def lineage(seen: Survey, name: str, above: dict[str, int], below: dict[str, int]) -> Lineage:
    """An asset with what is above and below it, by distance."""
    nodes = seen.statuses({name, *above, *below})
    edges = [(up, each) for each, node in nodes.items() for up in node.asset.upstreams if up in nodes]
    return Lineage(name, tuple(nodes.values()), tuple(edges), above, below)


def impact(seen: Survey, name: str) -> Impact:
    """Everything below an asset, the nearest first."""
    below = seen.view.graph.descendants([name])
    promises = {verdict.asset: verdict for verdict in freshness.verdicts(seen.view, below)}
    affected = (Affected(seen.status(each), distance, promises.get(each)) for each, distance in below.items())
    return Impact(seen.status(name), tuple(affected))


def shown(seen: Survey, name: str, history: tuple[Materialization, ...], checks: tuple[CheckResult, ...]) -> Shown:
    """All there is to say of one asset of the manifest."""
    graph, snapshot = seen.view.graph, seen.view.snapshot
    return Shown(
        name=name,
        status=seen.status(name),
        latest=snapshot.of(name),
        observation=seen.view.world.observations.get(name),
        freshness=next(iter(freshness.verdicts(seen.view, [name])), None),
        history=history,
        checks=checks,
        upstreams=tuple(map(seen.status, graph.upstreams(name))),
        downstreams=tuple(map(seen.status, graph.downstreams(name))),
    )


def remembered(snapshot: StateSnapshot, name: str, history: tuple[Materialization, ...]) -> Shown | None:
    """What history knows of an asset that the manifest does not have; None where it knows nothing."""
    if name not in snapshot.latest and name not in snapshot.observations:
        return None
    return Shown(name, None, snapshot.of(name), snapshot.observations.get(name), None, history, (), (), ())


def _word(*, external: bool, recorded: bool, stale: bool) -> Status:
    if external:
        return "external"
    if not recorded:
        return "missing"
    return "stale" if stale else "up_to_date"
