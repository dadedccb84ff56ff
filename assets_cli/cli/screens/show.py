"""One asset whole: what it is, whose, its state with causes, freshness, history as small lines, checks, neighbours."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from assets_cli.cli.answer_documents import numbers
from assets_cli.cli.screens.freshness import COLOURS as FRESHNESS_COLOURS
from assets_cli.cli.screens.freshness import held_by, sentence
from assets_cli.cli.screens.numbers import history_lines
from assets_cli.cli.screens.problems import HERE, Viewpoint
from assets_cli.cli.terminal import Terminal, cells, clean
from assets_cli.cli.words import ago, colour_of, count, state, tally
from assets_cli.model import metadata
from assets_cli.model.answers import AssetStatus, Shown
from assets_cli.model.columns import Difference
from assets_cli.model.duration import show as duration
from assets_cli.model.history import CheckResult, Materialization
from assets_cli.model.manifest import Asset, Column, Connection, Inferred, PythonCommand, ShellCommand
from assets_cli.planning.versions import short

_LABEL = 13
_MOST_NAMED = 8
_MOST_COLUMNS = 12
_MOST_CHECKS = 30
_MOST_VALUES = 20
_NAME_AND_TYPE = 2
_COMMAND_LINES = 4
_CHECK_WORDS = {(True, False): "passed", (False, True): "failed", (False, False): "warned"}
_CHECK_COLOURS = {"passed": "green", "failed": "red", "warned": "yellow"}


class Page(NamedTuple):
    """What the screen needs besides the answer; `command` makes a command to suggest of words.

    `sampled` is whether a sample follows, so that none need be suggested.
    """

    terminal: Terminal
    now: int
    command: Callable[..., str]
    view: Viewpoint = HERE
    connections: Mapping[str, Connection] = {}
    sampled: bool = False


def lines(shown: Shown, page: Page) -> Iterator[str]:
    """The whole screen."""
    terminal = page.terminal
    status = shown.status
    word = (
        terminal.paint(state(status), colour_of(status)) if status else terminal.paint("not in the manifest", "yellow")
    )
    yield f"{terminal.paint(shown.name, 'bold')}  {word}"
    if status and status.asset.description:
        for paragraph in clean(status.asset.description).strip().split("\n"):
            yield from terminal.wrap(paragraph, terminal.width)
    elif status is None:
        yield from terminal.wrap(
            "history knows it, the manifest no longer does; its output is left as it is", terminal.width
        )
    yield ""
    if status:
        yield from _section(_what(status.asset, page), terminal)
        yield ""
        yield from _section(_state(shown, status, page), terminal)
    yield from _section(_record(shown, page), terminal)
    history = list(history_lines(shown.history, terminal, page.now))
    if history:
        yield ""
        yield from history
    if shown.checks:
        yield ""
        yield from _checks(shown.checks, terminal, page.now)
    if status:
        yield ""
        yield from _section(_neighbours(shown), terminal)
    yield ""
    yield from _next(shown, page)


Fields = Iterator[tuple[str, Sequence[str]]]


def _section(fields: Fields, terminal: Terminal) -> Iterator[str]:
    """Labels in one column, what they label beside them, wrapped there."""
    for label, texts in fields:
        said = [line for text in texts if text for line in terminal.wrap(text, terminal.width - _LABEL)]
        for number, line in enumerate(said):
            lead = terminal.paint(label, "dim") + " " * (_LABEL - len(label)) if number == 0 else " " * _LABEL
            yield f"{lead}{line}".rstrip()


def _what(asset: Asset, page: Page) -> Fields:
    """What the manifest says of it."""
    yield "kind", [clean(asset.kind)]
    yield "command", _command(asset, page)
    yield "output", [_output(asset, page.connections)]
    yield "owner", [clean(", ".join(asset.owners))]
    yield "group", [clean(asset.group or "")]
    yield "tags", [clean(", ".join(asset.tags))]
    yield "declares", [clean(_column(column)) for column in asset.columns]
    yield "metadata", [clean(", ".join(f"{key}: {value}" for key, value in asset.metadata.items()))]
    yield "defined at", [page.view.place(asset.place)]


def _column(column: Column) -> str:
    """`email varchar [pii]: as the customer typed it`."""
    said = " ".join(filter(None, [column.name, column.type, f"[{', '.join(column.tags)}]" if column.tags else ""]))
    return f"{said}: {column.description}" if column.description else said


def _command(asset: Asset, page: Page) -> list[str]:
    command = asset.command
    if command is None:
        return ["none: others produce it, assets only observes it"]
    if isinstance(command, PythonCommand):
        return [f"{command.module}:{command.function}"]
    if not isinstance(command, ShellCommand) and command.path:
        return [page.view.path(command.path)]
    text = command.run if isinstance(command, ShellCommand) else command.query or ""
    said = [clean(line) for line in text.strip().split("\n")]
    more = len(said) - _COMMAND_LINES
    return [*said[:_COMMAND_LINES], f"… and {count(more, 'more line')}"] if more > 1 else said


def _output(asset: Asset, connections: Mapping[str, Connection]) -> str:
    output = asset.output
    if output is None:
        return "none declared" if asset.command else ""
    if output.table:
        at = connections.get(output.connection or "")
        where = f" in {output.connection}" + (f" ({at.type})" if at else "") if output.connection else ""
        return f"{'view' if output.materialization == 'view' else 'table'} {output.table}{where}"
    return output.path or "a script's own"


def _state(shown: Shown, status: AssetStatus, page: Page) -> Fields:
    """Why it is stale, and how its promise is kept."""
    yield "why", [clean(cause.detail) for cause in status.causes]
    kept = shown.freshness
    if kept is not None:
        verdict = page.terminal.paint(kept.status, FRESHNESS_COLOURS[kept.status])
        waiting = f"waiting for {held_by(kept, page.now)}" if kept.held_by else ""
        yield "freshness", [f"{verdict}: {sentence(kept, page.now)}", waiting]
    elif status.data_time is not None:
        yield "data time", [f"{ago(status.data_time, page.now)}; no freshness policy"]


def _record(shown: Shown, page: Page) -> Fields:
    """What was last recorded of it."""
    seen, made, tried = shown.observation, shown.latest.materialization, shown.latest.attempt
    if seen is not None:
        time = seen.observed if seen.data_time is None else seen.data_time
        yield (
            "observed",
            [
                f"{ago(seen.observed, page.now)}, data from {ago(time, page.now).removeprefix('on ')}",
                f"data version {short(seen.data_version)}",
            ],
        )
    elif made is None:
        external = shown.status is not None and shown.status.asset.is_external
        yield "last", [f"never {'observed' if external else 'materialized'}"]
    if made is not None:
        yield from _made(made, page)
        yield "schema", _changed(shown.history, page)
    if tried is not None and tried.state != "succeeded":
        word = "still running" if tried.state == "open" else tried.state.replace("_", " ")
        reason = f": {clean(tried.reason)}" if tried.reason else ""
        yield "attempt", [f"{word} {ago(tried.started, page.now)} in run {tried.run}{reason}"]


def _made(made: Materialization, page: Page) -> Fields:
    if made.metadata.get("marked"):
        said = [f"marked as it was {ago(made.finished, page.now)}, run {made.run}"]
    else:
        took = duration(max(made.finished - made.started, 0))
        said = [f"materialized {ago(made.finished, page.now)} in {took}, run {made.run}"]
    notes = ["unchanged"] if made.unchanged else []
    notes += ["blocked: a blocking check failed"] if made.blocked else []
    yield "last", [*said, ", ".join([f"data version {short(made.data_version)}", *notes])]
    yield from _reported(made, page.terminal)


def _reported(made: Materialization, terminal: Terminal) -> Fields:
    """What was reported of it: columns, and a line for each value but numbers, which are shown as a history."""
    elsewhere = {"marked", "schema_change", *numbers(made)}
    left = {name: value for name, value in made.metadata.items() if name not in elsewhere}
    columns = left.get("columns")
    if isinstance(columns, list) and all(isinstance(one, list) and len(one) == _NAME_AND_TYPE for one in columns):
        del left["columns"]
        told = [f"{name} {kind}".strip() for name, kind in columns[:_MOST_COLUMNS]]
        told += [f"… and {len(columns) - _MOST_COLUMNS:,} more"] if len(columns) > _MOST_COLUMNS else []
        yield "columns", [clean(", ".join(told))]
    others = []
    for name, value in list(left.items())[:_MOST_VALUES]:
        said = " ".join(clean(metadata.text(value)).split())
        if cells(name) < _LABEL:
            yield clean(name), [_one_line(said, terminal)]
        else:
            others.append(_one_line(f"{clean(name)}: {said}", terminal))
    if len(left) > _MOST_VALUES:
        others.append(f"… and {count(len(left) - _MOST_VALUES, 'more value')} (--json)")
    yield "reported", others


def _one_line(text: str, terminal: Terminal) -> str:
    return terminal.fit(text, terminal.width - _LABEL).rstrip() if terminal.wraps else text


def _changed(history: Sequence[Materialization], page: Page) -> list[str]:
    """When the columns changed last, and how."""
    for one in history:
        change = Difference.of_document(one.metadata.get("schema_change"))
        if change:
            return [clean(f"changed {ago(one.finished, page.now)}, run {one.run}: {change.sentence()}")]
    return []


def _checks(checks: Sequence[CheckResult], terminal: Terminal, now: int) -> Iterator[str]:
    """A line for each check, the failed ones first with what is wrong."""
    counts = tally(_CHECK_WORDS[one.passed, one.is_error] for one in checks)
    yield f"{terminal.paint('Checks', 'bold')}  {', '.join(f'{number:,} {word}' for word, number in counts.items())}"
    ordered = sorted(checks, key=lambda one: one.passed)
    width = min(max(cells(one.name) for one in ordered), max(terminal.width // 2, 12))
    for one in ordered[:_MOST_CHECKS]:
        word = _CHECK_WORDS[one.passed, one.is_error]
        said = (
            f"{terminal.paint(word, _CHECK_COLOURS[word])}  {terminal.fit(clean(one.name), width)}  {ago(one.at, now)}"
        )
        yield f"  {said}"
        for text in terminal.wrap(clean(one.message), terminal.width - 10) if one.message else []:
            yield " " * 10 + text
    if len(ordered) > _MOST_CHECKS:
        yield f"  … and {len(ordered) - _MOST_CHECKS:,} more (--json)"


def _neighbours(shown: Shown) -> Fields:
    inferred = {each.upstream: each for each in (shown.status.asset.inferred if shown.status else ())}
    yield "made from", _names(shown.upstreams, inferred) or ["nothing: it is a root"]
    yield "made of it", _names(shown.downstreams) or ["nothing"]


def _names(statuses: Sequence[AssetStatus], inferred: Mapping[str, Inferred] = {}) -> list[str]:
    told = [
        f"{one.asset.name}  ({state(one)}{_inferred(inferred.get(one.asset.name))})" for one in statuses[:_MOST_NAMED]
    ]
    return [*told, f"… and {len(statuses) - _MOST_NAMED:,} more"] if len(statuses) > _MOST_NAMED else told


def _inferred(found: Inferred | None) -> str:
    if found is None:
        return ""
    return (
        f"; inferred from {found.file}:{found.line}" if found.file else f"; inferred from line {found.line} of its SQL"
    )


def _next(shown: Shown, page: Page) -> Iterator[str]:
    """The commands that go on from here."""
    status, command, tried = shown.status, page.command, shown.latest.attempt
    if status is None:
        yield f"next: {command('runs', '--asset', shown.name)}"
        return
    asked: list[str] = []
    if tried is not None and tried.state in {"failed", "timed_out", "crashed", "cancelled"}:
        asked.append(command("logs", tried.run, shown.name))
    if status.causes:
        asked += [
            command("why", shown.name),
            command("materialize", shown.name, *(["--upstream"] if status.tentative else [])),
        ]
    elif status.asset.is_external:
        asked.append(command("observe", shown.name))
    if status.asset.output is not None and shown.latest.materialization is not None and not page.sampled:
        asked.append(command("show", shown.name, "--sample"))
    for number, line in enumerate(asked or [command("lineage", shown.name)]):
        yield f"{'next:' if number == 0 else '     '} {line}"
