"""What a rule finds, and how lists of names read. Knows neither policies nor graphs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from assets_cli.model.manifest import Asset
from assets_cli.model.problem import Place


class Finding(NamedTuple):
    """What is wrong with an asset. The message names neither the asset nor the policy; `place` is where to mend it."""

    asset: str
    code: str
    message: str
    hint: str | None
    place: Place


Known = Callable[[str], Sequence[str]]
"""The columns that an asset's SQL is known to give."""

Locate = Callable[..., Place]
"""`Manifest.locate`."""

Rule = Callable[[Sequence[Asset]], Iterator[Finding]]
"""Looks at many assets at once: most have nothing wrong, and are to cost next to nothing."""


def listed(words: Sequence[str], *, joined: str = "and", most: int | None = None) -> str:
    """`a, b and c`; of more than `most` the first ones, and how many there are besides."""
    if most is not None and len(words) > most + 1:
        return f"{', '.join(words[:most])} {joined} {len(words) - most:,} more"
    return f" {joined} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
