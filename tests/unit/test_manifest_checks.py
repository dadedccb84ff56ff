"""`checks` in a manifest: the values, the names that they get, and every mistake at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from assets_cli.manifest import load
from assets_cli.model.manifest import Check

HEAD = "version: 1\nassets:\n- name: x\n  command: {shell: a}\n  output: {path: x.csv}\n  checks:\n"


def problems(root: Path, text: str) -> list[str]:
    """Everything that is wrong with a manifest."""
    (root / "assets.yml").write_text(text)
    found = load(root / "assets.yml").problems
    return [f"{p.place and p.place.line}:{p.place and p.place.column} {p.code} {p.message} | {p.hint}" for p in found]


def test_every_kind(tmp_path: Path) -> None:
    """With the names that they get where none is written."""
    (tmp_path / "assets.yml").write_text(
        HEAD
        + """\
  - {not_null: [a, b]}
  - {unique: [a]}
  - {row_count: {min: 1}, severity: warn}
  - {between: {column: a, max: 2024-01-01}, blocking: true}
  - {accepted_values: {column: k, values: [a, 1, true]}}
  - {sql: " select 1 ", name: q}
  - {sql: checks/a.sql}
  - {python: "m.c:f"}
  - {shell: "exit 0"}
"""
    )
    loaded = load(tmp_path / "assets.yml")
    assert loaded.problems == ()
    assert loaded.manifest is not None
    assert loaded.manifest.assets["x"].checks == (
        Check("not_null(a, b)", "not_null", {"columns": ("a", "b")}),
        Check("unique(a)", "unique", {"columns": ("a",)}),
        Check("row_count", "row_count", {"min": 1}, severity="warn"),
        Check("between(a)", "between", {"column": "a", "max": "2024-01-01"}, blocking=True),
        Check("accepted_values(k)", "accepted_values", {"column": "k", "values": ["a", 1, True]}),
        Check("q", "sql", {"query": "select 1"}),
        Check("sql(checks/a.sql)", "sql", {"path": "checks/a.sql"}),
        Check("python(m.c:f)", "python", {"module": "m.c", "function": "f"}),
        Check("shell", "shell", {"run": "exit 0"}),
    )
    place = loaded.manifest.locate("x", "checks", 3, "between", "max")
    assert (place.line, place.column) == (10, 32)


KINDS = (
    "not_null, unique, accepted_values, row_count, between, schema, relationships, matches, volume, max_age, "
    "sql, python, shell"
)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (
            "not_null: a",
            "7:16 A0122 asset 'x': checks item 1.not_null: expected a list of columns, found text | write [a]",
        ),
        ("unique: []", "7:14 A0126 asset 'x': unique has no value | write a value or remove the key"),
        ("row_count: {}", "7:17 A0126 asset 'x': row_count has no value | write a value or remove the key"),
        (
            "row_count: 5",
            "7:17 A0122 asset 'x': checks item 1.row_count: expected a mapping, found the number 5 | write {min: 5}",
        ),
        ("between: {min: 1}", "7:15 A0121 asset 'x': key 'column' is missing | write `column: …`"),
        ("notnull: [a]", "7:6 A0102 asset 'x': unknown key 'notnull' in checks | did you mean 'not_null'?"),
        ("severity: warn", f"7:5 A0150 asset 'x': the check names no kind | write one of {KINDS}"),
        (
            "unique: [a], not_null: [a]",
            "7:5 A0150 asset 'x': two kinds of check: not_null and unique | make two checks of it",
        ),
        ("sql: ''", "7:11 A0126 asset 'x': sql has no value | write a value or remove the key"),
        ("sql: '  '", "7:11 A0126 asset 'x': checks.sql has no value | write a query"),
        ("shell: ' '", "7:13 A0126 asset 'x': checks.shell has no value | write a command"),
        (
            "python: m",
            (
                "7:14 A0124 asset 'x': checks item 1.python: 'm' is not module:function | "
                "write module:function, such as features.build:customer_features"
            ),
        ),
        (
            "unique: [a], severity: fatal",
            "7:29 A0123 asset 'x': checks item 1.severity: 'fatal' is none of error, warn | write one of error, warn",
        ),
        (
            "unique: [a], severity: warn, blocking: true",
            (
                "7:45 A0152 asset 'x': check 'unique(a)' is blocking, and with severity warn it fails nothing | "
                "remove one of the two"
            ),
        ),
        (
            "row_count: {min: 5, max: 1}",
            "7:23 A0154 asset 'x': check 'row_count': min 5 is above max 1 | exchange the two",
        ),
        (
            "between: {column: a, min: b, max: a}",
            "7:32 A0154 asset 'x': check 'between(a)': min b is above max a | exchange the two",
        ),
        (
            "between: {column: a}",
            "7:15 A0154 asset 'x': check 'between(a)' has neither min nor max | write one of the two",
        ),
        (
            "sql: ../a.sql",
            (
                "7:11 A0137 asset 'x': checks.sql '../a.sql' leaves the project by '..' | "
                "write a path inside the project, or an absolute one"
            ),
        ),
    ],
)
def test_a_mistake(tmp_path: Path, entry: str, expected: str) -> None:
    """At its place, with what to write instead."""
    assert problems(tmp_path, f"{HEAD}  - {{{entry}}}\n") == [expected]


def test_names_are_unique_in_an_asset(tmp_path: Path) -> None:
    """Also those that are made; another asset may have them too."""
    again = "- name: z\n  command: {shell: a}\n  output: {path: z.csv}\n  checks: [{unique: [a]}]\n"
    assert problems(tmp_path, f"{HEAD}  - unique: [a]\n  - {{name: unique(a), row_count: {{min: 1}}}}\n{again}") == [
        "8:12 A0151 asset 'x': check 'unique(a)' is here twice | give one of the two another name"
    ]


def test_a_check_needs_something_to_look_at(tmp_path: Path) -> None:
    """An output; a query of an asset without one needs a connection; functions and commands need nothing."""
    text = "version: 1\nassets:\n- name: x\n  command: {shell: a}\n  checks:\n"
    assert problems(tmp_path, f"{text}  - unique: [a]\n  - sql: select 1\n  - shell: a\n  - python: 'm:f'\n") == [
        (
            "6:13 A0153 asset 'x': check 'unique(a)' has nothing to look at: the asset declares no path or table | "
            "declare an output, or write a check of kind sql, python or shell"
        ),
        (
            "7:10 A0209 asset 'x': a check of kind sql needs a connection, and none is declared | "
            "declare one: `connections: {warehouse: {type: duckdb, path: data/warehouse.duckdb}}`"
        ),
    ]


def test_an_external_asset_cannot_be_blocked(tmp_path: Path) -> None:
    """A warning: the check itself is fine."""
    text = "version: 1\nassets:\n- name: x\n  output: {path: x.csv}\n  checks:\n  - {unique: [a], blocking: true}\n"
    assert problems(tmp_path, text) == [
        "6:29 A0152 asset 'x': check 'unique(a)' cannot block: others produce this asset | remove blocking"
    ]
