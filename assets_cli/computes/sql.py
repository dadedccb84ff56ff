"""SQL commands: a SELECT that fills the asset's table or view, or a script that does as it says."""

from __future__ import annotations

import hashlib
from contextlib import closing
from typing import Any, Literal

from assets_cli.computes.protocol import Channel, ComputeFailedError, Databases, Done, Job, Session


def run(job: Job, databases: Databases, channel: Channel) -> Done:
    """Run the query of a job.

    A SELECT is published in one transaction, after the coordinator has it on record; a script commits as it likes,
    and what it left in a declared table is looked at afterwards.

    Raises:
        ComputeFailedError: there is no connection, no table to fill, or the script left none.
    """
    table = job.output.table
    with closing(databases(job.connection).open()) as session:
        if job.output.materialization == "script":
            session.run_script(job.command["query"])
            return look(session, table, job.data_version_sql)
        if table is None:
            raise ComputeFailedError(
                f"{job.asset} declares no table for its SELECT to fill",
                hint="declare `output: {table: …}`, or `materialization: script` to run statements as they stand",
            )
        kind: Literal["table", "view"] = "view" if job.output.materialization == "view" else "table"
        state = session.publish_select(table, job.command["query"], kind, channel.prepared)
        return Done(state.rows, state.digest, state.columns, _data_version(session, job.data_version_sql))


def look(session: Session, table: str | None, data_version_sql: str | None) -> Done:
    """What a command that wrote its table itself has left there.

    Raises:
        ComputeFailedError: a declared table is not there.
    """
    version = _data_version(session, data_version_sql)
    if table is None:
        return Done(data_version=version)
    if not session.existing([table]):
        raise ComputeFailedError(f"the command left no table {table}", hint="create it, or correct `output.table`")
    state = session.table_state(table)
    return Done(state.rows, state.digest, state.columns, version)


def _data_version(session: Session, query: str | None) -> str | None:
    if query is None:
        return None
    value: Any = session.scalar(query)
    # Null is marked by a byte that no text starts with, so that it differs from every text.
    text = "\0null" if value is None else str(value)
    return "sql:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
