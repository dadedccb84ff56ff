"""What the formats for forges (GitHub, and all that read SARIF) have in common: whose root a path is relative to.

A forge shows a finding beside a line of the repository, so that paths are those of the repository, of which the project
may be a folder. Asks no git: the folder that holds `.git` is the root.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from assets_cli.cli.screens.problems import WORD
from assets_cli.manifest.load import NAMES
from assets_cli.model.problem import EXPRESSION, Place, Problem, Suppressed


class Report(NamedTuple):
    """What is printed: the findings, with what was turned off, and where the project and its repository are.

    `notes` say what was not looked at. `everything` is whether every one of them is told, however many.
    """

    problems: Sequence[Problem]
    suppressed: Sequence[Suppressed]
    root: Path
    repository: Path
    notes: Sequence[str] = ()
    everything: bool = False

    def path(self, file: str) -> str | None:
        """A file of the project as the repository has it; None for one outside."""
        found = os.path.relpath(os.path.join(self.root, file), self.repository)  # noqa: PTH118 - it may be absolute
        return None if found.startswith("../") else found.replace(os.sep, "/")

    def place(self, problem: Problem) -> Place:
        """Where a finding is shown; one without a place of its own at the start of the manifest."""
        if problem.place is not None and problem.place.file != EXPRESSION:
            return problem.place
        there = (name for name in NAMES if (self.root / name).exists())
        return Place(next(there, NAMES[0]), 1, 1)


def width(problem: Problem) -> int | None:
    """How many characters of its line a finding is about; None where nobody knows the line."""
    if problem.place is None or problem.excerpt is None:
        return None
    word = re.match(WORD, problem.excerpt[problem.place.column - 1 :])
    return len(word[0]) if word else None


def repository_of(root: Path) -> Path:
    """The folder of the repository that a project is in; in a copy without git what CI calls its workspace."""
    for folder in (root, *root.parents):
        if os.path.lexists(folder / ".git"):
            return folder
    workspace = os.environ.get("GITHUB_WORKSPACE") or os.environ.get("CI_PROJECT_DIR")
    if workspace:
        resolved = Path(workspace).resolve()
        if root.is_relative_to(resolved):
            return resolved
    return root
