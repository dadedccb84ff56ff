"""The run: ready steps start in order of the longest remaining path, each in a job slot; what happened is recorded.

One thread for each job slot carries steps out (`step.perform`); this loop alone decides which step is next, which are
blocked and when it is over. Knows nothing of commands, files or databases.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from typing import NamedTuple

from assets_cli.graph.graph import AssetGraph
from assets_cli.model import event
from assets_cli.model.history import Result, RunStatus, StateSnapshot
from assets_cli.model.plan import Plan, Step
from assets_cli.planning import schedule
from assets_cli.planning.staleness import left_stale
from assets_cli.running import commands
from assets_cli.running.executors.local import Cancellation
from assets_cli.running.ledger import Ledger
from assets_cli.running.step import RunContext, StepOutcome, perform
from assets_cli.running.surroundings import Surroundings


class Interrupt(NamedTuple):
    """The user or the system asks the run to end."""

    signal: str


class _Failure(NamedTuple):
    """A thread met an error that stops the run, such as a history that cannot be written."""

    asset: str
    error: BaseException


Message = StepOutcome | Interrupt | _Failure


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
    inbox: SimpleQueue[Message],
) -> event.RunFinished:
    """Carry out a plan whose run is on record already; `inbox` also takes an `Interrupt` from a signal handler.

    Raises:
        AssetsError: history cannot be written; what runs is ended first.
    """
    ledger = Ledger(surroundings.recorder, graph, snapshot, snapshot.observations, surroundings.clock)
    context = RunContext(options.run, graph, ledger, surroundings, Cancellation())
    return _Run(plan, context, options, inbox).carry_out()


class _Run:
    def __init__(self, plan: Plan, context: RunContext, options: Options, inbox: SimpleQueue[Message]) -> None:
        self.steps: Mapping[str, Step] = {step.asset: step for step in plan.steps}
        self.context = context
        self.options = options
        self.inbox = inbox
        self.around = context.surroundings
        self.started = self.around.clock()
        self.results: dict[str, StepOutcome] = {}
        self.waiting = {name: len(step.after) for name, step in self.steps.items()}
        self.readers: dict[str, list[str]] = {name: [] for name in self.steps}
        for step in plan.steps:
            for upstream in step.after:
                self.readers[upstream].append(step.asset)
        self.remaining = schedule.remaining(self.steps)
        self.order = {step.asset: index for index, step in enumerate(plan.steps)}
        self.ready: list[tuple[int, int, str]] = []
        self.files_of = {name: self._files(name) for name in self.steps}
        self.busy_files: set[str] = set()
        self.running: set[str] = set()
        self.stopping = False
        self.interrupted = False
        self.error: BaseException | None = None

    def carry_out(self) -> event.RunFinished:
        """Run until nothing runs and nothing more may start."""
        slots = _Slots(min(self.options.jobs, len(self.steps)), self._work)
        self.around.emit(event.RunStarted(self.options.run, self.started, tuple(self.steps), self.options.jobs))
        for name, count in self.waiting.items():
            if not count:
                self._make_ready(name)
        try:
            while True:
                self._dispatch(slots)
                if not self.running:
                    break
                self._take(self.inbox.get())
        finally:
            slots.close()
        if self.error is not None:
            raise self.error
        return self._finish()

    def _files(self, name: str) -> frozenset[str]:
        """The file databases that a step needs alone: two steps of this run on one file do not fill two slots."""
        asset = self.context.graph.assets[name]
        try:
            touched = commands.databases(self.context.graph.manifest, asset, self.around.environ)
        except commands.CannotStartError:
            return frozenset()
        return frozenset(str(database.file) for database in touched.values() if database.file)

    def _make_ready(self, name: str) -> None:
        heapq.heappush(self.ready, (-self.remaining[name], self.order[name], name))

    def _dispatch(self, slots: _Slots) -> None:
        """Start ready steps while there are slots; one whose database file is in use here stays ready."""
        held_back = []
        while self.ready and not self.stopping and len(self.running) < slots.count:
            entry = heapq.heappop(self.ready)
            files = self.files_of[entry[2]]
            if files & self.busy_files:
                held_back.append(entry)
                continue
            self.busy_files |= files
            self.running.add(entry[2])
            slots.start(entry[2])
        for entry in held_back:
            heapq.heappush(self.ready, entry)

    def _work(self, name: str) -> None:
        """In a slot's thread: carry out one step; its result is on record before the slot takes the next one."""
        try:
            outcome = perform(self.steps[name], self.context)
            self._record(outcome)
            self.inbox.put(outcome)
        except BaseException as error:  # noqa: BLE001 - it is raised again by the loop, in the main thread
            self.inbox.put(_Failure(name, error))

    def _record(self, outcome: StepOutcome) -> None:
        self.around.recorder.finish_step(
            self.options.run, outcome.asset, outcome.result, outcome.unchanged, outcome.detail
        )
        self.around.emit(
            event.StepFinished(
                outcome.asset,
                self.around.clock(),
                outcome.result,
                outcome.unchanged,
                outcome.detail,
                outcome.duration,
                outcome.log,
                outcome.tail,
                outcome.rows,
                outcome.checks,
            )
        )

    def _take(self, message: Message) -> None:
        if isinstance(message, Interrupt):
            self._interrupt()
        elif isinstance(message, _Failure):
            self.error = self.error or message.error
            self.stopping = True
            self.context.cancellation.cancel()
            self.running.discard(message.asset)
        else:
            self._settle(message)

    def _interrupt(self) -> None:
        """The first lets what runs come to an end, and says so; the next one ends it."""
        if self.interrupted:
            self.context.cancellation.hurry()
            return
        self.context.cancellation.cancel()
        self.stopping = self.interrupted = True
        if self.running:
            waits = "interrupted: what runs is given a few seconds to end; interrupt again to end it at once"
            self.around.emit(event.Warned(None, self.around.clock(), waits))

    def _settle(self, outcome: StepOutcome) -> None:
        """A step has ended: free what it held, let its readers start or block them."""
        name = outcome.asset
        self.running.discard(name)
        self.busy_files -= self.files_of[name]
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
                self.results[reader] = StepOutcome(reader, "blocked", detail=f"its upstream {name} failed")
                self._record(self.results[reader])
                reached += self.readers[reader]

    def _finish(self) -> event.RunFinished:
        reason = "interrupted" if self.interrupted else "not started: --fail-fast"
        for name in self.steps:
            if name not in self.results:
                self.results[name] = StepOutcome(name, "cancelled", detail=reason)
                self._record(self.results[name])
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


class _Slots:
    """Job slots: threads that carry out one step after another, started when first needed."""

    def __init__(self, count: int, work: Callable[[str], None]) -> None:
        self.count = count
        self._work = work
        self._next: SimpleQueue[str | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def start(self, name: str) -> None:
        """Hand a step to a free slot."""
        if len(self._threads) < self.count:
            thread = threading.Thread(target=self._serve, name=f"slot-{len(self._threads) + 1}", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._next.put(name)

    def close(self) -> None:
        """End the threads when they have carried out what they hold."""
        for _ in self._threads:
            self._next.put(None)
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        while (name := self._next.get()) is not None:
            self._work(name)
