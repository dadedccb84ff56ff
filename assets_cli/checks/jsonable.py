"""Values of a database or of a function as JSON has them, short enough to be kept in history."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from typing import Any

_LONGEST = 200
_MOST_COLUMNS = 20


def row(columns: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    """A row by its columns; of a very wide one the first columns."""
    pairs = list(zip(columns, values, strict=True))[:_MOST_COLUMNS]
    return {name: plain(value) for name, value in pairs}


def plain(value: Any) -> Any:
    """A value: numbers and texts as they are, anything else as text; what is long is cut."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _cut("x" + bytes(value)[:_LONGEST].hex())
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in list(value.items())[:_MOST_COLUMNS]}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in list(value)[:_MOST_COLUMNS]]
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "shape", None) == ():
        return plain(item())
    return _cut(str(value))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
