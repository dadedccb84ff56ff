"""`assets validate`: everything that can be wrong without running anything, all at once."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from assets_cli.cli import console
from assets_cli.cli.options import AsJson, Option
from assets_cli.cli.session import Session
from assets_cli.cli.words import count, some
from assets_cli.model.problem import AssetsError

if TYPE_CHECKING:
    from assets_cli.validation import Validation


class Format(StrEnum):
    """How the findings are printed."""

    text = "text"
    json = "json"
    github = "github"
    sarif = "sarif"


def command(
    session: Session,
    strict: Annotated[bool, Option("--strict", text="Exit with 2 on warnings, too.")] = False,
    form: Annotated[Format, Option("--format", text="How to print the findings.")] = Format.text,
    everything: Annotated[bool, Option("--all", text="Print every finding, however many.")] = False,
    no_python: Annotated[bool, Option("--no-python", text="Leave out policies that are Python functions.")] = False,
    as_json: AsJson = False,
) -> int:
    """Find everything that is wrong with the project without running anything.

    Reads the manifest and what it names: SQL and Python files, connections' settings, the edges between assets. Only
    policies that are Python functions run code of the project, in a process of its own.
    """
    from assets_cli.validation import Validation, validate

    form = Format.json if as_json else form
    try:
        found = validate(
            session.directory, environment=session.environment, variables=session.variables, python=not no_python
        )
    except AssetsError as error:
        # There is nothing to validate, which is a finding for whoever reads the document.
        if form is not Format.text:
            _show(Validation(error.problems, 0, 0), session, form, everything=everything)
        if form is Format.github:
            return 2
        raise
    _show(found, session, form, everything=everything)
    errors = any(problem.severity == "error" for problem in found.problems)
    return 2 if errors or (strict and found.problems) else 0


def _show(found: Validation, session: Session, form: Format, *, everything: bool) -> None:
    """Print the findings: they are what was asked for, unlike an error of a command that wanted something else."""
    if form is Format.text:
        _show_text(found, session, everything=everything)
    elif form is Format.json:
        from assets_cli.cli import documents  # only a document needs it

        console.show_json(documents.validation(found))
    else:
        _show_to_forge(found, session, form, everything=everything)


def _show_text(found: Validation, session: Session, *, everything: bool) -> None:
    from assets_cli.cli.screens import problems as screen

    if found.problems:
        shown = screen.report(
            found.problems, console.out(), session.view(), everything=everything, suppressed=found.suppressed
        )
        console.show([*shown, *_left_out(found)])
        return
    policies = f" and {count(found.policies, 'policy', 'policies')}" if found.policies else ""
    console.show([f"ok: {count(found.assets, 'asset')} in {count(found.files, 'file')}{policies}, nothing wrong"])
    console.show([*screen.turned_off(found.suppressed), *_left_out(found)])


def _left_out(found: Validation) -> Iterator[str]:
    if found.left_out:
        yield f"not looked at, for --no-python: {some([repr(name) for name in found.left_out])}"


def _show_to_forge(found: Validation, session: Session, form: Format, *, everything: bool) -> None:
    """Print what a forge reads, with the paths of the repository."""
    from assets_cli.cli.forges import Report, repository_of  # only these formats ask for the repository

    root = session.view().root or session.directory
    notes = list(_left_out(found))
    report = Report(found.problems, found.suppressed, root, repository_of(root), notes, everything)
    if form is Format.github:
        from assets_cli.cli import github

        console.show(github.lines(report))
    else:
        from assets_cli.cli import sarif

        console.show_json(sarif.document(report, complete=found.files > 0))
