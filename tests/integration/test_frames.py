"""Frames in and out: every annotation, kind of upstream and kind of output, by values; then whole runs of them."""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import math
import sqlite3
import sys
import textwrap
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.place import DUCKDB, Place

from assets_cli.computes import python
from assets_cli.computes.protocol import Address, ComputeFailedError, Destination, Done, Job
from assets_cli.connections import open_database

NUMBERS = itertools.count()
FORMS = {
    "pandas": "pandas.DataFrame",
    "polars": "polars.DataFrame",
    "lazy": "polars.LazyFrame",
    "arrow": "pyarrow.Table",
    "relation": "duckdb.DuckDBPyRelation",
}
PARIS = timezone(timedelta(hours=1))

COLUMNS: dict[str, tuple[pa.DataType, list[Any]]] = {
    "id": (pa.int64(), [1, 2, 3]),
    "count": (pa.int64(), [7, None, -7]),
    "big": (pa.int64(), [2**62 + 1, None, -(2**62) - 1]),
    "share": (pa.float64(), [0.1, None, -1e300]),
    "name": (pa.string(), ["Zoë 東京 🚲", None, 'a "quoted", text\nof two lines']),
    "flag": (pa.bool_(), [True, None, False]),
    "day": (pa.date32(), [date(2026, 2, 28), None, date(1969, 7, 20)]),
    "at": (pa.timestamp("us"), [datetime(2026, 1, 2, 3, 4, 5, 678901), None, datetime(1960, 1, 1)]),  # noqa: DTZ001
    "moment": (
        pa.timestamp("us", "Europe/Paris"),
        [datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=PARIS), None, datetime(2026, 7, 1, tzinfo=UTC)],
    ),
    "clock": (pa.time64("us"), [time(10, 0, 0, 5), None, time(0, 0)]),
    "amount": (pa.decimal128(20, 2), [Decimal("1234567890123.12"), None, Decimal("-0.10")]),
    "exact": (pa.decimal128(38, 10), [Decimal("9999999999999999999999999999.9999999999"), None, Decimal("0E-10")]),
    "raw": (pa.binary(), [b"\x00\xff", None, b""]),
    "tags": (pa.list_(pa.string()), [["a", "é"], None, []]),
    "place": (pa.struct([("x", pa.int64()), ("y", pa.string())]), [{"x": 1, "y": "b"}, None, {"x": None, "y": "c"}]),
}
FLAT = [name for name in COLUMNS if name not in ("tags", "place", "exact")]
TEXT = [name for name in FLAT if name != "raw"]
HELD = {
    "duckdb": list(COLUMNS),
    "sqlite": FLAT,
    "parquet": list(COLUMNS),
    "arrow": list(COLUMNS),
    "csv": TEXT,
    # Of a number with a point, readers of text make a double.
    "json": [name for name in COLUMNS if name not in ("raw", "exact")],
    "jsonl": [name for name in COLUMNS if name not in ("raw", "exact")],
}
"""The columns that each kind of place holds."""

UPSTREAMS = (*HELD, "folder", "glob", "gzip")
KIND = {"folder": "parquet", "glob": "csv", "gzip": "csv"}


def table(columns: Sequence[str], rows: slice = slice(None)) -> pa.Table:
    """The columns as Arrow."""
    return pa.table({name: pa.array(COLUMNS[name][1][rows], COLUMNS[name][0]) for name in columns})


def expected(columns: Sequence[str], rows: slice = slice(None)) -> dict[str, list[Any]]:
    """The columns as values to be compared."""
    return {name: [canonical(name, value) for value in COLUMNS[name][1][rows]] for name in columns}


