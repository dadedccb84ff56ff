"""Carrying out a plan and telling how it goes: what `materialize` and `retry` share."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from assets_cli.cli import console
from assets_cli.cli.listeners import EventStream, follow
from assets_cli.cli.screens.plan import Page
from assets_cli.model.event import RunEvent, Warned
from assets_cli.model.plan import Plan
from assets_cli.model.problem import AssetsError, Problem

if TYPE_CHECKING:
    from assets_cli.project import Project

MOST_JOBS = 1024
_CODES = {"succeeded": 0, "failed": 1, "cancelled": 130}


def check_jobs(jobs: int | None) -> None:
    """Refuse a number of jobs that is none.

    Raises:
        AssetsError: it is less than one, or more than anybody means.
    """
    if jobs is not None and not 1 <= jobs <= MOST_JOBS:
        hint = "leave --jobs out to use every processor"
        raise AssetsError(Problem("A0815", f"--jobs {jobs}: not a number from 1 to {MOST_JOBS}", hint=hint))


def carry_out(
    project: Project, plan: Plan, page: Page, stream: EventStream | None, *, jobs: int | None, fail_fast: bool
) -> int:
    """Run a plan, told to `stream`, or to people where there is none; the exit code."""
    if stream:
        for warning in plan.warnings:
            stream(Warned(warning.asset, plan.now, warning.message))
    with nullcontext(stream) if stream else follow(plan, page) as listener:
        end = project.materialize(plan, jobs=jobs, fail_fast=fail_fast, listeners=(listener,))
        # It may have been told already, and says it once.
        listener(end)
    return _CODES[end.status]


def warn(event: RunEvent) -> None:
    """Print what the clean-up after dead runs has to say."""
    if isinstance(event, Warned):
        console.remark([f"{console.err().paint('warning', 'bold', 'yellow')}: {event.message}"])
