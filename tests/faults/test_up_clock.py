"""`assets up` on a clock that somebody sets, on a machine that sleeps, and with moments that have yet to come.

Real processes; only the clock is another (`support.fast_clock`): hours go by while nothing is at work.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.fast_clock import FastClock
from support.place import Place
from support.up import Up, up

HOUR, DAY = 3_600.0, 86_400.0
NOTICED = 45.0
"""A jump is noticed within half a minute; then it decides, and runs."""
ASSETS = """
- {name: a, command: {shell: "date > a.txt"}, output: {path: a.txt}, freshness: {max_lag: 1h}}
- {name: tick, command: {shell: "true"}, schedule: {cron: "17 * * * *"}}
"""


@pytest.fixture
def clock(tmp_path: Path) -> FastClock:
    """Real time, but for hours in which nothing is at work."""
    return FastClock(tmp_path / "clock")


@pytest.fixture
def kept(place: Place, clock: FastClock) -> Iterator[Up]:
    """One that keeps a promise of an hour and has a tick every hour, and that has begun to wait."""
    place.assets(ASSETS)
    with up(place, **clock.environment) as one:
        one.wait(lambda: one.made("a") and one.made("tick") and one.named("next"))
        yield one
        assert one.end() == 130


def when_made(one: Up, clock: FastClock, asset: str, count: int) -> float:
    """The moment at which an asset has been materialized so often."""
    one.wait(lambda: one.made(asset) >= count)
    return clock.now()


@pytest.mark.parametrize("jump", [FastClock.sleep, FastClock.set])
def test_after_hours_that_nobody_saw_it_catches_up_once(
    kept: Up, clock: FastClock, jump: Callable[[FastClock, float], None]
) -> None:
    """The machine slept for ten hours, or the clock was set forward: one run each, at once, and then as ever."""
    before, ticks = kept.made("a"), kept.made("tick")
    jump(clock, 10 * HOUR)
    at = clock.now()
    assert when_made(kept, clock, "a", before + 1) - at < NOTICED
    assert when_made(kept, clock, "tick", ticks + 1) - at < NOTICED
    assert when_made(kept, clock, "a", before + 2) - at > HOUR - NOTICED
    assert kept.made("tick") == ticks + 2  # the second one is that of the hour in between


def test_a_clock_set_back_by_a_day_breaks_no_promise(kept: Up, clock: FastClock) -> None:
    """How old its data is nobody knows then: it is made anew, once, and an hour later again, not a day later."""
    before, ticks = kept.made("a"), kept.made("tick")
    clock.set(-DAY)
    at = clock.now()
    assert when_made(kept, clock, "a", before + 1) - at < NOTICED
    assert HOUR - NOTICED < when_made(kept, clock, "a", before + 2) - at < HOUR + NOTICED
    assert when_made(kept, clock, "a", before + 3) - at < 2 * HOUR + NOTICED
    assert kept.made("tick") in (ticks + 2, ticks + 3)


def test_what_is_observed_in_the_future_counts_as_now_and_grows_old_from_then_on(
    place: Place, clock: FastClock
) -> None:
    """No busy loop and nothing overdue until the moment has come, and an hour later it is."""
    place.write("crm.csv", "1\n")
    later = clock.now() + 8 * HOUR
    os.utime(place.root / "crm.csv", (later, later))
    place.assets("""
        - {name: crm, observe: {path: crm.csv, every: 6h}}
        - {name: b, upstreams: [crm], command: {shell: "cp crm.csv b"}, output: {path: b}, freshness: {max_lag: 1h}}
    """)

    def verdict() -> tuple[str, int]:
        (found,) = json.loads(place.call("freshness", "--json", **clock.environment).stdout)["assets"]
        return found["status"], round(found["age_seconds"] / HOUR)

    with up(place, **clock.environment) as one:
        one.wait(lambda: one.made("b") == 1 and one.named("next"))
        assert verdict() == ("pass", 0)
        one.wait(lambda: clock.now() > later - HOUR)
        assert verdict() == ("pass", 0)
        one.wait(lambda: clock.now() > later + 2 * HOUR)
        assert verdict()[0] == "fail"
        assert len(one.named("run_started")) == 1
        assert one.end() == 130
