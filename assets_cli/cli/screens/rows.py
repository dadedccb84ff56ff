"""Rows of a database: as a table that fits a terminal, as CSV and as JSON that are written as the rows come."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from assets_cli.cli.answer_documents import columns as column_documents
from assets_cli.cli.answer_documents import plain
from assets_cli.cli.documents import VERSION
from assets_cli.cli.screens.table import Column
from assets_cli.cli.screens.table import lines as table_lines
from assets_cli.cli.terminal import Terminal, cells, clean
from assets_cli.cli.words import count
from assets_cli.model.answers import Sample

_LEAST = 8
_READABLE = 20
"""Up to this width values are whole: numbers, days, moments. A table of their beginnings tells nothing."""
_TITLE = 12
_LONGEST_CELL = 2_000
_NULL = "NULL"

Columns = Sequence[tuple[str, str]]


def table(columns: Columns, rows: Sequence[Sequence[Any]], terminal: Terminal) -> Iterator[str]:
    """Aligned columns, numbers to the right; a row that is too wide for that stands upright.

    On a screen, what is too wide is cut with a sign; in a pipe nothing is.
    """
    if not rows:
        yield from terminal.wrap(f"no rows; columns: {', '.join(clean(name) for name, _ in columns)}", terminal.width)
        return
    titles = [_cell(name, terminal) for name, _ in columns]
    shown = [[_cell(value, terminal) or " " for value in row] for row in rows]
    if len(shown) == 1 and terminal.wraps and sum(map(_width, zip(titles, shown[0], strict=True))) > terminal.width:
        yield from _upright(titles, shown[0], terminal)
        return
    declared = [
        Column(
            title,
            least=max(_LEAST, min(cells(title), _TITLE), min(max(cells(row[index]) for row in shown), _READABLE)),
            right=all(value is None or _is_number(value) for value in (row[index] for row in rows)),
        )
        for index, title in enumerate(titles)
    ]
    yield from table_lines(declared, shown, terminal)


def _width(pair: tuple[str, str]) -> int:
    """What a column of one title and one value takes, with a gap."""
    return max(map(cells, pair)) + 2


def _upright(titles: Sequence[str], row: Sequence[str], terminal: Terminal) -> Iterator[str]:
    """One row as a line for each column; long texts go on below."""
    margin = min(max(map(cells, titles)), terminal.width // 2)
    for title, value in zip(titles, row, strict=True):
        first, *rest = terminal.wrap(value.strip(), terminal.width - margin - 2)
        yield f"{terminal.paint(terminal.fit(title, margin), 'bold')}  {first}".rstrip()
        yield from (" " * (margin + 2) + line for line in rest)


def sample(value: Sample, terminal: Terminal) -> Iterator[str]:
    """The beginning of an output under a title that says how much of it this is."""
    number = len(value.rows) if value.lines is None else len(value.lines)
    noun = "row" if value.lines is None else "line"
    if value.note and not value.columns and value.lines is None:
        yield from terminal.wrap(f"{terminal.paint('Sample', 'bold')}: {value.note}", terminal.width)
        return
    said = f"the first {count(number, noun)}" if value.more else "all there is" if number else ""
    title = " ".join(filter(None, (said, value.note)))
    yield terminal.paint("Sample", "bold") + (f": {title}" if title else "")
    if value.lines is None:
        yield from table(value.columns, value.rows, terminal)
        return
    for line in value.lines:
        text = clean(line[:_LONGEST_CELL])
        yield (terminal.fit(text, terminal.width) if terminal.wraps else text).rstrip()


def csv_pieces(columns: Columns, rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """A header and the rows; NULL is an empty field."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([name for name, _ in columns])
    for row in rows:
        writer.writerow(["" if value is None else _text(value) for value in row])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def json_pieces(columns: Columns, rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """One document, a row a line."""
    head = json.dumps({"version": VERSION, "columns": column_documents(columns)})
    yield f'{head[:-1]}, "rows": ['
    separator = "\n"
    for row in rows:
        yield separator + json.dumps([plain(value) for value in row])
        separator = ",\n"
    yield "\n]}\n"


def _is_number(value: Any) -> bool:
    from decimal import Decimal  # on use: only rows need it

    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def _cell(value: Any, terminal: Terminal) -> str:
    """One line of text: a line break is shown, not made."""
    text = _NULL if value is None else _text(value)
    text = text[:_LONGEST_CELL] if terminal.wraps else text
    return clean(text.replace("\r\n", "\\n").replace("\n", "\\n").replace("\t", " "))


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    found = plain(value)
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
