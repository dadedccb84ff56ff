"""What a command imports: as little as it uses, as a real process in a project that is up to date."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.place import DUCKDB, Place

# Each costs a start milliseconds, some a hundred of them: libraries, parts of Python, parts of ours, each with its own.
_HEAVY = """
    cronsim duckdb jsonschema jsonschema_rs numpy orjson pandas polars psycopg pyarrow pytz rich sqlalchemy sqlglot
    typer typing_extensions yaml zoneinfo

    argparse ast asyncio concurrent.futures decimal dis email gettext http importlib.metadata inspect logging
    multiprocessing platform random secrets shlex shutil socket ssl subprocess tempfile threading traceback
    urllib.request uuid zipfile

    assets_cli.cli.application assets_cli.cli.documents assets_cli.cli.usage assets_cli.graph.selection.parser
    assets_cli.inference assets_cli.manifest.loading assets_cli.manifest.read assets_cli.model.answers
    assets_cli.model.event assets_cli.planning.saved assets_cli.planning.survey assets_cli.probing.findings
    assets_cli.running assets_cli.state.record assets_cli.validation
"""
# What these answer with, and what a selection and a promise are read with, is theirs to import.
OWN = {
    "assets_cli.cli.documents",
    "assets_cli.graph.selection.parser",
    "assets_cli.model.answers",
    "assets_cli.planning.survey",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A shop of every kind of asset, up to date and looked at once."""
    place = Place(tmp_path_factory.mktemp("shop"))
    place.write("crm.csv", "id\n1\n")
    place.write("sql/t.sql", "select 1 as x")
    place.write("steps.py", "def make(context):\n    open(context.output, 'w').write('x')\n")
    place.assets(
        """
        - {name: crm, observe: {path: crm.csv}}
        - {name: raw, command: {shell: 'sh load.sh'}, output: {path: raw.txt}, freshness: {max_lag: 9d}}
        - {name: t, command: {sql: sql/t.sql}, output: {table: t}, checks: [{not_null: [x]}]}
        - {name: p, command: {python: 'steps:make'}, output: {path: p.txt}, upstreams: [raw, crm, t]}
        """,
        DUCKDB,
    )
    place.write("load.sh", "echo raw > raw.txt\n")
    done = place.call("materialize")
    assert done.returncode == 0, done.stderr
    assert place.plan() == {}
    return place


def imported(place: Place, *words: str) -> set[str]:
    """The names of the modules that a call imports."""
    done = place.call(*words, PYTHONPROFILEIMPORTTIME="1", COLUMNS="80")
    assert done.returncode == 0, done.stderr
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}


def heavy(modules: set[str]) -> set[str]:
    """Those of them that are heavy, or part of what is."""
    return {one for one in modules if any(one == each or one.startswith(f"{each}.") for each in _HEAVY.split())}


def test_a_plan_with_nothing_to_do_imports_nothing_heavy(place: Place) -> None:
    """Not even for SQL, Python, checks, promises and an external asset that is looked at."""
    modules = imported(place, "plan")
    assert {"assets_cli.planning.plan", "assets_cli.compiled", "sqlite3"} <= modules
    assert heavy(modules) == set()


@pytest.mark.parametrize(
    "words", ["plan --json", "plan raw --upstream", "lineage t", "lineage t --json", "list", "why p", "impact raw"]
)
def test_questions_import_what_they_answer_with(place: Place, words: str) -> None:
    """Their own answer and its screen, or its document; no library."""
    assert heavy(imported(place, *words.split())) <= OWN


def test_help_and_the_version_need_no_project(place: Place) -> None:
    """Neither reads one."""
    for words in ("--help", "--version", "explain A0102", "schema plan"):
        found = imported(place, *words.split())
        assert heavy(found) <= {"assets_cli.cli.usage"}
        assert not found & {"sqlite3", "assets_cli.project"}


def test_a_run_without_checks_imports_none(tmp_path: Path) -> None:
    """Nor what they stand on, nor what only other systems need."""
    place = Place(tmp_path)
    place.assets('- {name: a, command: {shell: "true"}}')
    modules = imported(place, "materialize")
    assert "assets_cli.running.step" in modules
    assert not {one for one in modules if one.startswith("assets_cli.checks") or one in ("statistics", "tempfile")}
