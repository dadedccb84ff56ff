"""Days of a running `assets up` in seconds: killed at random, put to sleep, its clock set, its manifest broken.

The real command line and real processes; only the clock is another (`support.fast_clock`). Each command writes down the
moment from which its data is, and when its table was replaced; whether a promise was broken that could be kept is told
from that alone (`support.promise_keeping`).
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from support.fast_clock import FastClock
from support.place import Place
from support.promise_keeping import Judged, Upset, Written, caught_up, judge, too_often, undisturbed
from support.up import Up, children, up

SEED = int(os.environ.get("KILL_SEED", "1"))
SOAK = float(os.environ.get("UP_SECONDS", "18"))
MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
RESTART = 15.0
"""What starting, deciding and running may take in all, on a machine that does other things, too."""
NOTICE = 30.0
"""After how long it is noticed that the machine slept, or that the clock was set."""
AGAIN = 2 * MINUTE
"""A decision that was killed is asked for again in a minute, and a run that was killed comes after `retry_every`."""
PROMISES = {"fast": HOUR, "mart": 3 * HOUR}
RHYTHM = {"fast": HOUR, "slow": 3 * HOUR}
EARLY = max(PROMISES.values()) / 20 + MINUTE
"""How much earlier something runs that goes along with a run for another promise."""
ASSETS = """
- name: fast
  command: {shell: "sh now.sh | tee -a fast.began > fast.txt; echo $(sh now.sh) $(cat fast.txt) >> fast.log"}
  output: {path: fast.txt}
  freshness: {max_lag: 1h, retry_every: 1m}
- {name: slow, command: {shell: "sh now.sh | tee -a slow.began > slow.txt; sleep 0.3"}, output: {path: slow.txt}}
- name: mart
  upstreams: [fast, slow]
  command: {shell: "sort fast.txt slow.txt | head -1 > mart.txt; echo $(sh now.sh) $(cat mart.txt) >> mart.log"}
  output: {path: mart.txt}
  freshness: {max_lag: 3h, retry_every: 1m}
- name: tick
  command: {shell: "echo $(sh now.sh) $(sh wall.sh) >> tick.log"}
  schedule: {cron: "17 * * * *"}
"""


class Story:
    """One `up` after the other on a project, and what befalls them."""

    def __init__(self, place: Place, clock: FastClock, chance: random.Random) -> None:
        self.place, self.clock, self.chance = place, clock, chance
        self.upsets: list[Upset] = []
        self.diary: list[dict[str, Any]] = []
        """What came to pass, for who has to find out why a promise was broken."""
        self._noted = 0
        self._to_come: list[Callable[[Up], None]] = []
        place.write("now.sh", f"echo {clock.TRUE_TIME}\n")
        place.write("wall.sh", f"echo {clock.WALL_TIME}\n")
        place.assets(ASSETS)

    def live(self) -> None:
        """One `up`, from its start to its end, some of which are its own."""
        with up(self.place, **self.clock.environment) as one:
            self._meanwhile(one)
            assert one.process.poll() is None, one.events
            at = self.clock.now()
            if self.chance.random() < 0.2:
                assert one.end() == 130
            else:
                self._kill(one)
        self.diary += [{"event": "upset", **each._asdict()} for each in self.upsets[self._noted :]]
        self.diary += [{"event": "life"}, *one.events]
        self._noted = len(self.upsets)
        assert one.errors == ""
        if self.chance.random() < 0.3:
            self.clock.pass_while_nothing_runs(self.chance.uniform(MINUTE, 12 * HOUR))
        self.upsets.append(Upset(at, self.clock.now(), "gone", RESTART))

    def _meanwhile(self, one: Up) -> None:
        end = time.monotonic() + self.chance.uniform(0.5, 6)
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, self.chance.uniform(0.5, 3)))
            if self.chance.random() < 0.6 and time.monotonic() < end:
                self._next_happening()(one)

    def _next_happening(self) -> Callable[[Up], None]:
        """Each kind comes before one comes again, so that a short story has them all."""
        if not self._to_come:
            self._to_come = [self._lose_a_child, self._sleep, self._set, self._break]
            self.chance.shuffle(self._to_come)
        return self._to_come.pop()

    def _kill(self, one: Up) -> None:
        started = children(one.process.pid) if self.chance.random() < 0.4 else []
        one.process.kill()
        for child in started:
            _kill(int(child))

    def _lose_a_child(self, one: Up) -> None:
        for child in children(one.process.pid)[:1]:
            at = self.clock.now()
            _kill(int(child))
            self.upsets.append(Upset(at, at, "child", AGAIN + RESTART))

    def _sleep(self, one: Up) -> None:
        at = self.clock.now()
        is_at_work = len(one.named("step_started")) > len(one.named("step_finished")) or at < self.upsets[-1].over
        self.clock.sleep(self.chance.uniform(MINUTE, 12 * HOUR))
        self.upsets.append(Upset(at, self.clock.now(), "sleep at work" if is_at_work else "sleep", NOTICE + RESTART))

    def _set(self, _one: Up) -> None:
        at = self.clock.now()
        # What was made before a clock was set back looks younger by that, and nobody can know, unless it is of a moment
        # that has yet to come. So it is set back by more than anything is old: while promises are kept.
        self.clock.set(self.chance.choice([HOUR, DAY] if at < self.upsets[-1].over else [-DAY, -DAY, HOUR, DAY]))
        self.upsets.append(Upset(at, at, "set", NOTICE + RESTART))

    def _break(self, one: Up) -> None:
        """Nothing is excused for that: once it was read, the last good manifest stands in."""
        if one.named("next"):
            self.place.assets(ASSETS + "- {name: new, comand: {shell: x}}\n")
            time.sleep(self.chance.uniform(0.5, 2))
            self.place.assets(ASSETS)

    def written(self, name: str) -> list[Written]:
        """What stood in a table."""
        lines = [line.split() for line in (self.place.root / f"{name}.log").read_text().splitlines()]
        return [Written(int(at) / 1e9, int(data) / 1e9) for at, data in lines]

    def began(self, name: str) -> list[float]:
        """When an asset ran."""
        return [int(line) / 1e9 for line in (self.place.root / f"{name}.began").read_text().split()]


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def test_the_judgement_itself() -> None:
    """A table that is too old is excused while its keeper is gone and for as long as is allowed, and not a second more.

    Never replaced at all it is judged by the end.
    """
    gone = Upset(95, 120, "gone", 10)
    written = [Written(0, 0), Written(90, 89), Written(131, 131)]
    assert judge(100, written, (), 150) == Judged(3, 0, ())
    assert judge(50, written, (gone,), 150) == Judged(2, 0, ((50, 90),))
    assert judge(30, [Written(90, 89), Written(131, 131)], (gone,), 140) == Judged(1, 0, ((130, 131),))
    assert judge(30, [Written(90, 89), Written(130, 130)], (gone,), 140) == Judged(1, 1, ())
    assert judge(30, [Written(90, 89)], (), 200) == Judged(0, 0, ((119, 200),))
    assert judge(30, [Written(200, 100), Written(201, 201)], (), 210) == Judged(1, 0, ((200, 201),))


def test_the_judgement_of_how_often() -> None:
    """Twice within a rhythm, or after one upset; what another upset lies between is nobody's fault."""
    gone = Upset(100, 200, "gone", 10)
    assert too_often([10, 50, 110], (), 60) == [(10, 50)]
    assert too_often([90, 110, 150, 190], (gone,), 60) == []
    assert undisturbed([90, 110, 205, 220], (gone,)) == [(205, 220)]
    assert caught_up([90, 205, 209, 220], (gone,)) == {gone: 2}
    assert caught_up([90, 205, 209], (gone, Upset(208, 208, "set", 10))) == {Upset(208, 208, "set", 10): 1}
    assert spoiled([5.0, 20.0, 30.0], [Upset(6, 7, "sleep at work", 1), gone]) == [
        Upset(6, 30, "sleep at work", 1),
        gone,
    ]


