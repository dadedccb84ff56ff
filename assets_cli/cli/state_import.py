"""`assets state import`: read an export into an empty history."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

from assets_cli.cli import console
from assets_cli.cli.options import Argument
from assets_cli.cli.session import Session
from assets_cli.cli.state_export import STREAM
from assets_cli.cli.words import count
from assets_cli.model.problem import AssetsError, Problem, system_reason


def command(
    session: Session,
    file: Annotated[str, Argument(metavar="FILE", text="What `state export` wrote; - is stdin.")],
) -> int:
    """Read an export into a state file that holds no history yet, which is then the same to the last record.

    A file that was cut short, edited, or is no export is refused, and so is one for a state file that holds another
    history; nothing is changed then. Where just this history is there already, there is nothing to do.
    """
    from assets_cli.state.transfer import lines_of  # only this reads one

    repair = session.open().repair
    try:
        source = nullcontext(sys.stdin.buffer) if file == STREAM else Path(file).open("rb")  # noqa: SIM115 - as below
    except OSError as error:
        hint = "name the file that `assets state export FILE` wrote"
        reason = system_reason(error)
        raise AssetsError(Problem("A0513", f"cannot read {file}: {reason}", hint=hint)) from None
    with source as stream:
        found = repair.load("stdin" if file == STREAM else file, lines_of(stream.readline))
    if found is None:
        console.remark(["nothing to do: just this history is there already"])
    else:
        console.remark([f"imported {count(found.records, 'record')}", f"see: {session.command('runs')}"])
    return 0
