"""What each check finds in tables and files, held against results worked out by hand."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from support.bench import Bench, failed, passed

from assets_cli.checks import Finding, Subject
from assets_cli.connections.protocol import DatabaseError


def test_all_kinds_everywhere(anywhere: Bench) -> None:
    """The same findings in every storage, also of several checks in one scan."""
    anywhere.fill()
    found = anywhere.look(
        ("not_null", {"columns": ["id"]}),
        ("not_null", {"columns": ["kind", "amount"]}),
        ("unique", {"columns": ["id"]}),
        ("unique", {"columns": ["id", "kind"]}),
        ("unique", {"columns": ["id", "amount"]}),
        ("accepted_values", {"column": "kind", "values": ["a", "b"]}),
        ("accepted_values", {"column": "id", "values": [1, 2, 3]}),
        ("between", {"column": "amount", "min": 0}),
        ("between", {"column": "amount", "min": -3, "max": 10}),
        ("between", {"column": "day", "min": "2024-01-01", "max": "2024-01-31"}),
        ("row_count", {"min": 6, "max": 6}),
        ("row_count", {"min": 7}),
        ("row_count", {"max": 5}),
        ("sql", {"query": "select id from t where amount < 0"}),
        ("sql", {"query": "select id from t where amount < -100"}),
    )
    assert [(each.passed, each.failing, each.message) for each in found] == [
        (False, 2, "2 of 6 rows have no value"),
        (False, 2, "2 of 6 rows have no value in kind or amount"),
        (False, 1, "1 of 6 rows repeats the id of another"),
        (False, 1, "1 of 6 rows repeats the id and kind of another"),
        (True, None, ""),
        (False, 1, "1 of 6 rows has a value that is none of a, b"),
        (True, None, ""),
        (False, 1, "1 of 6 rows has a value below 0"),
        (True, None, ""),
        (False, 2, "2 of 6 rows have a value outside 2024-01-01 to 2024-01-31"),
        (True, None, ""),
        (False, None, "6 rows, expected at least 7"),
        (False, None, "6 rows, expected at most 5"),
        (False, 1, "the query returns 1 row"),
        (True, None, ""),
    ]
    assert found[0].sample == (
        {"id": None, "kind": "c", "amount": None, "day": "2024-02-01"},
        {"id": None, "kind": None, "amount": 2.0, "day": "2024-01-31"},
    )
    assert found[2].sample == ({"id": 2, "times": 2},)
    assert found[3].sample == ({"id": 2, "kind": "b", "times": 2},)
    assert found[7].sample == ({"amount": -3.0, "id": 2, "kind": "b", "day": "2024-01-02"},)
    assert found[13].sample == ({"id": 2},)


def test_an_empty_output_fails_only_row_count(anywhere: Bench) -> None:
    """Whatever it is stored as, and whatever a reader takes its columns for."""
    if anywhere.kind == "jsonl":
        pytest.skip("a JSON lines file without a line has no columns")
    anywhere.fill(())
    found = anywhere.look(
        ("not_null", {"columns": ["id"]}),
        ("unique", {"columns": ["id", "kind"]}),
        ("accepted_values", {"column": "id", "values": [1, "x", True]}),
        ("between", {"column": "amount", "min": 0, "max": 1.5}),
        ("between", {"column": "day", "max": "2024-01-31"}),
        ("sql", {"query": "select * from t"}),
        ("row_count", {"max": 0}),
        ("row_count", {"min": 1}),
    )
    assert found == [*[passed()] * 7, failed("0 rows, expected at least 1")]


def test_nan_is_a_value_that_lies_nowhere(duck: Bench) -> None:
    """It is not null, is between no bounds, is no accepted value, and two of them are the same."""
    duck.fill([(1, "a", float("nan"), None), (2, "a", float("nan"), None), (3, "a", 1.0, None)])
    found = duck.look(
        ("not_null", {"columns": ["amount"]}),
        ("between", {"column": "amount", "min": 0}),
        ("between", {"column": "amount", "max": 5}),
        ("unique", {"columns": ["amount"]}),
        ("accepted_values", {"column": "amount", "values": [1]}),
    )
    assert [(each.passed, each.failing) for each in found] == [
        (True, None),
        (False, 2),
        (False, 2),
        (False, 1),
        (False, 2),
    ]
    assert found[1].sample[0] == {"amount": "nan", "id": 1, "kind": "a", "day": None}


def test_five_rows_are_kept(table: Bench) -> None:
    """Of many failing rows the first five; of repeated keys those with the most rows first."""
    table.fill([(n % 7, None, 0.0, None) for n in range(100)])
    nulls, keys = table.look(("not_null", {"columns": ["kind"]}), ("unique", {"columns": ["id"]}))
    assert (nulls.failing, len(nulls.sample)) == (100, 5)
    assert [each["id"] for each in nulls.sample] == [0, 1, 2, 3, 4]
    assert (keys.failing, keys.sample[0], len(keys.sample)) == (93, {"id": 0, "times": 15}, 5)


def test_a_missing_column_fails_its_own_check_alone(table: Bench) -> None:
    """With the nearest name, or the names that are there; the others are evaluated."""
    table.fill()
    assert table.look(
        ("not_null", {"columns": ["amuont"]}),
        ("unique", {"columns": ["id", "zzz", "yyy"]}),
        ("row_count", {"min": 1}),
        ("between", {"column": "q q", "min": 1}),
    ) == [
        failed("there is no column amuont (did you mean amount?)"),
        failed("there is no column zzz and yyy (columns: id, kind, amount, day)"),
        passed(),
        failed("there is no column q q (columns: id, kind, amount, day)"),
    ]


def test_names_of_columns_ignore_case(table: Bench) -> None:
    """As the databases have it."""
    table.fill()
    assert table.look(("not_null", {"columns": ["ID"]}))[0].failing == 2


def test_what_a_database_refuses_fails_its_own_check_alone(duck: Bench) -> None:
    """Although all share one scan."""
    duck.fill()
    broken, counted = duck.look(("between", {"column": "day", "min": "yesterday"}), ("not_null", {"columns": ["id"]}))
    assert not broken.passed
    assert "yesterday" in broken.message
    assert (counted.passed, counted.failing) == (False, 2)


def test_bounds_that_cannot_be_compared(duck: Bench) -> None:
    """Say which type the column has."""
    duck.fill()
    assert duck.look(
        ("between", {"column": "amount", "min": "low"}),
        ("between", {"column": "day", "max": 5}),
        ("between", {"column": "amount", "min": "-3", "max": "10"}),
    ) == [failed("amount is DOUBLE, and 'low' is no number"), failed("day is DATE, and 5 is no date or time"), passed()]


def test_numbers_in_a_text_column(tmp_path: Path) -> None:
    """DuckDB reads them as numbers, and what is none is outside; in SQLite a text is never between numbers."""
    rows = [("5", None, None, None), ("50", None, None, None), ("x", None, None, None)]
    for kind, failing in (("duckdb", 2), ("sqlite", 3)):
        bench = Bench(tmp_path, kind)
        bench.fill(rows, "varchar, varchar, double, date")
        (found,) = bench.look(("between", {"column": "id", "min": 1, "max": 9}))
        assert (kind, found.failing) == (kind, failing)


def test_accepted_values_by_type(table: Bench) -> None:
    """Texts and numbers that mean the same are the same, whichever way the manifest or the column has them."""
    table.fill([(1, "1", 1.0, "2024-01-01"), (2, "2", 2.5, "2024-01-02")])
    found = table.look(
        ("accepted_values", {"column": "id", "values": ["1", "2"]}),
        ("accepted_values", {"column": "kind", "values": [1, 2]}),
        ("accepted_values", {"column": "amount", "values": [1, "2.5"]}),
        ("accepted_values", {"column": "day", "values": ["2024-01-01", "2024-01-02"]}),
        ("accepted_values", {"column": "id", "values": ["one", 1]}),
        ("accepted_values", {"column": "kind", "values": ["it's", "1"]}),
    )
    assert [each.failing for each in found] == [None, None, None, None, 1, 1]


def test_booleans(duck: Bench, lite: Bench) -> None:
    """`true` is DuckDB's true and SQLite's 1."""
    duck.fill([(1, "a", 1.0, None)], "boolean, varchar, double, date")
    lite.fill([(1, "a", 1.0, None)])
    for bench in (duck, lite):
        yes, no = bench.look(
            ("accepted_values", {"column": "id", "values": [True]}),
            ("accepted_values", {"column": "id", "values": [False]}),
        )
        assert (yes.passed, no.failing) == (True, 1)


def test_a_day_is_its_midnight(duck: Bench) -> None:
    """A moment after the last day's midnight is beyond it, and a bound within a day is not cut off."""
    duck.fill([(1, "2024-01-31 10:00:00", 1.0, "2024-01-31")], "bigint, timestamp, double, date")
    found = duck.look(
        ("between", {"column": "kind", "max": "2024-01-31"}),
        ("between", {"column": "kind", "max": "2024-01-31 10:00"}),
        ("between", {"column": "day", "max": "2024-01-30T23:59:59"}),
        ("between", {"column": "day", "max": "2024-01-31"}),
    )
    assert [each.passed for each in found] == [False, True, False, True]


