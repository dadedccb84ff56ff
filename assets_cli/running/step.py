"""One step, under its locks: look again, decide again, run the command, verify what it left, record.

The states of a step, and the one place of each transition:

    ready ── locks taken ─▶ looked at ── no cause left ─▶ skipped
                               ├─ only blocked by a check ── its checks pass ─▶ succeeded
                               └─ attempt opened ─▶ running ─▶ succeeded | failed | timed out | cancelled
                                        ▲                          │ retries left
                                        └──────────────────────────┘

A command that succeeded is followed by the asset's checks; where a blocking one fails, the step fails, its attempt does
not, and its materialization is on record as blocked.

Knows nothing of other steps or of order. What is stale is `planning`'s decision, asked again here.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

from assets_cli.computes.reported import Reported, merge
from assets_cli.computes.shell import read_result
from assets_cli.computes.temporaries import Places
from assets_cli.connections.protocol import Database
from assets_cli.model import duration, event
from assets_cli.model.columns import Difference, schema_change
from assets_cli.model.history import Attempt, AttemptState, CheckResult, Component, Materialization, Result
from assets_cli.model.manifest import Asset, ShellCommand
from assets_cli.model.plan import Step
from assets_cli.model.problem import Problem
from assets_cli.model.secrets import mask_version
from assets_cli.model.world import SERVER_TABLE, CodeProbe, OutputProbe, World
from assets_cli.planning.attempts import delay_before_next
from assets_cli.planning.staleness import stale_causes
from assets_cli.planning.versions import code_version
from assets_cli.probing import look_at_one
from assets_cli.running import checking, commands, growth, loop, outputs, publishing, reports
from assets_cli.running.executors.local import Invocation, Outcome, tail
from assets_cli.running.waiting import RunContext, take_locks
from assets_cli.state.locks import Held

T = TypeVar("T")


class StepOutcome(NamedTuple):
    """How a step ended. `detail` is a sentence; `duration` is in microseconds; `change` as in `event.StepFinished`."""

    asset: str
    result: Result
    unchanged: bool = False
    detail: str = ""
    duration: int = 0
    log: str | None = None
    tail: tuple[str, ...] = ()
    rows: int | None = None
    checks: tuple[CheckResult, ...] = ()
    change: str = ""


async def perform(step: Step, context: RunContext) -> StepOutcome:
    """Carry out one step and record its attempts and its result.

    Raises:
        AssetsError: history cannot be written.
    """
    asset = context.graph.assets[step.asset]
    around = context.surroundings
    try:
        touched = commands.databases(context.graph.manifest, asset, around.environ)
    except commands.CannotStartError:
        touched = {}  # the attempt fails on the same variable, and says so
    held = await take_locks(asset, touched, context)
    if held is None:
        return record(StepOutcome(step.asset, "cancelled", detail="interrupted while waiting"), context)
    try:
        context.ledger.refresh(step.asset)
        outcome = await _Performance(step, asset, touched, context, held).carry_out()
        # Recorded, but perhaps not committed: who takes the lock now and wants to read has to wait for the commit.
        return record(outcome, context)
    finally:
        held.release()


def record(outcome: StepOutcome, context: RunContext) -> StepOutcome:
    """Put the result of a step on record, and tell it."""
    around = context.surroundings
    around.recorder.finish_step(context.run, outcome.asset, outcome.result, outcome.unchanged, outcome.detail)
    around.emit(
        event.StepFinished(
            outcome.asset,
            around.clock(),
            outcome.result,
            outcome.unchanged,
            outcome.detail,
            outcome.duration,
            outcome.log,
            outcome.tail,
            outcome.rows,
            outcome.checks,
            outcome.change,
        )
    )
    return outcome


class _Performance:
    """The carrying out of one step by who holds its locks."""

    def __init__(
        self, step: Step, asset: Asset, touched: Mapping[str, Database], context: RunContext, held: Held
    ) -> None:
        self.step = step
        self.asset = asset
        self.touched = touched
        self.context = context
        self.held = held
        self.around = context.surroundings
        self.components: Mapping[str, Component] = {}
        self.code_version = ""
        self.problem: Problem | None = None
        self.before: OutputProbe | None = None
        self.started = False
        self.published: Places | None = None
        self.places: Places | None = None

    async def carry_out(self) -> StepOutcome:
        if (made := await self._committed(self.context.ledger.snapshot.of(self.asset.name).attempt)) is not None:
            self.context.ledger.record(made)
            self._warn(f"the rows of run {made.run} had arrived although it failed; it counts as done")
        skipped = await self._look_again()
        if skipped is not None:
            return skipped
        if self.context.cancellation.is_set():
            return StepOutcome(self.asset.name, "cancelled", detail="interrupted")
        number = 0
        while True:
            number += 1
            outcome, state, exit_code = await self._attempt(number)
            delay = self._delay_before_retry(number, state, exit_code)
            if delay is None:
                return outcome
            self.around.emit(event.StepRetrying(self.asset.name, self.around.clock(), number, outcome.detail, delay))
            if await loop.ready({self.context.cancellation.fileno(): select.POLLIN}, delay / duration.SECOND):
                return outcome._replace(result="cancelled", detail=f"interrupted; {outcome.detail}")
            # Somebody may have mended the code meanwhile: what is recorded is what runs.
            _, self.before = await self._look()

    async def _look_again(self) -> StepOutcome | None:
        """The re-check: the causes as they are now, under the lock. None where the step has to run."""
        snapshot = self.context.ledger.snapshot
        latest = snapshot.of(self.asset.name)
        code, self.before = await self._look()
        if self.step.is_forced or code.problem is not None:
            return None
        name = self.asset.name
        world = World({name: code}, {name: self.before} if self.before else {}, snapshot.observations)
        promises = {name: self.step.promise} if self.step.promise else {}
        causes = stale_causes(name, self.context.graph, snapshot, world, promises, self.around.clock())
        if causes:
            return await self._check_again() if all(cause.kind == "check_failed" for cause in causes) else None
        made = latest.materialization
        if made is not None and made.run != self.context.run and made.seq != self.step.record:
            return StepOutcome(name, "skipped", detail=f"done by run {made.run} meanwhile")
        if self.step.is_tentative:
            return StepOutcome(name, "skipped", detail="its upstreams came out unchanged")
        return StepOutcome(name, "skipped", detail="nothing is left to do")

    async def _check_again(self) -> StepOutcome | None:
        """Only checks stood against what is there: it is unblocked if those that block now pass, or none is left.

        None where one of them still fails, so that the command has to run.
        """
        started, name, ledger = self.around.clock(), self.asset.name, self.context.ledger
        blocking = [check for check in self.asset.checks if check.blocking]
        log = self._log("checks")
        results = await checking.evaluate(blocking, self._setting(self._target(log)))
        if results is None:
            return StepOutcome(name, "cancelled", detail="interrupted during its checks")
        latest = ledger.snapshot.of(name)
        made = latest.materialization
        if made is None or checking.blocks(results):
            ledger.note_checks(name, results, made.seq if made else None)
            self._warn(f"{checking.summary(results)}; it is materialized again")
            return None
        ledger.unblock(name, results, self.context.run)
        return StepOutcome(
            name,
            "succeeded",
            unchanged=latest.usable is not None and latest.usable.data_version == made.data_version,
            detail="unblocked: its blocking checks pass" if blocking else "unblocked: no blocking check is left",
            duration=self.around.clock() - started,
            log=self._if_there(log),
            checks=results,
        )

    def _log(self, what: str) -> str:
        return f"{self.around.logs}/{self.context.run}/{quote(self.asset.name, safe='')}.{what}.log"

    def _if_there(self, log: str | None) -> str | None:
        return log if log and Path(self.around.root, log).exists() else None

    def _setting(self, target: commands.Target) -> checking.Setting:
        context = self.context
        descriptors = self.held.descriptors
        return checking.Setting(
            context.graph.manifest, self.asset, target, descriptors, self.around, context.cancellation
        )

    def _target(self, log: str, number: int = 1) -> commands.Target:
        last = self.context.ledger.snapshot.of(self.asset.name).materialization
        environment = self.context.ledger.snapshot.environment
        return commands.Target(
            self.context.run,
            environment,
            f"{self.around.root}/{log}",
            f"{self.around.root}/{log.removesuffix('.log')}.result.json",
            locks=str(self.around.locks.directory),
            held=tuple([os.path.realpath(each.file) for each in self.touched.values() if each.file]),
            number=number,
            code_version=self.code_version,
            last=last,
        )

    async def _look(self) -> tuple[CodeProbe, OutputProbe | None]:
        latest = self.context.ledger.snapshot.of(self.asset.name)
        code, output = await self._while_others_go_on(
            lambda: look_at_one(self.context.graph, self.asset, latest, self.around.probes)
        )
        self.components, self.problem = code.components, code.problem
        self.code_version = code_version(latest.materialization, code.components)
        return code, output

    async def _while_others_go_on(self, work: Callable[[], T]) -> T:
        """Do what takes long where an output is large, or a database has to be opened."""
        if outputs.is_quickly_looked_at(self.context.graph.manifest, self.asset, self.around.environ):
            return work()
        return await loop.in_thread(work)

    def _delay_before_retry(self, number: int, state: AttemptState, exit_code: int | None) -> int | None:
        if self.context.cancellation.is_set() or not self.started:
            return None  # an unset variable does not come by waiting
        return delay_before_next(self.asset.retries, number, state, exit_code, self.around.chance())

    async def _attempt(self, number: int) -> tuple[StepOutcome, AttemptState, int | None]:
        name, log = self.asset.name, self._log(str(number))
        newest = self.context.ledger.snapshot.of(name).attempt
        try:  # rows are not added where those of the attempt before may be
            made = await self._committed(newest, must_know=True)
        except growth.UnknownError as error:
            self.started = True  # it may be known in a while
            return StepOutcome(name, "failed", detail=self.around.hide(str(error))), "failed", None
        if made is not None and newest is not None:
            return await self._arrived(made, self._target(log, number), newest.reason), "succeeded", None
        started = self.around.clock()
        seq = self.around.recorder.open_attempt(self.context.run, name, number, started, log)
        attempt = Attempt(seq, self.context.run, name, number, "open", started, log=log)
        self.context.ledger.note_attempt(attempt)
        usual = self.step.estimated
        self.around.emit(event.StepStarted(name, started, number, self.step.causes, log, usual))
        target = self._target(log, number)
        if self.problem is not None:
            return await self._failed(attempt, "failed", self.problem.message, None)
        try:
            call = self._call(target, attempt)
        except (commands.CannotStartError, outputs.OutputError) as error:
            return await self._failed(attempt, "failed", str(error), None)
        stats = outputs.database_stats(self.touched, self.around)
        self.started = True
        await loop.rest()  # the attempt is on record before its command starts
        outcome = await self.around.executor.run(
            call,
            on_start=self.held.name_group,
            on_prepared=lambda document: self._prepare(attempt, document),
            cancelled=self.context.cancellation,
        )
        self._warn_about(outcome)
        heard = await reports.listen(self.asset, target, self.around)
        if outcome.state != "succeeded":
            outputs.forget_databases(self.touched, stats, self.around)
            _remove(target.result)
            reason = heard.exception if outcome.state == "failed" else None
            if (made := await self._committed(attempt)) is not None:
                return await self._arrived(made, target, outcome.reason), "succeeded", outcome.exit_code
            return await self._failed(attempt, outcome.state, reason or outcome.reason or "failed", outcome.exit_code)
        return await self._take_in(attempt, target, outcome, heard, stats)

    def _call(self, target: commands.Target, attempt: Attempt) -> Invocation:
        """The process to start, with room for what it writes.

        Raises:
            CannotStartError: as `commands.invocation`, or rows would be added to others that they do not belong to.
            OutputError: its output could not be put where it is declared.
        """
        manifest, environ = self.context.graph.manifest, self.around.environ
        self.published = publishing.places_for(manifest, self.asset, target.run, environ)
        self.places = self.published or publishing.places_beside(manifest, self.asset, target.run, environ)
        if self.published is not None:
            target = target._replace(output=self.published.new)
        made = self.context.ledger.snapshot.of(self.asset.name).materialization
        asked = growth.growth(self.asset, self.step, attempt, made, (self.components, self.before))
        target = target._replace(growth=asked)
        call = commands.invocation(manifest, self.asset, target, environ, self.held.descriptors, self.around.secrets)
        commands.databases(manifest, self.asset, environ)
        outputs.make_room(manifest, self.asset, environ)
        return call

    async def _take_in(
        self,
        attempt: Attempt,
        target: commands.Target,
        outcome: Outcome,
        heard: reports.Heard,
        stats: outputs.Stats,
    ) -> tuple[StepOutcome, AttemptState, int | None]:
        """The command has ended well: publish what it left, or look at what it published, check it, record it."""
        try:
            reported = merge((heard.reported, self._reported(outcome, target.result)))
            left = None if self.published is None else await self._publish(self.published, attempt, reported)
            left = await self._while_others_go_on(lambda: self._inspect(outcome, stats, left))
        except outputs.OutputError as error:
            return await self._failed(attempt, "failed", str(error), outcome.exit_code)
        results = await checking.evaluate(self.asset.checks, self._setting(target))
        if results is None:
            return await self._failed(attempt, "cancelled", "interrupted during its checks", outcome.exit_code)
        results += heard.checks
        if heard.exception is not None:
            self._warn(f"the script reported {heard.exception}, but the command exited with 0")
        made = self._materialization(attempt, left, reported)._replace(blocked=checking.blocks(results))
        return self._succeeded(made, results, left, attempt.log), "succeeded", outcome.exit_code

    async def _publish(self, places: Places, attempt: Attempt, reported: Reported) -> outputs.Left:
        """Put what the command left at its temporary path in the place of its output."""
        manifest, asset, around = self.context.graph.manifest, self.asset, self.around
        left = await loop.in_thread(lambda: publishing.left_at(places, asset, around))
        await self._note_prepared(attempt, left, reported)
        warning = await loop.in_thread(lambda: publishing.publish(places, manifest, asset, attempt.run, around.environ))
        if warning is not None:
            self._warn(warning)
        return left

    def _inspect(self, outcome: Outcome, stats: outputs.Stats, published: outputs.Left | None) -> outputs.Left:
        manifest = self.context.graph.manifest
        connection = manifest.connection_of(self.asset)
        has_table = self.asset.output is not None and self.asset.output.table is not None
        name = connection.name if connection and has_table else None
        outputs.forget_databases(self.touched, stats, self.around, but=name)
        done = outcome.result or {}
        if name is None:
            database = self.touched.get(connection.name) if connection else None
            if published is not None:
                return published._replace(queried=outputs.query_version(self.asset, database))
            return outputs.inspect(self.context.graph, self.asset, done, self.before, database, self.around)
        return outputs.inspect_table(self.asset, self.touched[name], done, stats.get(name), self.around)

    def _reported(self, outcome: Outcome, result: commands.StrPath) -> Reported:
        if not isinstance(self.asset.command, ShellCommand):
            return outcome.reported
        if not os.path.lexists(result):
            return Reported()
        try:
            return read_result(result)
        except ValueError as error:
            raise outputs.OutputError(str(error)) from None
        finally:
            _remove(result)

    async def _failed(
        self, attempt: Attempt, state: AttemptState, reason: str, exit_code: int | None
    ) -> tuple[StepOutcome, AttemptState, int | None]:
        await self._tidy()
        finished = self.around.clock()
        reason = self.around.hide(reason)
        self.around.recorder.end_attempt(attempt.seq, state, finished, exit_code, reason)
        self.context.ledger.note_attempt(attempt._replace(state=state, finished=finished, reason=reason))
        result: Result = "cancelled" if state == "cancelled" else "failed"
        # What could not even start has no log.
        log = self._if_there(attempt.log)
        lines = tail(Path(self.around.root, log)) if log else ()
        took = finished - attempt.started
        outcome = StepOutcome(attempt.asset, result, detail=reason, duration=took, log=log, tail=lines)
        return outcome, state, exit_code

    async def _tidy(self) -> None:
        """Remove what a failed attempt left beside its output, before it is on record as ended."""
        places = self.places
        if self.started and places is not None:
            warning = await loop.in_thread(lambda: publishing.tidy(places))
            if warning is not None:
                self._warn(warning)

    def _succeeded(
        self, made: Materialization, checks: tuple[CheckResult, ...], left: outputs.Left, log: str | None
    ) -> StepOutcome:
        """Record that the command succeeded; the step has failed all the same where a blocking check did."""
        self.context.ledger.record(made, checks)
        if left.untouched:
            where = self.asset.output.path if self.asset.output else ""
            self._warn(f"the command left {where} untouched")
        took = made.finished - made.started
        result: Result = "failed" if made.blocked else "succeeded"
        unchanged = made.unchanged and not made.blocked
        difference = Difference.of_document(made.metadata.get("schema_change"))
        change = f"schema changed: {difference.sentence()}" if difference else ""
        said = "; ".join(filter(None, (change, checking.summary(checks))))
        return StepOutcome(made.asset, result, unchanged, said, took, log, (), left.rows, checks, change)

    async def _committed(self, attempt: Attempt | None, *, must_know: bool = False) -> Materialization | None:
        """What an attempt that ended badly had committed, as its end, or what cut us off from it, came after that."""
        if attempt is None or attempt.state == "succeeded" or not growth.grows(self.asset):
            return None
        manifest, environ, recorder = self.context.graph.manifest, self.around.environ, self.around.recorder
        try:
            return await loop.in_thread(lambda: growth.committed(manifest, self.asset, attempt, recorder, environ))
        except growth.UnknownError:
            if must_know:
                raise
            return None

    async def _arrived(self, made: Materialization, target: commands.Target, reason: str | None) -> StepOutcome:
        """Record what was committed before its command ended badly: adding it again would have it there twice."""
        results = await checking.evaluate(self.asset.checks, self._setting(target))
        if results is not None:  # after an interrupt nobody has looked: it stays blocked where it was to be looked at
            made = made._replace(blocked=checking.blocks(results))
        checks = results or ()
        self.context.ledger.record(made, checks)
        said = "; ".join(filter(None, (f"its rows had arrived before its end: {reason}", checking.summary(checks))))
        result: Result = "failed" if made.blocked else "succeeded"
        took, log = made.finished - made.started, self._if_there(self._log(str(target.number)))
        return StepOutcome(made.asset, result, detail=said, duration=took, log=log, checks=checks)

    async def _prepare(self, attempt: Attempt, document: Mapping[str, Any]) -> None:
        """Put on record what is about to be published, so that a death in between can be told from one before."""
        if self.asset.output is not None and self.asset.output.materialization == "view":
            return  # nothing could tell it from the view that was there before; making it again costs nothing
        left = outputs.prepared(document)
        if left.fingerprint is not None and left.fingerprint.digest == SERVER_TABLE and not growth.grows(self.asset):
            return  # nor a server's table; making it again changes nothing
        reported = Reported(**document["reported"]) if document.get("reported") else Reported()
        await self._note_prepared(attempt, left, reported)

    async def _note_prepared(self, attempt: Attempt, left: outputs.Left, reported: Reported) -> None:
        if self.asset.data_version_sql is not None and not growth.grows(self.asset):
            return  # its answer is known only after publishing, so there is nothing whole to record
        made = self._materialization(attempt, left, reported)
        # If we die before its checks were evaluated, it is on record as blocked until they were.
        unchecked = any(check.blocking for check in self.asset.checks)
        self.around.recorder.prepare(attempt.seq, made._replace(blocked=unchecked))
        await loop.rest()

    def _materialization(self, attempt: Attempt, left: outputs.Left, reported: Reported) -> Materialization:
        ledger = self.context.ledger
        name = self.asset.name
        latest = ledger.snapshot.of(name).materialization
        inputs = {upstream: ledger.input_of(upstream) for upstream in self.asset.upstreams}
        version = self.code_version
        reported = reported._replace(data_version=mask_version(reported.data_version, self.around.secrets))
        unique, before = growth.attempt_id(attempt), latest.data_version if latest else None
        data_version = outputs.data_version(self.asset, left, reported, version, inputs, unique, before)
        metadata = dict(left.metadata)
        metadata.update(self.around.hide(reported.facts(is_root=not self.asset.upstreams)))
        if change := schema_change(latest.metadata if latest else None, metadata):
            metadata["schema_change"] = change.document()
        return Materialization(
            seq=0,
            asset=name,
            run=attempt.run,
            attempt=attempt.seq,
            started=attempt.started,
            finished=self.around.clock(),
            code_version=version,
            components=self.components,
            data_version=data_version,
            fingerprint=left.fingerprint,
            data_time=reported.data_time,
            inputs=inputs,
            unchanged=latest is not None and latest.data_version == data_version,
            metadata=metadata,
        )

    def _warn_about(self, outcome: Outcome) -> None:
        if outcome.escaped:
            self._warn("a process that the command started left its process group and still runs; assets cannot end it")
        if outcome.lost:
            self._warn(f"a part of what the command printed is not in its log: {outcome.lost}")

    def _warn(self, message: str) -> None:
        self.around.emit(event.Warned(self.asset.name, self.around.clock(), message))


def _remove(result: commands.StrPath) -> None:
    """Remove what a command reported, which nothing has masked."""
    try:  # noqa: SIM105 - contextlib.suppress costs as much as the call
        os.unlink(result)  # noqa: PTH108 - as above
    except OSError:
        pass
