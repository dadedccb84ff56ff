"""What a function returned: which library's frame it is, and its rows as Arrow, with names and types that can be kept.

A library is known by the name of the value's type, so that none is imported to look. Knows nothing of outputs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

from assets_cli.computes.frames.reading import first_line
from assets_cli.computes.libraries import load
from assets_cli.computes.protocol import ComputeFailedError

Library = Literal["pandas", "polars", "lazy", "arrow", "reader", "relation"]

_TYPES: dict[tuple[str, str], Library] = {
    ("pandas", "DataFrame"): "pandas",
    ("polars", "DataFrame"): "polars",
    ("polars", "LazyFrame"): "lazy",
    ("pyarrow", "Table"): "arrow",
    ("pyarrow", "RecordBatchReader"): "reader",
    ("duckdb", "DuckDBPyRelation"): "relation",
}
_EXTRAS: dict[Library, str] = {"pandas": "pandas", "polars": "polars", "lazy": "polars"}
_SLICE = 250_000


class Rows:
    """The rows of a returned frame: `data` is a `pyarrow.Table` or a `pyarrow.RecordBatchReader`, to be read once."""

    def __init__(self, data: Any) -> None:
        self.data = data
        self.schema = data.schema


class Wide(NamedTuple):
    """What a place for rows can't hold: a test of an Arrow type, and what to say of it."""

    refuses: Callable[[Any], bool]
    name: str
    hint: str


def library_of(value: object) -> Library | None:
    """Whose frame a value is, subclasses included; None for any other value."""
    for each in type(value).__mro__:
        found = _TYPES.get((each.__module__.partition(".")[0].lstrip("_"), each.__qualname__))
        if found:
            return found
    return None


def is_lazy(library: Library | None) -> bool:
    """Whether rows are still to be read, perhaps through a connection that the function opened."""
    return library in ("lazy", "reader", "relation")


def rows_of(value: Any, library: Library) -> Rows:
    """The rows of a returned frame.

    Raises:
        ComputeFailedError: its columns are not named as columns are, or Arrow has no type for what one holds.
    """
    names = list(value.collect_schema().names()) if library == "lazy" else _names(value, library)
    check_names(names)
    if library in ("pandas", "polars", "lazy", "relation"):
        load("pyarrow", f"the function returned a {type(value).__name__}", extra=_EXTRAS.get(library))
    try:
        data = _ARROW[library](value)
    except ComputeFailedError:
        raise
    except Exception as error:  # noqa: BLE001 - each library has its own ways of saying that it can't
        message = f"the returned {type(value).__name__} can't be stored: {first_line(error)}"
        raise ComputeFailedError(message) from None
    return Rows(_plain(data))


def check_names(names: Sequence[Any], *, folded: bool = False) -> None:
    """Refuse names of columns that no table has; `folded` where `id` and `ID` are one, as in every database.

    Raises:
        ComputeFailedError: a name is no text, empty or there twice, or there are no columns at all.
    """
    if not names:
        raise ComputeFailedError("the returned frame has no columns", hint="return a frame with at least one")
    for name in names:
        if not isinstance(name, str):
            message = f"the returned frame has a column named {name!r}, of type {type(name).__name__}"
            raise ComputeFailedError(message, hint="columns are named by text: rename it")
        if not name:
            raise ComputeFailedError("the returned frame has a column without a name", hint="name it")
    counted = Counter(name.lower() for name in names) if folded else Counter(names)
    twice = next((name for name, count in counted.items() if count > 1), None)
    if twice is not None:
        alike = [name for name in names if name.lower() == twice] if folded else [twice]
        if len(set(alike)) > 1:
            message = f"the returned frame has columns that a table can't tell apart: {' and '.join(alike)}"
        else:
            message = f"the returned frame has the column {alike[0]} twice"
        raise ComputeFailedError(message, hint="rename one of them")


