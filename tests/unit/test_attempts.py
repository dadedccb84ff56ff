"""Retries: whether there is one, and when."""

from __future__ import annotations

import pytest

from assets_cli.model.duration import SECOND
from assets_cli.model.manifest import Retries
from assets_cli.planning.attempts import LONGEST, delay_before_next

HOUR = 3_600 * SECOND
THREE = Retries(max=3, delay=10 * SECOND)


def seconds(retries: Retries, number: int, chance: float = 0.0) -> float | None:
    """The delay after an attempt that failed with exit code 1."""
    delay = delay_before_next(retries, number, "failed", 1, chance)
    return None if delay is None else delay / SECOND


def test_without_retries_there_is_no_next_attempt():
    """The default."""
    assert seconds(Retries(), 1) is None


def test_a_constant_delay():
    """As many further attempts as declared, each after the same time."""
    assert [seconds(THREE, number) for number in (1, 2, 3, 4)] == [10, 10, 10, None]


def test_an_exponential_delay():
    """Doubles after each attempt, up to ten minutes."""
    growing = Retries(max=100, delay=10 * SECOND, backoff="exponential")
    assert [seconds(growing, number) for number in (1, 2, 3, 4, 5, 6)] == [10, 20, 40, 80, 160, 320]
    assert [seconds(growing, number) for number in (7, 8, 100, 101)] == [600, 600, 600, None]


def test_a_delay_longer_than_the_cap_stays_what_it_is():
    """Nobody waits less than was declared."""
    assert seconds(Retries(max=3, delay=2 * HOUR, backoff="exponential"), 3) == 7_200
    assert seconds(Retries(max=3, delay=LONGEST, backoff="exponential"), 3) == 600


@pytest.mark.parametrize(("chance", "expected"), [(0.0, 40.0), (0.5, 45.0), (1.0, 50.0)])
def test_chance_adds_up_to_a_quarter(chance: float, expected: float):
    """Never less than declared; also beyond the cap."""
    growing = Retries(max=9, delay=10 * SECOND, backoff="exponential")
    assert seconds(growing, 3, chance) == expected
    assert seconds(growing, 9, 1.0) == 750


def test_no_delay_is_none_whatever_the_chance():
    """At once."""
    assert seconds(Retries(max=1), 1, 1.0) == 0
    assert seconds(Retries(max=100, backoff="exponential"), 100, 1.0) == 0


def test_exit_codes():
    """Where they are declared, others are not tried again."""
    some = Retries(max=1, retry_on=(75, 143))
    assert delay_before_next(some, 1, "failed", 75, 0.0) == 0
    assert delay_before_next(some, 1, "failed", 1, 0.0) is None
    assert delay_before_next(some, 1, "failed", 0, 0.0) is None
    assert delay_before_next(some, 1, "failed", None, 0.0) is None
    assert delay_before_next(some, 1, "timed_out", 143, 0.0) == 0
    assert delay_before_next(some, 1, "timed_out", 137, 0.0) is None


@pytest.mark.parametrize("state", ["succeeded", "cancelled", "crashed", "open"])
def test_what_is_not_tried_again(state: str):
    """Only what failed or took too long."""
    assert delay_before_next(THREE, 1, state, 1, 0.0) is None  # type: ignore[arg-type]


def test_what_took_too_long_is_tried_again():
    """A timeout is of the attempt."""
    assert delay_before_next(THREE, 1, "timed_out", 143, 0.0) == 10 * SECOND
