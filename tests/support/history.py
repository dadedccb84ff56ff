"""What a state file holds, read by SQLite itself: quick, and without the code that is being tested."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from assets_cli.project import Project


class History(NamedTuple):
    """`runs` are statuses, oldest first; `attempts` are states and reasons, by asset; `made` is how often each was."""

    runs: Sequence[str]
    attempts: Mapping[str, Sequence[tuple[str, str | None]]]
    made: Mapping[str, int]
    results: Mapping[tuple[str, str], str | None]

    def states(self) -> Mapping[str, Sequence[str]]:
        """The states of the attempts at each asset."""
        return {asset: [state for state, _ in tries] for asset, tries in self.attempts.items()}


def history(root: Path, file: str = ".assets/state.db") -> History:
    """All of it, seen to be whole: SQLite finds no damage, and no attempt was recorded as made twice."""
    path = Path(root, file)
    if not path.exists():
        return History([], {}, {}, {})
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        if connection.execute("PRAGMA user_version").fetchone() == (0,):
            return History([], {}, {}, {})  # whoever made it has died before there was anything in it
        twice = "SELECT attempt FROM materializations GROUP BY attempt HAVING count(*) > 1"
        assert connection.execute(twice).fetchall() == []
        attempts: dict[str, list[tuple[str, str | None]]] = {}
        for asset, state, reason in connection.execute("SELECT asset, state, reason FROM attempts ORDER BY seq"):
            attempts.setdefault(asset, []).append((state, reason))
        made = Counter(asset for (asset,) in connection.execute("SELECT asset FROM materializations"))
        steps = "SELECT id, asset, result FROM run_steps JOIN runs ON run_seq = runs.seq"
        results = {(run, asset): result for run, asset, result in connection.execute(steps)}
        runs = [status for (status,) in connection.execute("SELECT status FROM runs ORDER BY seq")]
    return History(runs, attempts, dict(made), results)


def planned(root: Path) -> dict[str, list[str]]:
    """The plan as `{asset: [cause kinds]}`, asked in this process."""
    return {step.asset: [cause.kind for cause in step.causes] for step in Project.open(root).plan().steps}
