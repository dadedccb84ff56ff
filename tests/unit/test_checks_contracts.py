"""What the checks of contracts find (schema, relationships, matches, volume, max_age), and whose values none shows.

Held against results worked out by hand, in every kind of storage.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.bench import Bench, failed, passed

from assets_cli.checks import Privacy, types
from assets_cli.checks.volume import Band, band
from assets_cli.model.duration import parse
from assets_cli.model.patterns import PatternError, translate

NOW = int(datetime(2024, 2, 2, 12, tzinfo=UTC).timestamp()) * 1_000_000


def beside(bench: Bench, statement: str) -> None:
    """Run a statement in the bench's database."""
    if bench.kind == "sqlite":
        with sqlite3.connect(bench.root / "w.sqlite") as raw:
            raw.execute(statement)
        raw.close()
        return
    import duckdb

    with duckdb.connect(str(bench.root / "w.duckdb")) as raw:
        raw.execute(statement)


# -- schema ------------------------------------------------------------------------------------------------------------


def schema(*columns: tuple[str, str], **arguments: Any) -> tuple[str, dict[str, Any]]:
    """A check of columns."""
    return "schema", {"columns": columns, **arguments}


def test_columns_are_as_declared(table: Bench) -> None:
    """In any order, in any case, in any of a type's names; a column without a type may have any."""
    table.fill()
    assert (
        table.look(
            schema(("id", "bigint"), ("kind", "varchar"), ("amount", "double"), ("day", "date")),
            schema(("DAY", ""), ("kind", "text"), ("Amount", "float8"), ("id", "int8")),
        )
        == [passed()] * 2
    )


def test_what_differs_is_listed(table: Bench) -> None:
    """All of it: added, removed, retyped; `allow_extra` lets go of what was added."""
    table.fill()
    declared = (("id", "varchar"), ("kind", "varchar"), ("paid", "boolean"), ("day", "date"))
    kinds = {"duckdb": ("BIGINT", "DOUBLE"), "sqlite": ("INTEGER", "REAL")}[table.kind]
    rest = f"removed paid boolean; retyped id varchar -> {kinds[0]}"
    assert table.look(schema(*declared), schema(*declared, allow_extra=True)) == [
        failed(f"added amount {kinds[1]}; {rest}"),
        failed(rest),
    ]


@pytest.mark.parametrize(
    ("declared", "column", "same"),
    [
        ("int", "INTEGER", True),
        ("integer", "BIGINT", False),
        ("text", "VARCHAR", True),
        ("varchar(20)", "VARCHAR", True),
        ("string", "VARCHAR", True),
        ("decimal", "DECIMAL(10,2)", True),
        ("decimal(10, 2)", "DECIMAL(10,2)", True),
        ("numeric(10,3)", "DECIMAL(10,2)", False),
        ("timestamptz", "TIMESTAMP WITH TIME ZONE", True),
        ("timestamp", "TIMESTAMP WITH TIME ZONE", False),
        ("int[]", "INTEGER[]", True),
        ("struct(a int, b varchar)", "STRUCT(a INTEGER, b VARCHAR)", True),
    ],
)
def test_types_are_the_database_s_own(duck: Bench, declared: str, column: str, same: bool) -> None:
    """A type without a length is that of any; a length that the database drops cannot be held to."""
    beside(duck, f"create table t (a {column})")
    (found,) = duck.look(schema(("a", declared)))
    assert found == (passed() if same else failed(f"retyped a {declared} -> {column}"))


def test_a_type_that_there_is_not(duck: Bench) -> None:
    """Is the database's complaint; what is no type at all never reaches it."""
    duck.fill()
    found = duck.look(
        schema(("id", "itneger"), allow_extra=True), schema(("id", "int); drop table t; --"), allow_extra=True)
    )
    assert "Type with name itneger does not exist" in found[0].message
    assert found[1] == failed("'int); drop table t; --' is no type")


@pytest.mark.parametrize("declared", ["int'", "/* x", "varchar('", "whatever it is"])
def test_a_type_that_nobody_can_read_is_itself(declared: str) -> None:
    """Where the database cannot be asked, and the parser does not know it either."""
    assert types._parsed("snowflake", declared) == declared


