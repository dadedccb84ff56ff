"""A project as it would be kept for a while: what is on record, what is declared, and a virtual clock.

Reads the project and its history, observes nothing and writes nothing. What happens is `planning.simulation`'s
business. Knows nothing of the terminal.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from assets_cli import wiring
from assets_cli.graph import AssetGraph, select
from assets_cli.manifest.what_if import what_if
from assets_cli.model.manifest import DEFAULT_ENVIRONMENT, Manifest
from assets_cli.model.memory import collector_paused
from assets_cli.model.simulation import WhatIf
from assets_cli.planning.simulation import Scenario, simulate
from assets_cli.state.arrivals import arrivals


class Question(NamedTuple):
    """What is to be simulated: for how long, what is to be listed, what is different, and with how many jobs."""

    length: int
    selection: Sequence[str] = ()
    changes: Sequence[str] = ()
    jobs: int | None = None


class ProjectSimulation(NamedTuple):
    """A simulation of a project, and the assets that were asked about."""

    manifest: Manifest
    names: frozenset[str]
    found: WhatIf


def simulate_project(
    directory: Path,
    question: Question,
    *,
    environment: str = DEFAULT_ENVIRONMENT,
    variables: Mapping[str, str] | None = None,
    state: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> ProjectSimulation:
    """What `assets up` would do in so much time from now on; with changes, also what it would do without them.

    Raises:
        AssetsError: the project or its history cannot be read, the selection names nothing, a change makes no sense
            (A0931 to A0933), or too much would run (A0935).
    """
    declared = wiring.read(directory, environment=environment, variables=variables or {}, state=state, environ=environ)
    parts = wiring.Wiring(declared)
    graph, manifest = parts.graph, parts.manifest
    names = select(question.selection, graph)
    changed = AssetGraph(what_if(manifest, question.changes), graph.arrangement) if question.changes else None
    with collector_paused(), wiring.quoted(manifest):
        snapshot, world = parts.look(frozenset(graph.assets), observing=False)
        jobs = question.jobs or os.cpu_count() or 1
        seen = arrivals(parts.state, manifest.environment)
        scenario = Scenario(graph, snapshot, world, wiring.clock(), question.length, jobs, seen)
        before = simulate(scenario)
        if changed is None:
            return ProjectSimulation(manifest, names, WhatIf((), None, before))
        after = simulate(scenario._replace(graph=changed))
    return ProjectSimulation(changed.manifest, names, WhatIf(tuple(question.changes), before, after))
