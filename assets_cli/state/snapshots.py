"""Reads the latest facts of one environment: what most questions need of all assets at once, the rest when it is asked.

Costs what the assets cost, never what the history costs. Knows no planning.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar, overload

from assets_cli.model import texts
from assets_cli.model.history import (
    Attempt,
    Latest,
    Made,
    Materialization,
    Observation,
    Settled,
    StateSnapshot,
    rows_of,
)
from assets_cli.model.problem import AssetsError
from assets_cli.state import failures, rows

T = TypeVar("T")
DeadAmong = Callable[[Iterable[tuple[str, str]]], frozenset[str]]
"""Of runs with their recorded status, those that can finish nothing any more."""
# What tells whether an asset is settled, then the fields of `Settled`.
_COLUMNS = (
    "l.asset, l.observation, l.usable, l.attempt, l.durations, a.state, m.seq, m.data_version, m.components, "
    "m.fingerprint, m.fingerprint_stat, m.fingerprint_newest, m.fingerprint_taken, coalesce(m.data_time, m.started), "
    "m.inputs"
)
_ASSET, _OBSERVATION, _USABLE, _ATTEMPT, _DURATIONS, _STATE, _SEQ, _VERSION = range(8)
_INPUTS = 14
_REST = (
    "m.seq, m.run, m.attempt, m.started, m.finished, m.code_version, m.data_time, m.unchanged, m.blocked, m.metadata"
)
_MADE = "materializations m ON m.seq = wanted.seq"
_LISTED = """, m.run, m.finished, CASE WHEN instr(m.metadata, '"rows"') THEN m.metadata END"""
"""What a list says of materializations besides."""
_LISTED_AT = 15
_ALONE = 16
"""Of so few assets all is read at once; of more the rest of so many one by one, and then that of all."""
# Half the price of calling the class.
_new = tuple.__new__


class Rest(NamedTuple):
    """What is not read at first: columns of materializations by sequence number, older ones, and attempts."""

    made: dict[int | None, rows.Row]
    older: dict[int | None, Materialization]
    tried: dict[int | None, Attempt]


class Later(Protocol):
    """Comes back for more."""

    def __call__(self, work: Callable[[sqlite3.Connection], T], /) -> T:
        """Read in a transaction of its own."""


class Reader(NamedTuple):
    """Who reads a file: which runs are dead, and how to come back for more.

    Only what is never written again is left for later, of materializations and of attempts that succeeded; what a
    rename changes in them is not taken from there.
    """

    path: Path
    dead_among: DeadAmong
    later: Later


def read(
    connection: sqlite3.Connection,
    environment: str,
    assets: Collection[str] | None,
    reader: Reader,
    *,
    listed: bool = False,
) -> StateSnapshot:
    """The latest facts of an environment, of all its assets or of those given; with what lists say if `listed`."""
    where, key = "l.environment = ?1 AND l.partition = ''", [environment]
    if assets is not None:
        where += " AND l.asset IN (SELECT value FROM json_each(?2))"
        key.append(json.dumps(list(assets)))
    # LEFT JOIN keeps SQLite to this order: each row of `latest` is a look-up by primary key, whatever the history.
    found = connection.execute(
        f"SELECT {_COLUMNS}{_LISTED if listed else ''} FROM latest l "  # noqa: S608
        "LEFT JOIN materializations m ON m.seq = l.materialization "
        f"LEFT JOIN attempts a ON a.seq = l.attempt WHERE {where}",
        key,
    ).fetchall()
    settled = {
        row[_ASSET]: _new(Settled, row[_SEQ:_LISTED_AT])
        for row in found
        if row[_USABLE] == row[_SEQ] is not None and (row[_STATE] == "succeeded" or row[_STATE] is None)
    }
    known = found if len(found) <= _ALONE else [row for row in found if row[_ASSET] not in settled]
    rest = _rest(connection, known, reader.dead_among)
    facts = {row[_ASSET]: row for row in found}
    latest = LatestOfRows(facts, rest, reader)
    observations = _observations(connection, found)
    readable = _readable(found, rest.older, observations)
    frozen = FrozenOfRows(found, rest.older, readable, (environment, latest), reader)
    timed = {row[_ASSET]: row[_DURATIONS] for row in found}
    made = {row[_ASSET]: _made(*row[_LISTED_AT:]) for row in found if row[_SEQ] is not None} if listed else {}
    return StateSnapshot(environment, latest, observations, frozen, settled, readable, made, timed)


class LatestOfRows(Mapping[str, Latest]):
    """The latest facts by asset, each made when it is first asked for: most of them never are."""

    def __init__(self, facts: Mapping[str, rows.Row], rest: Rest, reader: Reader) -> None:
        """`rest` is of those that are not settled."""
        self._rows = facts
        self._rest = rest
        self._reader = reader
        self._asked = 0
        self._made: dict[str, Latest] = {}

    def __getitem__(self, name: str) -> Latest:
        known = self._made.get(name)
        if known is None:
            row = self._rows[name]
            if row[_SEQ] is not None and row[_SEQ] not in self._rest.made:
                self._load(row)
            known = self._made[name] = _latest(row, self._rest)
        return known

    @overload
    def get(self, name: str, /) -> Latest | None: ...
    @overload
    def get(self, name: str, default: Latest | T, /) -> Latest | T: ...
    def get(self, name: str, default: object = None, /) -> object:
        """As of any mapping; asked for ten thousand assets that were never made it raises no errors by the way."""
        return self[name] if name in self._rows else default

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, name: object) -> bool:
        return name in self._rows

    def _load(self, row: rows.Row) -> None:
        self._asked += 1
        wanted = [row] if self._asked <= _ALONE else list(self._rows.values())
        more = self._reader.later(lambda connection: _rest(connection, wanted, self._reader.dead_among))
        if any(row[_SEQ] is not None and row[_SEQ] not in more.made for row in wanted):
            raise AssetsError(failures.replaced(self._reader.path))
        # What was read with the rest of the snapshot stands.
        made, older, tried = self._rest
        self._rest = Rest({**more.made, **made}, {**more.older, **older}, {**more.tried, **tried})


class FrozenOfRows(Mapping[tuple[str, str], int | None]):
    """The data times of versions that were read and are no longer current, looked for when one is first asked for.

    A later reading says the same of them, but for a version that came back meanwhile and was superseded again: then it
    says the data time of that, which is as true of the same data.
    """

    def __init__(
        self,
        found: Sequence[rows.Row],
        older: Mapping[int | None, Materialization],
        readable: Mapping[str, str],
        known: tuple[str, Collection[str]],
        reader: Reader,
    ) -> None:
        """`known` are the environment and the assets of the snapshot."""
        self._found, self._older, self._readable, self._of, self._reader = found, older, readable, known, reader

    @cached_property
    def _frozen(self) -> dict[tuple[str, str], int | None]:
        superseded = _superseded(self._found, self._older.values(), self._readable)
        environment, known = self._of
        if not superseded:
            return {}
        return self._reader.later(lambda connection: _frozen(connection, environment, superseded, known))

    def __getitem__(self, key: tuple[str, str]) -> int | None:
        return self._frozen[key]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._frozen)

    def __len__(self) -> int:
        return len(self._frozen)


def _made(run: str, finished: int, metadata: str | None) -> Made:
    return _new(Made, (run, finished, rows_of(json.loads(metadata)) if metadata else None))


def _latest(row: rows.Row, rest: Rest) -> Latest:
    name, _, usable, tried, durations, _, seq, version, components, digest, stat, newest, taken, _, inputs = row[
        :_LISTED_AT
    ]
    made = None
    if seq is not None:
        _, run, number, started, finished, code_version, data_time, unchanged, blocked, metadata = rest.made[seq]
        made = Materialization(
            seq=seq,
            asset=name,
            run=run,
            attempt=number,
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
    known = made if usable == seq else rest.older.get(usable)
    attempt = rest.tried.get(tried)
    if attempt is not None and attempt.asset != name:  # it was renamed meanwhile
        attempt = attempt._replace(asset=name)
    return Latest(made, known, attempt, texts.durations(durations))


def _rest(connection: sqlite3.Connection, wanted: Sequence[rows.Row], dead_among: DeadAmong) -> Rest:
    """The rest of these rows."""
    made = _by_number(connection, _REST, _MADE, [row[_SEQ] for row in wanted])
    usable = [row[_USABLE] for row in wanted if row[_USABLE] != row[_SEQ]]
    older = rows.materializations(_by_number(connection, rows.MATERIALIZATION, _MADE, usable))
    return Rest(
        {row[0]: row for row in made},
        {value.seq: value._replace(blocked=False) for value in older},
        _attempts(connection, [row[_ATTEMPT] for row in wanted], dead_among),
    )


def _attempts(
    connection: sqlite3.Connection, numbers: Sequence[int | None], dead_among: DeadAmong
) -> dict[int | None, Attempt]:
    """Attempts by sequence number; what is open while its run is dead has crashed."""
    joined = "attempts a ON a.seq = wanted.seq CROSS JOIN runs r ON r.seq = a.run_seq"
    found = _by_number(connection, f"{rows.ATTEMPT}, r.status", joined, numbers)
    still_open = {(row[1], row[-1]) for row in found if row[4] == "open"}  # by their places in ATTEMPT
    dead = dead_among(still_open) if still_open else ()
    return {value.seq: value for value in rows.attempts([row[:-1] for row in found], dead)}


def _by_number(
    connection: sqlite3.Connection, columns: str, joined: str, numbers: Sequence[int | None]
) -> list[rows.Row]:
    """Columns of what these sequence numbers, in a table named `wanted`, lead to."""
    known = [number for number in numbers if number is not None]
    if not known:
        return []
    # CROSS JOIN, as above.
    query = f"WITH wanted (seq) AS (SELECT value FROM json_each(?)) SELECT {columns} FROM wanted CROSS JOIN {joined}"  # noqa: S608
    return connection.execute(query, (json.dumps(known),)).fetchall()


def _observations(connection: sqlite3.Connection, found: Sequence[rows.Row]) -> dict[str, Observation]:
    joined = "observations o ON o.seq = wanted.seq"
    kept = _by_number(connection, rows.OBSERVATION, joined, [row[_OBSERVATION] for row in found])
    return {seen.asset: seen for seen in rows.observations(kept)}


def _readable(
    found: Sequence[rows.Row],
    older: Mapping[int | None, Materialization],
    observations: Mapping[str, Observation],
) -> dict[str, str]:
    """What a downstream that read an asset now would have on record of it."""
    readable = {name: texts.of_input(name, seen.data_version, seen.seq) for name, seen in observations.items()}
    for row in found:
        usable = row[_USABLE]
        if usable == row[_SEQ]:
            if usable is not None:
                name = row[_ASSET]
                readable[name] = texts.of_input(name, row[_VERSION], usable)
        elif usable in older:
            name = row[_ASSET]
            readable[name] = texts.of_input(name, older[usable].data_version, usable)
    return readable


def _superseded(
    found: Sequence[rows.Row], older: Iterable[Materialization], readable: Mapping[str, str]
) -> set[tuple[str, str]]:
    """All versions that were read and are not the current ones, of which `readable` are the texts."""
    parts = frozenset(readable.values())
    read = [value.inputs for value in older]
    for row in found:
        text = row[_INPUTS]
        if text and text != "{}" and not parts.issuperset(texts.parts_of_inputs(text)):
            read.append(texts.inputs(text))
    if not read:
        return set()
    current = texts.inputs(texts.of_inputs(readable.values()))
    superseded: set[tuple[str, str]] = set()
    for inputs in read:
        for upstream, (version, _) in inputs.items():
            now = current.get(upstream)
            if version is not None and (now is None or version != now.data_version):
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
