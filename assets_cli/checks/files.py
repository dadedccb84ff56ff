"""Files as something that DuckDB can query, by their ending: one, all of a directory, or what a glob names."""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path

from assets_cli.checks.protocol import CheckError, FileSession, Session, Subject

_READERS = {
    ".parquet": "read_parquet",
    ".csv": "read_csv",
    ".tsv": "read_csv",
    ".json": "read_json",
    ".jsonl": "read_json",
    ".ndjson": "read_json",
}
_ARROW = (".arrow", ".feather", ".ipc")
_PACKED = (".gz", ".zst")
_OTHER = re.compile(r"[^A-Za-z0-9_]")
_KNOWN = "Parquet, CSV, JSON lines and Arrow files can be checked, by their ending"


def open_files(session: FileSession, subject: Subject) -> None:
    """Let a query name the asset and those of its upstreams that are files, also with `_` for `.`, `/` and `-`.

    Raises:
        CheckError: the asset's own file cannot be read.
    """
    for name, path in subject.files.items():
        try:
            source = source_of(session, path)
        except CheckError:
            if name == subject.asset:
                raise
            continue  # an upstream that a query need not name
        for view in dict.fromkeys((name, _OTHER.sub("_", name))):
            session.define(view, source)


def source_of(session: Session, path: str) -> str:
    """What stands after `from` for a path.

    Raises:
        CheckError: nothing is there, or nothing that can be read.
    """
    files = _files(path)
    endings = {_ending(file) for file in files}
    if len(endings) > 1:
        raise CheckError(f"{path} holds files of several kinds: {', '.join(sorted(endings))}")
    (ending,) = endings
    if ending in _ARROW:
        return _arrow(session, files)
    reader = _READERS.get(ending)
    if reader is None:
        raise CheckError(f"{path} cannot be read as a table: {_KNOWN}")
    listed = ", ".join(text(file) for file in files)
    return f"{reader}([{listed}])"


def _files(path: str) -> list[str]:
    if os.path.isdir(path):  # noqa: PTH112 - a text, as glob takes it
        inside = sorted(each for each in Path(path).rglob("*") if each.is_file())
        found = [str(each) for each in inside if not each.name.startswith((".", "_"))]
    elif os.path.isfile(path):  # noqa: PTH113 - as above
        found = [path]
    else:
        found = sorted(each for each in glob.glob(path, recursive=True) if Path(each).is_file())  # noqa: PTH207
    if not found:
        raise CheckError(f"there is no file at {path}")
    return found


def _ending(file: str) -> str:
    path = Path(file.lower())
    return Path(path.stem).suffix if path.suffix in _PACKED else path.suffix


def _arrow(session: Session, files: list[str]) -> str:
    try:
        # Heavy, and an extra: only Arrow files need it, which DuckDB does not read by itself.
        from pyarrow import ArrowInvalid, dataset, ipc
        from pyarrow import concat_tables as joined
    except ImportError:
        raise CheckError("Arrow files are read with pyarrow: pip install 'assets-cli[arrow]'") from None
    name = f"__assets_arrow_{abs(hash(tuple(files)))}"
    try:
        table = dataset.dataset(files, format="ipc")
        table.head(0)
    except ArrowInvalid:
        try:
            table = joined([ipc.open_stream(file).read_all() for file in files])
        except ArrowInvalid as error:
            raise CheckError(f"{files[0]} is not an Arrow file: {error}") from None
    session.raw.register(name, table)
    return quoted(name)


def quoted(name: str) -> str:
    """A name for a statement."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """A text for a statement."""
    return "'" + value.replace("'", "''") + "'"
