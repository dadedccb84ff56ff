"""Contents of files, read again only when there is a reason to: the cache of digests, and of facts about contents.

A file's content is taken from the cache while its (size, mtime, inode) stand and its mtime lies safely before the
moment of reading: git's racy-clean rule, since a write in the same tick of the clock would leave the same mtime.
Knows files by their path; knows nothing of assets, outputs or code.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG
from typing import Any, NamedTuple

from assets_cli import __version__

SECOND = 1_000_000_000
EMPTY = hashlib.sha256(b"").hexdigest()
CACHE_FILE = ".assets/cache/files.json"
_ATTEMPTS = 3
_MANY = 20_000
# Facts are found by our own code and by this Python's parser: another version of either may find others.
_VERSION = f"1/{__version__}/python{sys.version_info.major}.{sys.version_info.minor}"


class Content(NamedTuple):
    """What a file held: the hex digest of its bytes, the stat they belong to, and when reading began (ns)."""

    digest: str
    stat: os.stat_result
    taken: int


def is_racy(newest: int, taken: int) -> bool:
    """Whether a file with this mtime could have changed after it was looked at without moving its mtime (both ns).

    20 ms covers the ticks of kernels; an mtime of a whole second suggests a file system that counts in (two) seconds.
    """
    return newest + (2 * SECOND if newest % SECOND == 0 else 20_000_000) > taken


def kind_of_sql(data: bytes) -> str:
    """Whether an SQL text is the same with variables filled in."""
    return "variables" if b"${vars." in data else "plain"


def gate(stat: os.stat_result) -> str:
    """The cheap gate of one file: its size, mtime and inode."""
    return f"{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ino}"


def write_quietly(path: Path, document: Mapping[str, Any]) -> bool:
    """Replace a cache file at once or not at all; whether it worked. A cache that can't be written is no problem."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(document, separators=(",", ":")), encoding="utf-8")
        temporary.replace(path)
    except (OSError, ValueError):
        with suppress(OSError):
            temporary.unlink()
        return False
    return True


def read_quietly(path: Path) -> dict[str, Any]:
    """The document of a cache file; an empty one where it is missing, corrupt or no document of ours."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


class FileDigests:
    """Digests of files below `root` (or at absolute paths), and facts about contents, kept between calls on disk.

    A fact is a JSON value derived from contents alone, such as the imports of a Python source; it is keyed by digest,
    so it is never out of date. `now_ns` is the wall clock in nanoseconds. Threads may share one: each operation on
    its dictionaries is atomic, and two that compute the same thing store the same value.
    """

    def __init__(self, root: str | Path, now_ns: Callable[[], int], cache_file: Path | None = None) -> None:
        self.root = os.path.abspath(root)  # noqa: PTH100 - resolves no links: paths are shown as the user knows them
        self.now_ns = now_ns
        self._cache_file = cache_file or Path(self.root, CACHE_FILE)
        self._loaded: tuple[dict[str, list[Any]], dict[str, Any]] | None = None
        self._touched: set[str] = set()
        self._changed = False

    def full(self, path: str) -> str:
        """The path from the root of the file system."""
        return path if path.startswith("/") else f"{self.root}/{path}"

    def digest(self, path: str) -> str:
        """The sha256 of a regular file's bytes, in hex.

        Raises:
            OSError: it is missing, unreadable or no regular file.
        """
        return self.content(path, os.stat(self.full(path))).digest  # noqa: PTH116 - ten thousand times a plan

    def content(self, path: str, stat: os.stat_result) -> Content:
        """What a file holds whose stat was just taken.

        Raises:
            OSError: it is missing, unreadable or no regular file.
        """
        if not S_ISREG(stat.st_mode):
            message = "not a regular file"  # reading a pipe would wait forever
            raise OSError(message)
        if stat.st_size == 0:
            return Content(EMPTY, stat, self.now_ns())
        files = self._cache[0]
        entry = files.get(path)
        if (
            entry is not None
            and entry[1] == stat.st_mtime_ns
            and entry[0] == stat.st_size
            and entry[2] == stat.st_ino
            and not is_racy(entry[1], entry[3])
        ):
            self._touched.add(path)
            return Content(entry[4], stat, entry[3])
        return self._read(path)

    def _read(self, path: str) -> Content:
        for _ in range(_ATTEMPTS):
            with open(self.full(path), "rb", buffering=0) as file:  # noqa: PTH123 - as above
                taken = self.now_ns()
                before = os.fstat(file.fileno())
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                after = os.fstat(file.fileno())
            content = Content(digest, before, taken)
            if gate(before) == gate(after):
                self._cache[0][path] = [before.st_size, before.st_mtime_ns, before.st_ino, taken, digest]
                self._touched.add(path)
                self._changed = True
                break
        # One that is being written all the time has no content to speak of; what was read is not kept.
        return content

    def fact(self, key: str, compute: Callable[[], Any]) -> Any:
        """A fact about contents, computed unless it is known. `key` names its kind and the digest of the contents."""
        facts = self._cache[1]
        if key not in facts:
            self.keep(key, compute())
        self._touched.add(key)
        return facts[key]

    def content_fact(self, path: str, kind: str, compute: Callable[[bytes], Any]) -> tuple[str, Any]:
        """The digest of a file and a fact about exactly these bytes, also when the file is written meanwhile.

        Raises:
            OSError: it is missing, unreadable or no regular file.
        """
        digest = self.digest(path)
        key = f"{kind}:{digest}"
        facts = self._cache[1]
        if key not in facts:
            with open(self.full(path), "rb") as file:  # noqa: PTH123 - a string, as everywhere here
                data = file.read()
            digest = hashlib.sha256(data).hexdigest()
            key = f"{kind}:{digest}"
            self.keep(key, compute(data))
        self._touched.add(key)
        return digest, facts[key]

    @property
    def looked_at(self) -> list[str]:
        """The paths of all files whose contents were asked for, as they were asked for."""
        return [path for path in self._cache[0] if path in self._touched]

    def known(self, key: str) -> Any:
        """A fact, or None where it isn't known."""
        self._touched.add(key)
        return self._cache[1].get(key)

    def keep(self, key: str, value: Any) -> None:
        """Keep a fact. The value must survive JSON unchanged."""
        self._cache[1][key] = value
        self._touched.add(key)
        self._changed = True

    @property
    def facts(self) -> dict[str, Any]:
        """What is known of contents, wherever they lie: shared with who looks at the same project elsewhere."""
        return self._cache[1]

    def save(self) -> None:
        """Write the cache if anything in it changed. What was not asked for lately goes once it is most of it."""
        if not self._changed:
            return
        files, facts = (dict(each) for each in self._cache)
        if len(files) + len(facts) > _MANY + 4 * len(self._touched):
            files = {path: entry for path, entry in files.items() if path in self._touched}
            facts = {key: value for key, value in facts.items() if key in self._touched}
        write_quietly(self._cache_file, {"version": _VERSION, "files": files, "facts": facts})
        self._changed = False

    @property
    def _cache(self) -> tuple[dict[str, list[Any]], dict[str, Any]]:
        if self._loaded is None:
            document = read_quietly(self._cache_file)
            files, facts = document.get("files"), document.get("facts")
            if document.get("version") != _VERSION or not isinstance(files, dict) or not isinstance(facts, dict):
                files, facts = {}, {}
            self._loaded = ({path: entry for path, entry in files.items() if _is_entry(entry)}, facts)
        return self._loaded


def _is_entry(entry: Any) -> bool:
    return type(entry) is list and len(entry) == 5  # noqa: PLR2004 - the length of what `_read` writes
