"""The log of an attempt: its last lines for people, and the copying that hides secrets on the way into it."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterable
from pathlib import Path

from assets_cli.model.secrets import cover
from assets_cli.running import loop

_CHUNK = 65_536
_FURTHEST = 16 * _CHUNK
"""Bytes from the end of a log beyond which no line is looked for."""

_LONGEST_LINE = 500
_SEQUENCES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[ -/]*[0-~])"
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def tail(log: Path, lines: int = 20) -> tuple[str, ...]:
    """The last lines of a log as a terminal would leave them, without colours; empty where there is no log.

    Reads only the end. Bytes that are no UTF-8 are replaced, long lines cut at 500 characters.
    """
    try:
        with log.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            end = b""
            start = size
            while start > 0 and size - start < _FURTHEST and end.rstrip().count(b"\n") < lines:
                start = max(start - _CHUNK, 0)
                stream.seek(start)
                end = stream.read(size - start)
    except OSError:
        return ()
    whole = end.decode("utf-8", "replace").rstrip().split("\n")
    if start > 0 and len(whole) > 1:
        del whole[0]  # it began before what was read
    cleaned = [_clean(line) for line in whole[-lines:]]
    return tuple(cleaned) if any(cleaned) else ()


def _clean(line: str) -> str:
    """One line as a terminal shows it: what a carriage return overwrote is gone, and so are colours and bells."""
    shown = line.rstrip("\r").rpartition("\r")[2]
    shown = _CONTROLS.sub("", _SEQUENCES.sub("", shown)).expandtabs(4).rstrip()
    return shown if len(shown) <= _LONGEST_LINE else shown[: _LONGEST_LINE - 1] + "…"


class Masker:
    """Replaces secrets in a stream of bytes, also where one straddles two chunks.

    Holds back no more than the beginning of a secret, so that a log can be followed while it grows.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        longest_first = sorted({secret.encode() for secret in secrets if secret}, key=len, reverse=True)
        self._secrets = longest_first
        self._pattern = re.compile(b"|".join(re.escape(secret) for secret in longest_first)) if longest_first else None
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        """What can be shown, now that these bytes are known too."""
        if self._pattern is None:
            return chunk
        data = self._held + chunk
        keep = len(data) - self._longest_beginning(data)
        shown: list[bytes] = []
        position = 0
        for match in self._pattern.finditer(data):
            if match.start() >= keep:
                break  # a longer secret may begin there
            shown += [data[position : match.start()], _cover(match)]
            position = match.end()
        keep = max(keep, position)
        shown.append(data[position:keep])
        self._held = data[keep:]
        return b"".join(shown)

    def rest(self) -> bytes:
        """What was held back, at the end of the stream."""
        held, self._held = self._held, b""
        return self._pattern.sub(_cover, held) if self._pattern else held

    def _longest_beginning(self, data: bytes) -> int:
        """The length of the longest end of the data with which some secret begins but is not complete."""
        longest = 0
        for secret in self._secrets:
            for length in range(min(len(secret) - 1, len(data)), longest, -1):
                if data.endswith(secret[:length]):
                    longest = length
                    break
        return longest


def _cover(match: re.Match[bytes]) -> bytes:
    return cover(match[0].decode("utf-8", "replace")).encode()


class MaskingCopy:
    """A thread that copies a pipe into a log through a `Masker` until all writers are gone; it closes the log.

    `lost` is why something of it could not be written, if so.
    """

    def __init__(self, log: int, secrets: Iterable[str]) -> None:
        self._reader, self.writer = os.pipe()
        self._done, self._at_end = os.pipe()
        self._log = log
        self._masker = Masker(secrets)
        self.lost: str | None = None
        # A daemon: a child that left its group may keep the pipe open for longer than we live.
        self._thread = threading.Thread(target=self._copy, name="assets-log", daemon=True)
        self._thread.start()

    async def finish(self, patience: float) -> bool:
        """Wait until all is copied, but no longer than this; whether every writer is gone."""
        return self._done in await loop.ready({self._done: 0}, patience)

    def close(self) -> None:
        """Nobody asks for the end any more."""
        os.close(self._done)

    def _copy(self) -> None:
        try:
            while chunk := os.read(self._reader, _CHUNK):
                self._write(self._masker.feed(chunk))
            self._write(self._masker.rest())
        finally:
            os.close(self._reader)
            os.close(self._log)
            os.close(self._at_end)

    def _write(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self._log, data) :]
        except OSError as error:  # a full disk must not stop the command, which would wait for its pipe for ever
            self.lost = (error.strerror or str(error)).lower()
