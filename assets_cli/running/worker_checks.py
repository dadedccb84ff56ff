"""The worker's side of checks: evaluates those of a job and tells the coordinator each finding as soon as it is there.

Besides what `worker` describes, it sends {"event": "report", "began": name} before it calls a function, and
{"event": "report", "check": name, "passed", "failing", "message", "sample"} for each check.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from assets_cli.checks import Asked, Finding, Means, Privacy, Subject, evaluate
from assets_cli.computes import python
from assets_cli.computes.protocol import Address, Channel, ComputeFailedError, Databases, Done, Job
from assets_cli.connections.duckdb import in_memory
from assets_cli.connections.protocol import DatabaseError, Session


def run(job: Job, databases: Databases, channel: Channel, send: Callable[[Mapping[str, Any]], None]) -> Done:
    """Evaluate the checks of a job."""
    asked = [Asked(each["name"], each["kind"], each["arguments"]) for each in job.command["checks"]]
    output = job.output
    itself = Address(output.path, output.table, output.connection)
    paths = {name: where.path for name, where in {**job.upstreams, job.asset: itself}.items() if where.path}

    for check in asked:
        if check.arguments.get("path") and check.kind == "relationships":
            paths[check.arguments["to"]] = check.arguments["path"]

    def call(check: Asked) -> Any:
        send({"event": "report", "began": check.name})
        # A check is handed the asset itself, too; one without output has nothing that could be handed over.
        upstreams = {**job.upstreams, job.asset: itself}
        return python.ask(
            job._replace(compute="python", command=check.arguments, upstreams=upstreams), databases, channel
        )

    def tell(check: Asked, finding: Finding) -> None:
        send({"event": "report", "check": check.name, **finding._asdict()})

    means = Means(
        # The protocol of computes says less of a session than there is.
        table=lambda: cast("Session", databases(job.connection).open(read_only=True)),
        memory=in_memory,
        call=call,
        refusals=(DatabaseError, ComputeFailedError),
    )
    private = job.command["private"]
    privacy = Privacy(frozenset(private["columns"]), private["everything"])
    evaluate(asked, Subject(job.asset, output.table, output.path, paths, privacy), means, tell)
    return Done()
