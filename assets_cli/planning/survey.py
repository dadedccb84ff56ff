"""The verdicts of every asset of a project, as `list`, `why`, `show` and `impact` answer with them.

Pure. Decides nothing by itself: staleness is the plan's, age is `freshness`'.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from assets_cli.graph.graph import AssetGraph
from assets_cli.graph.selection import Facts
from assets_cli.model.answers import Affected, AssetStatus, Impact, Shown, Status
from assets_cli.model.history import CheckResult, Materialization, StateSnapshot
from assets_cli.model.plan import Step
from assets_cli.model.world import World
from assets_cli.planning import freshness
from assets_cli.planning.freshness import FreshnessView
from assets_cli.planning.plan import Selection, plan


class Survey(NamedTuple):
    """`statuses` are of all assets, in topological order."""

    view: FreshnessView
    statuses: Mapping[str, AssetStatus]


def survey(graph: AssetGraph, snapshot: StateSnapshot, world: World, now: int) -> Survey:
    """Every asset with its verdicts in the whole-project plan; `world` covers all of them.

    Raises:
        AssetsError: as `plan`.
    """
    whole = plan(graph, Selection(frozenset(graph.assets)), snapshot, world, now)
    steps = {step.asset: step for step in whole.steps}
    late = {broken.asset for broken in whole.overdue}
    view = freshness.view(graph, snapshot, world, now)
    return Survey(view, {name: _status(view, name, steps.get(name), is_late=name in late) for name in graph.order})


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
