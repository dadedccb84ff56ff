"""Fingerprints of declared paths: files, folders, patterns."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets_cli.model.history import Fingerprint
from assets_cli.model.world import OutputProbe
from assets_cli.probing import paths
from assets_cli.probing.files import SECOND, FileDigests
from assets_cli.probing.paths import LEAVES, probe_path, stat_version

OLD = 1_600_000_000 * SECOND + 1
NOW = OLD + 100 * SECOND


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project beside which there is something else."""
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


def put(path: Path, text: str, mtime: int = OLD) -> None:
    """Write a file with an mtime."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, ns=(mtime, mtime))


def files_of(root: Path) -> FileDigests:
    """A cache with a clock that stands."""
    return FileDigests(root, lambda: NOW)


def probe(root: Path, path: str, recorded: Fingerprint | None = None) -> OutputProbe:
    """What is at a path."""
    return probe_path(path, recorded, files_of(root))


def taken(root: Path, path: str) -> Fingerprint:
    """The fingerprint of what is at a path."""
    found = probe(root, path).fingerprint
    assert found is not None
    return found


def test_a_file_is_its_content(root: Path) -> None:
    """The digest is that of the bytes, the gate size, mtime and inode."""
    put(root / "out/a.csv", "one")
    found = taken(root, "out/a.csv")
    inode = (root / "out/a.csv").stat().st_ino
    digest = f"sha256:{hashlib.sha256(b'one').hexdigest()}"
    assert found == Fingerprint(digest, f"3:{OLD}:{inode}", OLD, NOW)


def test_a_missing_path_is_missing(root: Path) -> None:
    """Neither a missing file, nor one below a file, nor a pattern without a match is there; an empty folder is."""
    put(root / "file", "x")
    (root / "empty").mkdir()
    states = {path: probe(root, path).state for path in ("no", "file/below", "*.csv", "empty", "empty/")}
    assert states == {
        "no": "missing",
        "file/below": "missing",
        "*.csv": "missing",
        "empty": "present",
        "empty/": "present",
    }


def test_the_recorded_fingerprint_stands_while_its_gate_does(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither file nor folder nor pattern is read while sizes, mtimes and inodes are those on record."""
    put(root / "d/a", "one")
    put(root / "d/b", "two")
    recorded = {path: taken(root, path) for path in ("d/a", "d", "d/*")}

    def unread(*_: object) -> None:
        pytest.fail("was read")

    monkeypatch.setattr(FileDigests, "content", unread)
    assert {path: probe(root, path, known).fingerprint for path, known in recorded.items()} == recorded


def test_a_racy_record_is_checked_by_content(root: Path) -> None:
    """A record taken in the tick of the write does not hide a second write; an equal content has an equal digest."""
    put(root / "a", "one", NOW - 1)
    recorded = taken(root, "a")
    with (root / "a").open("r+") as file:
        file.write("two")
    os.utime(root / "a", ns=(NOW - 1, NOW - 1))
    again = probe(root, "a", recorded).fingerprint
    assert again is not None
    assert again.stat == recorded.stat
    assert again.digest == f"sha256:{hashlib.sha256(b'two').hexdigest()}"


def test_an_empty_file_is_never_racy(root: Path) -> None:
    """Its size says that there is nothing to read."""
    put(root / "a", "", NOW)
    recorded = taken(root, "a")
    assert probe(root, "a", recorded).fingerprint is recorded


def test_touching_is_no_change(root: Path) -> None:
    """A moved mtime has the content read, which is the same."""
    put(root / "d/a", "one")
    file, folder = taken(root, "d/a"), taken(root, "d")
    os.utime(root / "d/a", ns=(OLD + 5, OLD + 5))
    now = [probe(root, "d/a", file).fingerprint, probe(root, "d", folder).fingerprint]
    assert [each and each.digest for each in now] == [file.digest, folder.digest]


def test_a_folder_is_names_and_contents_of_all_files(root: Path) -> None:
    """Another content, another name, a hidden file more: each is another digest; a file beside it is not."""
    put(root / "d/sub/a", "one")
    digests = [taken(root, "d").digest]
    put(root / "d/sub/a", "two", OLD + 1)
    digests.append(taken(root, "d").digest)
    (root / "d/sub/a").rename(root / "d/sub/b")
    digests.append(taken(root, "d").digest)
    put(root / "d/.hidden", "")
    digests.append(taken(root, "d").digest)
    assert len(set(digests)) == 4
    put(root / "e", "x")
    assert taken(root, "d").digest == digests[-1]
    assert all(digest.startswith("sha256-tree:") for digest in digests)


def test_a_pattern_is_what_it_matches(root: Path) -> None:
    """`**` goes down; what does not match does not count."""
    put(root / "d/x/a.csv", "one")
    before = taken(root, "d/**/*.csv")
    put(root / "d/x/a.txt", "one")
    assert taken(root, "d/**/*.csv").digest == before.digest
    put(root / "d/b.csv", "one")
    assert taken(root, "d/**/*.csv").digest != before.digest


def test_symlinks_in_a_folder(root: Path) -> None:
    """A link to a file is read; one to a folder counts by where it points, and may lead in a circle."""
    put(root / "data", "one")
    (root / "d").mkdir()
    (root / "d/link").symlink_to(root / "data")
    (root / "d/circle").symlink_to(root / "d")
    before = taken(root, "d").digest
    put(root / "data", "two", OLD + 1)
    assert taken(root, "d").digest != before


@pytest.mark.parametrize("path", ["link", "folder/a", "folder/*", "fol*/a"])
def test_a_relative_path_may_not_leave_through_a_symlink(root: Path, path: str) -> None:
    """Where it leads is not looked at; an absolute path is where the user wrote it to be."""
    put(root.parent / "outside/a", "one")
    (root / "link").symlink_to(root.parent / "outside/a")
    (root / "folder").symlink_to(root.parent / "outside")
    assert probe(root, path) == OutputProbe("unknown", detail=LEAVES)
    assert probe(root, str(root.parent / "outside/a")).state == "present"


def test_data_versions(root: Path) -> None:
    """By content, touching is no new version; by stat it is."""
    put(root / "a", "one")
    first = taken(root, "a")
    os.utime(root / "a", ns=(OLD + 5, OLD + 5))
    second = taken(root, "a")
    assert first.digest == second.digest
    assert stat_version(first) != stat_version(second)
    assert stat_version(first).startswith("stat:")


@given(names=st.permutations(["a", "b/c", "b.d", "é", "b/a b"]))
def test_the_order_of_files_does_not_matter(names: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    """However the files came to be there, the digest is the same."""
    root = tmp_path_factory.mktemp("order")
    for name in names:
        put(root / "d" / name, name)
    expected = "sha256-tree:" + paths._digest_of(
        [(name, "file", hashlib.sha256(name.encode()).hexdigest()) for name in sorted(names, key=os.fsencode)]
    )
    assert taken(root, "d").digest == expected
