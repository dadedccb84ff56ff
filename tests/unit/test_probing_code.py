"""Components of code versions."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets_cli.model.history import Component
from assets_cli.model.manifest import (
    Asset,
    Command,
    Connection,
    FreshnessPolicy,
    Manifest,
    Output,
    PythonCommand,
    Retries,
    ShellCommand,
    SqlCommand,
)
from assets_cli.model.problem import Place, Problem
from assets_cli.model.world import CodeProbe
from assets_cli.planning.versions import component_changes
from assets_cli.probing import normalise
from assets_cli.probing.code import CodeLook
from assets_cli.probing.declared import joined
from assets_cli.probing.files import FileDigests

PLACE = Place("assets.yml", 4, 5)


def locate(asset: str, *keys: str | int) -> Place:
    """The place of a value: its line counts the keys, so that a test sees what was asked for."""
    return Place("/".join([asset, *map(str, keys)]), 1, 1)


def manifest(root: Path, **changes: Any) -> Manifest:
    """A project with one DuckDB connection."""
    warehouse = Connection("warehouse", "duckdb", {"path": "data/w.duckdb"})
    made = Manifest(
        root=str(root),
        file="assets.yml",
        project="p",
        environment="default",
        state=".assets/state.db",
        vars={},
        connections={"warehouse": warehouse},
        default_connection="warehouse",
        assets={},
        files=("assets.yml",),
        warnings=(),
        locate=locate,
    )
    return made._replace(**changes)


def asset(command: Command, **changes: Any) -> Asset:
    """An asset named `a`."""
    return Asset("a", PLACE, command=command)._replace(**changes)


def put(root: Path, files: Mapping[str, str | bytes]) -> None:
    """Write files."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())


def probe(root: Path, made: Asset, recorded: Mapping[str, Component] | None = None, **changes: Any) -> CodeProbe:
    """Look at an asset's code with a cache of its own, whose clock is far behind every file: nothing is trusted."""
    return CodeLook(manifest(root, **changes), FileDigests(root, lambda: 0)).probe(made, recorded)


def changed(root: Path, before: Asset, after: Asset) -> list[str]:
    """The names of the components that differ."""
    recorded = probe(root, before).components
    return [change.name for change in component_changes(recorded, probe(root, after, recorded).components)]


