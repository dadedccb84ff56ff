"""Whether the values of a file have the shape of the schema; if not, `explain` says why.

`jsonschema_rs` answers yes or no for a whole file in one go. Only what it refuses, asset by asset, is given to
`jsonschema`, which tells all mistakes. Knows no meaning: names, references and paths are `build`'s business.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Literal, NamedTuple

from assets_cli.manifest.document import Document
from assets_cli.manifest.schemas import schema_text
from assets_cli.model.problem import Problem

Shape = Literal["manifest", "included"]


class Checked(NamedTuple):
    """What is wrong with a file; `broken` are the positions of assets that cannot be used."""

    problems: tuple[Problem, ...]
    broken: frozenset[int]


@cache
def schema() -> dict[str, Any]:
    """The manifest's schema, with a definition for each of its parts."""
    import json

    loaded: dict[str, Any] = json.loads(schema_text("manifest"))
    return loaded


@cache
def part(name: str) -> dict[str, Any]:
    """The schema of one part (`asset`, `included`), or of the root file (`manifest`)."""
    if name == "manifest":
        return schema()
    return {"$ref": f"#/definitions/{name}", "definitions": schema()["definitions"]}


@cache
def _quick(name: str) -> Any:
    # imported on use: commands such as `schema` and `explain` read no manifest.
    from jsonschema_rs import Draft7Validator

    return Draft7Validator(part(name))


def fits(name: str, values: Any) -> bool:
    """Whether values have the shape of one part of the schema."""
    return bool(_quick(name).is_valid(values))


def check(document: Document, shape: Shape) -> Checked:
    """Every mistake in the shape of a file's values."""
    values = document.values
    if _quick(shape).is_valid(values):
        return Checked((), frozenset())
    # imported on use: jsonschema costs 70 ms, and most files hold no mistake.
    from assets_cli.manifest.explain import Explainer

    explainer = Explainer(document)
    assets = values.get("assets") if isinstance(values, dict) else None
    broken: set[int] = set()
    if not isinstance(assets, list):
        explainer.add(part(shape), values, ())
    else:
        rest = {**values, "assets": []}
        if not _quick(shape).is_valid(rest):
            explainer.add(part(shape), rest, ())
        valid = _quick("asset").is_valid
        for index, asset in enumerate(assets):
            if not valid(asset):
                broken.add(index)
                explainer.add(part("asset"), asset, ("assets", index))
    return Checked(tuple(explainer.problems), frozenset(broken))
