"""What the tables of a file database held when its file was last seen, kept so that nobody needs to ask it again.

One cache file for each database: a line with everything, then a line for each step since, so that noting a step costs
the same however many tables there are. Knows nothing of connections or locks.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from assets_cli.connections.protocol import TableState
from assets_cli.model.history import Fingerprint
from assets_cli.probing.files import SECOND, gate, write_quietly

_VERSION = 1
_LONG = 100


class _Contents:
    """What a cache file says: at `stat` these tables held that. `steps` counts the lines since it was written whole."""

    def __init__(self) -> None:
        self.stat: str | None = None
        self.tables: dict[str, dict[str, Any]] = {}
        self.steps = 0

    def note(self, step: Mapping[str, Any]) -> None:
        """Follow one step: the other tables are as they were only if it began where we left off and wrote no other."""
        if not step["alone"] or step["before"] is None or step["before"] != self.stat:
            self.tables = {}
        if step["table"] is not None:
            self.tables[step["table"]] = {"digest": str(step["digest"]), "rows": step["rows"]}
        self.stat = step["after"]
        self.steps += 1


# What cache files of this process said, by path, with the gate of the file: they only grow or are replaced, so that an
# equal gate means equal contents, and a run of many steps on one database reads its file once.
_REMEMBERED: dict[str, tuple[str, _Contents]] = {}


def database_stat(path: Path, now_ns: int) -> str | None:
    """The stat of a database file and its WAL as one text; None where there is no file.

    Where a file system counts whole seconds, a file that was written just now could be written again without a trace:
    the text is then like no other.
    """
    parts = []
    for suffix in ("", ".wal", "-wal"):
        try:
            stat = os.stat(f"{path}{suffix}")  # noqa: PTH116 - the suffix belongs to the text, not to the path
        except (FileNotFoundError, NotADirectoryError):
            if not suffix:
                return None
            continue
        if stat.st_mtime_ns % SECOND == 0 and stat.st_mtime_ns + 2 * SECOND > now_ns:
            return f"racy:{now_ns}"
        if stat.st_size or not suffix:  # an empty WAL is what a mere reader leaves
            parts.append(f"{suffix}:{gate(stat)}")
    return " ".join(parts)


def cache_file(root: str | Path, database: Path) -> Path:
    """The cache file of a database, by its real path."""
    digest = hashlib.sha256(os.fsencode(os.path.realpath(database))).hexdigest()[:32]
    return Path(root, f".assets/cache/db-{digest}.json")


class DatabaseCache:
    """What the tables of one database held at one stat of its file. `load` reads it, `save` writes what changed.

    Whoever changes it holds the database's mutex.
    """

    def __init__(self, path: Path, contents: _Contents) -> None:
        self._path = path
        self._contents = contents
        self._steps: list[dict[str, Any]] = []
        self._whole = contents.steps > _LONG + 2 * len(contents.tables)

    @classmethod
    def load(cls, path: Path) -> DatabaseCache:
        """The cache kept in a file; an empty one where it is missing, corrupt or of another version."""
        try:
            now = gate(path.stat())
        except OSError:
            return cls(path, _Contents())
        known = _REMEMBERED.get(str(path))
        if known is None or known[0] != now:
            known = _REMEMBERED[str(path)] = (now, _read(path))
        return cls(path, known[1])

    def known(self, table: str, stat_now: str) -> Fingerprint | None:
        """What a table holds, if the database is as it was when that was found out."""
        entry = self._contents.tables.get(table) if stat_now == self._contents.stat else None
        return Fingerprint(entry["digest"], stat_now) if entry else None

    def digests(self, stat_now: str) -> dict[str, str]:
        """What all tables hold of which that is known, if the database is as it was when that was found out."""
        if stat_now != self._contents.stat:
            return {}
        return {table: entry["digest"] for table, entry in self._contents.tables.items()}

    def rows(self, table: str) -> int | None:
        """The row count that belongs to what is known of a table."""
        rows = self._contents.tables.get(table, {}).get("rows")
        return rows if isinstance(rows, int) else None

    def after_step(
        self, stat_before: str | None, stat_after: str, table: str, state: TableState, *, only_that_table: bool
    ) -> None:
        """Note what a step left in a table. The others still hold what they held if the step wrote only that one."""
        self._note(stat_before, stat_after, table, state.digest, state.rows, alone=only_that_table)

    def found(self, stat: str, tables: Mapping[str, str]) -> None:
        """Note the digests that a look found at a stat; what was known at another one goes."""
        for table, digest in tables.items():
            self._note(stat, stat, table, digest, None, alone=True)

    def forget(self) -> None:
        """Nothing is known any more: somebody wrote and did not say what."""
        self._note(None, "", None, "", None, alone=False)

    def save(self) -> None:
        """Write what changed; failing to is silent."""
        if not self._steps and not self._whole:
            return
        contents = self._contents
        if self._whole or len(self._steps) > _LONG or not self._append():
            document = {"version": _VERSION, "stat": contents.stat, "tables": contents.tables}
            if not write_quietly(self._path, document):
                return
            contents.steps = 0
        self._steps, self._whole = [], False
        with suppress(OSError):
            _REMEMBERED[str(self._path)] = (gate(self._path.stat()), contents)

    def _note(
        self, before: str | None, after: str, table: str | None, digest: str, rows: int | None, *, alone: bool
    ) -> None:
        step = {"before": before, "after": after, "table": table, "digest": digest, "rows": rows, "alone": alone}
        _REMEMBERED.pop(str(self._path), None)  # until it is saved, it isn't what the file says
        self._contents.note(step)
        self._steps.append(step)

    def _append(self) -> bool:
        lines = "".join(f"\n{json.dumps(step, separators=(',', ':'))}" for step in self._steps)
        try:
            # Without O_CREAT: where there is no file, it is written whole.
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        except OSError:
            return False
        try:
            data = lines.encode()
            return os.write(descriptor, data) == len(data)
        except OSError:
            return False
        finally:
            os.close(descriptor)


def _read(path: Path) -> _Contents:
    contents = _Contents()
    try:
        head, *steps = json.loads(b"[" + path.read_bytes().replace(b"\n", b",") + b"]")
        if head["version"] == _VERSION:
            contents.stat = head["stat"]
            contents.tables = {name: dict(entry) for name, entry in head["tables"].items() if entry["digest"]}
            for step in steps:
                contents.note(step)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return _Contents()  # foreign, corrupt or cut off
    return contents
