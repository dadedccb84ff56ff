"""Which promises nothing can keep any more: as all deadlines say, whatever happened, and found without them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.space import HOUR, Space, asset, promise

from assets_cli.model.duration import SECOND
from assets_cli.model.manifest import Asset, FreshnessPolicy
from assets_cli.planning import risk
from assets_cli.planning.deadlines import deadlines
from assets_cli.planning.risk import hopeless

MINUTE = 60 * SECOND
NINE = FreshnessPolicy(HOUR, cron="0 9 * * *")
"""NOON is 8:00 UTC of 15 January 2027."""
POLICIES = (None, promise(1), NINE, FreshnessPolicy(HOUR, cron="*/30 * * * *", timezone="Asia/Kathmandu"))


def external(name: str) -> Asset:
    """An asset that somebody else makes."""
    return asset(name, command=None, output=None)


@st.composite
def situations(draw: st.DrawFn) -> tuple[Space, dict[str, int]]:
    """External assets and others with promises, a history in which clocks and data go back, and how long each takes."""
    names = "abcdefg"[: draw(st.integers(2, 7))]
    made = []
    for index, name in enumerate(names):
        if draw(st.booleans()) and index < 2:
            made.append(external(name))
            continue
        above = draw(st.lists(st.sampled_from(names[:index]), unique=True)) if index else []
        made.append(asset(name, above, freshness=draw(st.sampled_from(POLICIES))))
    space = Space(*made)
    deeds = st.tuples(st.sampled_from(names), st.integers(-20, 90), st.sampled_from("xyz"), st.integers(-300, 30))
    for name, minutes, version, back in draw(st.lists(deeds, max_size=14)):
        space.now += minutes * MINUTE
        reported = space.now + back * MINUTE if back % 3 else None
        if space.graph.assets[name].is_external:
            space.observe(name, version, reported)
        elif all(up in space.latest or up in space.observations for up in space.graph.upstreams(name)):
            space.make(name, version, data_time=reported)
    space.now += draw(st.integers(0, 120)) * MINUTE
    return space, {name: draw(st.integers(1, 60)) * MINUTE for name in names}


@settings(deadline=None, max_examples=300)
@given(situations())
def test_it_finds_those_that_deadlines_say_cannot_be_met(situation: tuple[Space, dict[str, int]]) -> None:
    """The same, with the same deadlines."""
    space, takes = situation
    view = space.view()
    promised = [name for name, each in space.graph.assets.items() if each.freshness is not None]
    known = [name for name in promised if view.times[name] is not None]
    every = deadlines(view, takes.__getitem__, 99)
    expected = {name: one for name, one in every.items() if not one.can_be_met(space.now)}
    assert hopeless(view, takes.__getitem__, known) == expected


def test_the_longest_path_counts() -> None:
    """Whichever upstream it comes by."""
    for above in (["slow", "quick"], ["quick", "slow"]):
        space = Space(asset("slow"), asset("quick"), asset("mart", above, freshness=promise(6)))
        space.run()
        space.now += 5 * HOUR
        takes = {"slow": HOUR, "quick": MINUTE, "mart": MINUTE}.__getitem__
        assert hopeless(space.view(), takes, ["mart"])["mart"].late == MINUTE


def test_a_long_path_from_new_data_does_not_count() -> None:
    """It is looked at closely then, and can be kept."""
    space = Space(asset("old"), asset("slow"), asset("mart", ["old", "slow"], freshness=promise(6)))
    space.make("old")
    space.now += 5 * HOUR
    space.make("slow")
    space.make("mart")
    takes = {"old": MINUTE, "slow": 2 * HOUR, "mart": MINUTE}.__getitem__
    assert hopeless(space.view(), takes, ["mart"]) == {}


def test_data_that_went_back_counts() -> None:
    """What a root reports now is older than what was read of it."""
    space = Space(asset("raw"), asset("mart", ["raw"], freshness=promise(6)))
    space.make("raw", "1", data_time=space.now)
    space.make("mart")
    space.make("raw", "2", data_time=space.now - 5 * HOUR)
    space.now += 45 * MINUTE
    takes = {"raw": 15 * MINUTE, "mart": 15 * MINUTE}.__getitem__
    assert hopeless(space.view(), takes, ["mart"])["mart"].late == 15 * MINUTE


def test_work_longer_than_the_promise_is_never_in_time() -> None:
    """Though the next tick is far away."""
    space = Space(asset("raw"), asset("mart", ["raw"], freshness=NINE))
    space.run()
    space.now += HOUR
    takes = {"raw": HOUR, "mart": MINUTE}.__getitem__
    assert hopeless(space.view(), takes, ["mart"])["mart"].late == MINUTE


def test_of_what_can_be_kept_nothing_more_is_worked_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even the chains."""
    space = Space(asset("raw"), asset("mart", ["raw"], freshness=promise(6)))
    space.run()
    monkeypatch.setattr(risk, "deadlines", lambda *_: pytest.fail("they were worked out"))
    assert hopeless(space.view(), {"raw": HOUR, "mart": HOUR}.__getitem__, ["mart"]) == {}
