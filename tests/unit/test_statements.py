"""SQL told apart without a parser."""

from __future__ import annotations

import pytest

from assets_cli.connections import statements
from assets_cli.connections.protocol import DatabaseError


@pytest.mark.parametrize(
    ("text", "dialect", "found"),
    [
        ("select 1; select 2", "postgres", ["select 1", "select 2"]),
        ("select 1;;\n-- end;\n", "postgres", ["select 1"]),
        ("select ';', \"a;b\" /* ; */; x", "postgres", ["select ';', \"a;b\" /* ; */", "x"]),
        ("do $$ begin; end $$; do $x$ ; $$ ; $x$", "postgres", ["do $$ begin; end $$", "do $x$ ; $$ ; $x$"]),
        ("select 'it''s;'; select E'it\\'s;'", "postgres", ["select 'it''s;'", "select E'it\\'s;'"]),
        ("select 'it\\'s;' # c;\n; y", "mysql", ["select 'it\\'s;' # c;\n", "y"]),
        ("  \n-- nothing", "", []),
    ],
)
def test_split(text: str, dialect: str, found: list[str]) -> None:
    """Semicolons in texts, names, comments and dollar quotes end nothing."""
    assert [each.strip() for each in statements.split(text, dialect)] == [each.strip() for each in found]


@pytest.mark.parametrize(
    ("text", "word"),
    [("-- c\n ( select 1)", "select"), ("/* x */WITH a as", "with"), ("", ""), ("Delete from t", "delete")],
)
def test_first_word(text: str, word: str) -> None:
    """Comments and parentheses before it don't count."""
    assert statements.first_word(text) == word


def test_lines_count_as_written() -> None:
    """What comes before the statement stays, so that the database's line is the user's."""
    assert statements.one_select("-- one\n;\nselect 1;\n") == "-- one\n \nselect 1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the query is empty"),
        ("select 1; drop table t", "expected one SELECT, found 2 statements"),
        ("update t set a = 1", "expected a SELECT, found UPDATE"),
    ],
)
def test_one_select(text: str, message: str) -> None:
    """Anything else is refused before the database sees it."""
    with pytest.raises(DatabaseError, match=message):
        statements.one_select(text)
