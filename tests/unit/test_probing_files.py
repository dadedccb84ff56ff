"""The cache of file contents and its racy-clean rule."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from assets_cli.probing.files import SECOND, FileDigests, is_racy

NOW = 1_700_000_000 * SECOND


def sha(data: bytes) -> str:
    """The hex digest of bytes."""
    return hashlib.sha256(data).hexdigest()


def put(path: Path, data: str, mtime: int) -> None:
    """Write a file with an mtime."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("r+" if path.exists() else "w") as file:  # the same inode
        file.write(data)
        file.truncate()
    os.utime(path, ns=(mtime, mtime))


def clock(now: int) -> Callable[[], int]:
    """A clock that stands."""
    return lambda: now


@pytest.mark.parametrize(
    ("mtime", "racy"),
    [
        (NOW - 20_000_001, False),
        (NOW - 19_999_999, True),
        (NOW + 1, True),
        (NOW - SECOND, True),
        (NOW - 2 * SECOND, False),
    ],
)
def test_is_racy(mtime: int, racy: bool) -> None:
    """20 ms must lie between a write and a look that is trusted, two seconds where mtimes are whole seconds."""
    assert is_racy(mtime, NOW) is racy


def test_content_is_read_again_only_when_the_stat_moves(tmp_path: Path) -> None:
    """Equal size, mtime and inode, safely in the past, are trusted; a moved mtime is not."""
    put(tmp_path / "a", "one", NOW - SECOND + 1)
    files = FileDigests(tmp_path, clock(NOW))
    assert files.digest("a") == sha(b"one")
    put(tmp_path / "a", "two", NOW - SECOND + 1)
    assert files.digest("a") == sha(b"one")
    put(tmp_path / "a", "two", NOW - SECOND + 2)
    assert files.digest("a") == sha(b"two")


def test_a_racy_entry_is_read_again(tmp_path: Path) -> None:
    """A file written just before it was read may have been written again in the same tick."""
    put(tmp_path / "a", "one", NOW - 1)
    files = FileDigests(tmp_path, clock(NOW))
    assert files.digest("a") == sha(b"one")
    put(tmp_path / "a", "two", NOW - 1)
    assert files.digest("a") == sha(b"two")


def test_the_cache_outlives_the_process(tmp_path: Path) -> None:
    """What was read is known to the next one, without reading."""
    put(tmp_path / "a", "one", NOW - SECOND + 1)
    files = FileDigests(tmp_path, clock(NOW))
    files.digest("a")
    files.save()
    put(tmp_path / "a", "two", NOW - SECOND + 1)
    assert FileDigests(tmp_path, clock(NOW)).digest("a") == sha(b"one")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"version": 1}', '{"version":"0","files":{"a":[3,1,1,1,"x"]},"facts":{}}']
)
def test_a_foreign_cache_is_ignored(tmp_path: Path, text: str) -> None:
    """A cache that is corrupt, cut off or of another version is as good as none, and is replaced."""
    put(tmp_path / "a", "one", NOW - SECOND + 1)
    put(tmp_path / ".assets/cache/files.json", text, NOW)
    files = FileDigests(tmp_path, clock(NOW))
    assert files.digest("a") == sha(b"one")
    files.save()
    assert json.loads((tmp_path / ".assets/cache/files.json").read_text())["files"]["a"][4] == sha(b"one")


def test_nothing_is_written_when_nothing_changed(tmp_path: Path) -> None:
    """Saving an unchanged cache does not touch the disk; one that cannot be saved is silent."""
    FileDigests(tmp_path, clock(NOW)).save()
    assert list(tmp_path.iterdir()) == []
    put(tmp_path / "a", "one", NOW - SECOND + 1)
    (tmp_path / ".assets").write_text("in the way")
    files = FileDigests(tmp_path, clock(NOW))
    files.digest("a")
    files.save()
    assert (tmp_path / ".assets").read_text() == "in the way"


def test_facts_are_kept_by_content(tmp_path: Path) -> None:
    """A fact is computed once for equal bytes, whatever the file is called."""
    put(tmp_path / "a", "one", NOW - SECOND + 1)
    put(tmp_path / "b", "one", NOW - SECOND + 1)
    calls: list[bytes] = []

    def length(data: bytes) -> int:
        calls.append(data)
        return len(data)

    files = FileDigests(tmp_path, clock(NOW))
    found = [files.content_fact(name, "length", length) for name in ("a", "b")]
    assert found == [(sha(b"one"), 3)] * 2
    assert calls == [b"one"]


def test_a_pipe_is_not_read(tmp_path: Path) -> None:
    """Reading a pipe would wait forever."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        FileDigests(tmp_path, clock(NOW)).digest("pipe")
