"""Permissions that hold for everybody, root included: root's right to ignore them is given up by a child process."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

_CAPBSET_DROP = 24
_IGNORING_MODES = (1, 2)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


def obey_modes() -> None:
    """For `preexec_fn`: from the next program on, root may open what its modes allow it, and no more."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in _IGNORING_MODES:
            libc.prctl(_CAPBSET_DROP, capability, 0, 0, 0)


def lock_up(folder: Path) -> None:
    """Make a folder and all that is in it read-only."""
    for path in [*folder.rglob("*"), folder]:
        path.chmod(path.stat().st_mode & 0o7555)


def unlock(folder: Path) -> None:
    """Make it writable again."""
    for path in [folder, *folder.rglob("*")]:
        path.chmod(path.stat().st_mode | 0o200)