def test_values_of_sqlite_have_types(lite: Bench) -> None:
    """A column that says nothing, or lies, is held to its values; an empty table to what it says."""
    beside(lite, "create table t (a, b integer, c text, d date, e real)")
    wanted = schema(("a", "integer"), ("b", "integer"), ("c", "varchar(3)"), ("d", "date"), ("e", "double"))
    assert lite.look(wanted) == [passed()]
    beside(lite, "insert into t values (1, 2, 'x', '2024-01-01', 1.5), (null, null, null, null, null)")
    assert lite.look(wanted) == [passed()]
    beside(lite, "insert into t values ('x', 'y', x'00', 1, 2)")
    assert lite.look(wanted) == [
        failed("a is no integer in 1 of 3 rows; b is no integer in 1 of 3 rows; c is no varchar(3) in 1 of 3 rows")
    ]


def test_files_have_columns_too(tmp_path: Path) -> None:
    """Of the types that DuckDB reads them as."""
    bench = Bench(tmp_path, "parquet")
    bench.fill()
    assert bench.look(
        schema(("id", "bigint"), ("kind", "text"), ("amount", "double"), ("day", "date")), schema(("id", "bigint"))
    ) == [passed(), failed("added kind VARCHAR, amount DOUBLE, day DATE")]


# -- relationships -----------------------------------------------------------------------------------------------------


def to(column: str, field: str, table: str = "kinds") -> tuple[str, dict[str, Any]]:
    """A check that every value is in another table."""
    return "relationships", {"column": column, "to": "the/kinds", "field": field, "table": table}


def test_every_value_is_in_another_table(table: Bench) -> None:
    """Nulls pass; a null on the other side makes nothing pass or fail."""
    table.fill()
    beside(table, "create table kinds (code text, number bigint)")
    beside(table, "insert into kinds values ('a', 1), ('b', 2), (null, null)")
    kind, number, lacking = table.look(to("kind", "code"), to("ID", "Number"), to("day", "code"))
    assert kind == failed(
        "1 of 6 rows has a value that is not in the/kinds.code",
        1,
        {"kind": "c", "id": None, "amount": None, "day": "2024-02-01"},
    )
    assert (number.failing, number.message) == (1, "1 of 6 rows has a value that is not in the/kinds.number")
    assert lacking.failing == 5 or "Conversion" in lacking.message


def test_what_is_not_there_to_compare_with(table: Bench) -> None:
    """Names the asset, the column and the nearest."""
    table.fill()
    beside(table, "create table kinds (code text)")
    assert table.look(to("kind", "cod"), to("kimd", "code"), to("kind", "code", "kindz")) == [
        failed("there is no column cod in the/kinds (did you mean code?)"),
        failed("there is no column kimd (did you mean kind?)"),
        failed("the table kindz does not exist (did you mean kinds?)"),
    ]


def test_files_are_compared_with_files(tmp_path: Path) -> None:
    """By the names of their assets."""
    bench = Bench(tmp_path, "csv")
    bench.fill()
    (tmp_path / "k.csv").write_text("code\na\nb\n")
    subject = bench.subject()._replace(files={**bench.subject().files, "the/kinds": str(tmp_path / "k.csv")})
    (found,) = bench.look(to("kind", "code", '"the/kinds"'), subject=subject)
    assert found.message == "1 of 6 rows has a value that is not in the/kinds.code"


# -- matches -----------------------------------------------------------------------------------------------------------


def matches(column: str, pattern: str) -> tuple[str, dict[str, Any]]:
    """A check of a regular expression."""
    return "matches", {"column": column, "pattern": pattern}


def test_values_match(anywhere: Bench) -> None:
    """Wherever in the value, unless it says where; nulls pass; numbers are their text."""
    anywhere.fill()
    found = anywhere.look(
        matches("kind", "^[ab]$"),
        matches("kind", "[abc]"),
        matches("id", r"^\d$"),
        matches("id", "^[13]$"),
    )
    assert [(each.passed, each.failing, each.message) for each in found] == [
        (False, 1, "1 of 6 rows has a value that does not match ^[ab]$"),
        (True, None, ""),
        (True, None, ""),
        (False, 2, "2 of 6 rows have a value that does not match ^[13]$"),
    ]
    assert found[0].sample == ({"kind": "c", "id": None, "amount": None, "day": "2024-02-01"},)


