"""Locks between real processes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from assets_cli.model.problem import AssetsError
from assets_cli.state.locks import (
    LockRequest,
    LockService,
    asset_key,
    database_key,
    folder_for,
    run_key,
)

ROOT = Path(__file__).parents[2]
ORDERS = asset_key("default", "orders")
EVENTS = asset_key("default", "events")


def exclusive(*keys: str) -> list[LockRequest]:
    """Requests to change."""
    return [LockRequest(key, exclusive=True) for key in keys]


def shared(*keys: str) -> list[LockRequest]:
    """Requests to read."""
    return [LockRequest(key, exclusive=False) for key in keys]


def python(code: str, *arguments: object, pass_fds: tuple[int, ...] = ()) -> subprocess.Popen[str]:
    """Another process; it prints a line when it is ready."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        pass_fds=pass_fds,
    )


def end(process: subprocess.Popen[str]) -> str:
    """What a process printed until it ended."""
    return process.communicate(timeout=30)[0]


HOLD = """
    import sys
    from pathlib import Path
    from assets_cli.state.locks import LockRequest, LockService
    held = LockService(Path(sys.argv[1])).acquire([LockRequest(sys.argv[2], sys.argv[3] == "x")], holder=sys.argv[4])
    print("ready", flush=True)
    sys.stdin.read()
"""


def is_free(locks: Path, key: str) -> bool:
    """Whether an exclusive lock could be had at once."""
    held = LockService(locks).acquire(exclusive(key), holder="a probe", cancelled=lambda: True)
    if held is None:
        return False
    held.release()
    return True


@pytest.fixture
def locks(tmp_path: Path) -> Path:
    """The folder of locks, not yet made."""
    return tmp_path / ".assets" / "locks"


def test_exclusive_excludes(locks: Path) -> None:
    """An exclusive lock keeps everybody else out until it is released."""
    held = LockService(locks).acquire(exclusive(ORDERS), holder="run 1 (pid 7), materializing orders")
    assert held is not None
    assert LockService(locks).acquire(exclusive(ORDERS), holder="x", cancelled=lambda: True) is None
    assert LockService(locks).acquire(shared(ORDERS), holder="x", cancelled=lambda: True) is None
    assert is_free(locks, EVENTS)
    held.release()
    assert is_free(locks, ORDERS)


def test_shared_shares(locks: Path) -> None:
    """Any number read at once; a writer waits for them all."""
    first = LockService(locks).acquire(shared(ORDERS), holder="x")
    second = LockService(locks).acquire(shared(ORDERS), holder="y", cancelled=lambda: True)
    assert first is not None
    assert second is not None
    assert not is_free(locks, ORDERS)
    first.release()
    assert not is_free(locks, ORDERS)
    second.release()
    assert is_free(locks, ORDERS)


def test_exclusive_wins(locks: Path) -> None:
    """A key asked for twice is taken once, exclusively if either asks so."""
    held = LockService(locks).acquire([*shared(ORDERS), *exclusive(ORDERS), *shared(ORDERS)], holder="x")
    assert held is not None
    assert len(held.descriptors) == 1
    assert LockService(locks).acquire(shared(ORDERS), holder="y", cancelled=lambda: True) is None
    held.release()


def test_release_twice(locks: Path) -> None:
    """Releasing twice is releasing once, and closes no descriptor of somebody else."""
    held = LockService(locks).acquire(exclusive(ORDERS), holder="x")
    assert held is not None
    (descriptor,) = held.descriptors
    held.release()
    assert held.descriptors == ()
    other = os.open(os.devnull, os.O_RDONLY)
    assert other == descriptor
    held.release()
    os.fstat(other)
    os.close(other)


def test_cancelled_releases_all(locks: Path) -> None:
    """A wait that is cancelled leaves none of its locks behind, and no descriptor."""
    service = LockService(locks)
    first, second = sorted([ORDERS, EVENTS])
    held = service.acquire(exclusive(second), holder="x")
    assert held is not None
    before = len(list(Path("/dev/fd").iterdir()))
    assert service.acquire(exclusive(first, second), holder="y", cancelled=lambda: True) is None
    assert len(list(Path("/dev/fd").iterdir())) == before
    assert is_free(locks, first)
    held.release()


