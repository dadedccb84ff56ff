"""Commands that do what no command should: each fails alone, or does no harm, and says what there is to say.

`BIG_MB` says how many megabytes a command prints that prints too much.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from support.history import history, planned
from support.mill import gone, kill, processes_in
from support.place import Place, is_alive

BIG_MB = int(os.environ.get("BIG_MB", "300"))
SECRET = "s3cr3t-of-ours"

SHELL = {
    # What it does, how it ends (None: well), the last line that is shown.
    "closes_its_output": ("echo before; exec 1>&- 2>&-; echo after || true", None, None),
    "closes_and_fails": ("echo before; exec 1>&- 2>&-; exit 3", "exit code 3", "before"),
    "reads_input": ("cat > $ASSETS_ASSET.txt; test ! -s $ASSETS_ASSET.txt", None, None),
    "kills_itself": ("echo so long; kill -KILL $$", "killed by SIGKILL", "so long"),
    "aborts": ("kill -ABRT $$", "killed by SIGABRT", None),
    "an_odd_signal": ("kill -40 $$", "killed by signal 40", None),
    "binary": ("head -c 100000 /dev/urandom; printf '\\000\\377\\nend\\n'; exit 1", "exit code 1", "end"),
    "half_a_character": ("printf 'caf\\303'; exit 1", "exit code 1", "caf\ufffd"),
    "no_line_feed": ("printf 'no end'; exit 1", "exit code 1", "no end"),
    "escapes": ("printf '\\033]0;title\\007\\033[31mred\\033[0m \\033[2J\\n'; exit 1", "exit code 1", "red"),
    "a_long_line": ("yes xx | head -c 5000000 | tr -d '\\n'; exit 1", "exit code 1", "x" * 499 + "…"),
    "many_children": ("for i in $(seq 100); do sleep 60 & done; exit 0", None, None),
    "removes_its_log": ("echo gone; rm .assets/logs/$ASSETS_RUN_ID/$ASSETS_ASSET.*; exit 1", "exit code 1", None),
    "a_secret": (f"echo the token is {SECRET}; exit 1", "exit code 1", "the token is ***"),
}
PYTHON = {
    "exits_at_once": ("os._exit(3)", "exit code 3", None),
    "exits_well_at_once": ("os._exit(0)", "ended without a result", None),
    "asks_to_exit": ("sys.exit(4)", "exit code 4", None),
    "kills_its_worker": ("os.kill(os.getpid(), 9)", "killed by SIGKILL", None),
    "segfaults": ("import ctypes; ctypes.string_at(0)", "killed by SIGSEGV", None),
    "closes_descriptors": ("os.close(1); os.close(2); 1/0", "ZeroDivisionError: division by zero", None),
    "closes_all": ("os.closerange(0, 4096)", "ended without a result", None),
    "replaces_streams": ("sys.stdout = sys.stderr = open('elsewhere', 'w'); print('x')", None, None),
    "interrupts": ("raise KeyboardInterrupt", "KeyboardInterrupt", None),
    "no_memory": (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 29, -1)); bytearray(1 << 32)",
        "MemoryError",
        None,
    ),
    "recurses": ("f = lambda: f(); f()", "RecursionError: maximum recursion depth exceeded", None),
    "a_secret_in_python": (f"print('the token is {SECRET}'); raise ValueError('{SECRET}')", "ValueError: ***", None),
    "an_odd_error": ("raise type('E', (Exception,), {'__str__': lambda self: 1/0})()", "E", None),
    "writes_to_every_descriptor": (
        "[_try(number) for number in range(3, 64)]",
        "something else than the worker wrote to its channel",
        None,
    ),
}
MODULE = """
import os, sys
from contextlib import suppress
def _try(fd):
    with suppress(OSError):
        os.write(fd, b"nonsense\\n")
