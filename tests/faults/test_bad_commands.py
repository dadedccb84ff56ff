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
from support.place import DUCKDB, Place, is_alive

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
    "a_long_line": ("head -c 5000000 /dev/zero | tr '\\\\0' x; exit 1", "exit code 1", "x" * 499 + "…"),
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
    "closes_all": ("os.closerange(0, 4096)", "something else", None),
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
        "[suppress(OSError).__enter__() or _try(fd) for fd in range(3, 64)]",
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
    place, done = all_at_once
    end = step(done, name)
    _, reason, last = {**SHELL, **PYTHON}[name]
    print(name, end["result"], end.get("reason"), end.get("detail"), end.get("log_tail", end.get("tail")))
    assert end["result"] == ("failed" if reason else "succeeded")
