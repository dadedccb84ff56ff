"""Commands as real processes: how they end, what they leave, what their logs hold."""

from __future__ import annotations

import errno
import fcntl
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import assets_cli
from assets_cli.computes.reported import Reported
from assets_cli.running.executors import processes
from assets_cli.running.executors.cancellation import Cancellation
from assets_cli.running.executors.local import Invocation, LocalExecutor, Outcome
from assets_cli.running.executors.logs import Masker, tail
from assets_cli.running.loop import wait_for

PACKAGES = str(Path(assets_cli.__file__).parent.parent)
SECOND = 1_000_000


class Place:
    """A scratch folder and an executor that gives commands little time to end."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = root / "logs/orders.1.log"
        self.cancellation = Cancellation()
        self.groups: list[int] = []
        self.prepared: list[dict[str, Any]] = []

    def run(
        self,
        command: str | tuple[str, ...],
        *,
        grace: float = 0.3,
        on_start: Callable[[int], None] | None = None,
        on_prepared: Callable[[dict[str, Any]], None] | None = None,
        **changes: Any,
    ) -> Outcome:
        """Run a shell command or an argument list."""
        argv = ("sh", "-e", "-c", command) if isinstance(command, str) else command
        invocation = Invocation(argv, {**os.environ, "PYTHONPATH": PACKAGES}, str(self.root), self.log)
        executor = LocalExecutor(grace=grace, rest_grace=grace)

        async def prepared(document: dict[str, Any]) -> None:
            (on_prepared or self.prepared.append)(document)

        try:
            return wait_for(
                executor.run(
                    invocation._replace(**changes),
                    on_start=on_start or self.groups.append,
                    on_prepared=prepared,
                    cancelled=self.cancellation,
                )
            )
        finally:
            executor.close()

    def pid(self, name: str) -> int:
        """The process id that a command wrote into a file."""
        return int((self.root / name).read_text())


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A scratch folder."""
    return Place(tmp_path)


