"""A project, whole: the composition root and the public Python API.

Wires manifest, graph, state, probing, planning and running together; decides nothing itself. Knows nothing of the
terminal.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

from assets_cli import manifest as manifests
from assets_cli.graph import AssetGraph, select
from assets_cli.model.answers import AssetStatus, Lineage, Status, Why
from assets_cli.model.event import RunEvent, RunFinished
from assets_cli.model.history import Attempt, RunRecord, RunStatus, StateSnapshot, StepRecord
from assets_cli.model.manifest import Manifest
from assets_cli.model.plan import Plan, Step
from assets_cli.model.problem import AssetsError, Problem
from assets_cli.model.world import World
from assets_cli.planning import freshness
from assets_cli.planning.plan import Selection
from assets_cli.planning.plan import plan as make_plan
from assets_cli.probing import ProbeSurroundings, findings, look
from assets_cli.probing.files import FileDigests
from assets_cli.state.locks import LockService, folder_for
from assets_cli.state.run_ids import new_run_id
from assets_cli.state.store import StateReader, open_reader

if TYPE_CHECKING:
    from assets_cli.running import run as running
    from assets_cli.running.surroundings import Surroundings

Listener = Callable[[RunEvent], None]


def _clock() -> int:
    return time.time_ns() // 1_000


class Validation(NamedTuple):
    """Everything that is wrong or doubtful, and how much was looked at."""

    problems: tuple[Problem, ...]
    assets: int
    files: int


class Project:
    """A project on disk in one environment. Every method raises `AssetsError` for what its user can mend."""

    def __init__(self, manifest: Manifest, graph: AssetGraph, *, environ: Mapping[str, str]) -> None:
        self.manifest = manifest
        self.graph = graph
        self._environ = environ
        self._folder = Path(manifest.root, ".assets")
        self._state = Path(manifest.root, manifest.state)

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        environment: str = "default",
        variables: Mapping[str, str] | None = None,
        state: str | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> Project:
        """The project that `directory` lies in, read whole.

        Raises:
            AssetsError: everything that is wrong with the manifest, at once.
        """
        loaded = manifests.load(manifests.find(directory), environment=environment, variables=variables or {})
        problems = [problem for problem in loaded.problems if problem.severity == "error"]
        manifest = loaded.manifest
        if manifest is None:
            raise AssetsError(*problems)
        chosen = state or environ.get("ASSETS_STATE")
        if chosen:
            # What is typed is relative to where it is typed; what the manifest says, to the manifest.
            manifest = manifest._replace(state=str(Path(chosen).absolute()))
        try:
            graph = AssetGraph(manifest)
        except AssetsError as error:
            raise AssetsError(*problems, *manifests.quote(manifest.root, error.problems)) from None
        if problems:
            raise AssetsError(*problems)
        return cls(manifest, graph, environ=environ)

    # -- questions -------------------------------------------------------------------------------------------------

    def plan(
        self,
        selection: Sequence[str] = (),
        *,
        upstream: bool = False,
        downstream: bool = False,
        force: bool = False,
        jobs: int | None = None,
    ) -> Plan:
        """What is stale or overdue, why, and what `materialize` would run. Writes no state."""
        return self._plan(self._select(selection, upstream=upstream, downstream=downstream, force=force), jobs)

    def why(self, asset: str) -> Why:
        """The causes of an asset, each followed down to its roots in the whole-project plan."""
        name = self._one(asset)
        statuses = {status.asset.name: status for status in self._statuses()}
        known: dict[str, Why] = {}
        for each in self.graph.sort([*self.graph.ancestors([name]), name]):
            status = statuses[each]
            behind = dict.fromkeys(cause.upstream for cause in status.causes if cause.upstream)
            known[each] = Why(status, tuple(known[up] for up in behind if up is not None and up in known))
        return known[name]

    def lineage(
        self, asset: str, *, upstream: bool = True, downstream: bool = True, depth: int | None = None
    ) -> Lineage:
        """What an asset depends on and what depends on it, with the state of each."""
        name = self._one(asset)
        above = self.graph.ancestors([name], depth) if upstream else {}
        below = self.graph.descendants([name], depth) if downstream else {}
        names = {name, *above, *below}
        nodes = tuple(status for status in self._statuses() if status.asset.name in names)
        edges = tuple((up, each) for each in self.graph.sort(names) for up in self.graph.upstreams(each) if up in names)
        return Lineage(name, nodes, edges, above, below)

    def list(self, selection: Sequence[str] = ()) -> tuple[AssetStatus, ...]:
        """The selected assets with their verdicts, in topological order."""
        names = select(selection, self.graph)
        return tuple(status for status in self._statuses() if status.asset.name in names)

    def runs(self, limit: int = 20) -> tuple[RunRecord, ...]:
        """The latest runs of this environment, newest first."""
        return self._reader.runs(limit, self.manifest.environment)

    def run(self, run: str) -> tuple[RunRecord, tuple[StepRecord, ...], tuple[Attempt, ...]]:
        """One run by its id, a unique beginning or end of it, or `latest`."""
        record = self._reader.find_run(run, self.manifest.environment)
        return record, self._reader.steps(record.id), self._reader.attempts(record.id)

    def log_files(self, run: str, asset: str | None = None) -> tuple[tuple[Attempt, Path], ...]:
        """The logs of a run's attempts that are still there."""
        record, steps, attempts = self.run(run)
        if asset is not None and asset not in {step.asset for step in steps}:
            hint = f"its steps: {', '.join(step.asset for step in steps[:20])}" if steps else "it had no steps"
            raise AssetsError(Problem("A0605", f"run {record.id} had no step for {asset!r}", hint=hint))
        return tuple(
            (attempt, path)
            for attempt in attempts
            if asset in (None, attempt.asset)
            and attempt.log
            and (path := Path(self.manifest.root, attempt.log)).exists()
        )

    # -- deeds -----------------------------------------------------------------------------------------------------

    def recover(self, listener: Listener) -> None:
        """Settle what runs that died have left. Costs one query where none did."""
        if not self._state.exists():
            return
        from assets_cli.running import recovery  # only deeds need it

        with self._surroundings((listener,)) as surroundings:
            recovery.recover(self.graph, self.manifest.environment, surroundings)
        self.__dict__.pop("_reader", None)

    def materialize(
        self, plan: Plan, *, jobs: int | None = None, fail_fast: bool = False, listeners: Sequence[Listener] = ()
    ) -> RunFinished:
        """Carry out a plan. SIGINT and SIGTERM end it: once with the commands given time to end, twice at once."""
        if not plan.steps:
            finished = RunFinished(None, _clock(), "succeeded", (), (), (), (), (), ())
            for listener in listeners:
                listener(finished)
            return finished
        from assets_cli.running import run as running  # only deeds need it

        inbox: SimpleQueue[running.Message] = SimpleQueue()
        with self._surroundings(tuple(listeners)) as surroundings, _signals_into(inbox):
            started = surroundings.clock()
            run_id = new_run_id(started)
            options = running.Options(run_id, jobs or plan.jobs, fail_fast)
            with surroundings.locks.hold_run(run_id):
                surroundings.recorder.begin_run(
                    self._run_record(run_id, plan.selection, options.jobs, started),
                    [_step_record(step) for step in plan.steps],
                )
                snapshot = surroundings.recorder.snapshot(self.manifest.environment)
                return running.run(plan, self.graph, snapshot, options, surroundings, inbox)

    def mark(self, selection: Sequence[str], listeners: Sequence[Listener] = ()) -> str:
        """Put on record that these assets are up to date as they stand, without running anything; the id of the run.

        External assets among them are left out: they are observed, not made.
        """
        from assets_cli.running import marking  # only deeds need it

        names = [
            name for name in self.graph.sort(select(selection, self.graph)) if not self.graph.assets[name].is_external
        ]
        with self._surroundings(tuple(listeners)) as surroundings:
            started = surroundings.clock()
            run_id = new_run_id(started)
            record = self._run_record(run_id, tuple(selection), 1, started)
            steps = [
                StepRecord(name, "mark", (), forced=True, result=None, unchanged=False, detail=None) for name in names
            ]
            with surroundings.locks.hold_run(run_id):
                surroundings.recorder.begin_run(record, steps)
                status: RunStatus = "failed"
                try:
                    with _quoted(self.manifest):
                        marking.mark(names, run_id, self.graph, self.manifest.environment, surroundings)
                    status = "succeeded"
                finally:
                    surroundings.recorder.end_run(run_id, status, surroundings.clock())
        return run_id

    # -- the wiring ------------------------------------------------------------------------------------------------

    @cached_property
    def _reader(self) -> StateReader:
        return open_reader(self._state)

    @cached_property
    def _locks(self) -> LockService:
        return LockService(folder_for(self._state))

    @cached_property
    def _files(self) -> FileDigests:
        return FileDigests(self.manifest.root, time.time_ns)

    @cached_property
    def _probes(self) -> ProbeSurroundings:
        return ProbeSurroundings(self._environ, self._files, self._locks, time.time_ns)

    @contextmanager
    def _surroundings(self, listeners: tuple[Listener, ...]) -> Iterator[Surroundings]:
        from assets_cli.running.executors.local import LocalExecutor
        from assets_cli.running.surroundings import Surroundings
        from assets_cli.state.record import open_recorder

        recorder = open_recorder(self._state)
        try:
            yield Surroundings(
                root=self.manifest.root,
                recorder=recorder,
                locks=self._locks,
                probes=self._probes,
                executor=LocalExecutor(),
                listeners=listeners,
                clock=_clock,
                environ=self._environ,
            )
        finally:
            recorder.close()
            self._files.save()

    def _one(self, asset: str) -> str:
        if asset in self.graph.assets:
            return asset
        (name, *more) = sorted(select([asset], self.graph))
        if more:
            raise AssetsError(Problem("A0403", f"{asset!r} names {len(more) + 1} assets, one is asked for"))
        return name

    def _select(self, expressions: Sequence[str], *, upstream: bool, downstream: bool, force: bool) -> Selection:
        named = select(expressions, self.graph)
        names = set(named)
        if upstream:
            names |= self.graph.ancestors(named).keys()
        if downstream:
            names |= self.graph.descendants(named).keys()
        return Selection(frozenset(names), named if force else frozenset(), tuple(expressions))

    def _look(self, names: frozenset[str]) -> tuple[StateSnapshot, World]:
        snapshot = self._reader.snapshot(self.manifest.environment)
        beside = {upstream for name in names for upstream in self.graph.upstreams(name)}
        world = look(self.graph, names | beside, snapshot, self._probes)
        self._files.save()
        return snapshot, world

    def _plan(self, selection: Selection, jobs: int | None = None) -> Plan:
        snapshot, world = self._look(selection.names)
        with _quoted(self.manifest):
            return make_plan(self.graph, selection, snapshot, world, _clock(), jobs=jobs or os.cpu_count() or 1)

    def _statuses(self) -> Iterator[AssetStatus]:
        snapshot, world = self._look(frozenset(self.graph.assets))
        now = _clock()
        with _quoted(self.manifest):
            plan = make_plan(self.graph, Selection(frozenset(self.graph.assets)), snapshot, world, now)
        steps = {step.asset: step for step in plan.steps}
        late = {broken.asset for broken in plan.overdue}
        times = freshness.view(self.graph, snapshot, world, now).times
        for name in self.graph.order:
            asset = self.graph.assets[name]
            made = snapshot.of(name).materialization
            step = steps.get(name)
            causes = step.causes if step else ()
            rows = made.metadata.get("rows") if made else None
            yield AssetStatus(
                asset=asset,
                status=_status(
                    external=asset.is_external, recorded=made is not None, stale=bool(step and not step.is_tentative)
                ),
                overdue=name in late or any(cause.kind == "overdue" for cause in causes),
                tentative=bool(step and step.is_tentative),
                causes=causes,
                materialized=made.finished if made else None,
                run=made.run if made else None,
                data_time=times[name],
                rows=rows if isinstance(rows, int) else None,
            )

    def _run_record(self, run_id: str, selection: tuple[str, ...], jobs: int, started: int) -> RunRecord:
        return RunRecord(
            id=run_id,
            environment=self.manifest.environment,
            status="running",
            started=started,
            finished=None,
            jobs=jobs,
            selection=selection,
            host=socket.gethostname(),
            pid=os.getpid(),
            counts={},
        )


