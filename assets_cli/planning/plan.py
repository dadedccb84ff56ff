"""The plan: steps with their causes in order, skips with their reasons, and what was refused.

Pure: everything it knows comes in its arguments. What is stale is decided by `staleness`, how old data is by
`freshness`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from assets_cli.graph.graph import AssetGraph
from assets_cli.model import duration
from assets_cli.model.history import Observation, StateSnapshot
from assets_cli.model.manifest import Asset, ShellCommand, SqlCommand
from assets_cli.model.plan import FULL_REFRESH, Cause, Deadline, Overdue, Plan, Promise, Skip, Step, Together
from assets_cli.model.problem import AssetsError, Problem
from assets_cli.model.world import World
from assets_cli.planning import freshness, growth, schedule
from assets_cli.planning.staleness import drift_causes, name_some, stale_causes, suspects

_MOST_LATE = 100
"""Of more promises that are overdue the estimate of the whole plan says how long they take."""
_DOES = {"materialize": "materialized", "check": "checked again"}


class Selection(NamedTuple):
    """What the user asked for. `names` are all assets that may run; `forced` the ones that run whatever their state.

    `anew` are tables that grow and that are to be built from nothing, whatever their state.

    `expressions` are as typed, for the record.
    """

    names: frozenset[str]
    forced: frozenset[str] = frozenset()
    expressions: tuple[str, ...] = ()
    anew: frozenset[str] = frozenset()


class _Situation(NamedTuple):
    graph: AssetGraph
    snapshot: StateSnapshot
    world: World
    now: int
    promises: Mapping[str, Promise]
    suspects: frozenset[str]

    def causes(self, name: str) -> list[Cause]:
        if name not in self.suspects and name not in self.promises:
            return []
        return stale_causes(name, self.graph, self.snapshot, self.world, self.promises, self.now)


def plan(
    graph: AssetGraph,
    selection: Selection,
    snapshot: StateSnapshot,
    world: World,
    now: int,
    *,
    jobs: int = 1,
    ahead: int = 0,
) -> Plan:
    """What is stale or overdue among the selected assets, why, and what would run.

    `world` covers the selected assets and their direct upstreams. `now` is in microseconds UTC. `ahead` also counts
    what would be overdue by then and can already be met.

    Raises:
        AssetsError: code that cannot be read (A03xx), or an upstream outside the selection that a step would read and
            that is not there or not whole (A0602); all of them at once.
    """
    return plan_in(freshness.view(graph, snapshot, world, now), selection, jobs=jobs, ahead=ahead)


def decide(view: freshness.FreshnessView, selection: Selection) -> dict[str, Step]:
    """What would run, by asset in topological order, without anything that a plan says besides.

    Raises:
        AssetsError: code that cannot be read (A03xx).
    """
    return _steps(_situation(view, selection), selection)


def _situation(view: freshness.FreshnessView, selection: Selection, ahead: int = 0) -> _Situation:
    _refuse_unreadable_code(selection, view.world)
    promises, suspected = freshness.promises(view, ahead), suspects(view.doubtful, view.world)
    return _Situation(view.graph, view.snapshot, view.world, view.now, promises, suspected)


def plan_in(view: freshness.FreshnessView, selection: Selection, *, jobs: int = 1, ahead: int = 0) -> Plan:
    """The same, for who has looked at ages already."""
    graph, snapshot, world = view.graph, view.snapshot, view.world
    situation = _situation(view, selection, ahead)
    steps = _steps(situation, selection)
    overdue = freshness.overdue(view, selection.names)
    warnings = [*world.warnings, *_unselected_upstreams(situation, selection, steps)]
    warnings += growth.refusals(steps.values(), graph)
    warnings += _overdue_unreachable(graph, overdue, steps, selection)
    uncovered = frozenset(freshness.never_refreshed(graph))
    estimate = schedule.estimate({step.asset: step for step in steps.values()}, jobs)
    return Plan(
        environment=snapshot.environment,
        now=view.now,
        selection=selection.expressions,
        steps=tuple(steps.values()),
        skips=tuple(_skips(graph, selection, steps, uncovered)),
        overdue=overdue,
        removed=tuple(sorted(name for name in snapshot.latest if name not in graph.assets)),
        warnings=tuple(warnings),
        jobs=jobs,
        estimated=estimate.duration,
        critical_path=estimate.critical_path,
        observations=_unrecorded(graph, steps, snapshot, world),
        deadlines=_deadlines(view, selection, jobs, ahead),
        together=_together(view, selection, steps) if ahead else None,
    )


def _deadlines(view: freshness.FreshnessView, selection: Selection, jobs: int, ahead: int) -> tuple[Deadline, ...]:
    names = [name for name in freshness.due(view, ahead) if name in selection.names]
    if not names or (not ahead and len(names) > _MOST_LATE):
        return ()
    from assets_cli.planning.deadlines import deadlines, from_history  # only where a promise is at stake

    return tuple(deadlines(view, from_history(view.snapshot), jobs, names).values())


def _together(view: freshness.FreshnessView, selection: Selection, steps: Mapping[str, Step]) -> Together | None:
    from assets_cli.planning.crons import together  # as above

    return together(view.graph, steps, selection.names, lambda name: schedule.usual(view.snapshot.durations_of(name)))


def _unrecorded(
    graph: AssetGraph, steps: Iterable[str], snapshot: StateSnapshot, world: World
) -> tuple[Observation, ...]:
    """The observations of external assets that these steps will read, as far as they are not on record yet."""
    read = dict.fromkeys(upstream for name in steps for upstream in graph.upstreams(name))
    return tuple(
        seen
        for name in read
        if graph.assets[name].is_external
        and (seen := world.observations.get(name)) is not None
        and seen is not snapshot.observations.get(name)
    )


def _refuse_unreadable_code(selection: Selection, world: World) -> None:
    problems = [probe.problem for name, probe in world.code.items() if probe.problem and name in selection.names]
    if problems:
        raise AssetsError(*problems)


def _steps(situation: _Situation, selection: Selection) -> dict[str, Step]:
    graph = situation.graph
    assets, names = graph.assets, selection.names
    steps: dict[str, Step] = {}
    suspected = situation.suspects.union(situation.promises, selection.forced, selection.anew)
    for name in graph.order:
        if name not in names or (name not in suspected and not steps):
            continue
        asset = assets[name]
        if asset.is_external:
            continue
        after = tuple([upstream for upstream in asset.upstreams if upstream in steps])
        if name not in suspected and not after:
            continue
        causes = situation.causes(name)
        if name in selection.anew:
            causes.append(Cause("forced", FULL_REFRESH))
        elif name in selection.forced:
            causes.append(Cause("forced", "forced by --force"))
        causes += [
            Cause("upstream_stale", f"upstream {upstream} is to be {_DOES[steps[upstream].kind]}", upstream=upstream)
            for upstream in after
        ]
        if causes:
            latest = situation.snapshot.of(name)
            promise = situation.promises.get(name)
            record = latest.materialization.seq if latest.materialization else None
            kind = _kind(causes)
            # The command's durations say nothing of its checks.
            usual = schedule.usual(latest.durations) if kind == "materialize" else None
            steps[name] = Step(name, tuple(causes), after, usual, promise, kind, record=record)
    return steps


def _kind(causes: Iterable[Cause]) -> Literal["materialize", "check"]:
    """What a step does first: where only a blocking check stands against an asset, that is evaluated again."""
    return "check" if {cause.kind for cause in causes} == {"check_failed"} else "materialize"


def _skips(graph: AssetGraph, selection: Selection, steps: Mapping[str, Step], uncovered: frozenset[str]) -> list[Skip]:
    skips: list[Skip] = []
    beside: set[str] = set()
    assets, names = graph.assets, selection.names
    is_whole = len(names) == len(graph.order)
    for name in graph.order:
        if not is_whole and name not in names:
            continue
        asset = assets[name]
        if asset.command is None:
            skips.append(Skip(name, "external", "others produce it"))
        elif name not in steps:
            detail = "nothing will refresh it: no freshness policy on it or below" if name in uncovered else ""
            skips.append(Skip(name, "up_to_date", detail))
        if not is_whole:
            beside.update([upstream for upstream in asset.upstreams if upstream not in names])
    for name in graph.sort(beside):
        external = graph.assets[name].is_external
        skips.append(Skip(name, "external" if external else "not_selected_upstream"))
    return skips


def _unselected_upstreams(situation: _Situation, selection: Selection, steps: Mapping[str, Step]) -> list[Problem]:
    """Warnings for stale upstreams that are read as they stand, or were.

    Raises:
        AssetsError: upstreams that cannot be read as they stand.
    """
    readers = _readers(situation.graph, selection, steps)
    refused, warnings = [], []
    for upstream, names in readers.items():
        causes = situation.causes(upstream)
        unfit = _unfit(situation, upstream, causes)
        who = name_some(names)
        if unfit is not None:
            refused.append(
                Problem(
                    "A0602",
                    f"{who} cannot run: its upstream {upstream} is not selected and {_as_found(unfit)}",
                    hint="add --upstream to materialize what is above, too",
                    asset=names[0],
                )
            )
        elif causes:
            warnings.append(
                Problem(
                    "A0603",
                    f"{who} will read {upstream} as it stands, although it is stale ({causes[0].detail})",
                    severity="warning",
                    hint="add --upstream to materialize what is above, too",
                    asset=names[0],
                )
            )
    if refused:
        raise AssetsError(*refused)
    return warnings + _stale_beside(situation, selection, readers)


def _readers(graph: AssetGraph, selection: Selection, names: Iterable[str]) -> dict[str, list[str]]:
    """The upstreams of these that are not selected and that a command makes, with who of these reads them."""
    readers: dict[str, list[str]] = {}
    for name in names:
        for upstream in graph.upstreams(name):
            if upstream not in selection.names and not graph.assets[upstream].is_external:
                readers.setdefault(upstream, []).append(name)
    return readers


def _stale_beside(situation: _Situation, selection: Selection, told: Iterable[str]) -> list[Problem]:
    """Warnings for stale upstreams that no step reads: what is selected is up to date only with what they were.

    What is merely overdue is told by the promise that asks for it.
    """
    if len(selection.names) == len(situation.graph.order):
        return []
    warnings = []
    for upstream, names in _readers(situation.graph, selection, situation.graph.sort(selection.names)).items():
        if upstream in told:
            continue
        cause = next((cause for cause in situation.causes(upstream) if cause.kind != "overdue"), None)
        if cause is not None:
            warnings.append(
                Problem(
                    "A0603",
                    f"{upstream}, which is not selected, is stale ({cause.detail}); it is read by {name_some(names)}",
                    severity="warning",
                    hint="add --upstream to materialize what is above, too",
                    asset=names[0],
                )
            )
    return warnings


def _unfit(situation: _Situation, name: str, causes: Sequence[Cause]) -> Cause | None:
    """Why a downstream must not read an asset as it stands, if so."""
    asset, made = situation.graph.assets[name], situation.snapshot.of(name).materialization
    hidden: Iterable[Cause] = ()
    if made is not None and not any(cause.component == "output" for cause in causes):
        # A failed attempt hides the drift of an output, also of one that it cannot have touched.
        hidden = drift_causes(asset, made, situation.world)
    return next((cause for cause in (*causes, *hidden) if _is_unfit(cause, asset)), None)


def _is_unfit(cause: Cause, asset: Asset) -> bool:
    """Whether a downstream must not read an asset that is stale for this cause."""
    if cause.kind == "last_run_failed":
        return not _publishes_whole(asset)
    return cause.kind in ("missing", "output_missing", "output_changed", "check_failed")


def _publishes_whole(asset: Asset) -> bool:
    """Whether we write its output, at once or not at all, so that a failed attempt cannot leave it half-written."""
    if asset.output is None:
        return False
    if isinstance(asset.command, ShellCommand):
        return asset.output.atomic
    return isinstance(asset.command, SqlCommand) and asset.output.materialization != "script"


def _as_found(cause: Cause) -> str:
    if cause.kind == "missing":
        return "was never materialized"
    if cause.kind == "last_run_failed":
        return f"may be half-written ({cause.detail})"
    if cause.kind == "check_failed":
        return f"is blocked ({cause.detail})"
    return f"is not as recorded ({cause.detail})"


def _allowed(broken: Overdue) -> str:
    """`6h old`, or with a cron expression when it may be so old."""
    old = f"{duration.show(broken.policy.max_lag)} old"
    return old if broken.policy.cron is None else f"{old} at {broken.policy.cron} {broken.policy.timezone}"


def _overdue_unreachable(
    graph: AssetGraph, overdue: tuple[Overdue, ...], steps: Mapping[str, Step], selection: Selection
) -> list[Problem]:
    """Broken promises that this plan does nothing for, with who holds them back."""
    warnings = []
    for broken in overdue:
        if any(holder in steps for holder in broken.held_by):
            continue
        externals = [name for name in broken.held_by if graph.assets[name].is_external]
        outside = [name for name in broken.held_by if name not in selection.names and name not in externals]
        if outside:
            held, hint = name_some(outside), "add --upstream to materialize what holds it back, too"
        elif externals:
            held, hint = f"{name_some(externals)}, external", "whoever produces it has to deliver"
        else:
            continue
        message = f"{broken.asset} is overdue: its data may be at most {_allowed(broken)}, and waits for {held}"
        warnings.append(Problem("A0604", message, severity="warning", hint=hint, asset=broken.asset))
    return warnings
