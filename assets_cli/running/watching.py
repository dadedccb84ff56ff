"""Waits for files to change, in a thread of its own, and says so by a byte into a pipe.

The library `watchfiles` asks the system; where that cannot tell, as on network drives, it looks at them now and then,
as it also does with WATCHFILES_FORCE_POLLING set. Knows nothing of what the files are for.
"""

from __future__ import annotations

import os
from contextlib import suppress
from fnmatch import fnmatchcase
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

from assets_cli.model.upkeep import Watch

if TYPE_CHECKING:
    from watchfiles._rust_notify import RustNotify

_STEP_MS: Final = 500  # how often the library's thread wakes to see whether there is news: it has to be seldom
_DEBOUNCE_MS: Final = 1_000
_POLL_MS: Final = 30_000


def pipe() -> tuple[int, int]:
    """The ends of a pipe that nobody waits at and no child inherits."""
    ends = os.pipe()
    for end in ends:
        os.set_blocking(end, False)
    return ends


class Watcher:
    """Watches one set of files at a time."""

    def __init__(self) -> None:
        self.read_end, self._write_end = pipe()
        self.polls = False
        self._watch = Watch()
        self._stop = Event()
        self._folders: tuple[str, ...] = ()

    def watch(self, what: Watch) -> str | None:
        """Watch these from now on; why the system cannot tell of changes, where it cannot, said once."""
        self._watch = what
        if what.folders == self._folders:
            return None
        self._stop.set()
        self._stop, self._folders = Event(), what.folders
        why, notify = self._open(what)
        if notify is not None:
            Thread(target=self._run, args=(notify, self._stop), name="assets-watch", daemon=True).start()
        told, self.polls = self.polls, why is not None
        return None if told else why

    def take(self) -> bool:
        """Whether something has changed since this was asked last."""
        with suppress(BlockingIOError):
            return bool(os.read(self.read_end, 1_000))
        return False

    def close(self) -> None:
        """Watch nothing any more."""
        self._stop.set()

    def _open(self, what: Watch) -> tuple[str | None, RustNotify | None]:
        folders = [folder for folder in what.folders if os.path.isdir(folder)]  # noqa: PTH112 - texts
        try:
            from watchfiles._rust_notify import RustNotify  # it takes a tenth of a second and starts threads
        except ImportError as error:
            return f"the library watchfiles cannot be used: {error}", None
        forced = os.environ.get("WATCHFILES_FORCE_POLLING", "").lower() not in ("", "0", "false", "disable", "disabled")
        if not forced:
            try:
                return None, RustNotify(folders, False, False, 0, False, True)  # noqa: FBT003 - a foreign signature
            except (OSError, RuntimeError) as error:
                why = str(error)
        else:
            why = "WATCHFILES_FORCE_POLLING is set"
        try:
            return why, RustNotify(folders, False, True, _POLL_MS, False, True)  # noqa: FBT003 - as above
        except (OSError, RuntimeError) as error:
            return str(error), None

    def _run(self, notify: RustNotify, stop: Event) -> None:
        while not stop.is_set():
            try:
                found = notify.watch(_DEBOUNCE_MS, _STEP_MS, 0, stop)
            except (OSError, RuntimeError):
                return
            if not isinstance(found, str) and any(self._matters(path) for _, path in found):
                with suppress(OSError):
                    os.write(self._write_end, b"!")
        notify.close()

    def _matters(self, path: str) -> bool:
        watch = self._watch
        return path in watch.files or any(fnmatchcase(path, pattern) for pattern in watch.patterns)
