"""Who may start next: steps whose upstreams are done, the most urgent first, without those that would only wait.

A step needs things that steps of one run share: a slot of a pool, a database file that takes one at a time. While one
of them is taken it stands aside, so that it fills no job slot, and comes back when that thing is given back. Knows
nothing of other processes, which the locks are for, nor of what the things are.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping

Urgency = tuple[int, int]
"""Smaller is more urgent."""


class Turns:
    """Steps that could start.

    A thing that is given back calls back one step that stands aside for it, however many do: each call costs as much
    as there are steps that can go on, not as there are steps that wait.
    """

    def __init__(self, needs: Mapping[str, Collection[str]], room: Mapping[str, int]) -> None:
        """`needs` are the things that each step needs, `room` says how many may have one at once, where not one."""
        self._needs = needs
        self._room = {each: room.get(each, 1) for things in needs.values() for each in things}
        self._ready: list[tuple[Urgency, str]] = []
        self._aside: dict[str, list[tuple[Urgency, str]]] = {}

    def add(self, urgency: Urgency, name: str) -> None:
        """A step could start."""
        heapq.heappush(self._ready, (urgency, name))

    def take(self) -> str | None:
        """The most urgent step that can go on, with what it needs taken for it; None where there is none."""
        while self._ready:
            entry = heapq.heappop(self._ready)
            needs = self._needs[entry[1]]
            missing = next((each for each in needs if not self._room[each]), None)
            if missing is None:
                for each in needs:
                    self._room[each] -= 1
                return entry[1]
            heapq.heappush(self._aside.setdefault(missing, []), entry)
            for each in needs:  # it was called for one of them, perhaps, and does not take it
                if self._room[each]:
                    self._call_back(each)
        return None

    def give_back(self, name: str) -> None:
        """A step has ended: what it needed is free again."""
        for each in self._needs[name]:
            self._room[each] += 1
            self._call_back(each)

    def _call_back(self, thing: str) -> None:
        aside = self._aside.get(thing)
        if aside:
            heapq.heappush(self._ready, heapq.heappop(aside))
