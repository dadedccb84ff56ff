"""`assets freshness`: which promises are kept, which are broken, and who holds the data back."""

from __future__ import annotations

from typing import Annotated

from assets_cli.cli import console
from assets_cli.cli.options import AsJson, Option, Selection
from assets_cli.cli.session import Session
from assets_cli.cli.words import now


def command(
    session: Session,
    selection: Selection = None,
    *,
    everything: Annotated[bool, Option("--all", text="List every promise, however many.")] = False,
    exit_code: Annotated[bool, Option("--exit-code", text="Exit with 3 when a promise is broken.")] = False,
    as_json: AsJson = False,
) -> int:
    """Show how old the data is, what was promised, when that is broken, and who holds it back.

    Lists the selected assets that have a freshness policy, the worst first: fail, warn, unknown, pass.
    """
    from assets_cli.cli.screens import freshness as screen

    verdicts = session.open().freshness(tuple(selection or ()))
    if as_json:
        from assets_cli.cli import answer_documents  # only a document needs it

        console.show_json(answer_documents.freshness(verdicts))
    elif verdicts:
        console.show(screen.lines(verdicts, console.out(), now(), everything=everything))
        console.remark(["", screen.totals(verdicts)])
    else:
        about = "no selected asset" if selection else "no asset"
        console.remark([f"{about} has a freshness policy", "hint: give one, or several, freshness: {max_lag: 24h}"])
    return 3 if exit_code and any(verdict.status == "fail" for verdict in verdicts) else 0
