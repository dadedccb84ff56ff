"""Whether a declared type is the one that a column has, as the database itself knows types.

A declared type without a length or precision is that of any; SQLite has values of types, not columns: see `storage`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from assets_cli.checks.protocol import CheckError, Session

_MODIFIERS = re.compile(r"\s*\(\s*\d+\s*(?:,\s*-?\d+\s*)?\)")
_DECLARED = re.compile(r"[\w\s(),.\[\]\"<>:-]+")
_OF_SQLITE = (
    (re.compile(r"BOOL"), ("integer",)),
    (re.compile(r"INT"), ("integer",)),
    (re.compile(r"CHAR|CLOB|TEXT|STRING|JSON|UUID"), ("text",)),
    (re.compile(r"BLOB|BYTE|BINARY"), ("blob",)),
    (re.compile(r"REAL|FLOA|DOUB"), ("real", "integer")),
    (re.compile(r"NUM|DEC"), ("integer", "real")),
    (re.compile(r"DATE|TIME"), ("text", "integer", "real")),
)


def comparer(session: Session) -> Callable[[str, str], bool]:
    """What tells whether a declared type and a column's are the same, in this database; it raises `CheckError`.

    Or whatever the database raises, for a type that it does not know.
    """
    dialect = session.dialect

    @cache
    def normal(declared: str) -> str:
        return _asked(session, declared) if dialect in ("duckdb", "postgres") else _parsed(dialect, declared)

    def same(declared: str, actual: str) -> bool:
        if not declared:
            return True
        if not _DECLARED.fullmatch(declared) or "--" in declared:
            raise CheckError(f"{declared!r} is no type")
        if dialect == "sqlite":
            return bool(set(storage(declared)) & set(_column_storage(actual)))
        known = actual if dialect in ("duckdb", "postgres") else _parsed(dialect, actual)
        return _without_modifiers(normal(declared)) == _without_modifiers(known) and _same_modifiers(
            declared, normal(declared), known
        )

    return same


def storage(declared: str) -> tuple[str, ...]:
    """What SQLite's `typeof` may say of values of a declared type; nothing where it may say anything."""
    name = declared.upper()
    return next((allowed for words, allowed in _OF_SQLITE if words.search(name)), ())


def _column_storage(actual: str) -> tuple[str, ...]:
    """What a column of this affinity can hold of what is put into it: nearly anything, but a text in a text column."""
    return storage(actual) or ("integer", "real", "text", "blob")


def _same_modifiers(declared: str, normal: str, actual: str) -> bool:
    written = _MODIFIERS.search(declared)
    if written is None:
        return True
    # What the database drops, such as DuckDB the length of a text, it cannot be held to.
    kept = _MODIFIERS.search(normal) or _MODIFIERS.search(actual)
    return kept is None or _plain(written[0]) == _plain((_MODIFIERS.search(actual) or written)[0])


def _without_modifiers(name: str) -> str:
    return _MODIFIERS.sub("", name).strip().lower()


def _plain(modifiers: str) -> str:
    return re.sub(r"\s", "", modifiers)


def _asked(session: Session, declared: str) -> str:
    asked = "typeof(cast(null as {}))" if session.dialect == "duckdb" else "cast(pg_typeof(cast(null as {})) as text)"
    found = session.fetch(f"select {asked.format(declared)}", 1, 1)
    return str(found.rows[0][0])


def _parsed(dialect: str, name: str) -> str:
    # Heavy, and only databases that cannot be asked need it.
    from sqlglot import exp

    try:
        kind = exp.DataType.build(name, dialect=dialect)
    except Exception:  # noqa: BLE001 - whatever the parser raises on a user's text says that it does not know the type
        return name
    if kind.this in exp.DataType.TEXT_TYPES:
        kind.set("this", exp.DataType.Type.VARCHAR)
    whole = kind.this == exp.DataType.Type.DECIMAL and [each.name for each in kind.expressions] in (["38"], ["38", "0"])
    if dialect == "snowflake" and (whole or kind.this in exp.DataType.INTEGER_TYPES):
        return "INTEGER"  # every integer is a NUMBER(38, 0)
    return kind.sql()
