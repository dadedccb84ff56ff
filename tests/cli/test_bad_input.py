"""Bad input, item by item: what a user is told, in whole, by the real command line as a process of its own."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent, indent
from typing import NamedTuple

import pytest

HEAD = "version: 1\nproject: shop\ndefaults: {freshness: {max_lag: 1d}}\n"
DUCKDB = "connections:\n  w: {type: duckdb, path: w.duckdb}\n"
ONE = '- {name: a, command: {shell: "echo 1 > a.txt"}, output: {path: a.txt}}'
NOBODY = 65534
WIDE = "2000"  # for messages that hold the path of the temporary folder, whose length is not ours to know


class Said(NamedTuple):
    """What a command printed, and its exit code."""

    out: str
    err: str
    code: int


def manifest(assets: str, head: str = "") -> str:
    """A manifest of these assets."""
    return f"{HEAD}{head}assets:\n" + indent(dedent(assets).strip("\n") + "\n", "  ")


def words(root: Path, *command: str, **environ: str) -> Said:
    """Call `assets` in a folder, as from a script."""
    return process(root, "-m", "assets_cli", *command, **environ)


def process(root: Path, *arguments: str, **environ: str) -> Said:
    """Call Python in a folder; nothing that it says may be a traceback."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("ASSETS_")}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env={**inherited, "NO_COLOR": "1", "COLUMNS": "80", **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stdout + done.stderr
    return Said(done.stdout, done.stderr, done.returncode)


