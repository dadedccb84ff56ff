"""Runs the steps of a GitHub workflow and of a composite action on this machine, as a runner does.

Every `run:` is executed by the shell that it names, with the files that a runner hands it; an action of this checkout
is run step by step; actions of others are taken as done (`ELSEWHERE` lists them). Knows nothing of what `assets` does.
"""

from __future__ import annotations

import os
import subprocess
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import yaml

from support.expressions import evaluate, filled, shown

ELSEWHERE = {
    "actions/checkout": "the work tree is there already",
    "actions/setup-python": "the Python of this test run is on the path",
    "github/codeql-action/upload-sarif": "GitHub's own: it takes the SARIF file, which must be there",
}
"""Actions that are not run here, and why that does no harm."""
SHELLS = {
    "bash": ("bash", "--noprofile", "--norc", "-eo", "pipefail"),
    None: ("bash", "-e"),
    "sh": ("sh", "-e"),
}
"""How a runner calls each shell; without a name it is the second, which does not see a failure inside a pipe."""


class Ran(NamedTuple):
    """One step: how it ended, and what it printed on both streams."""

    name: str
    outcome: str
    printed: str


class Runner:
    """One job on one machine: its folders, what steps hand to each other, and what they have done so far."""

    def __init__(
        self,
        workspace: Path,
        temporary: Path,
        github: Mapping[str, Any],
        action: Path,
        inputs: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self.workspace = workspace
        self.temporary = temporary
        self.action = action
        """The checkout that holds our own action."""
        self.inputs = inputs
        """Inputs of our own action over those that a workflow gives."""
        self.github = {"workspace": str(workspace), **github}
        self.ran: list[Ran] = []
        self.path: list[str] = []
        self.variables: dict[str, str] = {}
        temporary.mkdir(parents=True, exist_ok=True)

    @property
    def summary(self) -> str:
        """What the steps wrote for people to see."""
        return "".join(path.read_text() for path in sorted(self.temporary.glob("summary-*")))

    def job(self, job: Mapping[str, Any]) -> str:
        """Run the steps of a job: `success` or `failure`."""
        contexts = {"github": self.github, "env": {}, "secrets": {}, "runner": {"temp": str(self.temporary)}}
        return self._steps(job["steps"], contexts, {**job.get("env", {})})[0]

    def composite(
        self, inputs: Mapping[str, Any], environment: Mapping[str, Any] = MappingProxyType({})
    ) -> tuple[str, dict[str, str]]:
        """Run our own action: how it ended, and its outputs."""
        described = yaml.safe_load((self.action / "action.yml").read_text())
        assert described["runs"]["using"] == "composite"
        assert inputs.keys() <= described["inputs"].keys(), "an input that the action does not have"
        told = {"github": self.github}
        given = {
            name: shown(inputs[name]) if name in inputs else filled(about.get("default"), told)
            for name, about in described["inputs"].items()
        }
        contexts = {
            "github": {**self.github, "action_path": str(self.action)},
            "inputs": given,
            "runner": {"temp": str(self.temporary)},
        }
        ended, steps = self._steps(described["runs"]["steps"], contexts, environment)
        values = {
            name: filled(about["value"], {"steps": steps}) for name, about in described.get("outputs", {}).items()
        }
        return ended, values

    def _steps(
        self, steps: list[dict[str, Any]], contexts: Mapping[str, Any], environment: Mapping[str, Any]
    ) -> tuple[str, dict[str, Any]]:
        ended, known = "success", {}
        for number, step in enumerate(steps):
            name = step.get("name") or step.get("id") or step.get("uses") or f"step {number + 1}"
            whole = {**contexts, "steps": known}
            functions = {
                "success": lambda ended=ended: ended == "success",
                "failure": lambda ended=ended: ended == "failure",
                "always": lambda: True,
                "cancelled": lambda: False,
            }
            condition = shown(step.get("if", "success()"))
            if not any(f"{each}(" in condition for each in functions):
                condition = f"success() && ({condition.strip().removeprefix('${{').removesuffix('}}')})"
            if not evaluate(condition, whole, functions):
                self.ran.append(Ran(name, "skipped", ""))
                known[step.get("id", name)] = {"outcome": "skipped", "outputs": {}}
                continue
            told = {key: filled(value, whole) for key, value in {**environment, **step.get("env", {})}.items()}
            outcome, outputs = self._step(name, step, whole, told)
            known[step.get("id", name)] = {"outcome": outcome, "outputs": outputs}
            if outcome == "failure" and not step.get("continue-on-error"):
                ended = "failure"
        return ended, known

    def _step(
        self, name: str, step: Mapping[str, Any], contexts: Mapping[str, Any], environment: Mapping[str, str]
    ) -> tuple[str, dict[str, str]]:
        if "run" in step:
            return self._run(name, step, contexts, environment)
        given = {key: filled(value, contexts) for key, value in step.get("with", {}).items()}
        used = step["uses"].partition("@")[0]
        if used.endswith("/assets"):
            return self.composite({**given, **self.inputs}, environment)
        assert used in ELSEWHERE, f"nobody here knows what {used} does"
        if "sarif_file" in given:
            assert (self.workspace / given["sarif_file"]).stat().st_size
        self.ran.append(Ran(name, "success", ""))
        return "success", {}

    def _run(
        self, name: str, step: Mapping[str, Any], contexts: Mapping[str, Any], environment: Mapping[str, str]
    ) -> tuple[str, dict[str, str]]:
        number = len(self.ran)
        files = {
            kind: self.temporary / f"{kind}-{number:02}" for kind in ("output", "path", "env", "summary", "script")
        }
        for path in files.values():
            path.touch()
        files["script"].write_text(filled(step["run"], contexts))
        done = subprocess.run(
            [*SHELLS[step.get("shell")], str(files["script"])],
            cwd=self.workspace / filled(step.get("working-directory", "."), contexts),
            env=self._environment(files) | self.variables | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        outcome = "failure" if done.returncode else "success"
        self.ran.append(Ran(name, outcome, done.stdout))
        self.path[:0] = reversed(files["path"].read_text().split())
        self.variables |= _values(files["env"].read_text())
        return outcome, _values(files["output"].read_text())

    def _environment(self, files: Mapping[str, Path]) -> dict[str, str]:
        """What a runner sets; of ours only what any program needs."""
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "TMPDIR") if key in os.environ}
        return kept | {
            "PATH": os.pathsep.join([*self.path, kept["PATH"], sysconfig.get_path("scripts")]),
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(self.workspace),
            "RUNNER_TEMP": str(self.temporary),
            "GITHUB_OUTPUT": str(files["output"]),
            "GITHUB_PATH": str(files["path"]),
            "GITHUB_ENV": str(files["env"]),
            "GITHUB_STEP_SUMMARY": str(files["summary"]),
        }


def _values(text: str) -> dict[str, str]:
    """`name=value` lines, and values between a line `name<<WORD` and a line `WORD`."""
    values: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        name, sign, word = line.partition("<<") if "<<" in line.partition("=")[0] else line.partition("=")
        if sign == "<<":
            value = []
            while (each := next(lines)) != word:
                value.append(each)
            values[name] = "\n".join(value)
        elif sign:
            values[name] = word
    return values
