from __future__ import annotations

import os
from pathlib import Path

import pytest

from assets_cli.manifest.dotenv import parse, read
from assets_cli.model.problem import Place


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=x", "x"),
        ("A=", ""),
        ("  export A = x  ", "x"),
        ("export\tA=x", "x"),
        ("A=two words # comment", "two words"),
        ("A=#x", "#x"),
        ("A= # comment", ""),
        ("A=a#b", "a#b"),
        ("A=a=b", "a=b"),
        ("A='a # \"b\" \\n $X'", 'a # "b" \\n $X'),
        ('A="a\\tb\\n\\"c\\" \\\\ \\$"', 'a\tb\n"c" \\ $'),
        ('A="one\ntwo" # comment', "one\ntwo"),
        ("A='x'   ", "x"),
        ("A=it's", "it's"),
        ("A=${B}", "${B}"),
        ("A=x\r\n", "x"),
        ("A=1\nA=2", "2"),
        ("A=ü", "ü"),
    ],
)
def test_values(text: str, value: str) -> None:
    """One dialect: quotes, comments, `export`, no interpolation; of two with one name the last counts."""
    assert parse(text) == ({"A": value}, ())


def test_comments_and_empty_lines_set_nothing() -> None:
    """Indented or not, with either line break."""
    assert parse("\n# A=1\n   # B=2\n\t\r\n") == ({}, ())


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("A", "this line is not of the form NAME=value", "write NAME=value"),
        ("1A=x", "this line is not of the form NAME=value", "write NAME=value"),
        ("A-B=x", "this line is not of the form NAME=value", "write NAME=value"),
        ("=x", "this line is not of the form NAME=value", "write NAME=value"),
        ("A='x", "A: the quote is not closed", "close it, or put the other kind of quotes around it"),
        ('A="x\\"', "A: the quote is not closed", "close it, or put the other kind of quotes around it"),
        ("A='x'y", "A: something follows the closing quote", "put all of it between quotes"),
        ("A=x\0", "A: a variable cannot hold a null byte", "remove it"),
    ],
)
def test_mistakes(line: str, message: str, hint: str) -> None:
    """Located, never quoted; the lines around it count."""
    values, (problem,) = parse(f"B=1\n  {line}\nC=2\n")
    assert values == {"B": "1", "C": "2"}
    assert (problem.code, problem.message, problem.hint) == ("A0145", message, hint)
    assert (problem.place, problem.excerpt) == (Place(".env", 2, 3), None)


def test_a_line_counts_after_a_value_of_several() -> None:
    """Places are those of the file."""
    assert parse('A="1\n2\n3"\nwrong').problems[0].place == Place(".env", 4, 1)


def test_the_real_environment_wins(tmp_path: Path) -> None:
    """Also with an empty value; a byte order mark does not count."""
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfA=file\nB=file\n")
    assert read(tmp_path).under({"B": "", "C": "real"}) == {"A": "file", "B": "", "C": "real"}


def test_no_file_and_a_folder_set_nothing(tmp_path: Path) -> None:
    """Some call their virtual environment `.env`."""
    assert read(tmp_path) == ({}, ())
    (tmp_path / ".env").mkdir()
    assert read(tmp_path) == ({}, ())


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """An error, never a guess; a pipe is not waited for."""
    (tmp_path / ".env").write_bytes(b"A=\xff")
    assert [problem.message for problem in read(tmp_path).problems] == [".env cannot be read: it is not UTF-8"]
    (tmp_path / ".env").unlink()
    os.mkfifo(tmp_path / ".env")
    (problem,) = read(tmp_path).problems
    assert (problem.code, problem.message) == ("A0146", ".env cannot be read: it is not a regular file")
