"""Checks that cannot share the scan of a table: its columns, another table beside it, what a database cannot say."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from assets_cli.checks.aggregates import no_match
from assets_cli.checks.conditions import SQLITE_FUNCTION
from assets_cli.checks.jsonable import row
from assets_cli.checks.protocol import PASSED, SAMPLE, Finding, Session
from assets_cli.checks.relation import Relation, of_table
from assets_cli.checks.types import comparer, storage
from assets_cli.checks.values import rows
from assets_cli.model import patterns
from assets_cli.model.columns import Difference, compare


def sample(query: str, relation: Relation, session: Session) -> tuple[Mapping[str, Any], ...]:
    """The first rows of a query."""
    found = session.fetch(relation.first(query, SAMPLE), SAMPLE, SAMPLE)
    return tuple(row(found.columns, values) for values in found.rows)


def _schema(relation: Relation, arguments: Mapping[str, Any], session: Session) -> Finding:
    """The columns against those that are declared."""
    declared = [(str(name), str(kind)) for name, kind in arguments["columns"]]
    actual = [(column.name, column.type) for column in relation.columns]
    found = compare(declared, actual, comparer(session))
    if arguments.get("allow_extra"):
        found = found._replace(added=())
    said = [found.sentence()] if found else []
    if relation.dialect == "sqlite":
        said += _other_values(declared, found, relation, session)
    return Finding(passed=False, message="; ".join(said)) if said else PASSED


def _other_values(
    declared: list[tuple[str, str]], found: Difference, relation: Relation, session: Session
) -> list[str]:
    """Columns of SQLite that hold values of another type than is declared; those that were named already are not."""
    named = {name.lower() for name, *_ in (*found.removed, *found.retyped)}
    asked = [(name, kind) for name, kind in declared if name.lower() not in named and storage(kind)]
    if not asked:
        return []
    columns = relation.named([name for name, _ in asked])
    counts = ", ".join(
        f"sum(typeof({column.sql}) not in ({_listed(('null', *storage(kind)))}))"
        for column, (_, kind) in zip(columns, asked, strict=True)
    )
    (values,) = session.fetch(f"select count(*), {counts} from {relation.source}", 1, 1).rows  # noqa: S608 - quoted
    total, *others = values
    return [
        f"{column.name} is no {kind} in {count:,} of {rows(total)}"
        for column, (_, kind), count in zip(columns, asked, others, strict=True)
        if count
    ]


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(f"'{word}'" for word in words)


def _relationships(relation: Relation, arguments: Mapping[str, Any], session: Session) -> Finding:
    (column,) = relation.named([arguments["column"]])
    to = arguments["to"]
    other = of_table(session, arguments["table"])
    (field,) = other.named([arguments["field"]], f" in {to}")
    where = (
        f"from {relation.source} s where s.{column.sql} is not null "  # noqa: S608 - every name is quoted
        f"and not exists (select 1 from {other.source} o where o.{field.sql} = s.{column.sql})"
    )
    (failing,) = session.fetch(f"select count(*) {where}", 1, 1).rows[0]
    if not failing:
        return PASSED
    (total,) = session.fetch(f"select count(*) from {relation.source}", 1, 1).rows[0]  # noqa: S608 - quoted
    have = "has" if failing == 1 else "have"
    message = f"{failing:,} of {rows(total)} {have} a value that is not in {to}.{field.name}"
    found = sample(f"select {relation.shown_first([column])} {where}", relation, session)
    return Finding(passed=False, failing=failing, message=message, sample=found)


def _matches(relation: Relation, arguments: Mapping[str, Any], session: Session) -> Finding:
    """A pattern where the database is not asked: each value that there is once, as they come, so never all at once."""
    (column,) = relation.named([arguments["column"]])
    pattern = re.compile(patterns.translate(arguments["pattern"]))
    query = f"select {column.sql}, count(*) from {relation.source} group by {column.sql}"  # noqa: S608 - quoted
    total = failing = 0
    first: list[Mapping[str, Any]] = []
    for batch in session.read(query).batches:
        for value, count in batch:
            total += count
            if value is None or pattern.search(str(value)):
                continue
            failing += count
            if len(first) < SAMPLE:
                first.append(row([column.name], [value]))
    if not failing:
        return PASSED
    message = f"{failing:,} of {rows(total)} {no_match(failing, arguments['pattern'])}"
    return Finding(passed=False, failing=failing, message=message, sample=tuple(first))


OWN_QUERY: Mapping[str, Callable[[Relation, Mapping[str, Any], Session], Finding]] = {
    "schema": _schema,
    "relationships": _relationships,
    "matches": _matches,
}
"""`matches` is here where `aggregates` has no words for it."""


def prepare(relation: Relation, session: Session) -> None:
    """Give a connection what the aggregates need: SQLite a function for regular expressions."""
    if relation.dialect != "sqlite":
        return
    from functools import lru_cache

    compiled = lru_cache(maxsize=None)(re.compile)

    def matches(value: object, pattern: str) -> bool:
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        return compiled(pattern).search(text) is not None

    # By SQLAlchemy, `raw` is a connection around the driver's.
    raw = getattr(getattr(session.raw, "connection", None), "driver_connection", session.raw)
    raw.create_function(SQLITE_FUNCTION, 2, matches, deterministic=True)
