"""`isolated`: a Python function in a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.place import Place

FUNCTION = """
import os

def make(context):
    with open("pids.txt", "a") as pids:
        print(os.getpid(), file=pids)
"""


@pytest.mark.parametrize(("isolated", "processes"), [("true", 4), ("false", 1)])
def test_processes(tmp_path: Path, isolated: str, processes: int) -> None:
    """One for each asset; else one serves them all, with one job slot."""
    place = Place(tmp_path)
    place.write("f.py", FUNCTION)
    assets = [f"- {{name: a{n}, command: {{python: 'f:make'}}, isolated: {isolated}}}\n" for n in range(4)]
    place.assets("".join(assets))
    assert place.materialize("--jobs", "1")["exit"] == 0
    pids = (tmp_path / "pids.txt").read_text().split()
    assert (len(pids), len(set(pids))) == (4, processes)
    place.assets("".join(assets).replace("true", "x").replace("false", "true").replace("x", "false"))
    assert place.plan() == {}
