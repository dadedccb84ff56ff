"""The reference model: what must be on record, what is stale and what a plan holds, from the model's page alone.

Naive on purpose: dictionaries of immutable values, everything worked out anew each time it is asked for, no cache, no
order but that of the names. It reads the stage as anybody could, and never what the engine has recorded.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from hashlib import sha256
from typing import NamedTuple

from support.space import HOUR
from support.stage import Spec, Stage

FAILED = ("failed", "timed_out", "cancelled", "crashed")
Cause = tuple[str, str | None]
"""The kind of a cause and the upstream that it names."""


class Made(NamedTuple):
    """One materialization. `output` is what was at its place, None where it has none; `inputs` the versions read."""

    run: str
    started: int
    finished: int
    code: str
    version: str
    output: str | None
    inputs: Mapping[str, str | None]
    unchanged: bool
    blocked: bool


class Left(NamedTuple):
    """An attempt that a dead run left open, with what it was about to publish, if it got so far."""

    run: str
    number: int
    prepared: Made | None


class Seen(NamedTuple):
    """What an external asset held, and of when that is."""

    version: str
    time: int


class Planned(NamedTuple):
    """What a plan holds. `bounds` are what promises ask of roots; `refused`: there is no plan."""

    steps: Mapping[str, tuple[Cause, ...]]
    after: Mapping[str, tuple[str, ...]]
    skipped: frozenset[tuple[str, str]]
    overdue: frozenset[str]
    removed: frozenset[str]
    stale_upstreams: int
    refused: bool
    bounds: Mapping[str, int]
    seen: Mapping[str, Seen]

    def kind(self, name: str) -> str:
        """Of a step."""
        return "check" if {kind for kind, _ in self.steps[name]} == {"check_failed"} else "materialize"


class Reference:
    """The facts on record, as they should be."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.made: dict[str, tuple[Made, ...]] = {}
        self.usable: dict[str, Made] = {}
        self.attempt: dict[str, str] = {}
        self.observed: dict[str, Seen] = {}
        self.frozen: dict[tuple[str, str], int | None] = {}
        self.left: dict[str, Left] = {}
        self.serial = 0
        self.there: Mapping[str, tuple[str, str | None]] | None = None

    # -- the facts -----------------------------------------------------------------------------------------------------

    @property
    def specs(self) -> Mapping[str, Spec]:
        """The manifest."""
        return self.stage.specs

    def is_external(self, name: str) -> bool:
        """Whether others produce it."""
        return self.specs[name].kind == "external"

    def code(self, name: str) -> str:
        """The code of an asset, at the moment that is looked at."""
        return self.stage.code(name) if self.there is None else self.there[name][0]

    def content(self, name: str) -> str | None:
        """What its output holds, at the moment that is looked at."""
        return self.stage.content(name) if self.there is None else self.there[name][1]

    def unique(self) -> str:
        """A data version that was never there before."""
        self.serial += 1
        return f"always:{self.serial}"

    def version_of(self, name: str, text: str | None, reported: str | None = None) -> str:
        """The data version of an asset whose output holds this text: the first that applies."""
        if reported is not None:
            return reported
        if self.specs[name].version == "always" or text is None:
            return self.unique()
        return content(text)

    def current(self, name: str, seen: Mapping[str, Seen]) -> str | None:
        """The version that a downstream would read: of the latest materialization that is not blocked."""
        if self.is_external(name):
            return seen[name].version if name in seen else None
        return self.usable[name].version if name in self.usable else None

    def inputs(self, name: str) -> dict[str, str | None]:
        """The versions that a step of an asset reads, which are on record by then."""
        return {up: self.current(up, self.observed) for up in self.specs[name].upstreams}

    def latest(self, name: str) -> Made | None:
        """The latest materialization, blocked or not."""
        return self.made[name][-1] if self.made.get(name) else None

    def look(self, names: Collection[str]) -> dict[str, Seen]:
        """What external assets are now, as far as one can see, and else as they were last."""
        found = dict(self.observed)
        for name in names:
            text = self.stage.content(name) if self.is_external(name) else None
            if text is not None:
                found[name] = Seen(content(text), self.stage.delivered_at(name))
        return found

    # -- what is recorded ----------------------------------------------------------------------------------------------

    def observe(self, name: str, seen: Seen) -> None:
        """Record an observation."""
        before = self.observed.get(name)
        if before is not None and before.version != seen.version:
            self.frozen[name, before.version] = min(before.time, self.stage.now)
        self.observed[name] = seen

    def record(self, name: str, made: Made, now: int) -> None:
        """Record a materialization; its attempt has succeeded."""
        if not made.blocked:
            self.supersede(name, made, now)
        self.made[name] = (*self.made.get(name, ()), made)
        self.attempt[name] = "succeeded"

    def unblock(self, name: str, now: int) -> None:
        """Record that the latest materialization may be used after all."""
        made = self.made[name][-1]._replace(blocked=False)
        self.supersede(name, made, now)
        self.made[name] = (*self.made[name][:-1], made)

    def supersede(self, name: str, made: Made, now: int) -> None:
        """Another version becomes current: the one before keeps the data time that it has until then."""
        before = self.usable.get(name)
        if before is not None and before.version != made.version:
            self.frozen[name, before.version] = self.data_time(name, self.observed, now)
        self.usable[name] = made

    # -- data time -----------------------------------------------------------------------------------------------------

    def data_time(self, name: str, seen: Mapping[str, Seen], now: int) -> int | None:
        """The moment up to which an asset's contents reflect the outside world."""
        if self.is_external(name):
            return min(seen[name].time, now) if name in seen else None
        if name not in self.usable:
            return None
        upstreams = self.specs[name].upstreams
        if not upstreams:
            return self.usable[name].started
        times = [self.contribution(name, up, seen, now) for up in upstreams]
        return None if None in times else min(time for time in times if time is not None)

    def contribution(self, name: str, up: str, seen: Mapping[str, Seen], now: int) -> int | None:
        """The data time that an upstream lends to an asset by the version that the asset has read."""
        made = self.usable.get(name)
        if made is None or up not in made.inputs or made.inputs[up] == self.current(up, seen):
            return self.data_time(up, seen, now)
        read = made.inputs[up]
        if read is None:
            return None
        if self.is_external(up) and up in self.observed and self.observed[up].version == read:
            return min(self.observed[up].time, now)  # what superseded it was seen just now and is not on record
        return self.frozen.get((up, read))

    def bounds(self, seen: Mapping[str, Seen], now: int) -> dict[str, int]:
        """How new the data of roots must be for the promises on them and below, where it is not."""
        found: dict[str, int] = {}

        def need(name: str, bound: int) -> None:
            if self.is_external(name):
                return
            if not self.specs[name].upstreams:
                time = self.data_time(name, seen, now)
                if time is not None and time < bound:
                    found[name] = max(bound, found.get(name, bound))
                return
            for up in self.specs[name].upstreams:
                time = self.contribution(name, up, seen, now)
                if time is not None and time < bound:
                    need(up, bound)

        for name, spec in self.specs.items():
            if spec.max_lag is not None:
                need(name, now - spec.max_lag * HOUR)
        return found

    # -- what is stale -------------------------------------------------------------------------------------------------

    def causes(self, name: str, seen: Mapping[str, Seen], bounds: Mapping[str, int]) -> list[Cause]:
        """Why an asset is stale by itself, in the order of the table."""
        made, spec = self.latest(name), self.specs[name]
        failed = self.attempt.get(name) in FAILED
        found: list[Cause] = []
        if made is None:
            found.append(("missing", None))
        else:
            if made.code != self.code(name):
                found.append(("code_changed", None))
            for up in spec.upstreams:
                now = self.current(up, seen)
                if up in made.inputs and now is not None and now != made.inputs[up]:
                    found.append(("upstream_changed", up))
            found += [("upstreams_added", up) for up in spec.upstreams if up not in made.inputs]
            found += [("upstreams_removed", up) for up in sorted(made.inputs) if up not in spec.upstreams]
            if not failed:
                found += [(kind, None) for kind in self.drift(name)]
        if failed:
            found.append(("last_run_failed", None))
        if made is not None and made.blocked:
            found.append(("check_failed", None))
        if name in bounds and name in self.usable and self.usable[name].started < bounds[name]:
            found.append(("overdue", None))
        return found

    def drift(self, name: str) -> list[str]:
        """Whether somebody else touched the output."""
        made, there = self.latest(name), self.content(name)
        if made is None or made.output is None or there == made.output:
            return []
        return ["output_missing" if there is None else "output_changed"]

    def is_unfit(self, name: str) -> bool:
        """Whether a step must not read an asset that is not selected, as it stands."""
        made = self.latest(name)
        if made is None or made.blocked or self.drift(name):
            return True
        # Only what we publish ourselves cannot be left half-written.
        return self.attempt.get(name) in FAILED and self.specs[name].kind != "atomic"

    # -- the plan ------------------------------------------------------------------------------------------------------

    def plan(self, names: Collection[str], forced: Collection[str] = ()) -> Planned:
        """The plan of a selection."""
        now = self.stage.now
        beside = {up for name in names for up in self.specs[name].upstreams}
        seen = self.look({*names, *beside})
        bounds = self.bounds(seen, now)
        steps: dict[str, tuple[Cause, ...]] = {}
        after: dict[str, tuple[str, ...]] = {}
        for name, spec in self.specs.items():
            if name not in names or spec.kind == "external":
                continue
            waits = tuple(up for up in spec.upstreams if up in steps)
            causes = self.causes(name, seen, bounds) + [("forced", None)] * (name in forced)
            causes += [("upstream_stale", up) for up in waits]
            if causes:
                steps[name], after[name] = tuple(causes), waits
        read = {
            up for name in steps for up in self.specs[name].upstreams if up not in names and not self.is_external(up)
        }
        idle = {up for up in beside - read if up not in names and not self.is_external(up)}
        return Planned(
            steps,
            after,
            frozenset(self._skips(names, beside, steps)),
            frozenset(name for name in names if self._is_overdue(name, seen, now)),
            frozenset({*self.made, *self.attempt, *self.observed} - {*self.specs}),
            sum(bool(self.causes(up, seen, bounds)) for up in read)
            # What no step reads is told by the promise that asks for it where it is only overdue.
            + sum(any(kind != "overdue" for kind, _ in self.causes(up, seen, bounds)) for up in idle),
            any(self.is_unfit(up) for up in read),
            bounds,
            seen,
        )

    def _skips(self, names: Collection[str], beside: set[str], steps: Collection[str]) -> set[tuple[str, str]]:
        found = {(name, "up_to_date") for name in names if name not in steps and not self.is_external(name)}
        found |= {(up, "not_selected_upstream") for up in beside if up not in names and not self.is_external(up)}
        return found | {(name, "external") for name in {*names, *beside} if self.is_external(name)}

    def _is_overdue(self, name: str, seen: Mapping[str, Seen], now: int) -> bool:
        lag, time = self.specs[name].max_lag, self.data_time(name, seen, now)
        return lag is not None and time is not None and time < now - lag * HOUR

    # -- deeds without commands ----------------------------------------------------------------------------------------

    def recover(self) -> dict[str, tuple[str, str]]:
        """Settle what the dead have left; the run and the state of each attempt at its asset."""
        settled: dict[str, tuple[str, str]] = {}
        for name, left in self.left.items():
            self.attempt[name] = "crashed"
            published = name in self.specs and left.prepared and self.stage.content(name) == left.prepared.output
            if published and left.prepared is not None:
                self.record(name, left.prepared, self.stage.now)
            settled[name] = (left.run, "succeeded" if published else "crashed")
        self.left = {}
        return settled

    def mark(self, names: Collection[str], run: str) -> list[str]:
        """Adopt what is there, in order, up to the first that is not there; who was adopted."""
        chosen = [name for name in self.specs if name in names and not self.is_external(name)]
        for external, seen in self.look({up for name in chosen for up in self.specs[name].upstreams}).items():
            self.observe(external, seen)
        marked = []
        for name in chosen:
            text, now = self.stage.content(name), self.stage.now
            if self.specs[name].kind != "errand" and text is None:
                break
            version, before = self.version_of(name, text), self.latest(name)
            unchanged = before is not None and before.version == version
            made = Made(
                run, now, now, self.stage.code(name), version, text, self.inputs(name), unchanged, blocked=False
            )
            self.record(name, made, now)
            marked.append(name)
        return marked


def content(text: str) -> str:
    """The data version of a file by its content."""
    return f"sha256:{sha256(text.encode()).hexdigest()}"
