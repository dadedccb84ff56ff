"""The file `.env` at the project root: variables for `${env.X}` and for commands, beside those that are really set.

One reading of the simple dialect that all tools share: `NAME=value`, quotes, comments, `export `, no interpolation. A
problem never shows the line that it is about, which may hold a secret.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from assets_cli.model.problem import Place, Problem, system_reason

FILE: Final = ".env"
# Compiled by `re` when there is a file: few projects have one.
_START = r"(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*"
_SINGLE = r"'([^']*)'"
_DOUBLE = r'(?s)"((?:[^"\\]|\\.)*)"'
_BARE = r"(?!['\"])[^\n]*?(?=[ \t]*(?:\n|$)|[ \t]+#)"
_REST = r"[ \t]*(?:#[^\n]*)?(?=\n|$)"
_IDLE = r"[ \t]*(?:#[^\n]*)?(?=\n|$)"
_ESCAPE = r"(?s)\\(.)"
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r"}
_LARGEST: Final = 1 << 20


class Variables(NamedTuple):
    """What the file sets, and what is wrong with it. A file that is not there sets nothing."""

    values: Mapping[str, str]
    problems: tuple[Problem, ...] = ()

    def under(self, environ: Mapping[str, str]) -> Mapping[str, str]:
        """The environment with these beneath it: what is really set wins."""
        return {**self.values, **environ} if self.values else environ


def read(root: str | Path) -> Variables:
    """The variables of a project's `.env`."""
    try:
        data = _bytes(Path(root, FILE))
        if data is None:
            return Variables({})
        text = data.decode("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return Variables({})
    except UnicodeDecodeError:
        return _unreadable("it is not UTF-8", "save the file as UTF-8")
    except OSError as error:
        return _unreadable(system_reason(error), "make it readable, or remove it")
    return parse(text)


def _bytes(path: Path) -> bytes | None:
    """The bytes of the file; None for a folder, as some call their virtual environment."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        about = os.fstat(descriptor)
        if stat.S_ISDIR(about.st_mode):
            return None
        if not stat.S_ISREG(about.st_mode) or about.st_size > _LARGEST:
            message = "it is not a regular file" if not stat.S_ISREG(about.st_mode) else "it has more than 1 MiB"
            raise OSError(message)
        with open(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def _unreadable(reason: str, hint: str) -> Variables:
    return Variables({}, (Problem("A0146", f"{FILE} cannot be read: {reason}", hint=hint),))


def parse(text: str) -> Variables:
    """The variables in a text. Of two with one name the last counts."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    values: dict[str, str] = {}
    problems: list[Problem] = []
    position, line = 0, 1
    while position < len(text):
        start = position
        while text[position : position + 1] in (" ", "\t"):
            position += 1
        idle = re.compile(_IDLE).match(text, position)
        position = idle.end() if idle else _variable(text, position, line, values, problems)
        position += 1  # the line break
        line += text.count("\n", start, position)
    return Variables(values, tuple(problems))


def _variable(text: str, position: int, line: int, values: dict[str, str], problems: list[Problem]) -> int:
    """Read the variable that begins here; where it ends, or where its line ends if it is none."""
    end = text.find("\n", position)
    end = len(text) if end < 0 else end
    column = position - (text.rfind("\n", 0, position) + 1) + 1
    name = re.compile(_START).match(text, position, end)
    if name is None:
        problems.append(_problem(line, column, "this line is not of the form NAME=value", "write NAME=value"))
        return end
    value = _value(text, name.end())
    rest = re.compile(_REST).match(text, value[1]) if value else None
    if value is None or rest is None:
        what = "the quote is not closed" if value is None else "something follows the closing quote"
        hint = (
            "close it, or put the other kind of quotes around it" if value is None else "put all of it between quotes"
        )
        problems.append(_problem(line, column, f"{name[1]}: {what}", hint))
        return end
    if "\0" in value[0]:
        problems.append(_problem(line, column, f"{name[1]}: a variable cannot hold a null byte", "remove it"))
        return end
    values[name[1]] = value[0]
    return rest.end()


def _value(text: str, position: int) -> tuple[str, int] | None:
    """The value that begins here and where it ends; None for a quote that is not closed."""
    if text[position : position + 1] == "#" and text[position - 1] in " \t":
        return "", position  # a comment, and nothing before it
    if match := re.compile(_SINGLE).match(text, position):
        return match[1], match.end()
    if match := re.compile(_DOUBLE).match(text, position):
        return re.sub(_ESCAPE, lambda escape: _ESCAPES.get(escape[1], escape[1]), match[1]), match.end()
    if match := re.compile(_BARE).match(text, position):
        return match[0], match.end()
    return None


def _problem(line: int, column: int, message: str, hint: str) -> Problem:
    return Problem("A0145", message, place=Place(FILE, line, column), hint=hint)
