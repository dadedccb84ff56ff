"""The checks of one asset, evaluated where its output is now: built-in ones, queries and functions in a worker process.

Shell checks are processes like any command. The caller holds the asset's lock and those of its databases; what is
recorded, and what follows, is its business.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from assets_cli.computes import shell
from assets_cli.model.history import CheckResult
from assets_cli.model.manifest import Asset, Check, Manifest, SqlCommand
from assets_cli.running import check_arguments, commands
from assets_cli.running.commands import CannotStartError, Target
from assets_cli.running.executors.local import Cancellation, Invocation, Outcome
from assets_cli.running.surroundings import Surroundings

_SHELL = ("sh", "-e", "-c")
_END = 65_536
"""Bytes at the end of a log in which the last line is looked for."""


class Setting(NamedTuple):
    """Whose checks are evaluated, and in what: the run and its log, locks to inherit, who may cancel."""

    manifest: Manifest
    asset: Asset
    target: Target
    descriptors: tuple[int, ...]
    around: Surroundings
    cancellation: Cancellation
    checked: int | None = None
    """The record of what is looked at, where it has one already."""


async def evaluate(checks: Sequence[Check], setting: Setting) -> tuple[CheckResult, ...] | None:
    """What these checks find, in their order; None where it was cancelled."""
    return await _Evaluation(setting).carry_out(checks) if checks else ()


def blocks(results: Sequence[CheckResult]) -> bool:
    """Whether one of them keeps everything below from using what was made."""
    return any(result.blocking and not result.passed for result in results)


def summary(results: Sequence[CheckResult]) -> str:
    """A sentence on the failures of severity error, blocking ones first; empty where there are none."""
    failed = sorted((result for result in results if result.is_error), key=lambda result: not result.blocking)
    if not failed:
        return ""
    first = failed[0]
    more = f"; and {len(failed) - 1} more" if len(failed) > 1 else ""
    return f"{'blocking ' if first.blocking else ''}check {first.name} failed: {first.message}{more}"


class _Evaluation:
    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.found: dict[str, CheckResult] = {}

    async def carry_out(self, checks: Sequence[Check]) -> tuple[CheckResult, ...] | None:
        waiting: dict[str, tuple[Check, Mapping[str, Any]]] = {}
        for check in checks:
            try:
                waiting[check.name] = (check, self._filled(check))
            except CannotStartError as error:
                self._note(check, message=str(error))
        in_shell = {name: each for name, each in waiting.items() if each[0].kind == "shell"}
        if not await self._in_worker({name: each for name, each in waiting.items() if name not in in_shell}):
            return None
        for check, arguments in in_shell.values():
            if not await self._in_shell(check, arguments["run"]):
                return None
        return tuple(self.found[check.name] for check in checks)

    def _filled(self, check: Check) -> Mapping[str, Any]:
        """The arguments with the variables of queries and commands filled in, and the text of a file read."""
        environ, where = self.setting.around.environ, f"check {check.name}"
        arguments = check.arguments
        if check.kind == "shell":
            return {"run": commands.fill(arguments["run"], environ, where)}
        if check.kind != "sql":
            setting = self.setting
            return check_arguments.complete(
                check, setting.asset, setting.manifest, setting.around, checked=setting.checked
            )
        path = arguments.get("path")
        query = arguments["query"] if path is None else commands.read_sql(self.setting.manifest, SqlCommand(path=path))
        return {"query": commands.fill(query, environ, where)}

    async def _in_worker(self, waiting: dict[str, tuple[Check, Mapping[str, Any]]]) -> bool:
        """Evaluate these in worker processes, a further one where a function has ended the last; false: cancelled."""
        while waiting:
            try:
                call = self._worker_call(waiting)
            except CannotStartError as error:
                for check, _ in waiting.values():
                    self._note(check, message=str(error))
                return True
            outcome = await self._run(call)
            if outcome.state == "cancelled":
                return False
            ended: list[str] = []
            for document in outcome.reports:
                if document.get("began") in waiting:
                    ended = [document["began"]]
                elif document.get("check") in waiting:
                    check, _ = waiting.pop(document["check"])
                    ended = []
                    self._note(check, **{key: document[key] for key in ("passed", "failing", "message", "sample")})
            for name in ended or list(waiting):
                check, _ = waiting.pop(name)
                self._note(check, message=f"it could not be evaluated: {outcome.reason or 'the worker said nothing'}")
        return True

    def _worker_call(self, waiting: Mapping[str, tuple[Check, Mapping[str, Any]]]) -> Invocation:
        setting = self.setting
        asked = [
            {"name": name, "kind": check.kind, "arguments": dict(arguments)}
            for name, (check, arguments) in waiting.items()
        ]
        manifest, asset, environ = setting.manifest, setting.asset, setting.around.environ
        told = {"checks": asked, "private": check_arguments.private(asset, manifest)}
        job = commands.job(manifest, asset, setting.target, environ, ("checks", told))
        extra = {"PATH": shell.path_with_interpreter(environ)}
        return self._invocation(commands.WORKER, extra, job)

    async def _in_shell(self, check: Check, text: str) -> bool:
        """Evaluate a shell check; false: cancelled."""
        setting = self.setting
        log = setting.target.log
        before = _size(log)
        try:
            extra = commands.shell_environment(setting.manifest, setting.asset, setting.target, setting.around.environ)
            call = self._invocation((*_SHELL, text), extra)
        except CannotStartError as error:
            self._note(check, message=str(error))
            return True
        outcome = await self._run(call)
        with suppress(OSError):
            os.unlink(setting.target.result)  # noqa: PTH108 - a check has nothing to report of the output
        if outcome.state == "cancelled":
            return False
        if outcome.state == "succeeded":
            self._note(check, passed=True)
        else:
            said = _last_line(log, before)
            self._note(check, message=f"{outcome.reason}: {said}" if said else str(outcome.reason))
        return True

    def _invocation(
        self, argv: tuple[str, ...], extra: Mapping[str, str], job: Mapping[str, Any] | None = None
    ) -> Invocation:
        setting = self.setting
        environ = setting.around.environ
        own = {name: commands.fill(text, environ, f"env.{name}") for name, text in setting.asset.env.items()}
        return Invocation(
            argv=argv,
            env={**environ, **extra, **own},
            cwd=setting.manifest.root,
            log=setting.target.log,
            descriptors=setting.descriptors,
            timeout=setting.asset.timeout,
            job=job,
            masks=setting.around.secrets,
            warm=not setting.asset.isolated,
        )

    async def _run(self, call: Invocation) -> Outcome:
        return await self.setting.around.executor.run(
            call, on_start=lambda _: None, on_prepared=refuse_to_publish, cancelled=self.setting.cancellation
        )

    def _note(
        self,
        check: Check,
        *,
        passed: bool = False,
        failing: int | None = None,
        message: str = "",
        sample: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        around = self.setting.around
        self.found[check.name] = CheckResult(
            name=check.name,
            passed=passed,
            severity=check.severity,
            blocking=check.blocking,
            failing=failing,
            message=around.hide(message),
            sample=tuple(around.hide(row) for row in sample),
            at=around.clock(),
            run=self.setting.target.run,
        )


async def refuse_to_publish(_: Mapping[str, Any]) -> None:
    """What a check or a probe would publish is nobody's business: it has no output."""


def _size(log: commands.StrPath) -> int:
    try:
        return os.stat(log).st_size  # noqa: PTH116 - paths are texts here
    except OSError:
        return 0


def _last_line(log: commands.StrPath, before: int) -> str:
    """The last line that was written to a log after a position."""
    try:
        with open(log, "rb") as stream:  # noqa: PTH123 - as above
            size = stream.seek(0, 2)
            stream.seek(max(before, size - _END))
            lines = stream.read().decode("utf-8", "replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
