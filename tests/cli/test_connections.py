"""`assets connections test`."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import duckdb
from jsonschema import Draft7Validator
from support.place import Place

from assets_cli.manifest import schema_text

HEAD = """
connections:
  warehouse: {type: duckdb, path: data/w.duckdb}
  later: {type: sqlite, path: data/later.db}
  broken: {type: sqlite, path: data/broken.db}
  unset: {type: postgres, url: "${env.NO_SUCH_URL}"}
"""


def project(folder: Path) -> Place:
    """Four connections: one answers, one is not there yet, one is no database, and of one nobody knows where it is."""
    place = Place(folder)
    place.assets("- {name: a, command: {shell: make}, output: {path: o}}", HEAD)
    place.write("data/broken.db", "no database" * 2000)
    with duckdb.connect(folder / "data/w.duckdb") as raw:
        raw.execute("create table t as select 1 as id")
    return place


def test_each_says_what_it_is_or_what_is_wrong(tmp_path: Path) -> None:
    """One line each, the problems below with a hint; exit code 1."""
    done = project(tmp_path).call("connections", "test", COLUMNS="120")
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert lines[0].startswith(f"warehouse  ok  DuckDB {duckdb.__version__} · in ")
    assert lines[0].endswith(" · data/w.duckdb")
    assert lines[1:] == [
        "later      not there yet  data/later.db",
        "broken     failed  data/broken.db",
        "unset      failed  ${env.NO_SUCH_URL}",
    ]
    assert done.stderr.splitlines() == [
        "error[A0621]: connection broken: data/broken.db is not an SQLite database",
        "  hint: check the connection's `path`",
        "",
        "error[A0311]: connection unset: the environment variable NO_SUCH_URL is not set",
        "  hint: connection unset uses it",
    ]


def test_json(tmp_path: Path) -> None:
    """The document has a schema; a chosen connection is tried alone, and exit code 0 says that it answers."""
    place = project(tmp_path)
    sqlite3.connect(tmp_path / "data/later.db").close()
    done = place.call("connections", "test", "later", "--json")
    document = json.loads(done.stdout)
    Draft7Validator(json.loads(schema_text("connections"))).validate(document)
    (one,) = document["connections"]
    assert (done.returncode, one["name"], one["status"]) == (0, "later", "ok")
    assert one["database_version"] == f"SQLite {sqlite3.sqlite_version}"
    whole = json.loads(place.call("connections", "test", "--json").stdout)
    Draft7Validator(json.loads(schema_text("connections"))).validate(whole)
    assert [each["status"] for each in whole["connections"]] == ["ok", "ok", "failed", "failed"]


def test_an_unknown_name(tmp_path: Path) -> None:
    """It is refused with the names that there are."""
    done = project(tmp_path).call("connections", "test", "warehuose")
    assert done.returncode == 2
    assert done.stderr.splitlines()[:2] == [
        "error[A0208]: no connection is named 'warehuose'",
        "  hint: known: warehouse, later, broken, unset",
    ]


def test_nothing_is_made(tmp_path: Path) -> None:
    """A database that is not there yet stays so."""
    place = project(tmp_path)
    place.call("connections", "test")
    assert not (tmp_path / "data/later.db").exists()
    assert not (tmp_path / ".assets/state.db").exists()


def test_a_type_that_a_package_brings(tmp_path: Path) -> None:
    """An entry point of its name is all that it takes; its options are its own business."""
    (tmp_path / "project").mkdir()
    place = Place(tmp_path / "project")
    place.assets(
        '- {name: a, command: {sql: "select 1 as x"}, output: {table: a}}',
        "connections:\n  w: {type: plugged, folder: data}\n",
    )
    said = place.call("validate")
    assert (said.returncode, "error[A0216]: connection 'w': unknown type 'plugged'" in said.stdout) == (2, True)
    package = tmp_path / "package"
    (package / "plugged-1.0.dist-info").mkdir(parents=True)
    (package / "plugged-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1.0\n")
    (package / "plugged-1.0.dist-info/entry_points.txt").write_text("[assets_cli.connections]\nplugged = plugged\n")
    (package / "plugged.py").write_text(
        "from assets_cli.connections import open_database\n"
        "def database(options, root):\n"
        "    return open_database('duckdb', {'path': options['folder'] + '/plugged.duckdb'}, root)\n"
    )
    done = place.materialize(PYTHONPATH=str(package))
    assert done["succeeded"] == ["a"]
    assert place.query("select x from a", "data/plugged.duckdb") == [(1,)]
    assert place.call("connections", "test", PYTHONPATH=str(package)).stdout.startswith("w  ok  DuckDB ")
