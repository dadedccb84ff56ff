"""The screens of `assets lineage --columns` and `assets impact ASSET.COLUMN`, whole, over a real project."""

from __future__ import annotations

import json

import jsonschema
import pytest
from support.place import DUCKDB, Place

from assets_cli.manifest.schemas import schema_text


@pytest.fixture
def place(tmp_path):
    """A shop of five assets."""
    place = Place(tmp_path)
    place.write("code.py", "def model(totals): ...\n")
    place.write(
        "sql/totals.sql", "select customer, sum(net) as total\nfrom orders\nwhere status = 'paid'\ngroup by 1\n"
    )
    place.assets(
        """\
        - {name: raw, command: {shell: ":"}, output: {table: raw}, owner: ingest}
        - name: orders
          command: {sql: "select id, customer, status, amount - tax as net from raw"}
          output: {table: orders}
        - {name: totals, command: {sql: sql/totals.sql}, output: {table: totals}, owner: finance}
        - name: top
          command: {sql: "select max(total) as best from totals"}
          output: {table: top}
          owner: [finance, board]
        - {name: model, command: {python: "code:model"}, output: {path: model.json}}
        """,
        DUCKDB,
    )
    return place


def test_a_column_up_and_down(place):
    """Every hop with its expression; what is passed on unchanged has none; where nobody can look further it says so."""
    done = place.call("lineage", "totals.total", COLUMNS="200")

    assert (done.stdout, done.stderr, done.returncode) == (
        """\
     ┌─ raw.amount  →  amount - tax  (not known further: raw is a shell asset)
     ├─ raw.tax  →  amount - tax  (not known further: raw is a shell asset)
  ┌─ orders.net  →  sum(net)
▶ totals.total
  ├─ top.best  →  max(total)
  └─ model  (not known further: model is a Python asset)

rows of totals: orders.customer (group by), orders.status (where)
3 columns above, 2 columns below
""",
        "",
        0,
    )


def test_what_is_long_goes_on_between_a_column_and_the_one_below(place):
    """Nothing is lost at the edge of a screen, upwards as downwards."""
    assert place.call("lineage", "totals.total", COLUMNS="50").stdout.splitlines()[:8] == [
        "     ┌─ raw.amount  →  amount - tax  (not known",
        "     │  further: raw is a shell asset)",
        "     ├─ raw.tax  →  amount - tax  (not known",
        "     │  further: raw is a shell asset)",
        "  ┌─ orders.net  →  sum(net)",
        "▶ totals.total",
        "  ├─ top.best  →  max(total)",
        "  └─ model  (not known further: model is a Python",
    ]


def test_every_column_of_an_asset(place):
    """With `--columns` and no column."""
    done = place.call("lineage", "totals", "--columns", "--upstream", "--depth", "1", COLUMNS="200")

    assert (
        done.stdout
        == """\
  ┌─ orders.customer
▶ totals.customer

  ┌─ orders.net  →  sum(net)
▶ totals.total

rows of totals: orders.customer (group by), orders.status (where)
2 columns above, 0 columns below
"""
    )


def test_lineage_of_columns_as_json(place):
    """As its schema has it: nodes hold the column itself, an edge has its expression."""
    done = place.call("lineage", "top.best", "--columns", "--depth", "1", "--json")

    document = json.loads(done.stdout)
    jsonschema.validate(document, json.loads(schema_text("lineage")))
    assert document == {
        "version": 1,
        "asset": "top",
        "column": "best",
        "nodes": [
            {
                "name": "top.best",
                "asset": "top",
                "column": "best",
                "note": None,
                "upstream_depth": None,
                "downstream_depth": None,
            },
            {
                "name": "totals.total",
                "asset": "totals",
                "column": "total",
                "note": None,
                "upstream_depth": 1,
                "downstream_depth": None,
            },
        ],
        "edges": [{"from": "totals.total", "to": "top.best", "expression": "max(total)"}],
        "filters": [
            {"from": "orders.customer", "asset": "totals", "clauses": ["group by"]},
            {"from": "orders.status", "asset": "totals", "clauses": ["where"]},
        ],
        "notes": [],
    }


def test_lineage_of_columns_as_drawings(place):
    """Mermaid and dot with the expressions at the edges."""
    mermaid = place.call("lineage", "totals.total", "--format", "mermaid", "--downstream")
    dot = place.call("lineage", "totals.total", "--format", "dot", "--downstream")

    assert (
        mermaid.stdout
        == """\
flowchart LR
  n0["totals.total"]
  n1["top.best"]
  n2[["model"]]
  n0 -->|"max(total)"| n1
  n0 --> n2
  classDef asked stroke-width:3px
  class n0 asked
"""
    )
    assert (
        dot.stdout
        == """\
digraph lineage {
  rankdir=LR
  node [shape=box, style="rounded,filled", fillcolor=white, fontname="Helvetica"]
  "totals.total" [penwidth=3]
  "top.best"
  "model"
  "totals.total" -> "top.best" [label="max(total)"]
  "totals.total" -> "model"
}
"""
    )


