"""Pools between real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Generator
from pathlib import Path

import pytest

from assets_cli.state.locks import Held, LockRequest, LockService, Waited, asset_key, database_key
from assets_cli.state.pools import Pool, acquiring, slot_key, take

ROOT = Path(__file__).parents[2]
ORDERS = LockRequest(asset_key("default", "orders"), exclusive=True)

HOLD = """
    import sys
    from pathlib import Path
    from assets_cli.state.locks import Held, LockService
    from assets_cli.state.pools import Pool, take
    held = take(LockService(Path(sys.argv[1])), Pool("w", int(sys.argv[2])), holder=sys.argv[3])
    print("holds" if isinstance(held, Held) else held.holder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def locks(tmp_path: Path) -> LockService:
    """The locks of a project; their folder is not yet made."""
    return LockService(tmp_path / ".assets" / "locks")


@pytest.fixture
def processes() -> Generator[list[subprocess.Popen[str]], None, None]:
    """The processes that a test starts, ended with it."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def python(processes: list[subprocess.Popen[str]]):
    """Starts another process, and waits for its first line."""

    def start(code: str, *arguments: object) -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        processes.append(process)
        return process, process.stdout.readline().strip()

    return start


def is_free(locks: LockService, size: int, name: str = "w") -> bool:
    """Whether a slot could be had at once."""
    found = take(locks, Pool(name, size), holder="a probe")
    if isinstance(found, Held):
        found.release()
    return isinstance(found, Held)


def ended(taking: Generator[Waited, None, Held]) -> Held:
    """What a generator that has nothing to wait for any more gives."""
    with pytest.raises(StopIteration) as end:
        next(taking)
    held: Held = end.value.value
    return held


def test_no_more_than_its_size_hold_a_pool(locks, python):
    """Over processes; whoever finds it full is told so, and by whom."""
    first, said = python(HOLD, locks.directory, 2, "run A, materializing orders")
    assert said == "holds"
    _, said = python(HOLD, locks.directory, 2, "run B, materializing events")
    assert said == "holds"
    _, said = python(HOLD, locks.directory, 2, "run C")
    assert said == "the pool w (all 2 slots are taken, one by run A, materializing orders)"
    assert is_free(locks, 2, "another")

    first.communicate()  # it ends, which frees its slot

    assert is_free(locks, 2)


def test_a_pool_of_one(locks, python):
    """Names its holder."""
    python(HOLD, locks.directory, 1, "run A")
    assert take(locks, Pool("w", 1), holder="run B") == Waited("the pool w (the slot is taken, by run A)", 0.02, "w")


def test_a_killed_holder_frees_its_slot_and_a_child_of_it_keeps_it(locks, python):
    """The kernel's doing: a slot is held until everybody who inherited it is gone."""
    process, _ = python(HOLD, locks.directory, 1, "run A")
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert is_free(locks, 1)

    held = take(locks, Pool("w", 1), holder="run B")
    assert isinstance(held, Held)
    child = subprocess.Popen(["sleep", "60"], pass_fds=held.descriptors)
    for descriptor in held.descriptors:
        os.close(descriptor)  # as when we die
    assert not is_free(locks, 1)
    child.kill()
    child.wait()
    assert is_free(locks, 1)


def test_a_smaller_size_counts_what_a_larger_one_took(locks):
    """The manifest was edited while a run goes on: a new one waits until fewer hold it than it may have."""
    old = [take(locks, Pool("w", 3), holder=f"run {number}") for number in range(3)]
    assert all(isinstance(held, Held) for held in old)
    old[0].release()
    assert not is_free(locks, 1)
    assert not is_free(locks, 2)
    assert is_free(locks, 3)
    old[1].release()
    assert not is_free(locks, 1)
    assert is_free(locks, 2)
    old[2].release()
    assert is_free(locks, 1)


def test_a_smaller_size_counts_those_within_too(locks):
    """Two of the first slots and one beyond are three, although the second was free for a moment."""
    old = [take(locks, Pool("w", 4), holder=f"run {number}") for number in range(4)]
    old[1].release()
    old[3].release()
    assert not is_free(locks, 2)
    old[2].release()
    assert is_free(locks, 2)


def test_a_larger_size_has_more_slots(locks):
    """At once, for whoever knows of it."""
    held = take(locks, Pool("w", 1), holder="run A")
    assert not is_free(locks, 1)
    assert is_free(locks, 2)
    held.release()


def test_locks_and_a_slot_are_held_and_freed_together(locks):
    """As one: descriptors for the command, one release."""
    held = ended(acquiring(locks, [ORDERS], Pool("w", 1), holder="run A"))
    assert len(held.descriptors) == 2
    assert not is_free(locks, 1)
    assert locks.is_held(ORDERS.key)
    held.release()
    assert is_free(locks, 1)
    assert not locks.is_held(ORDERS.key)


def test_without_a_pool_there_are_only_locks(locks):
    """Most steps."""
    held = ended(acquiring(locks, [ORDERS], None, holder="run A"))
    assert len(held.descriptors) == 1
    held.release()


def test_who_waits_for_a_slot_holds_nothing(locks):
    """Its asset can be read meanwhile, and once there is a slot it has both."""
    busy = take(locks, Pool("w", 1), holder="run A")
    taking = acquiring(locks, [ORDERS], Pool("w", 1), holder="run B")
    assert next(taking) == next(taking) == Waited("the pool w (the slot is taken, by run A)", 0.02, "w")
    assert not locks.is_held(ORDERS.key)
    reader = locks.attempt([ORDERS._replace(exclusive=False)], holder="run C")
    assert isinstance(reader, Held)

    busy.release()
    assert next(taking).holder == "a step that reads it"
    assert is_free(locks, 1)  # nor does it keep a slot while it waits for its asset
    reader.release()

    held = ended(taking)
    assert len(held.descriptors) == 2
    held.release()


def test_who_gives_up_holds_nothing(locks):
    """As when a run is interrupted."""
    busy = take(locks, Pool("w", 1), holder="run A")
    taking = acquiring(locks, [ORDERS], Pool("w", 1), holder="run B")
    next(taking)
    taking.close()
    busy.release()
    assert is_free(locks, 1)
    assert not locks.is_held(ORDERS.key)


def test_a_holder_may_take_a_database_that_a_waiter_wants(locks):
    """A function that opens a connection takes its mutex while it runs: nobody who waits for the pool keeps it."""
    mutex = LockRequest(database_key("/w.duckdb"), exclusive=True)
    working = ended(acquiring(locks, [ORDERS], Pool("w", 1), holder="run A"))
    waiting = acquiring(locks, [mutex], Pool("w", 1), holder="run B")
    next(waiting)
    further = locks.attempt([mutex], holder="run A")
    assert isinstance(further, Held)
    further.release()
    working.release()
    waiting.close()


WORK = """
    import os, sys, time
    from pathlib import Path
    from assets_cli.state.locks import LockRequest, LockService
    from assets_cli.state.pools import Pool, acquiring
    folder, number, size = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    print("ready", flush=True)
    sys.stdin.readline()
    locks = LockService(folder / "locks")
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for turn in range(15):
        requests = [LockRequest(f"asset {(number + turn) % 3}", True)]
        taking = acquiring(locks, requests, Pool("w", size), holder=str(number))
        while True:
            try:
                waited = next(taking)
            except StopIteration as end:
                held = end.value
                break
            time.sleep(min(waited.pause, 0.002))
        os.write(log, b"+\\n")
        time.sleep(0.001)
        os.write(log, b"-\\n")
        held.release()
    print("done", flush=True)
"""


def test_many_processes_never_exceed_it_and_all_come_to_an_end(tmp_path, python):
    """Eight of them, over three assets, with two slots."""
    started = [python(WORK, tmp_path, number, 2)[0] for number in range(8)]
    for process in started:
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.stdout.readline().strip() for process in started] == ["done"] * 8
    at_once = most = 0
    events = (tmp_path / "log").read_text().split()
    for sign in events:
        at_once += 1 if sign == "+" else -1
        most = max(most, at_once)
    assert (len(events), at_once, most) == (240, 0, 2)


def test_slots_of_pools_do_not_collide():
    """Whatever their names are."""
    assert slot_key("w", 1) != slot_key("w\x1f1", 0)
    assert len({slot_key("w", 11), slot_key("w1", 1), slot_key("w", 1)}) == 3
