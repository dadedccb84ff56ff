"""What needs packages that do not go together with those of development: Snowflake's connector, and DuckDB 1."""

from __future__ import annotations

from support.environments import python_with, run

# fakesnow knows the connectors before 5, and Snowflake's dialect for those is for SQLAlchemy 2.0.
SNOWFLAKE = (
    "fakesnow[server]>=0.12",
    "snowflake-connector-python<5",
    "snowflake-sqlalchemy<2",
    "sqlalchemy>=2.0.30,<2.1",
    "pyarrow>=17",
)
DUCKDB_1 = ("duckdb>=1.1,<2", "pyarrow>=17", "pytest>=8.3", "psycopg[binary]>=3.2", "sqlalchemy>=2.0.30,<2.1")


def test_snowflake() -> None:
    """All materializations through SQLAlchemy, Snowflake's dialect and its connector, against fakesnow's server."""
    # Only for a test may the URL say that the server speaks HTTP.
    done = run(
        python_with("snowflake", SNOWFLAKE),
        *("-W", "ignore", "-m", "support.snowflake_story"),
        SNOWFLAKE_SQLALCHEMY_LEGACY_URL_PARAMS="true",
    )
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["told"]), done.stderr[-3000:]


def test_duckdb_1() -> None:
    """The conformance suite holds for DuckDB 1.x, and for SQLAlchemy 2.0."""
    suite = "tests/integration/test_connections_conformance.py"
    chosen = ("-k", "duckdb or sqlalchemy-sqlite", "-p", "no:cacheprovider")
    done = run(python_with("duckdb1", DUCKDB_1), "-m", "pytest", "-q", "-W", "default", suite, *chosen)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert " passed" in done.stdout or "[100%]" in done.stdout