def validate(
    directory: Path,
    *,
    environment: str = "default",
    variables: Mapping[str, str] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Validation:
    """Everything that can be wrong without running anything, all at once.

    Raises:
        AssetsError: there is no manifest to validate.
    """
    loaded = manifests.load(manifests.find(directory), environment=environment, variables=variables or {})
    found = list(loaded.problems)
    manifest = loaded.manifest
    if manifest is None:
        return Validation(tuple(found), 0, 0)
    try:
        graph = AssetGraph(manifest)
        found += findings(graph, environ, FileDigests(manifest.root, time.time_ns))
        found += _never_refreshed(graph)
    except AssetsError as error:
        found += error.problems  # what is wrong with a graph that is none cannot be asked for
    return Validation(manifests.quote(manifest.root, found), len(manifest.assets), len(manifest.files))


@contextmanager
def _quoted(manifest: Manifest) -> Iterator[None]:
    """What is raised inside names places in the manifest; show their lines, too."""
    try:
        yield
    except AssetsError as error:
        raise AssetsError(*manifests.quote(manifest.root, error.problems)) from error


def _never_refreshed(graph: AssetGraph) -> list[Problem]:
    return [
        Problem(
            "A0210",
            f"asset {name!r}: nothing will refresh it: no freshness policy on it or below",
            severity="warning",
            place=graph.manifest.locate(name, "name"),
            hint="give it, or an asset below it, freshness: {max_lag: 24h}",
            asset=name,
        )
        for name in freshness.never_refreshed(graph)
    ]


def _status(*, external: bool, recorded: bool, stale: bool) -> Status:
    if external:
        return "external"
    if not recorded:
        return "missing"
    return "stale" if stale else "up_to_date"


def _step_record(step: Step) -> StepRecord:
    causes = tuple(cause._asdict() for cause in step.causes)
    return StepRecord(step.asset, step.kind, causes, step.is_forced, None, unchanged=False, detail=None)


@contextmanager
def _signals_into(inbox: SimpleQueue[running.Message]) -> Iterator[None]:
    """Turn SIGINT and SIGTERM into messages while a run lasts. Only the main thread can; elsewhere nothing changes."""
    from assets_cli.running.run import Interrupt  # only deeds need it

    def on_signal(number: int, _frame: object) -> None:
        inbox.put(Interrupt(signal.Signals(number).name))

    before = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, on_signal)
    except ValueError:
        before = {}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
