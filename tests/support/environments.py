"""Environments of their own for packages that do not go together with what development uses.

Each is made once, beside the one that runs the tests, and used again as long as its requirements are the same.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FOLDER = Path(sys.prefix) / "environments"


def python_with(name: str, requirements: Sequence[str]) -> Path:
    """The Python of an environment with what the project needs and these packages."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    own = {_distribution(each) for each in requirements}
    wanted = [*(each for each in project["dependencies"] if _distribution(each) not in own), *requirements]
    digest = hashlib.sha256("\n".join([sys.version, *wanted]).encode()).hexdigest()[:12]
    folder = _FOLDER / f"{name}-{digest}"
    _FOLDER.mkdir(exist_ok=True)
    with (_FOLDER / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
            pip = [folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            done = subprocess.run([*pip, *wanted], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr[-3000:]
            (folder / "ready").touch()
    return folder / "bin/python"


def run(python: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run it with the project's own modules and those of the tests."""
    return subprocess.run(
        [python, *arguments],
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}", **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def _distribution(requirement: str) -> str:
    for index, letter in enumerate(requirement):
        if not (letter.isalnum() or letter in "-_."):
            return requirement[:index].lower()
    return requirement.lower()
