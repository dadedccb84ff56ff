"""Writes history: runs, attempts, materializations, observations, each with its latest record in one transaction.

Decides nothing: what is recorded, and when, is its caller's business.

Durable against the death of any process: what a method recorded outside of `transaction` is on record when it returns.
After a power loss the last records may be missing (`synchronous = NORMAL`), never torn.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from assets_cli import __version__
from assets_cli.model import texts
from assets_cli.model.history import (
    Attempt,
    AttemptState,
    CheckResult,
    Latest,
    Materialization,
    Observation,
    Result,
    RunRecord,
    RunStatus,
    StepRecord,
)
from assets_cli.model.problem import AssetsError
from assets_cli.state import failures, rows
from assets_cli.state.store import TIMEOUT
from assets_cli.state.writer import StateWriter, connect

T = TypeVar("T")
Hide = Callable[[Any], Any]
"""Takes what must not be seen out of a value: texts, and mappings and lists of them."""

_DURATIONS = 7  # the median of so many tells how long a step usually takes


class OpenAttempt(NamedTuple):
    """An attempt that a dead run left open, with the materialization that it was about to publish, if it got so far."""

    attempt: Attempt
    prepared: Materialization | None


class DeadRun(NamedTuple):
    """A run whose coordinator died, and what it left open."""

    run: RunRecord
    attempts: tuple[OpenAttempt, ...]


def open_recorder(
    path: Path, *, timeout: float = TIMEOUT, locks: Path | None = None, hide: Hide | None = None
) -> Recorder:
    """A recorder on the state file at `path`, which is made, or migrated, where needed.

    Args:
        path: the state file. Its folder is made; a folder named `.assets` gets a `.gitignore`.
        timeout: how many seconds to wait while another program keeps the file locked.
        locks: the folder of the locks that tell live runs from dead ones; by default `locks.folder_for(path)`.
        hide: what takes secrets out of reasons, metadata and findings before they are written.

    Raises:
        AssetsError: as `store.open_reader`, or the file cannot be written (A0506). Nothing of it was changed then.
    """
    return Recorder(path, connect(path, timeout), timeout=timeout, locks=locks, hide=hide)


class Recorder(StateWriter):
    """Records what happens, through one connection, from any thread; one thread at a time holds it."""

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        *,
        timeout: float = TIMEOUT,
        locks: Path | None = None,
        hide: Hide | None = None,
    ) -> None:
        super().__init__(path, connection, timeout=timeout, locks=locks)
        self._hide: Hide = hide or (lambda value: value)
        self._runs_by_id: dict[str, tuple[int, str]] = {}

    def forget(self) -> None:
        """Runs are remembered by id only once they are committed."""
        self._runs_by_id.clear()

    def materialized_since(self, environment: str, seq: int) -> tuple[frozenset[str], int]:
        """The assets with a materialization after this sequence number, and the newest number there is."""

        def work(connection: sqlite3.Connection) -> tuple[frozenset[str], int]:
            found = connection.execute(
                "SELECT asset, seq FROM materializations WHERE seq > ? AND environment = ?", (seq, environment)
            ).fetchall()
            return frozenset(asset for asset, _ in found), max((number for _, number in found), default=seq)

        return self._read(work)

    def begin_run(self, run: RunRecord, steps: Sequence[StepRecord]) -> None:
        """Record a run with its steps, in the plan's order. Its lock must be held already: see `locks.hold_run`."""
        with self._transaction:
            seq = self._insert(
                "INSERT INTO runs (id, environment, status, started, finished, jobs, selection, host, pid, version) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*run[:6], rows.dump(run.selection), run.host, run.pid, __version__),
            )
            self._connection.executemany(
                "INSERT INTO run_steps (run_seq, asset, partition, position, kind, causes, forced, result, unchanged, "
                "detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        seq,
                        step.asset,
                        step.partition,
                        position,
                        step.kind,
                        rows.dump([dict(cause) for cause in step.causes]),
                        step.forced,
                        step.result,
                        step.unchanged,
                        rows.text(step.detail),
                    )
                    for position, step in enumerate(steps)
                ],
            )

    def open_attempt(
        self, run: str, asset: str, number: int, started: int, log: str | None, partition: str = ""
    ) -> int:
        """Record that a try of a step begins, as the newest attempt of its asset. Returns its sequence number."""
        with self._transaction:
            run_seq, environment = self._run(run)
            seq = self._insert(
                "INSERT INTO attempts (run_seq, environment, asset, partition, number, state, started, log) "
                "VALUES (?, ?, ?, ?, ?, 'open', ?, ?)",
                (run_seq, environment, asset, partition, number, started, rows.text(log)),
            )
            self._connection.execute(
                "INSERT INTO latest (environment, asset, partition, attempt) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (environment, asset, partition) DO UPDATE SET attempt = excluded.attempt",
                (environment, asset, partition, seq),
            )
            return seq

    def prepare(self, attempt: int, materialization: Materialization) -> None:
        """Record, before the output is published, what will be recorded when it is: see `promote`."""
        text = rows.prepared_text(self._without_secrets(materialization))
        self._write("UPDATE attempts SET prepared = ? WHERE seq = ?", (text, attempt))

    def prepared(self, attempt: int) -> Materialization | None:
        """What an attempt that is not on record as succeeded was about to publish; None where it did not get there."""

        def work(connection: sqlite3.Connection) -> Materialization | None:
            found = connection.execute("SELECT prepared FROM attempts WHERE seq = ?", (attempt,)).fetchone()
            return rows.prepared(found[0]) if found and found[0] else None

        return self._read(work)

    def add_materialization(
        self,
        materialization: Materialization,
        frozen: tuple[str, int | None] | None,
        duration: int | None,
        exit_code: int | None = 0,
        before: Latest | None = None,
    ) -> int:
        """Record that an asset was produced; its attempt has succeeded. Returns the sequence number.

        One that is blocked becomes the latest, but not the usable one.

        Args:
            materialization: its `seq` is ignored; its `attempt` says in which environment.
            frozen: the data version that was current until now and the data time that it has now, kept for those who
                read it. Kept as unknown where this is None. Ignored where the version stays current.
            duration: how long the step took, in microseconds; None where nothing ran.
            exit_code: the command's.
            before: what is on record of the asset until now, where the caller knows it; else it is read.
        """
        with self._transaction:
            self._write(
                "UPDATE attempts SET state = 'succeeded', finished = ?, exit_code = ?, reason = NULL, prepared = NULL "
                "WHERE seq = ?",
                (materialization.finished, exit_code, materialization.attempt),
            )
            environment = self._run(materialization.run)[1]
            return self._add(environment, self._without_secrets(materialization), frozen, duration, before)

    def promote(
        self,
        attempt: int,
        materialization: Materialization,
        frozen: tuple[str, int | None] | None,
        duration: int | None,
    ) -> int | None:
        """Record what a dead run had published but not yet recorded: `add_materialization`, at most once.

        Returns:
            The sequence number; None where the attempt has ended on record already, as when another process
            recovered it first.
        """
        with self._transaction:
            found = self._connection.execute("SELECT state FROM attempts WHERE seq = ?", (attempt,)).fetchone()
            if found != ("open",):
                return None
            return self.add_materialization(materialization._replace(attempt=attempt), frozen, duration, None)

    def add_check_results(
        self,
        environment: str,
        asset: str,
        results: Iterable[CheckResult],
        materialization: int | None,
        partition: str = "",
    ) -> None:
        """Record what checks found, in their order; `materialization` is the one whose output they looked at."""
        with self._transaction:
            self._connection.executemany(
                "INSERT INTO check_results (environment, asset, partition, run, materialization, name, passed, "
                "severity, blocking, details, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        *(environment, asset, partition, result.run, materialization, rows.text(result.name)),
                        *(result.passed, result.severity, result.blocking, rows.check_details(result), result.at),
                    )
                    for result in map(self._found, results)
                ],
            )

    def unblock(
        self,
        environment: str,
        materialization: Materialization,
        frozen: tuple[str, int | None] | None,
        run: str | None,
        at: int,
    ) -> bool:
        """Record that a blocked materialization, the latest of its asset, may be used after all.

        Args:
            environment: whose history it is part of.
            materialization: the blocked one.
            frozen: the data version that was usable until now and the data time that it has now, kept for those who
                read it. Ignored where it is the same version.
            run: the run in which its blocking checks passed, or were found to be gone.
            at: when.

        Returns:
            Whether it was blocked until now; False where it is no longer the latest, or was unblocked before.
        """
        key = (environment, materialization.asset, materialization.partition)
        with self._transaction:
            changed = self._connection.execute(
                "UPDATE latest SET usable = materialization WHERE environment = ? AND asset = ? AND partition = ? "
                "AND materialization = ? AND usable IS NOT materialization",
                (*key, materialization.seq),
            ).rowcount
            if not changed:
                return False
            if frozen is not None and frozen[0] != materialization.data_version:
                self._freeze(key, frozen)
            self._insert(
                "INSERT INTO unblocks (materialization, run, at) VALUES (?, ?, ?)", (materialization.seq, run, at)
            )
            return True

    def end_attempt(
        self, attempt: int, state: AttemptState, finished: int, exit_code: int | None, reason: str | None
    ) -> None:
        """Record how an attempt ended that produced nothing."""
        self._write(
            "UPDATE attempts SET state = ?, finished = ?, exit_code = ?, reason = ? WHERE seq = ?",
            (state, finished, exit_code, rows.text(self._hide(reason)), attempt),
        )

    def add_observation(self, environment: str, observation: Observation, partition: str = "") -> int:
        """Record what an external asset held. Returns the sequence number; the observation's own is ignored.

        Where the data version is another than the last, the last one's data time is kept for those who read it: what
        its probe reported, else the time of the observation; one from the future counts as now.
        """
        with self._transaction:
            key = (environment, observation.asset, partition)
            last = self._connection.execute(
                "SELECT o.data_version, min(coalesce(o.data_time, o.observed), ?) FROM latest l "
                "JOIN observations o ON o.seq = l.observation "
                "WHERE l.environment = ? AND l.asset = ? AND l.partition = ?",
                (observation.observed, *key),
            ).fetchone()
            if last is not None and last[0] != observation.data_version:
                self._freeze(key, last)
            seq = self._insert(
                "INSERT INTO observations (environment, asset, partition, observed, data_version, data_time, metadata) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (*key, *observation[2:5], rows.dump(self._hide(dict(observation.metadata)))),
            )
            self._connection.execute(
                "INSERT INTO latest (environment, asset, partition, observation) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (environment, asset, partition) DO UPDATE SET observation = excluded.observation",
                (*key, seq),
            )
            return seq

    def finish_step(
        self, run: str, asset: str, result: Result, unchanged: bool, detail: str | None, partition: str = ""
    ) -> None:
        """Record how a step of a run ended."""
        self._write(
            "UPDATE run_steps SET result = ?, unchanged = ?, detail = ? "
            "WHERE partition = ? AND run_seq = ? AND asset = ?",
            (result, unchanged, rows.text(self._hide(detail)), partition, self._run(run)[0], asset),
        )

    def end_run(self, run: str, status: RunStatus, finished: int) -> None:
        """Record how a run ended."""
        self._write("UPDATE runs SET status = ?, finished = ? WHERE id = ?", (status, finished, run))

    def dead_runs(self, environment: str | None = None) -> list[DeadRun]:
        """The runs, oldest first, that died before they were on record as ended, and the attempts that they left open.

        Of one environment, or of all. Those of a run that is on record as ended count too, if it left any.
        """

        def work(connection: sqlite3.Connection) -> list[DeadRun]:
            found = connection.execute(
                "SELECT seq, id, environment, status, started, finished, jobs, selection, host, pid FROM runs "
                "WHERE (?1 IS NULL OR environment = ?1) AND seq IN (SELECT seq FROM runs WHERE status = 'running' "
                "UNION SELECT run_seq FROM attempts WHERE state = 'open') ORDER BY seq",
                (environment,),
            ).fetchall()
            dead = self._dead_among({(row[1], row[3]) for row in found})
            gone = [row for row in found if row[1] in dead]
            return [
                DeadRun(run, _left_open(connection, row[0]))
                for row, run in zip(gone, self._runs(connection, gone), strict=True)
            ]

        return self._read(work)

    def crash_attempts(self, runs: Collection[str], finished: int) -> None:
        """Record these runs, and the attempts that they left open, as crashed. What has ended stays as it ended."""
        with self._transaction:
            for run in runs:
                self._connection.execute(
                    "UPDATE attempts SET state = 'crashed', finished = max(?, started), reason = ? "
                    "WHERE state = 'open' AND run_seq = (SELECT seq FROM runs WHERE id = ?)",
                    (finished, f"run {run} died", run),
                )
                self._connection.execute(
                    "UPDATE runs SET status = 'crashed', finished = max(?, started) "
                    "WHERE status = 'running' AND id = ?",
                    (finished, run),
                )

    def _add(
        self,
        environment: str,
        value: Materialization,
        frozen: tuple[str, int | None] | None,
        duration: int | None,
        before: Latest | None,
    ) -> int:
        key = (environment, value.asset, value.partition)
        if before is None:
            durations, current = self._durations_and_version(key)
        else:
            durations, current = before.durations, before.usable and before.usable.data_version
        superseded = frozen or (current and (current, None))
        if superseded and superseded[0] != value.data_version and not value.blocked:
            self._freeze(key, superseded)
        fingerprint = value.fingerprint or (None, None, 0, 0)
        seq = self._insert(
            "INSERT INTO materializations (environment, asset, partition, run, attempt, started, finished, "
            "code_version, components, data_version, fingerprint, fingerprint_stat, fingerprint_newest, "
            "fingerprint_taken, data_time, inputs, unchanged, blocked, metadata) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *key,
                value.run,
                value.attempt,
                value.started,
                value.finished,
                value.code_version,
                rows.components_text(value.components),
                value.data_version,
                *fingerprint,
                value.data_time,
                texts.of_inputs(texts.of_input(name, *read) for name, read in value.inputs.items()),
                value.unchanged,
                value.blocked,
                rows.dump(dict(value.metadata)),
            ),
        )
        recent = [*durations, *([] if duration is None else [duration])][-_DURATIONS:]
        self._connection.execute(
            "INSERT INTO latest (environment, asset, partition, materialization, usable, attempt, durations) "
            "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (environment, asset, partition) DO UPDATE "
            "SET materialization = excluded.materialization, usable = coalesce(excluded.usable, usable), "
            "durations = excluded.durations",
            (*key, seq, None if value.blocked else seq, value.attempt, rows.durations_text(recent)),
        )
        return seq

    def _durations_and_version(self, key: tuple[str, str, str]) -> tuple[Sequence[int], str | None]:
        durations, current = self._connection.execute(
            "SELECT l.durations, m.data_version FROM (SELECT 1) LEFT JOIN latest l "
            "ON l.environment = ? AND l.asset = ? AND l.partition = ? LEFT JOIN materializations m ON m.seq = l.usable",
            key,
        ).fetchone()
        return json.loads(durations or "[]"), current

    def _without_secrets(self, value: Materialization) -> Materialization:
        return value._replace(metadata=self._hide(dict(value.metadata))) if value.metadata else value

    def _found(self, value: CheckResult) -> CheckResult:
        return value._replace(
            message=self._hide(value.message), sample=self._hide(value.sample), metadata=self._hide(value.metadata)
        )

    def _freeze(self, key: tuple[str, str, str], superseded: tuple[str, int | None]) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO frozen_data_times (environment, asset, partition, data_version, data_time) "
            "VALUES (?, ?, ?, ?, ?)",
            (*key, *superseded),
        )

    def _run(self, run: str) -> tuple[int, str]:
        found = self._runs_by_id.get(run)
        if found is None:
            found = self._connection.execute("SELECT seq, environment FROM runs WHERE id = ?", (run,)).fetchone()
            if found is None:
                raise AssetsError(failures.missing(self.path, run))
            self._runs_by_id[run] = found
        return found


def _left_open(connection: sqlite3.Connection, run_seq: int) -> tuple[OpenAttempt, ...]:
    found = connection.execute(
        f"SELECT {rows.ATTEMPT}, a.prepared, r.id FROM attempts a JOIN runs r ON r.seq = a.run_seq "  # noqa: S608
        "WHERE a.state = 'open' AND a.run_seq = ? ORDER BY a.seq",
        (run_seq,),
    ).fetchall()
    left = rows.attempts([row[:-2] for row in found], {row[-1] for row in found})
    return tuple(
        OpenAttempt(attempt, None if row[-2] is None else rows.prepared(row[-2]))
        for row, attempt in zip(found, left, strict=True)
    )
