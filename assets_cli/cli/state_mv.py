"""`assets state mv`: move an asset's history to another name."""

from __future__ import annotations

from typing import Annotated

from assets_cli.cli import console
from assets_cli.cli.announcing import announce
from assets_cli.cli.carry_out import warn
from assets_cli.cli.options import Argument, Option
from assets_cli.cli.session import Session


def command(
    session: Session,
    old: Annotated[str, Argument(metavar="OLD", text="The name under which it is on record.", show_default=False)],
    new: Annotated[str, Argument(metavar="NEW", text="The name that it has now.", show_default=False)],
    *,
    swap: Annotated[bool, Option("--swap", text="Let two assets exchange their histories.")] = False,
    force: Annotated[bool, Option("--force", text="Move it whatever the manifest has.")] = False,
) -> int:
    """Move an asset's history to another name, so that a rename makes nothing stale.

    Rename it in the manifest first, wherever it is written, then move its history: what it was made from, its runs,
    logs and checks, and what its downstreams have read of it. In this environment only; `moved: {from: OLD}` in the
    manifest does the same in each. NEW must have no history.
    """
    project = session.open()
    project.recover(warn)
    if swap:
        project.repair.swap(old, new, warn)
        console.remark([f"{old} and {new} have exchanged their histories"])
    else:
        project.repair.move(old, new, warn, force=force)
        console.remark([f"{new} has the history of {old} now"])
    console.remark([f"see: {session.command('plan')}"])
    announce(project)
    return 0
