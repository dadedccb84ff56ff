"""The probe of an external asset that is a shell command: started, timed, ended like any command of a step.

What it says is `probing.observing`'s business; that floor gets this one's `ShellProbes` handed in. Records nothing, and
keeps no file: what it prints may hold secrets.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from assets_cli.computes import shell
from assets_cli.model.duration import SECOND
from assets_cli.model.manifest import Asset, Manifest, ShellProbe
from assets_cli.probing.observing import Answer, ProbeError, moment, short_enough
from assets_cli.running.checking import refuse_to_publish
from assets_cli.running.commands import CannotStartError, address, fill
from assets_cli.running.executors.local import Cancellation, Invocation, LocalExecutor, tail
from assets_cli.running.loop import wait_for

TIMEOUT: Final = 60 * SECOND
_LARGEST: Final = 1 << 24
"""Bytes: what prints more is not an answer."""


class ShellProbes:
    """Runs the shell probes of one project; see `probing.observing.Shell`."""

    def __init__(self, manifest: Manifest, environ: Mapping[str, str], secrets: tuple[str, ...]) -> None:
        self._manifest = manifest
        self._environ = environ
        self._secrets = secrets
        self._executor = LocalExecutor()
        self._cancellation = Cancellation()

    def cancel(self) -> None:
        """End those that run; called again, at once."""
        if self._cancellation.is_set():
            self._cancellation.hurry()
        self._cancellation.cancel()

    def ask(self, asset: Asset) -> Answer:
        """What the probe of an asset says: in `$ASSETS_RESULT`, or by what it prints.

        Raises:
            ProbeError: it failed, took too long or said nothing.
        """
        with TemporaryDirectory(prefix="assets-observe-") as folder:
            try:
                call = self._invocation(asset, Path(folder))
            except CannotStartError as error:
                raise ProbeError(str(error)) from None
            outcome = wait_for(
                self._executor.run(
                    call, on_start=lambda _: None, on_prepared=refuse_to_publish, cancelled=self._cancellation
                )
            )
            if outcome.state != "succeeded":
                said = tail(Path(call.log), 1)
                raise ProbeError(f"{outcome.reason}: {said[0]}" if said else str(outcome.reason))
            return _answer(call, Path(folder, _RESULT))

    def _invocation(self, asset: Asset, folder: Path) -> Invocation:
        probe = asset.observe
        assert isinstance(probe, ShellProbe)  # noqa: S101 - for mypy: nobody asks it of others
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


_RESULT: Final = "result.json"


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
