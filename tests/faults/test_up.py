"""`assets up` as it really runs: killed, stopped, put to sleep, edited under, and a second one beside it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.up import PATIENCE, children, up, usage

CHILD = (sys.executable, "-P", "-m", "assets_cli.cli.up_child")
IDLE = float(os.environ.get("IDLE_SECONDS", "8"))
"""How long it is looked at when it does nothing."""


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


def test_what_failed_waits_also_where_its_upstream_was_made_in_the_same_run(place):
    """Its command runs once, and the next moment is that of trying again, ten minutes later."""
    place.write("make.sh", "echo 1 > a.txt\n")
    place.assets("""
        - {name: a, command: {shell: "sh make.sh"}, output: {path: a.txt}}
        - {name: b, upstreams: [a], command: {shell: "echo b >> tries.txt; grep -q 1 a.txt"}}
    """)
    with up(place) as one:
        one.wait(lambda: one.made("b") == 1 and one.named("next"))
        place.write("make.sh", "echo 2 > a.txt\n")
        one.wait(lambda: [each["kind"] for each in one.named("next")][-1:] == ["retry"])
        assert (place.root / "tries.txt").read_text() == "b\nb\n"
        place.write("make.sh", "echo 1 > a.txt\n")
        one.wait(lambda: one.made("b") == 2)
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


@pytest.mark.parametrize("question", ["", '{"do": "as'])
def test_a_child_whose_asker_died_in_the_midst_of_the_question_is_silent(question):
    """Nothing of it is written to the terminal, where nobody has asked for it."""
    done = subprocess.run(CHILD, input=question, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")


def test_a_child_told_to_stop_before_it_was_asked_is_silent():
    """As when Ctrl-C comes a moment after a waking."""
    with subprocess.Popen(CHILD, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        while signal.SIGTERM not in caught(child.pid):
            time.sleep(0.01)
        child.terminate()
        assert child.wait(PATIENCE) == 130
        assert child.stderr is not None
        assert child.stderr.read() == b""


def test_an_answer_that_is_cut_off_is_asked_for_again(simple):
    """A child that is killed while it answers, as when memory runs out: that is said, and it goes on."""
    cut = """
        import json, os, sys
        whole = json.dumps
        def half(value):
            os.remove("cut")
            text = whole(value)
            os.write(1, text[: len(text) // 2].encode())
            os.kill(os.getpid(), 9)
        if os.path.exists("cut") and "assets_cli.cli.up_child" in sys.orig_argv:
            json.dumps = half
    """
    simple.write("site/sitecustomize.py", cut)
    manifest = (simple.root / "assets.yml").read_text()
    with up(simple, PYTHONPATH=str(simple.root / "site")) as one:
        one.wait(lambda: one.made("b") == 1 and one.named("next"))
        simple.write("cut", "")
        simple.write("assets.yml", f"{manifest}# edited\n")
        one.wait(lambda: one.named("broken") or one.process.poll() is not None)
        simple.write("assets.yml", manifest.replace("cat a.txt", "tac a.txt"))
        one.wait(lambda: one.made("b") == 2)
        assert one.end() == 130
    (said,) = one.named("broken")
    assert [each["code"] for each in said["problems"]] == ["A0833"]


def caught(pid: int) -> set[int]:
    """The signals for which a process has a handler."""
    (mask,) = re.findall(r"SigCgt:\t([0-9a-f]+)", Path(f"/proc/{pid}/status").read_text())
    return {number for number in range(1, 32) if int(mask, 16) >> (number - 1) & 1}


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


def test_a_selection_that_leaves_out_what_a_promise_rests_on_says_so_once(place):
    """With the next step, which keeps it; whoever follows it is told of nothing."""
    place.assets("""
        - {name: a, command: {shell: "date > a.txt"}, output: {path: a.txt}}
        - name: b
          upstreams: [a]
          command: {shell: "cat a.txt > b.txt"}
          output: {path: b.txt}
          freshness: {max_lag: 1h, retry_every: 1s}
    """)
    with up(place, "b") as one:
        one.wait(lambda: len(one.named("broken")) == 2)
        one.end()
    (said,) = one.named("warning")
    assert (said["asset"], said["message"]) == (
        "b",
        "the promise of b rests on a, which is not selected: nothing here renews it",
    )
    refused = one.named("broken")[0]["problems"][0]
    assert refused["message"] == "b cannot run: its upstream a is not selected and was never materialized"
    assert refused["hint"] == "to have all above kept, too: assets up +b"
    lines = place.call("up", "--once", "b").stderr.splitlines()
    assert lines[:2] == [f"warning[A0834]: {said['message']}", "  hint: to have all above kept, too: assets up +b"]
    with up(place, "+b") as one:
        one.wait(lambda: one.made("b") == 1 and one.named("next"))
        one.end()
    assert one.named("warning") == []


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


def test_idle_it_does_nothing_and_stays_small_at_ten_thousand_assets(place, record_property):
    """Asleep it starts no process, wakes a few times a second at most, and takes 0.1 % of a core and 80 MB at most.

    In folders of many files, all of them watched.
    """
    lines = ["version: 1", "assets:"]
    for number in range(10_000):
        folder, above = f"f{number % 50}", f"upstreams: [a{number - 100}], " if number >= 100 else ""
        place.write(f"{folder}/a{number}.sh", "echo 1\n") if number < 2_000 else None
        script = f"sh {folder}/a{number % 2_000}.sh"
        lines.append(f'- {{name: a{number}, {above}command: {{shell: "{script}"}}, freshness: {{max_lag: 9d}}}}')
    place.write("assets.yml", "\n".join(lines) + "\n")
    assert place.call("state", "mark", "*").returncode == 0
    with up(place) as one:
        one.wait(lambda: one.named("next"), 120)
        time.sleep(2)
        before, events, began = usage(one.process.pid), len(one.events), time.monotonic()
        time.sleep(IDLE)
        after, seconds = usage(one.process.pid), time.monotonic() - began
        assert children(one.process.pid) == []
        assert one.events[events:] == []
        one.end()
    percent, woken = 100 * (after.seconds - before.seconds) / seconds, (after.switches - before.switches) / seconds
    record_property("kilobytes of an idle up", int(after.megabytes * 1_000))
    assert percent < 0.1, f"{percent:.3f} % of a core over {seconds:.0f} s"
    assert after.megabytes < 80, f"{after.megabytes:.1f} MB resident"
    assert woken < 10, f"woke {woken:.1f} times a second"
