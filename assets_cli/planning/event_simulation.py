"""A discrete-event simulation on a virtual clock: what starts when, and how long each promise is broken.

Pure. What has to start is decided by `deciding`, as for `assets up`; here time goes by from one event to the next, so
that the cost follows what happens. Whatever starts succeeds, takes as long as usual, and has something new to say.

An asset starts when none of its upstreams is still to run, and, as locks have it, none of those who read it is at work.
Of several that could start the one with the least slack does. What a change outside or the hour of a schedule makes
stale starts at once, with all that is below it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from heapq import heappop, heappush
from typing import Final, NamedTuple

from assets_cli.graph.graph import AssetGraph
from assets_cli.model.plan import Deadline
from assets_cli.model.problem import AssetsError, Problem
from assets_cli.model.simulation import Bar, Trigger
from assets_cli.planning.breaches import BreachLog
from assets_cli.planning.deadlines import deadlines, longest_paths
from assets_cli.planning.deciding import ahead_for, due_promises, goes_along, latest_start, margin, strictest
from assets_cli.planning.freshness import FreshnessView, bound, broken_at
from assets_cli.planning.need import need
from assets_cli.planning.virtual_history import VirtualHistory

_ENDS, _ARRIVES, _TICKS = range(3)
MOST: Final = 3_000_000
"""So many runs are simulated, which take some minutes, and no more."""


class Terms(NamedTuple):
    """What a simulation rests on. Lengths are in microseconds.

    `planned` is how long a step is taken to need when its latest start is looked for, `usual` how long it then takes;
    `looks` are the external assets that are new whenever they are looked at, which takes no time and no job. `hours`
    gives, after a moment, the next one at which a schedule starts; `arrivals` the next one at which something new is
    seen of an external asset, and of when that is.
    """

    jobs: int | None
    planned: Callable[[str], int]
    usual: Mapping[str, int]
    looks: frozenset[str]
    arrivals: Mapping[str, Callable[[int], tuple[int, int]]]
    hours: Mapping[str, Callable[[int], int]]


class _Step:
    """A step that is to start: the moment by which it has to, why it does, and for whom; the first reason counts.

    `run` is the number of the run that it is part of: it waits for no step of a later one.
    """

    __slots__ = ("asked_by", "by", "run", "trigger")

    def __init__(self, run: int, by: int, trigger: Trigger, asked_by: str) -> None:
        self.run = run
        self.by = by
        self.trigger: Trigger = trigger
        self.asked_by = [asked_by] if asked_by else []


class EventSimulation:
    """One simulation, from a moment on. `bars` are what ran, `waited` for how long steps waited for a job."""

    def __init__(self, start: FreshnessView, terms: Terms) -> None:
        self.bars: list[Bar] = []
        self.waited = 0
        self.log = BreachLog(start, terms.looks)
        self._graph = start.graph
        self._terms = terms
        self._now = start.now
        self._history = VirtualHistory(start)
        self._events: list[tuple[int, int, int, str]] = []
        self._coming: dict[str, int] = {}
        self._pending: dict[str, _Step] = {}
        self._running: dict[str, tuple[int, _Step]] = {}
        self._busy = 0
        self._runs = 0
        self._run_at: tuple[int, Trigger] | None = None
        self._ready: list[tuple[int, int, str, int]] = []
        self._queued: set[str] = set()
        self._near: set[str] = set()
        """What may be able to start now: that is looked at again when something beside it has ended."""
        self._asked: set[str] = set()
        """The promises whose work is under way."""
        self._after: dict[str, list[str]] = {}
        """Promises to look at again when an asset is done."""
        self._open: list[tuple[int, int, str]] = []
        """The moments from which on the latest start of a promise has to be looked for."""
        self._settled: list[tuple[int, int, str]] = []
        """The latest starts of those for which that was done, together with others."""
        self._armed: dict[str, tuple[list[tuple[int, int, str]], int]] = {}
        self._ended: dict[str, int] = {}
        self._below: dict[tuple[tuple[str, ...], str], Sequence[str]] = {}
        self._limits = strictest(start.graph)
        planned = {name: terms.planned(name) for name in self._graph.order}
        self._planned = planned.__getitem__
        self._reach = longest_paths(self._graph, self._graph.order, planned)
        self._part = _parts(self._graph)
        self._window = 0 if terms.jobs is None else sum(terms.usual.values()) // terms.jobs

    def run(self, stale: Sequence[str], until: int) -> None:
        """Let time go by, beginning with what is stale."""
        for name in self._terms.arrivals:
            self._expect(name)
        for name, following in self._terms.hours.items():
            heappush(self._events, (following(self._now), _TICKS, self._graph.position[name], name))
        if stale:
            self._submit(stale, "stale", "", self._now)
        for name in self.log.promised:
            self._arm(name)
        while (moment := self._next()) is not None and moment <= until:
            self._now = moment
            while self._events and self._events[0][0] == moment:
                _, kind, _, name = heappop(self._events)
                self._happen(kind, name)
            self._ask()
            self._start()
        self._now = until
        for name, (began, step) in self._running.items():
            self._draw(name, began, until, step)
        self.log.close(self._history.times, until)

    def _next(self) -> int | None:
        if self._near:
            return self._now
        moments = [each[0][0] for each in (self._events, self._open, self._settled) if each]
        return max(min(moments), self._now) if moments else None

    def _happen(self, kind: int, name: str) -> None:
        if kind == _ENDS:
            self._end(name)
            return
        if kind == _ARRIVES:
            self._note(self._history.observe(name, self._now, self._coming[name]))
            self._expect(name)
            self._submit(self._with_others([name])[1:], "change", name, self._now)
        else:
            heappush(self._events, (self._terms.hours[name](self._now), kind, self._graph.position[name], name))
            self._submit(self._with_others([name]), "schedule", name, self._now)

    def _expect(self, name: str) -> None:
        """An external asset will be seen to hold something new."""
        moment, self._coming[name] = self._terms.arrivals[name](self._now)
        heappush(self._events, (moment, _ARRIVES, self._graph.position[name], name))

    # -- promises --------------------------------------------------------------------------------------------------

    def _arm(self, name: str) -> None:
        """Look at a promise again when something may have to start for it: before that, nothing can have to."""
        policy, time = self.log.promised.get(name), self._history.times[name]
        if policy is None or time is None or self._graph.assets[name].is_external:
            return
        breaks = broken_at(policy, time)
        reach = self._reach[name]
        start = max(breaks - reach - margin(reach), bound(policy, breaks))
        self._set(name, start - self._window, self._open)

    def _set(self, name: str, moment: int, among: list[tuple[int, int, str]]) -> None:
        """A promise is looked at again at a moment, and not before."""
        self._unset(name)
        moment = max(moment, self._now)
        self._armed[name] = among, moment
        insort(among, (moment, self._graph.position[name], name))

    def _unset(self, name: str) -> None:
        if name in self._armed:
            among, moment = self._armed.pop(name)
            del among[bisect_left(among, (moment, self._graph.position[name], name))]

    def _ask(self) -> None:
        """Look at the promises whose moment has come; what has to start for them is to start."""
        fixed = _until(self._settled, self._now)
        new = _until(self._open, self._now)
        if not fixed and not new:
            return
        if new and self._window:
            new = _until(self._open, self._now + self._window)
        view = self._history.view(self._now)
        for name in (*fixed, *new):
            self._unset(name)
        new, fixed = ([name for name in names if not self._is_made_anyway(view, name)] for names in (new, fixed))
        if not fixed and not new:
            return
        found = self._deadlines(view, new, self._terms.jobs)
        for name, one in self._deadlines(view, fixed, None).items():
            # What was looked at together with others keeps its start, which by itself would be later.
            found[name] = one._replace(start=min(one.start, self._now)) if one.start is not None else one
        due = due_promises(view, found, among=(*new, *fixed))
        soon = self._soon(due)
        if soon:
            found.update(self._deadlines(view, soon, None))
            due = due_promises(view, found, among=(*new, *fixed))
        # Whoever is to be made soon is made before somebody reads it, who would hold it up.
        breaks = {name: found[name].broken_at for name in (*fixed, *new, *soon) if name in found}
        for name in sorted((*fixed, *new, *soon), key=lambda name: breaks.get(name, self._now)):
            if name in due:
                self._unset(name)
                self._begin_work(view, name, found.get(name), due[name])
            elif (
                name not in self._armed
                and name in found
                and (start := latest_start(found[name], self.log.promised[name])) is not None
            ):
                self._set(name, start, self._settled if self._window else self._open)

    def _soon(self, names: Iterable[str]) -> list[str]:
        """The other promises whose moment comes while work for these is under way, and that may share an asset."""
        until = self._now + max((self._reach[name] for name in names), default=0)
        parts = {self._part[name] for name in names}
        armed = (*_until(self._settled, until), *_until(self._open, until)) if parts else ()
        busy = (self._pending, self._running)
        return [name for name in armed if self._part[name] in parts and not any(name in those for those in busy)]

    def _is_made_anyway(self, view: FreshnessView, name: str) -> bool:
        """Whether what a promise asks for is under way already; or it is at work, and looked at again after that."""
        if name in self._running:
            self._after.setdefault(name, []).append(name)
            return True
        if name not in self._pending:
            return False
        time, policy = view.times[name], self.log.promised[name]
        if time is None:
            return True
        breaks = broken_at(policy, time)
        least = bound(policy, max(breaks if policy.cron is not None else breaks + 1, self._now))
        if not all(self._is_under_way(each, least) for each in need(view, name, least)):
            return False
        self._asked.add(name)
        return True

    def _begin_work(self, view: FreshnessView, name: str, deadline: Deadline | None, until: int) -> None:
        """Work for a promise has to start now."""
        policy = self.log.promised[name]
        least = bound(policy, self._now, ahead_for({name: until}, self._now))
        steps = need(view, name, least)
        early = next((each for each in steps if self._is_too_early(each, least, name)), None)
        if early is not None:
            self._after.setdefault(early, []).append(name)
            return
        if policy.cron is None and policy.max_lag <= (0 if deadline is None else deadline.takes):
            # It cannot be kept, however often this runs.
            again = max([0, *(self._ended[each] + self._limits[each].pause for each in steps if each in self._ended)])
            if again > self._now:
                self._set(name, again, self._settled)
                return
        if steps:
            self._asked.add(name)
            # What is at work with new enough data already is waited for.
            left = [each for each in steps if each not in self._running or self._graph.upstreams(each)]
            self._submit(self._with_others(left, name), "promise", name, deadline.broken_at if deadline else until)

    def _deadlines(self, view: FreshnessView, names: Sequence[str], jobs: int | None) -> dict[str, Deadline]:
        if not names:
            return {}
        return deadlines(view, self._planned, jobs or len(self._graph.order), names)

    def _with_others(self, steps: Sequence[str], promise: str = "") -> Sequence[str]:
        """These, what goes along with them, and what is looked at before any of it, once in a run."""
        looks = self._terms.looks
        steps = self._with_below(tuple(steps), promise)
        read = [each for name in steps for each in self._graph.upstreams(name) if each in looks] if looks else ()
        return self._graph.sort({*read, *steps}) if read else steps

    def _with_below(self, steps: tuple[str, ...], promise: str) -> Sequence[str]:
        """These, and what is made from them, as far as it does not wait for a promise or a tick of its own."""
        if (steps, promise) not in self._below:
            found = dict.fromkeys(steps)
            wanted = {promise, *self._graph.ancestors([promise])} if promise else ()
            for name in self._graph.sort(self._graph.descendants(steps)):
                asset = self._graph.assets[name]
                if asset.is_external or not any(upstream in found for upstream in asset.upstreams):
                    continue
                if goes_along(asset, wanted, self._limits, changed=not promise):
                    found[name] = None
            self._below[steps, promise] = self._graph.sort(found)
        return self._below[steps, promise]

    def _is_under_way(self, name: str, least: int) -> bool:
        """Whether it is to start anyway, or is at work with what is new enough."""
        if name in self._pending:
            return True
        return not self._graph.upstreams(name) and name in self._running and self._running[name][0] >= least

    def _is_too_early(self, name: str, least: int, asked_by: str) -> bool:
        """Whether it is at work already, with what does not help, so that it has to run again after that."""
        if name not in self._running:
            return False
        return name == asked_by or (not self._graph.upstreams(name) and self._running[name][0] < least)

    def _note(self, moved: Iterable[str]) -> None:
        """The data times of these have moved."""
        for name in moved:
            if self.log.moved(name, self._history.times[name], self._now) and name not in self._asked:
                self._arm(name)

    # -- steps -----------------------------------------------------------------------------------------------------

    def _submit(self, steps: Sequence[str], trigger: Trigger, asked_by: str, due: int) -> None:
        """These are to run, upstreams first, the last one done by then."""
        pending = self._pending
        # What promises ask for at one moment is one run.
        self._runs += self._run_at != (self._now, trigger) or trigger != "promise"
        self._run_at = self._now, trigger
        for name, before_end in zip(steps, self._tails(tuple(steps)), strict=True):
            step = pending.get(name)
            if step is None:
                pending[name] = _Step(self._runs, due - before_end, trigger, asked_by)
                self._near.add(name)
                continue
            step.by = min(step.by, due - before_end)
            if step.trigger == trigger and asked_by not in step.asked_by:
                step.asked_by.append(asked_by)

    @lru_cache(maxsize=4_096)  # noqa: B019 - a simulation is over before the process is
    def _tails(self, steps: tuple[str, ...]) -> tuple[int, ...]:
        """How long before the end of all each of these steps has to start."""
        found: dict[str, int] = {}
        for name in reversed(steps):
            below = [found[each] for each in self._graph.downstreams(name) if each in found]
            found[name] = max(below, default=0) + self._terms.usual[name]
        return tuple(reversed(found.values()))

    def _start(self) -> None:
        """Start what can start, the least slack first."""
        for name in sorted(self._near, key=self._graph.position.__getitem__):
            if name in self._pending and name not in self._queued and not self._is_held(name):
                self._queued.add(name)
                by = -1 if name in self._terms.looks else max(self._pending[name].by, 0)
                heappush(self._ready, (by, self._graph.position[name], name, self._now))
        self._near.clear()
        while self._ready:
            one = heappop(self._ready)
            name, since = one[2], one[3]
            if self._is_held(name):
                self._queued.discard(name)
                continue
            if name not in self._terms.looks:
                if self._terms.jobs is not None and self._busy >= self._terms.jobs:
                    heappush(self._ready, one)
                    break
                self._busy += 1
            self._queued.discard(name)
            self.waited += self._now - since
            self._running[name] = self._now, self._pending.pop(name)
            self._history.begin(name)
            end = self._now + self._terms.usual[name]
            heappush(self._events, (end, _ENDS, self._graph.position[name], name))

    def _is_held(self, name: str) -> bool:
        """Whether it waits for an upstream, for itself, or for somebody who reads it."""
        pending, running = self._pending, self._running
        if name in running:
            return True
        for each in self._graph.upstreams(name):
            if each in running or (each in pending and pending[each].run <= pending[name].run):
                return True
        return name not in self._terms.looks and any(each in running for each in self._graph.downstreams(name))

    def _end(self, name: str) -> None:
        began, step = self._running.pop(name)
        if name not in self._terms.looks:
            self._busy -= 1
            self._draw(name, began, self._now, step)
        self._ended[name] = self._now
        was_asked = name in self._asked
        self._asked.discard(name)
        self._note(self._history.finish(name, began, self._now))
        if was_asked and name not in self._armed:
            self._arm(name)
        for each in self._after.pop(name, ()):
            if each not in self._asked:
                self._arm(each)
        below = self._graph.downstreams(name)
        changed = step.trigger != "promise"
        left = [each for each in (name, *below) if self._is_left_stale(each, changed=changed)]
        if left:
            self._submit(self._with_others(left), step.trigger, step.asked_by[0] if step.asked_by else "", step.by)
        self._near.update(each for each in below if each in self._pending)
        self._near.update(each for each in self._graph.upstreams(name) if each in self._pending)
        if name in self._pending:
            self._near.add(name)

    def _is_left_stale(self, name: str, *, changed: bool) -> bool:
        """Whether it has read something older than what is there now, is not about to run, and need not wait."""
        asset = self._graph.assets[name]
        if name in self._pending or name in self._running or asset.is_external or not self._history.is_stale(name):
            return False
        return goes_along(asset, (), self._limits, changed=changed)

    def _draw(self, name: str, began: int, end: int, step: _Step) -> None:
        if name not in self._terms.looks:
            if len(self.bars) >= MOST:
                raise AssetsError(_too_much())
            self.bars.append(Bar(name, began, end, step.trigger, tuple(step.asked_by)))


def _parts(graph: AssetGraph) -> dict[str, str]:
    """Of each asset the first one of those that it has anything to do with."""
    found: dict[str, str] = {}
    for first in graph.order:
        left = [first] if first not in found else []
        while left:
            name = left.pop()
            if name not in found:
                found[name] = first
                left += [*graph.upstreams(name), *graph.downstreams(name)]
    return found


def _too_much() -> Problem:
    hint = "simulate a shorter time with --for, or promise less: an age of seconds asks for a run every few seconds"
    return Problem("A0935", f"more than {MOST:,} runs are too many to be simulated", hint=hint)


def _until(armed: list[tuple[int, int, str]], moment: int) -> list[str]:
    """Those whose moment has come by then, in the order of their moments."""
    names: list[str] = []
    for each in armed:
        if each[0] > moment:
            break
        names.append(each[2])
    return names
