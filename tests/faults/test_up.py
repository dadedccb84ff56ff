"""`assets up` as it really runs: killed, stopped, put to sleep, edited under, and a second one beside it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from threading import Thread
from typing import Any

import jsonschema
import pytest

from assets_cli.manifest.schemas import schema_text

SEED = int(os.environ.get("KILL_SEED", "1"))
SOAK = float(os.environ.get("UP_SECONDS", "16"))
EVENTS = jsonschema.Draft7Validator(json.loads(schema_text("up-events")))
PATIENCE = 30
LONG_AGO = "0 0 1 1 *"


class Up:
    """A running `assets up --json`, whose events are gathered and held to their schema."""

    def __init__(self, place, *arguments: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "assets_cli", "up", "--json", *arguments],
            cwd=place.root,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.events: list[dict[str, Any]] = []
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def named(self, event: str) -> list[dict[str, Any]]:
        """All events of a name, so far."""
        return [each for each in list(self.events) if each["event"] == event]

    def made(self, asset: str) -> int:
        """How often an asset has been materialized."""
        return sum(each["asset"] == asset and each["result"] == "succeeded" for each in self.named("step_finished"))

    def wait(self, what: Callable[[], object], seconds: float = PATIENCE) -> None:
        """Until something is so."""
        deadline = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < deadline, self.events
            time.sleep(0.02)

    def settle(self) -> None:
        """Until it waits for something."""
        before = len(self.named("next"))
        self.wait(lambda: len(self.named("next")) > before or self.named("next"))

    def end(self, number: int = signal.SIGTERM) -> int:
        """Tell it to stop, and wait until it has; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        for each in self.events:
            EVENTS.validate(each)
        return code


@contextmanager
def up(place, *arguments: str, **environment: str) -> Iterator[Up]:
    """One that is gone at the end of the block."""
    one = Up(place, *arguments, **environment)
    try:
        yield one
    finally:
        one.process.kill()
        one.process.wait()


@pytest.fixture
def simple(place):
    """A root that is missing and what is made from it; nothing that time asks for."""
    place.assets("""
        - {name: a, command: {shell: "date +%s%N > a.txt"}, output: {path: a.txt}}
        - {name: b, upstreams: [a], command: {shell: "cat a.txt > b.txt"}, output: {path: b.txt}}
    """)
    return place


def test_it_runs_what_is_missing_then_sleeps_and_ends_when_told(simple):
    """SIGTERM and Ctrl-C end it with 130, as everything that was interrupted."""
    for number in (signal.SIGTERM, signal.SIGINT):
        with up(simple) as one:
            one.wait(lambda one=one: one.named("next"))
            assert one.end(number) == 130
            assert [each["event"] for each in one.events][-1] == "up_stopped"
            assert one.process.stderr.read() == ""
    assert simple.plan() == {}


def test_once_runs_what_is_due_and_exits(simple):
    """0 when it has succeeded, also with nothing to do, and 1 when a step failed."""
    first, second = simple.call("up", "--once", "--json"), simple.call("up", "--once", "--json")
    assert (first.returncode, second.returncode) == (0, 0)
    assert [json.loads(line)["event"] for line in second.stdout.splitlines()] == ["nothing_due"]
    simple.assets('- {name: a, command: {shell: "exit 7"}}')
    failed = simple.call("up", "--once")
    assert failed.returncode == 1
    assert "a failed: exit code 7" in failed.stderr
    simple.assets("- {name: a, comand: x}")
    broken = simple.call("up", "--once")
    assert broken.returncode == 2
    assert "error[A0" in broken.stderr


def test_a_promise_is_kept(place):
    """A root of three seconds and what is made from it are renewed before the promise is broken, again and again."""
    place.assets("""
        - {name: a, command: {shell: "date +%s%N > a.txt"}, output: {path: a.txt}}
        - name: b
          upstreams: [a]
          command: {shell: "cat a.txt > b.txt"}
          output: {path: b.txt}
          freshness: {max_lag: 4s}
    """)
    with up(place) as one:
        one.wait(lambda: one.made("b") >= 3)
        assert one.named("next")[0]["kind"] == "promise"
        one.end()
    started = [each["at"] for each in one.named("step_started") if each["asset"] == "a"]
    assert len(started) in range(3, 6)


def test_a_watched_file_wakes_it(place):
    """What is observed at a path, and code, are looked at when they change."""
    place.write("in.csv", "1\n")
    place.write("make.sh", "cat in.csv > b.txt\n")
    place.assets("""
        - {name: crm, observe: {path: in.csv}}
        - {name: b, upstreams: [crm], command: {shell: "sh make.sh"}, output: {path: b.txt}}
    """)
    with up(place) as one:
        one.wait(lambda: one.made("b") == 1 and one.named("next"))
        place.write("in.csv", "2\n")
        one.wait(lambda: one.made("b") == 2)
        place.write("make.sh", "cat in.csv in.csv > b.txt\n")
        one.wait(lambda: one.made("b") == 3)
        assert (place.root / "b.txt").read_text() == "2\n2\n"
        assert one.end() == 130


