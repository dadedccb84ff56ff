"""What happens during a run, as facts. Listeners (console, JSON stream) read them; none of them decides anything."""

from __future__ import annotations

from typing import Literal, NamedTuple

from assets_cli.model.history import CheckResult, Result
from assets_cli.model.plan import Cause


class RunStarted(NamedTuple):
    """A run was opened. `steps` are asset names in plan order."""

    run: str
    at: int
    steps: tuple[str, ...]
    jobs: int


class StepWaiting(NamedTuple):
    """A step cannot start yet because somebody else has what it needs; `holder` says who, as in "waiting for …".

    What it needs is the lock of an asset or a database, or a place in the pool of this `name`.
    """

    asset: str
    at: int
    holder: str
    kind: Literal["lock", "pool"] = "lock"
    name: str | None = None


class StepStarted(NamedTuple):
    """An attempt was opened. `number` counts from 1; `usual` is the usual duration in microseconds, if known."""

    asset: str
    at: int
    number: int
    causes: tuple[Cause, ...]
    log: str | None
    usual: int | None


class StepRetrying(NamedTuple):
    """An attempt failed and another follows after `delay` microseconds."""

    asset: str
    at: int
    number: int
    reason: str
    delay: int


class StepFinished(NamedTuple):
    """A step ended. `tail` are the last lines of its log where it failed; `duration` is in microseconds.

    `checks` are those that were evaluated; a blocking one that failed has made the step fail. `change` says what of its
    columns is not as it was, and is part of `detail`, too.
    """

    asset: str
    at: int
    result: Result
    unchanged: bool
    detail: str
    duration: int
    log: str | None = None
    tail: tuple[str, ...] = ()
    rows: int | None = None
    checks: tuple[CheckResult, ...] = ()
    change: str = ""


class Warned(NamedTuple):
    """Something that the user should know and that stopped nothing."""

    asset: str | None
    at: int
    message: str


class FailedCheck(NamedTuple):
    """A check of severity error that failed."""

    asset: str
    check: str


class RunFinished(NamedTuple):
    """The end of a run, or of a call that had nothing to do (`run` is None). Results partition the plan's steps.

    `checks_failed` are the checks of severity error that failed: with one of them, `status` is failed even where no
    step is.
    """

    run: str | None
    at: int
    status: str
    succeeded: tuple[str, ...]
    unchanged: tuple[str, ...]
    failed: tuple[str, ...]
    skipped: tuple[str, ...]
    blocked: tuple[str, ...]
    cancelled: tuple[str, ...]
    duration: int = 0
    still_stale: tuple[str, ...] = ()
    checks_failed: tuple[FailedCheck, ...] = ()


RunEvent = RunStarted | StepWaiting | StepStarted | StepRetrying | StepFinished | Warned | RunFinished
