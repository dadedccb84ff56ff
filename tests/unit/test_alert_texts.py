"""What messages of alerts say: golden texts, as people read them."""

from __future__ import annotations

import json

import jsonschema
import pytest

from assets_cli.manifest.schemas import schema_text
from assets_cli.model.alerts import Condition, Message
from assets_cli.planning.alert_texts import Scene, document, trial, written

HOUR = 3_600_000_000
NINE = 1_763_802_000_000_000  # 2025-11-22T09:00Z
OWNERS = {"raw_events": ["ingest-team"], "customer_features": ["data-team", "ada"]}
SCENE = Scene("shop", "prod", OWNERS, {"raw_events": "due to run, its data is of 2025-11-21 07:00 UTC"})
RUN = "20251122T090000.000000-ab12"


def late(asset: str, *, risk: bool = False) -> Condition:
    """A promise."""
    return Condition("at_risk" if risk else "overdue", asset, ("raw_events",), NINE, "promised 6h")


def failed(asset: str, detail: str = "exit code 1") -> Condition:
    """A failure."""
    return Condition("failed", asset, (asset,), NINE, detail, run=RUN)


def message(*assets: Condition, cause: str | None, over: bool = False) -> Message:
    """A message without its texts."""
    of = assets[0].event
    return Message("team", "recovered" if over else of, of, "error", cause, assets, NINE)


STORIES = {
    message(late("customer_features"), late("mart_kpi"), late("sessions", risk=True), cause="raw_events"): """\
[shop prod] raw_events is late: 2 promises below it are broken, 1 at risk
- customer_features: promised 6h, broken since 2025-11-22 09:00 UTC (data-team, ada)
- mart_kpi: promised 6h, broken since 2025-11-22 09:00 UTC
- sessions: promised 6h, broken from 2025-11-22 09:00 UTC
raw_events: due to run, its data is of 2025-11-21 07:00 UTC (ingest-team)
next: assets --env prod why raw_events""",
    message(*(late(f"mart_{number:02}", risk=True) for number in range(12)), cause="raw_events"): """\
[shop prod] raw_events is late: 12 promises below it are at risk
- mart_00: promised 6h, broken from 2025-11-22 09:00 UTC
- mart_01: promised 6h, broken from 2025-11-22 09:00 UTC
- mart_02: promised 6h, broken from 2025-11-22 09:00 UTC
- mart_03: promised 6h, broken from 2025-11-22 09:00 UTC
- mart_04: promised 6h, broken from 2025-11-22 09:00 UTC
- mart_05: promised 6h, broken from 2025-11-22 09:00 UTC
- mart_06: promised 6h, broken from 2025-11-22 09:00 UTC
- mart_07: promised 6h, broken from 2025-11-22 09:00 UTC
- mart_08: promised 6h, broken from 2025-11-22 09:00 UTC
- mart_09: promised 6h, broken from 2025-11-22 09:00 UTC
- and 2 more
raw_events: due to run, its data is of 2025-11-21 07:00 UTC (ingest-team)
next: assets --env prod why raw_events""",
    message(late("raw_events"), cause="raw_events"): """\
[shop prod] raw_events is overdue
- raw_events: promised 6h, broken since 2025-11-22 09:00 UTC (ingest-team)
raw_events: due to run, its data is of 2025-11-21 07:00 UTC (ingest-team)
next: assets --env prod why raw_events""",
    message(late("raw_events", risk=True), cause="raw_events"): """\
[shop prod] raw_events is about to be overdue
- raw_events: promised 6h, broken from 2025-11-22 09:00 UTC (ingest-team)
raw_events: due to run, its data is of 2025-11-21 07:00 UTC (ingest-team)
next: assets --env prod why raw_events""",
    message(late("raw_events"), late("mart_kpi"), cause="raw_events"): """\
[shop prod] raw_events is late: 2 promises of it and below are broken
- raw_events: promised 6h, broken since 2025-11-22 09:00 UTC (ingest-team)
- mart_kpi: promised 6h, broken since 2025-11-22 09:00 UTC
raw_events: due to run, its data is of 2025-11-21 07:00 UTC (ingest-team)
next: assets --env prod why raw_events""",
    message(failed("customer_features"), cause="customer_features"): f"""\
[shop prod] customer_features failed
- customer_features: exit code 1, since 2025-11-22 09:00 UTC, run {RUN} (data-team, ada)
next: assets --env prod logs {RUN} customer_features
next: assets --env prod why customer_features""",
    message(*map(failed, "abcde"), cause=None): f"""\
[shop prod] 5 assets failed: a, b, c and 2 more
- a: exit code 1, since 2025-11-22 09:00 UTC, run {RUN}
- b: exit code 1, since 2025-11-22 09:00 UTC, run {RUN}
- c: exit code 1, since 2025-11-22 09:00 UTC, run {RUN}
- d: exit code 1, since 2025-11-22 09:00 UTC, run {RUN}
- e: exit code 1, since 2025-11-22 09:00 UTC, run {RUN}
next: assets --env prod logs {RUN}
next: assets --env prod why a""",
    message(Condition("check_failed", "orders", ("orders",), NINE, "unique(id): 2 rows\n more"), cause="orders"): """\
[shop prod] a check of orders failed
- orders: unique(id): 2 rows more, since 2025-11-22 09:00 UTC
next: assets --env prod show orders
next: assets --env prod why orders""",
    message(Condition("check_failed", "a", ("a",)), Condition("check_failed", "b", ("b",)), cause=None): """\
[shop prod] checks of 2 assets failed: a and b
- a
- b
next: assets --env prod show a
next: assets --env prod why a""",
    message(late("customer_features"), late("mart_kpi"), cause="raw_events", over=True): """\
[shop prod] raw_events is in time again: 2 promises are kept
- customer_features: was broken since 2025-11-22 09:00 UTC (data-team, ada)
- mart_kpi: was broken since 2025-11-22 09:00 UTC""",
    message(late("raw_events", risk=True), cause="raw_events", over=True): """\
[shop prod] raw_events is in time again
- raw_events: was at risk (ingest-team)""",
    message(failed("orders"), cause="orders", over=True): """\
[shop prod] orders succeeded again
- orders: failed at 2025-11-22 09:00 UTC""",
    message(*map(failed, "ab"), cause=None, over=True): """\
[shop prod] 2 assets succeeded again: a and b
- a: failed at 2025-11-22 09:00 UTC
- b: failed at 2025-11-22 09:00 UTC""",
    message(Condition("check_failed", "orders", ("orders",), NINE), cause="orders", over=True): """\
[shop prod] checks of orders pass again
- orders: a check failed at 2025-11-22 09:00 UTC""",
}


