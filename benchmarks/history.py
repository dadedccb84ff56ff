"""A long past for a project whose assets were all materialized: as many rounds before the real ones as are lacking.

    history.py DIR --each 1000 [--seed 7]

Each round is a run with a step, an attempt and a materialization of every asset, with a data version of its own, which
readers of that round read and whose data time was frozen when the next one came. What is on record already stays the
newest, so the project is as up to date as it was. The schema is the one that our own migrations make.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sqlite3
import sys
from pathlib import Path

from assets_cli.state import migrations
from assets_cli.state.run_ids import new_run_id

BYTES = 1_600
"""Of disk for each materialization with all that belongs to it, indexes included, and room to sort them."""

_DAY = 86_400_000_000
_EVERY_RUN = ("environment", "status", "jobs", "selection", "host", "pid", "version")
_EVERY_STEP = ("asset", "partition", "position", "kind", "causes", "forced", "result", "unchanged", "detail")
_EVERY_ATTEMPT = ("environment", "asset", "partition", "number", "state", "exit_code", "reason", "log")
_EVERY_MATERIALIZATION = (
    *("environment", "asset", "partition", "code_version", "components", "fingerprint", "fingerprint_stat"),
    *("fingerprint_newest", "fingerprint_taken", "data_time", "unchanged", "blocked", "metadata"),
)
# Of each table the columns that hold a sequence number, which grows by what was put before.
_NUMBERED = {
    "runs": ("seq",),
    "run_steps": ("run_seq",),
    "attempts": ("seq", "run_seq"),
    "materializations": ("seq", "attempt"),
    "latest": ("materialization", "usable", "attempt"),
    "frozen_data_times": (),
}


def lacking(folder: Path, rows: int) -> str | None:
    """Why a history of so many materializations does not fit there, if it does not."""
    free = shutil.disk_usage(folder).free
    if free >= rows * BYTES:
        return None
    return (
        f"a history of {rows:,} materializations needs {rows * BYTES / 2**30:.0f} GiB; {free / 2**30:.0f} GiB are free"
    )


def lengthen(project: Path, each: int, seed: int = 7) -> int:
    """Give every asset of a project as many materializations in all; how many that makes.

    Counted is from the number that they have on average.
    """
    state = project / ".assets" / "state.db"
    new = state.with_name("longer.db")
    new.unlink(missing_ok=True)
    connection = sqlite3.connect(new, isolation_level=None)
    for setting in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -400000"):
        connection.execute(f"PRAGMA {setting}")
    connection.execute("ATTACH ? AS real", (str(state),))
    connection.execute("BEGIN")
    migrations.build(connection, migrations.SCHEMA_VERSION)
    # Rows come in order; an index is quicker made at the end, from all of them.
    indexes = connection.execute("SELECT name, sql FROM main.sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
    later = indexes.fetchall()
    for name, _ in later:
        connection.execute(f"DROP INDEX main.{name}")
    (known,) = connection.execute(
        "SELECT (SELECT count(*) FROM real.materializations) / (SELECT count(*) FROM real.latest)"
    ).fetchone()
    count = _past(connection, each - known, random.Random(f"{seed} {known}"))
    _present(connection, each - known, count)
    for _, statement in later:
        connection.execute(statement)
    connection.execute("COMMIT")
    (made,) = connection.execute("SELECT count(*) FROM main.materializations").fetchone()
    connection.execute("DETACH real")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    for leftover in ("-wal", "-shm"):
        state.with_name(state.name + leftover).unlink(missing_ok=True)
    new.replace(state)
    return int(made)


def _past(connection: sqlite3.Connection, rounds: int, chance: random.Random) -> int:
    """Write the rounds before what is really on record; how many assets there are."""
    connection.execute(
        "CREATE TEMP TABLE base AS SELECT row_number() OVER (ORDER BY m.seq) AS place, m.*, a.number, a.state, "
        "a.exit_code, a.reason, a.log, s.position, s.kind, s.causes, s.forced, s.result, s.detail "
        "FROM real.latest l JOIN real.materializations m ON m.seq = l.usable JOIN real.attempts a ON a.seq = m.attempt "
        "JOIN real.run_steps s ON s.run_seq = a.run_seq AND s.asset = m.asset AND s.partition = m.partition"
    )
    count, began, version = connection.execute("SELECT count(*), min(started), data_version FROM base").fetchone()
    (first,) = connection.execute("SELECT min(started) FROM real.runs").fetchone()
    connection.execute("CREATE TEMP TABLE rounds (number INTEGER PRIMARY KEY, version TEXT, moment INTEGER)")
    for number in range(1, rounds + 1):
        moment = first - began - (rounds + 1 - number) * _DAY
        run = new_run_id(began + moment)
        old, new = (json.dumps(text)[1:-1] for text in (version, f"sha256:{number:08x}{chance.getrandbits(224):056x}"))
        known = {"number": number, "run": run, "moment": moment, "start": (number - 1) * count, "old": old, "new": new}
        connection.execute("INSERT INTO rounds VALUES (:number, :new, :moment)", known)
        for statement in _ROUND:
            connection.execute(statement, known)
    connection.execute(
        "INSERT INTO main.frozen_data_times (environment, asset, partition, data_version, data_time) "
        "SELECT environment, asset, partition, version, started + moment "
        "FROM (SELECT * FROM base ORDER BY environment, asset, partition) CROSS JOIN rounds"
    )
    return int(count)


def _insert(table: str, same: tuple[str, ...], other: dict[str, str], source: str) -> str:
    """A statement that writes a round's rows of one table: columns that are as they really are, and the others."""
    columns = ", ".join((*other, *same))
    return f"INSERT INTO main.{table} ({columns}) SELECT {', '.join((*other.values(), *same))} FROM {source}"


