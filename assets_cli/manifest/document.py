"""One text with the values that it holds, and the place of each value.

Places are kept as offsets into the text beside each container, and become lines and columns only when somebody asks:
most readings end without a problem. Knows nothing of YAML's grammar or of the manifest's keys.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property
from itertools import accumulate
from typing import Any

from assets_cli.model.problem import Place, Problem, Related
from assets_cli.model.secrets import blurred

EXCERPT = 200
_FAR = 10_000
_BLOCK = re.compile(r"([|>])[^\n]*\n(?:[ \t\r]*\n)*(?=([ \t]*)\S)")
"""The head of a block of text up to its first line; the second group is the indent of that line."""
_BREAK = re.compile(r"\r\n|\n|\r")

Key = str | int


class Document:
    """A file as read. `values` is None where it holds none; `problems` is what was found while reading.

    `marks` maps the id of each container to the offsets of its entries: one per item of a list, two (key, value) per
    entry of a mapping, in order. `keep` holds what the marks refer to and `values` does not, so that no id is reused.
    """

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self.values: Any = None
        self.start = 0
        self.marks: dict[int, list[int]] = {}
        self.raw: dict[int, str] = {}
        """What numbers, booleans and nulls look like in the text, by offset."""
        self.keep: list[Any] = []
        self.problems: list[Problem] = []
        self.offsets: list[int] = []
        """Where each of the problems is."""
        self.flagged: set[int] = set()
        """Offsets of values that a problem was reported for; what follows from it is not worth a second one."""
        self._positions: dict[int, dict[str, int]] = {}

    @cached_property
    def _lines(self) -> list[int]:
        if "\r" in self.text:
            return [0, *(match.end() for match in _BREAK.finditer(self.text))]
        lengths = map(len, self.text.split("\n"))
        return [0, *accumulate(length + 1 for length in lengths)][:-1]

    def place_at(self, offset: int) -> Place:
        """The place of an offset, in lines and columns of characters."""
        line = bisect_right(self._lines, offset)
        return Place(self.file, line, offset - self._lines[line - 1] + 1)

    def excerpt_at(self, offset: int) -> str | None:
        """The source line of an offset, from its start, so that the columns of places count in it.

        A long line is cut some way after the offset; one whose start is too far away has no excerpt.
        Secrets in URLs are asterisks.
        """
        line = bisect_right(self._lines, offset)
        start = self._lines[line - 1]
        if offset - start > _FAR:
            return None
        end = self._lines[line] if line < len(self._lines) else len(self.text)
        end = min(end, max(start + EXCERPT, offset + EXCERPT // 2))
        return blurred(self.text[start:end].rstrip("\r\n"))

    def excerpt_of(self, place: Place) -> str | None:
        """As `excerpt_at`, of a place that was asked for before; None where the text has no such line any more."""
        if place.line > len(self._lines):
            return None
        return self.excerpt_at(min(self._lines[place.line - 1] + place.column - 1, len(self.text)))

    def find(self, path: Sequence[Key], *, key: bool = False) -> tuple[int, int]:
        """The offset of the value at a path (of its key, on request), and how many steps of the path exist."""
        node, offset = self.values, self.start
        for depth, step in enumerate(path):
            marks = self.marks.get(id(node))
            if marks is None:
                return offset, depth
            if isinstance(node, dict):
                if step not in node:
                    return offset, depth
                position = 2 * self._position(node, str(step))
                offset = marks[position + (0 if key and depth == len(path) - 1 else 1)]
            elif isinstance(step, int) and step < len(node):
                offset = marks[step]
            else:
                return offset, depth
            node = node[step]
        return offset, len(path)

    def _position(self, node: dict[str, Any], key: str) -> int:
        positions = self._positions.get(id(node))
        if positions is None:
            positions = self._positions[id(node)] = {name: index for index, name in enumerate(node)}
        return positions[key]

    def within(self, offset: int, line: int, column: int) -> int:
        """The offset of a line and column of the dedented text that stands at an offset.

        Of a text whose lines the reader joined, nobody knows: there it is the offset itself.
        """
        if block := _BLOCK.match(self.text, offset):
            if block[1] == ">":
                return offset
            start = block.end()
            for _ in range(line - 1):
                start = self.text.find("\n", start) + 1 or start
            end = self.text.find("\n", start)
            return min(start + len(block[2]) + column - 1, len(self.text) if end < 0 else end)
        quote = self.text[offset : offset + 1] in ("'", '"')
        end = self.text.find("\n", offset)
        found = offset + quote + column - 1
        return found if line == 1 and found <= (len(self.text) if end < 0 else end) else offset

    def place(self, path: Sequence[Key], *, key: bool = False) -> Place:
        """The place of the value at a path, or of the nearest enclosing one that exists."""
        return self.place_at(self.find(path, key=key)[0])

    def problem_at(self, offset: int, code: str, message: str, hint: str | None = None) -> Problem:
        """An error at an offset, with its line."""
        return Problem(code, message, place=self.place_at(offset), excerpt=self.excerpt_at(offset), hint=hint)

    def problem(
        self,
        path: Sequence[Key],
        code: str,
        message: str,
        hint: str | None = None,
        *,
        key: bool = False,
        related: tuple[Related, ...] = (),
    ) -> Problem:
        """An error at the value of a path, with its line."""
        found = self.problem_at(self.find(path, key=key)[0], code, message, hint)
        return found._replace(related=related) if related else found

    def report(self, offset: int, code: str, message: str, hint: str | None = None) -> None:
        """Add an error found while reading, and remember its offset."""
        self.flagged.add(offset)
        self.offsets.append(offset)
        self.problems.append(self.problem_at(offset, code, message, hint))

    def forgive(self, offsets: AbstractSet[int]) -> None:
        """Take back what reading has reported at these offsets."""
        kept = [position for position, offset in enumerate(self.offsets) if offset not in offsets]
        self.problems = [self.problems[position] for position in kept]
        self.offsets = [self.offsets[position] for position in kept]
        self.flagged -= offsets
