"""SQLite's rows as Arrow and back.

SQLite has five types and keeps any of them in any column: the types of Arrow are the declared ones where all values
keep to them, and otherwise what the values are. Imported for frames only, since pyarrow takes its time. Knows nothing
of transactions or of which tables there are.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from assets_cli.connections import names
from assets_cli.connections.protocol import DatabaseError

_BATCH = 20_000
_DECIMAL = re.compile(r"^(?:DECIMAL|NUMERIC)\s*\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)$")
_WIDEST = 38
_INTEGERS = 2**63
_DIGITS = 15
"""So many of a decimal's survive SQLite, which makes a double of everything that looks like a number."""

_STORED = {"integer": pa.int64(), "real": pa.float64(), "text": pa.string(), "blob": pa.binary()}
_KEEP = 'cast it to one type in a SQL asset, for example `cast("{}" as text)`'

Decode = Callable[[Any], Any]
"""From a value of SQLite's to one of the Arrow type; it raises ValueError, KeyError or TypeError for another."""


def read(raw: sqlite3.Connection, table: str, columns: Sequence[tuple[str, str]]) -> pa.Table:
    """All rows of a table whose columns are declared like this.

    Raises:
        DatabaseError: a column holds values of types that no Arrow type holds together.
    """
    stored = _stored(raw, table, [name for name, _ in columns])
    kinds = [
        _declared(kind, held) or _observed(name, kind, held) for (name, kind), held in zip(columns, stored, strict=True)
    ]
    while True:
        try:
            return _read(raw, table, columns, kinds)
        except _OtherwiseError as other:
            # One value does not keep to the declared type, so the column is what its values are.
            name, kind = columns[other.column]
            kinds[other.column] = _observed(name, kind, stored[other.column])


class _OtherwiseError(Exception):
    """The values of a column are not what its declaration says."""

    def __init__(self, column: int) -> None:
        super().__init__(column)
        self.column = column


def _read(
    raw: sqlite3.Connection,
    table: str,
    columns: Sequence[tuple[str, str]],
    kinds: Sequence[tuple[pa.DataType, Decode | None]],
) -> pa.Table:
    schema = pa.schema([(name, kind) for (name, _), (kind, _) in zip(columns, kinds, strict=True)])
    batches = []
    listed = ", ".join(names.quote(name) for name, _ in columns)
    query = f"select {listed} from {names.quote('main', table)}"  # noqa: S608 - every name is quoted
    with closing(raw.execute(query)) as cursor:
        while rows := cursor.fetchmany(_BATCH):
            arrays = []
            for index, values in enumerate(zip(*rows, strict=True)):
                kind, decode = kinds[index]
                try:
                    plain = [None if each is None else decode(each) for each in values] if decode else values
                    arrays.append(pa.array(plain, kind))
                except (ValueError, KeyError, TypeError, ArithmeticError, pa.ArrowException):
                    if decode is None:
                        raise
                    raise _OtherwiseError(index) from None
            batches.append(pa.record_batch(arrays, schema=schema))
    return pa.Table.from_batches(batches, schema)


def _stored(raw: sqlite3.Connection, table: str, columns: Sequence[str]) -> list[set[str]]:
    """The storage classes that each column holds, but null: one scan within SQLite."""
    found: list[set[str]] = []
    for start in range(0, len(columns), 100):  # SQLite returns two thousand columns at most
        part = columns[start : start + 100]
        asked = ", ".join(f"max(typeof({names.quote(name)}) = '{kind}')" for name in part for kind in _STORED)
        row = raw.execute(f"select {asked} from {names.quote('main', table)}").fetchone()  # noqa: S608 - quoted
        answers = iter(row)
        found += [{kind for kind in _STORED if next(answers)} for _ in part]
    return found


def _declared(declared: str, held: set[str]) -> tuple[pa.DataType, Decode] | None:
    """The type that a declaration means beyond SQLite's own five, and how its values are read; None for the five."""
    words = declared.upper().strip()
    if words in ("BOOL", "BOOLEAN") and held <= {"integer"}:
        return pa.bool_(), {0: False, 1: True}.__getitem__
    if words == "DATE" and held <= {"text"}:
        return pa.date32(), date.fromisoformat
    if words in ("TIMESTAMP", "DATETIME") and held <= {"text"}:
        return pa.timestamp("us"), _local
    if words in ("TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE") and held <= {"text"}:
        return pa.timestamp("us", "UTC"), _moment
    if words == "TIME" and held <= {"text"}:
        return pa.time64("us"), _time
    match = _DECIMAL.match(words)
    if match and 0 < int(match[1]) <= _WIDEST and "blob" not in held:
        return pa.decimal128(int(match[1]), int(match[2] or 0)), lambda value: Decimal(str(value))
    return None