def test_waiting_says_for_whom(locks: Path) -> None:
    """A waiter is told each holder once, from the holder's own words, in another process too."""
    process = python(HOLD, locks, ORDERS, "x", "run 20261122T1 (pid 123), materializing orders")
    assert process.stdout is not None
    process.stdout.readline()
    told: list[str] = []
    polls = iter([False, False, False, True])
    held = LockService(locks).acquire(shared(ORDERS), holder="me", on_wait=told.append, cancelled=lambda: next(polls))
    assert held is None
    assert told == ["run 20261122T1 (pid 123), materializing orders"]
    end(process)
    assert is_free(locks, ORDERS)


def test_shorter_name(locks: Path) -> None:
    """A short name after a long one is read without the long one's rest; a line feed in a name is no end."""
    for holder in ("a long name of somebody who was here before", "b\nc"):
        held = LockService(locks).acquire(exclusive(ORDERS), holder=holder)
        assert held is not None
        told: list[str] = []
        polls = iter([False, True])
        LockService(locks).acquire(exclusive(ORDERS), holder="me", on_wait=told.append, cancelled=lambda: next(polls))  # noqa: B023 - called here
        assert told == [holder.replace("\n", " ")]
        held.release()


def test_blocked_by_reader(locks: Path) -> None:
    """A writer that waits for readers is told so, not the name of an older writer."""
    old = LockService(locks).acquire(exclusive(ORDERS), holder="an older writer")
    assert old is not None
    old.release()
    reader = LockService(locks).acquire(shared(ORDERS), holder="reader")
    assert reader is not None
    told: list[str] = []
    polls = iter([False, False, True])
    LockService(locks).acquire(exclusive(ORDERS), holder="me", on_wait=told.append, cancelled=lambda: next(polls))
    assert told == ["a step that reads it"]
    reader.release()


def test_got_after_waiting(locks: Path) -> None:
    """Who waits gets the lock when the holder lets go."""
    held = LockService(locks).acquire(exclusive(ORDERS), holder="first")
    assert held is not None
    waiting = threading.Event()
    got = []

    def wait() -> None:
        got.append(LockService(locks).acquire(exclusive(ORDERS), holder="second", on_wait=lambda _: waiting.set()))

    thread = threading.Thread(target=wait)
    thread.start()
    assert waiting.wait(10)
    held.release()
    thread.join(10)
    assert got[0] is not None
    assert not is_free(locks, ORDERS)
    got[0].release()


