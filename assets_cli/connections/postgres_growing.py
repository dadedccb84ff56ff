"""A table of PostgreSQL that grows, as `growing` asks for one, and how its rows are called until they are its own."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from assets_cli.connections import growing, names

if TYPE_CHECKING:  # it imports this module
    from assets_cli.connections.postgres_session import PostgresSession

OURS = 1
"""A query is put on the line after our `create … as`: what PostgreSQL calls line 2 is the user's line 1."""


class Name(NamedTuple):
    """A table's schema and name as the catalogue has them."""

    schema: str
    table: str

    @property
    def quoted(self) -> str:
        """As statements write it."""
        return names.quote(*self)


def beside_of(name: Name) -> str:
    """A name for the rows that arrive; PostgreSQL cuts names off at 63 bytes, so that of the table is a digest."""
    return names.quote("__assets_new_" + hashlib.sha256(name.quoted.encode()).hexdigest()[:16])


class GrowingTable:
    """A table that grows, in an open transaction."""

    def __init__(self, session: PostgresSession, name: Name) -> None:
        self._session = session
        self._name = name
        self.target = name.quoted
        self.beside = beside_of(name)
        self.attempts = names.quote(name.schema, growing.ATTEMPTS)
        self.name = name.table

    def execute(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement."""
        if values:
            cursor = self._session.raw.execute(statement.replace("?", "%s"), list(values))
        else:
            cursor = self._session.raw.execute(statement)
        return cursor.fetchall() if cursor.description else []

    def quote(self, name: str) -> str:
        """A column's name."""
        return names.quote(name)

    def exists(self) -> bool:
        """Whether there is a table."""
        there = self._session._relation(self._name)  # noqa: SLF001 - its own
        return there is not None and there[1] in "rpf"

    def columns(self, table: str) -> tuple[tuple[str, str], ...]:
        """Names and types."""
        return self._session._described(table)  # noqa: SLF001 - its own

    def build(self, query: str) -> None:
        """Put the rows beside."""
        with self._session._refusals(OURS):  # noqa: SLF001 - its own
            self._session.raw.execute(f"create temp table {self.beside} as\n{query}")

    def discard(self) -> None:
        """Remove them."""
        self._session.raw.execute(f"drop table {self.beside}")

    def replace(self, query: str) -> int:
        """Make the table anew."""
        return self._session._replace_table(self._name, self._session._source(query))  # noqa: SLF001 - its own
