"""What every kind of database refuses, or says, in the same words."""

from __future__ import annotations

from collections.abc import Iterable

from assets_cli.connections import names
from assets_cli.connections.protocol import DatabaseError

SCRIPT_HINT = "declare `materialization: script` to run statements as they stand"
_READ_HINT = "this only reads; an asset with `materialization: script` may run other statements"


def first_line(text: str) -> str:
    """The first line that says something."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def no_table(table: str, known: Iterable[str]) -> DatabaseError:
    """A table is asked for that is not among those there are."""
    return DatabaseError(f"the table {table} does not exist", hint=names.hint(table, known))


def require_one_select(statements: int) -> None:
    """Refuse a query of no statement, or of several.

    Raises:
        DatabaseError: it is one.
    """
    _require_one(statements, "SELECT", SCRIPT_HINT)


def no_select(found: str) -> DatabaseError:
    """A query is something else than a SELECT."""
    return DatabaseError(f"expected a SELECT, found {found}", hint=SCRIPT_HINT)


def require_one_query(statements: int) -> None:
    """Refuse a question of no statement, or of several.

    Raises:
        DatabaseError: it is one.
    """
    _require_one(statements, "query", None)


def _require_one(statements: int, what: str, hint: str | None) -> None:
    if not statements:
        raise DatabaseError("the query is empty")
    if statements > 1:
        raise DatabaseError(f"expected one {what}, found {statements} statements", hint=hint)


def no_query(found: str) -> DatabaseError:
    """A question is a statement that may do more than read."""
    return DatabaseError(f"expected a query, found {found}", hint=_READ_HINT)
