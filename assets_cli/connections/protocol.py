"""What every kind of database offers to the rest of the house.

A `Database` is where tables are, without an open connection; a `Session` is one open connection to it.
Nothing here knows of assets, graphs or history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, Self

from assets_cli.model.growth import Growth
from assets_cli.model.world import SERVER_TABLE

__all__ = [
    "SERVER_TABLE",
    "VIEW_DIGEST",
    "Database",
    "DatabaseError",
    "Fetched",
    "Growth",
    "Kind",
    "Rows",
    "Session",
    "TableState",
]

Kind = Literal["table", "view"]
_BATCH = 1_000

VIEW_DIGEST = "exists:view"
"""The digest of every view: to say more about its rows would mean to run it."""


class TableState(NamedTuple):
    """What a table holds: its row count, the digest of its content (`algorithm:hex`) and its columns with their types.

    Of a view, which holds nothing, `rows` is None and the digest is that of its query, or `VIEW_DIGEST` on a server.
    """

    rows: int | None
    digest: str
    columns: tuple[tuple[str, str], ...]


class Fetched(NamedTuple):
    """What a query returned: its columns, its first rows, and how many there are, counted no further than asked for."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    total: int

    @classmethod
    def read(cls, cursor: Any, columns: tuple[str, ...], keep: int, count_to: int) -> Self:
        """Read `keep` rows of a cursor as DB-API has them, and count the others as they come, up to `count_to`."""
        rows = tuple(map(tuple, cursor.fetchmany(keep))) if keep else ()
        count = len(rows)
        while count < count_to and (batch := cursor.fetchmany(min(_BATCH, count_to - count))):
            count += len(batch)
        return cls(columns, rows, count)


class Rows(NamedTuple):
    """What a query answered: columns with their types ("" where the database has none), rows in batches as they come.

    They are there as long as the database is open; reading them may raise `AssetsError`.
    """

    columns: tuple[tuple[str, str], ...]
    batches: Iterator[list[tuple[Any, ...]]]


class DatabaseError(Exception):
    """The database refused. The message is one line in the database's own words; `hint` says what to do.

    `line` counts from 1 in the text that was handed in, where the database named one; `detail` is all that the
    database had to say, for a log; `in_use` is set where another program holds the database, `lost` where the
    connection to it broke, or could not be made, for a reason that may pass.
    """

    def __init__(
        self,
        message: str,
        hint: str | None = None,
        *,
        line: int | None = None,
        detail: str | None = None,
        in_use: bool = False,
        lost: bool = False,
    ) -> None:
        super().__init__(message)
        self.hint = hint
        self.line = line
        self.detail = detail
        self.in_use = in_use
        self.lost = lost


class Session(Protocol):
    """One open connection. Not shared between threads. Every method may raise `DatabaseError`.

    A table's name may be qualified (`mart.orders`) and parts of it may be quoted (`mart."my table"`).
    """

    raw: Any
    """The driver's own connection, for a user's function."""

    dialect: str
    """The name of its SQL dialect, as of its database."""

    def existing(self, tables: Sequence[str]) -> set[str]:
        """Which of these tables or views exist. Names may be qualified by a schema."""
        ...

    def table_state(self, table: str) -> TableState:
        """Count and sum of row hashes of a table: the same for the same rows in any order.

        Raises:
            DatabaseError: there is no such table or view.
        """
        ...

    def publish_select(
        self, table: str, query: str, kind: Kind, before_commit: Callable[[TableState], None]
    ) -> TableState:
        """Fill `table` from a SELECT in one transaction. `before_commit` is called with what is about to be published.

        What was there before, table or view, is replaced; readers see the old or the new, never neither. Whatever
        `before_commit` raises undoes it all.
        """
        ...

    def grow(
        self, table: str, query: str, growth: Growth, before_commit: Callable[[TableState, int | None], None]
    ) -> TableState:
        """Add the rows of a SELECT to `table` in one transaction, otherwise like `publish_select`.

        `before_commit` is also told how many rows came to those that were there; None where the table was built anew.

        Raises:
            DatabaseError: another attempt than `growth.after` has filled the table, the columns are not the table's, or
                the key or the time of a row is missing or, of a key, there twice.
        """
        ...

    def attempt_of(self, table: str) -> str | None:
        """The attempt that filled `table` last by `grow`; None where none did."""
        ...

    def arrow(self, table: str) -> Any:
        """All rows of a table or view as a `pyarrow.Table`; moments in time come in UTC.

        Raises:
            DatabaseError: there is no such table, or Arrow has no type for what it holds.
        """
        ...

    def publish_arrow(self, table: str, rows: Any, before_commit: Callable[[TableState], None]) -> TableState:
        """Fill `table` from a `pyarrow.Table` or `pyarrow.RecordBatchReader`, otherwise like `publish_select`.

        Raises:
            DatabaseError: the database has no type for a column.
        """
        ...

    def run_script(self, script: str) -> None:
        """Run the statements of a script as they stand."""
        ...

    def scalar(self, query: str) -> Any:
        """The first column of the first row of a query; None where it returns no row."""
        ...

    def content(self, table: str) -> str:
        """The digest of the rows of a table, whatever it costs: the same for the same rows in any order."""
        ...

    def version(self) -> str:
        """The database's product and version, for people."""
        ...

    def qualified(self, table: str) -> str:
        """A table's name as a query writes it, every part quoted."""
        ...

    def columns(self, table: str) -> tuple[tuple[str, str], ...]:
        """Names and types of the columns of a table or view; its rows are not read.

        Raises:
            DatabaseError: there is no such table or view.
        """
        ...

    def fetch(self, query: str, keep: int, count_to: int) -> Fetched:
        """Run one SELECT: its first `keep` rows, and how many there are, counted no further than `count_to`."""
        ...

    def read(self, query: str) -> Rows:
        """The answer of one query that only reads, in batches as they come: a large one is never held whole.

        Raises:
            DatabaseError: it does not only read, or the database refuses it; reading the batches may raise it, too.
        """
        ...

    def commit(self) -> None:
        """Make lasting what a user's statements on `raw` left in an open transaction; nothing where there is none."""
        ...

    def close(self) -> None:
        """Close the connection; for a file database nothing of it stays open."""
        ...


class Database(Protocol):
    """Where tables are."""

    @property
    def dialect(self) -> str:
        """The name of its SQL dialect, as sqlglot calls it."""
        ...

    @property
    def location(self) -> str:
        """Where it is, without credentials: part of the code version."""
        ...

    @property
    def file(self) -> Path | None:
        """The real path of a file database, which is a mutex across processes; None for a server."""
        ...

    def open(self, *, read_only: bool = False) -> Session:
        """Connect. A file database that does not exist is created, unless `read_only`.

        Raises:
            DatabaseError: the database cannot be opened.
        """
        ...
