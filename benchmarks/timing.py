"""Whole processes, timed: seconds, CPU and memory of each, in alternation, so that a drifting machine hurts all alike.

Knows no tool. Nothing counts that did not end well.
"""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Spent(NamedTuple):
    """What a process cost: seconds, seconds of CPU with those of its children, and bytes of memory at most."""

    seconds: float
    cpu: float
    memory: int


def find(tool: str) -> str:
    """The tool beside this Python, else on PATH."""
    beside = Path(sysconfig.get_path("scripts")) / tool
    found = str(beside) if beside.exists() else shutil.which(tool)
    if not found:
        sys.exit(f"error: {tool} is not installed; make setup installs it")
    return found


def once(command: Sequence[str], place: Path) -> Spent:
    """What a whole process costs; anything but success ends the benchmark."""
    # Users have their bytecode cached; a machine that forbids it would have every call compiled anew.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        process = subprocess.Popen(  # its end is waited for below, which also says what it used
            command, cwd=place, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said
        )
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            told = said.read().decode(errors="replace")[-2000:]
            sys.exit(f"error: {' '.join(command)} ended with {process.returncode}:\n{told}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Spent(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss * unit)


def paired(
    commands: Mapping[str, Sequence[str]],
    places: Mapping[str, Path],
    runs: int,
    before: Callable[[str], None] = lambda _: None,
) -> dict[str, Spent]:
    """Medians of alternating runs, the first round not counted."""
    spent: dict[str, list[Spent]] = {name: [] for name in commands}
    for round_number in range(runs + 1):
        for name, command in commands.items():
            before(name)
            used = once(command, places[name])
            if round_number:
                spent[name].append(used)
    return {name: Spent(*map(statistics.median, zip(*each, strict=True))) for name, each in spent.items()}


def machine() -> str:
    """What this was measured on."""
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), model)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    ninja = subprocess.run([find("ninja"), "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return (
        f"{os.cpu_count()} x {model}, {memory:.0f} GiB of memory, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, ninja {ninja}"
    )
