"""Whether a failed attempt is followed by another one, and after how long. Pure: chance is handed in."""

from __future__ import annotations

from typing import Final

from assets_cli.model import duration
from assets_cli.model.history import AttemptState
from assets_cli.model.manifest import Retries

LONGEST: Final = 600 * duration.SECOND
"""Doubling ends here: who waits longer than ten minutes is better served by the next run."""

_JITTER: Final = 0.25
"""What chance adds at most, as a part of the delay. It adds, so that what is declared is the least there is."""


def delay_before_next(
    retries: Retries, number: int, state: AttemptState, exit_code: int | None, chance: float
) -> int | None:
    """Microseconds to wait before the next attempt; None where there is none.

    Args:
        retries: what the asset declares.
        number: of the attempt that has ended; the first is 1.
        state: how it ended. One that was cancelled, or has crashed, is not tried again in the same run.
        exit_code: of its command; None where that did not even start.
        chance: a random number from 0 to 1, so that what failed together is not tried again together.
    """
    if state not in ("failed", "timed_out") or number > retries.max:
        return None
    if retries.retry_on is not None and exit_code not in retries.retry_on:
        return None
    delay = retries.delay
    if retries.backoff == "exponential":
        delay = max(delay, min(delay * 2 ** (number - 1), LONGEST))
    return delay + int(delay * _JITTER * chance)
