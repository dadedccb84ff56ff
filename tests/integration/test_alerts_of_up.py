"""What `assets up` has told: by real processes, to a real web server on this machine."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.place import Place
from support.receiver import Receiver, receiving
from support.up import up

HEAD = 'alerts: {team: {to: "${env.HOOK}", severity: error}}\n'
ASSETS = """
- name: orders
  command: {shell: "test ! -e broken && echo 1 > orders.txt"}
  output: {path: orders.txt}
  freshness: {max_lag: 1h, retry_every: 1s}
- {name: crm, observe: {path: crm.csv}, owner: crm-team}
- {name: a, command: {shell: cp crm.csv a}, output: {path: a}, upstreams: [crm], freshness: {max_lag: 6s}}
- {name: b, command: {shell: cp crm.csv b}, output: {path: b}, upstreams: [crm], freshness: {max_lag: 6s}}
"""
FAILED, MENDED = "[place] orders failed", "[place] orders succeeded again"
LATE = "[place] crm is late: 2 promises below it are broken"
IN_TIME = "[place] crm is in time again: 2 promises are kept"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A web server."""
    with receiving() as found:
        yield found


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A project with a route."""
    found = Place(tmp_path)
    found.assets(ASSETS, HEAD)
    found.write("crm.csv", "1\n")
    return found


def test_what_fails_and_what_gets_old_is_told_once_and_so_is_its_end(place: Place, receiver: Receiver) -> None:
    """One message for one cause, at the moment at which a promise is broken, though nothing happens then.

    However often it is tried again, and by another `up` after one that was killed.
    """
    place.write("broken", "")
    begun = time.time()
    with up(place, HOOK=receiver.url) as one:
        one.wait(lambda: receiver.titles() == [FAILED])
        one.wait(lambda: sum(each["result"] == "failed" for each in one.named("step_finished")) >= 3)
        one.wait(lambda: LATE in receiver.titles())
        assert time.time() - begun > 6
        one.process.kill()
    with up(place, HOOK=receiver.url) as one:
        one.wait(lambda: sum(each["result"] == "failed" for each in one.named("step_finished")) >= 2)
        assert receiver.titles() == [FAILED, LATE]
        (place.root / "broken").unlink()
        one.wait(lambda: receiver.titles() == [FAILED, LATE, MENDED])
        os.utime(place.root / "crm.csv")
        one.wait(lambda: len(receiver.taken) > 3)
        assert one.end() == 130
    assert receiver.titles() == [FAILED, LATE, MENDED, IN_TIME]
    assert [each["type"] for each in receiver.taken] == ["failure", "failure", "success", "success"]
    late = receiver.taken[1]["message"].splitlines()
    assert [line.partition(":")[0] for line in late] == ["- a", "- b", "crm", "next"]
    assert late[2].endswith("(crm-team)")
    assert one.named("warning") == []


def test_a_receiver_that_is_dead_stops_nothing(place: Place, receiver: Receiver) -> None:
    """Promises are kept, and what could not be delivered is, once it answers: no command in between."""
    receiver.status = 503
    place.assets(
        """
        - {name: bad, command: {shell: "exit 1"}}
        - {name: t, command: {shell: "date > t.txt"}, output: {path: t.txt}, freshness: {max_lag: 3s}}
    """,
        HEAD,
    )
    with up(place, HOOK=receiver.url) as one:
        one.wait(lambda: one.made("t") >= 3)
        assert receiver.taken == []
        receiver.status = 200
        one.wait(lambda: receiver.titles() == ["[place] bad failed"], 120)
        assert one.end() == 130
