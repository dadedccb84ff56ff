"""The asset graph: direct edges, their closures, a topological order, and cycles that a person can read.

Knows the manifest's assets and their upstreams; knows nothing of state, disks or selections.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

from assets_cli.model.manifest import Asset, Manifest
from assets_cli.model.problem import AssetsError, Problem, Related


class Arrangement(NamedTuple):
    """What follows from the edges: all names, upstreams first, and the direct downstreams of each in this order."""

    order: tuple[str, ...]
    downstreams: Mapping[str, tuple[str, ...]]


class AssetGraph:
    """The assets of a manifest with their edges.

    `order` lists all names so that upstreams come first; among assets that could come in either order, the manifest's
    order rules, so that the same manifest always gives the same order. Whoever knows the arrangement already, since
    the same assets were arranged before, may hand it in.

    Raises:
        AssetsError: the upstreams form a cycle (A0207).
    """

    def __init__(self, manifest: Manifest, arrangement: Arrangement | None = None) -> None:
        self.manifest = manifest
        self.arrangement = arrange(manifest) if arrangement is None else arrangement
        self.order = self.arrangement.order

    @property
    def assets(self) -> Mapping[str, Asset]:
        """The assets by name, in the manifest's order."""
        return self.manifest.assets

    @cached_property
    def position(self) -> Mapping[str, int]:
        """Each asset's place in the topological order."""
        return {name: index for index, name in enumerate(self.order)}

    def upstreams(self, name: str) -> tuple[str, ...]:
        """The direct upstreams: those that are written, then those that its code names."""
        return self.assets[name].upstreams

    def downstreams(self, name: str) -> tuple[str, ...]:
        """The direct downstreams, in topological order."""
        return self.arrangement.downstreams[name]

    def ancestors(self, names: Iterable[str], depth: int | None = None) -> dict[str, int]:
        """Everything above these assets, without them unless one is above another, with its distance."""
        return _closure(names, self.upstreams, depth)

    def descendants(self, names: Iterable[str], depth: int | None = None) -> dict[str, int]:
        """Everything below these assets, without them unless one is below another, with its distance."""
        return _closure(names, self.downstreams, depth)

    def sort(self, names: Iterable[str]) -> list[str]:
        """These names in topological order."""
        return sorted(names, key=self.position.__getitem__)


def _closure(names: Iterable[str], neighbours: Callable[[str], tuple[str, ...]], depth: int | None) -> dict[str, int]:
    found: dict[str, int] = {}
    layer = list(dict.fromkeys(names))
    distance = 0
    while layer and (depth is None or distance < depth):
        distance += 1
        following: dict[str, None] = {}
        for name in layer:
            for neighbour in neighbours(name):
                if neighbour not in found:
                    found[neighbour] = distance
                    following[neighbour] = None
        layer = list(following)
    return found


def arrange(manifest: Manifest) -> Arrangement:
    """The arrangement of a manifest's assets: each comes as soon as the last of its upstreams has.

    Raises:
        AssetsError: the upstreams form a cycle (A0207).
    """
    assets = manifest.assets
    below: dict[str, list[str]] = {name: [] for name in assets}
    waiting: dict[str, int] = {}
    mentioned: dict[str, None] = {}
    for name, asset in assets.items():
        mentioned[name] = None
        upstreams = asset.upstreams
        waiting[name] = len(upstreams)
        for upstream in upstreams:
            mentioned[upstream] = None
            below[upstream].append(name)
    order = [name for name in mentioned if not waiting[name]]
    for name in order:  # which grows meanwhile
        for downstream in below[name]:
            waiting[downstream] -= 1
            if not waiting[downstream]:
                order.append(downstream)
    if len(order) < len(assets):
        raise AssetsError(*_cycles(manifest))
    for downstreams in below.values():
        downstreams.clear()
    for name in order:
        for upstream in assets[name].upstreams:
            below[upstream].append(name)
    return Arrangement(tuple(order), {name: tuple(downstreams) for name, downstreams in below.items()})


def _cycles(manifest: Manifest) -> tuple[Problem, ...]:
    """One problem for each knot of assets that are upstreams of themselves, as a loop with the place of each edge."""
    return tuple(_cycle_problem(manifest, loop) for loop in _loops(manifest.assets))


def _loops(assets: Mapping[str, Asset]) -> list[list[str]]:
    """A shortest-found loop for each strongly connected knot: every asset's edges are walked once."""
    unvisited, on_path, done = 0, 1, 2
    state = dict.fromkeys(assets, unvisited)
    loops: list[list[str]] = []
    for start in assets:
        if state[start] != unvisited:
            continue
        path = [start]
        walks = [iter(assets[start].upstreams)]
        state[start] = on_path
        while path:
            upstream = next(walks[-1], None)
            if upstream is None:
                state[path.pop()] = done
                walks.pop()
            elif state.get(upstream, done) == on_path:
                loops.append(path[path.index(upstream) :])
            elif state.get(upstream, done) == unvisited:
                state[upstream] = on_path
                path.append(upstream)
                walks.append(iter(assets[upstream].upstreams))
    return loops


def _cycle_problem(manifest: Manifest, loop: list[str]) -> Problem:
    """The loop is written against the edges: each asset reads the next one."""
    edges = []
    for name, upstream in _edges(loop):
        edges.append(Related(manifest.place_of_upstream(name, upstream), f"{name} reads {upstream}"))
    written = all(upstream in manifest.assets[name].written_upstreams for name, upstream in _edges(loop))
    what = "upstreams" if written else "reads"
    return Problem(
        "A0207",
        f"a cycle: {' -> '.join([*reversed(loop), loop[-1]])}",
        place=edges[0].place,
        related=tuple(edges),
        hint=f"remove one of these {what}; an asset cannot be made from itself",
        asset=loop[0],
    )


def _edges(loop: list[str]) -> Iterator[tuple[str, str]]:
    """Each asset of a loop with the one that it reads."""
    return zip(loop, [*loop[1:], loop[0]], strict=True)
