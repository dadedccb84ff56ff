"""What holds for every test, and a PostgreSQL server for all who ask for one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from support import postgres as support
from support.postgres import Server

# pytest-xdist tells its workers how wide its own terminal is; screens in tests are as wide as each test says.
os.environ.pop("COLUMNS", None)


@pytest.fixture(autouse=True, scope="session")
def _hear_ctrl_c() -> None:
    """Children inherit what is ignored, as SIGINT is in the background of some shells, and SIGHUP under nohup."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that all workers of this test run share; it is never skipped where there is none."""
    base = tmp_path_factory.getbasetemp()
    server, lock = support.shared(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base)
    yield server
    lock.close()


@pytest.fixture
def pg(postgres: Server, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an empty database of its own."""
    name = f"t{os.getpid()}_{abs(hash(request.node.nodeid)) % 10**9}"
    yield postgres.new_database(name)
    postgres.execute(f'drop database if exists "{name}" with (force)')
