"""The upstreams that nobody wrote: what SQL reads, what parameters name, which asset each is."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets_cli import manifest as manifests
from assets_cli.graph import AssetGraph
from assets_cli.inference import doubts, infer
from assets_cli.inference.reading import Reads, fact_of, read, reads_of
from assets_cli.model.manifest import Manifest
from assets_cli.model.problem import AssetsError, Problem
from assets_cli.probing.files import FileDigests
from assets_cli.probing.normalise import parser_version

HEAD = """\
version: 1
project: p
connections:
  w: {type: duckdb, path: data/w.duckdb}
  same: {type: duckdb, path: ./data/../data/w.duckdb}
  lite: {type: sqlite, path: data/lite.db}
  pg: {type: postgres, url: "postgresql://me@host/shop"}
default_connection: w
assets:
"""


def tables(sql: str, dialect: str = "duckdb") -> list[str]:
    """The keys of the tables that a text reads."""
    return [each.key.replace("\0", ".") for each in read(sql, dialect).tables]


def project(root: Path, assets: str, **files: str) -> Manifest:
    """The manifest of a project in a folder, as it is written."""
    (root / "assets.yml").write_text(HEAD + textwrap.indent(textwrap.dedent(assets), "  "))
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_sql", ".sql").replace("_py", ".py")
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"))
    loaded = manifests.load(root / "assets.yml")
    assert not [each for each in loaded.problems if each.severity == "error"], loaded.problems
    assert loaded.manifest is not None
    return loaded.manifest


def digests(root: Path) -> FileDigests:
    """The cache of a project, as a new process would have it."""
    return FileDigests(root, time.time_ns)


def completed(root: Path, assets: str, environ: dict[str, str] | None = None, **files: str) -> Manifest:
    """A project's manifest with its inferred upstreams."""
    found = infer(project(root, assets, **files), environ or {}, digests(root))
    assert found.problems == ()
    return found.manifest


def upstreams(root: Path, assets: str, name: str, environ: dict[str, str] | None = None, **files: str) -> list[str]:
    """The upstreams of an asset."""
    return list(completed(root, assets, environ, **files).assets[name].upstreams)


def doubtful(root: Path, assets: str, **files: str) -> list[Problem]:
    """What validate says of inference."""
    manifest = project(root, assets, **files)
    return list(doubts(infer(manifest, {}, digests(root)).manifest, {}, digests(root)))


# -- which tables a text reads -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "read_tables"),
    [
        ("select a from orders", ["orders"]),
        ("from orders select a", ["orders"]),
        ("from orders", ["orders"]),
        ("table orders", ["orders"]),
        ("select 1", []),
        ("values (1)", []),
        ("select * from a, b join c on true left join d using (id)", ["a", "b", "c", "d"]),
        ("select * from (a join b using (id))", ["a", "b"]),
        ("select * from a union all select * from b except select * from c", ["a", "b", "c"]),
        ("select * from (select * from (select * from deep))", ["deep"]),
        ("select (select max(x) from s) from t", ["s", "t"]),
        ("select 1 from t where exists (select 1 from u where u.id = t.id)", ["t", "u"]),
        ("select 1 from t where x in (from u select x) order by (select max(x) from v)", ["t", "u", "v"]),
        ("select * from t, lateral (select * from u where u.id = t.id)", ["t", "u"]),
        ("select * from t, unnest(t.items) as u(x)", ["t"]),
        ("select * from sales pivot (sum(x) for y in (1, 2))", ["sales"]),
        ("pivot sales on year using sum(x)", ["sales"]),
        ("unpivot sales on a, b into name n value v", ["sales"]),
        ("select * from t tablesample 10%", ["t"]),
        ("select * from range(10)", []),
        ("summarize orders", ["orders"]),
        ("copy orders to 'x.csv'", ["orders"]),
        ("copy (select * from orders) to 'x.csv'", ["orders"]),
        ("select * from query_table('orders')", ["orders"]),
        ("select * from mart.orders, main.x, db.main.y", ["mart.orders", "x", "db.main.y"]),
        ('select * from ORDERS, "Orders"', ["orders"]),
        ("-- from nothing\nselect /* from neither */ 'from no one'", []),
        ("with a as (select * from b) select * from a", ["b"]),
        ("with a as (select 1), c as (select * from a) select * from c, d", ["d"]),
        # A common table expression hides the table of its name, but not from itself and not when it is qualified.
        ("with orders as (select * from orders) select * from orders", ["orders"]),
        ("with orders as (select 1) select * from orders", []),
        ("with orders as (select 1) select * from main.orders", ["orders"]),
        ('with ORDERS as (select 1) select * from "orders"', []),
        ("select * from (with q as (select 1) select * from q), q", ["q"]),
        ("with a as (with b as (select * from c) select * from b) select * from a, b", ["c", "b"]),
        ("with b as (select 1) select * from (with a as (select * from b) select * from a)", []),
        ("with recursive t as (select 1 union all select * from t) select * from t", []),
        ("with recursive t as (select * from t) select * from t", ["t"]),
        ("with x as (select * from y), y as (select 1) select * from x", ["y"]),
        ("with a as materialized (select * from b) select * from a", ["b"]),
    ],
)
def test_a_query_reads(sql: str, read_tables: list[str]) -> None:
    """What stands in a FROM and is no common table expression, wherever the FROM is."""
    assert tables(sql) == read_tables