def check_types(schema: Any, wide: Sequence[Wide], place: str) -> None:
    """Refuse columns of types that a place can't hold.

    Raises:
        ComputeFailedError: there is one.
    """
    for field in schema:
        for each in wide:
            if each.refuses(field.type):
                message = f"the column {field.name} of the returned frame holds {field.type}, and {place} has no"
                raise ComputeFailedError(f"{message} {each.name}", hint=each.hint)


def _names(value: Any, library: Library) -> list[Any]:
    if library in ("arrow", "reader"):
        return list(value.schema.names)
    return list(value.columns)


def _of_pandas(frame: Any) -> Any:
    import pyarrow as pa  # looked for before

    frame = _with_index(frame)
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        for name in frame.columns:
            try:
                pa.Array.from_pandas(frame[name])
            except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
                kinds = sorted({type(each).__name__ for each in frame[name] if each is not None})
                if len(kinds) > 1:
                    message = f"the column {name} of the returned frame holds mixed types: {', '.join(kinds)}"
                    raise ComputeFailedError(message, hint=f'make it one, such as df["{name}"].astype(str)') from None
                message = f"the column {name} of the returned frame can't be stored: {first_line(error)}"
                raise ComputeFailedError(message) from None
        raise


def _with_index(frame: Any) -> Any:
    """The frame with a named index as its first columns, as `to_sql` has it; numbers without a name count rows."""
    index = frame.index
    named = [name for name in index.names if name is not None]
    if named:
        taken = [name for name in named if name in frame.columns]
        if taken:
            message = f"the returned frame has {taken[0]!r} as a column and as its index"
            raise ComputeFailedError(message, hint="return df.reset_index(drop=True), or rename one")
        if len(named) == len(index.names):
            check_names([*named, *frame.columns])
            return frame.reset_index()
    if len(index.names) > 1 or not (index.dtype.kind in "iu" or not len(index)):
        message = f"the returned frame has an index of {index.dtype} without a name, which would be lost"
        raise ComputeFailedError(message, hint='name it: df.rename_axis("…"), or drop it: df.reset_index(drop=True)')
    return frame


def _of_polars(frame: Any) -> Any:
    """A reader that turns over a slice at a time: Arrow's texts are laid out otherwise, so they are copied."""
    import polars as pl  # the value is of it
    import pyarrow as pa  # looked for before

    objects = [name for name, kind in frame.schema.items() if kind == pl.Object]
    if objects:
        message = f"the column {objects[0]} of the returned frame holds Python objects, perhaps of mixed types"
        raise ComputeFailedError(message, hint="give it a type of polars")
    changing = [name for name, kind in frame.schema.items() if kind in (pl.Categorical, pl.Enum)]
    if changing:  # each slice would have categories of its own
        frame = frame.with_columns(pl.col(changing).cast(pl.String))
    schema = frame.head(0).to_arrow().schema

    def batches() -> Iterator[Any]:
        for part in frame.iter_slices(_SLICE):
            yield from part.to_arrow().cast(schema).to_batches()

    return pa.RecordBatchReader.from_batches(schema, batches())


def _of_relation(relation: Any) -> Any:
    read = getattr(relation, "to_arrow_reader", None) or relation.fetch_arrow_reader  # DuckDB 1 and 2
    return read(_SLICE)


_ARROW: dict[Library, Callable[[Any], Any]] = {
    "pandas": _of_pandas,
    "polars": _of_polars,
    "lazy": lambda frame: _of_polars(frame.collect()),
    "arrow": lambda table: table,
    "reader": lambda reader: reader,
    "relation": _of_relation,
}


def _plain(data: Any) -> Any:
    """The data with categories as their values, nulls only as text, and without notes of the library it comes from."""
    import pyarrow as pa  # heavy: on use

    fields = []
    for field in data.schema:
        kind = field.type
        if isinstance(kind, pa.BaseExtensionType):
            message = f"the column {field.name} of the returned frame holds {kind}, which is no type of Arrow's own"
            raise ComputeFailedError(message, hint="cast it to text or to a number")
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        fields.append(pa.field(field.name, pa.string() if pa.types.is_null(kind) else kind))
    schema = pa.schema(fields)
    if schema.equals(data.schema, check_metadata=True):
        return data
    return data.cast(schema)
