"""Named tuples as columns of plain values, which `marshal` can write, and back.

Values of one class lie beside each other, field by field: what reads them is a loop in C, and a field that is the same
in all of them takes no room. Knows the classes of a manifest, and nothing of files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice, repeat
from typing import Any, Final

from assets_cli.model.manifest import (
    AlertRoute,
    Asset,
    Check,
    Column,
    Connection,
    FreshnessPolicy,
    HttpProbe,
    Inferred,
    Output,
    PathProbe,
    PythonCommand,
    Retries,
    Schedule,
    ShellCommand,
    ShellProbe,
    SqlCommand,
    SqlProbe,
)
from assets_cli.model.problem import Place, Problem, Related

_CLASSES: Final[tuple[Any, ...]] = (
    *(AlertRoute, Asset, Check, Column, Connection, FreshnessPolicy, HttpProbe, Inferred, Output, PathProbe, Place),
    *(Problem, PythonCommand, Related, Retries, Schedule, ShellCommand, ShellProbe, SqlCommand, SqlProbe),
)
FORM: Final = tuple([(each.__name__, each._fields) for each in _CLASSES])
"""What the packed values are of: with another field or class they cannot be read."""

_NUMBERS: Final[Mapping[type, int]] = {each: number for number, each in enumerate(_CLASSES)}
_PLAIN, _SAME, _ROWS, _LISTS, _MIXED = range(5)
"""The ways to pack a column: as it is, one value, one class, tuples of values of one class, several classes."""

Packed = tuple[Any, ...]


def pack(values: Sequence[Any]) -> Packed:
    """These values as a column; `unpack` gives them back."""
    if len(values) > 1 and _are_one(values):
        return _SAME, len(values), _column(values[:1])
    return _column(values)


def _column(values: Sequence[Any]) -> Packed:
    kinds = set(map(type, values))
    if len(kinds) == 1:
        kind = next(iter(kinds))
        if kind in _NUMBERS:
            return _ROWS, _NUMBERS[kind], [pack(column) for column in zip(*values, strict=True)]
        if kind is tuple and not _NUMBERS.keys().isdisjoint(map(type, chain.from_iterable(values))):
            return _LISTS, list(map(len, values)), pack(list(chain.from_iterable(values)))
    if len(kinds) < 2 or (tuple not in kinds and kinds.isdisjoint(_NUMBERS)):  # noqa: PLR2004 - of one kind, or none
        return _PLAIN, list(values)
    order = list(kinds)
    numbers = {kind: number for number, kind in enumerate(order)}
    parts = [pack([value for value in values if type(value) is kind]) for kind in order]
    return _MIXED, bytes([numbers[type(value)] for value in values]), parts


def _are_one(values: Sequence[Any]) -> bool:
    """Whether all are one value, as far as that is quick to see: 1 is no True, and equal tuples may hold either."""
    first = values[0]
    if first != values[-1] or values.count(first) < len(values):
        return False
    if first is None or type(first) is str or first == ():
        return True
    return len(set(map(id, values))) == 1 or (first == {} and set(map(type, values)) == {dict})


def unpack(packed: Packed) -> Iterable[Any]:
    """The values that were packed, to be gone through once."""
    way = packed[0]
    if way == _PLAIN:
        return packed[1]  # type: ignore[no-any-return]
    if way == _SAME:
        return repeat(next(iter(unpack(packed[2]))), packed[1])
    if way == _ROWS:
        return map(tuple.__new__, repeat(_CLASSES[packed[1]]), zip(*map(unpack, packed[2]), strict=True))
    if way == _LISTS:
        flat = iter(unpack(packed[2]))
        return [tuple(islice(flat, length)) if length else () for length in packed[1]]
    parts = [iter(unpack(part)) for part in packed[2]]
    return [next(parts[number]) for number in packed[1]]
