"""Puts the stages together: read, fill, check, build. Notes what it rests on, so that others can ask if that holds."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Final

from assets_cli.manifest import environments, includes
from assets_cli.manifest.alerts import make_alerts
from assets_cli.manifest.assets import merge
from assets_cli.manifest.basis import Basis, digest_of, installed_types
from assets_cli.manifest.build import Checker, Definition, Locator, Source, Surroundings, define
from assets_cli.manifest.document import Document, Key
from assets_cli.manifest.load import Loaded, contents
from assets_cli.manifest.paths import Paths
from assets_cli.manifest.policies import make_policies
from assets_cli.manifest.read import read
from assets_cli.manifest.references import check_references
from assets_cli.manifest.renames import check_renames
from assets_cli.manifest.rules import Rules, forgive
from assets_cli.manifest.schema import Shape, check, fits
from assets_cli.manifest.spelling import Spelling
from assets_cli.manifest.subject import name_assets
from assets_cli.manifest.variables import Variables
from assets_cli.model.manifest import CONNECTION_TYPES, Asset, Connection, Manifest
from assets_cli.model.memory import collector_paused
from assets_cli.model.problem import Place, Problem, system_reason

STATE: Final = ".assets/state.db"


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


class Loading:
    """One loading of one project. `fetch` is told of each file before it is read: some come when they are asked for."""

    def __init__(self, path: Path, overrides: Mapping[str, str], fetch: Callable[[str], object] | None = None) -> None:
        self.root = str(path.parent.resolve())
        self.file = path.name
        self.paths = Paths(self.root)
        self.overrides = overrides
        self._fetch = fetch
        self.documents: list[Document] = []
        self.problems: list[Problem] = []
        self.environments: Mapping[str, Place] = {}
        self.rules: Rules | None = None
        self.variables: Variables | None = None
        self._explained: Callable[[Problem], Problem] = lambda problem: problem
        self._digests: list[tuple[str, str]] = []
        self._patterns: tuple[str, ...] = ()
        self._types: set[str] = set()

    def run(self, environment: str) -> Loaded:
        """The manifest with the overlay of an environment, and everything that is wrong with it."""
        with collector_paused() as made:
            loaded = self._run(environment)
            made(len(loaded.manifest.assets) if loaded.manifest else 0)
        return loaded

    def basis(self) -> Basis:
        """What that was read from."""
        return Basis(tuple(self._digests), self._patterns, self.paths.links(), tuple(sorted(self._types)))

    def _run(self, environment: str) -> Loaded:
        document = self._read(self.file)
        if document is None or document.values is None:
            return Loaded(None, self._sorted([]))
        self.environments = environments.apply(document, environment)
        variables = Variables(document, self.overrides)
        self.problems += variables.problems
        self._explained = variables.explained
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
        if self._fetch is not None:
            self._fetch(name)
        try:
            data = contents(os.path.join(self.root, name))  # noqa: PTH118 - `name` may be absolute
        except OSError as error:
            message = f"cannot read '{name}': {system_reason(error)}"
            self.problems.append(Problem("A0103", message, hint="check that it is a file that you may read"))
            return None
        self._digests.append((name, digest_of(data)))
        document = read(data, name)
        self.documents.append(document)
        if document.values is None and not document.problems:
            hint = (
                "write `version: 1`, or run `assets init`"
                if name == self.file
                else "write `assets:` and assets below it"
            )
            document.report(0, "A0108", "the file is empty", hint)
        if document.problems:
            forgive(document)
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
        written = document.values.get("include")
        patterns = {
            index: pattern
            for index, pattern in enumerate(written if isinstance(written, list) else ())
            if isinstance(pattern, str) and pattern
        }
        self._patterns = tuple(patterns.values())
        names: list[str] = []
        for index, pattern in patterns.items():
            where = ("include", index)
            found = list(includes.matches(self.paths, pattern))
            for name, how in found:
                if how is not None:
                    self._leaves(document, where, name, how)
                else:
                    names.append(name)
            if not found:
                hint = "check the path; it is relative to the manifest's folder"
                if os.path.isdir(os.path.join(self.root, pattern)):  # noqa: PTH112, PTH118 - it may be absolute
                    hint = f"name the files in it: {pattern.rstrip('/')}/*.yml"
                message = f"include '{pattern[:80]}' names no file"
                self.problems.append(document.problem(where, "A0131", message, hint))
        return includes.once(self.paths, self.file, names)

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
            policies=make_policies(document),
            alerts=make_alerts(document),
        )
        self.rules, self.variables = Rules(document, definitions, locator), variables
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
        self._types.add(connection.type)
        found = installed_types()
        if connection.type not in found:
            known = [*CONNECTION_TYPES, *sorted(found)]
            hint = Spelling(known).hint(connection.type) or (
                f"known types: {', '.join(known)}; sqlalchemy reaches what has a dialect of it: "
                f'{{type: sqlalchemy, url: "{connection.type[:40]}://…"}}'
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

        return tuple(map(self._explained, sorted(problems, key=position)))


def _written(definition: Definition) -> Mapping[str, Any]:
    written: Mapping[str, Any] = definition.source.document.values["assets"][definition.position]
    return written