@pytest.mark.parametrize(
    ("script", "read_tables"),
    [
        ("create table t as select * from s", ["s"]),
        ("create or replace view v as select * from s", ["s"]),
        ("create temp table t as from s; select * from t", ["s"]),
        ("select * from t; create table t as select 1", ["t"]),
        ("create or replace table t as select * from t", ["t"]),
        ("create table main.t as select 1; select * from T", []),
        ("insert into t select * from s", ["s"]),
        ("insert into t (a, b) select a, b from s; select * from t", ["s"]),
        ("with a as (select * from b) insert into c select * from a", ["b"]),
        ("merge into t using s on t.a = s.a when matched then update set a = 1", ["s"]),
        ("update t set a = 1 from s", ["s"]),
        ("delete from t using s where t.a = s.a", ["s"]),
        ("delete from t where a in (select a from s)", ["s"]),
        ("drop table if exists t; truncate u; comment on table v is 'x'; grant select on w to me", []),
        ("create index i on t (a)", []),
        ("alter table fresh rename to orders; select * from orders", []),
        ("create table if not exists t (a int); select * from t", []),
        ("create macro f(x) as table select * from s where s.a = x", ["s"]),
        ("use mart; select * from orders, other.x", ["mart.orders", "other.x"]),
        ("set schema = 'mart'; select * from orders", ["mart.orders"]),
        ("use main; select * from orders", ["orders"]),
        ("begin; create table t as select * from s; commit", ["s"]),
        ("select 1;; select * from s;", ["s"]),
    ],
)
def test_a_script_reads(script: str, read_tables: list[str]) -> None:
    """What was there before it: what its own statements wrote is not read from outside."""
    assert tables(script) == read_tables


@pytest.mark.parametrize(
    ("dialect", "sql", "read_tables"),
    [
        ("postgres", 'select * from Orders, "Orders", public.x', ["orders", "Orders", "x"]),
        ("postgres", 'with Orders as (select 1) select * from orders, "Orders"', ["Orders"]),
        ("postgres", "with recursive x as (select * from y), y as (select 1) select * from x", []),
        ("postgres", "select * into fresh from old", ["old"]),
        ("postgres", "select * from t cross join lateral jsonb_array_elements(t.j) e", ["t"]),
        ("snowflake", 'select * from Orders, "orders", PUBLIC.x', ["ORDERS", "orders", "X"]),
        ("sqlite", 'select * from ORDERS, [my table], "T"', ["orders", "my table", "t"]),
        ("bigquery", "select * from `p.d.orders`, d.Orders", ["p.d.orders", "d.Orders"]),
        ("bigquery", "select * from orders, orders.items", ["orders"]),
        ("mysql", "select * from `order` join Shop.T", ["order", "Shop.T"]),
    ],
)
def test_names_are_compared_as_the_database_does(dialect: str, sql: str, read_tables: list[str]) -> None:
    """Case, quotes, and the schema that goes without saying."""
    assert tables(sql, dialect) == read_tables