def _observed(name: str, declared: str, held: set[str]) -> tuple[pa.DataType, Decode | None]:
    if held == {"integer", "real"}:
        return pa.float64(), None
    if len(held) > 1:
        kinds = [kind for kind in _STORED if kind in held]
        listed = f"{', '.join(kinds[:-1])} and {kinds[-1]}"
        raise DatabaseError(f"the column {name} holds {listed} values, mixed", hint=_KEEP.format(name))
    if held:
        return _STORED[next(iter(held))], None
    return _STORED[_affinity(declared.upper())], None  # nothing but nulls


def _affinity(declared: str) -> str:
    if "INT" in declared:
        return "integer"
    if any(word in declared for word in ("REAL", "FLOA", "DOUB", "NUM", "DEC")):
        return "real"
    return "blob" if "BLOB" in declared else "text"


def _local(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is not None:
        raise ValueError(text)
    return moment


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    return moment.astimezone(UTC)


def _time(text: str) -> Any:
    return datetime.fromisoformat(f"1970-01-01 {text}").time()


def declarations(schema: pa.Schema) -> str:
    """The columns of a table for rows of this schema, as `create table` takes them.

    Raises:
        DatabaseError: SQLite has no type for one.
    """
    return ", ".join(f"{names.quote(field.name)} {_declaration(field)}" for field in schema)


def _declaration(field: pa.Field) -> str:
    kind, is_ = field.type, pa.types
    if is_.is_boolean(kind):
        return "BOOLEAN"
    if is_.is_integer(kind):
        return "INTEGER"
    if is_.is_floating(kind):
        return "REAL"
    if _is_text(kind):
        return "TEXT"
    if is_.is_binary(kind) or is_.is_large_binary(kind) or is_.is_fixed_size_binary(kind) or _is_view(kind, "binary"):
        return "BLOB"
    if is_.is_date(kind):
        return "DATE"
    if is_.is_timestamp(kind):
        return "TIMESTAMP" if kind.tz is None else "TIMESTAMPTZ"
    if is_.is_time(kind):
        return "TIME"
    if is_.is_decimal(kind):
        return f"DECIMAL({kind.precision},{kind.scale})"
    hint = "cast it to text or to a number first; DuckDB tables, Parquet and Arrow files hold lists and structs"
    raise DatabaseError(f"the column {field.name} holds {kind}, which SQLite has no type for", hint=hint)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or _is_view(kind, "string"))


def _is_view(kind: pa.DataType, what: str) -> bool:
    return bool(getattr(pa.types, f"is_{what}_view", lambda _: False)(kind))


def insert(raw: sqlite3.Connection, target: str, rows: Any) -> None:
    """Insert the rows of a table or a reader.

    Raises:
        DatabaseError: a value doesn't fit.
    """
    marks = ", ".join("?" * len(rows.schema))
    statement = f"insert into {target} values ({marks})"  # noqa: S608 - the name is quoted
    for batch in _batches(rows):
        columns = []
        for field, column in zip(batch.schema, batch.columns, strict=True):
            try:
                columns.append(_encoded(column, field.type, field.name))
            except pa.ArrowInvalid as error:
                text = str(error).split("\n", 1)[0]
                raise DatabaseError(f"the column {field.name} can't be stored in SQLite: {text}") from None
        try:
            raw.executemany(statement, zip(*columns, strict=True))
        except OverflowError:
            raise DatabaseError("a number is larger than SQLite's integers of 64 bits with a sign") from None


def _batches(rows: Any) -> Iterator[pa.RecordBatch]:
    for batch in rows.to_batches() if isinstance(rows, pa.Table) else rows:
        for start in range(0, batch.num_rows, _BATCH):
            yield batch.slice(start, _BATCH)


def _encoded(column: pa.Array, kind: pa.DataType, name: str) -> list[Any]:
    """A column's values as SQLite's driver takes them. Dates and decimals are written as text."""
    is_ = pa.types
    if is_.is_boolean(kind):
        column = column.cast(pa.int8())
    elif is_.is_timestamp(kind):
        column = column.cast(pa.timestamp("us", "UTC" if kind.tz else None)).cast(pa.string())
    elif is_.is_date(kind):
        column = column.cast(pa.date32()).cast(pa.string())
    elif is_.is_time(kind) or is_.is_decimal(kind):
        column = column.cast(pa.string())
    found: list[Any] = column.to_pylist()
    if is_.is_decimal(kind) and kind.precision > _DIGITS:
        _check_digits(name, found)
    return found


def _check_digits(name: str, texts: Sequence[str | None]) -> None:
    for text in texts:
        number = Decimal(text or 0)
        is_integer = abs(number) < _INTEGERS and number == number.to_integral_value()
        if not is_integer and len(number.normalize().as_tuple().digits) > _DIGITS:
            message = f"the column {name} holds {text}, and SQLite rounds what has more than {_DIGITS} digits"
            raise DatabaseError(message, hint="cast it to text, or use a table in DuckDB")
