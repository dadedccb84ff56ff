"""`context`, the argument by which a Python function learns of its run, gets connections and reports.

Nothing is connected, and no logger made, before the function asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets_cli.computes import reported
from assets_cli.computes.protocol import Channel, ComputeFailedError, Databases, Job, Session

if TYPE_CHECKING:  # logging takes milliseconds, which a function that logs nothing need not pay
    import logging


class Context:
    """What a function may know and do besides computing.

    Attributes:
        asset: the asset's name.
        run_id: the run's id.
        environment: the environment's name, `default` without `--env`.
        partition: the partition's key; empty where the asset has none.
        output: where the contents go: a `Path`, a table's name, or None.
        vars: the manifest's variables.
    """

    def __init__(self, job: Job, databases: Databases, channel: Channel) -> None:
        self.asset = job.asset
        self.run_id = job.run
        self.environment = job.environment
        self.partition = ""
        self.output: Path | str | None = Path(job.output.path) if job.output.path else job.output.table
        self.vars: Mapping[str, Any] = job.vars
        self._job = job
        self._databases = databases
        self._channel = channel
        self._sessions: dict[str, Session] = {}

    @property
    def log(self) -> logging.Logger:
        """A logger whose lines, from level INFO on, go to the attempt's log."""
        import logging  # on use; see above

        logger = logging.getLogger(f"assets.{self.asset}")
        if not logger.handlers:
            handler = logging.StreamHandler()
            handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
            logger.addHandler(handler)
            logger.setLevel(logging.INFO)
            logger.propagate = False
        return logger

    def connection(self, name: str | None = None) -> Any:
        """An open connection of the database's own driver; without a name the one of the asset's output.

        It is closed after the function: what is uncommitted is committed if the function returns, and lost if not.

        Raises:
            LookupError: no connection has this name, or none is declared.
        """
        if name is None:
            try:
                name = self._job.connection
            except ComputeFailedError as error:
                raise LookupError(f"{error}; {error.hint}") from None
        if name not in self._job.connections:
            known = ", ".join(sorted(self._job.connections)) or "none"
            raise LookupError(f"no connection {name!r}; declared connections: {known}")
        return self.session(name).raw

    def report(self, **values: Any) -> None:
        """Say something of the output: `data_version=`, `data_time=` (a datetime or RFC 3339 text), any metadata.

        Raises:
            ValueError: a value is none that can be kept.
        """
        try:
            said = reported.from_values(values)
        except ValueError as error:
            raise ValueError(f"the report {error}") from None
        self._channel.report(said)

    def session(self, name: str) -> Session:
        """The session behind a connection; not for the function itself."""
        if name not in self._sessions:
            self._sessions[name] = self._databases(name).open()
        return self._sessions[name]

    def opened(self, name: str) -> Session | None:
        """The session behind a connection if it is open; not for the function itself."""
        return self._sessions.get(name)

    def commit(self) -> None:
        """Commit what the function left uncommitted; not for the function itself."""
        for session in self._sessions.values():
            session.commit()

    def finish(self, *, commit: bool) -> None:
        """Close what was opened; not for the function itself."""
        try:
            if commit:
                self.commit()
        finally:
            sessions, self._sessions = list(self._sessions.values()), {}
            for session in sessions:
                with suppress(Exception):  # a user may have closed it already
                    session.close()
