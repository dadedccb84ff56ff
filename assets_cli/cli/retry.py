"""`assets retry`: plan anew what a run left undone, and run that."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Annotated

from assets_cli.cli import console
from assets_cli.cli.carry_out import carry_out, check_jobs, warn
from assets_cli.cli.listeners import EventStream
from assets_cli.cli.options import Argument, AsEvents, FailFast, Jobs, Upstream, flags_of
from assets_cli.cli.screens.plan import Page
from assets_cli.cli.session import Session
from assets_cli.cli.words import now, some
from assets_cli.model.answers import Retry
from assets_cli.model.event import RunFinished, Warned

MOST_NAMED = 8


def command(
    session: Session,
    run: Annotated[str, Argument(metavar="[RUN]", text="A run's id, its beginning or end.")] = "latest",
    *,
    upstream: Upstream = False,
    jobs: Jobs = None,
    fail_fast: FailFast = False,
    as_json: AsEvents = False,
) -> int:
    """Run again what a run left failed, crashed, cancelled, blocked or not started; by default the latest run.

    It is planned anew, so what is up to date by now does not run; what was forced stays forced.
    """
    check_jobs(jobs)
    with EventStream() if as_json else nullcontext() as stream:
        project = session.open()
        project.recover(stream or warn)
        found = project.retry(run, upstream=upstream, jobs=jobs)
        if found.gone:
            (stream or warn)(Warned(None, now(), _gone(found)))
        if found.plan is None:
            if stream:
                stream(RunFinished(None, now(), "succeeded", (), (), (), (), (), ()))
            else:
                console.remark([_nothing(found)])
            return 0
        if not stream and found.run:
            console.remark([f"retrying run {found.run.id}"])
        typed = flags_of(upstream=upstream)
        page = Page(project.manifest, console.err(), session.command, view=session.view(), typed=typed, verb="retry")
        return carry_out(project, found.plan, page, stream, jobs=jobs, fail_fast=fail_fast)


def _gone(found: Retry) -> str:
    """Which assets are left out."""
    are = "is" if len(found.gone) == 1 else "are"
    return f"{some(found.gone, MOST_NAMED)} {are} no longer in the manifest and left out"


def _nothing(found: Retry) -> str:
    if found.run is None:
        return "nothing to retry: no run is on record"
    return f"nothing to retry: run {found.run.id} left nothing {'else ' if found.gone else ''}undone"
