"""What `validate` finds in code and environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from assets_cli.graph.graph import AssetGraph
from assets_cli.model.codes import CODES
from assets_cli.model.manifest import Asset, Connection, Manifest, Output, PythonCommand, ShellCommand, Spot, SqlCommand
from assets_cli.model.problem import Place, Problem
from assets_cli.probing import FileDigests
from assets_cli.probing.findings import findings


def place(asset: str, *keys: str | int | Spot) -> Place:
    """The place of a value, whose file says what was asked for; line and column are those in its text."""
    spot = keys[-1] if keys and isinstance(keys[-1], Spot) else Spot(1, 1)
    return Place("/".join([asset, *(str(key) for key in keys if not isinstance(key, Spot))]), *spot)


def find(root: Path, *assets: Asset, environ: dict[str, str] | None = None) -> tuple[Problem, ...]:
    """What is found in a project."""
    connection = Connection("warehouse", "duckdb", {"path": "${env.DB}"})
    manifest = Manifest(
        root=str(root),
        file="assets.yml",
        project="p",
        environment="default",
        state=".assets/state.db",
        vars={},
        connections={"warehouse": connection},
        default_connection="warehouse",
        assets={each.name: each for each in assets},
        files=("assets.yml",),
        warnings=(),
        locate=place,
    )
    return findings(AssetGraph(manifest), environ or {}, FileDigests(root, lambda: 0)).problems


def asset(name: str, command: ShellCommand | SqlCommand | PythonCommand | None, **fields: Any) -> Asset:
    """An asset."""
    return Asset(name, Place("assets.yml", 1, 1), command=command)._replace(**fields)


def put(root: Path, *names: str) -> None:
    """Empty files."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")


def test_every_problem_at_once(tmp_path: Path) -> None:
    """All that is missing in all assets, in the manifest's order, also where a version is declared."""
    found = find(
        tmp_path,
        asset("a", PythonCommand("no.module", "f"), code=("lib/*.py",)),
        asset("b", ShellCommand(":"), code=("x", "y"), code_version="1"),
        asset("c", None),
    )
    assert [(each.asset, each.code) for each in found] == [
        ("a", "A0304"),
        ("a", "A0307"),
        ("b", "A0307"),
        ("b", "A0307"),
    ]
    assert {each.severity for each in found} == {"error"}


def test_a_sound_project_has_no_findings(tmp_path: Path) -> None:
    """Files that count, outputs of assets and what is under `code:` are named without a word."""
    put(tmp_path, "load.py", "conf.yml", "raw.csv", "d/x.csv")
    found = find(
        tmp_path,
        asset(
            "raw", ShellCommand("python load.py conf.yml > raw.csv"), code=("conf.yml",), output=Output(path="raw.csv")
        ),
        asset("d", ShellCommand("cp raw.csv d/x.csv"), output=Output(path="d")),
        asset("e", ShellCommand("cat raw.csv d/x.csv no.csv | sort")),
    )
    assert found == ()


def test_files_that_a_command_names_and_nobody_counts(tmp_path: Path) -> None:
    """One warning names them all and says where they belong."""
    put(tmp_path, "load.py", "conf.yml", "in.csv")
    command = ShellCommand(f"python load.py --config=conf.yml < in.csv && cat {tmp_path}/conf.yml")
    assert find(tmp_path, asset("a", command)) == (
        Problem(
            "A0312",
            "the command of a names conf.yml and in.csv, which are no part of its code version",
            "warning",
            place("a", "command", "shell", "run", Spot(1, 25)),
            hint="list them under code:, or make them an asset and an upstream",
            asset="a",
        ),
    )


