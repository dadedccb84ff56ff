"""`assets diff` of typical pull requests, in all three forms, as real processes over a real repository.

The expected texts are in `diffs/`; DIFFS=write writes them anew, to be read before they are committed.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import jsonschema
import pytest
from support.place import Place
from support.pull_requests import REQUESTS, replace, repository
from support.repositories import git

from assets_cli.manifest.schemas import schema_text

EXPECTED = Path(__file__).parent / "diffs"
FORMS = {"text": "txt", "markdown": "md", "json": "json"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop, committed."""
    return repository(tmp_path_factory.mktemp("requests") / "shop")


@pytest.fixture
def place(shop: Path, tmp_path: Path) -> Place:
    """A clone of its own."""
    return Place(Path(shutil.copytree(shop, tmp_path / "shop")))


@pytest.mark.parametrize("name", REQUESTS)
def test_a_pull_request(place: Place, name: str) -> None:
    """Each form says what is expected, the document as its schema has it, `--exit-code` whether anything differs."""
    REQUESTS[name](place.root)
    for form, ending in FORMS.items():
        done = place.call("diff", "main", "--format", form, "--exit-code", COLUMNS="80", LANG="C.UTF-8")
        assert done.stderr == ""
        assert done.returncode == (0 if name == "cosmetic" else 3)
        if form == "json":
            jsonschema.validate(json.loads(done.stdout), json.loads(schema_text("diff")))
        expected = EXPECTED / f"{name}.{ending}"
        if os.environ.get("DIFFS") == "write":
            expected.write_text(done.stdout)
        assert done.stdout == expected.read_text()


def test_a_request_that_was_merged_is_no_difference(place: Place) -> None:
    """Committed or not is the same; with everything committed `HEAD` says that nothing differs."""
    REQUESTS["dropped_column"](place.root)
    before = place.call("diff", "main", "--json").stdout
    git(place.root, "switch", "--quiet", "--create", "change")
    git(place.root, "commit", "--quiet", "--all", "--message", "Drop it")
    assert place.call("diff", "main", "--json").stdout == before
    assert json.loads(place.call("diff", "HEAD", "--json").stdout)["different"] is False


def test_three_dots_leave_out_what_others_merged_since(place: Place) -> None:
    """A pull request is compared with where it left `main`, not with what `main` has become."""
    git(place.root, "switch", "--quiet", "--create", "change")
    REQUESTS["new_owner"](place.root)
    git(place.root, "commit", "--quiet", "--all", "--message", "Mine")
    git(place.root, "switch", "--quiet", "main")
    REQUESTS["shared_module"](place.root)
    git(place.root, "commit", "--quiet", "--all", "--message", "Theirs")
    git(place.root, "switch", "--quiet", "change")
    names = {}
    for base in ("main", "main..."):
        found = json.loads(place.call("diff", base, "--json").stdout)
        names[base] = {each["name"] for each in found["assets"]}, found["base"]["merge_base"]
    assert names == {"main": ({"features", "model", "report"}, False), "main...": ({"report"}, True)}


def test_what_the_next_run_does_is_said_where_there_is_a_history(place: Place) -> None:
    """What was made here before the change, and what the change alone makes stale."""
    place.write("ml/features.py", "def build(context):\n    open(context.output, 'w').write('x')\n")
    place.write("ml/model.py", "def train(context):\n    open(context.output, 'w').write('y')\n")
    git(place.root, "commit", "--quiet", "--all", "--message", "Something that runs")
    assert place.call("materialize").returncode == 0
    place.write("sql/revenue.sql", "select currency, sum(amount) as total, count(id) as orders from orders group by 1")
    found = json.loads(place.call("diff", "main", "--json").stdout)
    assert found["stale"] == ["revenue"]
    assert {key: found["next"][key] for key in ("steps", "tentative", "own")} == {
        "steps": 2,
        "tentative": 1,
        "own": ["revenue"],
    }
    shown = place.call("diff", "main").stdout
    assert "the next materialize runs 2 steps (1 may be cut off), about " in shown
    assert shown.endswith("; 1 of them stale by this change\n\nrun: assets plan\n")
    assert place.call("materialize").returncode == 0
    assert "it ran with this change already" in place.call("diff", "main").stdout