def test_sqlite_keys_are_values(lite: Bench) -> None:
    """1 and 1.0 are one key; no text can be mistaken for two."""
    with sqlite3.connect(lite.root / "w.sqlite") as raw:
        raw.execute("create table t (a, b)")
        raw.executemany("insert into t values (?, ?)", [(1, "x"), (1.0, "x"), ("1','2", "3"), ("1", "2','3"), ("1", 1)])
    raw.close()
    (found,) = lite.look(("unique", {"columns": ["a", "b"]}))
    assert (found.failing, found.sample) == (1, ({"a": 1, "b": "x", "times": 2},))


def test_a_query_that_cannot_run(table: Bench) -> None:
    """Fails with the database's words; the other checks are evaluated. Nothing can be written."""
    table.fill()
    nowhere, broken, writes, two, fine = table.look(
        ("sql", {"query": "select * from tt"}),
        ("sql", {"query": "selec 1"}),
        ("sql", {"query": "delete from t"}),
        ("sql", {"query": "select 1; select 2"}),
        ("sql", {"query": "select 1 where 1 = 2"}),
    )
    assert "(did you mean t?)" in nowhere.message
    assert "selec" in broken.message.lower()
    assert writes.message.startswith("expected a SELECT, found DELETE")
    assert two.message.startswith("expected one SELECT, found 2 statements")
    assert fine == passed()


