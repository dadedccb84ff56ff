"""A real project on a real disk for tests of the engine: deterministic commands, every execution noted.

Each asset `x` is made by `python`-free shell: it writes a digest of its upstreams' contents and of its own constant
from `code/x.txt`. What an asset must contain can be worked out without the engine, so that any state reached through
edits, failures, tampering and kills can be held against a build from scratch.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from assets_cli.model.event import RunFinished
from assets_cli.project import Project

SCRIPT = """\
echo {name} >> executed.txt
test ! -e fail/{name}
sleep {seconds}
cat code/{name}.txt {inputs} | sha256sum | cut -c1-{width} > out/{name}
"""


class Workshop:
    """A project whose assets can be edited, made to fail, tampered with."""

    def __init__(
        self,
        root: Path,
        upstreams: Mapping[str, Sequence[str]],
        *,
        seconds: str = "0",
        width: Mapping[str, int] | None = None,
    ) -> None:
        self.root = root
        self.upstreams = {name: list(above) for name, above in upstreams.items()}
        self.seconds = seconds
        self.width = dict(width or {})
        for folder in ("code", "out", "fail"):
            (root / folder).mkdir(parents=True)
        for name in upstreams:
            self.edit(name, "1")
        self.write_manifest()

    def write_manifest(self) -> None:
        """Write the manifest as the graph is now."""
        lines = ["version: 1", "project: workshop", "assets:"]
        for name, above in self.upstreams.items():
            script = SCRIPT.format(
                name=name,
                seconds=self.seconds,
                inputs=" ".join(f"out/{up}" for up in above),
                width=self.width.get(name, 64),
            )
            lines += [f"  - name: {name}", f"    upstreams: [{', '.join(above)}]", f"    code: [code/{name}.txt]"]
            lines += ["    command:", "      shell: |", *(f"        {line}" for line in script.splitlines())]
            lines += [f"    output: {{path: out/{name}}}"]
        (self.root / "assets.yml").write_text("\n".join(lines) + "\n")

    # -- what happens to it ------------------------------------------------------------------------------------------

    def edit(self, name: str, constant: str) -> None:
        """Change what an asset's command reads as its code."""
        (self.root / "code" / f"{name}.txt").write_text(constant + "\n")

    def set_failing(self, name: str, *, failing: bool) -> None:
        """Let an asset's command fail, or not any more."""
        flag = self.root / "fail" / name
        flag.touch() if failing else flag.unlink(missing_ok=True)

    def tamper(self, name: str) -> None:
        """Somebody else appends to an output."""
        path = self.root / "out" / name
        if path.exists():
            path.write_text(path.read_text() + "tampered\n")

    def delete(self, name: str) -> None:
        """Somebody deletes an output."""
        (self.root / "out" / name).unlink(missing_ok=True)

    # -- running -----------------------------------------------------------------------------------------------------

    def open(self) -> Project:
        """The project as it is on disk now."""
        return Project.open(self.root)

    def run(self, *selection: str, jobs: int = 2, **options: bool) -> RunFinished:
        """Materialize in this process."""
        project = self.open()
        project.recover(lambda _event: None)
        return project.materialize(project.plan(selection, jobs=jobs, **options), jobs=jobs)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Materialize in a process of its own, which can be killed."""
        return subprocess.Popen(
            [sys.executable, "-m", "assets_cli", "materialize", "--jobs", "2", *arguments],
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def steps(self, *selection: str) -> list[str]:
        """What the plan would run."""
        return [step.asset for step in self.open().plan(selection).steps]

    def executed(self) -> list[str]:
        """The commands that were started since this was last asked."""
        log = self.root / "executed.txt"
        names = log.read_text().split() if log.exists() else []
        log.unlink(missing_ok=True)
        return names

    # -- the truth ---------------------------------------------------------------------------------------------------

    def contents(self) -> dict[str, str | None]:
        """What is in the outputs."""
        paths = {name: self.root / "out" / name for name in self.upstreams}
        return {name: path.read_text() if path.exists() else None for name, path in paths.items()}

    def from_scratch(self) -> dict[str, str]:
        """What a build from scratch would put into the outputs."""
        built: dict[str, str] = {}

        def build(name: str) -> str:
            if name not in built:
                text = (self.root / "code" / f"{name}.txt").read_text()
                text += "".join(build(up) for up in self.upstreams[name])
                built[name] = hashlib.sha256(text.encode()).hexdigest()[: self.width.get(name, 64)] + "\n"
            return built[name]

        return {name: build(name) for name in self.upstreams}
