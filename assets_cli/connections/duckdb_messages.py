"""What DuckDB says when it refuses, as users read it: one line, a hint, their own line numbers. Knows no session."""

from __future__ import annotations

import re

from assets_cli.connections.protocol import DatabaseError
from assets_cli.connections.refusals import first_line

_LONGEST_HINT = 200
_LINE = re.compile(r"^LINE (\d+):", re.MULTILINE)
_NO_TABLE = re.compile(r'Table with name "?(.+?)"? does not exist')


def refusal(text: str, prefix_lines: int) -> DatabaseError:
    """An error's text as a `DatabaseError`; before the user's own text come `prefix_lines` of ours."""
    line = _LINE.search(text)
    number = max(int(line[1]) - prefix_lines, 1) if line else None
    detail = _LINE.sub(lambda match: f"LINE {max(int(match[1]) - prefix_lines, 1)}:", text).strip()
    return DatabaseError(first_line(text), hint=_hint(text), line=number, detail=detail)


def missing_table(text: str) -> str | None:
    """The table that was not found, where that is what is wrong."""
    found = _NO_TABLE.search(text)
    return found[1] if found else None


def _hint(text: str) -> str | None:
    """What DuckDB says below its first line, such as `Candidate bindings: …`."""
    lines = [line.strip() for line in _LINE.split(text.strip())[0].split("\n")[1:]]
    said = " ".join(line for line in lines if line)
    # A list of all forty overloads of a function helps nobody on one line; the log has it.
    return said[0].lower() + said[1:] if said and len(said) <= _LONGEST_HINT else None
