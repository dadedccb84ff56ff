"""Dagster's published cases for lag and cron policies and for data time, restated where our meaning is the same.

Their source, by Dagster Labs under Apache-2.0, in github.com/dagster-io/dagster at the commits that were read:
`python_modules/dagster/dagster_tests/asset_defs_tests/test_freshness_policy.py` at 0f2d9d8ee175 and
`python_modules/dagster/dagster_tests/core_tests/test_data_time.py` at 1211a463aec5. What differs, and why, is in
docs/coming-from/dagster-freshness.md, and the last tests here hold it.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from support.space import HOUR, NOON, Space, asset

from assets_cli.model.manifest import FreshnessPolicy
from assets_cli.planning import freshness

MINUTE = HOUR // 60
LOS_ANGELES = "America/Los_Angeles"


def at(day: int, hour: int, minute: int = 0, zone: str = "UTC") -> int:
    """A moment of January 2022."""
    return int(datetime(2022, 1, day, hour, minute, tzinfo=ZoneInfo(zone)).timestamp()) * 1_000_000


def daily(minutes: int) -> FreshnessPolicy:
    """Data of so many minutes before midnight."""
    return FreshnessPolicy(minutes * MINUTE, cron="@daily")


def hourly(minutes: int) -> FreshnessPolicy:
    """Data of so many minutes before the hour."""
    return FreshnessPolicy(minutes * MINUTE, cron="@hourly")


THREE = FreshnessPolicy(60 * MINUTE, cron="0 3 * * *", timezone=LOS_ANGELES)


@pytest.mark.parametrize(
    ("policy", "time", "now", "overdue"),
    [
        (FreshnessPolicy(30 * MINUTE), at(1, 0), at(1, 0, 25), 0),
        (FreshnessPolicy(120 * MINUTE), at(1, 0), at(1, 1), 0),
        (FreshnessPolicy(30 * MINUTE), at(1, 0), at(1, 1), 30),
        (FreshnessPolicy(500 * MINUTE), None, at(1, 0, 25), None),
        (daily(15), at(1, 23, 55), at(2, 0, 10), 0),
        (daily(15), at(1, 0, 30), at(1, 1), 0),
        (daily(60), at(1, 22), at(2, 2), 60),
        (hourly(300), at(1, 1), at(1, 4), 0),
        (hourly(300), at(1, 1, 15), at(1, 7, 45), 45),
        (THREE, at(1, 1, zone=LOS_ANGELES), at(1, 3, 15, LOS_ANGELES), 60),
        (THREE, at(1, 0, zone=LOS_ANGELES), at(1, 2, 15, LOS_ANGELES), 0),
    ],
)
def test_by_how_much_data_is_too_old(policy, time, now, overdue):
    """So many minutes newer the data had to be."""
    space = Space(asset("external", command=None, output=None, freshness=policy))
    space.now = now
    if time is not None:
        space.observe("external", "1", time)
    [verdict] = freshness.verdicts(space.view(), ["external"])
    if overdue is None:
        assert (verdict.status, verdict.broken_at) == ("unknown", None)
        return
    assert max(freshness.bound(policy, now) - time, 0) == overdue * MINUTE
    assert verdict.status == ("fail" if overdue else "pass")
    assert (verdict.broken_at <= now) == (overdue > 0)


@pytest.mark.parametrize(
    "runs",
    [
        [
            ("ace", {"ace": 0}),
            ("abd", {"ab": 1, "cde": 0}),
            ("ac", {"ac": 2, "b": 1, "ed": 0}),
            ("e", {"ace": 2, "b": 1, "d": 0}),
        ],
        [
            ("abcf", {"abc": 0}),
            ("bd", {"abd": 0}),
            ("a", {"a": 2, "bcd": 0}),
            ("f", {"a": 2, "bcdf": 0}),
            ("bdf", {"ab": 2, "cdf": 0}),
            ("c", {"abc": 2, "df": 0}),
            ("df", {"abcdf": 2}),
        ],
    ],
)
def test_data_times_follow_what_was_read(runs):
    """Where each run makes a few of these, data is of the run of `a` that it goes back to, however far."""
    above = {"a": "", "b": "a", "c": "a", "d": "bc", "e": "c", "f": "d"}
    space = Space(*(asset(name, list(upstreams)) for name, upstreams in above.items()))
    for number, (made, expected) in enumerate(runs):
        space.now = NOON + number * HOUR
        for name in made:
            space.make(name, f"{name} of run {number}")
        times = space.view().times
        for names, run in expected.items():
            # What was made from something that was not there yet counts as that asset does, once it is.
            known = [name for name in names if name in space.latest]
            assert {times[name] for name in known} == {NOON + run * HOUR}


def test_an_external_asset_counts_as_of_the_last_look_not_as_of_now():
    """Dagster takes what nobody saw change for current; we say when somebody looked."""
    space = Space(asset("source", command=None, output=None), asset("table", ["source"]))
    space.observe("source", "1")
    space.make("table")
    space.now += HOUR
    assert space.view().times["table"] == NOON
    space.observe("source", "2")
    assert space.view().times["table"] == NOON  # with Dagster an hour later, when the newer version was seen
    space.make("table")
    assert space.view().times["table"] == NOON + HOUR


def test_the_age_is_that_of_now_not_that_of_the_tick():
    """Dagster measures the lag of a cron policy at its last tick; ours is how old the data is, whatever is promised."""
    space = Space(asset("external", command=None, output=None, freshness=hourly(300)))
    space.now = at(1, 7, 45)
    space.observe("external", "1", at(1, 1, 15))
    [verdict] = freshness.verdicts(space.view(), ["external"])
    assert verdict.age == 390 * MINUTE
