"""From text to `Manifest`, with a place for every value and every problem at once.

`read` makes values of YAML, `variables` fills in `${vars.x}`, `schema` checks their shape and `explain` says what is
wrong with it, `build` and `references` check their meaning, `loading` puts them together. `basis` says whether all that
would find the same again. Knows nothing of graphs, state or plans.
"""

from __future__ import annotations

from assets_cli.manifest.load import Loaded, find, load, quote
from assets_cli.manifest.schemas import schema_names, schema_text

__all__ = ["Loaded", "find", "load", "quote", "schema_names", "schema_text"]
