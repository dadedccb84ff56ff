"""Times `assets` beside ninja and make on the same graphs, as whole processes, in one run.

    compare.py [--only plan] [--sizes 1000,10000,100000] [--history 1000] [--execute 1000] [--runs 5]

Parts: start, simulate, plan, validate, diff, lineage, list, history, execute. Runs of the tools alternate, so that a
drifting machine hurts all alike; medians and ratios to ninja are kept. Exit codes and outputs are checked: nothing is
timed that did not do its work, and what is timed is what users run.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from history import lacking
from pages import write_section
from timing import Spent, find, machine, once, paired

PARTS = ("start", "simulate", "plan", "validate", "diff", "lineage", "list", "history", "execute")
TOOLS = ("assets", "ninja", "make")
COLUMNS = (*TOOLS, "bare loop")
KEPT = (".git", "assets.yml", "noop.py", "build.ninja", "Makefile", "out")
HERE = Path(__file__).parent
MANY = 10_000
"""Of so many assets the figures must be reached, their history is made long, and each is really executed."""


class Row(NamedTuple):
    """What one piece of work cost each tool, and may cost: `aim` are seconds or the ratio to ninja, `room` are MiB."""

    work: str
    count: int | None
    spent: Mapping[str, Spent]
    command: str
    aim: float | None = None
    is_ratio: bool = False
    room: int | None = None

    @property
    def label(self) -> str:
        """The work and its size."""
        return self.work if self.count is None else f"{self.work}, {self.count:,}"

    @property
    def ratio(self) -> float:
        """How many times as long as ninja it took."""
        return self.spent["assets"].seconds / self.spent["ninja"].seconds

    @property
    def aimed(self) -> str:
        """The aim, and whether it was reached."""
        if self.aim is None:
            return ""
        told = _reached(self.ratio if self.is_ratio else self.spent["assets"].seconds, self.aim)
        return f"{self.aim:g} {'x' if self.is_ratio else 's'}, {told}"

    @property
    def used(self) -> str:
        """CPU and memory of the largest of its processes."""
        _, cpu, memory = self.spent["assets"]
        told = "" if self.room is None else f" ({self.room} MiB, {_reached(memory / 2**20, self.room)})"
        return f"{cpu:.3f} s | {memory / 2**20:.0f} MiB{told}"


def _reached(figure: float, aim: float) -> str:
    return "reached" if figure <= aim else "missed"


class Bench:
    """One run: its projects, in a folder that is thrown away, and its figures."""

    def __init__(self, root: Path, chosen: argparse.Namespace) -> None:
        self.root = root
        self.runs: int = chosen.runs
        self.each: int = chosen.history
        self.execute_count: int = chosen.execute
        self.only: Collection[str] = chosen.only
        self.longest = max((size for size in chosen.sizes if size <= MANY), default=0)
        self.tools = {tool: find(tool) for tool in TOOLS}
        self.rows: list[Row] = []

    def note(self, row: Row) -> None:
        """Keep and print a figure."""
        self.rows.append(row)
        shown = "  ".join(f"{name} {used.seconds:.3f} s" for name, used in row.spent.items())
        more = f"{row.ratio:.2f} x ninja; {row.aimed}".rstrip("; ")
        print(f"{row.label:<48}  {shown}  ({more}; {row.used.replace(' |', ',')})", flush=True)

    def start(self) -> None:
        """What a command costs that does nothing."""
        here = dict.fromkeys(TOOLS, self.root)
        for flag, aim in (("--version", 0.04), ("--help", 0.12)):
            commands = {"assets": [self.tools["assets"], flag], "ninja": [self.tools["ninja"], "--version"]}
            spent = paired(commands, here, max(3 * self.runs, 2))
            self.note(Row(f"start-up: {flag}", None, spent, f"assets {flag} · ninja --version", aim))

    def simulate(self) -> None:
        """A month ahead, of fifty pipelines with promises; ninja stands there for its start alone."""
        place = self.root / "month"
        place.mkdir()
        (place / "assets.yml").write_text(_pipelines(50))
        length = "30d" if self.longest >= MANY else "1d"
        command = [self.tools["assets"], "simulate", "--for", length, "--jobs", "64"]
        commands = {"assets": command, "ninja": [self.tools["ninja"], "--version"]}
        spent = paired(commands, dict.fromkeys(TOOLS, place), max(1, self.runs // 2))
        told = f"assets simulate --for {length} --jobs 64 · ninja --version"
        self.note(Row(f"simulate, {length}", 1_000, spent, told, 10))

    def sized(self, count: int) -> None:
        """All questions about one graph: first with nothing made, then with everything."""
        places = self._projects(f"status{count}", count)
        runs = self.runs if count <= MANY else max(1, self.runs // 2)
        is_cold = {"plan", "validate", "diff"} & set(self.only)
        if is_cold:
            self._cold(places, count, max(1, runs // 2))
        if {"plan", "lineage", "list"} & set(self.only) or (count == MANY and "execute" in self.only):
            self._make(places, count)
            self._warm(places, count, runs)
        if "history" not in self.only or count != self.longest:
            self._discard(places)

    def history(self) -> None:
        """The same questions with a long history."""
        count = self.longest
        places = {tool: self.root / f"status{count}_{tool}" for tool in TOOLS}
        if not places["assets"].exists():
            places = self._projects(f"status{count}", count)
        if not self._is_made(places["assets"], count):
            self._make(places, count)
        command = [sys.executable, str(HERE / "history.py"), str(places["assets"]), "--each", str(self.each)]
        made = subprocess.run(command, check=True, capture_output=True, text=True)
        print(made.stdout, end="", flush=True)
        self._warm(places, count, self.runs, f" with {count * self.each:,} on record")
        self._discard(places)

    def execute(self) -> None:
        """What a run costs."""
        count = self.execute_count
        places = self._projects("execute", count)

        def fresh(name: str) -> None:
            (places[name] / "out").rename(_aside(self.root))
            (places[name] / "out").mkdir()
            _forget(places[name], self.root)

        loop = {"bare loop": [sys.executable, "-I", "-S", str(HERE / "spawn.py"), str(count)]}
        told = "assets materialize --jobs 2 · ninja -j2 · make -sj2"
        spent = paired({**self._all, **loop}, places, self.runs, fresh)
        self.note(Row("execute no-ops, 2 jobs", count, spent, told, 1.5, is_ratio=True))
        self._discard(places)
        places = self._projects("python", count, "python")
        spent = paired(self._all, places, self.runs, fresh)
        self.note(Row("execute Python entrypoints, 2 jobs", count, spent, told, 2.5, is_ratio=True))
        self._discard(places)

    @property
    def _all(self) -> dict[str, list[str]]:
        """How each tool makes everything."""
        assets, ninja, make = self.tools.values()
        return {"assets": [assets, "materialize", "--jobs", "2"], "ninja": [ninja, "-j2"], "make": [make, "-sj2"]}

    def _cold(self, places: Mapping[str, Path], count: int, runs: int) -> None:
        assets, ninja, make = self.tools.values()

        def cold(name: str) -> None:
            if name == "assets":
                _forget(places[name], self.root)

        compared = {"ninja": [ninja, "-n"], **({"make": [make, "-n"]} if count <= MANY else {})}
        told, aim = "ninja -n · make -n", 18 if count >= MANY else None
        if "plan" in self.only:
            commands = {"assets": [assets, "plan", "--json"], **compared}
            spent = paired(commands, places, runs, cold)
            self.note(Row("plan, nothing made, cold", count, spent, f"assets plan --json · {told}", aim, is_ratio=True))
            commands = {"assets": [assets, "plan"], "ninja": [ninja, "-n"]}
            self.note(Row("plan, nothing made, warm", count, paired(commands, places, runs), "assets plan · ninja -n"))
        if "validate" in self.only:
            commands = {"assets": [assets, "validate"], "ninja": [ninja, "-n"]}
            spent = paired(commands, places, runs, cold)
            self.note(Row("validate, cold", count, spent, "assets validate · ninja -n", aim, is_ratio=True))
        if "diff" in self.only:
            self._diff(places, count, runs, cold)

    def _diff(self, places: Mapping[str, Path], count: int, runs: int, cold: Callable[[str], None]) -> None:
        """Five commands of one manifest differ from the commit; what is slow is to read it twice."""
        here = places["assets"]
        manifest = here / "assets.yml"
        git = ["git", "-C", str(here), "-c", "user.name=bench", "-c", "user.email=bench@example.com"]
        for words in (["init", "--quiet"], ["add", "assets.yml"], ["commit", "--quiet", "--message", "The graph"]):
            subprocess.run([*git, *words], check=True)
        edited, left = here / "edited.yml", 5
        # Line by line: a process is said to have taken what the one that starts it took.
        with manifest.open() as lines, edited.open("w") as now:
            for line in lines:
                change = left and '{shell: ": > out/n' in line
                now.write(line.replace('": > out/n', '": >> out/n') if change else line)
                left -= bool(change)
        edited.replace(manifest)
        commands = {"assets": [self.tools["assets"], "diff", "HEAD"], "ninja": [self.tools["ninja"], "-n"]}
        told = "assets diff HEAD · ninja -n"
        self.note(Row("diff, 5 changed, cold", count, paired(commands, places, runs, cold), told))
        self.note(Row("diff, 5 changed, warm", count, paired(commands, places, runs), told))
        subprocess.run([*git, "checkout", "--quiet", "assets.yml"], check=True)
        shutil.rmtree(here / ".git")

    def _make(self, places: Mapping[str, Path], count: int) -> None:
        """Make everything, as users do; at sizes where that takes minutes, mark what was made as up to date."""
        spent = {}
        for name, command in self._all.items():
            if count <= MANY or name == "ninja":
                spent[name] = once(command, places[name])
            elif name == "assets":
                for number in range(count):
                    (places[name] / "out" / f"n{number}").touch()
                once([self.tools[name], "state", "mark", "n*"], places[name])
            if name in spent and not self._is_made(places[name], count):
                sys.exit(f"error: {places[name].name}: not everything was made")
        if count == MANY and "execute" in self.only:
            told = "assets materialize --jobs 2 · ninja -j2 · make -sj2"
            self.note(Row("execute no-ops, 2 jobs, once", count, spent, told, 1.5, is_ratio=True, room=143))

    def _warm(self, places: Mapping[str, Path], count: int, runs: int, what: str = "") -> None:
        assets, ninja, make = self.tools.values()
        last, is_long = f"n{count - 1}", bool(what)
        if is_long or "plan" in self.only:
            commands = {"assets": [assets, "plan", "--exit-code"], "ninja": [ninja]}
            if count <= MANY:
                commands["make"] = [make, "-s"]
            told, aim = "assets plan --exit-code · ninja · make -s", 6 if count >= MANY else None
            label, spent = f"plan, nothing to do, warm{what}", paired(commands, places, runs)
            room = 100 if count == MANY else None
            self.note(Row(label, count, spent, told, aim, is_ratio=True, room=room))
        if is_long or "lineage" in self.only:
            commands = {"assets": [assets, "lineage", last, "--json"], "ninja": [ninja, "-t", "query", f"out/{last}"]}
            told, aim = "assets lineage LAST --json · ninja -t query out/LAST", {MANY: 0.15, 10 * MANY: 1.5}.get(count)
            self.note(Row(f"lineage of one, warm{what}", count, paired(commands, places, runs), told, aim))
        if is_long or "list" in self.only:
            commands = {"assets": [assets, "list"], "ninja": [ninja, "-t", "targets", "all"]}
            told = "assets list · ninja -t targets all"
            self.note(Row(f"list, warm{what}", count, paired(commands, places, runs), told))

    def _projects(self, label: str, count: int, kind: str = "shell") -> dict[str, Path]:
        """The same graph once for each tool, written by another process, so that this one stays small."""
        places = {tool: self.root / f"{label}_{tool}" for tool in COLUMNS}
        for place in places.values():
            command = [sys.executable, str(HERE / "generate.py"), str(count), str(place), "--kind", kind]
            subprocess.run(command, check=True)
        return places

    def _is_made(self, place: Path, count: int) -> bool:
        return sum(1 for _ in (place / "out").iterdir()) == count

    def _discard(self, places: Mapping[str, Path]) -> None:
        for place in places.values():
            if place.exists():
                place.rename(_aside(self.root))


def _forget(place: Path, root: Path) -> None:
    """Take away all that a tool left in a project but the outputs."""
    for entry in place.iterdir():
        if entry.name not in KEPT:
            entry.rename(_aside(root))


def _aside(root: Path) -> Path:
    """A name for what is in nobody's way any more: where thousands of files were just removed, ext4 is slow."""
    return Path(tempfile.mkdtemp(dir=root, prefix="aside-"), "old")


