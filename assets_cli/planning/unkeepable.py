"""Which promises nobody can keep, by what the manifest alone says.

Pure: needs no state, no clock. The reasoning, from the model page: a promise on an asset makes what is above it run as
far as it has to, whatever is promised there. So that a root with a command, or anything in between, has a longer
`max_lag` than what is made from it contradicts nothing: the shorter one rules. Only external assets are not run, so
only their promises are limits: others produce them, and "no older than 24h" is all that they say. Whoever promises 6h
of what is made from that promises for others. And of an external asset without `observe` nobody knows how old it is,
nor, since any unknown makes it unknown, how old all is that is made from it: its promise is neither kept nor broken.

A promise that holds at the ticks of a cron expression lets data grow older between them, by as long as two ticks are
apart. That is looked at over the next few ticks from a fixed day on, of which each is really to come; what would be
wrong only later is not said, rather than something that is not wrong.

What an external asset is made from itself, where that is declared, does not count: its data time is what is observed.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import Final, NamedTuple

from assets_cli.graph.graph import AssetGraph
from assets_cli.model.manifest import FreshnessPolicy

_A_DAY: Final = 1_704_067_200_000_000
"""The first of January 2024, a Monday."""
_SO_MANY: Final = 64


class Uncarried(NamedTuple):
    """An asset that promises more than an external asset above it does; of several the one that promises least."""

    asset: str
    external: str


class Unknowable(NamedTuple):
    """An external asset that is never observed, and an asset with a promise that rests on it (maybe itself).

    Of several the one that promises most.
    """

    external: str
    asset: str


def uncarried(graph: AssetGraph) -> tuple[Uncarried, ...]:
    """The promises that an external asset above does not carry, upstreams first: one look at every edge."""
    assets = graph.assets
    if not any(asset.is_external and asset.freshness for asset in assets.values()):
        return ()
    loosest: dict[str, tuple[int, str]] = {}
    """Of each asset how old the data of an external one may get that it comes from, and which that is."""
    found: list[Uncarried] = []
    for name in graph.order:
        asset = assets[name]
        policy = asset.freshness
        if asset.is_external:
            # Of one that nobody observes, nothing is known: that is said by itself.
            if policy is not None and asset.observe is not None:
                loosest[name] = _oldest(policy), name
            continue
        above = [loosest[upstream] for upstream in asset.upstreams if upstream in loosest]
        if not above:
            continue
        limit = loosest[name] = max(above, key=lambda each: each[0])
        below = assets[limit[1]].freshness
        if policy is not None and below is not None and not _carries(below, policy):
            found.append(Uncarried(name, limit[1]))
    return tuple(found)


def _oldest(policy: FreshnessPolicy) -> int:
    """How old data gets by a promise: with a cron expression, just before the next tick."""
    if policy.cron is None:
        return policy.max_lag
    moments = _ticks(policy.cron, policy.timezone)
    return policy.max_lag + max(late - early for early, late in pairwise(moments))


def _carries(theirs: FreshnessPolicy, own: FreshnessPolicy) -> bool:
    """Whether data that keeps their promise can keep this one."""
    if theirs.cron is None or own.cron is None:
        return own.max_lag >= (theirs.max_lag if own.cron is not None else _oldest(theirs))
    from assets_cli.planning.ticks import previous_tick  # as below

    return all(
        previous_tick(theirs.cron, theirs.timezone, tick) - theirs.max_lag >= tick - own.max_lag
        for tick in _ticks(own.cron, own.timezone)
    )


@lru_cache(maxsize=1_024)
def _ticks(cron: str, timezone: str) -> tuple[int, ...]:
    from assets_cli.planning.ticks import next_tick  # only a cron expression needs its library

    moments = [next_tick(cron, timezone, _A_DAY)]
    while len(moments) < _SO_MANY:
        moments.append(next_tick(cron, timezone, moments[-1]))
    return tuple(moments)


def unknowable(graph: AssetGraph) -> tuple[Unknowable, ...]:
    """The external assets that a promise rests on and that nobody observes, upstreams first: one look at every edge."""
    assets = graph.assets
    if not any(asset.is_external and asset.observe is None for asset in assets.values()):
        return ()
    asks: dict[str, tuple[int, str]] = {}
    """Of each asset the shortest `max_lag` that rests on it, and whose that is."""
    found: list[Unknowable] = []
    for name in reversed(graph.order):
        asset = assets[name]
        if asset.freshness is not None:
            own = asset.freshness.max_lag, name
            asks[name] = min(asks.get(name, own), own)
        asked = asks.get(name)
        if asked is None:
            continue
        if not asset.is_external:
            for upstream in asset.upstreams:
                asks[upstream] = min(asks.get(upstream, asked), asked)
        elif asset.observe is None:
            found.append(Unknowable(name, asked[1]))
    return tuple(reversed(found))
