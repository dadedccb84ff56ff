"""Asking git, by its plumbing: what a revision is, what is in it, and what of that the work tree still has.

Nothing in a repository is written, no lock is taken, no hook or monitor runs, nothing is fetched. What git refuses
becomes a problem in our words. Knows nothing of manifests.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from difflib import get_close_matches
from typing import IO, Final, NamedTuple

from assets_cli.model.problem import AssetsError, Problem

REGULAR: Final = ("100644", "100755", "100664")
LINK: Final = "120000"
SUBMODULE: Final = "160000"
_UNKNOWN: Final = 128
"""What git exits with where it cannot do what it was asked."""
_NO_SUCH: Final = 1
_SHA: Final = r"[0-9a-f]{40}([0-9a-f]{24})?\n?"
# A hook of git runs us with these, which are about the repository as it sees it from its own folder.
_OF_A_HOOK: Final = frozenset(
    (
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_LITERAL_PATHSPECS",
        "GIT_DIR",
        "GIT_INDEX_FILE",
        "GIT_INTERNAL_SUPER_PREFIX",
        "GIT_NAMESPACE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_WORK_TREE",
    )
)
_QUIETLY: Final = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
_MOST_NAMES: Final = 20_000
_FEW: Final = 100


class Entry(NamedTuple):
    """A file of a tree: its mode in git's digits, its object and its path, relative to the tree."""

    mode: str
    sha: str
    path: str


