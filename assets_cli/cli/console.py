"""Printing: data to stdout, problems and remarks to stderr. Every command and the outermost catch go through here."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
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


def show_problems(problems: Sequence[Problem], view: screen.Viewpoint = screen.HERE, *, total: bool = True) -> None:
    """Print problems to stderr; a single one needs no line that counts it."""
    with_total = total and len(problems) > 1
    lines = list(screen.report(problems, err(), view))
    remark(lines if with_total else lines[:-2])


def show_json(document: Any, *, indent: int | None = 2) -> None:
    """Print one JSON document, in one piece. Beyond ASCII only where the stream is sure to take it.

    Where a list in it is so long that nobody will read it, its entries have a line each: Python indents slowly.
    """
    encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower().replace("-", "")
    is_plain = encoding != "utf8"
    if isinstance(document, dict) and any(isinstance(part, list) and len(part) > _MANY for part in document.values()):
        text = _by_lines(document, json.JSONEncoder(ensure_ascii=is_plain).encode)
    else:
        text = json.dumps(document, indent=indent, ensure_ascii=is_plain)
    stream((f"{text}\n",))


def _by_lines(document: dict[str, Any], encode: Callable[[Any], str]) -> str:
    """A document with a line for each entry of its lists, and one for each other value."""
    parts = [
        f"  {encode(key)}: [\n    {entries}\n  ]"
        if isinstance(value, list) and (entries := ",\n    ".join(map(encode, value)))
        else f"  {encode(key)}: {encode(value)}"
        for key, value in document.items()
    ]
    return "{\n" + ",\n".join(parts) + "\n}"


def show_json_lines(documents: Iterable[Any]) -> None:
    """Print JSON documents, one a line, in one piece."""
    encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower().replace("-", "")
    encode = json.JSONEncoder(ensure_ascii=encoding != "utf8").encode
    stream(("".join(f"{encode(document)}\n" for document in documents),))


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
