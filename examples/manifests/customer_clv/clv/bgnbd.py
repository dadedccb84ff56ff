"""The BG/NBD model of repeat purchases (Fader, Hardie, Lee 2005): likelihood, fit, and what it foretells.

While active, a customer buys at a rate that differs between customers (gamma with r, alpha), and after each purchase
drops out for good with a probability that differs between customers (beta with a, b). All that the model needs to know
of a customer is how many repeat purchases there were, when the last one was, and for how long we have known them.
Knows of no table, file or orchestrator; needs the standard library only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import exp, lgamma, log, log1p, pow  # noqa: A004 the float one: `**` may be complex
from typing import NamedTuple

from clv.nelder_mead import minimise

DAYS_IN_WEEK = 7
LARGEST_EXPONENT = 700.0


class History(NamedTuple):
    """A customer as the model sees one: repeat purchases, days from the first to the last, days since the first."""

    frequency: int
    recency_days: int
    age_days: int


class Parameters(NamedTuple):
    """The four numbers of the model, with weeks as the unit of time."""

    r: float
    alpha: float
    a: float
    b: float


class Fit(NamedTuple):
    """The most likely parameters, the log-likelihood there, and how often it was computed on the way."""

    parameters: Parameters
    log_likelihood: float
    evaluations: int


def log_likelihood(parameters: Parameters, histories: Mapping[History, int]) -> float:
    """How likely the histories are. `histories` counts equal ones, which are computed once.

    What depends on fewer than all three numbers of a history is computed once per value: days are whole, so that a
    log-likelihood over 23,570 customers takes some 9,000 exponentials and a few hundred logarithms.
    """
    r, alpha, a, b = parameters
    by_frequency = [
        (
            r + x,
            lgamma(r + x) - lgamma(r) + r * log(alpha) + _log_beta(a, b + x) - _log_beta(a, b),
            log(a) - log(b + x - 1) if x else 0.0,
        )
        for x in range(max(history.frequency for history in histories) + 1)
    ]
    last_day = max(history.age_days for history in histories)
    log_time = [log(alpha + day / DAYS_IN_WEEK) for day in range(last_day + 1)]

    total = 0.0
    for (frequency, recency_days, age_days), count in histories.items():
        shape, constant, log_odds = by_frequency[frequency]
        still_active = -shape * log_time[age_days]
        term = constant + still_active
        if frequency:
            # Still active, or dropped out right after the last purchase. Far out in a search exp would overflow.
            surplus = log_odds - shape * log_time[recency_days] - still_active
            term += log1p(exp(surplus)) if surplus < LARGEST_EXPONENT else surplus
        total += count * term
    return total


def fit(histories: Iterable[History]) -> Fit:
    """The parameters under which these histories are most likely.

    Raises:
        ValueError: there is no history, or none with a repeat purchase, so that there is nothing to learn from.
        DidNotConvergeError: the histories have no single most likely explanation.
    """
    counts = Counter(histories)
    if not any(history.frequency for history in counts):
        message = "no customer has a repeat purchase"
        raise ValueError(message)

    # All four are positive: searched for by their logarithms, they can't be anything else.
    def loss(logarithms: Sequence[float]) -> float:
        return -log_likelihood(Parameters(*map(exp, logarithms)), counts)

    found = minimise(loss, [0.0, 0.0, 0.0, 0.0])
    return Fit(Parameters(*map(exp, found.point)), -found.value, found.evaluations)


def probability_alive(parameters: Parameters, frequency: int, recency_weeks: float, age_weeks: float) -> float:
    """How probable it is that a customer has not dropped out. One who never came back had no occasion to."""
    return 1 / (1 + _odds_of_having_left(parameters, frequency, recency_weeks, age_weeks))


def expected_purchases(
    parameters: Parameters, frequency: int, recency_weeks: float, age_weeks: float, weeks: float
) -> float:
    """How many purchases to expect of a customer in the next `weeks` weeks."""
    r, alpha, a, b = parameters
    shape, until = r + frequency, alpha + age_weeks + weeks
    decay = pow((alpha + age_weeks) / until, shape)
    series = hypergeometric(shape, b + frequency, a + b + frequency - 1, weeks / until)
    if_alive = (a + b + frequency - 1) / (a - 1) * (1 - decay * series)
    return if_alive / (1 + _odds_of_having_left(parameters, frequency, recency_weeks, age_weeks))


def hypergeometric(a: float, b: float, c: float, z: float) -> float:
    """Gauss's 2F1 by its series, which converges where it is asked for: 0 <= z < 1.

    The terms rise before they fall for a customer who bought very often, hence a stop that is relative to the sum.
    """
    term = total = 1.0
    for j in range(100_000):
        term *= (a + j) * (b + j) / ((c + j) * (j + 1)) * z
        total += term
        if abs(term) <= 1e-13 * abs(total):
            return total
    message = f"the series of 2F1({a}, {b}; {c}; {z}) did not converge"
    raise ArithmeticError(message)


def _odds_of_having_left(parameters: Parameters, frequency: int, recency_weeks: float, age_weeks: float) -> float:
    if not frequency:
        return 0.0
    r, alpha, a, b = parameters
    return a / (b + frequency - 1) * pow((alpha + age_weeks) / (alpha + recency_weeks), r + frequency)


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)
