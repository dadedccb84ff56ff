"""Forgets the history of assets, in one environment. Their outputs are nobody's business here.

What runs did stays on record as the history of those runs: that they had a step for such an asset.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection

_KEYED = ("check_results", "observations", "latest", "frozen_data_times", "attempts", "alerts_told")
_THESE = "environment = ? AND asset IN (SELECT value FROM json_each(?))"


def forget(connection: sqlite3.Connection, environment: str, assets: Collection[str]) -> dict[str, int]:
    """Remove all records of these assets; how many materializations each of them had."""
    key = (environment, json.dumps(list(assets)))
    found = materializations(connection, environment, assets)
    connection.execute(
        f"DELETE FROM unblocks WHERE materialization IN (SELECT seq FROM materializations WHERE {_THESE})",  # noqa: S608
        key,
    )
    for table in ("materializations", *_KEYED):
        connection.execute(f"DELETE FROM {table} WHERE {_THESE}", key)  # noqa: S608 - constants
    return found


def materializations(connection: sqlite3.Connection, environment: str, assets: Collection[str]) -> dict[str, int]:
    """How many materializations each of these assets has on record."""
    found = connection.execute(
        f"SELECT asset, count(*) FROM materializations WHERE {_THESE} GROUP BY 1",  # noqa: S608 - constants
        (environment, json.dumps(list(assets))),
    )
    return {**dict.fromkeys(assets, 0), **dict(found.fetchall())}
