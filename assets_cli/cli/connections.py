"""`assets connections`: what the connections of a project answer."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from assets_cli.cli import console
from assets_cli.cli.documents import VERSION
from assets_cli.cli.options import Argument, AsJson
from assets_cli.cli.session import Session
from assets_cli.model import duration
from assets_cli.probing.answering import Answer

_WORDS = {"ok": ("ok", "green"), "absent": ("not there yet", "yellow"), "failed": ("failed", "red")}


class Action(StrEnum):
    """What to do with connections."""

    TEST = "test"


def command(
    session: Session,
    action: Annotated[Action, Argument(metavar="ACTION", text="test: ask each for one value.")],  # noqa: ARG001 - one yet
    names: Annotated[list[str] | None, Argument(metavar="[NAME]...", text="Which connections.")] = None,
    *,
    as_json: AsJson = False,
) -> int:
    """Open each connection, ask it for one value, and say what answers or what is wrong.

    Without NAME all of them. Exit code 1 when one does not answer.
    """
    project = session.open()
    answers = project.test_connections(tuple(names or ()))
    if as_json:
        documents = [_document(one) for one in answers]
        console.show_json({"version": VERSION, "environment": project.manifest.environment, "connections": documents})
    elif not answers:
        hint = "hint: declare one: connections: {warehouse: {type: duckdb, path: data/warehouse.duckdb}}"
        console.remark(["no connections are declared", hint])
    else:
        console.show(_lines(answers))
        console.show_problems([one.problem for one in answers if one.problem], session.view(), total=False)
    return 1 if any(one.status == "failed" for one in answers) else 0


def _document(one: Answer) -> dict[str, Any]:
    return {
        "name": one.connection,
        "type": one.type,
        "location": one.location,
        "status": one.status,
        "database_version": one.version,
        "seconds": one.took / duration.SECOND,
        "message": one.problem.message if one.problem else None,
        "hint": one.problem.hint if one.problem else None,
    }


def _lines(answers: tuple[Answer, ...]) -> list[str]:
    """One line a connection: its name, what became of it, what answers, how long that took, where it is."""
    terminal = console.out()
    width = max(len(one.connection) for one in answers)
    lines = []
    for one in answers:
        word, colour = _WORDS[one.status]
        parts = [one.version, f"in {duration.show(one.took)}" if one.status == "ok" else None, one.location or None]
        said = " · ".join(part for part in parts if part)
        lines.append(f"{one.connection:<{width}}  {terminal.paint(word, colour)}  {said}".rstrip())
    return lines
