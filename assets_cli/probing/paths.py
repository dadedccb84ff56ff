"""What is at a declared output path: a file, a directory or a glob, as one fingerprint; and whether it may be there.

Knows nothing of assets, tables or history.
"""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from stat import S_ISDIR, S_ISLNK, S_ISREG
from typing import NamedTuple, Self

from assets_cli.model.history import Fingerprint
from assets_cli.model.problem import system_reason
from assets_cli.model.world import OutputProbe
from assets_cli.probing.files import EMPTY, FileDigests, gate, is_racy

FILE, TREE = "sha256", "sha256-tree"
LEAVES = "it leaves the project through a symlink"
_EMPTY_FILE = f"{FILE}:{EMPTY}"
_MISSING = OutputProbe("missing")


class Walls:
    """Where the project ends, for one look: the real folder of each path is resolved once."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._root = _real_root(root)
        self._folders: dict[str, bool] = {}

    def contain(self, full: str) -> bool:
        """Whether the real path of something below the root is below the real root too."""
        real = os.path.realpath(full)
        return real == self._root or real.startswith(self._root.rstrip("/") + "/")

    def contain_folder_of(self, full: str) -> bool:
        """Whether the folder that a path is in really is inside."""
        folder = full[: full.rfind("/")]
        known = self._folders.get(folder)
        if known is None:
            known = self._folders[folder] = self._is_plainly_inside(folder) or self.contain(folder)
        return known

    def _is_plainly_inside(self, folder: str) -> bool:
        """Whether a folder is below the root without a link on the way: the common case, at a look for each step."""
        path = self.root
        if folder == path:
            return True
        if not folder.startswith(f"{path}/"):
            return False
        for part in folder[len(path) + 1 :].split("/"):
            path = f"{path}/{part}"
            try:
                if part == ".." or not S_ISDIR(os.lstat(path).st_mode):
                    return False
            except OSError:
                return False
        return True


@lru_cache(maxsize=8)
def _real_root(root: str) -> str:
    """Where a project really is: it does not move while we work in it."""
    return os.path.realpath(root)


def probe_path(path: str, recorded: Fingerprint | None, files: FileDigests, walls: Walls | None = None) -> OutputProbe:
    """What is at a declared path (relative to the root of `files`, or absolute), its variables filled in.

    The recorded fingerprint is the answer, without reading, while its gate stands and can be trusted. A directory is
    the names and contents of all files in it, hidden ones too; a pattern those of the files that it matches. An empty
    directory is there; a pattern without a match is missing.
    """
    if path.startswith("/"):
        full, walls = path.rstrip("/"), None  # the user wrote that it is elsewhere
    else:
        full, walls = f"{files.root}/{path.rstrip('/')}", walls or Walls(files.root)
    try:
        if "*" in path or "?" in path or "[" in path:
            return _probe_glob(path, recorded, files, walls)
        if walls is not None and not walls.contain_folder_of(full):
            return OutputProbe("unknown", detail=LEAVES)
        stat = os.lstat(full)  # one call where it is no link: ten thousand times a plan
        if S_ISLNK(stat.st_mode):
            if walls is not None and not walls.contain(full):
                return OutputProbe("unknown", detail=LEAVES)
            stat = os.stat(full)  # noqa: PTH116 - strings, ten thousand times a plan
        if S_ISREG(stat.st_mode):
            return _probe_file(path, stat, recorded, files)
        if S_ISDIR(stat.st_mode):
            return _probe_tree(_walk(full, ""), full, recorded, files)
    except (FileNotFoundError, NotADirectoryError):
        return _MISSING
    except OSError as error:
        return OutputProbe("unknown", detail=f"it cannot be read: {system_reason(error)}")
    return OutputProbe("present", Fingerprint("exists:special"))  # a device or a pipe has no content to compare


class Glance:
    """Looks at many files of a project, one call of the system for each; a context, which holds its folder open."""

    def __init__(self, walls: Walls) -> None:
        self._walls = walls
        self._root: int | None = None
        self._inside: dict[str, bool] = {}

    def __enter__(self) -> Self:
        with suppress(OSError):
            self._root = os.open(self._walls.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return self

    def __exit__(self, *_: object) -> None:
        if self._root is not None:
            os.close(self._root)
            self._root = None

    def is_as_left(self, path: str, digest: str, gate_then: str, taken: int) -> bool:
        """Whether what is at a declared path is plainly the file of a recorded fingerprint. False says nothing."""
        folder = path[: path.rfind("/") + 1]
        if self._root is None or not (self._inside.get(folder) or self._is_inside(folder)):
            return False
        try:
            stat = os.lstat(path, dir_fd=self._root)
        except (OSError, ValueError):
            return False
        return S_ISREG(stat.st_mode) and _is_as_left(stat, digest, gate_then, taken)

    def _is_inside(self, folder: str) -> bool:
        """Whether a folder, with a slash at its end, is inside; or elsewhere, since the user wrote so."""
        inside = folder[:1] == "/" or self._walls.contain_folder_of(f"{self._walls.root}/{folder}")
        self._inside[folder] = inside
        return inside


def stat_version(fingerprint: Fingerprint) -> str:
    """The data version that a fingerprint of a path gives by sizes, mtimes and inodes alone."""
    return f"stat:{hashlib.sha256((fingerprint.stat or fingerprint.digest).encode()).hexdigest()}"


def _probe_file(path: str, stat: os.stat_result, recorded: Fingerprint | None, files: FileDigests) -> OutputProbe:
    if recorded is not None and _is_as_left(stat, recorded.digest, recorded.stat, recorded.taken):
        return OutputProbe("present", recorded)
    content = files.content(path, stat)
    return OutputProbe(
        "present",
        Fingerprint(f"{FILE}:{content.digest}", gate(content.stat), content.stat.st_mtime_ns, content.taken),
    )


def _is_as_left(stat: os.stat_result, digest: str, gate_then: str | None, taken: int) -> bool:
    """Whether a regular file is the one of a recorded fingerprint, by its gate."""
    return (
        gate_then == f"{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ino}"
        and digest.startswith("sha256:")
        # No write can hide in an empty file: its size would move.
        and (digest == _EMPTY_FILE or not is_racy(stat.st_mtime_ns, taken))
    )


class _Entry(NamedTuple):
    """One file of a tree. `link` is where a symlink points that leads to a directory or to nothing."""

    name: str
    stat: os.stat_result
    link: str | None = None


def _walk(folder: str, prefix: str) -> Iterator[_Entry]:
    with os.scandir(folder) as entries:
        found = list(entries)
    for entry in found:
        name = prefix + entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path, name + "/")
        else:
            yield _entry(name, entry.path)


def _entry(name: str, full: str) -> _Entry:
    stat = os.lstat(full)
    if not S_ISLNK(stat.st_mode):
        return _Entry(name, stat)
    try:
        behind = os.stat(full)  # noqa: PTH116
    except OSError:
        return _Entry(name, stat, os.readlink(full))  # noqa: PTH115
    if S_ISDIR(behind.st_mode):
        # Not followed: it may lead in a circle, or to half the disk.
        return _Entry(name, stat, os.readlink(full))  # noqa: PTH115
    return _Entry(name, behind)


def _probe_glob(path: str, recorded: Fingerprint | None, files: FileDigests, walls: Walls | None) -> OutputProbe:
    entries: dict[str, _Entry] = {}
    base = "/" if path.startswith("/") else files.root
    matched = glob.glob(path.rstrip("/"), root_dir=files.root, recursive=True)  # noqa: PTH207 - takes a root
    if not matched:
        return _MISSING
    for match in matched:
        name = match.strip("/") if base == "/" else match.rstrip("/")
        full = f"{base.rstrip('/')}/{name}"
        if walls is not None and not walls.contain_folder_of(full):
            return OutputProbe("unknown", detail=LEAVES)
        entry = _entry(name, full)
        if entry.link is not None or os.path.islink(full):  # noqa: PTH114
            if walls is not None and not walls.contain(full):
                return OutputProbe("unknown", detail=LEAVES)
            entries[name] = entry
        elif S_ISDIR(entry.stat.st_mode):
            entries.update({found.name: found for found in _walk(full, name + "/")})
        else:
            entries[name] = entry
    return _probe_tree(entries.values(), base, recorded, files)


def _probe_tree(found: Iterable[_Entry], base: str, recorded: Fingerprint | None, files: FileDigests) -> OutputProbe:
    taken = files.now_ns()
    entries = sorted(found, key=lambda entry: os.fsencode(entry.name))
    newest = max((entry.stat.st_mtime_ns for entry in entries), default=0)
    stat = _digest_of((entry.name, gate(entry.stat), entry.link or "") for entry in entries)
    if (
        recorded is not None
        and recorded.stat == stat
        and recorded.algorithm == TREE
        and not is_racy(recorded.newest, recorded.taken)
    ):
        return OutputProbe("present", recorded)
    base = base.rstrip("/")
    relative = base == files.root or base.startswith(files.root + "/")
    parts = []
    for entry in entries:
        if entry.link is not None:
            parts.append((entry.name, "link", entry.link))
        elif S_ISREG(entry.stat.st_mode):
            full = f"{base}/{entry.name}"
            content = files.content(full[len(files.root) + 1 :] if relative else full, entry.stat)
            parts.append((entry.name, "file", content.digest))
        else:
            parts.append((entry.name, "special", ""))
    return OutputProbe("present", Fingerprint(f"{TREE}:{_digest_of(parts)}", stat, newest, taken))


def _digest_of(rows: Iterable[tuple[str, ...]]) -> str:
    digest = hashlib.sha256()
    for row in rows:
        for field in row:
            data = os.fsencode(field)
            digest.update(b"%d:%b;" % (len(data), data))
    return digest.hexdigest()