def test_modules_that_a_script_imports_and_nobody_counts(tmp_path: Path) -> None:
    """However deep, from beside the script, from the root and from `src`; said once for a script, with what to write.

    Not what is listed under `code:`, nor what is no file of the project, nor where a version is declared.
    """
    put(tmp_path, "src/house/__init__.py", "src/house/dates.py")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "load.py").write_text("import csv, common\nfrom house import dates\n")
    (tmp_path / "bin" / "common.py").write_text("import lib.deep\nimport load\n")
    put(tmp_path, "lib/deep.py", "bin/csv/readme")
    command = ShellCommand("sort < in | python bin/load.py")
    found = find(tmp_path, asset("a", command))
    assert found == (
        Problem(
            "A0312",
            "bin/load.py, which the command of a runs, imports bin/common.py, lib/deep.py, src/house/__init__.py and "
            "1 more, which are no part of its code version",
            "warning",
            place("a", "command", "shell", "run", Spot(1, 20)),
            hint="list them under code:, or the folder, as in code: [bin]",
            asset="a",
        ),
    )
    (one,) = find(tmp_path, asset("a", command, code=("src", "lib")))
    assert one.message.partition(", imports ")[2] == "bin/common.py, which is no part of its code version"
    assert one.hint == "count it, too: code: [bin/common.py]"
    assert find(tmp_path, asset("a", command, code=("src", "lib", "bin/common.py"))) == ()
    assert find(tmp_path, asset("a", command, code_version="1")) == ()


def test_scripts_that_do_not_exist(tmp_path: Path) -> None:
    """A warning with the nearest name; not for one that the command writes or an asset makes."""
    put(tmp_path, "scripts/load.py")
    found = find(
        tmp_path,
        asset("a", ShellCommand("python scripts/laod.py")),
        asset("b", ShellCommand("echo 1 > x.py; python x.py")),
        asset("c", ShellCommand("python gen/y.py")),
        asset("d", ShellCommand(":"), output=Output(path="gen")),
        asset("e", ShellCommand("python -m pytest")),
    )
    assert found == (
        Problem(
            "A0313",
            "the command of a runs scripts/laod.py, which does not exist",
            "warning",
            place("a", "command", "shell", "run", Spot(1, 8)),
            hint="did you mean scripts/load.py?",
            asset="a",
        ),
    )


def test_unset_variables(tmp_path: Path) -> None:
    """Each place that uses one without a default is named; a connection once, where it is declared."""
    (tmp_path / "q.sql").write_text("select 1\nwhere '${env.A}' = '$${env.B}'")
    table = Output(table="t")
    found = find(
        tmp_path,
        asset(
            "s",
            ShellCommand("echo ${env.A} ${env.B:-x} ${env.SET}"),
            env={"K": "${env.C}"},
            output=Output(path="${env.D}"),
        ),
        asset("q", SqlCommand(path="q.sql"), output=table),
        asset("r", SqlCommand(query="select '${env.A}'"), output=table._replace(table="r")),
        environ={"SET": ""},
    )
    assert {each.code for each in found} == {"A0311"}
    assert {each.severity for each in found} == {"warning"}
    assert [(each.message, each.place) for each in found] == [
        ("the environment variable A is not set, s uses it", place("s", "command", "shell", "run", Spot(1, 6))),
        ("the environment variable C is not set, s uses it", place("s", "env", "K", Spot(1, 1))),
        ("the environment variable D is not set, s uses it", place("s", "output", "path")),
        ("the environment variable A is not set, q.sql uses it", Place("q.sql", 2, 8)),
        ("the environment variable A is not set, r uses it", place("r", "command", "sql", Spot(1, 9))),
        (
            "the environment variable DB is not set, the connection warehouse uses it",
            place("", "connections", "warehouse", "path", Spot(1, 1)),
        ),
    ]
    assert found[0].hint == "set A, put it into .env, or give it a default: ${env.A:-…}"


@pytest.mark.parametrize("number", range(1, 14))
def test_every_code_is_explained(number: int) -> None:
    """A title without a full stop, an explanation with one."""
    code = CODES[f"A03{number:02}"]
    assert not code.title.endswith(".")
    assert code.explanation.endswith(".")
