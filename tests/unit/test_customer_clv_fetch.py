"""The example's download: what it says when it fails, and that it leaves nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "manifests" / "customer_clv"
SCRIPT = EXAMPLE / "scripts" / "fetch_cdnow.py"


def fetch(output: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the script as the asset does, with no package index but what `environment` names."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    settings = {"PIP_CONFIG_FILE": os.devnull, "ASSETS_OUTPUT": str(output), **environment}
    command = [sys.executable, str(SCRIPT)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=inherited | settings)


def test_unreachable_registry_is_three_lines_and_75(tmp_path: Path) -> None:
    """Without a registry the script says so in three lines, writes nothing and asks to be tried again."""
    answer = fetch(tmp_path / "raw_events.csv", PIP_INDEX_URL="http://127.0.0.1:9/simple")
    first, second, third = answer.stderr.splitlines()
    assert first == ("the CDNOW purchase log was not downloaded: no package registry could be reached, or none has it.")
    assert second.startswith("pip says: ERROR: ")
    assert third == (
        "check the network, or name a mirror in PIP_INDEX_URL, then materialize raw_events again; nothing was written."
    )
    assert (answer.returncode, answer.stdout, list(tmp_path.iterdir())) == (75, "", [])


def test_other_wheel_is_refused_for_good(tmp_path: Path) -> None:
    """A file that is not the pinned one is refused with both hashes, not tried again, and the old output stays."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    with zipfile.ZipFile(shelf / "lifetimes-0.11.3-py3-none-any.whl", "w") as wheel:
        wheel.writestr("lifetimes/datasets/CDNOW_master.txt", "other\n")
        wheel.writestr(
            "lifetimes-0.11.3.dist-info/METADATA", "Metadata-Version: 2.1\nName: lifetimes\nVersion: 0.11.3\n"
        )
    output = tmp_path / "data" / "raw_events.csv"
    output.parent.mkdir()
    output.write_text("as it was\n")
    answer = fetch(output, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(shelf))
    first, second, third = answer.stderr.splitlines()
    assert first == ("the CDNOW purchase log was not downloaded: the registry's file is not the one that was pinned.")
    assert second.startswith(
        "Expected sha256 261e3dc89977c2b60767ca6728aaa29d429de0c814635070a749c36555895da8; Got        "
    )
    assert third == (
        "find out who changed it before you change the hash in cdnow.requirements.txt; nothing was written."
    )
    assert answer.returncode == 1
    assert [(path.name, path.read_text()) for path in output.parent.iterdir()] == [("raw_events.csv", "as it was\n")]


def test_log_is_written_whole_and_reported(tmp_path: Path) -> None:
    """The full log has 69,659 purchases in the publisher's order, and the run is told what it holds."""
    output, result = tmp_path / "data" / "raw_events.csv", tmp_path / "result.json"
    inherited = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    answer = fetch(output, ASSETS_RESULT=str(result), **inherited)
    if answer.returncode == 75 and not os.environ.get("CI"):
        pytest.skip(answer.stderr.splitlines()[1])
    assert answer.returncode == 0, answer.stderr
    lines = output.read_text().splitlines()
    assert lines[:3] == [
        "customer_id,purchased_on,quantity,amount",
        "00001,1997-01-01,1,11.77",
        "00002,1997-01-12,1,12.00",
    ]
    assert len(lines) == 1 + 69_659
    assert lines[-1] == "23570,1997-03-26,2,42.96"
    assert json.loads(result.read_text()) == {
        "metadata": {
            "rows": 69_659,
            "customers": 23_570,
            "first_day": "1997-01-01",
            "last_day": "1998-06-30",
            "taken_from": "Lifetimes-0.11.3-py3-none-any.whl:lifetimes/datasets/CDNOW_master.txt",
        }
    }
    assert [path.name for path in output.parent.iterdir()] == ["raw_events.csv"]
