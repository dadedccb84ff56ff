"""Pools over real runs: no more steps at once than they hold, in one run and over several."""

from __future__ import annotations

import json
import signal
import subprocess

from support.place import Place

WORK = "echo + >> log.txt; sleep 0.1; echo - >> log.txt"


def many(count: int, pool: str = ", pool: w", prefix: str = "a") -> str:
    """Assets whose commands note when they begin and end."""
    return "".join(f'- {{name: {prefix}{n}, command: {{shell: "{WORK}"}}{pool}}}\n' for n in range(count))


def most_at_once(place: Place) -> int:
    """How many commands ran at once at most."""
    running = most = 0
    for sign in (place.root / "log.txt").read_text().split():
        running += 1 if sign == "+" else -1
        most = max(most, running)
    assert running == 0
    return most


def finished(processes: list[subprocess.Popen[str]]) -> list[str]:
    """What processes said, when all have ended well."""
    said = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), said
    return [out + err for out, err in said]


def test_in_one_run(place: Place) -> None:
    """As many as there are slots, whatever the number of jobs."""
    place.assets(many(8), "pools: {w: 3}\n")
    assert place.materialize("--jobs", "8")["exit"] == 0
    assert most_at_once(place) == 3


def test_without_a_pool(place: Place) -> None:
    """As many as there are jobs; so these tests can fail."""
    place.assets(many(8, ""))
    assert place.materialize("--jobs", "8")["exit"] == 0
    assert most_at_once(place) > 3


def test_steps_of_a_full_pool_fill_no_job_slot(place: Place) -> None:
    """Others go first, although they were declared later."""
    place.assets(many(4) + many(4, "", "b"), "pools: {w: 1}\n")
    done = place.materialize("--jobs", "2")
    started = [each["asset"] for each in done["events"] if each["event"] == "step_started"]
    assert sorted(started[:2]) == ["a0", "b0"]
    assert not [each for each in done["events"] if each["event"] == "step_waiting"]


def test_over_several_runs(place: Place) -> None:
    """Of disjoint assets, so that only the pool holds them apart."""
    place.assets(many(9), "pools: {w: 2}\n")
    runs = [place.start("materialize", "--jobs", "3", *(f"a{n}" for n in range(k, k + 3))) for k in (0, 3, 6)]
    finished(runs)
    assert most_at_once(place) == 2


def test_over_environments(place: Place) -> None:
    """What a pool guards does not grow with their number."""
    place.assets(many(4), "pools: {w: 1}\nenvironments: {prod: {}}\n")
    finished([place.start("--env", name, "materialize", "--jobs", "4") for name in ("prod", "default")])
    assert most_at_once(place) == 1


def test_an_environment_with_another_size(place: Place) -> None:
    """Counts in that environment."""
    place.assets(many(4), "pools: {w: 1}\nenvironments: {prod: {pools: {w: 4}}}\n")
    place.materialize("--env", "prod", "--jobs", "4")
    assert most_at_once(place) > 1


def test_who_waits_says_for_which_pool_and_for_whom(place: Place) -> None:
    """Once, as an event and on the screen; its asset can be read and plans go on meanwhile."""
    place.assets(
        """
        - {name: a, command: {shell: "touch began; while [ ! -e go ]; do sleep 0.01; done"}, pool: w}
        - {name: b, command: {shell: "true"}, pool: w}
        """,
        "pools: {w: 1}\n",
    )
    first = place.start("materialize", "a")
    place.wait_for("began")
    second = place.start("materialize", "--json", "b")
    line = ""
    while '"step_waiting"' not in line:
        line = second.stdout.readline()
        assert line
    waiting = json.loads(line)
    run = json.loads(place.call("runs", "--json").stdout)["runs"][-1]["run"]
    assert waiting["asset"] == "b"
    assert waiting["holder"] == f"the pool w (the slot is taken, by run {run}, materializing a)"
    assert place.plan("b") == {"b": ["missing"]}
    place.write("go", "")
    rest, _ = second.communicate(timeout=30)
    assert rest.count("step_waiting") == 0
    assert second.returncode == 0
    finished([first])