def sha(text: str) -> str:
    """The digest of a text."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def edits(root: Path, made: Asset, path: str, text: str) -> list[str]:
    """The components that changing one file changes."""
    recorded = probe(root, made).components
    put(root, {path: text})
    return [change.name for change in component_changes(recorded, probe(root, made, recorded).components)]


def test_components_of_a_shell_command(tmp_path: Path) -> None:
    """The text, the script handed to an interpreter, the environment and the output, each by its name."""
    put(tmp_path, {"load.py": "x = 1\n", "data.csv": "", "lib/b.txt": "b", "lib/a.txt": "a"})
    made = asset(
        ShellCommand("python load.py data.csv"), env={"TZ": "UTC"}, output=Output(path="out"), code=("lib/*.txt",)
    )
    found = probe(tmp_path, made)
    assert found.problem is None
    assert sorted(found.components) == ["command", "compute", "env", "lib/a.txt", "lib/b.txt", "load.py", "output"]
    assert found.components["command"] == Component(sha("python load.py data.csv"))
    assert found.components["lib/a.txt"] == Component(sha("a"))
    assert found.components["load.py"].raw == sha("x = 1\n")
    assert found.components["load.py"].normaliser == normalise.PYTHON


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"command": ShellCommand("echo 2")}, ["command"]),
        ({"command": ShellCommand("echo 1", ("bash", "-c"))}, ["compute"]),
        ({"env": {"A": "1"}}, ["env"]),
        ({"output": Output(path="other")}, ["output"]),
        ({"output": Output(table="t")}, ["connection", "output"]),
        ({"description": "x", "owners": ("me",), "group": "g", "tags": ("t",), "metadata": {"k": 1}}, []),
        ({"freshness": FreshnessPolicy(1), "retries": Retries(3), "timeout": 5, "upstreams": ("b",)}, []),
        ({"pool": "p", "isolated": True, "output": Output(path="out", atomic=True)}, []),
        ({"code_version": "7"}, ["code_version"]),
    ],
)
def test_what_counts(tmp_path: Path, changes: dict[str, Any], expected: list[str]) -> None:
    """Command, interpreter, environment, output and declared version count; what describes or schedules does not."""
    before = asset(ShellCommand("echo 1"), output=Output(path="out"))
    assert changed(tmp_path, before, before._replace(**changes)) == expected


def test_a_declared_version_replaces_the_list(tmp_path: Path) -> None:
    """Whatever else changes, only the declared text counts."""
    first = asset(ShellCommand("echo 1"), code_version="7")
    assert probe(tmp_path, first).components == {"code_version": Component(sha("7"))}
    assert changed(tmp_path, first, first._replace(command=ShellCommand("echo 2"))) == []
    assert changed(tmp_path, first, first._replace(code_version="8")) == ["code_version"]


def test_the_recorded_components_are_returned_as_they_are(tmp_path: Path) -> None:
    """Equal bytes give the recorded component itself, whatever normaliser it was made by."""
    put(tmp_path, {"q.sql": "select 1"})
    for made in (asset(ShellCommand("echo 1")), asset(SqlCommand(path="q.sql"), output=Output(table="t"))):
        recorded = {
            name: each._replace(normalised="sha256:0", normaliser="other/1")
            for name, each in probe(tmp_path, made).components.items()
        }
        again = probe(tmp_path, made, recorded).components
        assert [again[name] is each for name, each in recorded.items()] == [True] * len(recorded)


def test_finding_nothing_new_imports_no_parser(tmp_path: Path) -> None:
    """Neither sqlglot nor duckdb gets into a process that finds the recorded bytes."""
    put(tmp_path, {"q.sql": "select 1"})
    script = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import test_probing_code as t
from assets_cli.model.history import Component
made = t.asset(t.SqlCommand(path="q.sql"), output=t.Output(table="t"))
raws = dict(line.split("=") for line in sys.argv[3:])
found = t.probe(Path(sys.argv[1]), made, {name: Component(raw) for name, raw in raws.items()})
assert {name: each.raw for name, each in found.components.items()} == raws
print(sorted({"sqlglot", "duckdb"} & set(sys.modules)))
"""
    made = asset(SqlCommand(path="q.sql"), output=Output(table="t"))
    raws = [f"{name}={each.raw}" for name, each in probe(tmp_path, made).components.items()]
    here = str(Path(__file__).parent)
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), here, *raws], check=True, capture_output=True, text=True
    )
    assert done.stdout == "[]\n"


SQL = "-- daily\nselect a, b\nfrom t where a > 1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT a , b FROM t /* big */ WHERE a > 1 -- end", []),
        ("select a, b from t where a > 2", ["sql/q.sql"]),
        ("select b, a from t where a > 1", ["sql/q.sql"]),
        ("select a, b from t where ((", ["sql/q.sql"]),
    ],
)
def test_comments_and_layout_of_sql_do_not_count(tmp_path: Path, text: str, expected: list[str]) -> None:
    """SQL is compared as the parser writes it back; what cannot be parsed is compared by its bytes."""
    put(tmp_path, {"sql/q.sql": SQL})
    assert edits(tmp_path, asset(SqlCommand(path="sql/q.sql")), "sql/q.sql", text) == expected
    inline = changed(tmp_path, asset(SqlCommand(query=SQL)), asset(SqlCommand(query=text)))
    assert inline == (["command"] if expected else [])


@given(
    space=st.sampled_from([" ", "\n", "\t ", " /* c */ ", " -- c\n"]),
    word=st.sampled_from(["select", "SELECT", "Select"]),
)
def test_cosmetic_edits_of_sql(space: str, word: str) -> None:
    """However it is laid out, it is the same query; another constant is another."""
    plain = normalise.sql("select a + 1 from t", "duckdb")
    assert normalise.sql(space.join([word, "a", "+", "1", "from", "t"]), "duckdb") == plain
    assert normalise.sql(space.join([word, "a", "+", "2", "from", "t"]), "duckdb") != plain


