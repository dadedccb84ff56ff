"""Which names a pattern matches, as `glob` would find them, in projects where links lead in circles, too.

`*` and `**` pass over hidden names, such as a `.venv`, unless the pattern writes the dot. `**` follows a link only to a
folder where it was not yet: `glob` goes round until the system stops it, and with two such links as good as for ever.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from posixpath import isdir, join, lexists

_MAGIC = frozenset("*?[")


def matching(root: str, pattern: str) -> set[str]:
    """The names, files and folders, that a pattern matches; relative to `root`, unless the pattern is absolute."""
    parts = [part for part in pattern.split("/") if part]
    return set(_below(root, "/" if pattern.startswith("/") else "", parts)) if parts else set()


def _below(root: str, folder: str, parts: Sequence[str]) -> Iterator[str]:
    """What the parts match in a folder, whose name is empty or ends in a slash."""
    first, *rest = parts
    if first == "**":
        while rest and rest[0] == "**":
            rest = rest[1:]
        for each in _folders(root, folder):
            yield from _below(root, each, rest or ["*"])
        return
    for name in _named(join(root, folder), first):
        if not rest:
            yield folder + name
        elif isdir(join(root, folder, name)):
            yield from _below(root, f"{folder}{name}/", rest)


def _named(folder: str, part: str) -> list[str]:
    """The names in a folder that one part of a pattern matches."""
    if _MAGIC.isdisjoint(part):
        return [part] if lexists(join(folder, part)) else []
    with suppress(OSError):  # no folder, or one that nobody may look into
        names = fnmatch.filter(os.listdir(folder), part)  # noqa: PTH208 - names are wanted
        return names if part.startswith(".") else [name for name in names if not name.startswith(".")]
    return []


def _folders(root: str, folder: str) -> Iterator[str]:
    """A folder and all that are below it."""
    seen = {_identity(join(root, folder))}
    waiting = [folder]
    while waiting:
        folder = waiting.pop()
        yield folder
        with suppress(OSError), os.scandir(join(root, folder) or ".") as entries:
            for entry in entries:
                if entry.name.startswith(".") or not entry.is_dir():
                    continue
                identity = _identity(entry.path)
                if identity not in seen or not entry.is_symlink():
                    seen.add(identity)
                    waiting.append(f"{folder}{entry.name}/")


def _identity(folder: str) -> tuple[int, int] | None:
    """Which folder this is, however it is called."""
    with suppress(OSError):
        about = os.stat(folder)  # noqa: PTH116 - of every folder
        return about.st_dev, about.st_ino
    return None
