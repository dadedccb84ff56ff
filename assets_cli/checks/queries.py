"""Checks that are queries: they pass when no row comes back."""

from __future__ import annotations

from assets_cli.checks.jsonable import row
from assets_cli.checks.protocol import PASSED, SAMPLE, Finding, Session, refused
from assets_cli.checks.values import rows

_MOST = 100_000
"""Rows are counted up to here: a query that returns everything need not be read to its end."""


def look(query: str, session: Session) -> Finding:
    """What a query finds; the database's own error where it refuses."""
    found = session.fetch(query, SAMPLE, _MOST)
    if not found.total:
        return PASSED
    count = f"{found.total:,} or more rows" if found.total >= _MOST else rows(found.total)
    sample = tuple(row(found.columns, values) for values in found.rows)
    return Finding(passed=False, failing=found.total, message=f"the query returns {count}", sample=sample)


def refused_query(error: Exception) -> Finding:
    """What a query has found that the database refused; how an asset would run statements is no help to a check."""
    text = str(error)
    if text.startswith("expected "):
        return Finding(passed=False, message=f"{text} (a check is one SELECT that finds what is wrong)")
    return refused(error)