def test_python_is_compared_by_its_syntax_tree(tmp_path: Path) -> None:
    """Comments, docstrings and layout do not count; code does; what is no Python is compared by its bytes."""
    put(tmp_path, {"m.py": '"""Doc."""\ndef f(x):\n    "doc"\n    return x + 1\n'})
    made = asset(PythonCommand("m", "f"))
    assert edits(tmp_path, made, "m.py", "def f( x ):  # why\n    return (x\n      + 1)\n") == []
    assert edits(tmp_path, made, "m.py", "def f(x):\n    return x + 2\n") == ["m.py"]
    assert edits(tmp_path, made, "m.py", "def f(x):\n    return '\\d'\n") == ["m.py"]
    assert normalise.python(b"def f(:") is None
    assert normalise.python(b"\0") is None


@pytest.mark.parametrize("text", ["selec from", "select '", "select {: 1}", "select " + "(" * 5000])
def test_what_the_parser_cannot_read_is_compared_by_its_bytes(text: str) -> None:
    """Also where it fails by a fault of its own, as at a key without a name."""
    assert normalise.sql(text, "duckdb") is None


def test_another_normaliser_is_asked_only_for_other_bytes(tmp_path: Path) -> None:
    """Once normalised by an older parser, the same bytes keep that digest: an upgrade makes nothing stale."""
    put(tmp_path, {"q.sql": "select 1 -- edited"})
    files = FileDigests(tmp_path, lambda: 0)
    raw = sha("select 1 -- edited")
    files.keep(f"sqlglot/0.1/duckdb:{raw.partition(':')[2]}", "sha256:old")
    recorded = {"q.sql": Component(sha("select 1"), "sha256:old", "sqlglot/0.1/duckdb")}
    found = CodeLook(manifest(tmp_path), files).probe(asset(SqlCommand(path="q.sql")), recorded).components
    assert found["q.sql"] == Component(raw, "sha256:old", "sqlglot/0.1/duckdb")


def test_variables_in_sql_files(tmp_path: Path) -> None:
    """The text with `${vars.x}` filled in counts, not the file; one without a value is a problem at its place."""
    put(tmp_path, {"q.sql": "select\n  '${vars.currency}'"})
    made = asset(SqlCommand(path="q.sql"))
    found = [probe(tmp_path, made, vars={"currency": each}).components["q.sql"].raw for each in ("EUR", "USD")]
    assert found == [sha("select\n  'EUR'"), sha("select\n  'USD'")]
    assert probe(tmp_path, made).problem == Problem(
        "A0303",
        "q.sql uses ${vars.currency}, which has no value",
        place=Place("q.sql", 2, 4),
        hint="declare it under vars: in assets.yml, or pass --var currency=…",
        asset="a",
    )


def test_connections_count_by_type_and_place(tmp_path: Path) -> None:
    """The name does not count, nor where the project is; the path and the type do."""
    made = asset(SqlCommand(query="select 1"), output=Output(table="t"))

    def component(kind: str, path: str, root: Path = tmp_path) -> str:
        connection = Connection("x", kind, {"path": path})
        return probe(root, made, connections={"x": connection}, default_connection="x").components["connection"].raw

    first = component("duckdb", "data/w.duckdb")
    assert first == probe(tmp_path, made).components["connection"].raw
    assert first == component("duckdb", "./data/w.duckdb") == component("duckdb", f"{tmp_path}/data/w.duckdb")
    assert len({first, component("sqlite", "data/w.duckdb"), component("duckdb", "data/v.duckdb")}) == 3


def test_naming_the_default_connection_is_no_change(tmp_path: Path) -> None:
    """The output means the same, spelled out or not."""
    first = asset(SqlCommand(query="select 1"), output=Output(table="t"))
    assert changed(tmp_path, first, first._replace(output=Output(table="t", connection="warehouse"))) == []


def test_code_patterns(tmp_path: Path) -> None:
    """A folder is all its files; hidden files and what Python compiles do not count."""
    put(tmp_path, {"lib/a.py": "1", "lib/sub/b.R": "2", "lib/.c": "", "lib/__pycache__/a.pyc": "", "lib/x.pyc": ""})
    found = [
        sorted(probe(tmp_path, asset(ShellCommand(":"), code=(each,))).components)
        for each in ("lib", "lib/**", "./lib/")
    ]
    assert found == [["command", "compute", "lib/a.py", "lib/sub/b.R"]] * 3


