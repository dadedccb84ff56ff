"""Asks functions of the project what they say of its assets: each policy in a worker process, for a limited time.

What the functions print goes to standard error, masked. Decides nothing: what becomes of the answers is `policies`'
business.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

from assets_cli.computes import shell
from assets_cli.graph import AssetGraph
from assets_cli.model.duration import SECOND
from assets_cli.model.manifest import Policy
from assets_cli.model.problem import Place, Problem, Related
from assets_cli.model.secrets import mask
from assets_cli.policies.asset import VERSION, document
from assets_cli.policies.evaluate import FunctionAnswer, PolicyFindings, Scope, evaluate
from assets_cli.policies.finding import Finding, Known
from assets_cli.probing.check_findings import function_findings
from assets_cli.probing.code import CodeLook
from assets_cli.probing.files import FileDigests
from assets_cli.probing.secrets import secrets_of
from assets_cli.running.checking import refuse_to_publish
from assets_cli.running.commands import WORKER
from assets_cli.running.executors.local import Cancellation, Invocation, LocalExecutor, Outcome
from assets_cli.running.loop import wait_for

SECONDS: Final = 10.0
"""How long the function of one policy may take for all its assets."""

_PATIENCE: Final = 5.0
"""Seconds after these, in which its process starts, is told of the assets, and interrupts it; then it is ended."""

_MOST_PRINTED: Final = 1 << 20
"""Bytes of what a function prints that are passed on."""


class Around(NamedTuple):
    """What asking takes: the variables of the process, what nobody may see, what SQL gives, where prints go."""

    environ: Mapping[str, str]
    secrets: tuple[str, ...]
    known: Known
    say: Callable[[str], object]
    seconds: float


class Asking(NamedTuple):
    """Whether functions are asked, and what that takes of the project: the variables of the process, its files."""

    environ: Mapping[str, str]
    files: FileDigests
    python: bool = True


def evaluate_with_functions(graph: AssetGraph, known: Known, asking: Asking, *, whole: bool) -> PolicyFindings:
    """As `evaluate`, with what functions of the project say. One that is not there is found, and not asked."""
    look = CodeLook(graph.manifest, asking.files)

    def answers(scopes: Sequence[Scope]) -> dict[int, FunctionAnswer]:
        wrong = {scope.policy.position: tuple(_not_there(look, scope.policy)) for scope in scopes}
        found = {
            position: FunctionAnswer((), problems, complete=False) for position, problems in wrong.items() if problems
        }
        rest = [scope for scope in scopes if scope.policy.position not in found]
        if asking.python and rest:
            hidden = secrets_of(graph.manifest, asking.environ, asking.files)
            found |= ask(graph, rest, Around(asking.environ, hidden, known, sys.stderr.write, SECONDS))
        return found

    return evaluate(graph, known, answers, whole=whole)


def _not_there(look: CodeLook, policy: Policy) -> Iterator[Problem]:
    """What is wrong with the function that a policy names, without running it."""
    assert policy.python is not None  # noqa: S101 - for mypy: the others are not asked
    place = look.manifest.locate("", "policies", policy.position, "python")
    for problem in function_findings(look, policy.python, place):
        yield problem._replace(message=f"policy '{policy.name}': {problem.message}")


def ask(graph: AssetGraph, scopes: Sequence[Scope], around: Around) -> dict[int, FunctionAnswer]:
    """What the functions of these policies say, by the policies' positions.

    One process does it all, unless a function leaves it in no state to go on.
    """
    executor = LocalExecutor(grace=0.5)
    answers: dict[int, FunctionAnswer] = {}
    try:
        for scope in scopes:
            with TemporaryDirectory(prefix="assets-policy-") as folder:
                call = _call(graph, scope, around, Path(folder, "log"))
                outcome = wait_for(
                    executor.run(
                        call,
                        on_start=lambda _: None,
                        on_prepared=refuse_to_publish,
                        cancelled=Cancellation(),
                    )
                )
                _pass_on(Path(call.log), around.say)
            answers[scope.policy.position] = _answer(graph, scope, outcome, around)
    finally:
        executor.close()
    return answers


def _call(graph: AssetGraph, scope: Scope, around: Around, log: Path) -> Invocation:
    manifest, python = graph.manifest, scope.policy.python
    assert python is not None  # noqa: S101 - for mypy: the others are not asked
    asked = {
        "version": VERSION,
        "module": python.module,
        "function": python.function,
        "seconds": around.seconds,
        "assets": [document(graph, name, around.known(name)) for name in scope.names],
    }
    job: dict[str, Any] = {
        "compute": "policy",
        "asset": "",
        "run": "",
        "environment": manifest.environment,
        "root": manifest.root,
        "command": asked,
        "output": None,
        "connections": {},
        "default_connection": None,
        "upstreams": {},
        "vars": {},
    }
    return Invocation(
        argv=WORKER,
        # Whoever only validates finds no new files in the project.
        env={**around.environ, "PATH": shell.path_with_interpreter(around.environ), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=manifest.root,
        log=log,
        timeout=int((around.seconds + _PATIENCE) * SECOND),
        job=job,
        masks=around.secrets,
    )


def _pass_on(log: Path, say: Callable[[str], object]) -> None:
    """Show what was printed, or the beginning of it."""
    if not log.exists():
        return
    with log.open("rb") as stream:
        printed = stream.read(_MOST_PRINTED)
        left = os.fstat(stream.fileno()).st_size - len(printed)
    if printed:
        text = printed.decode("utf-8", "backslashreplace")
        say(text if text.endswith("\n") else f"{text}\n")
    if left:
        say(f"… and {left:,} bytes more\n")


def _answer(graph: AssetGraph, scope: Scope, outcome: Outcome, around: Around) -> FunctionAnswer:
    findings: list[Finding] = []
    locate = graph.manifest.locate
    for report in outcome.reports:
        name = report["asset"]
        for message, hint in report.get("found", ()):
            said, how = mask(message, around.secrets), hint and mask(hint, around.secrets)
            findings.append(Finding(name, "A0707", said, how, locate(name, "name")))
        if "failed" in report:
            report["failed"] = mask(report["failed"], around.secrets)
            return FunctionAnswer(tuple(findings), (_failed(graph, scope.policy, report),), complete=False)
    if outcome.state == "succeeded":
        return FunctionAnswer(tuple(findings))
    said = str(outcome.reason)
    if outcome.state == "timed_out":
        said = f"it took more than {around.seconds:g} s, and could not be interrupted"
    elif outcome.result is None:
        said = f"its process ended: {said}"
    report = {"asset": None, "failed": said, "hint": None, "file": None, "line": None}
    return FunctionAnswer(tuple(findings), (_failed(graph, scope.policy, report),), complete=False)


def _failed(graph: AssetGraph, policy: Policy, report: Mapping[str, Any]) -> Problem:
    """A function that failed: at its line, where that is known and in the project."""
    asset, file, written = report["asset"], report["file"], policy.python
    assert written is not None  # noqa: S101 - for mypy: the others are not asked
    place = graph.manifest.locate("", "policies", policy.position, "python")
    related: tuple[Related, ...] = ()
    if file is not None and not file.startswith(("/", "<")):
        related = (Related(place, f"policy '{policy.name}'"),)
        place = Place(file, report["line"], report.get("column", 1))
    about = f" (of asset '{asset}')" if asset is not None else ""
    hint = report["hint"] or f"correct {written.module}:{written.function}; assets after it were not looked at"
    return Problem(
        "A0709", f"policy '{policy.name}': {report['failed']}{about}", place=place, hint=hint, related=related
    )
