"""One interrupt for any number of waiting threads, which see it as a descriptor that becomes readable.

A second one, if whoever interrupts loses patience, is seen by another descriptor.
"""

from __future__ import annotations

import os
import select
from contextlib import suppress

_LONGEST_POLL = 86_400_000
"""Milliseconds: longer ones don't fit into the kernel's integer, so a longer wait is several of these."""


class Cancellation:
    """Cancelled once and for all. `cancel` and `hurry` take no lock, so that a signal handler may call them."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        self._urgent_reader, self._urgent_writer = os.pipe()
        self._set = self._urgent = False

    def cancel(self) -> None:
        """Wake everybody who waits, now and later; a second call does nothing."""
        if not self._set:
            self._set = True
            _wake(self._writer)

    def hurry(self) -> None:
        """Cancel, and grant no time to end any more."""
        self.cancel()
        if not self._urgent:
            self._urgent = True
            _wake(self._urgent_writer)

    def is_set(self) -> bool:
        """Whether it was cancelled."""
        return self._set

    def is_urgent(self) -> bool:
        """Whether nothing is granted time to end any more."""
        return self._urgent

    def fileno(self) -> int:
        """A descriptor that is readable from the cancellation on; only to be polled."""
        return self._reader

    def urgent_fileno(self) -> int:
        """A descriptor that is readable from the moment when it hurries; only to be polled."""
        return self._urgent_reader

    def wait(self, seconds: float) -> bool:
        """Wait for it no longer than this; whether it was cancelled."""
        if not self._set and seconds > 0:
            poller = select.poll()
            poller.register(self._reader, select.POLLIN)
            poller.poll(min(seconds * 1000, _LONGEST_POLL))
        return self._set

    def close(self) -> None:
        """Give the descriptors back, when nobody waits any more."""
        descriptors = (self._reader, self._writer, self._urgent_reader, self._urgent_writer)
        self._reader = self._writer = self._urgent_reader = self._urgent_writer = -1
        for descriptor in descriptors:
            if descriptor >= 0:
                os.close(descriptor)

    def __del__(self) -> None:
        self.close()


def _wake(writer: int) -> None:
    with suppress(OSError):  # closed already: nobody waits any more
        os.write(writer, b"!")  # never read, so it stays readable for all
