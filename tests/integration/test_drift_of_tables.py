"""Tables and views that somebody changes by hand are noticed, and mended by running what made them."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from support.place import Place

ASSETS = """
- name: t
  command: {sql: "select 1 as id, 'x' as v"}
  output: {table: t}
- name: u
  upstreams: [t]
  command: {sql: select id from t}
  output: {table: u}
- name: v
  upstreams: [t]
  command: {sql: select v from t}
  output: {table: v, materialization: view}
"""


@pytest.fixture(params=["duckdb", "sqlite"])
def place(request, tmp_path):
    """A project with two tables and a view, materialized."""
    place = Place(tmp_path)
    place.assets(ASSETS, f"connections: {{w: {{type: {request.param}, path: w.db}}}}\ndefault_connection: w\n")
    assert sorted(place.materialize()["succeeded"]) == ["t", "u", "v"]
    assert place.plan() == {}
    return place


def by_hand(place: Place, *statements: str) -> None:
    """Somebody else changes the database."""
    raw: Any
    if (place.root / "w.db").read_bytes().startswith(b"SQLite format 3"):
        raw = sqlite3.connect(place.root / "w.db")
    else:
        import duckdb

        raw = duckdb.connect(str(place.root / "w.db"))
    for statement in statements:
        raw.execute(statement)
    raw.commit()
    raw.close()


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (["drop table u"], {"u": ["output_missing"]}),
        (["update u set id = 2"], {"u": ["output_changed"]}),
        (["delete from u"], {"u": ["output_changed"]}),
        (["insert into u values (1)"], {"u": ["output_changed"]}),
        (["alter table u add column more integer"], {"u": ["output_changed"]}),
        (["alter table u rename column id to number"], {"u": ["output_changed"]}),
        (["drop view v"], {"v": ["output_missing"]}),
        (["drop view v", "create view v as select upper(v) as v from t"], {"v": ["output_changed"]}),
        (["drop view v", "create table v as select 'x' as v"], {"v": ["output_changed"]}),
        (["drop table u", "create view u as select id from t"], {"u": ["output_changed"]}),
        (["create table other as select 1 as id"], {}),
        (["update t set v = v"], {}),
    ],
)
def test_what_is_changed_by_hand_is_noticed(place, statements, expected):
    """It alone, and it is made again."""
    by_hand(place, *statements)
    assert place.plan() == expected
    assert sorted(place.materialize()["succeeded"]) == sorted(expected)
    assert place.plan() == {}


def test_a_view_whose_table_is_gone(place):
    """Is there; what is missing is the table."""
    by_hand(place, "drop table t")
    assert place.plan() == {"t": ["output_missing"], "u": ["upstream_stale"], "v": ["upstream_stale"]}
    assert place.materialize()["succeeded"] == ["t"]
    assert place.plan() == {}
