"""`assets impact`: everything below an asset, with owners."""

from __future__ import annotations

from typing import Annotated

from assets_cli.cli import console
from assets_cli.cli.options import Argument, AsJson
from assets_cli.cli.session import Session
from assets_cli.cli.words import now


def command(
    session: Session,
    asset: Annotated[
        str, Argument(metavar="ASSET[.COLUMN]", text="An asset's name, or a column of it.", show_default=False)
    ],
    as_json: AsJson = False,
) -> int:
    """Show everything that is made from an asset or a column, however far below: whose it is, and its state."""
    from assets_cli.cli.screens import impact as screen

    answer = session.open().impact(asset)
    if as_json:
        from assets_cli.cli import answer_documents  # only a document needs it

        console.show_json(answer_documents.impact(answer))
    else:
        console.show(screen.lines(answer, console.out(), now(), session.command))
    return 0
