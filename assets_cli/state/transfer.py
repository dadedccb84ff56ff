"""History as JSON lines, and back: whole, in order, one record a line, whatever its length.

The first line names the form, the last one carries the digest of all before it, so that a file that was cut short or
edited is told from a whole one. `schemas/state-export.schema.json` describes every line. Neither way needs memory for
more than a line. What was done with the file itself (exports, imports, backups) is no part of the history in it.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any, Final, NamedTuple, NoReturn

from assets_cli.model.problem import AssetsError, Problem
from assets_cli.state import migrations
from assets_cli.state.deeds import ABOUT_THE_FILE

FORMAT: Final = "assets-state"
VERSION: Final = 1
_TEXT = "$text"
_LONGEST_LINE = 1 << 28


class _Table(NamedTuple):
    name: str
    record: str
    order: str
    documents: tuple[str, ...]
    """Columns that hold JSON, which is written as what it says."""


# In an order in which a record follows those that it refers to.
_TABLES: Final = (
    _Table("runs", "run", "seq", ("selection",)),
    _Table("run_steps", "step", "run_seq, position, asset, partition", ("causes",)),
    _Table("attempts", "attempt", "seq", ("prepared",)),
    _Table("materializations", "materialization", "seq", ("components", "inputs", "metadata")),
    _Table("unblocks", "unblock", "seq", ()),
    _Table("observations", "observation", "seq", ("metadata",)),
    _Table("check_results", "check_result", "seq", ("details",)),
    _Table("latest", "latest", "environment, asset, partition", ("durations",)),
    _Table("frozen_data_times", "frozen", "environment, asset, partition, data_version", ()),
    _Table("state_events", "deed", "seq", ("details",)),
)
_BY_RECORD: Final = {table.record: table for table in _TABLES}
_COUNTED: Final = tuple(table.name for table in _TABLES if table.order == "seq" and table.name != "state_events")
_KINDS = {"INTEGER": int, "TEXT": str}
_NAMES = {int: "a whole number", str: "text"}


class Export(NamedTuple):
    """What an export holds: how many records, and the digest of its lines."""

    records: int
    digest: str


def export(connection: sqlite3.Connection, write: Callable[[bytes], object]) -> Export:
    """Write the whole history, every environment's, line by line. `connection` is inside a read transaction."""
    digest = hashlib.sha256()
    records = 0
    for line in _lines(connection):
        data = f"{line}\n".encode("ascii")
        digest.update(data)
        write(data)
        records += 1
    records -= 1  # the header is none
    found = f"sha256:{digest.hexdigest()}"
    write(f"{_dump({'record': 'end', 'records': records, 'digest': found})}\n".encode("ascii"))
    return Export(records, found)


def is_empty(connection: sqlite3.Connection) -> bool:
    """Whether nothing is on record."""
    queries = (
        f"SELECT 1 FROM {table.name}{_where(table)} LIMIT 1"  # noqa: S608 - constants
        for table in _TABLES
    )
    return all(connection.execute(query).fetchone() is None for query in queries)


def _lines(connection: sqlite3.Connection) -> Iterator[str]:
    yield _dump({"record": "header", "format": FORMAT, "version": VERSION, "schema": migrations.SCHEMA_VERSION})
    for table in _TABLES:
        query = f"SELECT * FROM {table.name}{_where(table)} ORDER BY {table.order}"  # noqa: S608 - constants
        cursor = connection.execute(query)
        columns = [name for name, *_ in cursor.description]
        for row in cursor:
            values = dict(zip(columns, row, strict=True))
            for name in table.documents:
                values[name] = _opened(values[name])
            yield _dump({"record": table.record, **values})
    # The last number of each kind: a number that is quoted elsewhere must never be given out a second time.
    numbers = dict(connection.execute("SELECT name, seq FROM sqlite_sequence WHERE seq > 0").fetchall())
    for name in _COUNTED:
        if name in numbers:
            yield _dump({"record": "sequence", "table": name, "last": numbers[name]})


