"""Where a file is written before it becomes an output. Imported by every Python step, so it imports next to nothing."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def beside(target: Path) -> Path:
    """The file beside an output: one name for all attempts, so that what a killed one left is found by the next."""
    return target.with_name(f".{target.name}.assets-new")


def clear(path: str) -> None:
    """Remove what a worker that was killed left beside an output."""
    with suppress(OSError, ValueError):
        beside(Path(os.path.realpath(path))).unlink(missing_ok=True)
