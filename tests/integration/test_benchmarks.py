"""The benchmark itself: a small run ends well and writes its page; a long history changes nothing but the history."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ASSETS = (sys.executable, "-m", "assets_cli")
PARTS = (
    "| start-up: --help |",
    "| simulate, 1d, 1,000 |",
    "| plan, nothing made, cold, 200 |",
    "| validate, cold, 200 |",
    "| diff, 5 changed, warm, 200 |",
    "| plan, nothing to do, warm, 200 |",
    "| lineage of one, warm, 100 |",
    "| list, warm, 200 |",
    "| plan, nothing to do, warm with 600 on record, 200 |",
    "| execute no-ops, 2 jobs, 50 |",
)


def test_a_small_benchmark_writes_its_page(tmp_path):
    """Nothing is timed that did not do its work, so a run that ends well has checked every tool's outputs."""
    page = tmp_path / "RESULTS.md"
    page.write_text("# Results\n\n## Beside ninja and make\n\nof before\n\n## Fuzzing\n\n| 2026 | none |\n")
    small = ["--sizes", "100,200", "--history", "3", "--execute", "50", "--runs", "1", "--results", page]
    subprocess.run([sys.executable, "benchmarks/compare.py", *small], cwd=ROOT, check=True, timeout=300)

    text = page.read_text()
    assert [part for part in PARTS if part not in text] == []
    assert "| plan, nothing to do, warm | " in text  # the slope
    assert "of before" not in text
    assert text.endswith("## Fuzzing\n\n| 2026 | none |\n")  # what `make soak` has written stays


def test_a_long_history_leaves_a_project_as_up_to_date_as_it_was(tmp_path):
    """What was really recorded stays the newest, numbers that refer to records still do, and the file is sound."""
    told = {}
    for script, *arguments in (
        ("generate.py", "30", tmp_path, "--width", "5"),
        ("history.py", tmp_path, "--each", "4"),
    ):
        subprocess.run([sys.executable, ROOT / "benchmarks" / script, *arguments], check=True, capture_output=True)
        if script == "generate.py":
            subprocess.run([*ASSETS, "materialize"], cwd=tmp_path, check=True, capture_output=True)
        asked = {}
        for question in (["plan"], ["show", "n29"], ["lineage", "n29"]):
            asked[question[0]] = subprocess.run(
                [*ASSETS, *question, "--json"], cwd=tmp_path, check=True, capture_output=True, text=True
            ).stdout
        told[script] = asked

    before, after = (json.loads(told[script]["plan"]) for script in ("generate.py", "history.py"))
    assert after["steps"] == []
    assert after["skipped"] == before["skipped"]
    assert told["history.py"]["lineage"] == told["generate.py"]["lineage"]
    connection = sqlite3.connect(tmp_path / ".assets" / "state.db")
    for table, each in (("materializations", 120), ("attempts", 120), ("run_steps", 120), ("runs", 4), ("latest", 30)):
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (each,), table
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    read = connection.execute(
        "SELECT count(*) FROM latest l JOIN materializations m ON m.seq = l.usable, json_each(m.inputs) i "
        "JOIN latest u ON u.asset = i.key AND u.usable = json_extract(i.value, '$[1]')"
    ).fetchone()
    edges = connection.execute(
        "SELECT count(*) FROM latest l JOIN materializations m ON m.seq = l.usable, json_each(m.inputs) i"
    ).fetchone()
    connection.close()
    assert read == edges != (0,)
