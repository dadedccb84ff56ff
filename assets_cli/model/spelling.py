"""The known word that a mistyped one was probably meant to be. Pure."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word nearest to this one, whatever their case; None where none is near."""
    from difflib import get_close_matches  # only somebody who mistyped waits for it

    by_fold = {each.casefold(): each for each in sorted(known, reverse=True)}
    found = get_close_matches(word.casefold(), by_fold, n=1)
    return by_fold[found[0]] if found else None
