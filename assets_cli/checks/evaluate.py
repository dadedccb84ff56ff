"""Evaluates checks: those on columns of one table together, in one scan; then queries, then functions.

Each finding is told as soon as it is there, so that a function that ends the process takes only its own with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing

from assets_cli.checks import builtin, functions, queries
from assets_cli.checks.files import open_files
from assets_cli.checks.privacy import discreet, masked_query, masked_values
from assets_cli.checks.protocol import Asked, CheckError, Finding, Means, Session, Subject, refused
from assets_cli.checks.relation import relation

Tell = Callable[[Asked, Finding], None]


def evaluate(asked: Sequence[Asked], subject: Subject, means: Means, tell: Tell) -> None:
    """Evaluate these checks and tell what each finds."""
    on_data = [check for check in asked if check.kind in builtin.KINDS or check.kind == "sql"]
    if on_data:
        _on_data(on_data, subject, means, tell)
    for check in asked:
        if check.kind == "python":
            try:
                tell(check, masked_values(functions.judge(means.call(check)), subject.privacy))
            except means.refusals as error:
                tell(check, functions.raised(error))


def _on_data(asked: Sequence[Asked], subject: Subject, means: Means, tell: Tell) -> None:
    """Those that a database answers: all in one session, which is closed before a function may want one."""
    known: tuple[type[Exception], ...] = (CheckError, *means.refusals)
    try:
        with closing(_open(subject, means)) as session:
            on_columns = [check for check in asked if check.kind != "sql"]
            if on_columns:
                _on_columns(on_columns, subject, session, known, tell)
            for check in asked:
                if check.kind == "sql":
                    tell(check, _of_query(check.arguments["query"], subject, session, known))
    except known as error:
        for check in asked:
            tell(check, refused(error))


def _of_query(query: str, subject: Subject, session: Session, known: tuple[type[Exception], ...]) -> Finding:
    privacy = subject.privacy
    try:
        finding = queries.look(query, session)
        if finding.passed or not privacy.is_any:
            return finding
        own = [column.name for column in relation(session, subject).columns] if subject.table or subject.path else []
        return masked_query(finding, query, own, privacy)
    except known as error:
        finding = queries.refused_query(error)
        return finding._replace(message=discreet(finding.message, privacy))


def _open(subject: Subject, means: Means) -> Session:
    if subject.path is None:
        return means.table()
    session = means.memory()
    try:
        open_files(session, subject)
    except BaseException:
        session.close()
        raise
    return session


def _on_columns(
    asked: Sequence[Asked], subject: Subject, session: Session, known: tuple[type[Exception], ...], tell: Tell
) -> None:
    try:
        looked_at = relation(session, subject)
    except known as error:
        for check in asked:
            tell(check, refused(error))
        return
    for check, finding in builtin.look(asked, looked_at, session, known):
        tell(check, finding)
