"""Everything that can be wrong without running anything, all at once: manifest, graph, code, variables, environments.

Gathers what the floors below find; finds nothing itself. Knows nothing of the terminal, writes no state.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from assets_cli import manifest as manifests
from assets_cli.graph import AssetGraph
from assets_cli.inference import column_findings, doubts, infer
from assets_cli.manifest import dotenv
from assets_cli.manifest.audit import audit, within
from assets_cli.model.manifest import Manifest
from assets_cli.model.problem import AssetsError, Problem
from assets_cli.planning import freshness
from assets_cli.probing.files import FileDigests
from assets_cli.probing.findings import findings


class Validation(NamedTuple):
    """Everything that is wrong or doubtful, and how much was looked at."""

    problems: tuple[Problem, ...]
    assets: int
    files: int


def validate(
    directory: Path,
    *,
    environment: str = "default",
    variables: Mapping[str, str] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Validation:
    """Everything that can be wrong without running anything, all at once.

    Raises:
        AssetsError: there is no manifest to validate.
    """
    path = manifests.find(directory)
    loaded = manifests.load(path, environment=environment, variables=variables or {})
    found = list(loaded.problems)
    manifest = loaded.manifest
    if manifest is None:
        return Validation(tuple(found), 0, 0)
    file = dotenv.read(manifest.root)
    audited = audit(path, loaded, environment=environment, variables=variables or {})
    found += audited.problems
    known = file.under(environ)
    files = FileDigests(manifest.root, time.time_ns)
    completed, clashes, _ = infer(manifest, known, files)
    found += clashes
    whole = all(problem.severity == "warning" for problem in loaded.problems)
    try:
        graph = AssetGraph(completed)
        found += findings(graph, known, files)
        found += doubts(completed, known, files, whole=whole)
        if whole:
            found += column_findings(graph, known, files)
            found += _never_refreshed(graph)  # of a graph with assets left out this would not be true
    except AssetsError as error:
        found += error.problems  # what is wrong with a graph that is none cannot be asked for
        audited = audited._replace(manifests={})  # the same cycle in every environment
    for name, other in audited.manifests.items():
        if name != environment:
            found += (within(name, knot) for knot in _knots(other, known, files))
    # Lines of .env are not quoted: they hold secrets.
    problems = (*file.problems, *manifests.quote(manifest.root, found))
    return Validation(problems, len(manifest.assets), len(manifest.files))


def _knots(manifest: Manifest, environ: Mapping[str, str], files: FileDigests) -> tuple[Problem, ...]:
    """What keeps the assets of a manifest from being a graph."""
    try:
        AssetGraph(infer(manifest, environ, files).manifest)
    except AssetsError as error:
        return error.problems
    return ()


def _never_refreshed(graph: AssetGraph) -> list[Problem]:
    return [
        Problem(
            "A0210",
            f"asset {name!r}: nothing will refresh it: no freshness policy on it or below",
            severity="warning",
            place=graph.manifest.locate(name, "name"),
            hint="give it, or an asset below it, freshness: {max_lag: 24h}",
            asset=name,
        )
        for name in freshness.never_refreshed(graph)
    ]