def test_where_the_system_does_not_tell_of_changes_it_says_so(place):
    """As on network drives."""
    place.assets('- {name: a, command: {shell: "true"}}')
    with up(place, WATCHFILES_FORCE_POLLING="1") as one:
        one.wait(lambda: one.named("polling"))
        one.end()
    assert len(one.named("polling")) == 1


def test_a_broken_edit_keeps_the_last_good_manifest(simple):
    """It says so once, goes on, and says when the manifest is whole again; what is new in it runs."""
    good = (simple.root / "assets.yml").read_text()
    ticking = (
        good + '  - {name: t, command: {shell: "date > t.txt"}, output: {path: t.txt}, freshness: {max_lag: 3s}}\n'
    )
    (simple.root / "assets.yml").write_text(ticking)
    with up(simple) as one:
        one.wait(lambda: one.made("t") == 1)
        (simple.root / "assets.yml").write_text(ticking + "  - {name: c, comand: {shell: x}}\n")
        one.wait(lambda: one.named("broken"))
        before = one.made("t")
        one.wait(lambda: one.made("t") >= before + 2)
        assert one.named("mended") == []
        (simple.root / "assets.yml").write_text(ticking + '  - {name: c, command: {shell: "true"}}\n')
        one.wait(lambda: one.named("mended") and one.made("c") == 1)
        one.end()
    (said,) = one.named("broken")
    assert said["standing_in"]
    assert [(each["file"], each["line"]) for each in said["problems"]] == [("assets.yml", 8)]


def test_code_that_cannot_be_read_holds_up_nothing_else(simple):
    """The asset waits with a warning; the rest goes on."""
    manifest = simple.root / "assets.yml"
    manifest.write_text(manifest.read_text() + '  - {name: c, command: {python: "gone:f"}}\n')
    with up(simple) as one:
        one.wait(lambda: one.made("b") == 1)
        one.wait(lambda: one.named("next"))
        one.end()
    (said,) = one.named("warning")
    assert said["asset"] == "c"


def test_a_second_one_stands_by_and_takes_over_when_the_first_is_killed(place):
    """It names whom it waits for, does nothing until then, and takes over at once."""
    place.assets('- {name: a, command: {shell: "date > a.txt"}, output: {path: a.txt}, freshness: {max_lag: 4s}}')
    with up(place) as first, up(place) as second:
        first.wait(lambda: first.named("up_started") or second.named("up_started"))
        if second.named("up_started"):
            first, second = second, first  # noqa: PLW2901 - whoever came first
        second.wait(lambda: second.named("standing_by"))
        assert str(first.process.pid) in second.named("standing_by")[0]["holder"]
        assert second.named("run_started") == []
        killed = time.monotonic()
        first.process.kill()
        second.wait(lambda: second.named("up_started"))
        assert time.monotonic() - killed < 1
        second.wait(lambda: second.made("a") >= 2)
        assert second.end() == 130


def test_one_that_stands_by_can_be_told_to_stop(place):
    """It holds nothing and ends at once."""
    place.assets('- {name: a, command: {shell: "true"}}')
    with up(place) as first:
        first.wait(lambda: first.named("next"))
        with up(place) as second:
            second.wait(lambda: second.named("standing_by"))
            assert second.end() == 130
        assert first.end() == 130


def test_told_to_stop_it_ends_what_runs(place):
    """The command gets the time to end; a second signal ends it at once."""
    place.assets("""
        - name: a
          command: {shell: "trap 'echo told > told; exit 1' TERM; touch began; while :; do sleep 0.05; done"}
    """)
    with up(place) as one:
        place.wait_for("began")
        assert one.end() == 130
    assert (place.root / "told").exists()
    assert [each["cancelled"] for each in one.named("run_finished")] == [["a"]]
    (place.root / "began").unlink()
    place.assets("""
        - name: a
          command: {shell: "trap '' TERM INT; touch began; while :; do sleep 0.05; done"}
    """)
    with up(place) as one:
        place.wait_for("began")
        one.process.send_signal(signal.SIGTERM)
        one.wait(lambda: one.named("up_stopping"))
        hurried = time.monotonic()
        assert one.end() == 130
        assert time.monotonic() - hurried < 5


def test_what_fails_is_no_busy_loop_and_what_is_mended_runs_at_once(place):
    """One attempt until retry_every has passed, or until somebody mends it."""
    place.write("make.sh", "exit 3\n")
    place.assets("""
        - {name: a, command: {shell: "sh make.sh"}, output: {path: a.txt}, freshness: {max_lag: 2s, retry_every: 1h}}
    """)
    with up(place) as one:
        one.wait(lambda: one.named("next"))
        time.sleep(3)
        assert len(one.named("run_started")) == 1
        assert one.named("next")[-1]["kind"] == "retry"
        place.write("make.sh", "echo 1 > a.txt\n")
        one.wait(lambda: one.made("a") == 1)
        one.end()


