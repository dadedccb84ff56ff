"""`assets materialize`: plan, run the plan, and say how it went."""

from __future__ import annotations

from contextlib import nullcontext

import typer

from assets_cli.cli import console
from assets_cli.cli.carry_out import carry_out, check_jobs, warn
from assets_cli.cli.listeners import EventStream
from assets_cli.cli.options import (
    AsEvents,
    Downstream,
    FailFast,
    Force,
    FullRefresh,
    Jobs,
    NoObserve,
    Selection,
    Upstream,
    flags_of,
)
from assets_cli.cli.screens.plan import Page
from assets_cli.cli.session import Session


def command(
    ctx: typer.Context,
    selection: Selection = None,
    *,
    upstream: Upstream = False,
    downstream: Downstream = False,
    force: Force = False,
    full_refresh: FullRefresh = False,
    no_observe: NoObserve = False,
    jobs: Jobs = None,
    fail_fast: FailFast = False,
    as_json: AsEvents = False,
) -> int:
    """Run the plan: bring what is stale or overdue up to date, and nothing else.

    SEL names assets as in `assets plan`; none is the whole project. Ctrl-C stops: what has finished is kept, and the
    next call goes on from there.
    """
    session: Session = ctx.obj
    check_jobs(jobs)
    chosen = tuple(selection or ())
    with EventStream() if as_json else nullcontext() as stream:
        project = session.open()
        project.recover(stream or warn)
        plan = project.plan(
            chosen,
            upstream=upstream,
            downstream=downstream,
            force=force,
            full_refresh=full_refresh,
            jobs=jobs,
            observe=not no_observe,
        )
        typed = (*chosen, *flags_of(upstream=upstream, downstream=downstream, no_observe=no_observe))
        page = Page(project.manifest, console.err(), session.command, view=session.view(), typed=typed)
        return carry_out(project, plan, page, stream, jobs=jobs, fail_fast=fail_fast)
