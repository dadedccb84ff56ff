"""Names of tables as people write them: parts split at dots, quotes taken off and put on, near misses found.

Knows no database: what holds for one kind only is in that kind's module.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from assets_cli.connections.protocol import DatabaseError
from assets_cli.model.spelling import nearest

_PART = re.compile(r'\s*(?:"((?:[^"]|"")+)"|([^".]+))\s*(\.|$)')
_SHOWN = 8


def split(name: str) -> tuple[str, ...]:
    """The parts of a name: `mart."my.table"` gives `("mart", "my.table")`. Dots within double quotes don't split.

    Raises:
        DatabaseError: the text is no name.
    """
    return tuple(text for text, _ in pieces(name))


def pieces(name: str) -> tuple[tuple[str, bool], ...]:
    """The parts of a name, and of each whether it was quoted.

    Raises:
        DatabaseError: the text is no name.
    """
    parts: list[tuple[str, bool]] = []
    position, more = 0, True
    while more:
        match = _PART.match(name, position)
        if match is None or "\0" in match[0]:
            raise DatabaseError(f"{name!r} is not a table's name", hint='write `table`, `schema.table` or `"my table"`')
        parts.append((match[1].replace('""', '"'), True) if match[1] is not None else (match[2].strip(), False))
        position, more = match.end(), match[3] == "."
    if not all(text for text, _ in parts):
        raise DatabaseError(f"{name!r} is not a table's name", hint='write `table`, `schema.table` or `"my table"`')
    return tuple(parts)


def quote(*parts: str) -> str:
    """A name for a statement: every part in double quotes, joined by dots."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def fold(name: str) -> bytes:
    """A name for comparisons. DuckDB and SQLite ignore the case of ASCII letters only, quoted or not."""
    return name.encode("utf-8", "surrogatepass").lower()


def key(parts: Iterable[str]) -> tuple[bytes, ...]:
    """A name of several parts for comparisons."""
    return tuple(map(fold, parts))


def hint(name: str, known: Iterable[str]) -> str:
    """What to say of a table that is not there: the nearest name, or the first of the tables that are."""
    tables = sorted(known)
    near = nearest(name, tables)
    if near is not None:
        return f"did you mean {near}?"
    if not tables:
        return "the database has no tables yet"
    more = f" and {len(tables) - _SHOWN} more" if len(tables) > _SHOWN else ""
    return f"tables there: {', '.join(tables[:_SHOWN])}{more}"
