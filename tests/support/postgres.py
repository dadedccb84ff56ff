"""A real PostgreSQL server, started by the tests: the machine's own `initdb` and `postgres`, in a temporary folder.

All workers of a test run share one. Whoever needs it holds a lock on a file; a process that started the server waits
until nobody does any more, also because they were killed, and ends it. The server binaries refuse to run as root: then
they run as the user `postgres`, or else `nobody`.
"""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest

HOW = "install a PostgreSQL server, for example: apt-get install postgresql"
_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "max_connections": "60",
    "autovacuum": "off",
    "timezone": "UTC",
}


class Server(NamedTuple):
    """A server that runs. It takes its superuser `assets` without a password at the socket; by TCP, only with one."""

    folder: str
    port: int
    pid: int

    def url(self, database: str = "postgres") -> str:
        """The URL of one of its databases, at the socket."""
        return f"postgresql://assets@/{database}?host={self.folder}&port={self.port}"

    def tcp(self, user: str, password: str, database: str) -> str:
        """The URL of one of its databases by TCP."""
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run a statement by itself."""
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as raw:
            cursor = raw.execute(statement)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    def new_database(self, name: str) -> str:
        """The URL of a database of its own, empty."""
        self.execute(f'drop database if exists "{name}" with (force)')
        self.execute(f'create database "{name}" template template0')
        return self.url(name)


def binaries() -> Path:
    """The folder of the server's programs."""
    candidates = [Path(found).resolve().parent for name in ("initdb",) if (found := shutil.which(name))]
    if config := shutil.which("pg_config"):
        asked = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=False)
        candidates.append(Path(asked.stdout.strip() or "/nowhere"))
    for root in ("/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt", "/usr/local/pgsql", "/usr"):
        found_here = sorted(Path(root).glob("*/bin/initdb")) + sorted(Path(root).glob("bin/initdb"))
        candidates += [path.parent for path in reversed(found_here)]
    for folder in candidates:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    pytest.fail(f"there is no PostgreSQL server on this machine; {HOW}")


def _as_user() -> dict[str, Any]:
    """How a program is started that refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    pytest.fail("as root, PostgreSQL needs a user `postgres` or `nobody` to run as")


def shared(base: Path) -> tuple[Server, Any]:
    """The server of this test run, started if it does not run yet, and a lock to hold while it is needed.

    `base` is a folder that all workers of the run share.
    """
    base.mkdir(parents=True, exist_ok=True)
    users = (base / "postgres.users").open("w")
    fcntl.flock(users, fcntl.LOCK_SH)
    with (base / "postgres.start").open("a+") as starting:
        fcntl.flock(starting, fcntl.LOCK_EX)
        starting.seek(0)
        said = starting.read()
        if not said or not Path(json.loads(said)["folder"]).exists():
            programs = binaries()
            command = [sys.executable, __file__, str(programs), users.name]
            log = (base / "postgres.log").open("w")
            keeper = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL, text=True, start_new_session=True
            )
            assert keeper.stdout is not None
            said = keeper.stdout.readline()
            if not said:
                pytest.fail(f"PostgreSQL did not start: {Path(log.name).read_text()[-2000:]}")
            starting.truncate(0)
            starting.write(said)
    return Server(**json.loads(said)), users


def _keep(programs: Path, users: Path) -> None:
    """Start a server, say where it is, and end it when nobody needs it any more."""
    folder = Path(tempfile.mkdtemp(prefix="assets-pg-"))
    who = _as_user()
    if who:
        os.chown(folder, who["user"], who["group"])
    data = folder / "data"
    quiet: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": sys.stderr, "cwd": folder, **who}
    server = None
    try:
        initdb = [programs / "initdb", "-D", data, "-U", "assets", "--no-sync", "--encoding=UTF8", "--locale=C"]
        subprocess.run([*initdb, "--auth-local=trust", "--auth-host=scram-sha-256"], check=True, **quiet)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        settings = {**_SETTINGS, "listen_addresses": "127.0.0.1", "unix_socket_directories": str(folder)}
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        server = subprocess.Popen([programs / "postgres", "-D", data, "-p", str(port), *options], **quiet)
        _wait(folder, port, server)
        sys.stdout.write(json.dumps({"folder": str(folder), "port": port, "pid": server.pid}) + "\n")
        sys.stdout.flush()
        with users.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
    finally:
        if server is not None:
            server.send_signal(signal.SIGQUIT)
            server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(folder: Path, port: int, server: subprocess.Popen[bytes]) -> None:
    import psycopg

    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            psycopg.connect(host=str(folder), port=port, user="assets", dbname="postgres").close()
        except psycopg.OperationalError:
            time.sleep(0.02)
            continue
        return
    message = "the server did not come up"
    raise RuntimeError(message)


if __name__ == "__main__":
    _keep(Path(sys.argv[1]), Path(sys.argv[2]))
