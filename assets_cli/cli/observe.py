"""`assets observe`: look at external assets and put on record what they hold."""

from __future__ import annotations

from typing import Any

from assets_cli.cli import console
from assets_cli.cli.announcing import announce
from assets_cli.cli.documents import VERSION
from assets_cli.cli.options import AsJson, Selection
from assets_cli.cli.session import Session
from assets_cli.cli.words import ago, now, rfc3339
from assets_cli.model.answers import Sighting


def command(session: Session, selection: Selection = None, as_json: AsJson = False) -> int:
    """Look at external assets and put on record what they hold.

    A run does it by itself for what its steps read. Without SEL all that say how they are observed. Exit code 1 when
    one could not be looked at; what was observed last stands then.
    """
    project = session.open()
    seen = project.observe(tuple(selection or ()))
    if as_json:
        console.show_json(
            {
                "version": VERSION,
                "environment": project.manifest.environment,
                "observations": [_document(one) for one in seen],
            }
        )
    elif not seen:
        console.remark(
            [
                "no external asset says how it is observed",
                "hint: give it observe: {path: …}, {sql: …}, {http: …} or {shell: …}",
            ]
        )
    else:
        console.show(_lines(seen))
        console.show_problems([one.failure for one in seen if one.failure], session.view(), total=False)
    announce(project)
    return 1 if any(one.failure for one in seen) else 0


def _result(one: Sighting) -> str:
    if one.failure or one.observation is None:
        return "failed"
    if one.before is None:
        return "first"
    return "unchanged" if one.before.data_version == one.observation.data_version else "changed"


def _document(one: Sighting) -> dict[str, Any]:
    seen = one.observation
    return {
        "asset": one.asset,
        "result": _result(one),
        "data_version": seen.data_version if seen else None,
        "previous": one.before.data_version if one.before else None,
        "observed": rfc3339(seen.observed) if seen else None,
        "data_time": rfc3339(seen.observed if seen.data_time is None else seen.data_time) if seen else None,
        "metadata": dict(seen.metadata) if seen else {},
        "message": one.failure.message if one.failure else None,
    }


def _lines(seen: tuple[Sighting, ...]) -> list[str]:
    """One line an asset: its name, what became of it, what it holds, as of when."""
    from assets_cli.planning.versions import short

    terminal, moment = console.out(), now()
    words = {"failed": "failed", "first": "seen for the first time", "unchanged": "unchanged", "changed": "changed"}
    colours = {"failed": "red", "first": "green", "unchanged": "", "changed": "yellow"}
    width = max(len(one.asset) for one in seen)
    lines = []
    for one in seen:
        result, held = _result(one), one.observation
        line = f"{one.asset:<{width}}  {terminal.paint(words[result], *filter(None, [colours[result]]))}"
        if held is not None and result != "failed":
            before = f"{short(one.before.data_version)} -> " if one.before and result == "changed" else ""
            time = held.observed if held.data_time is None else held.data_time
            line += f"  {before}{short(held.data_version)}, data from {ago(time, moment).removeprefix('on ')}"
        lines.append(line)
    return lines
