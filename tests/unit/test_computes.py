"""Computes without a worker process: fakes for the channel and the databases, functions in scratch modules."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import os
import sys
import textwrap
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from assets_cli.computes import arguments, python, reported, run_of, shell, sql
from assets_cli.computes.protocol import Address, ComputeFailedError, Destination, Done, Job
from assets_cli.computes.reported import Reported

NUMBERS = itertools.count()


class State(NamedTuple):
    rows: int | None
    digest: str
    columns: tuple[tuple[str, str], ...] = (("id", "INTEGER"),)


class Raw:
    """A driver's connection."""


class FakeSession:
    """A session that writes down what it is asked, and whose tables are given."""

    def __init__(self, name: str, asked: list[str], tables: dict[str, State], scalars: dict[str, Any]) -> None:
        self.raw: Any = Raw()
        self.name = name
        self.asked = asked
        self.tables = tables
        self.scalars = scalars

    def existing(self, tables: Any) -> set[str]:
        """Those that are given."""
        return set(tables) & set(self.tables)

    def table_state(self, table: str) -> State:
        """What is given."""
        self.asked.append(f"state {table}")
        return self.tables[table]

    def publish_select(self, table: str, query: str, kind: str, before_commit: Callable[[Any], None]) -> State:
        """Write down what is published and when."""
        state = State(3, f"fake:{query}") if kind == "table" else State(None, "exists:view")
        self.asked.append(f"{kind} {table} as {query}")
        before_commit(state)
        self.asked.append("commit")
        return state

    def run_script(self, script: str) -> None:
        """Write it down."""
        self.asked.append(f"script {script}")

    def scalar(self, query: str) -> Any:
        """What is given."""
        self.asked.append(f"scalar {query}")
        return self.scalars[query]

    def commit(self) -> None:
        """Write it down."""
        self.asked.append(f"commit {self.name}")

    def close(self) -> None:
        """Write it down."""
        self.asked.append(f"close {self.name}")


