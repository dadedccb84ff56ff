"""A web server on loopback that messages of alerts are sent to, and that answers as a test tells it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

TOKEN = "T0kenOfNobody12345"


class Receiver:
    """A web server that takes messages, and answers as it is told."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.status = 200
        self.pause = 0.0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                time.sleep(receiver.pause)
                if receiver.status == 200:
                    receiver.taken.append({"path": self.path, **json.loads(body)})
                self.send_response(receiver.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it is, as Apprise has it."""
        return f"json://127.0.0.1:{self.server.server_address[1]}/{TOKEN}"

    def titles(self) -> list[str]:
        """What came, in order."""
        return [each["title"] for each in self.taken]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """One that runs until this is left."""
    found = Receiver()
    try:
        yield found
    finally:
        found.server.shutdown()
        found.server.server_close()
