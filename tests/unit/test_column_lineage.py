"""Which column comes from which: through hard queries, and from asset to asset."""

from __future__ import annotations

import textwrap
import time
from pathlib import Path

import duckdb
import pytest
from sqlglot import parse_one

from assets_cli import manifest as manifests
from assets_cli.graph import AssetGraph
from assets_cli.inference import column_findings, infer, read_columns
from assets_cli.inference.catalog import Columns
from assets_cli.inference.columns import Queries
from assets_cli.inference.lineage import lineage, reach
from assets_cli.inference.names import fold
from assets_cli.inference.relations import Column, Leaf, Open, Relation, Way
from assets_cli.model.answers import ColumnLineage
from assets_cli.model.columns import split
from assets_cli.model.problem import AssetsError, Problem
from assets_cli.probing.files import FileDigests

TABLES = {
    "orders": ("id", "customer_id", "amount", "status", "placed"),
    "customers": ("id", "name", "region"),
    "lines": ("order_id", "item", "tags"),
}
DDL = """
create table orders (id int, customer_id int, amount int, status varchar, placed date);
create table customers (id int, name varchar, region varchar);
create table lines (order_id int, item struct(sku varchar, price int), tags varchar[]);
"""


class Followed:
    """A query that was followed."""

    def __init__(self, sql: str, dialect: str = "duckdb") -> None:
        self.dialect = dialect
        self.queries = Queries(dialect, self._table, lambda path: Relation(opens=(Open(path, "a file", False),)))
        self.relation = self.queries.query(parse_one(sql, read=dialect), {})

    def _table(self, table: object) -> Relation:
        name = fold(table.name, self.dialect, quoted=False).lower()  # type: ignore[attr-defined]
        if name not in TABLES:
            return Relation(opens=(Open(name, f"{name} is a Python asset"),))
        upper = self.dialect == "snowflake"
        names = [each.upper() if upper else each for each in TABLES[name]]
        return Relation(tuple(Column(each, each, (Way(frozenset({Leaf(name, each)})),)) for each in names))

    @property
    def sources(self) -> dict[str, str]:
        """Each column with what it is made from."""
        return {
            column.name: " ".join(sorted(f"{leaf.table}.{leaf.column}" for leaf in column.sources))
            for column in self.relation.columns
        }

    @property
    def filters(self) -> list[str]:
        """What decides about the rows."""
        return sorted(f"{each.leaf.table}.{each.leaf.column} {each.clause}" for each in self.relation.filters)

    @property
    def unknown(self) -> list[str]:
        """Columns that are certainly not there."""
        return [each.name for each in self.queries.unknown.values()]

    @property
    def gaps(self) -> list[str]:
        """What is not known."""
        return sorted({gap for column in self.relation.columns for gap in column.gaps})