class Repository:
    """The repository that a folder of a work tree belongs to. `prefix` is the folder's path in it, `` at its top.

    Raises:
        AssetsError: there is no git program (A0901), no repository (A0902), or git will not have it (A0903).
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        code, out, said = self._ask("rev-parse", "--is-inside-work-tree", "--is-shallow-repository", "--show-prefix")
        inside, _, rest = out.partition(b"\n")
        shallow, _, prefix = rest.partition(b"\n")
        if code and "not a git repository" not in said and "must be run in a work tree" not in said:
            raise AssetsError(_refused(said, folder))
        if code or inside != b"true":
            hint = "compare with a folder that holds the other state of the project: assets diff ../before"
            raise AssetsError(Problem("A0902", f"'{folder}' is in no work tree of a git repository", hint=hint))
        self.is_shallow = shallow == b"true"
        self.prefix = os.fsdecode(prefix[:-1]).rstrip("/")

    # -- revisions -------------------------------------------------------------------------------------------------

    def commit(self, revision: str) -> str | None:
        """The id of the commit that a revision names; None where it names none."""
        if not revision or revision.startswith(("-", "^")) or "\0" in revision:
            return None
        code, out, _ = self._ask("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
        found = out.decode("ascii", "replace")
        return found.strip() if code == 0 and re.fullmatch(_SHA, found) else None

    def require(self, revision: str) -> str:
        """The id of the commit that a revision names.

        Raises:
            AssetsError: there is none (A0905), or no commit at all (A0904).
        """
        found = self.commit(revision)
        if found is not None:
            return found
        if self.commit("HEAD") is None and not self._names():
            message = "the repository has no commit yet: there is nothing to compare with"
            raise AssetsError(Problem("A0904", message, hint="commit what there is, or compare with a folder"))
        raise AssetsError(Problem("A0905", f"no revision is named '{_shown(revision)}'", hint=self._nearest(revision)))

    def merge_base(self, revision: str) -> str:
        """The commit from which the work tree and a revision went different ways.

        Raises:
            AssetsError: as `require`, or there is no such commit here (A0906).
        """
        other, head = self.require(revision), self.require("HEAD")
        code, out, said = self._ask("merge-base", other, head)
        if code == 0:
            return out.split(b"\n", 1)[0].decode("ascii")
        if code != _NO_SUCH:
            raise AssetsError(_refused(said, self.folder))
        message = f"'{_shown(revision)}' and HEAD have no commit in common here"
        hint = (
            _DEEPER if self.is_shallow else f"their histories are unrelated; compare with it as it stands: {revision}"
        )
        raise AssetsError(Problem("A0906", message, hint=hint))

    def _names(self) -> list[str]:
        """The names of branches and tags, as people type them."""
        command = ("for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/tags", "refs/remotes")
        return self._ask(*command)[1].decode("utf-8", "replace").splitlines()[:_MOST_NAMES]

    def _nearest(self, revision: str) -> str:
        names = self._names()
        last = revision.rpartition("/")[2]
        same = [name for name in names if last and name.rpartition("/")[2] == last]
        close = same or get_close_matches(revision, names, n=3, cutoff=0.5)
        if close:
            return f"did you mean {' or '.join(close[:3])}?"
        if self.is_shallow:
            return _DEEPER
        some = ", ".join(names[:8])
        return f"branches and tags here: {some}" if some else "name a branch, a tag, a commit, or a folder"

    # -- what is in them -------------------------------------------------------------------------------------------

    def files(self, commit: str, folder: str = "") -> tuple[Entry, ...] | None:
        """All files below a folder of a commit, which is relative to the top; None where it has no such folder."""
        code, out, said = self._ask("ls-tree", "-r", "-z", "--full-tree", f"{commit}:{folder}")
        if code:
            if "Not a valid object name" in said or "not a tree object" in said:
                return None
            raise AssetsError(_refused(said, self.folder))
        found = []
        for record in out.split(b"\0")[:-1]:
            about, _, path = record.partition(b"\t")
            mode, _, sha = about.decode("ascii").split(" ")[:3]
            name = os.fsdecode(path)
            if {"", ".", "..", ".git"}.isdisjoint(name.split("/")):  # what no honest tree has
                found.append(Entry(mode, sha, name))
        return tuple(found)

    def differing(self, commit: str) -> frozenset[str]:
        """The files below the folder that are not in the work tree as a commit has them, as far as can be seen.

        What is not among them is the same to the byte, but for what git itself converts. Paths are relative to it.
        """
        command = ("diff-index", "-z", "--no-renames", "--no-ext-diff", "--ignore-submodules=all", "--name-only")
        code, out, said = self._ask(*command, "--relative", commit, "--", ".")
        if code:
            raise AssetsError(_refused(said, self.folder))
        return frozenset(map(os.fsdecode, out.split(b"\0")[:-1]))

    def ignored(self, paths: Collection[str]) -> frozenset[str]:
        """Those of these paths, relative to the folder, that git was told to ignore."""
        if not paths:
            return frozenset()
        # Each begins with `./`: what begins with a colon would be a pattern.
        given = b"".join(b"./" + os.fsencode(path) + b"\0" for path in paths)
        code, out, _ = self._ask("check-ignore", "-z", "--stdin", given=given)
        if code == _UNKNOWN and 1 < len(paths) <= _FEW:  # of one of them it will say nothing, such as in a submodule
            return frozenset().union(*(self.ignored([path]) for path in paths))
        return frozenset(os.fsdecode(path)[2:] for path in out.split(b"\0")[:-1])

    def named(self, commit: str, names: Collection[str]) -> list[str]:
        """The paths in a commit, relative to the top, whose last part is one of these names."""
        return sorted(each.path for each in self.files(commit) or () if each.path.rpartition("/")[2] in names)

    def _ask(self, *words: str, given: bytes | None = None) -> tuple[int, bytes, str]:
        """What git answers: its exit code, what it wrote, and what it said besides."""
        try:
            done = subprocess.run(
                [*_git(self.folder), *words],
                input=given,
                stdin=None if given is not None else subprocess.DEVNULL,
                capture_output=True,
                env=environment(),
                check=False,
            )
        except FileNotFoundError:
            raise AssetsError(_no_program()) from None
        except PermissionError as error:
            raise AssetsError(_refused(error.strerror or str(error), self.folder)) from None
        return done.returncode, done.stdout, done.stderr.decode("utf-8", "replace")


class Blobs:
    """Contents of objects, one after the other, by one process of git that lasts as long as this is open."""

    def __init__(self, folder: str) -> None:
        self._process = subprocess.Popen(
            [*_git(folder), "cat-file", "--batch"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(),
        )

    def pieces(self, sha: str) -> Iterator[bytes]:
        """The contents of an object, piece by piece; all of them must be taken.

        Raises:
            AssetsError: the repository has not got it (A0910).
        """
        to, out = self._process.stdin, self._process.stdout
        assert to is not None  # noqa: S101 - for mypy: both are pipes
        assert out is not None  # noqa: S101 - as above
        head = b""
        with suppress(OSError):  # it died: there is nothing to read either
            to.write(f"{sha}\n".encode("ascii"))
            to.flush()
            head = out.readline()
        words = head.split()
        if len(words) != 3 or words[1] != b"blob":  # noqa: PLR2004 - object, kind and size
            raise AssetsError(_lost(sha))
        yield from _exactly(out, int(words[2]), sha)
        out.read(1)  # a line break

    def close(self) -> None:
        """End the process."""
        with suppress(OSError):
            self._process.communicate()


def _exactly(out: IO[bytes], size: int, sha: str) -> Iterator[bytes]:
    left = size
    while left:
        piece = out.read(min(left, 1 << 20))
        if not piece:
            raise AssetsError(_lost(sha))
        left -= len(piece)
        yield piece


def environment() -> dict[str, str]:
    """The environment of every call: ours, without what a hook says of its repository, and without leave to write."""
    return {**{name: value for name, value in os.environ.items() if name not in _OF_A_HOOK}, **_QUIETLY}


def _git(folder: str) -> Sequence[str]:
    return ("git", "-C", folder, "-c", "core.fsmonitor=false", "-c", "core.quotePath=false", "--no-pager")


_DEEPER: Final = (
    "this clone holds only part of the history: git fetch --unshallow, or fetch-depth: 0 of actions/checkout; "
    "a branch that is not here: git fetch origin BRANCH"
)


def _no_program() -> Problem:
    hint = "install git, or compare with a folder that holds the other state of the project"
    return Problem("A0901", "there is no program git", hint=hint)


def _refused(said: str, folder: str) -> Problem:
    first = next((line for line in said.splitlines() if line.strip()), "it gave no reason")
    reason = first.removeprefix("fatal: ").removeprefix("error: ").rstrip(".")
    hint = "the reason is git's own"
    if "dubious ownership" in said:
        hint = (
            f"the folder belongs to somebody else; if you trust it: git config --global --add safe.directory {folder}"
        )
    return Problem("A0903", f"git refuses: {_shown(reason)}", hint=hint)


def _lost(sha: str) -> Problem:
    hint = "a partial clone leaves contents out: git fetch --refetch --no-filter; git fsck tells of other losses"
    return Problem("A0910", f"the repository has not got object {sha[:12]}", hint=hint)


def _shown(text: str) -> str:
    return text.replace("\n", " ")[:120]
