"""A project, whole: the composition root and the public Python API.

Asks and tells the parts that `wiring` joins; decides nothing itself. Knows nothing of the terminal.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from assets_cli import manifest as manifests
from assets_cli import wiring
from assets_cli.graph import select
from assets_cli.model.columns import split
from assets_cli.model.history import Attempt, RunRecord, RunStatus, StepRecord
from assets_cli.model.manifest import Connection
from assets_cli.model.memory import collector_paused
from assets_cli.model.plan import Plan
from assets_cli.model.problem import AssetsError, Problem
from assets_cli.planning import freshness
from assets_cli.planning.growth import is_rebuildable
from assets_cli.planning.plan import Selection
from assets_cli.planning.plan import plan as make_plan
from assets_cli.probing import NOTHING, observable

if TYPE_CHECKING:
    from assets_cli.connections.protocol import Rows
    from assets_cli.graph.selection.resolve import Facts
    from assets_cli.model.answers import (
        AssetStatus,
        Checks,
        ColumnLineage,
        Impact,
        Lineage,
        Retry,
        Sample,
        Shown,
        Sighting,
        Verdict,
        Why,
    )
    from assets_cli.model.event import RunFinished
    from assets_cli.planning.survey import Survey
    from assets_cli.probing.answering import Answer
    from assets_cli.running.alerting import Alerts
    from assets_cli.running.repair import Repair

Listener = wiring.Listener
_SOME = 5


class Project:
    """A project on disk in one environment. Every method raises `AssetsError` for what its user can mend."""

    def __init__(self, parts: wiring.Wiring) -> None:
        self.manifest = parts.manifest
        self.graph = parts.graph
        self._parts = parts

    @classmethod
    def open(
        cls,
        directory: Path | str = ".",
        *,
        environment: str = "default",
        variables: Mapping[str, str] | None = None,
        state: str | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> Self:
        """The project that `directory` lies in, read whole.

        Raises:
            AssetsError: everything that is wrong with the manifest, at once.
        """
        where, given = Path(directory), variables or {}
        declared = wiring.read(where, environment=environment, variables=given, state=state, environ=environ)
        return cls(wiring.Wiring(declared))

    # -- questions -------------------------------------------------------------------------------------------------

    def plan(  # noqa: PLR0913 - a keyword for each flag of the command
        self,
        selection: Sequence[str] = (),
        *,
        upstream: bool = False,
        downstream: bool = False,
        force: bool = False,
        full_refresh: bool = False,
        jobs: int | None = None,
        observe: bool = True,
        ahead: int = 0,
        resting: bool = False,
    ) -> Plan:
        """What is stale or overdue, why, and what `materialize` would run. Writes no state.

        External assets that it depends on are looked at; without `observe` what was observed last stands. What would
        be overdue `ahead` (microseconds) from now and can already be met counts, too.
        """
        with self._parts.looking_once():
            named = self._named(selection, observing=observe)
            chosen = self._select(selection, named, upstream=upstream, downstream=downstream, force=force)
            chosen = self._anew(chosen, named) if full_refresh else chosen
            return self._plan(chosen, jobs, ahead, observing=observe, resting=resting)

    def propose(self, selection: Sequence[str] = (), **flags: Any) -> Plan:
        """The same plan together with what it rests on, to be saved, reviewed and applied later. Writes no state."""
        return self.plan(selection, resting=True, **flags)

    def why(self, asset: str) -> Why:
        """The causes of an asset, each followed down to its roots in the whole-project plan."""
        from assets_cli.planning.survey import why  # as everywhere here: a question pays for its own answer

        name = self._one(asset)
        return why(self._survey([name]), name)

    def lineage(
        self, asset: str, *, upstream: bool = True, downstream: bool = True, depth: int | None = None
    ) -> Lineage:
        """What an asset depends on and what depends on it, with the state of each."""
        from assets_cli.planning.survey import lineage  # as above

        name = self._one(asset)
        above = self.graph.ancestors([name], depth) if upstream else {}
        below = self.graph.descendants([name], depth) if downstream else {}
        return lineage(self._survey([name, *above, *below]), name, above, below)

    def column_lineage(
        self, name: str, *, upstream: bool = True, downstream: bool = True, depth: int | None = None
    ) -> ColumnLineage:
        """What `asset.column`, or every column of an asset, is made from and what is made of it.

        Raises:
            AssetsError: there is no such asset, or no such column (A0405).
        """
        from assets_cli.inference import lineage  # only this question needs it

        asset, column = split(name, self.graph.assets)
        columns = self._parts.columns()
        return lineage.lineage(columns, self._one(asset), column, upstream=upstream, downstream=downstream, depth=depth)

    def list(self, selection: Sequence[str] = ()) -> tuple[AssetStatus, ...]:
        """The selected assets with their verdicts, in topological order."""
        from assets_cli.planning.survey import facts  # as above

        whole = cache(lambda: self._survey(self.graph.assets))
        names = select(selection, self.graph, lambda: facts(whole()))
        seen = whole() if whole.cache_info().currsize else self._survey(names)
        return tuple(seen.statuses(names).values())

    def show(self, asset: str, history: int = 30) -> Shown:
        """All there is to say of an asset, with its newest materializations; also of one that only history knows.

        Raises:
            AssetsError: neither the manifest nor history knows it.
        """
        from assets_cli.planning.survey import remembered, shown  # as above

        environment = self.manifest.environment
        if asset not in self.graph.assets:
            snapshot = self._parts.reader.snapshot(environment, [asset])
            known = remembered(snapshot, asset, self._parts.reader.materialization_history(environment, asset, history))
            if known is not None:
                return known
        name = self._one(asset)
        made = self._parts.reader.materialization_history(environment, name, history)
        declared = [check.name for check in self.graph.assets[name].checks]
        checks = self._parts.reader.check_results(environment, name, declared)
        if made:
            said = self._parts.reader.reported_checks(environment, name, made[0].seq)
            checks += tuple(check for check in said if check.name not in declared)
        around = (name, *self.graph.upstreams(name), *self.graph.downstreams(name))
        return shown(self._survey(around), name, made, checks)

    def sample(self, asset: str, limit: int = 10) -> Sample:
        """The first rows or lines of an asset's output as it is now."""
        from assets_cli.probing.sample import sample  # as above

        declared = self.graph.assets[self._one(asset)]
        return sample(self.manifest, declared, self._parts.environ, self._parts.locks, limit)

    @contextmanager
    def query(self, sql: str, connection: str | None = None) -> Iterator[Rows]:
        """The answer of a query that only reads, of the default connection or another, streamed while this is open.

        Without any connection DuckDB answers it, which can read files of data.

        Raises:
            AssetsError: there is no such connection (A0208), its database is in use (A0613) or refuses (A0612).
        """
        from assets_cli.probing.answering import opened  # as above

        chosen = connection or self.manifest.default_connection
        where = next(iter(self._connections([chosen] if chosen else [])), None)
        try:
            with opened(where, self.manifest.root, self._parts.environ, self._parts.locks) as session:
                yield session.read(sql)
        except AssetsError as error:
            raise AssetsError(*map(self._parts.hide, error.problems)) from None

    def impact(self, name: str) -> Impact:
        """Everything below an asset, with its state and its promises; of `asset.column` what a change of it reaches.

        Raises:
            AssetsError: there is no such asset, or no such column (A0405).
        """
        from assets_cli.planning.survey import impact  # as above

        asset, column = split(name, self.graph.assets)
        asset = self._one(asset)
        whole = impact(self._survey([asset, *self.graph.descendants([asset])]), asset)
        if column is None:
            return whole
        from assets_cli.inference import lineage  # as above

        columns = self._parts.columns()
        reached = lineage.reach(columns, asset, column)
        affected = tuple(one for one in whole.affected if one.status.asset.name in reached)
        return whole._replace(affected=affected, column=lineage.require(columns, asset, column), reached=reached)

    def test_connections(self, names: Sequence[str] = ()) -> tuple[Answer, ...]:
        """Open the named connections, or all, and ask each for one value.

        Raises:
            AssetsError: there is no such connection (A0208).
        """
        from assets_cli.probing.answering import attempt  # as above

        answers = (
            attempt(each, self.manifest.root, self._parts.environ, self._parts.locks, wiring.clock)
            for each in self._connections(dict.fromkeys(names or self.manifest.connections))
        )
        return tuple(one._replace(problem=self._parts.hide(one.problem)) if one.problem else one for one in answers)

    def freshness(self, selection: Sequence[str] = ()) -> tuple[Verdict, ...]:
        """How the selected assets keep their freshness policies, and until when. Looks at external assets alone."""
        from assets_cli.planning.deadlines import verdicts  # as above

        with collector_paused() as made, self._parts.looking_once():
            names = self._named(selection)
            above = {*names, *self.graph.ancestors(names)}
            snapshot, world = self._parts.look(frozenset(name for name in above if self.graph.assets[name].is_external))
            made(len(names))
            return verdicts(freshness.view(self.graph, snapshot, world, wiring.clock()), names, os.cpu_count() or 1)

    def retry(self, run: str = "latest", *, upstream: bool = False, jobs: int | None = None) -> Retry:
        """What a run left undone, planned anew with today's manifest. Writes no state.

        Raises:
            AssetsError: there is no such run (A0507), or it still goes on (A0614).
        """
        from assets_cli.model.answers import Retry  # as above
        from assets_cli.planning.retry import undone  # as above

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
        chosen = self._anew(Selection(frozenset({*left.names, *above}), left.forced, left.names), left.anew)
        return Retry(record, left.gone, self._plan(chosen, jobs))

    def runs(self, limit: int = 20, *, before: str | None = None, asset: str | None = None) -> tuple[RunRecord, ...]:
        """The latest runs of this environment, newest first: those `before` a run, or that had a step for an asset."""
        environment = self.manifest.environment
        known = self._parts.reader.find_run(before, environment).id if before else None
        return self._parts.reader.runs(limit, environment, known, asset)

    def run(self, run: str) -> tuple[RunRecord, tuple[StepRecord, ...], tuple[Attempt, ...]]:
        """One run by its id, a unique beginning or end of it, or `latest`."""
        try:
            record = self._parts.reader.find_run(run, self.manifest.environment)
        except AssetsError as error:
            from assets_cli.running.repair import collected  # only a run that is not there needs it

            deed = self.repair.last_collection()
            raise AssetsError(*(collected(each, run, deed) for each in error.problems)) from None
        return record, self._parts.reader.steps(record.id), self._parts.reader.attempts(record.id)

    def log_files(self, run: str = "latest", asset: str | None = None) -> tuple[tuple[Attempt, Path], ...]:
        """The logs of a run's attempts that are still there. An asset alone means the last run that left one of it."""
        if asset is None and run in self.graph.assets:
            run, asset = self._parts.reader.last_logged(self.manifest.environment, run), run
        record, steps, attempts = self.run(run)
        if asset is not None and asset not in {step.asset for step in steps}:
            hint = f"its steps: {', '.join(step.asset for step in steps[:20])}" if steps else "it had no steps"
            raise AssetsError(Problem("A0605", f"run {record.id} had no step for {asset!r}", hint=hint))
        recorded = [attempt for attempt in attempts if asset in (None, attempt.asset) and attempt.log]
        found = tuple((each, log) for each in recorded if (log := Path(self.manifest.root, each.log or "")).exists())
        if recorded and not found:
            from assets_cli.running.repair import lost_logs  # only who looks for what is gone needs it

            raise AssetsError(lost_logs(record.id, asset, recorded, self.repair.last_collection()))
        return found

    # -- deeds -----------------------------------------------------------------------------------------------------

    def recover(self, listener: Listener) -> None:
        """Settle what runs that died have left, and renames. Costs a query where there is nothing of either."""
        if not self._parts.state.exists():
            return
        from assets_cli.running import recovery  # only deeds need it

        with self._parts.surroundings((listener,), settling=False) as surroundings:
            recovery.recover(self.graph, self.manifest.environment, surroundings)
        self._parts.reread()
        self._parts.settle((listener,))

    @contextmanager
    def applying(self, plan: Plan, *, jobs: int | None = None, observe: bool = True) -> Iterator[Plan]:
        """A plan that was proposed earlier, to be materialized while this is open: nobody else applies it meanwhile.

        Raises:
            AssetsError: it is of another project or environment (A0618), it is being applied (A0619), or something that
                it rests on has moved (A0615).
        """
        from assets_cli.running.applying import ApplyContext, applying  # only deeds need it

        parts = self._parts
        outside = parts.outside if observe else lambda *_: NOTHING
        context = ApplyContext(self.graph, parts.reader, parts.locks, parts.probes, outside, wiring.clock)
        with applying(plan._replace(jobs=jobs or os.cpu_count() or 1), context) as ready:
            parts.files.save()
            hidden = map(parts.hide, ready.warnings) if ready.warnings else ()
            yield ready._replace(warnings=manifests.quote(self.manifest.root, hidden))

    def materialize(
        self, plan: Plan, *, jobs: int | None = None, fail_fast: bool = False, listeners: Sequence[Listener] = ()
    ) -> RunFinished:
        """Carry out a plan. SIGINT and SIGTERM end it: once with the commands given time to end, twice at once."""
        from assets_cli.model.event import RunFinished  # as above

        if not plan.steps:
            self._parts.settle(listeners)
            finished = RunFinished(None, wiring.clock(), "succeeded", (), (), (), (), (), ())
            for listener in listeners:
                listener(finished)
            return finished
        from assets_cli.running import observations  # only deeds need it
        from assets_cli.running import run as running  # as above
        from assets_cli.running.executors.cancellation import Cancellation  # as above
        from assets_cli.running.signals import signals_into  # as above

        cancellation = Cancellation()
        with self._parts.surroundings(tuple(listeners)) as surroundings, signals_into(cancellation):
            record = self._parts.run_record(plan.selection, jobs or plan.jobs, surroundings.clock())
            options = running.Options(record.id, record.jobs, fail_fast)
            with surroundings.locks.hold_run(record.id):
                surroundings.recorder.begin_run(record, [wiring.step_record(step) for step in plan.steps])
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
        with self._parts.surroundings(()) as surroundings:
            return observations.sight(
                self.graph, names, lambda before: self._parts.outside(names, before), surroundings.recorder
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
        with self._parts.surroundings(tuple(listeners)) as surroundings:
            record = self._parts.run_record(selection, 1, surroundings.clock())
            steps = [
                StepRecord(name, "mark", (), forced=True, result=None, unchanged=False, detail=None) for name in names
            ]
            snapshot = surroundings.recorder.snapshot(self.manifest.environment)
            beside = {upstream for name in names for upstream in self.graph.upstreams(name)}
            seen = self._parts.outside(beside, snapshot).observations.values()
            observations.record(seen, surroundings.recorder, self.manifest.environment)
            with surroundings.locks.hold_run(record.id):
                surroundings.recorder.begin_run(record, steps)
                status: RunStatus = "failed"
                try:
                    with wiring.quoted(self.manifest):
                        marking.mark(names, record.id, self.graph, self.manifest.environment, surroundings)
                    status = "succeeded"
                finally:
                    surroundings.recorder.end_run(record.id, status, surroundings.clock())
        return record.id

    def check(self, selection: Sequence[str] = (), listeners: Sequence[Listener] = ()) -> Checks:
        """Evaluate the checks of these assets on what is there now, and record what they find."""
        from assets_cli.model.answers import Checks  # as above
        from assets_cli.running import check_alone  # only deeds need it

        names = [name for name in self.graph.sort(self._named(selection)) if self.graph.assets[name].checks]
        if not names:
            return Checks(None, ())
        with self._parts.surroundings(tuple(listeners)) as surroundings:
            record = self._parts.run_record(selection, 1, surroundings.clock())
            with wiring.quoted(self.manifest):
                return check_alone.check(names, record, self.graph, surroundings)

    # -- what they share -------------------------------------------------------------------------------------------

    @property
    def repair(self) -> Repair:
        """What can be done to the history on purpose, and the record of it."""
        return self._parts.repair

    @property
    def alerts(self) -> Alerts:
        """Who is told what is wrong, and what was told."""
        return self._parts.alerts

    def _connections(self, names: Collection[str]) -> Sequence[Connection]:
        known = self.manifest.connections
        hint = f"known: {', '.join(known)}" if known else "the manifest declares no `connections`"
        if unknown := [name for name in names if name not in known]:
            raise AssetsError(*(Problem("A0208", f"no connection is named {name!r}", hint=hint) for name in unknown))
        return [known[name] for name in names]

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

        def states() -> Mapping[str, Facts]:
            from assets_cli.planning.survey import facts  # as above

            return facts(self._survey(self.graph.assets, observing=observing))

        return select(expressions, self.graph, states)

    def _select(
        self, expressions: Sequence[str], named: frozenset[str], *, upstream: bool, downstream: bool, force: bool
    ) -> Selection:
        above = self.graph.ancestors(named) if upstream else ()
        below = self.graph.descendants(named) if downstream else ()
        return Selection(frozenset((*named, *above, *below)), named if force else frozenset(), tuple(expressions))

    def _anew(self, selection: Selection, named: frozenset[str]) -> Selection:
        """The same, with those of the named tables that grow to be built from nothing."""
        return selection._replace(anew=frozenset(name for name in named if is_rebuildable(self.graph.assets[name])))

    def _plan(
        self,
        selection: Selection,
        jobs: int | None = None,
        ahead: int = 0,
        *,
        observing: bool = True,
        resting: bool = False,
    ) -> Plan:
        with collector_paused(), wiring.quoted(self.manifest):
            snapshot, world = self._parts.look(selection.names, observing=observing)
            jobs = jobs or os.cpu_count() or 1
            plan = make_plan(self.graph, selection, snapshot, world, wiring.clock(), jobs=jobs, ahead=ahead)
        if resting:
            from assets_cli.planning import saved  # only a plan to be saved needs it

            steps, root = [step.asset for step in plan.steps], os.path.realpath(self.manifest.root)
            plan = plan._replace(basis=saved.basis(steps, self.graph, snapshot, world, root, observing=observing))
        return plan._replace(warnings=manifests.quote(self.manifest.root, plan.warnings))

    def _survey(self, names: Collection[str], *, observing: bool = True) -> Survey:
        """These assets and what is above them, as the whole-project plan has them."""
        from assets_cli.planning.survey import scope, survey  # as above

        seen = scope(self.graph, names)
        with collector_paused(), wiring.quoted(self.manifest):
            snapshot, world = self._parts.look_within(seen.graph, seen.names, observing=observing)
            return survey(seen, snapshot, world, wiring.clock())
