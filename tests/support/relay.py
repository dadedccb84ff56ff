"""The way to a server as networks are: cut in mid-statement, closed for a while, silent, or lost after a commit."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

from support.postgres import Server

_CHUNK = 65_536


class Relay:
    """Listens on a port of this machine and passes on what is said to a server's socket, as long as it is let."""

    def __init__(self, server: Server) -> None:
        self._place = str(Path(server.folder, f".s.PGSQL.{server.port}"))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self.port = self._listener.getsockname()[1]
        self.accepted = 0
        self.is_open = True
        self.is_silent = False
        self.on_commit: Callable[[], None] | None = None
        self.cut_at: int | None = None
        self.passed = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.is_open = False
        self._listener.close()
        self.cut()

    def url(self, database: str) -> str:
        """The URL of a database by this way."""
        return f"postgresql://assets@127.0.0.1:{self.port}/{database}?connect_timeout=2"

    def cut(self) -> None:
        """Cut every connection; the server finds out, too."""
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Cut every connection, and each new one at once."""
        self.is_open = False
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            if not self.is_open:
                client.close()
                continue
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._place)
            self._pairs.append((client, server))
            lost = threading.Event()
            for source, target in ((client, server), (server, client)):
                each = (source, target, lost, source is client)
                threading.Thread(target=self._pass_on, args=each, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, lost: threading.Event, is_question: bool) -> None:
        with suppress(OSError):
            while chunk := source.recv(_CHUNK):
                while self.is_silent:
                    time.sleep(0.01)
                if is_question and b"COMMIT" in chunk.upper() and self.on_commit is not None:
                    lost.set()  # its answer reaches nobody
                    target.sendall(chunk)
                    self.on_commit()
                    return
                self.passed += 1
                if self.passed == self.cut_at:
                    break
                if is_question or not lost.is_set():
                    target.sendall(chunk)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
