"""Fuzzes the manifest reader and `validate` for a while, and writes what it did to benchmarks/RESULTS.md.

    soak.py [--seed 1] [--seconds 600] [--only hypothesis,atheris] [--keep FOLDER] [--results FILE]

The fuzzers are processes of their own (`hypothesis_fuzzer.py`, and `atheris_fuzzer.py` where atheris is installed),
because a hang inside a parser can only be ended from outside: one that is busy with one project for too long is ended,
the project kept, and another one started with the next seed. Ends with 1 where something was found.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

from pages import FUZZING, section, write_section  # noqa: E402 - found beside the page

FUZZERS = ("hypothesis", "atheris")
LONGEST = 20.0
"""Seconds for one project, in a process that may be instrumented; more is a hang."""
_HEAD = (
    "`make soak` mutates real projects (texts, tokens and values; manifests, SQL and Python) and asks of each what\n"
    "must hold of any: no traceback, no hang, known codes with places inside the files, the same answer twice, the\n"
    "compiled manifest as good as the files. What was found is mended and kept in `tests/fuzz/cases`.\n\n"
    "| when | fuzzer | seed | seconds | executions | findings |\n|---|---|---|---|---|---|\n"
)


class Done(NamedTuple):
    """What one fuzzer did."""

    fuzzer: str
    seed: int
    seconds: float
    executions: int
    findings: dict[str, str]


def installed(fuzzer: str) -> bool:
    """Whether a fuzzer is there."""
    return importlib.util.find_spec(fuzzer) is not None


def fuzz(fuzzer: str, seed: int, seconds: float, keep: Path) -> Done:
    """Run one fuzzer for so long; after a hang or a death, again with the next seed."""
    begin = time.monotonic()
    executions, findings, first = 0, dict[str, str](), seed
    while (left := seconds - (time.monotonic() - begin)) > 1:
        with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
            ended = _one_process(fuzzer, seed, left, Path(folder))
            told = _told(Path(folder) / "report.jsonl")
            executions += max((each["executions"] for each in told), default=0)
            for each in told:
                if each.get("finding") and each["finding"] not in findings:
                    findings[each["finding"]] = each["detail"]
                    _keep(keep, each["finding"], each["detail"], Path(each["folder"]))
            if ended:
                findings.setdefault(ended, ended)
                _keep(keep, ended, ended, Path(folder) / "project")
        seed += 1
    return Done(fuzzer, first, time.monotonic() - begin, executions, findings)


def _one_process(fuzzer: str, seed: int, seconds: float, folder: Path) -> str | None:
    """Run a fuzzer's process to its end; why it had to be ended, if it had."""
    (folder / "project").mkdir()
    command = [sys.executable, str(HERE / f"{fuzzer}_fuzzer.py"), str(folder), str(seed), str(seconds)]
    beat = folder / "beat"
    beat.touch()
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=ROOT)
    deadline = time.monotonic() + seconds + 3 * LONGEST
    while process.poll() is None:
        time.sleep(0.2)
        if time.time() - beat.stat().st_mtime > LONGEST and time.monotonic() < deadline - 2 * LONGEST:
            process.kill()
            process.wait()
            return f"more than {LONGEST:.0f} s for one project"
        if time.monotonic() > deadline:
            process.kill()
            process.wait()
    if process.returncode not in (0, -9):
        print((folder / "output").read_text(errors="replace")[-3000:], file=sys.stderr)
        return f"the process died with {process.returncode}"
    return None


def _told(report: Path) -> list[dict[str, Any]]:
    if not report.exists():
        return []
    return [json.loads(line) for line in report.read_text().splitlines() if line.endswith("}")]


def _keep(keep: Path, name: str, detail: str, project: Path) -> None:
    """Keep a project that shows something, with what it shows."""
    words = "".join(each if each.isalnum() else "-" for each in name.lower())[:60].strip("-")
    target = keep / words
    if not target.exists() and project.is_dir():
        shutil.copytree(project, target / "project", ignore=shutil.ignore_patterns(".assets"))
        (target / "finding.txt").write_text(f"{name}\n\n{detail}\n")
    print(f"found: {name}\n       {target}", flush=True)


def row(done: Done) -> str:
    """A line of the page."""
    when = f"{datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}"
    found = "; ".join(sorted(done.findings)).replace("|", "/") or "none"
    return f"| {when} | {done.fuzzer} | {done.seed} | {done.seconds:.0f} | {done.executions:,} | {found} |"


def rows(page: Path) -> Iterator[str]:
    """The lines of earlier runs."""
    yield from (line for line in section(page, FUZZING).splitlines() if line.startswith("| 2"))


def main() -> int:
    """Fuzz, print and keep the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=600, help="for all fuzzers together")
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(FUZZERS))
    parser.add_argument("--keep", type=Path, default=ROOT / ".fuzz", help="where projects that show something are kept")
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "RESULTS.md")
    chosen = parser.parse_args()
    there = [fuzzer for fuzzer in FUZZERS if fuzzer in chosen.only and installed(fuzzer)]
    for fuzzer in sorted(set(chosen.only) - set(there)):
        print(f"{fuzzer} is not installed here and is left out: pip install '.[fuzz]', which has it where it exists")
    found = 0
    for fuzzer in there:
        done = fuzz(fuzzer, chosen.seed, chosen.seconds / len(there), chosen.keep)
        found += len(done.findings)
        print(row(done), flush=True)
        write_section(chosen.results, FUZZING, _HEAD + "\n".join([*rows(chosen.results), row(done)]))
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