def canonical(name: str, value: Any) -> Any:
    """A value, however a library or a file has it, as the one value that it means."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    kind = COLUMNS[name][0]
    if value == "" and name != "raw":
        return None
    if pa.types.is_integer(kind):
        return int(Decimal(str(value)))
    if pa.types.is_floating(kind):
        return float(value)
    if pa.types.is_boolean(kind):
        return {"true": True, "false": False}[value] if isinstance(value, str) else bool(value)
    if pa.types.is_date(kind):
        return date.fromisoformat(str(value)[:10])
    if pa.types.is_timestamp(kind):
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        return moment.astimezone(UTC) if kind.tz else moment
    if pa.types.is_time(kind):
        return value if isinstance(value, time) else time.fromisoformat(value)
    if pa.types.is_decimal(kind):
        return Decimal(str(value))
    return value


class Bench:
    """A folder with databases and files, in which functions are run as a worker runs them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.prepared_states: list[Any] = []
        self.sizes: list[int | None] = []
        self.seen: dict[str, Any] = {}

    def database(self, name: str) -> Any:
        """The database of a connection: each kind has one of its name."""
        return open_database(name, {"path": f"{name}.db"}, self.root)

    def prepared(self, state: Any, size: int | None = None) -> None:
        """Agree, and note it."""
        self.prepared_states.append(state)
        self.sizes.append(size)

    def report(self, said: Any) -> None:
        """Note nothing."""

    def upstream(self, kind: str, columns: Sequence[str], rows: slice = slice(None)) -> Address:
        """Make an upstream with these columns, not by our own code."""
        data = table(columns, rows)
        if kind == "duckdb":
            session = self.database("duckdb").open()
            session.raw.register("data", data)
            session.raw.execute("create schema mart; create table mart.up as select * from data")
            session.close()
            return Address(table="mart.up", connection="duckdb")
        if kind == "sqlite":
            self._sqlite(data)
            return Address(table="up", connection="sqlite")
        folder = self.root / "in"
        folder.mkdir()
        if kind == "folder":
            (folder / "part").mkdir()
            (folder / "_SUCCESS").touch()
            (folder / "part/.hidden.crc").touch()
            middle = len(data) // 2
            pq.write_table(data.slice(0, middle), folder / "a.parquet")
            pq.write_table(data.slice(middle), folder / "part/b.parquet")
            return Address(str(folder) + "/")
        ending = {"glob": "csv", "gzip": "csv.gz"}.get(kind, kind)
        path = folder / f"up.{ending}"
        FILES[ending](data, path)
        return Address(str(folder / "*.csv") if kind == "glob" else str(path))

    def _sqlite(self, data: pa.Table) -> None:
        declared = {
            "id": "INTEGER", "count": "INT", "big": "BIGINT", "share": "REAL", "name": "TEXT", "flag": "BOOLEAN",
            "day": "DATE", "at": "TIMESTAMP", "moment": "TIMESTAMP WITH TIME ZONE", "clock": "TIME",
            "amount": "DECIMAL(20, 2)", "raw": "BLOB",
        }  # fmt: skip
        with sqlite3.connect(self.root / "sqlite.db") as raw:
            raw.execute(f"create table up ({', '.join(f'{name} {declared[name]}' for name in data.column_names)})")
            for row in data.to_pylist():
                plain = [str(each) if isinstance(each, (date, time, Decimal)) else each for each in row.values()]
                raw.execute(f"insert into up values ({', '.join('?' * len(plain))})", plain)
        raw.close()

    def output(self, kind: str) -> Destination:
        """A declared output."""
        if kind in ("duckdb", "sqlite"):
            return Destination(table="result", connection=kind)
        return Destination(path=str(self.root / f"result.{kind}"))

    def run(self, source: str, output: Destination, data_version_sql: str | None = None, **upstreams: Address) -> Done:
        """Run `build` of a module with this source."""
        module = f"frames_{next(NUMBERS)}"
        (self.root / f"{module}.py").write_text(textwrap.dedent(source))
        job = Job(
            compute="python", asset="result", run="R1", environment="default", root=str(self.root),
            command={"module": module, "function": "build"}, output=output,
            connections={"duckdb": {}, "sqlite": {}}, default_connection="duckdb", upstreams=upstreams, vars={},
            data_version_sql=data_version_sql,
        )  # fmt: skip
        return python.run(job, self.database, self)

    def refused(self, source: str, output: Destination, **upstreams: Address) -> tuple[str, str | None]:
        """The sentence and the hint with which a function fails."""
        with pytest.raises(ComputeFailedError) as caught:
            self.run(source, output, **upstreams)
        return str(caught.value).replace(str(self.root) + "/", ""), caught.value.hint

    def held(self, kind: str) -> dict[str, list[Any]]:
        """What the output holds, not read by our own code."""
        if kind == "duckdb":
            session = self.database("duckdb").open(read_only=True)
            found = session.raw.sql("from result").to_arrow_table().to_pydict()
            session.close()
        elif kind == "sqlite":
            with sqlite3.connect(self.root / "sqlite.db") as raw:
                raw.row_factory = sqlite3.Row
                cursor = raw.execute("select * from result")
                rows = cursor.fetchall()
                found = {each[0]: [row[each[0]] for row in rows] for each in cursor.description}
            raw.close()
        else:
            found = READERS[kind](self.root / f"result.{kind}")
        return {name: [canonical(name, value) for value in values] for name, values in found.items()}


def _by_columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]} if rows else {}


def _read_csv(path: Path) -> dict[str, list[Any]]:
    with path.open(newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    return {name: [row[index] for row in rows] for index, name in enumerate(head)}


READERS: dict[str, Callable[[Path], dict[str, list[Any]]]] = {
    "parquet": lambda path: pq.ParquetFile(path).read().to_pydict(),
    "arrow": lambda path: pa.ipc.open_file(path.read_bytes()).read_all().to_pydict(),
    "csv": _read_csv,
    "json": lambda path: _by_columns(json.loads(path.read_text(encoding="utf-8"))),
    "jsonl": lambda path: _by_columns([json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]),
}


def _write_csv(data: pa.Table, path: Path) -> None:
    import gzip

    with gzip.open(path, "wt", newline="") if path.suffix == ".gz" else path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(data.column_names)
        writer.writerows([_plain(each) for each in row.values()] for row in data.to_pylist())


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, (date, time, Decimal)) else value


def _write_json(data: pa.Table, path: Path) -> None:
    rows = [{name: _plain(value) for name, value in row.items()} for row in data.to_pylist()]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_text(json.dumps(rows, indent=2) if path.suffix == ".json" else lines)


def _write_arrow(data: pa.Table, path: Path) -> None:
    with pa.ipc.new_file(path, data.schema) as writer:
        writer.write_table(data)


