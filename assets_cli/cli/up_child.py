"""The processes that `assets up` starts: one that says what has to run, and one that runs it.

The question comes as one JSON document on stdin. What has to run is answered by one on stdout; a run tells its events
there, one a line. Both are our own business and may change with every version.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from assets_cli.model.problem import AssetsError, Problem
from assets_cli.model.upkeep import Memory, Moment, Outlook, Tried, Watch

INTERRUPTED = 130


def main() -> int:
    """Answer the question on stdin; the exit code."""
    try:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.default_int_handler)
        asked = json.load(sys.stdin)
        if asked["do"] == "ask":
            sys.stdout.write(json.dumps(_ask(asked)))
            sys.stdout.flush()
            return 0
        return _run(asked)
    except KeyboardInterrupt:
        return INTERRUPTED
    except (BrokenPipeError, json.JSONDecodeError):
        return 1  # whoever asked is gone, maybe in the midst of the question


def _ask(asked: Mapping[str, Any]) -> dict[str, Any]:
    from assets_cli.upkeep import Which, ask  # a run does without

    told = frozenset(asked["told"])
    try:
        answer = ask(Which(**asked["which"]), asked["selection"], asked["jobs"], memory_of(asked["memory"]))
    except AssetsError as error:
        return {"problems": _said(error.problems, asked, told)}
    except Exception as error:  # noqa: BLE001 - nobody sees a traceback
        return {"problems": _said([_internal(error, asked)], asked, told)}
    found = answer._asdict()
    found["outlook"] = outlook_document(answer.outlook)
    found["watch"] = {**answer.watch._asdict(), "files": sorted(answer.watch.files)}
    found["broken"] = _said(answer.broken, asked, told)
    found["warnings"] = _said(answer.warnings, asked, told)
    return found


def _run(asked: Mapping[str, Any]) -> int:
    from assets_cli.cli.carry_out import CODES
    from assets_cli.cli.listeners import EventStream
    from assets_cli.upkeep import Which, run  # as above

    with EventStream() as stream:
        try:
            end = run(
                Which(**asked["which"]), asked["selection"], outlook_of(asked["wanted"]), asked["jobs"], (stream,)
            )
        except AssetsError as error:
            problems = error.problems
        except Exception as error:  # noqa: BLE001 - as above
            problems = (_internal(error, asked),)
        else:
            stream(end)
            return CODES[end.status]
    sys.stdout.write(json.dumps({"event": "problems", "problems": _said(problems, asked, frozenset())}) + "\n")
    sys.stdout.flush()
    return 2


def _internal(error: Exception, asked: Mapping[str, Any]) -> Problem:
    from pathlib import Path

    from assets_cli.cli.usage import internal_error

    return internal_error(error, Path(asked["which"]["directory"]))


def _said(problems: Sequence[Problem], asked: Mapping[str, Any], told: frozenset[str]) -> list[dict[str, Any]]:
    """Problems as documents, each with the lines that show it; those of which was told before without."""
    from pathlib import Path

    from assets_cli.cli import console, documents
    from assets_cli.cli.screens.problems import Viewpoint, block

    root = Path(asked["which"]["file"] or asked["which"]["directory"])
    view = Viewpoint(root.parent if asked["which"]["file"] else root, Path.cwd())
    said = []
    for each in problems:
        key = f"{each.code} {each.message}"
        lines = [] if key in told else list(block(each, console.err(), view))
        said.append({"key": key, "lines": lines, "document": documents.problem(each)})
    return said


# -- documents ---------------------------------------------------------------------------------------------------------


def outlook_document(outlook: Outlook) -> dict[str, Any]:
    """An outlook as JSON."""
    return outlook._asdict()


def outlook_of(found: Mapping[str, Any]) -> Outlook:
    """The outlook that a document describes."""
    values = dict(found)
    values["next"] = None if found["next"] is None else Moment(*found["next"])
    values["tried"] = {name: Tried(*each) for name, each in found["tried"].items()}
    for key in ("names", "forced", "promised"):
        values[key] = tuple(found[key])
    return Outlook(**values)


def memory_of(found: Mapping[str, Any]) -> Memory:
    """What a process knows, from a document."""
    tried = {name: Tried(*each) for name, each in found["tried"].items()}
    return Memory(tried, frozenset(found["busy"]), found["looked"], found["lead"], frozenset(found["ended"]))


def watch_of(found: Mapping[str, Any]) -> Watch:
    """What to watch, from a document."""
    return Watch(tuple(found["folders"]), frozenset(found["files"]), tuple(found["patterns"]))


if __name__ == "__main__":
    sys.exit(main())