HARD = {
    "a pass": ("select id, amount as net from orders", {"id": "orders.id", "net": "orders.amount"}),
    "an aggregate": (
        "select customer_id, sum(amount) as total from orders group by 1",
        {"customer_id": "orders.customer_id", "total": "orders.amount"},
    ),
    "an alias of a table": ("select o.amount as a from orders o", {"a": "orders.amount"}),
    "a table by its own name": ("select orders.amount as a from orders", {"a": "orders.amount"}),
    "a table by its schema": ("select main.orders.amount as a from main.orders", {"a": "orders.amount"}),
    "a chain of expressions": (
        """with a as (select *, amount * 2 as twice from orders),
                b as (select customer_id as c, sum(twice) as t from a group by 1)
           select b.c, t + 1 as u, name from b join customers on customers.id = b.c""",
        {"c": "orders.customer_id", "u": "orders.amount", "name": "customers.name"},
    ),
    "a shadowing expression": (
        "with orders as (select id, amount + id as amount from orders) select amount from orders",
        {"amount": "orders.amount orders.id"},
    ),
    "names of an expression": (
        "with t(x, y) as (select id, amount from orders) select y, x from t",
        {"y": "orders.amount", "x": "orders.id"},
    ),
    "names of a subquery": (
        "select b, a from (select id, amount from orders) as q(a, b)",
        {"b": "orders.amount", "a": "orders.id"},
    ),
    "a star": (
        "select * from customers",
        {"id": "customers.id", "name": "customers.name", "region": "customers.region"},
    ),
    "a star of one side": (
        "select c.*, o.amount from orders o join customers c on c.id = o.customer_id",
        {
            "id": "customers.id",
            "name": "customers.name",
            "region": "customers.region",
            "amount": "orders.amount",
        },
    ),
    "exclude, replace and rename": (
        "select * exclude (id, placed) replace (amount + id as amount) rename (status as state) from orders",
        {"customer_id": "orders.customer_id", "amount": "orders.amount orders.id", "state": "orders.status"},
    ),
    "using": (
        "select * from customers join orders using (id)",
        {
            "id": "customers.id",
            "name": "customers.name",
            "region": "customers.region",
            "customer_id": "orders.customer_id",
            "amount": "orders.amount",
            "status": "orders.status",
            "placed": "orders.placed",
        },
    ),
    "using on the right": ("select id from customers right join orders using (id)", {"id": "orders.id"}),
    "using on both sides": ("select id from customers full join orders using (id)", {"id": "customers.id orders.id"}),
    "a natural join": (
        "select id, name, amount from customers natural join orders",
        {"id": "customers.id", "name": "customers.name", "amount": "orders.amount"},
    ),
    "a semi join": (
        "select * from customers semi join orders using (id)",
        {"id": "customers.id", "name": "customers.name", "region": "customers.region"},
    ),
    "joins in parentheses": (
        "select name, amount from (customers c join orders o on c.id = o.customer_id)",
        {"name": "customers.name", "amount": "orders.amount"},
    ),
    "a union": (
        "select id, amount from orders union all select id, length(name) from customers",
        {"id": "customers.id orders.id", "amount": "customers.name orders.amount"},
    ),
    "a union by name": (
        "select id, amount from orders union all by name select region, id from customers",
        {"id": "customers.id orders.id", "amount": "orders.amount", "region": "customers.region"},
    ),
    "a union in a subquery": (
        "select max(x) as m from (select amount as x from orders union select id from customers)",
        {"m": "customers.id orders.amount"},
    ),
    "except": ("select id from orders except select id from customers", {"id": "customers.id orders.id"}),
    "a recursion": (
        """with recursive t(n, p) as (
               select id, amount from orders union all select n + 1, n from t where n < 9
           ) select * from t""",
        {"n": "orders.id", "p": "orders.amount orders.id"},
    ),
    "a recursion that exchanges": (
        "with recursive t(a, b) as (select id, amount from orders union all select b, a from t) select * from t",
        {"a": "orders.amount orders.id", "b": "orders.amount orders.id"},
    ),
    "a window": (
        "select sum(amount) over (partition by status order by placed) as s from orders",
        {"s": "orders.amount orders.placed orders.status"},
    ),
    "a named window": (
        "select rank() over w as r from orders window w as (partition by status order by placed)",
        {"r": "orders.placed orders.status"},
    ),
    "a case": (
        "select case when status = 'x' then amount else 0 end as c from orders",
        {"c": "orders.amount orders.status"},
    ),
    "a filtered aggregate": (
        "select count(*) filter (where status = 'x') as n from orders",
        {"n": "orders.status"},
    ),
    "a scalar subquery": (
        "select name, (select max(amount) from orders o where o.customer_id = c.id) as m from customers c",
        {"name": "customers.name", "m": "orders.amount"},
    ),
    "exists": (
        "select exists (select 1 from orders where orders.id = c.id) as e from customers c",
        {"e": ""},
    ),
    "in a subquery": (
        "select id in (select customer_id from orders) as known from customers",
        {"known": "customers.id orders.customer_id"},
    ),
    "a lateral alias": (
        "select amount * 2 as twice, twice + id as more from orders",
        {"twice": "orders.amount", "more": "orders.amount orders.id"},
    ),
    "a column before an alias of its name": (
        "select id as amount, amount + 1 as more from orders",
        {"amount": "orders.id", "more": "orders.amount"},
    ),
    "a lateral subquery": (
        "select l.z from orders o cross join lateral (select o.amount + 1 as z) l",
        {"z": "orders.amount"},
    ),
    "unnest in a join": ("select t.x from lines, unnest(tags) as t(x)", {"x": "lines.tags"}),
    "unnest in the list": ("select unnest(tags) as tag from lines", {"tag": "lines.tags"}),
    "a field of a struct": (
        "select item.sku, l.item.price as p from lines l",
        {"sku": "lines.item", "p": "lines.item"},
    ),
    "a lambda": (
        "select list_transform(tags, x -> x || order_id) as l from lines",
        {"l": "lines.order_id lines.tags"},
    ),
    "a comprehension": ("select [t || '!' for t in tags] as l from lines", {"l": "lines.tags"}),
    "a struct": ("select {'a': amount, 'b': id} as s from orders", {"s": "orders.amount orders.id"}),
    "a whole row": (
        "select c from customers c",
        {"c": "customers.id customers.name customers.region"},
    ),
    "values": ("select a, b from (values (1, 2), (3, 4)) v(a, b)", {"a": "", "b": ""}),
    "values out of a row": ("select v.x from orders o, lateral (values (o.amount)) v(x)", {"x": "orders.amount"}),
    "a quoted name": ('select "AMOUNT" as "My Total" from "Orders"', {"My Total": "orders.amount"}),
    "from first": ("from orders select amount", {"amount": "orders.amount"}),
    "distinct on": ("select distinct on (status) amount from orders order by placed", {"amount": "orders.amount"}),
    "qualify": (
        "select id from orders qualify row_number() over (partition by status order by placed) = 1",
        {"id": "orders.id"},
    ),
    "nothing": ("select 1 as one, current_date as today", {"one": "", "today": ""}),
    "an inner with": (
        "select (with q as (select max(amount) as m from orders) select m from q) as m from customers",
        {"m": "orders.amount"},
    ),
    "nested stars": (
        "select * from (select * exclude (region) from (select * from customers))",
        {"id": "customers.id", "name": "customers.name"},
    ),
}


