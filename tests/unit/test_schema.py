from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft7Validator
from jsonschema_rs import Draft7Validator as Quick

from assets_cli.manifest import schema_names, schema_text
from assets_cli.manifest.explain import validator
from assets_cli.manifest.schema import fits, part, schema
from assets_cli.manifest.unsupported import UNSUPPORTED_KEYS
from assets_cli.model.duration import parse


def subschemas(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema inside a schema, with its path; examples and defaults are values, not schemas."""
    if not isinstance(node, dict):
        return
    yield path, node
    for key in ("properties", "definitions"):
        for name, inner in node.get(key, {}).items():
            yield from subschemas(inner, f"{path}/{key}/{name}")
    for key in ("items", "additionalProperties"):
        yield from subschemas(node.get(key), f"{path}/{key}")
    for index, inner in enumerate(node.get("anyOf", ())):
        yield from subschemas(inner, f"{path}/anyOf/{index}")


def test_the_schema_is_valid_draft_7() -> None:
    """Editors can rely on it."""
    Draft7Validator.check_schema(schema())
    assert schema()["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert schema()["$id"] == "https://assets-cli.dev/schemas/manifest.schema.json"


def test_every_key_has_a_title_and_a_description() -> None:
    """They become the reference; one beside a reference is that of what it refers to."""
    definitions = schema()["definitions"]
    for path, node in subschemas(schema()):
        if "$ref" in node:
            target = definitions[node["$ref"].removeprefix("#/definitions/")]
            if "/properties/" in path and path.split("/")[-2] == "properties":
                assert (path, node["title"], node["description"]) == (path, target["title"], target["description"])
        else:
            assert node.get("title"), path
            assert node.get("description"), path


def test_no_mapping_of_ours_takes_unknown_keys() -> None:
    """Every mapping either lists its keys, or says what its values are; of a connection its type says which it has."""
    for path, node in subschemas(schema()):
        if node.get("type") == "object" and not path.endswith("connection"):
            assert (path, node["additionalProperties"] is False) == (path, "properties" in node)


def test_every_example_is_valid() -> None:
    """What the reference shows can be copied."""
    definitions = schema()["definitions"]
    shown = 0
    for path, node in subschemas(schema()):
        for example in node.get("examples", ()):
            shown += 1
            errors = [
                error.message for error in Draft7Validator({**node, "definitions": definitions}).iter_errors(example)
            ]
            assert (path, example, errors) == (path, example, [])
    assert shown > 40


def test_a_later_key_is_not_in_the_schema_yet() -> None:
    """Who brings a key deletes it from the table."""
    places = {
        "": schema(),
        "assets.*": part("asset")["definitions"]["asset"],
        "defaults": schema()["definitions"]["defaults"],
    }
    assert UNSUPPORTED_KEYS.keys() == places.keys()
    for place, keys in UNSUPPORTED_KEYS.items():
        assert keys.isdisjoint(places[place]["properties"])


@pytest.mark.parametrize(
    ("connection", "valid"),
    [
        ({"type": "duckdb", "path": "x"}, True),
        ({"type": "postgres", "url": "${env.PG_URL}"}, True),
        ({"type": "sqlalchemy", "url": "x://"}, True),
        ({"type": "plugged_in", "anything": "goes"}, True),
        ({"type": "duckdb", "url": "x"}, False),
        ({"type": "sqlite", "path": "x", "url": "x"}, False),
        ({"type": "postgres", "path": "x"}, False),
        ({"type": "postgres", "url": "x", "pool": "5"}, False),
        ({"path": "x"}, False),
    ],
)
def test_the_options_of_a_connection(connection: dict[str, str], *, valid: bool) -> None:
    """Built-in types have options of their own; what another takes is its own business."""
    assert fits("connection", connection) is valid


ASSETS: list[Any] = [
    {"name": "a"},
    {"name": "a/b.c-d_e"},
    {"name": ".hidden"},
    {"name": "/a"},
    {"name": "a/"},
    {"name": "a//b"},
    {"name": "a\n"},
    {"name": "-a"},
    {"name": "é"},
    {"name": ""},
    {"name": "a" * 200},
    {"name": "a" * 201},
    {"name": 5},
    {},
    None,
    "a",
    *({"name": "a", "owner": owner} for owner in ("x", "", [], ["x"], ["x", "x"], [""], 5, None, {})),
    *(
        {"name": "a", "timeout": text}
        for text in ("6h", "", "6", "1h30m", "30m1h", "6h\n", " 6h", "٣h", 6, "1d2h3m4s5ms")
    ),
    *({"name": "a", "tags": tags} for tags in ([], ["x"], ["k=v"], ["k="], ["="], ["a b"], ["a\n"], "x", ["k=v=w"])),
    *(
        {"name": "a", "command": command}
        for command in ({}, {"shell": "x"}, {"shell": "x", "sql": "y"}, {"bash": "x"}, "x")
    ),
    *(
        {"name": "a", "command": {"shell": shell}}
        for shell in ("", 5, None, {"run": "x"}, {"with": ["x"]}, {"run": "x", "with": []})
    ),
    *({"name": "a", "command": {"python": text}} for text in ("m:f", "a.b:c", "m", "m:", ":f", "m:f\n", "m.py", "1:f")),
    *({"name": "a", "data_version": value} for value in ("content", "x", {"sql": "q"}, {"sql": ""}, {}, 5, None)),
    *({"name": "a", "retries": {"max": value}} for value in (0, 1, 1.0, 1.5, True, -1, 100, 101, "1")),
    *({"name": "a", "env": env} for env in ({"A": "x"}, {"1A": "x"}, {"A\n": "x"}, {"A": ""}, {"A": 1}, {}, [])),
    *(
        {"name": "a", "output": output}
        for output in ({"path": "x"}, {}, {"materialization": "view"}, {"materialization": "x"})
    ),
    *(
        {"name": "a", "observe": observe}
        for observe in ({"path": "x"}, {"path": ""}, {}, {"path": "x", "shell": "y"}, {"shell": {"run": "x"}}, None)
    ),
    {"name": "a", "metadata": {"a": [1, None, {"b": 1.5}]}},
]


@pytest.mark.parametrize("asset", ASSETS, ids=repr)
def test_both_validators_agree(asset: Any) -> None:
    """The quick one that decides and the one that explains accept the same assets."""
    assert Quick(part("asset")).is_valid(asset) == validator(part("asset")).is_valid(asset)


@pytest.mark.parametrize("text", ["6h", "1d2h3m4s5ms", "90s", "0s"])
def test_what_the_schema_takes_for_a_duration_is_one(text: str) -> None:
    """The pattern and the parser agree."""
    assert Quick(part("asset")).is_valid({"name": "a", "timeout": text})
    assert parse(text) >= 0


def test_schemas_are_found_by_name() -> None:
    """`manifest` is one of them, and an unknown name is a KeyError."""
    assert "manifest" in schema_names()
    assert json.loads(schema_text("manifest")) == schema()
    with pytest.raises(KeyError):
        schema_text("../pyproject")
