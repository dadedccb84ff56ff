"""Values of the right shape to a `Manifest`, and what is wrong with each asset by itself.

What assets are to each other is `references`' business. Knows no YAML and no schema.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from assets_cli.manifest.assets import make, merge
from assets_cli.manifest.checks import mistakes
from assets_cli.manifest.document import Document, Key
from assets_cli.manifest.paths import Paths
from assets_cli.manifest.spelling import Spelling
from assets_cli.model.duration import SECOND, show
from assets_cli.model.manifest import (
    Asset,
    Connection,
    HttpProbe,
    Output,
    PathProbe,
    Probe,
    Schedule,
    ShellCommand,
    ShellProbe,
    Spot,
    SqlCommand,
    SqlProbe,
)
from assets_cli.model.problem import Place, Problem, Related

_RESERVED: Final = frozenset({"and", "or", "not"})
_USED_BY_PROBE: Final[Mapping[type, tuple[str, ...]]] = {
    ShellProbe: ("env", "timeout"),
    SqlProbe: ("timeout",),
    HttpProbe: ("timeout",),
}
_IDLE_WITHOUT_COMMAND: Final = ("code", "code_version", "env", "timeout", "retries", "pool", "isolated")


class Source(NamedTuple):
    """One file that holds assets. `defaults` are the merged ones; `broken` are positions of assets of a wrong shape."""

    document: Document
    defaults: Mapping[str, Any]
    broken: frozenset[int]


class Definition(NamedTuple):
    """Where an asset is written. `asset` is None where it has mistakes of shape."""

    source: Source
    position: int
    asset: Asset | None


class Surroundings(NamedTuple):
    """What an asset is checked against."""

    paths: Paths
    connections: Mapping[str, Connection]
    declared: frozenset[str]
    """The names of all connections, also of those with mistakes."""
    default_connection: str | None
    pools: frozenset[str] = frozenset()
    """The names of all pools, also of those with mistakes."""


class Locator:
    """The place of a value of an asset: in its file, or in the defaults that it comes from."""

    def __init__(self, root: Document, definitions: Mapping[str, Definition]) -> None:
        self._root = root
        self._definitions = definitions

    def __call__(self, asset: str, *keys: Key | Spot) -> Place:
        """The place of `keys` of an asset, or of the nearest enclosing value; of the manifest for an unknown asset.

        For the asset "" it is that of a value of the root file.

        A `Spot` as the last key is a place in the text of the value.
        """
        spot = keys[-1] if keys and isinstance(keys[-1], Spot) else None
        document, offset = self.find(asset, [key for key in keys if not isinstance(key, Spot)])
        return document.place_at(offset if spot is None else document.within(offset, spot.line, spot.column))

    def find(self, asset: str, keys: Sequence[Key]) -> tuple[Document, int]:
        """The document and the offset in it."""
        definition = self._definitions.get(asset)
        if definition is None:
            return self._root, self._root.find(keys)[0] if asset == "" else self._root.start
        document = definition.source.document
        home = ("assets", definition.position)
        for length in range(len(keys), -1, -1):
            wanted = keys[:length]
            for place, path in ((document, home), (document, ("defaults",)), (self._root, ("defaults",))):
                offset, depth = place.find((*path, *wanted))
                if depth == len(path) + length and (length or path is home):
                    return place, offset
        return document, document.start


class Checker:
    """Finds the mistakes of single assets."""

    def __init__(self, surroundings: Surroundings, locator: Locator) -> None:
        self.surroundings = surroundings
        self.problems: list[Problem] = []
        self.broken: set[str] = set()
        self.locator = locator
        self._spelling = Spelling(surroundings.declared)
        self._pools = Spelling(surroundings.pools)
        self._told: set[tuple[str, int, str]] = set()
        """What was reported: the file, the offset in it and the message."""

    def report(
        self,
        asset: str,
        keys: Sequence[Key],
        code: str,
        message: str,
        hint: str | None,
        *,
        warning: bool = False,
        related: tuple[Related, ...] = (),
    ) -> None:
        """Add a problem at a value of an asset; with an error the asset is left out of the manifest."""
        if not warning:
            self.broken.add(asset)
        document, offset = self.locator.find(asset, keys)
        told = (document.file, offset, message)
        if told in self._told:  # one mistake in `defaults`, however many assets have it from there
            return
        self._told.add(told)
        problem = document.problem_at(offset, code, f"asset '{asset}': {message}", hint)
        self.problems.append(problem._replace(asset=asset, related=related, severity="warning" if warning else "error"))

    def check(self, asset: Asset, written: Mapping[str, Any]) -> None:
        """Everything that is wrong with one asset by itself. `written` are its own keys, without defaults."""
        name = asset.name
        if name in _RESERVED or "." in name:
            self._name(name)
        if asset.output is not None:
            self._output(asset, asset.output, written.get("output", {}))
        elif isinstance(asset.command, SqlCommand):
            hint = (
                "write `output: {table: name}`, or `output: {materialization: script}` for statements run as they stand"
            )
            self.report(
                name, ("command",), "A0140", "a SQL command fills a table, and no output.table is written", hint
            )
        self._command(asset, written)
        if asset.observe is not None:
            self._observe(asset, asset.observe, written)
        if asset.checks or asset.columns:
            self._checks(asset)
        if asset.freshness is not None or "freshness" in written:
            self._freshness(asset, written.get("freshness") or {})
        if asset.pool is not None:
            self._pool(asset, asset.pool)
        if asset.timeout == 0:
            self.report(name, ("timeout",), "A0129", "timeout must be more than 0s", "remove it for no limit")
        if asset.code:
            self._code(asset)

    def _code(self, asset: Asset) -> None:
        for index, pattern in enumerate(asset.code):
            if how := self.surroundings.paths.leaving(pattern):
                self._leaves(asset.name, ("code", index), pattern, how)

    def _name(self, name: str) -> None:
        if name in _RESERVED:
            self.report(name, ("name",), "A0124", f"'{name}' is a word of selections", "give it another name")
        elif any(part in (".", "..") for part in name.split("/")):
            self.report(name, ("name",), "A0124", "a part of its name is '.' or '..'", "give it another name")

    def _command(self, asset: Asset, written: Mapping[str, Any]) -> None:
        name, command = asset.name, asset.command
        if asset.schedule is not None:
            self._schedule(asset, asset.schedule)
        if command is None:
            used = _USED_BY_PROBE.get(type(asset.observe), ())
            for key in _IDLE_WITHOUT_COMMAND:
                if key in written and key not in used:
                    hint = "remove it, or add a command"
                    self.report(name, (key,), "A0143", f"{key} has no effect without a command", hint, warning=True)
        elif isinstance(command, SqlCommand):
            self._sql(asset, command)
        elif isinstance(command, ShellCommand):
            if not command.run:
                self.report(name, ("command", "shell"), "A0126", "command.shell has no value", "write a command")
            if written.get("isolated"):
                message = "isolated has no effect on a shell command, which always is a process of its own"
                self.report(name, ("isolated",), "A0143", message, "remove it", warning=True)
        if asset.data_version_sql is not None and (asset.output is None or asset.output.table is None):
            self._needs_connection(asset, ("data_version", "sql"), "data_version.sql")

    def _observe(self, asset: Asset, probe: Probe, written: Mapping[str, Any]) -> None:
        name = asset.name
        if asset.command is not None:
            message = "it has a command, and only external assets are observed"
            self.report(name, ("observe",), "A0147", message, "remove one of the two")
        elif isinstance(probe, PathProbe):
            if how := self.surroundings.paths.leaving(probe.path):
                self._leaves(name, ("observe", "path"), probe.path, how)
        elif isinstance(probe, ShellProbe):
            if not probe.run:
                self.report(name, ("observe", "shell"), "A0126", "observe.shell has no value", "write a command")
        elif isinstance(probe, SqlProbe):
            self._observe_sql(asset, probe)
        if asset.observe_every is not None and asset.observe_every < SECOND:
            message = f"observe.every {show(asset.observe_every)} is less than 1s"
            self.report(name, ("observe", "every"), "A0832", message, "write 1s or more, such as 10m")
        if asset.command is None and not isinstance(probe, SqlProbe) and "connection" in written.get("observe", ()):
            message = "observe.connection has no effect without observe.sql"
            self.report(name, ("observe", "connection"), "A0147", message, "remove it")

    def _observe_sql(self, asset: Asset, probe: SqlProbe) -> None:
        keys = ("observe", "sql")
        if probe.path is not None:
            if how := self.surroundings.paths.leaving(probe.path):
                self._leaves(asset.name, keys, probe.path, how)
        elif not probe.query:
            self.report(asset.name, keys, "A0126", "observe.sql has no value", "write a query or the path of one")
        if probe.connection is not None and probe.connection not in self.surroundings.declared:
            self._unknown_connection(asset.name, probe.connection, ("observe", "connection"))
        elif probe.connection is None:
            self._needs_connection(asset, keys, "observe.sql", ("observe.connection", None))

    def _checks(self, asset: Asset) -> None:
        for each in mistakes(asset):
            self.report(asset.name, each.keys, each.code, each.message, each.hint, warning=each.warning)
        for index, check in enumerate(asset.checks):
            keys = ("checks", index, check.kind)
            if (path := check.arguments.get("path")) and (how := self.surroundings.paths.leaving(path)):
                self._leaves(asset.name, keys, path, how)
            if check.kind == "sql" and asset.output is None:
                self._needs_connection(asset, keys, "a check of kind sql")

    def _sql(self, asset: Asset, command: SqlCommand) -> None:
        keys = ("command", "sql")
        if command.path is not None:
            if how := self.surroundings.paths.leaving(command.path):
                self._leaves(asset.name, keys, command.path, how)
        elif not command.query:
            hint = "write a query or the path of one"
            self.report(asset.name, keys, "A0126", "command.sql has no value", hint)
        if asset.output is None or asset.output.table is None:
            self._needs_connection(asset, keys, "a SQL command")

    def _output(self, asset: Asset, output: Output, written: Mapping[str, Any]) -> None:
        name = asset.name
        is_sql = isinstance(asset.command, SqlCommand)
        if output.path is not None and output.table is not None:
            hint = "keep one of the two, or make two assets of it"
            self.report(name, ("output", "path"), "A0138", "output has both a path and a table", hint)
        elif output.path is None and output.table is None and not (is_sql and output.materialization == "script"):
            self.report(name, ("output",), "A0138", "output has neither a path nor a table", "write one of the two")
        elif is_sql and output.table is None and output.materialization != "script":
            hint = "write `output: {table: name}`, or `materialization: script` for statements run as they stand"
            self.report(name, ("output",), "A0140", "a SQL command fills a table, and no output.table is written", hint)
        if not is_sql and output.materialization != "table":
            message = f"materialization '{output.materialization}' is for SQL commands"
            self.report(name, ("output", "materialization"), "A0142", message, "remove it")
        elif asset.command is None and "materialization" in written:
            message = "materialization is for SQL commands, and this asset has no command"
            self.report(name, ("output", "materialization"), "A0142", message, "remove it, or add a command")
        if output.grows or output.unique_key or output.time_column:
            self._growth(name, output)
        if output.connection is not None and output.connection not in self.surroundings.declared:
            self._unknown_connection(name, output.connection, ("output", "connection"))
        elif output.table is not None:
            self._needs_connection(asset, ("output", "table"), "output.table")
        if output.path is not None:
            self._output_path(name, output.path)
        self._atomic(asset, output)

    def _atomic(self, asset: Asset, output: Output) -> None:
        """Only what a shell command writes to one path is published by us; the rest is whole already, or cannot be."""
        if not output.atomic:
            return
        name, keys, command = asset.name, ("output", "atomic"), asset.command
        if command is None:
            hint = "remove it, or add a command"
            self.report(name, keys, "A0143", "atomic has no effect without a command", hint, warning=True)
        elif not isinstance(command, ShellCommand):
            kind, hint = "a Python", "what a function returns always appears whole; return it instead of writing it"
            if isinstance(command, SqlCommand):
                kind, hint = "a SQL", "a table or view that a SELECT fills always appears whole"
                if output.materialization == "script":
                    hint = "write `begin;` and `commit;` around the statements that belong together"
            self.report(name, keys, "A0143", f"atomic has no effect on {kind} command", hint, warning=True)
        elif output.table is not None:
            message = "atomic is for an output.path, and this output is a table"
            self.report(name, keys, "A0148", message, "remove it, and let the command write in one transaction")
        elif output.path is not None and any(sign in output.path for sign in "*?["):
            message = f"atomic is for one file or folder, and output.path '{output.path[:80]}' is a pattern"
            self.report(name, keys, "A0148", message, "name the folder that the files are in")
        elif output.path is not None and "${env." not in output.path:
            paths = self.surroundings.paths
            place = paths.resolve(output.path)
            if paths.root.startswith(place.rstrip("/") + "/") or place == f"{paths.root}/.assets":
                message = f"atomic replaces a folder as a whole, and '{output.path[:80]}' holds more than this output"
                self.report(name, keys, "A0148", message, "name a folder that holds nothing else")

    def _growth(self, name: str, output: Output) -> None:
        """The keys of incremental tables, which is what only these have."""
        keys = [key for key, value in (("unique_key", output.unique_key), ("time_column", output.time_column)) if value]
        if output.materialization == "incremental" and not keys:
            message = "an incremental table needs to know which rows a run replaces"
            hint = "write `unique_key` or `time_column`, or `materialization: append` to replace none"
            self.report(name, ("output", "materialization"), "A0155", message, hint)
        elif output.materialization != "incremental":
            for key in keys:
                message = f"{key} is for `materialization: incremental`"
                self.report(name, ("output", key), "A0142", message, "remove it, or make the table incremental")

    def _output_path(self, name: str, path: str) -> None:
        paths = self.surroundings.paths
        if how := paths.leaving(path):
            self._leaves(name, ("output", "path"), path, how)
        elif "${env." not in path and paths.resolve(path) == paths.root:
            message = f"output.path '{path}' is the project folder itself"
            self.report(name, ("output", "path"), "A0137", message, "name a file or a folder inside it")

    def _unknown_connection(self, name: str, connection: str, keys: Sequence[Key]) -> None:
        hint = self._spelling.hint(connection) or _declare(self.surroundings.declared)
        self.report(name, keys, "A0208", f"unknown connection '{connection}'", hint)

    def _pool(self, asset: Asset, pool: str) -> None:
        name = asset.name
        if pool in self.surroundings.pools:
            return
        declared = self.surroundings.pools
        hint = self._pools.hint(pool) or f"declare it in the manifest: `pools: {{{pool[:80]}: 4}}`"
        if declared and not self._pools.nearest(pool):
            hint += f"; declared: {', '.join(sorted(declared)[:10])}"
        self.report(name, ("pool",), "A0214", f"unknown pool '{pool[:80]}'", hint)

    def _needs_connection(
        self, asset: Asset, keys: Sequence[Key], what: str, written: tuple[str, str | None] | None = None
    ) -> None:
        """Report that no connection is named: `written` is the key that could, with its value."""
        key, given = written or ("output.connection", asset.output.connection if asset.output is not None else None)
        if given is not None or self.surroundings.default_connection is not None:
            return
        declared = self.surroundings.declared
        message = f"{what} needs a connection, and "
        if declared:
            message += f"none of the {len(declared)} declared is the default"
            hint = f"write `{key}`, or `default_connection` in the manifest: {', '.join(sorted(declared)[:10])}"
        else:
            message += "none is declared"
            hint = _declare(declared)
        self.report(asset.name, keys, "A0209", message, hint)

    def _freshness(self, asset: Asset, written: Mapping[str, Any]) -> None:
        policy = asset.freshness
        if policy is None:
            message = "key 'max_lag' is missing in freshness"
            self.report(asset.name, ("freshness",), "A0121", message, "write `max_lag: 6h`")
            return
        if policy.warn_lag is not None and policy.warn_lag > policy.max_lag:
            message = f"freshness.warn_lag {show(policy.warn_lag)} is more than max_lag {show(policy.max_lag)}"
            hint = "warn before the promise is broken: write a shorter warn_lag"
            self.report(asset.name, ("freshness", "warn_lag"), "A0141", message, hint)
        if policy.retry_every is not None and policy.retry_every < SECOND:
            message = f"freshness.retry_every {show(policy.retry_every)} is less than 1s"
            hint = "write 1s or more; by default it is a tenth of max_lag, at least 1m"
            self.report(asset.name, ("freshness", "retry_every"), "A0254", message, hint)
        if policy.cron is not None:
            self._cron(asset.name, ("freshness",), policy.cron, policy.timezone)
        elif "timezone" in written:
            message = "freshness.timezone has no effect without cron: an age is the same in every time zone"
            hint = "remove it, or add cron"
            self.report(asset.name, ("freshness", "timezone"), "A0253", message, hint, warning=True)

    def _schedule(self, asset: Asset, schedule: Schedule) -> None:
        self._cron(asset.name, ("schedule",), schedule.cron, schedule.timezone)
        if asset.command is None:
            message = "schedule runs an asset, and this one has no command"
            hint = "remove it; how often an external asset is looked at is observe.every"
            self.report(asset.name, ("schedule",), "A0831", message, hint)

    def _cron(self, name: str, keys: Sequence[Key], cron: str, timezone: str) -> None:
        """What is wrong with the cron expression and the time zone below these keys."""
        from assets_cli.model.cron import mistake, unknown_zone  # few manifests have one, and it needs a library

        prefix = ".".join(map(str, keys))
        if said := mistake(cron):
            message = f"{prefix}.cron '{cron[:80]}' {said}"
            hint = "write minute, hour, day of the month, month, day of the week: `0 9 * * 1-5` is 9:00 on workdays"
            self.report(name, (*keys, "cron"), "A0251", message, hint)
        zones = unknown_zone(timezone)
        if zones is not None:
            message = f"{prefix}.timezone: there is no time zone '{timezone[:80]}'"
            hint = _zone_hint(timezone, zones)
            self.report(name, (*keys, "timezone"), "A0252", message, hint)

    def _leaves(self, name: str, keys: Sequence[Key], path: str, how: str) -> None:
        message = f"{'.'.join(key for key in keys if isinstance(key, str))} '{path[:80]}' leaves the project {how}"
        self.report(name, keys, "A0137", message, "write a path inside the project, or an absolute one")


@lru_cache(maxsize=64)  # as many assets may have it from one place
def _zone_hint(timezone: str, zones: tuple[str, ...]) -> str:
    if not zones:
        return "no time zones are installed here: pip install tzdata"
    return Spelling(zones).hint(timezone) or "write a name of the IANA database, such as Europe/Paris or UTC"


def _declare(declared: frozenset[str]) -> str:
    if declared:
        return "declared connections: " + ", ".join(sorted(declared)[:10])
    return "declare one: `connections: {warehouse: {type: duckdb, path: data/warehouse.duckdb}}`"


def define(sources: Sequence[Source]) -> tuple[dict[str, Definition], list[Problem]]:
    """The definition of each name, the first where there are several, and a problem for each further one."""
    definitions: dict[str, Definition] = {}
    problems: list[Problem] = []
    for source in sources:
        document = source.document
        values = document.values.get("assets") if isinstance(document.values, dict) else None
        if not isinstance(values, list):
            continue
        marks, defaults, broken = document.marks[id(values)], source.defaults, source.broken
        for index, entry in enumerate(values):
            name = entry.get("name") if isinstance(entry, dict) else None
            if not isinstance(name, str) or not name:
                continue
            if name in definitions:
                problems.append(_duplicate(source, index, definitions[name], name))
                continue
            asset = None
            if index not in broken:
                merged = merge(defaults, entry) if defaults else entry
                asset = make(merged, document.place_at(marks[index]))
            definitions[name] = Definition(source, index, asset)
    return definitions, problems


def _duplicate(source: Source, index: int, first: Definition, name: str) -> Problem:
    place = first.source.document.place(("assets", first.position, "name"))
    problem = source.document.problem(
        ("assets", index, "name"),
        "A0201",
        f"asset '{name}': this name is taken",
        "give one of the two another name",
        related=(Related(place, "first defined here"),),
    )
    return problem._replace(asset=name)