FILES: dict[str, Callable[[pa.Table, Path], None]] = {
    "parquet": pq.write_table,
    "arrow": _write_arrow,
    "csv": _write_csv,
    "csv.gz": _write_csv,
    "json": _write_json,
    "jsonl": _write_json,
}


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """An empty folder."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return Bench(tmp_path)


PASS = "def build(up: '{}'):\n    return up\n"


@pytest.mark.parametrize("output", HELD)
@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize("form", FORMS)
def test_values_pass(bench: Bench, form: str, upstream: str, output: str) -> None:
    """Whatever the annotation, the upstream and the output: the values that both can hold come out as they went in."""
    columns = [name for name in HELD[KIND.get(upstream, upstream)] if name in HELD[output]]
    done = bench.run(PASS.format(FORMS[form]), bench.output(output), up=bench.upstream(upstream, columns))
    assert bench.held(output) == expected(columns)
    assert done.rows == 3
    assert [name for name, _ in done.columns or ()] == columns
    assert [each.digest for each in bench.prepared_states] == [done.digest]


@pytest.mark.parametrize("output", HELD)
@pytest.mark.parametrize("upstream", ["duckdb", "sqlite", "parquet", "arrow", "csv"])
@pytest.mark.parametrize("form", FORMS)
def test_nothing_passes(bench: Bench, form: str, upstream: str, output: str) -> None:
    """A table without rows is one at the other end, with its columns where the output has such a thing."""
    columns = [name for name in HELD[KIND.get(upstream, upstream)] if name in HELD[output]]
    nothing = slice(0, 0)
    done = bench.run(PASS.format(FORMS[form]), bench.output(output), up=bench.upstream(upstream, columns, nothing))
    assert bench.held(output) == ({} if output in ("json", "jsonl") else expected(columns, nothing))
    assert done.rows == 0
    assert [name for name, _ in done.columns or ()] == columns


class TestUpstreams:
    """What cannot be handed over, and what is handed over all the same."""

    PANDAS = "def build(up: 'pandas.DataFrame'):\n    return up\n"

    def refused(self, bench: Bench, where: Address, form: str = "polars") -> tuple[str, str | None]:
        """The sentence and the hint with which an upstream is refused."""
        return bench.refused(PASS.format(FORMS[form]), bench.output("parquet"), up=where)

    @pytest.mark.parametrize(
        ("library", "form", "message", "extra"),
        [
            ("pandas", "pandas", "up is asked for as pandas.DataFrame, and pandas is not installed", "pandas"),
            ("polars", "polars", "up is asked for as polars.DataFrame, and polars is not installed", "polars"),
            ("polars", "lazy", "up is asked for as polars.LazyFrame, and polars is not installed", "polars"),
            ("pyarrow", "arrow", "up is asked for as pyarrow.Table, and pyarrow is not installed", "arrow"),
            ("pyarrow", "pandas", "up is asked for as pandas.DataFrame, and pyarrow is not installed", "pandas"),
        ],
    )
    def test_a_library_that_is_missing(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch, library: str, form: str, message: str, extra: str
    ) -> None:
        """The extra that brings it is named, and nothing is run."""
        where = bench.upstream("parquet", ["id"])
        monkeypatch.setitem(sys.modules, library, None)
        assert self.refused(bench, where, form) == (message, f"pip install 'assets-cli[{extra}]'")

    def test_no_file(self, bench: Bench) -> None:
        """An upstream whose file is not there, or whose folder is empty, is named with its path."""
        (bench.root / "empty").mkdir()
        for name in ("nowhere.csv", "empty", "*.parquet"):
            expected = (f"the upstream up has no file at {name}", "materialize it first")
            assert self.refused(bench, Address(str(bench.root / name))) == expected

    def test_another_ending(self, bench: Bench) -> None:
        """A file of no format that frames are read from is refused; what may be used is named."""
        (bench.root / "up.xlsx").touch()
        message, hint = self.refused(bench, Address(str(bench.root / "up.xlsx")))
        assert message == "the upstream up is up.xlsx, which is none of the files that frames are read from"
        assert hint is not None
        assert hint.startswith("annotate it `Path`, or use an ending of .parquet, .csv")

    def test_two_formats(self, bench: Bench) -> None:
        """A folder with files of two formats is no one table."""
        (bench.root / "in").mkdir()
        (bench.root / "in/a.csv").touch()
        (bench.root / "in/b.parquet").touch()
        assert self.refused(bench, Address(str(bench.root / "in"))) == (
            "the upstream up is files of several formats: CSV and Parquet",
            "declare a glob for one of them, such as `path: data/*.parquet`",
        )

    @pytest.mark.parametrize(
        ("ending", "named"), [("parquet", "Parquet"), ("json", "JSON"), ("jsonl", "JSON lines"), ("arrow", "Arrow IPC")]
    )
    @pytest.mark.parametrize("form", ["polars", "relation"])
    def test_a_broken_file(self, bench: Bench, ending: str, named: str, form: str) -> None:
        """A file that is not what its name says fails with the reader's first line."""
        (bench.root / f"up.{ending}").write_text("{what is this" * 10)
        message, hint = self.refused(bench, Address(str(bench.root / f"up.{ending}")), form)
        assert message.startswith(f"the upstream up can't be read as {named}: ")
        assert "\n" not in message
        assert hint == "annotate it `Path` and read it yourself"

    def test_columns_of_text_under_a_header(self, bench: Bench) -> None:
        """The first line of a CSV file is its header, also above nothing but texts; late values decide on types too."""
        path = bench.root / "up.csv"
        path.write_text("name,code\n" + "a,1\n" * 30_000 + "b,x\n")
        bench.run(PASS.format(FORMS["polars"]), bench.output("parquet"), up=Address(str(path)))
        held = pq.read_table(bench.root / "result.parquet")
        assert (held.schema.names, held.schema.types) == (["name", "code"], [pa.large_string(), pa.large_string()])
        assert held.num_rows == 30_001

    def test_files_of_different_columns(self, bench: Bench) -> None:
        """The files of a folder are put together by the names of their columns."""
        (bench.root / "in").mkdir()
        (bench.root / "in/a.csv").write_text("x,y\n1,2\n")
        (bench.root / "in/b.csv").write_text("y,x,z\n3,4,5\n")
        bench.run(PASS.format(FORMS["polars"]), bench.output("parquet"), up=Address(str(bench.root / "in")))
        assert pq.read_table(bench.root / "result.parquet").to_pylist() == [
            {"x": 1, "y": 2, "z": None},
            {"x": 4, "y": 3, "z": 5},
        ]

    def test_a_missing_table(self, bench: Bench) -> None:
        """A table that is not there is an error of its database, with the nearest name."""
        from assets_cli.connections.protocol import DatabaseError

        bench.upstream("duckdb", ["id"])
        for form in ("polars", "relation"):
            with pytest.raises(DatabaseError, match=r"^the table mart.upp does not exist$") as caught:
                bench.run(
                    PASS.format(FORMS[form]), bench.output("duckdb"), up=Address(table="mart.upp", connection="duckdb")
                )
            assert caught.value.hint == "did you mean mart.up?"

    def test_sums_of_integers(self, bench: Bench) -> None:
        """What DuckDB sums is an integer for every library, not a decimal of 38 digits."""
        session = bench.database("duckdb").open()
        session.raw.execute("create table up as select sum(i) as total from range(4) r(i)")
        session.close()
        where = Address(table="up", connection="duckdb")
        for form in ("pandas", "polars", "arrow"):
            bench.run(PASS.format(FORMS[form]), bench.output("parquet"), up=where)
            assert pq.read_schema(bench.root / "result.parquet").types == [pa.int64()]

    def test_integers_beside_nulls_in_pandas(self, bench: Bench) -> None:
        """They are floats, as pandas itself has it, but for those that no float can hold."""
        source = """
            def build(up: "pandas.DataFrame"):
                assert [str(kind) for kind in up.dtypes] == ["int64", "float64", "Int64"], up.dtypes
                assert up.big.dropna().tolist() == [2**62 + 1, -(2**62) - 1]
        """
        bench.run(source, Destination(), up=bench.upstream("duckdb", ["id", "count", "big"]))

    def test_an_interval(self, bench: Bench) -> None:
        """A type that a library doesn't have is named, with what to do."""
        session = bench.database("duckdb").open()
        session.raw.execute("create table up as select interval 1 month as span")
        session.close()
        message, hint = self.refused(bench, Address(table="up", connection="duckdb"))
        assert message.startswith("up can't be handed over as polars.DataFrame: ")
        assert hint == "cast the column in SQL, or ask for a pyarrow.Table"

    def test_sqlite_of_mixed_types(self, bench: Bench) -> None:
        """SQLite keeps texts and numbers in one column; Arrow does not."""
        from assets_cli.connections.protocol import DatabaseError

        with sqlite3.connect(bench.root / "sqlite.db") as raw:
            raw.execute("create table up (x)")
            raw.execute("insert into up values (1), ('a'), (null)")
        raw.close()
        with pytest.raises(DatabaseError, match=r"^the column x holds integer and text values, mixed$") as caught:
            bench.run(
                PASS.format(FORMS["polars"]), bench.output("parquet"), up=Address(table="up", connection="sqlite")
            )
        assert caught.value.hint == 'cast it to one type in a SQL asset, for example `cast("x" as text)`'

    def test_sqlite_that_breaks_its_word(self, bench: Bench) -> None:
        """A column whose values are not what it declares is what they are."""
        with sqlite3.connect(bench.root / "sqlite.db") as raw:
            raw.execute("create table up (d date, t timestamp, b boolean, n numeric(4, 1), z timestamptz, i int)")
            raw.execute("insert into up values ('soon', 17, 2, 12345.678, '2026-01-01 00:00:00', 1.5)")
            raw.execute("insert into up values ('2026-01-01', 18, 1, 1, null, 2)")
        raw.close()
        source = PASS.format(FORMS["arrow"])
        bench.run(source, bench.output("parquet"), up=Address(table="up", connection="sqlite"))
        assert pq.read_table(bench.root / "result.parquet").to_pydict() == {
            "d": ["soon", "2026-01-01"],
            "t": [17, 18],
            "b": [2, 1],
            "n": [12345.678, 1.0],
            "z": ["2026-01-01 00:00:00", None],
            "i": [1.5, 2.0],
        }

    def test_relations_of_several_places(self, bench: Bench) -> None:
        """Relations of tables, files and another database are of one connection, the function's own, and join."""
        source = """
            from duckdb import DuckDBPyRelation as Relation
            def build(a: Relation, b: Relation, c: Relation, context):
                context.connection().execute("create temp table mine as select 1 as id, 'm' as own")
                joined = a.join(b.select("id, flag"), "id").join(c.select("id, day"), "id")
                return joined.join(context.connection().table("mine"), "id").select("id, name, flag, day, own")
        """
        where = {
            "a": bench.upstream("duckdb", ["id", "name"]),
            "b": bench.upstream("parquet", ["id", "flag"]),
            "c": bench.upstream("sqlite", ["id", "day"]),
        }
        done = bench.run(source, bench.output("duckdb"), **where)
        assert done.rows == 1
        session = bench.database("duckdb").open(read_only=True)
        assert session.raw.execute("from result").fetchall() == [(1, "Zoë 東京 🚲", True, date(2026, 2, 28), "m")]
        assert session.raw.execute("select view_name from duckdb_views() where not internal").fetchall() == []
        session.close()


