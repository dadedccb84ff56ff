"""`assets schema`: the JSON schema of the manifest and of every document that `--json` prints."""

from __future__ import annotations

from typing import Annotated

from assets_cli.cli import console
from assets_cli.cli.options import Argument, Option
from assets_cli.manifest.schemas import schema_names, schema_text
from assets_cli.model.problem import AssetsError, Problem
from assets_cli.model.spelling import nearest


def command(
    name: Annotated[str, Argument(metavar="[NAME]", text="Which document.")] = "manifest",
    names: Annotated[bool, Option("--list", text="List the names instead.")] = False,
    as_json: Annotated[bool, Option("--json", text="The list, too, as a JSON document; a schema is one.")] = False,
) -> int:
    """Print a JSON schema (draft-07): of assets.yml by default, or of a document that --json prints."""
    known = sorted(schema_names())
    if names:
        if as_json:
            console.show_json({"version": 1, "schemas": known})
        else:
            console.show(known)
        return 0
    if name not in known:
        guess = nearest(name, known)
        hint = f"did you mean {guess}?" if guess else f"there are {', '.join(known)}"
        raise AssetsError(Problem("A0817", f"unknown schema {name!r}", hint=hint))
    console.show(schema_text(name).rstrip("\n").split("\n"))
    return 0
