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
from assets_cli.model.duration import SECOND
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
        *(2, "data-team", 0, "failed", "[shop] orders failed", NOON, "waiting"),
        *(2, NOON + 15 * SECOND, "no answer", None, "{}"),
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
    waiting = tuple(each for each in reversed(messages) if each.state == "waiting")
    standing = screen.Standing(told, messages[:20], waiting)
    return "\n".join(screen.lines(manifest(*ROUTES), standing, terminal, NOON))


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

could not be delivered yet
route      waiting    next try       why
data-team  1 message  in 15 seconds  no answer
to try them now: assets alerts send

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


def queue(number: int, route: str, tries: int, error: str | None) -> Delivery:
    """A message that waits."""
    next_try = NOON + number * MINUTE if tries else NOON
    return Delivery(number, route, number % 2, "failed", "x", NOON, "waiting", tries, next_try, error, None, "{}")


def test_what_waits_is_shown_by_its_target_however_old_it_is() -> None:
    """How many, when it is tried again and why it waits; the document has each of them."""
    sent = tuple(MESSAGES[1]._replace(id=900 - number) for number in range(30))
    waiting = (
        queue(9, "page", 3, "the command ended with 7: no route to host, and some more that nobody reads to its end"),
        *(queue(number, "team", 0, None) for number in range(10, 600, 2)),
        queue(8, "team", 1, "no answer within 30 s"),
    )
    text = shown((), (*sent, *reversed(waiting)))
    assert (
        text[text.index("could") : text.index("\n\nmessages")]
        == """\
could not be delivered yet
route           waiting       next try      why
page, number 2  1 message     in 9 minutes  the command ended with 7: no route …
team            296 messages  in 8 minutes  no answer within 30 s
to try them now: assets alerts send"""
    )
    document = screen.document(manifest(*ROUTES), screen.Standing((), sent[:20], waiting))
    assert len(document["messages"]) == 20 + len(waiting)


def test_what_is_due_is_said_to_be() -> None:
    """In no seconds."""
    one = queue(2, "team", 1, "no")._replace(next_try=NOON + SECOND - 1)
    assert "team   1 message  is due    no" in shown((), (one,)).splitlines()


def test_nothing_yet() -> None:
    """Said in a line."""
    assert shown((), ()).splitlines()[-1] == "nothing is wrong that was told"


def test_the_document() -> None:
    """As its schema says, without secrets."""
    document = screen.document(manifest(*ROUTES), screen.Standing(TOLD, MESSAGES, MESSAGES[:1]))
    jsonschema.validate(document, json.loads(schema_text("alerts")))
    assert document["routes"][0]["targets"] == ["${env.SLACK_URL}", "slack://***", "json://***"]
    assert [each["state"] for each in document["messages"]] == ["waiting", "sent"]
