"""Keys that a later version brings: refused as not yet supported, not as unknown.

Whoever brings one deletes it here and describes it in the schema. A path names a mapping of the manifest; `*`
stands for any item or name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_ASSET: Final = frozenset({"partitions", "resources"})
UNSUPPORTED_KEYS: Final[dict[str, frozenset[str]]] = {
    "": frozenset({"partitions", "dbt", "openlineage", "resources"}),
    "assets.*": _ASSET,
    "defaults": _ASSET,
}


def pattern(path: Sequence[str | int]) -> str:
    """A path with `*` for items, and for names of connections and alerts; of an overlay that of what it lies over."""
    steps = ["*" if isinstance(step, int) else step for step in path]
    if steps[:1] == ["environments"] and len(steps) > 1:
        steps = steps[2:]
    if steps[:1] in (["connections"], ["alerts"]) and len(steps) > 1:
        steps[1] = "*"
    return ".".join(steps)


def is_unsupported_key(path: Sequence[str | int], key: str) -> bool:
    """Whether this key of the mapping at a path is one of a later version."""
    return key in UNSUPPORTED_KEYS.get(pattern(path), ())