@pytest.mark.parametrize(
    ("sql", "files"),
    [
        ("select * from 'data/x.parquet'", ["data/x.parquet"]),
        ("select * from read_parquet('data/*.parquet') as t", ["data/*.parquet"]),
        ("from read_csv(['a.csv', 'b.csv'], header = true)", ["a.csv", "b.csv"]),
        ("from read_json_auto('x.json'), parquet_scan('y'), st_read('z.gpkg')", ["x.json", "y", "z.gpkg"]),
        ("copy t from 'in.csv'", ["in.csv"]),
    ],
)
def test_files_that_are_read(sql: str, files: list[str]) -> None:
    """By the functions that read them, and by name alone."""
    assert [each.path for each in read(sql, "duckdb").files] == files


def test_each_table_has_the_place_where_it_is_first_named():
    """Lines and columns from 1, of the name's first part."""
    found = read("select *\nfrom mart.orders as o\n  join users on true\n  join mart.orders as p on true", "duckdb")

    assert [(each.written, each.line, each.column) for each in found.tables] == [("mart.orders", 2, 6), ("users", 3, 8)]


@pytest.mark.parametrize(
    ("sql", "trouble"),
    [
        ("select *\nfrom {{ ref('orders') }}", (2, 6, "unexpected '{'")),
        ("select 'open", (1, 1, "a quote or a comment is not closed")),
        ("select from", (1, 8, "unexpected 'from'")),
        ("select 1;\nexplain select * from t", (2, 1, "a statement EXPLAIN is not understood")),
        ("select " + "(" * 5_000, (1, 1, "it is nested too deeply")),
    ],
)
def test_what_is_not_understood_is_said(sql: str, trouble: tuple[int, int, str]) -> None:
    """With its place; nothing fails."""
    assert read(sql, "duckdb").trouble == trouble


def test_statements_that_read_no_rows_are_no_trouble():
    """The parser keeps many as they are; they could not read a table."""
    script = (
        "install httpfs; load httpfs; vacuum; pragma threads=2; set memory_limit='1GB'; checkpoint; select * from t"
    )

    assert read(script, "duckdb").trouble is None
    assert tables(script) == ["t"]


def test_a_thousand_unions_need_no_recursion():
    """Chains are as long as they like."""
    found = tables(" union all ".join(f"select * from t{number}" for number in range(1_000)))

    assert found == [f"t{number}" for number in range(1_000)]


def test_reads_survive_being_kept():
    """Also names with everything in them; what is none of ours is refused."""
    reads = read('select * from "a ""b""\t\n", mart."ü.x", \'f/*.csv\'; select {{', "duckdb")
    more = read("attach 'o.duckdb' as o; select * from o.t, read_csv('x y.csv')", "duckdb")

    assert reads_of(fact_of(reads)) == reads
    assert reads_of(fact_of(more)) == more
    for foreign in (None, 7, ["x"], {"a": 1}, "nonsense", "t\x1fa\x1fb"):
        assert reads_of(foreign) in (None, Reads())


# A reference that knows the answer by construction: a random query is made together with the tables that it reads.
NAMES = ("a", "b", "c", "d")


