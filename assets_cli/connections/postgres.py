"""PostgreSQL by psycopg 3: where a database is, and how a connection to it is made.

The driver is imported when a connection is opened, so that nobody needs it who has no such connection. What is done
with one is in `postgres_session`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from assets_cli.connections import urls
from assets_cli.connections.postgres_session import UNREACHABLE, PostgresSession
from assets_cli.connections.protocol import DatabaseError
from assets_cli.connections.refusals import first_line
from assets_cli.connections.server_session import is_transient, retry

_EXAMPLE = '"${env.PG_URL}"'
_NEEDS = "a connection of type postgres needs psycopg, which is not installed"
_INSTALL = "pip install 'assets-cli[postgres]'"
_KEEPALIVES = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
"""A network that swallows all is noticed in a minute, while a statement that takes hours goes on for hours."""


def database(options: Mapping[str, str], root: Path) -> PostgresDatabase:  # noqa: ARG001 - as of every kind
    """The database of a connection of type `postgres`; its only option is `url`.

    Raises:
        DatabaseError: an option is missing or unknown, or the URL is of something else.
    """
    url = urls.url_option("postgres", options, _EXAMPLE)
    scheme = urls.scheme(url)
    if scheme.startswith(("postgresql+", "postgres+")):
        url, scheme = f"postgresql{url[len(scheme) :]}", "postgresql"
    is_url = scheme in ("postgresql", "postgres")
    if not is_url and not url.startswith("${"):
        hint = "write postgresql://user@host:5432/database"
        if scheme:
            hint += ", or declare the connection `type: sqlalchemy`"
        raise DatabaseError(f"{urls.without_credentials(url)} is not the URL of a PostgreSQL database", hint=hint)
    return PostgresDatabase(url)


class PostgresDatabase(NamedTuple):
    """A database of a PostgreSQL server, not connected to."""

    url: str
    dialect: str = "postgres"

    @property
    def location(self) -> str:
        """The URL as written, without credentials."""
        return urls.without_credentials(self.url)

    @property
    def file(self) -> None:
        """None: a server takes any number of processes."""
        return

    def open(self, *, read_only: bool = False) -> PostgresSession:
        """Connect.

        Raises:
            DatabaseError: psycopg is not installed, or the server is not there or does not let us in.
        """
        if read_only:
            return PostgresSession(self._connect(read_only=True), self._connect)
        return retry(lambda: PostgresSession(self._connect(), self._connect))

    def _connect(self, *, read_only: bool = False) -> Any:
        try:
            import psycopg  # an extra: on use
            from psycopg.conninfo import conninfo_to_dict
        except ImportError:
            raise DatabaseError(_NEEDS, hint=_INSTALL) from None
        try:
            own = conninfo_to_dict(self.url)
        except psycopg.Error:
            message = f"{self.location} is not a URL that PostgreSQL understands"
            raise DatabaseError(message, hint="write postgresql://user@host:5432/database") from None
        defaults = {"connect_timeout": 10, "fallback_application_name": "assets", **_KEEPALIVES}
        try:
            raw = psycopg.connect(self.url, **{key: value for key, value in defaults.items() if key not in own})  # type: ignore[arg-type]
            if read_only:
                raw.read_only = True
            else:
                # A worker that was killed leaves its statement to the server, with its locks: let that look for us.
                raw.autocommit = True
                with suppress(psycopg.errors.UndefinedObject):  # from version 14 on
                    raw.execute("set client_connection_check_interval = 2000")
                raw.autocommit = False
        except psycopg.Error as error:
            raise _cannot_connect(error) from None
        return raw


def _cannot_connect(error: Exception) -> DatabaseError:
    text = first_line(str(error).replace("connection failed: ", "", 1))
    hint = None
    if "password authentication failed" in text or "no password supplied" in text:
        hint = "check the user and the password of the connection's url"
    elif 'database "' in text and "does not exist" in text:
        hint = "create it, or correct the database of the connection's url"
    elif is_transient(str(error)):
        hint = UNREACHABLE
    return DatabaseError(text, hint=hint, detail=str(error), lost=is_transient(str(error)))
