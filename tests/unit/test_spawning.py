"""How processes start, by either way: what they find, what they inherit, how their ends are known."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from assets_cli.running.executors import spawning
from assets_cli.running.executors.spawning import Start, reap, start

LOOK = """
import json, os, sys
print(json.dumps({
    "cwd": os.getcwd(), "sid": os.getsid(0), "pgid": os.getpgrp(), "pid": os.getpid(), "env": dict(os.environ),
    "fds": [fd for fd in range(3, 64) if os.path.exists(f"/proc/self/fd/{fd}") and os.get_inheritable(fd)],
    "stdin": sys.stdin.read(), "argv": sys.argv[1:],
}))
"""


@pytest.fixture(params=["posix_spawn", "subprocess", "another folder"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Each way to start; `posix_spawn` knows only the folder in which we are."""
    monkeypatch.chdir(tmp_path)
    if request.param == "subprocess":
        monkeypatch.setattr(spawning, "_can_make_sessions", lambda: False)
    if request.param == "another folder":
        (tmp_path / "x").mkdir()
        monkeypatch.chdir(tmp_path / "x")
    return str(request.param)


def is_inheritable(descriptor: int) -> bool:
    """Whether a descriptor is open, and not to be closed by exec."""
    try:
        return os.get_inheritable(descriptor)
    except OSError:
        return False


def run(folder: Path, *argv: str, **changes: Any) -> tuple[int, bool, str]:
    """Run a command to its end: its exit code, whether it was `subprocess` that started it, what it printed."""
    out = os.open(folder / "out", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    try:
        what = Start(argv, {"PATH": os.environ["PATH"], "ONLY": "this"}, str(folder), out, out)
        process = start(what._replace(**changes))
        code = reap(process)
        return code, process.popen is not None, (folder / "out").read_text()
    finally:
        os.close(out)


def test_what_it_finds(way: str, tmp_path: Path) -> None:
    """A session of its own, its folder, its environment and no other, nothing to read."""
    lock = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    other = os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT)
    ours = {number for number in range(3, 256) if is_inheritable(number)}
    try:
        # By way of a program that is looked up: one with a path is left to `subprocess`.
        argv = ("sh", "-c", 'exec "$0" "$@"', sys.executable, "-c", LOOK, "a b", "")
        code, by_popen, text = run(tmp_path, *argv, descriptors=(lock,))
    finally:
        os.close(lock)
        os.close(other)
    found = json.loads(text)
    assert (code, by_popen) == (0, way != "posix_spawn")
    assert found["cwd"] == str(tmp_path)
    assert found["sid"] == found["pgid"] == found["pid"]
    added = {"LC_CTYPE", "PWD", "SHLVL", "_", "__CF_USER_TEXT_ENCODING"}  # by Python, the shell and macOS
    assert {name: value for name, value in found["env"].items() if name not in added} == {
        "PATH": os.environ["PATH"],
        "ONLY": "this",
    }
    assert (found["stdin"], found["argv"]) == ("", ["a b", ""])
    if sys.platform == "linux":
        # What we were started with ourselves, as by a shell, is anybody's.
        assert set(found["fds"]) - ours == {lock}


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("exit 0", 0),
        ("exit 7", 7),
        ("kill -KILL $$", -signal.SIGKILL),
        ("kill -PIPE $$", -signal.SIGPIPE),
        ("kill -XFSZ $$", -signal.SIGXFSZ),
    ],
)
def test_how_it_ended(way: str, tmp_path: Path, script: str, code: int) -> None:
    """Its exit code, or the negative number of a signal; also of one that Python ignores and it must not."""
    assert run(tmp_path, "sh", "-c", script)[0] == code


def test_programs_that_are_not_there(way: str, tmp_path: Path) -> None:
    """The error is that of the system: no such file, or not executable; nothing is left of the attempt."""
    before = len(list(Path("/proc/self/fd").iterdir())) if sys.platform == "linux" else 0
    with pytest.raises(FileNotFoundError):
        run(tmp_path, "no-such-program")
    with pytest.raises(FileNotFoundError):
        run(tmp_path, "./no-such-program")
    (tmp_path / "plain").write_text("echo\n")
    with pytest.raises(PermissionError):
        run(tmp_path, str(tmp_path / "plain"))
    with pytest.raises(ValueError, match="null"):
        run(tmp_path, "echo", "a\0b")
    if sys.platform == "linux":
        assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_program_that_comes_later(way: str, tmp_path: Path) -> None:
    """What was not found once is looked for again; what was moved meanwhile is an error, not another program."""
    name = f"later-{way.replace(' ', '-')}"
    env = {"PATH": str(tmp_path / "bin")}
    (tmp_path / "bin").mkdir()
    with pytest.raises(FileNotFoundError):
        run(tmp_path, name, env=env)
    program = tmp_path / "bin" / name
    program.write_text("#!/bin/sh\necho here\n")
    program.chmod(0o755)
    assert run(tmp_path, name, env=env)[2] == "here\n"


def test_a_folder_that_is_not_there(way: str, tmp_path: Path) -> None:
    """It is the folder that is named, not the program."""
    with pytest.raises(FileNotFoundError) as caught:
        run(tmp_path, "sh", "-c", "true", cwd=str(tmp_path / "gone"))
    assert caught.value.filename == str(tmp_path / "gone")


def test_somebody_else_reaped_it(way: str, tmp_path: Path) -> None:
    """Then how it ended is lost, and nobody waits for ever."""
    out = os.open(os.devnull, os.O_WRONLY)
    process = start(Start(("sh", "-c", "exit 3"), dict(os.environ), str(tmp_path), out, out))
    os.close(out)
    os.waitpid(process.pid, 0)
    assert reap(process) == 0


def test_whether_sessions_can_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is found out by doing it; a system that cannot says so in one of several ways."""
    ask = spawning._can_make_sessions.__wrapped__
    if sys.platform == "linux":
        assert ask() is True
    for error in (NotImplementedError(), OSError(22, "no"), AttributeError()):

        def refuse(*_: Any, error: Exception = error, **__: Any) -> int:
            raise error

        monkeypatch.setattr(os, "posix_spawn", refuse)
        assert ask() is False