@st.composite
def queries(draw: st.DrawFn, visible: frozenset[str] = frozenset(), depth: int = 3) -> tuple[str, frozenset[str]]:
    """A query and the tables that it reads from outside."""
    outside: set[str] = set()
    clauses = []
    inner = visible
    if depth and draw(st.booleans()):
        for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True)):
            text, read_there = draw(queries(inner, depth - 1))
            clauses.append(f"{name} as ({text})")
            outside |= read_there
            inner |= {name}
    sources = []
    for number in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(("name", "qualified", "subquery") if depth else ("name", "qualified")))
        name = draw(st.sampled_from(NAMES))
        if kind == "subquery":
            text, read_there = draw(queries(inner, depth - 1))
            sources.append(f"({text}) as s{number}")
            outside |= read_there
        elif kind == "qualified":
            sources.append(f"main.{name} as s{number}")
            outside.add(name)
        else:
            sources.append(f"{name} as s{number}")
            outside |= {name} - inner
    text = f"select 1 as x from {', '.join(sources)}"
    if depth and draw(st.booleans()):
        more, read_there = draw(queries(inner, depth - 1))
        text += f" where exists ({more})"
        outside |= read_there
    if depth and draw(st.booleans()):
        more, read_there = draw(queries(inner, 0))
        text += f" union all {more}"
        outside |= read_there
    return (f"with {', '.join(clauses)} {text}" if clauses else text), frozenset(outside)


@given(queries())
def test_any_nesting_gives_the_tables_that_it_was_made_of(query: tuple[str, frozenset[str]]) -> None:
    """Common table expressions, subqueries and unions in each other."""
    sql, outside = query

    assert set(tables(sql)) == outside


# -- which assets they are ---------------------------------------------------------------------------------------------

ORDERS = "- {name: orders, command: {sql: select 1 as id}, output: {table: orders}}\n"


def test_a_table_that_another_asset_outputs_becomes_an_upstream(tmp_path: Path) -> None:
    """In files and in inline queries; what is written comes first; the place is kept apart."""
    assets = (
        ORDERS
        + """\
        - {name: first, command: {shell: ":"}}
        - {name: users, command: {sql: select 1 as id}, output: {table: mart.users}}
        - {name: totals, command: {sql: sql/totals.sql}, output: {table: totals}, upstreams: [first]}
        - name: report
          command:
            sql: |

              select *
              from totals
          output: {table: report}
        """.replace("        ", "")
    )
    manifest = completed(tmp_path, assets, sql__totals_sql="select *\nfrom MART.Users, main.orders, orders\n")

    totals = manifest.assets["totals"]
    assert totals.upstreams == ("first", "users", "orders")
    assert totals.written_upstreams == ("first",)
    assert [tuple(each) for each in totals.inferred] == [
        ("users", "sql/totals.sql", 2, 6),
        ("orders", "sql/totals.sql", 2, 18),
    ]
    assert str(manifest.place_of_upstream("totals", "first")) == "assets.yml:13:89"
    assert str(manifest.place_of_upstream("totals", "orders")) == "sql/totals.sql:2:18"
    assert str(manifest.place_of_upstream("report", "totals")) == "assets.yml:19:14"


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("orders", True),
        ("ORDERS", True),
        ('"Orders"', True),
        ("main.orders", True),
        ("w.orders", True),
        ("w.main.orders", True),
        ("W.MAIN.ORDERS", True),
        ("mart.orders", False),
        ("other.main.orders", False),
        ("orders2", False),
    ],
)
def test_a_duckdb_table_by_all_its_names(tmp_path: Path, written: str, found: bool) -> None:
    """The catalog is the name of the file; the schema is `main`; case never counts."""
    assets = ORDERS + f"- {{name: x, command: {{sql: 'select * from {written}'}}, output: {{table: x}}}}\n"

    assert upstreams(tmp_path, assets, "x") == (["orders"] if found else [])


def test_one_name_in_two_databases_is_two_tables(tmp_path: Path) -> None:
    """Two connections to one file are one database."""
    assets = ORDERS + "".join(
        f"- {{name: {name}, command: {{sql: select * from orders}}, output: {{table: {name}, connection: {name}}}}}\n"
        for name in ("same", "lite", "pg")
    )
    manifest = completed(tmp_path, assets)

    assert {name: each.upstreams for name, each in manifest.assets.items() if each.upstreams} == {"same": ("orders",)}