@pytest.mark.parametrize(("sql", "sources"), HARD.values(), ids=HARD.keys())
def test_a_hard_query(sql: str, sources: dict[str, str]) -> None:
    """Its columns, each with what it is made from; none is missed and none is there too many."""
    followed = Followed(sql)

    assert followed.sources == sources
    assert (followed.unknown, followed.relation.opens) == ([], ())


# How a lambda is written depends on DuckDB's version.
DESCRIBED = {name: sql for name, (sql, _) in HARD.items() if name != "a lambda"}


@pytest.mark.parametrize("sql", DESCRIBED.values(), ids=DESCRIBED.keys())
def test_the_columns_are_those_that_the_database_gives(sql: str) -> None:
    """DuckDB has the last word on names and order."""
    with duckdb.connect() as connection:
        connection.execute(DDL)
        described = [row[0] for row in connection.execute(f"describe {sql}").fetchall()]

    assert [each.lower() for each in Followed(sql).sources] == [each.lower() for each in described]


@pytest.mark.parametrize(
    ("sql", "filters"),
    [
        ("select 1 from orders where status = 'x'", ["orders.status where"]),
        (
            "select 1 from orders group by status having max(amount) > 1",
            ["orders.amount having", "orders.status group by"],
        ),
        ("select status, sum(amount) s from orders group by 1", ["orders.status group by"]),
        ("select status, sum(amount) s from orders group by all", ["orders.status group by"]),
        (
            "select 1 from orders o join customers c on c.id = o.customer_id",
            ["customers.id join", "orders.customer_id join"],
        ),
        ("select 1 from orders join customers using (id)", ["customers.id join", "orders.id join"]),
        ("select id from orders order by amount", []),
        ("select id from orders order by amount limit 3", ["orders.amount order by"]),
        ("select distinct on (status) id from orders", ["orders.status distinct on"]),
        (
            "select 1 from customers where id in (select id from orders where amount > 1)",
            ["customers.id where", "orders.amount where", "orders.id where"],
        ),
        ("select name from (select * from customers where region = 'x')", ["customers.region where"]),
        (
            "with a as (select id from orders where status = 'x') select * from a union select id from customers",
            ["orders.status where"],
        ),
    ],
)
def test_what_decides_about_rows_is_no_source(sql: str, filters: list[str]) -> None:
    """It is a filter, with its clause, also where it stands in an inner query."""
    assert Followed(sql).filters == filters


