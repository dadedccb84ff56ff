"""A history that is only imagined: what would be on record if assets ran at moments of a virtual clock.

Pure. It begins as a snapshot has it and goes on as `state` would write it: a materialization supersedes the one before,
whose data time is frozen for those who read it. Each one is taken to have something new to say. What data is how old
is `freshness`' business; here it is only asked again where something moved, so that the cost follows what happens.
"""

from __future__ import annotations

from collections.abc import Mapping
from heapq import heappop, heappush
from typing import cast

from assets_cli.graph.graph import AssetGraph
from assets_cli.model.history import Input, Latest, Materialization, Observation, StateSnapshot
from assets_cli.model.manifest import Asset
from assets_cli.model.world import World
from assets_cli.planning import freshness
from assets_cli.planning.freshness import FreshnessView
from assets_cli.planning.versions import current_input

_RUN = "simulated"


class VirtualHistory:
    """What is on record at a moment of the virtual clock. `times` are the data times of all assets."""

    def __init__(self, start: FreshnessView) -> None:
        self.graph: AssetGraph = start.graph
        self.times: dict[str, int | None] = dict(start.times)
        self._latest: dict[str, Latest] = dict(start.snapshot.latest)
        self._observations: dict[str, Observation] = dict(start.world.observations)
        self._frozen: dict[tuple[str, str], int | None] = dict(start.snapshot.frozen)
        self._doubtful = set(start.doubtful)
        self._snapshot = StateSnapshot(start.snapshot.environment, self._latest, self._observations, self._frozen)
        self._world = World({}, {}, self._observations)
        self._reading: dict[str, Mapping[str, Input]] = {}
        self._records = 0
        self._supersede_observed(start)

    def view(self, now: int) -> FreshnessView:
        """The ages of the data at a moment. It is a look at what is here, which goes on."""
        return FreshnessView(
            self.graph,
            self._snapshot,
            self._world,
            now,
            self.times,
            cast("frozenset[str]", self._doubtful),  # it is only looked into
            (),
        )

    def is_stale(self, name: str) -> bool:
        """Whether an asset has read something else than what is there now."""
        return name in self._doubtful

    def begin(self, name: str) -> None:
        """An asset starts, and reads what its upstreams are now."""
        self._reading[name] = {upstream: self._current(upstream) for upstream in self.graph.upstreams(name)}

    def finish(self, name: str, started: int, now: int) -> list[str]:
        """An asset that started at a moment is made. Gives the assets whose data times moved, itself among them."""
        inputs = self._reading.pop(name)
        before = self._latest.get(name)
        self._freeze(name, before.usable.data_version if before is not None and before.usable is not None else None)
        self._records += 1
        made = Materialization(
            self._records, name, _RUN, 1, started, now, "", {}, f"{_RUN}:{self._records}", None, None, inputs
        )
        self._latest[name] = Latest(made, made)
        if all(self._current(upstream) == read for upstream, read in inputs.items()):
            self._doubtful.discard(name)
        return self._moved(name, now)

    def observe(self, name: str, now: int, time: int | None = None) -> list[str]:
        """Something new is seen of an external asset, of now or that time. Gives the assets whose data times moved."""
        before = self._observations.get(name)
        self._freeze(name, before.data_version if before is not None else None)
        self._records += 1
        version = f"{_RUN}:{self._records}"
        self._observations[name] = Observation(self._records, name, now, version, now if time is None else time)
        return self._moved(name, now)

    def _supersede_observed(self, start: FreshnessView) -> None:
        """What was looked at just now is not on record yet; what it supersedes is frozen when it is."""
        before = start.snapshot.observations
        for name, known in before.items():
            seen = self._observations.get(name)
            if seen is not None and seen.data_version != known.data_version and name in self.graph.assets:
                world = World({}, {}, before)
                self._frozen[name, known.data_version] = freshness.data_time(
                    self.graph.assets[name], self.graph, start.snapshot, world, start.now, self.times.__getitem__
                )

    def _current(self, name: str) -> Input:
        external = self.graph.assets[name].is_external
        return current_input(name, self._snapshot, self._observations, external=external)

    def _freeze(self, name: str, version: str | None) -> None:
        """What an asset had to say goes by; those who read it keep its data time."""
        if version is not None:
            self._frozen[name, version] = self.times[name]
        self._doubtful.update(
            [each for each in self.graph.downstreams(name) if self.graph.assets[each].command is not None]
        )

    def _moved(self, name: str, now: int) -> list[str]:
        """Ask for the data times anew, of an asset and of what is made from it, as far as they moved."""
        position, assets = self.graph.position, self.graph.assets
        moved: list[str] = []
        left, waiting = [(position[name], name)], {name}
        while left:
            _, one = heappop(left)
            waiting.discard(one)
            time = self._time(assets[one], now)
            if time == self.times[one] and one != name:
                continue
            changed = time != self.times[one]
            self.times[one] = time
            moved.append(one)
            for each in self.graph.downstreams(one) if changed else ():
                if each not in waiting:
                    waiting.add(each)
                    heappush(left, (position[each], each))
        return moved

    def _time(self, asset: Asset, now: int) -> int | None:
        if asset.upstreams and asset.command is not None and asset.name not in self._doubtful:
            # It has read of each upstream what is there now, as in `freshness.view`.
            times = [self.times[upstream] for upstream in asset.upstreams]
            return None if None in times else min(times)  # type: ignore[type-var]
        return freshness.data_time(asset, self.graph, self._snapshot, self._world, now, self.times.__getitem__)
