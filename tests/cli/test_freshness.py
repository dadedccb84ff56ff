"""The screens of `assets freshness`, whole."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from support.shop import HOUR, MINUTE, NOON, CommandLine

from assets_cli.cli.screens import freshness as screen
from assets_cli.manifest.schemas import schema_text
from assets_cli.model.answers import Holder, Verdict, VerdictStatus
from assets_cli.model.manifest import FreshnessPolicy
from assets_cli.model.plan import Deadline


def verdict(name: str, status: VerdictStatus, age: int | None, *holders: Holder, max_lag: int = 6 * HOUR) -> Verdict:
    """A promise of six hours, with a warning from four on."""
    time = None if age is None else NOON - age
    broken = None if time is None else time + max_lag
    return Verdict(name, status, time, age, FreshnessPolicy(max_lag, 4 * HOUR), broken, holders)


NO_DEADLINE = {
    "start_by": None,
    "takes_seconds": None,
    "begins_with": None,
    "late_seconds": None,
    "may_be_late": False,
    "waits_for": None,
    "deliver_by": None,
}
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
            **NO_DEADLINE,
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
            **NO_DEADLINE,
        },
    ]


def deadline(name: str, broken_at: int, takes: int, **more: Any) -> Deadline:
    """Of work that is to end when the promise would be broken."""
    start = broken_at - takes
    return Deadline(name, broken_at, "raw", takes, start, start)._replace(**more)


DEADLINES = (
    verdict("sessions", "pass", 2 * HOUR)._replace(deadline=deadline("sessions", NOON + 4 * HOUR, HOUR)),
    verdict("features", "pass", 5 * HOUR)._replace(
        deadline=deadline("features", NOON + HOUR, 72 * MINUTE, late=12 * MINUTE)
    ),
    verdict("marts", "pass", 5 * HOUR)._replace(deadline=deadline("marts", NOON + HOUR, MINUTE, start=NOON - MINUTE)),
    verdict("clv", "fail", 9 * HOUR)._replace(deadline=deadline("clv", NOON - 3 * HOUR, HOUR, late=4 * HOUR)),
    verdict("report", "pass", HOUR)._replace(
        deadline=Deadline("report", NOON + 5 * HOUR, waits_for="crm", deliver=NOON + 4 * HOUR)
    ),
)


@pytest.fixture
def _in_paris(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Paris")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_in_paris")
def test_until_when_something_has_to_start(assets: CommandLine) -> None:
    """By the clock of whoever asks; by how much it is late where it is; nothing where nothing of ours has to."""
    assets.open(freshness=DEADLINES)
    assert assets("freshness").out == (
        """\
asset     status  data age  promise  broken       start by
clv       fail    9h        6h       3 hours ago  now
features  pass    5h        6h       in 1 hour    late by 12m
marts     pass    5h        6h       in 1 hour    may be late
sessions  pass    2h        6h       in 4 hours   16:00
report    pass    1h        6h       in 5 hours
"""
    )
    document = json.loads(assets("freshness", "--json").out)
    jsonschema.validate(document, json.loads(schema_text("freshness")))
    told = {one["asset"]: (one["start_by"], one["late_seconds"], one["may_be_late"]) for one in document["assets"]}
    assert told == {
        "sessions": ("2026-11-21T15:00:00Z", 0.0, False),
        "features": ("2026-11-21T11:48:00Z", 720.0, False),
        "marts": ("2026-11-21T11:59:00Z", 0.0, True),
        "clv": ("2026-11-21T08:00:00Z", 14400.0, False),
        "report": (None, 0.0, False),
    }


@pytest.mark.usefixtures("_in_paris")
def test_a_deadline_as_a_sentence() -> None:
    """What a plan says of each."""
    said = {one.asset: screen.deadline(one.deadline, NOON, 2) for one in DEADLINES if one.deadline}
    assert said == {
        "sessions": "start by 16:00 to be fresh at 17:00",
        "features": "can't be met: late by 12m, at 14:00",
        "marts": "may be late at 14:00 with 2 jobs; with more it can start by 13:59",
        "clv": "broken since 10:00; started now it is made in about 1h",
        "report": "crm, external, has to deliver by 17:00 to be fresh at 18:00",
    }
    assert screen.deadline(Deadline("x", NOON), NOON, 2) == "nothing that runs here renews it before 13:00:00"


def test_a_promise_at_the_ticks_of_a_cron_expression_is_shown_with_it(assets: CommandLine) -> None:
    """In words and in JSON."""
    one = verdict("mart", "pass", HOUR)
    assets.open(freshness=(one._replace(policy=FreshnessPolicy(HOUR, None, "0 9 * * 1-5", "Europe/Paris")),))
    assert "1h at 0 9 * * 1-5 Europe/Paris" in assets("freshness").out
    assert json.loads(assets("freshness", "--json").out)["assets"][0]["promise"] == "1h at 0 9 * * 1-5 Europe/Paris"


@pytest.mark.usefixtures("_in_paris")
def test_at_eighty_columns_the_moment_it_is_broken_has_room(assets: CommandLine) -> None:
    """The words of a promise are cut before that; of all columns when to start is left out first. Names are whole."""
    nine = FreshnessPolicy(HOUR, None, "0 9 * * 1-5", "America/Argentina/Buenos_Aires")
    tomorrow = deadline("customer_features_daily", NOON + 30 * HOUR, HOUR)
    one = verdict("customer_features_daily", "pass", 5 * HOUR)._replace(policy=nine, deadline=tomorrow)
    assets.open(freshness=(one, *DEADLINES[:1]))
    shown = assets("freshness").out
    assert (
        shown
        == """\
asset                    status  data age  promise                    broken
customer_features_daily  pass    5h        1h at 0 9 * * 1-5 Americ…  in 1 hour
sessions                 pass    2h        6h                         in 4 hours
(no room for start by; --json has all)
"""
    )
