"""`assets lineage`: what an asset depends on, and what depends on it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from assets_cli.cli import console
from assets_cli.cli.options import Argument, AsJson, Option
from assets_cli.cli.session import Session
from assets_cli.model.columns import split

if TYPE_CHECKING:
    from assets_cli.model.answers import ColumnLineage


class Format(StrEnum):
    """How the lineage is printed."""

    tree = "tree"
    json = "json"
    mermaid = "mermaid"
    dot = "dot"


def command(  # noqa: PLR0917 - typer's way
    session: Session,
    asset: Annotated[
        str, Argument(metavar="ASSET[.COLUMN]", text="An asset's name, or a column of it.", show_default=False)
    ],
    upstream: Annotated[bool, Option("--upstream", text="Only what it depends on.")] = False,
    downstream: Annotated[bool, Option("--downstream", text="Only what depends on it.")] = False,
    depth: Annotated[int | None, Option("--depth", metavar="N", least=1, text="At most N edges away.")] = None,
    form: Annotated[Format, Option("--format", text="How to print it.")] = Format.tree,
    columns: Annotated[bool, Option("--columns", text="From column to column, with expressions.")] = False,
    as_json: AsJson = False,
) -> int:
    """Show what an asset depends on and what depends on it, with the state of each; or a column of it."""
    from assets_cli.cli.screens import lineage as screen

    both = upstream == downstream
    project = session.open()
    if columns or split(asset, project.manifest.assets)[1] is not None:
        found = project.column_lineage(asset, upstream=upstream or both, downstream=downstream or both, depth=depth)
        _show_columns(found, Format.json if as_json else form)
        return 0
    answer = project.lineage(asset, upstream=upstream or both, downstream=downstream or both, depth=depth)
    if as_json or form is Format.json:
        from assets_cli.cli import documents  # only a document needs it

        console.show_json(documents.lineage(answer))
    elif form is Format.mermaid:
        console.show(screen.mermaid(answer))
    elif form is Format.dot:
        console.show(screen.dot(answer))
    else:
        console.show(screen.tree(answer, console.out(), bounded=depth is None))
    return 0


def _show_columns(answer: ColumnLineage, form: Format) -> None:
    from assets_cli.cli import answer_documents
    from assets_cli.cli.screens import columns as screen

    if form is Format.json:
        console.show_json(answer_documents.column_lineage(answer))
    elif form is Format.mermaid:
        console.show(screen.mermaid(answer))
    elif form is Format.dot:
        console.show(screen.dot(answer))
    else:
        console.show(screen.tree(answer, console.out()))
