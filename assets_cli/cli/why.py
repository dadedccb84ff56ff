"""`assets why`: the causes of an asset down to their roots."""

from __future__ import annotations

from typing import Annotated

from assets_cli.cli import console
from assets_cli.cli.options import Argument, AsJson
from assets_cli.cli.session import Session
from assets_cli.cli.words import now


def command(
    session: Session,
    asset: Annotated[str, Argument(metavar="ASSET", text="The asset's name.", show_default=False)],
    as_json: AsJson = False,
) -> int:
    """Show why an asset is stale: its causes, and theirs, down to the file, upstream or run where it began."""
    from assets_cli.cli.screens import why as screen

    answer = session.open().why(asset)
    if as_json:
        from assets_cli.cli import documents  # only a document needs it

        console.show_json(documents.why(answer))
    else:
        console.show(screen.lines(answer, console.out(), now(), session.command))
    return 0
