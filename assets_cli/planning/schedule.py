"""How long a plan takes: usual durations, list scheduling at a number of jobs, the longest path.

Pure; an estimate, never a promise. List scheduling by longest remaining path is Graham's classic rule (1966), and the
same rule starts the real steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from assets_cli.model.plan import Step


class Estimate(NamedTuple):
    """`duration` in microseconds, None where no step has ever run; the path that no number of jobs can shorten."""

    duration: int | None
    critical_path: tuple[str, ...]


def usual(durations: Sequence[int]) -> int | None:
    """The median of recent durations, None where there is none."""
    return _median(durations) if durations else None


def _median(values: Sequence[int]) -> int:
    """Here, since importing `statistics` takes longer than a thousand of these."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) // 2


def lengths(steps: Mapping[str, Step], fallback: int = 1) -> dict[str, int]:
    """How long each step takes. One that was never timed counts as `fallback`; one that only checks, as nothing."""
    return {
        name: max(step.estimated, 1) if step.estimated is not None else 1 if step.kind == "check" else fallback
        for name, step in steps.items()
    }


def remaining(steps: Mapping[str, Step], fallback: int = 1) -> dict[str, int]:
    """For each step the length of the longest path from its start to the end; unknown durations count as `fallback`."""
    return _paths(steps, lengths(steps, fallback))


def _paths(steps: Mapping[str, Step], length: Mapping[str, int]) -> dict[str, int]:
    below: dict[str, int] = dict.fromkeys(steps, 0)
    path: dict[str, int] = {}
    for name in reversed(list(steps)):
        path[name] = own = below[name] + length[name]
        for upstream in steps[name].after:
            if below.get(upstream, own) < own:
                below[upstream] = own
    return path


def estimate(steps: Mapping[str, Step], jobs: int) -> Estimate:
    """How long these steps, in topological order, take with so many jobs, and their longest path."""
    known = [step.estimated for step in steps.values() if step.estimated is not None]
    length = lengths(steps, _median(known) if known else 1)
    path = _longest_path(steps, _paths(steps, length))
    return Estimate(left(steps, length, jobs, {}) if known else None, path)


def left(steps: Mapping[str, Step], length: Mapping[str, int], jobs: int, begun: Mapping[str, int]) -> int:
    """When the last of these steps ends, counted from now, by list scheduling.

    Args:
        steps: what is not done yet, in topological order. What else they come after is done.
        length: how long each takes.
        jobs: how many run at once.
        begun: those that run already, each with what is left of it.
    """
    import heapq  # only where there are steps

    readers: dict[str, list[str]] = {name: [] for name in steps}
    waiting: dict[str, int] = {}
    for name, step in steps.items():
        if name not in begun:
            above = [upstream for upstream in step.after if upstream in readers]
            waiting[name] = len(above)
            for upstream in above:
                readers[upstream].append(name)
    path = _paths(steps, length)
    ready = [(-path[name], name) for name, count in waiting.items() if not count]
    heapq.heapify(ready)
    running = [(rest, name) for name, rest in begun.items()]
    heapq.heapify(running)
    now = 0
    while ready or running:
        while ready and len(running) < jobs:
            _, name = heapq.heappop(ready)
            heapq.heappush(running, (now + length[name], name))
        now, done = heapq.heappop(running)
        for name in readers.get(done, ()):
            waiting[name] -= 1
            if not waiting[name]:
                heapq.heappush(ready, (-path[name], name))
    return now


def _longest_path(steps: Mapping[str, Step], length: Mapping[str, int]) -> tuple[str, ...]:
    readers: dict[str, list[str]] = {name: [] for name in steps}
    for name, step in steps.items():
        for upstream in step.after:
            readers[upstream].append(name)
    starts = [name for name, step in steps.items() if not step.after]
    path = []
    current = max(starts, key=length.__getitem__, default=None)
    while current is not None:
        path.append(current)
        current = max(readers[current], key=length.__getitem__, default=None)
    return tuple(path)
