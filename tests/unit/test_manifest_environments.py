from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from assets_cli.manifest import Loaded, load
from assets_cli.manifest.audit import audit
from assets_cli.model.manifest import Connection, Retries

Load = Callable[..., Loaded]

MANIFEST = """\
version: 1
vars: {folder: data, deep: {a: 1, b: 2}}
connections:
  w: {type: duckdb, path: "${vars.folder}/w.duckdb"}
  s: {type: sqlite, path: s.db}
defaults: {retries: {max: 2, delay: 5s}, owner: me}
environments:
  prod:
    vars: {folder: /prod, deep: {b: 3}}
    connections:
      w: {path: "${vars.folder}/p.duckdb"}
      s: {type: duckdb, path: s.duckdb}
      extra: {type: sqlite, path: x.db}
    default_connection: extra
    defaults: {retries: {max: 0}}
  test: {}
default_connection: w
assets:
  - {name: a, command: {shell: "x ${vars.deep.a} ${vars.deep.b}"}, output: {path: "${vars.folder}/a"}}
"""


@pytest.fixture
def loaded(tmp_path: Path) -> Load:
    """Writes a manifest and loads it in an environment."""

    def run(text: str, environment: str = "default", variables: Mapping[str, str] | None = None) -> Loaded:
        (tmp_path / "assets.yml").write_text(text)
        return load(tmp_path / "assets.yml", environment=environment, variables=variables or {})

    return run


def said(loaded: Loaded) -> list[str]:
    """The problems, as one line each."""
    return [f"{problem.place}: {problem.code} {problem.message}" for problem in loaded.problems]


def test_an_overlay_lies_over_the_rest(loaded: Load) -> None:
    """Mappings key by key; a connection of another type replaces the one below as a whole."""
    manifest, problems = loaded(MANIFEST, "prod")
    assert problems == ()
    assert manifest is not None
    assert (manifest.environment, manifest.default_connection) == ("prod", "extra")
    assert manifest.vars == {"folder": "/prod", "deep": {"a": 1, "b": 3}}
    assert manifest.connections == {
        "w": Connection("w", "duckdb", {"path": "/prod/p.duckdb"}),
        "s": Connection("s", "duckdb", {"path": "s.duckdb"}),
        "extra": Connection("extra", "sqlite", {"path": "x.db"}),
    }
    asset = manifest.assets["a"]
    assert (asset.command and asset.command[0], asset.output and asset.output.path) == ("x 1 3", "/prod/a")
    assert (asset.retries, asset.owners) == (Retries(max=0, delay=5_000_000), ("me",))


@pytest.mark.parametrize("environment", ["default", "test"])
def test_without_an_overlay_nothing_changes(loaded: Load, environment: str) -> None:
    """`default` has none, and one may be empty."""
    manifest, problems = loaded(MANIFEST, environment)
    plain, _ = loaded(MANIFEST[: MANIFEST.index("environments:")] + MANIFEST[MANIFEST.index("default_connection: w") :])
    assert (manifest and plain) is not None
    assert problems == ()
    assert manifest.vars == plain.vars
    assert manifest.connections == plain.connections
    assert [asset._replace(place=None) for asset in manifest.assets.values()] == [
        asset._replace(place=None) for asset in plain.assets.values()
    ]


def test_values_are_located_where_they_were_written(loaded: Load) -> None:
    """In the overlay, or below it."""
    manifest, _ = loaded(MANIFEST, "prod")
    assert str(manifest.locate("a", "retries", "max")) == "assets.yml:15:31"
    assert str(manifest.locate("a", "retries", "delay")) == "assets.yml:6:37"
    assert {name: str(place) for name, place in manifest.environments.items()} == {
        "prod": "assets.yml:8:3",
        "test": "assets.yml:16:3",
    }


def test_the_command_line_overrides_the_overlay(loaded: Load) -> None:
    """`--var` comes last."""
    manifest, _ = loaded(MANIFEST, "prod", {"folder": "/mine"})
    assert manifest.assets["a"].output.path == "/mine/a"


