"""A checkout of a commit in a folder of its own: every name is there at once, contents when somebody asks for them.

What the work tree has as the commit has it is read there and never copied, so that a repository full of data costs its
names. Submodules are laid out from the work tree's copy of them. Knows nothing of manifests.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from stat import S_ISREG
from typing import Final, NamedTuple

from assets_cli.model.problem import AssetsError
from assets_cli.repository.git import LINK, REGULAR, SUBMODULE, Blobs, Repository

POINTER: Final = b"version https://git-lfs.github.com/spec/v1\n"
_SMALL: Final = 1 << 22
"""Up to this size a file is looked at for line breaks that git converts."""


class _Blob(NamedTuple):
    """Where a file's contents are: in a repository, by its folder in the work tree, under an id."""

    repository: str
    sha: str


class Missing(NamedTuple):
    """A submodule whose files cannot be read: its path, and the commit of it that was recorded."""

    path: str
    commit: str


class Checkout:
    """One folder of a commit, laid out at `root`, which exists and is empty.

    `beside` is the folder of the work tree that holds the same files now, None where there is none. `missing` are
    submodules that could not be read.
    """

    def __init__(self, root: str, beside: str | None = None) -> None:
        self.root = os.path.realpath(root)
        self.missing: list[Missing] = []
        self._beside = beside
        self._blobs: dict[str, _Blob] = {}
        self._same: set[str] = set()
        self._filled: set[str] = set()
        self._readers: dict[str, Blobs] = {}
        self._empty: str | None = None

    def add(self, repository: Repository, commit: str, folder: str, below: str = "") -> bool:
        """Lay out a folder of a commit below a path; whether the commit has it."""
        entries = repository.files(commit, folder)
        if entries is None:
            return False
        compared = self._beside is not None and folder == repository.prefix
        differing = repository.differing(commit) if compared else None
        links: list[tuple[str, str]] = []
        folders: set[str] = set()
        for mode, sha, name in entries:
            path = f"{below}{name}"
            if mode == SUBMODULE:
                self._submodule(path, sha)
                continue
            above = path.rpartition("/")[0]
            if above not in folders:
                folders.add(above)
                os.makedirs(f"{self.root}/{above}", exist_ok=True)  # noqa: PTH103 - strings, for every file there is
            if mode == LINK:
                links.append((path, sha))
            elif mode in REGULAR:
                self._blobs[path] = _Blob(repository.folder, sha)
                if differing is not None and name not in differing:
                    self._same.add(path)
                self._name(f"{self.root}/{path}")
        # At last: so nothing is ever written through one.
        for path, sha in links:
            target = b"".join(self._reader(repository.folder).pieces(sha))
            with suppress(OSError, ValueError):
                os.symlink(target, os.fsencode(f"{self.root}/{path}"))  # noqa: PTH211 - bytes
        return True

    def _name(self, place: str) -> None:
        """Have an empty file at a place: a further name of one that is there, which costs a tenth of a new one."""
        if self._empty is not None:
            with suppress(OSError):  # it has as many names as it may have, or this file system gives it no other
                os.link(self._empty, place)
                return
        with suppress(FileExistsError):  # two names that are one to this file system
            os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            self._empty = place

    def _submodule(self, path: str, commit: str) -> None:
        """The files of a submodule, where the work tree has its repository and that the commit."""
        os.makedirs(f"{self.root}/{path}", exist_ok=True)  # noqa: PTH103 - as above
        here = f"{self._beside}/{path}" if self._beside is not None else ""
        if here and os.path.lexists(f"{here}/.git"):
            with suppress(AssetsError):  # git will not have it: as good as none
                inner = Repository(here)
                if inner.prefix == "" and inner.commit(commit) == commit and self.add(inner, commit, "", f"{path}/"):
                    return
        self.missing.append(Missing(path, commit))

    @property
    def paths(self) -> Mapping[str, object]:
        """The regular files that there are, relative to the root."""
        return self._blobs

    def find(self, path: str) -> str:
        """Where the contents of a file can be read, its path relative to the root; of others where they would be."""
        known = self._known(path)
        if known is None:
            return f"{self.root}/{path}"
        if not self.is_same(known):
            self.fill(known)
        return f"{self._beside}/{known}" if self.is_same(known) else f"{self.root}/{known}"

    def is_same(self, path: str) -> bool:
        """Whether the work tree has a file as the commit has it."""
        return path in self._same and _is_regular(f"{self._beside}/{path}")

    def fill(self, path: str) -> None:
        """Have the contents of a file at its place below the root, where it is one that has any."""
        known = self._known(path)
        if known is None or known in self._filled:
            return
        blob, place = self._blobs[known], f"{self.root}/{known}"
        os.unlink(place)  # noqa: PTH108 - it is a name of an empty file that has others
        if place == self._empty:
            self._empty = None
        with open(place, "xb") as file:  # noqa: PTH123 - a string, as everywhere here
            file.writelines(self._reader(blob.repository).pieces(blob.sha))
        self._filled.add(known)
        if known not in self._same and self._differs_in_breaks_alone(known):
            self._same.add(known)

    def close(self) -> None:
        """End what reads."""
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()

    def _known(self, path: str) -> str | None:
        """The path by which a file is known here, links followed; None where there is none, or it lies elsewhere."""
        if path in self._blobs:
            return path
        real = os.path.realpath(f"{self.root}/{path}")
        inside = real[len(self.root) + 1 :] if real.startswith(f"{self.root}/") else ""
        return inside if inside in self._blobs else None

    def _differs_in_breaks_alone(self, path: str) -> bool:
        """Whether the work tree's file is the same but for line breaks, which git may convert, or to the byte."""
        if self._beside is None:
            return False
        one, other = f"{self.root}/{path}", f"{self._beside}/{path}"
        try:
            if not _is_regular(other) or max(os.path.getsize(one), os.path.getsize(other)) > _SMALL:  # noqa: PTH202
                return False
            with open(one, "rb") as before, open(other, "rb") as now:  # noqa: PTH123 - as above
                texts = before.read(), now.read()
        except OSError:
            return False
        if texts[0] == texts[1] or b"\0" in texts[0]:
            return texts[0] == texts[1]
        return texts[0].replace(b"\r\n", b"\n") == texts[1].replace(b"\r\n", b"\n")

    def _reader(self, repository: str) -> Blobs:
        if repository not in self._readers:
            self._readers[repository] = Blobs(repository)
        return self._readers[repository]


def _is_regular(path: str) -> bool:
    try:
        return S_ISREG(os.lstat(path).st_mode)
    except (OSError, ValueError):
        return False


def pointed_at(path: str) -> str | None:
    """The sha256 of the contents that a file stands for as a pointer of Git LFS; None where it is none."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - as above
            head = file.read(1024)
    except OSError:
        return None
    if not head.startswith(POINTER):
        return None
    oid = next((line for line in head.splitlines() if line.startswith(b"oid sha256:")), b"")
    return oid.partition(b":")[2].decode("ascii", "replace") or None
