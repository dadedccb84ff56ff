"""The loop of `assets up` as a machine of states, cranked by hand."""

from __future__ import annotations

from assets_cli.model.duration import SECOND
from assets_cli.model.upkeep import Memory, Moment, Outlook, Tried
from assets_cli.running.vigil import AGAIN, SETTLE, Ask, Leave, Run, Vigil, Wait

NOW = 1_800_000_000 * SECOND
HOUR = 3_600 * SECOND
LATER = Moment(NOW + HOUR, "promise", "a")


def due(*names: str, then: Moment | None = LATER) -> Outlook:
    """An answer by which these have to run."""
    return Outlook(dict.fromkeys(names, "missing"), names, next=then)


def asked(vigil: Vigil, now: int) -> Memory:
    """What it asks with; it has to ask now."""
    action = vigil.decide(now)
    assert isinstance(action, Ask)
    return action.memory


def test_it_asks_at_once_and_sleeps_until_the_moment_that_matters():
    """Between two moments it does nothing at all."""
    vigil = Vigil(2, NOW)
    asked(vigil, NOW)
    assert vigil.decide(NOW) == Wait(None)
    vigil.on_answer(Outlook(next=LATER), {}, NOW + 1)

    assert vigil.decide(NOW + 2) == Wait(LATER.at)
    assert vigil.decide(LATER.at - 1) == Wait(LATER.at)
    asked(vigil, LATER.at)


def test_without_a_next_moment_it_sleeps_until_something_happens():
    """A change of a file wakes it, a little later, since whoever saves writes several."""
    vigil = Vigil(2, NOW)
    asked(vigil, NOW)
    vigil.on_answer(Outlook(), {}, NOW)
    assert vigil.decide(NOW + HOUR) == Wait(None)
    vigil.on_change(NOW + HOUR)
    assert vigil.decide(NOW + HOUR) == Wait(NOW + HOUR + SETTLE)
    asked(vigil, NOW + HOUR + SETTLE)


def test_what_is_due_runs_and_is_remembered_with_its_end():
    """It asks again when the run has ended, and says what was tried."""
    vigil = Vigil(4, NOW)
    asked(vigil, NOW)
    vigil.on_answer(due("a", "b"), {}, NOW)
    assert vigil.decide(NOW) == Run(1, due("a", "b"), 2)
    assert vigil.decide(NOW) == Wait(LATER.at)
    vigil.on_end(1, NOW + SECOND)

    ended = NOW + SECOND
    assert asked(vigil, ended).tried == {"a": Tried("missing", ended), "b": Tried("missing", ended)}


def test_a_promise_does_not_wait_for_a_long_run_of_others():
    """While a run goes on it asks at the next moment, says what is busy, and starts with the jobs that are left."""
    vigil = Vigil(3, NOW)
    asked(vigil, NOW)
    vigil.on_answer(due("a", "b"), {}, NOW)
    vigil.decide(NOW)
    assert asked(vigil, LATER.at).busy == {"a", "b"}
    vigil.on_answer(due("c", "d", then=None), {}, LATER.at)
    assert vigil.decide(LATER.at) == Run(2, due("c", "d", then=None), 1)


def test_without_a_free_job_it_asks_again_when_one_is_free():
    """What was due then may not be due any more."""
    vigil = Vigil(1, NOW)
    asked(vigil, NOW)
    vigil.on_answer(due("a"), {}, NOW)
    vigil.decide(NOW)
    asked(vigil, LATER.at)
    vigil.on_answer(due("b", then=None), {}, LATER.at)
    assert vigil.decide(LATER.at) == Wait(None)
    vigil.on_end(1, LATER.at + 1)
    asked(vigil, LATER.at + 1)


def test_a_change_while_it_asks_makes_it_ask_again():
    """The answer may be of before the change."""
    vigil = Vigil(1, NOW)
    asked(vigil, NOW)
    vigil.on_change(NOW)
    vigil.on_answer(Outlook(next=LATER), {}, NOW + 1)
    assert vigil.decide(NOW + 1) == Wait(NOW + 1 + SETTLE)


def test_a_moment_that_has_passed_is_no_busy_loop():
    """Whatever an answer says, the next question has its distance."""
    vigil = Vigil(1, NOW)
    asked(vigil, NOW)
    vigil.on_answer(Outlook(next=Moment(NOW - HOUR, "retry", "a")), {}, NOW)
    assert vigil.decide(NOW) == Wait(NOW + SETTLE)


def test_a_question_without_an_answer_is_asked_again_in_a_minute():
    """Or when something changes."""
    vigil = Vigil(1, NOW)
    asked(vigil, NOW)
    vigil.on_failure(NOW)
    assert vigil.decide(NOW) == Wait(NOW + AGAIN)
    vigil.on_change(NOW)
    assert vigil.decide(NOW) == Wait(NOW + SETTLE)


def test_a_clock_that_was_set_makes_it_ask():
    """The moment that it waits for means another time now."""
    vigil = Vigil(1, NOW)
    asked(vigil, NOW)
    vigil.on_answer(Outlook(next=LATER), {}, NOW)
    vigil.on_jump(NOW - 24 * HOUR)
    asked(vigil, NOW - 24 * HOUR)


def test_told_to_stop_it_starts_nothing_new_and_leaves_when_all_has_ended():
    """Also when an answer was on its way."""
    vigil = Vigil(1, NOW)
    asked(vigil, NOW)
    vigil.on_answer(due("a"), {}, NOW)
    vigil.decide(NOW)
    vigil.on_stop()
    assert vigil.decide(LATER.at) == Wait(None)
    vigil.on_end(1, NOW)
    assert vigil.decide(NOW) == Leave()


def test_it_wakes_early_enough_to_decide():
    """Deciding takes as long as it did last, and so does planning the run."""
    vigil = Vigil(1, NOW)
    assert asked(vigil, NOW).lead == SECOND // 2
    vigil.on_answer(Outlook(next=LATER), {}, NOW + 3 * SECOND)
    assert asked(vigil, LATER.at).lead == 6 * SECOND