def test_postgres_folds_what_is_not_quoted(tmp_path: Path) -> None:
    """An output is a name as in a query; the database and `public` go without saying."""
    assets = """\
        - {name: loud, command: {sql: select 1}, output: {table: '"Orders"', connection: pg}}
        - {name: quiet, command: {sql: select 1}, output: {table: ORDERS, connection: pg}}
        - {name: a, command: {sql: 'select * from "Orders"'}, output: {table: a, connection: pg}}
        - {name: b, command: {sql: 'select * from Orders'}, output: {table: b, connection: pg}}
        - {name: c, command: {sql: 'select * from shop.public."orders"'}, output: {table: c, connection: pg}}
        """
    manifest = completed(tmp_path, assets)

    assert [manifest.assets[name].upstreams for name in "abc"] == [("loud",), ("quiet",), ("quiet",)]


def test_an_external_table_becomes_an_upstream(tmp_path: Path) -> None:
    """An output may be declared without a command."""
    assets = """\
        - {name: crm, output: {table: crm.accounts}}
        - {name: x, command: {sql: select * from crm.accounts}, output: {table: x}}
        """

    assert upstreams(tmp_path, assets, "x") == ["crm"]


def test_its_own_table_is_no_upstream(tmp_path: Path) -> None:
    """What reads its own table is not made from itself."""
    assets = ORDERS.replace("select 1 as id", "select * from orders union all select * from w.main.Orders")

    assert upstreams(tmp_path, assets, "orders") == []


def test_a_script_that_writes_before_it_reads(tmp_path: Path) -> None:
    """A temporary table of an asset's name is the script's own."""
    script = "create temp table orders as select * from raw; create table x as select * from orders"
    assets = ORDERS + (
        "- {name: raw, command: {sql: select 1}, output: {table: raw}}\n"
        f"- {{name: x, command: {{sql: '{script}'}}, output: {{table: x, materialization: script}}}}\n"
    )

    assert upstreams(tmp_path, assets, "x") == ["raw"]


def test_an_attached_database_is_a_connection_of_its_own(tmp_path: Path) -> None:
    """By its file, under whatever name."""
    script = "attach 'data/lite.db' as l (type sqlite); create table x as select * from l.orders"
    assets = (
        ORDERS
        + "- {name: lite_orders, command: {sql: select 1}, output: {table: orders, connection: lite}}\n"
        + f'- {{name: x, command: {{sql: "{script}"}}, output: {{table: x, materialization: script}}}}\n'
    )

    assert upstreams(tmp_path, assets, "x") == ["lite_orders"]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("data/x.parquet", ["x"]),
        ("./data/../data/x.parquet", ["x"]),
        ("data/*.parquet", ["x"]),
        ("data/[xy].parquet", ["x"]),
        ("**/*.parquet", ["x"]),
        ("*.parquet", []),
        ("data/folder/part-1.csv", ["folder"]),
        ("data/folder/**/*.csv", ["folder"]),
        ("logs/2026-01.json", ["logs"]),
        ("logs/*.json", ["logs"]),
        ("logs/2026-*.json", ["logs"]),
        ("logs/deep/2026.json", []),
        ("data/seen.csv", ["seen"]),
        ("data/nobody.csv", []),
    ],
)
def test_a_path_that_another_asset_outputs(tmp_path: Path, path: str, found: list[str]) -> None:
    """Files, what is in folders, globs on either side, and where an external asset is observed."""
    assets = f"""\
        - {{name: x, command: {{shell: ":"}}, output: {{path: data/x.parquet}}}}
        - {{name: folder, command: {{shell: ":"}}, output: {{path: data/folder/}}}}
        - {{name: logs, command: {{shell: ":"}}, output: {{path: "logs/*.json"}}}}
        - {{name: seen, observe: {{path: data/seen.csv}}}}
        - {{name: t, command: {{sql: "select * from read_csv('{path}')"}}, output: {{table: t}}}}
        """

    assert upstreams(tmp_path, assets, "t") == found


