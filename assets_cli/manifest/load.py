"""Finds the manifest, has it read, and shows lines of it to those who found a problem later.

What reads and builds is imported when there is something to read: where a cache answers, nobody needs it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from assets_cli.model.manifest import DEFAULT_ENVIRONMENT, Manifest
from assets_cli.model.problem import AssetsError, Place, Problem

if TYPE_CHECKING:
    from assets_cli.manifest.document import Document
    from assets_cli.manifest.rules import Rules
    from assets_cli.manifest.variables import Variables

NAMES: Final = ("assets.yml", "assets.yaml")
_LARGEST: Final = 1 << 28


class Loaded(NamedTuple):
    """What a manifest says and what is wrong with it, in the order of its files and lines.

    `manifest` leaves out the assets that have errors; it is None where the root file cannot be read at all.
    """

    manifest: Manifest | None
    problems: tuple[Problem, ...]


class Whole(NamedTuple):
    """The same, with what only validation asks for: None where there is no manifest.

    `rules` say what becomes of doubts; none of the problems is left out for one.
    """

    manifest: Manifest | None
    problems: tuple[Problem, ...]
    rules: Rules | None
    variables: Variables | None


def find(start: Path) -> Path:
    """The manifest of the project that a folder belongs to: in it, or in the nearest folder above.

    Raises:
        AssetsError: there is none, there are two in one folder, or the folder does not exist.
    """
    folder = Path(os.path.abspath(start))  # noqa: PTH100 - `..` and links as the user's shell shows them
    if not folder.is_dir():
        raise AssetsError(Problem("A0103", f"folder '{start}' does not exist", hint="name an existing folder with -C"))
    for candidate in (folder, *folder.parents):
        found = [name for name in NAMES if os.path.lexists(candidate / name)]
        if len(found) > 1:
            message = f"folder '{candidate}' holds both {NAMES[0]} and {NAMES[1]}"
            raise AssetsError(Problem("A0104", message, hint="keep one of the two"))
        if found:
            return candidate / found[0]
    message = f"no {NAMES[0]} in '{folder}' or in a folder above it"
    raise AssetsError(
        Problem("A0101", message, hint="run `assets init` to write one, or name the project's folder with -C")
    )


def load(
    path: Path, *, environment: str = DEFAULT_ENVIRONMENT, variables: Mapping[str, str] = MappingProxyType({})
) -> Loaded:
    """Read a manifest and everything that it includes, with the overlay of an environment.

    `variables` come from the command line and override `vars`.
    """
    from assets_cli.manifest.loading import Loading  # only what reads needs it

    return Loading(path, variables).run(environment)


def load_whole(path: Path, *, environment: str, variables: Mapping[str, str]) -> Whole:
    """Read a manifest as `load` does, for whoever looks for everything that is wrong with it."""
    from assets_cli.manifest.loading import Loading  # as above

    loading = Loading(path, variables)
    loaded = loading.run(environment)
    return Whole(*loaded, loading.rules, loading.variables)


def quote(root: str, problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """The problems, each with the source line of its place, which those who found them later had not at hand."""
    documents: dict[str, Document | None] = {}

    def excerpt(place: Place) -> str | None:
        from assets_cli.manifest.document import Document  # only what is wrong needs it

        if place.file not in documents:
            try:
                data = contents(os.path.join(root, place.file))  # noqa: PTH118 - it may be absolute
            except OSError:
                documents[place.file] = None
            else:
                documents[place.file] = Document(place.file, data.decode("utf-8-sig", errors="replace"))
        document = documents[place.file]
        return document.excerpt_of(place) if document else None

    return tuple(
        problem._replace(excerpt=excerpt(problem.place)) if problem.place and problem.excerpt is None else problem
        for problem in problems
    )


def contents(path: str) -> bytes:
    """The bytes of a regular file: a pipe would wait for ever.

    Raises:
        OSError: it cannot be read, is something else, or is too large for a manifest.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise OSError("it is a folder" if stat.S_ISDIR(about.st_mode) else "it is not a regular file")
        if about.st_size > _LARGEST:
            raise OSError(f"it has more than {_LARGEST >> 20} MiB")
        found = os.read(descriptor, about.st_size + 1)
        while more := os.read(descriptor, 1 << 16):  # nothing, unless somebody writes to it
            found += more
        return found
    finally:
        os.close(descriptor)
