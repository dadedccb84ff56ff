"""`assets state mark`: adopt what exists as up to date."""

from __future__ import annotations

from typing import Annotated

from assets_cli.cli import console
from assets_cli.cli.announcing import announce
from assets_cli.cli.carry_out import warn
from assets_cli.cli.options import Argument
from assets_cli.cli.session import Session
from assets_cli.model.event import RunEvent, StepFinished


def command(
    session: Session,
    selection: Annotated[list[str], Argument(metavar="SEL...", text="Which assets.")],
) -> int:
    """Record assets as up to date with what is at their outputs now. Nothing is run.

    For outputs that were made elsewhere or mended by hand. The record is a run of its own in `assets runs`.
    """
    project = session.open()
    project.recover(warn)
    run = project.mark(selection, (_tell,))
    console.remark([f"marked as run {run}"])
    announce(project)
    return 0


def _tell(event: RunEvent) -> None:
    if isinstance(event, StepFinished):
        console.remark([f"{event.asset}: {event.detail}"])
    else:
        warn(event)
