"""Some of the entries of a long list, as bits: so many sets of so many entries cost little more than one of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TypeVar, overload

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


class Subset(Sequence[T_co]):
    """Entries of a list, in its order, each once. The list may still grow; nothing in it may change its place."""

    __slots__ = ("_bits", "_of", "_start")

    def __init__(self, of: Sequence[T_co], start: int, bits: int = 1) -> None:
        """The entry at `start`, or those at which `bits`, counted from there, are set."""
        self._of = of
        self._start = start
        self._bits = bits

    def __or__(self, other: Subset[T_co]) -> Subset[T_co]:
        """All that is in either of two of the same list."""
        if self is other or (self._start == other._start and self._bits == other._bits):
            return self
        first, second = (self, other) if self._start <= other._start else (other, self)
        return Subset(self._of, first._start, first._bits | second._bits << second._start - first._start)

    def among(self, others: Sequence[T]) -> Subset[T]:
        """What is at the same places of another list."""
        return Subset(others, self._start, self._bits)

    def __len__(self) -> int:
        return self._bits.bit_count()

    def __iter__(self) -> Iterator[T_co]:
        text = f"{self._bits:b}"[::-1]
        bit = text.find("1")
        while bit >= 0:
            yield self._of[self._start + bit]
            bit = text.find("1", bit + 1)

    @overload
    def __getitem__(self, index: int) -> T_co: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T_co, ...]: ...
    def __getitem__(self, index: int | slice) -> T_co | tuple[T_co, ...]:
        if isinstance(index, slice) and index.stop is not None and index.stop >= 0 <= (index.start or 0):
            return tuple(islice(self, index.stop))[index]
        return tuple(self)[index]

    def __eq__(self, other: object) -> bool:
        return tuple(self) == tuple(other) if isinstance(other, Sequence) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))
