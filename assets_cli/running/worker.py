"""The worker: a process that runs SQL and Python commands, so that they can be killed without the coordinator.

`python -P -m assets_cli.running.worker`, started in the project root. The environment's ASSETS_CHANNEL is the number
of an open stream socket; both ways, one JSON document a line, for one job after another:

    coordinator: the job, and with its first bytes descriptors: the log, then the locks under which it is done
    worker:      {"event": "refused"}: it has imported code of the project that has changed since; nothing was done
                 {"event": "began"}, before anything of it is done
                 {"event": "prepared", "rows", "digest", "columns", of a file "bytes", "reported" where it reported, of
                 a table that grows "added" and "data_version"},
                 then it waits for {"publish": true}
                 {"event": "report", "data_version", "data_time", "metadata"}, any number of them
                 {"event": "done", "rows", "digest", "columns", "data_version", "added"}, or
                 {"event": "failed", "message", "hint", "exit_code"}
                 {"event": "left", "clean"}: whether the job left the process as it was, so that it can take another

Standard output and error are the attempt's log while the job lasts. A worker that ends without `done` or `failed` has
crashed; one whose coordinator is gone ends. Imports are few, since the first step that needs a worker waits for them.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` makes an enum of every answer
import _socket
import json
import os
import resource
import sys
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from importlib import invalidate_caches
from pathlib import Path
from typing import Any, TextIO

from assets_cli.computes import run_of
from assets_cli.computes.protocol import ComputeFailedError, Database, Done, Job, TableState
from assets_cli.computes.reported import Reported, merge
from assets_cli.connections import open_database
from assets_cli.connections import protocol as connections
from assets_cli.connections.protocol import DatabaseError

_CHUNK = 65_536
_MOST_DESCRIPTORS = 250
"""The kernel passes no more than 253 in one message."""

_SIGNALS = range(1, 32)
"""Those that every system knows."""


class SocketChannel:
    """The way to the coordinator. `_socket`, since lines need no more and `socket` is slow to import."""

    def __init__(self, descriptor: int) -> None:
        # The command's own children have no business with it.
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - positional only
        self._socket = _socket.socket(fileno=descriptor)
        self._buffer = b""
        self._reports: list[Reported] = []

    def receive(self) -> tuple[dict[str, Any], tuple[int, ...]]:
        """The next document, and the descriptors that came with it.

        Raises:
            EOFError: the coordinator is gone.
        """
        descriptors: list[int] = []
        while b"\n" not in self._buffer:
            chunk, more, _, _ = self._socket.recvmsg(_CHUNK, _socket.CMSG_SPACE(4 * _MOST_DESCRIPTORS))
            if not chunk:
                raise EOFError
            self._buffer += chunk
            descriptors += _descriptors(more)
        line, _, self._buffer = self._buffer.partition(b"\n")
        document: dict[str, Any] = json.loads(line)
        return document, tuple(descriptors)

    def send(self, document: Mapping[str, Any]) -> None:
        """Send one document."""
        self._socket.sendall(json.dumps(document).encode() + b"\n")

    def begin(self) -> None:
        """Another job begins: nothing was reported of it yet."""
        self._reports = []

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
            agreed = self.receive()[0].get("publish")
        except (EOFError, ConnectionError):
            agreed = None
        if agreed is not True:
            raise ComputeFailedError("nothing was published: the coordinator is gone")

    def report(self, reported: Reported) -> None:
        """Pass on what the command said of its output."""
        self._reports.append(reported)
        self.send({"event": "report", **reported._asdict()})


def _descriptors(more: Iterable[tuple[int, int, bytes]]) -> list[int]:
    found: list[int] = []
    for level, kind, data in more:
        if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
            found += (int.from_bytes(data[at : at + 4], sys.byteorder) for at in range(0, len(data) - 3, 4))
    return found


def main() -> int:
    """Run the jobs that come in by the channel, until the coordinator closes it."""
    descriptor = os.environ.pop("ASSETS_CHANNEL", "")
    if not descriptor.isdigit():
        sys.stderr.write("this is the worker of `assets materialize`, which starts it by itself\n")
        return 2
    _line_buffered(sys.stdout)
    _line_buffered(sys.stderr)
    channel = SocketChannel(int(descriptor))
    surface = _Surface()
    try:
        while True:
            document, descriptors = channel.receive()
            surface.put_on(descriptors)
            if surface.has_moved():
                channel.send({"event": "refused"})
                return 0
            channel.send({"event": "began"})
            channel.begin()
            mutexes = _Mutexes(document.get("locks"), document.get("held") or ())
            ending = _perform(Job.from_document(document), channel, mutexes)
            mutexes.release()
            clean = surface.take_off(document["root"])
            channel.send(ending)
            channel.send({"event": "left", "clean": clean})
    except (EOFError, OSError):
        return 0  # the coordinator is gone, or the user's code has closed what leads to it


def _perform(job: Job, channel: SocketChannel, mutexes: _Mutexes) -> dict[str, Any]:
    """The last document. Whatever goes wrong becomes a sentence; our own faults leave a traceback in the log."""
    try:
        done = _run(job, channel, mutexes)
    except DatabaseError as error:
        return _failed(_with_place(error, job), error.hint, error.detail)
    except ComputeFailedError as error:
        return {**_failed(str(error), error.hint, "" if error.logged else None), "exit_code": error.exit_code}
    except BaseException as error:  # noqa: BLE001 - a traceback never reaches the user but in the log
        import traceback  # on use: only after an error

        message = f"assets itself failed: {type(error).__name__}: {error}"
        return _failed(message, "please report it with the step's log", traceback.format_exc())
    return {"event": "done", **done._asdict()}


class _Surface:
    """What of a process a command may change and the next one must find as it was."""

    def __init__(self) -> None:
        self._folder = os.getcwd()  # noqa: PTH109 - a text
        self._environ = dict(os.environ)
        self._path = list(sys.path)
        self._mask = os.umask(0)
        os.umask(self._mask)
        self._streams = (sys.stdin, sys.stdout, sys.stderr)
        self._dispositions = _dispositions()
        self._held: tuple[int, ...] = ()
        self._seen = 0
        self._files: dict[str, tuple[int, int, int] | None] = {}

    def put_on(self, descriptors: tuple[int, ...]) -> None:
        """Write to a job's log from now on; its locks are held as long as this process, or a child of it, works."""
        log, self._held = descriptors[0], descriptors[1:]
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        for held in self._held:
            os.set_inheritable(held, True)  # noqa: FBT003 - positional only
        invalidate_caches()  # a module may have been written since the last job

    def take_off(self, root: str) -> bool:
        """Let go of the log and the locks, put back what was changed; whether nothing of the job is left.

        What of the project at `root` was imported is remembered, for `has_moved`.
        """
        import threading  # on use: loaded by then

        clean = threading.active_count() == 1 and not _has_children()
        for stream in self._streams[1:]:
            with suppress(Exception):  # the user's code may have closed it: then this process has served
                stream.flush()
        clean &= not any(stream.closed for stream in self._streams[1:]) and _has_streams()
        _signal.setitimer(_signal.ITIMER_REAL, 0)  # an alarm that is still set would end the next job
        clean &= _dispositions() == self._dispositions
        sys.stdin, sys.stdout, sys.stderr = self._streams
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        os.close(null)
        for held in self._held:
            with suppress(OSError):  # the user's code may have closed any descriptor
                os.close(held)
        self._held = ()
        if os.environ != self._environ:
            os.environ.clear()
            os.environ.update(self._environ)
        sys.path[:] = self._path
        os.umask(self._mask)
        with suppress(OSError):
            os.chdir(self._folder)
        self._note_files(f"{root}/")
        return clean

    def has_moved(self) -> bool:
        """Whether a file of the project that was imported is another now."""
        return any(_stat(file) != before for file, before in self._files.items())

    def _note_files(self, prefix: str) -> None:
        if len(sys.modules) == self._seen:
            return
        self._seen = len(sys.modules)
        for module in list(sys.modules.values()):
            file = getattr(module, "__file__", None)
            if file and file.startswith(prefix) and "/site-packages/" not in file and file not in self._files:
                self._files[file] = _stat(file)


def _stat(file: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(file)  # noqa: PTH116 - a text
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _dispositions() -> tuple[Any, ...]:
    """What of a process nobody can put back for sure: how it takes signals, and its limits."""
    limits = [resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")]
    return *map(_signal.getsignal, _SIGNALS), *limits


def _has_streams() -> bool:
    """Whether the standard descriptors are open; what is opened in the place of one would be taken for it."""
    try:
        return all(os.fstat(number) for number in range(3))
    except OSError:
        return False


def _has_children() -> bool:
    """Whether a child process of ours lives, or waits to be reaped; where the system cannot say, none does."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    except (AttributeError, OSError):
        return False
    return True


class _Mutexes:
    """The mutexes of database files that a command opens although nothing that it declares is in them.

    The step holds those of its output and its upstreams. A Python function may open any connection: then its worker
    waits for that file's mutex itself, and holds it until it has done.
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

    def release(self) -> None:
        """Let go of those that were taken here."""
        for held in self._held:
            held.release()
        self._held = []


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
    if job.compute == "policy":
        from assets_cli.running import worker_policies  # as above

        return worker_policies.run(job, channel.send)
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
