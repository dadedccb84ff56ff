"""Reads history as it will be once the renames that the manifest declares (`moved`) are written. Never writes.

Knows which names are former names of which; when the move is written is its caller's business.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from assets_cli.model import texts
from assets_cli.model.history import (
    Attempt,
    CheckResult,
    Latest,
    Materialization,
    RunRecord,
    Settled,
    StateSnapshot,
    StepRecord,
)
from assets_cli.state import moving
from assets_cli.state.store import StateReader


def open_renamed(path: Path, environment: str, wanted: Mapping[str, Sequence[str]]) -> StateReader:
    """As `store.open_reader`, with the history of one environment under today's names.

    Args:
        path: the state file.
        environment: the one whose assets were renamed.
        wanted: by new name its former ones, the latest first.

    Raises:
        AssetsError: as `store.open_reader`.
    """
    reader = RenamedReader(path, environment, wanted) if wanted else StateReader(path)
    reader.verify()
    return reader


class RenamedReader(StateReader):
    """A reader that answers under new names. Which of them are due it asks anew each time."""

    def __init__(self, path: Path, environment: str, wanted: Mapping[str, Sequence[str]]) -> None:
        super().__init__(path)
        self._environment = environment
        self._wanted = wanted

    def snapshot(
        self, environment: str, assets: Collection[str] | None = None, *, listed: bool = False
    ) -> StateSnapshot:
        """As `StateReader.snapshot`."""
        moves = self._moves()
        asked = None if assets is None else {*assets, *(old for old, new in moves.items() if new in assets)}
        return renamed(super().snapshot(environment, asked, listed=listed), moves)

    def runs(
        self, limit: int, environment: str | None = None, before: str | None = None, asset: str | None = None
    ) -> tuple[RunRecord, ...]:
        """As `StateReader.runs`."""
        moves = self._moves()
        found = super().runs(limit, environment, before, asset and _former(asset, moves))
        return tuple(_run(record, moves) for record in found)

    def find_run(self, text: str, environment: str | None = None) -> RunRecord:
        """As `StateReader.find_run`."""
        return _run(super().find_run(text, environment), self._moves())

    def steps(self, run: str) -> tuple[StepRecord, ...]:
        """As `StateReader.steps`."""
        moves = self._moves()
        return tuple(step._replace(asset=moves.get(step.asset, step.asset)) for step in super().steps(run))

    def attempts(self, run: str, asset: str | None = None) -> tuple[Attempt, ...]:
        """As `StateReader.attempts`."""
        moves = self._moves()
        found = super().attempts(run, asset and _former(asset, moves))
        return tuple(one._replace(asset=moves.get(one.asset, one.asset)) for one in found)

    def materialization_history(
        self, environment: str, asset: str, limit: int, partition: str = ""
    ) -> tuple[Materialization, ...]:
        """As `StateReader.materialization_history`."""
        moves = self._moves()
        found = super().materialization_history(environment, _former(asset, moves), limit, partition)
        return tuple(_made(value, moves) for value in found)

    def check_results(
        self, environment: str, asset: str, names: Iterable[str], partition: str = ""
    ) -> tuple[CheckResult, ...]:
        """As `StateReader.check_results`."""
        return super().check_results(environment, _former(asset, self._moves()), names, partition)

    def reported_checks(
        self, environment: str, asset: str, materialization: int, partition: str = ""
    ) -> tuple[CheckResult, ...]:
        """As `StateReader.reported_checks`."""
        return super().reported_checks(environment, _former(asset, self._moves()), materialization, partition)

    def _moves(self) -> dict[str, str]:
        return self._read(lambda connection: moving.pending(connection, self._environment, self._wanted))


def renamed(snapshot: StateSnapshot, moves: Mapping[str, str]) -> StateSnapshot:
    """The snapshot with the history of each old name under its new one."""
    if not moves:
        return snapshot
    return StateSnapshot(
        snapshot.environment,
        {moves.get(name, name): _latest(facts, moves) for name, facts in snapshot.latest.items()},
        {
            moves.get(name, name): seen._replace(asset=moves.get(name, name))
            for name, seen in snapshot.observations.items()
        },
        {(moves.get(name, name), version): time for (name, version), time in snapshot.frozen.items()},
        {moves.get(name, name): _settled(facts, moves) for name, facts in snapshot.settled.items()},
        {
            moves.get(name, name): _part(part, moves) if name in moves else part
            for name, part in snapshot.readable.items()
        },
        timed={moves.get(name, name): text for name, text in snapshot.timed.items()},
    )


def _settled(facts: Settled, moves: Mapping[str, str]) -> Settled:
    if not any(f"{json.dumps(name)}:" in facts.inputs for name in moves):
        return facts
    read = moving.renamed_keys(texts.inputs(facts.inputs), moves)
    return facts._replace(inputs=texts.of_inputs(texts.of_input(name, *each) for name, each in read.items()))


def _part(part: str, moves: Mapping[str, str]) -> str:
    ((name, read),) = texts.inputs(texts.of_inputs([part])).items()
    return texts.of_input(moves[name], *read)


def _latest(facts: Latest, moves: Mapping[str, str]) -> Latest:
    newest, usable, attempt = facts.materialization, facts.usable, facts.attempt
    made = None if newest is None else _made(newest, moves)
    return facts._replace(
        materialization=made,
        usable=made if usable is newest else None if usable is None else _made(usable, moves),
        attempt=None if attempt is None else attempt._replace(asset=moves.get(attempt.asset, attempt.asset)),
    )


def _made(value: Materialization, moves: Mapping[str, str]) -> Materialization:
    if value.asset not in moves and moves.keys().isdisjoint(value.inputs):
        return value
    inputs = moving.renamed_keys(value.inputs, moves)
    return value._replace(asset=moves.get(value.asset, value.asset), inputs=inputs)


def _run(record: RunRecord, moves: Mapping[str, str]) -> RunRecord:
    if moves.keys().isdisjoint(record.failed):
        return record
    return record._replace(failed=tuple(moves.get(name, name) for name in record.failed))


def _former(name: str, moves: Mapping[str, str]) -> str:
    """The name under which the history is on record still."""
    return next((old for old, new in moves.items() if new == name), name)
