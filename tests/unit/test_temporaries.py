"""How an output becomes one: real files, real folders, and processes that are killed at every point in between."""

from __future__ import annotations

import errno
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from assets_cli.computes.temporaries import places, put, settle, sync

CHANGES = ("rename", "unlink", "rmdir", "fsync", "open")
"""The calls before which a process may be killed: all that change something, and some more."""

Made = dict[str, str] | str | None
"""What is at a path: a folder of files, the text of a file, or nothing."""

CONTENTS: dict[str, tuple[Made, Made]] = {
    "a file where nothing is": (None, "new"),
    "a file for a file": ("old", "new"),
    "a file for a folder": ({"a": "old", "b/c": "old"}, "new"),
    "a folder where nothing is": (None, {"a": "new"}),
    "a folder for a file": ("old", {"a": "new", "d/e": "new"}),
    "a folder for a folder": ({"a": "old", "b/c": "old"}, {"a": "new", "d/e": "new"}),
    "a folder for an empty one": ({}, {"a": "new"}),
    "an empty folder for a folder": ({"a": "old"}, {}),
}


def make(path: str | Path, contents: Made) -> None:
    """Put something at a path."""
    if isinstance(contents, str):
        Path(path).write_text(contents)
    elif contents is not None:
        Path(path).mkdir()
        for name, text in contents.items():
            Path(path, name).parent.mkdir(exist_ok=True)
            Path(path, name).write_text(text)


def found(path: str | Path) -> Made:
    """What is at a path."""
    path = Path(path)
    if path.is_dir():
        return {str(each.relative_to(path)): each.read_text() for each in sorted(path.rglob("*")) if each.is_file()}
    return path.read_text() if path.exists() else None


def killed_at(point: int, work: Callable[[], object]) -> bool:
    """Let a child do something, and be killed before its n-th change; whether it came that far."""
    child = os.fork()
    if not child:
        left = [point]

        def counted(call: Callable[..., object]) -> Callable[..., object]:
            def instead(*arguments: object, **more: object) -> object:
                if not left[0]:
                    os.kill(os.getpid(), signal.SIGKILL)
                left[0] -= 1
                return call(*arguments, **more)

            return instead

        for name in CHANGES:
            setattr(os, name, counted(getattr(os, name)))
        try:
            work()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def names(folder: Path) -> list[str]:
    """The names in a folder."""
    return sorted(each.name for each in folder.iterdir())


@pytest.mark.parametrize("case", CONTENTS)
def test_it_takes_the_place_of_what_was_there(tmp_path: Path, case: str) -> None:
    """Files and folders, whichever was there; nothing is left beside."""
    old, new = CONTENTS[case]
    where = places(str(tmp_path / "x.csv"), "run")
    make(where.target, old)
    make(where.new, new)
    sync(where.new)
    assert put(where)
    assert found(where.target) == new
    assert names(tmp_path) == ["x.csv"]


@pytest.mark.parametrize("case", CONTENTS)
def test_killed_at_any_point_it_is_the_old_one_or_the_new_one(tmp_path: Path, case: str) -> None:
    """And once the new one is there it stays; a kill may come before any change, also while the old one is removed."""
    old, new = CONTENTS[case]
    point, seen = 0, []
    while True:
        folder = tmp_path / str(point)
        folder.mkdir()
        where = places(str(folder / "x.csv"), "run")
        make(where.target, old)
        make(where.new, new)
        was_killed = killed_at(point, lambda: put(where))  # noqa: B023 - called at once
        settle(where)
        assert found(where.target) in (old, new)
        assert [each for each in names(folder) if each != "x.csv"] == []
        seen.append(found(where.target) == new)
        if not was_killed:
            break
        point += 1
    assert point >= 2
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (False, True)


@pytest.mark.parametrize("case", CONTENTS)
def test_settling_may_be_killed_too(tmp_path: Path, case: str) -> None:
    """Whoever comes next goes on from there."""
    old, new = CONTENTS[case]
    for first in range(5):
        point = 0
        while True:
            folder = tmp_path / f"{first}-{point}"
            folder.mkdir()
            where = places(str(folder / "x.csv"), "run")
            make(where.target, old)
            make(where.new, new)
            killed_at(first, lambda: put(where))  # noqa: B023 - called at once
            was_killed = killed_at(point, lambda: settle(where))  # noqa: B023 - as above
            settle(where)
            assert found(where.target) in (old, new)
            assert [each for each in names(folder) if each != "x.csv"] == []
            if not was_killed:
                break
            point += 1