def test_no_promise_is_broken_that_could_be_kept(tmp_path: Path, record_property) -> None:
    """Whatever befalls it, a promise is kept from when there was time again to keep it, and caught up once."""
    (tmp_path / "p").mkdir()
    clock = FastClock(tmp_path / "clock")
    began, end = clock.now(), time.monotonic() + SOAK
    story = Story(Place(tmp_path / "p"), clock, random.Random(SEED))
    story.upsets.append(Upset(began, began, "start", RESTART))
    try:
        while time.monotonic() < end:
            story.live()
    finally:
        (tmp_path / "diary.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in story.diary))
    judged = {
        name: judge(lag, story.written(name), story.upsets, story.upsets[-1].at) for name, lag in PROMISES.items()
    }
    assert {name: each.broken for name, each in judged.items()} == dict.fromkeys(PROMISES, ())
    assert all(each.kept for each in judged.values())
    for name, every in RHYTHM.items():
        runs = story.began(name)
        assert too_often(runs, spoiled(runs, story.upsets), every - EARLY) == []
        often = caught_up(runs, story.upsets)
        # What was at work when the machine fell asleep says that it began when it goes on.
        assert [each for each, times in often.items() if times > 1 + (each.kind == "sleep at work")] == []
    shown = {each.at: each.data for each in story.written("tick")}
    for one, later in undisturbed(list(shown), [each._replace(until=each.over) for each in story.upsets]):
        assert 0 <= shown[later] - tick_after(shown[one]) < RESTART
    record_property("upsets of assets up", len(story.upsets))
    record_property("hours of assets up", int((clock.now() - began) / HOUR))
    record_property("promises kept", sum(each.kept for each in judged.values()))


def tick_after(moment: float) -> float:
    """When it is 17 minutes past an hour next."""
    return moment + HOUR - (moment - 17 * MINUTE) % HOUR


def spoiled(runs: list[float], upsets: list[Upset]) -> list[Upset]:
    """The upsets, of which those that made a step take hours last for as long as that makes its promise look hopeless.

    How long it takes is then known from too few runs, of which one took longer than its data may be old.
    """
    found = []
    for each in upsets:
        after = [at for at in runs if at > each.until][:10]
        found.append(each._replace(until=after[-1]) if each.kind == "sleep at work" and after else each)
    return found
