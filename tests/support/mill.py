"""A project of every kind of command whose commands watch each other, for tests that kill.

Each command takes a lock of its own for as long as it or a child of it lives: one that finds its own taken, or an
upstream's, says so in the journal. What each asset must hold follows from the graph alone.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from support.place import watchdog_of

SHELL = """\
exec 9>>busy/{name}
flock -n 9 || echo "overlap {name}" >> journal
{readers}
echo "start {name} $ASSETS_RUN_ID $$" >> journal
(sleep {seconds})
cat /dev/null {inputs} | sha256sum | cut -c1-64 > {target}
{publish}
echo "end {name} $ASSETS_RUN_ID $$" >> journal
"""
READER = 'exec 8<busy/{up}; flock -sn 8 || echo "edge {name} {up}" >> journal'
PYTHON = """\
import fcntl, hashlib, os, pathlib, time

def note(line):
    with open("journal", "a") as journal:
        journal.write(line + "\\n")

def make(name, run, inputs, seconds):
    with open(f"busy/{name}", "a") as busy:
        try:
            fcntl.flock(busy, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            note(f"overlap {name}")
        for up in inputs:
            with open(f"busy/{up}") as theirs:
                try:
                    fcntl.flock(theirs, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    note(f"edge {name} {up}")
        note(f"start {name} {run} {os.getpid()}")
        time.sleep(seconds)
        text = "".join(pathlib.Path(f"out/{up}").read_text() for up in inputs)
        note(f"end {name} {run} {os.getpid()}")
    return hashlib.sha256(text.encode()).hexdigest() + "\\n"
"""


class Mill:
    """A random project below `root`, its processes, and what they left."""

    def __init__(self, root: Path, seed: int, *, count: int = 8, seconds: float = 0.03) -> None:
        self.root = root
        self.chance = random.Random(seed)
        self.seconds = seconds
        self.upstreams: dict[str, list[str]] = {}
        for index in range(count):
            above = self.chance.sample(range(index), min(index, self.chance.randint(0, 2)))
            self.upstreams[f"a{index}"] = [f"a{i}" for i in sorted(above)]
        self.kinds = {name: self.chance.choice(["shell", "atomic", "python"]) for name in self.upstreams}
        for folder in ("out", "busy"):
            (root / folder).mkdir(parents=True)
        for name in self.upstreams:
            (root / "busy" / name).touch()
        (root / "journal").touch()
        self.write()

    def write(self) -> None:
        """Write the manifest and the module of functions."""
        lines, module = ["version: 1", "project: mill", "assets:"], [PYTHON]
        for name, above in self.upstreams.items():
            lines += [f"  - name: {name}", f"    upstreams: [{', '.join(above)}]"]
            kind = self.kinds[name]
            if kind == "python":
                lines += [f'    command: {{python: "mill:{name}"}}', f"    output: {{path: out/{name}}}"]
                arguments = ", ".join(["context", *above])
                module.append(
                    f"def {name}({arguments}):\n    return make({name!r}, context.run_id, {above!r}, {self.seconds})\n"
                )
                continue
            atomic = kind == "atomic"
            script = SHELL.format(
                name=name,
                readers="\n".join(READER.format(name=name, up=up) for up in above),
                seconds=self.seconds,
                inputs=" ".join(f"out/{up}" for up in above),
                target='"$ASSETS_OUTPUT"' if atomic else f"out/{name}.part",
                publish="" if atomic else f"mv out/{name}.part out/{name}",
            )
            lines += ["    command:", "      shell: |", *(f"        {line}" for line in script.splitlines())]
            lines += [f"    output: {{path: out/{name}{', atomic: true' if atomic else ''}}}"]
        (self.root / "assets.yml").write_text("\n".join(lines) + "\n")
        (self.root / "mill.py").write_text("\n".join(module))

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start `assets materialize`."""
        return subprocess.Popen(
            [sys.executable, "-m", "assets_cli", "materialize", *arguments],
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `assets` to its end."""
        return subprocess.run(
            [sys.executable, "-m", "assets_cli", *arguments],
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def journal(self) -> list[list[str]]:
        """What commands noted, in order, each line by its words."""
        return [line.split() for line in (self.root / "journal").read_text().splitlines()]

    def contents(self) -> Mapping[str, str | None]:
        """What is at each output."""
        files = {name: self.root / "out" / name for name in self.upstreams}
        return {name: file.read_text() if file.exists() else None for name, file in files.items()}

    def expected(self) -> Mapping[str, str]:
        """What each output must hold."""
        found: dict[str, str] = {}
        for name, above in self.upstreams.items():
            text = "".join(found[up] for up in above)
            found[name] = hashlib.sha256(text.encode()).hexdigest() + "\n"
        return found

    def commands_alive(self) -> list[int]:
        """The processes of commands that live: those with this project as their folder, but for `assets` itself."""
        return [pid for pid, line in processes_in(self.root).items() if b"assets_cli\0materialize" not in line]


def processes_in(folder: Path) -> dict[int, bytes]:
    """The command lines of living processes whose working directory is a folder, by process id."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if (entry / "cwd").readlink() != folder.resolve():
                continue
            line = (entry / "cmdline").read_bytes()
            state = (entry / "stat").read_bytes().rpartition(b")")[2].split()[0]
        except OSError:
            continue
        if state not in (b"Z", b"X") and b"farewell" not in line:
            found[int(entry.name)] = line
    return found


def gone(pids: Sequence[int], folder: Path, seconds: float = 15) -> bool:
    """Wait until none of these processes works in a folder any more."""
    deadline = time.monotonic() + seconds
    while set(pids) & set(processes_in(folder)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def kill(pid: int) -> None:
    """SIGKILL, if it still lives."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def kill_with_watchdog(coordinator: subprocess.Popen[bytes]) -> None:
    """SIGKILL of a coordinator, and of the only one who would clean up after it."""
    os.kill(coordinator.pid, signal.SIGSTOP)
    with suppress(subprocess.CalledProcessError):  # it has not started one yet
        kill(watchdog_of(coordinator.pid))
    coordinator.kill()
