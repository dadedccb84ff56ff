"""PostgreSQL's rows as Arrow and back: read through a cursor of the server, written by COPY. For frames only."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.csv as pc

from assets_cli.connections import arrow_rows, names
from assets_cli.connections.protocol import DatabaseError

_BATCH = 50_000


def read(raw: Any, table: str, columns: Sequence[tuple[str, str]], size: int) -> pa.Table:
    """All rows of a table whose columns are these. What Arrow has no type for is asked for as text."""
    asked = []
    for name, kind in columns:
        as_text = arrow_rows.kind_of(kind) is None and not kind.startswith("numeric")
        asked.append(names.quote(name) + ("::text" if as_text else ""))

    def batches() -> Iterator[list[tuple[Any, ...]]]:
        with raw.cursor("assets_arrow") as cursor:
            cursor.execute(f"select {', '.join(asked)} from {table}")  # noqa: S608 - quoted
            while rows := cursor.fetchmany(size):
                yield rows

    return arrow_rows.table(columns, batches())


def declarations(schema: pa.Schema) -> str:
    """The columns of a table for rows of this schema."""
    return arrow_rows.declarations(schema, names.quote, _declared, "PostgreSQL")


def _declared(kind: pa.DataType) -> str | None:
    is_ = pa.types
    if is_.is_boolean(kind):
        return "boolean"
    if is_.is_integer(kind):
        if kind == pa.uint64():
            return "numeric(20,0)"
        return "smallint" if kind.bit_width <= 16 and kind != pa.uint16() else _wide(kind)  # noqa: PLR2004 - bits
    if is_.is_floating(kind):
        return "double precision" if kind == pa.float64() else "real"
    if is_.is_string(kind) or is_.is_large_string(kind) or str(kind) == "string_view":
        return "text"
    if is_.is_decimal(kind):
        return f"numeric({kind.precision},{kind.scale})"
    return "bytea" if _is_raw(kind) else _temporal(kind)


def _is_raw(kind: pa.DataType) -> bool:
    is_ = pa.types
    return bool(is_.is_binary(kind) or is_.is_large_binary(kind) or is_.is_fixed_size_binary(kind))


def _temporal(kind: pa.DataType) -> str | None:
    is_ = pa.types
    if is_.is_timestamp(kind):
        return "timestamp" if kind.tz is None else "timestamptz"
    if is_.is_date(kind):
        return "date"
    return "time" if is_.is_time(kind) else None


def _wide(kind: pa.DataType) -> str:
    return "integer" if kind in (pa.uint16(), pa.int32()) else "bigint"


def copy(raw: Any, target: str, rows: Any) -> int:
    """Copy the rows of a table or a reader into a table; their number."""
    count = 0
    with (
        raw.cursor() as cursor,
        cursor.copy(f"copy {target} from stdin (format csv, null '', encoding 'utf8')") as stream,
    ):
        for batch in arrow_rows.batches(rows, _BATCH):
            arrays = [_encoded(column, field) for field, column in zip(batch.schema, batch.columns, strict=True)]
            plain = pa.record_batch(arrays, names=[str(index) for index in range(len(arrays))])
            buffer = io.BytesIO()
            pc.write_csv(plain, buffer, pc.WriteOptions(include_header=False, quoting_style="all_valid"))
            stream.write(buffer.getvalue())
            count += batch.num_rows
    return count


def _encoded(column: pa.Array, field: pa.Field) -> pa.Array:
    """A column as text that PostgreSQL reads: in CSV only a null is nothing at all, the empty text is quoted."""
    kind, is_ = field.type, pa.types
    try:
        if _is_raw(kind):
            values = [None if value is None else "\\x" + value.hex() for value in column.to_pylist()]
            return pa.array(values, pa.string())
        if is_.is_timestamp(kind):
            column = column.cast(pa.timestamp("us", "UTC" if kind.tz else None))
        elif is_.is_date(kind):
            column = column.cast(pa.date32())
        elif kind == pa.float16():
            column = column.cast(pa.float32())
        return column.cast(pa.string())
    except pa.ArrowException as error:
        text = str(error).split("\n", 1)[0]
        raise DatabaseError(f"the column {field.name} can't be stored in PostgreSQL: {text}") from None
