"""What `assets up` has to run now, and when it has to look again: the decision behind one waking.

Pure. Three things ask for a run, and each is looked at by its own rule:

- A cause that is there now, other than age: what is missing, changed or damaged runs at once, with all that is made
  from it. An asset with a schedule waits for its tick, unless it is missing, damaged or failed.
- A promise: its work starts as late as is safe (`deadlines`), so that one run serves several promises. What that leaves
  stale beside its way waits for a promise of its own (`deciding`).
- A tick of a schedule: once for the last one that has passed, however many were missed.

Nothing comes again at once. What ran and did not help, or failed, waits for the pause of the strictest promise that
rests on it; unless something else is asked of it by then. So whoever ran is remembered by what was asked, as one text.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from hashlib import sha256
from shlex import quote
from typing import Final, NamedTuple

from assets_cli.graph.graph import AssetGraph
from assets_cli.model.duration import SECOND
from assets_cli.model.history import StateSnapshot
from assets_cli.model.manifest import Asset, PathProbe
from assets_cli.model.plan import Cause, Deadline, Step
from assets_cli.model.problem import Problem
from assets_cli.model.upkeep import Memory, Moment, Outlook, Tried
from assets_cli.planning.deciding import Strictest, ahead_for, due_promises, goes_along, latest_start
from assets_cli.planning.freshness import FreshnessView
from assets_cli.planning.staleness import name_some
from assets_cli.planning.versions import current_input

PAUSE: Final = 600 * SECOND
"""After how long what failed is tried again, and an external asset looked at, where no promise rests on it."""
_LEAST_INTERVAL: Final = 60 * SECOND
_JUMP: Final = 60 * SECOND
"""What happened later than now by more than this was written by a clock that has been set back since."""
_DAMAGE: Final = frozenset(("missing", "output_missing", "output_changed", "last_run_failed", "check_failed"))
_UNASKED: Final = frozenset(("overdue", "upstream_stale", "forced"))
"""Causes that come from elsewhere: from promises, from other steps, from people."""
_OUTCOMES: Final = frozenset(("last_run_failed", "check_failed"))
_FAILED: Final = frozenset(("failed", "timed_out"))
"""How attempts end that say something of the command: another one is as likely to end so."""
_PLAIN: Final = re.compile(r"[^\s()+\"']+")
"""A selection that `+` can stand before as it is."""


# -- external assets -------------------------------------------------------------------------------------------------


class Looks(NamedTuple):
    """External assets to look at now, and when the next one is to be looked at."""

    now: tuple[str, ...]
    next: Moment | None


def looks(
    graph: AssetGraph, snapshot: StateSnapshot, memory: Memory, now: int, limits: Mapping[str, Strictest]
) -> Looks:
    """Which external assets have to be looked at: those whose interval is over, and what is at a path always."""
    due: list[str] = []
    moments: list[Moment] = []
    for name, asset in graph.assets.items():
        if asset.observe is None:
            continue
        seen = snapshot.observations.get(name)
        last = max(seen.observed if seen is not None else 0, memory.looked.get(name, 0))
        at = last + interval(asset, limits.get(name))
        if at <= now or last > now + _JUMP:
            due.append(name)
            at = now + interval(asset, limits.get(name))
        elif isinstance(asset.observe, PathProbe):
            due.append(name)
        moments.append(Moment(at, "observe", name))
    return Looks(tuple(due), min(moments, default=None))


def interval(asset: Asset, limit: Strictest | None) -> int:
    """How often an external asset is looked at: as it says, or a tenth of the strictest promise, at least a minute."""
    if asset.observe_every is not None:
        return asset.observe_every
    return PAUSE if limit is None else max(limit.lag // 10, _LEAST_INTERVAL)


# -- the outlook -----------------------------------------------------------------------------------------------------


def outlook(
    view: FreshnessView,
    steps: Iterable[Step],
    promises: Mapping[str, Deadline],
    memory: Memory,
    limits: Mapping[str, Strictest],
    among: Collection[str],
) -> Outlook:
    """What has to run now, and when to look again.

    Args:
        view: the ages of the data now.
        steps: those of the plan of the whole project that looks ahead for the promises that are due.
        promises: until when work for each promise has to start.
        memory: what this process knows.
        limits: what promises ask of each asset.
        among: the assets that are kept; no other one runs.
    """
    return _Decision(view, {step.asset: step for step in steps}, promises, memory, limits, among).outlook()


class _Decision:
    """One waking. `moments` gathers what comes later."""

    def __init__(
        self,
        view: FreshnessView,
        steps: Mapping[str, Step],
        promises: Mapping[str, Deadline],
        memory: Memory,
        limits: Mapping[str, Strictest],
        among: Collection[str],
    ) -> None:
        self.view, self.steps, self.promises, self.memory = view, steps, promises, memory
        self.limits, self.among = limits, among
        self.now = view.now
        self.promised = due_promises(view, promises, memory.lead)
        self.moments: list[Moment] = []
        self.tried: dict[str, Tried] = {}
        self.held: set[str] = set(memory.busy)
        above = view.graph.ancestors(self.promised) if self.promised else ()
        self.wanted = frozenset((*self.promised, *above))

    def outlook(self) -> Outlook:
        asked: dict[str, list[str]] = {}
        for name, step in self.steps.items():
            if said := self._causes(name, step):
                asked.setdefault(name, []).append(said)
            if said := self._promise(name, step):
                asked.setdefault(name, []).append(said)
        forced = self._ticks(asked) | self._undated(asked)
        due = {name: "; ".join(said) for name, said in asked.items() if name in self.among}
        for name in list(due):
            if self._has_to_wait(name, due[name]):
                del due[name]
        due, names = self._with_descendants(due)
        for name, one in self.promises.items():
            moment = latest_start(one, self.view.graph.assets[name].freshness, self.memory.lead)
            if moment is not None and moment > self.now and name in self.among:
                self.moments.append(Moment(moment, "promise", name, one.broken_at))
        return Outlook(
            due=due,
            names=names,
            forced=tuple(name for name in due if name in forced),
            ahead=ahead_for(self.promised, self.now),
            promised=tuple(self.promised),
            next=min(self.moments, default=None),
            tried=self.tried,
        )

    def _causes(self, name: str, step: Step, known: Collection[str] = ()) -> str:
        """The causes of an asset that are there now and ask for a run at once, as one text.

        What upstreams that are `known` hold now is left out.
        """
        causes = [each for each in step.causes if each.kind not in _UNASKED and each.upstream not in known]
        assets = self.view.graph.assets
        if name in self.wanted:
            pass
        elif assets[name].schedule is not None:
            causes = [cause for cause in causes if cause.kind in _DAMAGE]
        elif name in self.limits and not self._is_of_another_clock(name):
            # What a run for another promise has left stale waits for the promise on it or below.
            causes = [each for each in causes if each.upstream is None or assets[each.upstream].is_external]
        if not causes:
            return ""
        if step.causes[0].kind == "missing":
            return f"missing {self._made_from(name, known)}"
        return " ".join(sorted({_text(cause) for cause in causes if cause.kind not in _OUTCOMES})) or "again"

    def _made_from(self, name: str, known: Collection[str]) -> str:
        """What an asset would be made by and from now: where nothing is on record, nothing says what of it is new.

        Of upstreams that are steps themselves nobody knows yet what they will hold.
        """
        view = self.view
        code = view.world.code.get(name)
        parts = [f"{each} {part.normalised or part.raw}" for each, part in (code.components if code else {}).items()]
        for upstream in view.graph.upstreams(name):
            if upstream in self.steps or upstream in known:
                continue
            external = view.graph.assets[upstream].is_external
            read = current_input(upstream, view.snapshot, view.world.observations, external=external)
            parts.append(f"{upstream} {read.data_version}")
        return sha256("\n".join(sorted(parts)).encode("utf-8", "surrogateescape")).hexdigest()[:16]

    def _promise(self, name: str, step: Step) -> str:
        """The promises that are due and ask for this root."""
        if step.promise is None:
            return ""
        by = [each for each in step.promise.asked_by if each in self.promised]
        if not by or not any(cause.kind == "overdue" for cause in step.causes):
            return ""
        if (until := self._did_not_help(name, by)) is not None:
            self.moments.append(Moment(until, "retry", name))
            return ""
        return f"promise {min(self.promised[each] for each in by)}"

    def _did_not_help(self, name: str, by: Iterable[str]) -> int | None:
        """Until when a root has to wait that ran a moment ago, and whose data was too old even so."""
        latest = self.view.snapshot.of(name)
        made, attempt, time = latest.usable, latest.attempt, self.view.times[name]
        if made is None or time is None:
            return None
        ended = made.finished if attempt is None or attempt.finished is None else attempt.finished
        if self._is_ahead(ended):
            return None
        until = ended + self._pause(name)
        if until <= self.now:
            return None
        graph = self.view.graph
        hopeless = all(
            (policy := graph.assets[each].freshness) is not None
            and policy.cron is None
            and policy.max_lag <= (self.promises[each].takes if each in self.promises else 0)
            for each in by
        )
        return until if hopeless or time < min(made.started, self.now) else None

    def _ticks(self, asked: dict[str, list[str]]) -> set[str]:
        """The assets whose schedule has had a tick since they ran; of missed ones the last alone counts."""
        from assets_cli.planning.ticks import next_tick, previous_tick  # only a cron expression needs its library

        found: set[str] = set()
        for name, asset in self.view.graph.assets.items():
            if asset.schedule is None or asset.is_external or name not in self.among:
                continue
            cron, zone = asset.schedule
            tick = previous_tick(cron, zone, self.now)
            latest = self.view.snapshot.of(name)
            newest = latest.attempt or latest.materialization
            if newest is None or newest.started < tick or self._is_ahead(newest.started):
                asked.setdefault(name, []).append(f"tick {tick}")
                found.add(name)
            self.moments.append(Moment(next_tick(cron, zone, self.now), "schedule", name))
        return found

    def _undated(self, asked: dict[str, list[str]]) -> set[str]:
        """Roots that were made in the future: how old they are nobody knows, and for as long as it is they stay new.

        So where a promise rests on one it is made anew, once, when the clock was set back; what reported a moment that
        has been is as old as it ever was.
        """
        assets = self.view.graph.assets
        found: set[str] = set()
        for name in self.limits:
            made = self.view.snapshot.of(name).usable
            if made is None or assets[name].upstreams or name not in self.among or not self._is_ahead(made.started):
                continue
            if made.data_time is None or self._is_ahead(made.data_time):
                asked.setdefault(name, []).append("clock set back")
                found.add(name)
        return found

    def _is_of_another_clock(self, name: str) -> bool:
        """Whether an asset was made in the future, or from data that was: what its age is, by which it waits?"""
        snapshot = self.view.snapshot
        made = snapshot.of(name).usable
        if made is None:
            return False
        times = [snapshot.frozen.get((each, read.data_version or "")) for each, read in made.inputs.items()]
        return self._is_ahead(made.started) or any(time is not None and self._is_ahead(time) for time in times)

    def _is_ahead(self, moment: int) -> bool:
        return moment > self.now + _JUMP

    def _has_to_wait(self, name: str, asked: str) -> bool:
        """Whether the same was asked of it a moment ago."""
        before = self.memory.tried.get(name)
        if before is None or self._is_ahead(before.ended):
            return False
        if before.asked != asked and not self._failed_on_what_is_new(name, before.asked):
            return False
        until = before.ended + self._pause(name)
        if until <= self.now:
            return False
        self.tried[name] = before._replace(asked=asked)
        self.held.add(name)
        self.moments.append(Moment(until, "retry", name))
        return True

    def _failed_on_what_is_new(self, name: str, asked: str) -> bool:
        """Whether all that is asked of it anew comes from the run in which it failed: that is what it has read."""
        attempt, ended, step = self.view.snapshot.of(name).attempt, self.memory.ended, self.steps.get(name)
        if name not in ended or attempt is None or attempt.state not in _FAILED or step is None:
            return False
        return (self._causes(name, step, ended) or "again") == (asked or "again")

    def _pause(self, name: str) -> int:
        limit = self.limits.get(name)
        return PAUSE if limit is None else limit.pause

    def _with_descendants(self, due: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
        """Those that are due and can start, and with them what is made from them.

        What has to wait holds back what is below it and is a step, too: it would read what is about to change.
        """
        graph, assets = self.view.graph, self.view.graph.assets
        held = self.held
        names: dict[str, None] = {}
        chosen: dict[str, str] = {}
        changed: set[str] = set()
        for name in graph.order if due else ():
            asset = assets[name]
            if name in held or asset.is_external or name not in self.among:
                continue
            below = any(upstream in names for upstream in asset.upstreams)
            if not below and name not in due:
                continue
            if any(upstream in held for upstream in asset.upstreams):
                held.add(name)
            elif name in due:
                names[name] = None
                chosen[name] = due[name]
                if not all(said.startswith("promise ") for said in due[name].split("; ")):
                    changed.add(name)
            elif goes_along(
                asset,
                self.wanted,
                self.limits,
                changed=(is_changed := any(each in changed for each in asset.upstreams)),
            ):
                names[name] = None
                if is_changed:
                    changed.add(name)
        return chosen, tuple(names)


def unkept(graph: AssetGraph, among: Collection[str], selection: Sequence[str]) -> list[Problem]:
    """What to say of promises that are kept and rest on assets that are not: nothing here renews these.

    Args:
        graph: the project.
        among: the assets that are kept.
        selection: the expressions that say which these are.
    """
    asking = [name for name in graph.order if name in among and graph.assets[name].freshness is not None]
    outside = {name for name in graph.ancestors(asking) if name not in among and not graph.assets[name].is_external}
    if not outside:
        return []
    below = graph.descendants(outside)
    asking = [name for name in asking if name in below]
    whose = f"the promise of {asking[0]} rests" if len(asking) == 1 else f"the promises of {name_some(asking)} rest"
    left_out, them = ("is not selected", "it") if len(outside) == 1 else ("are not selected", "them")
    return [
        Problem(
            "A0834",
            f"{whose} on {name_some(graph.sort(outside))}, which {left_out}: nothing here renews {them}",
            severity="warning",
            hint=wider(selection),
            asset=asking[0],
        )
    ]


def wider(selection: Sequence[str]) -> str:
    """The next step where a selection leaves out what would have to be kept, too."""
    words = " ".join(quote(f"+{each}" if _PLAIN.fullmatch(each) else f"+({each})") for each in selection)
    return f"to have all above kept, too: assets up {words}"


def _text(cause: Cause) -> str:
    return ":".join(filter(None, (cause.kind, cause.component, cause.upstream, cause.new)))
