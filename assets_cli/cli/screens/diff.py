"""What a change does, as people read it before they merge it: what differs, what goes away, who needs to know."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from assets_cli.cli.screens import changes as words
from assets_cli.cli.screens.problems import HERE, Viewpoint, blocks
from assets_cli.cli.terminal import Terminal, cells
from assets_cli.cli.words import count
from assets_cli.model.difference import AssetChange, Concerned, Difference, RemovedColumn, Report

MOST = 40
_MOST_ALIKE = 3
_MOST_SENTENCES = 8
_MOST_NAMED = 20
_MOST_READERS = 10
_FEW = 5
_MOST_OF_OWNER = 6
_NARROWEST = 30
# Sign and word say the same, so that colour need say nothing.
_SIGNS = {
    "added": ("+", "green"),
    "removed": ("-", "red"),
    "renamed": (">", "cyan"),
    "changed": ("~", "yellow"),
    "same data": ("=", "blue"),
}


class Page(NamedTuple):
    """What the screen needs besides the report. `command` makes a command to suggest of words."""

    terminal: Terminal
    command: Callable[..., str]
    view: Viewpoint = HERE
    everything: bool = False


def lines(report: Report, page: Page) -> Iterator[str]:
    """The whole screen."""
    terminal, found = page.terminal, report.difference
    before = f", {report.before:,} before" if report.before != report.now else ""
    yield from terminal.pack(
        [
            terminal.paint(report.project, "bold"),
            f"against {words.plain(report.base.label)}",
            f"environment {report.environment}",
            f"{count(report.now, 'asset')}{before}",
        ],
        terminal.width,
    )
    yield ""
    if found.settings:
        yield from _settings(found, page)
        yield ""
    if found.columns:
        yield from _columns(found.columns, page)
        yield ""
    if found.assets:
        yield from _assets(found, page)
        yield ""
    if found.below or len(found.concerned) > 1:
        yield from _concerned(found, page)
        yield ""
    if found.cosmetic:
        shown = found.cosmetic if page.everything else found.cosmetic[:_MOST_NAMED]
        text = f"Comments or layout only, which changes nothing: {words.names(shown, len(shown))}"
        rest = len(found.cosmetic) - len(shown)
        yield from terminal.wrap(f"{text} and {rest:,} more (--all)" if rest else text, terminal.width)
        yield ""
    yield from blocks(report.warnings, terminal, page.view, everything=page.everything, most=10)
    yield from _end(report, page)


def _number(entries: Sequence[object], page: Page) -> int:
    """How many entries of a list are shown: all, or some of many."""
    return len(entries) if page.everything or len(entries) <= MOST else _MOST_NAMED


def _settings(found: Difference, page: Page) -> Iterator[str]:
    terminal = page.terminal
    yield terminal.paint("Project", "bold")
    shown = found.settings[: _number(found.settings, page)]
    signs = {"added": "+", "removed": "-"}
    for change in shown:
        first, *rest = terminal.wrap(words.sentence(change), terminal.width - 4)
        yield f"  {signs.get(change.sort, '~')} {first}"
        yield from (f"      {line}" for line in rest)
    if len(shown) < len(found.settings):
        yield f"  … and {len(found.settings) - len(shown):,} more (--all)"


def _columns(columns: tuple[RemovedColumn, ...], page: Page) -> Iterator[str]:
    """What is exposed to others and will not be there, with who reads it."""
    terminal = page.terminal
    yield terminal.paint("Columns that go away", "bold")
    shown = columns[: _number(columns, page)]
    most = _MOST_READERS if len(columns) <= _FEW else _MOST_ALIKE
    for gone in shown:
        name = words.plain(f"{gone.asset}.{gone.column}")
        nobody = "" if gone.readers else "; nothing here reads it"
        first, *rest = terminal.wrap(
            f"{words.why_removed(gone)}{nobody}", max(terminal.width - cells(name) - 6, _NARROWEST)
        )
        yield f"  {terminal.paint(f'- {name}', 'bold', 'red')}  {first}"
        yield from (f"{' ' * (cells(name) + 6)}{line}" for line in rest)
        readers = gone.readers if page.everything else gone.readers[:most]
        longest = max((cells(words.plain(each.asset)) for each in readers), default=0)
        for reader in readers:
            sign = "!" if reader.still else " "
            said = words.reads(reader) + (f" · {words.names(reader.owners)}" if reader.owners else "")
            first, *rest = terminal.wrap(said, max(terminal.width - longest - 10, _NARROWEST))
            asset = words.plain(reader.asset)
            yield f"    {terminal.paint(sign, 'bold', 'red')} {asset}{' ' * (longest - cells(asset))}  {first}"
            yield from (f"{' ' * (longest + 8)}{line}" for line in rest)
        if len(readers) < len(gone.readers):
            yield f"      … and {len(gone.readers) - len(readers):,} more (--all)"
    if len(shown) < len(columns):
        yield f"  … and {len(columns) - len(shown):,} more (--all)"


def _assets(found: Difference, page: Page) -> Iterator[str]:
    terminal = page.terminal
    yield terminal.paint("Assets", "bold")
    groups = [(one,) for one in found.assets] if page.everything else words.alike(found.assets, _MOST_ALIKE)
    shown = groups[: _number(groups, page)]
    titles = [_title(members) for members in shown]
    longest = max(map(cells, titles))
    widest = max(len(words.word(members[0])) for members in shown)
    beside = 2 + 2 + widest + 2 + longest + 2
    stacked = terminal.wraps and terminal.width - beside < _NARROWEST
    for members, title in zip(shown, titles, strict=True):
        said = words.sentences(members[0])
        if len(said) > _MOST_SENTENCES and not page.everything:
            said = [*said[: _MOST_SENTENCES - 1], f"and {len(said) - _MOST_SENTENCES + 1:,} more (--all)"]
        if len(members) > 1:
            said.append(words.names([one.name for one in members], _MOST_NAMED))
        yield from _asset(members[0], title, said, (beside, longest, widest, stacked), terminal)
    if len(shown) < len(groups):
        rest = sum(len(members) for members in groups[len(shown) :])
        yield f"  … and {count(rest, 'more asset')} (--all)"


def _asset(
    one: AssetChange, title: str, said: list[str], layout: tuple[int, int, int, bool], terminal: Terminal
) -> Iterator[str]:
    beside, longest, widest, stacked = layout
    verb = words.word(one)
    sign, colour = _SIGNS[verb]
    start = f"  {terminal.paint(f'{sign} {verb}', 'bold', colour)}{' ' * (widest - len(verb))}  "
    indent = 6 if stacked else beside
    folded = [line for text in said for line in terminal.wrap(text, terminal.width - indent)]
    name = terminal.paint(title, "bold")
    if stacked or not folded:
        yield start + name
    else:
        yield f"{start}{name}{' ' * (longest - cells(title))}  {folded.pop(0)}"
    yield from (f"{' ' * indent}{line}" for line in folded)


def _title(members: tuple[AssetChange, ...]) -> str:
    return words.plain(members[0].name) if len(members) == 1 else count(len(members), "asset")


def _concerned(found: Difference, page: Page) -> Iterator[str]:
    """Owners, with what of theirs changes and what may follow, by how many edges it is below."""
    terminal = page.terminal
    distances = {each.asset: each.distance for each in found.below}
    yield terminal.paint("Who needs to know", "bold") + (" (how many edges below a change)" if distances else "")
    shown = found.concerned if page.everything else found.concerned[:_MOST_NAMED]
    longest = max(cells(words.plain(each.owner or words.NOBODY)) for each in shown)
    for each in shown:
        owner = words.plain(each.owner or words.NOBODY)
        first, *rest = terminal.wrap(_told(each, distances, page), max(terminal.width - longest - 4, _NARROWEST))
        yield f"  {terminal.paint(owner, 'bold', 'cyan')}{' ' * (longest - cells(owner))}  {first}"
        yield from (f"{' ' * (longest + 4)}{line}" for line in rest)
    if len(shown) < len(found.concerned):
        yield f"  … and {count(len(found.concerned) - len(shown), 'more owner')} (--all)"


def _told(each: Concerned, distances: dict[str, int], page: Page) -> str:
    most = len(distances) + len(each.changed) + 1 if page.everything else _MOST_OF_OWNER
    parts = [f"changes: {words.names(each.changed, most)}"] if each.changed else []
    if each.below:
        told = [f"{name} ({distances[name]})" for name in each.below]
        parts.append(f"may follow: {words.names(told, most)}")
    return " · ".join(parts)


def _end(report: Report, page: Page) -> Iterator[str]:
    """The last lines: how much, what becomes stale, and what would run."""
    terminal, found = page.terminal, report.difference
    first, *rest = terminal.wrap(words.counts(found), terminal.width - 6)
    yield f"{terminal.paint('Diff:', 'bold')} {first}"
    yield from (f"      {line}" for line in rest)
    if found.is_empty:
        return
    for text in (words.stale(found), words.upcoming(report)):
        first, *rest = terminal.wrap(text, terminal.width - 6)
        yield f"      {first}"
        yield from (f"      {line}" for line in rest)
    if report.next is not None and report.next.steps:
        yield ""
        yield f"run: {page.command('plan')}"