def test_rows_of_a_query_are_counted_to_a_limit(duck: Bench) -> None:
    """One that returns everything is not read to its end."""
    duck.fill()
    (found,) = duck.look(("sql", {"query": "select * from range(10000000)"}))
    assert (found.failing, found.message) == (100_000, "the query returns 100,000 or more rows")


def test_queries_name_files_by_their_assets(tmp_path: Path) -> None:
    """The asset and its upstreams, with `_` for what a name may not hold; an upstream that is not there is no harm."""
    bench = Bench(tmp_path, "csv")
    (tmp_path / "a.csv").write_text("id\n1\n2\n")
    (tmp_path / "b.csv").write_text("id\n1\n")
    paths = {"marts/orders": f"{tmp_path}/a.csv", "raw.b": f"{tmp_path}/b.csv", "gone": f"{tmp_path}/c.csv"}
    subject = Subject("marts/orders", path=f"{tmp_path}/a.csv", files=paths)
    assert bench.look(
        ("sql", {"query": "select * from marts_orders where id not in (select id from raw_b)"}),
        ("sql", {"query": 'select * from "marts/orders" where id > 5'}),
        ("not_null", {"columns": ["id"]}),
        subject=subject,
    ) == [failed("the query returns 1 row", 1, {"id": 2}), passed(), passed()]


