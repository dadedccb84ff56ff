"""How old data gets, and for how long promises are broken, while data times move.

Pure. What a promise means is `freshness`' business.
"""

from __future__ import annotations

from collections.abc import Mapping

from assets_cli.model.manifest import FreshnessPolicy
from assets_cli.model.simulation import Breach
from assets_cli.planning.freshness import FreshnessView, bound, broken_at


class BreachLog:
    """The promises of a project as time goes by. `breaches` are in the order in which they end."""

    def __init__(self, start: FreshnessView, left_out: frozenset[str] = frozenset()) -> None:
        self.promised: dict[str, FreshnessPolicy] = {
            name: asset.freshness
            for name in start.graph.order
            if name not in left_out and (asset := start.graph.assets[name]).freshness is not None
        }
        self.breaches: list[Breach] = []
        self.worst: dict[str, int] = {}
        self._times = {name: start.times[name] for name in self.promised}
        self._since = dict.fromkeys(self.promised, start.now)
        self._open: dict[str, int] = {}

    def moved(self, name: str, time: int | None, now: int) -> bool:
        """A data time is another one from now on. Whether there is a promise about it."""
        policy = self.promised.get(name)
        if policy is None:
            return False
        self._look(name, policy, now)
        if name in self._open and time is not None and time >= bound(policy, now):
            self.breaches.append(Breach(name, self._open.pop(name), now))
        self._times[name] = time
        self._since[name] = now
        return True

    def close(self, times: Mapping[str, int | None], now: int) -> None:
        """Nothing more happens."""
        for name, policy in self.promised.items():
            self._look(name, policy, now)
            if name in self._open:
                self.breaches.append(Breach(name, self._open.pop(name), now, is_open=times[name] is not None))

    def _look(self, name: str, policy: FreshnessPolicy, now: int) -> None:
        """What has become of a promise since the data time moved last."""
        time, since = self._times[name], self._since[name]
        if time is None:
            return
        breaks = broken_at(policy, time)
        if name not in self._open and breaks < now:
            self._open[name] = max(breaks, since)
        age: int | None = now - time
        if policy.cron is not None:
            # What counts is the age at ticks: that it was at the last one before now.
            tick = bound(policy, now - 1) + policy.max_lag
            age = tick - time if tick >= since else None
        if age is not None:
            self.worst[name] = max(self.worst.get(name, 0), age)
