"""What crons would do in place of `assets up`: the work that was saved is measured against it.

Pure. Every promised asset has a cron job of its own, which makes it and everything above it that has a command,
whether that is new or not: a cron job does not know what another one has done. It comes at the ticks of the promise, or
so often that the promise is kept: every `max_lag`, less the time that it takes and the margin that `up` has, too; and
never again before it has ended. So both keep the same promises with the same care, and differ in what they repeat.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from assets_cli.graph.graph import AssetGraph
from assets_cli.model.duration import SECOND
from assets_cli.model.manifest import FreshnessPolicy
from assets_cli.model.plan import Step, Together
from assets_cli.planning.deciding import margin
from assets_cli.planning.freshness import FreshnessView, broken_at


class Work(NamedTuple):
    """So many materializations, which take so many microseconds in all."""

    runs: int = 0
    time: int = 0


class Job(NamedTuple):
    """What one cron job does each time: this promised asset and all that is above it."""

    asset: str
    work: Work


def jobs(graph: AssetGraph, names: Collection[str], usual: Mapping[str, int]) -> Iterator[Job]:
    """The cron job of each of these assets, in topological order. `usual` is how long each asset with a command takes.

    What is above an asset is a number with a bit for each; how long that takes is counted by the digits of lengths, so
    that ten thousand jobs of ten thousand assets are no hundred million look-ups.
    """
    wanted = frozenset(names)
    scope = graph.sort({*wanted, *graph.ancestors(wanted)})
    bits = {name: 1 << place for place, name in enumerate(name for name in scope if name in usual)}
    digits = [0] * max([usual[name].bit_length() for name in bits], default=0)
    for name, bit in bits.items():
        for digit in range(usual[name].bit_length()):
            if usual[name] >> digit & 1:
                digits[digit] |= bit
    in_scope = frozenset(scope)
    readers = {name: sum(each in in_scope for each in graph.downstreams(name)) for name in scope}
    above: dict[str, int] = {}
    for name in scope:
        members = bits.get(name, 0)
        for upstream in graph.upstreams(name) if name in bits else ():
            members |= above[upstream]
        for upstream in graph.upstreams(name):
            readers[upstream] -= 1
            if not readers[upstream]:
                del above[upstream]  # of a large project that would be all memory
        above[name] = members
        if name in wanted:
            time = sum((members & those).bit_count() << digit for digit, those in enumerate(digits))
            yield Job(name, Work(members.bit_count(), time))


def by_own_cron(
    start: FreshnessView, usual: Mapping[str, int], takes: Mapping[str, int], until: int, stale: Collection[str]
) -> Work:
    """What all cron jobs would do between the moment of a view and another one.

    Args:
        start: the ages of the data as it begins.
        usual: how long each asset with a command takes.
        takes: how long a cron job has to reckon with, by its asset.
        until: when it ends.
        stale: what runs at once as it begins, with crons as without: whose job comes a period after that.
    """
    graph, now = start.graph, start.now
    runs = time = 0
    for job in jobs(graph, [name for name in takes if _is_regular(graph.assets[name].freshness)], usual):
        policy = graph.assets[job.asset].freshness
        assert policy is not None  # noqa: S101 - for mypy: chosen above
        if policy.cron is not None:
            often = _count(policy.cron, policy.timezone, now, until)
        else:
            early = takes[job.asset] + margin(takes[job.asset])
            period = max(policy.max_lag - early, takes[job.asset], SECOND)
            known = None if job.asset in stale else start.times[job.asset]
            first = now + period if known is None else max(broken_at(policy, known) - early, now)
            often = max((until - first) // period + 1, 0)
        runs, time = runs + often * job.work.runs, time + often * job.work.time
    return Work(runs, time)


def together(
    graph: AssetGraph, steps: Mapping[str, Step], names: Collection[str], usual: Callable[[str], int | None]
) -> Together | None:
    """How the work of a plan compares with a cron job for each promise of these assets that it is for.

    None where it is for no promise, or where something was never timed.
    """
    asked = {name for step in steps.values() if step.promise for name in step.promise.asked_by if name in names}
    if not asked:
        return None
    timed = {name: usual(name) for name in (*asked, *graph.ancestors(asked)) if not graph.assets[name].is_external}
    known = {name: length for name, length in timed.items() if length is not None}
    if len(known) < len(timed):
        return None
    work = [job.work for job in jobs(graph, asked, known)]
    ours = [known[name] for name in steps if name in known]
    return Together(len(asked), len(ours), sum(ours), sum(one.runs for one in work), sum(one.time for one in work))


def _is_regular(policy: FreshnessPolicy | None) -> bool:
    """Whether there is a cadence: new data in every run has none."""
    return policy is not None and (policy.cron is not None or policy.max_lag > 0)


@lru_cache(maxsize=1_024)
def _count(cron: str, timezone: str, after: int, until: int) -> int:
    from assets_cli.planning.ticks import ticks  # only a cron expression needs its library

    return sum(1 for _ in ticks(cron, timezone, after, until))
