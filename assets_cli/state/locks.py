"""Locks between processes: who is at work on which asset, which database, which run. Knows nothing of SQL or plans.

Kernel locks (`flock`) on files that are never deleted, since a deleted one could be held by one process and made anew
by another. The kernel frees them when the last descriptor is closed, however its owners died, and a child that
inherited the descriptor keeps the lock: so an asset stays locked until a killed coordinator's commands are gone too.
Linux and macOS. On a network file system `flock` may hold within one machine only, or not at all: no guarantee there.

Locks of one call are always taken in the order of their keys, whoever calls: so nobody waits in a circle.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from assets_cli.model.problem import AssetsError, Problem

_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.1  # seconds
_HOLDER_BYTES = 1_000
_GROUP_BYTES = 20
_SHARED = "a step that reads it"
_UNNAMED = "another process"


class LockRequest(NamedTuple):
    """One lock to take: `exclusive` to change what the key stands for, shared to read it."""

    key: str
    exclusive: bool


class Waited(NamedTuple):
    """A lock is held by somebody else: who that is, in words, and how many seconds to wait before the next try.

    `pool` is the name of the pool where it is a slot that is missing.
    """

    holder: str
    pause: float
    pool: str | None = None


class Held:
    """Locks that are held until `release`, or until this process and all that inherited the descriptors are gone."""

    __slots__ = ("_descriptors", "_holder", "_signed")

    def __init__(self, descriptors: Sequence[int], signed: Sequence[int] = (), holder: str = "") -> None:
        self._descriptors = tuple(descriptors)
        self._signed = tuple(signed)
        self._holder = holder

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What to hand to a child by `pass_fds`, so that the locks outlive us; empty after `release`."""
        return self._descriptors

    def name_group(self, group: int) -> None:
        """Write into the locks that are ours alone which process group works under them: see `group_of`."""
        for descriptor in self._signed:
            _sign(descriptor, self._holder, group)

    def join(self, other: Held) -> Held:
        """Both as one; they themselves hold nothing any more."""
        both = Held(
            (*self._descriptors, *other._descriptors), (*self._signed, *other._signed), self._holder or other._holder
        )
        self._descriptors = self._signed = other._descriptors = other._signed = ()
        return both

    def release(self) -> None:
        """Unlock explicitly, also for children that still hold the descriptors, and close. Twice is once."""
        descriptors, self._descriptors, self._signed = self._descriptors, (), ()
        for descriptor in reversed(descriptors):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_UN)
            finally:
                os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def asset_key(environment: str, asset: str, partition: str = "") -> str:
    """The key of one asset (or one slice of it) in one environment; its parts are kept apart, so that none collide."""
    return f"asset\x1f{environment}\x1f{asset}\x1f{partition}"


def database_key(path: str | Path) -> str:
    """The key of a file database, by its real path: links to it are the same database."""
    return f"database\x1f{os.path.realpath(path)}"


def run_key(run: str) -> str:
    """The key of one run, held as long as its coordinator lives."""
    return f"run\x1f{run}"


def up_key(environment: str) -> str:
    """The key of keeping one environment: the lease of `assets up`."""
    return f"up\x1f{environment}"


def folder_for(state: Path) -> Path:
    """Where the locks of a state file are: `locks` in its `.assets`, or `FILE-locks` beside a file put elsewhere.

    They go with the state file, not with the project: runs of two checkouts that share a history see each other.
    """
    real = Path(os.path.realpath(state))
    return real.with_name("locks") if real.parent.name == ".assets" else real.with_name(f"{real.name}-locks")


def _never() -> bool:
    return False


