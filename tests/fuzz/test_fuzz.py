"""The same fuzzing as `make soak`, short and always the same; what it once found; and shapes that grow."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from support.blowups import SHAPES
from support.examining import examine, lay
from support.mutations import projects, seeds

from assets_cli.model.problem import AssetsError
from assets_cli.validation import validate

HERE = Path(__file__).parent
CASES = sorted((HERE / "cases").iterdir())
LARGE = int(os.environ.get("SHAPE_SIZE", "1000"))
SMALL = LARGE // 4
SLACK = 2.0
"""How many times as long as in proportion a large project may take: machines are busy, and some sorting is done."""
ENOUGH = 1.0
"""Seconds below which nobody asks how it grew."""


def files_of(folder: Path) -> dict[str, bytes]:
    """The files of a case."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@settings(max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(files=projects())
def test_a_project_of_nobody_is_judged_all_the_same(files, tmp_path_factory):
    """No traceback, known codes with places in the files, the same answer twice, and the compiled one agrees."""
    assert examine(tmp_path_factory.mktemp("odd", numbered=True), files) == []


@pytest.mark.parametrize("number", range(len(seeds())))
def test_what_is_mutated_is_in_order_itself(number, tmp_path):
    """Mutations begin at projects that can be read, and about which nothing is found either."""
    assert examine(tmp_path, seeds()[number]) == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_was_found_once_is_mended(case, tmp_path):
    """Each case is a project that fuzzing found to break something."""
    begin = time.process_time()
    assert examine(tmp_path, files_of(case)) == []
    assert time.process_time() - begin < 10


@pytest.mark.parametrize("shape", SHAPES)
def test_what_an_odd_shape_costs_grows_with_it(shape, tmp_path):
    """Four times as much of it takes about four times as long, if it takes long at all; and it is judged."""
    assert examine(tmp_path, SHAPES[shape](20)) == []
    spent = {}
    for size in (SMALL, LARGE):
        lay(tmp_path, SHAPES[shape](size))
        begin = time.process_time()
        try:
            validate(tmp_path, environ={}, python=False)
        except AssetsError as error:
            assert error.problems  # noqa: PT017 - either way is an answer
        spent[size] = time.process_time() - begin
    assert spent[LARGE] < max(ENOUGH, SLACK * spent[SMALL] * LARGE / SMALL), spent


def test_a_soak_writes_what_it_did_onto_the_page(tmp_path):
    """Seed, seconds, executions and findings are a line of the table; what else the page says stays."""
    page = tmp_path / "RESULTS.md"
    page.write_text("# Results\n\n## Figures\n\n| work |\n|---|\n| plan |\n")
    for seed in ("7", "8"):
        command = [
            "--seed",
            seed,
            "--seconds",
            "3",
            "--only",
            "hypothesis",
            "--results",
            page,
            "--keep",
            tmp_path / "k",
        ]
        done = subprocess.run(
            [sys.executable, HERE / "soak.py", *command], capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    text = page.read_text()
    assert "| plan |" in text
    found = re.findall(
        r"^\| [\d-]+, Python [\d.]+ \| hypothesis \| (\d) \| \d+ \| ([\d,]+) \| none \|$", text, re.MULTILINE
    )
    assert [seed for seed, _ in found] == ["7", "8"]
    assert all(int(executions.replace(",", "")) > 0 for _, executions in found)
