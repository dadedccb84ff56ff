"""The worker's side of probes: asks a database or a web server what an external asset holds now.

The answer goes back as a report, as a command's would; see `worker`.
"""

from __future__ import annotations

from contextlib import closing
from typing import cast

from assets_cli.computes.protocol import Channel, ComputeFailedError, Databases, Done, Job
from assets_cli.computes.reported import Reported
from assets_cli.connections.protocol import DatabaseError, Session
from assets_cli.probing.observing import Answer, ProbeError


def run(job: Job, databases: Databases, channel: Channel) -> Done:
    """Ask, and report the answer."""
    try:
        answer = _ask_server(job) if "url" in job.command else _ask_database(job, databases)
    except ProbeError as error:
        raise ComputeFailedError(str(error), error.hint) from None
    channel.report(Reported(answer.data_version, answer.data_time, answer.metadata))
    return Done()


def _ask_server(job: Job) -> Answer:
    from assets_cli.probing import web  # brings http in

    return web.ask(job.command["url"], job.command["headers"], job.command["timeout"])


def _ask_database(job: Job, databases: Databases) -> Answer:
    from assets_cli.probing.rows import answer_of_row

    database = databases(job.command["connection"])
    # The protocol of computes says less of a session than there is.
    with closing(cast("Session", database.open(read_only=True))) as session:
        try:
            found = session.fetch(job.command["query"], 1, 2)
        except DatabaseError as error:
            if not str(error).startswith("expected "):
                raise
            # How an asset would run statements is no help to a probe.
            raise ProbeError(str(error), "a probe is one SELECT") from None
    if found.total > 1:
        raise ProbeError("the query returns more than one row", "write one that returns the newest or the number")
    if not found.rows:
        raise ProbeError("the query returns no row, which is no data version")
    return answer_of_row(found.rows[0])
