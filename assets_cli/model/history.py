"""What is on record: materializations, attempts, observations, and the snapshot of the latest of each.

Stored rows are `state`'s business; these are the values that decisions are made from.
Times are integer microseconds UTC. Digests are written `algorithm:hex`. "Latest" goes by sequence, never by time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

AttemptState = Literal["open", "succeeded", "failed", "timed_out", "cancelled", "crashed"]
RunStatus = Literal["running", "succeeded", "failed", "cancelled", "crashed"]
Result = Literal["succeeded", "failed", "skipped", "blocked", "cancelled"]
DeedKind = Literal["mv", "rm", "export", "import", "backup", "gc"]


class Component(NamedTuple):
    """One named part of a code version. `raw` digests the bytes; `normalised` what is left without comments and layout.

    `normaliser` is name and version, such as `sqlglot/30.30.0/duckdb` or `python-ast/3.11`; both are None for a part
    that is compared as it stands.
    """

    raw: str
    normalised: str | None = None
    normaliser: str | None = None


class Fingerprint(NamedTuple):
    """What an output looked like.

    `digest` carries its algorithm's name before the colon. `stat` is a cheap gate (sizes, mtimes, inodes as one text):
    equal and not racy means that the content need not be read. `newest` is the newest mtime that went into it and
    `taken` the wall clock when it was taken, both in nanoseconds; they decide only whether the gate can be trusted.
    """

    digest: str
    stat: str | None = None
    newest: int = 0
    taken: int = 0

    @property
    def algorithm(self) -> str:
        """The name of the algorithm: digests of different algorithms are never compared."""
        return self.digest.partition(":")[0]


class Input(NamedTuple):
    """What a materialization read of one upstream: its data version and the sequence number of that record."""

    data_version: str | None
    record: int | None


class Materialization(NamedTuple):
    """One time an asset was produced. `data_time` is what the command reported, None where it reported none."""

    seq: int
    asset: str
    run: str
    attempt: int
    started: int
    finished: int
    code_version: str
    components: Mapping[str, Component]
    data_version: str
    fingerprint: Fingerprint | None
    data_time: int | None
    inputs: Mapping[str, Input]
    unchanged: bool = False
    blocked: bool = False
    metadata: Mapping[str, Any] = {}
    partition: str = ""


class Attempt(NamedTuple):
    """One try of a step. `reason` says in a sentence why it did not succeed; `log` is relative to the project root."""

    seq: int
    run: str
    asset: str
    number: int
    state: AttemptState
    started: int
    finished: int | None = None
    exit_code: int | None = None
    reason: str | None = None
    log: str | None = None
    partition: str = ""


class CheckResult(NamedTuple):
    """What one evaluation of a check found.

    `failing` counts the rows that fail, where rows can be counted; `sample` holds the first few of them, each by its
    columns, as JSON. `message` says in a sentence what is wrong, and is empty where nothing is. `reported`: the command
    evaluated it by itself, and said `metadata` of it; nobody declared it.
    """

    name: str
    passed: bool
    severity: Literal["error", "warn"]
    blocking: bool
    failing: int | None
    message: str
    sample: tuple[Mapping[str, Any], ...]
    at: int
    run: str | None = None
    reported: bool = False
    metadata: Mapping[str, Any] = {}

    @property
    def is_error(self) -> bool:
        """Whether it failed and counts as more than a warning."""
        return not self.passed and self.severity == "error"


class Observation(NamedTuple):
    """What an external asset held when it was looked at. `data_time` is None where the probe reported no time."""

    seq: int
    asset: str
    observed: int
    data_version: str
    data_time: int | None
    metadata: Mapping[str, Any] = {}


class Latest(NamedTuple):
    """The latest facts of one key. `materialization` may be blocked; `usable` is the latest that is not.

    `attempt` is the newest attempt, with `crashed` in place of `open` where its run is dead.
    `durations` are the last few successful ones, newest last, in microseconds.
    """

    materialization: Materialization | None = None
    usable: Materialization | None = None
    attempt: Attempt | None = None
    durations: tuple[int, ...] = ()


class Settled(NamedTuple):
    """The latest facts of one key in which nothing failed, is open or blocked: what it takes to see that nothing moved.

    `components` and `inputs` are texts as `texts` has them. `fingerprint`, `stat`, `newest` and `taken` are those of
    the fingerprint. `time` is what the command reported as data time, else when it started.
    """

    record: int
    data_version: str
    components: str
    fingerprint: str | None
    stat: str | None
    newest: int
    taken: int
    time: int
    inputs: str


class Made(NamedTuple):
    """What a list says of a materialization."""

    run: str
    finished: int
    rows: int | None


class StateSnapshot(NamedTuple):
    """The latest facts of one environment, as one consistent reading.

    `frozen[(asset, data_version)]` is the data time that an asset had just before that version was superseded; it holds
    the pairs that some latest materialization read and that are no longer current. A value of None means unknown.
    `settled` says of those assets of which that is quickly said what `latest` says of all; `readable` is by asset what
    a downstream that read it now would have on record of that (`texts.of_input`); `made` what lists say of the latest
    materialization, for who asks for many; `timed` the texts of `Latest.durations` (`texts.durations`). Each may be
    empty: they hold nothing that the rest does not.
    """

    environment: str
    latest: Mapping[str, Latest]
    observations: Mapping[str, Observation]
    frozen: Mapping[tuple[str, str], int | None]
    settled: Mapping[str, Settled] = {}
    readable: Mapping[str, str] = {}
    made: Mapping[str, Made] = {}
    timed: Mapping[str, str] = {}

    def of(self, asset: str) -> Latest:
        """The latest facts of one asset; an empty `Latest` where nothing is on record."""
        return self.latest.get(asset, NOTHING)

    def durations_of(self, asset: str) -> tuple[int, ...]:
        """The last few durations of an asset."""
        text = self.timed.get(asset)
        if text is None:
            return self.of(asset).durations
        from assets_cli.model.texts import durations  # which imports this module

        return durations(text)

    def made_of(self, asset: str) -> Made | None:
        """What a list says of its latest materialization."""
        if asset in self.made:
            return self.made[asset]
        found = self.of(asset).materialization
        return None if found is None else Made(found.run, found.finished, rows_of(found.metadata))


def rows_of(metadata: Mapping[str, Any]) -> int | None:
    """The number of rows that was recorded or reported."""
    rows = metadata.get("rows")
    return rows if isinstance(rows, int) else None


NOTHING = Latest()


class StepRecord(NamedTuple):
    """How one step of a run ended. `result` is None while it has not."""

    asset: str
    kind: str
    causes: tuple[Mapping[str, Any], ...]
    forced: bool
    result: Result | None
    unchanged: bool
    detail: str | None
    partition: str = ""


class RunRecord(NamedTuple):
    """One execution of a plan, as `assets runs` shows it. `failed` names the steps that failed, in the plan's order."""

    id: str
    environment: str
    status: RunStatus
    started: int
    finished: int | None
    jobs: int
    selection: tuple[str, ...]
    host: str
    pid: int
    counts: Mapping[str, int]
    failed: tuple[str, ...] = ()


class Deed(NamedTuple):
    """One time that history was repaired, copied or thinned out on purpose: `assets state`, or `moved` in a manifest.

    `environment` is None where it concerns the whole file. `details` say what was done, by kind; `after` is the run
    that was the newest then, None where there was none, or it is not on record any more.
    """

    kind: DeedKind
    at: int
    environment: str | None
    host: str
    pid: int
    details: Mapping[str, Any]
    after: str | None = None
