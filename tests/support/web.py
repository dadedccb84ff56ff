"""A small web server on loopback whose answers a test writes."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import NamedTuple


class Asked(NamedTuple):
    """One request."""

    method: str
    path: str
    headers: dict[str, str]


class Reply(NamedTuple):
    """What is answered."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


Answers = Callable[[Asked], Reply | None]
"""None: the connection is closed without a word."""


class Web:
    """A server that runs. `asked` are the requests so far."""

    def __init__(self, answers: Answers) -> None:
        self.asked: list[Asked] = []
        self.answers = answers
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = Asked(self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
                web.asked.append(asked)
                reply = web.answers(asked)
                if reply is None:
                    self.close_connection = True
                    return
                self.send_response_only(reply.status)
                for name, value in reply.headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(reply.body)

            do_HEAD = do_GET  # noqa: N815 - as the library calls it

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the library calls it
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True

    @property
    def host(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.server.server_address[1]}"

    @property
    def methods(self) -> list[str]:
        """The methods of the requests so far, which are forgotten."""
        found, self.asked = [each.method for each in self.asked], []
        return found


@contextmanager
def serving(answers: Answers, certificate: Path | None = None) -> Iterator[Web]:
    """A server that runs until this is left, by TLS where it has a certificate."""
    web = Web(answers)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        web.server.socket = context.wrap_socket(web.server.socket, server_side=True)
    thread = Thread(target=web.server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield web
    finally:
        web.server.shutdown()
        thread.join()
        web.server.server_close()
