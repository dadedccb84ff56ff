"""Reads history: snapshots of the latest facts, runs, steps, attempts. Never writes. Knows no planning.

Every method is one read transaction, so that its answer is one consistent moment of the file.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from assets_cli.model.history import (
    Attempt,
    CheckResult,
    Materialization,
    RunRecord,
    StateSnapshot,
    StepRecord,
)
from assets_cli.model.memory import collector_paused
from assets_cli.model.problem import AssetsError, Problem
from assets_cli.state import locks as kernel_locks
from assets_cli.state import opening, rows, snapshots

T = TypeVar("T")
TIMEOUT = 30.0  # seconds: "one that another program keeps locked beyond half a minute" is an error
_RUN = "seq, id, environment, status, started, finished, jobs, selection, host, pid"
_NEAR = 1_000  # a mistyped run id is compared with this many of the newest


def open_reader(path: Path, *, timeout: float = TIMEOUT, locks: Path | None = None) -> StateReader:
    """A reader of the state file at `path`; one that finds nothing where there is no file.

    Args:
        path: the state file. It and its folder may be read-only.
        timeout: how many seconds to wait while another program keeps the file locked.
        locks: the folder of the locks that tell live runs from dead ones; by default `locks.folder_for(path)`.

    Raises:
        AssetsError: the file is a newer version's (A0501), damaged (A0502), another program's (A0503), kept locked
            (A0504) or cannot be used (A0505). Its methods raise the same.
    """
    reader = StateReader(path, timeout=timeout, locks=locks)
    reader.verify()
    return reader


class StateReader:
    """What is on record, read anew at each call; between calls nothing is held open."""

    def __init__(self, path: Path, *, timeout: float = TIMEOUT, locks: Path | None = None) -> None:
        self.path = path
        self.timeout = timeout
        self.locks = kernel_locks.LockService(locks or kernel_locks.folder_for(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file. A reader holds nothing between calls; a recorder does."""

    def verify(self) -> None:
        """Raise if the file cannot be read or is not ours to read; see `open_reader`."""
        self._read(lambda _: None)

    def snapshot(
        self, environment: str, assets: Collection[str] | None = None, *, listed: bool = False
    ) -> StateSnapshot:
        """The latest facts of an environment, of all its assets or of those given; `made` of it only if `listed`.

        Costs what the assets cost, never what the history costs. `frozen` holds each version that a latest or usable
        materialization read and that is no longer its upstream's current one; None where its data time is unknown.
        """
        reader = snapshots.Reader(self.path, self._dead_among, self._read)
        with collector_paused() as made:
            snapshot = self._read(
                lambda connection: snapshots.read(connection, environment, assets, reader, listed=listed)
            )
            made(len(snapshot.latest))
        return snapshot

    def runs(
        self, limit: int, environment: str | None = None, before: str | None = None, asset: str | None = None
    ) -> tuple[RunRecord, ...]:
        """The newest runs, newest first: those before the run with this id, those with a step for this asset."""

        def work(connection: sqlite3.Connection) -> tuple[RunRecord, ...]:
            found = connection.execute(
                f"SELECT {_RUN} FROM runs WHERE (?1 IS NULL OR environment = ?1) "  # noqa: S608 - constants
                "AND (?2 IS NULL OR seq < (SELECT seq FROM runs WHERE id = ?2)) AND (?4 IS NULL OR EXISTS "
                "(SELECT 1 FROM run_steps WHERE run_seq = runs.seq AND asset = ?4)) ORDER BY seq DESC LIMIT ?3",
                (environment, before, limit, asset),
            ).fetchall()
            return tuple(self._runs(connection, found))

        return self._read(work)

    def find_run(self, text: str, environment: str | None = None) -> RunRecord:
        """The run with this id, or the only one whose id begins or ends so, or the newest for `latest`.

        Raises:
            AssetsError: there is none, or more than one (A0507).
        """

        def work(connection: sqlite3.Connection) -> RunRecord:
            found = connection.execute(
                f"SELECT {_RUN} FROM runs WHERE (?1 IS NULL OR environment = ?1) AND {_matching(text)} "  # noqa: S608
                "ORDER BY seq DESC LIMIT ?3",
                (environment, text, 1 if text == "latest" else 4),
            ).fetchall()
            exact = [row for row in found if row[1] == text]
            if not exact and len(found) != 1:
                recent = connection.execute("SELECT id FROM runs ORDER BY seq DESC LIMIT ?", (_NEAR,)).fetchall()
                raise AssetsError(_no_such_run(text, [row[1] for row in found], [name for (name,) in recent]))
            return next(self._runs(connection, exact or found))

        return self._read(work)

    def last_logged(self, environment: str, asset: str) -> str:
        """The newest run that left a log of this asset, which it may have been blocked in or marked since.

        Raises:
            AssetsError: none has (A0821).
        """

        def work(connection: sqlite3.Connection) -> str:
            found = connection.execute(
                "SELECT r.id FROM attempts a JOIN runs r ON r.seq = a.run_seq "
                "WHERE a.asset = ? AND a.environment = ? AND a.log IS NOT NULL ORDER BY a.seq DESC LIMIT 1",
                (asset, environment),
            ).fetchone()
            if found is None:
                hint = f"`assets runs --asset {asset}` lists its runs"
                raise AssetsError(Problem("A0821", f"no run on record left a log of {asset}", hint=hint, asset=asset))
            return str(found[0])

        return self._read(work)

    def steps(self, run: str) -> tuple[StepRecord, ...]:
        """The steps of a run, in the plan's order; none for an unknown run."""

        def work(connection: sqlite3.Connection) -> tuple[StepRecord, ...]:
            found = connection.execute(
                "SELECT asset, kind, causes, forced, result, s.unchanged, detail, partition FROM run_steps s "
                "WHERE run_seq = (SELECT seq FROM runs WHERE id = ?) ORDER BY position",
                (run,),
            ).fetchall()
            causes = rows.load_each([row[2] for row in found])
            return tuple(
                StepRecord(row[0], row[1], tuple(told), bool(row[3]), row[4], bool(row[5]), row[6], row[7])
                for row, told in zip(found, causes, strict=True)
            )

        return self._read(work)

    def attempts(self, run: str, asset: str | None = None) -> tuple[Attempt, ...]:
        """The attempts of a run, oldest first, of one asset or of all; none for an unknown run."""

        def work(connection: sqlite3.Connection) -> tuple[Attempt, ...]:
            found = connection.execute(
                f"SELECT {rows.ATTEMPT}, r.status FROM runs r JOIN attempts a ON a.run_seq = r.seq "  # noqa: S608
                "WHERE r.id = ?1 AND (?2 IS NULL OR a.asset = ?2) ORDER BY a.seq",
                (run, asset),
            ).fetchall()
            dead = self._dead_among({(row[1], row[-1]) for row in found})
            return tuple(rows.attempts([row[:-1] for row in found], dead))

        return self._read(work)

    def materialization_history(
        self, environment: str, asset: str, limit: int, partition: str = ""
    ) -> tuple[Materialization, ...]:
        """The newest materializations of an asset, newest first."""

        def work(connection: sqlite3.Connection) -> tuple[Materialization, ...]:
            found = connection.execute(
                f"SELECT {rows.MATERIALIZATION}, u.seq FROM materializations m "  # noqa: S608 - constants
                "LEFT JOIN unblocks u ON u.materialization = m.seq "
                "WHERE m.environment = ? AND m.asset = ? AND m.partition = ? ORDER BY m.seq DESC LIMIT ?",
                (environment, asset, partition, limit),
            ).fetchall()
            return tuple(
                value._replace(blocked=False) if row[-1] else value
                for row, value in zip(found, rows.materializations([row[:-1] for row in found]), strict=True)
            )

        return self._read(work)

    def check_results(
        self, environment: str, asset: str, names: Iterable[str], partition: str = ""
    ) -> tuple[CheckResult, ...]:
        """The latest result of each of these checks of an asset, in their order; none of one that was never evaluated.

        Costs what the checks cost, never what the history costs.
        """

        def work(connection: sqlite3.Connection) -> tuple[CheckResult, ...]:
            query = (
                f"SELECT {rows.CHECK_RESULT} FROM check_results c WHERE c.environment = ? AND c.asset = ? "  # noqa: S608
                "AND c.partition = ? AND c.name = ? ORDER BY c.seq DESC LIMIT 1"
            )
            found = [connection.execute(query, (environment, asset, partition, name)).fetchone() for name in names]
            return tuple(rows.check_result(row) for row in found if row is not None)

        return self._read(work)

    def reported_checks(
        self, environment: str, asset: str, materialization: int, partition: str = ""
    ) -> tuple[CheckResult, ...]:
        """What the command that made this materialization said of checks that it evaluated itself, in its order.

        Costs what the names of the asset's checks cost, never what the history costs.
        """

        def work(connection: sqlite3.Connection) -> tuple[CheckResult, ...]:
            ours = "environment = ?1 AND asset = ?2 AND partition = ?3"
            query = (
                f"WITH RECURSIVE names (name) AS (SELECT min(name) FROM check_results WHERE {ours} UNION ALL "  # noqa: S608
                f"SELECT (SELECT min(name) FROM check_results WHERE {ours} AND name > names.name) FROM names "
                f"WHERE names.name IS NOT NULL) SELECT {rows.CHECK_RESULT} FROM names JOIN check_results c ON c.seq = "
                f"(SELECT max(seq) FROM check_results WHERE {ours} AND name = names.name) "
                "WHERE c.materialization = ?4 ORDER BY c.seq"
            )
            found = connection.execute(query, (environment, asset, partition, materialization))
            return tuple(result for result in map(rows.check_result, found) if result.reported)

        return self._read(work)

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return opening.read(self.path, self.timeout, work)

    def _runs(self, connection: sqlite3.Connection, found: Sequence[rows.Row]) -> Iterator[RunRecord]:
        dead = self._dead_among({(row[1], row[3]) for row in found if row[3] == "running"})
        for seq, name, environment, status, started, finished, jobs, selection, host, pid in found:
            yield RunRecord(
                name,
                environment,
                "crashed" if name in dead else status,
                started,
                finished,
                jobs,
                tuple(json.loads(selection)),
                host,
                pid,
                _counts(connection, seq),
                _failed(connection, seq),
            )

    def _dead_among(self, runs: Iterable[tuple[str, str]]) -> frozenset[str]:
        """Of runs with their recorded status, those that can finish nothing any more: ended, or lock not held."""
        return frozenset(run for run, status in set(runs) if status != "running" or not self.locks.is_run_alive(run))


