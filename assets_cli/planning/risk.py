"""Which promises nothing can keep any more that starts now, found without working out when each has to start.

Pure. For whoever asks after every run: of nearly all promises a look at every edge says that they can be kept.
"""

from __future__ import annotations

from collections.abc import Iterable

from assets_cli.model.plan import Deadline
from assets_cli.planning.deadlines import Durations, deadlines
from assets_cli.planning.freshness import FreshnessView, broken_at


def hopeless(view: FreshnessView, durations: Durations, names: Iterable[str]) -> dict[str, Deadline]:
    """The promises of these assets that cannot be met, whatever the jobs, with their deadlines.

    It can be met where even the longest path to the asset, were it all to run, would renew the oldest data in time.
    Only of the others the chains are looked at.
    """
    assets, suspects = view.graph.assets, []
    slowest = _slowest(view, durations, names := tuple(names))
    for name in names:
        policy, (oldest, longest) = assets[name].freshness, slowest[name]
        if policy is not None and (longest > policy.max_lag or broken_at(policy, oldest) - longest < view.now):
            suspects.append(name)
    found = deadlines(view, durations, len(assets), suspects) if suspects else {}
    return {name: one for name, one in found.items() if not one.can_be_met(view.now)}


def _slowest(view: FreshnessView, durations: Durations, names: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Of each of these assets and those above them the oldest data time there, and how long the longest path takes."""
    graph, assets = view.graph, view.graph.assets
    found: dict[str, tuple[int, int]] = {}
    for name in graph.sort({*names, *graph.ancestors(names)}):
        # Nothing above is older than the asset, but where a clock was set back, or a command reported what it liked.
        time = view.times[name]
        oldest, longest = view.now if time is None else time, 0
        for upstream in assets[name].upstreams:
            other, length = found[upstream]
            oldest, longest = min(oldest, other), max(longest, length)
        found[name] = oldest, longest if assets[name].is_external else longest + durations(name)
    return found
