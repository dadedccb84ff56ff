"""The worker: a process that runs one SQL or Python command, so that it can be killed without the coordinator.

`python -P -m assets_cli.running.worker`, started in the project root. The environment's ASSETS_CHANNEL is the number
of an open stream socket; both ways, one JSON document a line:

    coordinator: the job
    worker:      {"event": "prepared", "rows", "digest", "columns", of a file "bytes", "reported" where it reported, of
                 a table that grows "added" and "data_version"},
                 then it waits for {"publish": true}
                 {"event": "report", "data_version", "data_time", "metadata"}, any number of them
                 {"event": "done", "rows", "digest", "columns", "data_version", "added"}, or
                 {"event": "failed", "message", "hint"}

Standard output and error are the attempt's log. A worker that ends without `done` or `failed` has crashed.
Imports are few, since every SQL and Python step pays for them.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from assets_cli.computes import run_of
from assets_cli.computes.protocol import ComputeFailedError, Database, Done, Job, TableState
from assets_cli.computes.reported import Reported, merge
from assets_cli.connections import open_database
from assets_cli.connections import protocol as connections
from assets_cli.connections.protocol import DatabaseError

_CHUNK = 65_536


class SocketChannel:
    """The way to the coordinator: a socket by its descriptor. Lines need no more, and `socket` is slow to import."""

    def __init__(self, descriptor: int) -> None:
        # The command's own children have no business with it.
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - positional only
        self._descriptor = descriptor
        self._buffer = b""
        self._reports: list[Reported] = []

    def receive(self) -> dict[str, Any]:
        """The next document.

        Raises:
            EOFError: the coordinator is gone.
        """
        while b"\n" not in self._buffer:
            chunk = os.read(self._descriptor, _CHUNK)
            if not chunk:
                raise EOFError
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        document: dict[str, Any] = json.loads(line)
        return document

    def send(self, document: Mapping[str, Any]) -> None:
        """Send one document."""
        data = memoryview(json.dumps(document).encode() + b"\n")
        while data:
            data = data[os.write(self._descriptor, data) :]

    def prepared(self, state: TableState, size: int | None = None, **more: Any) -> None:
        """Say what is about to be published and wait until it is on record."""
        document: dict[str, Any] = {"event": "prepared"}
        document |= {"rows": state.rows, "digest": state.digest, "columns": state.columns, **more}
        if size is not None:
            document["bytes"] = size
        if self._reports:
            document["reported"] = merge(self._reports)._asdict()
        self.send(document)
        try:
            agreed = self.receive().get("publish")
        except (EOFError, ConnectionError):
            agreed = None
        if agreed is not True:
            raise ComputeFailedError("nothing was published: the coordinator is gone")

    def report(self, reported: Reported) -> None:
        """Pass on what the command said of its output."""
        self._reports.append(reported)
        self.send({"event": "report", **reported._asdict()})


def main() -> int:
    """Run the job that comes in by the channel; give the exit code."""
    descriptor = os.environ.pop("ASSETS_CHANNEL", "")
    if not descriptor.isdigit():
        sys.stderr.write("this is the worker of `assets materialize`, which starts it by itself\n")
        return 2
    _line_buffered(sys.stdout)
    _line_buffered(sys.stderr)
    channel = SocketChannel(int(descriptor))
    try:
        document = channel.receive()
        mutexes = _Mutexes(document.get("locks"), document.get("held") or ())
        ending, code = _perform(Job.from_document(document), channel, mutexes)
        channel.send(ending)
    except (EOFError, ConnectionError):
        sys.stderr.write("the coordinator is gone\n")
        return 1
    return code


def _perform(job: Job, channel: SocketChannel, mutexes: _Mutexes) -> tuple[dict[str, Any], int]:
    """The last document and the exit code. Whatever goes wrong becomes a sentence; our own faults leave a traceback."""
    try:
        done = _run(job, channel, mutexes)
    except DatabaseError as error:
        return _failed(_with_place(error, job), error.hint, error.detail), 1
    except ComputeFailedError as error:
        return _failed(str(error), error.hint, "" if error.logged else None), error.exit_code
    except BaseException as error:  # noqa: BLE001 - a traceback never reaches the user but in the log
        import traceback  # on use: only after an error

        message = f"assets itself failed: {type(error).__name__}: {error}"
        return _failed(message, "please report it with the step's log", traceback.format_exc()), 1
    return {"event": "done", **done._asdict()}, 0


class _Mutexes:
    """The mutexes of database files that a command opens although nothing that it declares is in them.

    The step holds those of its output and its upstreams. A Python function may open any connection: then its worker
    waits for that file's mutex itself, and holds it until it ends.
    """

    def __init__(self, folder: str | None, held: Collection[str]) -> None:
        self._folder = folder
        self._known = set(held)
        self._held: list[Any] = []

    def take(self, database: connections.Database, holder: str) -> None:
        """Wait for a database's mutex, unless it is held already."""
        if database.file is None or self._folder is None:
            return
        path = os.path.realpath(database.file)
        if path in self._known:
            return
        from assets_cli.state.locks import LockRequest, LockService, database_key  # most commands need none

        self._known.add(path)
        request = LockRequest(database_key(path), exclusive=True)
        self._held.append(LockService(Path(self._folder)).acquire([request], holder=holder, on_wait=_say_waiting))


def _say_waiting(holder: str) -> None:
    sys.stderr.write(f"waiting for {holder}\n")


def _run(job: Job, channel: SocketChannel, mutexes: _Mutexes) -> Done:
    root = Path(job.root)

    def database(name: str) -> Database:
        declared = job.connections.get(name)
        if declared is None:
            raise ComputeFailedError(f"no connection {name!r} is declared")
        if "problem" in declared:
            raise ComputeFailedError(declared["problem"])
        found = open_database(declared["type"], declared["options"], root)
        mutexes.take(found, f"run {job.run}, materializing {job.asset}")
        return found

    if job.compute == "checks":
        from assets_cli.running import worker_checks  # commands do without

        return worker_checks.run(job, database, channel, channel.send)
    if job.compute == "observe":
        from assets_cli.running import worker_observe  # as above

        return worker_observe.run(job, database, channel)
    return run_of(job.compute)(job, database, channel)


def _failed(message: str, hint: str | None, detail: str | None = None) -> dict[str, Any]:
    """The last document of a failure, which the log gets too, in full."""
    text = message if detail is None else detail
    with suppress(Exception):  # the user's code may have closed or replaced them
        sys.stdout.flush()
        sys.stderr.write((text.rstrip() + "\n" if text else "") + (f"hint: {hint}\n" if hint else ""))
    return {"event": "failed", "message": message, "hint": hint}


def _with_place(error: DatabaseError, job: Job) -> str:
    """The database's words, with file and line where it named a line of the asset's own query."""
    path, query = job.command.get("path"), str(job.command.get("query", ""))
    if error.line is None or not query:
        return str(error)
    if path:
        return f"{path}:{error.line}: {error}"
    return f"{error} (line {error.line})" if "\n" in query.strip() else str(error)


def _line_buffered(stream: TextIO) -> None:
    """Lines reach the log when they are written; what the locale cannot encode is escaped, not an error."""
    stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[attr-defined]


if __name__ == "__main__":
    sys.exit(main())
