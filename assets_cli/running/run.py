"""The run: ready steps start in order of the longest remaining path, each in a job slot; what happened is recorded.

One loop on one thread carries all steps out (`step.perform`), and here alone is decided which step is next, which are
blocked and when it is over. What steps record is committed together before the loop sleeps, and before any command
starts; what is told follows the commit. Knows nothing of commands, files or databases.
"""

from __future__ import annotations

import resource
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from assets_cli.graph.graph import AssetGraph
from assets_cli.model import event
from assets_cli.model.history import Result, RunStatus, StateSnapshot
from assets_cli.model.memory import collector_at_ease
from assets_cli.model.plan import Plan, Step
from assets_cli.planning import schedule
from assets_cli.planning.staleness import left_stale
from assets_cli.running import commands
from assets_cli.running.executors.cancellation import Cancellation
from assets_cli.running.ledger import Ledger
from assets_cli.running.loop import Loop
from assets_cli.running.step import StepOutcome, perform, record
from assets_cli.running.surroundings import Surroundings
from assets_cli.running.turns import Turns
from assets_cli.running.waiting import RunContext

_MOST_AT_ONCE: Final = 1_024
"""Whatever number of jobs is asked for: nobody gains by more commands on one machine."""

_OURS: Final = 64
"""Descriptors that are kept for ourselves, and for what runs in this process."""

_PER_STEP: Final = 10
"""Descriptors that a step may need besides the locks of its upstreams: its own locks, its log, its process."""


class Options(NamedTuple):
    """How a plan is carried out."""

    run: str
    jobs: int
    fail_fast: bool = False


def run(
    plan: Plan,
    graph: AssetGraph,
    snapshot: StateSnapshot,
    options: Options,
    surroundings: Surroundings,
    cancellation: Cancellation,
) -> event.RunFinished:
    """Carry out a plan whose run is on record already. Whoever cancels it ends it, with time to end, or in a hurry.

    Raises:
        AssetsError: history cannot be written; what runs is ended first.
    """
    told: list[event.RunEvent] = []
    # What is told before it is on record might turn out not to have happened.
    around = surroundings._replace(listeners=(told.append,))
    ledger = Ledger(around.recorder, graph, snapshot, snapshot.observations, around.clock)
    context = RunContext(options.run, graph, ledger, around, cancellation)
    with suppress(OSError):  # who opens a log makes it too, and says what is in the way
        Path(around.root, around.logs, options.run).mkdir(parents=True, exist_ok=True)
    carrying = _Run(plan, context, options, _Telling(told, surroundings))
    with surroundings.recorder.together(), collector_at_ease():
        return carrying.carry_out()


class _Telling:
    """Events that wait for the commit of what they tell."""

    def __init__(self, told: list[event.RunEvent], surroundings: Surroundings) -> None:
        self._told = told
        # They went without secrets into the list.
        self._listeners = surroundings._replace(secrets=())
        self._recorder = surroundings.recorder

    def commit(self) -> None:
        """Commit, and then tell."""
        self._recorder.commit()
        if self._told:
            for each in self._told:
                self._listeners.emit(each)
            self._told.clear()


