"""Real shells in a terminal of their own: type something with Tab keys in it, and see what the command was given."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
SHELLS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}
_LOAD = {
    "bash": 'eval "$(assets --completion bash)"',
    "zsh": 'autoload -Uz compinit; compinit -D -u; eval "$(assets --completion zsh)"',
    "fish": "assets --completion fish | source",
}
_PATIENCE = 30


class Shell:
    """One interactive shell in `folder`. Its `assets` completes as the real one and otherwise prints its arguments."""

    def __init__(self, name: str, folder: Path) -> None:
        scripts = folder / "bin"
        scripts.mkdir()
        stub = scripts / "assets"
        stub.write_text(
            "#!/bin/sh\n"
            '[ "$_ASSETS_COMPLETE$1" = "$1" ] && [ "$1" != --completion ] && exec printf "<%s>" got "$@" "."\n'
            f'PYTHONPATH="{ROOT}" exec "{sys.executable}" -m assets_cli "$@"\n'
        )
        stub.chmod(0o755)
        environ = {
            "PATH": f"{scripts}:{os.environ['PATH']}",
            "HOME": str(folder),
            "TERM": "xterm",
            "LC_ALL": "C.UTF-8",
            "PS1": "$ ",
        }
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:  # pragma: no cover - the shell itself
            os.chdir(folder)
            os.execvpe(SHELLS[name][0], SHELLS[name], environ)
        self.send(_LOAD[name] + "\r")
        self.send("echo rea''dy\r")
        self.read("ready")

    def typed(self, keys: str) -> list[str]:
        """The arguments that the command gets when these keys are pressed, and then Enter."""
        *begun, last = f"assets {keys}".split("\t")
        for part in begun:
            # Keys that arrive while a shell completes may be lost.
            self.send(part + "\t")
            self.settle()
        self.send(last + "\r")
        found = self.read(r"<got>((?:<[^>]*>)*)<\.>")
        return re.findall("<([^>]*)>", found)

    def send(self, keys: str) -> None:
        """Press keys."""
        os.write(self.terminal, keys.encode())

    def read(self, pattern: str) -> str:
        """Wait for a text on the screen; its first group."""
        screen = ""
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            screen += self._some(1)
            found = re.search(pattern, screen)
            if found:
                return found[1] if found.groups() else found[0]
        raise AssertionError(screen)

    def settle(self) -> None:
        """Wait until the screen has moved and stands still."""
        end = time.monotonic() + _PATIENCE
        seen = ""
        while time.monotonic() < end:
            some = self._some(0.4)
            seen += some
            if seen and not some:
                return

    def _some(self, patience: float) -> str:
        readable, _, _ = select.select([self.terminal], [], [], patience)
        return os.read(self.terminal, 65_536).decode(errors="replace") if readable else ""

    def close(self) -> None:
        """End it."""
        os.close(self.terminal)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def is_installed(name: str) -> bool:
    """Whether there is such a shell."""
    return shutil.which(name) is not None
