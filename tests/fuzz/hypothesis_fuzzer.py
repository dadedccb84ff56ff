"""The process that fuzzes with Hypothesis: rounds of edits to real projects, each with a seed of its own.

    hypothesis_fuzzer.py FOLDER SEED SECONDS

A finding is shrunk to few edits before it is told, and not looked at again.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from hypothesis import HealthCheck, Phase, given, seed, settings
from support.examining import Finding
from support.mutations import projects
from support.reporting import Report

EACH = 200


class _FoundError(AssertionError):
    """A project shows something."""


def round_of(report: Report, number: int, until: float) -> Finding | None:
    """Look at some projects; of what they show, the first thing, with its smallest project laid out last."""
    last: list[Finding] = []

    @seed(number)
    @settings(
        max_examples=EACH,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(projects())
    def look(files: dict[str, bytes]) -> None:
        if time.time() > until:
            return
        if found := report.look(files):
            last[:] = found[:1]
            raise _FoundError(found[0].name)

    try:
        look()
    except _FoundError:
        return last[0]
    except BaseExceptionGroup:
        return last[0]
    return None


def main() -> None:
    """Rounds until the time is over."""
    folder, number, seconds = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    report, until = Report(folder), time.time() + seconds
    while time.time() < until:
        if finding := round_of(report, number, until):
            report.tell(finding)
        report.count()
        number += 1_000_003


if __name__ == "__main__":
    main()
