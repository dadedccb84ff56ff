"""The built-in checks of a table: those that an aggregate answers in one scan, then those with a query of their own.

Only for one that fails a second, small query fetches the first rows. What each check is: `aggregates` and `own_query`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from assets_cli.checks import own_query
from assets_cli.checks.aggregates import AGGREGATES, Aggregate
from assets_cli.checks.privacy import discreet, masked
from assets_cli.checks.protocol import Asked, CheckError, Finding, Session, refused
from assets_cli.checks.relation import Relation

KINDS = frozenset({*AGGREGATES, *own_query.OWN_QUERY})


def look(
    asked: Sequence[Asked], relation: Relation, session: Session, known: tuple[type[Exception], ...]
) -> Iterator[tuple[Asked, Finding]]:
    """What each of these checks finds; one that cannot be evaluated fails by itself."""
    together: list[tuple[Asked, Aggregate]] = []
    alone: list[Asked] = []
    for check in asked:
        try:
            aggregate = AGGREGATES[check.kind](relation, check.arguments) if check.kind in AGGREGATES else None
        except CheckError as error:
            yield check, refused(error)
            continue
        if aggregate is None:
            alone.append(check)
        else:
            together.append((check, aggregate))
    if any(check.kind == "matches" for check, _ in together):
        own_query.prepare(relation, session)
    yield from _together(together, relation, session, known)
    for check in alone:
        try:
            yield check, masked(own_query.OWN_QUERY[check.kind](relation, check.arguments, session), relation.privacy)
        except CheckError as error:
            yield check, refused(error)
        except known as error:
            yield check, _complaint(error, relation)


def _together(
    asked: Sequence[tuple[Asked, Aggregate]], relation: Relation, session: Session, known: tuple[type[Exception], ...]
) -> Iterator[tuple[Asked, Finding]]:
    try:
        counted = _count([aggregate for _, aggregate in asked], relation, session)
    except known:
        counted = None
    for index, (check, aggregate) in enumerate(asked):
        try:
            # What the database refuses may be the fault of one of them: then each is asked for alone.
            rows, value = (counted[0], counted[index + 1]) if counted else _count([aggregate], relation, session)
            finding = aggregate.judge(value, int(rows))
            if not finding.passed and aggregate.sample is not None:
                finding = finding._replace(sample=own_query.sample(aggregate.sample, relation, session))
            yield check, finding
        except CheckError as error:
            yield check, refused(error)
        except known as error:
            yield check, _complaint(error, relation)


def _count(aggregates: Sequence[Aggregate], relation: Relation, session: Session) -> tuple[Any, ...]:
    """The number of rows, then the value of each aggregate."""
    if not aggregates:
        return (0,)
    listed = ", ".join(["count(*)", *(aggregate.sql for aggregate in aggregates)])
    found = session.fetch(f"select {listed} from {relation.source}", 1, 1)  # noqa: S608 - every name is quoted
    return tuple(found.rows[0])


def _complaint(error: Exception, relation: Relation) -> Finding:
    finding = refused(error)
    return finding._replace(message=discreet(finding.message, relation.privacy))
