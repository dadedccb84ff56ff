"""How many rows a Parquet file holds and of which columns, from its footer: a few hundred bytes, no library.

Types are named as DuckDB names them, so that a file and a table of one content are alike. Knows nothing of assets.
"""

from __future__ import annotations

from typing import Any, BinaryIO, NamedTuple

_MAGIC = b"PAR1"
_TAIL = 8
_LARGEST = 64 * 1024 * 1024
_PHYSICAL = ("BOOLEAN", "INTEGER", "BIGINT", "TIMESTAMP", "FLOAT", "DOUBLE", "BLOB", "BLOB")
_CONVERTED = {
    0: "VARCHAR", 4: "VARCHAR", 6: "DATE", 7: "TIME", 8: "TIME",
    9: "TIMESTAMP WITH TIME ZONE", 10: "TIMESTAMP WITH TIME ZONE",
    11: "UTINYINT", 12: "USMALLINT", 13: "UINTEGER", 14: "UBIGINT",
    15: "TINYINT", 16: "SMALLINT", 17: "INTEGER", 18: "BIGINT", 19: "JSON", 21: "INTERVAL",
}  # fmt: skip
_DECIMAL, _TIME, _TIMESTAMP, _UUID = 5, 7, 8, 14
_MAPS, _LIST = (1, 2), 3
_LOGICAL_MAP, _LOGICAL_LIST = 2, 3
_REPEATED = 2
_INTEGERS, _DOUBLE, _BINARY, _LISTS, _MAP, _STRUCT = (3, 4, 5, 6), 7, 8, (9, 10), 11, 12


class ParquetFacts(NamedTuple):
    """Rows, and names and types of the columns."""

    rows: int
    columns: tuple[tuple[str, str], ...]


def read_facts(path: str) -> ParquetFacts | None:
    """The facts of a Parquet file; None for one that is something else, cut off or encrypted."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - a string, as everywhere in probing
            footer = _footer(file)
        if footer is None:
            return None
        meta = _Reader(footer).struct()
        rows, elements = meta[3], meta[2]
        columns = []
        position = 1
        for _ in range(elements[0].get(5, 0)):
            name, kind, position = _column(elements, position)
            columns.append((name, kind))
        return ParquetFacts(int(rows), tuple(columns))
    except (OSError, ValueError, KeyError, IndexError, TypeError, RecursionError):
        return None


def _footer(file: BinaryIO) -> bytes | None:
    size = file.seek(0, 2)
    if size < _TAIL + len(_MAGIC):
        return None
    file.seek(-_TAIL, 2)
    tail = file.read(_TAIL)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != _MAGIC or length > min(size - _TAIL, _LARGEST):
        return None
    file.seek(-_TAIL - length, 2)
    return file.read(length)


def _column(elements: list[dict[int, Any]], position: int) -> tuple[str, str, int]:
    """Name and type of the schema's element at a position, and the position after all that it is made of."""
    element = elements[position]
    name = element[4].decode("utf-8", "replace")
    count = element.get(5, 0)
    if not count:
        repeated = "[]" if element.get(3) == _REPEATED else ""
        return name, _primitive(element) + repeated, position + 1
    logical = element.get(10) or {}
    inner = elements[position + 1].get(5, 0)
    if (element.get(6) == _LIST or _LOGICAL_LIST in logical) and inner == 1:
        # A list is a group of one repeated group of one element.
        _, kind, after = _column(elements, position + 2)
        return name, f"{kind}[]", after
    if (element.get(6) in _MAPS or _LOGICAL_MAP in logical) and inner == 2:  # noqa: PLR2004 - key and value
        _, key, after = _column(elements, position + 2)
        _, value, after = _column(elements, after)
        return name, f"MAP({key}, {value})", after
    fields = []
    after = position + 1
    for _ in range(count):
        field, kind, after = _column(elements, after)
        fields.append(f"{field} {kind}")
    return name, f"STRUCT({', '.join(fields)})", after


def _primitive(element: dict[int, Any]) -> str:
    logical = element.get(10) or {}
    if _DECIMAL in logical or element.get(6) == _DECIMAL:
        scale, precision = element.get(7, 0), element.get(8, 0)
        return f"DECIMAL({precision},{scale})"
    if _TIMESTAMP in logical:
        moment = logical[_TIMESTAMP]
        if moment.get(1):
            return "TIMESTAMP WITH TIME ZONE"
        unit = next(iter(moment.get(2) or {2: {}}))
        return {1: "TIMESTAMP_MS", 3: "TIMESTAMP_NS"}.get(unit, "TIMESTAMP")
    if _TIME in logical:
        unit = next(iter(logical[_TIME].get(2) or {2: {}}))
        return "TIME WITH TIME ZONE" if logical[_TIME].get(1) else {3: "TIME_NS"}.get(unit, "TIME")
    if _UUID in logical:
        return "UUID"
    converted = element.get(6)
    return _CONVERTED[converted] if converted in _CONVERTED else _PHYSICAL[element[1]]


class _Reader:
    """Thrift's compact protocol, as far as a footer uses it. A struct is a dictionary by field numbers."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def struct(self) -> dict[int, Any]:
        """The struct at the current place."""
        found: dict[int, Any] = {}
        number = 0
        while (head := self._byte()) != 0:
            delta, kind = head >> 4, head & 0x0F
            number = number + delta if delta else self._signed()
            found[number] = kind == 1 if kind in (1, 2) else self._value(kind)
        return found

    def _value(self, kind: int) -> Any:
        if kind in (1, 2):
            return self._byte() == 1
        if kind == 3:  # noqa: PLR2004 - one byte
            return self._byte()
        if kind in _INTEGERS:
            return self._signed()
        if kind == _DOUBLE:
            return self._bytes(8)
        if kind == _BINARY:
            return self._bytes(self._varint())
        if kind in _LISTS:
            head = self._byte()
            count = head >> 4 if head >> 4 != 0x0F else self._varint()  # noqa: PLR2004 - four bits that are all set
            return [self._value(head & 0x0F) for _ in range(count)]
        if kind == _MAP:
            count = self._varint()
            kinds = self._byte() if count else 0
            return [(self._value(kinds >> 4), self._value(kinds & 0x0F)) for _ in range(count)]
        if kind == _STRUCT:
            return self.struct()
        raise ValueError(f"type {kind}")

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _bytes(self, count: int) -> bytes:
        self._at += count
        return self._data[self._at - count : self._at]

    def _varint(self) -> int:
        found = shift = 0
        while True:
            byte = self._byte()
            found |= (byte & 0x7F) << shift
            if byte < 0x80:  # noqa: PLR2004 - the highest bit says that there are more
                return found
            shift += 7

    def _signed(self) -> int:
        number = self._varint()
        return (number >> 1) ^ -(number & 1)