@pytest.mark.parametrize("told", STORIES, ids=lambda told: f"{told.event}-{told.of}-{len(told.assets)}")
def test_what_is_said(told: Message) -> None:
    """Who, what, since when, whose it is, and what to type next; the document has the same and its schema."""
    said = written(told, SCENE)
    assert f"{said.title}\n{said.text}" == STORIES[told]
    jsonschema.validate({**document(said, SCENE), "id": 1}, json.loads(schema_text("alert")))


def test_markdown() -> None:
    """Names and commands are code; nothing of what others say is markup."""
    told = message(failed("customer_features", "see *this* `code` <!channel> [x](http://y)"), cause="customer_features")
    assert written(told, SCENE).markdown == (
        "- `customer_features`: see \\*this\\* \\`code\\` \\<!channel\\> \\[x\\](http://y), since 2025-11-22 09:00 "
        f"UTC, run {RUN} (data-team, ada)\n\nnext: `assets --env prod logs {RUN} customer_features`\n"
        "next: `assets --env prod why customer_features`"
    )


def test_what_is_long_is_cut() -> None:
    """Of a reason one line, of 200 characters."""
    said = written(message(failed("a", "x" * 300), cause="a"), SCENE).text.splitlines()[0]
    assert said.startswith(f"- a: {'x' * 199}…, since")


def test_without_an_environment() -> None:
    """Nothing is said of it."""
    said = written(message(failed("a"), cause="a"), Scene("shop", "default"))
    assert (said.title, said.steps[-1]) == ("[shop] a failed", "assets why a")


def test_a_test() -> None:
    """It says that it is one."""
    told = trial("team", NINE)
    assert (told.title, told.text) == ("test of route team", "This is a test of the route team: alerts arrive here.")
    jsonschema.validate({**document(told, SCENE), "id": 0}, json.loads(schema_text("alert")))