"""


@pytest.fixture(scope="module")
def all_at_once(tmp_path_factory):
    """One run of all of them: events, and what is there."""
    place = Place(tmp_path_factory.mktemp("bad"))
    lines = [MODULE]
    assets = []
    for name, (text, _, _) in SHELL.items():
        place.write(f"{name}.sh", text)
        assets.append(f"- {{name: {name}, command: {{shell: '. ./{name}.sh'}}}}\n")
    for name, (text, _, _) in PYTHON.items():
        lines.append(f"def {name}():\n    {text}\n")
        assets.append(f'- {{name: {name}, command: {{python: "work:{name}"}}}}\n')
    assets.append("- {name: hidden, env: {TOKEN: '${env.TOKEN}'}, command: {shell: 'true'}}\n")
    place.write("work.py", "")
    (place.root / "work.py").write_text("\n".join(lines))
    place.assets("".join(assets))
    done = place.materialize("--jobs", "2", TOKEN=SECRET)
    return place, done


def step(done, name):
    """How a step ended."""
    return next(e for e in done["events"] if e["event"] == "step_finished" and e["asset"] == name)


@pytest.mark.parametrize("name", [*SHELL, *PYTHON])
def test_each_ends_as_it_has_to(all_at_once, name):
    """By its own fault and with its own reason; the last line of its log is as a terminal would show it."""
    _, done = all_at_once
    end = step(done, name)
    _, reason, last = {**SHELL, **PYTHON}[name]
    assert end["result"] == ("failed" if reason else "succeeded"), end
    assert (end["detail"] or "").startswith(reason or ""), end
    if last is not None:
        assert end["tail"][-1] == last
    assert "assets itself failed" not in end["detail"]
    assert SECRET not in json.dumps(end)


def test_what_they_leave(all_at_once):
    """No process, no secret, a history that is whole; logs that anybody can ask for."""
    place, done = all_at_once
    assert done["exit"] == 1
    assert gone(list(processes_in(place.root)), place.root)
    logs = list((place.root / ".assets/logs").rglob("*.log"))
    assert len(logs) >= len(SHELL) + len(PYTHON) - 1
    assert [log.name for log in logs if SECRET.encode() in log.read_bytes()] == []
    assert SECRET.encode() not in (place.root / ".assets/state.db").read_bytes()
    reasons = {name: reason for name, ((_, reason),) in history(place.root).attempts.items()}
    assert reasons["binary"] == "exit code 1"
    shown = subprocess.run(
        [sys.executable, "-m", "assets_cli", "logs", "latest"], cwd=place.root, capture_output=True, check=False
    )
    assert shown.returncode == 0, shown.stderr
    assert b"caf\xc3" in shown.stdout, "what goes into a pipe is what the command has written"
    assert b"Traceback" not in shown.stderr


def peak_of(place, words, **environment: str):
    """The peak memory of the coordinator of a run, in kB, and what it printed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "assets_cli", "materialize", "--json", *words],
        cwd=place.root,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    status, peak = Path(f"/proc/{process.pid}/status"), 0
    while process.poll() is None:
        with suppress(OSError):
            for line in status.read_text().splitlines():
                if line.startswith("VmHWM"):
                    peak = int(line.split()[1])
        time.sleep(0.01)
    assert process.stdout
    return peak, json.loads(process.stdout.read().splitlines()[-1])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux says how much memory a process has had")
@pytest.mark.parametrize("masked", [False, True])
def test_it_prints_too_much(place, masked):
    """It goes to the disk: the coordinator's memory stays what it is for a command that prints next to nothing."""
    secret = "env: {TOKEN: '${env.TOKEN}'}, " if masked else ""
    size = BIG_MB * 1_000_000 // (3 if masked else 1)
    place.write("work.py", "def big():\n    for _ in range(1000):\n        print('y\\n' * 5000)\n")
    place.assets(
        f"""
        - {{name: small, {secret}command: {{shell: "echo 1"}}}}
        - {{name: big, {secret}command: {{shell: "yes | head -c {size}; echo end; exit 1"}}}}
        - {{name: small_python, {secret}command: {{python: "work:big"}}}}
        - {{name: python, {secret}command: {{python: "work:big"}}}}
        """
    )
    least, _ = peak_of(place, ["small"], TOKEN=SECRET)
    most, end = peak_of(place, ["big", "python"], TOKEN=SECRET)

    assert (end["succeeded"], end["failed"]) == (["python"], ["big"])
    assert most < least + 8_000, f"{least} kB, and {most} kB with much output"
    (log,) = (place.root / ".assets/logs").rglob("big.1.log")
    assert log.stat().st_size == size + 4
    log.unlink()


def test_it_ignores_sigterm(place):
    """At its timeout it gets SIGTERM and five seconds, and then it is gone with its children."""
    place.assets(
        """
        - name: a
          timeout: 200ms
          command: {shell: "trap '' TERM; (trap '' TERM; while :; do sleep 0.1; done) & while :; do sleep 0.1; done"}
        """
    )
    began = time.monotonic()
    done = place.materialize()
    assert 5 < time.monotonic() - began < 20
    assert step(done, "a")["detail"] == "timed out after 200 ms"
    assert history(place.root).states() == {"a": ["timed_out"]}
    assert gone(list(processes_in(place.root)), place.root, 1)


DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        with open("daemon", "w") as file:
            file.write(str(os.getpid()))
        os.rename("daemon", "daemon.pid")
        time.sleep(60)
    os._exit(0)
