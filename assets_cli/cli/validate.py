"""`assets validate`: everything that can be wrong without running anything, all at once."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from assets_cli.cli import console
from assets_cli.cli.options import AsJson, Option
from assets_cli.cli.session import Session
from assets_cli.cli.words import count


class Format(StrEnum):
    """How the findings are printed."""

    text = "text"
    json = "json"


def command(
    session: Session,
    strict: Annotated[bool, Option("--strict", text="Exit with 2 on warnings, too.")] = False,
    form: Annotated[Format, Option("--format", text="How to print the findings.")] = Format.text,
    everything: Annotated[bool, Option("--all", text="Print every finding, however many.")] = False,
    as_json: AsJson = False,
) -> int:
    """Find everything that is wrong with the project without running anything.

    Reads the manifest and what it names: SQL and Python files, connections' settings, the edges between assets.
    """
    from assets_cli.cli.screens import problems as screen
    from assets_cli.validation import validate

    found = validate(session.directory, environment=session.environment, variables=session.variables)
    errors = any(problem.severity == "error" for problem in found.problems)
    if as_json or form is Format.json:
        from assets_cli.cli import documents  # only a document needs it

        console.show_json(documents.validation(found.problems, found.assets, found.files))
    elif found.problems:
        # The findings are what was asked for: data, unlike an error of a command that wanted something else.
        console.show(screen.report(found.problems, console.out(), session.view(), everything=everything))
    else:
        console.show([f"ok: {count(found.assets, 'asset')} in {count(found.files, 'file')}, nothing wrong"])
    return 2 if errors or (strict and found.problems) else 0
