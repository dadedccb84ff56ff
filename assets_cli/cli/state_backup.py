"""`assets state backup`: copy the state file, also while runs go on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from assets_cli.cli import console
from assets_cli.cli.options import Argument, Option
from assets_cli.cli.session import Session
from assets_cli.cli.state_export import remark_unrecorded
from assets_cli.cli.words import size


def command(
    session: Session,
    file: Annotated[Path, Argument(metavar="FILE", text="Where to.", show_default=False)],
    *,
    force: Annotated[bool, Option("--force", text="Replace FILE where it is there.")] = False,
) -> int:
    """Copy the state file as it is at one moment, also while runs go on. FILE appears whole or not at all.

    The copy is a state file itself: `assets --state FILE runs` looks into it, and put in the place of the state file
    it restores the history. Logs are no part of it.
    """
    found = session.open().repair.back_up(file, replace=force)
    console.remark([f"copied the history to {file} ({size(found.size)})"])
    remark_unrecorded(found.unrecorded)
    return 0
