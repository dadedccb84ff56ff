"""What a compute is given and what it gives back. It runs one command in a worker process.

Databases are handed in. Of them a compute knows only the few methods written here, and of the coordinator only
a channel; it knows nothing of graphs, plans or history.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

from assets_cli.computes.reported import Reported
from assets_cli.model.growth import Growth


class ComputeFailedError(Exception):
    """The command failed for a reason that one sentence says.

    `exit_code` is what the worker ends with; `logged` is set where the log says more than the message already.
    """

    def __init__(self, message: str, hint: str | None = None, *, exit_code: int = 1, logged: bool = False) -> None:
        super().__init__(message)
        self.hint = hint
        self.exit_code = exit_code
        self.logged = logged


class Address(NamedTuple):
    """Where an upstream's contents are: an absolute path or glob, or a table and its connection, or nowhere."""

    path: str | None = None
    table: str | None = None
    connection: str | None = None


class Destination(NamedTuple):
    """Where the asset's contents go, and how a SELECT gets there, as `model.manifest.Output` has it."""

    path: str | None = None
    table: str | None = None
    connection: str | None = None
    materialization: str = "table"
    unique_key: tuple[str, ...] = ()
    time_column: str | None = None


class Job(NamedTuple):
    """One command to run, as the coordinator describes it; its variables are filled in."""

    compute: str
    asset: str
    run: str
    environment: str
    root: str
    command: Mapping[str, Any]
    output: Destination
    connections: Mapping[str, Mapping[str, Any]]
    default_connection: str | None
    upstreams: Mapping[str, Address]
    vars: Mapping[str, Any]
    data_version: str | None = None
    data_version_sql: str | None = None
    growth: Mapping[str, Any] = {}
    """Of a table that grows what `Growth` of the connections takes besides the columns of the output."""

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Job:
        """The job of the worker protocol's first line."""
        output = document["output"] or {}
        return cls(
            compute=document["compute"],
            asset=document["asset"],
            run=document["run"],
            environment=document["environment"],
            root=document["root"],
            command=document["command"],
            output=Destination(**{key: output[key] for key in Destination._fields if key in output}),
            connections=document["connections"],
            default_connection=document["default_connection"],
            upstreams={name: Address(**where) for name, where in document["upstreams"].items()},
            vars=document["vars"],
            data_version=document.get("data_version"),
            data_version_sql=document.get("data_version_sql"),
            growth=document.get("growth") or {},
        )

    @property
    def connection(self) -> str:
        """The name of the connection of the asset's SQL and table.

        Raises:
            ComputeFailedError: none is declared.
        """
        name = self.output.connection or self.default_connection
        if name is None:
            hint = "name it as `output.connection`, or declare a `default_connection`"
            raise ComputeFailedError(f"{self.asset} names no connection", hint=hint)
        return name


class TableState(Protocol):
    """What a table holds."""

    @property
    def rows(self) -> int | None:
        """The number of rows; None for a view."""
        ...

    @property
    def digest(self) -> str:
        """The digest of its content."""
        ...

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """Names and types."""
        ...


class Session(Protocol):
    """What a compute asks of an open connection."""

    raw: Any

    def existing(self, tables: Sequence[str]) -> set[str]:
        """Which of these tables or views exist."""
        ...

    def table_state(self, table: str) -> TableState:
        """What a table holds."""
        ...

    def publish_select(
        self, table: str, query: str, kind: Literal["table", "view"], before_commit: Callable[[TableState], None]
    ) -> TableState:
        """Fill a table from a SELECT in one transaction."""
        ...

    def grow(
        self, table: str, query: str, growth: Growth, before_commit: Callable[[TableState, int | None], None]
    ) -> TableState:
        """Add the rows of a SELECT to a table in one transaction."""
        ...

    def content(self, table: str) -> str:
        """The digest of the rows of a table."""
        ...

    def arrow(self, table: str) -> Any:
        """All rows of a table as a `pyarrow.Table`."""
        ...

    def publish_arrow(self, table: str, rows: Any, before_commit: Callable[[TableState], None]) -> TableState:
        """Fill a table from Arrow in one transaction."""
        ...

    def run_script(self, script: str) -> None:
        """Run statements as they stand."""
        ...

    def scalar(self, query: str) -> Any:
        """The first column of the first row."""
        ...

    def commit(self) -> None:
        """Commit what is open."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


class Database(Protocol):
    """What a compute asks of a database."""

    @property
    def dialect(self) -> str:
        """The name of its SQL dialect."""
        ...

    def open(self, *, read_only: bool = False) -> Session:
        """Connect."""
        ...


class RelationSession(Session, Protocol):
    """What a compute asks of a connection to DuckDB besides, where relations are."""

    def lazily(self, table: str) -> Any:
        """A table as a relation of this connection."""
        ...

    def owns(self, relation: Any) -> bool:
        """Whether a relation is of this connection."""
        ...

    def publish_relation(self, table: str, relation: Any, before_commit: Callable[[TableState], None]) -> TableState:
        """Fill a table from a relation of this connection in one transaction."""
        ...


Databases = Callable[[str], Database]
"""The database of a connection's name."""


class Channel(Protocol):
    """The way back to the coordinator."""

    def prepared(self, state: TableState, size: int | None = None, **more: Any) -> None:
        """Say what is about to be published, of a file also its bytes, and wait until it is on record.

        `more` are further fields of `Done`.

        Raises:
            ComputeFailedError: it must not be published.
        """
        ...

    def report(self, reported: Reported) -> None:
        """Pass on what the command said of its output."""
        ...


class Done(NamedTuple):
    """What a command left in its table, where it has one; `data_version` where an expression was declared for it.

    `added` is how many rows came to those that the table held; None where it was built anew.
    """

    rows: int | None = None
    digest: str | None = None
    columns: tuple[tuple[str, str], ...] | None = None
    data_version: str | None = None
    added: int | None = None


Run = Callable[[Job, Databases, Channel], Done]
"""What every compute's module offers as `run`. It raises `ComputeFailedError`, or what a database raises."""
