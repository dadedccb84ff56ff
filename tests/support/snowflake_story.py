"""What a Snowflake does for us, told against fakesnow's server by the real connector: run by test_snowflake.

fakesnow answers as Snowflake does, over HTTP, from a DuckDB: so the real driver, the real dialect and our own code are
on the way. `python -m support.snowflake_story`, in an environment that has them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fakesnow
import pyarrow as pa

from assets_cli.connections import open_database
from assets_cli.connections.protocol import DatabaseError, Growth


def agree(*_: object) -> None:
    """Agree to what is about to be published."""


def rows(session: Any, query: str) -> list[tuple[Any, ...]]:
    """All rows of a query."""
    return [tuple(row) for batch in session.read(query).batches for row in batch]


def tell(session: Any) -> None:
    """Every materialization, names, frames and refusals."""
    session.publish_select("t", "select 1 as id, 'a' as v", "table", agree)
    session.publish_select("T", "select 2 as id, 'b' as v", "table", agree)
    session.publish_select("v", "select id + 10 as id from t", "view", agree)
    assert rows(session, "select id from v") == [(12,)]
    session.publish_select("t", "select 3 as id, 'c' as v, 4 as more", "table", agree)
    assert rows(session, "select id from v") == [(13,)]
    assert session.existing(["t", "T", "v", "nowhere"]) == {"t", "T", "v"}
    session.grow("g", "select 1 as id, 'a' as v union all select 2, 'b'", Growth("r/1", ("id",)), agree)
    session.grow("g", "select 'z' as v, 2 as id union all select 'c', 3", Growth("r/2", ("id",), after="r/1"), agree)
    assert (rows(session, "select id, v from g order by id"), session.attempt_of("g")) == (
        [(1, "a"), (2, "z"), (3, "c")],
        "r/2",
    )
    try:
        session.grow("g", "select 4 as id, 'x' as v", Growth("r/3", after="r/1"), agree)
    except DatabaseError as error:
        assert "was last filled by attempt r/2" in str(error)  # noqa: PT017 - no pytest here
    else:
        raise AssertionError
    session.publish_select("g2", "select 1 as id where 1 = 0", "table", agree)
    assert session.table_state("g2").rows == 0
    session.publish_arrow("frame", pa.table({"id": [1, 2], "s": ["x", None]}), agree)
    assert session.arrow("frame").to_pylist() == [{"id": 1, "s": "x"}, {"id": 2, "s": None}]
    session.run_script("create table s (a integer); insert into s values (1); -- done;")
    assert rows(session, "select a from s") == [(1,)]
    try:
        session.publish_select("t", "select nope from t", "table", agree)
    except DatabaseError:
        assert rows(session, "select id from t") == [(3,)]
    else:
        raise AssertionError


def main() -> None:
    """Start a server and tell the story."""
    with fakesnow.server() as place:
        url = (
            f"snowflake://{place['user']}:{place['password']}@{place['host']}:{place['port']}/DB1/S1"
            f"?protocol={place['protocol']}&account={place['account']}"
        )
        database = open_database("sqlalchemy", {"url": url}, Path())
        assert (database.dialect, database.file, "snow@" in database.location) == ("snowflake", None, False)
        session = database.open()
        tell(session)
        session.close()
    print("told")  # noqa: T201 - for the test


if __name__ == "__main__":
    main()