@pytest.mark.parametrize(
    ("sql", "expressions"),
    [
        ("select amount as a from orders", ["amount"]),
        ("select SUM(amount * 2)::int as a from orders", ["CAST(sum(amount * 2) AS INT)"]),
        ("with t as (select amount * 2 as d from orders) select sum(d) as a from t", ["sum((amount * 2))"]),
        ("with t as (select amount as d from orders), u as (select d as e from t) select e as a from u", ["amount"]),
        ("select x as a from lines, unnest(tags) as t(x)", ["UNNEST(tags)"]),
        ("select amount as a from orders union all select id + 1 from customers", ["amount", "id + 1"]),
        ("select coalesce(q.m, 0) as a from (select max(amount) m from orders) q", ["coalesce(max(amount), 0)"]),
    ],
)
def test_the_expression_of_a_hop_is_written_out(sql: str, expressions: list[str]) -> None:
    """Through inner queries, so that it says what happens between the two tables."""
    (column,) = Followed(sql).relation.columns

    assert [
        way.expression.sql("duckdb", normalize_functions="lower") for way in column.ways if way.expression
    ] == expressions


def test_an_expression_that_gets_too_long_stays_as_it_is_written():
    """Written out it would say nothing to anybody."""
    terms = " + ".join(["d"] * 60)
    (column,) = Followed(
        f"with t as (select amount * 2 + id as d from orders) select {terms} as a from t"
    ).relation.columns

    assert column.ways[0].expression is not None
    assert column.ways[0].expression.sql("duckdb") == terms


@pytest.mark.parametrize(
    ("sql", "unknown"),
    [
        ("select amuont from orders", ["amuont"]),
        ("select o.nope from orders o", ["nope"]),
        ("select nope.id from orders", ["nope"]),
        ("with a as (select id from orders) select id, amount from a", ["amount"]),
        ("select 1 from orders where nope > 1 order by neither", ["nope", "neither"]),
        ("select 1 from customers c where exists (select 1 from orders o where o.region = c.region)", ["region"]),
        ("select placed from orders union select placed from customers", ["placed"]),
        # Nobody can say so:
        ("select nope from orders, python_table", []),
        ("select nope.x from python_table", []),
        ("select x.nope from (select * from python_table) x", []),
        ("select rowid, orders.rowid from orders", []),
        ("select region from customers where exists (select 1 from orders where region = 'x')", []),
        ("select amount as a from orders where a > 1 group by a having a > 1 order by a", []),
        ("select * from orders pivot (sum(amount) for status in ('a')) where a > 1", []),
        ("select nope from read_csv('x.csv')", []),
        ("select c from (select count(*) from orders) t(c)", []),
        ('select "count_star()" from (select count(*) from orders)', []),
    ],
)
def test_a_column_that_is_certainly_not_there(sql: str, unknown: list[str]) -> None:
    """Only where everything that it could be of is known."""
    assert sorted(Followed(sql).unknown) == sorted(unknown)


def test_text_in_double_quotes_is_no_column_where_the_database_takes_it_for_text():
    """SQLite does."""
    assert Followed('select "nope" from orders', "sqlite").unknown == []
    assert Followed('select "nope" from orders', "postgres").unknown == ["nope"]


@pytest.mark.parametrize(
    ("sql", "gaps"),
    [
        ("select x from one, two", ["whether x is a column of one or two"]),
        ("select a from (select * from one, two)", ["whether a is a column of one or two"]),
        ("select x from sales pivot (sum(a) for b in (1, 2))", ["which columns a pivot makes"]),
    ],
)
def test_what_cannot_be_known_is_said(sql: str, gaps: list[str]) -> None:
    """And by whom."""
    assert Followed(sql).gaps == gaps


def test_what_passes_through_a_star_is_remembered():
    """A column of a table that nobody knows is that table's, unless it was left out."""
    relation = Followed("select * exclude (secret) from (select * from python_table)").relation

    assert relation.seek("name", "name") == Column("name", "name", (Way(frozenset({Leaf("python_table", "name")})),))
    assert relation.seek("secret", "secret") is None


