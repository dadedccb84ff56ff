"""Real disks that are small or read-only, mounted in a mount namespace of their own, which needs no privileges.

Not every machine allows such namespaces (containers and some distributions forbid them): see `WHY_NOT`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

UNSHARE = ("unshare", "--user", "--map-root-user", "--mount")


def _why_not() -> str | None:
    command = [*UNSHARE, "sh", "-c", "mount -t tmpfs -o size=64k none /mnt && exec nsenter --version"]
    try:
        tried = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    return None if tried.returncode == 0 else tried.stderr.strip() or "no namespaces"


WHY_NOT = _why_not()
"""Why there are no real disks here; None where there are."""


class Disks:
    """A namespace in which folders of a project are disks of their own. A context."""

    def __init__(self, root: Path) -> None:
        self.root = root
        # Not another program's child, so that the namespace ends with us, whatever happens.
        self._keeper = subprocess.Popen(
            [*UNSHARE, "sh", "-c", "echo here; read -r end"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._keeper.stdout
        assert self._keeper.stdout.readline() == "here\n"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._keeper.communicate("end\n", timeout=30)

    @property
    def inside(self) -> Path:
        """The project as those see it who are inside."""
        return Path(f"/proc/{self._keeper.pid}/root{self.root}")

    def mount(self, folder: str, size: int | None = None) -> None:
        """Make a folder of the project a disk of so many bytes; what was in it is hidden."""
        (self.root / folder).mkdir(parents=True, exist_ok=True)
        self.must("mount", "-t", "tmpfs", "-o", f"size={size or 1 << 30}", "none", str(self.root / folder))

    def leave(self, folder: str, size: int) -> None:
        """Fill a disk until so many bytes are free."""
        state = os.statvfs(self.inside / folder)
        with (self.inside / folder / "filler").open("ab") as filler:
            filler.write(b"\0" * max(state.f_bavail * state.f_frsize - size, 0))

    def free(self, folder: str) -> None:
        """Remove what fills a disk."""
        (self.inside / folder / "filler").unlink(missing_ok=True)

    def must(self, *command: str) -> None:
        """Run a command inside, which works."""
        subprocess.run(self.enter(command), check=True, capture_output=True)

    def enter(self, command: Sequence[str]) -> list[str]:
        """The command that runs a command inside."""
        # Entered before the folder is: else relative paths would lead outside.
        enter = ["nsenter", "--target", str(self._keeper.pid), "--user", "--mount", "--preserve-credentials"]
        return [*enter, "sh", "-c", 'cd "$0" && exec "$@"', str(self.root), *command]

    def assets(self, *words: str) -> list[str]:
        """The command that runs `assets` inside."""
        return self.enter([sys.executable, "-m", "assets_cli", *words])
