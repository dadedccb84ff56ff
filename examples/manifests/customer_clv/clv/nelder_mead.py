"""The lowest point of a function of a few numbers, found without its gradient (Nelder and Mead, 1965)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

Point = list[float]


class Minimum(NamedTuple):
    """The point found, the function's value there, and how often it was asked."""

    point: Point
    value: float
    evaluations: int


class DidNotConvergeError(Exception):
    """The allowed number of evaluations was spent before the simplex had shrunk to a point."""


def minimise(
    function: Callable[[Sequence[float]], float],
    start: Sequence[float],
    *,
    step: float = 0.5,
    tolerance: float = 1e-6,
    max_evaluations: int = 4_000,
) -> Minimum:
    """Walk a simplex downhill until its corners agree within `tolerance` in every coordinate.

    Raises:
        DidNotConvergeError: `max_evaluations` were not enough.
    """
    size = len(start)
    corners = [list(start) for _ in range(size + 1)]
    for axis in range(size):
        corners[axis + 1][axis] += step
    simplex = [(function(corner), corner) for corner in corners]
    evaluations = len(simplex)

    while evaluations < max_evaluations:
        simplex.sort(key=lambda corner: corner[0])
        best, worst = simplex[0], simplex[-1]
        if all(abs(corner[axis] - best[1][axis]) <= tolerance for _, corner in simplex for axis in range(size)):
            return Minimum(best[1], best[0], evaluations)
        centre = [sum(corner[axis] for _, corner in simplex[:-1]) / size for axis in range(size)]

        reflected = _along(function, centre, worst[1], -1.0)
        evaluations += 1
        if reflected[0] < best[0]:
            expanded = _along(function, centre, worst[1], -2.0)
            evaluations += 1
            simplex[-1] = min(expanded, reflected)
        elif reflected[0] < simplex[-2][0]:
            simplex[-1] = reflected
        else:
            contracted = _along(function, centre, worst[1], -0.5 if reflected[0] < worst[0] else 0.5)
            evaluations += 1
            if contracted[0] < min(worst[0], reflected[0]):
                simplex[-1] = contracted
            else:
                simplex = [best] + [_along(function, best[1], corner, 0.5) for _, corner in simplex[1:]]
                evaluations += size
    message = f"no minimum within {max_evaluations} evaluations"
    raise DidNotConvergeError(message)


def _along(
    function: Callable[[Sequence[float]], float], origin: Point, corner: Point, share: float
) -> tuple[float, Point]:
    """The function's value at a share of the way from `origin` to `corner`, and that point."""
    point = [start + share * (end - start) for start, end in zip(origin, corner, strict=True)]
    return function(point), point
