"""The garbage collector, paused or run rarely while very many values are made that are in no cycle."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_EASE: Final = 20_000
"""Values between two collections; with Python's 700, they take 4 % of the time of a run of ten thousand steps."""

_MANY: Final = 1_000
"""With so many assets it is worth to keep what was made out of every later collection."""


@contextmanager
def collector_paused() -> Iterator[Callable[[int], None]]:
    """No collection inside: what is made there are hundreds of thousands of values without a cycle.

    Call what is given with the number of assets that they are of. If these are many, no later collection goes through
    the values either.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    count = 0

    def made(assets: int) -> None:
        nonlocal count
        count = assets

    try:
        yield made
    finally:
        if count >= _MANY:
            gc.freeze()
        if was_enabled:
            gc.enable()


@contextmanager
def collector_at_ease() -> Iterator[None]:
    """Collect rarely: nearly all that is made inside is freed as soon as nobody refers to it."""
    before = gc.get_threshold()
    gc.set_threshold(_EASE, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
