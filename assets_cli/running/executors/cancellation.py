"""One interrupt for any number of waiting threads, which see it as a descriptor that becomes readable."""

from __future__ import annotations

import os
import select
from contextlib import suppress

_LONGEST_POLL = 86_400_000
"""Milliseconds: longer ones don't fit into the kernel's integer, so a longer wait is several of these."""


class Cancellation:
    """Cancelled once and for all. `cancel` takes no lock, so that a signal handler may call it."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        self._set = False

    def cancel(self) -> None:
        """Wake everybody who waits, now and later; a second call does nothing."""
        if not self._set:
            self._set = True
            with suppress(OSError):  # closed already: nobody waits any more
                os.write(self._writer, b"!")  # never read, so it stays readable for all

    def is_set(self) -> bool:
        """Whether it was cancelled."""
        return self._set

    def fileno(self) -> int:
        """A descriptor that is readable from the cancellation on; only to be polled."""
        return self._reader

    def wait(self, seconds: float) -> bool:
        """Wait for it no longer than this; whether it was cancelled."""
        if not self._set and seconds > 0:
            poller = select.poll()
            poller.register(self._reader, select.POLLIN)
            poller.poll(min(seconds * 1000, _LONGEST_POLL))
        return self._set

    def close(self) -> None:
        """Give the descriptors back, when nobody waits any more."""
        reader, writer, self._reader, self._writer = self._reader, self._writer, -1, -1
        for descriptor in (reader, writer):
            if descriptor >= 0:
                os.close(descriptor)

    def __del__(self) -> None:
        self.close()
