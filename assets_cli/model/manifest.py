"""What the user declared: assets, commands, outputs, promises, connections.

Texts keep `${env.X}` and `$${` as written (`${vars.x}` is filled in already); `template.fill_environment`
resolves them where they are used, so that no secret is ever part of a manifest value.
Paths are as written: relative to the project root, posix, or absolute.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from assets_cli.model.problem import Place, Problem

Materialization = Literal["table", "view", "script"]
DataVersionMode = Literal["content", "stat", "always"]
DEFAULT_ENVIRONMENT = "default"
"""The environment without `--env`: the manifest as it is, without an overlay."""
CheckKind = Literal["not_null", "unique", "accepted_values", "row_count", "between", "sql", "python", "shell"]


class ShellCommand(NamedTuple):
    """A text run by `interpreter + [run]` in the project root. `run` is dedented."""

    run: str
    interpreter: tuple[str, ...] = ("sh", "-e", "-c")


class SqlCommand(NamedTuple):
    """SQL from a file of the project (`path`) or written inline (`query`, dedented): exactly one of them is set."""

    path: str | None = None
    query: str | None = None


class PythonCommand(NamedTuple):
    """`function` of `module`, imported with the project root on `sys.path`."""

    module: str
    function: str


Command = ShellCommand | SqlCommand | PythonCommand


class PathProbe(NamedTuple):
    """An external asset is observed by what is at a path: a file, a directory or a glob."""

    path: str


class ShellProbe(NamedTuple):
    """An external asset is observed by what a text, run by `interpreter + [run]` in the project root, prints."""

    run: str
    interpreter: tuple[str, ...] = ("sh", "-e", "-c")


Probe = PathProbe | ShellProbe


class Output(NamedTuple):
    """Where an asset's contents are: a path (file, directory or glob), a table in a connection, or neither (script).

    `atomic`: a shell command writes to a temporary path, which becomes the output when it has succeeded.
    """

    path: str | None = None
    table: str | None = None
    connection: str | None = None
    materialization: Materialization = "table"
    atomic: bool = False


class Retries(NamedTuple):
    """`max` further attempts after the first; `delay` in microseconds; `retry_on` exit codes, None for any failure."""

    max: int = 0
    delay: int = 0
    backoff: Literal["constant", "exponential"] = "constant"
    retry_on: tuple[int, ...] | None = None


class FreshnessPolicy(NamedTuple):
    """The promise: data no older than `max_lag`, a warning from `warn_lag` on. Both in microseconds."""

    max_lag: int
    warn_lag: int | None = None


class Connection(NamedTuple):
    """A place that holds tables. `options` are the manifest's keys but `type`, as written."""

    name: str
    type: str
    options: Mapping[str, str]


class Check(NamedTuple):
    """An assertion on an asset's contents. `name` is unique within the asset; one that fails and is `blocking` blocks.

    `arguments` by kind: `columns` of not_null and unique; `column` and `values`; `column`, `min` and `max`, of which
    one may be missing; `query` or `path` of sql; `module` and `function`; `run` of shell.
    """

    name: str
    kind: CheckKind
    arguments: Mapping[str, Any]
    severity: Literal["error", "warn"] = "error"
    blocking: bool = False


class Asset(NamedTuple):
    """One declared asset. `place` is where its definition starts. `timeout` is in microseconds, None for no limit.

    `pool` names one of the manifest's; an `isolated` Python function gets a process of its own. `moved_from` are names
    that it had before, the latest first.
    """

    name: str
    place: Place
    description: str = ""
    owners: tuple[str, ...] = ()
    group: str | None = None
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = {}
    kind: str = "external"
    command: Command | None = None
    code: tuple[str, ...] = ()
    code_version: str | None = None
    output: Output | None = None
    upstreams: tuple[str, ...] = ()
    freshness: FreshnessPolicy | None = None
    data_version: DataVersionMode | None = None
    data_version_sql: str | None = None
    timeout: int | None = None
    retries: Retries = Retries()
    env: Mapping[str, str] = {}
    checks: tuple[Check, ...] = ()
    observe: Probe | None = None
    pool: str | None = None
    isolated: bool = False
    moved_from: tuple[str, ...] = ()

    @property
    def is_external(self) -> bool:
        """Whether others produce it, so that it can only be observed."""
        return self.command is None


class Manifest(NamedTuple):
    """A whole project as declared. `root` is absolute; `file` and `state` are relative to it or absolute.

    `files` are all manifest files that were read, relative to the root. `warnings` are what was found and can be
    lived with. `locate(asset, *keys)` gives the place of a value of an asset, such as
    `locate("orders", "upstreams", 0)`, wherever it was written (also in `defaults`), or the nearest enclosing one.
    `environments` are those that have an overlay, each with its place; that of `environment` is part of all this.
    `pools` says how many steps may use each pool at once.
    """

    root: str
    file: str
    project: str
    environment: str
    state: str
    vars: Mapping[str, Any]
    connections: Mapping[str, Connection]
    default_connection: str | None
    assets: Mapping[str, Asset]
    files: tuple[str, ...]
    warnings: tuple[Problem, ...]
    locate: Callable[..., Place]
    environments: Mapping[str, Place] = {}
    pools: Mapping[str, int] = {}

    def connection_of(self, asset: Asset) -> Connection | None:
        """The connection that an asset's SQL and table are at, or None where nothing names one."""
        name = (asset.output.connection if asset.output else None) or self.default_connection
        return self.connections.get(name) if name else None
