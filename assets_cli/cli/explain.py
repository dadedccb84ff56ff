"""`assets explain`: what an error code means, why it is refused and how to mend it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from assets_cli.cli import console
from assets_cli.cli.options import Argument, AsJson
from assets_cli.cli.terminal import Terminal
from assets_cli.model.codes import CODES
from assets_cli.model.problem import AssetsError, Problem
from assets_cli.model.spelling import nearest

_WIDEST = 100


def command(
    code: Annotated[str | None, Argument(metavar="[CODE]", text="A code such as A0102.", show_default=False)] = None,
    as_json: AsJson = False,
) -> int:
    """Explain an error code; without one, list them all."""
    chosen = sorted(CODES) if code is None else [_canonical(code)]
    if as_json:
        codes = [{"code": one, **CODES[one]._asdict()} for one in chosen]
        console.show_json({"version": 1, "codes": codes})
        return 0
    terminal = console.out()
    if code is None:
        terminal.write(f"{terminal.paint(one, 'bold')}  {CODES[one].title}" for one in chosen)
        return 0
    found = CODES[chosen[0]]
    terminal.write([f"{terminal.paint(chosen[0], 'bold')}: {terminal.paint(found.title, 'bold')}", ""])
    terminal.write(_paragraphs(found.explanation, terminal))
    if found.rule is not None:
        off = f"A doubt: rules: {{{chosen[0]}: off}} turns it off, for the project or for one asset."
        terminal.write(["", *terminal.wrap(off, min(terminal.width, _WIDEST))])
    return 0


def _paragraphs(text: str, terminal: Terminal) -> Iterator[str]:
    """The explanation, its prose in lines that fit, what is indented as it stands."""
    prose = ""
    for line in text.rstrip("\n").split("\n"):
        if line and not line.startswith(" "):
            prose = f"{prose} {line}".strip()
            continue
        yield from _prose(prose, terminal)
        prose = ""
        yield line
    yield from _prose(prose, terminal)


def _prose(text: str, terminal: Terminal) -> list[str]:
    return terminal.wrap(text, min(terminal.width, _WIDEST)) if text else []


def _canonical(code: str) -> str:
    """The code as it is written in the table: `a0102` and `error[A0102]` will do, too.

    Raises:
        AssetsError: there is no such code.
    """
    wanted = code.upper().removeprefix("ERROR").removeprefix("WARNING").strip("[]: ")
    if wanted not in CODES:
        guess = nearest(wanted, CODES)
        hint = f"did you mean {guess}?" if guess else "assets explain lists the codes"
        raise AssetsError(Problem("A0816", f"unknown code {code!r}", hint=hint))
    return wanted
