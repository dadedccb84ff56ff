"""The plan: which assets would be materialized, why, in which order, and why the others would not.

A value made by `planning.plan`; showing it, saving it, applying it and simulating it are its readers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from assets_cli.model.history import AttemptState, Component, Observation
from assets_cli.model.manifest import FreshnessPolicy
from assets_cli.model.problem import Problem

CauseKind = Literal[
    "missing",
    "code_changed",
    "upstream_changed",
    "upstreams_added",
    "upstreams_removed",
    "output_missing",
    "output_changed",
    "last_run_failed",
    "check_failed",
    "overdue",
    "forced",
    "upstream_stale",
]
SkipReason = Literal["up_to_date", "not_selected_upstream", "external"]


FULL_REFRESH = "forced by --full-refresh"
"""The detail of the cause `forced` of a table that grows and is to be built from nothing."""


class Cause(NamedTuple):
    """One reason why an asset is stale. `detail` is a sentence for people; the other fields are for programs."""

    kind: CauseKind
    detail: str
    upstream: str | None = None
    component: str | None = None
    old: str | None = None
    new: str | None = None

    @property
    def is_tentative(self) -> bool:
        """Whether it may still come to nothing: an upstream may come out unchanged."""
        return self.kind == "upstream_stale"


class Promise(NamedTuple):
    """What a freshness policy asks of a root: data at least as new as `bound` (microseconds), asked by these assets.

    `text` is what the strictest of their policies says. `broken_at` is the moment from which the root's data is too old
    for that, where it is not yet.
    """

    bound: int
    asked_by: Sequence[str]
    text: str = ""
    broken_at: int | None = None


class Step(NamedTuple):
    """One asset to materialize. `after` are the steps it waits for; `estimated` is in microseconds, None if unknown.

    `forced` steps are never skipped by the re-check; `promise` is there when a freshness policy asked for it; `record`
    is the sequence number of its materialization when the plan was made.
    """

    asset: str
    causes: tuple[Cause, ...]
    after: tuple[str, ...]
    estimated: int | None = None
    promise: Promise | None = None
    kind: Literal["materialize", "check"] = "materialize"
    partition: str = ""
    record: int | None = None

    @property
    def is_tentative(self) -> bool:
        """Whether all its causes are tentative, so that it may be cut off."""
        return all(cause.is_tentative for cause in self.causes)

    @property
    def is_full_refresh(self) -> bool:
        """Whether a table that grows is to be built from nothing."""
        return any(cause.kind == "forced" and cause.detail == FULL_REFRESH for cause in self.causes)

    @property
    def is_forced(self) -> bool:
        """Whether the user asked for it whatever its state."""
        return any(cause.kind == "forced" for cause in self.causes)


class Skip(NamedTuple):
    """An asset that would not run, and why. `detail` is a sentence for people, empty where the reason says it all."""

    asset: str
    reason: SkipReason
    detail: str = ""


class Overdue(NamedTuple):
    """A broken promise: `data_time` is older than `bound`; `held_by` are the roots or externals that hold it back."""

    asset: str
    data_time: int
    bound: int
    policy: FreshnessPolicy
    held_by: Sequence[str]


class Deadline(NamedTuple):
    """Until when something has to start for a promise to stay kept. Times and lengths are in microseconds.

    `broken_at` is the moment at which it is broken if nothing runs, maybe past. `takes` is
    how long what has to run for it takes on its longest path, which begins with `first`; 0 and None where nothing has
    to. `start` is the latest start of it, never after `latest`, which is the latest one if there are as many jobs as
    steps. `late` is by how much the promise is missed even if all of it starts now, 0 where it is not. `waits_for` is
    an external asset that has to hold something newer by `deliver`. `reach` is how long the longest path to it takes,
    whether that has to run or not; `wait` for how long it may have to wait for a job, where it gives way to others.
    """

    asset: str
    broken_at: int
    first: str | None = None
    takes: int = 0
    start: int | None = None
    latest: int | None = None
    late: int = 0
    waits_for: str | None = None
    deliver: int | None = None
    reach: int = 0
    wait: int = 0

    def may_be_late(self, now: int) -> bool:
        """Whether it is missed if it starts now, though only because of the number of jobs."""
        return not self.late and self.start is not None and self.start < now

    def can_be_met(self, now: int) -> bool:
        """Whether starting now keeps it, as far as anybody knows."""
        return not self.late and (self.deliver is None or self.deliver >= now)


class Code(NamedTuple):
    """The code of one asset: its version and the components that it is the digest of."""

    version: str
    components: Mapping[str, Component]


class Recorded(NamedTuple):
    """The latest records of one asset, by what is the same in every copy of the history: not by sequence numbers.

    `run` made its latest materialization, None where there is none; `attempt` is the run of its newest attempt.
    """

    run: str | None = None
    data_version: str | None = None
    blocked: bool = False
    attempt: str | None = None
    number: int = 0
    state: AttemptState | None = None


class Basis(NamedTuple):
    """What a plan rests on, as far as applying it later compares it; by asset.

    `root` is the real path of the project. `code` and `upstreams` are those of the steps. `records` holds the steps and
    their direct upstreams that have a command; `observations` what was seen of those that have none, as far as anybody
    saw anything. `observing` says whether external assets were looked at.
    """

    project: str
    root: str
    code: Mapping[str, Code]
    upstreams: Mapping[str, tuple[str, ...]]
    records: Mapping[str, Recorded]
    observations: Mapping[str, Observation]
    observing: bool = True


class Together(NamedTuple):
    """What one run for so many promises does, and what a cron job for each of them would: steps, and their time in all.

    Of the steps that are above one of the promises, or have it. Times are in microseconds.
    """

    promises: int
    runs: int
    time: int
    cron_runs: int
    cron_time: int


class Plan(NamedTuple):
    """The decision. Steps are in topological order; `estimated` and `critical_path` hold for the number of jobs.

    `observations` are what the steps will read and what is not on record yet: a run records it before it starts.
    `basis` is there where the plan is to be saved, or was. `deadlines` are those of the promises that are overdue, or
    would be by the moment ahead. `together` is there where it looks ahead for a promise, and all of that was timed.
    """

    environment: str
    now: int
    selection: tuple[str, ...]
    steps: tuple[Step, ...]
    skips: tuple[Skip, ...]
    overdue: tuple[Overdue, ...]
    removed: tuple[str, ...]
    warnings: tuple[Problem, ...]
    jobs: int
    estimated: int | None
    critical_path: tuple[str, ...]
    observations: tuple[Observation, ...] = ()
    basis: Basis | None = None
    deadlines: tuple[Deadline, ...] = ()
    together: Together | None = None