def write(root: Path, files: Mapping[str, str | bytes]) -> None:
    """Write the files of a project."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def refused(root: Path, told: str, *, files: int = 1) -> None:
    """`validate` tells it as the findings that it was asked for; `materialize`, as any other, as what keeps it."""
    total = "1 error" + (f" in {files} file" if files else "")
    assert words(root, "validate") == (f"{told}\n{total}\n", "", 2)
    assert words(root, "materialize") == ("", told, 2)
    assert not (root / ".assets" / "state.db").exists()


MISTAKES: dict[str, tuple[dict[str, str | bytes], str]] = {
    "an empty manifest": (
        {"assets.yml": ""},
        """
            error[A0108]: the file is empty
              --> assets.yml:1:1
             1 |
               | ^
              hint: write `version: 1`, or run `assets init`
            """,
    ),
    "an asset with a mistake that another reads": (
        {
            "assets.yml": HEAD + "assets:\n  - {name: a, command: {shell: x, sql: z}}\n"
            "  - {name: b, upstreams: [a], command: {shell: x}}\n"
        },
        """
            error[A0128]: asset 'a': two kinds of command: shell and sql
              --> assets.yml:5:24
             5 |   - {name: a, command: {shell: x, sql: z}}
               |                        ^
              hint: keep one, or make two assets of it
            """,
    ),
    "a manifest of comments": (
        {"assets.yml": "# to be written\n"},
        """
            error[A0108]: the file is empty
              --> assets.yml:1:1
             1 | # to be written
               | ^
              hint: write `version: 1`, or run `assets init`
            """,
    ),
    "a YAML syntax error": (
        {"assets.yml": HEAD + "assets:\n  - name: [orders\n    command: {shell: x}\n"},
        """
            error[A0107]: this list is not closed
              --> assets.yml:5:11
             5 |   - name: [orders
               |           ^
              hint: add the missing ']' or ','
            """,
    ),
    "a tab as indentation": (
        {"assets.yml": HEAD + "assets:\n\t- name: orders\n"},
        """
            error[A0107]: a tab is used for indentation
              --> assets.yml:5:1
             5 |     - name: orders
               | ^
              hint: indent with spaces
            """,
    ),
    "duplicate names": (
        {
            "assets.yml": manifest("""
                - name: orders
                  command: {shell: "echo 1"}
                - name: orders
                  command: {shell: "echo 2"}
                """)
        },
        """
            error[A0201]: asset 'orders': this name is taken
              --> assets.yml:7:11
             7 |   - name: orders
               |           ^^^^^^
              --> assets.yml:5:11: first defined here
              hint: give one of the two another name
            """,
    ),
    "an unknown upstream": (
        {
            "assets.yml": manifest("""
                - {name: orders, command: {shell: "echo 1"}}
                - {name: report, upstreams: [ordres], command: {shell: "echo 2"}}
                """)
        },
        """
            error[A0202]: asset 'report': unknown upstream 'ordres'
              --> assets.yml:6:32
             6 |   - {name: report, upstreams: [ordres], command: {shell: "echo 2"}}
               |                                ^^^^^^
              hint: did you mean 'orders'?
            """,
    ),
    "an asset that is its own upstream": (
        {"assets.yml": manifest('- {name: orders, upstreams: [orders], command: {shell: "echo 1"}}')},
        """
            error[A0203]: asset 'orders': it is its own upstream
              --> assets.yml:5:32
             5 |   - {name: orders, upstreams: [orders], command: {shell: "echo 1"}}
               |                                ^^^^^^
              hint: remove it from its upstreams
            """,
    ),
    "a cycle": (
        {
            "assets.yml": manifest("""
                - {name: a, upstreams: [c], command: {shell: "echo 1"}}
                - {name: b, upstreams: [a], command: {shell: "echo 1"}}
                - {name: c, upstreams: [b], command: {shell: "echo 1"}}
                """)
        },
        """
            error[A0207]: a cycle: b -> c -> a -> b
              --> assets.yml:5:27
             5 |   - {name: a, upstreams: [c], command: {shell: "echo 1"}}
               |                           ^
              --> assets.yml:5:27: a reads c
              --> assets.yml:7:27: c reads b
              --> assets.yml:6:27: b reads a
              hint: remove one of these upstreams; an asset cannot be made from itself
            """,
    ),
    "two assets that write one file": (
        {
            "assets.yml": manifest("""
                - {name: a, command: {shell: "echo 1"}, output: {path: out.csv}}
                - {name: b, command: {shell: "echo 1"}, output: {path: ./out.csv}}
                """)
        },
        """
            error[A0205]: asset 'b': writes './out.csv', which asset 'a' writes too
              --> assets.yml:6:58
             6 |   - {name: b, command: {shell: "echo 1"}, output: {path: ./out.csv}}
               |                                                          ^^^^^^^^^
              --> assets.yml:5:58: asset 'a' writes it here
              hint: give each asset an output of its own
            """,
    ),
    "two assets that write one table": (
        {
            "assets.yml": manifest(
                """
                - {name: a, command: {sql: "select 1 as x"}, output: {table: t}}
                - {name: b, command: {sql: "select 1 as x"}, output: {table: main.T}}
                """,
                DUCKDB,
            )
        },
        """
            error[A0205]: asset 'b': writes table 'main.T', which asset 'a' writes too
              --> assets.yml:8:64
             8 |   - {name: b, command: {sql: "select 1 as x"}, output: {table: main.T}}
               |                                                                ^^^^^^
              --> assets.yml:7:64: asset 'a' writes it here
              hint: give each asset an output of its own
            """,
    ),
    "two commands in one asset": (
        {"assets.yml": manifest('- {name: a, command: {shell: "echo 1", sql: "select 1 as x"}, output: {path: o}}')},
        """
            error[A0128]: asset 'a': two kinds of command: shell and sql
              --> assets.yml:5:24
             5 |   - {name: a, command: {shell: "echo 1", sql: "select 1 as x"}, output: {…
               |                        ^
              hint: keep one, or make two assets of it
            """,
    ),
    "an unknown connection type": (
        {
            "assets.yml": manifest(
                '- {name: a, command: {sql: "select 1 as x"}, output: {table: t}}',
                "connections:\n  w: {type: duckbd, path: w.duckdb}\n",
            )
        },
        """
            error[A0216]: connection 'w': unknown type 'duckbd'
              --> assets.yml:5:13
             5 |   w: {type: duckbd, path: w.duckdb}
               |             ^^^^^^
              hint: did you mean 'duckdb'?
            """,
    ),
    "a connection type of nobody's": (
        {
            "assets.yml": manifest(
                "- {name: a, command: {shell: make}, output: {path: o}}",
                "connections:\n  w: {type: vertica, url: vertica://db}\n",
            )
        },
        """
            error[A0216]: connection 'w': unknown type 'vertica'
              --> assets.yml:5:13
             5 |   w: {type: vertica, url: vertica://db}
               |             ^^^^^^^
              hint: known types: duckdb, sqlite, postgres, sqlalchemy; sqlalchemy reaches
                    what has a dialect of it: {type: sqlalchemy, url: "vertica://…"}
            """,
    ),
    "a SQL file that is not there": (
        {
            "assets.yml": manifest("- {name: a, command: {sql: sql/orders.sql}, output: {table: t}}", DUCKDB),
            "sql/order.sql": "select 1 as x",
        },
        """
            error[A0301]: the SQL file sql/orders.sql does not exist
              --> assets.yml:7:30
             7 |   - {name: a, command: {sql: sql/orders.sql}, output: {table: t}}
               |                              ^^^^^^^^^^^^^^
              hint: did you mean sql/order.sql?
            """,
    ),
    "a SQL file that is not UTF-8": (
        {
            "assets.yml": manifest("- {name: a, command: {sql: q.sql}, output: {table: t}}", DUCKDB),
            "q.sql": b"select '\xff' as x",
        },
        """
            error[A0302]: q.sql is not UTF-8
              --> assets.yml:7:30
             7 |   - {name: a, command: {sql: q.sql}, output: {table: t}}
               |                              ^^^^^
              hint: save it as UTF-8
            """,
    ),
    "an entrypoint without its module": (
        {
            "assets.yml": manifest("- {name: a, command: {python: 'feature:build'}, output: {path: o}}"),
            "features.py": "def build(): pass\n",
        },
        """
            error[A0304]: there is no module feature
              --> assets.yml:5:33
             5 |   - {name: a, command: {python: 'feature:build'}, output: {path: o}}
               |                                 ^^^^^^^^^^^^^^^
              hint: did you mean features?
            """,
    ),
    "an entrypoint without its function": (
        {
            "assets.yml": manifest("- {name: a, command: {python: 'features:build'}, output: {path: o}}"),
            "features.py": "def biuld(): pass\n",
        },
        """
            error[A0305]: features.py has no function build
              --> assets.yml:5:33
             5 |   - {name: a, command: {python: 'features:build'}, output: {path: o}}
               |                                 ^^^^^^^^^^^^^^^^
              hint: did you mean biuld?
            """,
    ),
    "a path out of the project": (
        {"assets.yml": manifest("- {name: a, command: {shell: make}, output: {path: ../out.txt}}")},
        """
            error[A0137]: asset 'a': output.path '../out.txt' leaves the project by '..'
              --> assets.yml:5:54
             5 |   - {name: a, command: {shell: make}, output: {path: ../out.txt}}
               |                                                      ^^^^^^^^^^
              hint: write a path inside the project, or an absolute one
            """,
    ),
    "an alias bomb": (
        {
            "assets.yml": HEAD
            + "vars:\n  a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
            + "".join(f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10))
        },
        """
            error[A0116]: the aliases of this file stand for more than can be read
              --> assets.yml:1:1
             1 | version: 1
               | ^^^^^^^
              hint: write the values where they are used, or use `defaults`
            """,
    ),
    "a scalar of 50 MB": (
        {"assets.yml": manifest(f'- {{name: a, command: {{shell: "{"x" * 50_000_000}"}}}}')},
        """
            error[A0118]: asset 'a': this value is 47.7 MiB long, and at most 1 MiB is read
              --> assets.yml:5:32
             5 | …me: a, command: {shell: "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
               |                          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
              hint: keep it in a file of its own and name that file
            """,
    ),
    "bytes that are no UTF-8": (
        {"assets.yml": manifest("- {name: caf\u00e9, command: {shell: make}}").encode("latin-1")},
        """
            error[A0105]: byte 0xe9 is not valid UTF-8
              --> assets.yml:5:15
             5 |   - {name: caf�, command: {shell: make}}
               |               ^
              hint: save the file as UTF-8
            """,
    ),
    "UTF-16": (
        {"assets.yml": manifest("- {name: a, command: {shell: make}}").encode("utf-16")},
        """
            error[A0105]: byte 0xff is not valid UTF-8
              --> assets.yml:1:1
             1 | ��version: 1
               | ^^^^^^^^^
              hint: the file looks like UTF-16; save the file as UTF-8
            """,
    ),
    "a control character": (
        {"assets.yml": manifest("- {name: a\0, command: {shell: make}}")},
        r"""
            error[A0106]: control character U+0000 cannot stand in a manifest
              --> assets.yml:5:13
             5 |   - {name: a, command: {shell: make}}
               |             ^
              hint: remove it, or write it as an escape between double quotes: "\t"
            """,
    ),
    "a mistake far in a long line": (
        {"assets.yml": manifest(f"- {{name: a, description: {'word ' * 60}, comand: {{shell: make}}}}")},
        """
            error[A0102]: asset 'a': unknown key 'comand'
              --> assets.yml:5:330
             5 | …d word word word word , comand: {shell: make}}
               |                          ^^^^^^
              hint: did you mean 'command'?
            """,
    ),
    "wrong types": (
        {
            "assets.yml": manifest("""
                - name: a
                  command: {shell: make}
                  upstreams: b
                """)
        },
        """
            error[A0122]: asset 'a': upstreams: expected a list of names, found text
              --> assets.yml:7:16
             7 |     upstreams: b
               |                ^
              hint: write [b]
            """,
    ),
}


@pytest.mark.parametrize(("files", "told"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_broken_project_is_told_whole_and_nothing_is_written(
    tmp_path: Path, files: dict[str, str | bytes], told: str
) -> None:
    """What is wrong, where, the line with the place marked, what to do; the same words from either command."""
    write(tmp_path, files)

    refused(tmp_path, dedent(told).removeprefix("\n"))


def test_no_manifest(tmp_path: Path) -> None:
    """Neither here nor above: how to begin, and where else it may lie."""
    told = (
        f"error[A0101]: no assets.yml in '{tmp_path}' or in a folder above it\n"
        "  hint: run `assets init` to write one, or name the project's folder with -C\n"
    )
    for command in ("validate", "plan", "materialize", "list"):
        assert words(tmp_path, command, COLUMNS=WIDE) == ("", told, 2)
    assert list(tmp_path.iterdir()) == []


def test_a_manifest_without_assets_is_no_error(tmp_path: Path) -> None:
    """It is how a project begins."""
    write(tmp_path, {"assets.yml": HEAD})

    assert words(tmp_path, "validate") == ("ok: 0 assets in 1 file, nothing wrong\n", "", 0)
    assert words(tmp_path, "materialize") == ("", "Nothing to do: the project has no assets yet.\n", 0)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (Path.mkdir, "it is a folder"),
        (os.mkfifo, "it is not a regular file"),
        (lambda path: path.symlink_to("gone.yml"), "no such file or directory"),
    ],
    ids=["a folder", "a pipe", "a broken link"],
)
def test_a_manifest_that_is_no_file(tmp_path: Path, make: Callable[[Path], None], reason: str) -> None:
    """Nobody waits for a pipe."""
    make(tmp_path / "assets.yml")

    told = f"error[A0103]: cannot read 'assets.yml': {reason}\n  hint: check that it is a file that you may read\n"
    refused(tmp_path, told, files=0)


def test_two_manifests(tmp_path: Path) -> None:
    """Which of the two was meant is not ours to guess."""
    write(tmp_path, {"assets.yml": HEAD, "assets.yaml": HEAD})

    told = f"error[A0104]: folder '{tmp_path}' holds both assets.yml and assets.yaml\n  hint: keep one of the two\n"
    assert words(tmp_path, "plan", COLUMNS=WIDE) == ("", told, 2)


def test_a_manifest_in_a_parent_folder(tmp_path: Path) -> None:
    """It is found from below, and places are told as seen from there; its paths are the project's."""
    write(tmp_path, {"assets.yml": manifest("- {name: a, comand: {shell: make}}"), "sub/deep/x": ""})
    told = """\
error[A0102]: asset 'a': unknown key 'comand'
  --> ../../assets.yml:5:15
 5 |   - {name: a, comand: {shell: make}}
   |               ^^^^^^
  hint: did you mean 'command'?
"""
    assert words(tmp_path / "sub" / "deep", "plan") == ("", told, 2)

    write(tmp_path, {"assets.yml": manifest(ONE)})
    assert words(tmp_path / "sub" / "deep", "materialize").code == 0
    assert (tmp_path / "a.txt").read_text() == "1\n"


def test_a_symlink_out_of_the_project(tmp_path: Path) -> None:
    """`data/out.txt` looks harmless, but `data` lies elsewhere. An absolute path that the user wrote is allowed."""
    (tmp_path / "elsewhere").mkdir()
    project = tmp_path / "project"
    write(project, {"assets.yml": manifest("- {name: a, command: {shell: echo}, output: {path: data/out.txt}}")})
    (project / "data").symlink_to(tmp_path / "elsewhere")
    refused(
        project,
        """\
error[A0137]: asset 'a': output.path 'data/out.txt' leaves the project by a
  symlink
  --> assets.yml:5:54
 5 |   - {name: a, command: {shell: echo}, output: {path: data/out.txt}}
   |                                                      ^^^^^^^^^^^^
  hint: write a path inside the project, or an absolute one
""",
    )

    absolute = tmp_path / "elsewhere" / "out.txt"
    write(project, {"assets.yml": manifest(f"- {{name: a, command: {{shell: echo}}, output: {{path: '{absolute}'}}}}")})
    assert words(project, "validate").code == 0


def test_all_mistakes_of_all_files_come_at_once(tmp_path: Path) -> None:
    """In the order of files and lines, counted at the end."""
    write(
        tmp_path,
        {
            "assets.yml": manifest("- {name: a, upstreams: [c], command: {shell: make}}", "include: [more.yml]\n"),
            "more.yml": "assets:\n  - {name: b, comand: {shell: make}}\n  - {name: a}\n",
        },
    )

    assert words(tmp_path, "plan") == (
        "",
        """\
error[A0202]: asset 'a': unknown upstream 'c'
  --> assets.yml:6:27
 6 |   - {name: a, upstreams: [c], command: {shell: make}}
   |                           ^
  hint: declare an asset with this name; one without a command is external

error[A0102]: asset 'b': unknown key 'comand'
  --> more.yml:2:15
 2 |   - {name: b, comand: {shell: make}}
   |               ^^^^^^
  hint: did you mean 'command'?

error[A0201]: asset 'a': this name is taken
  --> more.yml:3:12
 3 |   - {name: a}
   |            ^
  --> assets.yml:6:12: first defined here
  hint: give one of the two another name

3 errors in 2 files
""",
        2,
    )


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("plan ordres", "error[A0402]: no asset is named 'ordres'\n  hint: did you mean 'orders'?\n"),
        ("materialize xyz", "error[A0402]: no asset is named 'xyz'\n  hint: assets list shows all assets\n"),
        ("materialize tag:nope", "error[A0402]: no asset has tag 'nope'\n  hint: assets list shows all assets\n"),
        ("plan raw/*", "error[A0402]: no asset's name matches 'raw/*'\n  hint: assets list shows all assets\n"),
        ("why ordres", "error[A0402]: no asset is named 'ordres'\n  hint: did you mean 'orders'?\n"),
        (
            "materialize --jobs 0",
            "error[A0815]: --jobs 0: not a number from 1 to 1000000\n  hint: leave --jobs out to use every processor\n",
        ),
        (
            "--var currency=EUR plan",
            "error[A0134]: variable 'currency' is not declared\n  hint: declare it under `vars` in the manifest\n",
        ),
        (
            "--env prod plan",
            "error[A0135]: unknown environment 'prod'\n  hint: declare it under `environments`\n",
        ),
        ("-C nowhere plan", "error[A0815]: -C nowhere: does not exist\n  hint: -C names the directory to start from\n"),
        ("runs 2020", "error[A0507]: no run is on record\n  hint: start one with `assets materialize`\n"),
        ("logs latest", "error[A0507]: no run is on record\n  hint: start one with `assets materialize`\n"),
    ],
)
def test_what_is_asked_for_must_exist(tmp_path: Path, command: str, told: str) -> None:
    """A name that names nothing is an error with the nearest one, never an empty success."""
    write(tmp_path, {"assets.yml": manifest('- {name: orders, command: {shell: "echo 1"}}')})

    assert words(tmp_path, *command.split()) == ("", told, 2)


def test_an_unset_variable_fails_the_step_that_uses_it(tmp_path: Path) -> None:
    """A warning before; when it runs, that step fails and no other."""
    write(
        tmp_path,
        {
            "assets.yml": manifest("""
                - {name: a, command: {shell: "echo ${env.NO_SUCH_NAME}"}}
                - {name: b, command: {shell: "echo 1"}}
                """)
        },
    )
    warning = """\
warning[A0311]: the environment variable NO_SUCH_NAME is not set, a uses it
  --> assets.yml:5:38
 5 |   - {name: a, command: {shell: "echo ${env.NO_SUCH_NAME}"}}
   |                                      ^^^^^^^^^^^^^^^^^^^
  hint: set NO_SUCH_NAME, put it into .env, or give it a default:
        ${env.NO_SUCH_NAME:-…}

1 warning in 1 file
"""
    assert words(tmp_path, "validate") == (warning, "", 0)
    assert words(tmp_path, "validate", "--strict") == (warning, "", 2)

    ran = words(tmp_path, "materialize", "--jobs", "1", COLUMNS="120")

    assert (ran.out, ran.code) == ("", 1)
    told = r"a  failed after \d+ ms: the environment variable NO_SUCH_NAME is not set, command\.shell uses it\n"
    assert re.search(told, ran.err), ran.err
    assert words(tmp_path, "plan", "b").out.endswith("Nothing to do: b is up to date.\n")
    assert words(tmp_path, "materialize", NO_SUCH_NAME="x").code == 0


def test_a_connection_that_nobody_uses_may_have_unset_variables(tmp_path: Path) -> None:
    """Not every machine that runs one half of a project has the credentials of the other."""
    write(
        tmp_path,
        {
            "assets.yml": manifest(
                """
                - {name: a, command: {sql: "select 1 as x"}, output: {table: t}}
                - {name: b, command: {python: "f:quiet"}, output: {path: b.txt}}
                - {name: c, command: {python: "f:curious"}, output: {path: c.txt}}
                """,
                DUCKDB + "  other: {type: duckdb, path: '${env.NO_SUCH_NAME}'}\ndefault_connection: w\n",
            ),
            "f.py": (
                "def quiet(context):\n    open(context.output, 'w').write('1')\n"
                "def curious(context):\n    context.connection('other')\n"
            ),
        },
    )

    assert words(tmp_path, "materialize", "a", "b").code == 0
    ran = words(tmp_path, "materialize", "c", COLUMNS="120")
    assert ran.code == 1
    assert "c  failed" in ran.err
    assert ": the environment variable NO_SUCH_NAME is not set, connection other uses it\n" in ran.err


# -- the state file ----------------------------------------------------------------------------------------------------


class History(NamedTuple):
    """A project with one run on record."""

    root: Path
    file: Path
    runs: Said

    def bytes(self) -> dict[str, bytes]:
        """All that lies in the state's folder under its name."""
        return {path.name: path.read_bytes() for path in self.file.parent.glob("state.db*")}


@pytest.fixture
def history(tmp_path: Path) -> History:
    """A project with one run on record."""
    write(tmp_path, {"assets.yml": manifest(ONE)})
    assert words(tmp_path, "materialize").code == 0
    runs = words(tmp_path, "runs", "--json")
    assert runs.out.count('"succeeded"') > 0
    return History(tmp_path, tmp_path / ".assets" / "state.db", runs)


def unusable(history: History, told: str) -> None:
    """Every command that needs the state says the same, and none changes a byte of it."""
    before = history.bytes()
    for command in ("plan", "materialize", "list", "runs", "why a", "state mark a"):
        assert words(history.root, *command.split(), COLUMNS=WIDE) == ("", told, 2), command
    assert history.bytes() == before
    assert words(history.root, "validate").code == 0


def test_a_newer_state(history: History) -> None:
    """Refused and not touched: whoever upgrades reads it as it was."""
    with sqlite3.connect(history.file) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        connection.execute("PRAGMA user_version = 99")
    connection.close()

    unusable(
        history,
        f"error[A0501]: state file {history.file} was written by a newer version of assets"
        f" (schema 99; this one knows {version})\n"
        "  hint: upgrade with `pip install --upgrade assets-cli`, or name another file with --state\n",
    )

    with sqlite3.connect(history.file) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    assert words(history.root, "runs", "--json") == history.runs


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda whole: b"no database at all\n" * 500, "file is not a database"),
        (lambda whole: whole[:100] + b"\x7f" * 8_000 + whole[8_100:], "database disk image is malformed"),
        (lambda whole: whole[:5_000], "database disk image is malformed"),
    ],
    ids=["overwritten", "scribbled over", "cut off"],
)
def test_a_corrupt_state(history: History, damage: Callable[[bytes], bytes], reason: str) -> None:
    """What is left of it stays as it is, for whoever can repair it; a backup in its place is all that it takes."""
    whole = history.file.read_bytes()
    history.file.write_bytes(damage(whole))

    unusable(
        history,
        f"error[A0502]: state file {history.file} is damaged: {reason}\n"
        "  hint: nothing was changed; restore it from a backup, or start another history with --state FILE\n",
    )

    history.file.write_bytes(whole)
    assert words(history.root, "runs", "--json") == history.runs


