"""Every problem code with its title and its explanation, as `assets explain CODE` and the reference print them.

They stand in `codes.toml` beside this file. Ranges: A01 reading and schema, A02 names and graph, A03 files, code and
connections, A04 selections, A05 state and locks, A06 plans and runs, A07 policies, A08 usage.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import NamedTuple

from assets_cli.model.problem import Severity


class Code(NamedTuple):
    """`title` is one line; `explanation` is what it means, why it is refused and how to mend it, with an example.

    `rule` is the severity of what `rules:` can turn off or change; None of what the project does not work with.
    """

    title: str
    explanation: str
    rule: Severity | None = None


def _read() -> dict[str, Code]:
    text = Path(__file__).with_name("codes.toml").read_text(encoding="utf-8")
    return {
        code: Code(entry["title"], entry["explanation"].strip(), entry.get("rule"))
        for code, entry in tomllib.loads(text).items()
    }


CODES: dict[str, Code] = _read()
