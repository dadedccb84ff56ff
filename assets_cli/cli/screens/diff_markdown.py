"""What a change does as a comment on a pull request: a summary, what is urgent, tables, the long parts folded away.

A hidden line at the top lets a bot find its comment again. Names are escaped, so that none of them is markup or a
mention, and the whole stays below what GitHub takes, however much there is to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from assets_cli.cli.screens import changes as words
from assets_cli.cli.words import count
from assets_cli.model.difference import AssetChange, Concerned, Difference, Reader, Report

MARKER = "<!-- assets diff -->"
MOST = 60_000
"""GitHub takes 65,536 characters; what bots add of their own must find room, too."""
_PARTS = (9_000, 9_000, 24_000, 10_000, 4_000, 2_000)
"""The room of the project, the columns, the assets, the owners, what is cosmetic, the warnings."""
_MOST_ALIKE = 2
_MOST_SENTENCES = 8
_MOST_OPEN = 10
_MOST_CELL = 1_500
# What is markup wherever it stands, an underscore at the edge of a word, what GitHub makes links and mentions of, and
# what begins a list or a heading.
_SPECIAL = re.compile(
    r"[\\`*\[\]|~<&$]|(?<![^\W_])_|_(?![^\W_])|[@#](?=\w)|(?<=\w):(?=//)|(?<=www)\.|^[-+>#=]|^\d(?=\d*[.)])"
)
_LINKING = "@#:."


def lines(report: Report) -> Iterator[str]:
    """The whole comment."""
    found = report.difference
    yield MARKER
    yield f"### {_plain(report.project)}: {words.counts(found)}"
    yield ""
    where = f", environment {_plain(report.environment)}" if report.environment != "default" else ""
    yield f"Against {_plain(report.base.label)}{where}. {_sentence(words.stale(found))}"
    if not found.is_empty:
        yield ""
        yield _sentence(words.upcoming(report))
    yield from _settings(found, _PARTS[0])
    yield from _columns(found, _PARTS[1])
    yield from _assets(found, _PARTS[2])
    yield from _concerned(found, _PARTS[3])
    if found.cosmetic:
        items = (f"- {_plain(each)}" for each in found.cosmetic)
        yield from _folded("Comments or layout only, which changes nothing", len(found.cosmetic), items, _PARTS[4])
    if report.warnings:
        yield ""
        yield from _within((f"> **{each.code}** {_plain(each.message)}  " for each in report.warnings), _PARTS[5])


def _settings(found: Difference, room: int) -> Iterator[str]:
    if found.settings:
        items = [f"- {_plain(words.sentence(change))}" for change in found.settings]
        yield from _opened("The project", items, room)


def _columns(found: Difference, room: int) -> Iterator[str]:
    """What is exposed and will not be there: never folded away."""
    if not found.columns:
        return
    yield ""
    yield "**Columns that go away**"
    yield ""
    rows = []
    for gone in found.columns:
        readers = [f"{_stressed(each)}: {_plain(words.reads(each))}" for each in gone.readers]
        cell = _cell(readers) or "nothing here reads it"
        rows.append(f"| {_plain(gone.asset)} | {_plain(gone.column)} | {_plain(words.why_removed(gone))} | {cell} |")
    yield from ("| asset | column | why | read by |", "|---|---|---|---|")
    yield from _within(rows, room)


def _stressed(reader: Reader) -> str:
    return f"**{_plain(reader.asset)}**" if reader.still else _plain(reader.asset)


def _assets(found: Difference, room: int) -> Iterator[str]:
    """A table: the first rows open where there are few, all of them folded away where there are many."""
    if not found.assets:
        return
    groups = words.alike(found.assets, _MOST_ALIKE)
    rows = [_row(members) for members in groups]
    table = ["| | asset | what | owner |", "|---|---|---|---|", *rows]
    yield from _opened("Assets", table, room, many=len(rows) > _MOST_OPEN, number=len(found.assets))


def _row(members: tuple[AssetChange, ...]) -> str:
    one = members[0]
    said = words.sentences(one)
    if len(said) > _MOST_SENTENCES:
        said = [*said[: _MOST_SENTENCES - 1], f"and {len(said) - _MOST_SENTENCES + 1:,} more"]
    owners = tuple(dict.fromkeys(owner for each in members for owner in each.owners))
    named = words.names([each.name for each in members])
    asset = _plain(one.name) if len(members) == 1 else f"{count(len(members), 'asset')}: {_plain(named)}"
    return f"| **{words.word(one)}** | {asset} | {_cell(map(_plain, said))} | {_plain(words.names(owners))} |"


def _concerned(found: Difference, room: int) -> Iterator[str]:
    """Owners as plain text: nobody is called who did not ask for it."""
    if not found.below and len(found.concerned) <= 1:
        return
    distances = {each.asset: each.distance for each in found.below}
    rows = [
        "| owner | changes | may follow (edges below) |",
        "|---|---|---|",
        *(_owner(each, distances) for each in found.concerned),
    ]
    title = "Who needs to know"
    yield from _opened(title, rows, room, many=len(found.concerned) > _MOST_OPEN, number=len(found.concerned))


def _owner(each: Concerned, distances: dict[str, int]) -> str:
    below = [f"{name} ({distances[name]})" for name in each.below]
    cells = [each.owner or words.NOBODY, _counted(each.changed), _counted(below)]
    return f"| {' | '.join(map(_plain, cells))} |"


def _counted(values: Sequence[str]) -> str:
    return f"{len(values):,}: {words.names(values)}" if values else ""


# -- form --------------------------------------------------------------------------------------------------------------


def _opened(title: str, rows: Sequence[str], room: int, *, many: bool = False, number: int = 0) -> Iterator[str]:
    """A part under its title, or folded away where it is long."""
    if many:
        yield from _folded(title, number, rows, room)
        return
    yield ""
    yield f"**{title}**"
    yield ""
    yield from _within(rows, room)


def _folded(title: str, number: int, rows: Iterable[str], room: int) -> Iterator[str]:
    yield ""
    yield f"<details><summary>{title}: {number:,}</summary>"
    yield ""
    yield from _within(rows, room)
    yield ""
    yield "</details>"


def _within(rows: Iterable[str], room: int) -> Iterator[str]:
    """As many rows as there is room for, and how many were left out."""
    left = room
    rest = 0
    for row in rows:
        left -= len(row) + 1
        if left >= 0 and not rest:
            yield row
        else:
            rest += 1
    if rest:
        yield ""
        yield f"… and {rest:,} more: `assets diff` with `--all` lists them."


def _cell(values: Iterable[str]) -> str:
    """Several sentences in one cell of a table."""
    told, length = [], 0
    listed = list(values)
    for value in listed:
        length += len(value)
        if length > _MOST_CELL:
            break
        told.append(value)
    more = len(listed) - len(told)
    return "<br>".join([*told, *([f"and {more:,} more"] if more else [])])


def _plain(text: str) -> str:
    """A text of which nothing is markup, a mention, a reference to an issue, a link or HTML."""
    return re.sub(_SPECIAL, _escaped, words.plain(text))


def _escaped(found: re.Match[str]) -> str:
    # Mentions and links are found in what is rendered: an empty element in them is their end.
    return f"{found[0]}<!-- -->" if found[0] in _LINKING else f"&#{ord(found[0])};"


def _sentence(text: str) -> str:
    return f"{_plain(text[:1].upper() + text[1:])}."
