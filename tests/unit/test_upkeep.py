"""What `assets up` has to run at a moment, and when it looks again: decided without a clock, a disk or a process."""

from __future__ import annotations

import pytest
from support.space import HOUR, NOON, Space, asset, promise

from assets_cli.model.duration import SECOND
from assets_cli.model.history import Observation
from assets_cli.model.manifest import Asset, FreshnessPolicy, PathProbe, Schedule, SqlProbe
from assets_cli.model.upkeep import Memory, Moment, Outlook, Tried
from assets_cli.planning import upkeep
from assets_cli.planning.deadlines import deadlines, from_history
from assets_cli.planning.deciding import ahead_for, due_promises, strictest
from assets_cli.planning.plan import Selection, plan_in

MINUTE = 60 * SECOND
DAILY = Schedule("0 6 * * *")


def look(space: Space, memory: Memory = Memory(), among: frozenset[str] | None = None) -> Outlook:  # noqa: B008
    """What has to run now."""
    view = space.view()
    among = frozenset(space.graph.assets) if among is None else among
    found = deadlines(view, from_history(space.snapshot), 2, among)
    ahead = ahead_for(due_promises(view, found, memory.lead), view.now)
    steps = plan_in(view, Selection(frozenset(space.graph.assets)), jobs=2, ahead=ahead).steps
    return upkeep.outlook(view, steps, found, memory, strictest(space.graph), among)


def external(name: str, **fields: object) -> Asset:
    """An asset that others produce."""
    return asset(name, command=None, output=None, kind="external", **fields)


def test_what_is_missing_runs_at_once_and_nothing_else_does():
    """The first waking runs all, the second nothing, and there is nothing to wait for."""
    space = Space(asset("a"), asset("b", ["a"]))
    first = look(space)
    space.run()

    assert (tuple(first.due), first.names) == (("a", "b"), ("a", "b"))
    assert look(space) == Outlook()


def test_work_for_a_promise_starts_as_late_as_is_safe():
    """A lag of 6h and runs of a second each: the root must start two seconds before the promise is broken."""
    space = Space(asset("a"), asset("b", ["a"], freshness=promise(6)))
    space.run()
    start = NOON + 6 * HOUR - 2 * SECOND - SECOND // 5

    assert look(space).next == Moment(start, "promise", "b", NOON + 6 * HOUR)
    space.now = start - 1
    assert look(space).due == {}
    space.now = start
    assert (look(space).names, look(space).promised) == (("a", "b"), ("b",))


def test_one_run_serves_the_promises_that_are_due():
    """What runs for one promise takes along what no other promise rests on; the rest waits for its own."""
    space = Space(
        asset("a"),
        asset("b", ["a"], freshness=promise(6)),
        asset("c", ["a"]),
        asset("d", ["a"], freshness=promise(12)),
        asset("z", freshness=promise(24)),
    )
    space.run()
    space.now += 6 * HOUR

    assert look(space).names == ("a", "b", "c")
    for name in ("a", "b", "c"):
        space.make(name, f"{name}:2")
    assert look(space).names == ()
    space.now += 6 * HOUR
    assert "d" in look(space).names


def test_new_code_runs_at_once_but_not_where_a_schedule_says_when():
    """Of two assets with new code one runs now, and the other one at its tick."""
    space = Space(asset("a"), asset("s", schedule=DAILY))
    space.run()
    space.code |= {"a": "2", "s": "2"}
    found = look(space)

    assert found.names == ("a",)
    assert found.next is not None
    assert (found.next.kind, found.next.asset) == ("schedule", "s")
    space.now = found.next.at
    assert (look(space).names, look(space).forced) == (("a", "s"), ("s",))


def test_missed_ticks_are_caught_up_once():
    """After a week without `up` one run is due, and none after it."""
    space = Space(asset("s", schedule=DAILY))
    space.make("s")
    space.now += 7 * 24 * HOUR
    assert look(space).forced == ("s",)
    space.make("s")
    assert look(space).due == {}


def test_a_scheduled_asset_that_a_promise_needs_runs_for_it():
    """A schedule says when besides, not when not."""
    space = Space(asset("s", schedule=Schedule("0 0 1 1 *")), asset("b", ["s"], freshness=promise(6)))
    space.run()
    space.now += 6 * HOUR

    assert look(space).names == ("s", "b")
    assert look(space).forced == ()


