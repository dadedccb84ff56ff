"""Carrying out a plan and telling how it goes: what `materialize` and `retry` share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from assets_cli.cli import console
from assets_cli.cli.announcing import announce
from assets_cli.cli.listeners import EventStream, Listener, follow
from assets_cli.cli.screens.plan import Page
from assets_cli.cli.words import now
from assets_cli.model.event import RunEvent, Warned
from assets_cli.model.plan import Plan
from assets_cli.model.problem import AssetsError, Problem

if TYPE_CHECKING:
    from assets_cli.cli.new_file import NewFile
    from assets_cli.project import Project

MOST_JOBS = 1_000_000
CODES = {"succeeded": 0, "failed": 1, "cancelled": 130}


def check_jobs(jobs: int | None) -> None:
    """Refuse a number of jobs that is none.

    Raises:
        AssetsError: it is less than one, or more than anybody means.
    """
    if jobs is not None and not 1 <= jobs <= MOST_JOBS:
        hint = "leave --jobs out to use every processor"
        raise AssetsError(Problem("A0815", f"--jobs {jobs}: not a number from 1 to {MOST_JOBS}", hint=hint))


def trace_file(path: Path | None, project: Project) -> NewFile | None:
    """The file for a trace, seen to be one that can be written before anything runs.

    Raises:
        AssetsError: it cannot (A0822).
    """
    if path is None:
        return None
    from assets_cli.cli.new_file import NewFile  # only who asks for a trace pays for it

    file = NewFile(path, "--trace")
    file.require(project.manifest)
    return file


def carry_out(
    project: Project,
    plan: Plan,
    page: Page,
    stream: EventStream | None,
    *,
    jobs: int | None,
    fail_fast: bool,
    trace: NewFile | None = None,
) -> int:
    """Run a plan, told to `stream`, or to people where there is none, and traced into a file; the exit code."""
    if stream:
        for warning in plan.warnings:
            stream(Warned(warning.asset, plan.now, warning.message))
    with (
        _traced(project, trace, is_quiet=stream is not None) as listeners,
        nullcontext(stream) if stream else follow(plan, page, fail_fast=fail_fast) as listener,
    ):
        end = project.materialize(plan, jobs=jobs, fail_fast=fail_fast, listeners=(listener, *listeners))
        # It may have been told already, and says it once.
        listener(end)
    announce(project)
    return CODES[end.status]


@contextmanager
def _traced(project: Project, file: NewFile | None, *, is_quiet: bool) -> Iterator[tuple[Listener, ...]]:
    """Write the trace when the run has ended, however it did. A trace that cannot be written changes no result."""
    if file is None:
        yield ()
        return
    from assets_cli.cli import trace  # only who asks for one pays for it

    tracer = trace.Tracer()
    try:
        yield (tracer,)
    finally:
        try:
            text = trace.document(*project.run(tracer.run), now(), tracer) if tracer.run else trace.nothing()
            file.write(text)
        except AssetsError as error:
            console.warn(f"no trace was written: {error.problems[0].message}")
        else:
            if not is_quiet:
                console.remark([f"trace: {file.path} (for ui.perfetto.dev or chrome://tracing)"])


def warn(event: RunEvent) -> None:
    """Print what the clean-up after dead runs has to say."""
    if isinstance(event, Warned):
        console.warn(event.message)
