"""Whether a path that the manifest writes stays inside the project, and when two of them are the same place.

Asks the disk for symlinks only, each folder once. What it was told can be kept, and asked later whether it still holds.
Knows no manifest key.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import islice
from posixpath import join, normpath
from typing import Any, Final

_FEW: Final = 8
"""So many names in a folder are looked up one by one; for more it is listed."""
_MOST: Final = 20_000
"""Folders with more entries than this are not."""
_NOTHING: Final[tuple[int, frozenset[str] | None]] = (0, None)
_DEEPEST: Final = 100


class Paths:
    """The paths of one project. `root` is absolute."""

    def __init__(self, root: str) -> None:
        self.root = os.path.realpath(root)
        self._known: dict[str, str] = {"": self.root}
        self._links: dict[str, tuple[int, frozenset[str] | None]] = {}
        """Of each folder how many names in it were asked for, and the links in it once these were more than a few."""

    def resolve(self, path: str) -> str:
        """The real path, links followed; what does not exist yet is taken as written."""
        known = self._known.get(path)
        if known is None:
            known = self._known[path] = self._resolve(path)
        return known

    def _resolve(self, path: str) -> str:
        folder, slash, name = path.rpartition("/")
        if name in ("", ".", "..") or (slash and not folder) or path.count("/") > _DEEPEST:
            return os.path.realpath(join(self.root, path))
        real = self._known.get(folder)
        if real is None:
            real = self.resolve(folder)
        resolved = f"{real.rstrip('/')}/{name}"
        asked, links = self._links.get(real, _NOTHING)
        if asked == _FEW:
            links = _links_in(real, _MOST)
        if asked <= _FEW:
            self._links[real] = asked + 1, links
        is_link = os.path.islink(resolved) if links is None else name in links  # noqa: PTH114 - a Path costs ten times as much
        return os.path.realpath(resolved) if is_link else resolved

    def leaving(self, path: str) -> str | None:
        """How a relative path leaves the project, or None. Absolute paths are what the user wanted."""
        if path.startswith(("/", "${env.")):
            return None
        if ".." in path and normpath(path).split("/", 1)[0] == "..":
            return "by '..'"
        if "${env." in path:
            return None
        resolved = self.resolve(path)
        if resolved != self.root and not resolved.startswith(self.root.rstrip("/") + "/"):
            return "by a symlink"
        return None

    def links(self) -> tuple[Any, Any]:
        """What all answers rest on, as plain values: where odd paths and links lead, and names that are no links.

        The names are by the real path of their folder.
        """
        odd: dict[str, str] = {}
        names: dict[str, list[str]] = {}
        for path, resolved in self._known.items():
            folder, slash, name = path.rpartition("/")
            real = self._known.get(folder, "")
            if resolved == f"{real.rstrip('/')}/{name}" and (folder or not slash) and name not in ("", ".", ".."):
                names.setdefault(real, []).append(name)
            else:
                odd[path] = resolved
        return tuple(odd.items()), tuple((folder, tuple(each)) for folder, each in names.items())

    def stand(self, links: Any) -> bool:
        """Whether everything that `links` gave still holds."""
        odd, names = links
        return all(os.path.realpath(join(self.root, path)) == real for path, real in odd) and not any(
            _has_link(folder, each) for folder, each in names
        )


def _has_link(folder: str, names: Sequence[str]) -> bool:
    """Whether one of these names in a folder is a link."""
    links = _links_in(folder, 10 * len(names)) if len(names) > _FEW else None
    if links is not None:
        return not links.isdisjoint(names)
    return any(os.path.islink(f"{folder.rstrip('/')}/{name}") for name in names)  # noqa: PTH114 - as above


def _links_in(folder: str, most: int) -> frozenset[str] | None:
    """The links in a folder; None where it holds too much to go through it, or cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            found = list(islice(entries, most + 1))
    except (FileNotFoundError, NotADirectoryError):
        return frozenset()
    except OSError:  # whoever may not list a folder may still know what is in it
        return None
    return None if len(found) > most else frozenset([entry.name for entry in found if entry.is_symlink()])