class _Run:
    def __init__(self, plan: Plan, context: RunContext, options: Options, telling: _Telling) -> None:
        self.steps: Mapping[str, Step] = {step.asset: step for step in plan.steps}
        self.context = context
        self.options = options
        self.around = context.surroundings
        self.telling = telling
        self.loop = Loop(self._at_rest)
        self.slots = min(options.jobs, _most_at_once(plan.steps, context.graph))
        self.started = self.around.clock()
        self.results: dict[str, StepOutcome] = {}
        self.waiting = {name: len(step.after) for name, step in self.steps.items()}
        self.readers: dict[str, list[str]] = {name: [] for name in self.steps}
        for step in plan.steps:
            for upstream in step.after:
                self.readers[upstream].append(step.asset)
        self.remaining = schedule.remaining(self.steps)
        self.order = {step.asset: index for index, step in enumerate(plan.steps)}
        self.turns = Turns({name: self._needs(name) for name in self.steps}, self._room())
        self.running: set[str] = set()
        self.stopping = False
        self.interrupted = False
        self.error: BaseException | None = None

    def carry_out(self) -> event.RunFinished:
        """Run until nothing runs and nothing more may start."""
        self.around.emit(event.RunStarted(self.options.run, self.started, tuple(self.steps), self.options.jobs))
        for name, count in self.waiting.items():
            if not count:
                self._make_ready(name)
        self.loop.watch(self.context.cancellation.fileno(), self._interrupt)
        self._dispatch()
        self.loop.run()
        if self.error is not None:
            raise self.error
        return self._finish()

    def _needs(self, name: str) -> Collection[str]:
        """What a step shares with others of this run: databases that take one at a time, a slot of its pool.

        Those who wait for one of them, within this run, fill no job slot.
        """
        asset = self.context.graph.assets[name]
        pool = [_pool(asset.pool)] if asset.pool else []
        try:
            touched = commands.databases(self.context.graph.manifest, asset, self.around.environ)
        except commands.CannotStartError:
            return pool
        return [*pool, *{f"file {each.file}" for each in touched.values() if each.file}]

    def _room(self) -> Mapping[str, int]:
        return {_pool(name): size for name, size in self.context.graph.manifest.pools.items()}

    def _make_ready(self, name: str) -> None:
        self.turns.add((-self.remaining[name], self.order[name]), name)

    def _dispatch(self) -> None:
        """Start ready steps while there are slots."""
        # Asked here too: who is interrupted while steps go on hears of it only when all of them wait again.
        while not (self.stopping or self.context.cancellation.is_set()) and len(self.running) < self.slots:
            name = self.turns.take()
            if name is None:
                break
            self.running.add(name)
            self.loop.start(perform(self.steps[name], self.context), partial(self._take, name))

    def _at_rest(self) -> None:
        """Everybody has gone on as far as possible: commit what was recorded, tell it."""
        try:
            self.telling.commit()
        except BaseException as error:  # noqa: BLE001 - it is raised again when all that runs has ended
            self._fail(error)

    def _take(self, name: str, outcome: StepOutcome, error: BaseException | None) -> None:
        """A step has come to its end, or to an error that stops the run, such as a history that cannot be written."""
        self.running.discard(name)
        self.turns.give_back(name)
        if error is not None:
            self._fail(error)
        else:
            self._settle(outcome)
        self._dispatch()

    def _fail(self, error: BaseException) -> None:
        self.error = self.error or error
        self.stopping = True
        self.context.cancellation.cancel()

    def _interrupt(self) -> None:
        """What runs comes to an end, or is ended in a hurry; nothing else starts."""
        if self.error is not None:
            return
        self.stopping = self.interrupted = True
        if self.running:
            waits = "interrupted: what runs is given a few seconds to end; interrupt again to end it at once"
            self.around.emit(event.Warned(None, self.around.clock(), waits))

    def _settle(self, outcome: StepOutcome) -> None:
        """A step has ended: let its readers start or block them."""
        name = outcome.asset
        self.results[name] = outcome
        if outcome.result in ("succeeded", "skipped"):
            for reader in self.readers[name]:
                self.waiting[reader] -= 1
                if not self.waiting[reader] and reader not in self.results:
                    self._make_ready(reader)
        elif outcome.result == "failed":
            self._block_below(name)
            self.stopping = self.stopping or self.options.fail_fast

    def _block_below(self, name: str) -> None:
        """Everything reached from a failed step through steps of the plan is blocked, and nothing else."""
        reached = list(self.readers[name])
        while reached:
            reader = reached.pop()
            if reader not in self.results:
                blocked = StepOutcome(reader, "blocked", detail=f"its upstream {name} failed")
                self.results[reader] = record(blocked, self.context)
                reached += self.readers[reader]

    def _finish(self) -> event.RunFinished:
        self.interrupted = self.context.cancellation.is_set()
        reason = "interrupted" if self.interrupted else "not started: --fail-fast"
        for name in self.steps:
            if name not in self.results:
                self.results[name] = record(StepOutcome(name, "cancelled", detail=reason), self.context)
        now = self.around.clock()
        status = self._status()
        self.around.recorder.end_run(self.options.run, status, now)
        snapshot = self.context.ledger.snapshot
        finished = event.RunFinished(
            run=self.options.run,
            at=now,
            status=status,
            succeeded=self._named("succeeded"),
            unchanged=tuple(name for name in self.steps if self.results[name].unchanged),
            failed=self._named("failed"),
            skipped=self._named("skipped"),
            blocked=self._named("blocked"),
            cancelled=self._named("cancelled"),
            checks_failed=self._checks_failed(),
            duration=now - self.started,
            still_stale=left_stale(self._named("succeeded"), self.steps, self.context.graph, snapshot),
        )
        self.around.emit(finished)
        self.telling.commit()
        return finished

    def _status(self) -> RunStatus:
        if self.interrupted:
            return "cancelled"
        return "failed" if self._named("failed") or self._checks_failed() else "succeeded"

    def _checks_failed(self) -> tuple[event.FailedCheck, ...]:
        """The checks of severity error that failed, whether they block or not."""
        return tuple(
            event.FailedCheck(name, check.name)
            for name in self.steps
            for check in self.results[name].checks
            if check.is_error
        )

    def _named(self, result: Result) -> tuple[str, ...]:
        return tuple(name for name in self.steps if self.results[name].result == result)


def _pool(name: str) -> str:
    return f"pool {name}"


def _most_at_once(steps: Sequence[Step], graph: AssetGraph) -> int:
    """How many steps may run at once, whatever the number of jobs: each holds files open, and there is a limit."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return _MOST_AT_ONCE
    upstreams = sum(len(graph.upstreams(step.asset)) for step in steps) // max(len(steps), 1)
    return max(min((limit - _OURS) // (_PER_STEP + upstreams), _MOST_AT_ONCE), 1)