def _where(table: _Table) -> str:
    kinds = ", ".join(f"'{kind}'" for kind in ABOUT_THE_FILE)
    return f" WHERE kind NOT IN ({kinds})" if table.name == "state_events" else ""


def _opened(text: str | None) -> Any:
    """What stored JSON says; where writing it again would not give the same text, the text itself."""
    if text is None:
        return None
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except ValueError:
        return {_TEXT: text}
    is_plain = _dump(value) == text and not (isinstance(value, dict) and _TEXT in value)
    return value if is_plain else {_TEXT: text}


def _closed(value: Any) -> str | None:
    if value is None:
        return None
    return value[_TEXT] if isinstance(value, dict) and value.keys() == {_TEXT} else _dump(value)


def _dump(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _refuse_constant(name: str) -> None:
    message = f"{name} is no JSON"
    raise ValueError(message)


# -- back ------------------------------------------------------------------------------------------------------------


class NotAnExportError(Exception):
    """A line is not what an export has there. Counts lines from one."""

    def __init__(self, line: int, reason: str, hint: str | None = None) -> None:
        super().__init__(reason)
        self.line = line
        self.reason = reason
        self.hint = hint


def refused(name: str, error: NotAnExportError) -> AssetsError:
    """The error as a user reads it; `name` is that of the file."""
    hint = error.hint or "nothing was changed; make the export again where the history is"
    return AssetsError(Problem("A0513", f"{name}, line {error.line}: {error.reason}", hint=hint))


def load(lines: Iterable[bytes], connection: sqlite3.Connection) -> Export:
    """Read an export into an empty database, line by line, and bring that to today's schema.

    Args:
        lines: the lines, each with its end.
        connection: a database of its own, in autocommit mode, that holds nothing: what comes of a file that turns out
            to be no export stays in there.

    Raises:
        NotAnExportError: a line is not what an export has there.
        sqlite3.Error: the database cannot be written.
    """
    reading = _Reading(connection)
    connection.execute("BEGIN")
    for data in lines:
        reading.take(data)
    found = reading.end()
    connection.execute("COMMIT")
    migrations.bring_up(connection)
    return found


def copy(connection: sqlite3.Connection) -> None:
    """Copy all records from the database attached as `imported`, inside a transaction of an empty state file."""
    for table in _TABLES:
        columns = ", ".join(row[1] for row in connection.execute(f"PRAGMA imported.table_info({table.name})"))
        connection.execute(
            f"INSERT INTO main.{table.name} ({columns}) SELECT {columns} FROM imported.{table.name}"  # noqa: S608
        )
    for name, last in connection.execute("SELECT name, seq FROM imported.sqlite_sequence").fetchall():
        changed = connection.execute("UPDATE main.sqlite_sequence SET seq = ? WHERE name = ?", (last, name)).rowcount
        if not changed:
            connection.execute("INSERT INTO main.sqlite_sequence (name, seq) VALUES (?, ?)", (name, last))


class _Reading:
    """Takes an export line by line."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._digest = hashlib.sha256()
        self._line = 0
        self._end: Export | None = None
        self._columns: dict[str, dict[str, tuple[type, bool]]] = {}

    def take(self, data: bytes) -> None:
        """One line."""
        self._line += 1
        if self._end is not None:
            self._fail("something follows the end of the export")
        values = self._parse(data)
        kind = values.pop("record", None)
        if self._line == 1:
            self._begin(kind, values)
        elif kind == "end":
            self._finish(values)
            return
        elif kind == "sequence":
            self._sequence(values)
        elif isinstance(kind, str) and kind in _BY_RECORD:
            self._insert(_BY_RECORD[kind], values)
        else:
            self._fail(f"a record of unknown kind: {kind!r}"[:120])
        self._digest.update(data)

    def end(self) -> Export:
        """After the last line."""
        if self._end is None:
            self._line += 1
            self._fail("the file is empty" if self._line == 1 else "the end is missing: the file was cut short")
        return self._end

    def _fail(self, reason: str, hint: str | None = None) -> NoReturn:
        raise NotAnExportError(self._line, reason, hint)

    def _parse(self, data: bytes) -> dict[str, Any]:
        what = "this is no export of a history" if self._line == 1 else "the line is no JSON object"
        if not data.endswith(b"\n") and self._line > 1:
            self._fail("the line has no end: the file was cut short")
        try:
            values = json.loads(data, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            self._fail(what)
        if not isinstance(values, dict):
            self._fail(what)
        return dict(values)

    def _begin(self, kind: object, values: Mapping[str, Any]) -> None:
        if kind != "header" or values.get("format") != FORMAT:
            self._fail("this is no export of a history", "`assets state export FILE` writes one")
        version, schema = values.get("version"), values.get("schema")
        if not isinstance(version, int) or not isinstance(schema, int) or schema < 1:
            self._fail("the header says no version")
        elif version > VERSION or schema > migrations.SCHEMA_VERSION:
            known = f"form {version}, schema {schema}; this one knows {VERSION} and {migrations.SCHEMA_VERSION}"
            hint = "nothing was changed; upgrade with `pip install --upgrade assets-cli`"
            self._fail(f"the export is of a newer version of assets ({known})", hint)
        migrations.build(self._connection, schema)
        for table in _TABLES:
            self._columns[table.name] = {
                name: (_KINDS[declared], bool(is_required) or bool(is_key))
                for _, name, declared, is_required, _, is_key in self._connection.execute(
                    f"PRAGMA table_info({table.name})"
                )
            }

    def _insert(self, table: _Table, values: dict[str, Any]) -> None:
        columns = self._columns[table.name]
        for name in sorted(values.keys() ^ columns.keys()):
            there = "unknown" if name in values else "missing"
            self._fail(f"field {name!r} of a record of kind {table.record} is {there}"[:200])
        for name in table.documents:
            values[name] = _closed(values[name])
        for name, (kind, is_required) in columns.items():
            value = values[name]
            if value is None and not is_required:
                continue
            if not isinstance(value, kind) or isinstance(value, bool):
                self._fail(f"field {name!r} of a record of kind {table.record} is not {_NAMES[kind]}")
        marks = ", ".join("?" * len(columns))
        try:
            self._connection.execute(
                f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({marks})",  # noqa: S608 - names of our columns
                [values[name] for name in columns],
            )
        except sqlite3.IntegrityError:
            self._fail(f"this record of kind {table.record} is here twice")
        except (OverflowError, UnicodeError):
            self._fail(f"a record of kind {table.record} holds a value that no history has")

    def _sequence(self, values: Mapping[str, Any]) -> None:
        table, last = values.get("table"), values.get("last")
        if table not in _COUNTED or not isinstance(last, int):
            self._fail("a record of kind sequence names no table of ours and its last number")
        changed = self._connection.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = ?", (last, table)).rowcount
        if not changed:
            self._connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, last))

    def _finish(self, values: Mapping[str, Any]) -> None:
        digest = f"sha256:{self._digest.hexdigest()}"
        if values.get("digest") != digest or values.get("records") != self._line - 2:
            self._fail(f"its digest is not that of the {self._line - 1:,} lines above: the file was edited or damaged")
        self._end = Export(self._line - 2, digest)


def lines_of(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """The lines of a stream, by its `readline`; a line longer than any of ours is cut, so that it is refused."""
    while data := read(_LONGEST_LINE):
        yield data


def digest_of(connection: sqlite3.Connection) -> str:
    """The digest that an export of this history has."""
    return export(connection, lambda _: None).digest


def scratch(path: str) -> closing[sqlite3.Connection]:
    """An empty database in autocommit mode, which nobody else sees and nothing has to survive."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    return closing(connection)
