"""Every check finds the same on servers and by SQLAlchemy as in DuckDB and SQLite, where unit tests hold them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from support.bench import Bench, failed, passed

from assets_cli.checks import Privacy
from assets_cli.model.duration import parse

NOW = int(datetime(2024, 2, 2, 12, tzinfo=UTC).timestamp()) * 1_000_000


@pytest.fixture(params=["postgres", "sqlalchemy-postgres", "sqlalchemy-sqlite"])
def anywhere(request, tmp_path):
    """Every kind of server, and what SQLAlchemy reaches."""
    kind, _, backend = request.param.partition("-")
    if backend == "sqlite":
        return Bench(tmp_path, kind, "sqlite:///w.sqlite")
    url = request.getfixturevalue("pg")
    return Bench(tmp_path, kind, url.replace("postgresql:", "postgresql+psycopg:") if backend else url)


@pytest.fixture
def server(request, tmp_path):
    """PostgreSQL."""
    return Bench(tmp_path, "postgres", request.getfixturevalue("pg"))


def test_all_kinds(anywhere):
    """The same findings, also of several checks in one scan."""
    anywhere.fill()
    anywhere.run(
        "drop table if exists kinds",
        "create table kinds (code varchar(5), number bigint)",
        "insert into kinds values ('a', 1), ('b', 2), (null, null)",
    )
    found = anywhere.look(
        ("not_null", {"columns": ["id"]}),
        ("not_null", {"columns": ["kind", "amount"]}),
        ("unique", {"columns": ["id"]}),
        ("unique", {"columns": ["id", "kind"]}),
        ("unique", {"columns": ["id", "amount"]}),
        ("accepted_values", {"column": "kind", "values": ["a", "b"]}),
        ("accepted_values", {"column": "id", "values": [1, 2, "3", "x", True]}),
        ("accepted_values", {"column": "day", "values": ["2024-01-01", "no day"]}),
        ("between", {"column": "amount", "min": 0}),
        ("between", {"column": "amount", "min": -3, "max": 10}),
        ("between", {"column": "day", "min": "2024-01-01", "max": "2024-01-31"}),
        ("between", {"column": "kind", "max": "b"}),
        ("row_count", {"min": 7}),
        ("matches", {"column": "kind", "pattern": "^[ab]$"}),
        ("matches", {"column": "id", "pattern": r"^\d$"}),
        ("relationships", {"column": "kind", "to": "kinds", "field": "code", "table": "kinds"}),
        ("relationships", {"column": "id", "to": "kinds", "field": "numbr", "table": "kinds"}),
        ("volume", {"before": [60, 60, 60, 60, 60]}),
        ("max_age", {"column": "day", "max": parse("36h"), "now": NOW}),
        ("sql", {"query": "select id from t where amount < 0"}),
        ("sql", {"query": "select id from t where amount < -100"}),
        ("sql", {"query": "selec id from t"}),
        ("not_null", {"columns": ["amuont"]}),
    )
    day = found.pop(18)
    assert day.passed
    refusal = found.pop(20)
    assert (refusal.passed, refusal.failing) == (False, None)
    assert [(each.passed, each.failing, each.message) for each in found] == [
        (False, 2, "2 of 6 rows have no value"),
        (False, 2, "2 of 6 rows have no value in kind or amount"),
        (False, 1, "1 of 6 rows repeats the id of another"),
        (False, 1, "1 of 6 rows repeats the id and kind of another"),
        (True, None, ""),
        (False, 1, "1 of 6 rows has a value that is none of a, b"),
        (True, None, ""),
        (False, 4, "4 of 6 rows have a value that is none of 2024-01-01, no day"),
        (False, 1, "1 of 6 rows has a value below 0"),
        (True, None, ""),
        (False, 2, "2 of 6 rows have a value outside 2024-01-01 to 2024-01-31"),
        (False, 1, "1 of 6 rows has a value above b"),
        (False, None, "6 rows, expected at least 7"),
        (False, 1, "1 of 6 rows has a value that does not match ^[ab]$"),
        (True, None, ""),
        (False, 1, "1 of 6 rows has a value that is not in kinds.code"),
        (False, None, "there is no column numbr in kinds (did you mean number?)"),
        (False, None, "6 rows, usually 54 to 66 (by 5 materializations)"),
        (False, 1, "the query returns 1 row"),
        (True, None, ""),
        (False, None, "there is no column amuont (did you mean amount?)"),
    ]
    row = {"kind": "c", "id": None, "amount": None, "day": "2024-02-01"}
    assert (found[5].sample, found[13].sample, found[15].sample) == ((row,), (row,), (row,))
    assert found[3].sample == ({"id": 2, "kind": "b", "times": 2},)


def test_an_empty_table(anywhere):
    """Fails only what asks for rows."""
    anywhere.fill(())
    assert anywhere.look(
        ("not_null", {"columns": ["id"]}),
        ("unique", {"columns": ["id", "kind"]}),
        ("matches", {"column": "kind", "pattern": "x"}),
        ("row_count", {"min": 1}),
        ("max_age", {"column": "day", "max": 1, "now": NOW}),
    ) == [
        *[passed()] * 3,
        failed("0 rows, expected at least 1"),
        failed("no row has a time in day whose age could be told"),
    ]


def test_private_values_stay_there(anywhere):
    """Shown nowhere, fetched nowhere."""
    anywhere.fill()
    subject = anywhere.subject()._replace(privacy=Privacy(frozenset({"kind"})))
    values, unique, query = anywhere.look(
        ("accepted_values", {"column": "kind", "values": ["a", "b"]}),
        ("unique", {"columns": ["id", "kind"]}),
        ("sql", {"query": "select id, kind, upper(kind) as loud from t where kind = 'c'"}),
        subject=subject,
    )
    assert values.sample == ({"kind": "***", "id": None, "amount": None, "day": "2024-02-01"},)
    assert unique.sample == ({"id": 2, "kind": "***", "times": 2},)
    assert query.sample == ({"id": None, "kind": "***", "loud": "***"},)


@pytest.mark.parametrize(
    ("declared", "column", "same"),
    [
        ("int", "integer", True),
        ("int4", "bigint", False),
        ("text", "character varying(20)", False),
        ("varchar", "character varying(20)", True),
        ("varchar(20)", "character varying(20)", True),
        ("varchar(30)", "character varying(20)", False),
        ("numeric", "numeric(10,2)", True),
        ("decimal(10, 2)", "numeric(10,2)", True),
        ("float8", "double precision", True),
        ("timestamp", "timestamp without time zone", True),
        ("timestamptz", "timestamp without time zone", False),
        ("timestamptz", "timestamp(3) with time zone", True),
        ("int[]", "integer[]", True),
    ],
)
def test_types_of_postgres(server, declared, column, same):
    """As it normalizes them itself."""
    server.run(f"create table t (a {column})")
    (found,) = server.look(("schema", {"columns": [("a", declared)]}))
    assert found.passed == same, found
    if not same:
        assert found.message.lower() == f"retyped a {declared} -> {column}"


@pytest.mark.parametrize(
    ("declared", "same"),
    [("integer", True), ("INT", True), ("bigint", False), ("varchar(5)", True), ("varchar(6)", False), ("text", True)],
)
def test_types_by_sqlalchemy(request, tmp_path, declared, same):
    """By what sqlglot knows of them, where a database is not asked."""
    from assets_cli.checks.types import comparer

    class Elsewhere:
        dialect = "trino"

    actual = "VARCHAR(5)" if "char" in declared or declared == "text" else "INTEGER"
    assert comparer(Elsewhere())(declared, actual) == same


def test_patterns_where_no_database_is_asked(anywhere, monkeypatch):
    """Values are matched as they come."""
    from assets_cli.checks import conditions

    anywhere.fill()
    monkeypatch.setattr(conditions, "matcher", lambda *_: None)
    found, fine = anywhere.look(
        ("matches", {"column": "kind", "pattern": "^[ab]$"}), ("matches", {"column": "kind", "pattern": "[abc]"})
    )
    assert found == failed("1 of 6 rows has a value that does not match ^[ab]$", 1, {"kind": "c"})
    assert fine == passed()


TEXTS = ("ab", "ab\n", "a\nb", "AB", "a.b", "é", "٣", "3", "a b", "a\u00a0b", "", "]", "x]y", "aaa")
PATTERNS = (
    "^ab$",
    "a.b",
    r"a\.b",
    r"^\w+$",
    r"\d",
    r"a\sb",
    r"^\S+$",
    r"[\]x]",
    "[^a]",
    "^a{2,3}$",
    "^(a|b)+?$",
    "a|^$",
)


def test_one_dialect_of_expressions(server, tmp_path):
    """PostgreSQL's expressions differ from Python's; ours are the same in both."""
    rows = [(number, text, None, None) for number, text in enumerate(TEXTS)]
    lite = Bench(tmp_path, "sqlite")
    lite.fill(rows)
    server.run(
        "create table t (id bigint, kind varchar, amount float8, day date)",
        "insert into t (id, kind) values " + ", ".join(f"({number}, '{text}')" for number, text, *_ in rows),
    )
    for pattern in PATTERNS:
        asked = ("matches", {"column": "kind", "pattern": pattern})
        expected, found = lite.look(asked)[0], server.look(asked)[0]
        assert (pattern, found.failing) == (pattern, expected.failing)


def test_times_of_postgres(server):
    """A zone is a zone; without one it is UTC."""
    server.run(
        "create table t (zoned timestamptz, plain timestamp, n integer)",
        "insert into t values ('2024-02-02 12:00+02', '2024-02-02 10:00', 1), (null, null, null)",
    )
    zoned, plain, number = server.look(
        *[("max_age", {"column": name, "max": parse("1h"), "now": NOW}) for name in ("zoned", "plain", "n")]
    )
    assert zoned == failed("the newest zoned, 2024-02-02T10:00:00Z, is 2h old, at most 1h")
    assert plain.message == (
        "the newest plain, 2024-02-02T10:00:00Z, is 2h old, at most 1h; it has no zone and is taken as UTC"
    )
    assert number == failed("n is INTEGER, which is no date and no time")


def test_nan_and_mixed_values_of_postgres(server):
    """NaN lies nowhere; a number in a text column is compared as one."""
    server.run(
        "create table t (id bigint, kind varchar, amount float8, day date)",
        "insert into t values (1, '5', 'NaN', null), (2, 'x', 1, null), (3, '50', null, null)",
    )
    assert [
        (each.failing, each.message)
        for each in server.look(
            ("between", {"column": "amount", "min": 0}),
            ("between", {"column": "kind", "min": 1, "max": 10}),
            ("not_null", {"columns": ["amount"]}),
        )
    ] == [
        (1, "1 of 3 rows has a value below 0"),
        (2, "2 of 3 rows have a value outside 1 to 10"),
        (1, "1 of 3 rows has no value"),
    ]