def test_what_a_change_of_a_column_reaches(place):
    """By owner: columns, rows, and where nobody knows."""
    assert (
        place.call("impact", "orders.status", COLUMNS="200").stdout
        == """\
orders.status  missing

finance: 2 assets
  asset   state    reaches
  totals  missing  its rows (where)
  top     missing  best

board: 1 asset
  asset  state    reaches
  top    missing  best

(no owner): 1 asset
  asset  state    reaches
  model  missing  not known: model is a Python asset

3 assets below · 2 owners

run: assets plan orders --downstream
"""
    )


def test_impact_of_a_column_as_json(place):
    """As its schema has it."""
    document = json.loads(place.call("impact", "orders.net", "--json").stdout)

    jsonschema.validate(document, json.loads(schema_text("impact")))
    assert (document["asset"], document["column"]) == ("orders", "net")
    assert [(each["name"], each["columns"], each["clauses"], each["note"]) for each in document["assets"]] == [
        ("totals", [{"name": "total", "expression": "sum(net)"}], [], None),
        ("top", [{"name": "best", "expression": "max(total)"}], [], None),
        ("model", [], [], "model is a Python asset"),
    ]


def test_a_column_that_is_not_there(place):
    """With the nearest; exit 2."""
    done = place.call("lineage", "orders.nett", "--columns")

    assert (done.stdout, done.stderr, done.returncode) == (
        "",
        "error[A0405]: asset orders has no column 'nett'\n  hint: did you mean orders.net?\n",
        2,
    )


def test_inference_is_shown_and_planned(place):
    """`show` says where; the order of the plan follows it; a query that reads something else has a cause."""
    assert place.plan() == {name: ["missing", *more] for name, more in PLANNED.items()}
    assert "made from    orders  (missing; inferred from sql/totals.sql:2)" in place.call("show", "totals").stdout
    assert json.loads(place.call("show", "totals", "--json").stdout)["upstreams"][0]["inferred"] == "sql/totals.sql:2:6"


PLANNED = {
    "raw": [],
    "orders": ["upstream_stale"],
    "totals": ["upstream_stale"],
    "top": ["upstream_stale"],
    "model": ["upstream_stale"],
}


def test_a_query_that_reads_another_table_has_an_upstream_added(place):
    """With the line that reads it; one that it reads no longer is removed."""
    place.assets(
        """\
        - {name: a, command: {sql: "select 1 as x"}, output: {table: a}}
        - {name: b, command: {sql: "select 2 as x"}, output: {table: b}}
        - {name: c, command: {sql: c.sql}, output: {table: c}}
        """,
        DUCKDB,
    )
    place.write("c.sql", "select *\nfrom a\n")
    place.materialize()
    assert place.plan() == {}
    place.write("c.sql", "select *\nfrom b\n")

    assert place.plan() == {"c": ["code_changed", "upstreams_added", "upstreams_removed"]}
    assert "upstream added: b, inferred from c.sql:2" in place.call("why", "c").stdout


def test_a_parameter_is_an_upstream_that_is_handed_in(place):
    """The function is never imported to find out, and gets what it names when it runs."""
    place.write("code.py", "import marker\ndef model(context, big_table: str): return big_table\n")
    place.write("marker.py", "open('imported', 'a').write('x')\n")
    place.assets(
        """\
        - {name: model, command: {python: "code:model"}, output: {path: model.txt}}
        - {name: big.table, command: {sql: "select 1 as x"}, output: {table: big}}
        """,
        DUCKDB,
    )

    assert list(place.plan()) == ["big.table", "model"]
    assert not (place.root / "imported").exists()
    assert place.materialize()["succeeded"] == ["big.table", "model"]
    assert "big" in (place.root / "model.txt").read_text()


def test_a_cycle_that_sql_makes_is_told_with_its_lines(place):
    """By every command that needs the graph."""
    place.assets(
        """\
        - {name: a, command: {sql: a.sql}, output: {table: a}}
        - {name: b, command: {sql: b.sql}, output: {table: b}}
        """,
        DUCKDB,
    )
    place.write("a.sql", "select *\nfrom b\n")
    place.write("b.sql", "select *\nfrom (\n  select * from a\n)\n")
    told = """\
error[A0207]: a cycle: b -> a -> b
  --> a.sql:2:6
 2 | from b
   |      ^
  --> a.sql:2:6: a reads b
  --> b.sql:3:17: b reads a
  hint: remove one of these reads; an asset cannot be made from itself
"""

    assert place.call("plan").stderr == told
    assert place.call("validate").stdout == f"{told}\n1 error in 1 file\n"


def test_sql_that_cannot_be_parsed_runs_all_the_same(place):
    """The database has the last word; what is written under `upstreams` holds."""
    place.assets(
        """\
        - {name: a, command: {sql: "select 1 as x"}, output: {table: a}}
        - {name: b, command: {sql: b.sql}, output: {table: b, materialization: script}, upstreams: [a]}
        """,
        DUCKDB,
    )
    place.write("b.sql", "explain analyze select * from a;\ncreate or replace table b as select * from a;\n")

    assert place.materialize()["succeeded"] == ["a", "b"]
    done = place.call("validate")
    assert "warning[A0320]: the SQL of b is not understood: a statement EXPLAIN is not understood" in done.stdout
    assert done.returncode == 0
