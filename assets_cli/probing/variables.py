"""Which variables of a project its files use, for `validate`: SQL by `${vars.x}`, other code by its context.

A Python asset has them all in `context.vars`, a script that uses Dagster Pipes among its extras. What such code reads
is told by words alone: in doubt a variable is used, for a false alarm costs more than a dead variable. Runs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from posixpath import normpath

from assets_cli.model.manifest import Asset, Manifest, ShellCommand, SqlProbe
from assets_cli.model.template import variable_names
from assets_cli.probing.files import FileDigests

_SIGNS = ("vars", "extra")
"""Code without one of these words reads no variable."""
_WHOLE = re.compile(r"\.(?:vars|extras)\b(?!\s*(?:\[\s*|\.get\(\s*)['\"])")
"""All of them taken at once, handed on, or asked for by a name that is made up as it runs."""
_LARGEST = 1 << 22
"""Nobody writes a larger file by hand."""


def used(names: AbstractSet[str], manifest: Manifest, code: Iterable[str], files: FileDigests) -> set[str]:
    """Those of these variables that a file or a command uses. `code` are paths of files that count as code."""
    found: set[str] = set()
    for path in sorted({*code, *_queries(manifest.assets.values())}):
        text = _text(files.full(path)) if found != names else ""
        found |= names & set(variable_names(text)) if path.endswith(".sql") else _told(names, text)
    for asset in manifest.assets.values():
        if isinstance(asset.command, ShellCommand) and found != names:
            found |= _told(names, asset.command.run)
    return found


def _queries(assets: Iterable[Asset]) -> set[str]:
    """The SQL files of checks and probes, whose variables are filled in, too."""
    paths = {check.arguments.get("path") for asset in assets for check in asset.checks}
    paths |= {asset.observe.path for asset in assets if isinstance(asset.observe, SqlProbe)}
    return {normpath(path) for path in paths if path is not None}


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            return file.read(_LARGEST)
    except OSError:
        return ""  # a problem of its own


def _told(names: AbstractSet[str], text: str) -> set[str]:
    """The variables that code may take from its context: by the word, or all of them."""
    if not any(sign in text for sign in _SIGNS):
        return set()
    if _WHOLE.search(text):
        return set(names)
    return {name for name in names if re.search(rf"\b{re.escape(name.rpartition('.')[2])}\b", text)}
