"""An output to check, in one kind of storage, and what checks find there."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from assets_cli.checks import Asked, Finding, Means, Subject, evaluate
from assets_cli.connections import open_database
from assets_cli.connections.duckdb import in_memory
from assets_cli.connections.protocol import DatabaseError

COLUMNS = ("id", "kind", "amount", "day")
ROWS: Sequence[tuple[Any, ...]] = (
    (1, "a", 1.5, "2024-01-01"),
    (2, "b", -3.0, "2024-01-02"),
    (2, "b", 10.0, None),
    (None, "c", None, "2024-02-01"),
    (None, None, 2.0, "2024-01-31"),
    (3, "a", 5.0, "2023-12-31"),
)
"""Nulls in every column; the key (2, b) twice; no NaN, since SQLite has none."""


def passed(**fields: Any) -> Finding:
    """A check that passes."""
    return Finding(passed=True, **fields)


def failed(message: str, failing: int | None = None, *sample: Mapping[str, Any]) -> Finding:
    """A check that fails."""
    return Finding(passed=False, failing=failing, message=message, sample=sample)


class Bench:
    """One output to check, in one kind of storage."""

    def __init__(self, root: Path, kind: str, url: str | None = None) -> None:
        self.root = root
        self.kind = kind
        self.url = url
        self.asked: list[tuple[str, str]] = []
        self.returns: Any = None

    @property
    def _database(self) -> Any:
        if self.url is not None:
            return open_database(self.kind, {"url": self.url}, self.root)
        kind = self.kind if self.kind in ("duckdb", "sqlite") else "duckdb"
        return open_database(kind, {"path": f"w.{kind}"}, self.root)

    def fill(self, rows: Sequence[tuple[Any, ...]] = ROWS, types: str = "bigint, varchar, double, date") -> None:
        """Put rows of the four columns into the storage."""
        import duckdb

        if self.url is not None:
            self._fill_by_url(rows, types)
            return
        if self.kind == "sqlite":
            names = {"bigint": "integer", "varchar": "text", "double": "real", "date": "text"}
            declared = ", ".join(f"{c} {names[t]}" for c, t in zip(COLUMNS, types.split(", "), strict=True))
            with sqlite3.connect(self.root / "w.sqlite") as raw:
                raw.execute("drop table if exists t")
                raw.execute(f"create table t ({declared})")
                raw.executemany("insert into t values (?, ?, ?, ?)", rows)
            raw.close()
            return
        declared = ", ".join(f"{c} {t}" for c, t in zip(COLUMNS, types.split(", "), strict=True))
        with duckdb.connect(str(self.root / "w.duckdb")) as raw:
            raw.execute(f"create or replace table t ({declared})")
            if rows:
                raw.executemany("insert into t values (?, ?, ?, ?)", rows)
            if self.kind == "parquet":
                raw.execute(f"copy t to '{self.root}/t.parquet'")
            elif self.kind == "csv":
                raw.execute(f"copy t to '{self.root}/t.csv'")
            elif self.kind == "jsonl":
                raw.execute(f"copy t to '{self.root}/t.jsonl'")
            elif self.kind == "arrow":
                from pyarrow import feather

                table = raw.sql("select * from t").to_arrow_table()
                feather.write_feather(table, str(self.root / "t.arrow"))

    def run(self, *statements: str) -> None:
        """Run statements in a database by URL."""
        session = self._database.open()
        for statement in statements:
            session.run_script(statement)
        session.close()

    def _fill_by_url(self, rows: Sequence[tuple[Any, ...]], types: str) -> None:
        names = {"double": "double precision"}
        declared = ", ".join(f"{c} {names.get(t, t)}" for c, t in zip(COLUMNS, types.split(", "), strict=True))
        statements = ["drop table if exists t", f"create table t ({declared})"]
        if rows:
            listed = ["(" + ", ".join("null" if v is None else repr(v) for v in row) + ")" for row in rows]
            statements.append(f"insert into t values {', '.join(listed)}")
        self.run(*statements)

    def subject(self) -> Subject:
        """What is looked at."""
        if self.url is not None or self.kind in ("duckdb", "sqlite"):
            return Subject("t", table="t")
        path = f"{self.root}/t.{self.kind}"
        return Subject("t", path=path, files={"t": path})

    def look(self, *checks: tuple[str, Mapping[str, Any]], subject: Subject | None = None) -> list[Finding]:
        """What these checks find, in their order."""
        asked = [Asked(f"{kind} {number}", kind, arguments) for number, (kind, arguments) in enumerate(checks)]
        found: dict[Asked | str, Finding] = {}
        means = Means(lambda: self._database.open(read_only=True), in_memory, self.call, (DatabaseError,))
        evaluate(asked, subject or self.subject(), means, lambda check, finding: found.update({check.name: finding}))
        return [found[check.name] for check in asked]

    def call(self, check: Asked) -> Any:
        """What a function of the user gives."""
        if isinstance(self.returns, Exception):
            raise self.returns
        return self.returns
