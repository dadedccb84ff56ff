"""`assets diff`: what a change of manifest or code does to the data, and who needs to know."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from assets_cli.cli import console
from assets_cli.cli.options import Argument, AsJson, Option
from assets_cli.cli.session import Session


class Format(StrEnum):
    """How the difference is printed."""

    text = "text"
    json = "json"
    markdown = "markdown"


def command(
    session: Session,
    base: Annotated[
        str, Argument(metavar="BASE", text="A revision of git, or a folder with a project.", show_default=False)
    ],
    form: Annotated[Format, Option("--format", text="How to print it.")] = Format.text,
    everything: Annotated[bool, Option("--all", text="List everything, however long.")] = False,
    as_json: AsJson = False,
    exit_code: Annotated[bool, Option("--exit-code", text="Exit with 3 when there is a difference.")] = False,
) -> int:
    """Show what a change of manifest or code does: to which assets, which columns, which promises, and to whom.

    Compares the files here, committed or not, with BASE: main, v1.2, HEAD~3, a folder with another copy. With three
    dots, as in main..., it is the commit where this left main: what a pull request changes. Reads the repository and
    writes nothing.
    """
    from assets_cli.comparing import BaseError, diff

    try:
        report = diff(
            session.directory,
            base,
            environment=session.environment,
            variables=session.variables,
            state=session.state,
        )
    except BaseError as error:
        console.show_problems(error.problems)  # of files that are not here: nothing leads to them from where one stands
        return 2
    if as_json or form is Format.json:
        from assets_cli.cli import diff_document  # only a document needs it

        console.show_json(diff_document.document(report))
    elif form is Format.markdown:
        from assets_cli.cli.screens import diff_markdown  # as above

        console.show(diff_markdown.lines(report))
    else:
        from assets_cli.cli.screens import diff as screen

        page = screen.Page(console.out(), session.command, session.view(), everything=everything)
        console.show(screen.lines(report, page))
    return 3 if exit_code and not report.difference.is_empty else 0
