"""When external assets held something new, as far as it is on record, by the newest observations.

All SQL of it. Knows nothing of why anybody asks.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from assets_cli.state import opening
from assets_cli.state.store import TIMEOUT

_NEWEST: Final = 20_000
_MOST: Final = 50


def arrivals(path: Path, environment: str) -> dict[str, tuple[int, ...]]:
    """By external asset the moments at which it got something new: what its probe reported, else when that was seen.

    The cost follows the newest observations, never the length of the history.
    """
    if not path.exists():
        return {}

    def work(connection: sqlite3.Connection) -> dict[str, tuple[int, ...]]:
        found: dict[str, list[int]] = {}
        last: dict[str, str] = {}
        for asset, version, moment in connection.execute(
            "SELECT asset, data_version, coalesce(data_time, observed) FROM observations "
            "WHERE seq > (SELECT max(seq) FROM observations) - ? AND environment = ? ORDER BY seq",
            (_NEWEST, environment),
        ):
            if last.get(asset) != version:
                found.setdefault(asset, []).append(moment)
                last[asset] = version
        return {asset: tuple(moments[-_MOST:]) for asset, moments in found.items()}

    return opening.read(path, TIMEOUT, work)