def test_what_failed_comes_again_after_the_pause_of_its_promise():
    """retry_every of the strictest promise below; before that only if something else is asked."""
    policy = FreshnessPolicy(6 * HOUR, retry_every=10 * MINUTE)
    space = Space(asset("a"), asset("b", ["a"], freshness=policy))
    space.run()
    space.code["a"] = "2"
    asked = look(space).due["a"]
    space.fail("a")
    memory = Memory(tried={"a": Tried(asked, space.now)})
    waiting = look(space, memory)

    assert (waiting.names, waiting.next, waiting.tried) == (
        (),
        Moment(space.now + 10 * MINUTE, "retry", "a"),
        memory.tried,
    )
    space.code["a"] = "3"
    assert look(space, memory).names == ("a", "b")
    space.code["a"] = "2"
    space.now += 10 * MINUTE
    assert look(space, memory).names == ("a", "b")


def test_what_never_succeeded_comes_again_at_once_with_new_code_or_a_new_upstream():
    """It is missing still; what it would be made from says that something was mended."""
    space = Space(external("crm"), asset("a", ["crm"]))
    space.observe("crm", "v1")
    memory = Memory(tried={"a": Tried(look(space).due["a"], space.now)})

    assert look(space, memory).names == ()
    space.code["a"] = "2"
    assert look(space, memory).names == ("a",)
    space.code["a"] = "1"
    space.observe("crm", "v2")
    assert look(space, memory).names == ("a",)


@pytest.mark.parametrize("is_first", [True, False])
def test_what_failed_on_what_its_own_run_had_made_waits_too(is_first):
    """The upstream's new version is what it has read: only a newer one, or other code, is something else to ask."""
    space = Space(asset("a"), asset("b", ["a"]))
    if not is_first:
        space.run()
        space.code["a"] = "2"
    first = look(space)
    space.make("a", "a:2")
    space.fail("b")
    memory = Memory({name: Tried(first.due.get(name, ""), space.now) for name in "ab"}, ended=frozenset("ab"))
    waiting = look(space, memory)

    assert first.names == ("a", "b")
    assert (waiting.names, waiting.next) == ((), Moment(space.now + 10 * MINUTE, "retry", "b"))
    later = Memory(waiting.tried)
    assert look(space, later).names == ()
    space.make("a", "a:3")
    assert look(space, later).names == ("b",)
    space.make("a", "a:2")
    space.code["b"] = "2"
    assert look(space, memory).names == ("b",)


def test_what_was_cut_off_comes_again_at_once():
    """Its end says nothing of the command."""
    space = Space(asset("a"), asset("b", ["a"]))
    space.run()
    space.code["a"] = "2"
    first = look(space)
    space.make("a", "a:2")
    space.fail("b", "crashed")
    memory = Memory({name: Tried(first.due.get(name, ""), space.now) for name in "ab"}, ended=frozenset("ab"))

    assert look(space, memory).names == ("b",)


def test_a_root_that_reports_old_data_comes_again_after_retry_every():
    """It ran, its data is a day old even so, and a run at once would find no other."""
    space = Space(asset("a", freshness=FreshnessPolicy(6 * HOUR, retry_every=30 * MINUTE)))
    space.make("a", data_time=NOON - 24 * HOUR)
    space.now += SECOND
    until = NOON + SECOND + 30 * MINUTE

    assert look(space) == Outlook(next=Moment(until, "retry", "a"), ahead=look(space).ahead, promised=("a",))
    space.now = until
    assert look(space).names == ("a",)


def test_new_data_in_every_run_is_no_busy_loop():
    """max_lag 0s can be kept at no moment: it comes every retry_every, a minute by default."""
    space = Space(asset("a", freshness=FreshnessPolicy(0)))
    space.make("a")
    space.now += 2 * SECOND

    assert look(space).names == ()
    assert look(space).next == Moment(NOON + SECOND + MINUTE, "retry", "a")
    space.now += MINUTE
    assert look(space).names == ("a",)


