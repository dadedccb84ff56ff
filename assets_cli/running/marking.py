"""Adopt what exists: put on record that an asset is up to date as it stands, without running its command.

For outputs that were made elsewhere, or mended by hand. Knows nothing of plans.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from assets_cli.computes.reported import Reported
from assets_cli.connections.protocol import Database
from assets_cli.graph.graph import AssetGraph
from assets_cli.model.event import StepFinished
from assets_cli.model.history import Latest, Materialization
from assets_cli.model.manifest import Asset
from assets_cli.model.problem import AssetsError, Problem
from assets_cli.planning.versions import code_version
from assets_cli.probing import look_ahead, look_at_one, look_at_output
from assets_cli.running import commands, outputs
from assets_cli.running.ledger import Ledger
from assets_cli.running.surroundings import Surroundings
from assets_cli.running.waiting import write_locks


def mark(names: Sequence[str], run: str, graph: AssetGraph, environment: str, around: Surroundings) -> None:
    """Record these assets, in topological order, as materialized with what is at their outputs now.

    Raises:
        AssetsError: an output is not there or cannot be looked at (A0606); what was marked before it stays marked.
    """
    snapshot = around.recorder.snapshot(environment)
    ledger = Ledger(around.recorder, graph, snapshot, snapshot.observations, around.clock)
    look_ahead(graph, names, around.probes)
    for name in names:
        asset = graph.assets[name]
        try:
            touched = commands.databases(graph.manifest, asset, around.environ)
        except commands.CannotStartError as error:
            raise AssetsError(_cannot(asset, graph, str(error))) from None
        held = around.locks.acquire(write_locks(environment, name, touched), holder=f"run {run}, marking {name}")
        if held is None:
            continue
        with held:
            ledger.refresh(name)
            try:
                _adopt(asset, run, graph, ledger, touched, around)
            except outputs.OutputError as error:
                raise AssetsError(_cannot(asset, graph, str(error))) from None
        around.recorder.finish_step(run, name, "succeeded", False, "marked")  # noqa: FBT003 - as recorded
        around.emit(StepFinished(name, around.clock(), "succeeded", unchanged=False, detail="marked", duration=0))


def _cannot(asset: Asset, graph: AssetGraph, reason: str) -> Problem:
    return Problem(
        "A0606",
        f"asset {asset.name!r} cannot be marked: {reason}",
        place=graph.manifest.locate(asset.name, "output"),
        hint=f"materialize it: assets materialize {asset.name}",
        asset=asset.name,
    )


def _adopt(
    asset: Asset,
    run: str,
    graph: AssetGraph,
    ledger: Ledger,
    touched: Mapping[str, Database],
    around: Surroundings,
) -> None:
    latest = ledger.snapshot.of(asset.name)
    code, _ = look_at_one(graph, asset, latest, around.probes)
    output = look_at_output(graph, asset, Latest(), around.probes)
    problem = code.problem
    if problem is None and output is not None and (output.state != "present" or output.fingerprint is None):
        where = (asset.output and (asset.output.path or asset.output.table)) or asset.name
        reason = output.detail or "it is not there"
        problem = _cannot(asset, graph, f"{where}: {reason}")
    if problem is not None:
        raise AssetsError(problem)
    connection = graph.manifest.connection_of(asset)
    queried = outputs.query_version(asset, touched.get(connection.name) if connection else None)
    now = around.clock()
    seq = around.recorder.open_attempt(run, asset.name, 1, now, None)
    made = latest.materialization
    version = code_version(made, code.components)
    inputs = {upstream: ledger.input_of(upstream) for upstream in asset.upstreams}
    left = outputs.Left(output.fingerprint if output else None, queried=queried)
    data_version = outputs.data_version(asset, left, Reported(), version, inputs, f"{run}/{seq}")
    ledger.record(
        Materialization(
            seq=0,
            asset=asset.name,
            run=run,
            attempt=seq,
            started=now,
            finished=around.clock(),
            code_version=version,
            components=code.components,
            data_version=data_version,
            fingerprint=left.fingerprint,
            data_time=None,
            inputs=inputs,
            unchanged=made is not None and made.data_version == data_version,
            metadata={"marked": True},
        ),
        timed=False,
    )
