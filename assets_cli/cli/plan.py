"""`assets plan`: what is stale or overdue, why, and what would run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from assets_cli.cli import console
from assets_cli.cli.options import (
    Ahead,
    AsJson,
    Downstream,
    Force,
    FullRefresh,
    NoObserve,
    Option,
    Selection,
    Upstream,
    flags_of,
    length_of,
)
from assets_cli.cli.session import Session


def command(
    session: Session,
    selection: Selection = None,
    *,
    upstream: Upstream = False,
    downstream: Downstream = False,
    force: Force = False,
    full_refresh: FullRefresh = False,
    ahead: Ahead = None,
    no_observe: NoObserve = False,
    everything: Annotated[bool, Option("--all", text="List every step, and what would not run.")] = False,
    out: Annotated[
        Path | None, Option("--out", metavar="FILE", text="Also save it, to be reviewed and applied later.")
    ] = None,
    as_json: AsJson = False,
    exit_code: Annotated[bool, Option("--exit-code", text="Exit with 3 when the plan has a step.")] = False,
) -> int:
    """Show what is stale or overdue, why, and what would run. Changes nothing.

    SEL names assets: a name, raw/*, tag:x, group:x, owner:x, kind:sql, is:stale, +x (with all ancestors),
    x+ (with all descendants), and, or, not, ( ). Several are a union; none is the whole project.

    A plan saved with --out is run by assets materialize --plan FILE: just that, or nothing if anything has moved.
    """
    from assets_cli.cli.screens import plan as screen

    further = length_of(ahead)
    project = session.open()
    chosen = tuple(selection or ())
    flags = {"upstream": upstream, "downstream": downstream, "force": force, "full_refresh": full_refresh}
    make = project.propose if out else project.plan
    made = make(chosen, **flags, observe=not no_observe, ahead=further)
    if out:
        from assets_cli.cli import saved_plans  # only a plan that is saved needs it

        saved_plans.write(out, made, project.manifest)
    if as_json:
        from assets_cli.cli import documents  # only a document needs it

        console.show_json(documents.plan(made))
        if out:
            console.remark([f"saved in {out}"])
    else:
        again = (*chosen, *flags_of(**flags, ahead=ahead, no_observe=no_observe))
        page = screen.Page(
            project.manifest,
            console.out(),
            session.command,
            everything=everything,
            view=session.view(),
            typed=("--plan", str(out)) if out else again,
            saved=str(out) if out else "",
        )
        console.show(screen.lines(made, page))
    return 3 if exit_code and (made.steps or made.overdue) else 0
