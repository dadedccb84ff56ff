"""Keys about how a step is carried out: pools, isolated, output.atomic."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from assets_cli.manifest import Loaded, load
from assets_cli.model.problem import Problem

Load = Callable[..., Loaded]

HEAD = "version: 1\npools: {warehouse: 2, api: 1}\nconnections: {db: {type: duckdb, path: a.db}}\nassets:\n"


@pytest.fixture
def loaded(tmp_path: Path) -> Load:
    """Writes a manifest and loads it."""

    def run(text: str, environment: str = "default") -> Loaded:
        (tmp_path / "assets.yml").write_text(text)
        return load(tmp_path / "assets.yml", environment=environment)

    return run


def shown(problem: Problem) -> str:
    """A problem as text, without its excerpt."""
    return f"{problem.place}: {problem.severity}[{problem.code}]: {problem.message}\n  hint: {problem.hint}"


def test_they_reach_their_fields(loaded: Load) -> None:
    """From the asset itself or from defaults, whose values an asset can take back."""
    manifest, problems = loaded(
        "version: 1\npools: {warehouse: 2, api: 1}\ndefaults: {pool: api, isolated: true}\nassets:\n"
        "- {name: a, command: {python: 'm:f'}, output: {path: a, atomic: false}}\n"
        "- {name: b, command: {shell: x}, output: {path: b, atomic: true}, pool: warehouse, isolated: false}\n"
    )
    assert problems == ()
    assert manifest is not None
    assert manifest.pools == {"warehouse": 2, "api": 1}
    a, b = manifest.assets.values()
    assert (a.pool, a.isolated, a.output and a.output.atomic) == ("api", True, False)
    assert (b.pool, b.isolated, b.output and b.output.atomic) == ("warehouse", False, True)


def test_without_them(loaded: Load) -> None:
    """No pool, a process that serves several assets, no temporary path."""
    manifest, _ = loaded("version: 1\nassets:\n- {name: a, command: {shell: x}, output: {path: a}}\n")
    assert manifest is not None
    asset = manifest.assets["a"]
    assert (manifest.pools, asset.pool, asset.isolated, asset.output.atomic) == ({}, None, False, False)


def test_an_environment_may_change_pools(loaded: Load) -> None:
    """Key by key; a further one is known in that environment only."""
    text = (
        "version: 1\npools: {warehouse: 2, api: 1}\nenvironments: {prod: {pools: {warehouse: 8, gpu: 1}}}\nassets:\n"
        "- {name: a, command: {shell: x}, pool: gpu}\n"
    )
    manifest, problems = loaded(text, "prod")
    assert problems == ()
    assert manifest is not None
    assert manifest.pools == {"warehouse": 8, "api": 1, "gpu": 1}
    assert [shown(problem) for problem in loaded(text).problems] == [
        (
            "assets.yml:5:40: error[A0214]: asset 'a': unknown pool 'gpu'\n"
            "  hint: declare it in the manifest: `pools: {gpu: 4}`; declared: api, warehouse"
        )
    ]


SIZES = {
    "{w: 0}": "2:12: error[A0129]: pools.w: 0 is less than 1\n  hint: write 1 or more",
    "{w: -3}": "2:12: error[A0129]: pools.w: -3 is less than 1\n  hint: write 1 or more",
    "{w: 1025}": "2:12: error[A0129]: pools.w: 1025 is more than 1024\n  hint: write 1024 or less",
    "{w: 4.5}": "2:12: error[A0122]: pools.w: expected a whole number, found the number 4.5\n  hint: None",
    "{w: '4'}": (
        "2:12: error[A0122]: pools.w: expected a whole number, found text\n  hint: write it without quotes: 4"
    ),
    "{w: true}": "2:12: error[A0122]: pools.w: expected a whole number, found true\n  hint: None",
    "[w]": "2:8: error[A0122]: pools: expected a mapping, found a list\n  hint: None",
    "{a b: 1}": ("2:9: error[A0124]: 'a b' is not a pool name\n  hint: write letters, digits, '_', '-' and '.'"),
}


@pytest.mark.parametrize("written", SIZES)
def test_a_mistake_in_a_size(loaded: Load, written: str) -> None:
    """With its place; an asset that uses the pool has no mistake besides."""
    name = "w" if "w" in written and written != "[w]" else None
    asset = f"assets:\n- {{name: x, command: {{shell: x}}, pool: {name}}}\n" if name else ""
    _, problems = loaded(f"version: 1\npools: {written}\n{asset}")
    assert [shown(problem) for problem in problems] == [f"assets.yml:{SIZES[written]}"]


ASSETS = {
    "pool: warehose, command: {shell: x}": (
        "5:19: error[A0214]: asset 'x': unknown pool 'warehose'\n  hint: did you mean 'warehouse'?"
    ),
    "pool: gpu, command: {shell: x}": (
        "5:19: error[A0214]: asset 'x': unknown pool 'gpu'\n"
        "  hint: declare it in the manifest: `pools: {gpu: 4}`; declared: api, warehouse"
    ),
    "pool: 5, command: {shell: x}": (
        "5:19: error[A0125]: asset 'x': pool: expected text, found the number 5\n  hint: quote it: \"5\""
    ),
    "pool: api": (
        "5:19: warning[A0143]: asset 'x': pool has no effect without a command\n  hint: remove it, or add a command"
    ),
    "isolated: true": (
        "5:23: warning[A0143]: asset 'x': isolated has no effect without a command\n  hint: remove it, or add a command"
    ),
    "isolated: 1, command: {shell: x}": (
        "5:23: error[A0122]: asset 'x': isolated: expected true or false, found the number 1\n  hint: None"
    ),
    "isolated: true, command: {shell: x}": (
        "5:23: warning[A0143]: asset 'x': isolated has no effect on a shell command, which always is a process of its"
        " own\n  hint: remove it"
    ),
    "command: {shell: x}, output: {path: 'a/*.csv', atomic: true}": (
        "5:68: error[A0148]: asset 'x': atomic is for one file or folder, and output.path 'a/*.csv' is a pattern\n"
        "  hint: name the folder that the files are in"
    ),
    "command: {shell: x}, output: {table: t, atomic: true}": (
        "5:61: error[A0148]: asset 'x': atomic is for an output.path, and this output is a table\n"
        "  hint: remove it, and let the command write in one transaction"
    ),
    "command: {shell: x}, output: {path: .assets, atomic: true}": (
        "5:66: error[A0148]: asset 'x': atomic replaces a folder as a whole, and '.assets' holds more than this"
        " output\n  hint: name a folder that holds nothing else"
    ),
    "command: {shell: x}, output: {atomic: true}": (
        "5:42: error[A0138]: asset 'x': output has neither a path nor a table\n  hint: write one of the two"
    ),
    "command: {shell: x}, output: {path: p, atomic: 'yes'}": (
        "5:60: error[A0122]: asset 'x': output.atomic: expected true or false, found text\n  hint: None"
    ),
    "command: {sql: select 1}, output: {table: t, atomic: true}": (
        "5:66: warning[A0143]: asset 'x': atomic has no effect on a SQL command\n"
        "  hint: a table or view that a SELECT fills always appears whole"
    ),
    "command: {sql: select 1}, output: {table: t, atomic: true, materialization: script}": (
        "5:66: warning[A0143]: asset 'x': atomic has no effect on a SQL command\n"
        "  hint: write `begin;` and `commit;` around the statements that belong together"
    ),
    "command: {python: 'm:f'}, output: {path: p, atomic: true}": (
        "5:65: warning[A0143]: asset 'x': atomic has no effect on a Python command\n"
        "  hint: what a function returns always appears whole; return it instead of writing it"
    ),
    "output: {path: p, atomic: true}": (
        "5:39: warning[A0143]: asset 'x': atomic has no effect without a command\n  hint: remove it, or add a command"
    ),
}


@pytest.mark.parametrize("written", ASSETS)
def test_a_mistake_in_an_asset(loaded: Load, written: str) -> None:
    """One problem each, at its place; a warning where it can be lived with."""
    _, problems = loaded(HEAD + f"- {{name: x, {written}}}\n")
    assert [shown(problem) for problem in problems] == [f"assets.yml:{ASSETS[written]}"]


def test_a_folder_above_the_project_is_never_replaced(loaded: Load, tmp_path: Path) -> None:
    """An absolute path may lead there."""
    above = tmp_path.parent
    _, problems = loaded(HEAD + f"- {{name: x, command: {{shell: x}}, output: {{path: {above}, atomic: true}}}}\n")
    assert [problem.code for problem in problems] == ["A0148"]


@pytest.mark.parametrize(
    ("atomic", "expected"),
    [
        ("false", ("warning", "writes inside the folder that asset 'all' writes")),
        ("true", ("error", "writes inside the folder that asset 'all' replaces as a whole")),
    ],
)
def test_an_output_in_a_folder_that_is_replaced(loaded: Load, atomic: str, expected: tuple[str, str]) -> None:
    """Would be lost: an error, where otherwise it is a warning."""
    _, problems = loaded(
        HEAD + f"- {{name: all, command: {{shell: x}}, output: {{path: data, atomic: {atomic}}}}}\n"
        "- {name: one, command: {shell: x}, output: {path: data/one.csv}}\n"
    )
    assert [(problem.code, problem.severity, problem.message) for problem in problems] == [
        ("A0212", expected[0], f"asset 'one': {expected[1]}")
    ]


def test_a_mistake_in_defaults_is_told_once(loaded: Load) -> None:
    """However many assets have it from there; none of them is in the manifest."""
    manifest, problems = loaded(
        "version: 1\npools: {api: 1}\ndefaults: {pool: apy}\nassets:\n"
        + "".join(f"- {{name: a{number}, command: {{shell: x}}}}\n" for number in range(5))
        + "- {name: b, command: {shell: x}, pool: api}\n"
    )
    assert [shown(problem) for problem in problems] == [
        "assets.yml:3:18: error[A0214]: asset 'a0': unknown pool 'apy'\n  hint: did you mean 'api'?"
    ]
    assert manifest is not None
    assert list(manifest.assets) == ["b"]