def test_a_schedule_has_its_tick(place):
    """By a clock that says that the next minute is near: it runs at once, since it is missing, and then."""
    ahead = int((48 - time.time() % 60) * 1e9)
    skewed = f"import time\nnow = time.time_ns\ntime.time_ns = lambda: now() + {ahead}\n"
    place.write("clock/sitecustomize.py", skewed)
    place.assets("""
        - {name: s, command: {shell: "date > s.txt"}, output: {path: s.txt}, schedule: {cron: "* * * * *"}}
        - {name: below, upstreams: [s], command: {shell: "cat s.txt > b.txt"}, output: {path: b.txt}}
    """)
    with up(place, PYTHONPATH=str(place.root / "clock")) as one:
        one.wait(lambda: one.named("next"))
        assert one.named("next")[0]["kind"] == "schedule"
        assert one.named("next")[0]["moment"].endswith(":00Z")
        assert one.made("s") == 1
        one.wait(lambda: one.made("s") == 2 and one.made("below") == 2)
        one.end()
    causes = [[each["kind"] for each in one_["causes"]] for one_ in one.named("step_started") if one_["asset"] == "s"]
    assert causes == [["missing", "forced"], ["forced"]]


def test_after_a_sleep_it_catches_up_once(place):
    """A stopped process is what a sleeping machine looks like: missed turns are one turn."""
    place.assets('- {name: a, command: {shell: "date > a.txt"}, output: {path: a.txt}, freshness: {max_lag: 3s}}')
    with up(place) as one:
        one.wait(lambda: one.made("a") >= 2)
        one.process.send_signal(signal.SIGSTOP)
        time.sleep(1)  # what runs, ends
        before = one.made("a")
        time.sleep(7)
        one.process.send_signal(signal.SIGCONT)
        one.wait(lambda: one.made("a") > before)
        time.sleep(0.5)
        assert one.made("a") in (before + 1, before + 2)  # one that had ended while it slept is heard of only now
        one.end()


def test_a_plan_beside_it_works_as_always(simple):
    """It holds no lock and no database while it sleeps."""
    with up(simple) as one:
        one.wait(lambda: one.named("next"))
        assert simple.plan() == {}
        assert simple.materialize("--force", "a")["succeeded"] == ["a"]
        one.end()


def test_idle_it_does_nothing(place):
    """Asleep, it starts no process, and wakes a few times a second at most; it stays small."""
    place.assets(
        "\n".join(
            f'- {{name: a{number}, command: {{shell: "true"}}, schedule: {{cron: "{LONG_AGO}"}}}}'
            for number in range(50)
        )
    )
    with up(place) as one:
        one.wait(lambda: one.named("next"))
        time.sleep(1)
        before, events = _usage(one.process.pid), len(one.events)
        time.sleep(4)
        after = _usage(one.process.pid)
        assert _children(one.process.pid) == []
        assert len(one.events) == events
        assert after["switches"] - before["switches"] <= 40
        assert after["ticks"] - before["ticks"] <= 1
        assert after["kilobytes"] < 80_000
        one.end()


def _usage(pid: int) -> dict[str, int]:
    """What a process has used so far, over all its threads."""
    switches = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        for line in (task / "status").read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                switches += int(line.split()[1])
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return {
        "switches": switches,
        "ticks": int(fields[11]) + int(fields[12]),
        "kilobytes": pages * os.sysconf("SC_PAGE_SIZE") // 1024,
    }


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_no_promise_is_broken_that_could_be_kept(place):
    """Killed at random, alone or with all that it has started, and started again: each table stays as new as promised.

    Each command writes down the moment from which its data is; what a table holds must not be older than promised at
    the moment at which it is replaced. Time goes by sixty times as fast: seconds stand for minutes.
    """
    place.assets("""
        - name: fast
          command: {shell: "date +%s.%N > fast.txt; echo $(date +%s.%N) $(cat fast.txt) >> fast.log"}
          output: {path: fast.txt}
          freshness: {max_lag: 8s, retry_every: 1s}
        - {name: slow, command: {shell: "date +%s.%N > slow.txt; sleep 0.2"}, output: {path: slow.txt}}
        - name: mart
          upstreams: [fast, slow]
          command:
            shell: |
              sort fast.txt slow.txt | head -1 > mart.txt
              echo $(date +%s.%N) $(cat mart.txt) >> mart.log
          output: {path: mart.txt}
          freshness: {max_lag: 12s, retry_every: 1s}
    """)
    chance, kills = random.Random(SEED), 0
    end = time.monotonic() + SOAK
    while time.monotonic() < end:
        with up(place) as one:
            time.sleep(chance.uniform(0.3, 5))
            groups = _children(one.process.pid)
            one.process.kill()
            if chance.random() < 0.3:
                for child in groups:
                    _kill(int(child))
            kills += 1
    for name, promised in (("fast", 8), ("mart", 12)):
        lines = [tuple(map(float, line.split())) for line in (place.root / f"{name}.log").read_text().splitlines()]
        ages = [later[0] - data for (_, data), later in pairwise(lines)]
        assert ages, kills
        assert max(ages) <= promised, (name, kills, ages)


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
