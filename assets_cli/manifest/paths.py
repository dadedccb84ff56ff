"""Whether a path that the manifest writes stays inside the project, and when two of them are the same place.

Asks the disk for symlinks only, each folder once. What it was told can be kept, and asked later whether it still holds.
Knows no manifest key.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import islice
from posixpath import isabs, join, normpath
from typing import Any, Final

_FEW: Final = 8
"""So many names are looked up one by one; for more their folder is listed."""
_DEEPEST: Final = 100


class Paths:
    """The paths of one project. `root` is absolute."""

    def __init__(self, root: str) -> None:
        self.root = os.path.realpath(root)
        self._known: dict[str, str] = {"": self.root}

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
        return os.path.realpath(resolved) if os.path.islink(resolved) else resolved  # noqa: PTH114 - a Path costs ten times as much

    def leaving(self, path: str) -> str | None:
        """How a relative path leaves the project, or None. Absolute paths are what the user wanted."""
        if isabs(path) or path.startswith("${env."):
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
    if len(names) > _FEW:
        most = 1_000 + 10 * len(names)
        try:
            with os.scandir(folder) as entries:
                found = list(islice(entries, most))
        except (FileNotFoundError, NotADirectoryError):
            return False
        except PermissionError:  # whoever may not list it may still know what is in it
            found = []
            most = 0
        if len(found) < most:
            return not {entry.name for entry in found if entry.is_symlink()}.isdisjoint(names)
    return any(os.path.islink(f"{folder.rstrip('/')}/{name}") for name in names)  # noqa: PTH114 - as above
