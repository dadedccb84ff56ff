"""What has to start now so that promises stay kept: `assets up` asks it of the clock, `simulate` of a virtual one.

Pure. Until when work has to start is `deadlines`' business; here is which promises are due, how far their runs look
ahead, and what runs along.

A run for a promise makes what is on the way to it. What it leaves stale beside that waits for a promise of its own, on
it or below, and goes along only where there is none: else a promise of an hour would have all that shares a root with
it made every hour, whatever was promised of that. What is changed from outside goes down to all that is made from it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from assets_cli.graph.graph import AssetGraph
from assets_cli.model.manifest import Asset, FreshnessPolicy
from assets_cli.model.plan import Deadline
from assets_cli.planning.freshness import FreshnessView


class Strictest(NamedTuple):
    """Of all promises on an asset and below it: the shortest `max_lag` and the shortest pause."""

    lag: int
    pause: int


def strictest(graph: AssetGraph) -> dict[str, Strictest]:
    """What promises ask of each asset that one rests on: one look at every edge."""
    found: dict[str, Strictest] = {}
    for name in reversed(graph.order):
        asset = graph.assets[name]
        policy = asset.freshness
        if policy is not None:
            _tighten(found, name, Strictest(policy.max_lag, policy.pause))
        own = found.get(name)
        if own is not None:
            for upstream in asset.upstreams:
                _tighten(found, upstream, own)
    return found


def _tighten(found: dict[str, Strictest], name: str, other: Strictest) -> None:
    own = found.get(name)
    found[name] = other if own is None else Strictest(min(own.lag, other.lag), min(own.pause, other.pause))


def margin(takes: int) -> int:
    """How much earlier than the last safe moment work starts that takes so long: a tenth of that.

    How long it takes is an estimate, and it may have to wait for a job or for who reads what it makes.
    """
    return takes // 10


def latest_start(deadline: Deadline, policy: FreshnessPolicy | None, lead: int = 0) -> int | None:
    """When work for a promise starts: at its last safe moment less a margin, and `lead` earlier.

    As early as if all that is above it had to run, even where it only has to read what is there: another promise may
    have that made anew meanwhile, and then it would have to wait. Not before what is made then could be new enough.
    """
    if deadline.start is None or policy is None:
        return None
    early = max(deadline.reach - deadline.takes, 0) + margin(max(deadline.reach, deadline.takes)) + deadline.wait + lead
    return max(deadline.start - early, deadline.broken_at - policy.max_lag)


def due_promises(
    view: FreshnessView, promises: Mapping[str, Deadline], lead: int = 0, among: Iterable[str] | None = None
) -> dict[str, int]:
    """The promises for which work has to start now, each with the moment for which its run is.

    That is when it is broken otherwise, and as much later as the run takes, at least a twentieth of its `max_lag`:
    what would have to begin while it is at work, or soon after, goes along, so that what is made from all of it is made
    once. So do promises whose work would have to start meanwhile and has something to do with it: by itself it would
    have to wait for what is being made, or be waited for.
    """
    assets = view.graph.assets
    starts: dict[str, int] = {}
    for name, one in promises.items():
        moment = latest_start(one, assets[name].freshness, lead)
        if moment is not None:
            starts[name] = moment
    due = [name for name, moment in starts.items() if moment <= view.now]
    until = view.now + max((promises[name].takes for name in due), default=0)
    soon = [name for name, moment in starts.items() if view.now < moment <= until] if due else []
    if soon:
        above = {*due, *view.graph.ancestors(due)}
        near = {*above, *view.graph.descendants(above)}
        due += [name for name in soon if name in near]
    found: dict[str, int] = {}
    for name in due:
        policy, one = assets[name].freshness, promises[name]
        if policy is not None:
            found[name] = one.broken_at + max(one.takes, policy.max_lag // 20)
    for name in assets if among is None else among:
        # New data in every run: `deadlines` knows no moment for it, and so it is always due.
        policy = assets[name].freshness
        if policy is not None and policy.cron is None and not policy.max_lag and view.times[name] is not None:
            found[name] = view.now
    return found


def ahead_for(promises: Mapping[str, int], now: int) -> int:
    """How far a plan has to look ahead to have the steps for these promises."""
    return max([0, *(moment - now + 1 for moment in promises.values())])


def goes_along(asset: Asset, wanted: Collection[str], limits: Mapping[str, Strictest], *, changed: bool) -> bool:
    """Whether an asset runs with what it is made from.

    Args:
        asset: one of whose upstreams something runs.
        wanted: what is on the way to the promises that are due.
        limits: what promises ask of each asset that one rests on.
        changed: whether something above runs since it was changed, or since its time has come.
    """
    if asset.name in wanted:
        return True
    return asset.schedule is None and (changed or asset.name not in limits)
