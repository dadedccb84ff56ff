"""A history of numbers as one small line. Knows nothing of what they count."""

from __future__ import annotations

from collections.abc import Sequence

_BLOCKS = "▁▂▃▄▅▆▇█"
_PLAIN = "_.-=+*%#"


def draw(values: Sequence[float | None], *, unicode: bool = True) -> str:
    """One sign for each number, low to high between the least and the most; a blank where there is none.

    Numbers that are all the same are in the middle.
    """
    signs = _BLOCKS if unicode else _PLAIN
    known = [value for value in values if value is not None and value - value == 0]
    if not known:
        return " " * len(values)
    least, most = min(known), max(known)
    return "".join(
        " " if value is None or value - value != 0 else signs[_step(value, least, most, len(signs))] for value in values
    )


def _step(value: float, least: float, most: float, steps: int) -> int:
    if most == least:
        return steps // 2 - 1
    from fractions import Fraction  # on use; exact, since the distance of two numbers may be more than a float holds

    low = Fraction(least)
    return min(int((Fraction(value) - low) / (Fraction(most) - low) * steps), steps - 1)
