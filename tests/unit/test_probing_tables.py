"""Tables of file databases, asked only when the file moved."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from assets_cli.connections.protocol import DatabaseError, TableState
from assets_cli.model.history import Fingerprint
from assets_cli.model.world import OutputProbe
from assets_cli.probing import table_cache
from assets_cli.probing.files import SECOND
from assets_cli.probing.tables import (
    AskedTable,
    DatabaseCache,
    cache_file,
    database_stat,
    probe_tables,
)

OLD = 1_600_000_000 * SECOND + 1
NOW = OLD + 100 * SECOND


class FakeDatabase:
    """Tables in memory, a file beside them; says what it was asked."""

    dialect = "fake"
    location = "fake"

    def __init__(self, file: Path, tables: dict[str, str]) -> None:
        self.file: Path | None = file
        self.tables = tables
        self.asked: list[str] = []
        self.error: Exception | None = None
        self.raw: Any = None

    def open(self, *, read_only: bool = False) -> Any:
        """Connect; only for reading."""
        assert read_only
        self.asked.append("open")
        if self.error:
            raise self.error
        return self

    def existing(self, tables: Sequence[str]) -> set[str]:
        """Which exist."""
        return set(tables) & set(self.tables)

    def table_state(self, table: str) -> TableState:
        """What one holds."""
        self.asked.append(table)
        return TableState(1, self.tables[table], ())

    def close(self) -> None:
        """Disconnect."""
        self.asked.append("close")


class FakeLocks:
    """A mutex that somebody may hold."""

    def __init__(self, holder: str | None = None) -> None:
        self.holder = holder
        self.asked: list[tuple[Path, float]] = []

    @contextmanager
    def try_database(self, path: Path, seconds: float) -> Iterator[str | None]:
        """Hold it, or say who does."""
        self.asked.append((path, seconds))
        yield self.holder


@pytest.fixture
def database(tmp_path: Path) -> FakeDatabase:
    """Two tables and a view in an old file."""
    touch(tmp_path / "w.db", OLD)
    return FakeDatabase(tmp_path / "w.db", {"t": "sum:1", "u": "sum:2", "v": "exists:view"})


def touch(path: Path, mtime: int, size: int = 8) -> None:
    """A file of some size with an mtime."""
    path.write_bytes(b"x" * size)
    os.utime(path, ns=(mtime, mtime))


def stat_of(database: FakeDatabase) -> str:
    """The stat of its file now."""
    assert database.file is not None
    found = database_stat(database.file, NOW)
    assert found is not None
    return found


def ask(database: FakeDatabase, *tables: str, **asked: Any) -> dict[str, OutputProbe]:
    """Look at tables, with a cache that is read and saved."""
    cache = DatabaseCache.load(cache_file(database.file.parent if database.file else "/", database.file or Path()))
    locks = asked.pop("locks", None)
    questions = dict.fromkeys(tables, AskedTable()) | asked
    try:
        return probe_tables(database, questions, cache, locks, NOW)
    finally:
        cache.save()


def test_tables_are_asked_once_while_the_file_stands(database: FakeDatabase) -> None:
    """The first look opens the database for what is asked; the next ones, of any process, do not."""
    expected = {"t": OutputProbe("present", Fingerprint("sum:1", stat_of(database)))}
    assert ask(database, "t") == expected
    assert database.asked == ["open", "t", "close"]
    table_cache._REMEMBERED.clear()
    assert ask(database, "t") == expected
    assert database.asked == ["open", "t", "close"]
    assert ask(database, "t", "u")["u"].fingerprint == Fingerprint("sum:2", stat_of(database))
    assert database.asked == ["open", "t", "close", "open", "u", "close"]


@pytest.mark.parametrize("suffix", ["", ".wal", "-wal"])
def test_a_file_or_wal_that_moved_is_asked_again(database: FakeDatabase, tmp_path: Path, suffix: str) -> None:
    """Whoever wrote, in the file or in its WAL, is found out."""
    ask(database, "t")
    touch(tmp_path / f"w.db{suffix}", OLD + 5)
    database.tables["t"] = "sum:3"
    assert ask(database, "t")["t"].fingerprint == Fingerprint("sum:3", stat_of(database))


def test_an_empty_wal_says_nothing(database: FakeDatabase, tmp_path: Path) -> None:
    """A mere reader of SQLite may leave one."""
    before = stat_of(database)
    touch(tmp_path / "w.db-wal", OLD + 5, size=0)
    assert stat_of(database) == before


def test_missing_tables_and_databases(database: FakeDatabase, tmp_path: Path) -> None:
    """A table that is not there is missing; without the file all are, and nothing is opened."""
    assert ask(database, "t", "x")["x"] == OutputProbe("missing")
    gone = FakeDatabase(tmp_path / "gone.db", {})
    assert ask(gone, "t", "u") == {"t": OutputProbe("missing"), "u": OutputProbe("missing")}
    assert gone.asked == []


def test_the_record_answers_where_the_cache_was_lost(database: FakeDatabase) -> None:
    """A recorded fingerprint with the stat of now needs neither cache nor database."""
    recorded = Fingerprint("sum:1", stat_of(database))
    assert ask(database, t=AskedTable(recorded)) == {"t": OutputProbe("present", recorded)}
    assert database.asked == []


def test_another_algorithm_is_recomputed(database: FakeDatabase, tmp_path: Path) -> None:
    """What is recorded by another algorithm does not answer for a file that moved."""
    recorded = Fingerprint("old:9", stat_of(database))
    touch(tmp_path / "w.db", OLD + 5)
    assert ask(database, t=AskedTable(recorded))["t"].fingerprint == Fingerprint("sum:1", stat_of(database))


def test_a_view_is_asked_for_once(database: FakeDatabase) -> None:
    """What it says of itself is its fingerprint; on a server it is only there or not."""
    expected = OutputProbe("present", Fingerprint("exists:view", stat_of(database)))
    assert [ask(database, v=AskedTable(view=True))["v"] for _ in range(2)] == [expected, expected]
    assert database.asked == ["open", "v", "close"]
    database.file, database.asked = None, []
    assert probe_tables(database, {"v": AskedTable(view=True)}, DatabaseCache.load(Path("none")), None, NOW) == {
        "v": OutputProbe("present", Fingerprint("exists:view"))
    }
    assert database.asked == ["open", "close"]


def test_a_database_in_use_is_not_probed(database: FakeDatabase) -> None:
    """The answer names the holder; what is known without opening needs no mutex."""
    locks = FakeLocks("run R")
    assert ask(database, "t", locks=locks) == {"t": OutputProbe("unknown", detail="not probed: in use by run R")}
    assert locks.asked == [(database.file, 1.0)]
    assert database.asked == []
    ask(database, "t", locks=FakeLocks())
    assert ask(database, "t", locks=locks)["t"].state == "present"
    assert len(locks.asked) == 1


def test_an_error_is_one_sentence(database: FakeDatabase) -> None:
    """Whatever the database says, on however many lines, is why it is unknown."""
    database.error = DatabaseError("it is\n  broken")
    assert ask(database, "t") == {"t": OutputProbe("unknown", detail="not probed: it is broken")}


def test_a_step_keeps_what_is_known_of_other_tables(database: FakeDatabase, tmp_path: Path) -> None:
    """If it began where we left off and wrote one table; otherwise only that one is known."""
    ask(database, "t", "u")
    before = stat_of(database)
    path = cache_file(tmp_path, tmp_path / "w.db")
    for number, (start, alone, kept) in enumerate([(before, True, "sum:2"), ("elsewhere", True, None)], 1):
        touch(tmp_path / "w.db", OLD + number)
        cache = DatabaseCache.load(path)
        after = stat_of(database)
        cache.after_step(start, after, "t", TableState(7, f"sum:n{number}", ()), only_that_table=alone)
        cache.save()
        for again in (DatabaseCache.load(path), _fresh(path)):
            assert again.known("t", after) == Fingerprint(f"sum:n{number}", after)
            assert again.rows("t") == 7
            assert again.known("u", after) == (Fingerprint(kept, after) if kept else None)


def _fresh(path: Path) -> DatabaseCache:
    """The cache as another process reads it."""
    table_cache._REMEMBERED.clear()
    return DatabaseCache.load(path)


def test_a_step_that_may_have_written_anything(database: FakeDatabase, tmp_path: Path) -> None:
    """After a script, or after `forget`, the other tables are asked again."""
    ask(database, "t", "u")
    path = cache_file(tmp_path, tmp_path / "w.db")
    before = stat_of(database)
    cache = DatabaseCache.load(path)
    cache.after_step(before, before, "t", TableState(1, "sum:1", ()), only_that_table=False)
    cache.save()
    assert (_fresh(path).known("t", before) is None, _fresh(path).known("u", before)) == (False, None)
    cache.forget()
    cache.save()
    assert _fresh(path).known("t", before) is None


def test_a_step_costs_a_line_and_the_file_is_written_whole_now_and_then(tmp_path: Path) -> None:
    """After 102 lines for one table, the next step writes it whole."""
    path = tmp_path / "cache.json"
    lines = []
    for number in range(150):
        cache = DatabaseCache.load(path)
        cache.after_step(
            f"s{number}", f"s{number + 1}", "t", TableState(number, f"sum:{number}", ()), only_that_table=True
        )
        cache.save()
        lines.append(path.read_text().count("\n"))
    assert lines == [*range(104), 0, *range(1, 46)]
    assert _fresh(path).known("t", "s150") == Fingerprint("sum:149", "s150")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version":1}', '{"version":1,"stat":"s","tables":{"t":1}}', "{}\n{"])
def test_a_corrupt_cache_is_as_good_as_none(tmp_path: Path, text: str) -> None:
    """It is ignored, and can be written again."""
    path = tmp_path / "cache.json"
    path.write_text(text)
    assert _fresh(path).known("t", "s") is None


def test_file_systems_that_count_seconds(tmp_path: Path) -> None:
    """A file written in the last two seconds is like no other; an older one is itself."""
    touch(tmp_path / "w.db", 1_600_000_000 * SECOND)
    now = 1_600_000_001 * SECOND
    assert database_stat(tmp_path / "w.db", now) != database_stat(tmp_path / "w.db", now + 1)
    assert database_stat(tmp_path / "w.db", now + 2 * SECOND) == database_stat(tmp_path / "w.db", now + 3 * SECOND)
