"""The place of a fault, and counts of what the faults met, told at the end of a run."""

from __future__ import annotations

from collections import Counter

import pytest
from support.disks import WHY_NOT
from support.place import Place


@pytest.fixture
def place(tmp_path):
    """An empty project."""
    root = tmp_path / "p"
    root.mkdir()
    return Place(root)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many kills were survived and how many steps were checked after them."""
    counts: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, number in getattr(report, "user_properties", ()):
                if isinstance(number, int) and getattr(report, "when", "") == "call":
                    counts[name] += number
    if WHY_NOT is not None and any("test_disk" in report.nodeid for report in terminalreporter.stats.get("passed", ())):
        terminalreporter.write_line(f"faults: no real disks were mounted, only stand-ins: {WHY_NOT}")
    if counts:
        said = ", ".join(f"{number:,} {name}" for name, number in sorted(counts.items()))
        terminalreporter.write_line(f"faults: {said}")