def test_a_promise_shorter_than_its_run_is_no_busy_loop():
    """What takes ten minutes cannot be five minutes old."""
    space = Space(asset("a", freshness=FreshnessPolicy(5 * MINUTE)))
    space.make("a")
    latest = space.latest["a"]
    space.latest["a"] = latest._replace(
        durations=(10 * MINUTE,), attempt=latest.attempt._replace(finished=NOON + 10 * MINUTE)
    )
    space.now += 10 * MINUTE

    assert look(space).next == Moment(NOON + 11 * MINUTE, "retry", "a")


def test_what_runs_at_this_moment_is_not_started_again_nor_what_waits_for_it():
    """Below it nothing is read that is about to change."""
    space = Space(asset("a"), asset("b", ["a"]), asset("c"))
    found = look(space, Memory(busy=frozenset({"a"})))

    assert found.names == ("c",)


def test_only_what_is_selected_runs():
    """The rest of the project is left as it is."""
    space = Space(asset("a"), asset("b"))
    assert look(space, among=frozenset({"b"})).names == ("b",)


def test_a_clock_set_back_by_a_day_stops_nothing():
    """What happened in the future counts as never tried and as due, once."""
    space = Space(asset("s", schedule=Schedule("0 * * * *")), asset("a"))
    space.run()
    space.code["a"] = "2"
    asked = look(space).due["a"]
    memory = Memory(tried={"a": Tried(asked, space.now)})
    space.now -= 24 * HOUR

    assert look(space, memory).names == ("s", "a")
    space.make("s")
    assert look(space, memory).names == ("a",)


def test_a_promise_outlives_a_clock_set_back_by_a_day():
    """What was made in the future would be new until then and longer: it is made anew, once, and not in vain."""
    space = Space(asset("a"), asset("b", ["a"], freshness=promise(6)), asset("unasked"))
    space.run()
    space.now -= 24 * HOUR
    found = look(space)

    assert (found.due, found.forced, found.names) == ({"a": "clock set back"}, ("a",), ("a", "b"))
    assert look(space, Memory(tried={"a": Tried("clock set back", space.now)})).names == ()
    for name in ("a", "b"):
        space.make(name, f"{name}:2")
    assert look(space).names == ()
    assert look(space).next == Moment(
        space.now + 6 * HOUR - 2 * SECOND - SECOND // 5, "promise", "b", space.now + 6 * HOUR
    )


def test_what_was_made_by_another_clock_does_not_wait_for_its_promise():
    """A run that died after its root: what it left stale below has an age that nobody knows, so it runs at once."""
    space = Space(asset("a"), asset("m", ["a"]), asset("b", ["m"], freshness=promise(6)))
    space.run()
    space.now += HOUR
    space.make("a", "a:2")
    assert look(space).names == ()  # by a clock that nobody has set it waits
    space.now -= 20 * HOUR
    assert look(space).due["a"] == "clock set back"
    space.make("a", "a:3")
    assert (look(space).names, look(space).forced) == (("m", "b"), ())


def test_what_was_read_before_the_clock_was_set_back_and_superseded_after_that():
    """Then even the moment that is kept of it is one of the new clock."""
    space = Space(asset("a"), asset("b", ["a"], freshness=promise(6)))
    space.run()
    space.now -= 20 * HOUR
    space.make("a", "a:2")
    assert set(space.frozen.values()) == {space.now}
    assert (look(space).names, look(space).forced) == (("b",), ())


def test_what_read_data_of_another_clock_does_not_wait_for_its_promise():
    """It was made since the clock was set back, from what was made before."""
    space = Space(asset("a"), asset("b", ["a"], freshness=promise(6)))
    space.run()
    space.make("a", "a:2")
    space.now += HOUR
    space.make("a", "a:3")
    space.now -= 24 * HOUR
    space.make("b", "b:2")
    space.latest["b"].usable.inputs["a"] = space.latest["b"].usable.inputs["a"]._replace(data_version="a:2")
    space.make("a", "a:4")
    assert space.frozen["a", "a:2"] > space.now + HOUR
    assert (look(space).names, look(space).forced) == (("b",), ())


