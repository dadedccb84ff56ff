"""The latest facts during a run, kept in memory and true to the state file.

Every record of this run goes through here, so that what is read next needs no query; what other processes recorded
meanwhile is read when the state file says that it changed. Also keeps data times, which must be frozen in the
transaction that supersedes a version. Knows nothing of commands or schedules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from assets_cli.graph.graph import AssetGraph
from assets_cli.model.history import Attempt, CheckResult, Input, Latest, Materialization, Observation, StateSnapshot
from assets_cli.model.world import World
from assets_cli.planning import freshness
from assets_cli.planning.versions import current_input
from assets_cli.state.record import Recorder

RECENT = 7
"""How many durations are kept for estimates."""


class Ledger:
    """The latest facts of one environment. Its methods may be called from any thread."""

    def __init__(
        self,
        recorder: Recorder,
        graph: AssetGraph,
        snapshot: StateSnapshot,
        observations: Mapping[str, Observation],
        clock: Callable[[], int],
    ) -> None:
        self._recorder = recorder
        self._graph = graph
        self._clock = clock
        self._latest = dict(snapshot.latest)
        self._frozen = dict(snapshot.frozen)
        self._world = World({}, {}, observations)
        self._times: dict[str, int | None] = {}
        self._moved = 0
        self._refreshed: dict[str, int] = {}
        self._seen = max(
            (each.materialization.seq for each in snapshot.latest.values() if each.materialization), default=0
        )
        self.snapshot = StateSnapshot(snapshot.environment, self._latest, observations, self._frozen)

    def refresh(self, name: str) -> None:
        """Take in what other processes recorded, if they did: `name`, its upstreams, and whatever else is new."""
        with self._recorder.transaction():
            environment = self.snapshot.environment
            changed: frozenset[str] = frozenset()
            if self._recorder.changed_elsewhere():
                changed, self._seen = self._recorder.materialized_since(environment, self._seen)
                self._moved += 1
            if self._refreshed.get(name, 0) == self._moved:
                return
            # Remembered by asset: failed attempts are read only for the one that is asked for.
            self._refreshed[name] = self._moved
            names = {name, *self._graph.upstreams(name), *changed}
            fresh = self._recorder.snapshot(environment, names)
            self._latest.update(fresh.latest)
            self._frozen.update(fresh.frozen)
            self._times.clear()

    def input_of(self, upstream: str) -> Input:
        """The version of an upstream that a step reads now."""
        external = self._graph.assets[upstream].is_external
        return current_input(upstream, self.snapshot, self._world.observations, external=external)

    def record(
        self,
        made: Materialization,
        checks: Sequence[CheckResult] = (),
        *,
        recovered: bool = False,
        timed: bool = True,
    ) -> Materialization | None:
        """Commit a success: the materialization, what its checks found, its attempt's end, the data time it supersedes.

        Where nothing ran (`timed` is false) its duration says nothing of the next time.

        Returns:
            What is on record now; None where `recovered` and another process had settled the attempt already.
        """
        with self._recorder.transaction():
            self.refresh(made.asset)  # the data time that is frozen depends on everything above
            before = self.snapshot.of(made.asset)
            frozen = None if made.blocked else self._superseded(before.usable, made)
            took = made.finished - made.started if timed else None
            if recovered:
                seq = self._recorder.promote(made.attempt, made, frozen, took)
                if seq is None:
                    return None
            else:
                seq = self._recorder.add_materialization(made, frozen, took, before=before)
            made = made._replace(seq=seq)
            self.note_checks(made.asset, checks, seq)
            attempt = before.attempt._replace(state="succeeded", finished=made.finished) if before.attempt else None
            durations = before.durations if took is None else (*before.durations, took)[-RECENT:]
            self._latest[made.asset] = Latest(made, before.usable if made.blocked else made, attempt, durations)
            if frozen is not None:
                self._frozen[made.asset, frozen[0]] = frozen[1]
            self._forget_times(made.asset)
            return made

    def note_checks(self, asset: str, checks: Sequence[CheckResult], materialization: int | None) -> None:
        """Record what checks found, of the output of a materialization."""
        if checks:
            self._recorder.add_check_results(self.snapshot.environment, asset, checks, materialization)

    def unblock(self, asset: str, checks: Sequence[CheckResult], run: str) -> bool:
        """Commit that the latest materialization may be used after all, with what its checks found.

        Returns:
            Whether it was blocked until now.
        """
        with self._recorder.transaction():
            before = self.snapshot.of(asset)
            made = before.materialization
            self.note_checks(asset, checks, made.seq if made else None)
            if made is None or not made.blocked:
                return False
            frozen = self._superseded(before.usable, made)
            if not self._recorder.unblock(self.snapshot.environment, made, frozen, run, self._clock()):
                return False
            made = made._replace(blocked=False)
            self._latest[asset] = before._replace(materialization=made, usable=made)
            if frozen is not None:
                self._frozen[asset, frozen[0]] = frozen[1]
            self._forget_times(asset)
            return True

    def _superseded(self, usable: Materialization | None, made: Materialization) -> tuple[str, int | None] | None:
        """The version that stops being current with a materialization, and the data time that it has until then."""
        if usable is None or usable.data_version == made.data_version:
            return None
        return usable.data_version, self._data_time(made.asset)

    def note_attempt(self, attempt: Attempt) -> None:
        """Remember the newest attempt of an asset, as it was recorded."""
        self._latest[attempt.asset] = self.snapshot.of(attempt.asset)._replace(attempt=attempt)

    def _data_time(self, name: str) -> int | None:
        """The data time now, from what is remembered; what is not is worked out, upstreams first, without recursion."""
        waiting = [name]
        while waiting:
            current = waiting[-1]
            if current in self._times:
                waiting.pop()
                continue
            unknown = [up for up in self._graph.upstreams(current) if up not in self._times]
            if unknown:
                waiting += unknown
                continue
            waiting.pop()
            asset = self._graph.assets[current]
            self._times[current] = freshness.data_time(
                asset, self._graph, self.snapshot, self._world, self._clock(), self._times.__getitem__
            )
        return self._times[name]

    def _forget_times(self, name: str) -> None:
        """Forget the data times that a new record may have moved; what is below a forgotten asset is forgotten too."""
        waiting = [name]
        while waiting:
            current = waiting.pop()
            if self._times.pop(current, _ABSENT) is not _ABSENT or current == name:
                waiting += self._graph.downstreams(current)


_ABSENT: Any = object()
