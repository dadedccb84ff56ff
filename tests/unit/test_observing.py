"""What probes of external assets say, as observations; commands are stood in for."""

from __future__ import annotations

import os
import time
from pathlib import Path
from threading import Barrier

import pytest

from assets_cli.graph import AssetGraph
from assets_cli.manifest import load
from assets_cli.model.history import Observation, StateSnapshot
from assets_cli.model.manifest import Asset
from assets_cli.probing import NOTHING, Observed, ObserveSurroundings, observable, observe
from assets_cli.probing.files import FileDigests
from assets_cli.probing.observing import Answer, ProbeError, moment, short_enough

NOW = 1_800_000_000_000_000


class Shell:
    """Answers by name; an exception is raised."""

    def __init__(self, answers: dict[str, Answer | BaseException], barrier: Barrier | None = None) -> None:
        self.answers = answers
        self.barrier = barrier
        self.is_cancelled = False

    def ask(self, asset: Asset) -> Answer:
        """Its answer, once all who are waited for ask too."""
        if self.barrier:
            self.barrier.wait(10)
        answer = self.answers[asset.name]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def cancel(self) -> None:
        """Remember it."""
        self.is_cancelled = True

    def close(self) -> None:
        """It keeps nothing."""


class Outside:
    """A project of external assets."""

    def __init__(self, root: Path, assets: str) -> None:
        (root / "assets.yml").write_text(f"version: 1\nassets:\n{assets}")
        manifest = load(root / "assets.yml").manifest
        assert manifest is not None
        self.graph = AssetGraph(manifest)
        self.files = FileDigests(root, time.time_ns)

    def look(self, shell: Shell | None = None, *before: Observation, secrets: tuple[str, ...] = ()) -> Observed:
        """Look at all of them."""

        def make() -> Shell:
            assert shell is not None
            return shell

        snapshot = StateSnapshot("default", {}, {seen.asset: seen for seen in before}, {})
        around = ObserveSurroundings({"FOLDER": "in"}, self.files, make, lambda: NOW, secrets)
        return observe(self.graph, observable(self.graph, self.graph.order), snapshot, around)


COMMANDS = "".join(f"  - {{name: x{n}, observe: {{shell: x}}}}\n" for n in range(4))


def test_a_file_is_its_content_as_of_its_mtime(tmp_path: Path) -> None:
    """The variables of its path are filled in; no shell is made for it."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in/x").write_text("1")
    os.utime(tmp_path / "in/x", ns=(5, 1_700_000_000_000_000_500))
    seen, failures = Outside(tmp_path, '  - {name: x, observe: {path: "${env.FOLDER}/x"}}\n').look()
    digest = "sha256:6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"
    assert seen == {"x": Observation(0, "x", NOW, digest, 1_700_000_000_000_000)}
    assert failures == {}


def test_an_empty_folder_has_no_time_of_its_own(tmp_path: Path) -> None:
    """It is there, as of now."""
    (tmp_path / "in").mkdir()
    assert Outside(tmp_path, "  - {name: x, observe: {path: in}}\n").look().observations["x"].data_time is None


def test_a_path_that_leaves_through_a_link_is_not_looked_at(tmp_path: Path) -> None:
    """As with outputs."""
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "x").write_text("1")
    outside = Outside(root, "  - {name: x, observe: {path: link}}\n")
    (root / "link").symlink_to(tmp_path / "x")
    assert [problem.message for problem in outside.look().failures.values()] == [
        "x could not be observed: link: it leaves the project through a symlink; nothing is known of it yet"
    ]


def test_commands_are_asked_at_once(tmp_path: Path) -> None:
    """Four of them; each follows what is on record of it."""
    shell = Shell({f"x{n}": Answer(f"v{n}", n, {"n": n}) for n in range(4)}, Barrier(4))
    seen, _ = Outside(tmp_path, COMMANDS).look(shell, Observation(7, "x1", 1, "v", None))
    assert [*seen.values()] == [Observation(7 if n == 1 else 0, f"x{n}", NOW, f"v{n}", n, {"n": n}) for n in range(4)]


def test_what_fails_has_a_reason_without_secrets(tmp_path: Path) -> None:
    """And so has what an answer says."""
    answers = {
        "x0": ProbeError("no s3cret"),
        "x1": ProbeError("no"),
        "x2": Answer("v-s3cret", None, {"by": "s3cret"}),
        "x3": Answer("v"),
    }
    before = Observation(7, "x1", 1, "v", None)
    seen, failures = Outside(tmp_path, COMMANDS).look(Shell(answers), before, secrets=("s3cret",))
    assert {name: (problem.code, problem.message) for name, problem in failures.items()} == {
        "x0": ("A0314", "x0 could not be observed: no ***; nothing is known of it yet"),
        "x1": ("A0314", "x1 could not be observed: no; what was observed last stands"),
    }
    assert {(problem.severity, str(problem.place)) for problem in failures.values()} == {
        ("warning", "assets.yml:3:25"),
        ("warning", "assets.yml:4:25"),
    }
    assert (seen["x2"].data_version[:7], seen["x2"].metadata) == ("sha256:", {"by": "***"})


def test_an_interrupt_ends_the_probes(tmp_path: Path) -> None:
    """Whatever breaks the waiting off."""
    shell = Shell({f"x{n}": KeyboardInterrupt() for n in range(4)})
    with pytest.raises(KeyboardInterrupt):
        Outside(tmp_path, COMMANDS).look(shell)
    assert shell.is_cancelled


def test_nothing_to_look_at(tmp_path: Path) -> None:
    """Externals that don't say how are left alone."""
    outside = Outside(tmp_path, "  - {name: x}\n  - {name: y1, upstreams: [x], command: {shell: x}}\n")
    assert observable(outside.graph, outside.graph.order) == []
    assert outside.look() == NOTHING


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000),
        ("1970-01-01t00:00:01.5z", 1_500_000),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01 00:00:00+00", 0),
        ("1970-01-01T00:00:00.1234567Z", 123_456),
        ("1970-01-01T00:00:00", None),
        ("1970-01-01", None),
        ("1970-13-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+23:00", -62_135_679_600_000_000),
        ("12345678901234567890", None),
        ("v2", None),
        ("", None),
    ],
)
def test_moments(text: str, time: int | None) -> None:
    """A time with its offset, and nothing else."""
    assert moment(text) == time


def test_a_long_text_is_a_digest() -> None:
    """Beyond a thousand characters."""
    digest = "bb0381c13e0817201355e7d700b7623f0e985287add78712a11407c9f754efc8"
    assert (short_enough("a" * 1000), short_enough("a" * 1001)) == ("a" * 1000, f"sha256:{digest}")
