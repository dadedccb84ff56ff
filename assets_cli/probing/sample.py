"""The beginning of an output: the first rows of a table or of a file of data, the first lines of a text.

Knows which endings hold rows; reads no more than it shows. Whatever cannot be shown is a note, never an error.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from assets_cli.connections.protocol import Session
from assets_cli.model.answers import Sample
from assets_cli.model.manifest import Asset, Manifest
from assets_cli.model.problem import AssetsError, system_reason
from assets_cli.model.template import UnknownVariableError, fill_environment
from assets_cli.probing.answering import opened
from assets_cli.probing.tables import DatabaseLocks

_READERS = {
    ".parquet": "read_parquet",
    ".pq": "read_parquet",
    ".csv": "read_csv",
    ".tsv": "read_csv",
    ".json": "read_json",
    ".jsonl": "read_json",
    ".ndjson": "read_json",
}
_PACKED = {".gz", ".zst"}
_MOST_BYTES = 65_536
_UNITS = ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB"))


def sample(manifest: Manifest, asset: Asset, environ: Mapping[str, str], locks: DatabaseLocks, limit: int) -> Sample:
    """The first `limit` rows or lines of what is at an asset's output now."""
    output = asset.output
    try:
        if output is not None and output.table is not None:
            with opened(manifest.connection_of(asset), manifest.root, environ, locks) as session:
                return _rows(session, session.qualified(output.table), limit)
        if output is not None and output.path is not None:
            return _of_path(Path(manifest.root, fill_environment(output.path, environ)), manifest.root, locks, limit)
    except AssetsError as error:
        return Sample(note=error.problems[0].message)
    except UnknownVariableError as unknown:
        return Sample(note=f"the environment variable {unknown.name.removeprefix('env.')} is not set")
    except OSError as error:
        return Sample(note=f"{error.filename or asset.name}: {system_reason(error)}")
    return Sample(note="it declares no output")


def _of_path(path: Path, root: str, locks: DatabaseLocks, limit: int) -> Sample:
    files = list(_files(str(path)))
    if not files:
        return Sample(note="nothing is there")
    # Of a directory with files of several kinds, those with rows say more than a marker such as `_SUCCESS`.
    first = next((file for file in files if _reader(file)), files[0])
    note = f"of {os.path.relpath(first, root)}, one of {len(files):,} files" if len(files) > 1 else None
    if first.stat().st_size == 0:
        return Sample(note="an empty file" if note is None else f"{note}, an empty one")
    reader = _reader(first)
    if reader is not None:
        name = str(first).replace("'", "''")
        try:
            with opened(None, root, {}, locks) as session:
                return _rows(session, f"{reader}('{name}')", limit)._replace(note=note)
        except (AssetsError, ImportError):
            if reader == "read_parquet":
                raise
    return _lines(first, limit, note)


def _files(path: str) -> Iterator[Path]:
    """The files at a path that may be a directory or a glob, in order; hidden ones are nobody's data."""
    for match in sorted(glob.glob(path, recursive=True)) if glob.has_magic(path) else [path]:  # noqa: PTH207
        if not os.path.isdir(match):  # noqa: PTH112 - many files: no object for each
            if os.path.exists(match):  # noqa: PTH110
                yield Path(match)
            continue
        for folder, folders, names in os.walk(match):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            yield from (Path(folder, name) for name in sorted(names) if not name.startswith("."))


def _reader(file: Path) -> str | None:
    endings = [ending.lower() for ending in file.suffixes]
    if endings and endings[-1] in _PACKED:
        endings.pop()
    return _READERS.get(endings[-1]) if endings else None


def _rows(session: Session, source: str, limit: int) -> Sample:
    found = session.read(f"select * from {source} limit {limit + 1:d}")  # noqa: S608 - quoted
    rows = [row for batch in found.batches for row in batch]
    return Sample(found.columns, tuple(rows[:limit]), more=len(rows) > limit)


def _lines(file: Path, limit: int, note: str | None) -> Sample:
    with file.open("rb") as stream:
        start = stream.read(_MOST_BYTES)
    size = file.stat().st_size
    try:
        text = start.decode("utf-8") if size <= len(start) else start.decode("utf-8", "ignore")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        return Sample(note=f"a binary file of {_size(size)}")
    lines = text.splitlines()
    return Sample(lines=tuple(lines[:limit]), more=len(lines) > limit or size > len(start), note=note)


def _size(size: int) -> str:
    for unit, name in _UNITS:
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} bytes"
