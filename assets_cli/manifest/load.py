"""Finds the manifest and puts the stages together: read, fill, check, build. Nothing but this touches the disk."""

from __future__ import annotations

import gc
import glob
import os
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from assets_cli.manifest import environments
from assets_cli.manifest.assets import merge
from assets_cli.manifest.build import Checker, Definition, Locator, Source, Surroundings, define
from assets_cli.manifest.document import Document, Key
from assets_cli.manifest.paths import Paths
from assets_cli.manifest.read import read
from assets_cli.manifest.references import check_references
from assets_cli.manifest.renames import check_renames
from assets_cli.manifest.schema import Shape, check, fits
from assets_cli.manifest.spelling import Spelling
from assets_cli.manifest.subject import name_assets
from assets_cli.manifest.variables import Variables
from assets_cli.model.manifest import CONNECTION_TYPES, DEFAULT_ENVIRONMENT, Asset, Connection, Manifest
from assets_cli.model.problem import AssetsError, Place, Problem

NAMES: Final = ("assets.yml", "assets.yaml")
STATE: Final = ".assets/state.db"
_LARGEST: Final = 1 << 28
_MANY: Final = 1_000


class Loaded(NamedTuple):
    """What a manifest says and what is wrong with it, in the order of its files and lines.

    `manifest` leaves out the assets that have errors; it is None where the root file cannot be read at all.
    """

    manifest: Manifest | None
    problems: tuple[Problem, ...]


def _sound(definitions: Mapping[str, Definition], broken: Collection[str]) -> dict[str, Asset]:
    """The assets without an error, as a whole: an upstream that was left out is left out of what reads it, too."""
    assets = {
        name: definition.asset
        for name, definition in definitions.items()
        if definition.asset is not None and name not in broken
    }
    if len(assets) == len(definitions):
        return assets
    return {
        name: asset._replace(upstreams=tuple(upstream for upstream in asset.upstreams if upstream in assets))
        for name, asset in assets.items()
    }


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
    with _collector_paused():
        loaded = _Loading(path, variables).run(environment)
        if loaded.manifest is not None and len(loaded.manifest.assets) >= _MANY:
            # what was made lives as long as the process: the first look for cycles need not go through all of it.
            gc.freeze()
        return loaded