_TIMES = {"started": "started + :moment", "finished": "finished + :moment"}
_ROUND = (
    _insert(
        "runs",
        _EVERY_RUN,
        {"seq": ":number", "id": ":run", **_TIMES},
        "(SELECT * FROM real.runs ORDER BY seq DESC LIMIT 1)",
    ),
    _insert("run_steps", _EVERY_STEP, {"run_seq": ":number"}, "base ORDER BY asset, partition"),
    _insert(
        "attempts", _EVERY_ATTEMPT, {"seq": ":start + place", "run_seq": ":number", **_TIMES}, "base ORDER BY place"
    ),
    _insert(
        "materializations",
        _EVERY_MATERIALIZATION,
        {
            "seq": ":start + place",
            "attempt": ":start + place",
            "run": ":run",
            "data_version": "replace(data_version, :old, :new)",
            "inputs": "replace(inputs, :old, :new)",
            **_TIMES,
        },
        "base ORDER BY place",
    ),
)


def _present(connection: sqlite3.Connection, rounds: int, count: int) -> None:
    """Copy what is really on record, its numbers after those of the past."""
    further = rounds * count
    connection.create_function("moved", 1, lambda inputs: _moved(inputs, further), deterministic=True)
    for table, numbered in _NUMBERED.items():
        columns = [name for _, name, *_ in connection.execute(f"PRAGMA real.table_info({table})")]
        shown = {name: name for name in columns}
        for name in numbered:
            shown[name] = f"{name} + {rounds if name == 'run_seq' or table == 'runs' else further}"
        if "inputs" in shown:
            shown["inputs"] = "moved(inputs)"
        copied = f"({', '.join(shown)}) SELECT {', '.join(shown.values())} FROM real.{table}"
        connection.execute(f"INSERT INTO main.{table} {copied}")


def _moved(inputs: str, further: int) -> str:
    """The upstreams that were read, with the numbers that their records have now."""
    read = json.loads(inputs).items()
    moved = {name: [version, None if seq is None else seq + further] for name, (version, seq) in read}
    return json.dumps(moved, separators=(",", ":"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--each", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    place = arguments.directory / ".assets" / "state.db"
    with sqlite3.connect(place) as known:
        (assets,) = known.execute("SELECT count(*) FROM latest").fetchone()
    if why := lacking(arguments.directory, assets * arguments.each):
        sys.exit(f"error: {why}")
    print(f"{lengthen(arguments.directory, arguments.each, arguments.seed):,} materializations on record")
