"""`assets runs`: past runs, or one of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from assets_cli.cli import console, documents
from assets_cli.cli.announcing import warn_of_trouble
from assets_cli.cli.carry_out import trace_file
from assets_cli.cli.options import Argument, AsJson, Option, Trace
from assets_cli.cli.session import Session
from assets_cli.cli.words import now
from assets_cli.model.history import Attempt, Deed, RunRecord, StepRecord
from assets_cli.model.problem import AssetsError, Problem
from assets_cli.planning.timeline import timeline

if TYPE_CHECKING:
    from assets_cli.project import Project

Run = tuple[RunRecord, tuple[StepRecord, ...], tuple[Attempt, ...]]


def command(
    session: Session,
    run: Annotated[
        str | None,
        Argument(metavar="[RUN]", text="A run's id, its beginning or end, or latest.", show_default=False),
    ] = None,
    *,
    limit: Annotated[int, Option("--limit", "-n", metavar="N", least=1, text="How many runs to list.")] = 20,
    before: Annotated[str | None, Option("--before", metavar="RUN", text="Go on from this run.")] = None,
    asset: Annotated[
        str | None, Option("--asset", metavar="NAME", text="Only runs with a step for this asset.")
    ] = None,
    everything: Annotated[bool, Option("--all", text="List every step of RUN, however many.")] = False,
    trace: Trace = None,
    as_json: AsJson = False,
) -> int:
    """List past runs, the newest first; with RUN, show how each of its steps ended, and when it ran."""
    from assets_cli.cli.screens import history as screen

    project = session.open()
    warn_of_trouble(project)
    if trace is not None and run is None:
        hint = f"name the run: {session.command('runs', 'latest', '--trace', str(trace))}"
        raise AssetsError(Problem("A0814", "--trace is of one run", hint=hint))
    if run is not None:
        record, steps, attempts = project.run(run)
        if trace is not None:
            _write(trace, project, (record, steps, attempts))
        if as_json:
            chart = timeline(record, steps, attempts, now())
            console.show_json(documents.run_detail(record, steps, attempts, chart))
        elif trace is None:
            page = screen.RunPage(console.out(), now(), session.command, everything=everything)
            console.show(screen.run(record, steps, attempts, page))
        return 0
    found = project.runs(limit + 1, before=before, asset=asset)
    records = found[:limit]
    deeds = () if asset or (before and not records) else _deeds(project, found, limit, first=not before)
    if as_json:
        console.show_json(documents.runs(records, deeds))
    elif records or deeds:
        console.show(screen.runs(records, console.out(), now(), deeds))
        if len(found) > limit:
            narrowed = ("--asset", asset) if asset else ()
            console.remark(["", f"older: {session.command('runs', *narrowed, '--before', records[-1].id)}"])
    elif before or asset:
        console.remark([f"no run{f' with a step for {asset}' if asset else ''}{f' before {before}' if before else ''}"])
    else:
        console.remark(["no run is on record yet", f"run: {session.command('materialize')}"])
    return 0


def _deeds(project: Project, found: Sequence[RunRecord], limit: int, *, first: bool) -> tuple[Deed, ...]:
    """What was done to the history on purpose in the time of this page of runs."""
    newest = None if first else found[0].id
    return project.repair.deeds(newest, found[limit - 1].id if len(found) > limit else None)


def _write(path: Path, project: Project, run: Run) -> None:
    """Write a run as a trace, and say so."""
    from assets_cli.cli.trace import document  # only who asks for a trace pays for it

    file = trace_file(path, project)
    if file is not None:
        file.write(document(*run, now()))
        console.remark([f"trace: {path} (for ui.perfetto.dev or chrome://tracing)"])
