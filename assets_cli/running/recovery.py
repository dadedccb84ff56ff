"""Clean up after runs that died: end what they left running, keep what they had published, mark the rest crashed.

A run is dead when nobody holds its lock. Its commands inherited their asset's lock, so a lock that is still held names
a command that still lives. Knows nothing of plans.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

from assets_cli.connections.protocol import Database
from assets_cli.graph.graph import AssetGraph
from assets_cli.model.event import Warned
from assets_cli.model.history import Attempt, Latest, Materialization
from assets_cli.probing import look_at_output
from assets_cli.running import commands, growth, publishing, reports
from assets_cli.running.ledger import Ledger
from assets_cli.running.surroundings import Surroundings
from assets_cli.running.waiting import write_locks
from assets_cli.state.locks import asset_key


def recover(graph: AssetGraph, environment: str, surroundings: Surroundings) -> None:
    """Settle every open attempt of dead runs of an environment, then mark those runs crashed.

    Raises:
        AssetsError: history cannot be written.
    """
    for dead in surroundings.recorder.dead_runs(environment):
        for attempt, prepared in dead.attempts:
            _settle(attempt, prepared, graph, environment, surroundings)
        _remove_reports(dead.run.id, surroundings)
        now = surroundings.clock()
        surroundings.recorder.crash_attempts([dead.run.id], now)
        surroundings.emit(Warned(None, now, f"run {dead.run.id} had died; it is on record as crashed now"))


def _settle(
    attempt: Attempt, prepared: Materialization | None, graph: AssetGraph, environment: str, surroundings: Surroundings
) -> None:
    """Under the asset's lock, so when its command is gone: keep an output that was published before the run died."""
    key = asset_key(environment, attempt.asset)

    def end_command(holder: str) -> None:
        """The lock is held although the run is dead: by the command, which inherited it."""
        group = surroundings.locks.group_of(key) if attempt.run in holder else None
        if group is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)
        surroundings.emit(Warned(attempt.asset, surroundings.clock(), f"waiting for the end of {holder}"))

    touched: dict[str, Database] = {}
    if prepared is not None and prepared.asset in graph.assets:
        try:
            touched = commands.databases(graph.manifest, graph.assets[prepared.asset], surroundings.environ)
        except commands.CannotStartError:
            prepared = None  # it cannot be looked at, so it is made again
    requests = write_locks(environment, attempt.asset, touched)
    held = surroundings.locks.acquire(requests, holder=f"recovery of run {attempt.run}", on_wait=end_command)
    if held is None:
        return
    with held:
        _tidy(attempt, graph, surroundings)
        if prepared is None or not _is_published(prepared, attempt, graph, surroundings):
            return
        snapshot = surroundings.recorder.snapshot(environment)
        ledger = Ledger(surroundings.recorder, graph, snapshot, snapshot.observations, surroundings.clock)
        if ledger.record(prepared._replace(attempt=attempt.seq), recovered=True) is not None:
            message = f"run {attempt.run} had published it before it died; it counts as done"
            surroundings.emit(Warned(attempt.asset, surroundings.clock(), message))


def _tidy(attempt: Attempt, graph: AssetGraph, surroundings: Surroundings) -> None:
    """Whatever lies beside its output: an old one that was moved aside belongs there, if no new one took its place."""
    asset = graph.assets.get(attempt.asset)
    with suppress(commands.CannotStartError):  # nobody can know then where that would be
        places = asset and publishing.places_beside(graph.manifest, asset, attempt.run, surroundings.environ)
        warning = publishing.tidy(places) if places else None
        if warning is not None:
            surroundings.emit(Warned(attempt.asset, surroundings.clock(), warning))


def _remove_reports(run: str, surroundings: Surroundings) -> None:
    """Remove what its commands reported and nobody read: nothing has masked it. What they logged is kept."""
    folder = Path(surroundings.root, surroundings.logs, run)
    reports.rescue(folder, surroundings.secrets)
    for report in folder.glob("*.result.json"):
        with suppress(OSError):
            report.unlink()


def _is_published(prepared: Materialization, attempt: Attempt, graph: AssetGraph, surroundings: Surroundings) -> bool:
    """Whether the output is what was about to be published when the run died."""
    if prepared.asset not in graph.assets or prepared.fingerprint is None:
        return False
    asset = graph.assets[prepared.asset]
    if growth.grows(asset):
        try:
            return growth.has_arrived(graph.manifest, asset, attempt, surroundings.environ)
        except growth.UnknownError:
            return False  # the next step of the asset asks again before it adds any
    output = look_at_output(graph, graph.assets[prepared.asset], Latest(), surroundings.probes)
    found = output.fingerprint if output else None
    return found is not None and found.digest == prepared.fingerprint.digest
