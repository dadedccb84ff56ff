"""A table of SQLite that grows, as `growing` asks for one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from assets_cli.connections import growing, names

if TYPE_CHECKING:  # it imports this module
    from assets_cli.connections.sqlite import SQLiteSession

BESIDE = "__assets_new_"
"""How the name begins under which rows arrive, before they are in the table of the rest of that name."""


class GrowingTable:
    """A table that grows, in an open transaction."""

    def __init__(self, session: SQLiteSession, name: str) -> None:
        self._session = session
        self._table = name
        self.target = names.quote("main", name)
        self.beside = names.quote("temp", BESIDE + name)
        self.attempts = names.quote("main", growing.ATTEMPTS)
        self.name = names.fold(name).decode("utf-8", "surrogatepass")

    def execute(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement."""
        return self._session.raw.execute(statement, values).fetchall()  # type: ignore[no-any-return]

    def quote(self, name: str) -> str:
        """A column's name."""
        return names.quote(name)

    def exists(self) -> bool:
        """Whether there is a table."""
        return self._session._kind(self._table) == "table"  # noqa: SLF001 - its own

    def columns(self, table: str) -> tuple[tuple[str, str], ...]:
        """Names and types."""
        schema, name = ("main", self._table) if table == self.target else ("temp", BESIDE + self._table)
        return self._session._described(name, schema)  # noqa: SLF001 - its own

    def build(self, query: str) -> None:
        """Put the rows beside."""
        self._session.raw.execute(f"create temp table {names.quote(BESIDE + self._table)} as\n{query}")

    def discard(self) -> None:
        """Remove them."""
        self._session.raw.execute(f"drop table {self.beside}")

    def replace(self, query: str) -> int:
        """Make the table anew."""
        self._session._replace(self._table, query, "table")
        return int(self.execute(f"select count(*) from {self.target}")[0][0])  # noqa: S608 - quoted
