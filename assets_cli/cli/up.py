"""`assets up`: keep every promise of the project, for as long as it runs."""

from __future__ import annotations

from typing import Annotated

from assets_cli.cli.carry_out import check_jobs
from assets_cli.cli.options import AsEvents, Jobs, Option, Selection
from assets_cli.cli.session import Session


def command(
    session: Session,
    selection: Selection = None,
    *,
    once: Annotated[bool, Option("--once", text="Run what is due now, then exit; for cron and CI.")] = False,
    jobs: Jobs = None,
    as_json: AsEvents = False,
) -> int:
    """Keep every promise: run what is due, sleep until something is, go on until Ctrl-C.

    What is missing or has changed runs at once, and so does what has a schedule at its ticks; what only time asks for
    starts as late as is safe. A change of the manifest, of code, or of a file that is observed wakes it. SEL restricts
    it to some assets, as in `assets plan`; none is the whole project.

    A second one for the same history stands by and takes over when the first is gone. Ctrl-C and SIGTERM end what runs
    and exit with 130.
    """
    check_jobs(jobs)
    from assets_cli.cli.up_loop import Loop, Wanted  # after what was typed is known to be right
    from assets_cli.cli.up_reporter import JsonReporter, TextReporter

    reporter = JsonReporter() if as_json else TextReporter(session.command)
    return Loop(Wanted(session, tuple(selection or ()), jobs, once=once), reporter).run()
