"""Put on record what was observed of external assets. How one looks is `probing.observing`'s business."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from assets_cli.graph.graph import AssetGraph
from assets_cli.model.answers import Sighting
from assets_cli.model.history import Observation, StateSnapshot
from assets_cli.model.problem import AssetsError, Problem
from assets_cli.probing.observing import Observed, observable
from assets_cli.state.record import Recorder


def record(observations: Iterable[Observation], recorder: Recorder, environment: str) -> StateSnapshot:
    """Put observations on record, and read what is on record then.

    One that another process has recorded since ours was made stays the latest: all readers of a run read one.
    """
    made = tuple(observations)
    with recorder.transaction():
        latest = recorder.snapshot(environment, [seen.asset for seen in made]).observations if made else {}
        for seen in made:
            before = latest.get(seen.asset)
            if (before.seq if before else 0) == seen.seq:
                recorder.add_observation(environment, seen)
        return recorder.snapshot(environment)


def sight(
    graph: AssetGraph, names: Sequence[str], look: Callable[[StateSnapshot], Observed], recorder: Recorder
) -> tuple[Sighting, ...]:
    """Look at those of these assets that can be observed, and put it on record."""
    environment = graph.manifest.environment
    before = recorder.snapshot(environment)
    seen, failures = look(before)
    after = record(seen.values(), recorder, environment).observations
    return tuple(
        Sighting(asset.name, after.get(asset.name), before.observations.get(asset.name), failures.get(asset.name))
        for asset in observable(graph, names)
    )


def require_observable(graph: AssetGraph, names: Sequence[str]) -> None:
    """Refuse a selection that holds nothing to look at.

    Raises:
        AssetsError: it names no external asset that says how it is observed (A0607).
    """
    if not names or observable(graph, names):
        return
    externals = [name for name in names if graph.assets[name].is_external]
    if externals:
        name = externals[0]
        message = f"{name} does not say how it is observed"
        place, hint = (
            graph.manifest.locate(name, "name"),
            "give it observe: {path: …}, {sql: …}, {http: …} or {shell: …}",
        )
    else:
        name = names[0]
        message = f"{name} is no external asset: what it holds is known from its runs"
        place, hint = None, "assets list is:external names those that can be observed"
    raise AssetsError(Problem("A0607", message, place=place, hint=hint, asset=name))
