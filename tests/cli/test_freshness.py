"""The screens of `assets freshness`, whole."""

from __future__ import annotations

import json

import jsonschema
import pytest
from support.shop import HOUR, MINUTE, NOON, CommandLine

from assets_cli.manifest.schemas import schema_text
from assets_cli.model.answers import Holder, Verdict, VerdictStatus
from assets_cli.model.manifest import FreshnessPolicy


def verdict(name: str, status: VerdictStatus, age: int | None, *holders: Holder, max_lag: int = 6 * HOUR) -> Verdict:
    """A promise of six hours, with a warning from four on."""
    time = None if age is None else NOON - age
    broken = None if time is None else time + max_lag
    return Verdict(name, status, time, age, FreshnessPolicy(max_lag, 4 * HOUR), broken, holders)


VERDICTS = (
    verdict("sessions", "pass", 2 * HOUR),
    verdict("features", "warn", 5 * HOUR + 30 * MINUTE, Holder("raw_events", NOON - 5 * HOUR - 30 * MINUTE, "root")),
    verdict("report", "unknown", None, Holder("crm", None, "external"), Holder("rates", None, "missing")),
    verdict(
        "clv",
        "fail",
        9 * HOUR,
        Holder("crm_accounts", NOON - 9 * HOUR, "external"),
        Holder("sessions", NOON - 8 * HOUR, "behind"),
        Holder("bad", NOON - 7 * HOUR, "blocked"),
        Holder("a", NOON - 7 * HOUR, "root"),
        Holder("b", NOON - 7 * HOUR, "root"),
    ),
    verdict("mart", "fail", 30 * HOUR, Holder("mart", NOON - 30 * HOUR, "behind")),
    verdict("root", "fail", 7 * HOUR, Holder("root", NOON - 7 * HOUR, "root")),
)


def test_the_worst_come_first_with_who_holds_them_back(assets: CommandLine) -> None:
    """The longest broken first; who holds back is said below, wrapped; the count is a remark."""
    project = assets.open(freshness=VERDICTS)
    assert assets("freshness", "tag:daily") == (
        """\
asset     status   data age  promise  broken
mart      fail     1d 6h     6h       yesterday
    waiting for its own next materialization
clv       fail     9h        6h       3 hours ago
    waiting for crm_accounts, external, 9h old; sessions, which has newer data
    to read, 8h old; bad, blocked by a check; and 2 more
root      fail     7h        6h       1 hour ago
    waiting for its own next materialization
features  warn     5h 30m    6h       in 30 minutes
    waiting for raw_events, 5h 30m old
report    unknown  unknown   6h
    waiting for crm, external, never observed; and rates, never materialized
sessions  pass     2h        6h       in 4 hours
""",
        """\

6 promises: 3 fail, 1 warn, 1 unknown, 1 pass
""",
        0,
    )
    assert project.asked == [("freshness", (("tag:daily",),), {})]


@pytest.mark.parametrize(("verdicts", "code"), [(VERDICTS, 3), (VERDICTS[:3], 0), ((), 0)])
def test_only_a_broken_promise_fails(assets: CommandLine, verdicts: tuple[Verdict, ...], code: int) -> None:
    """A warning and an unknown age do not, and nothing does without the option."""
    assets.open(freshness=verdicts)
    assert (assets("freshness", "--exit-code").code, assets("freshness").code) == (code, 0)
    assert assets("freshness", "--exit-code", "--json").code == code


def test_nothing_is_promised(assets: CommandLine) -> None:
    """That is no error; it says how to promise something."""
    assets.open(freshness=())
    hint = "hint: give one, or several, freshness: {max_lag: 24h}\n"
    assert assets("freshness") == ("", f"no asset has a freshness policy\n{hint}", 0)
    assert assets("freshness", "x").err == f"no selected asset has a freshness policy\n{hint}"


def test_json(assets: CommandLine) -> None:
    """Each in topological order, with what is unknown as null."""
    assets.open(freshness=VERDICTS)
    document = json.loads(assets("freshness", "--json").out)
    jsonschema.validate(document, json.loads(schema_text("freshness")))
    assert [one["asset"] for one in document["assets"]] == [one.asset for one in VERDICTS]
    assert document["assets"][1:3] == [
        {
            "asset": "features",
            "status": "warn",
            "data_time": "2026-11-21T06:30:00Z",
            "age_seconds": 19800.0,
            "promise": "6h",
            "warn": "4h",
            "broken_at": "2026-11-21T12:30:00Z",
            "held_by": ["raw_events"],
        },
        {
            "asset": "report",
            "status": "unknown",
            "data_time": None,
            "age_seconds": None,
            "promise": "6h",
            "warn": "4h",
            "broken_at": None,
            "held_by": ["crm", "rates"],
        },
    ]
