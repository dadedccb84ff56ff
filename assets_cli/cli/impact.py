"""`assets impact`: everything below an asset, with owners."""

from __future__ import annotations

from typing import Annotated

import typer

from assets_cli.cli import answer_documents, console
from assets_cli.cli.options import AsJson
from assets_cli.cli.session import Session
from assets_cli.cli.words import now


def command(
    ctx: typer.Context,
    asset: Annotated[
        str, typer.Argument(metavar="ASSET[.COLUMN]", help="An asset's name, or a column of it.", show_default=False)
    ],
    as_json: AsJson = False,
) -> int:
    """Show everything that is made from an asset or a column, however far below: whose it is, and its state."""
    from assets_cli.cli.screens import impact as screen

    session: Session = ctx.obj
    answer = session.open().impact(asset)
    if as_json:
        console.show_json(answer_documents.impact(answer))
    else:
        console.show(screen.lines(answer, console.out(), now(), session.command))
    return 0
