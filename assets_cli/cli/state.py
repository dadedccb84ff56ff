"""`assets state`: repair history deliberately."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from assets_cli.cli import console
from assets_cli.cli.session import Session
from assets_cli.model.event import RunEvent, StepFinished, Warned


class Action(StrEnum):
    """What to do with history."""

    MARK = "mark"


def command(
    ctx: typer.Context,
    action: Annotated[Action, typer.Argument(metavar="ACTION", help="mark: adopt what exists.")],  # noqa: ARG001 - one yet
    selection: Annotated[list[str], typer.Argument(metavar="SEL...", help="Which assets.")],
) -> int:
    """Repair history: `mark` records assets as up to date with what is at their outputs now, and runs nothing.

    For outputs that were made elsewhere or mended by hand. The record is a run of its own in `assets runs`.
    """
    session: Session = ctx.obj
    run = session.open().mark(selection, (_tell,))
    console.remark([f"marked as run {run}"])
    return 0


def _tell(event: RunEvent) -> None:
    if isinstance(event, StepFinished):
        console.remark([f"{event.asset}: {event.detail}"])
    elif isinstance(event, Warned):
        console.remark([f"warning: {event.message}"])
