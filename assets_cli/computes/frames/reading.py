"""Upstreams as frames: read from a table or from files, handed over as the library that was asked for has them.

Files are read by DuckDB, so that a column has the same type whichever library asks for it; Arrow files by pyarrow.
Knows nothing of functions and parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from typing import Any

from assets_cli.computes.annotations import Form
from assets_cli.computes.frames import formats
from assets_cli.computes.frames.formats import Format
from assets_cli.computes.libraries import load
from assets_cli.computes.protocol import Address, ComputeFailedError, Databases, Job, Session

_BATCH = 122_880
_EXACT = 2**53
_NEEDS: dict[Form, tuple[tuple[str, str], ...]] = {
    "pandas": (("pandas", "pandas"), ("pyarrow", "pandas")),
    "polars": (("polars", "polars"), ("pyarrow", "polars")),
    "lazy": (("polars", "polars"), ("pyarrow", "polars")),
    "arrow": (("pyarrow", "arrow"),),
}
"""The libraries of a form and the extras that bring them. Arrow is what every frame comes through."""

_READ: dict[Format, str] = {
    "parquet": "read_parquet({files}, union_by_name = true)",
    # A first row of texts above columns of texts is a header too; and types are those of all rows, not of the first.
    "csv": "read_csv({files}, union_by_name = true, header = true, sample_size = -1)",
    "json": "read_json({files}, union_by_name = true, sample_size = -1)",
    "lines": "read_json({files}, union_by_name = true, sample_size = -1, format = 'newline_delimited')",
}


class Upstreams:
    """Reads the upstreams of one job. Relations live until `close`; frames are read whole and need nothing more.

    `opened` gives a session that stays open while the function runs: what `context.connection` gives too, so that
    relations and the function's own statements are of one connection.
    """

    def __init__(self, job: Job, databases: Databases, opened: Callable[[str], Session]) -> None:
        self._job = job
        self._databases = databases
        self._opened = opened
        self._stack = ExitStack()
        self._memory: Any = None

    def read(self, wanted: Mapping[str, tuple[Form, str]]) -> dict[str, Any]:
        """The contents of upstreams, each in its form.

        Raises:
            ComputeFailedError: a library is not installed, or an upstream cannot be read like that.
        """
        for upstream, (form, name) in wanted.items():
            for library, extra in _NEEDS.get(form, ()):
                load(library, f"{upstream} is asked for as {name}", extra=extra)
        found: dict[str, Any] = {}
        with ExitStack() as stack:
            sessions: dict[str, Session] = {}

            def session(connection: str) -> Session:
                if connection not in sessions:
                    opened = self._databases(connection).open(read_only=True)
                    sessions[connection] = stack.enter_context(closing(opened))
                return sessions[connection]

            for upstream, (form, name) in wanted.items():
                if form != "relation":
                    found[upstream] = self._frame(upstream, form, name, session)
        # After the frames: DuckDB lets one process open a file either to read or to write.
        relations = [upstream for upstream, (form, _) in wanted.items() if form == "relation"]
        home = self._home(relations) if relations else None
        for upstream in relations:
            found[upstream] = self._relation(upstream, home)
        return found

    def close(self) -> None:
        """Close what relations needed."""
        self._stack.close()

    def _frame(self, upstream: str, form: Form, name: str, session: Callable[[str], Session]) -> Any:
        where = self._job.upstreams[upstream]
        if where.table is not None:
            rows = session(self._connection(upstream, where)).arrow(where.table)
        else:
            files, kind = _files(upstream, where)
            if form == "lazy" and kind == "parquet":
                return load("polars", upstream).scan_parquet(files)
            rows = _read_arrow(upstream, files) if kind == "arrow" else self._read_by_duckdb(upstream, files, kind)
        try:
            return _HAND_OVER[form](_with_plain_integers(rows))
        except Exception as error:  # noqa: BLE001 - each library has its own ways of having no such type
            message = f"{upstream} can't be handed over as {name}: {first_line(error)}"
            raise ComputeFailedError(message, hint="cast the column in SQL, or ask for a pyarrow.Table") from None

    def _read_by_duckdb(self, upstream: str, files: Sequence[str], kind: Format) -> Any:
        return guarded(upstream, kind, lambda: _source(self._in_memory(), files, kind).to_arrow_table(_BATCH))

    def _home(self, relations: Sequence[str]) -> tuple[str, Any] | None:
        """The one connection of all relations: the output's, or else that of the first upstream in a DuckDB table."""
        candidates = [self._job.connection] if self._job.output.table is not None else []
        for upstream in relations:
            where = self._job.upstreams[upstream]
            if where.table is not None:
                candidates.append(self._connection(upstream, where))
        for name in candidates:
            if self._databases(name).dialect == "duckdb":
                return name, self._opened(name)
        return None

    def _relation(self, upstream: str, home: tuple[str, Any] | None) -> Any:
        where = self._job.upstreams[upstream]
        raw = home[1].raw if home else self._in_memory()
        if where.table is not None:
            connection = self._connection(upstream, where)
            if home and home[0] == connection:
                return home[1].lazily(where.table)
            load("pyarrow", f"{upstream} is in another database than the relation", extra="arrow")
            with closing(self._databases(connection).open(read_only=True)) as session:
                return raw.from_arrow(session.arrow(where.table))
        files, kind = _files(upstream, where)
        if kind == "arrow":
            load("pyarrow", f"{upstream} is an Arrow file", extra="arrow")
            return raw.from_arrow(_read_arrow(upstream, files))
        return guarded(upstream, kind, lambda: _source(raw, files, kind))

    def _connection(self, upstream: str, where: Address) -> str:
        name = where.connection or self._job.default_connection
        if name is None:
            raise ComputeFailedError(f"the upstream {upstream} is a table and names no connection")
        return name

    def _in_memory(self) -> Any:
        if self._memory is None:
            self._memory = in_memory()
            self._stack.callback(self._memory.close)
        return self._memory


