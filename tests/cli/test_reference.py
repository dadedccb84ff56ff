"""`assets explain`, `assets schema`, `assets validate`, `assets init`: whole screens."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from support.shop import CommandLine

from assets_cli.manifest.schemas import schema_names, schema_text
from assets_cli.model.codes import CODES
from assets_cli.model.problem import Place, Problem
from assets_cli.validation import Validation


@pytest.mark.parametrize("code", ["A0815", "a0815", "error[A0815]"])
def test_a_code_is_explained(assets: CommandLine, code: str) -> None:
    """However it was copied from a message."""
    assert assets("explain", code) == (
        """\
A0815: a value that the option does not take

The message names the option, the value and what is taken instead: --jobs takes
a number from 1 to 1000000, --var a name and a value with `=` between them, -C a
directory that exists.

    $ assets --var currency=USD materialize --jobs 4
""",
        "",
        0,
    )


def test_an_unknown_code_names_the_nearest(assets: CommandLine) -> None:
    """Exit code 2."""
    assert assets("explain", "A08155").err == "error[A0816]: unknown code 'A08155'\n  hint: did you mean A0815?\n"


def test_all_codes_are_listed(assets: CommandLine) -> None:
    """One line each, also as JSON."""
    lines = assets("explain").out.splitlines()
    assert lines == [f"{code}  {CODES[code].title}" for code in sorted(CODES)]
    document = json.loads(assets("explain", "--json").out)
    jsonschema.validate(document, json.loads(schema_text("explain")))
    assert len(document["codes"]) == len(CODES)


def test_schemas_are_printed(assets: CommandLine) -> None:
    """The manifest's by default; each is a valid draft-07 schema that describes all that it names."""
    assert assets("schema").out == schema_text("manifest")
    assert assets("schema", "--list").out.split() == sorted(schema_names())
    listed = json.loads(assets("schema", "--list", "--json").out)
    jsonschema.validate(listed, json.loads(schema_text("schemas")))
    assert listed == {"version": 1, "schemas": sorted(schema_names())}
    assert assets("schema", "plan", "--json") == assets("schema", "plan")
    for name in schema_names():
        jsonschema.Draft7Validator.check_schema(json.loads(assets("schema", name).out))


@pytest.mark.parametrize("name", sorted(set(schema_names()) - {"manifest"}))
def test_every_field_is_described(name: str) -> None:
    """A schema is also the documentation of its document."""

    def undescribed(part: object, path: str) -> list[str]:
        if not isinstance(part, dict):
            return []
        found: list[str] = []
        for key, value in part.get("properties", {}).items():
            if "const" not in value and "description" not in value:
                found.append(f"{path}.{key}")
            found += undescribed(value, f"{path}.{key}")
        further = [part.get("items"), *part.get("definitions", {}).values(), *part.get("oneOf", [])]
        for number, one in enumerate(further):
            found += undescribed(one, f"{path}.{number}")
        return found

    assert undescribed(json.loads(schema_text(name)), name) == []


def test_an_unknown_schema_names_the_nearest(assets: CommandLine) -> None:
    """Exit code 2."""
    assert assets("schema", "plam") == ("", "error[A0817]: unknown schema 'plam'\n  hint: did you mean plan?\n", 2)


WARNING = Problem(
    "A0305", "nothing will refresh 'raw'", severity="warning", place=Place("assets.yml", 4, 5), asset="raw"
)
ERROR = Problem("A0102", "unknown key 'upstrems'", place=Place("assets.yml", 9, 5), hint="did you mean 'upstreams'?")


def found(assets: CommandLine, *problems: Problem) -> None:
    """Let the validation find these."""
    assets.patch.setattr("assets_cli.validation.validate", lambda *_, **__: Validation(problems, 6, 2))


def test_nothing_wrong(assets: CommandLine) -> None:
    """One line, exit code 0."""
    found(assets)
    assert assets("validate") == ("ok: 6 assets in 2 files, nothing wrong\n", "", 0)


def test_findings_are_data(assets: CommandLine) -> None:
    """They go to stdout, with a line that counts them; an error makes it exit with 2."""
    found(assets, ERROR, WARNING)
    assert assets("validate") == (
        """\
error[A0102]: unknown key 'upstrems'
  --> assets.yml:9:5
  hint: did you mean 'upstreams'?

warning[A0305]: nothing will refresh 'raw'
  --> assets.yml:4:5

1 error, 1 warning in 1 file
""",
        "",
        2,
    )


def test_warnings_count_only_when_strict(assets: CommandLine) -> None:
    """0 without --strict, 2 with it."""
    found(assets, WARNING)
    assert (assets("validate").code, assets("validate", "--strict").code) == (0, 2)


def test_findings_as_json(assets: CommandLine) -> None:
    """`--json` and `--format json` are the same document."""
    found(assets, ERROR, WARNING)
    screen = assets("validate", "--json")
    document = json.loads(screen.out)
    jsonschema.validate(document, json.loads(schema_text("validate")))
    assert document["problems"][0] == {
        "code": "A0102",
        "severity": "error",
        "message": "unknown key 'upstrems'",
        "file": "assets.yml",
        "line": 9,
        "column": 5,
        "hint": "did you mean 'upstreams'?",
        "asset": None,
        "related": [],
    }
    assert (document["errors"], document["warnings"], screen.code) == (1, 1, 2)
    assert assets("validate", "--format", "json").out == screen.out


def test_init_says_what_it_wrote_and_what_is_next(assets: CommandLine, tmp_path: Path) -> None:
    """Also into a directory that is yet to be made."""
    assets.patch.chdir(tmp_path)
    assert assets("init", "my shop") == (
        "",
        """\
wrote 8 files in my shop:
  assets.yml
  generate.py
  sql/orders.sql
  sql/customers.sql
  sales_report.py
  README.md
  .gitignore
  assets.schema.json

next:
  cd 'my shop'
  assets plan         # what would run, and why
  assets materialize  # run it
""",
        0,
    )
    assert (tmp_path / "my shop" / "assets.yml").is_file()
