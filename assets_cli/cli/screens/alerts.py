"""The routes of alerts, what was told and is not over, and the latest messages: as a page and as a document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from assets_cli.cli.screens.table import NAME, Column
from assets_cli.cli.screens.table import lines as table
from assets_cli.cli.terminal import Terminal, clean
from assets_cli.cli.words import ago, count, rfc3339, roughly, some
from assets_cli.model.alerts import Delivery, Told
from assets_cli.model.duration import SECOND, written
from assets_cli.model.manifest import ALERT_EVENTS, AlertRoute, Manifest
from assets_cli.model.secrets import MASK, mask, reveals

VERSION: Final = 1
_MOST: Final = 20
_COLOURS = {"sent": "green", "waiting": "yellow", "undelivered": "red"}
_ROUTES = (
    Column("route", worth=9),
    Column("to", least=12, worth=5),
    Column("about", least=12, worth=4),
    Column("tells", least=12, worth=3),
)
_OPEN = (
    Column("told", worth=7),
    Column("route", worth=8),
    Column("what", worth=9),
    Column("asset", least=NAME, worth=9),
)
_WAITING = (
    Column("route", worth=8),
    Column("waiting", worth=9),
    Column("next try", worth=7),
    Column("why", least=24, worth=9),
)
_MESSAGES = (
    Column("when", worth=7),
    Column("route", worth=8),
    Column("state", worth=9),
    Column("message", least=24, worth=9),
)


class Standing(NamedTuple):
    """How things stand: what was told and is not over, the newest messages, and all that is yet to be delivered."""

    told: Sequence[Told]
    messages: Sequence[Delivery]
    waiting: Sequence[Delivery] = ()


def lines(manifest: Manifest, standing: Standing, terminal: Terminal, now: int) -> Iterator[str]:
    """The page."""
    told, messages, waiting = standing
    routes = [[each.name, some(_targets(each)), clean(each.select or "all"), _tells(each)] for each in manifest.alerts]
    yield from table(_ROUTES, routes, terminal)
    yield ""
    if told:
        shown = sorted(told, key=lambda each: -each.at)[:_MOST]
        rows = [[ago(each.at, now), each.route, each.event.replace("_", " "), _asset(each)] for each in shown]
        yield terminal.paint("not over yet", "bold")
        yield from table(_OPEN, rows, terminal)
        if len(told) > len(shown):
            yield f"and {len(told) - len(shown):,} more (--json has all)"
    else:
        yield "nothing is wrong that was told"
    if tried := [each for each in waiting if each.tries]:
        yield ""
        yield terminal.paint("could not be delivered yet", "bold")
        yield from table(_WAITING, _queues(tried, waiting, now), terminal)
        yield "to try them now: assets alerts send"
    if messages:
        yield ""
        yield terminal.paint("messages", "bold")
        rows = [
            [ago(each.created, now), each.route, terminal.paint(each.state, _COLOURS[each.state]), _message(each)]
            for each in messages
        ]
        yield from table(_MESSAGES, rows, terminal)


def _queues(tried: Sequence[Delivery], waiting: Sequence[Delivery], now: int) -> list[list[str]]:
    """Of each target that could not be reached how many messages wait, and what the last try said."""
    rows = []
    for first in tried:  # of one target only the oldest is tried
        number = sum((each.route, each.target) == (first.route, first.target) for each in waiting)
        left = 0 if first.next_try is None else first.next_try - now
        again = f"in {roughly(left)}" if left >= SECOND else "is due"
        route = f"{first.route}, number {first.target + 1}" if first.target else first.route
        rows.append([route, count(number, "message"), again, clean(first.error or "")])
    return rows


def document(manifest: Manifest, standing: Standing) -> dict[str, Any]:
    """The document of `schemas/alerts.schema.json`."""
    newest = {each.id for each in standing.messages}
    older = [each for each in reversed(standing.waiting) if each.id not in newest]
    return {
        "version": VERSION,
        "environment": manifest.environment,
        "routes": [
            {
                "name": each.name,
                "targets": _targets(each),
                "tell": list(each.tell),
                "select": each.select,
                "severity": each.severity,
                "quiet_seconds": each.quiet / SECOND,
            }
            for each in manifest.alerts
        ],
        "open": [
            {
                "route": each.route,
                "event": each.event,
                "asset": each.asset,
                "cause": each.cause,
                "since": rfc3339(each.since),
                "told": rfc3339(each.at),
            }
            for each in standing.told
        ],
        "messages": [
            {
                "id": each.id,
                "route": each.route,
                "target": each.target,
                "event": each.event,
                "title": each.title,
                "created": rfc3339(each.created),
                "state": each.state,
                "tries": each.tries,
                "next_try": rfc3339(each.next_try) if each.tries else None,
                "error": each.error,
                "delivered": rfc3339(each.delivered),
            }
            for each in (*standing.messages, *older)
        ],
    }


def _targets(route: AlertRoute) -> list[str]:
    """Where to, as written; of what would be a secret its beginning."""
    if route.command is not None:
        return ["command"]
    return [f"{url.partition('://')[0]}://{MASK}" if reveals(url) else str(mask(url)) for url in route.urls]


def _tells(route: AlertRoute) -> str:
    if not route.tell:
        return "turned off"
    events = "everything" if route.tell == ALERT_EVENTS else ", ".join(each.replace("_", " ") for each in route.tell)
    least = ", errors only" if route.severity == "error" else ""
    return f"{events}{least}, quiet {written(route.quiet)}"


def _asset(told: Told) -> str:
    return told.asset if told.cause == told.asset else f"{told.asset}, by {told.cause}"


def _message(each: Delivery) -> str:
    return clean(each.title if each.error is None else f"{each.title} ({each.error})")
