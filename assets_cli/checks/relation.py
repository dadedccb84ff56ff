"""A table as checks query it: its name, its columns, and what of them may be shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from assets_cli.checks.files import quoted
from assets_cli.checks.privacy import MASK
from assets_cli.checks.protocol import OPEN, CheckError, Privacy, Session, Subject
from assets_cli.checks.values import Column
from assets_cli.model.spelling import nearest

_MOST_NAMED = 8
_BACKTICKS = frozenset({"mysql", "bigquery", "databricks", "spark", "spark2", "hive"})
_WITHOUT_LIMIT = frozenset({"tsql", "oracle"})


class Relation(NamedTuple):
    """A table as a query names it, with its columns."""

    source: str
    columns: tuple[Column, ...]
    dialect: str
    privacy: Privacy = OPEN

    def named(self, names: Sequence[str], where: str = "") -> list[Column]:
        """The columns of these names, as databases compare names: without regard to case.

        Raises:
            CheckError: one is not there; `where` says in what, if not in the asset itself.
        """
        there = {column.name.lower(): column for column in self.columns}
        missing = [name for name in names if name.lower() not in there]
        if missing:
            near = nearest(missing[0], there)
            shown = [column.name for column in self.columns]
            more = f" and {len(shown) - _MOST_NAMED} more" if len(shown) > _MOST_NAMED else ""
            hint = f"did you mean {there[near].name}?" if near else f"columns: {', '.join(shown[:_MOST_NAMED])}{more}"
            named = " and ".join(missing) if len(missing) <= 2 else f"{missing[0]} and {len(missing) - 1} more"  # noqa: PLR2004 - a pair
            raise CheckError(f"there is no column {named}{where} ({hint})")
        return [there[name.lower()] for name in names]

    def shown(self, columns: Sequence[Column]) -> str:
        """Columns as a SELECT lists them; values that must not be shown do not leave the database."""
        return ", ".join(
            f"'{MASK}' as {column.sql}" if self.privacy.hides(column.name) else column.sql for column in columns
        )

    def shown_first(self, about: Sequence[Column]) -> str:
        """All columns, those that a check is about first."""
        names = {column.name for column in about}
        return self.shown([*about, *(column for column in self.columns if column.name not in names)])

    def first(self, query: str, count: int) -> str:
        """A query for no more than so many rows, where this database has words for that."""
        return query if self.dialect in _WITHOUT_LIMIT else f"{query} limit {count}"


def relation(session: Session, subject: Subject) -> Relation:
    """What is looked at.

    Raises:
        CheckError: the asset has no output that could be queried; or whatever the database raises.
    """
    table = subject.table
    if subject.path is not None:
        table = quoted(subject.asset)
    if table is None:
        raise CheckError(f"{subject.asset} declares no output that could be looked at")
    return of_table(session, table, subject.privacy)


def of_table(session: Session, table: str, privacy: Privacy = OPEN) -> Relation:
    """A table of a connection; raises whatever the database raises."""
    mark = "`" if session.dialect in _BACKTICKS else '"'
    columns = tuple(Column(name, kind.upper(), mark) for name, kind in session.columns(table))
    return Relation(session.qualified(table), columns, session.dialect, privacy)
