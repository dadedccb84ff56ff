"""How a fuzzer's process tells what it does: a heartbeat for each project, and a line for each new finding."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

from support.examining import Files, Finding, examine

SLOW = 5.0
"""Seconds for one project of ordinary size; more is a finding."""


class Report:
    """What a process has done so far. `folder` holds the project at hand, the heartbeat and the report."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.executions = 0
        self.known: set[str] = set()

    def look(self, files: Files) -> list[Finding]:
        """Examine a project; the findings that were not met before."""
        (self.folder / "beat").touch()
        begin = time.perf_counter()
        found = examine(self.folder / "project", files)
        self.executions += 1
        if (spent := time.perf_counter() - begin) > SLOW:
            found.append(Finding("slow", f"{spent:.1f} s"))
        return [finding for finding in found if finding.name not in self.known]

    def tell(self, finding: Finding) -> None:
        """Keep a finding, with the project that lies there now."""
        self.known.add(finding.name)
        kept = self.folder / f"kept-{len(self.known)}"
        shutil.copytree(self.folder / "project", kept)
        self._write({"finding": finding.name, "detail": finding.detail, "folder": str(kept)})

    def count(self) -> None:
        """Tell how far it is."""
        self._write({})

    def _write(self, told: dict[str, str]) -> None:
        with (self.folder / "report.jsonl").open("a") as file:
            file.write(json.dumps({**told, "executions": self.executions}) + "\n")