def quote(root: str, problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """The problems, each with the source line of its place, which those who found them later had not at hand."""
    documents: dict[str, Document | None] = {}

    def excerpt(place: Place) -> str | None:
        if place.file not in documents:
            try:
                data = _bytes(os.path.join(root, place.file))  # noqa: PTH118 - it may be absolute
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


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Reading makes hundreds of thousands of lists and no cycles: looking for cycles meanwhile costs a third of it."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class _Loading:
    """One loading of one project."""

    def __init__(self, path: Path, overrides: Mapping[str, str]) -> None:
        self.root = str(path.parent.resolve())
        self.file = path.name
        self.paths = Paths(self.root)
        self.overrides = overrides
        self.documents: list[Document] = []
        self.problems: list[Problem] = []
        self.environments: Mapping[str, Place] = {}

    def run(self, environment: str) -> Loaded:
        document = self._read(self.file)
        if document is None or document.values is None:
            return Loaded(None, self._sorted([]))
        self.environments = environments.apply(document, environment)
        variables = Variables(document, self.overrides)
        self.problems += variables.problems
        root = self._source(document, "manifest", variables, {})
        if not isinstance(document.values, dict):
            return Loaded(None, self._sorted([]))
        sources = [root]
        for name in self._included(document):
            included = self._read(name)
            if included is not None and included.values is not None:
                sources.append(self._source(included, "included", variables, root.defaults))
        return self._build(document, sources, variables, environment)

    def _read(self, name: str) -> Document | None:
        try:
            data = _bytes(os.path.join(self.root, name))  # noqa: PTH118 - `name` may be absolute
        except OSError as error:
            message = f"cannot read '{name}': {_reason(error)}"
            self.problems.append(Problem("A0103", message, hint="check that it is a file that you may read"))
            return None
        document = read(data, name)
        self.documents.append(document)
        if document.values is None and not document.problems:
            hint = (
                "write `version: 1`, or run `assets init`"
                if name == self.file
                else "write `assets:` and assets below it"
            )
            document.report(0, "A0108", "the file is empty", hint)
        name_assets(document)
        return document

    def _source(self, document: Document, shape: Shape, variables: Variables, over: Mapping[str, Any]) -> Source:
        variables.fill(document)
        checked = check(document, shape)
        self.problems += checked.problems
        own = document.values.get("defaults") if isinstance(document.values, dict) else None
        defaults = merge(over, own) if isinstance(own, dict) and fits("defaults", own) else over
        return Source(document, defaults, checked.broken)

    def _included(self, document: Document) -> list[str]:
        """The files that the root includes, each once, in order of their names."""
        patterns = document.values.get("include")
        names: set[str] = set()
        for index, pattern in enumerate(patterns if isinstance(patterns, list) else ()):
            if isinstance(pattern, str) and pattern:
                names.update(self._matches(document, ("include", index), pattern))
        real = {self.paths.resolve(self.file)}
        once: list[str] = []
        for name in sorted(names):
            resolved = self.paths.resolve(name)
            if resolved not in real:
                real.add(resolved)
                once.append(name)
        return once

    def _matches(self, document: Document, where: tuple[Key, ...], pattern: str) -> Iterator[str]:
        """The files that a pattern names, without those outside the project, which are reported."""
        if how := self.paths.leaving(pattern):
            self._leaves(document, where, pattern, how)
            return
        # not Path.glob, which finds hidden files too, such as those of a virtual environment.
        found = sorted(
            name
            for name in glob.iglob(pattern, root_dir=self.root, recursive=True)  # noqa: PTH207
            if not self._is_folder(name)
        )
        if not found:
            hint = "check the path; it is relative to the manifest's folder"
            if self._is_folder(pattern):
                hint = f"name the files in it: {pattern.rstrip('/')}/*.yml"
            self.problems.append(document.problem(where, "A0131", f"include '{pattern[:80]}' names no file", hint))
        for name in found:
            if how := self.paths.leaving(name):
                self._leaves(document, where, name, how)
            else:
                yield os.path.normpath(name)

    def _is_folder(self, name: str) -> bool:
        return os.path.isdir(os.path.join(self.root, name))  # noqa: PTH112, PTH118 - `name` may be absolute

    def _leaves(self, document: Document, where: tuple[Key, ...], path: str, how: str) -> None:
        what = where[0] if where[0] != "connections" else f"connection '{where[1]}': path"
        message = f"{what} '{path[:80]}' leaves the project {how}"
        hint = "write a path inside the project, or an absolute one"
        self.problems.append(document.problem(where, "A0137", message, hint))

    def _build(self, document: Document, sources: list[Source], variables: Variables, environment: str) -> Loaded:
        values = document.values
        connections, declared = self._connections(document)
        default = self._default_connection(document, declared)
        definitions, duplicates = define(sources)
        locator = Locator(document, definitions)
        pools = values.get("pools")
        pools = pools if isinstance(pools, dict) else {}
        around = Surroundings(self.paths, connections, declared, default, frozenset(pools))
        checker = Checker(around, locator)
        for definition in definitions.values():
            if definition.asset is not None:
                checker.check(definition.asset, _written(definition))
        check_references(definitions, checker)
        check_renames(definitions, checker)
        state = values.get("state")
        if isinstance(state, str) and (how := self.paths.leaving(state)):
            self._leaves(document, ("state",), state, how)
        problems = self._sorted([*duplicates, *checker.problems])
        project = values.get("project")
        manifest = Manifest(
            root=self.root,
            file=self.file,
            project=project if isinstance(project, str) and project else os.path.basename(self.root),  # noqa: PTH119 - it is text
            environment=environment,
            state=state if isinstance(state, str) and state else STATE,
            vars=variables.values,
            connections=connections,
            default_connection=default,
            assets=_sound(definitions, checker.broken),
            files=tuple(each.file for each in self.documents),
            warnings=tuple(problem for problem in problems if problem.severity == "warning"),
            locate=locator,
            environments=self.environments,
            pools={name: int(size) for name, size in pools.items() if isinstance(size, int | float)},
        )
        return Loaded(manifest, problems)

    def _connections(self, document: Document) -> tuple[dict[str, Connection], frozenset[str]]:
        values = document.values.get("connections")
        if not isinstance(values, dict):
            return {}, frozenset()
        connections = {
            name: Connection(name, options["type"], {key: text for key, text in options.items() if key != "type"})
            for name, options in values.items()
            if fits("connection", options)
        }
        for name, connection in connections.items():
            if connection.type not in CONNECTION_TYPES:
                self._plugged_in(document, connection)
            path = connection.options.get("path")
            if path and (how := self.paths.leaving(path)):
                self._leaves(document, ("connections", name, "path"), path, how)
        return connections, frozenset(values)

    def _plugged_in(self, document: Document, connection: Connection) -> None:
        """A type that is not built in is one that an installed package brings, or a mistake."""
        from importlib.metadata import entry_points  # a scan of all that is installed: only for such a type

        found = {point.name for point in entry_points(group="assets_cli.connections")}
        if connection.type not in found:
            known = [*CONNECTION_TYPES, *sorted(found)]
            hint = Spelling(known).hint(connection.type) or (
                f"known types: {', '.join(known)}; install the package that brings it, "
                f"such as: pip install 'assets-cli[{connection.type[:40]}]'"
            )
            message = f"connection '{connection.name}': unknown type '{connection.type[:80]}'"
            where = ("connections", connection.name, "type")
            self.problems.append(document.problem(where, "A0216", message, hint))

    def _default_connection(self, document: Document, declared: frozenset[str]) -> str | None:
        name = document.values.get("default_connection")
        if isinstance(name, str) and name:
            if name not in declared:
                hint = Spelling(declared).hint(name) or "declare it under `connections`"
                problem = document.problem(("default_connection",), "A0208", f"unknown connection '{name[:80]}'", hint)
                self.problems.append(problem)
            return name
        return next(iter(declared)) if len(declared) == 1 else None

    def _sorted(self, further: list[Problem]) -> tuple[Problem, ...]:
        """All problems, in the order of files, lines and columns; those without a place come first."""
        order = {document.file: position for position, document in enumerate(self.documents)}
        problems = [*self.problems, *further]
        for document in self.documents:
            problems += document.problems

        def position(problem: Problem) -> tuple[int, int, int]:
            place = problem.place
            return (order.get(place.file, -1), place.line, place.column) if place else (-1, 0, 0)

        return tuple(sorted(problems, key=position))


def _written(definition: Definition) -> Mapping[str, Any]:
    written: Mapping[str, Any] = definition.source.document.values["assets"][definition.position]
    return written


def _bytes(path: str) -> bytes:
    """The bytes of a regular file: a pipe would wait for ever."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise OSError("it is a folder" if stat.S_ISDIR(about.st_mode) else "it is not a regular file")
        if about.st_size > _LARGEST:
            raise OSError(f"it has more than {_LARGEST >> 20} MiB")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
