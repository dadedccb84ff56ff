"""Promises as they might be: what can be set, and what is said of what cannot."""

from __future__ import annotations

import pytest
from support.shop import HOUR, MINUTE, asset, manifest

from assets_cli.manifest.what_if import what_if
from assets_cli.model.manifest import FreshnessPolicy, Manifest, Schedule
from assets_cli.model.problem import AssetsError

SHOP = manifest(
    asset("raw.events"),
    asset("features", "raw.events", freshness=FreshnessPolicy(6 * HOUR, 4 * HOUR)),
    asset("crm", external=True),
)


def refused(*changes: str) -> list[tuple[str, str, str | None]]:
    """Code, message and hint of each problem."""
    with pytest.raises(AssetsError) as caught:
        what_if(SHOP, changes)
    return [(each.code, each.message, each.hint) for each in caught.value.problems]


def policy(*changes: str, of: str = "features") -> FreshnessPolicy | None:
    """The promise of an asset after changes."""
    changed: Manifest = what_if(SHOP, changes)
    return changed.assets[of].freshness


def test_keys_of_a_promise_are_set_one_by_one():
    """What is not set stays."""
    assert policy("features.freshness.max_lag=5h") == FreshnessPolicy(5 * HOUR, 4 * HOUR)
    assert policy("features.freshness.retry_every=5m") == FreshnessPolicy(6 * HOUR, 4 * HOUR, retry_every=5 * MINUTE)
    assert SHOP.assets["features"].freshness == FreshnessPolicy(6 * HOUR, 4 * HOUR)


def test_several_keys_of_one_asset_are_taken_together():
    """A promise that was not there; the name has a dot, and a cron expression has blanks."""
    assert policy(
        "raw.events.freshness.cron=0  9 * * 1-5",
        "raw.events.freshness.timezone=Europe/Paris",
        "raw.events.freshness.max_lag=1h",
        of="raw.events",
    ) == FreshnessPolicy(HOUR, cron="0 9 * * 1-5", timezone="Europe/Paris")


def test_a_schedule_is_set():
    """With UTC where nothing else is said."""
    changed = what_if(SHOP, ["raw.events.schedule.cron=@daily"])
    assert changed.assets["raw.events"].schedule == Schedule("@daily")


@pytest.mark.parametrize(
    ("change", "code", "message", "hint"),
    [
        ("features", "A0931", "is no change", "write ASSET.freshness.max_lag=1h"),
        ("features.max_lag=1h", "A0931", "is no change", "write ASSET.freshness.max_lag=1h"),
        (
            "features.freshness.maxlag=1h",
            "A0931",
            "there is no key freshness.maxlag",
            "did you mean features.freshness",
        ),
        ("featurs.freshness.max_lag=1h", "A0932", "there is no asset 'featurs'", "did you mean features?"),
        ("features.freshness.max_lag=1 hour", "A0933", "is no duration", "write 90s"),
        ("features.freshness.max_lag=3h", "A0933", "makes warn_lag 4h more than max_lag 3h", "warn before"),
        ("features.freshness.cron=0 9 30 2 *", "A0933", "never fires", "write minute, hour"),
        ("features.freshness.timezone=Europe/Pariss", "A0933", "is no time zone", "did you mean Europe/Paris?"),
        ("features.freshness.retry_every=10ms", "A0933", "is less than 1s", "write 1s or more"),
        ("crm.freshness.cron=@daily", "A0933", "is not enough: crm has no promise", "add --set crm.freshness.max_lag"),
        ("features.schedule.timezone=UTC", "A0933", "is not enough: features has no schedule", "add --set"),
        ("crm.schedule.cron=@daily", "A0933", "has no effect: crm is external", "leave it out"),
    ],
)
def test_what_makes_no_sense_is_refused(change: str, code: str, message: str, hint: str):
    """With the nearest that does, where there is one."""
    [(found, said, told)] = refused(change)
    assert found == code
    assert message in said
    assert f"--set {change!r}" in said
    assert told is not None
    assert hint in told


def test_all_that_is_wrong_is_said_at_once():
    """One problem for each change."""
    assert [code for code, *_ in refused("x", "y.freshness.cron=1", "features.freshness.warn_lag=x")] == [
        "A0931",
        "A0932",
        "A0933",
    ]