def test_both_sides_are_in_the_environment(place: Place) -> None:
    """What differs in an overlay counts where that is laid over."""
    REQUESTS["connection_and_environment"](place.root)
    found = json.loads(place.call("--env", "prod", "diff", "main", "--json").stdout)
    assert [(each["name"], each["old"], each["new"]) for each in found["settings"] if each["part"] == "connection"] == [
        ("warehouse.path", "/data/prod.duckdb", "/data/live.duckdb")
    ]
    assert found["warnings"] == []


def test_an_environment_or_a_variable_that_is_new(place: Place) -> None:
    """The base is taken without it, and that is said."""
    REQUESTS["connection_and_environment"](place.root)
    place.write("assets.yml", (place.root / "assets.yml").read_text().replace("vars: {", "vars: {day: monday, ", 1))
    done = place.call("--env", "staging", "--var", "day=friday", "diff", "main", "--json")
    found = json.loads(done.stdout)
    assert [(each["code"], each["message"].partition(" (")[0]) for each in found["warnings"]] == [
        ("A0915", "main"),
        ("A0914", "main"),
    ]
    assert {(each["name"], each["old"], each["new"]) for each in found["settings"] if each["part"] == "vars"} == {
        ("currency", "EUR", "USD"),
        ("day", None, "friday"),
    }


def test_a_variable_of_the_call_is_that_of_both(place: Place) -> None:
    """What `--var` overrides on both sides does not differ."""
    REQUESTS["another_currency"](place.root)
    assert place.call("--var", "currency=CHF", "diff", "main", "--exit-code").returncode == 0


def test_secrets_are_masked(place: Place) -> None:
    """Of what is not committed and of what was; what the environment holds is never compared."""
    place.write(
        "assets.yml",
        (place.root / "assets.yml")
        .read_text()
        .replace(
            "connections:\n",
            "connections:\n  pg: {type: postgres, url: 'postgresql://ada:hunter22@old/shop?user=${env.PG_USER}'}\n",
        ),
    )
    git(place.root, "commit", "--quiet", "--all", "--message", "A server")
    place.write("assets.yml", (place.root / "assets.yml").read_text().replace("hunter22@old", "sesame99@new"))
    for form in FORMS:
        done = place.call("diff", "main", "--format", form, PG_USER="verysecret")
        assert done.returncode == 0, done.stderr
        assert "pg.url" in done.stdout
        assert not {"hunter22", "sesame99", "verysecret"} & set(done.stdout.replace(":", " ").replace("@", " ").split())
        assert "hunter22" not in done.stdout
        assert "sesame99" not in done.stdout


def test_columns_that_go_away_are_followed_through_stars(tmp_path: Path) -> None:
    """Who names it still will fail; the asset's own checks and its `columns:` may not know yet."""
    place = Place(tmp_path)
    place.assets(
        """
        - name: a
          command: {sql: "select 1 as id, 2 as v, 3 as w"}
          output: {table: a}
          columns: [{name: id}, {name: v}]
          checks: [{not_null: [id, v]}, {between: {column: V, min: 0}}, {unique: [id]}]
        - {name: b, command: {sql: "select * from a"}, output: {table: b}}
        - {name: c, command: {sql: "select id, v + 1 as v1 from b"}, output: {table: c}}
        - {name: d, command: {sql: "select id from b where v > 0"}, output: {table: d}}
        - {name: e, command: {sql: "select v1 as x from c"}, output: {table: e}}
        - {name: f, command: {sql: "select w from a"}, output: {table: f}}
        """,
        "connections: {w: {type: duckdb, path: w.duckdb}}\n",
    )
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    git(tmp_path, "add", "assets.yml")
    git(tmp_path, "commit", "--quiet", "--message", "Six")
    replace(tmp_path, "assets.yml", "2 as v, ", "")
    replace(tmp_path, "assets.yml", "select id, v + 1 as v1 from b", "select id, id + 1 as v1 from b")
    (gone,) = json.loads(place.call("diff", "main", "--json").stdout)["columns"]
    assert (gone["asset"], gone["column"], gone["how"], gone["declared"]) == ("a", "v", "inferred", True)
    assert len(gone["checks"]) == 2
    assert [(each["asset"], each["columns"], each["clauses"], each["still"]) for each in gone["readers"]] == [
        ("b", ["v"], [], False),
        ("c", ["v1"], [], False),
        ("d", [], ["where"], True),
        ("e", ["x"], [], False),
    ]
