"""Aligned columns for ten thousand rows. Cells that do not fit are cut with a sign, columns that do not are named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from assets_cli.cli.terminal import Terminal, cells

NAME = 40
"""The width to which a column of assets' names may shrink: who reads a name wants to type it."""
_GAP = 2
_MOST_NAMED = 6


class Column(NamedTuple):
    """One column. `least` is the width to which it may shrink; columns of a low `worth` are left out first."""

    title: str
    least: int = 10_000
    worth: int = 9
    right: bool = False


def lines(columns: Sequence[Column], rows: Sequence[Sequence[str]], terminal: Terminal) -> Iterator[str]:
    """Titles, then rows. Cells may be styled as a whole. A pipe has no edge, so there nothing is cut.

    A column without any value is left out.
    """
    widths = [max([cells(column.title), *(cells(row[index]) for row in rows)]) for index, column in enumerate(columns)]
    shown = [index for index in range(len(columns)) if any(row[index] for row in rows)]
    left_out: list[str] = []
    if terminal.wraps:
        left_out = _squeeze(columns, widths, shown, terminal.width)
    yield terminal.paint(_row([column.title for column in columns], columns, widths, shown, terminal), "bold")
    for row in rows:
        yield _row(row, columns, widths, shown, terminal)
    if left_out:
        named = ", ".join(left_out[:_MOST_NAMED])
        more = f" and {len(left_out) - _MOST_NAMED} more" if len(left_out) > _MOST_NAMED else ""
        for line in terminal.wrap(f"(no room for {named}{more}; --json has all)", terminal.width):
            yield terminal.paint(line, "dim")


def _squeeze(columns: Sequence[Column], widths: list[int], shown: list[int], room: int) -> list[str]:
    """Leave out columns that do not fit however much all shrink; then shrink what may, the widest first.

    Gives the titles of those that are left out.
    """
    left_out: list[str] = []
    while len(shown) > 1 and sum(min(widths[each], columns[each].least) + _GAP for each in shown) - _GAP > room:
        least = min(shown, key=lambda index: (columns[index].worth, -index))
        shown.remove(least)
        left_out.append(columns[least].title)
    while (excess := sum(widths[index] + _GAP for index in shown) - _GAP - room) > 0:
        supple = [index for index in shown if widths[index] > columns[index].least]
        if not supple:
            break
        widest = max(supple, key=lambda index: widths[index])
        others = max((widths[index] for index in supple if index != widest), default=0)
        widths[widest] -= min(excess, max(widths[widest] - max(others, columns[widest].least), 1))
    return left_out


def _row(
    row: Sequence[str], columns: Sequence[Column], widths: Sequence[int], shown: Sequence[int], terminal: Terminal
) -> str:
    parts: list[str] = []
    for index in shown:
        cell, width = row[index], widths[index]
        if cells(cell) > width:
            cell = terminal.fit(cell, width)
        blank = " " * (width - cells(cell))
        parts.append(blank + cell if columns[index].right else cell + blank)
    return (" " * _GAP).join(parts).rstrip()