@pytest.mark.parametrize(
    ("files", "path", "message"),
    [
        ({}, "x.csv", "there is no file at {root}/x.csv"),
        ({"x.txt": "a"}, "x.txt", "{root}/x.txt cannot be read as a table: Parquet, CSV, JSON lines and Arrow files"),
        ({"d/a.csv": "a\n1\n", "d/b.parquet": "x"}, "d", "{root}/d holds files of several kinds: .csv, .parquet"),
        ({"x.arrow": "nonsense"}, "x.arrow", "{root}/x.arrow is not an Arrow file: "),
    ],
)
def test_files_that_are_no_table(tmp_path: Path, files: dict[str, str], path: str, message: str) -> None:
    """Every check of them fails, with one sentence."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    where = f"{tmp_path}/{path}"
    subject = Subject("x", path=where, files={"x": where})
    first, second = Bench(tmp_path, "csv").look(
        ("row_count", {"min": 1}), ("sql", {"query": "select 1"}), subject=subject
    )
    assert first == second
    assert first.message.startswith(message.format(root=tmp_path))


@pytest.mark.parametrize("path", ["d", "d/*.csv", "d/**/*.csv"])
def test_directories_and_globs(tmp_path: Path, path: str) -> None:
    """All files together; hidden ones and those that mark success don't count."""
    for name in ("a.csv", "b.csv", ".hidden.csv", "_SUCCESS"):
        (tmp_path / "d").mkdir(exist_ok=True)
        (tmp_path / "d" / name).write_text("id\n1\n")
    where = f"{tmp_path}/{path}"
    subject = Subject("x", path=where, files={"x": where})
    (found,) = Bench(tmp_path, "csv").look(("row_count", {"max": 1}), subject=subject)
    assert found == failed("2 rows, expected at most 1")


def test_a_table_that_is_not_there(table: Bench) -> None:
    """Every check of it fails with the nearest name."""
    table.fill()
    (found,) = table.look(("not_null", {"columns": ["id"]}), subject=Subject("x", table="tt"))
    assert found == failed("the table tt does not exist (did you mean t?)")


def test_an_asset_without_output(duck: Bench) -> None:
    """Has nothing to look at but what a query names."""
    duck.fill()
    columns, query = duck.look(
        ("not_null", {"columns": ["id"]}), ("sql", {"query": "select 1 where 1 = 2"}), subject=Subject("x")
    )
    assert columns == failed("x declares no output that could be looked at")
    assert query == passed()


class RefusalError(DatabaseError):
    """What a caller raises for a function that raised."""


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        (None, passed()),
        (True, passed()),
        ("", passed()),
        (" \n", passed()),
        ([], passed()),
        ((), passed()),
        (False, failed("it returned False")),
        ("three rows\n are odd", failed("three rows are odd")),
        ([1, 2], failed("it returned 2 items", 2, {"value": 1}, {"value": 2})),
        ([{"id": 1, "at": float("inf")}], failed("it returned 1 item", 1, {"id": 1, "at": "inf"})),
        (
            7,
            failed("it returned a value of type int; return None or True when all is well, else False, text or a list"),
        ),
        (RefusalError("AssertionError: too few (checks.py:3)"), failed("too few (checks.py:3)")),
        (
            RefusalError("ValueError: no (checks.py:3)", hint="mend it"),
            failed("ValueError: no (checks.py:3) (mend it)"),
        ),
    ],
)
def test_functions(duck: Bench, returned: Any, expected: Finding) -> None:
    """What a function returns or raises, as a finding."""
    duck.returns = returned
    assert duck.look(("python", {"module": "m", "function": "f"})) == [expected]


def test_values_are_kept_as_json_and_short(duck: Bench) -> None:
    """Bytes, decimals, nested values, long texts."""
    duck.fill()
    query = """select 1.50::decimal(4, 2) d, 'ab'::blob b, [1, null] l, {'a': date '2024-01-01'} s,
        repeat('x', 300) t, timestamp '2024-01-01 10:00:00' moment"""
    (found,) = duck.look(("sql", {"query": query}), subject=Subject("x"))
    assert found.sample == (
        {
            "d": "1.50",
            "b": "x6162",
            "l": [1, None],
            "s": {"a": "2024-01-01"},
            "t": "x" * 199 + "…",
            "moment": "2024-01-01T10:00:00",
        },
    )
