"""What a step waits for before it begins: the locks of what it writes and reads, and a slot of its pool.

Knows nothing of what is done under them.
"""

from __future__ import annotations

import select
from collections.abc import Mapping
from contextlib import closing
from typing import Literal, NamedTuple

from assets_cli.connections.protocol import Database
from assets_cli.graph.graph import AssetGraph
from assets_cli.model import event
from assets_cli.model.manifest import Asset
from assets_cli.running import loop
from assets_cli.running.executors.local import Cancellation
from assets_cli.running.ledger import Ledger
from assets_cli.running.surroundings import Surroundings
from assets_cli.state import pools
from assets_cli.state.locks import Held, LockRequest, asset_key, database_key


class RunContext(NamedTuple):
    """What all steps of a run share."""

    run: str
    graph: AssetGraph
    ledger: Ledger
    surroundings: Surroundings
    cancellation: Cancellation


def write_locks(environment: str, asset: str, touched: Mapping[str, Database]) -> list[LockRequest]:
    """What to lock for work on an asset that has to do with these databases: it, and those of them that are files."""
    requests = [LockRequest(asset_key(environment, asset), exclusive=True)]
    return requests + [LockRequest(database_key(each.file), exclusive=True) for each in touched.values() if each.file]


async def take_locks(asset: Asset, touched: Mapping[str, Database], context: RunContext) -> Held | None:
    """The locks of an asset, of its upstreams and of the databases that it touches, and a slot of its pool.

    Tells whom it waits for. None where the run was cancelled meanwhile.
    """
    environment = context.ledger.snapshot.environment
    around = context.surroundings
    requests = write_locks(environment, asset.name, touched)
    requests += [
        LockRequest(asset_key(environment, upstream), exclusive=False)
        for upstream in asset.upstreams
        if not context.graph.assets[upstream].is_external
    ]
    pool = pools.Pool(asset.pool, context.graph.manifest.pools[asset.pool]) if asset.pool else None
    holder = f"run {context.run}, materializing {asset.name}"
    taking = pools.acquiring(around.locks, requests, pool, holder=holder)
    told: set[str] = set()
    with closing(taking):
        while True:
            try:
                waited = next(taking)
            except StopIteration as done:
                held: Held = done.value
                return held
            if waited.holder not in told:
                told.add(waited.holder)
                kind: Literal["lock", "pool"] = "lock" if waited.pool is None else "pool"
                around.emit(event.StepWaiting(asset.name, around.clock(), waited.holder, kind, waited.pool))
            if await loop.ready({context.cancellation.fileno(): select.POLLIN}, waited.pause):
                return None
