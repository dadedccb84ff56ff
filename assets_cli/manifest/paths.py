"""Whether a path that the manifest writes stays inside the project, and when two of them are the same place.

Asks the disk for symlinks only, each folder once. Knows no manifest key.
"""

from __future__ import annotations

import os
from posixpath import isabs, join, normpath


class Paths:
    """The paths of one project. `root` is absolute."""

    def __init__(self, root: str) -> None:
        self.root = os.path.realpath(root)
        self._folders: dict[str, str] = {}
        self._known: dict[str, str] = {}

    def resolve(self, path: str) -> str:
        """The real path, links followed; what does not exist yet is taken as written."""
        known = self._known.get(path)
        if known is None:
            known = self._known[path] = self._resolve(path)
        return known

    def _resolve(self, path: str) -> str:
        folder, slash, name = path.rpartition("/")
        if name in ("", ".", ".."):
            return os.path.realpath(join(self.root, path))
        real = self._folders.get(folder + slash)
        if real is None:
            real = self._folders[folder + slash] = os.path.realpath(join(self.root, folder + slash)).rstrip("/")
        resolved = f"{real}/{name}"
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