def test_a_database_of_another_program(history: History) -> None:
    """Somebody's data are not our history, however good a database they are in."""
    other = history.root / "theirs.db"
    connection = sqlite3.connect(other)
    with connection:
        connection.execute("CREATE TABLE theirs (x)")
        connection.execute("INSERT INTO theirs VALUES (7)")
    connection.close()
    before = other.read_bytes()
    told = (
        f"error[A0503]: {other} is a SQLite database, but not a state file of assets\n"
        "  hint: nothing was changed; name the state file with --state FILE or `state:` in the manifest\n"
    )

    for command in ("plan", "materialize", "runs"):
        assert words(history.root, "--state", "theirs.db", command, COLUMNS=WIDE) == ("", told, 2)

    assert other.read_bytes() == before
    assert words(history.root, "runs", "--json") == history.runs


def test_a_folder_in_place_of_the_state(tmp_path: Path) -> None:
    """Nothing in it is touched."""
    write(tmp_path, {"assets.yml": manifest(ONE), "state/precious.txt": "x"})
    told = (
        f"error[A0505]: state file {tmp_path / 'state'} cannot be used: Is a directory\n"
        "  hint: check the permissions of the file and its folder, or name another file with --state\n"
    )

    for command in ("plan", "materialize"):
        assert words(tmp_path, "--state", "state", command, COLUMNS=WIDE) == ("", told, 2)
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["precious.txt"]


