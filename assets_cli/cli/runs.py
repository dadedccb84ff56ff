"""`assets runs`: past runs, or one of them."""

from __future__ import annotations

from typing import Annotated

import typer

from assets_cli.cli import console, documents
from assets_cli.cli.options import AsJson
from assets_cli.cli.session import Session
from assets_cli.cli.words import now


def command(
    ctx: typer.Context,
    run: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="A run's id, its beginning or end, or latest.", show_default=False),
    ] = None,
    *,
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, help="How many runs to list.")] = 20,
    before: Annotated[str | None, typer.Option("--before", metavar="RUN", help="Go on from this run.")] = None,
    asset: Annotated[
        str | None, typer.Option("--asset", metavar="NAME", help="Only runs with a step for this asset.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="List every step of RUN, however many.")] = False,
    as_json: AsJson = False,
) -> int:
    """List past runs, the newest first; with RUN, show how each of its steps ended."""
    from assets_cli.cli.screens import history as screen

    session: Session = ctx.obj
    project = session.open()
    if run is not None:
        record, steps, attempts = project.run(run)
        if as_json:
            console.show_json(documents.run_detail(record, steps, attempts))
        else:
            page = screen.RunPage(console.out(), now(), session.command, everything=everything)
            console.show(screen.run(record, steps, attempts, page))
        return 0
    found = project.runs(limit + 1, before=before, asset=asset)
    records = found[:limit]
    if as_json:
        console.show_json(documents.runs(records))
    elif records:
        console.show(screen.runs(records, console.out(), now()))
        if len(found) > limit:
            narrowed = ("--asset", asset) if asset else ()
            console.remark(["", f"older: {session.command('runs', *narrowed, '--before', records[-1].id)}"])
    elif before or asset:
        console.remark([f"no run{f' with a step for {asset}' if asset else ''}{f' before {before}' if before else ''}"])
    else:
        console.remark(["no run is on record yet", f"run: {session.command('materialize')}"])
    return 0
