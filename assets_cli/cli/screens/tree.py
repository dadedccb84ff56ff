"""Trees as lines: downwards, and upwards with the root of the drawing below. Knows neither assets nor causes.

A node that was drawn before is drawn again, but not followed again; how deep and how wide a drawing
gets is bounded, and what was left out is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from assets_cli.cli.terminal import Terminal

_ROOM_FOR_TEXT = 30


class Bounds(NamedTuple):
    """How much is drawn: children of one node, levels, nodes in all."""

    wide: int = 50
    deep: int | None = None
    most: int = 500


class Drawing:
    """One tree. `children` gives the nodes below a node; `text` the lines that stand for it.

    `hint` names the options that show what was left out, and `rest` says what that is: ": 3 stale, 247 up to date".

    Nodes of one `identity` lead to the same: only the first is followed.
    """

    def __init__(
        self,
        terminal: Terminal,
        children: Callable[[str], Sequence[str]],
        text: Callable[[str], Sequence[str]],
        *,
        bounds: Bounds = Bounds(),
        identity: Callable[[str], str] = str,
        hint: str = "--json",
        rest: Callable[[Sequence[str]], str] = lambda _: "",
    ) -> None:
        self._terminal = terminal
        self._children = children
        self._text = text
        self._bounds = bounds
        self._identity = identity
        self._hint = hint
        self._rest = rest
        self._drawn: set[str] = set()
        # Beyond this there is no room left for names, and Python's stack is no place for a chain of ten thousand.
        self._deepest = bounds.deep or max((terminal.width - _ROOM_FOR_TEXT) // 3, 3)

    def below(self, node: str, prefix: str = "") -> Iterator[str]:
        """The lines under a node that has been drawn already."""
        waiting = [self._siblings(node, prefix, upwards=False, level=1)]
        yield from self._run(waiting)

    def above(self, node: str, prefix: str = "") -> Iterator[str]:
        """The lines over a node that will be drawn below them."""
        waiting = [self._siblings(node, prefix, upwards=True, level=1)]
        yield from self._run(waiting)

    def _run(self, waiting: list[Iterator[Any]]) -> Iterator[str]:
        """Drive nested iterators without nesting calls."""
        while waiting:
            item = next(waiting[-1], None)
            if item is None:
                waiting.pop()
            elif isinstance(item, str):
                yield item
            else:
                waiting.append(item)

    def _siblings(self, node: str, prefix: str, *, upwards: bool, level: int) -> Iterator[Any]:
        children = list(self._children(node))
        room = self._bounds.most - len(self._drawn)
        shown = children[: max(min(self._bounds.wide, room), 1)]
        hidden = len(children) - len(shown)
        more = f"… and {hidden:,} more{self._rest(children[len(shown) :])} ({self._hint})" if hidden else ""
        if hidden and upwards:
            yield f"{prefix}┌─ {more}"
        for number, child in enumerate(shown):
            if upwards:
                edge = number == 0 and not hidden
                corner = "┌─ " if edge else "├─ "
            else:
                edge = number == len(shown) - 1 and not hidden
                corner = "└─ " if edge else "├─ "
            further = prefix + ("   " if edge else "│  ")
            yield self._node(child, prefix + corner, further, upwards=upwards, level=level)
        if hidden and not upwards:
            yield f"{prefix}└─ {more}"

    def _lines(self, node: str, prefix: str, *, again: bool = False) -> list[str]:
        """The text of a node in the room that is left; what is not its first line is dimmed.

        Drawn `again` it is the first line alone, which says so.
        """
        terminal = self._terminal
        room = max(terminal.width - len(prefix), _ROOM_FOR_TEXT)
        first, *rest = self._text(node)
        if again:
            first, rest = f"{first}  (shown above)", []
        if terminal.colour and "\x1b" in first:
            return [first]
        dimmed = [terminal.paint(piece, "dim") for line in rest for piece in terminal.wrap(line, room)]
        return [*terminal.wrap(first, room), *dimmed]

    def _node(self, node: str, prefix: str, further: str, *, upwards: bool, level: int) -> Iterator[Any]:
        identity = self._identity(node)
        again = identity in self._drawn
        self._drawn.add(identity)
        first, *rest = self._lines(node, further, again=again)
        cut_off = not again and level >= self._deepest and bool(self._children(node))
        if upwards:
            if cut_off:
                yield f"{further}┌─ … more above ({self._hint})"
            elif not again:
                yield self._siblings(node, further, upwards=True, level=level + 1)
            yield prefix + first
            for line in rest:  # between a node and the one below it
                yield f"{prefix[:-3]}│  {line}"
            return
        yield prefix + first
        for line in rest:
            yield further + line
        if again:
            return
        if cut_off:
            yield f"{further}└─ … more below ({self._hint})"
        else:
            yield self._siblings(node, further, upwards=False, level=level + 1)