IMPATIENT = """if True:
    import sys
    from assets_cli.__main__ import main
    from assets_cli.state import record
    assert record.open_recorder.__kwdefaults__["timeout"] == 30, "half a minute, as documented"
    record.open_recorder.__kwdefaults__["timeout"] = 0.2
    sys.argv = ["assets", "materialize", "--force"]
    main()
    """


def test_a_locked_state(history: History) -> None:
    """Another program that writes for longer than we wait: questions are answered, deeds are refused."""
    connection = sqlite3.connect(history.file, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    try:
        told = (
            f"error[A0504]: state file {history.file} is kept locked by another program (waited 0.2 s)\n"
            "  hint: close the program that has it open (a database browser, a backup) and run the command again\n"
        )
        assert process(history.root, "-c", IMPATIENT, COLUMNS=WIDE) == ("", told, 2)
        assert words(history.root, "plan").out.endswith("Nothing to do: the only asset is up to date.\n")
        assert words(history.root, "runs", "--json") == history.runs
    finally:
        connection.execute("ROLLBACK")
        connection.close()

    assert words(history.root, "runs", "--json") == history.runs
    assert words(history.root, "materialize", "--force").code == 0


# Its Python may lie where only root may go: everything is imported before it becomes somebody else.
AS_NOBODY = """if True:
    import contextlib, importlib, io, os, pkgutil, shlex, sys, traceback
    import assets_cli
    from assets_cli.__main__ import main
    for each in pkgutil.walk_packages(assets_cli.__path__, "assets_cli."):
        importlib.import_module(each.name)
    root, *arguments = sys.argv[1:]
    for call in (["-C", root, "plan"], ["-C", root, "materialize"]):
        sys.argv = ["assets", *call]
        with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
            main()
    os.setgid(65534), os.setuid(65534)
    sys.argv = ["assets", *arguments]
    main()
    """


def as_nobody(root: Path, *command: str) -> Said:
    """Call `assets` as a user who owns nothing of the project: root would ignore every mode."""
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    for folder in [root, *root.parents][:-2]:
        folder.chmod(0o755)
    said = process(root, "-c", AS_NOBODY, str(root), *command, COLUMNS=WIDE)
    quiet = "Nothing to do: the only asset is up to date.\n"  # what the first calls say, as root
    return said._replace(err=said.err.removeprefix(quiet))


def test_a_read_only_state(history: History) -> None:
    """It answers every question, and refuses deeds in a folder that is somebody else's."""
    before = history.bytes()

    assert as_nobody(history.root, "plan").out.endswith("Nothing to do: the only asset is up to date.\n")
    assert as_nobody(history.root, "runs", "--json") == history.runs
    refusal = as_nobody(history.root, "materialize", "--force")

    assert refusal == (
        "",
        (
            f"error[A0506]: state file {history.file} cannot be written: attempt to write a readonly database\n"
            "  hint: free space on its disk, check the permissions of the file and its folder, or use --state FILE\n"
        ),
        2,
    )
    assert history.bytes() == before
    assert words(history.root, "runs", "--json") == history.runs


def test_a_state_that_may_not_be_read(history: History) -> None:
    """Whose history is secret says so by a mode."""
    before = history.bytes()
    history.file.chmod(0o600)

    told = (
        f"error[A0505]: state file {history.file} cannot be used: unable to open database file\n"
        "  hint: check the permissions of the file and its folder, or name another file with --state\n"
    )
    assert as_nobody(history.root, "plan") == ("", told, 2)
    assert history.bytes() == before


def test_a_manifest_that_may_not_be_read(history: History) -> None:
    """Permission is a reason like any other."""
    (history.root / "assets.yml").chmod(0o600)

    told = (
        "error[A0103]: cannot read 'assets.yml': permission denied\n  hint: check that it is a file that you may read\n"
    )
    assert as_nobody(history.root, "plan") == ("", told, 2)


# -- where and how it is called ----------------------------------------------------------------------------------------


def test_an_unset_variable_leaves_no_log_to_be_pointed_at(tmp_path: Path) -> None:
    """What could not even start wrote nothing, and nobody is sent to look for it."""
    write(tmp_path, {"assets.yml": manifest('- {name: a, command: {shell: "echo ${env.NO_SUCH_NAME}"}}')})

    assert "log" not in words(tmp_path, "materialize").err


def test_a_log_without_a_word(history: History) -> None:
    """Silence is told on stderr; stdout is nothing but the log."""
    title = "── a, attempt 1, succeeded, wrote nothing "
    assert words(history.root, "logs", "latest") == ("", title + "─" * (80 - len(title)) + "\n", 0)


def test_a_current_directory_that_was_removed(tmp_path: Path) -> None:
    """A shell may stand in one; another place can still be named."""
    write(tmp_path / "shop", {"assets.yml": manifest(ONE)})
    (tmp_path / "gone").mkdir()
    script = "import os, sys; os.rmdir(os.getcwd()); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    told = (
        "error[A0815]: the current directory does not exist any more\n"
        "  hint: go to one that does, or name the project's folder with -C\n"
    )

    assert process(tmp_path / "gone", "-c", script, "-m", "assets_cli", "plan") == ("", told, 2)

    (tmp_path / "gone").mkdir()
    elsewhere = process(tmp_path / "gone", "-c", script, "-m", "assets_cli", "-C", str(tmp_path / "shop"), "validate")
    assert elsewhere == ("ok: 1 asset in 1 file, nothing wrong\n", "", 0)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams(history: History, closed: str) -> None:
    """A caller may close what it does not want to hear: nothing else is opened in its place and written into."""
    call = f'"{sys.executable}" -m assets_cli materialize --force {closed}'
    done = subprocess.run(["sh", "-c", call], cwd=history.root, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 0, done.stderr
    assert "internal error" not in done.stderr
    assert words(history.root, "runs", "--json").out.count('"succeeded"') > history.runs.out.count('"succeeded"')
    assert words(history.root, "plan").out.endswith("Nothing to do: the only asset is up to date.\n")


def test_the_caret_is_right_without_unicode(tmp_path: Path) -> None:
    """The sign for what is left out is longer there."""
    write(tmp_path, {"assets.yml": manifest(f"- {{name: a, description: {'word ' * 60}, comand: {{shell: make}}}}")})

    assert words(tmp_path, "plan", LC_ALL="C").err == (
        "error[A0102]: asset 'a': unknown key 'comand'\n"
        "  --> assets.yml:5:330\n"
        " 5 | ...d word word word word , comand: {shell: make}}\n"
        "   |                            ^^^^^^\n"
        "  hint: did you mean 'command'?\n"
    )


def test_a_second_interrupt_waits_for_nobody(tmp_path: Path) -> None:
    """The first says how to go on; a command that will not listen is killed by the second."""
    write(
        tmp_path,
        {
            "assets.yml": manifest("""
                - name: deaf
                  command: {shell: "trap '' TERM INT; touch started; while :; do sleep 0.05; done"}
                """)
        },
    )
    run = subprocess.Popen(
        [sys.executable, "-m", "assets_cli", "materialize"], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    with run:
        assert run.stderr is not None
        deadline = time.monotonic() + 30
        while not (tmp_path / "started").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        run.send_signal(signal.SIGINT)
        before = ""
        while "interrupt again to end it at once" not in before:
            before += run.stderr.readline()
        asked = time.monotonic()
        run.send_signal(signal.SIGINT)
        after = run.stderr.read()
    assert run.returncode == 130
    assert "[1/1] deaf  cancelled\n" in after
    assert time.monotonic() - asked < 4, "the grace for one interrupt is five seconds"
