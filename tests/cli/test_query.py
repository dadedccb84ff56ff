"""The screens of `assets query` and of samples, whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import jsonschema
import pytest
from support.shop import CommandLine

from assets_cli.connections.protocol import Rows
from assets_cli.manifest.schemas import schema_text
from assets_cli.model.problem import AssetsError, Problem

COLUMNS = (("id", "BIGINT"), ("name", "VARCHAR"), ("at", "TIMESTAMP"), ("more", "STRUCT(a INTEGER[])"))
ROWS = [
    (1, "Zoë", datetime(2026, 11, 21, 12, tzinfo=UTC), {"a": [1, 2]}),
    (20_000, "two\nlines", None, None),
]


def answer(*batches: list[tuple[Any, ...]], columns: tuple[tuple[str, str], ...] = COLUMNS) -> Rows:
    """An answer that comes in batches."""
    return Rows(columns, iter(batches))


def test_an_answer_is_a_table(assets: CommandLine) -> None:
    """Numbers to the right, NULL said, a line break shown; the count is a remark."""
    project = assets.open(query=answer([ROWS[0]], [ROWS[1]]))
    assert assets("query", "select * from t", "--connection", "pg") == (
        """\
   id  name        at                         more
    1  Zoë         2026-11-21 12:00:00+00:00  {"a": [1, 2]}
20000  two\\nlines  NULL                       NULL
""",
        "\n2 rows\n",
        0,
    )
    assert project.asked == [("query", ("select * from t", "pg"), {})]


def test_a_table_that_is_too_wide_is_cut_with_signs(assets: CommandLine) -> None:
    """What shrinks is marked; columns without any room are named, not more than six."""
    columns = tuple((f"column_{number}", "VARCHAR") for number in range(30))
    assets.open(query=answer([tuple("x" * 50 for _ in columns)] * 2, columns=columns))
    lines = assets("query", "select 1").out.splitlines()
    assert max(map(len, lines)) <= 80
    cut = "x" * 24 + "…"
    assert lines == [
        f"{'column_0':25}  {'column_1':25}  column_2",
        *[f"{cut}  {cut}  x{cut}"] * 2,
        "(no room for column_29, column_28, column_27, column_26, column_25, column_24",
        "and 21 more; --json has all)",
    ]


def test_short_values_are_whole_however_many_columns_there_are(assets: CommandLine) -> None:
    """Days, numbers and moments: rather fewer columns than the beginnings of all of them. Titles give way."""
    columns = (*COLUMNS[:1], *((f"a_day_that_is_called_{n}", "DATE") for n in range(8)))
    row = (1, *(date(2026, 11, 21 + n) for n in range(8)))
    assets.open(query=answer([row, row], columns=columns))
    lines = assets("query", "select 1").out.splitlines()
    assert [line.split() for line in lines[1:3]] == [["1", *(f"2026-11-{21 + n}" for n in range(5))]] * 2
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("id  a_day_that_i…  a_day_that_i…")


def test_one_row_that_is_too_wide_stands_upright(assets: CommandLine) -> None:
    """A line for each column, as `psql` has it; in a pipe it is a table like any other."""
    columns = (("id", "BIGINT"), ("a_longer_name", "VARCHAR"), ("empty", "VARCHAR"))
    found = [(7, "word " * 20, None)]
    assets.open(query=answer(found, columns=columns))
    assert assets("query", "select 1").out == (
        "id             7\n"
        f"a_longer_name  {('word ' * 13).strip()}\n"
        f"               {('word ' * 7).strip()}\n"
        "empty          NULL\n"
    )
    assets.patch.delenv("COLUMNS")
    assets.open(query=answer(found, columns=columns))
    assert assets("query", "select 1").out.startswith("id  a_longer_name")


def test_a_table_stops_after_a_hundred_rows_and_says_so(assets: CommandLine) -> None:
    """With --limit it stops there, and that was asked for."""
    rows = [(number,) for number in range(150)]
    assets.open(query=answer(rows, columns=(("n", "BIGINT"),)))
    screen = assets("query", "select 1")
    assert (len(screen.out.splitlines()), screen.err) == (
        101,
        "\nthe first 100 rows; --limit N shows more, --format csv all\n",
    )
    assets.open(query=answer(rows, columns=(("n", "BIGINT"),)))
    assert assets("query", "select 1", "--limit", "2") == ("n\n0\n1\n", "\n2 rows\n", 0)


def test_no_rows(assets: CommandLine) -> None:
    """The columns are named."""
    assets.open(query=answer())
    assert assets("query", "select 1") == ("no rows; columns: id, name, at, more\n", "\n0 rows\n", 0)


def test_csv_is_written_as_it_comes(assets: CommandLine) -> None:
    """All rows, quoted where they must be; NULL is an empty field."""
    assets.open(query=answer(ROWS))
    assert assets("query", "select 1", "--format", "csv") == (
        """\
id,name,at,more
1,Zoë,2026-11-21 12:00:00+00:00,"{""a"": [1, 2]}"
20000,"two
lines",,
""",
        "",
        0,
    )


@pytest.mark.parametrize("option", [["--json"], ["--format", "json"]])
def test_json_is_one_document(assets: CommandLine, option: list[str]) -> None:
    """Valid, whatever a database holds: no NaN, decimals and times as text, bytes as hexadecimal."""
    odd = (Decimal("1.50"), float("nan"), b"\xff", date(2026, 1, 2), [True, None], {1: float("inf")}, 2**70, "\x1b")
    columns = tuple((letter, "") for letter in "abcdefgh")
    assets.open(query=answer([odd, odd], columns=columns))
    document = json.loads(assets("query", "select 1", *option).out, parse_constant=pytest.fail)
    jsonschema.validate(document, json.loads(schema_text("query")))
    assert document["columns"][0] == {"name": "a", "type": None}
    row = ["1.50", "nan", "ff", "2026-01-02", [True, None], {"1": "inf"}, 2**70, "\x1b"]
    assert document["rows"] == [row, row]


def test_json_without_rows(assets: CommandLine) -> None:
    """Still a document."""
    assets.open(query=answer())
    assert json.loads(assets("query", "select 1", "--json").out)["rows"] == []


def test_an_error_is_said_as_the_database_said_it(assets: CommandLine) -> None:
    """Exit code 2 and nothing on stdout, also where it comes with the first rows."""
    assets.open(query=AssetsError(Problem("A0612", "no such table: x", hint="did you mean y?")))
    expected = ("", "error[A0612]: no such table: x\n  hint: did you mean y?\n", 2)
    assert assets("query", "select * from x") == expected

    def broken() -> Iterator[list[tuple[Any, ...]]]:
        raise AssetsError(Problem("A0612", "no such table: x", hint="did you mean y?"))
        yield []

    assets.open(query=Rows(COLUMNS, broken()))
    assert assets("query", "select * from x") == expected


def test_a_terminal_is_safe_from_what_a_table_holds(assets: CommandLine) -> None:
    """Escape sequences are taken out."""
    assets.open(query=answer([("\x1b[2J\x07evil",)], columns=(("\x1b[31mname", "VARCHAR"),)))
    assert assets("query", "select 1").out == "name\nevil\n"


def test_ctrl_c_is_no_error(assets: CommandLine) -> None:
    """Exit code 130."""

    def slow() -> Iterator[list[tuple[Any, ...]]]:
        raise KeyboardInterrupt
        yield []

    assets.open(query=Rows(COLUMNS, slow()))
    assert assets("query", "select 1") == ("", "interrupted\n", 130)
