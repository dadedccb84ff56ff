"""Repairs history on purpose: moves it to another name, forgets it, copies it out and in, thins it out.

Takes the locks that keep others away, says for whom it waits, and sees to it that each deed is one transaction and
itself on record. What is done to the records is `state`'s business. Nothing here looks at outputs.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, Any, NamedTuple

from assets_cli.model.duration import SECOND
from assets_cli.model.event import RunEvent, Warned
from assets_cli.model.history import Attempt, Deed, DeedKind
from assets_cli.model.manifest import Manifest
from assets_cli.model.problem import AssetsError, Problem
from assets_cli.model.spelling import nearest
from assets_cli.state import backup, deeds, failures, forgetting, moving, opening, retention, transfer
from assets_cli.state.locks import LockRequest, LockService, asset_key, run_key
from assets_cli.state.store import TIMEOUT
from assets_cli.state.writer import connect

Tell = Callable[[RunEvent], None]
_RUN_ID = re.compile(r"\d{8}T\d{6}")


class Forgotten(NamedTuple):
    """Assets whose history is gone, or would be, each with its number of materializations.

    `declared` are those that the manifest has: the next plan makes them.
    """

    assets: Mapping[str, int]
    declared: frozenset[str]


class Written(NamedTuple):
    """A file with a copy of the history. `unrecorded` says why that is not on record itself."""

    records: int
    size: int
    unrecorded: Problem | None


class Collected(NamedTuple):
    """What old records and logs took, by kind; `size` of the state file in bytes, before and after.

    `kept_large` says why room that is free was not given back to the disk.
    """

    records: Mapping[str, int]
    logs: int
    log_bytes: int
    size: tuple[int, int]
    kept_large: str | None


class Repair:
    """What `assets state` does to the history of a project in one environment, but for `mark`.

    Every method raises `AssetsError` for what its user can mend, and then nothing was changed.
    """

    def __init__(self, manifest: Manifest, state: Path, locks: LockService, clock: Callable[[], int]) -> None:
        self._manifest = manifest
        self._state = state
        self._locks = locks
        self._clock = clock

    # -- moving ----------------------------------------------------------------------------------------------------

    def move(self, old: str, new: str, tell: Tell, *, force: bool = False) -> None:
        """Move the history of an asset to another name.

        Args:
            old: the name under which it is on record; the manifest no longer has it.
            new: the name that the manifest has now, and that has no history.
            tell: hears for whom we wait.
            force: whatever the manifest has.
        """
        self._refuse_names(old, new)
        deeds.require_history(self._state)
        with self._alone({old: new}, tell), deeds.changing(self._state) as connection:
            known = moving.names(connection, self._environment)
            self._refuse_move(old, new, known, force=force)
            self._move(connection, {old: new}, "command")

    def swap(self, one: str, other: str, tell: Tell) -> None:
        """Exchange the histories of two assets."""
        self._refuse_names(one, other)
        deeds.require_history(self._state)
        moves = {one: other, other: one}
        with self._alone(moves, tell), deeds.changing(self._state) as connection:
            known = moving.names(connection, self._environment)
            for name in (one, other):
                if name not in known:
                    raise AssetsError(self._unknown(name, known))
            self._move(connection, moves, "command")

    def settle(self, wanted: Mapping[str, Sequence[str]], tell: Tell) -> None:
        """Write the moves that are due: of former names, the latest first, to each of these. Costs a query without."""

        def due(connection: sqlite3.Connection) -> dict[str, str]:
            return moving.pending(connection, self._environment, wanted)

        moves = opening.read(self._state, TIMEOUT, due)
        if not moves:
            return
        with self._alone(moves, tell), deeds.changing(self._state) as connection:
            # Another process may have done it while we waited.
            moves = due(connection)
            if moves:
                self._move(connection, moves, "manifest")
        for old, new in moves.items():
            tell(Warned(new, self._clock(), f"{new} has the history of {old} now, as its `moved` says"))

    # -- forgetting ------------------------------------------------------------------------------------------------

    def forget(self, patterns: Sequence[str], tell: Tell, *, dry_run: bool = False) -> Forgotten:
        """Forget the history of the assets with these names, which may hold wildcards. Outputs are left as they are."""
        deeds.require_history(self._state)
        names = self._matching(patterns)
        declared = frozenset(name for name in names if name in self._manifest.assets)

        def count(connection: sqlite3.Connection) -> dict[str, int]:
            return forgetting.materializations(connection, self._environment, names)

        if dry_run:
            return Forgotten(opening.read(self._state, TIMEOUT, count), declared)
        with self._locked(names, "forgetting", tell), deeds.changing(self._state) as connection:
            found = forgetting.forget(connection, self._environment, names)
            self._note(connection, "rm", {"assets": found}, self._environment)
        return Forgotten(found, declared)

    # -- copies ----------------------------------------------------------------------------------------------------

    def export(self, target: Path | IO[bytes], *, replace: bool = False) -> Written:
        """Write the whole history, of all environments, as JSON lines: to a file that appears whole, or to a stream."""
        deeds.require_history(self._state)
        if not isinstance(target, Path):
            return self._export_to_stream(target)
        with backup.placed(self._state, target, replace=replace) as temporary:
            with backup.writing(target), temporary.open("wb") as file:
                found = self._export(file, target)
            size = temporary.stat().st_size
        return Written(found.records, size, self._note_if_possible("export", {**found._asdict(), "file": str(target)}))

    def load(self, name: str, lines: Iterable[bytes]) -> Written | None:
        """Read an export into a history that holds nothing yet; None where just this history is there already.

        Args:
            name: of the file, for messages.
            lines: its lines.
        """
        # Imported on use: only this way needs a place for what may turn out to be no export.
        from tempfile import TemporaryDirectory

        beside = self._state.parent if self._state.parent.is_dir() else None  # where a history has room
        with TemporaryDirectory(prefix=".import-", dir=beside) as folder, failures.explained(Path(folder), TIMEOUT):
            scratch = str(Path(folder, "state.db"))
            with transfer.scratch(scratch) as connection:
                try:
                    found = transfer.load(lines, connection)
                except transfer.NotAnExportError as error:
                    raise transfer.refused(name, error) from None
            size = Path(scratch).stat().st_size
            if self._holds(found.digest):
                return None
            self._take_in(scratch, name, found)
        return Written(found.records, size, None)

    def back_up(self, target: Path, *, replace: bool = False) -> Written:
        """Copy the state file as it is at one moment, while others write to it."""
        deeds.require_history(self._state)
        size = backup.back_up(self._state, target, replace=replace)
        return Written(0, size, self._note_if_possible("backup", {"file": str(target), "bytes": size}))

    # -- thinning out ----------------------------------------------------------------------------------------------

    def collect(self, keep: int, runs: int, *, everywhere: bool = False, dry_run: bool = False) -> Collected:
        """Remove records and logs that are old and that nothing needs.

        Args:
            keep: everything of the last so many microseconds stays.
            runs: so do the newest runs of each environment, so many of them.
            everywhere: in every environment of the state file.
            dry_run: only say what would go.
        """
        before = self._clock() - keep
        wanted = retention.Retention(before, runs, None if everywhere else self._environment)
        if not self._state.exists():
            return Collected({}, 0, 0, (0, 0), None)
        size = _size(self._state)
        with failures.explained(self._state, TIMEOUT):
            connection = connect(self._state, TIMEOUT)
            try:
                with deeds.transaction(connection, self._state):
                    logs = self._logs(retention.old_logs(connection, wanted))
                freed = sum(log.stat().st_size for log in logs)
                if not dry_run:
                    _remove(logs)  # before their records: cut off in between, the next time finds the rest
                removed = self._collect(connection, wanted, {"logs": len(logs), "bytes": freed}, dry_run=dry_run)
                why_large = None if dry_run else self._compact(connection)
            finally:
                connection.close()
        return Collected(removed, len(logs), freed, (size, _size(self._state)), why_large)

    # -- the record of all that ------------------------------------------------------------------------------------

    def deeds(self, newest: str | None = None, oldest: str | None = None) -> tuple[Deed, ...]:
        """What was done on purpose between two runs, the newest first; see `state.deeds.between`."""
        return deeds.between(self._state, self._environment, newest, oldest)

    def last_collection(self) -> Deed | None:
        """The last time that old records were removed."""
        return deeds.last_collection(self._state, self._environment)

    # -- the wiring ------------------------------------------------------------------------------------------------

    @property
    def _environment(self) -> str:
        return self._manifest.environment

    def _note(
        self, connection: sqlite3.Connection, kind: DeedKind, details: Mapping[str, Any], environment: str | None = None
    ) -> None:
        deeds.note(connection, kind, self._clock(), environment, details)

    def _note_if_possible(self, kind: DeedKind, details: Mapping[str, Any]) -> Problem | None:
        """A copy of a history that we may only read is a copy all the same."""
        try:
            with deeds.changing(self._state) as connection:
                self._note(connection, kind, details)
        except AssetsError as error:
            return error.problems[0]
        return None

    def _move(self, connection: sqlite3.Connection, moves: Mapping[str, str], by: str) -> None:
        moving.move(connection, self._environment, moves)
        pairs = [{"from": old, "to": new} for old, new in moves.items()]
        self._note(connection, "mv", {"moved": pairs, "by": by}, self._environment)

    def _refuse_names(self, old: str, new: str) -> None:
        if old == new:
            raise AssetsError(Problem("A0514", f"{old} and {new} are one name", hint="assets state mv OLD NEW"))

    def _refuse_move(self, old: str, new: str, known: Collection[str], *, force: bool) -> None:
        declared = self._manifest.assets
        if old not in known:
            raise AssetsError(self._unknown(old, known))
        if new in known:
            hint = f"to forget what is on record of it: assets state rm {new}; to exchange the two: --swap"
            raise AssetsError(Problem("A0514", f"{new} has a history of its own", hint=hint, asset=new))
        if force:
            return
        if old in declared:
            message = f"{old} is in the manifest still: it would have to be made again"
            hint = f"rename it there to {new} first; --force moves its history all the same"
            place = self._manifest.locate(old, "name")
            raise AssetsError(Problem("A0514", message, place=place, hint=hint, asset=old))
        if new not in declared:
            near = nearest(new, declared)
            hint = f"did you mean {near}?" if near else "rename it there first"
            hint += "; --force moves the history all the same"
            raise AssetsError(Problem("A0514", f"no asset of the manifest is named {new!r}", hint=hint))

    def _unknown(self, name: str, known: Collection[str]) -> Problem:
        where = f"environment {self._environment}"
        if not known:
            return Problem("A0515", f"no asset has a history in {where}", hint="`assets materialize` starts one")
        near = nearest(name, known)
        hint = f"did you mean {near}?" if near else f"on record: {', '.join(sorted(known)[:10])}"
        return Problem("A0515", f"{name!r} has no history in {where}", hint=hint)

    def _matching(self, patterns: Sequence[str]) -> tuple[str, ...]:
        def work(connection: sqlite3.Connection) -> tuple[str, ...]:
            return moving.names(connection, self._environment)

        known = opening.read(self._state, TIMEOUT, work)
        found: dict[str, None] = {}
        problems = []
        for pattern in patterns:
            matched = [name for name in known if name == pattern or fnmatchcase(name, pattern)]
            if not matched:
                problems.append(self._unknown(pattern, known))
            found.update(dict.fromkeys(matched))
        if problems:
            raise AssetsError(*problems)
        return tuple(sorted(found))

    @contextmanager
    def _alone(self, moves: Mapping[str, str], tell: Tell) -> Iterator[None]:
        """Hold the locks of all names, once no run that goes on has to do with any of them."""
        names = {*moves, *moves.values()}
        while True:
            self._wait_for_runs(names, moves, tell)
            with self._locked(names, "moving", tell):
                if not self._at_work(names, moves):
                    yield
                    return

    def _at_work(self, names: Collection[str], moves: Mapping[str, str]) -> list[str]:
        """The runs that go on and have these assets, or those that read what moves, still to do: under old names."""

        def work(connection: sqlite3.Connection) -> tuple[str, ...]:
            beside = moving.readers(connection, self._environment, moves)
            return moving.unfinished(connection, self._environment, {*names, *beside})

        return [run for run in opening.read(self._state, TIMEOUT, work) if self._locks.is_run_alive(run)]

    def _wait_for_runs(self, names: Collection[str], moves: Mapping[str, str], tell: Tell) -> None:
        for run in self._at_work(names, moves):
            self._acquire([LockRequest(run_key(run), exclusive=False)], "waiting", tell)

    @contextmanager
    def _locked(self, names: Collection[str], doing: str, tell: Tell) -> Iterator[None]:
        requests = [LockRequest(asset_key(self._environment, name), exclusive=True) for name in names]
        with self._acquire(requests, f"{doing} the history of {', '.join(sorted(names))}", tell):
            yield

    def _acquire(self, requests: Sequence[LockRequest], doing: str, tell: Tell) -> Any:
        def waiting(holder: str) -> None:
            tell(Warned(None, self._clock(), f"waiting for {holder}"))

        held = self._locks.acquire(requests, holder=f"assets state (pid {os.getpid()}), {doing}", on_wait=waiting)
        assert held is not None  # noqa: S101 - for mypy: nothing cancels this
        return held

    def _export(self, file: IO[bytes], target: Path | None) -> transfer.Export:
        def work(connection: sqlite3.Connection) -> transfer.Export:
            file.seek(0)
            file.truncate()
            if target is None:
                return transfer.export(connection, file.write)
            return transfer.export(connection, lambda data: _write(file, data, target))

        return opening.read(self._state, TIMEOUT, work)

    def _export_to_stream(self, stream: IO[bytes]) -> Written:
        # Imported on use, as above. First to a file: what turns out to be unreadable half-way must not be half-written.
        import shutil
        from tempfile import TemporaryFile

        with TemporaryFile() as file:
            found = self._export(file, None)
            size = file.tell()
            file.seek(0)
            shutil.copyfileobj(file, stream)
            stream.flush()
        return Written(found.records, size, self._note_if_possible("export", {**found._asdict(), "file": None}))

    def _holds(self, digest: str) -> bool:
        """Whether just this history is there already."""

        def work(connection: sqlite3.Connection) -> bool:
            return not transfer.is_empty(connection) and transfer.digest_of(connection) == digest

        return opening.read(self._state, TIMEOUT, work)

    def _take_in(self, scratch: str, name: str, found: transfer.Export) -> None:
        with failures.explained(self._state, TIMEOUT):
            connection = connect(self._state, TIMEOUT)
            try:
                connection.execute("ATTACH DATABASE ? AS imported", (scratch,))
                with deeds.transaction(connection, self._state):
                    if not transfer.is_empty(connection):
                        message = f"state file {self._state} holds a history already"
                        hint = "import into another one: assets --state FILE state import …"
                        raise AssetsError(Problem("A0516", message, hint=hint))
                    transfer.copy(connection)
                    self._note(connection, "import", {**found._asdict(), "file": name})
            finally:
                connection.close()

    def _logs(self, old: retention.Old) -> list[Path]:
        """Those of the old logs that are there, in the folder of logs of this project and nowhere else.

        Of a run that goes also those of assets whose attempts were forgotten.
        """
        root = Path(self._manifest.root)
        folder = root / ".assets" / "logs"
        found = {Path(os.path.normpath(root / log)): None for log in old.logs}
        for run in old.runs:
            if _RUN_ID.match(run):
                found.update(dict.fromkeys(path for path in (folder / run).rglob("*")))
        return [log for log in found if log.is_relative_to(folder) and log.is_file()]

    def _collect(
        self,
        connection: sqlite3.Connection,
        wanted: retention.Retention,
        logs: Mapping[str, int],
        *,
        dry_run: bool,
    ) -> dict[str, int]:
        if dry_run:
            connection.execute("BEGIN IMMEDIATE")
            try:
                return retention.collect(connection, wanted)
            finally:
                connection.execute("ROLLBACK")
        with deeds.transaction(connection, self._state):
            removed = retention.collect(connection, wanted)
            if removed or logs["logs"]:
                details = {"before": wanted.before, "runs": wanted.runs, "removed": removed, **logs}
                self._note(connection, "gc", details, wanted.environment)
            return removed

    def _compact(self, connection: sqlite3.Connection) -> str | None:
        """Give the room back to the disk; else a sentence that says why not."""
        alive = [run for run in retention.running(connection) if self._locks.is_run_alive(run)]
        if alive:
            return f"run {alive[0]} goes on"
        try:
            retention.compact(connection)
        except sqlite3.Error as error:
            return str(error)
        return None


def collected(problem: Problem, run: str, deed: Deed | None) -> Problem:
    """The problem that a run is not on record, with the reason where that is that old ones were removed."""
    if problem.code != "A0507" or deed is None or not _RUN_ID.match(run):
        return problem
    limit = datetime.fromtimestamp(deed.details["before"] / SECOND, UTC)
    if run >= f"{limit:%Y%m%dT%H%M%S}":
        return problem
    message = f"run {run} is not on record: what was older than {limit:%Y-%m-%d %H:%M} was removed by `assets state gc`"
    return problem._replace(message=message, hint="`assets runs` lists those that are on record")


def lost_logs(run: str, asset: str | None, attempts: Sequence[Attempt], deed: Deed | None) -> Problem:
    """The problem that the logs of these attempts are not there any more."""
    what = f"the log of {asset}" if asset else "the logs" if len(attempts) > 1 else "the log"
    hint = f"assets runs {run} tells how each step ended"
    if deed is not None and all(attempt.started < deed.details["before"] for attempt in attempts):
        when = datetime.fromtimestamp(deed.at / SECOND, UTC)
        removed = f"{'were' if what == 'the logs' else 'was'} removed by `assets state gc` on {when:%Y-%m-%d}"
        return Problem("A0821", f"{what} of run {run} {removed}", hint=hint, asset=asset)
    gone = f"{'are' if what == 'the logs' else 'is'} gone: somebody removed the file"
    return Problem("A0821", f"{what} of run {run} {gone}", hint=hint, asset=asset)


def _write(file: IO[bytes], data: bytes, target: Path) -> None:
    with backup.writing(target):
        file.write(data)


def _remove(logs: Iterable[Path]) -> None:
    """Remove logs, and the folders that hold nothing else."""
    folders: dict[Path, None] = {}
    for log in logs:
        with suppress(FileNotFoundError):
            log.unlink()
        folders[log.parent] = None
    for folder in sorted(folders, key=lambda path: len(path.parts), reverse=True):
        with suppress(OSError):
            folder.rmdir()


def _size(state: Path) -> int:
    """The bytes that the state file takes, with what SQLite keeps beside it."""
    real = Path(os.path.realpath(state))
    beside = (real, real.with_name(f"{real.name}-wal"))
    return sum(file.stat().st_size for file in beside if file.exists())
