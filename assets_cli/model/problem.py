"""What is wrong, where, and what to do about it.

A `Problem` is a value; showing it is the console's business. `AssetsError` carries any number of them
to the edge of the program, so that a user sees all that is wrong at once. Neither knows of files or screens.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Severity = Literal["error", "warning"]

EXPRESSION: Final = "<selection>"
"""The `file` of a place in a selection that was typed; the problem's excerpt is the selection itself."""


class Place(NamedTuple):
    """A position in a text file. `file` is relative to the project root (posix); `line`, `column` count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Related(NamedTuple):
    """A second place that belongs to the same problem, such as the first use of a duplicate name."""

    place: Place
    message: str


class Problem(NamedTuple):
    """One finding. `code` is stable and explained by `assets explain CODE`; `message` is one lower-case sentence.

    `excerpt` is the source line at `place`, when there is one; `hint` says what to type or change next.
    """

    code: str
    message: str
    severity: Severity = "error"
    place: Place | None = None
    excerpt: str | None = None
    hint: str | None = None
    related: tuple[Related, ...] = ()
    asset: str | None = None


class Suppressed(NamedTuple):
    """A finding that the project turned off, by a rule or as excepted from a policy, and where it says so."""

    problem: Problem
    place: Place
    excepted: bool = False


class AssetsError(Exception):
    """An error that the user can mend. Carries every problem known at that moment; the command line exits with 2."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(f"{problem.code}: {problem.message}" for problem in problems))
        self.problems = problems


def system_reason(error: OSError) -> str:
    """What the operating system says of an error, as part of a sentence."""
    return (error.strerror or str(error)).lower()
