"""SQL commands: a SELECT that fills the asset's table or view or adds to it, or a script that does as it says."""

from __future__ import annotations

import hashlib
from contextlib import closing
from typing import Any, Literal

from assets_cli.computes.protocol import Channel, ComputeFailedError, Databases, Done, Job, Session, TableState
from assets_cli.model.growth import Growth
from assets_cli.model.manifest import GROWING
from assets_cli.model.world import SERVER_TABLE


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
            return look(session, table, job.data_version_sql, job.data_version)
        if table is None:
            raise ComputeFailedError(
                f"{job.asset} declares no table for its SELECT to fill",
                hint="declare `output: {table: …}`, or `materialization: script` to run statements as they stand",
            )
        if job.output.materialization in GROWING:
            return _grow(job, table, session, channel)
        kind: Literal["table", "view"] = "view" if job.output.materialization == "view" else "table"
        state = session.publish_select(table, job.command["query"], kind, channel.prepared)
        version = _data_version(session, job.data_version_sql) or content(session, table, state, job.data_version)
        return Done(state.rows, state.digest, state.columns, version)


def _grow(job: Job, table: str, session: Session, channel: Channel) -> Done:
    """Add the query's rows. What there is to record is asked for within the transaction: it is there once, too."""
    output, asked = job.output, job.growth
    growth = Growth(
        attempt=asked["attempt"],
        unique_key=tuple(output.unique_key),
        time_column=output.time_column,
        anew=asked.get("anew", False),
        first=asked.get("first", False),
        after=asked.get("after"),
        columns=tuple((str(name), str(kind)) for name, kind in asked.get("columns") or ()),
        counted=asked.get("counted", False),
    )
    said: dict[str, Any] = {}

    def before_commit(state: TableState, added: int | None) -> None:
        said.update(added=added, data_version=_data_version(session, job.data_version_sql))
        channel.prepared(state, **said)

    state = session.grow(table, job.command["query"], growth, before_commit)
    return Done(state.rows, state.digest, state.columns, **said)


def look(session: Session, table: str | None, data_version_sql: str | None, data_version: str | None = None) -> Done:
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
    version = version or content(session, table, state, data_version)
    return Done(state.rows, state.digest, state.columns, version)


def content(session: Session, table: str, state: TableState, data_version: str | None) -> str | None:
    """The digest of the rows of a server's table, where `data_version: content` asks for it."""
    return session.content(table) if data_version == "content" and state.digest == SERVER_TABLE else None


def _data_version(session: Session, query: str | None) -> str | None:
    if query is None:
        return None
    value: Any = session.scalar(query)
    # Null is marked by a byte that no text starts with, so that it differs from every text.
    text = "\0null" if value is None else str(value)
    return "sql:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
