"""Warm workers: who gets which, and what becomes of those that are not as they were."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import assets_cli
from assets_cli.running.commands import WORKER
from assets_cli.running.executors import spawning
from assets_cli.running.executors.cancellation import Cancellation
from assets_cli.running.executors.local import Invocation, LocalExecutor, Outcome
from assets_cli.running.executors.processes import group_lives
from assets_cli.running.loop import wait_for
from assets_cli.state.locks import LockRequest, LockService

PACKAGES = str(Path(assets_cli.__file__).parent.parent)


class Crew:
    """An executor and a project with one function, `work.run`, whose body each job writes anew or leaves."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.executor = LocalExecutor(grace=0.3, rest_grace=0.3)
        self.groups: list[int] = []
        self.cancellation = Cancellation()
        (root / "work.py").write_text("import os, pathlib, sys, time\ndef run():\n    exec(os.environ['BODY'])\n")

    def run(self, body: str = "pass", *, env: dict[str, str] | None = None, **changes: Any) -> Outcome:
        """Run the function with this body, handed over by a file that is no code of the project."""
        (self.root / "body.txt").write_text(body)
        environ = {**os.environ, "PYTHONPATH": PACKAGES, "BODY": "exec(open('body.txt').read())", **(env or {})}
        job = {
            "compute": "python",
            "asset": "a",
            "run": "r",
            "environment": "default",
            "root": str(self.root),
            "command": {"module": "work", "function": "run"},
            "output": None,
            "connections": {},
            "default_connection": None,
            "upstreams": {},
            "vars": {},
        }
        call = Invocation(WORKER, environ, str(self.root), self.root / "a.log", job=job)

        async def refuse(_: dict[str, Any]) -> None:
            raise AssertionError

        return wait_for(
            self.executor.run(
                call._replace(**changes),
                on_start=self.groups.append,
                on_prepared=refuse,
                cancelled=self.cancellation,
            )
        )


@pytest.fixture(params=["posix_spawn, pidfd", "subprocess, thread"])
def crew(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Crew]:
    """Linux's ways to start and to wait, and those of other systems."""
    monkeypatch.chdir(tmp_path)
    if request.param == "subprocess, thread":
        monkeypatch.setattr(spawning, "_can_make_sessions", lambda: False)
        monkeypatch.delattr(os, "pidfd_open", raising=False)
    crew = Crew(tmp_path)
    yield crew
    crew.executor.close()
    deadline = time.monotonic() + 5
    while any(group_lives(group) for group in crew.groups):
        assert time.monotonic() < deadline, "somebody is left"
        time.sleep(0.01)


def test_one_after_another(crew: Crew) -> None:
    """The same worker takes one job after another."""
    assert [crew.run().state for _ in range(3)] == ["succeeded"] * 3
    assert len(set(crew.groups)) == 1


def test_another_environment(crew: Crew) -> None:
    """A job that wants another environment gets another worker; the first is still there for who wants it."""
    for env in ({}, {"OTHER": "1"}, {}, {"OTHER": "1"}, {"OTHER": "2"}):
        assert crew.run(env=env).state == "succeeded"
    first, second, third, fourth, fifth = crew.groups
    assert (first, second) == (third, fourth)
    assert len({first, second, fifth}) == 3


def test_isolated(crew: Crew) -> None:
    """It gets a process of its own, which nobody uses before or after it."""
    for warm in (True, False, True, False):
        assert crew.run(warm=warm).state == "succeeded"
    first, alone, again, alone_again = crew.groups
    assert first == again
    assert len({first, alone, alone_again}) == 3
    assert not group_lives(alone)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_one_that_died_while_idle(crew: Crew, number: signal.Signals) -> None:
    """The next job gets another, and does not hear of it."""
    assert crew.run().state == "succeeded"
    os.kill(crew.groups[0], number)
    deadline = time.monotonic() + 5
    while group_lives(crew.groups[0]) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert crew.run().state == "succeeded"
    assert crew.groups[0] != crew.groups[-1]


