"""Telling, after a command, those who are to be told by alerts. Changes no result and no exit code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from assets_cli.cli import console

if TYPE_CHECKING:
    from assets_cli.model.problem import Problem
    from assets_cli.project import Project


_FEW: Final = 1_000
"""Of so many assets it is worked out in a few milliseconds what there is to tell; of more nobody waits for that."""


def announce(project: Project) -> None:
    """Tell what there is to tell, and say what earlier could not be delivered."""
    if not project.manifest.alerts:
        return
    warn_of_trouble(project)
    is_large = len(project.manifest.assets) > _FEW
    warn(project.alerts.tell_apart() if is_large else project.alerts.tell().problems)


def warn_of_trouble(project: Project) -> None:
    """Say what could not be delivered."""
    if project.manifest.alerts and (trouble := project.alerts.trouble()):
        warn([trouble])


def warn(problems: Sequence[Problem]) -> None:
    """Show warnings, in the few words that the end of a command has room for."""
    for problem in problems:
        said = f"{console.err().paint('warning', 'bold', 'yellow')}[{problem.code}]: {problem.message}"
        console.remark([said, *([f"  hint: {problem.hint}"] if problem.hint else [])])