def test_what_reported_a_moment_that_has_been_is_as_old_as_ever_whatever_the_clock():
    """Only what nobody knows the age of is made anew when the clock was set back; one in a future of its own is not."""
    space = Space(asset("a", freshness=promise(60)), asset("b", freshness=promise(60)))
    space.make("a", data_time=NOON - 30 * HOUR)
    space.now -= 24 * HOUR
    space.make("b", data_time=NOON)

    assert look(space).names == ()
    assert look(space).next == Moment(NOON + 30 * HOUR - SECOND - SECOND // 10, "promise", "a", NOON + 30 * HOUR)


def test_an_interval_is_a_tenth_of_the_strictest_promise_or_what_is_written():
    """At least a minute, and ten where nothing is promised."""
    space = Space(
        external("daily", observe=SqlProbe(query="select 1")),
        external("often", observe=SqlProbe(query="select 1"), observe_every=5 * SECOND),
        external("alone", observe=SqlProbe(query="select 1")),
        asset("b", ["daily", "often"], freshness=promise(20)),
        asset("c", ["b"], freshness=promise(10)),
    )
    limits = strictest(space.graph)
    assets = space.graph.assets

    assert {name: upkeep.interval(assets[name], limits.get(name)) for name in ("daily", "often", "alone")} == {
        "daily": HOUR,
        "often": 5 * SECOND,
        "alone": 10 * MINUTE,
    }


def test_external_assets_are_looked_at_when_their_interval_is_over():
    """What is at a path is looked at whenever anything is; one that could not be looked at waits its turn, too."""
    space = Space(
        external("file", observe=PathProbe("x"), observe_every=HOUR),
        external("table", observe=SqlProbe(query="select 1"), observe_every=HOUR),
    )
    first = upkeep.looks(space.graph, space.snapshot, Memory(), NOON, {})
    for name in ("file", "table"):
        space.observations[name] = Observation(1, name, NOON, "v1", None)
    later = upkeep.looks(space.graph, space.snapshot, Memory(), NOON + MINUTE, {})
    over = upkeep.looks(space.graph, space.snapshot, Memory(), NOON + HOUR, {})
    failed = upkeep.looks(space.graph, space.snapshot, Memory(looked={"table": NOON + HOUR}), NOON + HOUR, {})

    assert first.now == over.now == ("file", "table")
    assert (later.now, later.next) == (("file",), Moment(NOON + HOUR, "observe", "file"))
    assert failed.now == ("file",)


def test_promises_that_rest_on_what_is_not_kept_are_told():
    """Whose they are, what is left out, roots first, and how to have it kept; nothing where all above is kept."""
    space = Space(
        external("crm"),
        asset("root"),
        asset("way", ["root", "crm"]),
        asset("b", ["way"], freshness=promise(6)),
        asset("c", ["crm"], freshness=promise(6)),
        asset("d", ["b"]),
    )

    def said(*names: str, typed: tuple[str, ...] = ("x",)) -> list[tuple[str, str | None]]:
        return [(each.message, each.hint) for each in upkeep.unkept(space.graph, frozenset(names), typed)]

    assert said("root", "way", "b", "c") == said("c") == said("d") == said("way") == []
    assert said("root", "b", "c") == [
        (
            "the promise of b rests on way, which is not selected: nothing here renews it",
            "to have all above kept, too: assets up +x",
        )
    ]
    assert said("b", "d", typed=("tag:x", "b or d")) == [
        (
            "the promise of b rests on root and way, which are not selected: nothing here renews them",
            "to have all above kept, too: assets up +tag:x '+(b or d)'",
        )
    ]


def test_what_was_looked_at_in_the_future_is_looked_at_now():
    """By a clock that was set back since: else nobody would look until then. So is one that could not be looked at."""
    space = Space(external("table", observe=SqlProbe(query="select 1"), observe_every=HOUR))
    space.observations["table"] = Observation(1, "table", NOON, "v1", None)
    yesterday = NOON - 24 * HOUR
    failed = Memory(looked={"table": NOON})

    assert upkeep.looks(space.graph, space.snapshot, Memory(), yesterday, {}) == (
        ("table",),
        Moment(yesterday + HOUR, "observe", "table"),
    )
    space.observations.clear()
    assert upkeep.looks(space.graph, space.snapshot, failed, yesterday, {}).now == ("table",)
    assert upkeep.looks(space.graph, space.snapshot, failed, NOON + MINUTE, {}).now == ()