def page(rows: list[Row], command: str) -> str:
    """The figures as a section of Markdown."""
    lines = [
        *(f"`{command}` on {machine()}.", ""),
        *("Medians of whole processes in alternation on the same seeded graphs (`benchmarks/generate.py`).", ""),
        f"| work | {' | '.join(COLUMNS)} | assets / ninja | aim | CPU of assets | memory of assets |",
        f"|---|{'---|' * len(COLUMNS)}---|---|---|---|",
    ]
    for row in rows:
        cells = [f"{row.spent[tool].seconds:.3f} s" if tool in row.spent else "" for tool in COLUMNS]
        lines.append(f"| {row.label} | {' | '.join(cells)} | {row.ratio:.2f} x | {row.aimed} | {row.used} |")
    told = {row.work: f"- {row.work}: `{row.command.replace(' · ', '`, `')}`" for row in rows}
    lines += ["", *_slope(rows), "### Commands", "", *told.values()]
    return "\n".join(lines)


def _slope(rows: list[Row]) -> list[str]:
    """What an asset costs at each size."""
    by_work: dict[str, dict[int, Row]] = {}
    for row in rows:
        if row.count is not None:
            by_work.setdefault(row.work, {})[row.count] = row
    sloped = {work: known for work, known in by_work.items() if len(known) > 1}
    if not sloped:
        return []
    sizes = sorted({size for known in sloped.values() for size in known})
    lines = ["### Slope", "", "Microseconds for each asset.", ""]
    lines += [f"| work | {' | '.join(f'{size:,}' for size in sizes)} |", f"|---|{'---|' * len(sizes)}"]
    for work, known in sloped.items():
        each = [f"{known[size].spent['assets'].seconds / size * 1e6:.1f}" if size in known else "" for size in sizes]
        lines.append(f"| {work} | {' | '.join(each)} |")
    return [*lines, ""]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(PARTS), help="parts, with commas")
    sizes = "1000,10000,100000"
    parser.add_argument("--sizes", type=lambda text: [int(each) for each in text.split(",")], default=sizes)
    parser.add_argument("--history", type=int, default=1_000, help="materializations of each asset in the long history")
    parser.add_argument("--execute", type=int, default=1_000, help="assets that are executed more than once")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where the projects are made; by default the temporary folder")
    parser.add_argument("--results", type=Path, default=HERE / "RESULTS.md")
    chosen = parser.parse_args()
    if unknown := set(chosen.only) - set(PARTS):
        parser.error(f"unknown parts: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    return chosen


def _pipelines(count: int) -> str:
    """A manifest of pipelines of 20 assets in four layers, with promises of several kinds on the last one."""
    promises = (
        "max_lag: 6h",
        "max_lag: 12h",
        "max_lag: 24h",
        'max_lag: 2h, cron: "0 9 * * 1-5", timezone: Europe/Paris',
    )
    lines = ["version: 1", "assets:"]
    for pipeline in range(count):
        for number in range(20):
            layer, place = divmod(number, 5)
            lines.append(f'  - {{name: p{pipeline}.a{number}, command: {{shell: "true"}}')
            if layer:
                above = sorted({(layer - 1) * 5 + place, (layer - 1) * 5 + (place + pipeline) % 5})
                lines[-1] += f", upstreams: [{', '.join(f'p{pipeline}.a{each}' for each in above)}]"
            if layer == 3:
                lines[-1] += f", freshness: {{{promises[(pipeline + place) % 4]}}}"
            lines[-1] += "}"
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print, and keep the page."""
    chosen = _arguments()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        root = Path(folder)
        bench = Bench(root, chosen)
        if "history" in chosen.only and (why := lacking(root, bench.longest * chosen.history)):
            sys.exit(f"error: {why}; choose less with --history N, or another place with --folder DIR")
        parts: dict[str, Callable[[], None]] = {"start": bench.start, "simulate": bench.simulate}
        if set(chosen.only) - {"start", "simulate", "history"}:
            parts |= {f"{size}": (lambda size=size: bench.sized(size)) for size in chosen.sizes}
        parts |= {"history": bench.history, "execute": bench.execute}
        for name, part in parts.items():
            if name in chosen.only or name not in PARTS:
                part()
    called = " ".join(["benchmarks/compare.py", *sys.argv[1:]])
    write_section(chosen.results, "Beside ninja and make", page(bench.rows, called))


if __name__ == "__main__":
    main()
