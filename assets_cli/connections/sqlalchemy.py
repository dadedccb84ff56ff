"""Any database that SQLAlchemy has a dialect for, by URL: where it is, and how a connection to it is made.

SQLAlchemy and its drivers are imported when a connection is opened. What is done with one is in `sqlalchemy_session`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from assets_cli.connections import urls
from assets_cli.connections.protocol import DatabaseError
from assets_cli.connections.refusals import first_line
from assets_cli.connections.server_session import retry
from assets_cli.connections.sqlalchemy_session import SQLAlchemySession, refusal

_EXAMPLE = '"${env.WAREHOUSE_URL}"'
_INSTALL = "pip install 'assets-cli[sqlalchemy]'"
_DIALECTS = {
    "postgresql": "postgres",
    "cockroachdb": "postgres",
    "mariadb": "mysql",
    "mssql": "tsql",
    "awsathena": "athena",
    "clickhousedb": "clickhouse",
}
"""What sqlglot calls a dialect that SQLAlchemy calls otherwise."""

_FILES = ("sqlite", "duckdb")
_DRIVERS = {
    "snowflake": "snowflake-sqlalchemy",
    "bigquery": "sqlalchemy-bigquery",
    "trino": "trino",
    "mysql": "pymysql",
    "mariadb": "pymysql",
    "duckdb": "duckdb-engine",
    "mssql": "pyodbc",
    "oracle": "oracledb",
    "redshift": "sqlalchemy-redshift",
    "databricks": "databricks-sqlalchemy",
}
"""The packages of dialects that people ask for."""


def database(options: Mapping[str, str], root: Path) -> SQLAlchemyDatabase:
    """The database of a connection of type `sqlalchemy`; its only option is `url`.

    Raises:
        DatabaseError: an option is missing or unknown, or the URL is none.
    """
    url = urls.url_option("sqlalchemy", options, _EXAMPLE)
    scheme = urls.scheme(url)
    if not scheme and "${" not in url:
        message = f"{urls.without_credentials(url)[:80]!r} is not the URL of a database"
        raise DatabaseError(message, hint="write dialect://user@host:port/database, as SQLAlchemy has it")
    backend = scheme.partition("+")[0]
    file = None
    if backend in _FILES and "${" not in url:
        head, _, rest = url.partition("://")
        place, mark, query = rest.partition("?")
        path = place.removeprefix("/")
        if path in ("", ":memory:"):
            message = "an in-memory database is gone when the step that filled it ends"
            raise DatabaseError(message, hint=f"give the path of a file: {backend}:///data/warehouse.db")
        file = Path(os.path.realpath(root / path))
        written = url
        return SQLAlchemyDatabase(f"{head}:///{file}{mark}{query}", written, backend, file)
    return SQLAlchemyDatabase(url, url, backend, file)


class SQLAlchemyDatabase(NamedTuple):
    """A database by its URL, not connected to. `written` is the URL as declared, `backend` SQLAlchemy's dialect."""

    url: str
    written: str
    backend: str
    file: Path | None

    @property
    def dialect(self) -> str:
        """The dialect as sqlglot calls it; empty where a variable hides it."""
        return _DIALECTS.get(self.backend, self.backend)

    @property
    def location(self) -> str:
        """The URL as written, without credentials."""
        return urls.without_credentials(self.written)

    def open(self, *, read_only: bool = False) -> SQLAlchemySession:
        """Connect.

        Raises:
            DatabaseError: SQLAlchemy or the dialect is not installed, or the database does not let us in.
        """
        if self.file is not None:
            if read_only and not self.file.exists():
                raise DatabaseError(f"the database {self.location.partition(':///')[2]} does not exist")
            if not read_only:
                self.file.parent.mkdir(parents=True, exist_ok=True)
        if read_only:
            return SQLAlchemySession(self, self.connect(read_only=True))
        return retry(lambda: SQLAlchemySession(self, self.connect()))

    def connect(self, *, read_only: bool = False) -> Any:
        """A `sqlalchemy.Connection` of an engine of its own."""
        try:
            import sqlalchemy as sa  # an extra: on use
        except ImportError:
            message = "a connection of type sqlalchemy needs SQLAlchemy, which is not installed"
            raise DatabaseError(message, hint=_INSTALL) from None
        engine = self._engine(sa)
        try:
            connection = engine.connect()
            if self.backend == "postgresql":
                if read_only:
                    return connection.execution_options(postgresql_readonly=True)
                # A worker that was killed leaves its statement to the server, with its locks: let that look for us.
                with suppress(sa.exc.ProgrammingError):  # from version 14 on
                    connection.exec_driver_sql("set client_connection_check_interval = 2000")
                connection.commit()
        except sa.exc.SQLAlchemyError as error:
            raise refusal(error, connecting=True) from None
        except Exception as error:  # noqa: BLE001 - drivers raise what they like while they connect
            raise DatabaseError(first_line(str(error)) or type(error).__name__, detail=str(error)) from None
        return connection

    def _engine(self, sa: Any) -> Any:
        try:
            engine = sa.create_engine(self.url, poolclass=sa.pool.NullPool)
        except sa.exc.NoSuchModuleError:
            package = _DRIVERS.get(self.backend)
            message = f"SQLAlchemy has no dialect {self.backend!r}"
            hint = f"pip install {package}" if package else "install the package that brings it, or correct the url"
            raise DatabaseError(message, hint=hint) from None
        except ImportError as error:
            missing = (error.name or "").partition(".")[0]
            message = f"the driver of {self.backend} is not installed: {missing or error}"
            package = _DRIVERS.get(self.backend) or missing
            raise DatabaseError(message, hint=f"pip install {package}" if package else None) from None
        except Exception as error:  # noqa: BLE001 - dialects are many, and raise what they like at a URL
            message = f"{self.location} is not a URL that SQLAlchemy understands: {first_line(str(error))}"
            raise DatabaseError(message, hint="write dialect://user@host:port/database") from None
        if self.backend == "sqlite":
            _begin_by_ourselves(sa, engine)
        return engine


def _begin_by_ourselves(sa: Any, engine: Any) -> None:
    """Python's driver commits before DDL, or begins too late: SQLite's transactions hold both if it does neither."""

    def connected(raw: Any, _record: Any) -> None:
        raw.isolation_level = None

    def began(connection: Any) -> None:
        connection.exec_driver_sql("begin")

    sa.event.listen(engine, "connect", connected)
    sa.event.listen(engine, "begin", began)
