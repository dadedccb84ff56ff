"""A column as a statement names it, and values of a manifest as a statement writes them. Pure."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

Bound = str | int | float


class Column(NamedTuple):
    """A column as the database has it. `mark` is what this database puts names into."""

    name: str
    type: str
    mark: str = '"'

    @property
    def sql(self) -> str:
        """Its name in a statement."""
        return self.mark + self.name.replace(self.mark, 2 * self.mark) + self.mark


def number(value: Any) -> str | None:
    """A number for a statement; None for what is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return repr(value)
    try:
        found = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return str(found) if found.is_finite() else None


def plain(value: Any) -> str:
    """A value as text."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def rows(count: int) -> str:
    """`1 row`, `2,000 rows`."""
    return "1 row" if count == 1 else f"{count:,} rows"
