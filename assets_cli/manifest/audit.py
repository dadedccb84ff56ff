"""What is wrong with the environments that nobody asked for: each is loaded once, and they are held against each other.

For `validate`; every other command reads the one environment that it is in.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from assets_cli.manifest.environments import overlaps
from assets_cli.manifest.load import Loaded, load
from assets_cli.model.manifest import DEFAULT_ENVIRONMENT, Manifest
from assets_cli.model.problem import Problem

_UNDECLARED: Final = "A0134"
"""A `--var` that another environment does not declare."""


class Audit(NamedTuple):
    """The manifests of all environments that could be made, and what is wrong in those that were not asked for."""

    manifests: Mapping[str, Manifest]
    problems: tuple[Problem, ...]


def audit(path: Path, loaded: Loaded, *, environment: str, variables: Mapping[str, str]) -> Audit:
    """Look into every environment of a manifest that was loaded for one of them."""
    manifests: dict[str, Manifest] = {}
    problems: list[Problem] = []
    seen = {_identity(problem) for problem in loaded.problems}
    if loaded.manifest is None or not loaded.manifest.environments:
        return Audit({}, ())
    places = loaded.manifest.environments
    for name in (DEFAULT_ENVIRONMENT, *places):
        other = loaded if name == environment else load(path, environment=name, variables=variables)
        if other.manifest is not None:
            manifests[name] = other.manifest
        for problem in other.problems:
            if _identity(problem) not in seen and problem.code != _UNDECLARED:
                seen.add(_identity(problem))
                problems.append(within(name, problem))
    return Audit(manifests, (*problems, *overlaps(manifests, places)))


def within(environment: str, problem: Problem) -> Problem:
    """A problem that there is in one environment, saying so."""
    label = f"environment '{environment}'"
    if problem.message.startswith(label):
        return problem
    return problem._replace(message=f"{label}: {problem.message}")


def _identity(problem: Problem) -> tuple[object, ...]:
    return problem.code, problem.place, problem.message
