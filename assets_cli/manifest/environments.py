"""Overlays: what `environments.NAME` writes over the rest of the root file, with the place of every value kept.

Happens before variables are filled in and the schema is asked, so that neither needs to know of it. Which keys an
overlay may hold is the schema's business.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, Final

from assets_cli.manifest.document import Document
from assets_cli.manifest.paths import Paths
from assets_cli.manifest.spelling import Spelling
from assets_cli.model.manifest import DEFAULT_ENVIRONMENT, Asset, Manifest
from assets_cli.model.problem import Place, Problem, Related

OVERLAID: Final = ("vars", "connections", "default_connection", "defaults", "pools", "alerts", "rules")
"""The keys of the root file that an environment can change: not `state`, which all environments share."""

_EXAMPLES: Final = 3


def apply(document: Document, environment: str) -> dict[str, Place]:
    """Merge an environment's overlay into the values of a root file; the places of all environments that there are.

    Overlays of other environments are left out: a mistake in one stops nobody who uses another. Problems of the names
    are among those of the document.
    """
    values = document.values
    overlays = values.get("environments") if isinstance(values, dict) else None
    if not isinstance(overlays, dict):
        if environment != DEFAULT_ENVIRONMENT:
            _unknown(document, environment, ())
        return {}
    names = {name: document.place(("environments", name), key=True) for name in overlays}
    if DEFAULT_ENVIRONMENT in overlays:
        offset, _ = document.find(("environments", DEFAULT_ENVIRONMENT), key=True)
        message = f"environment '{DEFAULT_ENVIRONMENT}' is what the manifest says without an overlay"
        document.report(offset, "A0144", message, "write these values at the top, or give the environment another name")
        del names[DEFAULT_ENVIRONMENT]
    overlay: Any = {}
    if environment in names:
        overlay = overlays[environment]
    elif environment != DEFAULT_ENVIRONMENT:
        _unknown(document, environment, tuple(names))
    kept = {name: overlay if name == environment else {} for name in overlays}
    document.marks[id(kept)] = document.marks[id(overlays)]
    changes = {key: overlay[key] for key in OVERLAID if key in overlay} if isinstance(overlay, dict) else {}
    merged = _merge(document, values, changes, _marks(document, overlay)) if changes else dict(values)
    document.marks.setdefault(id(merged), document.marks[id(values)])
    merged["environments"] = kept
    # What the marks refer to must live as long as they do, or an id could be given out again.
    document.keep += [values, overlays, kept, changes]
    document.values = merged
    return names


def _unknown(document: Document, environment: str, names: Sequence[str]) -> None:
    hint = Spelling(names).hint(environment)
    if hint is None:
        hint = "environments: " + ", ".join(sorted(names)[:10]) if names else "declare it under `environments`"
    # Without a place: the mistake is in the call, not in the file.
    document.problems.append(Problem("A0135", f"unknown environment '{environment[:80]}'", hint=hint))


Marks = Mapping[str, tuple[int, int]]


def _marks(document: Document, node: Any) -> dict[str, tuple[int, int]]:
    """The offsets of the key and the value of each entry."""
    marks = document.marks.get(id(node), [])
    return {key: (marks[2 * index], marks[2 * index + 1]) for index, key in enumerate(node)} if marks else {}


def _merge(document: Document, base: dict[str, Any], over: Mapping[str, Any], marks: Marks) -> dict[str, Any]:
    """The values of `over` in place of those of `base`, mappings key by key, each value with its own place."""
    places = {**_marks(document, base), **{key: marks[key] for key in over}}
    merged: dict[str, Any] = {**base, **over}
    for key in over:
        before, after = base.get(key), over[key]
        if isinstance(before, dict) and isinstance(after, dict) and not _replaces(before, after):
            merged[key] = _merge(document, before, after, _marks(document, after))
    document.marks[id(merged)] = [offset for key in merged for offset in places[key]]
    document.keep += [merged, base, over]
    return merged


def _replaces(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether these are connections of different types, whose other keys have nothing to say to each other."""
    return (
        isinstance(after.get("type"), str) and isinstance(before.get("type"), str) and after["type"] != before["type"]
    )


def overlaps(manifests: Mapping[str, Manifest], places: Mapping[str, Place]) -> Iterator[Problem]:
    """A warning for each pair of environments that write one output: each takes the other's work for its own.

    `manifests` holds the manifest of each environment, `places` where each is declared (not the default one).
    """
    written = {name: _written(manifest) for name, manifest in manifests.items()}
    for one, other in combinations(written, 2):
        shared = [asset for place, asset in written[one].items() if place in written[other]]
        if not shared:
            continue
        examples = ", ".join(shared[:_EXAMPLES]) + (", …" if len(shared) > _EXAMPLES else "")
        what = f"the same output: {examples}" if len(shared) == 1 else f"the same {len(shared):,} outputs: {examples}"
        declared = [name for name in (one, other) if name in places]
        related = tuple(Related(places[name], f"environment '{name}' is declared here") for name in declared[1:])
        hint = "give each a connection of its own, or put a variable into the path: output: {path: data/${vars.…}/x}"
        message = f"environments '{one}' and '{other}' write {what}"
        yield Problem("A0211", message, "warning", places[declared[0]], hint=hint, related=related)


def _written(manifest: Manifest) -> dict[tuple[str, ...], str]:
    """Each place that an environment writes, and which asset does. What `${env.X}` decides is left out."""
    paths = Paths(manifest.root)
    found: dict[tuple[str, ...], str] = {}
    for asset in manifest.assets.values():
        place = _place(asset, manifest, paths)
        if place is not None and not any("${env." in part for part in place):
            found[place] = asset.name
    return found


def _place(asset: Asset, manifest: Manifest, paths: Paths) -> tuple[str, ...] | None:
    output = asset.output
    if output is None or asset.command is None:
        return None
    if output.path is not None:
        return (output.path if "${env." in output.path else paths.resolve(output.path),)
    connection = manifest.connection_of(asset)
    if output.table is None or connection is None:
        return None
    options = {
        key: paths.resolve(text) if key == "path" and "${env." not in text else text
        for key, text in connection.options.items()
    }
    return (connection.type, *(f"{key}={options[key]}" for key in sorted(options)), output.table.lower())
