"""`assets state export`: write the whole history as JSON lines."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from assets_cli.cli import console
from assets_cli.cli.options import Argument, Option
from assets_cli.cli.session import Session
from assets_cli.cli.words import count
from assets_cli.model.problem import Problem

STREAM = "-"


def command(
    session: Session,
    file: Annotated[
        str, Argument(metavar="[FILE]", text="Where to; to stdout without it.", show_default=False)
    ] = STREAM,
    *,
    force: Annotated[bool, Option("--force", text="Replace FILE where it is there.")] = False,
) -> int:
    """Write the whole history as JSON lines, one record a line, for `assets state import` and for other programs.

    It is the whole state file, with every environment, as of one moment; runs may go on. A FILE appears whole or not
    at all. `assets schema state-export` describes the lines. Logs are no part of it.
    """
    target = sys.stdout.buffer if file == STREAM else Path(file)
    found = session.open().repair.export(target, replace=force)
    console.remark([f"exported {count(found.records, 'record')}" + ("" if file == STREAM else f" to {file}")])
    remark_unrecorded(found.unrecorded)
    return 0


def remark_unrecorded(problem: Problem | None) -> None:
    """A copy was made of a history that cannot be written to, so that it does not say so itself."""
    if problem:
        console.warn(f"not put on record: {problem.message}")
