"""`assets lineage`: what an asset depends on, and what depends on it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from assets_cli.cli import console, documents
from assets_cli.cli.options import AsJson
from assets_cli.cli.session import Session


class Format(StrEnum):
    """How the lineage is printed."""

    tree = "tree"
    json = "json"
    mermaid = "mermaid"
    dot = "dot"


def command(
    ctx: typer.Context,
    asset: Annotated[str, typer.Argument(metavar="ASSET", help="The asset's name.", show_default=False)],
    upstream: Annotated[bool, typer.Option("--upstream", help="Only what it depends on.")] = False,
    downstream: Annotated[bool, typer.Option("--downstream", help="Only what depends on it.")] = False,
    depth: Annotated[int | None, typer.Option("--depth", metavar="N", min=1, help="At most N edges away.")] = None,
    form: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.tree,
    as_json: AsJson = False,
) -> int:
    """Show what an asset depends on and what depends on it, with the state of each."""
    from assets_cli.cli.screens import lineage as screen

    session: Session = ctx.obj
    both = upstream == downstream
    answer = session.open().lineage(asset, upstream=upstream or both, downstream=downstream or both, depth=depth)
    if as_json or form is Format.json:
        console.show_json(documents.lineage(answer))
    elif form is Format.mermaid:
        console.show(screen.mermaid(answer))
    elif form is Format.dot:
        console.show(screen.dot(answer))
    else:
        console.show(screen.tree(answer, console.out(), bounded=depth is None))
    return 0
