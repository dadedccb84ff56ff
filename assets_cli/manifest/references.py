"""What assets are to each other: whether upstreams exist, and whether two assets claim one thing.

Cycles are the graph's business.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from posixpath import normpath

from assets_cli.manifest.build import Checker, Definition
from assets_cli.manifest.document import Key
from assets_cli.manifest.spelling import Spelling
from assets_cli.model.manifest import Asset, Check, Output, PathProbe
from assets_cli.model.problem import Related

_NEITHER = re.compile(r"[^A-Z0-9]")


def check_references(definitions: Mapping[str, Definition], checker: Checker) -> None:
    """Report every mistake between assets."""
    spelling = Spelling(definitions)
    outputs: dict[tuple[str, ...], str] = {}
    distinct = len({fold(name) for name in definitions}) == len(definitions)
    for name, definition in definitions.items():
        asset = definition.asset
        if asset is None:
            continue
        if asset.upstreams and not _are_plain(asset.upstreams, definitions, name, distinct=distinct):
            _upstreams(asset, definitions, spelling, checker)
        if asset.checks:
            _relationships(asset, definitions, checker)
        if asset.output is not None:
            _claim(asset, asset.output, outputs, checker)
    paths = {key[0]: name for key, name in outputs.items() if len(key) == 1}
    around: dict[str, list[str]] = {}
    for path, name in paths.items():
        folder = path.rpartition("/")[0]
        outer = around.get(folder)
        if outer is None:
            outer = around[folder] = _outer(folder, paths, checker)
        for each in outer:
            _inside(name, each, paths.get(each), definitions, checker)


def _are_plain(upstreams: Sequence[str], definitions: Mapping[str, Definition], name: str, *, distinct: bool) -> bool:
    """Whether nothing can be wrong with these upstreams: known, each once, and no two names of one variable."""
    return distinct and name not in upstreams and len(definitions.keys() & upstreams) == len(upstreams)


def _upstreams(asset: Asset, definitions: Mapping[str, Definition], spelling: Spelling, checker: Checker) -> None:
    name = asset.name
    for index, upstream in enumerate(asset.upstreams):
        if upstream not in definitions:
            near = spelling.nearest(upstream)
            hint = "declare an asset with this name; one without a command is external"
            if near is not None and near != name:
                hint = f"did you mean '{near}'?"
            checker.report(name, ("upstreams", index), "A0202", f"unknown upstream '{upstream[:80]}'", hint)
        elif upstream == name:
            hint = "remove it from its upstreams"
            checker.report(name, ("upstreams", index), "A0203", "it is its own upstream", hint)
    _clashes(asset, checker)


def _relationships(asset: Asset, definitions: Mapping[str, Definition], checker: Checker) -> None:
    for index, check in enumerate(asset.checks):
        if check.kind == "relationships":
            _relationship(asset, check, ("checks", index, "relationships", "to"), definitions, checker)


def _relationship(
    asset: Asset, check: Check, keys: tuple[Key, ...], definitions: Mapping[str, Definition], checker: Checker
) -> None:
    """Report a check that compares with what is not there, or with what is somewhere else."""
    other = check.arguments["to"]
    if other not in definitions:
        near = Spelling(definitions).nearest(other)
        hint = f"did you mean '{near}'?" if near is not None else "declare an asset with this name"
        checker.report(asset.name, keys, "A0163", f"check '{check.name}' names no asset: '{other[:80]}'", hint)
        return
    target = definitions[other].asset
    if target is None or asset.output is None:
        return  # a problem of its own
    here, there = _place(asset, checker), _place(target, checker)
    if there is None or here is None or there != here:
        what = f"check '{check.name}' compares {_said(here)} with '{other}', which is {_said(there)}"
        hint = "both have to be tables of one connection, or files; else write a python check"
        checker.report(asset.name, keys, "A0163", what, hint)


def _place(asset: Asset, checker: Checker) -> str | None:
    """What an asset's output can be compared within: "files", a connection's name, or nothing."""
    if asset.output is None:
        return "files" if isinstance(asset.observe, PathProbe) else None
    if asset.output.path is not None:
        return "files"
    if asset.output.table is None:
        return None
    return f"connection {asset.output.connection or checker.surroundings.default_connection}"


def _said(place: str | None) -> str:
    if place is None:
        return "no table and no file"
    return "a file" if place == "files" else f"a table of the {place}"


def _outer(folder: str, paths: Mapping[str, str], checker: Checker) -> list[str]:
    """Of a folder and those above it the ones that an output must not lie in."""
    ours = f"{checker.surroundings.paths.root}/.assets"
    found = []
    while folder:
        if folder == ours or folder in paths:
            found.append(folder)
        folder = folder.rpartition("/")[0]
    return found


def _inside(name: str, folder: str, other: str | None, definitions: Mapping[str, Definition], checker: Checker) -> None:
    """Report an output inside another's folder, which a run of either would take for drift, and one that is ours."""
    if folder == f"{checker.surroundings.paths.root}/.assets":
        message, hint = "writes into .assets, where history and logs are", "write it somewhere else"
        checker.report(name, ("output", "path"), "A0213", message, hint)
    if other is not None:
        message = f"writes inside the folder that asset '{other}' writes"
        hint = "each would take the other's work for somebody else's change; give each a place of its own"
        outer = definitions[other].asset
        replaces = outer is not None and outer.output is not None and outer.output.atomic
        if replaces:
            message = f"writes inside the folder that asset '{other}' replaces as a whole"
            hint = "its `atomic: true` would remove this output; give each a place of its own"
        checker.report(name, ("output", "path"), "A0212", message, hint, warning=not replaces)