def in_memory() -> Any:
    """A DuckDB connection of its own, in UTC: no zone of this machine gets into the data."""
    import duckdb  # heavy: on use

    raw = duckdb.connect()
    raw.execute("set TimeZone = 'UTC'")
    return raw


def guarded(upstream: str, kind: Format, read: Callable[[], Any]) -> Any:
    """What DuckDB reads; what it says of a file that it can't read is one sentence."""
    import duckdb  # loaded long since

    try:
        return read()
    except duckdb.Error as error:
        message = f"the upstream {upstream} can't be read as {formats.NAMES[kind]}: {first_line(error)}"
        raise ComputeFailedError(message, hint="annotate it `Path` and read it yourself") from None


def first_line(error: BaseException) -> str:
    """The first line of what an error says."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _files(upstream: str, where: Address) -> tuple[list[str], Format]:
    path = where.path or ""
    files = formats.files(path)
    if not files:
        raise ComputeFailedError(f"the upstream {upstream} has no file at {path}", hint="materialize it first")
    kinds = {file: formats.format_of(file, compressed=True) for file in files}
    for file, kind in kinds.items():
        if kind is None:
            message = f"the upstream {upstream} is {file}, which is none of the files that frames are read from"
            raise ComputeFailedError(message, hint=f"annotate it `Path`, or use an ending of {formats.ENDINGS}")
    different = sorted({formats.NAMES[kind] for kind in kinds.values() if kind})
    if len(different) > 1:
        message = f"the upstream {upstream} is files of several formats: {' and '.join(different)}"
        raise ComputeFailedError(message, hint="declare a glob for one of them, such as `path: data/*.parquet`")
    kind = kinds[files[0]]
    assert kind is not None  # noqa: S101 - for mypy: looked at above
    return files, kind


def _source(raw: Any, files: Sequence[str], kind: Format) -> Any:
    listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
    return raw.sql("select * from " + _READ[kind].format(files=f"[{listed}]"))  # noqa: S608 - quoted


def _read_arrow(upstream: str, files: Sequence[str]) -> Any:
    import pyarrow as pa  # heavy: on use

    tables = []
    for file in files:
        try:
            with pa.memory_map(file) as source:
                try:
                    tables.append(pa.ipc.open_file(source).read_all())
                except pa.ArrowInvalid:
                    source.seek(0)
                    tables.append(pa.ipc.open_stream(source).read_all())
        except (pa.ArrowException, OSError) as error:
            message = f"the upstream {upstream} can't be read as Arrow IPC: {file}: {first_line(error)}"
            raise ComputeFailedError(message, hint="annotate it `Path` and read it yourself") from None
    return pa.concat_tables(tables, promote_options="default")


def _with_plain_integers(rows: Any) -> Any:
    """DuckDB's sums of integers are HUGEINT, for Arrow a decimal: what fits into 64 bits is the integer that it was."""
    import pyarrow as pa  # looked for before

    for index, field in enumerate(rows.schema):
        if field.type == pa.decimal128(38, 0):
            with suppress(pa.ArrowInvalid):
                rows = rows.set_column(index, field.name, rows.column(index).cast(pa.int64()))
    return rows


def _to_pandas(rows: Any) -> Any:
    """As `pyarrow.Table.to_pandas` has it; but integers that a float can't hold keep their type beside nulls."""
    import pandas as pd  # the annotation asks for it
    import pyarrow as pa  # as above
    import pyarrow.compute as pc

    exact = {}
    for index, field in enumerate(rows.schema):
        column = rows.column(index)
        if field.type in (pa.int64(), pa.uint64()) and column.null_count and column.null_count < len(column):
            low, high = (pc.min_max(column)[side].as_py() for side in ("min", "max"))
            if low < -_EXACT or high > _EXACT:
                exact[field.name] = pd.array(
                    column.to_pylist(),
                    dtype="UInt64" if field.type == pa.uint64() else "Int64",
                )
    # Each column of Arrow is let go when it has been turned over, so that there are never two of all.
    frame = rows.to_pandas(split_blocks=True, self_destruct=True)
    for name, values in exact.items():
        frame[name] = values
    return frame


def _to_polars(rows: Any) -> Any:
    import polars as pl  # the annotation asks for it

    return pl.from_arrow(rows)


_HAND_OVER: dict[Form, Callable[[Any], Any]] = {
    "pandas": _to_pandas,
    "polars": _to_polars,
    "lazy": lambda rows: _to_polars(rows).lazy(),
    "arrow": lambda rows: rows,
}
