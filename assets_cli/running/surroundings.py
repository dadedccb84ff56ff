"""What a run is surrounded by: recorder, locks, listeners, clock, environment. All of it is handed in."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from random import random
from typing import Any, Final, NamedTuple

from assets_cli.model.event import RunEvent, Warned
from assets_cli.model.secrets import mask
from assets_cli.probing.look import ProbeSurroundings
from assets_cli.running.executors.local import LocalExecutor
from assets_cli.state.locks import LockService
from assets_cli.state.record import Recorder

_TOLD: Final = ("message", "detail", "reason", "tail", "change")
"""What events say in words that come from outside; the other fields are names, which must stay what they are."""


def steady(clock: Callable[[], int]) -> Callable[[], int]:
    """The time of day as a clock has it now, and as it goes on from here, whatever is done to the clock meanwhile.

    A run lives by one: no step of it takes a day, or less than nothing, because somebody has set the clock.
    """
    began, since = clock(), _elapsed()
    return lambda: began + _elapsed() - since


def _elapsed() -> int:
    """Microseconds since some moment; where the system can say it, those in which the machine slept count too."""
    try:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000
    except (AttributeError, OSError):
        return time.monotonic_ns() // 1_000


class Surroundings(NamedTuple):
    """`clock` gives microseconds UTC. `logs` is the folder of logs, relative to the root.

    `chance` gives a random number from 0 to 1 each time, so that what failed together is not tried again together.
    `secrets` are texts that nothing shows and nothing records: events and logs are without them.
    """

    root: str
    recorder: Recorder
    locks: LockService
    probes: ProbeSurroundings
    executor: LocalExecutor
    listeners: tuple[Callable[[RunEvent], None], ...]
    clock: Callable[[], int]
    environ: Mapping[str, str]
    logs: str = ".assets/logs"
    secrets: tuple[str, ...] = ()
    chance: Callable[[], float] = random

    def hide(self, value: Any) -> Any:
        """A text, or a value with texts in it, without secrets."""
        return mask(value, self.secrets)

    def emit(self, event: RunEvent) -> None:
        """Tell every listener. One that fails is dropped from this event only: listeners decide nothing."""
        if self.secrets:
            told = {name: self.hide(getattr(event, name)) for name in _TOLD if name in event._fields}
            event = event._replace(**told) if told else event
        for listener in self.listeners:
            try:
                listener(event)
            except Exception as error:  # noqa: BLE001 - a listener that fails must never stop a run
                if not isinstance(event, Warned):
                    self.emit(Warned(None, self.clock(), f"a listener failed: {type(error).__name__}: {error}"))