OVERLAYS = {
    "{vars: {x: 1}, state: x.db}": ("A0102 environment 'prod': unknown key 'state'"),
    "{pools: {a: 0}}": "A0129 environment 'prod': pools.a: 0 is less than 1",
    "{connections: {w: {typ: duckdb}}}": "A0102 connection 'w': unknown key 'typ'",
    "{connections: {w: {type: postgres}}}": "A0121 connection 'w': key 'url' is missing",
    "{connections: {w: {type: postgress, url: x}}}": "A0216 connection 'w': unknown type 'postgress'",
    "{connections: {new: {type: duckdb}}}": "A0121 connection 'new': key 'path' is missing",
    "{connections: {w: {path: ../x}}}": "A0137 connection 'w': path '../x' leaves the project by '..'",
    "{default_connection: ww}": "A0208 unknown connection 'ww'",
    "{defaults: {timeout: 5}}": "A0127 environment 'prod': defaults: timeout: expected a duration, found the number 5",
    "{vars: {x: '${vars.y}'}}": "A0132 vars.x: variable 'y' has no value",
    "5": "A0122 environment 'prod': expected a mapping, found the number 5",
}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_mistake_in_an_overlay(loaded: Load, overlay: str) -> None:
    """Told once, at its line, to whom it concerns: the environments beside it don't see it."""
    head = "version: 1\nconnections: {w: {type: duckdb, path: w.db}}\n"
    text = f"{head}environments:\n  prod: {overlay}\n  test: {{}}\n"
    found = said(loaded(text, "prod"))
    assert [line.partition(": ")[2] for line in found] == [OVERLAYS[overlay]]
    assert found[0].startswith("assets.yml:4:")
    assert said(loaded(text)) == said(loaded(text, "test")) == []


def test_names_of_environments(loaded: Load) -> None:
    """`default` is taken, and a name is a word."""
    assert said(loaded("version: 1\nenvironments:\n  default: {}\n  a b: {}\n")) == [
        "assets.yml:3:3: A0144 environment 'default' is what the manifest says without an overlay",
        "assets.yml:4:3: A0124 'a b' is not a name for an environment",
    ]


def test_no_overlay_is_a_mapping(loaded: Load) -> None:
    """Of a shape that cannot be one."""
    assert said(loaded("version: 1\nenvironments: [prod]\n")) == [
        "assets.yml:2:15: A0122 environments: expected a mapping, found a list"
    ]


def test_an_audit_finds_what_is_wrong_anywhere(loaded: Load, tmp_path: Path) -> None:
    """Each problem once, with the environment's name; a `--var` of one need not be declared in the others."""
    text = (
        "version: 1\nenvironments:\n  a: {vars: {x: 1}, nope: 1}\n  b: {default_connection: gone}\nassets: [{nme: x}]\n"
    )
    first = loaded(text, "a", {"x": "2"})
    found = audit(tmp_path / "assets.yml", first, environment="a", variables={"x": "2"})
    assert [(problem.code, problem.message) for problem in found.problems] == [
        ("A0208", "environment 'b': unknown connection 'gone'")
    ]
    assert list(found.loads) == ["a", "default", "b"]


SHARING = """\
version: 1
vars: {folder: out}
connections:
  w: {type: duckdb, path: w.duckdb}
environments:
  prod: {vars: {folder: prod}}
  test: {connections: {w: {path: "./sub/../w.duckdb"}}, vars: {folder: out}}
assets:
  - {name: file, command: {shell: x}, output: {path: "${vars.folder}/x"}}
  - {name: elsewhere, command: {shell: x}, output: {path: "${env.HERE}/x"}}
  - {name: outside, output: {path: shared}}
  - {name: table, command: {sql: select 1}, output: {table: T}}
"""


def test_environments_that_write_one_output(loaded: Load, tmp_path: Path) -> None:
    """The same file or table, however it is written; not what others write, nor what a variable decides."""
    found = audit(tmp_path / "assets.yml", loaded(SHARING), environment="default", variables={})
    assert [(str(problem.place), problem.message, problem.severity) for problem in found.problems] == [
        ("assets.yml:6:3", "environments 'default' and 'prod' write the same output: table", "warning"),
        ("assets.yml:7:3", "environments 'default' and 'test' write the same 2 outputs: file, table", "warning"),
        ("assets.yml:6:3", "environments 'prod' and 'test' write the same output: table", "warning"),
    ]
    assert [str(related.place) for related in found.problems[2].related] == ["assets.yml:7:3"]
