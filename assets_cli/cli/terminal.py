"""What the stream at hand can show: colour, Unicode, width; and text measured in the cells that it takes there.

Knows nothing of assets. Plain ANSI, since a few colours are no reason to import a library.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple, TextIO

_CODES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
}
# Compiled by `re` when they are needed: most texts are plain.
_ESCAPES = r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])"
_CONTROLS = r"[\x00-\x08\x0b-\x1f\x7f-\x9f]"
# The signs that we use ourselves, for a terminal that cannot show them.
_ASCII = str.maketrans(
    {
        "·": "-",
        "→": "->",
        "…": "...",
        "─": "-",
        "│": "|",
        "├": "|",
        "└": "`",
        "┌": ",",
        "▶": ">",
        "━": "#",
        "╸": "#",
        "█": "#",
        "▒": "x",
    }
)
DEFAULT_WIDTH = 80
_NARROWEST = 20


class Terminal(NamedTuple):
    """One output stream. `wraps` is whether there is an edge to wrap at: a pipe has none, unless COLUMNS names one.

    `live` is whether lines may be rewritten in place.
    """

    stream: TextIO
    colour: bool = False
    unicode: bool = True
    width: int = DEFAULT_WIDTH
    wraps: bool = True
    live: bool = False

    def paint(self, text: str, *styles: str) -> str:
        """The text in these styles, or as it is where colour is off or the text empty."""
        if not self.colour or not text or not styles:
            return text
        return f"\x1b[{';'.join(_CODES[style] for style in styles)}m{text}\x1b[0m"

    def fit(self, text: str, width: int) -> str:
        """The text cut to a width in cells, its end marked where something is missing, and filled up with blanks."""
        missing = width - cells(text)
        if missing >= 0:
            return text + " " * missing
        sign = "…" if self.unicode else "..."
        kept = cut(text, max(width - len(sign), 0))
        return kept + sign[:width] + " " * (width - cells(kept) - len(sign))

    def wrap(self, text: str, room: int) -> list[str]:
        """The text in lines of at most `room` cells, broken at blanks only; a longer word stands alone, uncut."""
        if not self.wraps or cells(text) <= room:
            return [text]
        lines: list[str] = []
        for word in text.split(" "):
            if lines and cells(lines[-1]) + 1 + cells(word) <= room:
                lines[-1] += " " + word
            else:
                lines.append(word)
        return lines

    def pack(self, parts: Iterable[str], room: int) -> list[str]:
        """The parts with dots between them, in lines of at most `room` cells, broken at the dots where that will do."""
        lines: list[str] = []
        for part in filter(None, parts):
            if lines and (not self.wraps or cells(lines[-1]) + 3 + cells(part) <= room):
                lines[-1] += f" · {part}"
            else:
                lines += self.wrap(part, room)
        return lines

    def write(self, lines: Iterable[str]) -> None:
        """Write lines, with plain signs where the stream has no others, and flush."""
        self.stream.write(self.shown("".join(f"{line}\n" for line in lines)))
        self.stream.flush()

    def shown(self, text: str) -> str:
        """The text with plain signs where the stream has no others."""
        return text if self.unicode else text.translate(_ASCII)


def terminal(stream: TextIO) -> Terminal:
    """What this stream can do, by what it is and by NO_COLOR, FORCE_COLOR, CI, TERM, COLUMNS and the locale."""
    environ = os.environ
    is_terminal = stream.isatty()
    dumb = environ.get("TERM", "") in {"dumb", "unknown"}
    continuous = environ.get("CI", "").lower() not in {"", "0", "false"}
    if environ.get("NO_COLOR"):
        colour = False
    elif environ.get("FORCE_COLOR", "") not in {"", "0"}:
        colour = True
    else:
        colour = is_terminal and not dumb
    width, wraps = _width(stream, is_terminal=is_terminal)
    return Terminal(
        stream=stream,
        colour=colour,
        unicode=_shows_unicode(stream),
        width=width,
        wraps=wraps,
        live=is_terminal and not dumb and not continuous,
    )


def _width(stream: TextIO, *, is_terminal: bool) -> tuple[int, bool]:
    """The width in cells, and whether there is an edge at all. Each stream has its own: stdout may be a pipe."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdigit() and int(columns) > 0:
        return max(int(columns), _NARROWEST), True
    if is_terminal:
        try:
            width = os.get_terminal_size(stream.fileno()).columns
        except (OSError, ValueError):
            width = 0
        return max(width or DEFAULT_WIDTH, _NARROWEST), True
    return DEFAULT_WIDTH, False


def _shows_unicode(stream: TextIO) -> bool:
    """Whether our signs can be written and, as far as one can know, seen."""
    try:
        "─…→".encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    environ = os.environ
    if environ.get("PYTHONIOENCODING") or environ.get("PYTHONUTF8") == "1":
        return True
    plain = {"C", "POSIX"}
    if environ.get("LC_ALL"):
        return environ["LC_ALL"] not in plain
    # Python writes UTF-8 under LANG=C and sets LC_CTYPE itself to say so (PEP 538): only what the user set counts.
    category = environ.get("LC_CTYPE", "")
    if category and category != "C.UTF-8":
        return category not in plain
    return environ.get("LANG", "") not in plain


def cells(text: str) -> int:
    """How many cells of a terminal a text takes: wide characters two, combining ones none, our own styles none."""
    if text.isascii() and "\x1b" not in text:
        return len(text)
    if "\x1b" in text:
        text = re.sub(_ESCAPES, "", text)
    return sum(map(_cells, text))


@lru_cache(maxsize=4096)
def _cells(character: str) -> int:
    import unicodedata  # only texts beyond ASCII need its tables

    if unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def cut(text: str, room: int) -> str:
    """The longest beginning of a text without styles that takes at most `room` cells."""
    if text.isascii():
        return text[:room]
    taken = 0
    for index, character in enumerate(text):
        taken += _cells(character)
        if taken > room:
            return text[:index]
    return text


def clean(text: str) -> str:
    """A text from outside without anything that would move the cursor, change colours or ring the bell."""
    if text.isascii() and text.isprintable():
        return text
    return re.sub(_CONTROLS, "", re.sub(_ESCAPES, "", text.expandtabs(4)))
