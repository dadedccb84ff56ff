"""What a command of ours does, counted instead of timed: the same figures on every machine, however busy it is.

Run as a script with lists of arguments as JSON on stdin, it calls `assets` with each in a process of its own and writes
the counts of each. Counted are function calls, steps of SQLite's machine, SQL statements and files opened.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_STEPS = 50  # of SQLite's machine, between two looks at it

Counts = Mapping[str, int]


def count(project: Path, *commands: Sequence[str], cold: bool = False) -> list[Counts]:
    """What each of these calls of `assets` does in a project, one after the other; cold ones find nothing of ours."""
    asked = json.dumps({"commands": commands, "cold": cold})
    done = subprocess.run(
        [sys.executable, __file__], cwd=project, input=asked, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [Counter(each) for each in json.loads(done.stdout)]


def _main() -> None:
    asked = json.load(sys.stdin)
    import assets_cli

    # Modules are imported before anything is counted: what that costs is another test's business.
    for module in pkgutil.walk_packages(assets_cli.__path__, "assets_cli."):
        importlib.import_module(module.name)
    found = []
    for command in asked["commands"]:
        if asked["cold"]:
            subprocess.run(["rm", "-rf", ".assets"], check=True)
        found.append(_apart(command))
    json.dump(found, sys.stdout)


def _apart(command: Sequence[str]) -> dict[str, int]:
    """The counts of one call, made in a child."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        counts = _counted(command)
        os.write(writing, json.dumps(counts).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        text = told.read()
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) or not text:
        sys.exit(f"{command} ended with {status}")
    counts = json.loads(text)
    if counts.pop("code"):
        sys.exit(f"assets {command} ended badly:\n{Path('said.txt').read_text()[-2000:]}")
    return counts


def _counted(command: Sequence[str]) -> dict[str, int]:
    from assets_cli import __main__ as door

    for number, path in ((1, os.devnull), (2, "said.txt")):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    counts: dict[str, int] = dict.fromkeys(("calls", "sql steps", "statements", "files", "code"), 0)
    _count_sql(counts)
    _count_files(counts)
    calls = 0

    def profile(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        if event in ("call", "c_call"):
            calls += 1

    sys.argv = ["assets", *command]
    sys.setprofile(profile)
    try:
        door.main()
    except SystemExit as ending:
        sys.setprofile(None)
        counts["code"] = ending.code if isinstance(ending.code, int) else 1
    return {**counts, "calls": calls}


def _count_sql(counts: dict[str, int]) -> None:
    connect = sqlite3.connect

    def counting(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*arguments, **options)

        def stepped() -> int:
            counts["sql steps"] += _STEPS
            return 0

        def stated(_: str) -> None:
            counts["statements"] += 1

        connection.set_progress_handler(stepped, _STEPS)
        connection.set_trace_callback(stated)
        return connection

    sqlite3.connect = counting  # type: ignore[assignment]


def _count_files(counts: dict[str, int]) -> None:
    def hear(event: str, _: tuple[object, ...]) -> None:
        if event in ("open", "os.listdir", "os.scandir"):
            counts["files"] += 1

    sys.addaudithook(hear)


if __name__ == "__main__":
    _main()
