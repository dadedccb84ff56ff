"""Printing: data to stdout, problems and remarks to stderr. Every command and the outermost catch go through here."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from assets_cli.cli.screens import problems as screen
from assets_cli.cli.terminal import Terminal, terminal
from assets_cli.model.problem import Problem

_MANY = 100


def out() -> Terminal:
    """Where data goes."""
    return terminal(sys.stdout)


def err() -> Terminal:
    """Where everything else goes."""
    return terminal(sys.stderr)


def show(lines: Iterable[str]) -> None:
    """Print lines of data."""
    with _unread():
        out().write(lines)


def remark(lines: Iterable[str]) -> None:
    """Print lines that are no data. Where they cannot be written, that changes nothing of what the command says."""
    with _untold():
        err().write(lines)


@contextmanager
def _unread() -> Iterator[None]:
    """Whoever read the data may have gone, as `| head` does: the command goes on, since its exit code is an answer."""
    try:
        yield
    except BrokenPipeError:
        leave_out()


@contextmanager
def _untold() -> Iterator[None]:
    try:
        yield
    except OSError:
        leave_err()


def warn(message: str) -> None:
    """Print a warning that stopped nothing, in a line."""
    remark([f"{err().paint('warning', 'bold', 'yellow')}: {message}"])


def show_problems(problems: Sequence[Problem], view: screen.Viewpoint = screen.HERE, *, total: bool = True) -> None:
    """Print problems to stderr; a single one needs no line that counts it."""
    with_total = total and len(problems) > 1
    lines = list(screen.report(problems, err(), view))
    remark(lines if with_total else lines[:-2])


def show_json(document: Any) -> None:
    """Print one JSON document, in one piece. Beyond ASCII only where the stream is sure to take it."""
    stream((f"{_written(document, is_plain=_takes_ascii_alone())}\n",))


def _written(document: Any, *, is_plain: bool) -> str:
    parts = document.values() if isinstance(document, dict) else ()
    if not is_plain and any(isinstance(part, list) and len(part) > _MANY for part in parts):
        import orjson  # its import takes ten milliseconds: less than Python takes to indent a long document

        with suppress(TypeError):  # a name that is no UTF-8, a number of more than 64 bits: json writes these
            return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()
    return json.dumps(document, indent=2, ensure_ascii=is_plain)


def show_json_lines(documents: Iterable[Any]) -> None:
    """Print JSON documents, one a line, in one piece."""
    encode = json.JSONEncoder(ensure_ascii=_takes_ascii_alone()).encode
    stream(("".join(f"{encode(document)}\n" for document in documents),))


def _takes_ascii_alone() -> bool:
    return (getattr(sys.stdout, "encoding", None) or "ascii").lower().replace("-", "") != "utf8"


def leave_out() -> None:
    """Stop printing data: whoever read it has gone, and nobody must complain of that at exit."""
    _leave(sys.stdout)


def leave_err() -> None:
    """Stop printing anything else, as above."""
    _leave(sys.stderr)


def _leave(stream: TextIO) -> None:
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def stream(pieces: Iterable[str]) -> None:
    """Print data piece by piece, as it comes."""
    with _unread():
        for piece in pieces:
            sys.stdout.write(piece)
        sys.stdout.flush()
