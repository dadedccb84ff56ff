"""The nearest name to a misspelt one, at a cost that does not grow with the product of names and mistakes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property

_FULL_SEARCHES = 8
"""How many names are compared with all others before only the index of small slips is asked."""

_SHORTEST = 3
"""Names with fewer letters are not similar for having one in common."""


class Spelling:
    """The names that could have been meant."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = sorted(set(names))
        self._searches = 0
        self._found: dict[str, str | None] = {}

    @cached_property
    def _index(self) -> dict[str, list[str]]:
        index: dict[str, list[str]] = {}
        for name in self._names:
            for variant in _variants(name):
                index.setdefault(variant, []).append(name)
        return index

    def nearest(self, name: str) -> str | None:
        """The most similar name, or None where none is similar."""
        if name not in self._found:  # ten thousand assets may have the same mistake from one place
            self._found[name] = self._nearest(name)
        return self._found[name]

    def _nearest(self, name: str) -> str | None:
        # difflib is imported on use: most manifests hold no mistake.
        from difflib import SequenceMatcher, get_close_matches

        near = {found for variant in _variants(name) for found in self._index.get(variant, ())[:20]} - {name}
        if near:
            return min(near, key=lambda found: (-SequenceMatcher(None, found, name).ratio(), found))
        if len(self._names) <= 50 or self._searches < _FULL_SEARCHES:  # noqa: PLR2004 - keys of a mapping, not assets
            self._searches += 1
            return next(iter(get_close_matches(name[:200], self._names, 1)), None)
        return None

    def hint(self, name: str) -> str | None:
        """`did you mean 'x'?`, or None."""
        found = self.nearest(name)
        return f"did you mean '{found}'?" if found else None


def _variants(name: str) -> Iterator[str]:
    """The name and what is left of it when one letter is dropped, all in lower case."""
    folded = name[:60].lower()
    yield folded
    if len(folded) < _SHORTEST:
        return
    for position in range(len(folded)):
        yield folded[:position] + folded[position + 1 :]