os.wait()
"""


def test_it_leaves_a_daemon(place):
    """It is said, not waited for; and although it has inherited the lock, nobody waits for that either."""
    place.write("daemon.py", DAEMON)
    place.assets(
        f"""
        - {{name: a, command: {{shell: "{sys.executable} daemon.py; echo 1 > a.txt"}}, output: {{path: a.txt}}}}
        - {{name: b, upstreams: [a], command: {{shell: "cat a.txt > b.txt"}}, output: {{path: b.txt}}}}
        """
    )
    began = time.monotonic()
    first = place.materialize()
    daemons = [int((place.root / "daemon.pid").read_text())]
    second = place.materialize("--force", "a")
    daemons.append(int((place.root / "daemon.pid").read_text()))
    try:
        assert time.monotonic() - began < 30
        assert all(is_alive(each) for each in daemons)
        assert (first["succeeded"], second["succeeded"]) == (["a", "b"], ["a"])
        for done in (first, second):
            warnings = [event["message"] for event in done["events"] if event["event"] == "warning"]
            assert warnings == [
                "a process that the command started left its process group and still runs; assets cannot end it"
            ]
            assert not [event for event in done["events"] if event["event"] == "step_waiting"]
    finally:
        for each in daemons:
            kill(each)


def test_it_makes_its_output_a_link_out_of_the_project(place):
    """It is no output of this project; where we publish, what was there before still is."""
    outside = place.root.parent / "outside"
    outside.mkdir()
    place.write("out/kept.txt", "before\n")
    place.assets(
        f"""
        - name: plain
          command: {{shell: "echo 1 > {outside}/plain.txt; ln -sf {outside}/plain.txt out/plain.txt"}}
          output: {{path: out/plain.txt}}
        - name: kept
          command: {{shell: "echo 1 > {outside}/kept.txt; ln -s {outside}/kept.txt $ASSETS_OUTPUT"}}
          output: {{path: out/kept.txt, atomic: true}}
        """
    )
    done = place.materialize()
    details = {name: step(done, name)["detail"] for name in ("plain", "kept")}
    assert (done["exit"], done["succeeded"], sorted(done["failed"])) == (1, [], ["kept", "plain"]), details
    assert all("link" in detail for detail in details.values()), details
    assert (place.root / "out/kept.txt").read_text() == "before\n"
    assert sorted(path.name for path in (place.root / "out").iterdir()) == ["kept.txt", "plain.txt"]


@pytest.mark.parametrize("what", ["logs", "locks", "cache"])
def test_it_removes_what_is_ours(place, what):
    """Logs, locks and caches may go at any time: the run goes on, what it did is on record, and so is the next one."""
    place.assets(
        f"""
        - name: a
          command: {{shell: "echo a; rm -rf .assets/{what}; echo 1 > a.txt"}}
          output: {{path: a.txt}}
        - {{name: b, upstreams: [a], command: {{shell: "echo b; cat a.txt > b.txt"}}, output: {{path: b.txt}}}}
        - {{name: bad, upstreams: [b], command: {{shell: "echo bad; rm -rf .assets/{what}; exit 1"}}}}
        """
    )
    done = place.materialize("--jobs", "1")
    assert (done["exit"], done["succeeded"], done["failed"]) == (1, ["a", "b"], ["bad"])
    assert step(done, "bad")["detail"] == "exit code 1"
    assert history(place.root).runs == ["failed"]
    assert planned(place.root) == {"bad": ["missing", "last_run_failed"]}
    assert place.materialize("a", "--force")["succeeded"] == ["a"]


def test_it_removes_the_state(place):
    """History itself: the run cannot go on, which is said; it is not told as if it were on record."""
    place.assets(
        """
        - {name: a, command: {shell: "echo 1 > a.txt"}, output: {path: a.txt}}
        - name: b
          upstreams: [a]
          command: {shell: "test -e again || rm .assets/state.db*; touch again; echo 1 > b.txt"}
          output: {path: b.txt}
        - {name: c, upstreams: [b], command: {shell: "echo 1 > c.txt"}, output: {path: c.txt}}
        """
    )
    done = place.call("materialize", "--json", "--jobs", "1", COLUMNS="400")
    assert (done.returncode, json.loads(done.stdout.splitlines()[-1])["succeeded"]) == (2, ["a"])
    assert done.stderr == (
        f"error[A0505]: state file {place.root}/.assets/state.db cannot be used: "
        "it was removed or replaced while it was open\n"
        "  hint: what was on record went with it; run the command again, which begins with what is there now\n"
    )
    assert place.materialize()["succeeded"] == ["a", "b", "c"]


NEIGHBOURS = """
import os, signal, sys, threading, time, pathlib

def pid():
    return f"{os.getpid()} "

def leaves_everything():
    os.chdir("/")
    os.environ["LEFT"] = "yes"
    os.environ.pop("HOME", None)
    sys.path.insert(0, "/nowhere")
    os.umask(0o077)
    sys.stdout = sys.stderr = open(os.devnull, "w")
    return pid()

