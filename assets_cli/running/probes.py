"""The probes of external assets that are processes: shell commands, and workers that ask a database or a web server.

Started, timed and ended like any command of a step. What they say is `probing.observing`'s business; that floor gets
this one's `Probes` handed in. Records nothing, and keeps no file: what they print may hold secrets.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any, Final

from assets_cli.computes import shell
from assets_cli.connections.protocol import DatabaseError
from assets_cli.model.duration import SECOND
from assets_cli.model.manifest import Asset, HttpProbe, Manifest, ShellProbe, SqlCommand, SqlProbe
from assets_cli.probing.observing import Answer, ProbeError, moment, short_enough
from assets_cli.running.checking import refuse_to_publish
from assets_cli.running.commands import (
    WORKER,
    CannotStartError,
    Target,
    address,
    database,
    fill,
    job,
    read_sql,
)
from assets_cli.running.executors.local import Cancellation, Invocation, LocalExecutor, Outcome, tail
from assets_cli.running.loop import wait_for
from assets_cli.state.locks import LockService

TIMEOUT: Final = 60 * SECOND
_LARGEST: Final = 1 << 24
"""Bytes: what prints more is not an answer."""

_RESULT: Final = "result.json"
_PATIENCE: Final = 1.0
"""Seconds that a database file is waited for, as in every look at a project."""


class Probes:
    """Runs the probes of one project, from any thread; see `probing.observing.Prober`."""

    def __init__(
        self, manifest: Manifest, environ: Mapping[str, str], secrets: tuple[str, ...], locks: LockService
    ) -> None:
        self._manifest = manifest
        self._environ = environ
        self._secrets = secrets
        self._locks = locks
        self._turns: defaultdict[str, Lock] = defaultdict(Lock)
        self._executor = LocalExecutor()
        self._cancellation = Cancellation()

    def cancel(self) -> None:
        """End those that run; called again, at once."""
        if self._cancellation.is_set():
            self._cancellation.hurry()
        self._cancellation.cancel()

    def close(self) -> None:
        """End the workers that wait for a further question. None is being asked."""
        self._executor.close()

    def ask(self, asset: Asset) -> Answer:
        """What the probe of an asset says.

        Raises:
            ProbeError: it failed, took too long or said nothing.
        """
        with TemporaryDirectory(prefix="assets-observe-") as folder:
            try:
                if isinstance(asset.observe, ShellProbe):
                    return self._ask_shell(asset, asset.observe, Path(folder))
                return self._ask_worker(asset, Path(folder))
            except CannotStartError as error:
                raise ProbeError(str(error)) from None

    def _ask_shell(self, asset: Asset, probe: ShellProbe, folder: Path) -> Answer:
        """What a command says in `$ASSETS_RESULT`, or by what it prints."""
        call = self._shell(asset, probe, folder)
        outcome = self._run(call)
        if outcome.state != "succeeded":
            said = tail(Path(call.log), 1)
            raise ProbeError(f"{outcome.reason}: {said[0]}" if said else str(outcome.reason))
        return _answer(call, folder / _RESULT)

    def _ask_worker(self, asset: Asset, folder: Path) -> Answer:
        """What a database or a web server says, asked by a process that can be ended however it hangs."""
        with self._may_be_opened(asset) as held:
            outcome = self._run(self._worker(asset, folder, held))
        if outcome.state == "timed_out":
            raise ProbeError(f"{outcome.reason} (give the asset a longer `timeout`)")
        reported = outcome.reported
        if outcome.state != "succeeded" or reported.data_version is None:
            raise ProbeError(str(outcome.reason))
        return Answer(short_enough(reported.data_version), reported.data_time, reported.metadata)

    def _run(self, call: Invocation) -> Outcome:
        return wait_for(
            self._executor.run(
                call, on_start=lambda _: None, on_prepared=refuse_to_publish, cancelled=self._cancellation
            )
        )

    @contextmanager
    def _may_be_opened(self, asset: Asset) -> Iterator[tuple[str, ...]]:
        """Hold the mutex of the database file that a probe asks, if it is one; one of our probes at a time."""
        probe = asset.observe
        name = self._connection(probe) if isinstance(probe, SqlProbe) else None
        try:
            file = database(self._manifest, name, self._environ).file if name else None
        except DatabaseError as error:
            raise ProbeError(str(error)) from None
        if file is None:
            yield ()
            return
        path = os.path.realpath(file)
        with self._turns[path], self._locks.try_database(file, _PATIENCE) as holder:
            if holder is not None:
                raise ProbeError(f"its database is in use by {holder}")
            yield (path,)

    def _connection(self, probe: SqlProbe) -> str:
        return probe.connection or self._manifest.default_connection or ""

    def _worker(self, asset: Asset, folder: Path, held: tuple[str, ...]) -> Invocation:
        environment = self._manifest.environment
        target = Target("", environment, folder / "log", folder / _RESULT, str(self._locks.directory), held)
        timeout = TIMEOUT if asset.timeout is None else asset.timeout
        asked = ("observe", {**self._asked(asset), "timeout": timeout / SECOND})
        return Invocation(
            argv=WORKER,
            env={**self._environ, "PATH": shell.path_with_interpreter(self._environ)},
            cwd=self._manifest.root,
            log=folder / "log",
            timeout=timeout,
            job=job(self._manifest, asset, target, self._environ, asked),
            masks=self._secrets,
        )

    def _asked(self, asset: Asset) -> dict[str, Any]:
        probe, environ = asset.observe, self._environ
        if isinstance(probe, HttpProbe):
            headers = {name: fill(value, environ, "observe.http") for name, value in probe.headers.items()}
            return {"url": fill(probe.url, environ, "observe.http"), "headers": headers}
        assert isinstance(probe, SqlProbe)  # noqa: S101 - for mypy: nobody asks it of others
        query = probe.query if probe.path is None else read_sql(self._manifest, SqlCommand(path=probe.path))
        return {"query": fill(query or "", environ, "observe.sql"), "connection": self._connection(probe)}

    def _shell(self, asset: Asset, probe: ShellProbe, folder: Path) -> Invocation:
        extra = shell.environment(
            self._environ,
            asset=asset.name,
            run="",
            environment=self._manifest.environment,
            output=address(self._manifest, asset, self._environ),
            upstreams={},
            result=str(folder / _RESULT),
        )
        del extra["ASSETS_RUN_ID"]
        own = {name: fill(text, self._environ, f"env.{name}") for name, text in asset.env.items()}
        return Invocation(
            argv=(*probe.interpreter, fill(probe.run, self._environ, "observe.shell")),
            env={**self._environ, **extra, **own},
            cwd=self._manifest.root,
            log=folder / "log",
            stdout=folder / "stdout",
            timeout=TIMEOUT if asset.timeout is None else asset.timeout,
            masks=self._secrets,
        )


def _answer(call: Invocation, result: Path) -> Answer:
    try:
        reported = shell.read_result(result)
    except ValueError as error:
        raise ProbeError(str(error)) from None
    if reported.data_version is not None:
        return Answer(short_enough(reported.data_version), reported.data_time, reported.metadata)
    printed = _printed(call.stdout)
    if not printed:
        raise ProbeError("it ended well and printed nothing, which is no data version")
    time = moment(printed) if reported.data_time is None else reported.data_time
    return Answer(short_enough(printed), time, reported.metadata)


def _printed(path: Path | None) -> str:
    if path is None or not path.exists():
        return ""
    if path.stat().st_size > _LARGEST:
        raise ProbeError("it printed more than 16 MiB")
    return path.read_text(encoding="utf-8", errors="backslashreplace").strip()
