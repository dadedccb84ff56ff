"""The garbage collector, while very many values are made: such as live as long as the process, or die by themselves."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_EASE: Final = 20_000
"""Values between two looks; with Python's 700, they cost a run of ten thousand steps four hundredths of its time."""

_MANY: Final = 1_000
"""With so many assets it is worth to keep what was made out of every later look for cycles."""


@contextmanager
def collector_paused() -> Iterator[Callable[[int], None]]:
    """No looking for cycles inside: what is made there are hundreds of thousands of values without one.

    What is given says of how many assets they are. If these are many, the first look after it need not go through
    all of them either.
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
    """Look for cycles rarely: of what is made inside, nearly all dies as soon as nobody refers to it."""
    before = gc.get_threshold()
    gc.set_threshold(_EASE, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