def fold(name: str) -> str:
    """The part of a variable's name that stands for an asset: letters upper-cased, what is no letter or digit `_`."""
    upper = name.upper()
    return upper if upper.isidentifier() and upper.isascii() else _NEITHER.sub("_", upper)


def _clashes(asset: Asset, checker: Checker) -> None:
    first: dict[str, str] = {}
    seen: set[str] = set()
    for index, upstream in enumerate(asset.upstreams):
        if upstream in seen:
            checker.report(
                asset.name,
                ("upstreams", index),
                "A0204",
                f"upstream '{upstream}' is here twice",
                "remove one of the two",
            )
            continue
        seen.add(upstream)
        other = first.setdefault(fold(upstream), upstream)
        if other != upstream:
            message = f"upstreams '{other}' and '{upstream}' are both ASSETS_UPSTREAM_{fold(upstream)} to a command"
            checker.report(asset.name, ("upstreams", index), "A0206", message, "rename one of the two assets")


def _claim(asset: Asset, output: Output, outputs: dict[tuple[str, ...], str], checker: Checker) -> None:
    """Note what an asset writes, and report it where another asset writes it too."""
    surroundings = checker.surroundings
    if output.path is not None:
        env = "${env." in output.path
        key: tuple[str, ...] = (normpath(output.path) if env else surroundings.paths.resolve(output.path),)
        what, step = f"writes '{output.path}'", "path"
    elif output.table is not None:
        name = output.connection or surroundings.default_connection or ""
        connection = surroundings.connections.get(name)
        path = connection.options.get("path", "") if connection else ""
        database = surroundings.paths.resolve(path) if path and "${env." not in path else f"{name}:{path}"
        # `main` is the schema of a bare name, in DuckDB and in SQLite.
        key = (database, output.table.lower().removeprefix("main."))
        what, step = f"writes table '{output.table}'", "table"
    else:
        return
    other = outputs.setdefault(key, asset.name)
    if other != asset.name:
        document, offset = checker.locator.find(other, ("output", step))
        related = Related(document.place_at(offset), f"asset '{other}' writes it here")
        message = f"{what}, which asset '{other}' writes too"
        hint = "give each asset an output of its own"
        checker.report(asset.name, ("output", step), "A0205", message, hint, related=(related,))
