"""Findings as GitHub's workflow commands: annotations beside the lines of a pull request.

GitHub shows ten errors and ten warnings of a step and drops the rest without a word. So no more are written: of each
code the first ones, and the rest as lines of the log, where all can be read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from assets_cli.cli.forges import Report, width
from assets_cli.cli.screens.problems import turned_off
from assets_cli.cli.terminal import clean
from assets_cli.cli.words import count, tally
from assets_cli.model.codes import CODES
from assets_cli.model.problem import Problem

SHOWN: Final = 10
"""How many annotations of one severity GitHub shows of a step."""
_LINES: Final = 100
"""How many lines of further findings the log has without `--all`."""


def lines(report: Report) -> Iterator[str]:
    """The commands, errors first, then the findings that have no annotation, then a line that counts them all."""
    left: list[Problem] = []
    for severity in ("error", "warning"):
        alike = [problem for problem in report.problems if problem.severity == severity]
        chosen = _spread(alike, SHOWN)
        yield from (_annotation(alike[position], report) for position in sorted(chosen))
        left += (problem for position, problem in enumerate(alike) if position not in chosen)
    if left:
        told = left if report.everything else left[:_LINES]
        yield f"::group::{count(len(left), 'further finding')}"
        yield from (_line(problem, report) for problem in told)
        if len(told) < len(left):
            codes = tally(problem.code for problem in left[len(told) :])
            rest = ", ".join(f"{number:,} of {code}" for code, number in codes.items())
            yield f"and {rest}: assets validate --all"
        yield "::endgroup::"
    total = _total(report, len(left))
    yield f"::notice title=assets validate::{_escaped(total)}" if left else total


def _spread(problems: Sequence[Problem], most: int) -> set[int]:
    """The positions of so many of them, of each code in turn: a hundred of one kind hide none of another."""
    turn: dict[str, int] = {}
    ranked: list[tuple[int, int]] = []
    for position, problem in enumerate(problems):
        turn[problem.code] = turn.get(problem.code, 0) + 1
        ranked.append((turn[problem.code], position))
    return {position for _, position in sorted(ranked)[:most]}


def _annotation(problem: Problem, report: Report) -> str:
    place = report.place(problem)
    path = report.path(place.file)
    title = CODES[problem.code].title if problem.code in CODES else ""
    properties: dict[str, object] = {}
    if path is not None:
        properties = {"file": path, "line": place.line, "col": place.column}
        length = width(problem)
        if length:
            properties |= {"endLine": place.line, "endColumn": place.column + length}
    properties["title"] = f"{problem.code} {title}".strip()
    written = ",".join(f"{name}={_escaped(str(value), 'property')}" for name, value in properties.items())
    return f"::{problem.severity} {written}::{_escaped(_message(problem, report))}"


def _message(problem: Problem, report: Report) -> str:
    """The sentence, what belongs to it, and what to do."""
    parts = [clean(problem.message)]
    for related in problem.related:
        file = report.path(related.place.file) or related.place.file
        parts.append(f"{file}:{related.place.line}:{related.place.column}: {clean(related.message)}")
    if problem.hint:
        parts.append(f"hint: {clean(problem.hint)}")
    return "\n".join(parts)


def _line(problem: Problem, report: Report) -> str:
    """A finding as a line of the log, which no command is."""
    place = report.place(problem)
    file = report.path(place.file) or place.file
    text = f"{file}:{place.line}:{place.column}: {clean(problem.message)}".replace("\n", " ")
    return f"{problem.severity}[{problem.code}] {text.replace('##[', '## [')}"  # the older form of a command


def _total(report: Report, left: int) -> str:
    errors = sum(problem.severity == "error" for problem in report.problems)
    warnings = len(report.problems) - errors
    parts = [count(errors, "error")] if errors else []
    parts += [count(warnings, "warning")] if warnings else []
    text = f"assets validate: {', '.join(parts) or 'nothing wrong'}"
    if left:
        text += f"; {left:,} of them without an annotation, since GitHub shows {SHOWN} of a kind"
    return "; ".join([text, *turned_off(report.suppressed), *report.notes])


def _escaped(text: str, where: str = "message") -> str:
    """As the runner takes it apart again: one line, and in a property none of the signs that end one."""
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if where == "property" else text