def test_names_fold_as_the_database_has_it():
    """Snowflake shows what was not quoted in capitals."""
    assert Followed(
        'select Amount as Net, "id2" from (select amount, id as "id2" from orders)', "snowflake"
    ).sources == {
        "NET": "orders.AMOUNT",
        "id2": "orders.ID",
    }


def test_a_union_of_a_thousand_needs_no_recursion():
    """Chains are as long as they like."""
    followed = Followed(" union all ".join(f"select id + {number} as id from orders" for number in range(1_000)))

    assert followed.sources == {"id": "orders.id"}


# -- from asset to asset -----------------------------------------------------------------------------------------------

SHOP = """\
- name: raw
  owner: ingest
  command: {shell: ":"}
  output: {table: raw}
- name: orders
  command: {sql: "select id, amount - tax as net_revenue, status, customer from raw"}
  output: {table: orders}
- name: customers
  command: {python: "shop:customers"}
  output: {table: customers}
  columns: [{name: id}, {name: region, type: varchar}]
- name: by.region
  owner: finance
  command: {sql: sql/by_region.sql}
  output: {table: by_region}
- name: by
  command: {sql: "select count(*) as n from orders where status = 'paid'"}
  output: {table: counted}
- name: copy
  command: {sql: "create table copy as select * from by_region; insert into copy (total) select n from counted"}
  output: {table: copy, materialization: script}
- name: model
  owner: science
  command: {python: "shop:model"}
  upstreams: [copy]
"""
BY_REGION = """\
with paid as (
    select * from orders where status = 'paid'
)
select region, sum(net_revenue) as total
from paid
join customers on customers.id = paid.customer
group by region
"""


def shop(root: Path, assets: str = SHOP, recorded: dict[str, list[str]] | None = None, **options: bool) -> Columns:
    """The columns of a project."""
    head = "version: 1\nproject: p\nconnections: {w: {type: duckdb, path: w.duckdb}}\nassets:\n"
    (root / "assets.yml").write_text(head + textwrap.indent(assets, "  "))
    (root / "sql").mkdir(exist_ok=True)
    (root / "sql/by_region.sql").write_text(BY_REGION)
    loaded = manifests.load(root / "assets.yml")
    assert loaded.manifest is not None, loaded.problems
    files = FileDigests(root, time.time_ns)
    graph = AssetGraph(infer(loaded.manifest, {}, files).manifest)
    return Columns(graph, {}, files, recorded or {}, **options)


def follow(columns: Columns, asset: str, column: str | None, **options: object) -> ColumnLineage:
    """The lineage of a column, both ways unless told otherwise."""
    return lineage(columns, asset, column, **{"upstream": True, "downstream": True, "depth": None, **options})  # type: ignore[arg-type]


def hops(found: ColumnLineage) -> list[str]:
    """Its edges."""
    return [f"{each.start} -> {each.end}: {each.expression}" for each in found.edges]


def test_up_and_down_through_any_number_of_assets(tmp_path: Path) -> None:
    """Every hop with its expression; where nobody can look further, that is said."""
    found = follow(shop(tmp_path), "by.region", "total")

    assert hops(found) == [
        "orders.net_revenue -> by.region.total: sum(net_revenue)",
        "raw.amount -> orders.net_revenue: amount - tax",
        "raw.tax -> orders.net_revenue: amount - tax",
        "by.region.total -> copy.total: total",
        "copy.total -> model: ",
    ]
    assert found.asked == ("by.region.total",)
    assert found.upstream_depth == {"orders.net_revenue": 1, "raw.amount": 2, "raw.tax": 2}
    assert found.downstream_depth == {"copy.total": 1, "model": 2}
    assert {each.name: each.note for each in found.nodes if each.note} == {
        "raw.amount": "raw is a shell asset",
        "raw.tax": "raw is a shell asset",
        "model": "model is a Python asset",
    }
    assert [f"{each.start} {each.asset} {each.clauses}" for each in found.filters if each.asset == "by.region"] == [
        "customers.id by.region ('join',)",
        "customers.region by.region ('group by',)",
        "orders.customer by.region ('join',)",
        "orders.status by.region ('where',)",
    ]


