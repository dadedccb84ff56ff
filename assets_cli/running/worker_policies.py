"""The worker's side of policies: calls a function of the project with one asset after the other.

Sends {"event": "report", "asset", "found": [[message, hint], …]} for each asset that it finds fault with; where the
function itself fails, {"event": "report", "asset", "failed": sentence, "hint", "file", "line", "column"} is the last.
"""

from __future__ import annotations

import inspect
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final, NamedTuple

from assets_cli.computes import python
from assets_cli.computes.protocol import ComputeFailedError, Done, Job
from assets_cli.policies.asset import Asset, asset_of

_MOST: Final = 1_000
"""Findings of one asset: a generator that goes on for ever is a mistake."""

_LONGEST: Final = 500
_AGAIN: Final = 0.1
"""Seconds after which code that has caught the end of its time is told again."""


class _TimeUpError(BaseException):
    """The function has taken too long; no `Exception`, which its own handlers would take for theirs."""


class _Refused(NamedTuple):
    """Something that a function gave back and that is no finding, and the line of it, where that is known."""

    message: str
    line: int | None = None


def run(job: Job, send: Callable[[Mapping[str, Any]], None]) -> Done:
    """Call the function, and report what it finds."""
    asked, root = job.command, job.root
    name: str | None = None
    function: Callable[..., Any] | None = None
    try:
        with _no_longer_than(asked["seconds"]):
            function = python.load(asked["module"], asked["function"], root)
            for values in asked["assets"]:
                name = values["name"]
                found = _found(function, asset_of(values))
                if isinstance(found, _Refused):
                    send(_report(name, found.message, _place(function, root, found.line)))
                    break
                if found:
                    send({"event": "report", "asset": name, "found": found})
    except ComputeFailedError as error:
        send({**_report(name, str(error), None), "hint": error.hint})
    except BaseException as error:  # noqa: BLE001 - whatever the project's code raises is what is wrong with it
        said, where = python.blame(error, python.theirs(error.__traceback__), root)
        if isinstance(error, _TimeUpError):
            said = f"it took more than {asked['seconds']:g} s"
        elif isinstance(error, SystemExit):
            said = "it called for the end of its process"
        else:
            said = f"it raised {said[:_LONGEST]}"
        send(_report(name, said, where or (_place(function, root) if function else None)))
    return Done()


def _report(asset: str | None, failed: str, where: tuple[str, int] | None) -> dict[str, Any]:
    file, line = where or (None, None)
    report = {"event": "report", "asset": asset, "failed": failed, "hint": None, "file": file, "line": line}
    if file is not None and line is not None:
        from linecache import getline  # only of what is wrong

        written = getline(file, line)  # relative to where we are, which is the root
        report["column"] = len(written) - len(written.lstrip()) + 1
    return report


@contextmanager
def _no_longer_than(seconds: float) -> Iterator[None]:
    """What is done inside is interrupted after so many seconds, so that it is known where it was."""

    def interrupt(_: int, __: FrameType | None) -> None:
        raise _TimeUpError

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _found(function: Callable[..., Any], asset: Asset) -> list[tuple[str, str | None]] | _Refused:
    """What a function says of an asset: nothing, a text, or any number of texts, with hints or without."""
    said = function(asset)
    if said is None:
        return []
    if isinstance(said, str):
        return [(_line(said), None)] if said.strip() else []
    if inspect.iscoroutine(said):
        said.close()
    if isinstance(said, (tuple, Mapping)) or not isinstance(said, Iterable):
        return _Refused(f"it returned {_shown(said)}; yield texts, or pairs of a text and a hint")
    found: list[tuple[str, str | None]] = []
    for each in said:
        if isinstance(each, str) and each.strip():
            found.append((_line(each), None))
        elif _is_pair(each):
            found.append((_line(each[0]), _line(each[1]) if each[1] else None))
        else:
            what = "yielded" if inspect.isgenerator(said) else "returned a list with"
            frame = said.gi_frame if inspect.isgenerator(said) else None
            said_what = f"it {what} {_shown(each)}; what is wrong is a text, or a text and a hint"
            return _Refused(said_what, frame.f_lineno if frame else None)
        if len(found) > _MOST:
            return _Refused(f"it found more than {_MOST:,} things wrong with one asset")
    return found


def _is_pair(value: Any) -> bool:
    """Whether this is a text with a hint, which may be missing."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:  # noqa: PLR2004 - a pair
        return False
    message, hint = value
    return isinstance(message, str) and bool(message.strip()) and (hint is None or isinstance(hint, str))


def _line(text: str) -> str:
    """A text in one line, and not longer than people read."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def _shown(value: Any) -> str:
    """What a value is, for people; its own words may be long, or raise."""
    if value is None or isinstance(value, (bool, int, float)):
        return str(value)
    if isinstance(value, str):
        return "an empty text"
    return f"a value of type {type(value).__name__}"


def _place(function: Callable[..., Any], root: str, line: int | None = None) -> tuple[str, int] | None:
    """Where a function is written; None where nobody can say."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return None
    return code.co_filename.removeprefix(f"{root}/"), line or code.co_firstlineno
