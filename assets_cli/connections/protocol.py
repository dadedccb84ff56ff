"""What every kind of database offers to the rest of the house.

A `Database` is where tables are, without an open connection; a `Session` is one open connection to it.
Nothing here knows of assets, graphs or history.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol


class TableState(NamedTuple):
    """What a table holds: its row count, the digest of its content (`algorithm:hex`) and its columns with their types."""

    rows: int
    digest: str
    columns: tuple[tuple[str, str], ...]


class DatabaseError(Exception):
    """The database refused. The message is the database's own, without our SQL around it; `hint` says what to do."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class Session(Protocol):
    """One open connection. Not shared between threads."""

    raw: Any

    def existing(self, tables: Sequence[str]) -> set[str]:
        """Which of these tables or views exist. Names may be qualified by a schema."""
        ...

    def table_state(self, table: str) -> TableState:
        """Count and sum of row hashes of a table or view: the same for the same rows in any order."""
        ...

    def publish_select(
        self, table: str, query: str, kind: Literal["table", "view"], before_commit: Callable[[TableState], None]
    ) -> TableState:
        """Fill `table` from a SELECT in one transaction. `before_commit` is called with what is about to be published.

        What was there before, table or view, is replaced; readers see the old or the new, never neither.
        """
        ...

    def run_script(self, script: str) -> None:
        """Run the statements of a script as they stand."""
        ...

    def scalar(self, query: str) -> Any:
        """The first column of the first row of a query; None where it returns no row."""
        ...

    def close(self) -> None:
        """Close the connection; for a file database nothing of it stays open."""
        ...


class Database(Protocol):
    """Where tables are."""

    dialect: str
    location: str
    """Where it is, without credentials: part of the code version."""
    file: Path | None
    """The real path of a file database, which is a mutex across processes; None for a server."""

    def open(self, *, read_only: bool = False) -> Session:
        """Connect.

        Raises:
            DatabaseError: the database cannot be opened.
        """
        ...
