"""What must hold of any project whatever, with whatever in its files: looked at in this process, as commands look.

`examine` returns what does not hold, as findings; a hang is the business of who calls it. Knows the product's own
answers only: nothing of how a project was made up.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from assets_cli.cli import documents, github, sarif
from assets_cli.cli.forges import Report
from assets_cli.cli.screens import problems as screen
from assets_cli.cli.terminal import Terminal
from assets_cli.manifest import find, schema_text
from assets_cli.model.codes import CODES
from assets_cli.model.problem import AssetsError, Place, Problem
from assets_cli.validation import Validation, validate
from support.manifests import ask, kept, said, wrong

Files = Mapping[str, bytes]
ENVIRON = {"SET": "here", "HOME": "/nowhere"}
_BREAK = re.compile(r"\r\n|\n|\r")


class Finding(NamedTuple):
    """Something that does not hold: a name under which the same is found again, and all that is known of it."""

    name: str
    detail: str


def lay(root: Path, files: Files) -> None:
    """Put a project, and nothing else, into a folder."""
    for entry in root.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def examine(root: Path, files: Files) -> list[Finding]:
    """What does not hold of a project. Its files are laid into `root`, which holds nothing else."""
    lay(root, files)
    found: list[Finding] = []
    printed = io.StringIO()
    with redirect_stdout(printed), redirect_stderr(printed), warnings.catch_warnings():
        warnings.simplefilter("error")
        found += _whatever_holds(root)
    if printed.getvalue():
        found.append(Finding("printed by itself", printed.getvalue()[:2000]))
    return found


def _whatever_holds(root: Path) -> Iterator[Finding]:
    first = yield from _tried("validate", lambda: _validated(root))
    if first is None:
        return
    again = yield from _tried("validate again", lambda: _validated(root))
    if again is not None and again != first:
        yield Finding("validate differs the second time", f"{first}\n\n{again}")
    problems, whole = first
    yield from _well_formed(root, problems)
    yield from _shown(root, problems, whole)
    compiled = yield from _tried("compile", lambda: _compiled(root))
    if compiled is not None:
        yield from _agreeing(root, problems, *compiled)


def _tried(what: str, call: Callable[[], Any]) -> Any:
    """What a call gives; of what it raises, nothing, and a finding."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - this is what is looked for
        yield Finding(f"{what}: {type(error).__name__} in {_where(error)}", traceback.format_exc()[-6000:])
    return None


def _where(error: Exception) -> str:
    """The innermost line of our own that it went through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "assets_cli" in frame.filename]
    last = (ours or frames)[-1]
    return f"{Path(last.filename).name}:{last.name}"


def _validated(root: Path) -> tuple[tuple[Problem, ...], Validation | None]:
    try:
        found = validate(root, environ=ENVIRON, python=False)  # nothing of what was made up is to be run
    except AssetsError as error:
        return error.problems, None
    return found.problems, found


# -- what a problem is -----------------------------------------------------------------------------------------------


def _well_formed(root: Path, problems: Sequence[Problem]) -> Iterator[Finding]:
    for problem in problems:
        if problem.code not in CODES:
            yield Finding(f"unknown code {problem.code}", repr(problem))
        if not problem.message or problem.message != problem.message.strip():
            yield Finding(f"message of {problem.code} is empty or has blanks around it", repr(problem))
        for place in (problem.place, *(related.place for related in problem.related)):
            if place is not None and (why := _outside(root, place)):
                yield Finding(f"place of {problem.code} {why}", repr(problem))


def _outside(root: Path, place: Place) -> str | None:
    """Why a place is none in its file."""
    path = root / place.file
    if not path.is_file():
        return "is in no file"
    lines = _BREAK.split(path.read_bytes().decode("utf-8-sig", errors="replace"))
    if not 1 <= place.line <= len(lines):
        return "is below the end of the file"
    if not 1 <= place.column <= len(lines[place.line - 1]) + 1:
        return "is behind the end of its line"
    return None


# -- how it is shown -------------------------------------------------------------------------------------------------


def _shown(root: Path, problems: Sequence[Problem], whole: Validation | None) -> Iterator[Finding]:
    view = screen.Viewpoint(root, root)
    for width in (80, 20):
        terminal = Terminal(sys.stdout, colour=False, unicode=True, width=width)
        lines = yield from _tried("text", lambda terminal=terminal: list(screen.report(problems, terminal, view)))
        for line in lines or ():
            if re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", line):
                yield Finding("a control character reaches the terminal", repr(line))
                break
    found = whole or Validation(tuple(problems), 0, 0)
    forge = Report(found.problems, found.suppressed, root, root)
    yield from _tried("json", lambda: _validator().validate(_read_back(documents.validation(found))))
    yield from _tried("sarif", lambda: _read_back(sarif.document(forge, complete=whole is not None)))
    commands = yield from _tried("github", lambda: list(github.lines(forge)))
    if any(re.search("[\r\n]", line) for line in commands or ()):
        yield Finding("a workflow command has more than one line", repr(commands))


def _read_back(document: Any) -> Any:
    return json.loads(json.dumps(document))


@lru_cache
def _validator() -> Any:
    from jsonschema_rs import Draft7Validator

    return Draft7Validator(json.loads(schema_text("validate")))


# -- the compiled manifest -------------------------------------------------------------------------------------------


class _Compiled(NamedTuple):
    fresh: str
    again: str
    is_kept: bool
    codes: Sequence[str]


def _compiled(root: Path) -> _Compiled | None:
    try:
        file = find(root).name
    except AssetsError:
        return None
    asked = ask(root, environ=ENVIRON)._replace(file=file)
    return _Compiled(said(asked), said(asked), kept(asked) is not None, wrong(asked))


def _agreeing(
    root: Path, problems: Sequence[Problem], fresh: str, again: str, is_kept: bool, codes: Sequence[str]
) -> Iterator[Finding]:
    if fresh != again:
        yield Finding("what is kept is not what the files say", f"{fresh}\n\n{again}")
    if is_kept and codes:
        yield Finding("a project with a mistake is kept", repr(codes))
    errors = {problem.code for problem in problems if problem.severity == "error"}
    if missed := set(codes) - errors:
        yield Finding(f"validate does not say what a plan is refused for: {', '.join(sorted(missed))}", repr(problems))
