"""Everything below an asset, by owner, so that everybody who must know can be told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from assets_cli.cli.screens.freshness import COLOURS
from assets_cli.cli.screens.table import NAME, Column
from assets_cli.cli.screens.table import lines as table
from assets_cli.cli.terminal import Terminal, clean
from assets_cli.cli.words import ago, colour_of, count, some, state
from assets_cli.model.answers import Affected, Impact, Verdict

_MOST = 40
_MOST_OWNERS = 20
_MOST_ROWS = 200
_REACHED = (
    Column("asset", least=NAME, worth=9),
    Column("state", worth=8),
    Column("reaches", least=20, worth=7),
)
_COLUMNS = (
    Column("asset", least=NAME, worth=9),
    Column("edges", worth=5, right=True),
    Column("state", worth=8),
    Column("promise", least=10, worth=6),
)


def lines(impact: Impact, terminal: Terminal, now: int, command: Callable[..., str]) -> Iterator[str]:
    """The asset, a table for each owner, and the promises that hang on it."""
    asset = impact.asset.asset
    painted = terminal.paint(state(impact.asset), colour_of(impact.asset))
    name = asset.name if impact.column is None else f"{asset.name}.{impact.column}"
    yield f"{terminal.paint(name, 'bold')}  {painted}"
    if not impact.affected:
        yield "nothing is made from it"
        return
    owners: dict[str, list[Affected]] = {}
    for one in impact.affected:
        for owner in one.status.asset.owners or ("(no owner)",):
            owners.setdefault(owner, []).append(one)
    # Everybody who can be told first; the nearest of each first.
    ordered = sorted(owners, key=lambda name: (name == "(no owner)", owners[name][0].distance))
    told = ordered[:_MOST_OWNERS] if terminal.wraps else ordered
    most = min(_MOST_ROWS // len(told), _MOST)
    for owner in told:
        yield ""
        yield f"{terminal.paint(owner, 'bold', 'cyan')}: {count(len(owners[owner]), 'asset')}"
        shown = owners[owner][:most] if terminal.wraps else owners[owner]
        narrower = terminal._replace(width=terminal.width - 2)
        if impact.column is None:
            rows = table(_COLUMNS, [_row(one, terminal, now) for one in shown], narrower)
        else:
            rows = table(_REACHED, [_reached(one, impact, terminal) for one in shown], narrower)
        for line in rows:
            yield f"  {line}"
        if len(shown) < len(owners[owner]):
            yield f"  … and {len(owners[owner]) - len(shown):,} more (--json)"
    if len(told) < len(ordered):
        rest = ordered[len(told) :]
        number = sum(len(owners[owner]) for owner in rest)
        yield ""
        more = f"… and {count(len(rest), 'more owner')} with {count(number, 'asset')} (--json)"
        yield from terminal.wrap(f"{more}: {some(rest, _MOST_OWNERS)}", terminal.width)
    yield ""
    yield from terminal.pack(_summary(impact, owners, now), terminal.width)
    yield ""
    yield f"run: {command('plan', asset.name, '--downstream')}"


def _row(one: Affected, terminal: Terminal, now: int) -> tuple[str, ...]:
    kept = one.freshness
    text = "" if kept is None else terminal.paint(_promise(kept, now), COLOURS[kept.status])
    painted = terminal.paint(state(one.status), colour_of(one.status))
    return (one.status.asset.name, str(one.distance), painted, text)


def _reached(one: Affected, impact: Impact, terminal: Terminal) -> tuple[str, ...]:
    """The columns that a change reaches, or that it reaches the rows, or that nobody knows."""
    name = one.status.asset.name
    found = impact.reached[name]
    told = [column for column, _ in found.columns]
    if found.clauses:
        told.append(f"its rows ({', '.join(found.clauses)})")
    if found.note:
        told.append(f"not known: {found.note}")
    return (name, terminal.paint(state(one.status), colour_of(one.status)), clean(", ".join(told)))


def _promise(kept: Verdict, now: int) -> str:
    """`6h, to be broken in 2 hours`."""
    if kept.broken_at is None:
        return f"{kept.policy.text}, age unknown"
    return f"{kept.policy.text}, {'' if kept.status == 'fail' else 'to be '}broken {ago(kept.broken_at, now)}"


def _summary(impact: Impact, owners: Sequence[str] | dict[str, list[Affected]], now: int) -> list[str]:
    """`5 assets below`, `2 owners`, `2 promises, the next to be broken in 2 hours`."""
    named = len([owner for owner in owners if owner != "(no owner)"])
    parts = [f"{count(len(impact.affected), 'asset')} below", count(named, "owner") if named else ""]
    promises = [one.freshness for one in impact.affected if one.freshness]
    if not promises:
        return parts
    broken = sum(kept.status == "fail" for kept in promises)
    coming = [kept for kept in promises if kept.status in {"pass", "warn"} and kept.broken_at is not None]
    parts.append(count(len(promises), "promise") + (f", {broken:,} broken" if broken else ""))
    if coming:
        first = min(coming, key=lambda kept: kept.broken_at or 0)
        parts.append(f"next at risk: {first.asset} {ago(first.broken_at or now, now)}")
    return parts