@pytest.mark.parametrize(
    ("body", "state", "reason"),
    [
        ("os._exit(3)", "failed", "exit code 3"),
        ("os.kill(os.getpid(), 9)", "failed", "killed by SIGKILL"),
        ("time.sleep(60)", "timed_out", "timed out after 300 ms"),
        ("import signal; signal.signal(15, signal.SIG_IGN); time.sleep(60)", "timed_out", "timed out after 300 ms"),
        ("import threading; threading.Thread(target=time.sleep, args=(60,), daemon=True).start()", "succeeded", None),
        ("import subprocess; subprocess.Popen(['sleep', '60'])", "succeeded", None),
        ("import signal; signal.signal(15, signal.SIG_IGN)", "succeeded", None),
        ("import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0))", "succeeded", None),
        ("sys.stdout.close()", "succeeded", None),
    ],
)
def test_one_that_is_not_as_it_was(crew: Crew, body: str, state: str, reason: str | None) -> None:
    """It is ended with all that it left, and the next job gets another."""
    import resource

    if "RLIMIT_CORE" in body and resource.getrlimit(resource.RLIMIT_CORE) == (0, 0):
        body = body.replace("RLIMIT_CORE, (0, 0)", "RLIMIT_NOFILE, (64, 64)")
    outcome = crew.run(body, timeout=300_000 if state == "timed_out" else None)
    assert (outcome.state, outcome.reason) == (state, reason)
    assert not group_lives(crew.groups[0])
    assert crew.run().state == "succeeded"
    assert crew.groups[0] != crew.groups[1]


def test_changed_code(crew: Crew) -> None:
    """A worker that has imported a file which is another now hands the job on; it is done once, by a new one."""
    assert crew.run().state == "succeeded"
    (crew.root / "work.py").write_text("import os\ndef run():\n    print('new code')\n")
    assert crew.run().state == "succeeded"
    assert crew.groups[0] != crew.groups[-1]
    assert (crew.root / "a.log").read_text() == "new code\n"


def test_what_changes_is_put_back(crew: Crew) -> None:
    """Folder, variables, search path, umask, streams: the next job finds them as the first did."""
    look = "print(os.getcwd(), os.environ.get('LEFT'), '/left' in sys.path, os.umask(0)); sys.stdout.flush()"
    crew.run(look + "; os.umask(0o22)")
    crew.run("os.chdir('/'); os.environ['LEFT'] = '1'; sys.path.append('/left'); os.umask(0o777); sys.stdout = None")
    crew.run(look)
    first, last = (crew.root / "a.log").read_text().splitlines()
    assert first == last
    assert len(set(crew.groups)) == 1


@pytest.mark.parametrize("count", [249, 250, 251, 600])
def test_many_descriptors(crew: Crew, count: int) -> None:
    """More locks than the kernel passes in one message arrive, are held while the job lasts, and are let go of."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * count + 100
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
    locks = LockService(crew.root / "locks")
    held = locks.acquire([LockRequest(f"key {index}", exclusive=True) for index in range(count)], holder="us")
    assert held is not None
    try:
        outcome = crew.run(
            "print(sum('/locks/' in os.readlink(f'/proc/self/fd/{fd}') for fd in os.listdir('/proc/self/fd') "
            "if os.path.exists(f'/proc/self/fd/{fd}')) if sys.platform == 'linux' else 'unknown')",
            descriptors=held.descriptors,
        )
        assert outcome.state == "succeeded", outcome
        if sys.platform == "linux":
            assert (crew.root / "a.log").read_text() == f"{count}\n"
            idle = Path(f"/proc/{crew.groups[0]}/fd")
            assert [fd for fd in idle.iterdir() if fd.readlink().parent.name == "locks"] == []
    finally:
        held.release()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_cancelling_an_idle_crew(crew: Crew) -> None:
    """Idle workers know nothing of it; what comes after does not start."""
    assert crew.run().state == "succeeded"
    crew.cancellation.cancel()
    assert crew.run().state == "cancelled"
    assert crew.groups == crew.groups[:1]


def test_two_executors_in_two_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As probes do: one executor, asked by several threads at once, has one watchdog and mixes nothing up."""
    monkeypatch.chdir(tmp_path)
    crew = Crew(tmp_path)
    call = Invocation(("sh", "-c", "sleep 0.1"), dict(os.environ), str(tmp_path), tmp_path / "a.log")
    states: list[str] = []

    async def refuse(_: dict[str, Any]) -> None:
        raise AssertionError

    def ask(index: int) -> None:
        for round_ in range(3):
            own = call._replace(log=tmp_path / f"{index}.{round_}.log")
            outcome = wait_for(
                crew.executor.run(own, on_start=lambda _: None, on_prepared=refuse, cancelled=crew.cancellation)
            )
            states.append(outcome.state)

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert states == ["succeeded"] * 24
    assert crew.executor._keepers is not None
    assert crew.executor._keepers.watchdog._slots == {}
    crew.executor.close()
