"""Whether promises were kept that could be: from what stood in tables, and what befell whoever kept them.

Knows nothing of the product: tables say from which moment their data is, and when they were replaced. Moments are in
seconds, by the true time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple


class Upset(NamedTuple):
    """Something that befell whoever keeps promises from `at` to `until`, and for how long after that it is excused.

    While it is down, and while it starts again, decides anew and has the work done, nobody could keep anything.
    """

    at: float
    until: float
    kind: str
    allowed: float

    @property
    def over(self) -> float:
        """From when on promises are to be kept again."""
        return self.until + self.allowed


class Written(NamedTuple):
    """A table was replaced, by data of that moment."""

    at: float
    data: float


class Judged(NamedTuple):
    """Of all spans in which a table stood as it was: how many were in time, how many excused, and what was broken."""

    kept: int
    excused: int
    broken: tuple[tuple[float, float], ...]


def judge(lag: float, written: Sequence[Written], upsets: Iterable[Upset], end: float) -> Judged:
    """What became of the promise that a table is never older than `lag`, from its first writing to the end."""
    excuses = [(each.at, each.over) for each in upsets]
    kept = excused = 0
    broken: list[tuple[float, float]] = []
    for one, later in pairwise([*written, Written(end, end)]):
        late = max(one.data + lag, one.at)
        if later.at <= late:
            kept += 1
            continue
        left = _without((late, later.at), excuses)
        excused += not left
        broken += left
    return Judged(kept, excused, tuple(broken))


def too_often(began: Sequence[float], upsets: Sequence[Upset], least: float) -> list[tuple[float, float]]:
    """Runs of one asset that came sooner than `least` after each other, although nothing befell anybody meanwhile."""
    return [(one, later) for one, later in undisturbed(began, upsets) if later - one < least]


def undisturbed(began: Sequence[float], upsets: Sequence[Upset]) -> list[tuple[float, float]]:
    """Each two runs of an asset that came one after the other, with nothing that befell anybody meanwhile."""
    return [
        (one, later)
        for one, later in pairwise(began)
        if not any(each.at <= later and each.until >= one for each in upsets)
    ]


def caught_up(began: Sequence[float], upsets: Sequence[Upset]) -> dict[Upset, int]:
    """How often an asset ran in the time that each upset is excused for, of those that no other one followed in it."""
    return {
        each: sum(each.until <= at <= each.over for at in began)
        for each in upsets
        if not any(each.at <= other.at <= each.over for other in upsets if other is not each)
    }


def _without(span: tuple[float, float], taken: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """What of a span none of the others covers."""
    left, (at, end) = [], span
    for begins, ends in sorted(taken):
        if ends <= at or begins >= end:
            continue
        if begins > at:
            left.append((at, begins))
        at = max(at, ends)
    return [*left, (at, end)] if at < end else left
