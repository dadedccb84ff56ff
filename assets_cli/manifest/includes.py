"""Which files a manifest includes: what its patterns match now. Reads none of them and reports nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

from assets_cli.manifest.paths import Paths


def matches(paths: Paths, pattern: str) -> Iterator[tuple[str, str | None]]:
    """The files that a pattern names, each with how it leaves the project or None; the pattern, if it does itself."""
    if how := paths.leaving(pattern):
        yield pattern, how
        return
    from assets_cli.manifest.globbing import matching  # only where something is included

    for name in sorted(matching(paths.root, pattern)):
        if not os.path.isdir(os.path.join(paths.root, name)):  # noqa: PTH112, PTH118 - `name` may be absolute
            yield os.path.normpath(name), paths.leaving(name)


def once(paths: Paths, root: str, names: Iterable[str]) -> list[str]:
    """Each file once, by its own name rather than a link's, and the root file never; in order of their names."""
    found: dict[str, str] = {}
    for name in sorted(set(names)):
        real = paths.resolve(name)
        if real not in found or os.path.join(paths.root, name) == real:  # noqa: PTH118 - as above
            found[real] = name
    found.pop(paths.resolve(root), None)
    return sorted(found.values())


def included(paths: Paths, root: str, patterns: Sequence[str]) -> list[str] | None:
    """The files that are included; None where one of them leaves the project, which is a mistake."""
    names: list[str] = []
    for pattern in patterns:
        for name, how in matches(paths, pattern):
            if how is not None:
                return None
            names.append(name)
    return once(paths, root, names)
