"""What a manifest was read from, and whether reading it again would find the same: files, includes, links.

Contents decide, never their stat: whoever restores an old mtime is noticed, too. Parses nothing.
"""

from __future__ import annotations

import hashlib
import os
from typing import Any, Final, NamedTuple

from assets_cli.manifest.includes import included
from assets_cli.manifest.load import contents
from assets_cli.manifest.paths import Paths

ENTRY_POINTS: Final = "assets_cli.connections"
"""Where packages say which further types of connections they bring."""


class Basis(NamedTuple):
    """All that a manifest depends on but the environment and the variables that it was asked for with.

    `files` are names with digests, the root first; `include` are the root's patterns; `links` is what `Paths` found;
    `types` are those of connections that are not built in. All of it are plain values.
    """

    files: tuple[tuple[str, str], ...]
    include: tuple[str, ...]
    links: Any
    types: tuple[str, ...]

    def holds(self, root: str) -> bool:
        """Whether everything is as it was."""
        paths = Paths(root)
        try:
            if any(digest != digest_of(contents(os.path.join(root, name))) for name, digest in self.files):  # noqa: PTH118
                return False
            names = [name for name, _ in self.files]
            if self.include and included(paths, names[0], self.include) != names[1:]:
                return False
            return paths.stand(self.links) and not (self.types and set(self.types) - installed_types())
        except (OSError, ValueError):
            return False


def digest_of(data: bytes) -> str:
    """The digest of a file's contents."""
    return hashlib.sha256(data).hexdigest()


def installed_types() -> set[str]:
    """The types of connections that installed packages bring: a scan of all that is installed."""
    from importlib.metadata import entry_points  # only for a type that is not built in

    return {point.name for point in entry_points(group=ENTRY_POINTS)}
