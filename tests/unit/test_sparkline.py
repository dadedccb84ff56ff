"""A history of numbers as one small line."""

from __future__ import annotations

import math

import pytest

from assets_cli.cli.screens.sparkline import draw


@pytest.mark.parametrize(
    ("values", "drawn", "plain"),
    [
        ([0, 1, 2, 3, 4, 5, 6, 7], "▁▂▃▄▅▆▇█", "_.-=+*%#"),
        ([7, 0, 7], "█▁█", "#_#"),
        ([5, 5, 5], "▄▄▄", "==="),
        ([1, None, 2], "▁ █", "_ #"),
        ([None, None], "  ", "  "),
        ([], "", ""),
        ([-1e308, 1e308], "▁█", "_#"),
        ([1, math.nan, math.inf, 2], "▁  █", "_  #"),
        ([10**400, 0], None, None),
    ],
)
def test_numbers_are_drawn_between_the_least_and_the_most(values, drawn, plain):
    """Low to high; equal ones in the middle; a blank where there is no number, or one that is none."""
    if drawn is None:
        assert len(draw(values)) == len(values)
        return
    assert draw(values) == drawn
    assert draw(values, unicode=False) == plain
