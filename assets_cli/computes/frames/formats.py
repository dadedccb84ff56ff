"""Formats of data files, by the endings of their names, and the files that a path, a folder or a glob stands for.

Knows nothing of what is in them.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from pathlib import PurePath
from typing import Literal

Format = Literal["parquet", "csv", "json", "lines", "arrow"]

_ENDINGS: dict[str, Format] = {
    ".parquet": "parquet", ".pq": "parquet",
    ".csv": "csv", ".tsv": "csv",
    ".json": "json",
    ".jsonl": "lines", ".ndjson": "lines",
    ".arrow": "arrow", ".feather": "arrow", ".ipc": "arrow",
}  # fmt: skip
_COMPRESSED = (".gz", ".zst")

ENDINGS = ".parquet, .csv, .tsv, .json, .jsonl, .ndjson, .arrow or .feather"
"""The endings, for a sentence."""

NAMES: dict[Format, str] = {
    "parquet": "Parquet",
    "csv": "CSV",
    "json": "JSON",
    "lines": "JSON lines",
    "arrow": "Arrow IPC",
}


def format_of(path: str, *, compressed: bool = False) -> Format | None:
    """The format that a name's ending says, also `.csv.gz` and its kind where `compressed` ones can be read."""
    name = PurePath(path)
    if compressed and name.suffix.lower() in _COMPRESSED:
        found = _ENDINGS.get(name.with_suffix("").suffix.lower())
        return found if found in ("csv", "json", "lines") else None
    return _ENDINGS.get(name.suffix.lower())


def is_many(path: str, root: str) -> bool:
    """Whether an output's path stands for any number of files. The folder of the project itself is no pattern."""
    written = path.removeprefix(f"{root}/")
    return path.endswith("/") or glob.has_magic(written) or os.path.isdir(path)  # noqa: PTH112 - paths are text here


def files(path: str) -> list[str]:
    """The files that a path stands for, sorted. Within folders those are left out whose name begins with `.` or `_`."""
    if glob.has_magic(path) and not os.path.exists(path):  # noqa: PTH110 - a name may have such signs, too
        matched = glob.glob(path, recursive=True)  # noqa: PTH207 - an absolute pattern
        return sorted({each for match in matched for each in _below(match)})
    return sorted(_below(path))


def _below(path: str) -> Iterator[str]:
    if not os.path.isdir(path):  # noqa: PTH112 - as above
        if os.path.exists(path):  # noqa: PTH110 - as above
            yield path
        return
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        yield from (f"{folder.rstrip('/')}/{name}" for name in names if not name.startswith((".", "_")))
