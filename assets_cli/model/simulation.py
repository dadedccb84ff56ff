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
    """An external asset with the rhythm that is taken for it; None where it counts as new whenever it is looked at.

    `looked` is how often it is looked at, as `assets up` would; 0 where what is new is noticed at once.
    """

    asset: str
    rhythm: Rhythm | None
    looked: int = 0


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
    """What runs of the promised assets and all that is above them, and what cron jobs would run in place of that.

    Each promised asset has a cron job of its own, which makes all that is above it, too (`planning.crons`). What is
    stale as it begins runs in any case, and does not count. `followed` is what of it runs since the outside changed, or
    since the hour of a schedule has come.
    """

    runs: int
    compute: int
    cron_runs: int
    cron_compute: int
    followed: int = 0
    followed_compute: int = 0

    @property
    def percent(self) -> int | None:
        """How much of the work of cron jobs is saved, rounded down; below 0 where it is more. None without any."""
        return None if not self.cron_compute else 100 * (self.cron_compute - self.compute) // self.cron_compute

    @property
    def why_more(self) -> str | None:
        """Why it is more than cron jobs would do, where it is."""
        more = self.compute - self.cron_compute
        if not self.cron_compute or more <= 0:
            return None
        if self.followed_compute >= more:
            return "what changes outside, or has a schedule, is passed on at once; crons leave it for their next turn"
        return "data is renewed earlier where jobs are few, or where it came at different moments"


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
    saved: Saved
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
