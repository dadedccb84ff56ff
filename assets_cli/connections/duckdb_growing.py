"""A table of DuckDB that grows, as `growing` asks for one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from assets_cli.connections import growing, names

if TYPE_CHECKING:  # it imports this module
    from assets_cli.connections.duckdb import DuckDBSession


class GrowingTable:
    """A table that grows, in an open transaction."""

    def __init__(self, session: DuckDBSession, name: tuple[str, str, str]) -> None:
        self._session = session
        self._parts = name
        self.target = names.quote(*name)
        self.beside = names.quote("temp", "main", "__assets_new_" + name[2])
        self.attempts = names.quote(*name[:2], growing.ATTEMPTS)
        self.name = names.fold(name[2]).decode("utf-8", "surrogatepass")

    def execute(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement."""
        rows: list[tuple[Any, ...]] = self._session.raw.execute(statement, list(values) or None).fetchall()
        return rows

    def quote(self, name: str) -> str:
        """A column's name."""
        return names.quote(name)

    def exists(self) -> bool:
        """Whether there is a table."""
        return self._session._relations().get(names.key(self._parts)) == "table"  # noqa: SLF001 - its own

    def columns(self, table: str) -> tuple[tuple[str, str], ...]:
        """Names and types."""
        return self._session._described(table)  # noqa: SLF001 - its own

    def build(self, query: str) -> None:
        """Put the rows beside."""
        self._session.raw.execute(f"create temp table {self.beside} as\n{query}")

    def discard(self) -> None:
        """Remove them."""
        self._session.raw.execute(f"drop table {self.beside}")

    def replace(self, query: str) -> int:
        """Make the table anew."""
        there = self._session._relations().get(names.key(self._parts))  # noqa: SLF001 - its own
        self._session._replace(self._parts, query, "table", there)
        return int(self.execute(f"select count(*) from {self.target}")[0][0])  # noqa: S608 - quoted