@pytest.mark.parametrize("path", ["out", "out/made.sh", "out/*.sh"])
def test_what_an_asset_makes_is_not_its_code(tmp_path: Path, path: str) -> None:
    """Otherwise its own run would make it stale."""
    put(tmp_path, {"out/made.sh": "x"})
    made = asset(ShellCommand("make-it && sh out/made.sh"), output=Output(path=path), code=("out/*",))
    assert sorted(probe(tmp_path, made).components) == ["command", "compute", "output"]


def test_a_file_that_is_called_like_a_field(tmp_path: Path) -> None:
    """It has a name of its own."""
    put(tmp_path, {"env": "x"})
    assert sorted(probe(tmp_path, asset(ShellCommand(":"), code=("env",))).components) == [
        "./env",
        "command",
        "compute",
    ]


def test_programs_that_are_installed_do_not_count(tmp_path: Path) -> None:
    """A virtual environment in the project, or a link out of it, is no file of the project."""
    outside = tmp_path / "outside"
    put(tmp_path, {"outside": "x", "project/.venv/bin/tool": "x", "project/bin/own": "x"})
    (tmp_path / "project/bin/link").symlink_to(outside)
    made = asset(ShellCommand(f".venv/bin/tool; bin/link; bin/own; {outside}"))
    assert sorted(probe(tmp_path / "project", made).components) == ["bin/own", "command", "compute"]


PROBLEMS: list[tuple[Command, Problem]] = [
    (
        SqlCommand(path="sql/order.sql"),
        Problem(
            "A0301",
            "the SQL file sql/order.sql does not exist",
            place=locate("a", "command", "sql"),
            hint="did you mean sql/orders.sql?",
            asset="a",
        ),
    ),
    (
        SqlCommand(path="sql/latin.sql"),
        Problem(
            "A0302",
            "sql/latin.sql is not UTF-8",
            place=locate("a", "command", "sql"),
            hint="save it as UTF-8",
            asset="a",
        ),
    ),
    (
        PythonCommand("features.biuld", "run"),
        Problem(
            "A0304",
            "there is no module features.biuld",
            place=locate("a", "command", "python"),
            hint="did you mean features.build?",
            asset="a",
        ),
    ),
    (
        PythonCommand("features.build", "rum"),
        Problem(
            "A0305",
            "features/build.py has no function rum",
            place=locate("a", "command", "python"),
            hint="did you mean run?",
            asset="a",
        ),
    ),
    (
        PythonCommand("broken", "run"),
        Problem(
            "A0306",
            "broken.py is not valid Python: '(' was never closed",
            place=Place("broken.py", 2, 1),
            hint="correct it; nothing can be run from it",
            asset="a",
        ),
    ),
]


@pytest.mark.parametrize(("command", "problem"), PROBLEMS)
def test_problems(tmp_path: Path, command: Command, problem: Problem) -> None:
    """What is missing is named, with its place and the nearest thing that is there."""
    put(
        tmp_path,
        {
            "sql/orders.sql": "select 1",
            "sql/latin.sql": "select 'é'".encode("latin-1"),
            "features/build.py": "def run(): ...",
            "broken.py": "\nx = (",
        },
    )
    assert probe(tmp_path, asset(command)).problem == problem


def test_a_pattern_without_a_match(tmp_path: Path) -> None:
    """It guards nothing, so it is a problem."""
    put(tmp_path, {"lib/a.py": ""})
    found = probe(tmp_path, asset(ShellCommand(":"), code=("lib/a.py", "lib/b.py"))).problem
    assert found == Problem(
        "A0307",
        "lib/b.py under code: matches no file",
        place=locate("a", "code", 1),
        hint="did you mean lib/a.py?",
        asset="a",
    )


@pytest.mark.parametrize(
    "source",
    [
        "def run(): ...",
        "async def run(): ...",
        "class run: ...",
        "run = 1",
        "a, (run, *b) = x",
        "run: int = 1",
        "from x import run",
        "from x import y as run",
        "import run.sub",
        "from x import *",
        "def __getattr__(name): ...",
        "globals()['run'] = 1",
        "try:\n    from x import run\nexcept ImportError:\n    run = None",
        "if True:\n    def run(): ...",
    ],
)
def test_functions_are_found_statically(tmp_path: Path, source: str) -> None:
    """Whatever binds a name at the top level, or may bind any, will do."""
    put(tmp_path, {"m.py": source})
    assert probe(tmp_path, asset(PythonCommand("m", "run"))).problem is None


