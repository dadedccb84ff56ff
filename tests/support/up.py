"""A running `assets up` for tests: its events, each held to its schema, and what its process takes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import jsonschema

from assets_cli.manifest.schemas import schema_text

EVENTS = jsonschema.Draft7Validator(json.loads(schema_text("up-events")))
PATIENCE = 30


class Up:
    """A running `assets up --json`, whose events are gathered and held to their schema."""

    def __init__(self, place, *arguments: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "assets_cli", "up", "--json", *arguments],
            cwd=place.root,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.events: list[dict[str, Any]] = []
        self.errors = ""
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def named(self, event: str) -> list[dict[str, Any]]:
        """All events of a name, so far."""
        return [each for each in list(self.events) if each["event"] == event]

    def made(self, asset: str) -> int:
        """How often an asset has been materialized."""
        return sum(each["asset"] == asset and each["result"] == "succeeded" for each in self.named("step_finished"))

    def wait(self, what: Callable[[], object], seconds: float = PATIENCE) -> None:
        """Until something is so."""
        deadline = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < deadline, self.events
            time.sleep(0.02)

    def settle(self) -> None:
        """Until it waits for something."""
        before = len(self.named("next"))
        self.wait(lambda: len(self.named("next")) > before or self.named("next"))

    def close(self) -> None:
        """Wait until it is gone, and with it whatever it has started that writes to the same place."""
        with self.process:
            assert self.process.stderr is not None
            self.errors += self.process.stderr.read()
            self.process.wait()
            self._reader.join(PATIENCE)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Tell it to stop, and wait until it has; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        for each in self.events:
            EVENTS.validate(each)
        return code


@contextmanager
def up(place, *arguments: str, **environment: str) -> Iterator[Up]:
    """One that is gone at the end of the block."""
    one = Up(place, *arguments, **environment)
    try:
        yield one
    finally:
        one.process.kill()
        one.close()


class Usage(NamedTuple):
    """What a process has used so far, over all its threads: how often it woke, seconds of a core, megabytes now."""

    switches: int
    seconds: float
    megabytes: float


def usage(pid: int) -> Usage:
    """What this process has used."""
    switches = nanoseconds = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        nanoseconds += int((task / "schedstat").read_text().split()[0])
        for line in (task / "status").read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                switches += int(line.split()[1])
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return Usage(switches, nanoseconds / 1e9, pages * os.sysconf("SC_PAGE_SIZE") / 1e6)


def children(pid: int) -> list[str]:
    """The processes that a process has started."""
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
