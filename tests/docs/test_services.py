"""The files of services that the guide of `assets up` shows: a unit of systemd, a container, a crontab."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))
import generate

BLOCKS = list(generate.blocks((Path(__file__).parents[2] / "docs/guides/up.md").read_text()))


def text_of(language: str) -> str:
    """The one block in a language."""
    (block,) = [each for each in BLOCKS if each.language == language]
    return block.text


def test_the_unit_of_systemd_is_one(tmp_path):
    """Where there is a systemd, it has nothing to say of it; the main process alone is told to stop."""
    unit = configparser.ConfigParser(strict=True, interpolation=None)
    unit.optionxform = str
    unit.read_string(text_of("ini"))
    service = unit["Service"]
    assert list(unit) == ["DEFAULT", "Unit", "Service", "Install"]
    assert (service["KillMode"], service["SuccessExitStatus"]) == ("mixed", "130")
    assert service["ExecStart"].endswith("/assets up")
    if shutil.which("systemd-analyze"):
        file = tmp_path / "assets.service"
        here = text_of("ini").replace(service["ExecStart"], f"{sys.executable} -m assets_cli up")
        file.write_text(here.replace("User=shop\n", "").replace("/srv/shop", str(tmp_path)))
        done = subprocess.run(["systemd-analyze", "verify", str(file)], capture_output=True, text=True, check=False)
        assert [line for line in done.stderr.splitlines() if "assets.service" in line] == []


def test_the_container_starts_assets_up():
    """As a process that signals reach, not by a shell."""
    lines = [line.split(maxsplit=1) for line in text_of("dockerfile").splitlines() if line and line[0] != "#"]
    assert [word for word, _ in lines] == ["FROM", "WORKDIR", "COPY", "RUN", "VOLUME", "STOPSIGNAL", "CMD"]
    assert lines[-1][1] == '["assets", "up"]'


def test_the_crontab_has_five_fields_and_a_command():
    """As `crontab` reads it."""
    (line,) = [each.text for each in BLOCKS if each.language == "text" and "--once" in each.text]
    *fields, command = line.split(maxsplit=5)
    assert fields == ["*/10", "*", "*", "*", "*"]
    assert "assets up --once" in command
