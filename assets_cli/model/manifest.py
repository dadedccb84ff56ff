"""What the user declared: assets, commands, outputs, promises, connections.

Texts keep `${env.X}` and `$${` as written (`${vars.x}` is filled in already); `template.fill_environment`
resolves them where they are used, so that no secret is ever part of a manifest value.
Paths are as written: relative to the project root, posix, or absolute.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, NamedTuple

from assets_cli.model.duration import SECOND, written
from assets_cli.model.problem import Place, Problem, Severity

Materialization = Literal["table", "view", "append", "incremental", "script"]
GROWING = ("append", "incremental")
"""The materializations that keep the rows that are there."""

CONNECTION_TYPES = ("duckdb", "sqlite", "postgres", "sqlalchemy")
"""The types of connections that are built in."""

DataVersionMode = Literal["content", "stat", "always"]
DEFAULT_ENVIRONMENT = "default"
"""The environment without `--env`: the manifest as it is, without an overlay."""
_NO_IDENTIFIER = str.maketrans("./-", "___")
CheckKind = Literal[
    "not_null",
    "unique",
    "accepted_values",
    "row_count",
    "between",
    "schema",
    "relationships",
    "matches",
    "volume",
    "max_age",
    "sql",
    "python",
    "shell",
]
PRIVATE = "pii"
"""The tag of a column whose values are about people: no check shows them."""


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


class SqlProbe(NamedTuple):
    """An external asset is observed by the first row of a query of a connection; None is the default connection.

    The query is in a file of the project (`path`) or inline: exactly one of them is set.
    """

    path: str | None = None
    query: str | None = None
    connection: str | None = None


class HttpProbe(NamedTuple):
    """An external asset is observed by what a server says of a URL. `headers` are sent with each request."""

    url: str
    headers: Mapping[str, str] = {}


Probe = PathProbe | ShellProbe | SqlProbe | HttpProbe


class Output(NamedTuple):
    """Where an asset's contents are: a path (file, directory or glob), a table in a connection, or neither (script).

    `atomic`: a shell command writes to a temporary path, which becomes the output when it has succeeded.
    `unique_key` and `time_column` are columns that say which rows an incremental one replaces.
    """

    path: str | None = None
    table: str | None = None
    connection: str | None = None
    materialization: Materialization = "table"
    atomic: bool = False
    unique_key: tuple[str, ...] = ()
    time_column: str | None = None

    @property
    def grows(self) -> bool:
        """Whether a run adds to what is there."""
        return self.materialization in GROWING


class Retries(NamedTuple):
    """`max` further attempts after the first; `delay` in microseconds; `retry_on` exit codes, None for any failure."""

    max: int = 0
    delay: int = 0
    backoff: Literal["constant", "exponential"] = "constant"
    retry_on: tuple[int, ...] | None = None


class FreshnessPolicy(NamedTuple):
    """The promise: data no older than `max_lag`, a warning from `warn_lag` on; with `cron`, at its ticks.

    Lengths are in microseconds. `cron` fires by the clocks of `timezone`. `retry_every` is after how long a root that
    ran and is still overdue is tried again, where that is written.
    """

    max_lag: int
    warn_lag: int | None = None
    cron: str | None = None
    timezone: str = "UTC"
    retry_every: int | None = None

    @property
    def pause(self) -> int:
        """After how long a root that ran and is still overdue is tried again: a tenth of `max_lag`, at least 1m."""
        return max(self.max_lag // 10, 60 * SECOND) if self.retry_every is None else self.retry_every

    @property
    def text(self) -> str:
        """`6h`, or `1h at 0 9 * * 1-5 Europe/Paris`."""
        lag = written(self.max_lag)
        return lag if self.cron is None else f"{lag} at {self.cron} {self.timezone}"


class Schedule(NamedTuple):
    """When `assets up` runs an asset, whatever its state: at the ticks of `cron` by the clocks of `timezone`."""

    cron: str
    timezone: str = "UTC"

    @property
    def text(self) -> str:
        """`0 9 * * 1-5 Europe/Paris`."""
        return f"{self.cron} {self.timezone}"


class Connection(NamedTuple):
    """A place that holds tables. `options` are the manifest's keys but `type`, as written."""

    name: str
    type: str
    options: Mapping[str, str]


class Check(NamedTuple):
    """An assertion on an asset's contents. `name` is unique within the asset; one that fails and is `blocking` blocks.

    `arguments` by kind: `columns` of not_null and unique; `column` and `values`; `column`, `min` and `max`, of which
    one may be missing; `allow_extra` of schema; `column`, `to` and `field` of relationships; `column` and `pattern`;
    `tolerance` and `history` of volume; `column` and `max` (microseconds) of max_age; `query` or `path` of sql;
    `module` and `function`; `run` of shell.
    """

    name: str
    kind: CheckKind
    arguments: Mapping[str, Any]
    severity: Literal["error", "warn"] = "error"
    blocking: bool = False


class Column(NamedTuple):
    """A column as declared. An empty `type` is any type."""

    name: str
    type: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()

    @property
    def is_private(self) -> bool:
        """Whether its values must not be shown where nobody asked for them."""
        return PRIVATE in self.tags