@pytest.mark.parametrize("source", ["def f():\n    run = 1", "class C:\n    def run(self): ...", "x.run = 1", ""])
def test_names_of_other_scopes_are_no_functions(tmp_path: Path, source: str) -> None:
    """A local name, a method or an attribute is not at the module's top level."""
    put(tmp_path, {"m.py": source})
    problem = probe(tmp_path, asset(PythonCommand("m", "run"))).problem
    assert problem is not None
    assert problem.code == "A0305"


def test_an_installed_module_has_no_files(tmp_path: Path) -> None:
    """An entrypoint that is installed is no file of the project, and no problem."""
    found = probe(tmp_path, asset(PythonCommand("json", "dumps")))
    assert (sorted(found.components), found.problem) == (["command", "compute"], None)


@given(names=st.permutations(["b.txt", "a.txt", "sub/c.txt", "d.py"]))
def test_the_order_of_files_does_not_matter(names: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    """However files came to be there and are listed, the components are the same."""
    root = tmp_path_factory.mktemp("order")
    put(root, {name: name for name in names})
    found = probe(root, asset(ShellCommand(":"), code=tuple(names))).components
    plain = probe(root, asset(ShellCommand(":"), code=tuple(sorted(names)))).components
    assert found == plain
    assert len(found) == 6


@given(st.lists(st.text(max_size=4), max_size=4), st.lists(st.text(max_size=4), max_size=4))
def test_joined_fields_never_collide(one: list[str], other: list[str]) -> None:
    """Different fields give different texts, whatever characters they hold."""
    assert (joined(one) == joined(other)) == (one == other)


def _names(probe_of: Callable[[], CodeProbe]) -> list[str]:
    return sorted(name for name in probe_of().components if name not in ("command", "compute"))


def test_imports_are_followed(tmp_path: Path) -> None:
    """Packages on the way, relative imports, submodules, functions, try blocks, circles, stars; nothing else."""
    put(
        tmp_path,
        {
            "app/__init__.py": "",
            "app/main.py": "import os\nfrom . import sib\nfrom .deep.er import x\n"
            "from lib import sub, name\ndef run():\n    import late\n",
            "app/sib.py": "from app import main\ntry:\n    import pandas, tried\nexcept ImportError:\n    pass\n",
            "app/deep/__init__.py": "",
            "app/deep/er.py": "from ...above import y\nfrom .. import other\nfrom star import *\n",
            "app/other.py": "import importlib\nimportlib.import_module('dyn.amic')\n",
            "app/unused.py": "",
            "lib/__init__.py": "name = 1",
            "lib/sub.py": "import ns.mod",
            "lib/unused.py": "",
            "late.py": "",
            "tried.py": "",
            "ns/mod.py": "",
            "star/__init__.py": "__all__ = ['shiny']",
            "star/shiny.py": "",
            "star/dull.py": "",
            "dyn/amic.py": "",
            "above.py": "",
        },
    )
    assert _names(lambda: probe(tmp_path, asset(PythonCommand("app.main", "run")))) == [
        "app/__init__.py",
        "app/deep/__init__.py",
        "app/deep/er.py",
        "app/main.py",
        "app/other.py",
        "app/sib.py",
        "dyn/amic.py",
        "late.py",
        "lib/__init__.py",
        "lib/sub.py",
        "ns/mod.py",
        "star/__init__.py",
        "star/shiny.py",
        "tried.py",
    ]


def test_where_an_import_leads_is_resolved_each_time(tmp_path: Path) -> None:
    """A module that comes to be there is found, though the file that imports it is known already."""
    put(tmp_path, {"m.py": "def run():\n    import helper\n"})
    files = FileDigests(tmp_path, lambda: 1 << 62)
    made = asset(PythonCommand("m", "run"))
    assert _names(lambda: CodeLook(manifest(tmp_path), files).probe(made, None)) == ["m.py"]
    put(tmp_path, {"helper.py": ""})
    assert _names(lambda: CodeLook(manifest(tmp_path), files).probe(made, None)) == ["helper.py", "m.py"]
