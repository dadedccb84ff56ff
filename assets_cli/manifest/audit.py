"""What is wrong with the environments that nobody asked for: each is loaded once, and they are held against each other.

For `validate`; every other command reads the one environment that it is in.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from assets_cli.manifest.environments import overlaps
from assets_cli.manifest.load import Whole, load_whole
from assets_cli.model.manifest import DEFAULT_ENVIRONMENT
from assets_cli.model.problem import Problem

UNDECLARED: Final = "A0134"
"""A `--var` that another environment does not declare."""


class Audit(NamedTuple):
    """Every environment as loaded, the one that was asked for first, and what is wrong in the others and in all."""

    loads: Mapping[str, Whole]
    problems: tuple[Problem, ...]


def audit(path: Path, loaded: Whole, *, environment: str, variables: Mapping[str, str]) -> Audit:
    """Look into every environment of a manifest that was loaded for one of them."""
    loads = {environment: loaded}
    problems: list[Problem] = []
    seen = {identity(problem) for problem in loaded.problems}
    places = loaded.manifest.environments if loaded.manifest is not None else {}
    if not places:
        return Audit(loads, ())
    for name in (DEFAULT_ENVIRONMENT, *places):
        if name == environment:
            continue
        other = loads[name] = load_whole(path, environment=name, variables=variables)
        for problem in other.problems:
            if identity(problem) not in seen and problem.code != UNDECLARED:
                seen.add(identity(problem))
                problems.append(within(name, problem))
    manifests = {name: each for name in (DEFAULT_ENVIRONMENT, *places) if (each := loads[name].manifest) is not None}
    return Audit(loads, (*problems, *overlaps(manifests, places)))


def within(environment: str, problem: Problem) -> Problem:
    """A problem that there is in one environment, saying so."""
    label = f"environment '{environment}'"
    if problem.message.startswith(label):
        return problem
    return problem._replace(message=f"{label}: {problem.message}")


def identity(problem: Problem) -> tuple[object, ...]:
    """What two findings have in common that are one."""
    return problem.code, problem.place, problem.message