def finds_nothing():
    assert pathlib.Path("assets.yml").exists(), os.getcwd()
    assert "LEFT" not in os.environ and "HOME" in os.environ and "/nowhere" not in sys.path
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert threading.active_count() == 1
    print("found nothing")
    return pid()

def leaves_a_thread():
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    return pid()

def leaves_a_child():
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)
    return pid()

def ignores_sigterm():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return pid()

def sets_an_alarm():
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    return pid()

def limits_itself():
    import resource
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    return pid()

def closes_its_output():
    os.close(1)
    os.close(2)
    return pid()

def takes_its_time():
    time.sleep(0.5)
    return pid()
"""
SPOILING = ["leaves_a_thread", "leaves_a_child", "ignores_sigterm", "limits_itself", "closes_its_output"]


def test_the_next_function_finds_a_worker_as_it_was(place):
    """What can be put back is; a worker of which something is left that cannot be is not used again."""
    names = ["leaves_everything", *SPOILING, "sets_an_alarm"]
    pairs = [(name, f"after_{name}") for name in names]
    order = [each for pair in pairs for each in pair]
    lines = [NEIGHBOURS]
    assets = []
    for index, name in enumerate(order):
        above = order[index - 1] if index else ""
        # A function is handed its upstreams by name; these want none of them.
        after = "takes_its_time()" if name == "after_sets_an_alarm" else "finds_nothing()"
        lines.append(f"def make_{name}({above}):\n    return {after if name.startswith('after_') else f'{name}()'}\n")
        assets.append(
            f"- {{name: {name}, upstreams: [{above}], command: {{python: 'work:make_{name}'}}, "
            f"output: {{path: out/{name}.txt}}}}\n"
        )
    (place.root / "work.py").write_text("\n".join(lines))
    place.assets("".join(assets))
    done = place.materialize("--jobs", "1")
    assert done["succeeded"] == order, [event for event in done["events"] if event.get("result") == "failed"]

    pids = {name: (place.root / f"out/{name}.txt").read_text() for name in order}
    assert pids["leaves_everything"] == pids["after_leaves_everything"]
    for name in SPOILING:
        assert pids[name] != pids[f"after_{name}"], name
    assert gone(list(processes_in(place.root)), place.root)


def test_a_worker_that_timed_out_is_not_used_again(place):
    """Nor one whose function has ended it; the next attempt, and the next step, get another."""
    place.write(
        "work.py",
        """
        import os, pathlib, time
        def _note(name):
            with open("pids", "a") as pids:
                print(name, os.getpid(), file=pids)
        def slow():
            _note("slow")
            if not pathlib.Path("again").exists():
                pathlib.Path("again").touch()
                time.sleep(60)
        def after():
            _note("after")
        """,
    )
    place.assets(
        """
        - {name: slow, command: {python: "work:slow"}, timeout: 3s, retries: {max: 1, delay: 1ms}}
        - {name: after, upstreams: [slow], command: {python: "work:after"}}
        """
    )
    done = place.materialize("--jobs", "1")
    assert done["succeeded"] == ["slow", "after"]
    assert history(place.root).states() == {"slow": ["timed_out", "succeeded"], "after": ["succeeded"]}
    first, second, third = [line.split() for line in (place.root / "pids").read_text().splitlines()]
    assert first[1] != second[1] == third[1]


def test_a_module_that_changes_during_a_run(place):
    """A worker that has imported it ends; what runs afterwards is the new code, and is on record as such."""
    place.write("shared.py", 'TEXT = "old"\n')
    place.write("new.py", 'TEXT = "new"\n')
    place.write(
        "work.py",
        """
        import os, shared
        def first():
            return f"{shared.TEXT} {os.getpid()}"
        def second(change):
            return f"{shared.TEXT} {os.getpid()}"
        """,
    )
    place.assets(
        """
        - {name: first, command: {python: "work:first"}, output: {path: first.txt}}
        - name: change
          upstreams: [first]
          command: {shell: "sleep 0.05; cp new.py shared.py; touch change.txt"}
          output: {path: change.txt}
        - {name: second, upstreams: [change], command: {python: "work:second"}, output: {path: second.txt}}
        """
    )
    done = place.materialize("--jobs", "1")
    assert done["succeeded"] == ["first", "change", "second"]
    (old, before), (new, after) = ((place.root / f"{name}.txt").read_text().split() for name in ("first", "second"))
    assert (old, new) == ("old", "new")
    assert before != after
    assert planned(place.root) == {
        "first": ["code_changed"],
        "change": ["upstream_stale"],
        "second": ["upstream_stale"],
    }