def test_interrupted_while_it_waits(place: Place) -> None:
    """It ends, and its step is cancelled without an attempt."""
    place.assets(
        """
        - {name: a, command: {shell: "touch began; while [ ! -e go ]; do sleep 0.01; done"}, pool: w}
        - {name: b, command: {shell: "true"}, pool: w}
        """,
        "pools: {w: 1}\n",
    )
    first = place.start("materialize", "a")
    place.wait_for("began")
    second = place.start("materialize", "--json", "b")
    while '"step_waiting"' not in second.stdout.readline():
        pass
    second.send_signal(signal.SIGINT)
    rest, _ = second.communicate(timeout=30)
    assert second.returncode == 130
    assert json.loads(rest.splitlines()[-1])["cancelled"] == ["b"]
    place.write("go", "")
    finished([first])


def test_a_coordinator_that_is_killed_frees_its_slots_when_its_commands_are_gone(place: Place) -> None:
    """Not before, and not never."""
    place.assets(many(1) + '- {name: b, command: {shell: "touch began; sleep 60"}, pool: w}\n', "pools: {w: 1}\n")
    first = place.start("materialize", "b")
    place.wait_for("began")
    first.kill()
    first.communicate()
    assert place.materialize("a0")["succeeded"] == ["a0"]


def test_a_pool_that_shrinks_while_a_run_goes_on(place: Place) -> None:
    """The new size counts what the old one took."""
    place.assets(many(6), "pools: {w: 3}\n")
    first = place.start("materialize", "--jobs", "3", "a0", "a1", "a2")
    place.wait_for("log.txt")
    place.assets(many(6), "pools: {w: 1}\n")
    second = place.start("materialize", "--jobs", "3", "a3", "a4", "a5")
    finished([first, second])
    log = (place.root / "log.txt").read_text().split()
    assert "".join(log).endswith("-+-+-+-")
    assert most_at_once(place) == 3


def test_a_pool_in_defaults(place: Place) -> None:
    """Of all assets that say nothing else, of whatever kind."""
    place.write(
        "f.py",
        """
        import time

        def make(context):
            with open("log.txt", "a", buffering=1) as log:
                print("+", file=log)
                time.sleep(0.1)
                print("-", file=log)
        """,
    )
    place.assets(
        many(3, "") + "".join(f"- {{name: p{n}, command: {{python: 'f:make'}}}}\n" for n in range(3)),
        "pools: {w: 2}\ndefaults: {pool: w}\n",
    )
    assert place.materialize("--jobs", "6")["exit"] == 0
    assert most_at_once(place) == 2


def test_a_function_that_opens_a_database_which_another_of_its_pool_wants(place: Place) -> None:
    """Nobody waits in a circle: who waits for the pool holds no database meanwhile."""
    place.write(
        "f.py",
        """
        import os, time

        def make(context):
            open("began", "w").close()
            time.sleep(1)
            connection = context.connection("db")
            connection.execute("create or replace table x as select 1 as x")
        """,
    )
    place.assets(
        """
        - {name: a, command: {python: "f:make"}, pool: w}
        - {name: b, command: {sql: "select 2 as x"}, output: {table: b}, pool: w}
        """,
        "pools: {w: 1}\nconnections: {db: {type: duckdb, path: w.duckdb}}\n",
    )
    first = place.start("materialize", "a")
    place.wait_for("began")
    finished([first, place.start("materialize", "b")])
    assert place.query("select * from b") == [(2,)]


def test_two_pools_and_overlapping_runs(place: Place) -> None:
    """Four runs over the same assets: each is made once, and all come to an end."""
    place.assets(many(5, ", pool: w") + many(5, ", pool: v", "b"), "pools: {w: 1, v: 2}\n")
    said = finished([place.start("materialize", "--jobs", "4", "--json") for _ in range(4)])
    made = [name for text in said for name in json.loads(text.splitlines()[-1])["succeeded"]]
    assert sorted(made) == sorted([f"a{n}" for n in range(5)] + [f"b{n}" for n in range(5)])
