"""The real YAML language server completes and checks manifests by our schema, as editors do, and asks no network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.language_server import Diagnostic, serving

from assets_cli.cli.init_project import write_project

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "schemas" / "manifest.schema.json").read_text())
DEFINITIONS = SCHEMA["definitions"]
EXAMPLES = sorted((ROOT / "examples").rglob("assets.yml"))
HEAD = "# yaml-language-server: $schema=./assets.schema.json\nversion: 1\n"


@pytest.fixture(scope="module")
def server():
    """One server for all; at the end nothing has been asked of the network."""
    with serving() as running:
        yield running
        assert running.wanted() == []


@pytest.fixture
def manifest(tmp_path):
    """The manifest of a new project: where it is, and the schema that `assets init` puts beside it."""
    write_project(tmp_path)
    return tmp_path / "assets.yml"


def said(server, path, text):
    """What is underlined where, and why; the file starts with two lines of its own."""
    return server.diagnose(path, HEAD + text)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_an_example_is_in_order_by_the_schema_that_it_names(server, path):
    """And it is that schema which says so: a key that it does not have is underlined."""
    text = path.read_text()
    assert server.diagnose(path, text) == []
    line = text.count("\n") + 1
    assert server.diagnose(path, f"{text}nosuchkey: 1\n") == [
        Diagnostic("nosuchkey", line, "Property nosuchkey is not allowed.")
    ]


def test_a_new_project_is_in_order_by_the_schema_beside_it(server, manifest):
    """What `assets init` writes is checked at once, without a setting."""
    assert server.diagnose(manifest, manifest.read_text()) == []
    assert said(server, manifest, "nosuchkey: 1\n") == [
        Diagnostic("nosuchkey", 3, "Property nosuchkey is not allowed.")
    ]


def test_an_included_file_is_checked_by_its_own_part_of_the_schema(server, manifest):
    """It needs no version and may hold assets and defaults only."""
    path = manifest.parent / "assets" / "marts.yml"
    head = "# yaml-language-server: $schema=../assets.schema.json#/definitions/included\n"
    assert server.diagnose(path, f"{head}assets:\n  - name: a\n") == []
    assert server.diagnose(path, f"{head}assets: []\nversion: 1\n") == [
        Diagnostic("version", 3, "Property version is not allowed.")
    ]


A = "assets:\n  - name: a\n"
MISTAKES = {
    "a misspelt key": (
        f"{A}    freshnes: {{max_lag: 1h}}\n",
        [Diagnostic("freshnes", 5, "Property freshnes is not allowed.")],
    ),
    "a wrong type": (
        f"{A}    retries: {{max: many}}\n",
        [Diagnostic("many", 5, 'Incorrect type. Expected "integer".')],
    ),
    "a text where a mapping is meant": (
        f"{A}    command: python load.py\n",
        [Diagnostic("python load.py", 5, 'Incorrect type. Expected "Command".')],
    ),
    "a missing key": (
        "assets:\n  - description: nobody knows\n",
        [Diagnostic("d", 4, 'Missing property "name".')],
    ),
    "a value that is none of those allowed": (
        f"{A}    output: {{table: a, materialization: vew}}\n",
        [
            Diagnostic(
                "vew", 5, 'Value is not accepted. Valid values: "table", "view", "append", "incremental", "script".'
            )
        ],
    ),
    "a duration": (
        f"{A}    timeout: 5 minutes\n",
        [
            Diagnostic(
                "5 minutes",
                5,
                "Not a duration: write whole numbers with units, such as 90s, 15m, 6h, 7d or 1h30m.",
            )
        ],
    ),
    "a name": (
        "assets:\n  - name: a b\n",
        [
            Diagnostic(
                "a b",
                4,
                "Not an asset name: write letters, digits, _ - . and /, not first or last a /.",
            )
        ],
    ),
    "a function": (
        f"{A}    command: {{python: load.py}}\n",
        [Diagnostic("load.py", 5, "Not a Python function: write module:function.")],
    ),
    "a command of no kind": (
        f"{A}    command: {{}}\n",
        [Diagnostic("command", 5, "What the command is: write exactly one of shell, sql and python.")],
    ),
    "a command of two kinds": (
        f"{A}    command: {{shell: x, sql: y}}\n",
        [Diagnostic("{", 5, "Matches multiple schemas when only one must validate.")],
    ),
    "a check of no kind": (
        f"{A}    checks: [{{name: x}}]\n",
        [Diagnostic("{", 5, "What to check: write exactly one kind, such as not_null, row_count or sql.")],
    ),
    "no way to observe": (
        f"{A}    observe: {{connection: w}}\n",
        [Diagnostic("observe", 5, "How to observe it: write exactly one of path, sql, http and shell.")],
    ),
    "a connection without its file": (
        "connections:\n  w: {type: duckdb}\n",
        [Diagnostic("w", 4, 'Missing property "path".')],
    ),
    "a connection without a type": (
        "connections:\n  w: {path: x}\n",
        [Diagnostic("w", 4, 'Missing property "type".')],
    ),
    "an option of another type of connection": (
        "connections:\n  w: {type: duckdb, path: x, url: y}\n",
        [Diagnostic("url", 4, "Property url is not allowed.")],
    ),
}


@pytest.mark.parametrize(("text", "expected"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_underlined_where_it_is(server, manifest, text, expected):
    """One message for one mistake, at the word that is wrong."""
    assert said(server, manifest, text) == expected


def offered(server, path, text):
    """The labels of what is offered."""
    return [each.label for each in server.complete(path, HEAD + text)]


KEYS = {
    "of the file": ("¦", SCHEMA, {"version"}),
    "of an asset": (f"{A}    ¦", DEFINITIONS["asset"], {"name"}),
    "of an asset, some letters typed": (f"{A}    fre¦", DEFINITIONS["asset"], {"name"}),
    "of a command": (f"{A}    command:\n      ¦", DEFINITIONS["command"], set()),
    "of an output": (f"{A}    output:\n      ¦", DEFINITIONS["output"], set()),
    "of an observe": (f"{A}    observe:\n      ¦", DEFINITIONS["observe"], set()),
    "of a check": (f"{A}    checks:\n      - ¦", DEFINITIONS["check"], set()),
    "of retries": (f"{A}    retries:\n      ¦", DEFINITIONS["retries"], set()),
    "of an environment": ("environments:\n  prod:\n    ¦", DEFINITIONS["environment"], set()),
}


@pytest.mark.parametrize(("text", "node", "there"), KEYS.values(), ids=KEYS)
def test_keys_are_offered_with_what_they_mean(server, manifest, text, node, there):
    """All that may stand there and does not yet, each with its description."""
    found = [each for each in server.complete(manifest, HEAD + text) if each.label != node.get("title")]
    assert [each.label for each in found] == sorted(set(node["properties"]) - there)
    for each in found:
        assert node["properties"][each.label]["description"] == each.documentation


VALUES = {
    f"{A}    output:\n      table: a\n      materialization: ¦": ["append", "incremental", "script", "table", "view"],
    f"{A}    output: {{table: a, materialization: ¦}}": ["append", "incremental", "script", "table", "view"],
    f"{A}    output:\n      path: a\n      atomic: ¦": ["false", "true"],
    f"{A}    retries:\n      backoff: ¦": ["constant", "exponential"],
    f"{A}    checks:\n      - unique: [a]\n        severity: ¦": ["error", "warn"],
    f"{A}    freshness:\n      max_lag: ¦": ["24h", "6h"],
    "connections:\n  w:\n    type: ¦": ["duckdb", "postgres", "sqlalchemy", "sqlite"],
}


@pytest.mark.parametrize(("text", "expected"), VALUES.items())
def test_values_are_offered(server, manifest, text, expected):
    """Those that are allowed, or examples where any is."""
    assert offered(server, manifest, text) == expected


@pytest.mark.parametrize("key", ["output", "retries", "assets", "defaults"])
def test_a_key_is_not_filled_with_what_holds_anyway(server, manifest, key):
    """No `atomic: false` comes with an output: what is written is what was meant."""
    text = "¦" if key in ("assets", "defaults") else f"{A}    ¦"
    [inserted] = [each.inserted for each in server.complete(manifest, HEAD + text) if each.label == key]
    assert "false" not in inserted
    assert "0" not in inserted


def test_a_description_is_shown_of_the_word_under_the_pointer(server, manifest):
    """Title, description and example."""
    shown = server.hover(manifest, f"{HEAD}{A}    fresh¦ness: {{max_lag: 1h}}\n")
    assert shown.startswith("#### Freshness policy\n\nThe promise about the age of the data")
    assert "max_lag: 24h" in shown


def test_the_server_has_no_network(manifest):
    """What would be fetched from elsewhere is refused, so that an empty list of wishes means something."""
    text = "# yaml-language-server: $schema=https://schemas.example.com/x.json\nversion: 1\n"
    with serving() as other:
        other.diagnose(manifest, text)
        assert other.wanted() != []
