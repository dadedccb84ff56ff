"""The screen of `assets alerts`, whole: three routes, ten thousand things told, 80 columns and a pipe."""

from __future__ import annotations

import io
import json

import jsonschema
from support.shop import HOUR, MINUTE, NOON

from assets_cli.cli.screens import alerts as screen
from assets_cli.cli.terminal import Terminal
from assets_cli.manifest.schemas import schema_text
from assets_cli.model.alerts import Delivery, Told
from assets_cli.model.manifest import AlertRoute, Manifest
from assets_cli.model.problem import Place

ROUTES = (
    AlertRoute("data-team", ("${env.SLACK_URL}", "slack://T1/B2/C3", "json://me:secret@localhost/x")),
    AlertRoute("on-call", command="./page.sh", tell=("overdue", "failed"), select="tag:gold", severity="error"),
    AlertRoute("off", ("json://localhost",), tell=()),
)
TOLD = (
    Told("on-call", "overdue", "mart", "raw_events", NOON - HOUR, NOON - HOUR),
    Told("data-team", "failed", "orders", "orders", NOON, NOON - MINUTE),
)
MESSAGES = (
    Delivery(
        2, "data-team", 0, "failed", "[shop] orders failed", NOON, "waiting", 2, NOON + 15, "no answer", None, "{}"
    ),
    Delivery(1, "on-call", 0, "overdue", "[shop] raw_events is late", NOON - HOUR, "sent", 1, None, None, NOON, "{}"),
)


def manifest(*routes: AlertRoute) -> Manifest:
    """A project with nothing but routes."""
    return Manifest(
        *(
            "/",
            "assets.yml",
            "shop",
            "prod",
            "state.db",
            {},
            {},
            None,
            {},
            (),
            (),
            lambda *_: Place("assets.yml", 1, 1),
        ),
        alerts=routes,
    )


def shown(told: tuple[Told, ...] = TOLD, messages: tuple[Delivery, ...] = MESSAGES, *, wraps: bool = True) -> str:
    """The screen."""
    terminal = Terminal(io.StringIO(), width=80, wraps=wraps)
    return "\n".join(screen.lines(manifest(*ROUTES), told, messages, terminal, NOON))


def test_the_screen() -> None:
    """Who is told what, what is not over, what became of the messages; no secret in it."""
    assert (
        shown(wraps=False)
        == """\
route      to                                            about     tells
data-team  ${env.SLACK_URL}, slack://*** and json://***  all       everything, quiet 1h
on-call    command                                       tag:gold  overdue, failed, errors only, quiet 1h
off        json://localhost                              all       turned off

not over yet
told          route      what     asset
1 minute ago  data-team  failed   orders
1 hour ago    on-call    overdue  mart, by raw_events

messages
when        route      state    message
just now    data-team  waiting  [shop] orders failed (no answer)
1 hour ago  on-call    sent     [shop] raw_events is late"""
    )


def test_at_eighty_columns() -> None:
    """Nothing is wider."""
    assert max(map(len, shown().splitlines())) <= 80


def test_of_ten_thousand_the_latest() -> None:
    """And how many more there are."""
    many = tuple(Told("on-call", "failed", f"a{n}", f"a{n}", NOON, NOON - n) for n in range(10_000))
    lines = shown(many, ()).splitlines()
    assert (len(lines), lines[-1]) == (28, "and 9,980 more (--json has all)")


def test_nothing_yet() -> None:
    """Said in a line."""
    assert shown((), ()).splitlines()[-1] == "nothing is wrong that was told"


def test_the_document() -> None:
    """As its schema says, without secrets."""
    document = screen.document(manifest(*ROUTES), TOLD, MESSAGES)
    jsonschema.validate(document, json.loads(schema_text("alerts")))
    assert document["routes"][0]["targets"] == ["${env.SLACK_URL}", "slack://***", "json://***"]
    assert [each["state"] for each in document["messages"]] == ["waiting", "sent"]
