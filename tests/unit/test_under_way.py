"""What a run is at, as the screens say it: who works, who waits, for how long yet, and what a log says meanwhile."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from support.shop import NOON, RUN, SECOND, plan

from assets_cli.cli.screens.live import Block, Canvas
from assets_cli.cli.screens.long_running import LongRunning
from assets_cli.cli.screens.under_way import UnderWay
from assets_cli.cli.terminal import Terminal
from assets_cli.model.event import RunEvent, RunStarted, StepFinished, StepRetrying, StepStarted, StepWaiting
from assets_cli.model.plan import Step

HOLDER = "run r2 on box (process 812)"


def steps(count: int, *after: str, prefix: str = "s", usual: int | None = SECOND) -> list[Step]:
    """Steps `s0`, `s1`, … of a second each."""
    return [Step(f"{prefix}{number}", (), after, usual) for number in range(count)]


def run_of(*every: Step, events: Sequence[RunEvent] = (), jobs: int = 2, fail_fast: bool = False) -> UnderWay:
    """A run of these steps after these events; its estimates cost nothing, so they are never old."""
    under_way = UnderWay(plan(*every, jobs=jobs), fail_fast=fail_fast, clock=lambda: 0.0)
    for event in (RunStarted(RUN, NOON, tuple(step.asset for step in every), jobs), *events):
        under_way.take(event)
    return under_way


def started(name: str, after: int = 0, usual: int | None = SECOND) -> StepStarted:
    """A first attempt, so many seconds after noon."""
    return StepStarted(name, NOON + after * SECOND, 1, (), None, usual)


def finished(name: str, result: str = "succeeded", took: int = SECOND) -> StepFinished:
    """A step ends."""
    return StepFinished(name, NOON, result, unchanged=False, detail="", duration=took)  # type: ignore[arg-type]


def screen(under_way: UnderWay, seconds: int, *, width: int = 80, height: int = 24, unicode: bool = True) -> list[str]:
    """The block so many seconds after noon."""
    terminal = Terminal(io.StringIO(), unicode=unicode, width=width)
    return [line.rstrip() for line in Block(under_way).lines(terminal, height, NOON + seconds * SECOND)]


class TestBlock:
    """The rows at the bottom of a terminal."""

    def test_rows_say_since_when_against_what_is_usual_and_who_waits(self):
        """The oldest first; the next ones by name; the footer counts the rest."""
        every = [*steps(3), *steps(4, "s0", prefix="t"), *steps(1, "s1", prefix="u")]
        under_way = run_of(*every, events=[started("s1", 1), started("s0", usual=75 * SECOND)])
        assert screen(under_way, 3) == [
            "⠋ s0  3 s · usually 1m 15s · t0 and 3 more wait",
            "⠋ s1  2 s · usually 1.0 s · u0 waits",
            "────────────────────  0 of 8 · about 5 s left · 2 running · 1 ready",
        ]

    def test_waiting_steps_say_for_whom_or_for_which_pool(self):
        """Locks have a holder, pools a name; a retry says when and why."""
        waits = [
            StepWaiting("s0", NOON, HOLDER),
            StepWaiting("s1", NOON, "the pool api (2 of 2 slots are taken)", "pool", "api"),
            StepRetrying("s2", NOON, 1, "exit code 75\nno route", 5 * SECOND),
        ]
        assert screen(run_of(*steps(3), events=waits, jobs=3), 2) == [
            "· s0  2 s · waiting for run r2 on box (process 812)",
            "· s1  2 s · waiting for the pool api (2 of 2 slots are taken)",
            "· s2  2 s · again in 3 s · attempt 1 failed: exit code 75 no route",
            "────────────────────  0 of 3 · about 4 s left · 0 running · 3 waiting",
        ]

    @pytest.mark.parametrize(
        ("height", "expected"),
        [
            (24, 12),
            (10, 5),
            (4, 3),
            (3, 2),
            (2, 1),
            (1, 1),
        ],
    )
    def test_a_block_takes_half_the_rows_or_three(self, height, expected):
        """However much runs at once."""
        under_way = run_of(*steps(200), events=[started(f"s{number}") for number in range(200)], jobs=200)
        assert len(screen(under_way, 1, height=height)) == expected

    def test_what_has_no_row_is_counted(self):
        """Of those that run the newest go, and some of those that wait stay."""
        running = [started(f"s{number}") for number in range(180)]
        waiting = [StepWaiting(f"s{number}", NOON, HOLDER) for number in range(180, 200)]
        shown = screen(run_of(*steps(200), events=[*running, *waiting], jobs=200), 1)
        assert [line.split()[1] for line in shown[:-2]] == [*(f"s{number}" for number in range(8)), "s180", "s181"]
        assert shown[-2] == "  … and 190 more: 172 running, 18 waiting"

    def test_a_narrow_terminal_loses_what_matters_least(self):
        """First the bar, then who is ready and who runs; never how many are done."""
        under_way = run_of(*steps(9), events=[started("s0")])
        assert screen(under_way, 0, width=52)[-1] == "0 of 9 · about 5 s left · 1 running · 8 ready"
        assert screen(under_way, 0, width=56)[-1] == "─────────  0 of 9 · about 5 s left · 1 running · 8 ready"
        assert screen(under_way, 0, width=40)[-1] == "0 of 9 · about 5 s left · 1 running"
        assert screen(under_way, 0, width=20)[-1] == "────────────  0 of 9"

    def test_without_unicode_the_signs_are_plain(self):
        """And still tell who waits from who runs."""
        under_way = run_of(*steps(2), events=[started("s0"), StepWaiting("s1", NOON, HOLDER)])
        assert [line[:4] for line in screen(under_way, 0, unicode=False)] == ["- s0", ". s1", "----"]


class TestTimeLeft:
    """Honest where nobody knows."""

    def test_it_is_list_scheduling_of_what_is_left(self):
        """Nine steps of a second on two jobs, one of them half done: five seconds more."""
        assert run_of(*steps(9), events=[started("s0")]).time_left(NOON + SECOND // 2) == "about 5 s left"

    def test_the_longest_chain_counts(self):
        """However many jobs there are."""
        chain = [Step("a", (), (), 3 * SECOND), Step("b", (), ("a",), 4 * SECOND), Step("c", (), (), SECOND)]
        assert run_of(*chain, jobs=8).time_left(NOON) == "about 7 s left"

    def test_steps_that_were_never_timed_have_no_estimate(self):
        """It says for how long it has run instead."""
        under_way = run_of(*steps(9, usual=None), events=[started("s0", usual=None)])
        assert under_way.time_left(NOON + 70 * SECOND) == "1m 10s, no estimate"

    def test_three_that_were_never_timed_make_a_guess_at_the_others(self):
        """It is called one."""
        done = [finished(f"s{number}", took=2 * SECOND) for number in range(3)]
        assert run_of(*steps(9, usual=None), events=done).time_left(NOON) == "at a guess 6 s left"

    def test_a_step_that_only_checks_spoils_no_estimate(self):
        """It has no history, and hardly takes time."""
        check = Step("c", (), (), None, kind="check")
        assert run_of(*steps(2), check).time_left(NOON) == "about 1 s left"

    def test_who_is_late_is_taken_to_be_late_as_much_again(self):
        """A hang does not say that it is about to end."""
        under_way = run_of(*steps(1), events=[started("s0")])
        assert under_way.time_left(NOON + 4 * SECOND) == "about 3 s left"
        assert under_way.time_left(NOON + 3_601 * SECOND) == "at a guess 1h left"

    def test_after_a_failure_fail_fast_leaves_only_what_runs(self):
        """What will not start takes no time."""
        events = [started("s0"), started("s1"), finished("s0", "failed")]
        assert run_of(*steps(90), events=events, fail_fast=True).time_left(NOON) == "about 1 s left"
        assert run_of(*steps(90), events=events).time_left(NOON) == "about 45 s left"


class TestStill:
    """Lines that no event brings."""

    @staticmethod
    def follow(*events: RunEvent) -> tuple[LongRunning, list[tuple[str, str]]]:
        """What is said at once of these events, and who is asked later."""
        under_way = run_of(*steps(9))
        slow = LongRunning(under_way)
        said = []
        for event in events:
            under_way.take(event)
            said += slow.take(event)
        return slow, said

    def test_only_what_usually_takes_long_is_announced(self):
        """A line for each start would say nothing that the end does not."""
        again = StepStarted("s2", NOON, 2, (), None, 200 * SECOND)
        _, said = self.follow(started("s0"), started("s1", usual=10 * SECOND), again)
        assert said == [("s1", "started (usually 10 s)"), ("s2", "started, attempt 2 (usually 3m 20s)")]

    def test_a_hang_is_named_ever_more_seldom(self):
        """After 10 and 30 seconds, 1, 2 and 5 minutes, then every 5."""
        slow, _ = self.follow(started("s0"))
        said = {second: text for second in range(1_000) if (text := slow.said(NOON + second * SECOND))}
        assert said == {
            10: "still running: s0 (10 s, usually 1.0 s)",
            40: "still running: s0 (40 s, usually 1.0 s)",
            70: "still running: s0 (1m 10s, usually 1.0 s)",
            120: "still running: s0 (2m, usually 1.0 s)",
            300: "still running: s0 (5m, usually 1.0 s)",
            600: "still running: s0 (10m, usually 1.0 s)",
            900: "still running: s0 (15m, usually 1.0 s)",
        }

    def test_what_usually_takes_long_is_named_when_it_is_late(self):
        """Half as long again as usual, or five minutes."""
        slow, _ = self.follow(started("s0", usual=20 * SECOND), started("s1", usual=3_600 * SECOND))
        said = [second for second in range(310) if slow.said(NOON + second * SECOND)]
        assert said == [30, 60, 120, 300]

    def test_who_ended_is_not_named(self):
        """Nor who is between two attempts."""
        slow, _ = self.follow(
            started("s0"), started("s1"), finished("s0"), StepRetrying("s1", NOON, 1, "no", 99 * SECOND)
        )
        assert slow.said(NOON + 60 * SECOND) is None

    def test_of_many_the_oldest_five_are_named(self):
        """And the others counted; who waits comes last, with the holder."""
        slow, _ = self.follow(*(started(f"s{number}", number) for number in range(8)), StepWaiting("s8", NOON, HOLDER))
        assert slow.said(NOON + 30 * SECOND) == (
            "still running: s0 (30 s, usually 1.0 s), s1 (29 s, usually 1.0 s), s2 (28 s, usually 1.0 s), "
            "s3 (27 s, usually 1.0 s), s4 (26 s, usually 1.0 s) and 3 more; "
            "still waiting: s8 (30 s, for run r2 on box (process 812))"
        )

    def test_a_short_wait_is_not_worth_a_line(self):
        """Two processes over the same assets pass each other thousands of times."""
        slow, _ = self.follow(StepWaiting("s0", NOON, HOLDER), StepWaiting("s1", NOON, HOLDER), started("s0"))
        assert list(slow.waiting(NOON + SECOND // 2)) == []
        assert list(slow.waiting(NOON + SECOND)) == [("s1", f"waiting for {HOLDER}")]
        assert list(slow.waiting(NOON + 2 * SECOND)) == []


def test_a_canvas_goes_up_as_many_rows_as_its_block_takes():
    """More than it had lines, where the terminal became narrower and wrapped them."""
    stream = io.StringIO()
    canvas = Canvas(Terminal(stream, width=20))
    canvas.draw([], ["x" * 20, "y" * 5, "z" * 20])
    canvas.terminal = canvas.terminal._replace(width=7)
    stream.truncate(0)
    canvas.draw(["done"], ["x"])
    assert stream.getvalue().lstrip("\0") == "\x1b[?25l\r\x1b[4A\x1b[Jdone\nx\r\x1b[?25h"