def test_one_way_and_not_too_far(tmp_path: Path) -> None:
    """As the lineage of assets."""
    columns = shop(tmp_path)

    assert hops(follow(columns, "by.region", "total", downstream=False, depth=1)) == [
        "orders.net_revenue -> by.region.total: sum(net_revenue)"
    ]
    assert hops(follow(columns, "orders", "net_revenue", upstream=False, depth=1)) == [
        "orders.net_revenue -> by.region.total: sum(net_revenue)"
    ]


def test_all_columns_of_an_asset(tmp_path: Path) -> None:
    """Where no column is named."""
    found = follow(shop(tmp_path), "by.region", None, downstream=False)

    assert found.asked == ("by.region.region", "by.region.total")
    assert found.column is None


def test_an_insert_adds_a_way(tmp_path: Path) -> None:
    """What a script puts into its table in several statements."""
    found = follow(shop(tmp_path), "copy", "total", downstream=False, depth=1)

    assert hops(found) == ["by.region.total -> copy.total: total", "by.n -> copy.total: n"]


def test_the_longest_asset_name_wins_over_a_column(tmp_path: Path) -> None:
    """And a column may hold a dot itself."""
    assets = shop(tmp_path).graph.assets

    assert split("by.region", assets) == ("by.region", None)
    assert split("by.region.total", assets) == ("by.region", "total")
    assert split("by.n", assets) == ("by", "n")
    assert split("orders.a.b", assets) == ("orders", "a.b")
    assert split("nobody.x", assets) == ("nobody.x", None)


@pytest.mark.parametrize(
    ("asset", "column", "message", "hint"),
    [
        ("orders", "net_revenu", "asset orders has no column 'net_revenu'", "did you mean orders.net_revenue?"),
        ("customers", "zzz", "asset customers has no column 'zzz'", "its columns: id, region"),
    ],
)
def test_a_column_that_is_not_there_is_an_error(
    tmp_path: Path, asset: str, column: str, message: str, hint: str
) -> None:
    """Where all columns are known, with the nearest."""
    with pytest.raises(AssetsError) as caught:
        follow(shop(tmp_path), asset, column)

    (problem,) = caught.value.problems
    assert (problem.code, problem.message, problem.hint) == ("A0405", message, hint)


def test_case_is_the_databases(tmp_path: Path) -> None:
    """DuckDB ignores it; the answer names the column as it is."""
    assert follow(shop(tmp_path), "orders", "NET_Revenue").asked == ("orders.net_revenue",)


STARS = """\
- {name: src, command: {python: "x:y"}, output: {table: src}}
- {name: mid, command: {sql: "select * from src"}, output: {table: mid}}
- {name: end, command: {sql: "select *, a + b as c from mid"}, output: {table: end}}
"""


def test_a_star_without_known_columns_says_so(tmp_path: Path) -> None:
    """What is asked for by name is followed all the same."""
    found = follow(shop(tmp_path, STARS), "end", None)

    assert found.asked == ("end.c",)
    assert found.notes == ("src is a Python asset",)
    assert hops(follow(shop(tmp_path, STARS), "src", "a")) == [
        "src.a -> mid.a: a",
        "mid.a -> end.c: a + b",
        "mid.a -> end.a: a",
    ]


def test_a_star_over_what_is_on_record(tmp_path: Path) -> None:
    """The columns that a Python asset had when it was last materialized."""
    found = follow(shop(tmp_path, STARS, {"src": ["a", "b"]}), "end", None, downstream=False)

    assert found.asked == ("end.a", "end.b", "end.c")
    assert found.notes == ()


def test_a_star_over_what_is_declared(tmp_path: Path) -> None:
    """`columns:` say it as well."""
    declared = STARS.replace("output: {table: src}", "output: {table: src}, columns: [{name: a}, {name: b}]")

    assert follow(shop(tmp_path, declared), "end", None).asked == ("end.a", "end.b", "end.c")


def test_sql_that_is_not_understood_ends_the_way(tmp_path: Path) -> None:
    """And lineage says so."""
    assets = (
        "- {name: x, command: {sql: 'select a from {{ b }}'}, output: {table: x}}\n"
        "- {name: y, command: {sql: select q from x}, output: {table: y}}\n"
    )
    found = follow(shop(tmp_path, assets), "y", "q")

    assert hops(found) == ["x.q -> y.q: q"]
    assert [each.note for each in found.nodes] == ["", "the SQL of x is not understood"]


