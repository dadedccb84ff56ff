"""Frames into a table by SQLAlchemy: its own types for the columns, rows by the driver's `executemany`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from assets_cli.connections import arrow_rows

_BATCH = 5_000


def declarations(schema: pa.Schema, dialect: Any, quote: Callable[[str], str]) -> str:
    """The columns of a table for rows of this schema.

    Raises:
        DatabaseError: SQLAlchemy has no type for one.
    """

    def declared(kind: pa.DataType) -> str | None:
        found = _type(kind)
        return None if found is None else str(found.compile(dialect=dialect))

    return arrow_rows.declarations(schema, quote, declared, dialect.name)


def _type(kind: pa.DataType) -> Any:
    is_ = pa.types
    if is_.is_boolean(kind):
        return sa.Boolean()
    if is_.is_integer(kind):
        return sa.Numeric(20, 0) if kind == pa.uint64() else sa.BigInteger()
    if is_.is_floating(kind):
        return sa.Double()
    if is_.is_string(kind) or is_.is_large_string(kind) or str(kind) == "string_view":
        return sa.Text()
    if is_.is_binary(kind) or is_.is_large_binary(kind) or is_.is_fixed_size_binary(kind):
        return sa.LargeBinary()
    if is_.is_date(kind):
        return sa.Date()
    if is_.is_timestamp(kind):
        return sa.DateTime(timezone=kind.tz is not None)
    if is_.is_time(kind):
        return sa.Time()
    if is_.is_decimal(kind):
        return sa.Numeric(kind.precision, kind.scale)
    return None


def insert(raw: Any, target: str, rows: Any) -> None:
    """Insert the rows of a table or a reader."""
    marks = ", ".join(f":c{index}" for index in range(len(rows.schema)))
    statement = sa.text(f"insert into {target} values ({marks})")  # noqa: S608 - the name is quoted
    statement = statement.bindparams(
        *(sa.bindparam(f"c{index}", type_=_type(field.type)) for index, field in enumerate(rows.schema))
    )
    for batch in arrow_rows.batches(rows, _BATCH):
        columns = [column.to_pylist() for column in batch.columns]
        values = [{f"c{index}": value for index, value in enumerate(row)} for row in zip(*columns, strict=True)]
        if values:
            raw.execute(statement, values)
