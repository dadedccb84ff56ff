"""How long a plan takes: usual durations, list scheduling at a number of jobs, the longest path.

Pure; an estimate, never a promise. List scheduling by longest remaining path is Graham's classic rule (1966), and the
same rule starts the real steps.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

from assets_cli.model.plan import Step


class Estimate(NamedTuple):
    """`duration` in microseconds, None where no step has ever run; the path that no number of jobs can shorten."""

    duration: int | None
    critical_path: tuple[str, ...]


def usual(durations: Sequence[int]) -> int | None:
    """The median of recent durations, None where there is none."""
    return int(median(durations)) if durations else None


def remaining(steps: Mapping[str, Step], fallback: int = 1) -> dict[str, int]:
    """For each step the length of the longest path from its start to the end; unknown durations count as `fallback`."""
    below: dict[str, int] = dict.fromkeys(steps, 0)
    length: dict[str, int] = {}
    for name in reversed(list(steps)):
        step = steps[name]
        length[name] = below[name] + (fallback if step.estimated is None else max(step.estimated, 1))
        for upstream in step.after:
            below[upstream] = max(below[upstream], length[name])
    return length


def estimate(steps: Mapping[str, Step], jobs: int) -> Estimate:
    """How long these steps, in topological order, take with so many jobs, and their longest path."""
    known = [step.estimated for step in steps.values() if step.estimated is not None]
    fallback = int(median(known)) if known else 1
    length = remaining(steps, fallback)
    path = _longest_path(steps, length)
    if not known:
        return Estimate(None, path)
    readers: dict[str, list[str]] = {name: [] for name in steps}
    for name, step in steps.items():
        for upstream in step.after:
            readers[upstream].append(name)
    waiting = {name: len(step.after) for name, step in steps.items()}
    ready = [(-length[name], name) for name, count in waiting.items() if not count]
    heapq.heapify(ready)
    running: list[tuple[int, str]] = []
    now = 0
    while ready or running:
        while ready and len(running) < jobs:
            _, name = heapq.heappop(ready)
            took = steps[name].estimated
            heapq.heappush(running, (now + (fallback if took is None else took), name))
        now, done = heapq.heappop(running)
        for name in readers[done]:
            waiting[name] -= 1
            if not waiting[name]:
                heapq.heappush(ready, (-length[name], name))
    return Estimate(now, path)


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
