"""Times `assets` beside ninja and make on the same graph, as whole processes, in one run.

    compare.py [-n 10000] [--execute 1000] [--runs 5] [--results benchmarks/RESULTS.md]

Runs of the tools alternate, so that a drifting machine hurts all alike; medians and ratios to ninja are kept. Exit
codes and outputs are checked: nothing is timed that did not do its work.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import generate

TOOLS = ("assets", "ninja", "make")
COLUMNS = (*TOOLS, "bare loop")
KEPT = ("assets.yml", "noop.py", "build.ninja", "Makefile", "out")
SPAWN = str(Path(__file__).parent / "spawn.py")
Row = tuple[str, dict[str, float]]


def find(tool: str) -> str:
    """The tool beside this Python, else on PATH."""
    beside = Path(sysconfig.get_path("scripts")) / tool
    found = str(beside) if beside.exists() else shutil.which(tool)
    if not found:
        sys.exit(f"error: {tool} is not installed; make setup installs it")
    return found


def once(command: list[str], place: Path) -> float:
    """Seconds that a whole process takes; anything but success ends the benchmark."""
    # Users have their bytecode cached; a machine that forbids it would have every call compiled anew.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    done = subprocess.run(
        command, cwd=place, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    spent = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"error: {command} ended with {done.returncode}:\n{done.stderr.decode(errors='replace')[-2000:]}")
    return spent


def paired(
    commands: dict[str, list[str]], places: dict[str, Path], runs: int, before: Callable[[str], None] = lambda _: None
) -> dict[str, float]:
    """Medians of alternating runs, the first round not counted."""
    spent: dict[str, list[float]] = {name: [] for name in commands}
    for round_number in range(runs + 1):
        for name, command in commands.items():
            before(name)
            seconds = once(command, places[name])
            if round_number:
                spent[name].append(seconds)
    return {name: statistics.median(each) for name, each in spent.items()}


def peak(command: list[str], place: Path) -> int:
    """Bytes of memory that a process, without its children, holds at most."""
    script = (
        "import os, resource, sys; pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions="
        "[(os.POSIX_SPAWN_OPEN, 1, '/dev/null', os.O_WRONLY, 0), (os.POSIX_SPAWN_OPEN, 2, '/dev/null', os.O_WRONLY, 0)"
        "]); used = os.wait4(pid, 0); print(used[2].ru_maxrss * 1024); sys.exit(used[1] != 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *command], cwd=place, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"error: {command} failed while its memory was measured")
    return int(done.stdout)


def projects(root: Path, label: str, count: int, kind: str = "shell") -> dict[str, Path]:
    """The same graph once for each tool."""
    places = {tool: root / f"{label}_{tool}" for tool in COLUMNS}
    for place in places.values():
        generate.write(generate.graph(count), place, kind=kind)
    return places


def forget(place: Path) -> None:
    """Take away all that a tool left in a project but the outputs."""
    for entry in place.iterdir():
        if entry.name not in KEPT:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def measure(root: Path, count: int, execute: int, runs: int) -> tuple[list[Row], str]:
    """All figures, and a sentence on memory."""
    assets, ninja, make = (find(tool) for tool in TOOLS)
    places = projects(root, "status", count)
    rows: list[Row] = []

    def note(label: str, medians: dict[str, float]) -> None:
        rows.append((label, medians))
        shown = "  ".join(f"{name} {spent:.3f} s" for name, spent in medians.items())
        print(f"{label:<40}  {shown}  ({medians['assets'] / medians['ninja']:.2f} x ninja)", flush=True)

    def cold(name: str) -> None:
        if name == "assets":
            forget(places[name])

    note("start-up: --version", paired({"assets": [assets, "--version"], "ninja": [ninja, "--version"]}, places, runs))
    dry = {"assets": [assets, "plan", "--json"], "ninja": [ninja, "-n"], "make": [make, "-n"]}
    note(f"plan, nothing made, cold, {count:,}", paired(dry, places, max(2, runs // 2), cold))
    check = {"assets": [assets, "validate"], "ninja": [ninja, "-n"]}
    note(f"validate, cold, {count:,}", paired(check, places, max(2, runs // 2), cold))
    done = {"assets": [assets, "materialize", "--jobs", "2"], "ninja": [ninja, "-j2"], "make": [make, "-sj2"]}
    note(
        f"execute {count:,} no-ops once, 2 jobs", {name: once(command, places[name]) for name, command in done.items()}
    )
    for place in (places[tool] for tool in TOOLS):
        if (made := len(list((place / "out").iterdir()))) != count:
            sys.exit(f"error: {place.name} made {made} of {count}")
    same = {"assets": [assets, "plan", "--exit-code"], "ninja": [ninja], "make": [make, "-s"]}
    note(f"plan, nothing to do, warm, {count:,}", paired(same, places, runs))
    last = f"n{count - 1}"
    ask = {"assets": [assets, "lineage", last, "--json"], "ninja": [ninja, "-t", "query", f"out/{last}"]}
    note(f"lineage of one, warm, {count:,}", paired(ask, places, runs))
    small = projects(root, "execute", execute)

    def fresh(name: str) -> None:
        shutil.rmtree(small[name] / "out")
        (small[name] / "out").mkdir()
        forget(small[name])

    loop = [sys.executable, "-I", "-S", SPAWN, str(execute)]
    note(f"execute {execute:,} no-ops, 2 jobs", paired({**done, "bare loop": loop}, small, runs, fresh))
    small = projects(root, "python", execute, "python")
    note(f"execute {execute:,} Python entrypoints, 2 jobs", paired(done, small, runs, fresh))
    fresh("assets")
    memory = peak(done["assets"], small["assets"]), peak(same["assets"], places["assets"])
    shutil.rmtree(places["assets"] / ".assets")
    shown = [f"{used / 2**20:.0f} MiB" for used in (*memory, peak(done["assets"], places["assets"]))]
    return rows, (
        f"Peak memory of the coordinator: {shown[2]} while it executes {count:,} no-ops, {shown[1]} for a plan of them "
        f"with nothing to do, {shown[0]} while it executes {execute:,} Python entrypoints."
    )


def page(rows: list[Row], memory: str, command: str) -> str:
    """The figures as a page of Markdown."""
    lines = [
        "# Results",
        "",
        f"`{command}`, Python {platform.python_version()}, {platform.system()} {platform.machine()}, medians of whole",
        "processes in alternation on the same seeded graph (`benchmarks/generate.py`).",
        "",
        f"| work | {' | '.join(COLUMNS)} | assets / ninja |",
        f"|---|{'---|' * len(COLUMNS)}---|",
    ]
    for label, medians in rows:
        cells = [f"{medians[tool]:.3f} s" if tool in medians else "" for tool in COLUMNS]
        lines.append(f"| {label} | {' | '.join(cells)} | {medians['assets'] / medians['ninja']:.2f} x |")
    lines += ["", memory]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print, and keep the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", "--count", type=int, default=10_000)
    parser.add_argument("--execute", type=int, default=1_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "RESULTS.md")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows, memory = measure(Path(folder), arguments.count, arguments.execute, arguments.runs)
    arguments.results.write_text(
        page(rows, memory, f"benchmarks/compare.py -n {arguments.count} --execute {arguments.execute}")
    )


if __name__ == "__main__":
    main()
