"""File databases: the option that says where, and the first look at the file. Shared by DuckDB and SQLite."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from assets_cli.connections.protocol import DatabaseError
from assets_cli.model.problem import system_reason

_HEADER = 16


def path_option(kind: str, options: Mapping[str, str], root: Path) -> tuple[str, Path]:
    """The path as written and the real path of a file database whose only option is `path`.

    Raises:
        DatabaseError: the option is missing or names no file, or there is another one.
    """
    unknown = sorted(set(options) - {"path"})
    if unknown:
        raise DatabaseError(f"a {kind} connection has no option {unknown[0]!r}", hint="its only option is `path`")
    written = str(options.get("path") or "").strip()
    if not written:
        raise DatabaseError(f"a {kind} connection needs a `path`", hint=f"write `path: data/warehouse.{kind}`")
    if written == ":memory:":
        raise DatabaseError(
            "an in-memory database is gone when the step that filled it ends", hint="give the `path` of a file"
        )
    if "://" in written or written.startswith(("md:", "motherduck:")):
        raise DatabaseError(f"{written} is not the path of a file", hint=f"a {kind} connection takes a local file")
    return written, Path(os.path.realpath(root / written))


def prepare(file: Path, written: str, *, read_only: bool) -> bytes:
    """Make room for a database that will be written; give the first bytes of the file, none where there is no file.

    Raises:
        DatabaseError: it cannot be read, its folder cannot be made, or it is to be read and is not there.
    """
    try:
        if not read_only:
            file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("rb") as stream:
            return stream.read(_HEADER)
    except FileNotFoundError:
        if read_only:
            raise DatabaseError(f"the database {written} does not exist") from None
        return b""
    except OSError as error:
        raise DatabaseError(f"cannot open the database {written}: {system_reason(error)}") from None