class World:
    """Fake databases and a fake channel, with everything that was asked of them in order."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.asked: list[str] = []
        self.tables: dict[str, State] = {}
        self.scalars: dict[str, Any] = {}
        self.refuse = False

    def database(self, name: str) -> World._Database:
        """A fake database."""
        return World._Database(self, name)

    class _Database:
        def __init__(self, world: World, name: str) -> None:
            self.world = world
            self.name = name

        def open(self, *, read_only: bool = False) -> FakeSession:
            self.world.asked.append(f"open {self.name}" + (" to read" if read_only else ""))
            return FakeSession(self.name, self.world.asked, self.world.tables, self.world.scalars)

    def prepared(self, state: Any, size: int | None = None) -> None:
        """Write it down, and refuse if told to."""
        self.asked.append(f"prepared {state.rows} {state.digest}" + (f" {size}" if size is not None else ""))
        if self.refuse:
            raise ComputeFailedError("refused")

    def report(self, said: Reported) -> None:
        """Write it down."""
        self.asked.append(f"report {said.data_version} {said.data_time} {json.dumps(said.metadata)}")

    def job(self, **changes: Any) -> Job:
        """A job of the asset `orders`."""
        job = Job(
            compute="sql", asset="orders", run="R1", environment="default", root=str(self.root), command={},
            output=Destination(table="orders"), connections={"w": {}, "x": {}}, default_connection="w",
            upstreams={}, vars={"currency": "EUR"},
        )  # fmt: skip
        return job._replace(**changes)

    def call(self, source: str, function: str = "build", **changes: Any) -> Done:
        """Run a function of a module with this source."""
        name = f"scratch_{next(NUMBERS)}"
        (self.root / f"{name}.py").write_text(textwrap.dedent(source))
        command = {"module": name, "function": function}
        changes.setdefault("output", Destination())
        return python.run(self.job(compute="python", command=command, **changes), self.database, self)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A fake world around a scratch project."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return World(tmp_path)


def failure(call: Callable[[], object]) -> tuple[str, str | None]:
    """The sentence and the hint of a failure."""
    with pytest.raises(ComputeFailedError) as caught:
        call()
    return str(caught.value), caught.value.hint


class TestSql:
    def run(self, world: World, query: str = "select 1", **changes: Any) -> Done:
        """Run a query."""
        return sql.run(world.job(command={"query": query, "path": None}, **changes), world.database, world)

    def test_a_table(self, world: World) -> None:
        """What is about to be published is announced before the commit."""
        assert self.run(world) == Done(3, "fake:select 1", (("id", "INTEGER"),))
        expected = ["open w", "table orders as select 1", "prepared 3 fake:select 1", "commit", "close w"]
        assert world.asked == expected

    def test_a_view(self, world: World) -> None:
        """A view has no rows to count."""
        output = Destination(table="orders", connection="x", materialization="view")
        assert self.run(world, output=output) == Done(None, "exists:view", (("id", "INTEGER"),))
        assert world.asked[:2] == ["open x", "view orders as select 1"]

    def test_a_refused_commit(self, world: World) -> None:
        """What the coordinator refuses is not committed, and the connection is closed."""
        world.refuse = True
        assert failure(lambda: self.run(world)) == ("refused", None)
        assert world.asked[-2:] == ["prepared 3 fake:select 1", "close w"]

    def test_a_script_with_a_table(self, world: World) -> None:
        """A table that a script fills is looked at afterwards."""
        world.tables["orders"] = State(7, "fake:x")
        output = Destination(table="orders", materialization="script")
        assert self.run(world, output=output) == Done(7, "fake:x", (("id", "INTEGER"),))
        assert world.asked == ["open w", "script select 1", "state orders", "close w"]

    def test_a_script_that_leaves_no_table(self, world: World) -> None:
        """A declared table that is not there is a failure."""
        output = Destination(table="orders", materialization="script")
        expected = ("the command left no table orders", "create it, or correct `output.table`")
        assert failure(lambda: self.run(world, output=output)) == expected

    def test_a_script_without_an_output(self, world: World) -> None:
        """A script that declares no table leaves nothing to look at."""
        assert self.run(world, output=Destination(materialization="script")) == Done()

    @pytest.mark.parametrize(
        ("value", "text"), [(42, "42"), ("x", "x"), (None, "\0null"), (date(2026, 1, 2), "2026-01-02")]
    )
    def test_a_data_version_of_its_own(self, world: World, value: object, text: str) -> None:
        """The declared expression is evaluated after the commit; its text is digested."""
        world.scalars["select max(id) from orders"] = value
        done = self.run(world, data_version_sql="select max(id) from orders")
        assert done.data_version == "sql:" + hashlib.sha256(text.encode()).hexdigest()
        assert world.asked[-3:] == ["commit", "scalar select max(id) from orders", "close w"]

    def test_no_connection(self, world: World) -> None:
        """SQL without a connection cannot run."""
        expected = ("orders names no connection", "name it as `output.connection`, or declare a `default_connection`")
        assert failure(lambda: self.run(world, default_connection=None)) == expected

    def test_no_table(self, world: World) -> None:
        """A SELECT without a table to fill is a failure before anything is run."""
        assert (
            failure(lambda: self.run(world, output=Destination()))[0]
            == "orders declares no table for its SELECT to fill"
        )
        assert world.asked == ["open w", "close w"]


class Library:
    """A reader of frames that notes what it is asked for."""

    def read(self, wanted: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
        """The form of each upstream, in place of it."""
        return {upstream: form for upstream, (form, _) in wanted.items()}


class TestArguments:
    def bind(self, function: Callable[..., Any], **upstreams: Address) -> dict[str, Any]:
        """The named arguments of a function."""
        given = arguments.bind(
            function,
            {"raw/events.daily": Address("/p/events.csv"), **upstreams},
            None,  # type: ignore[arg-type]
            Library(),  # type: ignore[arg-type]
        )
        assert given.positional == ()
        return given.named

    def test_by_annotation(self) -> None:
        """An upstream comes as text, or as a `Path` where that is asked for."""

        def build(raw_events_daily: Path, customers: str, orders, *, glob: Path | None = None, limit: int = 3) -> None:  # type: ignore[no-untyped-def]
            ...

        given = self.bind(
            build, customers=Address(table="mart.customers"), orders=Address("/p/o"), glob=Address("/p/*.csv")
        )
        assert given == {
            "raw_events_daily": Path("/p/events.csv"),
            "customers": "mart.customers",
            "orders": "/p/o",
            "glob": Path("/p/*.csv"),
        }

    def test_positional_only(self) -> None:
        """Parameters that take no name are given by position; those that take anything get nothing."""

        def build(a, b, /, *rest, c, **more) -> None:  # type: ignore[no-untyped-def] # noqa: ANN002, ANN003
            ...

        upstreams = {name: Address("/" + name) for name in "abcd"}
        given = arguments.bind(build, upstreams, None, Library())  # type: ignore[arg-type]
        assert given == (("/a", "/b"), {"c": "/c"})

    def test_annotations_that_are_text(self) -> None:
        """An annotation that cannot be resolved is taken by its text."""
        scope: dict[str, Any] = {}
        exec("def build(a: 'Path', b: 'pathlib.Path | None', c: 'str'): ...", scope)
        upstreams = {name: Address("/" + name) for name in "abc"}
        given = arguments.bind(scope["build"], upstreams, None, Library())  # type: ignore[arg-type]
        assert given.named == {"a": Path("/a"), "b": Path("/b"), "c": "/c"}

    def test_a_path_of_a_table(self) -> None:
        """A table is no path."""

        def build(orders: Path) -> None: ...

        expected = (
            "the parameter orders asks for a Path, but orders is the table o",
            "annotate orders `str` to get the table's name",
        )
        assert failure(lambda: self.bind(build, orders=Address(table="o"))) == expected

    def test_an_upstream_without_output(self) -> None:
        """An upstream that declares no output cannot be handed over."""

        def build(api: str) -> None: ...

        def build_path(api: Path) -> None: ...

        def build_frame(api) -> None:  # type: ignore[no-untyped-def]
            ...

        build_frame.__annotations__ = {"api": "polars.DataFrame"}
        message = "the upstream api declares no output that api could be"
        assert failure(lambda: self.bind(build_frame, api=Address())) == (message, None)
        assert (
            failure(lambda: self.bind(build, api=Address()))[0]
            == "the upstream api declares no output that api could be"
        )
        assert (
            failure(lambda: self.bind(build_path, api=Address()))[0]
            == "the parameter api asks for a Path, but api declares no output"
        )

    def test_unknown_parameters(self) -> None:
        """A parameter that is neither an upstream nor `context` is refused with what it could be."""

        def near(contxt) -> None: ...  # type: ignore[no-untyped-def]

        def far(x) -> None: ...  # type: ignore[no-untyped-def]

        assert failure(lambda: self.bind(near)) == (
            "the parameter contxt is neither an upstream nor `context`",
            "did you mean context?",
        )
        hint = "it could be raw_events_daily, context; or give it a default"
        assert failure(lambda: self.bind(far)) == ("the parameter x is neither an upstream nor `context`", hint)

    @pytest.mark.parametrize(
        ("annotation", "form"),
        [
            ("'pandas.DataFrame'", "pandas"),
            ("'pd.DataFrame'", "pandas"),
            ("'pl.DataFrame'", "polars"),
            ("'pl.LazyFrame'", "lazy"),
            ("'pa.Table'", "arrow"),
            ("'pyarrow.Table'", "arrow"),
            ("'duckdb.DuckDBPyRelation'", "relation"),
            ("'DuckDBPyRelation'", "relation"),
            ("'pl.DataFrame | None'", "polars"),
            ("Optional['pl.DataFrame']", "polars"),
            ("'Annotated[Path, 1]'", Path("/o")),
            ("'Any'", "/o"),
            ("None", "/o"),
        ],
    )
    def test_frames_by_text(self, annotation: str, form: object) -> None:
        """Annotations that are text ask for frames by the names that everybody gives to the libraries."""
        scope: dict[str, Any] = {}
        exec("from typing import *\nfrom pathlib import Path", scope)
        exec(compile(f"def build(orders: {annotation}): ...", "build", "exec", dont_inherit=True), scope)
        assert self.bind(scope["build"], orders=Address("/o")) == {"orders": form}

    def test_frames_by_type(self) -> None:
        """Annotations that are types ask for the frames of their libraries, from whichever module these are."""
        import duckdb
        import pandas as pd
        import polars as pl
        import pyarrow as pa

        kinds = {
            "a": (pd.DataFrame, "pandas"),
            "b": (pl.DataFrame, "polars"),
            "c": (pl.LazyFrame, "lazy"),
            "d": (pa.Table, "arrow"),
            "e": (duckdb.DuckDBPyRelation, "relation"),
        }

        def build(a, b, c, d, e) -> None:  # type: ignore[no-untyped-def]
            ...

        build.__annotations__ = {name: kind for name, (kind, _) in kinds.items()}
        given = self.bind(build, **dict.fromkeys(kinds, Address("/o")))
        assert given == {name: form for name, (_, form) in kinds.items()}

    def test_imports_for_type_checkers(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What a module imports for type checkers only says what a name means; the library is not imported for it."""
        (tmp_path / "checked.py").write_text(
            "from __future__ import annotations\nfrom typing import TYPE_CHECKING\n"
            "if TYPE_CHECKING:\n    from polars import DataFrame\n    import pandas as bears\n"
            "def build(a: DataFrame, b: bears.DataFrame): ...\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        import checked  # type: ignore[import-not-found]

        assert self.bind(checked.build, a=Address("/a"), b=Address("/b")) == {"a": "polars", "b": "pandas"}

    def test_a_frame_of_whom(self) -> None:
        """A name that two libraries have is refused where nothing says whose it is."""
        scope: dict[str, Any] = {}
        exec("def build(orders: 'DataFrame'): ...", scope)
        assert failure(lambda: self.bind(scope["build"], orders=Address("/o"))) == (
            "the parameter orders asks for a DataFrame, and that could be pandas' or polars'",
            "annotate it `pandas.DataFrame` or `polars.DataFrame`",
        )

    def test_other_annotations(self) -> None:
        """An annotation that nothing can be made of is refused."""

        def build(orders: int) -> None: ...

        expected = (
            "the parameter orders asks for int, which an upstream cannot be handed as",
            (
                "annotate it `str`, `Path`, `pandas.DataFrame`, `polars.DataFrame`, `polars.LazyFrame`, "
                "`pyarrow.Table` or `duckdb.DuckDBPyRelation`"
            ),
        )
        assert failure(lambda: self.bind(build, orders=Address("/o"))) == expected


class TestPython:
    def test_the_context(self, world: World) -> None:
        """The context tells what the manifest and the run say."""
        world.call(
            """
            def build(context):
                assert (context.asset, context.run_id) == ("orders", "R1")
                assert (context.environment, context.partition) == ("default", "")
                assert context.vars == {"currency": "EUR"}
                context.output.write_text("made")
            """,
            output=Destination(path=str(world.root / "out.txt")),
        )
        assert (world.root / "out.txt").read_text() == "made"
        assert world.asked == []

    def test_a_table(self, world: World) -> None:
        """What is uncommitted is committed, connections are closed, then the table is looked at in a fresh session."""
        world.tables["orders"] = State(2, "fake:x")
        done = world.call(
            """
            def build(context):
                assert context.output == "orders"
                assert context.connection() is context.connection("w")
                context.connection("x")
            """,
            output=Destination(table="orders"),
        )
        assert done == Done(2, "fake:x", (("id", "INTEGER"),))
        assert world.asked == [
            *("open w", "open x", "commit w", "commit x", "close w", "close x"),
            *("open w to read", "state orders", "close w"),
        ]

    def test_a_table_that_is_missing(self, world: World) -> None:
        """A function that leaves no declared table has failed."""
        message, _ = failure(lambda: world.call("def build(): pass", output=Destination(table="orders")))
        assert message == "the command left no table orders"

    def test_reports(self, world: World) -> None:
        """Data version and data time are special, the rest is metadata."""
        world.call(
            """
            from datetime import datetime, timezone
            def build(context):
                context.report(rows=3, data_version="v1", data_time=datetime(1970, 1, 1, 0, 0, 1, tzinfo=timezone.utc))
                context.report(note={"a": [1, None]})
            """
        )
        assert world.asked == ['report v1 1000000 {"rows": 3}', 'report None None {"note": {"a": [1, null]}}']

    def test_a_report_that_is_no_json(self, world: World) -> None:
        """What JSON does not have is an error at the line that reports it."""
        message, _ = failure(lambda: world.call("def build(context):\n    context.report(rows={1})"))
        assert message.startswith("ValueError: the report has rows, which is a set: JSON has no such value (scratch_")
        assert message.endswith(".py:2)")

    def test_an_unknown_connection(self, world: World) -> None:
        """The connections that there are are named."""
        message, _ = failure(lambda: world.call("def build(context):\n    context.connection('y')"))
        assert message.startswith("LookupError: no connection 'y'; declared connections: w, x (")

    def test_an_error(self, world: World, capsys: pytest.CaptureFixture[str]) -> None:
        """The message names file and line; the log has the user's frames only; nothing is committed."""
        source = """
        def build(context):
            context.connection()
            inner()
        def inner():
            raise ValueError("no rows\\nat all")
        """
        message, hint = failure(lambda: world.call(source))
        name = message.rpartition("(")[2]
        assert (message, hint) == (f"ValueError: no rows ({name}", None)
        assert name.endswith(".py:6)")
        assert world.asked == ["open w", "close w"]
        log = capsys.readouterr().err
        assert [line.split(", in ")[1] for line in log.splitlines() if ", in " in line] == ["build", "inner"]
        assert log.endswith("ValueError: no rows\nat all\n")

    def test_an_error_in_a_library(self, world: World) -> None:
        """The place is the project's last line, not the library's."""
        message, _ = failure(lambda: world.call("import json\ndef build():\n    json.loads('{')"))
        assert message.startswith(
            "JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 (char 1) (scratch_"
        )
        assert message.endswith(".py:3)")

    def test_an_error_on_import(self, world: World) -> None:
        """A module that raises, does not parse or misses another module fails with its own line."""
        assert failure(lambda: world.call("x = 1\n1 / 0"))[0].endswith(".py:2)")
        message, _ = failure(lambda: world.call("x = 1\ndef build(:\n  pass"))
        assert message.startswith("SyntaxError: invalid syntax (scratch_")
        assert message.endswith(".py:2)")
        message, _ = failure(lambda: world.call("\nimport nowhere_at_all"))
        assert message.startswith("ModuleNotFoundError: No module named 'nowhere_at_all' (scratch_")

    def test_a_library_that_is_missing(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where the function's own module imports a library that an extra of ours brings, the extra is named."""
        monkeypatch.setitem(sys.modules, "polars", None)
        message, hint = failure(lambda: world.call("import polars as pl"))
        assert message.startswith("ModuleNotFoundError: import of polars halted; None in sys.modules (scratch_")
        assert hint == "pip install 'assets-cli[polars]'"

    def test_a_missing_module_or_function(self, world: World) -> None:
        """A module that is not there, and a function with another name, are one sentence each."""
        job = world.job(command={"module": "nowhere.at_all", "function": "build"})
        expected = ("there is no module nowhere", "it is imported with the project root on sys.path")
        assert failure(lambda: python.run(job, world.database, world)) == expected
        message, hint = failure(lambda: world.call("def biuld(): pass"))
        assert message.endswith(" has no function build")
        assert hint == "did you mean biuld?"
        assert failure(lambda: world.call("build = 3"))[0].endswith(":build is no function, but of type int")

    def test_a_coroutine(self, world: World, capsys: pytest.CaptureFixture[str]) -> None:
        """An `async def` runs in a loop, whose frames are left out of a traceback."""
        world.call("import asyncio\nasync def build(context):\n    await asyncio.sleep(0)\n    context.report(a=1)")
        assert world.asked == ['report None None {"a": 1}']
        message, _ = failure(lambda: world.call("async def build():\n    raise KeyError('x')"))
        assert message.startswith("KeyError: 'x' (scratch_")
        assert capsys.readouterr().err.count("File ") == 1

    def test_a_returned_value(self, world: World) -> None:
        """A value that is returned where no output is declared would be lost, so it is a failure."""
        message, hint = failure(lambda: world.call("def build():\n    return [1]"))
        assert message == "the function returned a value of type list, and orders declares no output"
        assert hint == "declare `output: {path: …}` or `{table: …}`, or return nothing"

    @pytest.mark.parametrize(
        ("code", "expected"),
        [("75", ("exit code 75", 75)), ("'no rows'", ("no rows", 1)), ("256", ("exit code 256", 1))],
    )
    def test_an_exit(self, world: World, code: str, expected: tuple[str, int]) -> None:
        """`sys.exit` with a code or a text is a failure with that code."""
        with pytest.raises(ComputeFailedError) as caught:
            world.call(f"import sys\ndef build():\n    sys.exit({code})")
        assert (str(caught.value), caught.value.exit_code) == expected

    @pytest.mark.parametrize("code", ["", "0", "None"])
    def test_an_exit_without_a_code(self, world: World, code: str) -> None:
        """`sys.exit(0)` is success, and what it had open is committed."""
        world.call(f"import sys\ndef build(context):\n    context.connection()\n    sys.exit({code})")
        assert world.asked == ["open w", "commit w", "close w"]

    def test_the_root_comes_first(self, world: World) -> None:
        """The project's modules win over installed ones of the same name."""
        world.call("import sys\ndef build():\n    pass")
        assert sys.path[0] == str(world.root)

    def test_the_log(self, world: World, capsys: pytest.CaptureFixture[str]) -> None:
        """The logger writes to standard error from INFO on."""
        world.call(
            "def build(context):\n    context.log.info('%s rows', 3)\n    context.log.debug('no')", asset="logged"
        )
        assert capsys.readouterr().err == "INFO 3 rows\n"
        logging.getLogger("assets.logged").handlers.clear()


class TestReported:
    @pytest.mark.parametrize(
        "moment",
        [
            "2026-01-31T09:30:00Z",
            "2026-01-31T10:30:00+01:00",
            "2026-01-31T09:30:00",
            datetime(2026, 1, 31, 9, 30),  # noqa: DTZ001 - this one has no zone on purpose
            datetime(2026, 1, 31, 9, 30, tzinfo=UTC),
            datetime(2026, 1, 31, 4, 30, tzinfo=timezone(timedelta(hours=-5))),
        ],
    )
    def test_times(self, moment: object) -> None:
        """A moment without a zone is UTC."""
        assert reported.from_values({"data_time": moment}).data_time == 1_769_851_800_000_000

    def test_a_date(self) -> None:
        """A date is its midnight, UTC; microseconds are exact."""
        assert reported.from_values({"data_time": date(1970, 1, 2)}).data_time == 86_400_000_000
        assert reported.from_values({"data_time": "2242-03-16T12:56:31.999999Z"}).data_time == 8_589_934_591_999_999

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"data_time": 1_700_000_000}, "has a data_time that is a number; write it like 2026-01-31T09:30:00Z"),
            ({"data_time": "yesterday"}, "has a data_time of 'yesterday'; write it like 2026-01-31T09:30:00Z"),
            ({"data_version": True}, "has a data_version that is a boolean instead of text"),
            ({"data_version": 1.5}, "has a data_version that is a number instead of text"),
            ({"data_version": " "}, "has an empty data_version"),
            ({"data_version": "1", "x": b"1"}, "has x, which is a bytes: JSON has no such value"),
            ({"x": json.loads("[" * 101 + "]" * 101)}, "has x, which is nested more than 100 levels deep"),
            ({"x": float("nan")}, "has x, which is not finite or nested too deeply: JSON has no such value"),
        ],
    )
    def test_what_is_refused(self, values: dict[str, Any], message: str) -> None:
        """Every refusal says which value and why."""
        with pytest.raises(ValueError, match=r".") as caught:
            reported.from_values(values)
        assert str(caught.value) == message

    def test_numbers_of_numpy(self) -> None:
        """A scalar of numpy's kind is a number."""

        class Scalar:
            shape = ()

            def item(self) -> int:
                return 7

        assert reported.from_values({"rows": Scalar(), "data_version": 3}) == Reported("3", None, {"rows": 7})

    def test_merging(self) -> None:
        """What was said later counts, key by key."""
        reports = [Reported("a", 1, {"x": 1, "y": 1}), Reported(None, 2, {"x": 2}), Reported("b", None, {})]
        assert reported.merge(reports) == Reported("b", 2, {"x": 2, "y": 1})
        assert reported.merge([]) == Reported(None, None, {})


