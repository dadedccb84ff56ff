"""Problems as people read them: what is wrong, where, the line itself with the place marked, and what to do."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from assets_cli.cli.terminal import Terminal, cells, clean
from assets_cli.cli.words import count, tally
from assets_cli.model.problem import EXPRESSION, Place, Problem, Suppressed

MOST = 50
_MOST_ALIKE = 5
WORD = r"\"[^\"]*\"?|'[^']*'?|\$\{[^}]*\}?|[^\s:,\[\]{}#]+|."
_TERM = r"\"[^\"]*\"?|'[^']*'?|[^\s()+\"']+|."
_MOST_EXCERPT = 400
_POLICY = re.compile(r"\(policy '.*'\)$")


class Viewpoint(NamedTuple):
    """Where the project is and where the user stands, so that a place can be clicked from there."""

    root: Path | None = None
    directory: Path | None = None

    def path(self, file: str) -> str:
        """A file of the project as seen from the user's directory."""
        if self.root is None or self.directory is None or self.root == self.directory:
            return file
        return os.path.relpath(self.root / file, self.directory)

    def place(self, place: Place) -> str:
        """`file:line:column` as seen from the user's directory."""
        return f"{self.path(place.file)}:{place.line}:{place.column}"


HERE = Viewpoint()


def report(
    problems: Sequence[Problem],
    terminal: Terminal,
    view: Viewpoint = HERE,
    *,
    everything: bool = False,
    suppressed: Sequence[Suppressed] = (),
) -> Iterator[str]:
    """All problems up to `MOST`, of more the first ones of each code, and a last line that counts them all.

    `suppressed` are those that the project turned off, which get a line of their own.
    """
    yield from blocks(problems, terminal, view, everything=everything)
    if len(problems) > MOST and not everything:
        yield "  hint: assets validate --all lists them all"
        yield ""
    if problems:
        yield totals(problems, terminal)
    yield from turned_off(suppressed)


