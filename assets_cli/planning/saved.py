"""A plan that is kept and carried out later: what it rests on, what of that has moved, and the plan for that moment.

Pure. Compares just what a plan carries: the code of its steps, the latest records of these and of their direct
upstreams, what was observed outside. How a plan is written down is the business of whoever does it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from assets_cli.graph.graph import AssetGraph
from assets_cli.model.history import Latest, Observation, StateSnapshot
from assets_cli.model.plan import Basis, Code, Plan, Recorded, Step
from assets_cli.model.world import World
from assets_cli.planning import schedule
from assets_cli.planning.staleness import stale_causes
from assets_cli.planning.versions import code_version, component_changes, short


class Moved(NamedTuple):
    """One thing that is not as it was when a plan was made; `run` is the run that moved it, where one did."""

    asset: str
    what: str
    old: str
    new: str
    run: str | None = None

    def __str__(self) -> str:
        return f"{self.asset}: {self.what} ({self.old} -> {self.new})"


def basis(
    steps: Iterable[str], graph: AssetGraph, snapshot: StateSnapshot, world: World, root: str, *, observing: bool = True
) -> Basis:
    """What a plan with these steps rests on. Those that are no assets, or no more, have no part in it."""
    assets = graph.assets
    names = [name for name in steps if name in assets and not assets[name].is_external]
    upstreams = {name: graph.upstreams(name) for name in names}
    beside = dict.fromkeys(upstream for above in upstreams.values() for upstream in above)
    recorded = dict.fromkeys([*names, *(upstream for upstream in beside if not assets[upstream].is_external)])
    return Basis(
        project=graph.manifest.project,
        root=root,
        code={name: _code(snapshot.of(name), world, name) for name in names},
        upstreams=upstreams,
        records={name: _recorded(snapshot.of(name)) for name in recorded},
        observations={
            name: world.observations[name] for name in beside if assets[name].is_external and name in world.observations
        },
        observing=observing,
    )


def _code(latest: Latest, world: World, name: str) -> Code:
    made = latest.materialization
    components = world.code[name].components if made is None else world.components(made)
    return Code(code_version(made, components), components)


def _recorded(latest: Latest) -> Recorded:
    made, tried = latest.materialization, latest.attempt
    found = Recorded() if made is None else Recorded(made.run, made.data_version, made.blocked)
    return found if tried is None else found._replace(attempt=tried.run, number=tried.number, state=tried.state)


def observed(then: Basis, snapshot: StateSnapshot, now: Mapping[str, Observation]) -> dict[str, Observation]:
    """What the external assets hold that a plan reads: as seen now, else as recorded since, else as the plan has it."""
    found: dict[str, Observation] = {}
    for name in dict.fromkeys(upstream for above in then.upstreams.values() for upstream in above):
        seen = now.get(name) or _stands(then.observations.get(name), snapshot.observations.get(name))
        if seen is not None:
            found[name] = seen
    return found


def _stands(planned: Observation | None, recorded: Observation | None) -> Observation | None:
    """Of what a plan carries and what is on record the newer; the plan's own is not on record, and says after which."""
    if planned is None or recorded is None:
        return recorded or (planned and planned._replace(seq=0))
    is_later = recorded.seq != planned.seq
    return recorded if is_later or recorded.data_version == planned.data_version else planned


def moved(then: Basis, now: Basis, graph: AssetGraph) -> tuple[Moved, ...]:
    """Everything that is not as it was: of each step its code, its upstreams and its records, then what it reads."""
    found: list[Moved] = []
    read = {upstream for above in now.upstreams.values() for upstream in above}
    for name in dict.fromkeys([*then.code, *(each for above in then.upstreams.values() for each in above)]):
        kinds = "with a command" if name in then.records else "external", _declared(name, graph)
        if kinds[0] != kinds[1]:
            found.append(Moved(name, "declared", *kinds))
            continue
        if name in then.code:
            found += _code_moved(name, then.code[name], now.code[name])
            found += _upstreams_moved(name, then, now)
        if name in now.records:
            found += _records_moved(name, then.records[name], now.records[name])
        elif name in read:
            found += _observation_moved(name, then, now)
    return tuple(found)


def _declared(name: str, graph: AssetGraph) -> str:
    asset = graph.assets.get(name)
    if asset is None:
        return "no more"
    return "external" if asset.is_external else "with a command"


