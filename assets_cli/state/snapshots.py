"""Reads the latest facts of one environment: one pass over rows, values made of them when somebody asks for one.

Costs what the assets cost, never what the history costs. Knows no planning.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from assets_cli.model import texts
from assets_cli.model.history import Attempt, Input, Latest, Materialization, Observation, Settled, StateSnapshot
from assets_cli.state import rows

DeadAmong = Callable[[Iterable[tuple[str, str]]], frozenset[str]]
"""Of runs with their recorded status, those that can finish nothing any more."""

# Half the price of calling the class.
_new = tuple.__new__
# First what tells whether an asset is settled, then the fields of `Settled`, then all the rest.
_COLUMNS = (
    "l.asset, l.observation, a.run_seq, l.usable, a.state, m.seq, m.data_version, m.components, m.fingerprint, "
    "m.fingerprint_stat, m.fingerprint_newest, m.fingerprint_taken, coalesce(m.data_time, m.started), m.inputs, m.run, "
    "m.attempt, m.started, m.finished, m.code_version, m.data_time, m.unchanged, m.blocked, m.metadata, l.durations, "
    "a.seq, a.number, a.started, a.finished, a.exit_code, a.reason, a.log"
)
_NEVER = Input(None, None)
_ASSET, _OBSERVATION, _RUN_SEQ, _USABLE, _STATE, _SEQ, _VERSION = range(7)
_INPUTS = 13
_SETTLED = slice(_SEQ, _INPUTS + 1)


def read(
    connection: sqlite3.Connection, environment: str, assets: Collection[str] | None, dead_among: DeadAmong
) -> StateSnapshot:
    """The latest facts of an environment, of all its assets or of those given."""
    where, key = "l.environment = ?1 AND l.partition = ''", [environment]
    if assets is not None:
        where += " AND l.asset IN (SELECT value FROM json_each(?2))"
        key.append(json.dumps(list(assets)))
    # LEFT JOIN keeps SQLite to this order: each row of `latest` is a look-up by primary key, whatever the history.
    found = connection.execute(
        f"SELECT {_COLUMNS} FROM latest l LEFT JOIN materializations m ON m.seq = l.materialization "  # noqa: S608
        f"LEFT JOIN attempts a ON a.seq = l.attempt WHERE {where}",
        key,
    ).fetchall()
    observations = _observations(connection, found)
    older = _older(connection, found)
    current = _current(found, older, observations)
    parts = {name: texts.of_input(name, read) for name, read in current.items()}
    superseded = _superseded(found, older.values(), current, frozenset(parts.values()))
    latest = LatestOfRows({row[_ASSET]: row for row in found}, older, _runs(connection, found, dead_among))
    frozen = _frozen(connection, environment, superseded, latest)
    return StateSnapshot(environment, latest, observations, frozen, _settled(found), parts)


class LatestOfRows(Mapping[str, Latest]):
    """The latest facts by asset, each made of its row when it is first asked for: most of them never are."""

    def __init__(
        self,
        facts: Mapping[str, rows.Row],
        older: Mapping[int | None, Materialization],
        runs: Mapping[int | None, tuple[str, bool]],
    ) -> None:
        """`older` are usable ones by sequence number, where they are not the newest; `runs` give id and `is_dead`."""
        self._rows = facts
        self._older = older
        self._runs = runs
        self._made: dict[str, Latest] = {}

    def __getitem__(self, name: str) -> Latest:
        known = self._made.get(name)
        if known is None:
            known = self._made[name] = self._latest(name, self._rows[name])
        return known

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, name: object) -> bool:
        return name in self._rows

    def _latest(self, name: str, row: rows.Row) -> Latest:
        _, _, run_seq, usable, state, seq, version, components, digest, stat, newest, taken, _, inputs, *rest = row
        run, attempt, started, finished, code_version, data_time, unchanged, blocked, metadata, durations, *tried = rest
        made = None
        if seq is not None:
            made = Materialization(
                seq=seq,
                asset=name,
                run=run,
                attempt=attempt,
                started=started,
                finished=finished,
                code_version=code_version,
                components=rows.Components(components),
                data_version=version,
                fingerprint=rows.fingerprint(digest, stat, newest, taken),
                data_time=data_time,
                inputs=texts.inputs(inputs),
                unchanged=unchanged == 1,
                blocked=blocked == 1 and usable != seq,  # one that may be used all the same was unblocked since
                metadata=json.loads(metadata),
            )
        known = made if usable == seq else self._older.get(usable)
        return Latest(made, known, self._attempt(name, run_seq, state, *tried), tuple(json.loads(durations)))

    def _attempt(
        self, name: str, run_seq: int | None, state: str, seq: int, number: int, *rest: object
    ) -> Attempt | None:
        if run_seq not in self._runs:
            return None
        run, is_dead = self._runs[run_seq]
        ended = "crashed" if state == "open" and is_dead else state
        return _new(Attempt, (seq, run, name, number, ended, *rest, ""))


def _settled(found: Sequence[rows.Row]) -> dict[str, Settled]:
    return {
        row[_ASSET]: _new(Settled, row[_SETTLED])
        for row in found
        if row[_USABLE] == row[_SEQ] is not None and (row[_STATE] == "succeeded" or row[_STATE] is None)
    }


def _by_number(connection: sqlite3.Connection, query: str, numbers: Collection[int]) -> list[rows.Row]:
    """The rows that these sequence numbers, in a table named `wanted`, lead to."""
    if not numbers:
        return []
    wanted = "WITH wanted (seq) AS (SELECT value FROM json_each(?))"
    return connection.execute(f"{wanted} {query}", (json.dumps(numbers),)).fetchall()


def _observations(connection: sqlite3.Connection, found: Sequence[rows.Row]) -> dict[str, Observation]:
    numbers = [row[_OBSERVATION] for row in found if row[_OBSERVATION] is not None]
    query = f"SELECT {rows.OBSERVATION} FROM wanted CROSS JOIN observations o ON o.seq = wanted.seq"  # noqa: S608
    return {seen.asset: seen for seen in rows.observations(_by_number(connection, query, numbers))}


def _older(connection: sqlite3.Connection, found: Sequence[rows.Row]) -> dict[int | None, Materialization]:
    """The usable materializations that are not the newest of their assets, by sequence number."""
    numbers = [row[_USABLE] for row in found if row[_USABLE] != row[_SEQ] and row[_USABLE] is not None]
    query = f"SELECT {rows.MATERIALIZATION} FROM wanted CROSS JOIN materializations m ON m.seq = wanted.seq"  # noqa: S608
    kept = rows.materializations(_by_number(connection, query, numbers))
    return {value.seq: value._replace(blocked=False) for value in kept}


def _runs(
    connection: sqlite3.Connection, found: Sequence[rows.Row], dead_among: DeadAmong
) -> dict[int | None, tuple[str, bool]]:
    """The runs of the newest attempts by sequence number: their ids, and whether they left one open when they died."""
    numbers = {row[_RUN_SEQ] for row in found if row[_RUN_SEQ] is not None}
    query = "SELECT r.seq, r.id, r.status FROM wanted CROSS JOIN runs r ON r.seq = wanted.seq"
    runs = _by_number(connection, query, list(numbers))
    still_open = {row[_RUN_SEQ] for row in found if row[_STATE] == "open"}
    dead = dead_among((run, status) for seq, run, status in runs if seq in still_open) if still_open else ()
    return {seq: (run, run in dead) for seq, run, _ in runs}


def _current(
    found: Sequence[rows.Row],
    older: Mapping[int | None, Materialization],
    observations: Mapping[str, Observation],
) -> dict[str, Input]:
    """What a downstream would read of each asset now."""
    current = {name: Input(seen.data_version, seen.seq) for name, seen in observations.items()}
    for row in found:
        usable = row[_USABLE]
        if usable == row[_SEQ]:
            if usable is not None:
                current[row[_ASSET]] = _new(Input, (row[_VERSION], usable))
        elif usable in older:
            current[row[_ASSET]] = Input(older[usable].data_version, usable)
    return current


def _superseded(
    found: Sequence[rows.Row],
    older: Iterable[Materialization],
    current: Mapping[str, Input],
    parts: frozenset[str],
) -> set[tuple[str, str]]:
    """All versions that were read and are not the current ones; `parts` are the texts of these."""
    superseded: set[tuple[str, str]] = set()
    read = [value.inputs for value in older]
    for row in found:
        text = row[_INPUTS]
        if text and text != "{}" and not parts.issuperset(texts.parts_of_inputs(text)):
            read.append(texts.inputs(text))
    for inputs in read:
        for upstream, (version, _) in inputs.items():
            if version is not None and version != current.get(upstream, _NEVER).data_version:
                superseded.add((upstream, version))
    return superseded


def _frozen(
    connection: sqlite3.Connection,
    environment: str,
    superseded: Collection[tuple[str, str]],
    known: Collection[str],
) -> dict[tuple[str, str], int | None]:
    """The data times of the versions that were read and are no longer current."""
    unknown = {name for name, _ in superseded if name not in known}
    if unknown:
        # Of assets that are not part of the snapshot nobody has looked yet whether these are their current versions.
        now = dict(_versions(connection, environment, unknown))
        superseded = [pair for pair in superseded if now.get(pair[0]) != pair[1]]
    frozen: dict[tuple[str, str], int | None] = dict.fromkeys(superseded)
    if superseded:
        found = connection.execute(
            "SELECT f.asset, f.data_version, f.data_time FROM json_each(?2) j CROSS JOIN frozen_data_times f "
            "ON f.environment = ?1 AND f.asset = json_extract(j.value, '$[0]') AND f.partition = '' "
            "AND f.data_version = json_extract(j.value, '$[1]')",
            (environment, json.dumps(list(superseded))),
        )
        frozen.update(((asset, version), data_time) for asset, version, data_time in found)
    return frozen


def _versions(connection: sqlite3.Connection, environment: str, names: Collection[str]) -> list[tuple[str, str]]:
    """The current data versions of assets that are not part of the snapshot."""
    return connection.execute(
        "SELECT l.asset, coalesce(m.data_version, o.data_version) FROM json_each(?2) j CROSS JOIN latest l "
        "ON l.environment = ?1 AND l.asset = j.value AND l.partition = '' "
        "LEFT JOIN materializations m ON m.seq = l.usable LEFT JOIN observations o ON o.seq = l.observation",
        (environment, json.dumps(list(names))),
    ).fetchall()
