"""Which assets a single promise needs to run: the model's `need(X, bound)`, for one asset.

Pure. A plan asks the same for all promises at once (`freshness.promises`); whoever goes through a month of them, one by
one, does not look at the whole project each time.
"""

from __future__ import annotations

from assets_cli.planning.freshness import FreshnessView


def need(view: FreshnessView, asset: str, least: int) -> tuple[str, ...]:
    """The assets that have to run, upstreams first, for the data of this one to be of `least` or newer.

    A root with older data; what is made from one of these, on the way; and what has newer data to read already. Nothing
    that we run makes an external asset newer.
    """
    graph, assets, times = view.graph, view.graph.assets, view.times
    above: dict[str, list[str]] = {}
    behind: set[str] = set()
    left = [asset]
    while left:
        name = left.pop()
        if name in above:
            continue
        older = above[name] = []
        for upstream in assets[name].upstreams:
            read, now = view.contribution(assets[name], upstream), times[upstream]
            if read is not None and read < least:
                older.append(upstream)
                if now is not None and now > read:
                    behind.add(name)
        left += older
    steps: dict[str, None] = {}
    for name in graph.sort(above):
        one, time = assets[name], times[name]
        if one.is_external:
            continue
        is_old_root = not one.upstreams and time is not None and time < least
        if is_old_root or name in behind or any(upstream in steps for upstream in above[name]):
            steps[name] = None
    return tuple(steps)