def parameter_name(asset: str) -> str:
    """The parameter of a Python function that stands for an asset: `raw/events.daily-1` is `raw_events_daily_1`."""
    return asset if asset.isidentifier() else asset.translate(_NO_IDENTIFIER)


class Spot(NamedTuple):
    """A line and a column, from 1, in a text of the manifest; as the last key of `locate` it gives the place of it."""

    line: int
    column: int


class Inferred(NamedTuple):
    """An upstream that nobody wrote: where the code names it. `file` is None for a query that is in the manifest."""

    upstream: str
    file: str | None
    line: int
    column: int


class Asset(NamedTuple):
    """One declared asset. `place` is where its definition starts. `timeout` is in microseconds, None for no limit.

    `pool` names one of the manifest's; an `isolated` Python function gets a process of its own. `moved_from` are names
    that it had before, the latest first.
    `upstreams` are all of them, those that are written first; `inferred` says of the others where the code names them.
    `observe_every` is how often `assets up` looks at an external asset, in microseconds, where that is written.
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
    columns: tuple[Column, ...] = ()
    inferred: tuple[Inferred, ...] = ()
    schedule: Schedule | None = None
    observe_every: int | None = None

    @property
    def is_external(self) -> bool:
        """Whether others produce it, so that it can only be observed."""
        return self.command is None

    @property
    def written_upstreams(self) -> tuple[str, ...]:
        """The upstreams that the manifest names."""
        return self.upstreams[: len(self.upstreams) - len(self.inferred)]


class ColumnPolicy(NamedTuple):
    """What a policy asks of columns: those in whose name the pattern `match` is found, or all.

    `tags` are what each is tagged, `names` is the pattern of their names, `require` the keys that each has.
    """

    match: str | None = None
    tags: tuple[str, ...] = ()
    names: str | None = None
    require: tuple[str, ...] = ()


class Policy(NamedTuple):
    """A rule of the house that assets are held to. `position` is its place in the list of them, from 0.

    `select` names those that it is about, all where it is None; `excepted` those that it is not held against. What is
    asked: features that they have, and have not; the pattern of their names; values, by key, that are allowed;
    `upstreams`, the selection that they may read; their columns; and what a function of the project says.
    """

    name: str
    place: Place
    position: int
    description: str = ""
    select: str | None = None
    excepted: str | None = None
    severity: Severity = "error"
    require: tuple[str, ...] = ()
    forbid: tuple[str, ...] = ()
    names: str | None = None
    allowed: Mapping[str, Any] = {}
    upstreams: str | None = None
    columns: ColumnPolicy | None = None
    python: PythonCommand | None = None


AlertEvent = Literal["overdue", "at_risk", "failed", "check_failed", "recovered"]
ALERT_EVENTS: Final[tuple[AlertEvent, ...]] = ("overdue", "at_risk", "failed", "check_failed", "recovered")


class AlertRoute(NamedTuple):
    """Who is told what: `urls` of Apprise with `${env.X}` as written, or the text of a command.

    `select` names the assets that it is about, all where it is None. `severity` is the least; `quiet` is in
    microseconds.
    """

    name: str
    urls: tuple[str, ...] = ()
    command: str | None = None
    tell: tuple[AlertEvent, ...] = ALERT_EVENTS
    select: str | None = None
    severity: Severity = "warning"
    quiet: int = 3_600_000_000


class Manifest(NamedTuple):
    """A whole project as declared. `root` is absolute; `file` and `state` are relative to it or absolute.

    `files` are all manifest files that were read, relative to the root. `warnings` are what was found and can be
    lived with. `locate(asset, *keys)` gives the place of a value of an asset, such as
    `locate("orders", "upstreams", 0)`, wherever it was written (also in `defaults`), or the nearest enclosing one; for
    the asset "" that of a value of the root file.
    `environments` are those that have an overlay, each with its place; that of `environment` is part of all this.
    `pools` says how many steps may use each pool at once. `policies` are for `validate`, and not kept for others.
    `alerts` are the routes of alerts.
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
    policies: tuple[Policy, ...] = ()
    alerts: tuple[AlertRoute, ...] = ()

    def connection_of(self, asset: Asset) -> Connection | None:
        """The connection that an asset's SQL and table are at, or None where nothing names one."""
        name = (asset.output.connection if asset.output else None) or self.default_connection
        return self.connections.get(name) if name else None

    def place_of_upstream(self, name: str, upstream: str) -> Place:
        """Where an asset says that it is made from another: in the manifest, or the line of code that names it."""
        asset = self.assets[name]
        written = asset.written_upstreams
        if upstream in written:
            return self.locate(name, "upstreams", written.index(upstream))
        for found in asset.inferred:
            if found.upstream == upstream:
                return self.place_in_code(name, found.file, found.line, found.column)
        return self.locate(name, "upstreams")

    def place_in_code(self, name: str, file: str | None, line: int, column: int) -> Place:
        """A place in a file, or in the query that an asset has in the manifest itself."""
        if file is not None:
            return Place(file, line, column)
        return self.locate(name, "command", "sql", Spot(line, column))
