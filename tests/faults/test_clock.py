"""A clock that is set back and forward, by hours and days, between runs and while one is at work.

The real command line, in a process whose wall clock is off by what a file says at the moment.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys

import pytest
from support.history import history, planned

SEED = int(os.environ.get("KILL_SEED", "1"))
STORIES = int(os.environ.get("CLOCK_STORIES", "2"))
HOUR = 3600
SKEWED = """
import sys, time
real = time.time_ns

def skewed():
    with open("hours") as hours:
        return real() + int(float(hours.read() or 0) * 3600) * 10**9

time.time_ns = skewed
time.time = lambda: skewed() / 1e9
from assets_cli.__main__ import main
sys.argv[0] = "assets"
main()
"""
ASSETS = """
- {name: root, command: {shell: "date +%N > root.txt"}, output: {path: root.txt}, freshness: {max_lag: 30d}}
- name: moved
  upstreams: [root]
  command: {shell: "cat root.txt > moved.txt; cat next >> hours.log; cp next hours; sleep 0.15"}
  output: {path: moved.txt}
- name: last
  upstreams: [moved]
  freshness: {max_lag: 40d}
  command: {shell: "cat moved.txt > last.txt; sleep 0.05"}
  output: {path: last.txt}
"""


def skewed(place, *words: str, hours=None):
    """Run `assets` with a clock that is off by what the file says, which is `hours` at first."""
    if hours is not None:
        (place.root / "hours").write_text(str(hours))
    return subprocess.run(
        [sys.executable, "-c", SKEWED, *words],
        cwd=place.root,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def numbers(document, name):
    """Every value of a key anywhere in a document."""
    if isinstance(document, dict):
        for key, value in document.items():
            if key == name:
                yield value
            yield from numbers(value, name)
    elif isinstance(document, list):
        for each in document:
            yield from numbers(each, name)


@pytest.mark.parametrize("seed", range(SEED, SEED + STORIES))
def test_set_between_runs_and_while_they_work(place, seed, record_property):
    """The newest is what came last; nothing takes less than nothing, or a day; all can be asked at any time."""
    place.assets(ASSETS)
    chance = random.Random(seed)
    ids = []
    for _ in range(3):
        (place.root / "next").write_text(f"{chance.choice([-30, -24, -2, 0, 2, 24, 30])}\n")
        done = skewed(
            place, "materialize", "--force", "root", "--downstream", "--json", hours=chance.choice([-26, -1, 0, 1, 26])
        )
        assert (done.returncode, done.stderr) == (0, "")
        events = [json.loads(line) for line in done.stdout.splitlines()]
        assert events[-1]["succeeded"] == ["root", "moved", "last"]
        ids.append(events[-1]["run"])
        for seconds in numbers(events, "duration_seconds"):
            assert 0 <= seconds < HOUR
        ats = [event["at"] for event in events]
        assert ats == sorted(ats), "a run lives by one clock"
        shown = skewed(place, "runs", "latest", "--json")
        assert shown.returncode == 0, shown.stderr
        assert json.loads(shown.stdout)["run"] == ids[-1]
        assert all(0 <= each < HOUR for each in numbers(json.loads(shown.stdout), "duration_seconds"))
        record_property("runs with another clock", 1)

    assert len(set(ids)) == 3
    assert all(re.fullmatch(r"\d{8}T\d{6}\.\d{6}-[0-9a-f]{4}", each) for each in ids)
    listed = json.loads(skewed(place, "runs", "--json").stdout)["runs"]
    assert [run["run"] for run in listed] == ids[::-1], "newest first is by sequence"
    assert planned(place.root) == {}, "versions decide, not clocks"
    plan = json.loads(skewed(place, "plan", "--force", "root", "--json").stdout)
    assert 0 <= plan["steps"][0]["estimated_seconds"] < HOUR
    for words in (("runs", "latest"), ("freshness",), ("show", "moved")):
        answer = skewed(place, *words, hours=chance.choice([-50, 50]))
        assert answer.returncode == 0, answer.stderr
        assert not re.search(r"-\d+(\.\d+)? (ms|s|seconds|minutes|hours|days)\b", answer.stdout), answer.stdout


def test_freshness_after_the_clock_was_set_back(place):
    """What was made in the future counts as made now: it is not overdue, its age is nothing, and it grows old again."""
    place.assets(
        """
        - {name: root, command: {shell: "echo 1 > root.txt"}, output: {path: root.txt}}
        - name: last
          upstreams: [root]
          freshness: {max_lag: 6h}
          command: {shell: "cat root.txt > last.txt"}
          output: {path: last.txt}
        """
    )
    assert skewed(place, "materialize", hours=48).returncode == 0

    def verdict(hours) -> tuple[str, int]:
        (found,) = json.loads(skewed(place, "freshness", "--json", hours=hours).stdout)["assets"]
        return found["status"], round(found["age_seconds"] / HOUR)

    assert verdict(48) == ("pass", 0)
    assert verdict(0) == ("pass", 0)
    assert verdict(53) == ("pass", 5)
    assert verdict(55) == ("fail", 7)
    assert skewed(place, "plan", "--exit-code", hours=0).returncode == 0
    assert json.loads(skewed(place, "plan", "--json", hours=55).stdout)["steps"][0]["causes"][0]["kind"] == "overdue"


def test_a_run_that_died_before_the_clock_was_set_back(place):
    """It is on record as crashed, and lasted no less than nothing."""
    place.assets('- {name: a, command: {shell: "test -e quick || { touch on; sleep 60; }"}}')
    (place.root / "hours").write_text("30")
    process = subprocess.Popen([sys.executable, "-c", SKEWED, "materialize"], cwd=place.root)
    place.wait_for("on")
    process.kill()
    process.wait()
    place.write("quick", "")
    assert skewed(place, "materialize", hours=0).returncode == 0

    assert history(place.root).runs == ["crashed", "succeeded"]
    shown = json.loads(skewed(place, "runs", "--json").stdout)["runs"]
    assert [run["status"] for run in shown] == ["succeeded", "crashed"]
    assert all(0 <= run["duration_seconds"] < HOUR for run in shown)


@pytest.mark.parametrize("ahead", [0.0, 3600.0, -3600.0])
def test_mtimes_of_another_clock(place, ahead):
    """An output with an mtime in the future is read again: one that changes without moving size or mtime is noticed.

    One that is past, and stands, is not: whoever changes a file now cannot leave it with that mtime, but on purpose.
    """
    place.assets('- {name: a, command: {shell: "echo 1 > a.txt; cp when.txt a.when"}, output: {path: a.txt}}')
    place.write("when.txt", "")
    skewed(place, "materialize", hours=0)
    file = place.root / "a.txt"
    moment = file.stat().st_mtime + ahead
    os.utime(file, (moment, moment))
    assert planned(place.root) == {}, "the content is what it was"

    file.write_text("2\n")
    os.utime(file, (moment, moment))
    # In the same file, of the same size and mtime: only the clock tells whether that could be another content.
    assert planned(place.root) == ({"a": ["output_changed"]} if ahead > 0 else {})
