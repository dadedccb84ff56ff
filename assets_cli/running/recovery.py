"""Clean up after runs that died: end what they left running, keep what they had published, mark the rest crashed.

A run is dead when nobody holds its lock. Its commands inherited their asset's lock, so a lock that is still held names
a command that still lives. Knows nothing of plans.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from assets_cli.graph.graph import AssetGraph
from assets_cli.model.event import Warned
from assets_cli.model.history import Attempt, Latest, Materialization
from assets_cli.probing import look_at_one
from assets_cli.running.ledger import Ledger
from assets_cli.running.surroundings import Surroundings
from assets_cli.state.locks import LockRequest, asset_key


def recover(graph: AssetGraph, environment: str, surroundings: Surroundings) -> None:
    """Settle every open attempt of dead runs of an environment, then mark those runs crashed.

    Raises:
        AssetsError: history cannot be written.
    """
    for dead in surroundings.recorder.dead_runs(environment):
        for opened in dead.attempts:
            _settle(opened.attempt, opened.prepared, dead.run.id, graph, environment, surroundings)
        surroundings.recorder.crash_run(dead.run.id, surroundings.clock())
        surroundings.emit(Warned(None, surroundings.clock(), f"run {dead.run.id} had died; it is now on record as crashed"))


def _settle(
    attempt: Attempt,
    prepared: Materialization | None,
    run: str,
    graph: AssetGraph,
    environment: str,
    surroundings: Surroundings,
) -> None:
    """Under the asset's lock: promote an output that was published, or mark the attempt crashed."""

    def end_command(holder: str) -> None:
        """The lock is held although the run is dead: by the command that inherited it."""
        if attempt.process_group and run in holder:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(attempt.process_group, signal.SIGKILL)
        surroundings.emit(Warned(attempt.asset, surroundings.clock(), f"waiting for {holder} to end"))

    key = asset_key(environment, attempt.asset)
    held = surroundings.locks.acquire(
        [LockRequest(key, exclusive=True)], holder="recovery of a dead run", on_wait=end_command, cancelled=lambda: False
    )
    if held is None:
        return
    try:
        with surroundings.recorder.transaction():
            if not surroundings.recorder.is_open(attempt.seq):
                return  # another process settled it meanwhile
        if prepared is not None and _is_published(prepared, graph, surroundings):
            snapshot = surroundings.recorder.snapshot(environment)
            ledger = Ledger(surroundings.recorder, graph, snapshot, snapshot.observations, surroundings.clock)
            ledger.record(prepared._replace(attempt=attempt.seq))
            surroundings.emit(
                Warned(attempt.asset, surroundings.clock(), f"run {run} had published it before it died; it counts as done")
            )
            return
        reason = "its run died"
        surroundings.recorder.end_attempt(attempt.seq, "crashed", surroundings.clock(), None, reason)
    finally:
        held.release()


def _is_published(prepared: Materialization, graph: AssetGraph, surroundings: Surroundings) -> bool:
    """Whether the output is what was about to be published when the run died."""
    asset = graph.assets.get(prepared.asset)
    if asset is None or prepared.fingerprint is None:
        return False
    _, output = look_at_one(graph, asset, Latest(), surroundings.probes)
    return output is not None and output.fingerprint is not None and output.fingerprint.digest == prepared.fingerprint.digest