class LockService:
    """The locks of one folder, which is made when the first lock is taken. Safe to use from many threads."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._files: dict[str, str] = {}

    def acquire(
        self,
        requests: Sequence[LockRequest],
        *,
        holder: str,
        on_wait: Callable[[str], None] | None = None,
        cancelled: Callable[[], bool] = _never,
    ) -> Held | None:
        """Take all the locks, waiting for those that are held elsewhere: `acquiring`, with sleeps for the pauses.

        Args:
            requests: what to lock, in any order.
            holder: who we are, for those who will wait for us: `run 2026… (pid 123), materializing orders`.
            on_wait: told once for each holder that we wait for.
            cancelled: asked while waiting; when it says yes, everything is released.

        Returns:
            What is held, or None when `cancelled` said yes.

        Raises:
            AssetsError: the folder cannot be written, or its file system has no locks.
        """
        taking = self.acquiring(requests, holder=holder)
        told: set[str] = set()
        try:
            while True:
                waited = next(taking)
                if waited.holder not in told and on_wait is not None:
                    told.add(waited.holder)
                    on_wait(waited.holder)
                if cancelled():
                    return None
                time.sleep(waited.pause)
        except StopIteration as done:
            held: Held = done.value
            return held
        finally:
            taking.close()

    def acquiring(self, requests: Sequence[LockRequest], *, holder: str) -> Generator[Waited, None, Held]:
        """Take all the locks, step by step: each time that one is held elsewhere, say by whom and what to wait.

        A key asked twice is exclusive if either is. Whoever closes the generator before its end holds nothing.

        Raises:
            AssetsError: the folder cannot be written, or its file system has no locks.
        """
        wanted: dict[str, bool] = {}
        for key, exclusive in requests:
            wanted[key] = exclusive or wanted.get(key, False)
        taken: list[int] = []
        signed: list[int] = []
        try:
            for key in sorted(wanted):
                exclusive = wanted[key]
                descriptor = self._open(key, exclusive=exclusive)
                taken.append(descriptor)
                if not _try(descriptor, exclusive=exclusive):
                    yield from _wait(descriptor, exclusive=exclusive)
                if exclusive:
                    _sign(descriptor, holder)
                    signed.append(descriptor)
        except OSError as error:
            Held(taken).release()
            raise AssetsError(self._problem(error)) from error
        except BaseException:
            Held(taken).release()
            raise
        return Held(taken, signed, holder)

    def attempt(self, requests: Sequence[LockRequest], *, holder: str) -> Held | Waited:
        """Take all the locks at once, or none: then say who holds the first that could not be had.

        Raises:
            AssetsError: as `acquiring`.
        """
        taking = self.acquiring(requests, holder=holder)
        try:
            return next(taking)
        except StopIteration as done:
            held: Held = done.value
            return held
        finally:
            taking.close()

    def wait_alone(self, key: str, *, holder: str) -> Held:
        """Have one lock alone, however long that takes; the kernel wakes us when its holder lets go or is gone.

        Raises:
            AssetsError: as `acquire`.
        """
        descriptor = -1
        try:
            descriptor = self._open(key, exclusive=True)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            _sign(descriptor, holder)
        except OSError as error:
            raise AssetsError(self._problem(error)) from error
        except BaseException:
            os.close(descriptor)
            raise
        return Held((descriptor,), (descriptor,), holder)

    def hold_run(self, run: str) -> Held:
        """Hold a run's own lock: everybody else sees the run as alive until it is released or this process dies.

        Take it before the run is recorded, since a recorded run whose lock is free counts as dead. Never hand its
        descriptor to a child: a run is as alive as its coordinator, whatever commands it left behind.

        Raises:
            AssetsError: as `acquire`.
        """
        held = self.acquire([LockRequest(run_key(run), exclusive=True)], holder=f"run {run} (pid {os.getpid()})")
        assert held is not None  # noqa: S101 - for mypy: nothing cancels this
        return held

    def is_run_alive(self, run: str) -> bool:
        """Whether a coordinator holds the run's lock. Writes nothing; works in a folder that is read-only.

        A lock file that we may not open counts as held: a run must never be taken for dead while it works.
        """
        return bool(self.is_held(run_key(run)))

    def is_held(self, key: str) -> bool | None:
        """Whether somebody holds a lock alone; None where nobody ever held it. Writes nothing.

        One that we may not open counts as held.
        """
        try:
            descriptor = os.open(self._file(key), os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError:
            return True
        try:
            return not _try(descriptor, exclusive=False)
        except OSError:
            return True
        finally:
            os.close(descriptor)

    def group_of(self, key: str) -> int | None:
        """The process group that works, or worked last, under a lock that its holder had alone; None where none did."""
        try:
            descriptor = os.open(self._file(key), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            _, _, rest = os.pread(descriptor, _HOLDER_BYTES + _GROUP_BYTES, 0).partition(b"\n")
        finally:
            os.close(descriptor)
        group = rest.partition(b"\n")[0]
        return int(group) if group.isdigit() and int(group) > 1 else None

    @contextmanager
    def try_database(self, path: str | Path, seconds: float) -> Iterator[str | None]:
        """Hold a file database for a look at it, but wait no longer than `seconds`.

        Yields:
            None while we hold it, and where locks cannot be had at all (a read-only project): go on without. Else the
            text of the holder, who keeps it: leave the database alone.
        """
        deadline = time.monotonic() + seconds
        holders: list[str] = []
        held: Held | None = None
        try:
            held = self.acquire(
                [LockRequest(database_key(path), exclusive=True)],
                holder=f"a look at the project (pid {os.getpid()})",
                on_wait=holders.append,
                cancelled=lambda: time.monotonic() >= deadline,
            )
        except AssetsError:
            holders.clear()
        try:
            yield holders[-1] if held is None and holders else None
        finally:
            if held is not None:
                held.release()

    def _file(self, key: str) -> str:
        file = self._files.get(key)
        if file is None:
            # surrogateescape: file names that are no UTF-8 are still file names.
            digest = sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:32]
            file = self._files[key] = f"{self.directory}/{digest}"
        return file

    def _open(self, key: str, *, exclusive: bool) -> int:
        file = self._file(key)
        # Descriptors are close-on-exec: only a child that is handed one by pass_fds inherits the lock.
        flags = (os.O_RDWR if exclusive else os.O_RDONLY) | os.O_CREAT | os.O_CLOEXEC
        try:
            return os.open(file, flags, 0o666)
        except FileNotFoundError:
            self.directory.mkdir(parents=True, exist_ok=True)
            return os.open(file, flags, 0o666)
        except OSError:
            # Another user's file: enough to lock it, though not to write our name into it.
            with suppress(FileNotFoundError):
                return os.open(file, os.O_RDONLY | os.O_CLOEXEC)
            raise

    def _problem(self, error: OSError) -> Problem:
        hint = "check the permissions of the folder; it must be on a local disk, where file locks work"
        if error.errno in (errno.EMFILE, errno.ENFILE):
            hint = (
                "raise the limit of open files, as with `ulimit -n 4096`: a step holds a lock for each of its upstreams"
            )
        return Problem("A0508", f"cannot take a lock in {self.directory}: {error.strerror or error}", hint=hint)


def _try(descriptor: int, *, exclusive: bool) -> bool:
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait(descriptor: int, *, exclusive: bool) -> Generator[Waited, None, None]:
    """Poll until the lock is ours, with longer and longer pauses."""
    pause = _FIRST_PAUSE
    while True:
        if exclusive and _try(descriptor, exclusive=False):
            # Only readers are in the way, or nobody any more: the name in the file is an older holder's.
            if _try(descriptor, exclusive=True):
                return
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            holder = _SHARED
        else:
            holder = _holder(descriptor)
        yield Waited(holder, pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
        if _try(descriptor, exclusive=exclusive):
            return


def _holder(descriptor: int) -> str:
    line, _, _ = os.pread(descriptor, _HOLDER_BYTES, 0).partition(b"\n")
    return line.decode("utf-8", "replace") or _UNNAMED


def _sign(descriptor: int, holder: str, group: int | None = None) -> None:
    # One write, each line ended by a line feed: what a longer name left behind is never read. Nobody's work depends on
    # the name, so a full disk or another user's file is no reason to stop.
    line = holder.replace("\n", " ").encode("utf-8", "replace")[: _HOLDER_BYTES - 1]
    with suppress(OSError):
        os.pwrite(descriptor, b"%s\n%s\n" % (line, b"" if group is None else b"%d" % group), 0)