def test_what_cannot_be_put_there_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full in the middle of it."""
    where = places(str(tmp_path / "x"), "run")
    make(where.target, {"a": "old"})
    make(where.new, {"a": "new"})
    rename = os.rename

    def full(source: str, target: str) -> None:
        if source == where.new and os.path.lexists(where.old):
            raise OSError(errno.ENOSPC, "No space left on device")
        rename(source, target)

    monkeypatch.setattr(os, "rename", full)
    with pytest.raises(OSError, match="No space left on device"):
        put(where)
    assert found(where.target) == {"a": "old"}
    settle(where)
    assert names(tmp_path) == ["x"]


def test_somebody_else_puts_a_folder_there_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As another environment may that writes the same output: the last one wins, whole."""
    where, theirs = places(str(tmp_path / "x"), "run"), places(str(tmp_path / "x"), "another run")
    assert {where.new, where.old}.isdisjoint({theirs.new, theirs.old})
    for each, text in ((where, "new"), (theirs, "theirs")):
        make(each.new, {"a": text})
    make(where.target, {"a": "old"})
    rename, once = os.rename, [True]

    def interfere(source: str, target: str) -> None:
        if target == where.old and once.pop():
            once.append(False)
            rename(source, target)
            assert put(theirs)
            return
        rename(source, target)
        once[:] = [False]

    monkeypatch.setattr(os, "rename", interfere)
    assert put(where)
    assert found(where.target) == {"a": "new"}
    assert names(tmp_path) == ["x"]


@pytest.mark.parametrize("new", ["new", {"a": "new"}])
def test_a_pipe_is_never_replaced(tmp_path: Path, new: Made) -> None:
    """Nor would a device be, such as /dev/null."""
    where = places(str(tmp_path / "x"), "run")
    os.mkfifo(where.target)
    make(where.new, new)
    with pytest.raises(OSError, match="neither a file nor a folder is there"):
        put(where)
    assert Path(where.target).is_fifo()


def test_behind_a_symlink(tmp_path: Path) -> None:
    """The link stays, and what it leads to is replaced."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real/x.csv").write_text("old")
    (tmp_path / "link").symlink_to("real/x.csv")
    where = places(str(tmp_path / "link"), "run")
    make(where.new, "new")
    put(where)
    assert (tmp_path / "link").is_symlink()
    assert found(tmp_path / "real") == {"x.csv": "new"}


def test_an_old_one_that_is_a_tree_of_links_takes_nothing_with_it(tmp_path: Path) -> None:
    """What links in a folder lead to is not removed."""
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/file").write_text("kept")
    where = places(str(tmp_path / "x"), "run")
    make(where.target, {"a": "old"})
    Path(where.target, "link").symlink_to("../precious")
    make(where.new, {"a": "new"})
    assert put(where)
    assert found(tmp_path / "precious") == {"file": "kept"}


def test_an_old_one_that_cannot_be_removed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lies aside; the new one is in its place."""
    where = places(str(tmp_path / "x"), "run")
    make(where.target, {"a": "old"})
    make(where.new, {"a": "new"})
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
    assert not put(where)
    assert (found(where.target), found(where.old)) == ({"a": "new"}, {"a": "old"})


def test_the_names_of_places() -> None:
    """In the same folder, hidden, with the same ending, another one for each run and each output."""
    where = places("/data/raw.csv.gz", "run 1")
    assert where.target == "/data/raw.csv.gz"
    assert (str(Path(where.new).parent), str(Path(where.old).parent)) == ("/data", "/data")
    assert where.new.startswith("/data/.assets-new-")
    assert where.new.endswith("-raw.csv.gz")
    assert places("/data/raw.csv.gz", "run 1") == where
    assert places("/data/raw.csv.gz", "run 2").new != where.new
    assert places("/x", "run 1").new.startswith("/.assets-new-")
    assert places("/data/folder/", "run 1").target == "/data/folder"


@pytest.mark.parametrize("name", ["x" * 251 + ".csv", "é" * 125 + ".csv", "\udcff" * 255])
def test_a_long_name(tmp_path: Path, name: str) -> None:
    """As long as the file system takes, in bytes; it still ends as it did, and two that end alike do not collide."""
    where = places(str(tmp_path / name), "run")
    make(where.new, "new")
    put(where)
    assert found(tmp_path / name) == "new"
    assert where.new.endswith(name[-4:])
    assert places(str(tmp_path / ("y" + name[1:])), "run").new != where.new


def test_sync_reads_everything_and_follows_nothing(tmp_path: Path) -> None:
    """A folder with links, also broken ones, and a pipe is no obstacle; a file that is not there is one."""
    make(tmp_path / "x", {"a": "1", "b/c": "2"})
    (tmp_path / "x/broken").symlink_to("nowhere")
    (tmp_path / "x/around").symlink_to("..")
    os.mkfifo(tmp_path / "x/pipe")
    sync(str(tmp_path / "x"))
    with pytest.raises(FileNotFoundError):
        sync(str(tmp_path / "y"))


def test_settling_where_nothing_was_left(tmp_path: Path) -> None:
    """Is nothing."""
    make(tmp_path / "x", "old")
    settle(places(str(tmp_path / "x"), "run"))
    settle(places(str(tmp_path / "no/such/folder/x"), "run"))
    assert found(tmp_path / "x") == "old"
