"""Retries and timeouts over real runs: every attempt on record with its reason."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest
from support.place import Place


def attempts(place: Place) -> list[tuple[str, int, str, int | None, str | None]]:
    """The attempts of the latest run, as on record."""
    found = json.loads(place.call("runs", "latest", "--json").stdout)["attempts"]
    return [(each["asset"], each["number"], each["state"], each["exit_code"], each["reason"]) for each in found]


def retries(done: dict[str, object]) -> list[tuple[str, int]]:
    """The retries that a run told: the asset, and the attempt that had failed."""
    return [(each["asset"], each["number"]) for each in done["events"] if each["event"] == "step_retrying"]


COUNT = "n=$(cat n 2>/dev/null || echo 0); echo $((n + 1)) > n"


def test_every_attempt_is_on_record_with_its_reason(place: Place) -> None:
    """Those that failed, and the one that succeeded; each with a log of its own."""
    place.assets(
        f"""
        - name: a
          command: {{shell: "{COUNT}; echo attempt $n; test $n != 0 || exit 75; test $n != 1 || kill -9 $$"}}
          retries: {{max: 5}}
        """
    )
    done = place.materialize()
    assert (done["succeeded"], retries(done)) == (["a"], [("a", 1), ("a", 2)])
    assert attempts(place) == [
        ("a", 1, "failed", 75, "exit code 75"),
        ("a", 2, "failed", 137, "killed by SIGKILL"),
        ("a", 3, "succeeded", 0, None),
    ]
    logs = sorted((place.root / ".assets/logs" / str(done["run"])).glob("a.*.log"))
    assert [log.read_text() for log in logs] == ["attempt 0\n", "attempt 1\n", "attempt 2\n"]


def test_when_they_are_used_up_the_step_has_failed(place: Place) -> None:
    """With the last reason."""
    place.assets('- {name: a, command: {shell: "exit 3"}, retries: {max: 2}}')
    done = place.materialize()
    assert (done["exit"], done["failed"]) == (1, ["a"])
    assert attempts(place) == [("a", n, "failed", 3, "exit code 3") for n in (1, 2, 3)]


def test_only_declared_exit_codes(place: Place) -> None:
    """Others end the step at once, also after one that was tried again."""
    place.assets(
        f"""
        - {{name: a, command: {{shell: "{COUNT}; test $n != 0 || exit 75; exit 1"}}}}
        - {{name: b, command: {{shell: "exit 2"}}}}
        """,
        "defaults: {retries: {max: 5, retry_on: [75]}}\n",
    )
    assert place.materialize("--jobs", "1")["failed"] == ["a", "b"]
    assert attempts(place) == [
        ("a", 1, "failed", 75, "exit code 75"),
        ("a", 2, "failed", 1, "exit code 1"),
        ("b", 1, "failed", 2, "exit code 2"),
    ]


def test_exit_codes_of_functions(place: Place) -> None:
    """What `sys.exit` says; an exception is 1."""
    place.write("f.py", "import sys\ndef busy():\n    sys.exit(75)\ndef wrong():\n    raise ValueError('no')\n")
    place.assets(
        """
        - {name: a, command: {python: "f:busy"}, retries: {max: 1, retry_on: [75]}}
        - {name: b, command: {python: "f:wrong"}, retries: {max: 1, retry_on: [75]}}
        """
    )
    place.materialize("--jobs", "1")
    assert [(name, code) for name, _, _, code, _ in attempts(place)] == [("a", 75), ("a", 75), ("b", 1)]


def test_defaults_are_for_all_assets(place: Place) -> None:
    """Key by key: an asset may take back a part of them, or all."""
    place.assets(
        """
        - {name: a, command: {shell: "exit 1"}}
        - {name: b, command: {shell: "exit 1"}, retries: {max: 2}}
        - {name: c, command: {shell: "exit 1"}, retries: {max: 0}}
        - {name: d, command: {shell: "exit 1"}, retries: {retry_on: [75]}}
        """,
        "defaults: {retries: {max: 1, delay: 5ms, backoff: exponential}}\n",
    )
    done = place.materialize("--jobs", "1")
    assert retries(done) == [("a", 1), ("b", 1), ("b", 2)]
    waited = [each["delay_seconds"] for each in done["events"] if each["event"] == "step_retrying"]
    for seconds, least in zip(waited, (0.005, 0.005, 0.01), strict=True):
        assert least <= seconds <= 1.25 * least


def test_a_timeout_is_of_each_attempt(place: Place) -> None:
    """The second one has as long as the first."""
    place.assets(
        f"""
        - {{name: a, command: {{shell: "{COUNT}; test $n = 1 || sleep 60"}}, timeout: 400ms, retries: {{max: 1}}}}
        """
    )
    assert place.materialize()["succeeded"] == ["a"]
    assert attempts(place) == [
        ("a", 1, "timed_out", 143, "timed out after 400 ms"),
        ("a", 2, "succeeded", 0, None),
    ]


def test_an_output_that_is_missing_is_tried_again(place: Place) -> None:
    """A command that ended well and left nothing has failed like any other."""
    place.assets(
        f"""
        - {{name: a, command: {{shell: "{COUNT}; test $n = 0 || echo 1 > a"}}, output: {{path: a}}}}
        """,
        "defaults: {retries: {max: 1}}\n",
    )
    assert place.materialize()["succeeded"] == ["a"]
    assert [(state, reason) for _, _, state, _, reason in attempts(place)] == [
        ("failed", "the command ended well but left no a"),
        ("succeeded", None),
    ]


def test_what_cannot_start_is_not_tried_again(place: Place) -> None:
    """An unset variable does not come by waiting."""
    place.assets('- {name: a, command: {shell: "echo ${env.NOPE_X}"}, retries: {max: 3, delay: 1m}}')
    assert place.materialize()["failed"] == ["a"]
    assert len(attempts(place)) == 1


def test_a_failed_blocking_check_is_not_tried_again(place: Place) -> None:
    """The command did its work; the same command would do the same."""
    place.assets(
        '- {name: a, command: {shell: "echo 1 > a"}, output: {path: a}, retries: {max: 3},'
        ' checks: [{shell: "false", blocking: true}]}'
    )
    assert place.materialize()["failed"] == ["a"]
    assert [state for _, _, state, _, _ in attempts(place)] == ["succeeded"]


def test_interrupted_while_it_waits_for_the_next_attempt(place: Place) -> None:
    """At once, without another attempt; it says what had failed."""
    place.assets('- {name: a, command: {shell: "exit 75"}, retries: {max: 1, delay: 1h}}')
    process = place.start("materialize", "--json")
    while '"step_retrying"' not in process.stdout.readline():
        pass
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=30)
    assert time.monotonic() - began < 10
    events = [json.loads(line) for line in rest.splitlines()]
    assert (process.returncode, events[-1]["cancelled"]) == (130, ["a"])
    assert [each["detail"] for each in events if each["event"] == "step_finished"] == ["interrupted; exit code 75"]
    assert attempts(place) == [("a", 1, "failed", 75, "exit code 75")]


def test_others_go_on_while_one_waits_for_its_next_attempt(place: Place) -> None:
    """As many as there are other job slots."""
    place.assets(
        """
        - {name: a, command: {shell: "test -e done"}, retries: {max: 50, delay: 50ms}}
        - {name: b, command: {shell: "sleep 0.3"}}
        - {name: c, upstreams: [b], command: {shell: "touch done"}}
        """
    )
    done = place.materialize("--jobs", "2")
    assert sorted(done["succeeded"]) == ["a", "b", "c"]
    assert retries(done)


@pytest.mark.parametrize("jobs", ["1000000", "1024", "2"])
def test_any_number_of_jobs(place: Place, jobs: str) -> None:
    """A million of them is as many as there are steps, and as the machine has room for."""
    place.assets("".join(f"- {{name: a{n}, command: {{shell: 'true'}}}}\n" for n in range(60)))
    done = place.materialize("--jobs", jobs)
    assert (done["exit"], len(done["succeeded"])) == (0, 60)


def test_more_jobs_than_files_may_be_open(place: Place) -> None:
    """Fewer steps run at once, and none fails for it."""
    place.assets(
        "".join(f"- {{name: a{n}, command: {{shell: 'sleep 0.2'}}}}\n" for n in range(150)),
    )
    done = place.call("materialize", "--jobs", "1000000", "--json")
    assert done.returncode == 0
    limited = f"ulimit -n 128; exec {sys.executable} -m assets_cli materialize --force --json --jobs 1000000"
    ended = subprocess.run(
        ["sh", "-c", limited], cwd=place.root, capture_output=True, text=True, check=False, timeout=120
    )
    last = json.loads(ended.stdout.splitlines()[-1])
    assert (ended.returncode, len(last["succeeded"])) == (0, 150)
