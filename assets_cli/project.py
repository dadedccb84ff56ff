"""A project, whole: the composition root and the public Python API.

Wires manifest, graph, state, probing, planning and running together; decides nothing itself. Knows nothing of the
terminal.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from assets_cli import manifest as manifests
from assets_cli import vocabulary
from assets_cli.graph import AssetGraph, select
from assets_cli.manifest import dotenv
from assets_cli.model.answers import (
    AssetStatus,
    Checks,
    Impact,
    Lineage,
    Retry,
    Rows,
    Sample,
    Shown,
    Sighting,
    Verdict,
    Why,
)
from assets_cli.model.event import RunEvent, RunFinished
from assets_cli.model.history import Attempt, RunRecord, RunStatus, StateSnapshot, StepRecord
from assets_cli.model.manifest import Manifest
from assets_cli.model.plan import Plan, Step
from assets_cli.model.problem import AssetsError, Problem
from assets_cli.model.world import World
from assets_cli.planning import freshness
from assets_cli.planning.plan import Selection
from assets_cli.planning.plan import plan as make_plan
from assets_cli.planning.retry import undone
from assets_cli.planning.survey import Survey, facts, impact, remembered, shown, survey
from assets_cli.probing import (
    NOTHING,
    Observed,
    ObserveSurroundings,
    ProbeSurroundings,
    look,
    observable,
    observe,
)
from assets_cli.probing.answering import opened
from assets_cli.probing.files import FileDigests
from assets_cli.probing.sample import sample
from assets_cli.state.locks import LockService, folder_for
from assets_cli.state.renamed import open_renamed
from assets_cli.state.run_ids import new_run_id
from assets_cli.state.store import StateReader, open_reader

if TYPE_CHECKING:
    from assets_cli.running.repair import Repair
    from assets_cli.running.shell_probe import ShellProbes
    from assets_cli.running.surroundings import Surroundings

Listener = Callable[[RunEvent], None]
_SOME = 5


def _clock() -> int:
    return time.time_ns() // 1_000


class Project:
    """A project on disk in one environment. Every method raises `AssetsError` for what its user can mend."""

    def __init__(self, manifest: Manifest, graph: AssetGraph, *, environ: Mapping[str, str]) -> None:
        self.manifest = manifest
        self.graph = graph
        self._environ = dict(environ)  # os.environ decodes every variable anew whenever it is asked
        self._folder = Path(manifest.root, ".assets")
        self._sighted: Observed | None = None
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
        began = time.time_ns()
        loaded = manifests.load(manifests.find(directory), environment=environment, variables=variables or {})
        manifest = loaded.manifest
        file = dotenv.read(manifest.root) if manifest else dotenv.Variables({})
        problems = [*(problem for problem in loaded.problems if problem.severity == "error"), *file.problems]
        if manifest is None:
            raise AssetsError(*problems)
        chosen = state or environ.get("ASSETS_STATE")
        if chosen:
            # What is typed is relative to where it is typed; what the manifest says, to the manifest.
            manifest = manifest._replace(state=str(Path(chosen).absolute()))
        elif chosen := file.values.get("ASSETS_STATE"):
            manifest = manifest._replace(state=str(Path(manifest.root, chosen)))
        try:
            graph = AssetGraph(manifest)
        except AssetsError as error:
            raise AssetsError(*problems, *manifests.quote(manifest.root, error.problems)) from None
        if problems:
            raise AssetsError(*problems)
        vocabulary.keep(manifest, began)
        return cls(manifest, graph, environ=file.under(environ))

    # -- questions -------------------------------------------------------------------------------------------------

    def plan(
        self,
        selection: Sequence[str] = (),
        *,
        upstream: bool = False,
        downstream: bool = False,
        force: bool = False,
        jobs: int | None = None,
        observe: bool = True,
    ) -> Plan:
        """What is stale or overdue, why, and what `materialize` would run. Writes no state.

        External assets that it depends on are looked at; without `observe` what was observed last stands.
        """
        with self._looking_once():
            named = self._named(selection, observing=observe)
            chosen = self._select(selection, named, upstream=upstream, downstream=downstream, force=force)
            return self._plan(chosen, jobs, observing=observe)

    def propose(
        self,
        selection: Sequence[str] = (),
        *,
        upstream: bool = False,
        downstream: bool = False,
        force: bool = False,
        observe: bool = True,
    ) -> Plan:
        """The same plan together with what it rests on, to be saved, reviewed and applied later. Writes no state."""
        with self._looking_once():
            named = self._named(selection, observing=observe)
            chosen = self._select(selection, named, upstream=upstream, downstream=downstream, force=force)
            return self._plan(chosen, observing=observe, resting=True)

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
        whole = cache(self._survey)
        names = select(selection, self.graph, lambda: facts(whole()))
        return tuple(status for name, status in whole().statuses.items() if name in names)

    def show(self, asset: str, history: int = 30) -> Shown:
        """All there is to say of an asset, with its newest materializations; also of one that only history knows.

        Raises:
            AssetsError: neither the manifest nor history knows it.
        """
        environment = self.manifest.environment
        if asset not in self.graph.assets:
            snapshot = self._reader.snapshot(environment, [asset])
            known = remembered(snapshot, asset, self._reader.materialization_history(environment, asset, history))
            if known is not None:
                return known
        name = self._one(asset)
        made = self._reader.materialization_history(environment, name, history)
        declared = [check.name for check in self.graph.assets[name].checks]
        checks = self._reader.check_results(environment, name, declared)
        if made:
            said = self._reader.reported_checks(environment, name, made[0].seq)
            checks += tuple(check for check in said if check.name not in declared)
        return shown(self._survey(), name, made, checks)

    def sample(self, asset: str, limit: int = 10) -> Sample:
        """The first rows or lines of an asset's output as it is now."""
        declared = self.graph.assets[self._one(asset)]
        return sample(self.manifest, declared, self._environ, self._locks, limit)

    @contextmanager
    def query(self, sql: str, connection: str | None = None) -> Iterator[Rows]:
        """The answer of a query that only reads, of the default connection or another, streamed while this is open.

        Without any connection DuckDB answers it, which can read files of data.

        Raises:
            AssetsError: there is no such connection (A0208), its database is in use (A0613) or refuses (A0612).
        """
        known = self.manifest.connections
        chosen = connection or self.manifest.default_connection
        if chosen is not None and chosen not in known:
            raise AssetsError(Problem("A0208", f"no connection is named {chosen!r}", hint=f"known: {', '.join(known)}"))
        try:
            where = known[chosen] if chosen else None
            with opened(where, self.manifest.root, self._environ, self._locks) as session:
                yield session.read(sql)
        except AssetsError as error:
            raise AssetsError(*map(self._hide, error.problems)) from None

    def impact(self, asset: str) -> Impact:
        """Everything below an asset, with its state and its promises."""
        return impact(self._survey(), self._one(asset))

    def freshness(self, selection: Sequence[str] = ()) -> tuple[Verdict, ...]:
        """How the selected assets that have a freshness policy keep it, in topological order.

        Looks at the external assets above them and at nothing else.
        """
        with self._looking_once():
            names = self._named(selection)
            above = {*names, *self.graph.ancestors(names)}
            snapshot, world = self._look(frozenset(name for name in above if self.graph.assets[name].is_external))
        return freshness.verdicts(freshness.view(self.graph, snapshot, world, _clock()), names)

    def retry(self, run: str = "latest", *, upstream: bool = False, jobs: int | None = None) -> Retry:
        """What a run left undone, planned anew with today's manifest. Writes no state.

        Raises:
            AssetsError: there is no such run (A0507), or it still goes on (A0614).
        """
        if run == "latest" and not self.runs(1):
            return Retry(None, (), None)
        record, steps, _ = self.run(run)
        if record.status == "running":
            hint = "wait for its end, or end it with Ctrl-C where it runs"
            raise AssetsError(Problem("A0614", f"run {record.id} still goes on", hint=hint))
        left = undone(steps, self.graph.assets)
        if not left.names:
            return Retry(record, left.gone, None)
        above = self.graph.ancestors(left.names) if upstream else ()
        chosen = Selection(frozenset({*left.names, *above}), left.forced, left.names)
        return Retry(record, left.gone, self._plan(chosen, jobs))

    def runs(self, limit: int = 20, *, before: str | None = None, asset: str | None = None) -> tuple[RunRecord, ...]:
        """The latest runs of this environment, newest first: those `before` a run, or that had a step for an asset."""
        environment = self.manifest.environment
        known = self._reader.find_run(before, environment).id if before else None
        return self._reader.runs(limit, environment, known, asset)

    def run(self, run: str) -> tuple[RunRecord, tuple[StepRecord, ...], tuple[Attempt, ...]]:
        """One run by its id, a unique beginning or end of it, or `latest`."""
        try:
            record = self._reader.find_run(run, self.manifest.environment)
        except AssetsError as error:
            from assets_cli.running.repair import collected  # only a run that is not there needs it

            deed = self.repair.last_collection()
            raise AssetsError(*(collected(each, run, deed) for each in error.problems)) from None
        return record, self._reader.steps(record.id), self._reader.attempts(record.id)

    def log_files(self, run: str, asset: str | None = None) -> tuple[tuple[Attempt, Path], ...]:
        """The logs of a run's attempts that are still there."""
        record, steps, attempts = self.run(run)
        if asset is not None and asset not in {step.asset for step in steps}:
            hint = f"its steps: {', '.join(step.asset for step in steps[:20])}" if steps else "it had no steps"
            raise AssetsError(Problem("A0605", f"run {record.id} had no step for {asset!r}", hint=hint))
        recorded = [attempt for attempt in attempts if asset in (None, attempt.asset) and attempt.log]
        paths = [Path(self.manifest.root, attempt.log or "") for attempt in recorded]
        found = tuple((attempt, path) for attempt, path in zip(recorded, paths, strict=True) if path.exists())
        if recorded and not found:
            from assets_cli.running.repair import lost_logs  # only who looks for what is gone needs it

            raise AssetsError(lost_logs(record.id, asset, recorded, self.repair.last_collection()))
        return found

    # -- deeds -----------------------------------------------------------------------------------------------------

    def recover(self, listener: Listener) -> None:
        """Settle what runs that died have left, and renames. Costs a query where there is nothing of either."""
        if not self._state.exists():
            return
        from assets_cli.running import recovery  # only deeds need it

        with self._surroundings((listener,), settling=False) as surroundings:
            recovery.recover(self.graph, self.manifest.environment, surroundings)
        self.__dict__.pop("_reader", None)
        self._settle((listener,))

    @contextmanager
    def applying(self, plan: Plan, *, jobs: int | None = None, observe: bool = True) -> Iterator[Plan]:
        """A plan that was proposed earlier, to be materialized while this is open: nobody else applies it meanwhile.

        Raises:
            AssetsError: it is of another project or environment (A0618), it is being applied (A0619), or something that
                it rests on has moved (A0615).
        """
        from assets_cli.running.applying import Ground, applying  # only deeds need it

        outside = self._outside if observe else lambda *_: NOTHING
        ground = Ground(self.graph, self._reader, self._locks, self._probes, outside, _clock)
        with applying(plan._replace(jobs=jobs or os.cpu_count() or 1), ground) as ready:
            self._files.save()
            hidden = map(self._hide, ready.warnings) if ready.warnings else ()
            yield ready._replace(warnings=manifests.quote(self.manifest.root, hidden))

    def materialize(
        self, plan: Plan, *, jobs: int | None = None, fail_fast: bool = False, listeners: Sequence[Listener] = ()
    ) -> RunFinished:
        """Carry out a plan. SIGINT and SIGTERM end it: once with the commands given time to end, twice at once."""
        if not plan.steps:
            self._settle(listeners)
            finished = RunFinished(None, _clock(), "succeeded", (), (), (), (), (), ())
            for listener in listeners:
                listener(finished)
            return finished
        from assets_cli.running import observations  # only deeds need it
        from assets_cli.running import run as running  # as above
        from assets_cli.running.executors.cancellation import Cancellation  # as above
        from assets_cli.running.signals import signals_into  # as above

        cancellation = Cancellation()
        with self._surroundings(tuple(listeners)) as surroundings, signals_into(cancellation):
            started = surroundings.clock()
            run_id = new_run_id(started)
            options = running.Options(run_id, jobs or plan.jobs, fail_fast)
            with surroundings.locks.hold_run(run_id):
                surroundings.recorder.begin_run(
                    self._run_record(run_id, plan.selection, options.jobs, started),
                    [_step_record(step) for step in plan.steps],
                )
                snapshot = observations.record(plan.observations, surroundings.recorder, self.manifest.environment)
                return running.run(plan, self.graph, snapshot, options, surroundings, cancellation)

    def observe(self, selection: Sequence[str] = ()) -> tuple[Sighting, ...]:
        """Look at the selected external assets and put on record what they hold; in topological order.

        Raises:
            AssetsError: the selection names no external asset that says how it is observed (A0607).
        """
        from assets_cli.running import observations  # only deeds need it

        names = self.graph.sort(self._named(selection))
        if selection:
            observations.require_observable(self.graph, names)
        if not observable(self.graph, names):
            return ()
        with self._surroundings(()) as surroundings:
            return observations.sight(
                self.graph, names, lambda before: self._outside(names, before), surroundings.recorder
            )

    def mark(self, selection: Sequence[str], listeners: Sequence[Listener] = ()) -> str:
        """Put on record that these assets are up to date as they stand, without running anything; the id of the run.

        External assets among them are left out: they are observed, not made.
        """
        from assets_cli.running import marking, observations  # only deeds need it

        names = [name for name in self.graph.sort(self._named(selection)) if not self.graph.assets[name].is_external]
        if not names:
            hint = "assets observe puts on record what external assets hold"
            raise AssetsError(Problem("A0606", "only external assets are selected: nothing to mark", hint=hint))
        with self._surroundings(tuple(listeners)) as surroundings:
            started = surroundings.clock()
            run_id = new_run_id(started)
            record = self._run_record(run_id, tuple(selection), 1, started)
            steps = [
                StepRecord(name, "mark", (), forced=True, result=None, unchanged=False, detail=None) for name in names
            ]
            snapshot = surroundings.recorder.snapshot(self.manifest.environment)
            beside = {upstream for name in names for upstream in self.graph.upstreams(name)}
            seen = self._outside(beside, snapshot).observations.values()
            observations.record(seen, surroundings.recorder, self.manifest.environment)
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

    def check(self, selection: Sequence[str] = (), listeners: Sequence[Listener] = ()) -> Checks:
        """Evaluate the checks of these assets on what is there now, and record what they find."""
        from assets_cli.running import check_alone  # only deeds need it

        names = [name for name in self.graph.sort(self._named(selection)) if self.graph.assets[name].checks]
        if not names:
            return Checks(None, ())
        with self._surroundings(tuple(listeners)) as surroundings:
            started = surroundings.clock()
            record = self._run_record(new_run_id(started), tuple(selection), 1, started)
            with _quoted(self.manifest):
                return check_alone.check(names, record, self.graph, surroundings)

    # -- the wiring ------------------------------------------------------------------------------------------------

    @cached_property
    def repair(self) -> Repair:
        """What can be done to the history on purpose, and the record of it."""
        from assets_cli.running.repair import Repair  # only what repairs, or lists repairs, needs it

        return Repair(self.manifest, self._state, self._locks, _clock)

    @cached_property
    def _reader(self) -> StateReader:
        if self._renames:
            return open_renamed(self._state, self.manifest.environment, self._renames)
        return open_reader(self._state)

    @cached_property
    def _renames(self) -> Mapping[str, tuple[str, ...]]:
        """The names that assets had before, by the name that they have now."""
        return {name: asset.moved_from for name, asset in self.graph.assets.items() if asset.moved_from}

    def _settle(self, listeners: Sequence[Listener]) -> None:
        """Write the renames that the manifest declares, before anything else is recorded."""
        if not self._renames or not self._state.exists():
            return

        def tell(event: RunEvent) -> None:
            for listener in listeners:
                listener(event)

        self.repair.settle(self._renames, tell)
        self.__dict__.pop("_reader", None)

    @cached_property
    def _locks(self) -> LockService:
        return LockService(folder_for(self._state))

    @cached_property
    def _files(self) -> FileDigests:
        return FileDigests(self.manifest.root, time.time_ns)

    @cached_property
    def _probes(self) -> ProbeSurroundings:
        return ProbeSurroundings(self._environ, self._files, self._locks, time.time_ns, {})

    @contextmanager
    def _surroundings(self, listeners: tuple[Listener, ...], *, settling: bool = True) -> Iterator[Surroundings]:
        from assets_cli.model.secrets import mask
        from assets_cli.running.executors.local import LocalExecutor
        from assets_cli.running.surroundings import Surroundings, steady
        from assets_cli.state.record import open_recorder

        if settling:
            self._settle(listeners)
        recorder = open_recorder(self._state, hide=lambda value: mask(value, self._secrets))
        executor = LocalExecutor()
        try:
            yield Surroundings(
                root=self.manifest.root,
                recorder=recorder,
                locks=self._locks,
                probes=self._probes,
                executor=executor,
                listeners=listeners,
                clock=steady(_clock),
                environ=self._environ,
                secrets=self._secrets,
            )
        finally:
            executor.close()
            recorder.close()
            self._files.save()

    @cached_property
    def _secrets(self) -> tuple[str, ...]:
        from assets_cli.probing.secrets import secrets_of  # only what runs, or has a warning to show, needs it

        return secrets_of(self.manifest, self._environ, self._files)

    def _hide(self, problem: Problem) -> Problem:
        from assets_cli.model.secrets import mask  # as above

        hint = mask(problem.hint, self._secrets)
        return problem._replace(message=mask(problem.message, self._secrets), hint=hint)

    def _outside(self, names: Collection[str], snapshot: StateSnapshot) -> Observed:
        """What external assets hold now; nothing of it is on record yet."""
        wanted = observable(self.graph, names)
        if not wanted:
            return NOTHING
        known = NOTHING if self._sighted is None else self._sighted
        assets = [each for each in wanted if each.name not in {*known.observations, *known.failures}]

        def shell() -> ShellProbes:
            from assets_cli.running.shell_probe import ShellProbes  # only commands need it

            return ShellProbes(self.manifest, self._environ, self._secrets)

        around = ObserveSurroundings(self._environ, self._files, shell, _clock, self._secrets)
        seen, failures = observe(self.graph, assets, snapshot, around)
        hidden = {name: self._hide(problem) for name, problem in failures.items()}
        known = Observed({**known.observations, **seen}, {**known.failures, **hidden})
        if self._sighted is not None:
            self._sighted = known
        return known.of(each.name for each in wanted)

    @contextmanager
    def _looking_once(self) -> Iterator[None]:
        """Each external asset is looked at once at most, however often it is asked for inside."""
        self._sighted = NOTHING
        try:
            yield
        finally:
            self._sighted = None

    def _one(self, asset: str) -> str:
        if asset in self.graph.assets:
            return asset
        names = sorted(self._named([asset]))
        if len(names) != 1:
            message = f"{asset!r} names {len(names) or 'no'} assets, one is asked for"
            some = f"it names {', '.join(names[:_SOME])}{' …' if len(names) > _SOME else ''}" if names else None
            raise AssetsError(Problem("A0403", message, hint=some))
        return names[0]

    def _named(self, expressions: Sequence[str], *, observing: bool = True) -> frozenset[str]:
        """The assets that selections name. The whole project is looked at only where one has an `is:`."""
        return select(expressions, self.graph, lambda: facts(self._survey(observing=observing)))

    def _select(
        self, expressions: Sequence[str], named: frozenset[str], *, upstream: bool, downstream: bool, force: bool
    ) -> Selection:
        names = set(named)
        if upstream:
            names |= self.graph.ancestors(named).keys()
        if downstream:
            names |= self.graph.descendants(named).keys()
        return Selection(frozenset(names), named if force else frozenset(), tuple(expressions))

    def _look(self, names: frozenset[str], *, observing: bool = True) -> tuple[StateSnapshot, World]:
        snapshot = self._reader.snapshot(self.manifest.environment)
        beside = {upstream for name in names for upstream in self.graph.upstreams(name)}
        observed = self._outside(names | beside, snapshot) if observing else NOTHING
        world = look(self.graph, names | beside, snapshot, self._probes, observed)
        if world.warnings:
            world = world._replace(warnings=tuple(map(self._hide, world.warnings)))
        self._files.save()
        return snapshot, world

    def _plan(
        self, selection: Selection, jobs: int | None = None, *, observing: bool = True, resting: bool = False
    ) -> Plan:
        snapshot, world = self._look(selection.names, observing=observing)
        with _quoted(self.manifest):
            plan = make_plan(self.graph, selection, snapshot, world, _clock(), jobs=jobs or os.cpu_count() or 1)
        if resting:
            from assets_cli.planning import saved  # only a plan to be saved needs it

            steps, root = [step.asset for step in plan.steps], os.path.realpath(self.manifest.root)
            plan = plan._replace(basis=saved.basis(steps, self.graph, snapshot, world, root, observing=observing))
        return plan._replace(warnings=manifests.quote(self.manifest.root, plan.warnings))

    def _survey(self, *, observing: bool = True) -> Survey:
        snapshot, world = self._look(frozenset(self.graph.assets), observing=observing)
        with _quoted(self.manifest):
            return survey(self.graph, snapshot, world, _clock())

    def _statuses(self) -> Iterable[AssetStatus]:
        return self._survey().statuses.values()

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


@contextmanager
def _quoted(manifest: Manifest) -> Iterator[None]:
    """What is raised inside names places in the manifest; show their lines, too."""
    try:
        yield
    except AssetsError as error:
        raise AssetsError(*manifests.quote(manifest.root, error.problems)) from error


def _step_record(step: Step) -> StepRecord:
    causes = tuple(cause._asdict() for cause in step.causes)
    return StepRecord(step.asset, step.kind, causes, step.is_forced, None, unchanged=False, detail=None)
