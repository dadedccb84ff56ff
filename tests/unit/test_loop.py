"""The loop: coroutines on one thread that wait for descriptors, for time, for the commit, for each other's thread."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager

import pytest

from assets_cli.running import loop
from assets_cli.running.loop import Loop, wait_for


@contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe's two ends."""
    ends = os.pipe()
    try:
        yield ends
    finally:
        for end in ends:
            os.close(end)


def run(*coroutines: Coroutine, at_rest=None) -> list[object]:
    """Run coroutines together; what they returned or raised, in the order of their ends."""
    ends: list[object] = []
    together = Loop(at_rest)
    for each in coroutines:
        together.start(each, lambda result, error: ends.append(result if error is None else error))
    together.run()
    return ends


def test_whoever_waits_goes_on_when_its_descriptor_is_ready() -> None:
    """Coroutines take turns: one writes what another waits for."""
    with pipe() as (reader, writer):

        async def read() -> str:
            ready = await loop.ready({reader: select.POLLIN})
            return os.read(reader, 1).decode() if ready == {reader} else "nothing"

        async def write() -> str:
            await loop.pause(0.01)
            os.write(writer, b"x")
            return "wrote"

        assert run(read(), write()) == ["wrote", "x"]


def test_the_time_may_be_over_first() -> None:
    """Then nothing is ready."""
    with pipe() as (reader, _):

        async def read() -> frozenset[int]:
            return await loop.ready({reader: select.POLLIN}, 0.01)

        assert run(read()) == [frozenset()]


def test_one_descriptor_wakes_all_who_wait_for_it() -> None:
    """As a cancellation does."""
    with pipe() as (reader, writer):

        async def read(name: str) -> str:
            await loop.ready({reader: select.POLLIN}, 10)
            return name

        async def write() -> None:
            os.write(writer, b"x")

        assert run(read("a"), read("b"), write()) == [None, "a", "b"]


def test_the_shorter_pause_ends_first() -> None:
    """Time passes once for all."""

    async def wait(seconds: float) -> float:
        await loop.pause(seconds)
        return seconds

    began = time.monotonic()
    assert run(wait(0.2), wait(0.0), wait(0.1)) == [0.0, 0.1, 0.2]
    assert time.monotonic() - began < 0.29


def test_an_earlier_wait_leaves_no_timer_behind() -> None:
    """A timer that was overtaken by a descriptor does not wake what its coroutine waits for next."""
    with pipe() as (reader, writer):
        os.write(writer, b"x")

        async def twice() -> list[frozenset[int]]:
            first = await loop.ready({reader: select.POLLIN}, 0.05)
            os.read(reader, 1)
            return [first, await loop.ready({reader: select.POLLIN}, 0.15)]

        began = time.monotonic()
        assert run(twice()) == [[frozenset({reader}), frozenset()]]
        assert time.monotonic() - began >= 0.15


def test_at_rest_is_called_once_for_what_several_have_done() -> None:
    """Nobody goes on before it; what is done afterwards is followed by another call."""
    facts: list[str] = []

    async def record(name: str) -> None:
        facts.append(f"{name} recorded")
        await loop.rest()
        facts.append(f"{name} told")

    run(record("a"), record("b"), at_rest=lambda: facts.append("commit"))
    assert facts[:5] == ["a recorded", "b recorded", "commit", "a told", "b told"]
    assert facts[-1] == "commit"


def test_an_error_is_handed_to_who_started_the_coroutine() -> None:
    """The others go on."""

    async def fail() -> None:
        raise ValueError("x")

    async def succeed() -> str:
        await loop.pause(0)
        return "done"

    error, done = run(fail(), succeed())
    assert (repr(error), done) == ("ValueError('x')", "done")


def test_a_watched_descriptor_is_told_once_and_keeps_nothing_alive() -> None:
    """The loop ends with its last coroutine, whatever is watched."""
    with pipe() as (reader, writer):
        told: list[str] = []

        async def work() -> None:
            os.write(writer, b"x")
            await loop.pause(0.02)

        together = Loop()
        together.watch(reader, lambda: told.append("told"))
        together.start(work(), lambda *_: None)
        together.run()
        assert told == ["told"]


def test_work_in_a_thread_lets_others_go_on() -> None:
    """What it returns or raises comes back."""
    order: list[str] = []
    started = threading.Event()

    def slow() -> str:
        started.wait(10)
        return "slow"

    async def work() -> None:
        order.append(await loop.in_thread(slow))

    async def other() -> None:
        await loop.pause(0.01)
        order.append("other")
        started.set()

    run(work(), other())
    assert order == ["other", "slow"]
    with pytest.raises(ZeroDivisionError):
        wait_for(loop.in_thread(lambda: 1 // 0))


def test_an_interrupt_is_raised_in_whoever_waits() -> None:
    """So that it can clean up, even wait for that, before the interrupt goes on."""
    cleaned: list[str] = []

    async def work() -> None:
        try:
            await loop.pause(60)
        finally:
            await loop.pause(0.01)
            cleaned.append("cleaned")

    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        with pytest.raises(KeyboardInterrupt):
            wait_for(work())
    finally:
        signal.signal(signal.SIGALRM, before)
    assert cleaned == ["cleaned"]