def _upstreams_moved(name: str, then: Basis, now: Basis) -> Iterator[Moved]:
    old, new = then.upstreams[name], now.upstreams[name]
    if set(old) != set(new):
        yield Moved(name, "upstreams", *(", ".join(above) or "none" for above in (old, new)))


def _code_moved(name: str, then: Code, now: Code) -> Iterator[Moved]:
    for change in component_changes(then.components, now.components):
        yield Moved(name, f"code changed: {change.name}", short(change.old), short(change.new))


def _records_moved(name: str, then: Recorded, now: Recorded) -> Iterator[Moved]:
    is_anew = then.run != now.run
    if is_anew:
        old, new = (f"in run {each.run}" if each.run else "never" for each in (then, now))
        yield Moved(name, "materialized", old, new, now.run)
    elif then.data_version != now.data_version:
        yield Moved(name, "data version", short(then.data_version), short(now.data_version), now.run)
    if not is_anew and then.blocked != now.blocked:
        old, new = ("yes" if each.blocked else "no" for each in (then, now))
        yield Moved(name, "blocked by a check", old, new)
    tried = (then.attempt, then.number, then.state) != (now.attempt, now.number, now.state)
    if tried and not (is_anew and now.attempt == now.run and now.state == "succeeded"):
        yield Moved(name, "newest attempt", _attempt(then), _attempt(now), now.attempt)


def _attempt(recorded: Recorded) -> str:
    if recorded.state is None:
        return "none"
    state = "under way" if recorded.state == "open" else recorded.state.replace("_", " ")
    again = f", attempt {recorded.number}" if recorded.number > 1 else ""
    return f"{state} in run {recorded.attempt}{again}"


def _observation_moved(name: str, then: Basis, now: Basis) -> Iterator[Moved]:
    old, new = (each.observations.get(name) for each in (then, now))
    versions = [each.data_version if each else None for each in (old, new)]
    if versions[0] != versions[1]:
        said = [short(version) if version is not None else "nothing" for version in versions]
        yield Moved(name, "observed", *said)


def drifted(names: Iterable[str], graph: AssetGraph, snapshot: StateSnapshot, world: World) -> tuple[Moved, ...]:
    """Which of these assets, which a plan reads as they stand, are not as they were left: nothing may read them."""
    found = []
    for name in names:
        for cause in stale_causes(name, graph, snapshot, world, {}, 0):
            if cause.kind in ("output_missing", "output_changed"):
                new = "gone" if cause.kind == "output_missing" else "changed by somebody else"
                found.append(Moved(name, "output", "as recorded", new))
    return tuple(found)


def only_run(moves: Iterable[Moved]) -> str | None:
    """The run that moved all of these, if one did."""
    runs = {move.run for move in moves}
    return runs.pop() if len(runs) == 1 else None


def ready(plan: Plan, graph: AssetGraph, snapshot: StateSnapshot, world: World, now: int) -> Plan:
    """The plan for the moment at which it is carried out, when nothing that it rests on has moved.

    Same steps, same causes, same promises with the bounds that they had when it was made. What others were said to do
    is left out: nobody looked at them again.
    """
    planned = {step.asset: step for step in plan.steps}
    steps = {name: _today(planned[name], planned, graph, snapshot) for name in graph.sort(planned)}
    estimate = schedule.estimate(steps, plan.jobs)
    read = dict.fromkeys(upstream for name in steps for upstream in graph.upstreams(name))
    return plan._replace(
        now=now,
        steps=tuple(steps.values()),
        skips=(),
        overdue=(),
        removed=(),
        warnings=world.warnings,
        estimated=estimate.duration,
        critical_path=estimate.critical_path,
        observations=tuple(
            seen
            for name in read
            if (seen := world.observations.get(name)) is not None and seen is not snapshot.observations.get(name)
        ),
        basis=None,
        deadlines=(),
    )


def _today(step: Step, planned: Mapping[str, Step], graph: AssetGraph, snapshot: StateSnapshot) -> Step:
    latest = snapshot.of(step.asset)
    return step._replace(
        after=tuple(upstream for upstream in graph.upstreams(step.asset) if upstream in planned),
        estimated=schedule.usual(latest.durations) if step.kind == "materialize" else None,
        record=latest.materialization.seq if latest.materialization else None,
    )
