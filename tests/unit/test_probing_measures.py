"""What is cheap to know of outputs: sizes, and the footers of Parquet files as three libraries write them."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest

from assets_cli.probing.measures import measure
from assets_cli.probing.parquet import ParquetFacts, read_facts

QUERY = """
    select 1::tinyint as i8, 1::smallint as i16, 1::integer as i32, 1::bigint as i64, 1::utinyint as u8,
        1::usmallint as u16, 1::uinteger as u32, 1::ubigint as u64, 1.5::float as f, 1.5::double as d, true as b,
        'x' as t, 'x'::blob as r, date '2026-01-01' as day, timestamp '2026-01-01' as at,
        timestamptz '2026-01-01 00:00:00+00' as moment, time '10:00' as clock, 1.5::decimal(9, 2) as small,
        1.5::decimal(30, 5) as wide, [1, 2] as l, [['x']] as ll, {'a': 1, 'b': ['x']} as s, [{'a': 1}] as ls,
        map {'k': [1.5::double]} as m
    from range(3)
"""


@pytest.mark.parametrize("writer", ["duckdb", "pyarrow", "polars"])
def test_footers(tmp_path: Path, writer: str) -> None:
    """Rows, names and types are what DuckDB says of the file when it reads it."""
    path = str(tmp_path / "x.parquet")
    with duckdb.connect() as raw:
        raw.execute("set TimeZone = 'UTC'")
        relation = raw.sql(QUERY)
        if writer == "duckdb":
            relation.write_parquet(path)
        elif writer == "pyarrow":
            pq.write_table(relation.to_arrow_table(), path)
        else:
            pl.from_arrow(relation.to_arrow_table()).write_parquet(path)  # type: ignore[union-attr]
        expected = raw.sql(f"describe from '{path}'").fetchall()
    facts = read_facts(path)
    assert facts is not None
    # Of nanoseconds DuckDB knows since 1.4.
    found = [(name, kind.replace("TIME_NS", "TIME")) for name, kind in facts.columns]
    assert (facts.rows, found) == (3, [(row[0], row[1].replace("TIME_NS", "TIME")) for row in expected])


def test_names_of_any_kind(tmp_path: Path) -> None:
    """Names are read as they were written, and a file without rows or of very many columns is no special case."""
    path = str(tmp_path / "x.parquet")
    names = ["", "ä b", 'say "x"', *(f"c{number}" for number in range(300))]
    pl.DataFrame({name: [] for name in names}, schema=dict.fromkeys(names, pl.Int64)).write_parquet(path)
    assert read_facts(path) == ParquetFacts(0, tuple((name, "BIGINT") for name in names))


@pytest.mark.parametrize("cut", [0, 3, 11, 12, 40, -4, -1])
def test_what_is_no_parquet(tmp_path: Path, cut: int) -> None:
    """A file that is cut off anywhere, or is something else, has no facts and raises nothing."""
    path = tmp_path / "x.parquet"
    pl.DataFrame({"a": [1]}).write_parquet(path)
    path.write_bytes(path.read_bytes()[:cut])
    assert read_facts(str(path)) is None
    path.write_bytes(os.urandom(200) + b"\xff\x00\x00\x00PAR1")
    assert read_facts(str(path)) is None
    path.write_bytes(b"\x19" * 200 + b"\xc0\x00\x00\x00PAR1")
    assert read_facts(str(path)) is None
    assert read_facts(str(tmp_path / "nowhere")) is None


def test_paths(tmp_path: Path) -> None:
    """A file has its size; a folder and a glob the sums of theirs; rows are known where all files are Parquet."""
    root = str(tmp_path)
    (tmp_path / "x.csv").write_text("a\n1\n")
    assert measure("x.csv", root) == {"bytes": 4}
    assert measure(str(tmp_path / "x.csv"), "/elsewhere") == {"bytes": 4}
    (tmp_path / "parts/k=1").mkdir(parents=True)
    for name in ("a.parquet", "k=1/b.parquet"):
        pl.DataFrame({"a": [1, 2]}).write_parquet(tmp_path / "parts" / name)
    (tmp_path / "parts/_SUCCESS").write_text("ok")
    size = (tmp_path / "parts/a.parquet").stat().st_size
    columns = [["a", "BIGINT"]]
    assert measure("parts", root) == {"bytes": 2 * size + 2, "rows": 4, "columns": columns}
    assert measure("parts/**/*.parquet", root) == {"bytes": 2 * size, "rows": 4, "columns": columns}
    pl.DataFrame({"b": [1]}).write_parquet(tmp_path / "parts/c.parquet")
    assert set(measure("parts", root)) == {"bytes", "rows"}
    (tmp_path / "parts/d.csv").touch()
    assert set(measure("parts", root)) == {"bytes"}
