"""A project in a folder, driven through the real command line in processes of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

DUCKDB = "connections:\n  w: {type: duckdb, path: w.duckdb}\n"


class Place:
    """A project in a folder, driven by the command line."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, name: str, text: str) -> None:
        """Write a file of the project."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))

    def assets(self, assets: str, head: str = "") -> None:
        """Write the manifest."""
        head = f"version: 1\nproject: place\n{textwrap.dedent(head)}"
        (self.root / "assets.yml").write_text(head + "assets:\n" + textwrap.indent(textwrap.dedent(assets), "  "))

    def call(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `assets`."""
        return subprocess.run(
            [sys.executable, "-m", "assets_cli", *arguments],
            cwd=self.root,
            env={**os.environ, "NO_COLOR": "1", **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `assets` and go on."""
        command = [sys.executable, "-m", "assets_cli", *arguments]
        return subprocess.Popen(
            command, cwd=self.root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def materialize(self, *arguments: str, **environment: str) -> dict[str, object]:
        """The last event of a run, with its events under `events`."""
        done = self.call("materialize", "--json", *arguments, **environment)
        assert done.stdout, done.stderr
        events = [json.loads(line) for line in done.stdout.splitlines()]
        return {**events[-1], "events": events, "exit": done.returncode}

    def plan(self, *arguments: str, **environment: str) -> dict[str, list[str]]:
        """The plan as `{asset: [cause kinds]}`."""
        done = self.call("plan", "--json", *arguments, **environment)
        assert done.returncode == 0, done.stderr
        return {step["asset"]: [cause["kind"] for cause in step["causes"]] for step in json.loads(done.stdout)["steps"]}

    def query(self, sql: str, database: str = "w.duckdb") -> list[tuple[object, ...]]:
        """Ask a DuckDB file; the worker of a coordinator that was just killed may hold it until it is ended, too."""
        import duckdb

        deadline = time.monotonic() + 30
        while True:
            try:
                with duckdb.connect(self.root / database, read_only=True) as connection:
                    return connection.execute(sql).fetchall()
            except duckdb.IOException as held:
                if "lock" not in str(held) or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def wait_for(self, name: str) -> None:
        """Until a file of the project is there."""
        deadline = time.monotonic() + 30
        while not (self.root / name).exists():
            assert time.monotonic() < deadline, f"{name} never came"
            time.sleep(0.01)


def watchdog_of(coordinator: int) -> int:
    """The process that would end the commands of a coordinator that dies."""
    found = subprocess.run(
        ["pgrep", "-P", str(coordinator), "-f", "farewell"], capture_output=True, text=True, check=True
    )
    return int(found.stdout)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that ended and that nobody has asked for yet does not."""
    shown = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(shown.strip()) and not shown.startswith("Z")