def test_an_absolute_path_below_the_project_is_the_same(tmp_path: Path) -> None:
    """Queries run in the project folder."""
    assets = f"""\
        - {{name: x, command: {{shell: ":"}}, output: {{path: data/x.parquet}}}}
        - {{name: t, command: {{sql: "from '{tmp_path}/data/x.parquet'"}}, output: {{table: t}}}}
        """

    assert upstreams(tmp_path, assets, "t") == ["x"]


def test_variables_of_the_environment_are_filled_in_to_resolve_and_not_to_remember(tmp_path: Path) -> None:
    """The cache holds them as written: a value may be a secret."""
    assets = """\
        - {name: orders, command: {sql: select 1}, output: {table: mart.orders}}
        - {name: x, command: {sql: 'select * from ${env.SCHEMA}.orders'}, output: {table: x}}
        """

    assert upstreams(tmp_path, assets, "x", {"SCHEMA": "MART"}) == ["orders"]
    assert upstreams(tmp_path, assets, "x", {"SCHEMA": "hidden"}) == []
    assert upstreams(tmp_path, assets, "x", {}) == []
    assert "MART" not in (tmp_path / ".assets/cache/files.json").read_text()


def test_variables_of_the_manifest_are_filled_in(tmp_path: Path) -> None:
    """In files as well: another value is another text."""
    assets = ORDERS + "- {name: x, command: {sql: q.sql}, output: {table: x}}\n"
    manifest = project(tmp_path, assets, q_sql="select * from ${vars.which}")

    found = infer(manifest._replace(vars={"which": "orders"}), {}, digests(tmp_path)).manifest
    other = infer(manifest._replace(vars={"which": "users"}), {}, digests(tmp_path)).manifest

    assert (found.assets["x"].upstreams, other.assets["x"].upstreams) == (("orders",), ())


# -- Python ------------------------------------------------------------------------------------------------------------

PEOPLE = """\
- {name: raw/events.daily-1, command: {shell: ":"}}
- {name: orders, command: {shell: ":"}}
- {name: model, command: {python: "lib.code:build"}}
"""


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("def build(orders): ...", [("orders", 1, 11)]),
        ("def build(context, raw_events_daily_1: 'pandas.DataFrame', *, orders): ...", None),
        ("def build(orders=None): ...", []),
        ("def build(Orders, other): ...", []),
        ("def build(model): ...", []),
        ("async def build(orders): ...", [("orders", 1, 17)]),
        ("if True:\n    def build(orders): ...\nelse:\n    def build(): ...", []),
        ("from lib.deep import make as build", [("orders", 3, 14)]),
        ("from .deep import make as build", [("orders", 3, 14)]),
        ("build = print", []),
        ("def build(orders:", []),
        ("import nowhere\nraise SystemExit('never run')\ndef build(orders): ...", [("orders", 3, 11)]),
    ],
)
def test_parameters_named_like_assets(tmp_path: Path, source: str, found: list[tuple[str, int, int]] | None) -> None:
    """Found in the source, which is never executed; what has a default is handed in where it is written."""
    deep = "import x\n\ndef  make(    orders): ..."
    manifest = completed(
        tmp_path, PEOPLE, lib__code_py=source, lib__deep_py=deep.replace("def  make(    ", "def make(  \t ")
    )
    model = manifest.assets["model"]

    if found is None:
        assert model.upstreams == ("raw/events.daily-1", "orders")
    else:
        assert [(each.upstream, each.line, each.column) for each in model.inferred] == found


def test_a_parameter_that_could_mean_two_assets_means_what_is_written(tmp_path: Path) -> None:
    """Of two that fold to one name nobody chooses."""
    assets = """\
        - {name: raw.x, command: {shell: ":"}}
        - {name: raw-x, command: {shell: ":"}}
        - {name: open, command: {python: "code:build"}}
        - {name: said, command: {python: "code:build"}, upstreams: [raw-x]}
        """
    manifest = completed(tmp_path, assets, code_py="def build(raw_x): ...")

    assert (manifest.assets["open"].upstreams, manifest.assets["said"].upstreams) == ((), ("raw-x",))


