"""Events are told by a thread of their own: a screen that takes nothing never holds up a run."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Sequence

from support.shop import NOON

from assets_cli.cli.background_listener import BackgroundListener
from assets_cli.model.event import RunEvent, RunFinished, Warned

END = RunFinished(None, NOON, "succeeded", (), (), (), (), (), ())


class Audience:
    """Hears what is told; `deaf` while its gate is closed."""

    def __init__(self) -> None:
        self.heard: list[list[RunEvent]] = []
        self.lasts: list[bool] = []
        self.gate = threading.Event()
        self.gate.set()
        self.begun = threading.Event()

    def __call__(self, events: Sequence[RunEvent], *, is_last: bool) -> float | None:
        """Hear."""
        if events:
            self.begun.set()
            self.gate.wait(20)
        self.heard.append(list(events))
        self.lasts.append(is_last)
        return None


def notes(count: int) -> list[RunEvent]:
    """Events that differ."""
    return [Warned(None, NOON, str(number)) for number in range(count)]


def test_everything_is_told_once_in_order_before_it_ends():
    """However fast it comes; and the last call says so."""
    audience = Audience()
    with BackgroundListener(audience) as listener:
        for event in (*notes(5_000), END):
            listener(event)
    assert [event for events in audience.heard for event in events] == [*notes(5_000), END]
    assert audience.lasts[-1] is True
    assert not any(audience.lasts[:-1])


def test_it_is_told_at_most_ten_times_a_second():
    """A run of thousands of steps spends its time on them."""
    audience = Audience()
    began = time.monotonic()
    with BackgroundListener(audience) as listener:
        while time.monotonic() < began + 0.45:
            listener(notes(1)[0])
    assert len(audience.heard) <= 8  # one to begin with, five, the last, and a slow machine


def test_a_stopped_terminal_does_not_hold_up_the_run():
    """The run's own thread goes on while nothing is taken, and all of it comes later."""
    audience = Audience()
    audience.gate.clear()
    with BackgroundListener(audience) as listener:
        listener(notes(1)[0])
        assert audience.begun.wait(20)
        began = time.monotonic()
        for event in notes(1_000):
            listener(event)
        assert time.monotonic() - began < 1
        audience.gate.set()
    assert sum(map(len, audience.heard)) == 1_001


def test_only_the_first_end_is_told():
    """Whoever runs a plan may say it again."""
    audience = Audience()
    with BackgroundListener(audience) as listener:
        for _ in range(2):
            listener(END)
    assert audience.heard[-1] == [END]
    assert sum(map(len, audience.heard)) == 1


def test_a_reader_who_left_is_told_nothing_more():
    """As `| head` does: that is no error, and known once."""
    gone: list[str] = []

    def tell(events: Sequence[RunEvent], *, is_last: bool) -> float | None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    with BackgroundListener(tell, on_reader_gone=lambda: gone.append("gone")) as listener:
        listener(END)
    assert gone == ["gone"]
    assert listener.error is None


def test_a_screen_that_fails_stops_nothing():
    """What was wrong is kept for the end."""

    def tell(events: Sequence[RunEvent], *, is_last: bool) -> float | None:
        if events:
            raise KeyError("colour")
        return None

    with BackgroundListener(tell) as listener:
        for event in (*notes(3), END):
            listener(event)
    assert repr(listener.error) == "KeyError('colour')"
