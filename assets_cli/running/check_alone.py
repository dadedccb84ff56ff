"""Checks without a run of commands: those of some assets, evaluated on what is there now, put on record.

What was blocked and passes now is unblocked, if its output is still the one on record. Nothing is blocked here: only a
run can tell what may be used. Knows nothing of plans.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from assets_cli.graph.graph import AssetGraph
from assets_cli.model.answers import Checked, Checks
from assets_cli.model.event import StepWaiting
from assets_cli.model.history import CheckResult, Latest, Result, RunRecord, RunStatus, StepRecord
from assets_cli.model.manifest import Asset
from assets_cli.model.problem import Problem
from assets_cli.probing import look_at_output
from assets_cli.running import checking, commands
from assets_cli.running.executors.local import Cancellation
from assets_cli.running.ledger import Ledger
from assets_cli.running.loop import wait_for
from assets_cli.running.signals import signals_into
from assets_cli.running.surroundings import Surroundings
from assets_cli.running.waiting import write_locks
from assets_cli.state.locks import Held


def refusal(asset: Asset, latest: Latest, graph: AssetGraph) -> Problem | None:
    """Why there is nothing that an asset's checks could look at, if so."""
    if asset.is_external or latest.materialization is not None:
        return None
    return Problem(
        "A0620",
        f"asset {asset.name!r} was never materialized, so there is nothing to check",
        place=graph.manifest.locate(asset.name, "checks"),
        hint=f"materialize it, which evaluates its checks too: assets materialize {asset.name}",
        asset=asset.name,
    )


def check(names: Sequence[str], record: RunRecord, graph: AssetGraph, around: Surroundings) -> Checks:
    """Evaluate and record the checks of these assets, in this order, as a run of its own.

    Raises:
        AssetsError: history cannot be written.
    """
    snapshot = around.recorder.snapshot(record.environment)
    problems = {name: refusal(graph.assets[name], snapshot.of(name), graph) for name in names}
    answers = {name: Checked(name, refused=problem) for name, problem in problems.items() if problem is not None}
    left = [name for name in names if name not in answers]
    if not left:
        return Checks(None, tuple(answers.values()))
    ledger = Ledger(around.recorder, graph, snapshot, snapshot.observations, around.clock)
    steps = [StepRecord(name, "check", (), forced=False, result=None, unchanged=False, detail=None) for name in left]
    status: RunStatus = "cancelled"
    with around.locks.hold_run(record.id):
        around.recorder.begin_run(record, steps)
        try:
            for name in left:
                answers[name] = _one(graph.assets[name], record.id, graph, ledger, around)
            failed = any(each.is_error for answer in answers.values() for each in answer.results)
            status = "failed" if failed else "succeeded"
        finally:
            around.recorder.end_run(record.id, status, around.clock())
    return Checks(record.id, tuple(answers[name] for name in names))


def _one(asset: Asset, run: str, graph: AssetGraph, ledger: Ledger, around: Surroundings) -> Checked:
    with _take_locks(asset, run, graph, ledger.snapshot.environment, around) as held:
        ledger.refresh(asset.name)
        answer = _Alone(asset, run, graph, ledger, around).carry_out(held)
    result: Result = "failed" if any(each.is_error for each in answer.results) else "succeeded"
    detail = checking.summary(answer.results) or answer.note
    around.recorder.finish_step(run, asset.name, result, False, detail)  # noqa: FBT003 - as recorded
    return answer


def _take_locks(asset: Asset, run: str, graph: AssetGraph, environment: str, around: Surroundings) -> Held:
    try:
        touched = commands.databases(graph.manifest, asset, around.environ)
    except commands.CannotStartError:
        touched = {}  # every check fails on the same variable, and says so
    held = around.locks.acquire(
        write_locks(environment, asset.name, touched),
        holder=f"run {run}, checking {asset.name}",
        on_wait=lambda holder: around.emit(StepWaiting(asset.name, around.clock(), holder)),
    )
    assert held is not None  # noqa: S101 - for mypy: nobody can cancel the waiting
    return held


class _Alone:
    """The checking of one asset by who holds its locks."""

    def __init__(self, asset: Asset, run: str, graph: AssetGraph, ledger: Ledger, around: Surroundings) -> None:
        self.asset = asset
        self.run = run
        self.graph = graph
        self.ledger = ledger
        self.around = around

    def carry_out(self, held: Held) -> Checked:
        log = Path(self.around.root, self.around.logs, self.run, f"{quote(self.asset.name, safe='')}.checks.log")
        log.parent.mkdir(parents=True, exist_ok=True)
        environment = self.ledger.snapshot.environment
        target = commands.Target(self.run, environment, log, log.with_suffix(".result.json"))
        made = self.ledger.snapshot.of(self.asset.name).materialization
        setting = checking.Setting(
            self.graph.manifest,
            self.asset,
            target,
            held.descriptors,
            self.around,
            Cancellation(),
            checked=made.seq if made else None,
        )
        with signals_into(setting.cancellation):
            results = wait_for(checking.evaluate(self.asset.checks, setting))
        if results is None:
            raise KeyboardInterrupt
        return self._record(results)

    def _record(self, results: tuple[CheckResult, ...]) -> Checked:
        name = self.asset.name
        latest = self.ledger.snapshot.of(name)
        made = latest.materialization
        if made is not None and made.blocked and not checking.blocks(results):
            if self._is_as_recorded(latest):
                return Checked(name, results, unblocked=self.ledger.unblock(name, results, self.run))
            note = f"still blocked: its output is not the one on record; to adopt it: assets state mark {name}"
        elif made is not None and not made.blocked and checking.blocks(results):
            note = "it stays in use below: only a run blocks what it has made"
        else:
            note = ""
        self.ledger.note_checks(name, results, made.seq if made else None)
        return Checked(name, results, note=note)

    def _is_as_recorded(self, latest: Latest) -> bool:
        """Whether what was checked is what the latest materialization left, whole."""
        if latest.materialization is None or latest.attempt is None or latest.attempt.state != "succeeded":
            return False
        known = latest.materialization.fingerprint
        found = look_at_output(self.graph, self.asset, latest, self.around.probes)
        if known is None or found is None:
            return True
        return found.fingerprint is not None and found.fingerprint.digest == known.digest