def test_killed_parent(locks: Path) -> None:
    """A lock that a command inherited outlives its killed coordinator, and ends with the command."""
    parent = python(
        """
        import subprocess, sys, time
        from pathlib import Path
        from assets_cli.state.locks import LockRequest, LockService
        held = LockService(Path(sys.argv[1])).acquire([LockRequest(sys.argv[2], True)], holder="run 1")
        child = subprocess.Popen(["sleep", "60"], pass_fds=held.descriptors, stdout=subprocess.DEVNULL)
        print(child.pid, flush=True)
        time.sleep(60)
        """,
        locks,
        ORDERS,
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait(10)
    assert not is_free(locks, ORDERS)
    os.kill(child, signal.SIGKILL)
    held = LockService(locks).acquire(exclusive(ORDERS), holder="next")  # the kernel frees it as the child ends
    assert held is not None
    held.release()


def test_explicit_release_frees(locks: Path) -> None:
    """An explicit release frees the lock although a child still holds the descriptor."""
    held = LockService(locks).acquire(exclusive(ORDERS), holder="run 1")
    assert held is not None
    with subprocess.Popen(["sleep", "60"], pass_fds=held.descriptors) as child:
        try:
            assert not is_free(locks, ORDERS)
            held.release()
            assert is_free(locks, ORDERS)
        finally:
            child.kill()


def test_not_inherited_unasked(locks: Path) -> None:
    """A child that is not handed the descriptor holds no lock."""
    held = LockService(locks).acquire(exclusive(ORDERS), holder="run 1")
    assert held is not None
    assert not any(os.get_inheritable(descriptor) for descriptor in held.descriptors)
    held.release()


def test_no_deadlock(locks: Path) -> None:
    """Two processes that take overlapping sets in random order never wait in a circle, nor are in at once."""
    code = """
        import os, random, sys
        from pathlib import Path
        from assets_cli.state.locks import LockRequest, LockService
        service, chance = LockService(Path(sys.argv[1])), random.Random(int(sys.argv[2]))
        folder = Path(sys.argv[1]).parent
        for _ in range(150):
            keys = chance.sample("abcdef", 4)
            with service.acquire([LockRequest(key, i < 2) for i, key in enumerate(keys)], holder=sys.argv[2]):
                for key in keys[:2]:
                    os.close(os.open(folder / key, os.O_CREAT | os.O_EXCL))
                for key in keys[:2]:
                    os.unlink(folder / key)
        print("done")
    """
    locks.mkdir(parents=True)
    processes = [python(code, locks, random.randrange(1_000)) for _ in range(3)]
    assert [end(process) for process in processes] == ["done\n"] * 3


def test_lock_files_stay(locks: Path) -> None:
    """A lock file is named by 32 hex digits of a digest and stays after the release."""
    held = LockService(locks).acquire(exclusive(ORDERS), holder="x")
    assert held is not None
    held.release()
    (file,) = locks.iterdir()
    assert len(file.name) == 32
    int(file.name, 16)


def test_keys_differ() -> None:
    """No two different things have one key."""
    keys = [
        asset_key("default", "orders"),
        asset_key("prod", "orders"),
        asset_key("default", "orders", "2026-01-01"),
        asset_key("default", "orders/2026-01-01"),
        run_key("orders"),
        database_key("/orders"),
    ]
    assert len(set(keys)) == len(keys)


def test_database_key_real_path(tmp_path: Path) -> None:
    """A database and a link to it are one database."""
    (tmp_path / "link.db").symlink_to(tmp_path / "real.db")
    assert database_key(tmp_path / "link.db") == database_key(str(tmp_path / "real.db"))


def test_folder_for(tmp_path: Path) -> None:
    """Locks go with the state file: in `.assets`, or beside a file put elsewhere."""
    root = tmp_path.resolve()
    assert folder_for(root / ".assets" / "state.db") == root / ".assets" / "locks"
    assert folder_for(root / "history.db") == root / "history.db-locks"


def test_run_is_alive_while_held(locks: Path) -> None:
    """A run is alive exactly while its lock is held; asking makes no file."""
    service = LockService(locks)
    assert not service.is_run_alive("r1")
    assert not locks.exists()
    held = service.hold_run("r1")
    assert service.is_run_alive("r1")
    assert not service.is_run_alive("r2")
    held.release()
    assert not service.is_run_alive("r1")


def test_run_dies_with_its_process(locks: Path) -> None:
    """A run whose process was killed is dead, though its commands live on."""
    process = python(
        """
        import subprocess, sys, time
        from pathlib import Path
        from assets_cli.state.locks import LockService
        held = LockService(Path(sys.argv[1])).hold_run("r1")
        child = subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL)
        print(child.pid, flush=True)
        time.sleep(60)
        """,
        locks,
    )
    assert process.stdout is not None
    child = int(process.stdout.readline())
    assert LockService(locks).is_run_alive("r1")
    process.kill()
    process.wait(10)
    assert not LockService(locks).is_run_alive("r1")
    os.kill(child, signal.SIGKILL)


def test_try_database(locks: Path, tmp_path: Path) -> None:
    """A look at a database holds it, or is told who does after the given time."""
    database = tmp_path / "w.duckdb"
    service = LockService(locks)
    with service.try_database(database, 1) as holder:
        assert holder is None
        assert not is_free(locks, database_key(database))
    assert is_free(locks, database_key(database))
    held = service.acquire(exclusive(database_key(database)), holder="run 1 (pid 5), materializing orders")
    assert held is not None
    with service.try_database(database, 0.02) as holder:
        assert holder == "run 1 (pid 5), materializing orders"
    held.release()


def test_folder_in_the_way(tmp_path: Path) -> None:
    """A folder that cannot be made is an error with its name; a look at a database goes on without a lock."""
    (tmp_path / "locks").write_text("a file")
    service = LockService(tmp_path / "locks")
    with pytest.raises(AssetsError) as error:
        service.acquire(exclusive(ORDERS), holder="x")
    (problem,) = error.value.problems
    assert problem.code == "A0508"
    assert problem.message == f"cannot take a lock in {tmp_path}/locks: Not a directory"
    assert problem.hint == "check the permissions of the folder; it must be on a local disk, where file locks work"
    with service.try_database(tmp_path / "w.duckdb", 1) as holder:
        assert holder is None
    assert not service.is_run_alive("r1")
