"""`assets show`: all there is to say of one asset."""

from __future__ import annotations

from typing import Annotated

from assets_cli.cli import console
from assets_cli.cli.options import AsJson, OneAsset, Option
from assets_cli.cli.session import Session
from assets_cli.cli.words import now


def command(
    session: Session,
    asset: OneAsset,
    *,
    sample: Annotated[bool, Option("--sample", text="Also the first rows or lines of its output.")] = False,
    as_json: AsJson = False,
) -> int:
    """Show what an asset is, whose, its state and freshness, its history and checks, and what is above and below it.

    Of an asset that the manifest no longer has it shows what history knows.
    """
    from assets_cli.cli.screens import show as screen
    from assets_cli.cli.screens.rows import sample as sample_lines

    project = session.open()
    answer = project.show(asset)
    beginning = project.sample(answer.name) if sample and answer.status else None
    if as_json:
        from assets_cli.cli import answer_documents  # only a document needs it

        console.show_json(answer_documents.shown(answer, beginning))
        return 0
    page = screen.Page(
        console.out(), now(), session.command, session.view(), project.manifest.connections, sampled=sample
    )
    console.show(screen.lines(answer, page))
    if beginning:
        console.show(["", *sample_lines(beginning, console.out())])
    return 0
