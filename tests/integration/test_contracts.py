"""Contracts through the real command line: columns, their changes, relationships, what is usual, what nobody sees."""

from __future__ import annotations

import json
import sqlite3

import jsonschema
import pytest
from support.place import DUCKDB, Place

from assets_cli.manifest.schemas import schema_text

HEAD = DUCKDB + "default_connection: w\n"


def found(place: Place, *words: str) -> dict[str, tuple[bool, str]]:
    """`check --json`: what each check says, by its name."""
    document = json.loads(place.call("check", "--json", *words).stdout)
    jsonschema.validate(document, json.loads(schema_text("check")))
    return {check["name"]: (check["passed"], check["message"]) for one in document["assets"] for check in one["checks"]}


def shown(place: Place, asset: str) -> dict[str, object]:
    """`show --json`."""
    document: dict[str, object] = json.loads(place.call("show", asset, "--json").stdout)
    jsonschema.validate(document, json.loads(schema_text("show")))
    return document


ORDERS = """
- name: customers
  command: {sql: "select * from (values (1, 'ada@example.org'), (2, 'bob')) t(id, email)"}
  output: {table: customers}
  columns:
    - {name: id, type: int, description: Counted from 1.}
    - {name: email, type: varchar(80), tags: [pii]}
  checks:
    - schema: {}
    - {matches: {column: email, pattern: '^[^@]+@[^@]+$'}}
    - {sql: "select id, email, upper(email) as loud from customers where id = 2"}
- name: orders
  upstreams: [customers]
  command: {sql: "select 10 as id, 1 as customer, now()::timestamp as at_ union all select 11, 3, null"}
  output: {table: orders}
  checks:
    - {relationships: {column: customer, to: customers, field: id}, blocking: true}
    - {max_age: {column: at_, max: 1h}}
    - volume: {history: 2}
    - {name: leak, severity: warn, sql: "select o.id, c.email as mail from orders o, customers c"}
"""


def test_contracts_in_a_run(place):
    """What they find is in the run, and no private value is anywhere."""
    place.assets(ORDERS, HEAD)
    done = place.call("materialize")
    assert done.returncode == 1
    lines = [line.strip() for line in done.stderr.splitlines()]
    first = lines.index("check failed: matches(email): 1 of 2 rows has a value that does not match ^[^@]+@[^@]+$")
    assert lines[first + 1 : first + 6] == [
        "email  id",
        "***    2",
        "check failed: sql: the query returns 1 row",
        "id  email  loud",
        "2   ***    ***",
    ]
    said = "blocking check failed: relationships(customer): 1 of 2 rows has a value that is not in customers.id"
    first = lines.index(said)
    assert lines[first + 1 : first + 3] == ["customer  id  at_", "3         11  null"]
    results = found(place)
    assert results["schema"] == (True, "")
    assert results["volume"] == (True, "no history yet: 0 of 2 materializations")
    passed, message = results["max_age(at_)"]
    assert passed
    assert message.endswith("old; it has no zone and is taken as UTC")
    everything = done.stdout + done.stderr + place.call("runs", "latest").stdout + place.call("show", "orders").stdout
    with sqlite3.connect(place.root / ".assets/state.db") as state:
        everything += "".join(str(row) for row in state.execute("select * from check_results"))
    for log in place.root.rglob("*.log"):
        everything += log.read_text()
    assert "bob" not in everything.lower()
    assert "ada@" not in everything


def test_what_is_declared_is_shown(place):
    """On the screen and in JSON."""
    place.assets(ORDERS, HEAD)
    assert (
        "declares     id int: Counted from 1.\n             email varchar(80) [pii]\n"
        in place.call("show", "customers").stdout
    )
    assert shown(place, "customers")["columns"] == [
        {"name": "id", "type": "int", "description": "Counted from 1.", "tags": []},
        {"name": "email", "type": "varchar(80)", "description": "", "tags": ["pii"]},
    ]


def test_a_contract_lists_what_differs(place):
    """Added, removed and retyped columns, in one sentence."""
    place.assets(
        """
        - name: t
          command: {sql: "select 1::bigint as id, 'x' as extra"}
          output: {table: t}
          columns: [{name: id, type: integer}, {name: gone, type: date}, {name: any}]
          checks: [{schema: {}, blocking: true}, {name: loose, schema: {allow_extra: true}}]
        """,
        HEAD,
    )
    done = place.materialize()
    assert done["failed"] == ["t"]
    assert found(place) == {
        "schema": (False, "added extra VARCHAR; removed gone date, any; retyped id integer -> BIGINT"),
        "loose": (False, "removed gone date, any; retyped id integer -> BIGINT"),
    }


@pytest.mark.parametrize(
    ("kind", "first", "second", "change"),
    [
        (
            "duckdb",
            "select 1 as id, 'x' as a, 1 as b",
            "select 1::bigint as id, 'x' as a, date '2024-01-01' as c",
            "added c DATE; removed b INTEGER; retyped id INTEGER -> BIGINT",
        ),
        ("sqlite", "select 1 as id, 'x' as a", "select 1 as id, 'x' as c", "added c; removed a"),
    ],
)
def test_the_change_of_a_schema_is_recorded(place, kind, first, second, change):
    """Since the time before, in the run's line, in `runs RUN` and in `show`; not where nothing changed."""
    head = f"connections: {{w: {{type: {kind}, path: w.{kind}}}}}\ndefault_connection: w\n"

    def write(query: str) -> None:
        place.assets(f'- name: t\n  command: {{sql: "{query}"}}\n  output: {{table: t}}', head)

    write(first)
    assert "schema" not in place.call("materialize").stderr
    write(second)
    line = " ".join(place.call("materialize").stderr.split())
    assert f"(1 row): schema changed: {change}" in line
    assert f"schema changed: {change.split(';')[0]}" in " ".join(place.call("runs", "latest").stdout.split())
    place.materialize("--force")
    assert "schema" not in place.call("runs", "latest").stdout
    assert f": {change}" in " ".join(place.call("show", "t").stdout.split())
    history = shown(place, "t")
    assert "schema_change" not in history["materialization"]["metadata"]


