"""`assets impact`: everything below an asset, with owners."""

from __future__ import annotations

import typer

from assets_cli.cli import answer_documents, console
from assets_cli.cli.options import AsJson, OneAsset
from assets_cli.cli.session import Session
from assets_cli.cli.words import now


def command(ctx: typer.Context, asset: OneAsset, as_json: AsJson = False) -> int:
    """Show everything that is made from an asset, however far below: whose it is, its state, its promise."""
    from assets_cli.cli.screens import impact as screen

    session: Session = ctx.obj
    answer = session.open().impact(asset)
    if as_json:
        console.show_json(answer_documents.impact(answer))
    else:
        console.show(screen.lines(answer, console.out(), now(), session.command))
    return 0
