"""Carrying out a plan that was saved: only where it belongs, only if nothing that it rests on has moved, only once.

What of a plan is compared is `planning.saved`'s business; this looks at what is to be compared, and says no. How the
plan is then carried out is no different from any other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from assets_cli.graph.graph import AssetGraph
from assets_cli.model.history import RunStatus, StateSnapshot
from assets_cli.model.manifest import DEFAULT_ENVIRONMENT
from assets_cli.model.plan import Basis, Plan
from assets_cli.model.problem import AssetsError, Place, Problem, Related
from assets_cli.planning import saved
from assets_cli.probing import NOTHING, Observed, ProbeSurroundings, look, look_at_code
from assets_cli.state.locks import LockRequest, LockService
from assets_cli.state.store import StateReader

_MOST_NAMED = 20


class ApplyContext(NamedTuple):
    """What a saved plan meets. `outside` looks at external assets; `clock` gives microseconds UTC."""

    graph: AssetGraph
    reader: StateReader
    locks: LockService
    probes: ProbeSurroundings
    outside: Callable[[Collection[str], StateSnapshot], Observed]
    clock: Callable[[], int]

    @property
    def root(self) -> str:
        """The real path of the project, by which a plan knows it again."""
        return os.path.realpath(self.graph.manifest.root)


@contextmanager
def applying(plan: Plan, context: ApplyContext) -> Iterator[Plan]:
    """The plan for now, to be carried out while this is open: nobody else applies the same plan meanwhile.

    Raises:
        AssetsError: it has no basis, or is of another project or environment (A0618), it is being applied (A0619), or
            something that it rests on has moved (A0615).
    """
    basis = _require_home(plan, context)
    holders: list[str] = []
    held = context.locks.acquire(
        [LockRequest(f"plan\x1f{plan.environment}\x1f{plan.now}", exclusive=True)],
        holder=f"process {os.getpid()}",
        on_wait=holders.append,
        cancelled=lambda: True,
    )
    if held is None:
        message = f"the plan is being applied right now, by {holders[-1]}"
        raise AssetsError(Problem("A0619", message, hint="assets runs latest shows how far it is"))
    with held:
        yield _ready(plan, basis, context)


def _require_home(plan: Plan, context: ApplyContext) -> Basis:
    """What the plan rests on, if it is a plan for this project and this environment."""
    manifest, basis = context.graph.manifest, plan.basis
    if basis is None:
        hint = "make it with Project.propose, or assets plan --out"
        raise AssetsError(Problem("A0618", "the plan says nothing of what it rests on, so nothing can hold", hint=hint))
    if (basis.project, basis.root) != (manifest.project, context.root):
        message = (
            f"the plan is for the project {basis.project} in {basis.root}, not for {manifest.project} in {context.root}"
        )
        raise AssetsError(Problem("A0618", message, hint="apply it there with -C DIR, or plan again here"))
    if plan.environment != manifest.environment:
        message = f"the plan is for the environment {plan.environment}, not for {manifest.environment}"
        option = f"with --env {plan.environment}" if plan.environment != DEFAULT_ENVIRONMENT else "without --env"
        raise AssetsError(Problem("A0618", message, hint=f"apply it {option}, or plan again for this one"))
    return basis


def _ready(plan: Plan, basis: Basis, context: ApplyContext) -> Plan:
    graph, assets = context.graph, context.graph.assets
    snapshot = context.reader.snapshot(plan.environment)
    still = [name for name in basis.code if name in assets and not assets[name].is_external]
    components = {name: basis.code[name].components for name in still}
    beside = {upstream for name in still for upstream in graph.upstreams(name)}.difference(still)
    seen = context.outside(beside, snapshot) if basis.observing else NOTHING
    # Of the steps the code alone: what is at their outputs is looked at before each of them runs.
    world = look(graph, sorted(beside), snapshot, context.probes, seen)
    world = world._replace(
        code={**world.code, **look_at_code(graph, components, context.probes)},
        observations={**snapshot.observations, **saved.observed(basis, snapshot, seen.observations)},
    )
    today = saved.basis(still, graph, snapshot, world, context.root)
    standing = [name for name in graph.sort(beside) if not assets[name].is_external]
    moves = (*saved.moved(basis, today, graph), *saved.drifted(standing, graph, snapshot, world))
    if moves:
        raise AssetsError(_refusal(plan, moves, context))
    return saved.ready(plan, graph, snapshot, world, context.clock())


def _refusal(plan: Plan, moves: tuple[saved.Moved, ...], context: ApplyContext) -> Problem:
    """That somebody has carried the plan out already, or everything that has moved, each at its asset."""
    run = saved.only_run(moves)
    if run is not None and {step.asset for step in context.reader.steps(run)} == {step.asset for step in plan.steps}:
        return _carried_out(run, context.reader.find_run(run).status)
    manifest = context.graph.manifest
    places = {name: manifest.locate(name, "name") for name in manifest.assets.keys() & {move.asset for move in moves}}
    nowhere = Place(manifest.file, 1, 1)
    many = f"{len(moves):,} things have" if len(moves) > 1 else "something has"
    first = f"; the first {_MOST_NAMED} of them are named" if len(moves) > _MOST_NAMED else ""
    return Problem(
        "A0615",
        f"the plan does not hold any more: {many} moved since{first}",
        related=tuple(Related(places.get(move.asset, nowhere), str(move)) for move in moves[:_MOST_NAMED]),
        hint="plan again with --out, and review that plan",
    )


def _carried_out(run: str, status: RunStatus) -> Problem:
    if status == "running":
        hint = f"assets runs {run} shows how far it is"
        return Problem("A0615", f"the plan is being carried out right now, by run {run}", hint=hint)
    if status == "succeeded":
        hint = "assets plan shows what there is to do now"
        return Problem("A0615", f"the plan was applied already, by run {run}", hint=hint)
    ended = {"failed": "failed", "cancelled": "was cancelled", "crashed": "died"}[status]
    hint = f"assets retry {run} runs what it left undone"
    return Problem("A0615", f"the plan was applied already, by run {run}, which {ended}", hint=hint)