def _matching(text: str) -> str:
    if text == "latest":
        return "?2 = 'latest'"
    if not text:
        return "?2 <> ''"
    return "(id = ?2 OR substr(id, 1, length(?2)) = ?2 OR substr(id, -length(?2)) = ?2)"


def _no_such_run(text: str, found: Sequence[str], recent: Sequence[str]) -> Problem:
    if not recent:
        return Problem("A0507", "no run is on record", hint="start one with `assets materialize`")
    if found:
        names = ", ".join(found[:3]) + (", …" if len(found) > 3 else "")  # noqa: PLR2004 - three show the pattern
        return Problem("A0507", f"more than one run matches {text!r}: {names}", hint="give more of the id")
    # Imported on use: only a mistyped id needs it.
    from difflib import get_close_matches

    near = get_close_matches(text, [*recent, "latest"], n=3, cutoff=0.5) or recent[:3]
    return Problem(
        "A0507", f"no run {text!r} is on record", hint=f"did you mean {' or '.join(near)}? `assets runs` lists them all"
    )


def _counts(connection: sqlite3.Connection, seq: int) -> dict[str, int]:
    """How many steps had each result that occurs, or have `not_finished`; and `unchanged`, part of `succeeded`."""
    found = connection.execute(
        "SELECT coalesce(result, 'not_finished'), count(*), sum(unchanged) FROM run_steps WHERE run_seq = ? "
        "GROUP BY 1 ORDER BY 1",
        (seq,),
    ).fetchall()
    counts = {result: count for result, count, _ in found}
    if unchanged := sum(same for _, _, same in found):
        counts["unchanged"] = unchanged
    return counts


def _failed(connection: sqlite3.Connection, seq: int) -> tuple[str, ...]:
    query = "SELECT asset FROM run_steps WHERE run_seq = ? AND result = 'failed' ORDER BY position"
    return tuple(name for (name,) in connection.execute(query, (seq,)))
