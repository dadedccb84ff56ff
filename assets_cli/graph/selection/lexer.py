"""A selection's text in tokens, and problems that point into it. Knows neither the grammar nor assets."""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

from assets_cli.model.problem import EXPRESSION, AssetsError, Place, Problem

Kind = Literal["word", "quoted", "(", ")", "+", "end"]

KEYWORDS: Final = ("and", "or", "not")
ENDS: Final = ("roots", "sinks")

_TOKEN = re.compile(
    r"""\s*(?:(?P<sign>[()+])|(?P<word>[^\s()+"']+)|(?P<quoted>"(?:[^"]|"")*"|'(?:[^']|'')*')|(?P<open>["']))"""
)
_BARE = re.compile(r"""[^\s()+"']+""")
_DIGITS = re.compile("[0-9]+")


class Token(NamedTuple):
    """One token and where it stands. `text` is as typed, without the quotes of a quoted one."""

    kind: Kind
    text: str
    at: int
    end: int

    @property
    def keyword(self) -> str | None:
        """`and`, `or` or `not`, which may be typed in lower or in upper case, but not in quotes."""
        lower = self.text.lower()
        is_keyword = self.kind == "word" and lower in KEYWORDS and self.text in (lower, lower.upper())
        return lower if is_keyword else None

    @property
    def is_number(self) -> bool:
        """Whether it can be a number of layers."""
        return self.kind == "word" and _DIGITS.fullmatch(self.text) is not None


def tokens(expression: str) -> list[Token]:
    """All tokens; the last one is of kind `end`.

    Raises:
        AssetsError: a quote that is not closed (A0401).
    """
    found: list[Token] = []
    position = 0
    while match := _TOKEN.match(expression, position):
        position = match.end()
        text = match[match.lastgroup or 0]
        at = position - len(text)
        if match["open"]:
            hint = f"close it, or put a value that holds one between the other quotes: {_other(text)}…{_other(text)}"
            raise AssetsError(pointed(expression, at, "A0401", f"the quote {text} is not closed", hint))
        if match["quoted"]:
            quote = text[0]
            found.append(Token("quoted", text[1:-1].replace(quote * 2, quote), at, position))
        elif match["word"]:
            found.append(Token("word", text, at, position))
        else:
            sign: dict[str, Kind] = {"(": "(", ")": ")", "+": "+"}
            found.append(Token(sign[text], text, at, position))
    return [*found, Token("end", "", len(expression), len(expression))]


def quoted(text: str) -> str:
    """The text as a value of a selection, between quotes where it cannot stand without."""
    if _BARE.fullmatch(text):
        return text
    quote = "'" if '"' in text and "'" not in text else '"'
    return quote + text.replace(quote, quote * 2) + quote


def pointed(expression: str, at: int, code: str, message: str, hint: str) -> Problem:
    """A problem with its place in an expression, which may have several lines."""
    before = expression[:at]
    start = before.rfind("\n") + 1
    line = expression[start:].split("\n", 1)[0]
    return Problem(
        code,
        message,
        place=Place(EXPRESSION, before.count("\n") + 1, at - start + 1),
        excerpt=line,
        hint=hint,
    )


def _other(quote: str) -> str:
    return "'" if quote == '"' else '"'
