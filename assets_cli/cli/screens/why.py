"""Why an asset is stale, as a tree of causes down to their roots. Shows a `Why`; looks nothing up."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from assets_cli.cli.screens.tree import Drawing
from assets_cli.cli.terminal import Terminal, clean
from assets_cli.cli.words import ago, colour_of, count, state
from assets_cli.model.answers import AssetStatus, Why
from assets_cli.model.plan import Cause


def lines(why: Why, terminal: Terminal, now: int, command: Callable[..., str]) -> Iterator[str]:
    """The whole screen."""
    status = why.status
    yield f"{terminal.paint(status.asset.name, 'bold')}  {terminal.paint(state(status), colour_of(status))}"
    yield from _tree(why, terminal, now)
    yield ""
    yield from terminal.pack(_record(status, now), terminal.width)
    if status.causes:
        above = any(up.status.causes for up in why.upstreams)
        yield ""
        yield f"run: {command('materialize', status.asset.name, *(['--upstream'] if above else []))}"
    elif status.asset.is_external:
        yield from terminal.wrap("external: others produce it, assets only observes it", terminal.width)


def _tree(why: Why, terminal: Terminal, now: int) -> Iterator[str]:
    """One node a cause; below a cause that is an upstream's, the causes of that upstream."""
    known = _all(why)
    causes: dict[str, tuple[Cause, Why | None]] = {}

    def children(node: str) -> list[str]:
        behind = known[node] if node in known else causes[node][1]
        if behind is None:
            return []
        name = behind.status.asset.name
        found = []
        for number, cause in enumerate(behind.status.causes):
            key = f"{name}\n{number}"
            causes[key] = (cause, known.get(cause.upstream or ""))
            found.append(key)
        return found

    def text(node: str) -> list[str]:
        cause, behind = causes[node]
        said = [clean(cause.detail)]
        if behind is not None:
            upstream = behind.status
            when = f", {_when(upstream, now)}" if upstream.materialized is not None else ""
            said.append(f"{upstream.asset.name}: {state(upstream)}{when}")
        return said

    def identity(node: str) -> str:
        behind = causes[node][1]
        return behind.status.asset.name if behind is not None and behind.status.causes else node

    yield from Drawing(terminal, children, text, identity=identity).below(why.status.asset.name)


def _all(why: Why) -> dict[str, Why]:
    """Every asset that the causes lead to, by name; shared ones once."""
    known: dict[str, Why] = {}
    waiting = [why]
    while waiting:
        one = waiting.pop()
        if one.status.asset.name not in known:
            known[one.status.asset.name] = one
            waiting += one.upstreams
    return known


def _when(status: AssetStatus, now: int) -> str:
    verb = "observed" if status.asset.is_external else "materialized"
    at = ago(status.materialized, now) if status.materialized is not None else "never"
    return f"{verb} {at}" + (f" in run {status.run}" if status.run else "")


def _record(status: AssetStatus, now: int) -> list[str]:
    """What is on record for the asset itself."""
    if status.materialized is None:
        return [f"never {'observed' if status.asset.is_external else 'materialized'}"]
    parts = [f"last {_when(status, now)}"]
    if status.rows is not None:
        parts.append(count(status.rows, "row"))
    if status.data_time is not None:
        parts.append(f"data time {ago(status.data_time, now)}")
    return parts