class TestReturned:
    """What a function may return, and where it goes."""

    @pytest.mark.parametrize(
        ("code", "message", "hint"),
        [
            (
                "pd.DataFrame([[1, 2]], columns=['a', 'a'])",
                "the returned frame has the column a twice",
                "rename one of them",
            ),
            (
                "pd.DataFrame([[1, 2]])",
                "the returned frame has a column named 0, of type int",
                "columns are named by text: rename it",
            ),
            (
                "pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([('a', 'x'), ('a', 'y')]))",
                "the returned frame has a column named ('a', 'x'), of type tuple",
                "columns are named by text: rename it",
            ),
            ("pd.DataFrame()", "the returned frame has no columns", "return a frame with at least one"),
            ("pl.DataFrame({'': [1]})", "the returned frame has a column without a name", "name it"),
            ("pa.table([[1], [2]], ['a', 'a'])", "the returned frame has the column a twice", "rename one of them"),
            (
                "pd.DataFrame({'a': [1, 'x', None]})",
                "the column a of the returned frame holds mixed types: int, str",
                'make it one, such as df["a"].astype(str)',
            ),
            (
                "pl.DataFrame({'a': pl.Series([1, 'x'], dtype=pl.Object)})",
                "the column a of the returned frame holds Python objects, perhaps of mixed types",
                "give it a type of polars",
            ),
            (
                "pd.DataFrame({'a': pd.period_range('2026', periods=1, freq='M')})",
                (
                    "the column a of the returned frame holds extension<pandas.period<ArrowPeriodType>>, "
                    "which is no type of Arrow's own"
                ),
                "cast it to text or to a number",
            ),
            (
                "pd.DataFrame({'a': [1]}, index=['x'])",
                "the returned frame has an index of {text} without a name, which would be lost",
                'name it: df.rename_axis("…"), or drop it: df.reset_index(drop=True)',
            ),
            (
                "pd.DataFrame({'a': [1]}, index=pd.Index([1], name='a'))",
                "the returned frame has 'a' as a column and as its index",
                "return df.reset_index(drop=True), or rename one",
            ),
            (
                "pl.DataFrame({'a': [timedelta(1)]})",
                "the column a of the returned frame holds duration[us], and Parquet has no durations",
                "store a number of seconds, or use .arrow",
            ),
        ],
    )
    def test_frames_that_are_refused(self, bench: Bench, code: str, message: str, hint: str) -> None:
        """Each refusal names the column and what to do; the output is not touched, and nothing is left beside it."""
        import pandas as pd

        output = bench.root / "result.parquet"
        output.write_text("before")
        source = "from datetime import timedelta\nimport pandas as pd, polars as pl, pyarrow as pa\n"
        source += f"def build():\n    return {code}\n"
        expected = (message.format(text=pd.Index(["x"]).dtype), hint)
        assert bench.refused(source, bench.output("parquet")) == expected
        assert output.read_text() == "before"
        assert [path.name for path in bench.root.iterdir() if path.name.startswith(".")] == []
        assert bench.prepared_states == []

    @pytest.mark.parametrize("kind", ["duckdb", "sqlite"])
    def test_names_that_a_table_cannot_tell_apart(self, bench: Bench, kind: str) -> None:
        """Databases do not care for case; files do."""
        source = "import polars as pl\ndef build():\n    return pl.DataFrame({'id': [1], 'ID': [2]})\n"
        expected = ("the returned frame has columns that a table can't tell apart: id and ID", "rename one of them")
        assert bench.refused(source, bench.output(kind)) == expected
        bench.run(source, bench.output("parquet"))

    @pytest.mark.parametrize(
        ("code", "kind", "message"),
        [
            (
                "{'a': [[1]]}",
                "csv",
                "the column a of the returned frame holds large_list<item: int64>, and CSV has no ",
            ),
            ("{'a': [b'x']}", "csv", "the column a of the returned frame holds large_binary, and CSV has no bytes"),
            (
                "{'a': [b'x']}",
                "jsonl",
                "the column a of the returned frame holds large_binary, and JSON lines has no b",
            ),
            ("{'a': [b'x']}", "json", "the column a of the returned frame holds large_binary, and JSON has no bytes"),
        ],
    )
    def test_types_that_a_format_lacks(self, bench: Bench, code: str, kind: str, message: str) -> None:
        """What a format could hold as text only, and nobody could read back, is refused."""
        source = f"import polars as pl\ndef build():\n    return pl.DataFrame({code})\n"
        assert bench.refused(source, bench.output(kind))[0].startswith(message)

    @pytest.mark.parametrize(
        ("code", "message"),
        [
            ("{'a': [[1]]}", "the column a holds large_list<item: int64>, which SQLite has no type for"),
            ("{'a': [timedelta(1)]}", "the column a holds duration[us], which SQLite has no type for"),
            (
                "{'a': pl.Series([2**64 - 1], dtype=pl.UInt64)}",
                "a number is larger than SQLite's integers of 64 bits with a sign",
            ),
            (
                "{'a': [Decimal('1234567890.1234567')]}",
                "the column a holds 1234567890.1234567, and SQLite rounds what has more than 15 digits",
            ),
        ],
    )
    def test_types_that_sqlite_lacks(self, bench: Bench, code: str, message: str) -> None:
        """SQLite refuses before anything is replaced."""
        from assets_cli.connections.protocol import DatabaseError

        bench.upstream("sqlite", ["id"])
        source = "import polars as pl\nfrom datetime import timedelta\nfrom decimal import Decimal\n"
        source += f"def build():\n    return pl.DataFrame({code})\n"
        with pytest.raises(DatabaseError) as caught:
            bench.run(source, Destination(table="up", connection="sqlite"))
        assert str(caught.value) == message
        with sqlite3.connect(bench.root / "sqlite.db") as raw:
            assert raw.execute("select name, (select count(*) from up) from sqlite_master").fetchall() == [("up", 3)]
        raw.close()

    def test_an_index_with_a_name(self, bench: Bench) -> None:
        """A named index becomes columns, as after a `groupby`; row numbers do not, also after a filter."""
        source = """
            import pandas as pd
            def build():
                frame = pd.DataFrame({"k": ["b", "a", "b"], "n": [1, 2, 3], "x": [0, 0, 1]})
                return frame[frame.n > 1].groupby(["k", "x"]).sum()
        """
        bench.run(source, bench.output("parquet"))
        assert pq.read_table(bench.root / "result.parquet").to_pydict() == {"k": ["a", "b"], "x": [0, 1], "n": [2, 3]}
        bench.run("import pandas as pd\ndef build():\n    return pd.DataFrame({'n': [1, 2]})[1:]", bench.output("csv"))
        assert (bench.root / "result.csv").read_text() == "n\n2\n"

    def test_categories_and_nulls(self, bench: Bench) -> None:
        """Categories are their values, and a column of nulls only is text."""
        source = """
            import pandas as pd, polars as pl
            def build():
                frame = pl.DataFrame({"c": ["a", "b", "a"], "e": ["x", "x", "y"], "n": [None] * 3})
                return frame.with_columns(pl.col("c").cast(pl.Categorical), pl.col("e").cast(pl.Enum(["x", "y"])))
        """
        done = bench.run(source, bench.output("duckdb"))
        assert done.columns == (("c", "VARCHAR"), ("e", "VARCHAR"), ("n", "VARCHAR"))
        source = "import pandas as pd\ndef build():\n    return pd.DataFrame({'c': pd.Categorical(['a']), 'n': [None]})"
        assert bench.run(source, bench.output("arrow")).columns == (("c", "VARCHAR"), ("n", "VARCHAR"))

    def test_numbers_that_are_none(self, bench: Bench) -> None:
        """NaN stays what it is where there is such a thing; JSON and SQLite, which have none, hold null."""
        source = "import polars as pl\ndef build():\n    return pl.DataFrame({'x': [float('nan'), float('inf'), 1.5]})"
        bench.run(source, bench.output("jsonl"))
        assert (bench.root / "result.jsonl").read_text() == '{"x":null}\n{"x":null}\n{"x":1.5}\n'
        bench.run(source, bench.output("parquet"))
        held = pq.read_table(bench.root / "result.parquet").to_pydict()["x"]
        assert [str(each) for each in held] == ["nan", "inf", "1.5"]

    def test_many_batches(self, bench: Bench) -> None:
        """A frame of many slices, and a reader that is read as it is written, arrive whole and in order."""
        frame = "import polars as pl\ndef build():\n    return pl.DataFrame({'i': range(600_000)})"
        reader = """
            import pyarrow as pa
            def build():
                schema = pa.schema([("i", pa.int64())])
                parts = [list(range(start, start + 60_000)) for start in range(0, 600_000, 60_000)]
                batches = (pa.record_batch([part], schema=schema) for part in parts)
                return pa.RecordBatchReader.from_batches(schema, batches)
        """
        for source in (frame, reader):
            for kind in ("parquet", "arrow", "csv", "duckdb"):
                assert bench.run(source, bench.output(kind)).rows == 600_000
            assert pq.read_table(bench.root / "result.parquet")["i"].to_pylist() == list(range(600_000))

    def test_a_relation_of_another_connection(self, bench: Bench) -> None:
        """A relation of a connection that we did not open is read through Arrow, into a table and into a file."""
        source = "import duckdb\nmine = duckdb.connect()\n"
        source += "def build():\n    return mine.sql('select 1 as a, [1, null] as l')"
        for kind in ("duckdb", "parquet"):
            done = bench.run(source, bench.output(kind))
            assert (done.rows, done.columns) == (1, (("a", "INTEGER"), ("l", "INTEGER[]")))

    def test_relations_without_arrow(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        """From a table to a table of one database a relation needs no other library; elsewhere the extra is named."""
        where = bench.upstream("duckdb", ["id"])
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        done = bench.run(PASS.format(FORMS["relation"]), bench.output("duckdb"), up=where)
        assert (done.rows, done.columns) == (3, (("id", "BIGINT"),))
        expected = ("the function returned a DuckDBPyRelation, and pyarrow is not installed",)
        expected += ("pip install 'assets-cli[arrow]'",)
        assert bench.refused(PASS.format(FORMS["relation"]), bench.output("parquet"), up=where) == expected

    def test_a_relation_that_reads_what_it_replaces(self, bench: Bench) -> None:
        """The table is replaced after it was read."""
        session = bench.database("duckdb").open()
        session.raw.execute("create table result as select 1 as n")
        session.close()
        source = "def build(context):\n    return context.connection().sql('select n + 1 as n from result')"
        for expected in (2, 3):
            assert bench.run(source, bench.output("duckdb")).rows == 1
            session = bench.database("duckdb").open(read_only=True)
            assert session.raw.execute("from result").fetchall() == [(expected,)]
            session.close()

    @pytest.mark.parametrize(
        ("code", "name", "content"),
        [
            ("b'\\x00\\xff'", "x.bin", b"\x00\xff"),
            ("bytearray(b'PAR1')", "x.parquet", b"PAR1"),
            ("'späť\\n'", "x.html", "späť\n".encode()),
            ("'text'", "noending", b"text"),
            ("{'ä': [1, None, True]}", "x.json", '{\n "ä": [\n  1,\n  null,\n  true\n ]\n}\n'.encode()),
            ("[{'a': 1}, {'a': __import__('numpy').int64(2)}]", "x.jsonl", b'{"a": 1}\n{"a": 2}\n'),
            ("3.5", "x.json", b"3.5\n"),
        ],
    )
    def test_values(self, bench: Bench, code: str, name: str, content: bytes) -> None:
        """Bytes and text are the file; numbers, lists and dictionaries are JSON where the name says so."""
        path = bench.root / name
        done = bench.run(f"def build():\n    return {code}\n", Destination(path=str(path)))
        assert path.read_bytes() == content
        assert (done.rows, done.columns) == (None, None)
        assert bench.sizes == [len(content)]

    def test_objects(self, bench: Bench) -> None:
        """Any object goes to a pickle, a frame too; what is unpickled is equal."""
        import pickle

        source = "import pandas as pd\ndef build():\n    return {'model': ('a', 1.5)}"
        for name in ("model.pkl", "model.pickle"):
            bench.run(source, Destination(path=str(bench.root / name)))
            assert pickle.loads((bench.root / name).read_bytes()) == {"model": ("a", 1.5)}
        bench.run(
            "import pandas as pd\ndef build():\n    return pd.DataFrame({'a': [1]})",
            Destination(path=str(bench.root / "frame.pkl")),
        )
        assert pickle.loads((bench.root / "frame.pkl").read_bytes()).to_dict("list") == {"a": [1]}

    def test_joblib(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        """An ending of `.joblib` asks for joblib, which is the user's own."""
        import types

        def dump(value: object, path: Path) -> None:
            path.write_text(repr(value))

        joblib = types.SimpleNamespace(dump=dump)
        monkeypatch.setitem(sys.modules, "joblib", joblib)  # type: ignore[arg-type]
        output = Destination(path=str(bench.root / "model.joblib"))
        bench.run("def build():\n    return (1, 2)", output)
        assert (bench.root / "model.joblib").read_text() == "(1, 2)"
        monkeypatch.setitem(sys.modules, "joblib", None)
        expected = ("the output ends in .joblib, and joblib is not installed", "pip install joblib")
        assert bench.refused("def build():\n    return (1, 2)", output) == expected

    @pytest.mark.parametrize(
        ("code", "name", "message", "hint"),
        [
            (
                "context.output",
                "x.csv",
                "the function returned a path, and what is returned becomes the contents of the output",
                "if it wrote the output itself, let it return nothing",
            ),
            (
                "str(context.output)",
                "x.csv",
                "the function returned a path, and what is returned becomes the contents of the output",
                "if it wrote the output itself, let it return nothing",
            ),
            ("'a,b'", "x.parquet", "text can't be stored as x.parquet", "return a frame"),
            (
                "True",
                "x.txt",
                "a value of type bool can't be stored at x.txt",
                "let the output end in .pkl or .joblib, or write it to context.output and return nothing",
            ),
            (
                "{'a': 1}",
                "x.parquet",
                "a value of type dict can't be stored at x.parquet",
                "let the output end in .json, or write it to context.output and return nothing",
            ),
            ("{1, 2}", "x.json", "the returned value can't be stored as JSON: JSON has no set", None),
            (
                "float('nan')",
                "x.json",
                "the returned value can't be stored as JSON: Out of range float values are not JSON compliant",
                None,
            ),
            (
                "{'a': 1}",
                "x.jsonl",
                "a value of type dict can't be stored as JSON lines",
                "return a list, of which each element is a line, or a frame",
            ),
            (
                "lambda: 1",
                "x.pkl",
                "the returned value of type function can't be pickled: ",
                None,
            ),
            (
                "pl.DataFrame({'a': [1]})",
                "x.xlsx",
                "a returned frame can't be stored at x.xlsx",
                (
                    "use an ending of .parquet, .csv, .tsv, .json, .jsonl, .ndjson, .arrow or .feather, or write it to "
                    "context.output and return nothing"
                ),
            ),
            (
                "'x'",
                "parts/",
                "the output parts/ is a folder or a pattern, and what a function returns is stored as one file",
                "write the files to context.output and return nothing",
            ),
            (
                "'x'",
                "parts-*.csv",
                "the output parts-*.csv is a folder or a pattern, and what a function returns is stored as one file",
                "write the files to context.output and return nothing",
            ),
        ],
    )
    def test_values_that_are_refused(self, bench: Bench, code: str, name: str, message: str, hint: str | None) -> None:
        """Each refusal says what would work."""
        source = f"import polars as pl\ndef build(context):\n    return {code}\n"
        said, told = bench.refused(source, Destination(path=f"{bench.root}/{name}"))
        assert said.startswith(message)
        assert told == hint
        assert [path.name for path in bench.root.iterdir() if path.suffix != ".py"] == []

    def test_a_value_for_a_table(self, bench: Bench) -> None:
        """A table takes frames only, and a view nothing."""
        expected = (
            "a value of type dict can't be stored in the table result",
            "return a frame of pandas, polars, pyarrow or DuckDB, or nothing",
        )
        assert bench.refused("def build():\n    return {'a': 1}", bench.output("duckdb")) == expected
        view = Destination(table="result", connection="duckdb", materialization="view")
        source = "import polars as pl\ndef build():\n    return pl.DataFrame({'a': [1]})"
        assert bench.refused(source, view)[0] == "a returned frame fills a table, and result declares `view`"

    def test_what_stays_as_it_was(self, bench: Bench) -> None:
        """A replaced file keeps its rights, and a symlink within the project stays one."""
        real = bench.root / "real.txt"
        real.write_text("before")
        real.chmod(0o640)
        (bench.root / "link.txt").symlink_to(real)
        bench.run("def build():\n    return 'after'", Destination(path=str(bench.root / "link.txt")))
        assert (bench.root / "link.txt").is_symlink()
        assert (real.read_text(), real.stat().st_mode & 0o777) == ("after", 0o640)

    def test_a_symlink_out_of_the_project(self, bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> None:
        """Nothing outside of the project is replaced through a symlink."""
        outside = tmp_path_factory.mktemp("outside") / "theirs.txt"
        outside.write_text("theirs")
        (bench.root / "link.txt").symlink_to(outside)
        output = Destination(path=str(bench.root / "link.txt"))
        expected = ("the output link.txt leaves the project through a symlink", None)
        assert bench.refused("def build():\n    return 'ours'", output) == expected
        assert outside.read_text() == "theirs"

    def test_a_refused_publication(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        """What the coordinator does not put on record is not published."""

        def refuse(state: Any, size: int | None = None) -> None:
            raise ComputeFailedError("nothing was published: the coordinator is gone")

        monkeypatch.setattr(bench, "prepared", refuse)
        (bench.root / "result.csv").write_text("before")
        source = "import polars as pl\ndef build():\n    return pl.DataFrame({'a': [1]})"
        for kind in ("csv", "duckdb", "sqlite"):
            assert bench.refused(source, bench.output(kind))[0].startswith("nothing was published")
        assert (bench.root / "result.csv").read_text() == "before"
        assert sorted(path.name for path in bench.root.iterdir() if path.name.startswith(".")) == []
        for kind in ("duckdb", "sqlite"):
            session = bench.database(kind).open(read_only=True)
            assert session.existing(["result"]) == set()
            session.close()

    def test_a_data_version_of_its_own(self, bench: Bench) -> None:
        """A declared `data_version: {sql: …}` is asked after publishing, of a table and of a file."""
        frame = "import polars as pl\ndef build():\n    return pl.DataFrame({'a': [1, 2]})"
        table = bench.run(frame, bench.output("duckdb"), data_version_sql="select max(a) from result")
        text = bench.run("def build():\n    return 'x'", bench.output("csv"), data_version_sql="select 2")
        assert table.data_version == text.data_version == f"sql:{hashlib.sha256(b'2').hexdigest()}"
        assert table.rows == 2

    def test_what_is_imported(self, bench: Bench) -> None:
        """A polars frame is looked at without pandas, and bytes without any library at all."""
        import subprocess

        script = (
            "import sys, polars as pl\nfrom assets_cli.computes.frames import returned\n"
            "assert returned.library_of(pl.DataFrame()) == 'polars'\nassert returned.library_of(b'x') is None\n"
            "assert not {'pandas', 'duckdb', 'pyarrow'} & set(sys.modules)\n"
        )
        assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


MANIFEST = """
    - name: raw
      output: {path: raw.csv}
    - name: top
      upstreams: [raw]
      command: {python: "f:top"}
      output: {path: top.parquet}
    - name: table
      upstreams: [top]
      command: {python: "f:table"}
      output: {table: result}
"""
FUNCTIONS = """
    from __future__ import annotations
    import polars as pl, pandas as pd

    def top(raw: pl.DataFrame, context) -> pl.DataFrame:
        context.report(seen=len(raw), data_version=str(raw["x"].sum()))
        return raw.with_columns(pl.col("x") * 2)

    def table(top: pd.DataFrame) -> pd.DataFrame:
        return top
"""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A project with a file that others write, a function that makes a file of it, and one that makes a table."""
    place = Place(tmp_path)
    place.write("raw.csv", "id,x\n1,10\n2,20\n")
    place.write("f.py", FUNCTIONS)
    place.assets(MANIFEST, DUCKDB + "default_connection: w\n")
    return place


def made(place: Place, asset: str) -> dict[str, Any]:
    """The latest materialization as it is on record."""
    with sqlite3.connect(place.root / ".assets/state.db") as state:
        row = state.execute(
            "select data_version, metadata from materializations where asset = ? order by seq desc limit 1", [asset]
        ).fetchone()
    state.close()
    return {"data_version": row[0], **json.loads(row[1])}


def killing(what: str) -> str:
    """A program that is `assets` and kills itself when it comes to a function of ours."""
    module, _, name = what.rpartition(".")
    return (
        f"import os, signal, sys\nimport {module.rpartition('.')[0] if 'Performance' in module else module} as place\n"
        + ("place = place._Performance\n" if "Performance" in module else "")
        + f"before = place.{name}\n"
        "def die(*arguments, **more):\n"
        f"    {'before(*arguments, **more)' if name == '_prepare' else 'pass'}\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        f"place.{name} = die\n"
        "from assets_cli.__main__ import main\nsys.argv[0] = 'assets'\nmain()\n"
    )


def killed(place: Place, what: str, asset: str) -> None:
    """Materialize an asset in a process that is killed."""
    import subprocess

    command = [sys.executable, "-c", killing(what), "materialize", asset]
    ended = subprocess.run(command, cwd=place.root, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert ended.returncode == -9, ended.stderr.decode()


class TestRuns:
    """Whole runs by the command line."""

    def test_what_is_recorded(self, place: Place) -> None:
        """Rows, bytes and columns are on record without being asked for; what is reported is beside them."""
        assert place.materialize()["succeeded"] == ["top", "table"]
        size = (place.root / "top.parquet").stat().st_size
        columns = [["id", "BIGINT"], ["x", "BIGINT"]]
        assert made(place, "top") == {"data_version": "30", "rows": 2, "bytes": size, "columns": columns, "seen": 2}
        recorded = made(place, "table")
        assert recorded.pop("data_version").startswith("duckdb-")
        assert recorded == {"rows": 2, "columns": columns}
        assert place.query("from result order by id") == [(1, 20), (2, 40)]
        assert place.plan() == {}

    def test_what_a_command_writes_by_itself(self, place: Place) -> None:
        """Of a Parquet file rows and columns are known too, of any other file its size."""
        place.write(
            "f.py", "def top(raw):\n    import duckdb\n    duckdb.sql(f\"from '{raw}'\").write_parquet('top.parquet')"
        )
        place.assets(MANIFEST.partition("- name: table")[0], DUCKDB)
        assert place.materialize()["exit"] == 0
        recorded = made(place, "top")
        recorded.pop("data_version")
        size = (place.root / "top.parquet").stat().st_size
        assert recorded == {"bytes": size, "rows": 2, "columns": [["id", "BIGINT"], ["x", "BIGINT"]]}

    def test_the_same_again(self, place: Place) -> None:
        """The same contents published again are unchanged, so nothing runs below."""
        place.write("f.py", FUNCTIONS.replace('data_version=str(raw["x"].sum())', "again=1"))
        place.materialize()
        again = place.materialize("top", "--force")
        assert (again["succeeded"], again["unchanged"]) == (["top"], ["top"])
        assert place.plan() == {}

    def test_a_failure(self, place: Place) -> None:
        """A refusal is the step's reason, with its hint; the output is as it was."""
        place.materialize()
        before = (place.root / "top.parquet").read_bytes()
        place.write("f.py", FUNCTIONS.replace('pl.col("x") * 2', 'd=pl.lit(1).cast(pl.Duration("us"))'))
        run = place.materialize("top")
        assert (run["exit"], run["failed"]) == (1, ["top"])
        said = "the column d of the returned frame holds duration[us], and Parquet has no durations"
        assert said in place.call("logs", str(run["run"]), "top").stdout
        assert (place.root / "top.parquet").read_bytes() == before

    def test_killed_after_publishing(self, place: Place) -> None:
        """A file that was published before the coordinator died counts as done, with what was reported of it."""
        killed(place, "assets_cli.running.outputs.inspect", "top")
        assert pq.read_table(place.root / "top.parquet").to_pydict() == {"id": [1, 2], "x": [20, 40]}
        run = place.materialize()
        assert run["succeeded"] == ["table"]
        size = (place.root / "top.parquet").stat().st_size
        columns = [["id", "BIGINT"], ["x", "BIGINT"]]
        assert made(place, "top") == {"data_version": "30", "rows": 2, "bytes": size, "columns": columns, "seen": 2}

    def test_killed_before_publishing(self, place: Place) -> None:
        """A coordinator that dies before it agrees leaves the output as it was, and nothing beside it."""
        (place.root / "top.parquet").write_text("before")
        killed(place, "assets_cli.running.step._Performance._prepare", "top")
        run = place.materialize("top")
        assert run["succeeded"] == ["top"]
        assert hidden(place) == []

    def test_a_worker_that_is_killed(self, place: Place) -> None:
        """What a killed worker leaves beside the output is gone when its attempt has ended; the output is untouched."""
        (place.root / "top.parquet").write_text("before")
        dying = (
            "import os\ndef rename(*_):\n    open('beside.txt', 'w').write(' '.join(os.listdir()))\n"
            "    os.kill(os.getpid(), 9)\nos.rename = rename\n"
        )
        place.write("f.py", dying + textwrap.dedent(FUNCTIONS).replace("from __future__ import annotations\n", ""))
        run = place.materialize("top")
        assert (run["exit"], run["failed"]) == (1, ["top"])
        assert (place.root / "top.parquet").read_text() == "before"
        beside = [name for name in (place.root / "beside.txt").read_text().split() if name.startswith(".assets-new-")]
        assert len(beside) == 1
        assert hidden(place) == []


def hidden(place: Place) -> list[str]:
    """Hidden files beside the outputs."""
    return sorted(path.name for path in place.root.iterdir() if path.name.startswith(".") and path.is_file())


@pytest.mark.parametrize("folder", ["[work]", "what?", "a*b"])
def test_a_project_in_a_folder_whose_name_looks_like_a_pattern(place: Place, folder: str) -> None:
    """Only what the manifest says can be a pattern: the way to the project is none."""
    place.write(
        f"{folder}/assets.yml",
        "version: 1\n"
        "assets:\n"
        "  - {name: rows, command: {shell: 'echo id > rows.csv; echo 1 >> rows.csv'}, output: {path: rows.csv}}\n"
        "  - {name: text, command: {python: 'lib:text'}, output: {path: text.txt}}\n"
        "  - {name: frame, command: {python: 'lib:frame'}, output: {path: frame.csv}}\n"
        "  - {name: below, command: {shell: 'echo > below/1.txt'}, output: {path: 'below/*.txt'}}\n",
    )
    place.write(
        f"{folder}/lib.py",
        "import pandas\n\n\n"
        "def text(rows):\n    return open(rows).read()\n\n\n"
        "def frame(rows: pandas.DataFrame):\n    return rows\n",
    )
    done = place.materialize("-C", folder)
    assert (sorted(done["succeeded"]), done["failed"]) == (["below", "frame", "rows", "text"], [])
    assert [(place.root / folder / name).read_text() for name in ("text.txt", "frame.csv")] == ["id\n1\n"] * 2
    shown = json.loads(place.call("-C", folder, "show", "below", "--json").stdout)
    assert shown["materialization"]["metadata"] == {"bytes": 1}
