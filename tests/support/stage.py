"""A project on a real disk whose commands are puppets and whose clock is cranked by hand.

Knows files, the manifest and what is told of a run; nothing of what should happen. Everything that happens during a
run is noted in the order in which it happens: see `Note`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from support.space import NOON


class Spec(NamedTuple):
    """What the manifest says of an asset.

    `kind`: `shell` writes its output itself, `atomic` leaves it to be published, `python` returns it to a worker that
    publishes it, `errand` declares no output, `external` has no command. `gate` is a blocking check, `watch` one that
    is not. `max_lag` is in hours.
    """

    name: str
    kind: str
    upstreams: tuple[str, ...] = ()
    version: str = "content"
    width: int = 64
    retries: int = 0
    retry_on: tuple[int, ...] | None = None
    gate: bool = False
    watch: bool = False
    max_lag: int | None = None


class Act(NamedTuple):
    """What a command does when it is started next.

    `turns` is how often it waits before it does it, `leap` how many hours it takes, `edits`
    whose code it changes meanwhile, and to what.
    """

    kind: str = "write"
    turns: int = 0
    leap: int = 0
    edits: tuple[str, str] | None = None


WRITE = Act()


class Note(NamedTuple):
    """One thing that happened during a run.

    By the engine, noted when it was recorded: `open` (number of the attempt), `prepare`, `unblock`, `commit`; what it
    tells: `told` (the event). By a puppet: `start` (its code), `left` (what it leaves, what it reports, whether it has
    written it), `end` (state, exit code), `published`, `check` (its name and whether it passed), `interrupt`, `died`.

    `there` is the code and the content of every asset at that moment, where the engine has just decided something.
    """

    what: str
    asset: str
    at: int
    value: Any = None
    there: Mapping[str, tuple[str, str | None]] = {}


class Died(BaseException):
    """The coordinator is dead: nobody is left to catch this."""


class Stage:
    """The folder of a project, its clock, and what its commands are going to do."""

    def __init__(self, root: Path, specs: Iterable[Spec]) -> None:
        self.root = root
        self.specs = {spec.name: spec for spec in specs}
        self.now = NOON
        self.scripts: dict[str, list[Act]] = {}
        self.broken: set[str] = set()
        self.shut: set[str] = set()
        self.crying: set[str] = set()
        self.lied: set[str] = set()
        self.notes: list[Note] = []
        self.dead = False
        self.lingering: dict[str, tuple[tuple[int, ...], str | None]] = {}
        self._serial = 0
        for folder in ("out", "ext"):
            (root / folder).mkdir(parents=True)
        for name, spec in self.specs.items():
            if spec.kind == "external":
                self.deliver(name, "1")
            else:
                self.edit(name, "1")

    # -- what people do ------------------------------------------------------------------------------------------------

    def serial(self) -> int:
        """A number that was not there before."""
        self._serial += 1
        return self._serial

    def declare(self, *specs: Spec) -> None:
        """Write the manifest with these in place of those of their names."""
        self.specs = dict(sorted({**self.specs, **{spec.name: spec for spec in specs}}.items()))
        lines = ["version: 1", "project: stage", "assets:"]
        for spec in self.specs.values():
            lines += _declaration(spec)
        (self.root / "assets.yml").write_text("\n".join(lines) + "\n")

    def remove(self, name: str) -> None:
        """Take an asset out of the manifest; its output stays."""
        del self.specs[name]
        self.declare(
            *(spec._replace(upstreams=tuple(up for up in spec.upstreams if up != name)) for spec in self.specs.values())
        )

    def edit(self, name: str, constant: str) -> None:
        """Change the code of an asset."""
        (self.root / f"make_{name}.py").write_text(f"VALUE = {constant!r}\n\n\ndef make():\n    return VALUE\n")

    def reformat(self, name: str) -> None:
        """Change nothing that counts."""
        path = self.root / f"make_{name}.py"
        path.write_text(f"{path.read_text()}# {self.serial()}\n")

    def deliver(self, name: str, text: str | None) -> None:
        """Others produce an external asset anew, or remove it."""
        path = self.root / "ext" / name
        if text is None:
            path.unlink(missing_ok=True)
            return
        path.write_text(text + "\n")
        # No two deliveries at the same moment: the same contents are another version only by their contents.
        at = (self.now + self.serial()) * 1_000
        os.utime(path, ns=(at, at))

    def redeliver(self, name: str) -> None:
        """Others produce an external asset anew, with the same contents."""
        path = self.root / "ext" / name
        self.deliver(name, path.read_text().rstrip("\n") if path.exists() else "1")

    def tamper(self, name: str) -> None:
        """Somebody else changes an output."""
        path = self.root / "out" / name
        if path.exists():
            path.write_text(f"tampered {self.serial()}\n")

    def delete(self, name: str) -> None:
        """Somebody deletes an output."""
        (self.root / "out" / name).unlink(missing_ok=True)

    # -- what is there -------------------------------------------------------------------------------------------------

    def code(self, name: str) -> str:
        """What counts of the code of an asset."""
        return (self.root / f"make_{name}.py").read_text().partition("\n")[0]

    def content(self, name: str) -> str | None:
        """What is at the place of an asset; None where nothing is, or it has none."""
        folder = "ext" if self.specs[name].kind == "external" else "out"
        with suppress(FileNotFoundError):
            return (self.root / folder / name).read_text()
        return None

    def delivered_at(self, name: str) -> int:
        """When an external asset was delivered."""
        return (self.root / "ext" / name).stat().st_mtime_ns // 1_000

    def makes(self, name: str, read: Mapping[str, str] | None = None) -> str:
        """What a command writes: one line that follows from its code and from the first lines of its upstreams.

        Where it reports a data version there is a second line, another one each time. `read` are first lines to take
        in place of those that are there.
        """
        spec = self.specs[name]
        digest = hashlib.sha256(self.code(name).encode())
        for up in spec.upstreams:
            text = (self.content(up) or "") if read is None else read[up]
            digest.update(f"{up}={_first(text)};".encode())
        line = digest.hexdigest()[: spec.width]
        return f"{line}\nnoise {self.serial()}\n" if spec.version == "reported" else f"{line}\n"

    def there(self) -> dict[str, tuple[str, str | None]]:
        """The code and the content of every asset that has a command."""
        names = [name for name, spec in self.specs.items() if spec.kind != "external"]
        return {name: (self.code(name), self.content(name)) for name in names}

    def first_lines(self) -> dict[str, str]:
        """What is there of everything that has a place."""
        return {name: _first(self.content(name)) for name, spec in self.specs.items() if spec.kind != "errand"}

    def from_scratch(self) -> dict[str, str]:
        """What a build from scratch would put there."""
        built: dict[str, str] = {}
        for name, spec in self.specs.items():
            if spec.kind in ("external", "errand"):
                built[name] = _first(self.content(name)) if spec.kind == "external" else ""
            else:
                built[name] = _first(self.makes(name, built))
        return {name: line for name, line in built.items() if self.specs[name].kind != "errand"}

    def litter(self) -> list[str]:
        """Whatever lies beside the outputs."""
        return sorted(path.name for path in (self.root / "out").iterdir() if path.name not in self.known_outputs)

    @property
    def known_outputs(self) -> frozenset[str]:
        """The names that outputs may have."""
        return frozenset(f"a{index}" for index in range(10))

    # -- what happens --------------------------------------------------------------------------------------------------

    def clock(self) -> int:
        """The time, by a hand-cranked clock."""
        return self.now

    def note(self, what: str, asset: str = "", value: Any = None) -> None:
        """Write down what happens."""
        decides = what in ("open", "unblock", "told")
        self.notes.append(Note(what, asset, self.now, value, self.there() if decides else {}))

    def begin(self, scripts: Mapping[str, list[Act]]) -> None:
        """Before a run: what its commands are going to do; nothing is written down yet."""
        self.scripts = {name: list(acts) for name, acts in scripts.items()}
        self.notes = []
        self.dead = False

    def next_act(self, name: str) -> Act:
        """What the command of an asset does now."""
        script = self.scripts.get(name)
        if script:
            return script.pop(0)
        return Act("fail") if name in self.broken else WRITE

    def leave_running(self, name: str, descriptors: Iterable[int], text: str | None) -> None:
        """A command outlives its coordinator, with its locks; when it ends it writes this, or nothing."""
        self.lingering[name] = tuple(os.dup(each) for each in descriptors), text

    def end_lingering(self) -> None:
        """All that outlived their coordinators come to their ends."""
        for name, (descriptors, text) in self.lingering.items():
            if text is not None:
                (self.root / "out" / name).write_text(text)
            for each in descriptors:
                os.close(each)
        self.lingering.clear()

    def close(self) -> None:
        """Nothing is left of it."""
        self.end_lingering()
        shutil.rmtree(self.root, ignore_errors=True)


def _first(text: str | None) -> str:
    return (text or "").partition("\n")[0]


def _declaration(spec: Spec) -> list[str]:
    """The lines of the manifest for one asset."""
    lines = [f"  - name: {spec.name}"]
    if spec.kind == "external":
        return [*lines, f"    observe: {{path: ext/{spec.name}}}"]
    if spec.kind == "python":
        lines.append(f'    command: {{python: "make_{spec.name}:make"}}')
    else:
        lines += [f'    command: {{shell: "puppet {spec.name}"}}', f"    code: [make_{spec.name}.py]"]
    if spec.upstreams:
        lines.append(f"    upstreams: [{', '.join(spec.upstreams)}]")
    if spec.kind != "errand":
        lines.append(f"    output: {{path: out/{spec.name}{', atomic: true' if spec.kind == 'atomic' else ''}}}")
    if spec.version == "always":
        lines.append("    data_version: always")
    if spec.retries:
        only = "" if spec.retry_on is None else f", retry_on: [{', '.join(map(str, spec.retry_on))}]"
        lines.append(f"    retries: {{max: {spec.retries}{only}}}")
    if spec.max_lag is not None:
        lines.append(f"    freshness: {{max_lag: {spec.max_lag}h}}")
    checks = ['      - {name: gate, shell: "puppet gate", blocking: true}'] if spec.gate else []
    checks += ['      - {name: watch, shell: "puppet watch"}'] if spec.watch else []
    return [*lines, "    checks:", *checks] if checks else lines
