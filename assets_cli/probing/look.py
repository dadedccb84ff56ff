"""Look at the world once: the code and outputs of assets as they are now, as one `World`.

Asks the modules beside it, each for its own; opens each database at most once. Knows nothing of what is stale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from assets_cli.connections import open_database
from assets_cli.connections.protocol import Database, DatabaseError
from assets_cli.graph.graph import AssetGraph
from assets_cli.model.history import Component, Fingerprint, Latest, Settled, StateSnapshot
from assets_cli.model.manifest import Asset, Connection, Output
from assets_cli.model.problem import Problem
from assets_cli.model.template import UnknownVariableError, fill_environment
from assets_cli.model.world import CodeProbe, OutputProbe, World
from assets_cli.probing.code import CodeLook
from assets_cli.probing.declared import Declarations
from assets_cli.probing.files import FileDigests
from assets_cli.probing.observing import NOTHING, Observed
from assets_cli.probing.paths import Glance, Walls, probe_path
from assets_cli.probing.tables import (
    AskedTable,
    DatabaseCache,
    DatabaseLocks,
    TablesAtAGlance,
    cache_file,
    probe_tables,
)


class ProbeSurroundings(NamedTuple):
    """What looking needs: variables, a cache of files, the mutexes of databases (None: the caller holds them), a clock.

    `now_ns` gives the wall clock in nanoseconds. `declared` is kept from one look at a manifest to the next.
    """

    environ: Mapping[str, str]
    files: FileDigests
    locks: DatabaseLocks | None
    now_ns: Callable[[], int]
    declared: Declarations | None = None


class _Group(NamedTuple):
    """The tables of one database that are asked for: the assets that declare each, and what is asked of it."""

    database: Database
    tables: dict[str, AskedTable]
    assets: dict[str, list[str]]


def look(
    graph: AssetGraph,
    names: Iterable[str],
    snapshot: StateSnapshot,
    surroundings: ProbeSurroundings,
    observed: Observed = NOTHING,
) -> World:
    """What is there now of these assets: code, outputs, observations. Every output not probed has a warning.

    An output of which nothing is on record could not have drifted: nobody looks at it.

    Of external assets that were not `observed` just now, or could not be, the last observation on record stands.
    The cache of files is saved at the end; a read-only disk is no problem.
    """
    assets = graph.manifest.assets
    looking = _Look(graph, surroundings)
    settled, texts, wanted = snapshot.settled, looking.code.declared.texts, set(names)
    with Glance(looking.walls) as glance:
        for name in graph.order:
            asset = assets[name]
            if asset.command is None or name not in wanted:
                continue
            known = settled.get(name)
            if known is None:
                looking.at(asset, snapshot.of(name))
                continue
            # The text of most; what is asked otherwise says the same of them, and costs three calls.
            if known.components != texts.get(name) and not looking.code.is_as_recorded(asset, known.components):
                looking.at_code(asset, snapshot.of(name))
            output = asset.output
            if output is None:
                continue
            path = output.path
            if path is None:
                if output.table is None or looking.is_table_as_left(output, output.table, known):
                    continue
            elif (
                known.stat is not None
                and known.fingerprint is not None
                and "$" not in path
                and glance.is_as_left(path, known.fingerprint, known.stat, known.taken)
            ):
                continue
            looking.output(asset, _fingerprint(known))
    looking.tables()
    surroundings.files.save()
    outputs = {name: probe for name, probe in looking.outputs.items() if not _is_as_recorded(probe, settled.get(name))}
    observations = {**snapshot.observations, **observed.observations}
    return World(looking.probes, outputs, observations, (*observed.failures.values(), *looking.warnings))


def _fingerprint(known: Settled) -> Fingerprint | None:
    if known.fingerprint is None:
        return None
    return Fingerprint(known.fingerprint, known.stat, known.newest, known.taken)


def _is_as_recorded(probe: OutputProbe, known: Settled | None) -> bool:
    return known is not None and probe.fingerprint is not None and probe.fingerprint.digest == known.fingerprint


def look_at_one(
    graph: AssetGraph, asset: Asset, latest: Latest, surroundings: ProbeSurroundings
) -> tuple[CodeProbe, OutputProbe | None]:
    """The code and the output of one asset, for the re-check before its step; None where it declares no output.

    The caller holds the asset's lock and its database's mutex, so neither is asked for.
    """
    looking = _Look(graph, surroundings._replace(locks=None))
    made = latest.materialization
    code = looking.code.probe(asset, made.components if made else None)
    if made is None and asset.output is not None and asset.output.table is not None:
        return code, OutputProbe("unknown", detail="never materialized")  # no database is opened for that
    looking.output(asset, made.fingerprint if made else None)
    looking.tables()
    return code, looking.outputs.get(asset.name)


def look_at_code(
    graph: AssetGraph, held_against: Mapping[str, Mapping[str, Component]], surroundings: ProbeSurroundings
) -> dict[str, CodeProbe]:
    """The code of assets alone, each held against these components in place of those on record."""
    looking = CodeLook(graph.manifest, surroundings.files, surroundings.declared)
    return {name: looking.probe(graph.assets[name], components) for name, components in held_against.items()}


def look_at_output(
    graph: AssetGraph, asset: Asset, latest: Latest, surroundings: ProbeSurroundings
) -> OutputProbe | None:
    """The output alone, also where nothing is on record, as after a step; locks as for `look_at_one`."""
    looking = _Look(graph, surroundings._replace(locks=None))
    looking.output(asset, latest.materialization.fingerprint if latest.materialization else None)
    looking.tables()
    return looking.outputs.get(asset.name)


def look_ahead(graph: AssetGraph, names: Iterable[str], surroundings: ProbeSurroundings) -> None:
    """Have the tables of assets in the cache, each database opened once, for looks at one that are about to follow."""
    looking = _Look(graph, surroundings)
    for name in names:
        asset = graph.assets[name]
        if asset.output is not None and asset.output.table is not None:
            looking.output(asset, None)
    looking.tables()


class _Look:
    """One look: collects outputs and warnings, and the tables to be asked for together."""

    def __init__(self, graph: AssetGraph, surroundings: ProbeSurroundings) -> None:
        self.manifest = graph.manifest
        self.surroundings = surroundings
        self.walls = Walls(surroundings.files.root)
        self.probes: dict[str, CodeProbe] = {}
        self.outputs: dict[str, OutputProbe] = {}
        self.warnings: list[Problem] = []
        self._databases: dict[str, Database | str] = {}
        self._glances: dict[str | None, TablesAtAGlance] = {}
        self._groups: dict[tuple[str, str], _Group] = {}

    @cached_property
    def code(self) -> CodeLook:
        """The look at code; only outputs are asked for after a step."""
        return CodeLook(self.manifest, self.surroundings.files, self.surroundings.declared)

    def at(self, asset: Asset, latest: Latest) -> None:
        """Look at an asset in which somebody is at work, or failed, or of which nothing is on record."""
        self.at_code(asset, latest)
        output = asset.output
        if latest.attempt is not None and latest.attempt.state == "open":
            if output is not None and (output.path or output.table):
                self.not_probed(asset, f"in use by run {latest.attempt.run}")
        elif latest.materialization is not None:
            self.output(asset, latest.materialization.fingerprint)
        elif output is not None and output.path is not None and "${" in output.path:
            self._filled(asset, output.path)

    def at_code(self, asset: Asset, latest: Latest) -> None:
        """Look at the code of an asset; where it is as recorded there is nothing to say of it."""
        made = latest.materialization
        probe = self.code.probe(asset, made.components if made else None)
        if made is None or probe.problem is not None or probe.components is not made.components:
            self.probes[asset.name] = probe

    def output(self, asset: Asset, recorded: Fingerprint | None) -> None:
        """Look at an output that is a path; one that is a table is asked for by `tables`."""
        output = asset.output
        if output is None:
            return
        if output.path is not None:
            path = self._filled(asset, output.path)
            if path is None:
                return
            probe = probe_path(path, recorded, self.surroundings.files, self.walls)
            self.outputs[asset.name] = probe
            if probe.state == "unknown":
                self.not_probed(asset, probe.detail or "")
        elif output.table is not None:
            self._ask_for(asset, output.table, recorded)

    def is_table_as_left(self, output: Output, table: str, known: Settled) -> bool:
        """Whether a table is plainly as recorded. False says nothing."""
        name = output.connection or self.manifest.default_connection
        glance = self._glances.get(name)
        if glance is None:
            connection = self.manifest.connections.get(name) if name else None
            database = None if connection is None else self._database(connection)
            file = None if database is None or isinstance(database, str) else database.file
            glance = TablesAtAGlance.of(file, self.manifest.root, self.surroundings.now_ns())
            self._glances[name] = glance
        return glance.is_as_left(table, known.fingerprint, known.stat)

    def _filled(self, asset: Asset, path: str) -> str | None:
        """A path with its variables filled in; None where one is not set, of which a warning tells."""
        if "${" not in path:
            return path
        try:
            return fill_environment(path, self.surroundings.environ)
        except UnknownVariableError as unknown:
            self.not_probed(asset, _unset(unknown))
            return None

    def _ask_for(self, asset: Asset, table: str, recorded: Fingerprint | None) -> None:
        connection = self.manifest.connection_of(asset)
        if connection is None:
            self.not_probed(asset, "nothing says which connection its table is in")
            return
        database = self._database(connection)
        if isinstance(database, str):
            self.not_probed(asset, database)
            return
        key = (connection.type, str(database.file) if database.file else connection.name)
        group = self._groups.setdefault(key, _Group(database, {}, {}))
        view = asset.output is not None and asset.output.materialization == "view"
        group.tables[table] = AskedTable(recorded, view)
        group.assets.setdefault(table, []).append(asset.name)

    def _database(self, connection: Connection) -> Database | str:
        """The database of a connection, or a sentence that says why there is none."""
        known = self._databases.get(connection.name)
        if known is None:
            environ = self.surroundings.environ
            try:
                options = {key: fill_environment(value, environ) for key, value in connection.options.items()}
                known = open_database(connection.type, options, Path(self.manifest.root))
            except UnknownVariableError as unknown:
                known = _unset(unknown)
            except (DatabaseError, OSError, ImportError) as error:
                known = " ".join(str(error).split())
            self._databases[connection.name] = known
        return known

    def tables(self) -> None:
        """Ask each database once for all the tables that are asked for."""
        for group in self._groups.values():
            cache = DatabaseCache.load(cache_file(self.manifest.root, group.database.file or Path()))
            probes = probe_tables(
                group.database, group.tables, cache, self.surroundings.locks, self.surroundings.now_ns()
            )
            cache.save()
            unknown: dict[str, list[str]] = {}
            for table, names in group.assets.items():
                for name in names:
                    self.outputs[name] = probes[table]
                    if probes[table].state == "unknown":
                        unknown.setdefault(probes[table].detail or "", []).append(name)
            for detail, names in unknown.items():
                self._warn("A0310", names, detail.removeprefix("not probed: "))
        self._groups = {}

    def not_probed(self, asset: Asset, reason: str) -> None:
        """Note that nobody could look at an output, and why."""
        self.outputs[asset.name] = OutputProbe("unknown", detail=reason)
        self._warn("A0309", [asset.name], reason)

    def _warn(self, code: str, names: list[str], reason: str) -> None:
        who = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
        message = f"the output of {who} was not probed: {reason}"
        hint = "what is on record stands until it can be looked at again"
        place = self.manifest.locate(names[0], "output")
        self.warnings.append(Problem(code, message, "warning", place, hint=hint, asset=names[0]))


def _unset(unknown: UnknownVariableError) -> str:
    return f"the environment variable {unknown.name.removeprefix('env.')} is not set"
