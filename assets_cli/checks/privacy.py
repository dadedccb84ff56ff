"""Keeps values that must not be shown out of what checks found: out of samples, and out of what a database complains.

Goes by the names of columns. Knows no database.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from assets_cli.checks.protocol import Finding, Privacy

MASK = "***"
_QUOTED = re.compile(r"'(?:[^'\n]|'')*'|\"[^\"\n]*\"")
_OF_VALUES = "value"
"""How a row is named that a function returned as a bare value."""


def masked(finding: Finding, privacy: Privacy) -> Finding:
    """A finding whose sample shows no private value."""
    if not privacy.is_any or not finding.sample:
        return finding
    return finding._replace(sample=tuple(_row(row, privacy) for row in finding.sample))


def masked_query(finding: Finding, query: str, known: Collection[str], privacy: Privacy) -> Finding:
    """The same of what a query returned.

    A query that names a private column may return it under another name: then only columns that are the asset's own
    (`known`) are shown.
    """
    if not privacy.columns or privacy.everything or not _names_any(query, privacy):
        return masked(finding, privacy)
    own = {name.lower() for name in known}
    return finding._replace(
        sample=tuple(
            {name: value if name.lower() in own and not privacy.hides(name) else MASK for name, value in row.items()}
            for row in finding.sample
        )
    )


def discreet(message: str, privacy: Privacy) -> str:
    """What a database complains of, without what it quotes, which may be a value."""
    return _QUOTED.sub(MASK, message) if privacy.is_any else message


def masked_values(finding: Finding, privacy: Privacy) -> Finding:
    """What a function of the user returned: bare values of a private asset are not shown either."""
    if not privacy.is_any:
        return finding
    rows = tuple({_OF_VALUES: MASK} if row.keys() == {_OF_VALUES} else row for row in finding.sample)
    return masked(finding._replace(sample=rows), privacy)


def _row(row: Mapping[str, Any], privacy: Privacy) -> Mapping[str, Any]:
    return {name: MASK if privacy.hides(name) else value for name, value in row.items()}


def _names_any(query: str, privacy: Privacy) -> bool:
    lowered = query.lower()
    return any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", lowered) for name in privacy.columns)
