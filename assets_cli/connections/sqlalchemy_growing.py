"""A table that grows through SQLAlchemy, as `growing` asks for one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from assets_cli.connections import growing

if TYPE_CHECKING:  # it imports this module
    from assets_cli.connections.sqlalchemy_session import SQLAlchemySession


class Name(NamedTuple):
    """A table's name: what comes before it, and itself, as SQLAlchemy has names."""

    schema: str | None
    table: str


class GrowingTable:
    """A table that grows, in an open transaction."""

    def __init__(self, session: SQLAlchemySession, name: Name) -> None:
        self._session = session
        self._name = name
        self._new = session._beside(name)  # noqa: SLF001 - its own
        self.target = session._quoted(name)  # noqa: SLF001 - its own
        self.beside = session._quoted(self._new)  # noqa: SLF001 - its own
        self.attempts = session._quoted(Name(name.schema, growing.ATTEMPTS))  # noqa: SLF001 - its own
        self.name = session._folded(name.table)  # noqa: SLF001 - its own

    def execute(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement."""
        if values:
            import sqlalchemy as sa  # loaded long since

            for index in range(len(values)):
                statement = statement.replace("?", f":value{index}", 1)
            named = {f"value{index}": value for index, value in enumerate(values)}
            cursor = self._session.raw.execute(sa.text(statement), named)
        else:
            cursor = self._session._run(statement)  # noqa: SLF001 - its own
        return [tuple(row) for row in cursor.fetchall()] if cursor.returns_rows else []

    def quote(self, name: str) -> str:
        """A column's name."""
        return self._session.quote(name)

    def exists(self) -> bool:
        """Whether there is a table."""
        return self._session._kind(self._name) == "table"  # noqa: SLF001 - its own

    def columns(self, table: str) -> tuple[tuple[str, str], ...]:
        """Names and types."""
        name = self._name if table == self.target else self._new
        return self._session._described(name)  # noqa: SLF001 - its own

    def build(self, query: str) -> None:
        """Put the rows beside; where DDL commits, in a transaction of their own."""
        session = self._session
        if session._kind(self._new):  # noqa: SLF001 - its own
            session._run(f"drop table {self.beside}")  # noqa: SLF001 - its own
        session._create(self.beside, query)  # noqa: SLF001 - its own
        if not session._traits.transactional:  # noqa: SLF001 - its own
            session.raw.commit()

    def discard(self) -> None:
        """Remove them: where DDL commits, the next attempt does, since this one is not over."""
        if self._session._traits.transactional:  # noqa: SLF001 - its own
            self._session._run(f"drop table {self.beside}")  # noqa: SLF001 - its own
        else:
            self.execute(f"delete from {self.beside}")  # noqa: S608 - quoted

    def replace(self, query: str) -> int:
        """Make the table anew."""
        session = self._session
        return session._replace_table(self._name, lambda what: session._create(what, query))  # noqa: SLF001 - its own
