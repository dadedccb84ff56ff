"""The words of a project: kept beside it, or found at a glance."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from assets_cli import vocabulary
from assets_cli.manifest import load
from assets_cli.model.manifest import Manifest

HEAD = 'version: 1\ninclude: ["assets/**/*.yml"]  # all of them\nassets:\n'
ROOT = HEAD + "  - {name: b, tags: [x, k=v], owner: [me, you], group: g, command: {shell: 'true'}}\n"


def read(folder: Path) -> Manifest:
    """The manifest of a folder."""
    manifest = load(folder / "assets.yml").manifest
    assert manifest is not None
    return manifest


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of two files in two folders."""
    (tmp_path / "assets.yml").write_text(ROOT)
    (tmp_path / "assets" / "deep").mkdir(parents=True)
    (tmp_path / "assets" / "deep" / "a.yml").write_text("assets:\n  - name: a\n    kind: page\n    owner: me\n")
    return tmp_path


def recall(folder: Path) -> dict[str, list[str]] | None:
    """What is kept in a folder."""
    found = vocabulary.recall(str(folder), "assets.yml")
    return dict(found) if found is not None else None


WORDS = {
    "name": ["a", "b"],
    "tag": ["k", "k=v", "x"],
    "group": ["g"],
    "owner": ["me", "you"],
    "kind": ["page", "shell"],
    "path": ["assets.yml", "assets/deep/a.yml"],
}


def test_what_is_kept_is_recalled(project: Path) -> None:
    """All words, in order; nothing before they were kept."""
    assert recall(project) is None
    vocabulary.keep(read(project), time.time_ns())
    assert recall(project) == WORDS
    assert vocabulary.recall(str(project), "assets.yaml") is None


def test_a_project_without_groups_or_tags(tmp_path: Path) -> None:
    """Nothing is kept as nothing."""
    (tmp_path / "assets.yml").write_text("version: 1\nassets: [{name: a}]\n")
    vocabulary.keep(read(tmp_path), time.time_ns())
    assert recall(tmp_path) == {
        "name": ["a"],
        "tag": [],
        "group": [],
        "owner": [],
        "kind": ["external"],
        "path": ["assets.yml"],
    }


@pytest.mark.parametrize(
    "path", ["assets.yml", "assets/deep/a.yml", "assets/new.yml", "assets/deep/new.yml", "assets/empty/new.yml"]
)
def test_any_change_of_a_file_makes_it_stale(project: Path, path: str) -> None:
    """Also a new file that an include would take, in whatever folder; a file elsewhere does not."""
    (project / "assets" / "empty").mkdir()
    vocabulary.keep(read(project), time.time_ns())
    (project / "output.csv").write_text("1")
    assert recall(project) == WORDS
    (project / path).write_text("# changed\n")
    assert recall(project) is None


def test_a_lost_file_makes_it_stale(project: Path) -> None:
    """Its assets are no more."""
    vocabulary.keep(read(project), time.time_ns())
    (project / "assets" / "deep" / "a.yml").unlink()
    assert recall(project) is None


def test_it_is_rewritten_only_when_something_changed(project: Path) -> None:
    """A command that finds it as it was leaves it alone."""
    manifest = read(project)
    vocabulary.keep(manifest, time.time_ns())
    before = (project / vocabulary.CACHE).stat()
    vocabulary.keep(manifest, time.time_ns())
    assert (project / vocabulary.CACHE).stat().st_mtime_ns == before.st_mtime_ns
    (project / "assets.yml").write_text(ROOT + "  - {name: c}\n")
    vocabulary.keep(read(project), time.time_ns())
    found = recall(project)
    assert found is not None
    assert found["name"] == ["a", "b", "c"]
    assert [path.name for path in (project / ".assets" / "cache").iterdir()] == ["words"]


def test_what_changed_while_it_was_read_is_not_kept(project: Path) -> None:
    """Nobody knows which of the two contents the words are of."""
    began = time.time_ns()
    os.utime(project / "assets.yml", ns=(began + 1, began + 1))
    vocabulary.keep(read(project), began)
    assert recall(project) is None


def test_a_folder_that_takes_no_cache_is_no_problem(project: Path) -> None:
    """Neither one that nobody may write to nor one that is a file."""
    (project / ".assets").write_text("")
    vocabulary.keep(read(project), time.time_ns())
    assert recall(project) is None


def test_the_project_is_found_from_below(project: Path) -> None:
    """As the commands find it."""
    assert vocabulary.find(str(project / "assets" / "deep")) == (str(project), "assets.yml")
    assert vocabulary.find("/") is None


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("assets:\n  - name: a\n    upstreams: [b]\n  - name: b\n", ["a", "b"]),
        ("assets:\n- name: a\n- name: raw/b.c-d\n", ["a", "raw/b.c-d"]),
        ("assets:\n\n  # one\n  - name: 'a' # the first\n\n  - {name: \"b\", tags: [x]}\n", ["a", "b"]),
        ("assets:\n  - description: one\n    name: a\n  - {group: g, name: b}\n", ["a", "b"]),
        ("assets: [{name: a}, {group: g, name: b}]\n", ["a", "b"]),
        ("assets:\n  - name: a\n    checks: [{name: c, unique: [x]}]\n    connections:\n      - name: d\n", ["a"]),
        ("assets:\n  - group: g\n  - name:\n  - {}\n", []),
        ("connections:\n  - name: a\n", []),
        ("", []),
    ],
)
def test_names_at_a_glance(text: str, names: list[str]) -> None:
    """The name of each item of the list, in the styles that people write; not those of checks or connections."""
    assert list(vocabulary.names(text)) == names


@pytest.mark.parametrize(
    ("sort", "found"),
    [
        ("tag", ["k", "k=v", "x", "y"]),
        ("owner", ["Data Team", "me", "us", "you"]),
        ("group", ["g"]),
        ("kind", ["external", "page", "shell"]),
        ("path", ["assets.yml", "assets/a.yml"]),
        ("name", ["a", "b"]),
    ],
)
def test_other_words_at_a_glance(tmp_path: Path, sort: str, found: list[str]) -> None:
    """Lists in both styles, quotes, defaults, comments, included files."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets.yml").write_text(
        "version: 1\ninclude:\n  - assets/*.yml\n  - 'no/*.yml' # none yet\ndefaults: {owner: us}\nassets:\n"
        '  - name: a\n    tags:\n      - x\n      # and\n      - k=v\n    owner: "Data Team"  # who\n    group: g\n'
    )
    (tmp_path / "assets" / "a.yml").write_text(
        "assets:\n  - {name: b, tags: [x, 'y'], owner: [me, you], kind: page, command: {shell: 'true'}}\n"
    )
    assert vocabulary.words(str(tmp_path), "assets.yml", sort) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('include: ["a/*.yml", b.yml]\nassets:\n', ["a/*.yml", "b.yml"]),
        ("version: 1\ninclude:\n- a.yml\n# more\n- 'b.yml'\nvars: {}\n", ["a.yml", "b.yml"]),
        ("include: [\n  a.yml, # one\n  b.yml\n]\nstate: x\n", ["a.yml", "b.yml"]),
        ("assets: []\n", []),
    ],
)
def test_patterns(text: str, found: list[str]) -> None:
    """What a manifest includes, in the styles that people write."""
    assert vocabulary.patterns(text) == found
