"""What a function returned becomes its asset's output, whole or not at all.

A table is replaced in one transaction; a file is written beside the output, put on record by the coordinator, and
renamed. Until then the output is what it was, whenever the worker dies.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple, cast

from assets_cli.computes import temporaries
from assets_cli.computes.frames import files, formats, returned
from assets_cli.computes.frames.files import Columns
from assets_cli.computes.frames.reading import first_line
from assets_cli.computes.protocol import Channel, ComputeFailedError, Databases, Done, Job, RelationSession, Session
from assets_cli.computes.temporaries import Places

_WHOLE = "what a function returns is stored as one file"
_MINE = "write the files to context.output and return nothing"


class FileState(NamedTuple):
    """What a file that is about to be published holds: `digest` is what a probe will find, `size` its bytes."""

    rows: int | None
    digest: str
    columns: Columns
    size: int


Opened = Callable[[str], Session | None]
"""The session of a connection that the function used, if it did."""


def publish(value: Any, job: Job, databases: Databases, channel: Channel, opened: Opened) -> Done:
    """Make a returned value the output of its asset.

    Args:
        value: what the function returned; not None.
        job: the asset's job.
        databases: where tables are.
        channel: is told what is about to be published.
        opened: gives the session of a connection that the function used, if it did.

    Raises:
        ComputeFailedError: such a value can't be stored at the declared output.
    """
    library = returned.library_of(value)
    if job.output.table is not None:
        return _to_table(value, library, job, databases, channel, opened)
    if job.output.path is None:
        message = f"the function returned a value of type {type(value).__name__}, and {job.asset} declares no output"
        raise ComputeFailedError(message, hint="declare `output: {path: …}` or `{table: …}`, or return nothing")
    places = _places(job)
    if library is not None and not files.keeps_objects(job.output.path):
        write = files.writer_of_frame(returned.rows_of(value, library), job.output.path)
    else:
        write = files.writer_of_value(value, job.output.path)
    return _to_file(places, write, channel)


def _to_table(
    value: Any,
    library: returned.Library | None,
    job: Job,
    databases: Databases,
    channel: Channel,
    opened: Opened,
) -> Done:
    table = job.output.table or ""
    if library is None:
        message = f"a value of type {type(value).__name__} can't be stored in the table {table}"
        raise ComputeFailedError(message, hint="return a frame of pandas, polars, pyarrow or DuckDB, or nothing")
    if job.output.materialization != "table":
        message = f"a returned frame fills a table, and {job.asset} declares `{job.output.materialization}`"
        raise ComputeFailedError(message, hint="leave `materialization` out, or return nothing")
    is_near = library == "relation" and databases(job.connection).dialect == "duckdb"
    own = cast("RelationSession | None", opened(job.connection)) if is_near else None
    if own is not None and own.owns(value):
        returned.check_names(list(value.columns), folded=True)
        state = own.publish_relation(table, value, channel.prepared)
    else:
        rows = returned.rows_of(value, library)
        returned.check_names(rows.schema.names, folded=True)
        with closing(databases(job.connection).open()) as session:
            state = session.publish_arrow(table, rows.data, channel.prepared)
    return Done(state.rows, state.digest, state.columns)


def _places(job: Job) -> Places:
    """The file to replace: behind a symlink, if the output is one within the project."""
    path = job.output.path or ""
    if formats.is_many(path, job.root):
        raise ComputeFailedError(f"the output {_shown(path, job)} is a folder or a pattern, and {_WHOLE}", hint=_MINE)
    places = temporaries.places(path, job.run)
    root = os.path.realpath(job.root)
    if path.startswith(job.root + "/") and not places.target.startswith(root + "/"):
        raise ComputeFailedError(f"the output {_shown(path, job)} leaves the project through a symlink")
    return places


def _shown(path: str, job: Job) -> str:
    return path.removeprefix(job.root + "/")


def _to_file(places: Places, write: files.Write, channel: Channel) -> Done:
    beside, target = Path(places.new), Path(places.target)
    try:
        try:
            written = write(beside)
            state = _finish(beside, target, written)
        except (ComputeFailedError, EOFError, ConnectionError):
            raise
        except Exception as error:  # noqa: BLE001 - each library has its own ways of saying that it can't
            message = f"what the function returned can't be written to {target.name}: {first_line(error)}"
            raise ComputeFailedError(message) from None
        channel.prepared(state, size=state.size)
        try:
            temporaries.put(places)
        except OSError as error:
            message = f"what the function returned can't be put at {target.name}: {first_line(error)}"
            raise ComputeFailedError(message) from None
    finally:
        with suppress(OSError):
            temporaries.settle(places)
    return Done(written.rows, state.digest, written.columns)


def _finish(beside: Path, target: Path, written: files.Written) -> FileState:
    """Bring a file to the disk, give it the rights of the one that it replaces, and take its fingerprint."""
    with suppress(OSError):
        beside.chmod(target.stat().st_mode & 0o7777)
    temporaries.sync(str(beside))
    with beside.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = os.fstat(file.fileno()).st_size
    return FileState(written.rows, f"sha256:{digest}", written.columns or (), size)
