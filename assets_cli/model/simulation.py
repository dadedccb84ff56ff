"""What a simulation says: what would run when, which promises would break, and what it would cost.

Values; moments are microseconds UTC, lengths microseconds.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Trigger = Literal["promise", "stale", "change", "schedule"]
"""Why something runs: a promise asks for it, it is stale at the beginning, the outside changed, its time has come."""


class Rhythm(NamedTuple):
    """When an external asset brings something new: every so often after `last`, or as a cron expression says.

    `source` is how that is known: from what was observed, or since its own promise says so.
    """

    source: Literal["observed", "promised"]
    last: int
    every: int = 0
    cron: str | None = None
    timezone: str = "UTC"


class Assumed(NamedTuple):
    """An external asset with the rhythm that is taken for it; None where it counts as new whenever it is looked at."""

    asset: str
    rhythm: Rhythm | None


class Bar(NamedTuple):
    """One time that an asset runs. `asked_by` are the assets whose promises ask for it, or what it is that changed."""

    asset: str
    start: int
    end: int
    trigger: Trigger
    asked_by: tuple[str, ...]


class Breach(NamedTuple):
    """One time that a promise is broken. `is_open` is where it still is at the end of what was simulated."""

    asset: str
    start: int
    end: int
    is_open: bool = False


class Simulated(NamedTuple):
    """One asset. `promise` is empty where it has none; `worst_age` is None where the age is never known.

    `worst_age` is how old the data gets at most: at any moment, or by a promise with cron at its ticks. `broken` is for
    how long the promise is broken, all breaches together.
    """

    asset: str
    owners: tuple[str, ...]
    group: str | None
    is_external: bool
    runs: int
    compute: int
    promise: str
    worst_age: int | None
    broken: int
    breaches: int


class Day(NamedTuple):
    """One day of the project. `broken` counts the promises that are broken at some time of it."""

    start: int
    runs: int
    compute: int
    broken: int


class Share(NamedTuple):
    """What an owner's assets, or a group's, cost. `name` is None for those that have none."""

    name: str | None
    assets: int
    runs: int
    compute: int


class Saved(NamedTuple):
    """What it would be if every promised asset were run by a cron of its own, together with all that is above it."""

    runs: int
    compute: int


class Simulation(NamedTuple):
    """What happens between two moments. Bars are in the order in which they start, assets in topological order.

    `timezone` is the zone of the days. `unpromised` counts the assets that no promise and no schedule covers, so that
    nothing but a change runs them; `untimed` those whose durations nobody knows yet. `waited` is for how long, all
    together, steps that were due waited for a free job.
    """

    start: int
    end: int
    jobs: int
    timezone: str
    bars: tuple[Bar, ...]
    breaches: tuple[Breach, ...]
    assets: tuple[Simulated, ...]
    days: tuple[Day, ...]
    owners: tuple[Share, ...]
    groups: tuple[Share, ...]
    alone: Saved
    assumed: tuple[Assumed, ...]
    unpromised: int
    untimed: int
    waited: int

    @property
    def compute(self) -> int:
        """How long all that runs takes together."""
        return sum(one.compute for one in self.assets)

    @property
    def broken(self) -> tuple[Simulated, ...]:
        """The assets whose promises are broken at some time."""
        return tuple(one for one in self.assets if one.breaches)


class WhatIf(NamedTuple):
    """What happens, and with `changes`, as they were typed, also what would without them."""

    changes: tuple[str, ...]
    before: Simulation | None
    after: Simulation
