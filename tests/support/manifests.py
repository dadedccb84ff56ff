"""Projects to be compiled: how to ask for one, and what two answers have in common."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from assets_cli.compiled import Asked, Compiled, compiled, make, recall
from assets_cli.model.problem import AssetsError
from assets_cli.probing.files import FileDigests


def write(root: Path, files: Mapping[str, str]) -> None:
    """Write the files of a project."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def ask(
    root: Path,
    environment: str = "default",
    variables: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Asked:
    """The question what a project says."""
    return Asked(str(root), "assets.yml", environment, variables or {}, environ or {})


def digests(asked: Asked) -> FileDigests:
    """What a new process knows of files."""
    return FileDigests(asked.root, time.time_ns)


def answer(asked: Asked) -> Compiled:
    """What any command is told."""
    return compiled(asked, digests(asked))


def kept(asked: Asked) -> Compiled | None:
    """What the cache says."""
    return recall(asked, digests(asked))


def anew(asked: Asked) -> Compiled:
    """What any command is told where nothing is kept."""
    asked.cache.unlink(missing_ok=True)
    return answer(asked)


def plain(asked: Asked) -> Compiled:
    """What the compiler makes of the files, neither packed nor kept."""
    return make(asked, digests(asked)).found


def said(asked: Asked, how: object = None) -> str:
    """All of an answer, or of what is wrong, as one text: in it 1 is not True."""
    try:
        found = (how or answer)(asked)  # type: ignore[operator]
    except AssetsError as error:
        return repr(error.problems)
    manifest = found.manifest
    places = [
        manifest.locate(name, *keys)
        for name in manifest.assets
        for keys in ((), ("name",), ("owner",), ("upstreams", 0), ("command", "sql"))
    ]
    # Policies are for `validate` alone, and not kept.
    return "\n".join(map(repr, (manifest._replace(locate=len, policies=()), *found[1:], places)))


def wrong(asked: Asked) -> list[str]:
    """The codes of what is wrong."""
    try:
        answer(asked)
    except AssetsError as error:
        return [problem.code for problem in error.problems]
    return []
