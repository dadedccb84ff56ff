"""What a plain scalar means: the core rules of YAML 1.2, less its silent surprises.

A text that other readers of YAML take for something else (`no`, `010`, `1:30`, `1_000`) is refused, with the advice to
quote it. Dates stay text. Knows nothing of places or keys.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Final

WORDS: Final = frozenset(
    [
        *("", "~", "null", "Null", "NULL", "true", "True", "TRUE", "false", "False", "FALSE", "<<"),
        *("y", "Y", "yes", "Yes", "YES", "n", "N", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF"),
    ]
)
"""The words that `resolve` must see; so must every text that starts like a number."""
NUMERIC: Final = frozenset("0123456789+-.")
_CONSTANTS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NO_NUMBER = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?")
_BINARY = re.compile(r"[-+]?0b[01_]+|[-+]0[xo][0-9a-fA-F]+")
_UNDERSCORES = re.compile(r"[-+]?[0-9][0-9_]*_[0-9_]*(?:\.[0-9_]*)?|[-+]?0x[0-9a-fA-F_]*_[0-9a-fA-F_]*")
_LIMIT = 1 << 63
_DIGITS = 20


class Ambiguous(Exception):  # noqa: N818 - named for what the text is
    """A text that readers of YAML disagree about; the message says what else it could be."""


def resolve(text: str) -> str | float | bool | None:
    """The value of a plain scalar.

    Raises:
        Ambiguous: the text means different things to different readers, or a number that nothing can hold.
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text == "<<":
        return text
    if text in WORDS:
        raise Ambiguous("text to some readers of YAML and true or false to others")
    return _number(text)


@lru_cache(maxsize=1_024)  # the same few durations stand in every asset
def _number(text: str) -> str | float:
    if _INTEGER.fullmatch(text):
        return _bounded(int(text)) if len(text) <= _DIGITS else _bounded(_LIMIT)
    if _BASED.fullmatch(text):
        return _bounded(int(text, 0)) if len(text) <= _DIGITS + 4 else _bounded(_LIMIT)
    if _FLOAT.fullmatch(text):
        value = float(text)
        if math.isinf(value):
            raise Ambiguous("a number too large to hold")
        return value
    for pattern, meaning in _SURPRISES:
        if pattern.fullmatch(text):
            raise Ambiguous(meaning)
    return text


_SURPRISES: Final = (
    (_NO_NUMBER, "not a number that can be compared"),
    (_SEXAGESIMAL, "text to some readers of YAML and a number in base 60 to others"),
    (_LEADING_ZERO, "a decimal number to some readers of YAML and an octal one to others"),
    (_UNDERSCORES, "text to some readers of YAML and a number to others"),
    (_BINARY, "text to some readers of YAML and a number to others"),
)


def _bounded(value: int) -> int:
    if not -_LIMIT <= value < _LIMIT:
        raise Ambiguous("a number too large to hold")
    return value