@pytest.fixture(params=["pidfd", "thread"])
def any_exit(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to wait for an exit: Linux's, and that of other systems."""
    if request.param == "thread":
        monkeypatch.delattr(os, "pidfd_open")


def test_standard_output_may_go_elsewhere(place: Place) -> None:
    """As it is, into a file of its own; the log has the rest, masked."""
    outcome = place.run("echo told s3cret; echo said s3cret >&2", stdout=place.root / "out", masks=("s3cret",))
    assert outcome.state == "succeeded"
    assert ((place.root / "out").read_text(), place.log.read_text()) == ("told s3cret\n", "said ***\n")


def lives(pid: int) -> bool:
    """Whether a process has not exited; a zombie has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.usefixtures("any_exit")
class TestEnding:
    def test_success(self, place: Place) -> None:
        """Exit code 0 needs no reason; the process group is told when it starts."""
        assert place.run("echo $$ > pid") == Outcome(0, "succeeded")
        assert place.groups == [place.pid("pid")]

    def test_exit_codes(self, place: Place) -> None:
        """Another exit code is the reason of the failure."""
        assert place.run("exit 3") == Outcome(3, "failed", "exit code 3")

    def test_a_signal(self, place: Place) -> None:
        """A killed command has the exit code that shells give it."""
        assert place.run("kill -KILL $$") == Outcome(137, "failed", "killed by SIGKILL")
        assert place.run(f"kill -{signal.SIGRTMIN + 3} $$") == Outcome(165, "failed", "killed by signal 37")

    def test_a_timeout(self, place: Place) -> None:
        """A timeout ends the command and its children, and reports how long it had."""
        outcome = place.run("sleep 60 & echo $! > child; wait", timeout=SECOND // 2)
        assert outcome == Outcome(143, "timed_out", "timed out after 500 ms")
        assert not lives(place.pid("child"))

    def test_a_command_that_ignores_sigterm(self, place: Place) -> None:
        """After the grace comes SIGKILL, for the whole group."""
        script = "trap '' TERM; sleep 60 & echo $! > child; while :; do sleep 60 || :; done"
        outcome = place.run(script, timeout=SECOND // 2)
        assert outcome == Outcome(137, "timed_out", "timed out after 500 ms")
        assert not lives(place.pid("child"))

    def test_the_grace(self, place: Place) -> None:
        """A command may tidy up on SIGTERM."""
        script = "trap 'echo tidied > left; exit 0' TERM; echo x; while :; do sleep 0.01; done"
        assert place.run(script, timeout=SECOND // 2, grace=5).state == "timed_out"
        assert (place.root / "left").read_text() == "tidied\n"

    def test_cancelling(self, place: Place) -> None:
        """Another thread's cancellation ends the command, and what comes after does not start."""

        def cancel_when_started() -> None:
            while not (place.root / "started").exists():
                time.sleep(0.005)
            place.cancellation.cancel()

        canceller = threading.Thread(target=cancel_when_started)
        script = "sleep 60 & echo $! > child; touch started; wait"
        outcome = place.run(script, on_start=lambda group: canceller.start())
        canceller.join()
        assert outcome == Outcome(143, "cancelled", "cancelled")
        assert not lives(place.pid("child"))
        assert place.run("touch never") == Outcome(None, "cancelled", "cancelled")
        assert not (place.root / "never").exists()

    def test_hurrying(self, place: Place) -> None:
        """A second interrupt waits for nobody: neither a command that ignores the first, nor what it leaves."""

        def cancel_when_started() -> None:
            while not (place.root / "started").exists():
                time.sleep(0.005)
            place.cancellation.cancel()
            assert not place.cancellation.is_urgent()
            place.cancellation.hurry()

        canceller = threading.Thread(target=cancel_when_started)
        script = "trap '' TERM; sleep 60 & echo $! > child; touch started; wait"
        outcome = place.run(script, grace=50, on_start=lambda group: canceller.start())
        canceller.join()
        assert outcome == Outcome(137, "cancelled", "cancelled")
        assert not lives(place.pid("child"))
        assert place.cancellation.is_set()
        assert place.cancellation.is_urgent()

    def test_the_rest_of_the_group(self, place: Place) -> None:
        """What a command left running in its group is ended when it has exited."""
        assert place.run("sleep 60 & echo $! > child") == Outcome(0, "succeeded")
        assert not lives(place.pid("child"))

    def test_a_rest_that_ignores_sigterm(self, place: Place) -> None:
        """SIGTERM is not enough for some."""
        script = "(trap '' TERM; while :; do sleep 60 || :; done) & echo $! > child; sleep 0.1"
        assert place.run(script) == Outcome(0, "succeeded")
        assert not lives(place.pid("child"))

    def test_a_rest_that_holds_nothing(self, place: Place) -> None:
        """A child in the group that has closed everything it inherited is ended too."""
        script = "import os, subprocess; p = subprocess.Popen(['sleep', '60']); open('child', 'w').write(str(p.pid))"
        assert place.run((sys.executable, "-c", script)) == Outcome(0, "succeeded")
        assert not lives(place.pid("child"))

    def test_a_child_that_left_the_group(self, place: Place) -> None:
        """A daemon is noticed, not waited for, and not ended."""
        script = "setsid sh -c 'echo $$ > daemon; exec sleep 60' & while [ ! -s daemon ]; do sleep 0.01; done"
        before = time.monotonic()
        outcome = place.run(script, grace=5)
        took = time.monotonic() - before
        daemon = place.pid("daemon")
        alive = lives(daemon)
        os.kill(daemon, signal.SIGKILL)
        assert (outcome, alive) == (Outcome(0, "succeeded", escaped=True), True)
        assert took < 4

    def test_a_callback_that_fails(self, place: Place) -> None:
        """A recorder that fails stops the command, and the error is passed on."""

        def fail(group: int) -> None:
            place.groups.append(group)
            raise KeyError

        with pytest.raises(KeyError):
            place.run("sleep 60", on_start=fail)
        assert not processes.group_lives(place.groups[0])

    def test_no_descriptor_is_left(self, place: Place) -> None:
        """Whatever was opened for a command is closed after it, also where it could not start."""
        place.run(":")  # what is opened once for all commands is open now
        gc.collect()
        before = set(os.listdir("/dev/fd"))  # noqa: PTH208
        place.run("exit 1")
        place.run("echo x", masks=("secret",))
        place.run(("no-such-program",))
        place.run(("no-such-program",), masks=("secret",), job={})
        place.run("sleep 60", timeout=1)
        assert set(os.listdir("/dev/fd")) == before  # noqa: PTH208


class TestStarting:
    @pytest.mark.parametrize(
        ("argv", "reason"),
        [
            (("no-such-program",), "there is no program no-such-program"),
            (("./plain.txt",), "./plain.txt is not executable"),
            (("./broken",), "./broken cannot be started: exec format error"),
            (("sh", "-c", "a\0b"), "sh cannot be started: embedded null byte"),
            (("sh", "-c", "x" * 5_000_000), "sh cannot be started: argument list too long"),
        ],
    )
    def test_programs_that_cannot_start(self, place: Place, argv: tuple[str, ...], reason: str) -> None:
        """The reason names the program."""
        (place.root / "plain.txt").write_text("x")
        (place.root / "broken").write_text("x")
        (place.root / "broken").chmod(0o755)
        assert place.run(argv) == Outcome(None, "failed", reason)
        assert place.groups == []

    def test_a_folder_that_is_not_there(self, place: Place) -> None:
        """A missing working directory is not taken for a missing program."""
        folder = str(place.root / "gone")
        reason = f"the folder {folder} cannot be entered: no such file or directory"
        assert place.run("true", cwd=folder) == Outcome(None, "failed", reason)

    def test_a_log_that_cannot_be_written(self, place: Place) -> None:
        """Nor is a log that cannot be written."""
        reason = f"the log {place.root} cannot be written: is a directory"
        assert place.run("true", log=place.root) == Outcome(None, "failed", reason)

    def test_the_environment(self, place: Place) -> None:
        """The environment is the given one and nothing else."""
        place.run(("/usr/bin/env",), env={"A": "b c"})
        assert place.log.read_text() == "A=b c\n"

    def test_standard_input(self, place: Place) -> None:
        """There is nothing to read."""
        assert place.run("cat; echo end").state == "succeeded"
        assert place.log.read_text() == "end\n"

    def test_an_inherited_lock(self, place: Place) -> None:
        """A lock's descriptor is inherited: the lock lasts as long as the command, though its owner is gone."""
        descriptor = os.open(place.root / "lock", os.O_CREAT | os.O_RDWR)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        other = os.open(place.root / "lock", os.O_RDWR)
        held: list[bool] = []

        def look(group: int) -> None:
            os.close(descriptor)
            try:
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                held.append(error.errno == errno.EAGAIN)
            (place.root / "go").touch()

        outcome = place.run("while [ ! -e go ]; do sleep 0.01; done", on_start=look, descriptors=(descriptor,))
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(other)
        assert (outcome.state, held) == ("succeeded", [True])

    def test_two_at_once(self, place: Place) -> None:
        """Commands of two threads know nothing of each other: no leash of one is held by the other."""
        outcomes: list[Outcome] = []

        def work() -> None:
            outcomes.extend(place.run(":") for _ in range(100))

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert outcomes == [Outcome(0, "succeeded")] * 200


class TestLog:
    def test_appending(self, place: Place) -> None:
        """Output and errors go into one log, in order, which is appended to."""
        place.run("echo one; echo two >&2; echo three")
        place.run("echo four")
        assert place.log.read_text() == "one\ntwo\nthree\nfour\n"

    def test_a_lot_of_output(self, place: Place) -> None:
        """Fifty megabytes of output take no memory here, masked or not."""
        script = """if True:
            import resource, sys
            from pathlib import Path
            from assets_cli.running.executors.local import Cancellation, Invocation, LocalExecutor
            from assets_cli.running.loop import wait_for
            def run(log, masks):
                command = ("sh", "-c", "yes 123456789012345 | head -c 52428800")
                call = Invocation(command, {"PATH": "/bin:/usr/bin"}, "/", Path(sys.argv[1], log), masks=masks)
                ignore = lambda anything: None
                running = LocalExecutor().run(call, on_start=ignore, on_prepared=ignore, cancelled=Cancellation())
                outcome = wait_for(running)
                assert outcome.state == "succeeded"
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            run("plain", ())
            run("masked", ("secret",))
            print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
        """
        env = {**os.environ, "PYTHONPATH": PACKAGES}
        ended = subprocess.run(
            [sys.executable, "-c", script, str(place.root)], env=env, capture_output=True, text=True, check=True
        )
        assert (place.root / "plain").stat().st_size == (place.root / "masked").stat().st_size == 52_428_800
        assert int(ended.stdout) < 10

    def test_masking(self, place: Place) -> None:
        """No secret reaches the log, not even one that is written in two parts."""
        script = "printf 'a hunt'; sleep 0.05; printf 'er22 b '; echo hunter2; printf 'hunter'"
        assert place.run(script, masks=("hunter2", "hunter22")).state == "succeeded"
        assert place.log.read_text() == "a *** b ***\nhunter"

    def test_masking_what_a_daemon_writes(self, place: Place) -> None:
        """A daemon that closed the leash but keeps its output is noticed by its hold on the masked log."""
        script = (
            "import subprocess; p = subprocess.Popen(['sleep', '60'], start_new_session=True);"
            "open('daemon', 'w').write(str(p.pid)); print('done')"
        )
        import assets_cli.running.executors.local as local  # noqa: PLR0402

        patience, local._COPY_PATIENCE = local._COPY_PATIENCE, 0.3
        try:
            outcome = place.run((sys.executable, "-c", script), masks=("secret",))
        finally:
            local._COPY_PATIENCE = patience
            os.kill(place.pid("daemon"), signal.SIGKILL)
        assert outcome == Outcome(0, "succeeded", escaped=True)
        assert place.log.read_text() == "done\n"

    @pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
    def test_masking_by_chunks(self, size: int) -> None:
        """However a stream is cut, what is shown is what masking all of it at once would show."""
        secrets = ("hunter2", "hunter22", "aXa", "ünï", "22end")
        text = "hunter2 hunter22 hunterhunter2 aXaXa ün ünï \udc80 aX hunte".encode("utf-8", "surrogateescape") + b"\0r"
        masker = Masker(secrets)
        shown = b"".join(masker.feed(text[i : i + size]) for i in range(0, len(text), size)) + masker.rest()
        assert shown == "*** *** hunter*** ***Xa ün *** \udc80 aX hunte".encode("utf-8", "surrogateescape") + b"\0r"

    def test_masking_holds_back_little(self) -> None:
        """Only what may be the beginning of a secret waits for more."""
        masker = Masker(("hunter2", ""))
        assert [masker.feed(b"100 % done "), masker.feed(b"hun"), masker.feed(b"gry\n"), masker.rest()] == [
            *(b"100 % done ", b"", b"hungry\n"),
            b"",
        ]
        assert Masker(()).feed(b"hunter2") == b"hunter2"


class TestTail:
    def tail(self, place: Place, content: bytes, lines: int = 20) -> tuple[str, ...]:
        """The last lines of a log with this content."""
        place.log.parent.mkdir(exist_ok=True)
        place.log.write_bytes(content)
        return tail(place.log, lines)

    def test_the_last_lines(self, place: Place) -> None:
        """Only the last lines, without the empty ones at the end."""
        assert self.tail(place, b"one\ntwo\n\nfour\n\n\n", 3) == ("two", "", "four")
        assert self.tail(place, b"one", 3) == ("one",)

    @pytest.mark.parametrize("content", [b"", b"\n\n", b"\x1b[0m\n"])
    def test_nothing(self, place: Place, content: bytes) -> None:
        """A log with nothing to see has no lines."""
        assert self.tail(place, content) == ()

    def test_no_log(self, tmp_path: Path) -> None:
        """Nor has one that is not there."""
        assert tail(tmp_path / "none") == ()

    def test_what_a_terminal_would_show(self, place: Place) -> None:
        """Colours, titles, bells and what was overwritten are gone; CRLF is a line's end; bad bytes are replaced."""
        content = b"\x1b[1;31mred\x1b[0m \x1b]0;title\x07x\x07\r\n 10 %\r 50 %\r100 %\n\xc3\xa9 half: \xc3\n\ta\x00b\n"
        assert self.tail(place, content) == ("red x", "100 %", "é half: �", "    ab")

    def test_long_lines(self, place: Place) -> None:
        """A line is cut at 500 characters."""
        (line,) = self.tail(place, b"x" * 501)
        assert line == "x" * 499 + "…"
        assert self.tail(place, b"x" * 500) == ("x" * 500,)

    def test_a_large_log(self, place: Place) -> None:
        """Only the end is read, as far back as the lines go."""
        line = b"y" * 30_000 + b"\n"
        assert len(self.tail(place, b"first\n" + line * 200, 20)) == 20
        assert len(self.tail(place, line * 200 + b"last\n", 100)) == 35
        with place.log.open("wb") as stream:
            stream.truncate(1 << 40)
            stream.seek(0, os.SEEK_END)
            stream.write(b"\nend\n")
        assert tail(place.log, 1) == ("end",)


class TestWorker:
    def run(self, place: Place, source: str, **changes: Any) -> Outcome:
        """Run a Python function as a worker's job."""
        (place.root / "scratch.py").write_text(source)
        job = {
            "compute": "python",
            "asset": "orders",
            "run": "R1",
            "environment": "default",
            "root": str(place.root),
            "command": {"module": "scratch", "function": "build"},
            "output": None,
            "connections": {"w": {"type": "sqlite", "options": {"path": "w.db"}}},
            "default_connection": "w",
            "upstreams": {},
            "vars": {},
            "data_version_sql": None,
            **changes.pop("job", {}),
        }
        return place.run((sys.executable, "-P", "-m", "assets_cli.running.worker"), job=job, **changes)

    def test_reports(self, place: Place) -> None:
        """All that a worker reported is there as one."""
        source = (
            "def build(context):\n    context.report(data_version='a', x=1)\n    context.report(data_version='b', y=2)"
        )
        outcome = self.run(place, source)
        assert (outcome.state, outcome.exit_code, outcome.reason) == ("succeeded", 0, None)
        nothing = dict.fromkeys(("rows", "digest", "columns", "data_version", "added"))
        assert outcome.result == {"event": "done", **nothing}
        assert outcome.reported == Reported("b", None, {"x": 1, "y": 2})

    def test_a_failure(self, place: Place) -> None:
        """A worker's message is the reason, with the hint in parentheses."""
        assert (
            self.run(place, "def biuld(): pass").reason
            == "the module scratch has no function build (did you mean biuld?)"
        )
        outcome = self.run(place, "import sys\ndef build(): sys.exit(75)")
        assert (outcome.state, outcome.exit_code, outcome.reason) == ("failed", 75, "exit code 75")

    @pytest.mark.parametrize(
        ("statement", "code", "reason"),
        [
            ("os._exit(0)", 0, "ended without a result"),
            ("os._exit(9)", 9, "exit code 9"),
            ("os.abort()", 134, "killed by SIGABRT"),
            ("os.write(channel(), b'x\\n'); os._exit(0)", 1, "something else than the worker wrote to its channel"),
            (
                "os.write(channel(), b'[]\\n{}\\n'); os._exit(0)",
                1,
                "something else than the worker wrote to its channel",
            ),
        ],
    )
    def test_a_crash(self, place: Place, statement: str, code: int, reason: str) -> None:
        """A worker that dies without `done` has failed."""
        source = f"""if True:
            import os, resource, stat
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            def channel():
                return next(fd for fd in range(3, 4096) if is_socket(fd))
            def is_socket(fd):
                return os.path.exists(f"/dev/fd/{{fd}}") and stat.S_ISSOCK(os.fstat(fd).st_mode)
            def build():
                {statement}
        """
        outcome = self.run(place, source)
        assert (outcome.state, outcome.exit_code, outcome.reason) == ("failed", code, reason)

    def test_publishing(self, place: Place) -> None:
        """What is about to be published is known before it is there, and a refusal undoes it."""
        job = {
            "compute": "sql",
            "command": {"query": "select 1 as id /* " + "x" * 1_000_000 + " */", "path": None},
            "output": {"table": "orders", "connection": "w", "materialization": "table"},
        }
        outcome = self.run(place, "", job=job)
        assert outcome.result
        assert (outcome.state, outcome.result["rows"]) == ("succeeded", 1)
        assert place.prepared == [{key: outcome.result[key] for key in ("rows", "digest", "columns")}]

        def refuse(document: dict[str, Any]) -> None:
            raise BlockingIOError  # also an error that sockets have

        with pytest.raises(BlockingIOError):
            self.run(place, "", job=job, on_prepared=refuse)
        assert not processes.group_lives(place.groups[-1])

    def test_a_timeout(self, place: Place) -> None:
        """A worker has no longer than another command, however much it reports."""
        source = "def build(context):\n    while True: context.report(a=1)"
        outcome = self.run(place, source, timeout=SECOND)
        assert (outcome.state, outcome.reason) == ("timed_out", "timed out after 1.0 s")

    def test_a_child_of_a_function(self, place: Place) -> None:
        """A child that a function started with everything closed is in the group, and ended with it."""
        source = """if True:
            import subprocess
            def build():
                open("child", "w").write(str(subprocess.Popen(["sleep", "60"]).pid))
        """
        assert self.run(place, source).state == "succeeded"
        assert not lives(place.pid("child"))


class TestCancellation:
    def test_waiting(self) -> None:
        """Waiting ends with the cancellation or with the time, and says which."""
        cancellation = Cancellation()
        assert (cancellation.is_set(), cancellation.wait(0), cancellation.wait(0.01)) == (False, False, False)
        threading.Timer(0.05, cancellation.cancel).start()
        assert cancellation.wait(1e9)
        cancellation.cancel()
        assert (cancellation.is_set(), cancellation.wait(60)) == (True, True)

    def test_in_a_signal_handler(self) -> None:
        """A signal handler may cancel while the same thread waits."""
        cancellation = Cancellation()
        before = signal.signal(signal.SIGUSR1, lambda number, frame: cancellation.cancel())
        try:
            threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1)).start()
            assert cancellation.wait(60)
        finally:
            signal.signal(signal.SIGUSR1, before)

    def test_closing(self) -> None:
        """Closed, it can still be cancelled, to no effect."""
        cancellation = Cancellation()
        cancellation.close()
        cancellation.close()
        cancellation.cancel()
        assert cancellation.is_set()
