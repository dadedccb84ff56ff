"""`assets materialize`: plan, run the plan, and say how it went."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Annotated

import typer

from assets_cli.cli import console
from assets_cli.cli.listeners import EventStream, follow
from assets_cli.cli.options import Downstream, Force, Selection, Upstream, flags_of
from assets_cli.cli.screens.plan import Page
from assets_cli.cli.session import Session
from assets_cli.model.event import RunEvent, Warned
from assets_cli.model.problem import AssetsError, Problem

MOST_JOBS = 1024
_CODES = {"succeeded": 0, "failed": 1, "cancelled": 130}


def command(
    ctx: typer.Context,
    selection: Selection = None,
    *,
    upstream: Upstream = False,
    downstream: Downstream = False,
    force: Force = False,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", metavar="N", help="How many at once; by default as many as processors."),
    ] = None,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Start nothing new once a step has failed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print events, one JSON document a line.")] = False,
) -> int:
    """Run the plan: bring what is stale or overdue up to date, and nothing else.

    SEL names assets as in `assets plan`; none is the whole project. Ctrl-C stops: what has finished is kept, and the
    next call goes on from there.
    """
    session: Session = ctx.obj
    if jobs is not None and not 1 <= jobs <= MOST_JOBS:
        hint = "leave --jobs out to use every processor"
        raise AssetsError(Problem("A0815", f"--jobs {jobs}: not a number from 1 to {MOST_JOBS}", hint=hint))

    chosen = tuple(selection or ())
    with EventStream() if as_json else nullcontext() as stream:
        project = session.open()
        project.recover(stream or _warn)
        plan = project.plan(chosen, upstream=upstream, downstream=downstream, force=force, jobs=jobs)
        if stream:
            for warning in plan.warnings:
                stream(Warned(warning.asset, plan.now, warning.message))
        typed = (*chosen, *flags_of(upstream=upstream, downstream=downstream))
        page = Page(project.manifest, console.err(), session.command, view=session.view(), typed=typed)
        with nullcontext(stream) if stream else follow(plan, page) as listener:
            end = project.materialize(plan, jobs=jobs, fail_fast=fail_fast, listeners=(listener,))
            # It may have been told already, and says it once.
            listener(end)
    return _CODES[end.status]


def _warn(event: RunEvent) -> None:
    """Print what the clean-up after dead runs has to say."""
    if isinstance(event, Warned):
        console.remark([f"{console.err().paint('warning', 'bold', 'yellow')}: {event.message}"])
