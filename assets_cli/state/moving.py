"""Moves the history of an asset to another name, in one environment: a rename is no reason to make anything again.

All that bears the name moves: what was made, tried, observed and found, the steps of runs, frozen data times, and what
others have on record as having read under that name. Knows SQL; who may be in the way is `running.repair`'s business.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from assets_cli.state import opening, rows

_KEYED = ("attempts", "materializations", "observations", "check_results", "latest", "frozen_data_times", "alerts_told")
_ASIDE = "\x1f"  # no name begins so: what moves stands aside until everything that moves does, as in an exchange


def names(connection: sqlite3.Connection, environment: str) -> tuple[str, ...]:
    """The assets with a history in an environment, sorted."""
    found = connection.execute("SELECT DISTINCT asset FROM latest WHERE environment = ? ORDER BY 1", (environment,))
    return tuple(name for (name,) in found)


def names_at(path: Path) -> tuple[str, ...]:
    """The assets with a history in whatever environment of a state file; none where there is no file."""

    def work(connection: sqlite3.Connection) -> tuple[str, ...]:
        return tuple(name for (name,) in connection.execute("SELECT DISTINCT asset FROM latest ORDER BY 1"))

    return opening.read(path, 0, work)


def pending(connection: sqlite3.Connection, environment: str, wanted: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Which old names move to which new ones: those with a history, to those that have none.

    Args:
        connection: reads.
        environment: whose history.
        wanted: by new name its former ones, the latest first.
    """
    if not wanted:
        return {}
    every = [*wanted, *(old for olds in wanted.values() for old in olds)]
    found = connection.execute(
        "SELECT DISTINCT asset FROM latest WHERE environment = ? AND asset IN (SELECT value FROM json_each(?))",
        (environment, json.dumps(every)),
    )
    known = {name for (name,) in found}
    sources = {new: next((old for old in olds if old in known), None) for new, olds in wanted.items()}
    return {old: new for new, old in sources.items() if old is not None and new not in known}


def readers(connection: sqlite3.Connection, environment: str, assets: Iterable[str]) -> frozenset[str]:
    """The assets whose latest materialization has read one of these."""
    found = connection.execute(
        "SELECT DISTINCT m.asset FROM latest l JOIN materializations m ON m.seq IN (l.materialization, l.usable), "
        "json_each(m.inputs) i WHERE l.environment = ? AND i.key IN (SELECT value FROM json_each(?))",
        (environment, json.dumps(list(assets))),
    )
    return frozenset(name for (name,) in found)


def unfinished(connection: sqlite3.Connection, environment: str, assets: Iterable[str]) -> tuple[str, ...]:
    """The runs that are recorded as running and have one of these assets still to do."""
    found = connection.execute(
        "SELECT DISTINCT r.id FROM runs r JOIN run_steps s ON s.run_seq = r.seq WHERE r.status = 'running' "
        "AND r.environment = ? AND s.result IS NULL AND s.asset IN (SELECT value FROM json_each(?)) ORDER BY r.seq",
        (environment, json.dumps(list(assets))),
    )
    return tuple(run for (run,) in found)


def move(connection: sqlite3.Connection, environment: str, moves: Mapping[str, str]) -> None:
    """Move the history of each old name to its new one, all at once: two may exchange theirs.

    The caller has seen to it that no new name has a history of its own, unless that moves, too.
    """
    for old, new in moves.items():
        for table in _KEYED:
            connection.execute(
                f"UPDATE {table} SET asset = ? WHERE environment = ? AND asset = ?",  # noqa: S608 - constants
                (_ASIDE + new, environment, old),
            )
        connection.execute(
            "UPDATE run_steps SET asset = ? WHERE asset = ? "
            "AND run_seq IN (SELECT seq FROM runs WHERE environment = ?)",
            (_ASIDE + new, old, environment),
        )
    for new in moves.values():
        for table in _KEYED:
            # A frozen data time of a history that was forgotten gives way.
            connection.execute(
                f"UPDATE OR REPLACE {table} SET asset = ? WHERE environment = ? AND asset = ?",  # noqa: S608 - constants
                (new, environment, _ASIDE + new),
            )
        # So does a step of the new name that was never tried, in a run that did the old one: it left no history.
        connection.execute("UPDATE OR REPLACE run_steps SET asset = ? WHERE asset = ?", (new, _ASIDE + new))
    for old, new in moves.items():
        connection.execute(
            "UPDATE alerts_told SET cause = ? WHERE environment = ? AND cause = ?", (_ASIDE + new, environment, old)
        )
    connection.execute(
        "UPDATE alerts_told SET cause = substr(cause, 2) WHERE environment = ? AND substr(cause, 1, 1) = ?",
        (environment, _ASIDE),
    )
    _move_inputs(connection, environment, moves)


def _move_inputs(connection: sqlite3.Connection, environment: str, moves: Mapping[str, str]) -> None:
    """What was read under an old name, by whomever, was read under the new one."""

    def inputs(text: str) -> str:
        return rows.dump(renamed_keys(json.loads(text), moves))

    def prepared(text: str) -> str:
        document = json.loads(text)
        document["asset"] = moves.get(document["asset"], document["asset"])
        document["inputs"] = renamed_keys(document["inputs"], moves)
        return rows.dump(document)

    _define(connection, "moved_inputs", inputs)
    _define(connection, "moved_prepared", prepared)
    mentions = " OR ".join(["instr(inputs, ?) > 0"] * len(moves))
    connection.execute(
        f"UPDATE materializations SET inputs = moved_inputs(inputs) WHERE environment = ? AND ({mentions})",  # noqa: S608
        (environment, *(f"{json.dumps(old)}:" for old in moves)),
    )
    connection.execute(
        "UPDATE attempts SET prepared = moved_prepared(prepared) WHERE environment = ? AND prepared IS NOT NULL",
        (environment,),
    )


def renamed_keys(values: Mapping[str, Any], moves: Mapping[str, str]) -> dict[str, Any]:
    """A mapping by asset with the new names; what moves here wins over what was read of a forgotten namesake."""
    taken = {moves[name] for name in values if name in moves}
    return {moves.get(name, name): value for name, value in values.items() if name in moves or name not in taken}


def _define(connection: sqlite3.Connection, name: str, function: Callable[[str], str]) -> None:
    connection.create_function(name, 1, function, deterministic=True)