TEXTS = ("ab", "ab\n", "a\nb", "AB", "a.b", "a-b", "é", "٣", "3", "a b", "a\u00a0b", "", "]", "\\", "x]y", "aaa", "'")
PATTERNS = (
    "^ab$",
    "a.b",
    r"a\.b",
    r"^\w+$",
    r"\d",
    r"a\sb",
    r"^\S+$",
    r"[\]\\]",
    "[^a]",
    "^a{2,3}$",
    "^(a|b)+?$",
    "^(?:ab|AB)$",
    "a|^$",
    "é",
    "'",
    "[a-]b",
)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_one_dialect_of_expressions(tmp_path: Path, pattern: str) -> None:
    r"""DuckDB's expressions and Python's differ in `$`, `\d`, `\s` and `.`; ours are the same in both."""
    found = []
    for kind in ("duckdb", "sqlite"):
        bench = Bench(tmp_path, kind)
        bench.fill([(number, text, None, None) for number, text in enumerate(TEXTS)])
        (finding,) = bench.look(matches("kind", pattern))
        found.append((finding.failing, [row["id"] for row in finding.sample]))
    assert found[0] == found[1]
    assert found[0][0] != len(TEXTS)


def test_what_expressions_mean(lite: Bench) -> None:
    """Worked out by hand."""
    lite.fill([(number, text, None, None) for number, text in enumerate(TEXTS)])
    for pattern, failing in (("^ab$", 16), ("a.b", 13), (r"\d", 16), (r"a\sb", 15), ("é", 16)):
        assert (pattern, lite.look(matches("kind", pattern))[0].failing) == (pattern, failing)


@pytest.mark.parametrize(
    ("pattern", "message", "position"),
    [
        ("(?=a)", "'(?=' is not known: there are no look-arounds, names or flags", 0),
        ("a(?i)", "'(?i' is not known: there are no look-arounds, names or flags", 1),
        (r"(a)\1", r"'\1' refers back to a group, which not every database can", 3),
        (r"\bab", r"'\b' is not known", 0),
        ("a**", "'*' has nothing to repeat", 2),
        ("^*", "'*' has nothing to repeat", 1),
        ("(a", "'(' is never closed", 0),
        ("a)", "')' closes nothing", 1),
        ("[a", "'[' is never closed", 0),
        ("[[:alpha:]]", "'[:' is not known in brackets", 1),
        ("[z-a]", "a range goes from one character to a later one", 2),
        ("a{2", "'{' is followed by no count", 1),
        ("a{999}", "{999} is no count: at most 255, and the first no more than the second", 1),
        ("a{3,2}", "{3,2} is no count: at most 255, and the first no more than the second", 1),
        ("a\\", "nothing follows the last '\\'", 1),
        (r"[\D]", r"'\D' cannot stand in brackets", 1),
        ("a\0", "U+0000 is in no text of a database", 1),
    ],
)
def test_what_is_no_expression(pattern: str, message: str, position: int) -> None:
    """Says where."""
    with pytest.raises(PatternError) as raised:
        translate(pattern)
    assert (str(raised.value), raised.value.position) == (message, position)


# -- volume ------------------------------------------------------------------------------------------------------------


def volume(*before: int, **arguments: Any) -> tuple[str, dict[str, Any]]:
    """A check of how many rows are usual."""
    return "volume", {"before": list(before), **arguments}


def test_the_number_of_rows_is_usual(anywhere: Bench) -> None:
    """Six rows: as ever, too many, too few, and nothing known yet."""
    anywhere.fill()
    assert anywhere.look(
        volume(6, 6, 6, 6, 6),
        volume(7, 6, 5, 7, 6),
        volume(3, 3, 4, 3, 3),
        volume(60, 61, 59, 60, 60),
        volume(60, 61, 59, 60),
        volume(),
        volume(60, 60, history=2),
        volume(5, 5, 5, 5, 5, tolerance=0.2),
        volume(4, 4, 4, 4, 4, tolerance=0.2),
    ) == [
        passed(),
        passed(),
        failed("6 rows, usually 2 to 4 (by 5 materializations)"),
        failed("6 rows, usually 54 to 66 (by 5 materializations)"),
        passed(message="no history yet: 4 of 5 materializations"),
        passed(message="no history yet: 0 of 5 materializations"),
        failed("6 rows, usually 54 to 66 (by 2 materializations)"),
        passed(),
        failed("6 rows, usually 3 to 5 (by 5 materializations)"),
    ]


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ([100] * 20, Band(90, 110)),
        # One broken load widens nothing.
        ([100] * 19 + [100_000], Band(90, 110)),
        # median 1000, deviations 0 10 10 20 20: their median is 10, so 4 x 1.4826 x 10 = 59.3 < 100
        ([1000, 1010, 990, 1020, 980], Band(900, 1100)),
        # deviations 0 100 100 200 200: 4 x 1.4826 x 100 = 593.04
        ([1000, 1100, 900, 1200, 800], Band(406, 1594)),
        # Nothing was never usual, so nothing is not.
        ([1, 30, 60, 90, 120], Band(1, 238)),
        ([0, 0, 0, 0, 0], Band(0, 0)),
        ([0, 3, 3, 3, 3], Band(2, 4)),
    ],
)
def test_the_band(before: Sequence[int], expected: Band) -> None:
    """By hand: the median, four robust deviations or a tenth around it, rounded outwards."""
    assert band(before) == expected