# -- what is wrong -----------------------------------------------------------------------------------------------------


def test_two_upstreams_of_one_variable_are_an_error_also_when_inferred(tmp_path: Path) -> None:
    """The check holds for the union, and names the line that reads the second."""
    assets = """\
        - {name: raw.x, command: {sql: select 1}, output: {table: one}}
        - {name: raw_x, command: {sql: select 1}, output: {table: two}}
        - {name: t, command: {sql: t.sql}, output: {table: t}, upstreams: [raw.x]}
        """
    found = infer(project(tmp_path, assets, t_sql="select *\nfrom two"), {}, digests(tmp_path))

    (problem,) = found.problems
    assert (problem.code, str(problem.place)) == ("A0206", "t.sql:2:6")
    assert problem.message == "asset 't': upstreams 'raw.x' and 'raw_x' are both ASSETS_UPSTREAM_RAW_X to a command"


def test_a_cycle_that_inference_makes_names_the_lines(tmp_path: Path) -> None:
    """Each edge by the line of SQL, or of the manifest, that makes it."""
    assets = """\
        - {name: a, command: {sql: sql/a.sql}, output: {table: a}}
        - {name: b, command: {sql: "select * from c"}, output: {table: b}}
        - {name: c, command: {shell: ":"}, output: {table: c}, upstreams: [a]}
        """
    manifest = completed(tmp_path, assets, sql__a_sql="select *\nfrom\n  b")

    with pytest.raises(AssetsError) as caught:
        AssetGraph(manifest)

    (problem,) = caught.value.problems
    assert problem.message == "a cycle: c -> b -> a -> c"
    assert [f"{each.place} {each.message}" for each in problem.related] == [
        "sql/a.sql:3:3 a reads b",
        "assets.yml:11:45 b reads c",
        "assets.yml:12:70 c reads a",
    ]
    assert problem.hint == "remove one of these reads; an asset cannot be made from itself"


def test_doubts(tmp_path: Path) -> None:
    """What is not understood, never read, or nobody's; each with its place and the next step."""
    assets = ORDERS + textwrap.dedent(
        """\
        - {name: step, command: {shell: ":"}}
        - {name: file, command: {shell: ":"}, output: {path: data/f.csv}}
        - {name: jinja, command: {sql: sql/jinja.sql}, output: {table: jinja}, upstreams: [orders]}
        - {name: near, command: {sql: select * from ordrs}, output: {table: near}, upstreams: [orders, file, step]}
        - {name: also, command: {sql: 'from ORDRS, crm.accounts, information_schema.tables'}, output: {table: also}}
        - {name: far, command: {sql: select * from orders}, output: {table: far, connection: lite}}
        """
    )
    found = doubtful(tmp_path, assets, sql__jinja_sql="select *\nfrom {{ ref('orders') }}")

    assert [(each.code, str(each.place), each.message, each.hint) for each in found] == [
        (
            "A0320",
            "sql/jinja.sql:2:6",
            "the SQL of jinja is not understood: unexpected '{'",
            "it runs as it is; list what it reads under upstreams, since only what is written there is known",
        ),
        (
            "A0321",
            "assets.yml:14:90",
            "the SQL of near never reads its upstream orders (table orders)",
            "remove it from upstreams, or read it",
        ),
        (
            "A0321",
            "assets.yml:14:98",
            "the SQL of near never reads its upstream file (data/f.csv)",
            "remove it from upstreams, or read it",
        ),
        (
            "A0322",
            "assets.yml:14:47",
            "near reads table ordrs, which belongs to no asset",
            "did you mean orders, the table of asset orders? or declare it: - {name: ordrs, output: {table: ordrs}}",
        ),
        (
            "A0322",
            "assets.yml:15:46",
            "also reads table crm.accounts, which belongs to no asset",
            "if others make it, declare it: - {name: crm.accounts, output: {table: crm.accounts}}",
        ),
        (
            "A0322",
            "assets.yml:16:46",
            "far reads table orders, which belongs to no asset",
            "asset orders outputs a table of this name, but in connection w",
        ),
    ]
    assert [str(each.place) for each in found[3].related] == ["assets.yml:15:39"]


