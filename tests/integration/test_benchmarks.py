"""The benchmark itself: a small run ends well and writes its page."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_small_benchmark_writes_its_page(tmp_path):
    """Nothing is timed that did not do its work, so a run that ends well has checked every tool's outputs."""
    page = tmp_path / "RESULTS.md"
    command = [
        sys.executable,
        "benchmarks/compare.py",
        "-n",
        "200",
        "--execute",
        "50",
        "--runs",
        "1",
        "--results",
        page,
    ]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=300)

    assert "| plan, nothing to do, warm, 200 |" in page.read_text()
