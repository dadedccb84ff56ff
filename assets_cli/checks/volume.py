"""What number of rows is usual for an asset, by how many it had before. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, floor
from statistics import median
from typing import Any, Final, NamedTuple

from assets_cli.checks.protocol import PASSED, Finding
from assets_cli.checks.values import rows

HISTORY: Final = 5
"""How many earlier materializations it takes to know what is usual."""
LATEST: Final = 20
"""How many of them count."""
TOLERANCE: Final = 0.1
_DEVIATIONS: Final = 4
_SIGMA: Final = 1.4826
"""What makes a standard deviation of the median absolute deviation of normally distributed numbers."""


class Band(NamedTuple):
    """What is usual, both ends included."""

    least: int
    most: int


def band(before: Sequence[int], tolerance: float = TOLERANCE) -> Band:
    """The band around the median that robust deviations, or a share of the median, span.

    Robust, since one broken load among twenty must not widen it. Rounded outwards, so that a table of three rows may
    have one more. No rows are usual only where there were none before.
    """
    middle = median(before)
    spread = _DEVIATIONS * _SIGMA * median(abs(count - middle) for count in before)
    reach = max(spread, tolerance * middle)
    return Band(max(floor(middle - reach), 1 if min(before) > 0 else 0), ceil(middle + reach))


def judge_volume(count: int, arguments: Mapping[str, Any]) -> Finding:
    """Whether a number of rows is usual; `before` holds the earlier ones, newest first."""
    before = arguments["before"][:LATEST]
    needed = arguments.get("history", HISTORY)
    if len(before) < needed:
        return PASSED._replace(message=f"no history yet: {len(before)} of {needed} materializations")
    usual = band(before, arguments.get("tolerance", TOLERANCE))
    if usual.least <= count <= usual.most:
        return PASSED
    message = f"{rows(count)}, usually {usual.least:,} to {usual.most:,} (by {len(before)} materializations)"
    return Finding(passed=False, message=message)
