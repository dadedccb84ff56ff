"""What a path of a manifest is about, in words: `asset 'orders'` and the keys below it. Knows no rule."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, Final

from assets_cli.manifest.document import Document, Key

NAMED: Final = 80
"""How much of a name is shown in a message."""


def subject(values: Any, path: Sequence[Key]) -> tuple[str | None, str, str]:
    """What a path is about: the asset's name, a label such as `asset 'orders'`, and the keys below it."""
    first = path[0] if path else None
    if first == "assets" and len(path) > 1 and isinstance(path[1], int):
        name = _asset_name(values, path[1])
        return name, f"asset '{name}'" if name else f"asset number {path[1] + 1}", _keys(path[2:])
    if first == "policies" and len(path) > 1 and isinstance(path[1], int):
        return None, _policy(values, path[1]), _keys(path[2:])
    if first in ("connections", "alerts") and len(path) > 1:
        return None, f"{first[:-1]} '{str(path[1])[:NAMED]}'", _keys(path[2:])
    if first == "environments" and len(path) > 1:
        asset, label, keys = subject(values, path[2:])
        overlay = f"environment '{str(path[1])[:NAMED]}'"
        return asset, f"{overlay}: {label}" if label else overlay, keys
    if first == "defaults" and len(path) > 1:
        return None, "defaults", _keys(path[1:])
    if first == "defaults":
        return None, "defaults", ""
    return None, "", _keys(path)


def _asset_name(values: Any, index: int) -> str | None:
    assets = values.get("assets") if isinstance(values, dict) else None
    asset = assets[index] if isinstance(assets, list) and index < len(assets) else None
    name = asset.get("name") if isinstance(asset, dict) else None
    return name[:NAMED] if isinstance(name, str) and name else None


def _policy(values: Any, index: int) -> str:
    policies = values.get("policies") if isinstance(values, dict) else None
    policy = policies[index] if isinstance(policies, list) and index < len(policies) else None
    name = policy.get("name") if isinstance(policy, dict) else None
    return f"policy '{name[:NAMED]}'" if isinstance(name, str) and name else f"policy number {index + 1}"


def _keys(path: Sequence[Key]) -> str:
    text = ""
    for step in path:
        text += f" item {step + 1}" if isinstance(step, int) else f".{step[:NAMED]}" if text else step[:NAMED]
    return text.strip()


def name_assets(document: Document) -> None:
    """Say in each problem found while reading which asset it is in."""
    values = document.values
    assets = values.get("assets") if isinstance(values, dict) else None
    marks = document.marks.get(id(assets)) if isinstance(assets, list) else None
    if not marks or not document.offsets:
        return
    end = min((mark for mark in document.marks[id(values)] if mark > marks[-1]), default=len(document.text) + 1)
    for position, offset in enumerate(document.offsets):
        index = bisect_right(marks, offset) - 1
        if index < 0 or offset >= end:
            continue
        asset, label, _ = subject(values, ("assets", index))
        problem = document.problems[position]
        document.problems[position] = problem._replace(message=f"{label}: {problem.message}", asset=asset)
