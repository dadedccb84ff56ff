"""What a shell command said by Dagster Pipes, taken in once it has ended: into its log, and as results of checks.

The files of its channel are removed: nothing has masked them. Knows nothing of steps; what follows is the caller's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple
from urllib.parse import unquote

from assets_cli.computes import pipes
from assets_cli.computes.reported import Reported
from assets_cli.model import metadata
from assets_cli.model.event import Warned
from assets_cli.model.history import CheckResult
from assets_cli.model.manifest import Asset, ShellCommand
from assets_cli.model.problem import system_reason
from assets_cli.running import loop
from assets_cli.running.commands import StrPath, Target
from assets_cli.running.executors.logs import Masker
from assets_cli.running.surroundings import Surroundings

if TYPE_CHECKING:  # imported on use: most commands say nothing by Pipes
    from assets_cli.computes.pipes_messages import Said, SaidCheck

_MESSAGES = ".pipes.result.json"
_LONGEST_MESSAGE = 500


class Heard(NamedTuple):
    """What a command said. `exception` is one line of what ended it, `warnings` what was left out."""

    reported: Reported = Reported()
    checks: tuple[CheckResult, ...] = ()
    exception: str | None = None
    warnings: tuple[str, ...] = ()


NOTHING = Heard()


class Listening(NamedTuple):
    """Whose command it was, its log, and the path of its $ASSETS_RESULT, which the files of its channel lie beside."""

    asset: Asset
    run: str
    log: StrPath
    result: StrPath
    secrets: tuple[str, ...]
    hide: Callable[[Any], Any]
    clock: Callable[[], int]


async def listen(asset: Asset, target: Target, around: Surroundings) -> Heard:
    """What the command of an attempt said, if it is one that could; what was left out is told as warnings."""
    if not isinstance(asset.command, ShellCommand) or not has_spoken(target.log, target.result):
        return NOTHING
    listening = Listening(asset, target.run, target.log, target.result, around.secrets, around.hide, around.clock)
    heard = await loop.in_thread(lambda: hear(listening))
    for warning in heard.warnings:
        around.emit(Warned(asset.name, around.clock(), warning))
    return heard


def has_spoken(log: StrPath, result: StrPath) -> bool:
    """Whether there is anything to hear; costs microseconds. Where there is not, nothing of the channel is left."""
    files = pipes.Files.beside(result)
    if pipes.has_spoken(files, os.fspath(log)):
        return True
    files.remove_context()
    return False


def hear(listening: Listening) -> Heard:
    """All that the command said, its log lines added to its log. May take a second, where it said very much."""
    files = pipes.Files.beside(listening.result)
    said = _taken(listening.asset.name, files, Path(listening.log), listening.secrets)
    at = listening.clock()
    declared = {check.name for check in listening.asset.checks}
    results, warnings = [], list(said.warnings)
    for check in said.checks:
        if check.name not in declared:
            results.append(_result(check, listening, at))
        elif not check.passed:
            warnings.append(
                f"it reported that check {check.name} failed; the manifest declares one of this name, which decides"
            )
    return Heard(said.reported, tuple(results), said.exception, tuple(warnings))


def rescue(folder: Path, secrets: Sequence[str]) -> None:
    """Add to the logs of a dead run what its commands had said and nobody has heard, and remove the channels."""
    for path in folder.glob(f"*{_MESSAGES}"):
        stem = path.name.removesuffix(_MESSAGES)
        with suppress(OSError):
            files = pipes.Files.beside(folder / f"{stem}.result.json")
            _taken(unquote(stem.rpartition(".")[0]), files, folder / f"{stem}.log", secrets)


def _taken(asset: str, files: pipes.Files, log: Path, secrets: Sequence[str]) -> Said:
    from assets_cli.computes import pipes_messages  # on use: see above

    try:
        appending = _Appending(log, secrets)
        said = pipes_messages.read(asset, files, os.fspath(log), appending.write)
        appending.finish()
        if appending.problem is None:
            return said
        lost = f"what it logged by Pipes could not be added to its log: {appending.problem}"
        return said._replace(warnings=(*said.warnings, lost))
    finally:
        files.remove()


def _result(check: SaidCheck, listening: Listening, at: int) -> CheckResult:
    """Never blocking: only what the manifest declares is."""
    message = ""
    if not check.passed:
        told = ", ".join(f"{name}: {' '.join(metadata.text(value).split())}" for name, value in check.metadata.items())
        message = f"reported by the command ({told})" if told else "reported by the command"
        message = message if len(message) <= _LONGEST_MESSAGE else f"{message[: _LONGEST_MESSAGE - 1]}…"
    return CheckResult(
        name=listening.hide(check.name),
        passed=check.passed,
        severity=check.severity,
        blocking=False,
        failing=None,
        message=listening.hide(message),
        sample=(),
        at=at,
        run=listening.run,
        reported=True,
        metadata=listening.hide(check.metadata),
    )


class _Appending:
    """Adds text to a log, without secrets, from the beginning of a line on. Never fails: see `problem`."""

    def __init__(self, log: Path, secrets: Sequence[str]) -> None:
        self._log = log
        self._masker = Masker(secrets)
        self._stream: BinaryIO | None = None
        self.problem: str | None = None

    def write(self, text: str) -> None:
        """Add a text."""
        self._add(self._masker.feed(text.encode("utf-8", "backslashreplace")))

    def finish(self) -> None:
        """Add what was held back."""
        self._add(self._masker.rest())
        if self._stream is not None:
            try:
                self._stream.close()
            except OSError as error:
                self._note(error)

    def _add(self, data: bytes) -> None:
        if not data or self.problem is not None:
            return
        try:
            if self._stream is None:
                self._stream = self._log.open("ab+")
                size = self._stream.seek(0, os.SEEK_END)
                self._stream.seek(max(size - 1, 0))
                if size and self._stream.read(1) != b"\n":
                    data = b"\n" + data
            self._stream.write(data)
        except OSError as error:
            self._note(error)

    def _note(self, error: OSError) -> None:
        self.problem = system_reason(error)
