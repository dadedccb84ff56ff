"""Statements in a text of SQL, told apart without a parser: quotes, comments and dollar quotes are passed over.

For databases whose drivers take one statement at a time, or would run several where one is meant. Pure.
"""

from __future__ import annotations

import re

from assets_cli.connections.refusals import no_query, no_select, require_one_query, require_one_select

_QUERIES = ("select", "with", "values", "table", "from")
_READS = (*_QUERIES, "explain", "show", "describe", "desc")
_TOKEN = re.compile(
    r"""[eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*" | `[^`]*`
    | --[^\n]* | /\*.*?\*/ | (?P<dollar>\$(?:[A-Za-z_]\w*)?\$).*?(?P=dollar) | ; | \w+ | .""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = re.compile(
    r"""'(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.|"")*" | `[^`]*`
    | --[^\n]* | \#[^\n]* | /\*.*?\*/ | ; | \w+ | .""",
    re.VERBOSE | re.DOTALL,
)
_WITH_ESCAPES = frozenset({"mysql", "bigquery", "databricks", "spark", "clickhouse", "hive"})
_COMMENT = ("--", "/*", "#")


def split(text: str, dialect: str = "") -> list[str]:
    """The statements of a text, without semicolons; those that hold nothing but comments are left out."""
    found: list[str] = []
    start = 0
    is_empty = True
    for match in (_ESCAPES if dialect in _WITH_ESCAPES else _TOKEN).finditer(text):
        piece = match[0]
        if piece == ";":
            if not is_empty:
                found.append(text[start : match.start()])
            start, is_empty = match.end(), True
        elif not piece.isspace() and not piece.startswith(_COMMENT):
            is_empty = False
    if not is_empty:
        found.append(text[start:])
    return found


def first_word(statement: str) -> str:
    """The first word of a statement, in lower case."""
    for match in _TOKEN.finditer(statement):
        piece = match[0]
        if not piece.isspace() and not piece.startswith(_COMMENT) and piece != "(":
            return piece.lower()
    return ""


def one_select(text: str, dialect: str = "") -> str:
    """The one SELECT of a text, without a semicolon.

    Raises:
        DatabaseError: it is something else.
    """
    found = split(text, dialect)
    require_one_select(len(found))
    word = first_word(found[0])
    if word not in _QUERIES:
        raise no_select(word.upper())
    return _from_start(text, found[0])


def one_query(text: str, dialect: str = "") -> str:
    """The one statement of a text, which only reads as far as its first word says.

    Raises:
        DatabaseError: it is something else.
    """
    found = split(text, dialect)
    require_one_query(len(found))
    word = first_word(found[0])
    if word not in _READS:
        raise no_query(word.upper())
    return _from_start(text, found[0])


def _from_start(text: str, statement: str) -> str:
    """The statement with the lines before it, so that lines count as in the text."""
    return text[: text.index(statement)].replace(";", " ") + statement
