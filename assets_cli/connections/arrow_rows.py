"""Rows of a driver as Arrow, column by column, where the database says its types only by name. For frames only.

What has no type of Arrow's own is text. Numbers of any size are decimals if they fit, and floats if not. Knows no
database; pyarrow takes its time, so this is imported on use.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from assets_cli.connections.protocol import DatabaseError

_DECIMAL = re.compile(r"^(?:numeric|decimal|number)\((\d+)(?:, ?(-?\d+))?\)$")
_WIDEST = 38
_KINDS: dict[str, pa.DataType] = {
    **dict.fromkeys(("boolean", "bool"), pa.bool_()),
    **dict.fromkeys(("smallint", "int2", "smallserial"), pa.int16()),
    **dict.fromkeys(("integer", "int", "int4", "mediumint"), pa.int32()),
    **dict.fromkeys(("bigint", "int8"), pa.int64()),
    **dict.fromkeys(("real", "float4"), pa.float32()),
    **dict.fromkeys(("double precision", "double", "float8", "float"), pa.float64()),
    **dict.fromkeys(("bytea", "blob", "binary", "varbinary", "bytes"), pa.binary()),
    "date": pa.date32(),
    **dict.fromkeys(("timestamp without time zone", "timestamp", "datetime", "timestamp_ntz"), pa.timestamp("us")),
    **dict.fromkeys(("timestamp with time zone", "timestamptz", "timestamp_tz"), pa.timestamp("us", "UTC")),
    **dict.fromkeys(("time without time zone", "time"), pa.time64("us")),
}
_TEXTS = ("text", "character", "varchar", "char", "string", "uuid", "name", "nvarchar", "clob", "enum")


def kind_of(declared: str) -> pa.DataType | None:
    """The type of Arrow of a column; None where its values say it."""
    words = declared.lower().strip()
    match = _DECIMAL.match(words)
    if match and 0 < int(match[1]) <= _WIDEST:
        return pa.decimal128(int(match[1]), int(match[2] or 0))
    base = re.sub(r"\s*\(.*?\)", "", words)
    if base.endswith("[]"):
        inner = kind_of(base[:-2])
        return pa.list_(inner) if inner is not None else None
    return _KINDS.get(base) or (pa.string() if base.startswith(_TEXTS) else None)


def table(columns: Sequence[tuple[str, str]], batches: Iterable[Sequence[tuple[Any, ...]]]) -> pa.Table:
    """The rows of these columns, names and types, as one table.

    Raises:
        DatabaseError: a value has no place in Arrow.
    """
    kinds = [kind_of(declared) for _, declared in columns]
    chunks: list[list[Any]] = [[] for _ in columns]
    for batch in batches:
        for index, values in enumerate(zip(*batch, strict=True)):
            kind = kinds[index]
            chunks[index].append(list(values) if kind is None else _array(columns[index], values, kind))
    arrays = []
    for kind, parts in zip(kinds, chunks, strict=True):
        if kind is None:
            everything = [value for part in parts for value in part]
            arrays.append(pa.chunked_array([_observed(everything)]))
        else:
            arrays.append(pa.chunked_array(parts, kind))
    return pa.table(arrays, names=[name for name, _ in columns])


def _array(column: tuple[str, str], values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_string(kind):
        values = [value if value is None or isinstance(value, str) else str(value) for value in values]
    elif pa.types.is_timestamp(kind) and kind.tz:
        values = [value if value is None else _moment(value) for value in values]
    try:
        return pa.array(values, kind)
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        text = str(error).split("\n", 1)[0]
        hint = f'cast it in a SQL asset, for example `cast("{column[0]}" as text)`'
        raise DatabaseError(f"the column {column[0]} ({column[1]}) can't be read: {text}", hint=hint) from None


def _moment(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else value


def _observed(values: list[Any]) -> pa.Array:
    """A column whose declared type says nothing: what its values are."""
    there = [value for value in values if value is not None]
    if there and all(isinstance(value, Decimal) for value in there):
        return _numbers(values, there)
    if all(isinstance(value, str) for value in there):
        return pa.array(values, pa.string())
    try:
        found = pa.array(values)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        found = None
    if found is None or pa.types.is_nested(found.type) or pa.types.is_duration(found.type):
        return pa.array([None if value is None else _text(value) for value in values], pa.string())
    return found


def _numbers(values: list[Any], there: list[Decimal]) -> pa.Array:
    """Numbers without a declared size: integers if they all are, decimals if they fit, floats if not."""
    finite = all(value.is_finite() for value in there)
    if finite and all(value == value.to_integral_value() and abs(value) < 2**63 for value in there):
        return pa.array([None if value is None else int(value) for value in values], pa.int64())
    if finite:
        try:
            return pa.array(values)
        except pa.ArrowException:
            pass
    return pa.array([None if value is None else float(value) for value in values], pa.float64())


def _text(value: Any) -> str:
    if isinstance(value, (dict, list)):
        import json  # only here

        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


Declare = Callable[[pa.DataType], "str | None"]


def declarations(schema: pa.Schema, quote: Callable[[str], str], declare: Declare, product: str) -> str:
    """The columns of a table for rows of this schema, as `create table` takes them.

    Raises:
        DatabaseError: the database has no type for one.
    """
    listed = []
    for field in schema:
        kind = declare(field.type)
        if kind is None:
            hint = "cast it to text or to a number first; DuckDB tables, Parquet and Arrow files hold lists and structs"
            raise DatabaseError(
                f"the column {field.name} holds {field.type}, which {product} has no type for", hint=hint
            )
        listed.append(f"{quote(field.name)} {kind}")
    return ", ".join(listed)


def batches(rows: Any, size: int) -> Iterable[pa.RecordBatch]:
    """The rows of a table or a reader in batches of so many at most."""
    for batch in rows.to_batches() if isinstance(rows, pa.Table) else rows:
        for start in range(0, batch.num_rows, size):
            yield batch.slice(start, size)