def test_an_output_that_was_renamed_is_noticed(tmp_path: Path) -> None:
    """What read it now reads nobody's table."""
    x = "- {name: x, command: {sql: select * from orders}, output: {table: x}}\n"

    assert doubtful(tmp_path, ORDERS + x) == []
    (problem,) = doubtful(tmp_path, ORDERS.replace("{table: orders}", "{table: sales}") + x)
    assert problem.message == "x reads table orders, which belongs to no asset"


def test_of_a_broken_manifest_nobody_knows_what_belongs_to_nobody(tmp_path: Path) -> None:
    """The asset that outputs the table may be the broken one."""
    manifest = project(tmp_path, "- {name: x, command: {sql: select * from orders}, output: {table: x}}\n")

    assert doubts(manifest, {}, digests(tmp_path), whole=False) == ()


# -- the cache ---------------------------------------------------------------------------------------------------------

NEEDS_NO_PARSER = """
import os, sys, time
from pathlib import Path
from assets_cli import manifest
from assets_cli.inference import infer
from assets_cli.probing.files import FileDigests
from assets_cli.probing.normalise import parser_version
loaded = manifest.load(Path("assets.yml")).manifest
found = infer(loaded, os.environ, FileDigests(loaded.root, time.time_ns)).manifest
print({name: each.upstreams for name, each in found.assets.items()}, "sqlglot" in sys.modules)
"""


def again(root: Path) -> str:
    """The upstreams in a new process, and whether it needed the parser."""
    done = subprocess.run([sys.executable, "-c", NEEDS_NO_PARSER], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_what_is_known_needs_no_parser(tmp_path: Path) -> None:
    """Neither for files nor for queries; a new text does."""
    assets = ORDERS + "- {name: x, command: {sql: q.sql}, output: {table: x}}\n"
    project(tmp_path, assets, q_sql="select * from orders")

    assert again(tmp_path) == "{'orders': (), 'x': ('orders',)} True"
    assert again(tmp_path) == "{'orders': (), 'x': ('orders',)} False"
    (tmp_path / "q.sql").write_text("select * from users")
    assert again(tmp_path) == "{'orders': (), 'x': ()} True"


@pytest.mark.parametrize("damage", ["cut", "foreign", "wrong", "another parser", "gone"])
def test_a_cache_is_never_trusted_over_the_files(tmp_path: Path, damage: str) -> None:
    """Whatever is in it: it is made anew in silence."""
    project(tmp_path, ORDERS + "- {name: x, command: {sql: q.sql}, output: {table: x}}\n", q_sql="from orders")
    assert again(tmp_path).endswith("True")
    cache = tmp_path / ".assets/cache/files.json"
    text = cache.read_text()
    document = json.loads(text)
    assert any(parser_version() in key for key in document["facts"])
    if damage == "cut":
        cache.write_text(text[: len(text) // 2])
    elif damage == "foreign":
        cache.write_text('["something", "else"]')
    elif damage == "wrong":
        document["facts"] = dict(zip(document["facts"], [0, [7, {"x": None}], [], "x"] * 9, strict=False))
        cache.write_text(json.dumps(document))
    elif damage == "another parser":
        cache.write_text(text.replace(f"/{parser_version()}/", "/0.0.1/"))
    else:
        cache.unlink()

    assert again(tmp_path) == "{'orders': (), 'x': ('orders',)} True"
    assert again(tmp_path) == "{'orders': (), 'x': ('orders',)} False"


def test_a_folder_that_cannot_be_written_is_no_problem(tmp_path: Path) -> None:
    """There is no cache then."""
    manifest = project(tmp_path, ORDERS + "- {name: x, command: {sql: from orders}, output: {table: x}}\n")
    (tmp_path / ".assets").write_text("in the way")

    assert infer(manifest, {}, digests(tmp_path)).manifest.assets["x"].upstreams == ("orders",)
