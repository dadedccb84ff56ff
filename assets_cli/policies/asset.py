"""What a function of a policy is given: an asset in a few plain, frozen values, and these as a JSON document.

Public and stable: names and meanings of fields stay, further ones may come at the end. Imports nothing of ours where a
function runs, so that what the values are does not follow from how we keep assets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from assets_cli.graph import AssetGraph
    from assets_cli.model import manifest as declared

VERSION: Final = 1
"""The version of the document."""

_SECOND: Final = 1_000_000
"""In microseconds."""


class Command(NamedTuple):
    """What makes an asset. `text` is as written: a shell command, a query, `module:function`; of a SQL file, `path`."""

    kind: Literal["shell", "sql", "python"]
    text: str = ""
    path: str | None = None


class Output(NamedTuple):
    """Where an asset's contents are. `connection` is that of a table, also where it is the default one."""

    path: str | None = None
    table: str | None = None
    connection: str | None = None
    materialization: str = "table"


class Column(NamedTuple):
    """A column. One that is not `declared` under `columns:` is known from the asset's SQL, by its name alone."""

    name: str
    type: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    declared: bool = True


class Check(NamedTuple):
    """A check, by the name that it has or gets, and its kind: `unique`, `sql` …; `columns` are those that it names."""

    name: str
    kind: str
    severity: Literal["error", "warn"] = "error"
    blocking: bool = False
    columns: tuple[str, ...] = ()


class Freshness(NamedTuple):
    """A freshness policy; lengths in seconds. Without `cron` it holds at any moment."""

    max_lag: float
    warn_lag: float | None = None
    cron: str | None = None
    timezone: str = "UTC"


class Asset(NamedTuple):
    """An asset as the manifest has it: with what comes from `defaults`, the environment and variables.

    `upstreams` and `downstreams` are names of the direct ones, those that are inferred among them. `timeout` is in
    seconds, `retries` a number of further attempts. `file` and `line` say where it is defined, `file` relative to the
    project, which is the working directory. `${env.X}` stands as written.
    """

    name: str
    description: str = ""
    owners: tuple[str, ...] = ()
    group: str | None = None
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = {}
    kind: str = "external"
    command: Command | None = None
    output: Output | None = None
    columns: tuple[Column, ...] = ()
    checks: tuple[Check, ...] = ()
    upstreams: tuple[str, ...] = ()
    downstreams: tuple[str, ...] = ()
    freshness: Freshness | None = None
    timeout: float | None = None
    retries: int = 0
    pool: str | None = None
    environment: str = "default"
    file: str = ""
    line: int = 1

    @property
    def is_external(self) -> bool:
        """Whether others produce it."""
        return self.command is None


def _seconds(length: int | None) -> float | None:
    return None if length is None else length / _SECOND


def document(graph: AssetGraph, name: str, columns: Iterable[str]) -> dict[str, Any]:
    """An asset as a JSON document, of which `asset_of` makes the value. `columns` are those known from its SQL."""
    asset = graph.assets[name]
    declared_ones = [[each.name, each.type, each.description, list(each.tags), True] for each in asset.columns]
    seen = {each.name.lower() for each in asset.columns}
    lag = asset.freshness
    return {
        "name": name,
        "description": asset.description,
        "owners": list(asset.owners),
        "group": asset.group,
        "tags": list(asset.tags),
        "metadata": asset.metadata,
        "kind": asset.kind,
        "command": _command(asset.command),
        "output": _output(graph.manifest, asset),
        "columns": [*declared_ones, *([each, "", "", [], False] for each in columns if each.lower() not in seen)],
        "checks": [[each.name, each.kind, each.severity, each.blocking, _columns_of(each)] for each in asset.checks],
        "upstreams": list(asset.upstreams),
        "downstreams": list(graph.downstreams(name)),
        "freshness": lag and [*map(_seconds, (lag.max_lag, lag.warn_lag)), lag.cron, lag.timezone],
        "timeout": asset.timeout if asset.timeout is None else asset.timeout / _SECOND,
        "retries": asset.retries.max,
        "pool": asset.pool,
        "environment": graph.manifest.environment,
        "file": asset.place.file,
        "line": asset.place.line,
    }


def asset_of(values: Mapping[str, Any]) -> Asset:
    """The value of a document."""
    command, output, freshness = values["command"], values["output"], values["freshness"]
    fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    fields["command"] = command and Command(*command)
    fields["output"] = output and Output(*output)
    fields["freshness"] = freshness and Freshness(*freshness)
    fields["columns"] = tuple([Column._make([*each[:3], tuple(each[3]), each[4]]) for each in values["columns"]])
    fields["checks"] = tuple([Check._make([*each[:4], tuple(each[4])]) for each in values["checks"]])
    return Asset(**fields)


def _command(command: declared.Command | None) -> list[str | None] | None:
    from assets_cli.model.manifest import ShellCommand, SqlCommand  # on our side of the pipe only

    if command is None:
        return None
    if isinstance(command, ShellCommand):
        return ["shell", command.run, None]
    if isinstance(command, SqlCommand):
        return ["sql", command.query or "", command.path]
    return ["python", f"{command.module}:{command.function}", None]


def _output(manifest: declared.Manifest, asset: declared.Asset) -> list[str | None] | None:
    output = asset.output
    if output is None:
        return None
    connection = manifest.connection_of(asset) if output.table is not None else None
    return [output.path, output.table, connection.name if connection else None, output.materialization]


def _columns_of(check: declared.Check) -> list[str]:
    named = check.arguments.get("columns")
    if isinstance(named, tuple):
        return list(named)
    column = check.arguments.get("column")
    return [column] if isinstance(column, str) else []
