"""The worker, as a process: what it says on its channel, writes to its log and exits with."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import assets_cli
from assets_cli.connections import open_database

PACKAGES = str(Path(assets_cli.__file__).parent.parent)
COMMAND = (sys.executable, "-P", "-m", "assets_cli.running.worker")


class Worker:
    """A worker and the coordinator's end of its channel."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = root / "log"
        ours, theirs = socket.socketpair()
        self.socket = ours
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                COMMAND,
                cwd=root,
                env={**os.environ, "PYTHONPATH": PACKAGES, "TZ": "UTC", "ASSETS_CHANNEL": str(theirs.fileno())},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        theirs.close()
        self.lines = ours.makefile("r", encoding="utf-8")

    def say(self, document: dict[str, Any], *locks: int) -> None:
        """Send one document; with a job goes the log, and the locks under which it is done."""
        line = json.dumps(document).encode() + b"\n"
        if "compute" not in document:
            self.socket.sendall(line)
            return
        with self.log.open("ab") as log:
            socket.send_fds(self.socket, [line], [log.fileno(), *locks])

    def next(self) -> dict[str, Any] | None:
        """The worker's next document after it began; None when there are no more."""
        line = self.lines.readline()
        if line == '{"event": "began"}\n':
            line = self.lines.readline()
        return json.loads(line) if line else None

    def rest(self) -> tuple[list[dict[str, Any] | None], int]:
        """The documents that are left of the last job, and the exit code when there are no more."""
        self.socket.shutdown(socket.SHUT_WR)
        documents = [document for document in iter(self.next, None) if document and document["event"] != "left"]
        return documents, self.process.wait(20)

    def job(self, document: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        """Have a job done that reports nothing: its end, and whether the worker is as it was before."""
        self.say(document)
        end, left = self.next(), self.next()
        assert end
        assert left
        return end, left["clean"]

    def close(self) -> None:
        """End it, whatever it does."""
        self.lines.close()
        self.socket.close()
        self.process.kill()
        self.process.wait()


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    """A worker that waits for its job."""
    worker = Worker(tmp_path)
    yield worker
    worker.close()


def job(root: Path, **changes: Any) -> dict[str, Any]:
    """A job that fills the table `orders` of a SQLite database by SQL."""
    document: dict[str, Any] = {
        "compute": "sql",
        "asset": "orders",
        "run": "R1",
        "environment": "default",
        "root": str(root),
        "command": {"query": "select 1 as id", "path": None},
        "output": {"path": None, "table": "orders", "connection": "w", "materialization": "table"},
        "connections": {"w": {"type": "sqlite", "options": {"path": "w.db"}}},
        "default_connection": "w",
        "upstreams": {},
        "vars": {},
        "data_version": None,
        "data_version_sql": None,
    }
    return {**document, **changes}


def python_job(root: Path, source: str, **changes: Any) -> dict[str, Any]:
    """A job that calls `build` of a module with this source and has no output."""
    (root / "scratch.py").write_text(textwrap.dedent(source))
    command = {"module": "scratch", "function": "build"}
    return job(root, compute="python", command=command, output=None, **changes)


DONE = {"event": "done", "rows": None, "digest": None, "columns": None, "data_version": None, "added": None}


def test_sql(worker: Worker) -> None:
    """Nothing is published before the coordinator says so; `done` repeats what was prepared."""
    worker.say(job(worker.root))
    prepared = worker.next()
    assert prepared
    assert (prepared["event"], prepared["rows"], prepared["columns"]) == ("prepared", 1, [["id", ""]])
    reader = open_database("sqlite", {"path": "w.db"}, worker.root).open(read_only=True)
    assert reader.existing(["orders"]) == set()
    worker.say({"publish": True})
    assert worker.rest() == ([{**prepared, "event": "done", "data_version": None, "added": None}], 0)
    assert reader.existing(["orders"]) == {"orders"}
    reader.close()
    assert worker.log.read_text() == ""


def test_duckdb(worker: Worker) -> None:
    """DuckDB works in a worker, and the data version that was asked for comes along."""
    connections = {"w": {"type": "duckdb", "options": {"path": "d/w.duckdb"}}}
    worker.say(job(worker.root, connections=connections, data_version_sql="select max(id) from orders"))
    prepared = worker.next()
    assert prepared
    assert prepared["columns"] == [["id", "INTEGER"]]
    worker.say({"publish": True})
    (done,), code = worker.rest()
    assert done
    assert (done["digest"], done["data_version"][:4], code) == (prepared["digest"], "sql:", 0)


@pytest.mark.parametrize("answer", [None, {"publish": False}])
def test_a_coordinator_that_dies(worker: Worker, answer: dict[str, Any] | None) -> None:
    """Without the answer nothing is published."""
    worker.say(job(worker.root))
    worker.next()
    if answer is not None:
        worker.say(answer)
    worker.socket.shutdown(socket.SHUT_RDWR)
    assert worker.process.wait(20) == 0
    assert "nothing was published: the coordinator is gone" in worker.log.read_text()
    reader = open_database("sqlite", {"path": "w.db"}, worker.root).open(read_only=True)
    assert reader.existing(["orders"]) == set()
    reader.close()


def test_python(worker: Worker) -> None:
    """A function's reports come before `done`; what it prints is in the log; its children inherit no channel."""
    source = """
        import os, subprocess, sys
        def build(context, raw):
            print("from", raw)
            os.write(1, b"raw\\n")
            print("späť \\udc80", file=sys.stderr)
            assert "ASSETS_CHANNEL" not in os.environ
            assert subprocess.run("ls -l /dev/fd | grep socket", shell=True, close_fds=False).returncode == 1
            assert os.environ["TZ"] == "UTC"
            context.report(rows=3, data_version="v1")
    """
    worker.say(
        python_job(worker.root, source, upstreams={"raw": {"path": "/p/raw", "table": None, "connection": None}})
    )
    report = {"event": "report", "data_version": "v1", "data_time": None, "metadata": {"rows": 3}}
    assert worker.rest() == ([report, DONE], 0)
    assert worker.log.read_text() == "from /p/raw\nraw\nspäť \\udc80\n"


def test_a_function_that_raises(worker: Worker) -> None:
    """The message is one sentence; the log has the traceback, once, without our frames."""
    worker.say(python_job(worker.root, "def build():\n    raise ValueError('no rows')"))
    message = "ValueError: no rows (scratch.py:2)"
    assert worker.rest() == ([{"event": "failed", "message": message, "hint": None, "exit_code": 1}], 0)
    file = worker.root / "scratch.py"
    assert worker.log.read_text() == (
        f'Traceback (most recent call last):\n  File "{file}", line 2, in build\n'
        "    raise ValueError('no rows')\nValueError: no rows\n"
    )


def test_an_exit_code(worker: Worker) -> None:
    """The code that the function asked for is said, so that `retry_on` can name it."""
    worker.say(python_job(worker.root, "import sys\ndef build():\n    sys.exit(75)"))
    assert worker.rest() == ([{"event": "failed", "message": "exit code 75", "hint": None, "exit_code": 75}], 0)


def test_a_wrong_query(worker: Worker) -> None:
    """The message names the file and the line of the user's own query; the log has all that the database said."""
    connections = {"w": {"type": "duckdb", "options": {"path": "w.duckdb"}}}
    command = {"query": "select\n  1 as id,\nfrom nowhere", "path": "sql/orders.sql"}
    worker.say(job(worker.root, connections=connections, command=command))
    message = "sql/orders.sql:3: Catalog Error: Table with name nowhere does not exist!"
    hint = "the database has no tables yet"
    assert worker.rest() == ([{"event": "failed", "message": message, "hint": hint}], 0)
    assert "\nLINE 3: from nowhere\n" in worker.log.read_text()


def test_a_wrong_inline_query(worker: Worker) -> None:
    """A query within the manifest has no file to name; its line is named where it has several."""
    connections = {"w": {"type": "duckdb", "options": {"path": "w.duckdb"}}}
    worker.say(job(worker.root, connections=connections, command={"query": "select 1\nfrom nowhere", "path": None}))
    (failed,), _ = worker.rest()
    assert failed
    assert failed["message"] == "Catalog Error: Table with name nowhere does not exist! (line 2)"


def test_a_fault_of_ours(worker: Worker) -> None:
    """What should not happen is a sentence too, and its traceback is in the log."""
    document = job(worker.root)
    document["command"] = {}
    worker.say(document)
    message = "assets itself failed: KeyError: 'query'"
    assert worker.rest() == (
        [{"event": "failed", "message": message, "hint": "please report it with the step's log"}],
        0,
    )
    assert worker.log.read_text().startswith("Traceback (most recent call last):\n")


def test_an_unknown_compute(worker: Worker) -> None:
    """A compute that is not installed fails the step."""
    worker.say(job(worker.root, compute="spark"))
    expected = {
        "event": "failed",
        "message": "unknown compute 'spark'",
        "hint": "known computes: sql, python",
        "exit_code": 1,
    }
    assert worker.rest() == ([expected], 0)


def test_a_function_that_closes_its_streams(worker: Worker) -> None:
    """A user who closes standard output and error cannot stop the worker from answering."""
    source = "import sys\ndef build():\n    sys.stdout.close(); sys.stderr.close()\n    raise ValueError('x')"
    worker.say(python_job(worker.root, source))
    documents, _ = worker.rest()
    assert [document and document["event"] for document in documents] == ["failed"]


def test_sigterm(worker: Worker) -> None:
    """SIGTERM ends a worker at once, without a last word."""
    worker.say(python_job(worker.root, "import time\ndef build(context):\n    context.report(a=1)\n    time.sleep(60)"))
    assert worker.next()
    worker.process.send_signal(signal.SIGTERM)
    assert worker.rest() == ([], -signal.SIGTERM)


def test_modules_of_the_project(worker: Worker) -> None:
    """A module of the project that is called like one of Python's own does not get in the worker's way."""
    for name in ("json", "typing", "pathlib"):
        (worker.root / f"{name}.py").write_text("raise RuntimeError")
    worker.say(python_job(worker.root, "def build(): pass"))
    assert worker.rest() == ([DONE], 0)


class TestOneAfterAnother:
    """A worker does many jobs, and each finds it as the first did."""

    def test_modules_are_imported_once(self, worker: Worker) -> None:
        """What the first job has imported is there for the next one."""
        source = "import os\ncalls = []\ndef build(context):\n    calls.append(1)\n    print(len(calls), os.getpid())"
        document = python_job(worker.root, source)
        assert [worker.job(document) for _ in range(3)] == [(DONE, True)] * 3
        pid = worker.process.pid
        assert worker.log.read_text() == f"1 {pid}\n2 {pid}\n3 {pid}\n"

    def test_changed_code(self, worker: Worker) -> None:
        """A worker that has imported a file which is another now refuses, does nothing and ends."""
        document = python_job(worker.root, "import helper\ndef build(): print(helper.X)")
        (worker.root / "helper.py").write_text("X = 1")
        assert worker.job(document) == (DONE, True)
        (worker.root / "helper.py").write_text("X = 22")
        worker.say(document)
        assert worker.rest() == ([{"event": "refused"}], 0)
        assert worker.log.read_text() == "1\n"

    def test_a_module_that_comes_later(self, worker: Worker) -> None:
        """A module that was missing in one job is found by the next."""
        document = python_job(worker.root, "def build():\n    import later\n    print(later.X)")
        assert worker.job(document)[0]["event"] == "failed"
        (worker.root / "later.py").write_text("X = 1")
        assert worker.job(document) == (DONE, True)

    def test_surface(self, worker: Worker) -> None:
        """Variables, folder, streams and search path are put back; what a job printed goes to its own log."""
        source = """
            import os, sys
            def build():
                print(os.environ.get("LEFT"), os.getcwd() == os.path.dirname(__file__), "x" in sys.path)
                os.environ["LEFT"] = "behind"
                os.chdir("/")
                sys.path.append("x")
                sys.stdout = open(os.devnull, "w")
        """
        document = python_job(worker.root, source)
        assert [worker.job(document) for _ in range(2)] == [(DONE, True)] * 2
        assert worker.log.read_text() == "None True False\n" * 2

    @pytest.mark.parametrize(
        "source",
        [
            "import subprocess\ndef build(): subprocess.Popen(['sleep', '60'])",
            "import threading, time\ndef build(): threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
            "import sys\ndef build(): sys.stdout.close()",
        ],
        ids=["child", "thread", "stream"],
    )
    def test_what_is_left(self, worker: Worker, source: str) -> None:
        """A child, a thread or a closed stream is said, so that the coordinator ends the worker and all of it."""
        assert worker.job(python_job(worker.root, source)) == (DONE, False)
        subprocess.run(["pkill", "-P", str(worker.process.pid)], check=False)

    def test_locks(self, worker: Worker) -> None:
        """Locks that come with a job are held while it lasts, also by children that keep descriptors, and not after."""
        source = """
            import fcntl, os, subprocess
            def build():
                other = os.open("lock", os.O_RDWR)
                try:
                    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    print("held")
                print(subprocess.run("ls -l /dev/fd | grep -c lock$", shell=True, close_fds=False, stdout=1).returncode)
        """
        descriptor = os.open(worker.root / "lock", os.O_RDWR | os.O_CREAT)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        worker.say(python_job(worker.root, source), descriptor)
        os.close(descriptor)
        assert [worker.next(), worker.next()] == [DONE, {"event": "left", "clean": True}]
        assert "held\n" in worker.log.read_text()
        again = os.open(worker.root / "lock", os.O_RDWR)
        fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(again)


def test_no_channel(tmp_path: Path) -> None:
    """Started by hand it says what it is."""
    ended = subprocess.run(
        COMMAND, env={**os.environ, "PYTHONPATH": PACKAGES}, capture_output=True, text=True, check=False
    )
    expected = "this is the worker of `assets materialize`, which starts it by itself\n"
    assert (ended.returncode, ended.stderr) == (2, expected)


def test_what_it_imports() -> None:
    """Starting up imports none of the packages that take long, and no driver."""
    heavy = {
        "typer",
        "rich",
        "yaml",
        "jsonschema",
        "duckdb",
        "sqlite3",
        "sqlglot",
        "asyncio",
        "logging",
        "inspect",
        "socket",
    }
    script = "import sys, assets_cli.running.worker; print(*{name.partition('.')[0] for name in sys.modules})"
    command = [sys.executable, "-S", "-P", "-c", script]
    ended = subprocess.run(command, env={"PYTHONPATH": PACKAGES}, capture_output=True, text=True, check=True)
    assert heavy & set(ended.stdout.split()) == set()