class TestShell:
    def test_environment(self) -> None:
        """Every variable that the manifest's page names, and none for what has no address."""
        extra = shell.environment(
            {"PATH": "/bin"},
            asset="mart/orders",
            run="R1",
            environment="prod",
            output="/p/out.csv",
            upstreams={"raw/events.daily-1": "/p/raw.csv", "api": None, "Kunden_2": "mart.kunden"},
            result="/p/r.json",
        )
        assert extra == {
            "ASSETS_ASSET": "mart/orders",
            "ASSETS_RUN_ID": "R1",
            "ASSETS_ENV": "prod",
            "ASSETS_OUTPUT": "/p/out.csv",
            "ASSETS_UPSTREAM_RAW_EVENTS_DAILY_1": "/p/raw.csv",
            "ASSETS_UPSTREAM_KUNDEN_2": "mart.kunden",
            "ASSETS_RESULT": "/p/r.json",
            "PATH": f"/bin:{os.path.dirname(sys.executable)}",  # noqa: PTH120
        }

    def test_the_search_path(self) -> None:
        """The interpreter's folder is appended once, also to a search path that is not set."""
        own = str(Path(sys.executable).parent)
        assert shell.path_with_interpreter({"PATH": f"{own}:/bin"}) == f"{own}:/bin"
        assert shell.path_with_interpreter({}) == f"{os.defpath}:{own}"
        assert shell.path_with_interpreter({"PATH": ""}) == own

    @pytest.mark.parametrize("content", [None, b"", b" \n", b"{}", b"\xef\xbb\xbf{}", b'{"metadata": null}'])
    def test_nothing_reported(self, tmp_path: Path, content: bytes | None) -> None:
        """No file, an empty one and an empty object report nothing."""
        path = tmp_path / "result.json"
        if content is not None:
            path.write_bytes(content)
        assert shell.read_result(path) == Reported(None, None, {})

    def test_a_report(self, tmp_path: Path) -> None:
        """All three keys."""
        path = tmp_path / "result.json"
        path.write_text('{"data_version": 42, "data_time": "1970-01-01T00:00:01Z", "metadata": {"a": [1.5]}}')
        assert shell.read_result(path) == Reported("42", 1_000_000, {"a": [1.5]})

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"{", "is not JSON: expecting property name enclosed in double quotes in line 1"),
            (b'{"metadata": {"x": NaN}}', "is not JSON: NaN is no JSON number"),
            (b"[" * 100_000, "is not JSON: nested too deeply"),
            (b"[1]", "is a list instead of an object"),
            (b"null", "is null instead of an object"),
            (b'{"metadata": [1]}', "has metadata that is a list instead of an object"),
            (
                b'{"metadata": {"a": ' + b"[" * 100 + b"]" * 100 + b"}}",
                "has metadata that is nested more than 100 levels deep",
            ),
            (b'{"data_version": []}', "has a data_version that is a list instead of text"),
            (b'{"version": "1"}', "has the unknown key 'version'; known keys: data_version, data_time, metadata"),
            (b"\xff{}", "cannot be read: it is not utf-8"),
        ],
    )
    def test_a_broken_report(self, tmp_path: Path, content: bytes, message: str) -> None:
        """A report that cannot be understood is an error, never ignored."""
        path = tmp_path / "result.json"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r".") as caught:
            shell.read_result(path)
        assert str(caught.value) == f"the file at $ASSETS_RESULT {message}"


def test_an_unknown_compute() -> None:
    """A compute that is not installed is refused with those that are."""
    assert failure(lambda: run_of("spark")) == ("unknown compute 'spark'", "known computes: sql, python")