def test_a_table_of_nobody_and_a_file(tmp_path: Path) -> None:
    """They are named as they are written; a file that an asset outputs is the asset."""
    assets = """\
- {name: f, command: {shell: ":"}, output: {path: data/f.csv}}
- {name: y, command: {sql: "select a.q, b.r from crm.accounts a, read_csv('data/f.csv') b"}, output: {table: y}}
"""
    found = follow(shop(tmp_path, assets), "y", None)

    assert hops(found) == ["crm.accounts.q -> y.q: a.q", "f.r -> y.r: b.r"]
    assert [(each.name, each.asset, each.note) for each in found.nodes[2:]] == [
        ("crm.accounts.q", None, "crm.accounts belongs to no asset"),
        ("f.r", "f", "f is a shell asset"),
    ]


def test_its_own_table_is_no_cycle(tmp_path: Path) -> None:
    """A column that is made from itself ends there."""
    query = "create or replace table x as select n + 1 as n from x"
    assets = f"- {{name: x, command: {{sql: '{query}'}}, output: {{table: x, materialization: script}}}}\n"

    assert hops(follow(shop(tmp_path, assets), "x", "n")) == ["x.n -> x.n: n + 1"]


def test_what_a_change_of_a_column_reaches(tmp_path: Path) -> None:
    """Values by their expressions; rows by the clause, and then all that is made of them."""
    columns = shop(tmp_path)
    values = reach(columns, "orders", "net_revenue")
    rows = reach(columns, "orders", "status")

    assert {name: (each.columns, each.clauses, each.note) for name, each in values.items()} == {
        "by.region": ((("total", "sum(net_revenue)"),), (), ""),
        "copy": ((("total", "total"),), (), ""),
        "model": ((), (), "model is a Python asset"),
    }
    assert {name: (each.columns, each.clauses, each.note) for name, each in rows.items()} == {
        "by.region": ((), ("where",), ""),
        "by": ((), ("where",), ""),
        "copy": ((("region", "region"), ("total", "total")), (), ""),
        "model": ((), (), "model is a Python asset"),
    }


def _found(columns: Columns, root: Path) -> tuple[Problem, ...]:
    """What `validate` finds in the columns of a project, as a process of its own would."""
    read = read_columns(columns.graph, {}, FileDigests(root, time.time_ns))
    return column_findings(columns.graph, read)


def test_validate_finds_columns_that_nobody_produces(tmp_path: Path) -> None:
    """With the line of the SQL and the nearest name; what is kept says the same and needs no second look."""
    assets = SHOP.replace("select id, amount - tax as net_revenue", "select id, amount - tax as revenue")
    columns = shop(tmp_path, assets)
    files = FileDigests(tmp_path, time.time_ns)
    first = column_findings(columns.graph, read_columns(columns.graph, {}, files))
    second = _found(columns, tmp_path)

    assert [(each.code, each.severity, str(each.place), each.message, each.hint) for each in first] == [
        (
            "A0323",
            "warning",
            "sql/by_region.sql:4:20",
            "by.region reads column net_revenue, which none of paid, customers has",
            "did you mean revenue?",
        )
    ]
    assert second == first


def test_what_is_kept_is_no_longer_true_when_an_upstream_changes(tmp_path: Path) -> None:
    """The columns of an upstream are part of what an answer depends on."""
    columns = shop(tmp_path)
    assert _found(columns, tmp_path) == ()
    columns = shop(tmp_path, SHOP.replace("as net_revenue", "as revenue"))

    assert len(_found(columns, tmp_path)) == 1


def test_a_chain_of_two_thousand_assets_needs_no_recursion(tmp_path: Path) -> None:
    """Depth is not limited by the interpreter's stack."""
    assets = "- {name: n0, command: {sql: select 1 as x}, output: {table: n0}}\n" + "".join(
        f"- {{name: n{i}, command: {{sql: select x from n{i - 1}}}, output: {{table: n{i}}}}}\n"
        for i in range(1, 2_000)
    )
    found = follow(shop(tmp_path, assets), "n1999", "x")

    assert len(found.upstream_depth) == 1_999
