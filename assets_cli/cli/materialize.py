"""`assets materialize`: plan, run the plan, and say how it went."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from assets_cli.cli import console
from assets_cli.cli.carry_out import carry_out, check_jobs, trace_file, warn
from assets_cli.cli.listeners import EventStream
from assets_cli.cli.options import (
    Ahead,
    AsEvents,
    Downstream,
    FailFast,
    Force,
    FullRefresh,
    Jobs,
    NoObserve,
    Option,
    Selection,
    Trace,
    Upstream,
    flags_of,
    length_of,
)
from assets_cli.cli.screens.plan import Page
from assets_cli.cli.session import Session
from assets_cli.cli.words import some
from assets_cli.model.problem import AssetsError, Problem

if TYPE_CHECKING:
    from assets_cli.model.plan import Plan
    from assets_cli.project import Project


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
    everything: Annotated[bool, Option("--all", text="Name every asset that did not run or failed.")] = False,
    plan_file: Annotated[
        Path | None, Option("--plan", metavar="FILE", text="Run the plan that assets plan --out saved.")
    ] = None,
    jobs: Jobs = None,
    fail_fast: FailFast = False,
    trace: Trace = None,
    as_json: AsEvents = False,
) -> int:
    """Run the plan: bring what is stale or overdue up to date, and nothing else.

    SEL names assets as in `assets plan`; none is the whole project. Ctrl-C stops: what has finished is kept, and the
    next call goes on from there.

    With --plan it runs a plan that assets plan --out has saved: at most the steps of that, and nothing at all if
    something that they rest on has moved since.
    """
    check_jobs(jobs)
    further = length_of(ahead)
    chosen = tuple(selection or ())
    flags = {"upstream": upstream, "downstream": downstream, "force": force, "full_refresh": full_refresh}
    if plan_file:
        _refuse_more(chosen, flags_of(**flags, ahead=bool(ahead)))
    with EventStream() if as_json else nullcontext() as stream:
        saved = _saved(plan_file) if plan_file else None
        project = session.open()
        file = trace_file(trace, project)
        project.recover(stream or warn)
        if saved:
            # What it leaves undone is not run by applying it again, which is refused.
            page = _page(session, project, everything=everything)._replace(verb="retry")
            with project.applying(saved, jobs=jobs, observe=not no_observe) as plan:
                if not plan.steps and not stream:
                    console.remark(["nothing to do: the plan has no step"])
                    return 0
                return carry_out(project, plan, page, stream, jobs=jobs, fail_fast=fail_fast, trace=file)
        plan = project.plan(chosen, **flags, jobs=jobs, observe=not no_observe, ahead=further)
        # Typed again, --full-refresh would build anew what has succeeded; left out, rows would come to those that are
        # to go.
        verb = "retry" if full_refresh else "materialize"
        again = flags_of(upstream=upstream, downstream=downstream, ahead=ahead, no_observe=no_observe)
        typed = () if full_refresh else (*chosen, *again)
        page = _page(session, project, everything=everything)._replace(typed=typed, verb=verb)
        return carry_out(project, plan, page, stream, jobs=jobs, fail_fast=fail_fast, trace=file)


def _page(session: Session, project: Project, *, everything: bool) -> Page:
    return Page(project.manifest, console.err(), session.command, everything=everything, view=session.view())


def _refuse_more(selection: tuple[str, ...], flags: tuple[str, ...]) -> None:
    """A saved plan is run as it is, or not at all.

    Raises:
        AssetsError: it is to be another one.
    """
    if selection or flags:
        named = [*(["a selection"] if selection else []), *flags]
        hint = "plan with them and save that: assets plan … --out FILE"
        raise AssetsError(Problem("A0814", f"--plan runs a saved plan as it is, without {some(named)}", hint=hint))


def _saved(file: Path) -> Plan:
    from assets_cli.cli import saved_plans  # only a plan that was saved needs it

    return saved_plans.read(file)