def blocks(
    problems: Sequence[Problem],
    terminal: Terminal,
    view: Viewpoint = HERE,
    *,
    everything: bool = False,
    most: int = MOST,
) -> Iterator[str]:
    """A block and an empty line for each problem; of more than `most` by code, the first ones of each and how many.

    Errors come before warnings, then whatever there is least of: ten thousand of one kind hide none of another.
    """
    if len(problems) <= most or everything:
        for problem in problems:
            yield from block(problem, terminal, view)
            yield ""
        return
    kinds: dict[tuple[bool, str], list[Problem]] = {}
    for problem in problems:
        kinds.setdefault((problem.severity != "error", _kind(problem)), []).append(problem)
    some_of_each = min(max(most // len(kinds), 1), _MOST_ALIKE)
    for (_, kind), alike in sorted(kinds.items(), key=lambda item: (item[0][0], len(item[1]))):
        shown = alike if len(alike) == some_of_each + 1 else alike[:some_of_each]
        for problem in shown:
            yield from block(problem, terminal, view)
            yield ""
        if len(shown) < len(alike):
            files = {problem.place.file for problem in alike[len(shown) :] if problem.place}
            where = f" in {count(len(files), 'file')}" if files else ""
            yield terminal.paint(f"… and {len(alike) - len(shown):,} more of {kind}{where}", "bold")
            yield ""


def _kind(problem: Problem) -> str:
    """What a finding is one of many of: its code, and the policy that found it."""
    policy = _POLICY.search(problem.message)
    return f"{problem.code} {policy[0]}" if policy else problem.code


def totals(problems: Sequence[Problem], terminal: Terminal) -> str:
    """`3 errors, 1 warning in 2 files`."""
    errors = sum(problem.severity == "error" for problem in problems)
    warnings = len(problems) - errors
    parts = [terminal.paint(count(errors, "error"), "bold", "red")] if errors else []
    parts += [terminal.paint(count(warnings, "warning"), "bold", "yellow")] if warnings else []
    files = {problem.place.file for problem in problems if problem.place and problem.place.file != EXPRESSION}
    return ", ".join(parts) + (f" in {count(len(files), 'file')}" if files else "")


def turned_off(suppressed: Sequence[Suppressed]) -> Iterator[str]:
    """`3 findings turned off by rules: 2 of A0312, 1 of A0210`, and as much of those excepted from policies."""
    for how, excepted in (("turned off by rules", False), ("excepted from policies", True)):
        codes = [each.problem.code for each in suppressed if each.excepted == excepted]
        if codes:
            kinds = ", ".join(f"{number:,} of {code}" for code, number in tally(codes).items())
            yield f"{count(len(codes), 'finding')} {how}: {kinds}"


def block(problem: Problem, terminal: Terminal, view: Viewpoint = HERE) -> Iterator[str]:
    """One problem: head, place, excerpt, related places, hint."""
    colour = "red" if problem.severity == "error" else "yellow"
    head = f"{problem.severity}[{problem.code}]"
    first, *rest = _paragraphs(clean(problem.message), terminal, len(head) + 2, 2)
    yield f"{terminal.paint(head, 'bold', colour)}: {terminal.paint(first, 'bold')}"
    for line in rest:
        yield f"  {terminal.paint(line, 'bold')}"
    if problem.place:
        if problem.place.file != EXPRESSION:
            yield f"  {terminal.paint('-->', 'blue')} {view.place(problem.place)}"
        if problem.excerpt is not None:
            yield from _excerpt(problem.excerpt, problem.place, terminal, colour)
    for related in problem.related:
        where = view.place(related.place)
        said = clean(related.message)
        begin = len(where) + 8
        # Behind a long path nothing is gained by a break.
        lines = _paragraphs(said, terminal, begin, 6) if begin < terminal.width // 2 else [said]
        yield f"  {terminal.paint('-->', 'blue')} {where}: {lines[0]}"
        yield from (f"      {line}" for line in lines[1:])
    if problem.hint:
        for number, line in enumerate(_paragraphs(clean(problem.hint), terminal, 8, 8)):
            yield f"  {terminal.paint('hint', 'cyan')}: {line}" if number == 0 else f"        {line}"


def _paragraphs(text: str, terminal: Terminal, first: int, indent: int) -> list[str]:
    """A text in lines, the first of which starts at column `first` and the others at `indent`."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        wrapped = terminal.wrap("x" * (first - indent if not lines else 0) + paragraph, terminal.width - indent)
        if not lines:
            wrapped[0] = wrapped[0][first - indent :]
        lines += wrapped
    return lines


def _excerpt(source: str, place: Place, terminal: Terminal, colour: str) -> Iterator[str]:
    """The source line with the word at the column underlined; a long line is shown around it."""
    source = source.rstrip("\r\n")
    at = min(max(place.column - 1, 0), len(source))
    before, after = clean(source[:at].expandtabs(4)), clean(source[at : at + _MOST_EXCERPT])
    # What was typed has no lines to speak of.
    number = str(place.line) if place.file != EXPRESSION else " "
    room = max(terminal.width - len(number) - 5, 10)
    if cells(before) + cells(after) > room and terminal.wraps:
        lead = min(len(before), room // 3)
        sign = "…" if terminal.unicode else "..."  # the caret is to stand under what is written at last
        before = (sign + before[-lead:].lstrip()) if lead < len(before) else before
        after = terminal.fit(after, max(room - cells(before), 8)).rstrip()
    token = re.match(WORD if place.file != EXPRESSION else _TERM, after)
    length = max(cells(token[0]) if token else 1, 1)
    bar = terminal.paint("|", "blue")
    yield f" {terminal.paint(number, 'blue')} {bar} {before}{after}".rstrip()
    yield f" {' ' * len(number)} {bar} {' ' * cells(before)}{terminal.paint('^' * length, 'bold', colour)}"
