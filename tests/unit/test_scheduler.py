"""The loop of `assets up` as a state machine, cranked by hand."""

from __future__ import annotations

from assets_cli.model.duration import SECOND
from assets_cli.model.upkeep import Memory, Moment, Outlook, Tried
from assets_cli.running.scheduler import AGAIN, SETTLE, Ask, Leave, Run, Scheduler, Wait

NOW = 1_800_000_000 * SECOND
HOUR = 3_600 * SECOND
LATER = Moment(NOW + HOUR, "promise", "a")


def due(*names: str, then: Moment | None = LATER) -> Outlook:
    """An answer by which these have to run."""
    return Outlook(dict.fromkeys(names, "missing"), names, next=then)


def asked(scheduler: Scheduler, now: int) -> Memory:
    """What it asks with; it has to ask now."""
    action = scheduler.decide(now)
    assert isinstance(action, Ask)
    return action.memory


def test_it_asks_at_once_and_sleeps_until_the_moment_that_matters():
    """Between two moments it does nothing at all."""
    scheduler = Scheduler(2, NOW)
    asked(scheduler, NOW)
    assert scheduler.decide(NOW) == Wait(None)
    scheduler.on_answer(Outlook(next=LATER), {}, NOW + 1)

    assert scheduler.decide(NOW + 2) == Wait(LATER.at)
    assert scheduler.decide(LATER.at - 1) == Wait(LATER.at)
    asked(scheduler, LATER.at)


def test_without_a_next_moment_it_sleeps_until_something_happens():
    """A change of a file wakes it, a little later, since whoever saves writes several."""
    scheduler = Scheduler(2, NOW)
    asked(scheduler, NOW)
    scheduler.on_answer(Outlook(), {}, NOW)
    assert scheduler.decide(NOW + HOUR) == Wait(None)
    scheduler.on_change(NOW + HOUR)
    assert scheduler.decide(NOW + HOUR) == Wait(NOW + HOUR + SETTLE)
    asked(scheduler, NOW + HOUR + SETTLE)


def test_what_is_due_runs_and_is_remembered_with_its_end():
    """It asks again when the run has ended, and says what was tried."""
    scheduler = Scheduler(4, NOW)
    asked(scheduler, NOW)
    scheduler.on_answer(due("a", "b"), {}, NOW)
    assert scheduler.decide(NOW) == Run(1, due("a", "b"), 2)
    assert scheduler.decide(NOW) == Wait(LATER.at)
    scheduler.on_end(1, NOW + SECOND)

    ended = NOW + SECOND
    memory = asked(scheduler, ended)
    assert memory.tried == {"a": Tried("missing", ended), "b": Tried("missing", ended)}
    assert memory.ended == {"a", "b"}
    scheduler.on_answer(Outlook(next=LATER), {}, ended)
    assert asked(scheduler, LATER.at).ended == frozenset()


def test_a_promise_does_not_wait_for_a_long_run_of_others():
    """While a run goes on it asks at the next moment, says what is busy, and starts with the jobs that are left."""
    scheduler = Scheduler(3, NOW)
    asked(scheduler, NOW)
    scheduler.on_answer(due("a", "b"), {}, NOW)
    scheduler.decide(NOW)
    assert asked(scheduler, LATER.at).busy == {"a", "b"}
    scheduler.on_answer(due("c", "d", then=None), {}, LATER.at)
    assert scheduler.decide(LATER.at) == Run(2, due("c", "d", then=None), 1)


def test_without_a_free_job_it_asks_again_when_one_is_free():
    """What was due then may not be due any more."""
    scheduler = Scheduler(1, NOW)
    asked(scheduler, NOW)
    scheduler.on_answer(due("a"), {}, NOW)
    scheduler.decide(NOW)
    asked(scheduler, LATER.at)
    scheduler.on_answer(due("b", then=None), {}, LATER.at)
    assert scheduler.decide(LATER.at) == Wait(None)
    scheduler.on_end(1, LATER.at + 1)
    asked(scheduler, LATER.at + 1)


def test_a_change_while_it_asks_makes_it_ask_again():
    """The answer may be of before the change."""
    scheduler = Scheduler(1, NOW)
    asked(scheduler, NOW)
    scheduler.on_change(NOW)
    scheduler.on_answer(Outlook(next=LATER), {}, NOW + 1)
    assert scheduler.decide(NOW + 1) == Wait(NOW + 1 + SETTLE)


def test_a_moment_that_has_passed_is_no_busy_loop():
    """Whatever an answer says, the next question has its distance."""
    scheduler = Scheduler(1, NOW)
    asked(scheduler, NOW)
    scheduler.on_answer(Outlook(next=Moment(NOW - HOUR, "retry", "a")), {}, NOW)
    assert scheduler.decide(NOW) == Wait(NOW + SETTLE)


def test_a_question_without_an_answer_is_asked_again_in_a_minute():
    """Or when something changes."""
    scheduler = Scheduler(1, NOW)
    asked(scheduler, NOW)
    scheduler.on_failure(NOW)
    assert scheduler.decide(NOW) == Wait(NOW + AGAIN)
    scheduler.on_change(NOW)
    assert scheduler.decide(NOW) == Wait(NOW + SETTLE)


def test_a_clock_that_was_set_makes_it_ask():
    """The moment that it waits for means another time now."""
    scheduler = Scheduler(1, NOW)
    asked(scheduler, NOW)
    scheduler.on_answer(Outlook(next=LATER), {}, NOW)
    scheduler.on_jump(NOW - 24 * HOUR)
    asked(scheduler, NOW - 24 * HOUR)


def test_told_to_stop_it_starts_nothing_new_and_leaves_when_all_has_ended():
    """Also when an answer was on its way."""
    scheduler = Scheduler(1, NOW)
    asked(scheduler, NOW)
    scheduler.on_answer(due("a"), {}, NOW)
    scheduler.decide(NOW)
    scheduler.on_stop()
    assert scheduler.decide(LATER.at) == Wait(None)
    scheduler.on_end(1, NOW)
    assert scheduler.decide(NOW) == Leave()


def test_it_wakes_early_enough_to_decide():
    """Deciding takes as long as it did last, and so does planning the run."""
    scheduler = Scheduler(1, NOW)
    assert asked(scheduler, NOW).lead == SECOND // 2
    scheduler.on_answer(Outlook(next=LATER), {}, NOW + 3 * SECOND)
    assert asked(scheduler, LATER.at).lead == 6 * SECOND
