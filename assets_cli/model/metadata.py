"""Values of metadata as people read them, also those of a type that JSON has no word for.

Such a value is `{"raw_value": …, "type": …}`, the form in which Dagster Pipes reports it. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

_JSON_TYPES: Final = frozenset({"__infer__", "text", "float", "int", "bool", "null", "json"})
_TYPED: Final = frozenset({"raw_value", "type"})


def value_of(raw: Any, kind: str) -> Any:
    """How a value of a type is kept: as it is where JSON tells the type itself, otherwise with its type."""
    return raw if kind in _JSON_TYPES else {"raw_value": raw, "type": kind}


def is_typed(value: Any) -> bool:
    """Whether a value carries its type."""
    return isinstance(value, Mapping) and value.keys() == _TYPED and isinstance(value["type"], str)


def text(value: Any) -> str:
    """A value as one text: columns as `id INTEGER, name VARCHAR`, moments as RFC 3339, structures as compact JSON."""
    if is_typed(value):
        raw, kind = value["raw_value"], value["type"]
        written = _WRITERS[kind](raw) if kind in _WRITERS else None
        return written if written is not None else text(raw)
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def moment(raw: Any) -> datetime | None:
    """The moment of a number of seconds since 1970; None where it is none."""
    if isinstance(raw, bool) or not isinstance(raw, (int, float)):
        return None
    try:
        return datetime.fromtimestamp(raw, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _moment_text(raw: Any) -> str | None:
    found = moment(raw)
    return None if found is None else found.isoformat().replace("+00:00", "Z")


def _columns(raw: Any) -> str | None:
    columns = raw.get("columns") if isinstance(raw, Mapping) else None
    if not isinstance(columns, list) or not all(isinstance(each, Mapping) for each in columns):
        return None
    return ", ".join(f"{each.get('name', '?')} {each.get('type') or ''}".strip() for each in columns)


def _records(raw: Any) -> str | None:
    records = raw.get("records") if isinstance(raw, Mapping) else None
    return json.dumps(records, ensure_ascii=False, default=str) if isinstance(records, list) else None


def _lineage(raw: Any) -> str | None:
    """`total from orders.amount, orders.tax; day from orders.at`."""
    columns = raw.get("deps_by_column") if isinstance(raw, Mapping) else None
    if not isinstance(columns, Mapping) or not all(isinstance(above, list) for above in columns.values()):
        return None
    return "; ".join(f"{name} from {', '.join(map(_column, above)) or 'nothing'}" for name, above in columns.items())


def _column(above: Any) -> str:
    if not isinstance(above, Mapping):
        return text(above)
    key = above.get("asset_key")
    asset = "/".join(map(str, key)) if isinstance(key, list) else text(key)
    return f"{asset}.{above.get('column_name', '?')}"


_WRITERS: Final = {
    "timestamp": _moment_text,
    "table_schema": _columns,
    "table": _records,
    "table_column_lineage": _lineage,
}
