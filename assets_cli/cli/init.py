"""`assets init`: a small working project to begin with."""

from __future__ import annotations

import os
from pathlib import Path
from shlex import quote
from typing import Annotated

from assets_cli.cli import console
from assets_cli.cli.options import Argument, Option
from assets_cli.cli.session import Session


def command(
    session: Session,
    directory: Annotated[Path, Argument(metavar="[DIR]", text="Where; made if need be.")] = Path(),
    *,
    bare: Annotated[bool, Option("--bare", text="A manifest to fill in, and its schema; no example.")] = False,
) -> int:
    """Write a small working project: a few assets in shell, SQL and Python that run as they are.

    With --bare nothing but a manifest without assets, for a folder that has scripts of its own.
    """
    from assets_cli.cli.init_project import write_project

    where = session.directory / directory
    written = write_project(where, bare=bare)
    from_here = os.path.relpath(where)
    terminal = console.err()
    place = "here" if from_here == "." else f"in {from_here}"
    terminal.write([f"wrote {len(written)} files {place}:", *(f"  {name}" for name in written), ""])
    steps = [] if from_here == "." else [f"cd {quote(from_here)}"]
    if bare:
        steps += ["$EDITOR assets.yml  # name what should exist", "assets validate     # what is wrong with it"]
    else:
        steps += ["assets plan         # what would run, and why", "assets materialize  # run it"]
    terminal.write(["next:", *(f"  {step}" for step in steps)])
    return 0
