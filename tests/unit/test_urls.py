"""Where a server is, without what is secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from assets_cli.connections import open_database, urls
from assets_cli.connections.protocol import DatabaseError
from assets_cli.model.secrets import mask, secrets


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("${env.PG_URL}", "${env.PG_URL}"),
        ("postgresql://u:p@h:5432/db", "postgresql://h:5432/db"),
        ("postgresql://${env.U}:${env.P}@${env.H}/db", "postgresql://${env.H}/db"),
        ("postgresql:///db?host=/run&user=u&password=p", "postgresql:///db?host=/run"),
        ("snowflake://u:p@acc/db/s?warehouse=w&token=t&role=r", "snowflake://acc/db/s?warehouse=w&role=r"),
        ("mssql+pyodbc://u:p%40x@h/db?driver=ODBC&private_key=k", "mssql+pyodbc://h/db?driver=ODBC"),
        ("host=h password='a b' dbname=d user=u", "host=h dbname=d"),
        ("sqlite:///data/x.db", "sqlite:///data/x.db"),
    ],
)
def test_without_credentials(url: str, shown: str) -> None:
    """User, password and what is secret by its name are left out; variables stay as written."""
    assert urls.without_credentials(url) == shown


@pytest.mark.parametrize(
    ("kind", "url", "location", "dialect"),
    [
        ("postgres", "postgres://u:p@h/d", "postgres://h/d", "postgres"),
        ("postgres", "postgresql+psycopg://u:p@h/d", "postgresql://h/d", "postgres"),
        ("postgres", "${env.PG_URL}", "${env.PG_URL}", "postgres"),
        ("sqlalchemy", "mssql+pyodbc://u:p@h/d", "mssql+pyodbc://h/d", "tsql"),
        ("sqlalchemy", "snowflake://u:p@a/d/s", "snowflake://a/d/s", "snowflake"),
        ("sqlalchemy", "${env.URL}", "${env.URL}", ""),
    ],
)
def test_location_and_dialect(kind: str, url: str, location: str, dialect: str) -> None:
    """Both are known without a connection, and without a driver."""
    database = open_database(kind, {"url": url}, Path("/project"))
    assert (database.location, database.dialect, database.file) == (location, dialect, None)


def test_a_file_behind_sqlalchemy(tmp_path: Path) -> None:
    """It is a mutex like any database file, relative to the project."""
    database = open_database("sqlalchemy", {"url": "sqlite:///data/x.db"}, tmp_path)
    assert (database.file, database.location) == (tmp_path.resolve() / "data/x.db", "sqlite:///data/x.db")


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("postgres", {}, "a postgres connection needs a `url`"),
        ("sqlalchemy", {"url": "x://", "echo": "1"}, "a sqlalchemy connection has no option 'echo'"),
        ("sqlalchemy", {"url": "nonsense"}, "'nonsense' is not the URL of a database"),
        ("sqlalchemy", {"url": "sqlite://"}, "an in-memory database is gone when the step that filled it ends"),
        ("postgres", {"url": "host=h password=secret"}, "host=h is not the URL of a PostgreSQL database"),
    ],
)
def test_options_that_are_refused(kind: str, options: dict[str, str], message: str) -> None:
    """Before anything is connected."""
    with pytest.raises(DatabaseError) as caught:
        open_database(kind, options, Path("/project"))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("url", "message", "hint"),
    [
        (
            "nonsense://h/d",
            "SQLAlchemy has no dialect 'nonsense'",
            "install the package that brings it, or correct the url",
        ),
        ("snowflake://u:p@a/d", "SQLAlchemy has no dialect 'snowflake'", "pip install snowflake-sqlalchemy"),
        ("mysql+pymysql://u:p@h/d", "the driver of mysql is not installed: pymysql", "pip install pymysql"),
    ],
)
def test_what_is_not_installed(url: str, message: str, hint: str) -> None:
    """The hint is what to install."""
    with pytest.raises(DatabaseError) as caught:
        open_database("sqlalchemy", {"url": url}, Path("/project")).open(read_only=True)
    assert (str(caught.value), caught.value.hint) == (message, hint)


@pytest.mark.parametrize(("kind", "module"), [("postgres", "psycopg"), ("sqlalchemy", "sqlalchemy")])
def test_a_missing_extra(kind: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named when a connection is opened."""
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(DatabaseError) as caught:
        open_database(kind, {"url": "postgresql://h/d"}, Path("/project")).open(read_only=True)
    assert caught.value.hint == f"pip install 'assets-cli[{kind}]'"


def test_passwords_are_masked() -> None:
    """Where they stand before the host, and where they stand behind it."""
    text = "postgresql://u:hunter2@h/d?sslpassword=hunter33&x=1 and password=mine"
    assert mask(text) == "postgresql://u:***@h/d?sslpassword=***&x=1 and password=mine"
    hidden = secrets((), ["postgresql://h/d?user=u&password=hunter22"])
    assert mask("it said hunter22", hidden) == "it said ***"
