"""The coordinator's side of a worker's channel; `worker` describes what is said. Never blocks."""

from __future__ import annotations

import json
import select
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

_CHUNK = 65_536
_MOST_DESCRIPTORS = 250
"""The kernel passes no more than 253 in one message; more go with blanks before the job."""


class WorkerChannel:
    """One end of a stream socket, for one job after another.

    `result` is the last document of the job at hand, `reports` what was reported before it, `left` what the worker says
    of itself when it has done with the job, `has_begun` whether it said that it would: see `worker`.
    """

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)  # noqa: FBT003 - positional only
        self._socket = end
        self._outgoing = b""
        self._descriptors: tuple[int, ...] = ()
        self._incoming = bytearray()
        self.is_open = True
        self.result: dict[str, Any] | None = None
        self.reports: list[dict[str, Any]] = []
        self.left: dict[str, Any] | None = None
        self.has_begun = False

    def submit(self, job: Mapping[str, Any], descriptors: Sequence[int]) -> None:
        """Begin a job, with descriptors that the worker gets copies of; they must stay open until it was sent."""
        self.result, self.reports, self.left, self.has_begun = None, [], None, False
        self._outgoing, self._descriptors = _line(job), tuple(descriptors)
        self._send()

    def fileno(self) -> int:
        """The descriptor to be polled."""
        return self._socket.fileno()

    @property
    def events(self) -> int:
        """What to poll for."""
        return select.POLLIN | (select.POLLOUT if self._outgoing else 0)

    async def converse(self, on_prepared: Callable[[dict[str, Any]], Awaitable[None]] | None) -> None:
        """Send and receive what can be without waiting. Without `on_prepared` nothing is allowed to be published."""
        self._send()
        while self.is_open:
            try:
                chunk = self._socket.recv(_CHUNK)
            except BlockingIOError:
                return
            except OSError:
                chunk = b""
            self.is_open = bool(chunk)
            self._incoming += chunk
            await self._take_lines(on_prepared)
            self._send()

    def close(self) -> None:
        """Close our end, which refuses whatever the worker still waits for."""
        self.is_open = False
        self._socket.close()

    def _give_up(self) -> None:
        """The user's code may write to any descriptor that it finds: what comes now can't be trusted."""
        self.result = {"event": "failed", "message": "something else than the worker wrote to its channel"}
        self.left = None
        self.is_open = False
        with suppress(OSError):  # it may be gone; if not, it must not wait for an answer for ever
            self._socket.shutdown(socket.SHUT_RDWR)

    def _send(self) -> None:
        while self._outgoing:
            try:
                sent = self._send_some()
            except BlockingIOError:
                return
            except OSError:  # it has stopped listening; it may have said why
                self._outgoing = b""
                return
            self._outgoing = self._outgoing[sent:]

    def _send_some(self) -> int:
        """Descriptors go with the first bytes of a job."""
        if not self._descriptors:
            return self._socket.send(self._outgoing)
        while len(self._descriptors) > _MOST_DESCRIPTORS:
            socket.send_fds(self._socket, [b" "], self._descriptors[:_MOST_DESCRIPTORS])
            self._descriptors = self._descriptors[_MOST_DESCRIPTORS:]
        sent = socket.send_fds(self._socket, [self._outgoing], self._descriptors)
        self._descriptors = ()
        return sent

    async def _take_lines(self, on_prepared: Callable[[dict[str, Any]], Awaitable[None]] | None) -> None:
        while (end := self._incoming.find(b"\n")) >= 0:
            line = bytes(self._incoming[:end])
            del self._incoming[: end + 1]
            try:
                document = json.loads(line)
            except (ValueError, RecursionError):
                document = None
            if not isinstance(document, dict):
                self._give_up()
                return
            event = document.pop("event", None)
            if event == "prepared" and on_prepared is not None:
                await on_prepared(document)
                self._outgoing += _line({"publish": True})
            elif event == "report":
                self.reports.append(document)
            elif event in ("done", "failed", "refused"):
                self.result = {"event": event, **document}
            elif event == "began":
                self.has_begun = True
            elif event == "left":
                self.left = document


def _line(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document).encode() + b"\n"
