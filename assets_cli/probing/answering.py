"""A database opened for a question: read-only, under its mutex, with its refusals as problems that a user can mend.

Waits no longer than a probe does: a database that a run is at work on is not available, and the run is named. Knows
nothing of assets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Literal, NamedTuple

from assets_cli.connections import open_database
from assets_cli.connections.protocol import DatabaseError, Session
from assets_cli.model.manifest import Connection
from assets_cli.model.problem import AssetsError, Problem
from assets_cli.model.template import UnknownVariableError, fill_environment
from assets_cli.probing.declared import location
from assets_cli.probing.tables import PATIENCE, DatabaseLocks


@contextmanager
def opened(
    connection: Connection | None, root: str, environ: Mapping[str, str], locks: DatabaseLocks
) -> Iterator[Session]:
    """A session of this connection, or one without a database, to read files with; closed at the end.

    Raises:
        AssetsError: the database cannot be opened (A0612) or is in use (A0613), or refused what was done with it.
    """
    try:
        if connection is None:
            yield from _files(root)
            return
        options = {key: fill_environment(value, environ) for key, value in connection.options.items()}
        database = open_database(connection.type, options, Path(root))
        with locks.try_database(database.file, PATIENCE) if database.file else nullcontext() as holder:
            if holder is not None:
                raise AssetsError(_in_use(connection.name, f"in use by {holder}"))
            session = database.open(read_only=True)
            try:
                _start_at(session, root)
                yield session
            finally:
                session.close()
    except UnknownVariableError as unknown:
        name = unknown.name.removeprefix("env.")
        hint = f"connection {connection.name} uses it" if connection else None
        raise AssetsError(Problem("A0311", f"the environment variable {name} is not set", hint=hint)) from None
    except DatabaseError as error:
        if error.in_use and connection:
            raise AssetsError(_in_use(connection.name, str(error), error.hint)) from None
        line = f" (line {error.line})" if error.line and error.line > 1 else ""
        raise AssetsError(Problem("A0612", f"{error}{line}", hint=error.hint)) from None


class Answer(NamedTuple):
    """What became of a connection that was tried: the database's version, or the problem; `took` is in microseconds."""

    connection: str
    type: str
    location: str
    status: Literal["ok", "absent", "failed"]
    version: str | None = None
    took: int = 0
    problem: Problem | None = None


def attempt(
    connection: Connection, root: str, environ: Mapping[str, str], locks: DatabaseLocks, clock: Callable[[], int]
) -> Answer:
    """Open a connection, ask it for one value and close it. A file that is not there yet is made by the first step."""
    began = clock()
    place = location(connection, root)
    answer = Answer(connection.name, connection.type, place, "ok")
    path = connection.options.get("path")
    try:
        if path and "${" not in path and not Path(root, path).exists():
            return answer._replace(status="absent")
        with opened(connection, root, environ, locks) as session:
            session.scalar("select 1")
            return answer._replace(version=session.version(), took=clock() - began)
    except AssetsError as error:
        found = error.problems[0]
        message = f"connection {connection.name}: {found.message}"
        problem = found._replace(code=found.code if found.code != "A0612" else "A0621", message=message)
        return answer._replace(status="failed", took=clock() - began, problem=problem)


def _files(root: str) -> Iterator[Session]:
    from assets_cli.connections.duckdb import in_memory  # heavy: on use

    session = in_memory()
    try:
        _start_at(session, root)
        yield session
    finally:
        session.close()


def _start_at(session: Session, root: str) -> None:
    """Relative paths in a query start where those of commands do."""
    if session.dialect == "duckdb":
        from assets_cli.connections.duckdb import DuckDBSession, look_from  # loaded by now

        if isinstance(session, DuckDBSession):
            look_from(session, Path(root))


def _in_use(name: str, why: str, hint: str | None = None) -> Problem:
    return Problem(
        "A0613",
        f"the database of connection {name} is not available: {why}",
        hint=hint or "try again when it has ended",
    )