def test_the_change_of_a_schema_is_said_beside_checks_that_failed(place):
    """On the run's line, whether one blocks or not; what the checks found has lines of its own, and is not repeated."""
    for blocking, ended in (("false", "succeeded"), ("true", "failed")):
        for query in ("select 1 as id", "select 1 as id, 2 as more"):
            place.assets(
                f"""
                - name: t
                  command: {{sql: "{query}"}}
                  output: {{table: t}}
                  checks: [{{row_count: {{min: 2}}, blocking: {blocking}}}]
                """,
                HEAD,
            )
            said = place.call("materialize", "--force").stderr
        (line,) = [each for each in said.splitlines() if each.startswith("[1/1]")]
        assert line.startswith(f"[1/1] t  {ended} ")
        assert line.endswith(" (1 row): schema changed: added more INTEGER")
        assert "\n  check failed: row_count" in said or "\n  blocking check failed: row_count" in said


def test_volume_goes_by_the_asset_s_own_history(place):
    """Blocked ones don't count, nor does the one that is looked at alone; a new environment knows nothing."""

    def rows(count: int) -> str:
        place.write("rows.sql", f"select range as n from range({count})")
        return str(place.materialize()["status"])

    place.assets(
        """
        - name: t
          command: {sql: rows.sql}
          output: {table: t}
          checks: [{volume: {history: 3}, blocking: true}]
        """,
        HEAD,
    )
    assert [rows(count) for count in (100, 101, 99)] == ["succeeded"] * 3
    assert found(place) == {"volume": (True, "no history yet: 2 of 3 materializations")}
    assert rows(10) == "failed"
    assert found(place) == {"volume": (False, "10 rows, usually 90 to 110 (by 3 materializations)")}
    assert rows(0) == "failed"
    assert rows(110) == "succeeded"
    assert found(place) == {"volume": (True, "")}
    assert rows(500) == "failed"
    assert found(place) == {"volume": (False, "500 rows, usually 90 to 111 (by 4 materializations)")}


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        (
            "relationships: {column: a, to: file, field: id}",
            "A0163 asset 't': check 'relationships(a)' compares a table of the connection w with 'file', which is a",
        ),
        (
            "relationships: {column: a, to: far}",
            (
                "A0163 asset 't': check 'relationships(a)' compares a table of the connection w with 'far', "
                "which is a table of the connection v"
            ),
        ),
        ("relationships: {column: a, to: fil}", "A0163 asset 't': check 'relationships(a)' names no asset: 'fil'"),
        (
            "relationships: {column: a, to: bare}",
            (
                "A0163 asset 't': check 'relationships(a)' compares a table of the connection w with 'bare', "
                "which is no table and no file"
            ),
        ),
        (
            "schema: {}",
            "A0161 asset 't': check 'schema' has nothing to hold the output to: the asset declares no columns",
        ),
        (
            "matches: {column: a, pattern: 'x(?=y)'}",
            (
                "A0162 asset 't': check 'matches(a)': '(?=' is not known: there are no look-arounds, names or flags "
                "(character 2 of the pattern)"
            ),
        ),
        ("max_age: {column: a, max: 3}", "A0127 asset 't': checks item 1.max_age.max: expected a duration"),
        ("max_age: {column: a}", "A0121 asset 't': key 'max' is missing in"),
        ("volume: {history: 1}", "A0129 asset 't': checks item 1.volume.history: 1 is less than 2"),
        ("volume: {tolerance: -1}", "A0129 asset 't': checks item 1.volume.tolerance: -1 is less than 0"),
        ("schema: {extra: true}", "A0102 asset 't': unknown key 'extra' in schema"),
    ],
)
def test_mistakes_are_found_before_anything_runs(place, check, expected):
    """Each with its code, at its place."""
    place.assets(
        f"""
        - {{name: t, command: {{sql: select 1 as a}}, output: {{table: t}}, checks: [{{{check}}}]}}
        - {{name: file, command: {{shell: "true"}}, output: {{path: f.csv}}}}
        - {{name: far, command: {{sql: select 1 as a}}, output: {{table: t, connection: v}}}}
        - {{name: bare, command: {{shell: "true"}}}}
        """,
        HEAD.replace("  w:", "  v: {type: duckdb, path: v.duckdb}\n  w:"),
    )
    document = json.loads(place.call("validate", "--format", "json").stdout)
    problems = [f"{each['code']} {each['message']}" for each in document["problems"] if each["severity"] == "error"]
    assert len(problems) == 1
    assert problems[0].startswith(expected.removesuffix(" in")), problems


def test_a_column_declared_twice(place):
    """In whatever case."""
    place.assets("- {name: t, columns: [{name: id}, {name: ID}]}")
    assert "column 'ID' is here twice; databases ignore the case of a name" in place.call("validate").stdout
