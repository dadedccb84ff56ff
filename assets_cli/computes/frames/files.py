"""Returned values as files: a frame by the ending of the output's name, bytes, text, and any other object.

Writes to the path that it is given; making that the output is another's business.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from assets_cli.computes.frames import formats
from assets_cli.computes.frames.formats import Format
from assets_cli.computes.frames.reading import first_line, in_memory
from assets_cli.computes.frames.returned import Rows, Wide, check_types
from assets_cli.computes.libraries import load
from assets_cli.computes.protocol import ComputeFailedError

Columns = tuple[tuple[str, str], ...]

_PICKLES = (".pkl", ".pickle")
_JSON = (".json", ".jsonl", ".ndjson")
_NEITHER = (".parquet", ".pq", ".arrow", ".feather", ".ipc", ".joblib")
_ROW_GROUP = 1_048_576


class Written(NamedTuple):
    """What a file holds, where that is rows."""

    rows: int | None = None
    columns: Columns | None = None


Write = Callable[[Path], Written]


def writer_of_frame(rows: Rows, output: str) -> Write:
    """What writes a frame to an output.

    Raises:
        ComputeFailedError: the output's ending is none of a format for frames, or that has no such types.
    """
    kind = formats.format_of(output)
    if kind is None:
        message = f"a returned frame can't be stored at {PurePath(output).name}"
        hint = f"use an ending of {formats.ENDINGS}, or write it to context.output and return nothing"
        raise ComputeFailedError(message, hint=hint)
    check_types(rows.schema, _wide(kind), formats.NAMES[kind])

    def write(path: Path) -> Written:
        columns = _columns(rows.schema)
        counted = _Counted(rows.data)
        _WRITERS[kind](counted.reader(), path, output)
        return Written(counted.rows, columns)

    return write


def keeps_objects(output: str) -> bool:
    """Whether an output holds any object as it is, a frame too."""
    return PurePath(output).suffix.lower() in (*_PICKLES, ".joblib")


def writer_of_value(value: Any, output: str) -> Write:
    """What writes bytes, text or an object to an output.

    Raises:
        ComputeFailedError: such a value can't be stored there.
    """
    ending = PurePath(output).suffix.lower()
    if isinstance(value, PurePath) or (isinstance(value, str) and value == output):
        message = "the function returned a path, and what is returned becomes the contents of the output"
        raise ComputeFailedError(message, hint="if it wrote the output itself, let it return nothing")
    if isinstance(value, (bytes, bytearray, memoryview)):
        return lambda path: _write_bytes(path, value)
    if ending in _PICKLES:
        return lambda path: _write_bytes(path, _pickled(value))
    if ending == ".joblib":
        return lambda path: _write_joblib(path, value)
    if isinstance(value, str):
        if ending in _NEITHER:
            raise ComputeFailedError(f"text can't be stored as {PurePath(output).name}", hint="return a frame")
        return lambda path: _write_bytes(path, value.encode("utf-8", "surrogatepass"))
    if ending in _JSON:
        return lambda path: _write_bytes(path, _json(value, lines=ending != ".json"))
    message = f"a value of type {type(value).__name__} can't be stored at {PurePath(output).name}"
    kept = "let the output end in .json" if isinstance(value, (dict, list)) else "let the output end in .pkl or .joblib"
    raise ComputeFailedError(message, hint=f"{kept}, or write it to context.output and return nothing")


def _wide(kind: Format) -> tuple[Wide, ...]:
    import pyarrow as pa  # the rows are of it

    is_ = pa.types
    nested = Wide(is_.is_nested, "lists and structs", "use .parquet or .jsonl, or cast it to text")
    seconds = Wide(
        lambda each: is_.is_duration(each) or is_.is_interval(each),
        "durations",
        "store a number of seconds, or use .arrow",
    )
    raw = Wide(
        lambda each: is_.is_binary(each) or is_.is_large_binary(each) or is_.is_fixed_size_binary(each),
        "bytes",
        "use .parquet, or encode them as text",
    )
    return {"parquet": (seconds,), "csv": (nested, seconds, raw), "arrow": ()}.get(kind, (seconds, raw))


class _Counted:
    """Rows on their way into a file."""

    def __init__(self, data: Any) -> None:
        self._data = data
        self.rows = 0

    def reader(self) -> Any:
        """The rows, to be read once; `rows` counts them."""
        import pyarrow as pa  # the rows are of it

        if isinstance(self._data, pa.Table):
            self.rows = self._data.num_rows
            return self._data
        return pa.RecordBatchReader.from_batches(self._data.schema, self._batches())

    def _batches(self) -> Iterator[Any]:
        for batch in self._data:
            self.rows += batch.num_rows
            yield batch


def _columns(schema: Any) -> Columns:
    """Names and types, the latter as DuckDB calls them, so that a file and a table of one content are alike."""
    import duckdb  # heavy: on use

    raw = in_memory()
    try:
        relation = raw.from_arrow(schema.empty_table())
        return tuple((name, str(kind)) for name, kind in zip(relation.columns, relation.types, strict=True))
    except duckdb.Error:  # a type that only Arrow has
        return tuple((field.name, str(field.type)) for field in schema)
    finally:
        raw.close()


def _write_parquet(data: Any, path: Path, _output: str) -> None:
    import pyarrow as pa  # the rows are of it
    import pyarrow.parquet as pq

    with pq.ParquetWriter(path, data.schema) as writer:
        if isinstance(data, pa.Table):
            writer.write_table(data, row_group_size=_ROW_GROUP)
        else:
            for batch in data:
                writer.write_batch(batch)


def _write_arrow(data: Any, path: Path, _output: str) -> None:
    import pyarrow as pa  # the rows are of it

    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, data.schema) as writer:
        for batch in data.to_batches() if isinstance(data, pa.Table) else data:
            writer.write_batch(batch)


def _write_csv(data: Any, path: Path, output: str) -> None:
    delimiter = "\\t" if output.lower().endswith(".tsv") else ","
    _copy(data, "*", path, f"format csv, header, delimiter e'{delimiter}'")


def _write_json(data: Any, path: Path, _output: str) -> None:
    _copy(data, _finite(data.schema), path, "format json, array true")


def _write_lines(data: Any, path: Path, _output: str) -> None:
    _copy(data, _finite(data.schema), path, "format json, array false")


def _finite(schema: Any) -> str:
    """The columns, with null for what JSON has no number for."""
    import pyarrow as pa  # the rows are of it

    floats = ['"' + field.name.replace('"', '""') + '"' for field in schema if pa.types.is_floating(field.type)]
    replaced = ", ".join(f"case when isfinite({name}) then {name} end as {name}" for name in floats)
    return f"* replace ({replaced})" if replaced else "*"


def _copy(data: Any, columns: str, path: Path, options: str) -> None:
    raw = in_memory()
    try:
        raw.register("returned", data)
        place = str(path).replace("'", "''")
        raw.execute(f"copy (select {columns} from returned) to '{place}' ({options}, compression none)")  # noqa: S608 - ours
    finally:
        raw.close()


_WRITERS: Mapping[Format, Callable[[Any, Path, str], None]] = {
    "parquet": _write_parquet,
    "csv": _write_csv,
    "json": _write_json,
    "lines": _write_lines,
    "arrow": _write_arrow,
}


def _write_bytes(path: Path, value: bytes | bytearray | memoryview) -> Written:
    path.write_bytes(value)
    return Written()


def _pickled(value: Any) -> bytes:
    import pickle  # on use: only for objects

    try:
        return pickle.dumps(value, protocol=5)
    except Exception as error:  # noqa: BLE001 - an object's own methods are called
        message = f"the returned value of type {type(value).__name__} can't be pickled: {first_line(error)}"
        raise ComputeFailedError(message) from None


def _write_joblib(path: Path, value: Any) -> Written:
    joblib = load("joblib", "the output ends in .joblib")
    try:
        joblib.dump(value, path)
    except Exception as error:  # noqa: BLE001 - as above
        message = f"the returned value of type {type(value).__name__} can't be stored by joblib: {first_line(error)}"
        raise ComputeFailedError(message) from None
    return Written()


def _json(value: Any, *, lines: bool) -> bytes:
    if lines and not isinstance(value, (list, tuple)):
        message = f"a value of type {type(value).__name__} can't be stored as JSON lines"
        raise ComputeFailedError(message, hint="return a list, of which each element is a line, or a frame")
    dump = partial(json.dumps, default=_number, ensure_ascii=False, allow_nan=False)
    try:
        if lines:
            return "".join(dump(each) + "\n" for each in value).encode()
        return (dump(value, indent=1) + "\n").encode()
    except (TypeError, ValueError, RecursionError) as error:
        reason = f": {first_line(error)}" if str(error) else ""
        raise ComputeFailedError(f"the returned value can't be stored as JSON{reason}") from None


def _number(value: Any) -> Any:
    """A scalar of numpy's kind as a plain number."""
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "shape", None) == ():
        return item()
    raise TypeError(f"JSON has no {type(value).__name__}")