def test_only_the_latest_twenty_count(duck: Bench) -> None:
    """Older ones are of another time."""
    duck.fill()
    assert duck.look(volume(*[6] * 20, *[600] * 100)) == [passed()]


def test_an_empty_table_is_not_usual(table: Bench) -> None:
    """Wherever there were rows before, however few."""
    table.fill(())
    assert table.look(volume(1, 2, 1, 2, 300), volume(0, 2, 0, 1, 0)) == [
        failed("0 rows, usually 1 to 8 (by 5 materializations)"),
        passed(),
    ]


# -- max_age -----------------------------------------------------------------------------------------------------------


def max_age(column: str, most: str, now: int = NOW) -> tuple[str, dict[str, Any]]:
    """A check of how old the newest value is."""
    return "max_age", {"column": column, "max": parse(most), "now": now}


def test_a_date_begins_in_utc(duck: Bench) -> None:
    """The newest day is 2024-02-01, and it is noon of the next: 36 hours, of which exactly as many pass."""
    duck.fill()
    assert duck.look(max_age("day", "36h"), max_age("day", "35h"), max_age("day", "1h", now=0)) == [
        passed(message="the newest is 1d 12h old; a date is taken as its beginning in UTC"),
        failed(
            "the newest day, 2024-02-01T00:00:00Z, is 1d 12h old, at most 1d 11h; "
            "a date is taken as its beginning in UTC"
        ),
        passed(message="the newest is 0 ms old; a date is taken as its beginning in UTC"),
    ]


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("timestamp", "2024-02-02 10:00:00", "; it has no zone and is taken as UTC"),
        ("timestamp_s", "2024-02-02 10:00:00", "; it has no zone and is taken as UTC"),
        ("timestamp_ns", "2024-02-02 10:00:00", "; it has no zone and is taken as UTC"),
        ("timestamptz", "2024-02-02 12:00:00+02", ""),
        ("varchar", "2024-02-02T12:00:00+02:00", "; times without a zone are taken as UTC"),
        ("varchar", "2024-02-02T10:00:00Z", "; times without a zone are taken as UTC"),
        ("varchar", "2024-02-02 10:00:00", "; times without a zone are taken as UTC"),
    ],
)
def test_times_of_duckdb(duck: Bench, kind: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hours old wherever one is; without a zone it is UTC, and that is said."""
    monkeypatch.setenv("TZ", "America/New_York")
    beside(duck, f"create table t (seen {kind})")
    beside(duck, f"insert into t values ('{value}'), (null), ('2020-01-01 00:00:00')")
    assert duck.look(max_age("seen", "2h"), max_age("seen", "1h59m")) == [
        passed(message=f"the newest is 2h old{said}" if said else ""),
        failed(f"the newest seen, 2024-02-02T10:00:00Z, is 2h old, at most 1h 59m{said}"),
    ]


def test_times_of_sqlite_are_texts(lite: Bench) -> None:
    """Whatever their zone; what is no time is passed over."""
    beside(lite, "create table t (seen text)")
    beside(lite, "insert into t values ('2024-02-02T12:00:00+02:00'), ('2024-02-02 09:00:00'), ('now'), (7), (null)")
    said = "; times without a zone are taken as UTC"
    assert lite.look(max_age("seen", "2h"), max_age("seen", "1h")) == [
        passed(message=f"the newest is 2h old{said}"),
        failed(f"the newest seen, 2024-02-02T10:00:00Z, is 2h old, at most 1h{said}"),
    ]


def test_nothing_has_no_age(table: Bench) -> None:
    """Neither an empty table, nor a column without a value."""
    table.fill([(1, None, None, None)])
    assert table.look(max_age("day", "1h")) == [failed("no row has a time in day whose age could be told")]
    table.fill(())
    assert table.look(max_age("day", "1h")) == [failed("no row has a time in day whose age could be told")]


def test_what_is_no_time(duck: Bench) -> None:
    """A number has no age."""
    duck.fill()
    assert duck.look(max_age("id", "1h")) == [failed("id is BIGINT, which is no date and no time")]


# -- what is nobody's business -----------------------------------------------------------------------------------------

KIND = Privacy(frozenset({"kind"}))


def hidden(bench: Bench, privacy: Privacy, *checks: tuple[str, Mapping[str, Any]]) -> list[tuple[str, Any]]:
    """Message and sample of checks of an output with private columns."""
    return [
        (each.message, each.sample) for each in bench.look(*checks, subject=bench.subject()._replace(privacy=privacy))
    ]


def test_no_sample_shows_a_private_column(anywhere: Bench) -> None:
    """The row is shown, its private values are not; a group is counted."""
    anywhere.fill()
    row = {"kind": "***", "id": None, "amount": None, "day": "2024-02-01"}
    assert hidden(
        anywhere,
        KIND,
        ("accepted_values", {"column": "kind", "values": ["a", "b"]}),
        matches("kind", "^[ab]$"),
        ("unique", {"columns": ["id", "kind"]}),
        ("sql", {"query": "select * from t where kind = 'c'"}),
        ("sql", {"query": "select KIND from t where kind = 'c'"}),
    ) == [
        ("1 of 6 rows has a value that is none of a, b", (row,)),
        ("1 of 6 rows has a value that does not match ^[ab]$", (row,)),
        ("1 of 6 rows repeats the id and kind of another", ({"id": 2, "kind": "***", "times": 2},)),
        ("the query returns 1 row", ({"id": None, "kind": "***", "amount": None, "day": "2024-02-01"},)),
        ("the query returns 1 row", ({"kind": "***"},)),
    ]


def test_a_private_value_under_another_name(table: Bench) -> None:
    """A query that names a private column shows only the other columns of the table."""
    table.fill()
    assert hidden(
        table,
        KIND,
        ("sql", {"query": "select id, upper(kind) as k from t where day = '2024-02-01'"}),
        ("sql", {"query": "select id, amount * 2 as twice from t where amount < 0"}),
    ) == [
        ("the query returns 1 row", ({"id": None, "k": "***"},)),
        ("the query returns 1 row", ({"id": 2, "twice": -6.0},)),
    ]


def test_a_private_asset_shows_nothing(table: Bench) -> None:
    """Where it does not say which of its columns are meant."""
    table.fill()
    everything = Privacy(everything=True)
    assert hidden(table, everything, ("between", {"column": "amount", "min": 0})) == [
        (
            "1 of 6 rows has a value below 0",
            ({"amount": "***", "id": "***", "kind": "***", "day": "***"},),
        )
    ]
    table.returns = ["ada@example.org", {"id": 1}]
    assert hidden(table, everything, ("python", {})) == [("it returned 2 items", ({"value": "***"}, {"id": "***"}))]


def test_no_message_shows_a_private_value(duck: Bench) -> None:
    """What a database quotes in its complaints may be one."""
    duck.fill()
    query = ("sql", {"query": "select * from t where kind::integer = 1"})
    (open_finding,) = duck.look(query)
    assert "Could not convert string 'a' to INT32" in open_finding.message
    ((message, _),) = hidden(duck, KIND, query)
    assert "Could not convert string *** to INT32" in message
    ((message, _),) = hidden(duck, Privacy(frozenset({"day"})), max_age("day", "1h"))
    assert message == "the newest day is 1d 12h old, at most 1h; a date is taken as its beginning in UTC"


def test_a_million_failing_rows(table: Bench) -> None:
    """Are counted; five of them are fetched."""
    table.fill()
    source = (
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 1000000) select i from n"
        if table.kind == "sqlite"
        else "select range as i from range(1000000)"
    )
    beside(table, f"create table big as select i as id, 'x' as kind, -1.5 as amount from ({source})")
    fetched = []
    finding, texts = table.look(
        ("between", {"column": "amount", "min": 0}),
        matches("kind", "^y$"),
        subject=table.subject()._replace(table="big"),
    )
    fetched += [len(finding.sample), len(texts.sample)]
    assert (finding.failing, texts.failing, fetched) == (1_000_000, 1_000_000, [5, 5])
