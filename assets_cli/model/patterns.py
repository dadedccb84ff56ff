r"""One dialect of regular expressions for every database: what all of them understand alike, spelled out for each.

Literals, `.`, `[…]`, `(…)`, `(?:…)`, `|`, `^`, `$`, `*`, `+`, `?`, `{m,n}`, and `\d`, `\w`, `\s` of ASCII with their
opposites. `^` and `$` are the two ends of a text, `.` any character but a line break. Whether a text matches is all
that is asked, so lazy and greedy are the same. Pure; matches nothing itself.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

MOST: Final = 255
"""The greatest count in braces: PostgreSQL allows no more."""

_CLASSES: Final = {"d": "0-9", "w": "A-Za-z0-9_", "s": r" \t\n\r\f\v"}
_CONTROLS: Final = "tnrfv"
_SPECIAL: Final = frozenset("\\^$.|?*+()[]{}")
_IN_SET: Final = frozenset("\\^-[]&|~")
_COUNT = re.compile(r"\{(\d+)(?:(,)(\d*))?\}")
_WHY: Final = {
    "b": "word boundaries differ between databases; write what stands there",
    "B": "word boundaries differ between databases; write what stands there",
    "A": "write ^ for the beginning",
    "Z": "write $ for the end",
    "z": "write $ for the end",
    "p": "list the characters in [ ]",
    "P": "list the characters in [ ]",
}


class PatternError(ValueError):
    """The text is no regular expression of ours. `position` counts characters from 0, `hint` says what to write.

    Without a hint no expression of ours says it.
    """

    def __init__(self, message: str, position: int, hint: str | None = None) -> None:
        super().__init__(message)
        self.position = position
        self.hint = hint


class Ends(NamedTuple):
    """How a dialect writes the two ends of a text."""

    beginning: str
    end: str


RE2: Final = Ends(r"\A", r"\z")
PYTHON: Final = Ends(r"\A", r"\Z")
POSTGRES: Final = Ends("^", "$")


def translate(pattern: str, ends: Ends = PYTHON) -> str:
    """The same expression in another dialect.

    Raises:
        PatternError: it holds something that is not in ours.
    """
    return _Translation(pattern, ends).run()


class _Translation:
    """One pass over a pattern. `repeatable` is whether a quantifier may follow."""

    def __init__(self, pattern: str, ends: Ends) -> None:
        self.pattern = pattern
        self.ends = ends
        self.position = 0
        self.written: list[str] = []
        self.groups: list[int] = []
        self.repeatable = False

    def run(self) -> str:
        while self.position < len(self.pattern):
            self._step(self.pattern[self.position])
        if self.groups:
            raise PatternError("'(' is never closed", self.groups[-1], r"close it, or write \( for the character")
        return "".join(self.written)

    def _step(self, char: str) -> None:
        if char == "\\":
            self._escape()
        elif char == "[":
            self._set()
        elif char in "*+?{":
            self._quantifier(char)
        elif char in "()":
            self._group(char)
        elif char in "|^$":
            self._put({"|": "|", "^": self.ends.beginning, "$": self.ends.end}[char], repeatable=False)
        elif char == "\0":
            raise PatternError("U+0000 is in no text of a database", self.position, "remove it")
        else:
            self._put(r"[^\n]" if char == "." else f"\\{char}" if char in _SPECIAL else char)

    def _put(self, text: str, length: int = 1, *, repeatable: bool = True) -> None:
        self.written.append(text)
        self.position += length
        self.repeatable = repeatable

    def _escape(self) -> None:
        char = self._escaped()
        if char in _CLASSES:
            self._put(f"[{_CLASSES[char]}]", 2)
        elif char.lower() in _CLASSES:
            self._put(f"[^{_CLASSES[char.lower()]}]", 2)
        else:
            self._put(f"\\{char}" if char in _SPECIAL or char in _CONTROLS else char, 2)

    def _escaped(self) -> str:
        """The character after a backslash, which is a class, a control character or itself."""
        char = self.pattern[self.position + 1 : self.position + 2]
        if not char:
            raise PatternError("nothing follows the last '\\'", self.position, r"write \\ for the character")
        if char.isdigit():
            message = f"'\\{char}' refers back to a group, which not every database can"
            raise PatternError(message, self.position)
        if char.isascii() and char.isalpha() and char.lower() not in _CLASSES and char not in _CONTROLS:
            raise PatternError(
                f"'\\{char}' is not known", self.position, _WHY.get(char, f"write {char} for the letter")
            )
        return char

    def _group(self, char: str) -> None:
        if char == ")":
            if not self.groups:
                raise PatternError("')' closes nothing", self.position, r"open it, or write \) for the character")
            self.groups.pop()
            self._put(")")
            return
        self.groups.append(self.position)
        if self.pattern.startswith("(?", self.position) and not self.pattern.startswith("(?:", self.position):
            what = self.pattern[self.position : self.position + 3]
            message = f"'{what}' is not known: there are no look-arounds, names or flags"
            raise PatternError(message, self.position)
        self._put("(?:", 3 if self.pattern.startswith("(?:", self.position) else 1, repeatable=False)

    def _quantifier(self, char: str) -> None:
        if not self.repeatable:
            message = f"'{char}' has nothing to repeat"
            raise PatternError(message, self.position, f"write \\{char} for the character")
        text = char
        if char == "{":
            count = _COUNT.match(self.pattern, self.position)
            if count is None:
                raise PatternError("'{' is followed by no count", self.position, r"write \{ for the character")
            least, most = int(count[1]), int(count[3] or count[1])
            if max(least, most) > MOST or most < least:
                message = f"{count[0]} is no count: at most {MOST}, and the first no more than the second"
                raise PatternError(message, self.position, "write a count such as {2,5}")
            text = count[0]
        lazy = self.pattern.startswith("?", self.position + len(text))
        self._put(text, len(text) + lazy, repeatable=False)

    def _set(self) -> None:
        start = self.position
        self.position += 1
        negated = self.pattern.startswith("^", self.position)
        self.position += negated
        items: list[str] = []
        while not (self.pattern.startswith("]", self.position) and items):
            if self.position >= len(self.pattern):
                raise PatternError("'[' is never closed", start, r"close it, or write \[ for the character")
            items.append(self._item())
        self._put(f"[{'^' if negated else ''}{''.join(items)}]")

    def _item(self) -> str:
        """A character, a range or a class in brackets."""
        first, position = self._member(), self.position
        dash = self.pattern.startswith("-", position) and not self.pattern.startswith("-]", position)
        if not dash:
            return first if len(first) > 1 and first[0] != "\\" else _in_set(first)
        if len(first) > 1 and first[0] != "\\":
            raise PatternError("a range begins with a class", position, r"write \- for the character")
        self.position += 1
        last = self._member()
        if (len(last) > 1 and last[0] != "\\") or ord(last[-1]) < ord(first[-1]) or "\\" in (first[0], last[0]):
            raise PatternError("a range goes from one character to a later one", position, r"such as a-z")
        return f"{_in_set(first)}-{_in_set(last)}"

    def _member(self) -> str:
        """One character as itself, a control character with its backslash, or what a class stands for."""
        char = self.pattern[self.position : self.position + 1]
        if char == "\\":
            char = self._escaped()
            if char.lower() in _CLASSES and char not in _CLASSES:
                message = f"'\\{char}' cannot stand in brackets"
                raise PatternError(message, self.position, "list the characters instead")
            self.position += 2
            return _CLASSES.get(char, f"\\{char}" if char in _CONTROLS else char)
        if self.pattern.startswith(("[:", "[.", "[="), self.position):
            what = self.pattern[self.position : self.position + 2]
            raise PatternError(f"'{what}' is not known in brackets", self.position, r"write \d, \w or the characters")
        self.position += 1
        return char


def _in_set(char: str) -> str:
    return f"\\{char}" if char in _IN_SET else char
