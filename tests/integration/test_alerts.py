"""Alerts to real receivers on this machine, web, mail and commands: dead, slow and refusing ones; kills; crowds."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from threading import Thread
from typing import Any

import jsonschema
import pytest
from support.place import Place
from support.receiver import TOKEN, Receiver, receiving
from support.up import up

from assets_cli.cli.words import rfc3339
from assets_cli.manifest.schemas import schema_text
from assets_cli.model.alerts import Delivery
from assets_cli.model.upkeep import Memory
from assets_cli.running import delivering
from assets_cli.running.delivering import Around, Target, attempt, deliver, wait_before
from assets_cli.state.alerts import AlertStore, Outgoing, open_alerts
from assets_cli.upkeep import Which, ask

ASSETS = """
- name: orders
  owner: data-team
  tags: [gold]
  command: {shell: "test ! -e broken && echo 1 > orders.txt"}
  output: {path: orders.txt}
  freshness: {max_lag: 24h}
"""


class Project(Place):
    """A project whose manifest has alerts in its head."""

    def assets(self, assets: str, head: str = "") -> None:
        """Write the manifest."""
        super().assets(assets, f"{head}\n")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An empty project."""
    return Project(tmp_path)


def until(there: Callable[[], Any], what: str, seconds: float = 30) -> Any:
    """What comes, once it does."""
    deadline = time.monotonic() + seconds
    while not (found := there()):
        assert time.monotonic() < deadline, f"{what} never came"
        time.sleep(0.02)
    return found


def listed(place: Place, **environment: str) -> dict[str, Any]:
    """`assets alerts --json`."""
    done = place.call("alerts", "--json", **environment)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    jsonschema.validate(document, json.loads(schema_text("alerts")))
    return document


def settled(place: Place, count: int, **environment: str) -> list[dict[str, Any]]:
    """The messages, oldest first, once so many are sent."""

    def there() -> list[dict[str, Any]] | None:
        messages = listed(place, **environment)["messages"][::-1]
        return messages if sum(each["state"] == "sent" for each in messages) == count else None

    found: list[dict[str, Any]] = until(there, f"message {count}")
    return found


# -- receivers -------------------------------------------------------------------------------------------------------


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A web server."""
    with receiving() as found:
        yield found


def dead_port() -> int:
    """A port that nobody listens to."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# -- what is told ----------------------------------------------------------------------------------------------------


def test_a_failure_and_its_end_reach_a_web_server(place: Place, receiver: Receiver) -> None:
    """Once each, however many runs; the run says nothing of it and is not changed by it."""
    place.assets(ASSETS, 'alerts: {team: {to: "${env.HOOK}", select: "owner:data-team and tag:gold"}}')
    place.write("broken", "")
    done = place.call("materialize", HOOK=receiver.url)
    assert (done.returncode, "alert" in done.stderr) == (1, False)
    place.call("materialize", HOOK=receiver.url)
    settled(place, 1, HOOK=receiver.url)
    (place.root / "broken").unlink()
    assert place.call("materialize", HOOK=receiver.url).returncode == 0
    settled(place, 2, HOOK=receiver.url)
    assert receiver.titles() == ["[place] orders failed", "[place] orders succeeded again"]
    failed, over = receiver.taken
    assert (failed["type"], over["type"], failed["path"]) == ("failure", "success", f"/{TOKEN}")
    lines = failed["message"].splitlines()
    assert lines[0].startswith("- orders: exit code 1, since ")
    assert lines[0].endswith(" (data-team)")
    assert lines[1].startswith("next: assets logs ")
    assert lines[2] == "next: assets why orders"
    assert listed(place)["open"] == []


def test_a_mail_arrives(place: Place) -> None:
    """At a real mail server, with a subject."""
    from aiosmtpd.controller import Controller

    mails: list[bytes] = []

    class Handler:
        async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: N802 - its name
            mails.append(envelope.content)
            return "250 OK"

    controller = Controller(Handler(), hostname="127.0.0.1", port=dead_port())
    controller.start()
    try:
        url = f"mailto://127.0.0.1:{controller.port}?from=assets@example.com&to=team@example.com&mode=insecure"
        place.assets(ASSETS, 'alerts: {team: {to: "${env.MAIL}"}}')
        place.write("broken", "")
        place.call("materialize", MAIL=url)
        until(lambda: mails, "a mail")
    finally:
        controller.stop()
    mail = message_from_bytes(mails[0], policy=default)
    assert (mail["To"], mail["Subject"]) == ("team@example.com", "[place] orders failed")
    body = mail.get_body(("plain", "html"))
    assert body is not None
    assert "exit code 1" in body.get_content()


def test_a_command_gets_the_message(place: Place) -> None:
    """As one line of JSON with a schema, and as variables; it runs in the project's folder."""
    command = 'cat > got.tmp; env | grep "^ASSETS_ALERT_" | sort > vars; mv got.tmp got.json'
    place.assets(ASSETS, f"alerts: {{team: {{command: {{shell: '{command}'}}}}}}")
    place.write("broken", "")
    place.call("materialize")
    place.wait_for("got.json")
    text = (place.root / "got.json").read_text()
    assert text.endswith("}\n")  # so that a file to which one is added after the other can be read
    document = json.loads(text)
    jsonschema.validate(document, json.loads(schema_text("alert")))
    assert (document["id"], document["event"], document["cause"]) == (1, "failed", "orders")
    said = (place.root / "vars").read_text()
    assert "ASSETS_ALERT_ID=1\n" in said
    assert "ASSETS_ALERT_TITLE=[place] orders failed\n" in said
    assert "ASSETS_ALERT_SEVERITY=error\n" in said


def test_one_message_for_what_one_asset_holds_back(place: Place, receiver: Receiver) -> None:
    """An external one that is old; found by `alerts send`, for cron, which looks at it."""
    place.assets(
        """
        - {name: crm, observe: {path: crm.csv}, owner: crm-team}
        - {name: a, command: {shell: cp crm.csv a}, output: {path: a}, upstreams: [crm], freshness: {max_lag: 1h}}
        - {name: b, command: {shell: cp crm.csv b}, output: {path: b}, upstreams: [crm], freshness: {max_lag: 1h}}
        """,
        'alerts: {team: {to: "${env.HOOK}"}}',
    )
    place.write("crm.csv", "1\n")
    assert place.materialize(HOOK=receiver.url)["exit"] == 0
    old = time.time() - 7200
    os.utime(place.root / "crm.csv", (old, old))
    done = place.call("alerts", "send", HOOK=receiver.url)
    said = "[place] crm is late: 2 promises below it are broken"
    assert (done.stdout, done.returncode) == (f"team: {said}\n", 0)
    assert receiver.titles() == [said]
    again = place.call("alerts", "send", HOOK=receiver.url)
    assert (again.stdout, again.stderr, again.returncode) == ("", "nothing new to tell\n", 0)
    os.utime(place.root / "crm.csv")
    place.call("alerts", "send", HOOK=receiver.url)
    assert receiver.titles()[1:] == ["[place] crm is in time again: 2 promises are kept"]


def test_a_run_tells_of_promises_too(place: Place, receiver: Receiver) -> None:
    """Of those above which everything was looked at."""
    place.assets(
        "- {name: crm, observe: {path: crm.csv}, freshness: {max_lag: 1h}}\n"
        "- {name: a, command: {shell: cp crm.csv a}, output: {path: a}, upstreams: [crm]}",
        'alerts: {team: {to: "${env.HOOK}"}}',
    )
    place.write("crm.csv", "1\n")
    old = time.time() - 7200
    os.utime(place.root / "crm.csv", (old, old))
    place.call("materialize", HOOK=receiver.url)
    settled(place, 1)
    assert receiver.titles() == ["[place] crm is overdue"]


def test_what_is_about_to_be_overdue(place: Place, receiver: Receiver) -> None:
    """Past a warning, or too late for work that starts now. What `up` will renew in time is no news, warned or not."""
    place.assets(
        """
        - {name: warned, command: {shell: echo 1 > a}, output: {path: a}, freshness: {max_lag: 5h, warn_lag: 1s}}
        - {name: late, command: {shell: echo 1 > b}, output: {path: b}, freshness: {max_lag: 61s}}
        """,
        'alerts: {team: {to: "${env.HOOK}"}, errors: {to: "${env.HOOK}", severity: error}}',
    )
    place.write("a", "1")
    place.write("b", "1")
    place.call("state", "mark", "*", HOOK=receiver.url)  # so neither was ever timed, and a minute is what each may take
    time.sleep(2)
    ask(Which(str(place.root)), (), 1, Memory(), {**os.environ, "HOOK": receiver.url})
    settled(place, 1)
    assert receiver.titles() == ["[place] late is about to be overdue"]
    done = place.call("alerts", "send", HOOK=receiver.url)
    assert done.stdout == "team: [place] warned is about to be overdue\n"
    assert [each["type"] for each in receiver.taken] == ["warning", "warning"]


def test_what_is_not_known_is_not_told_to_be_over(place: Place, receiver: Receiver) -> None:
    """An external asset that cannot be looked at, and an attempt that somebody has stopped."""
    place.assets(
        """
        - {name: crm, observe: {path: crm.csv}, freshness: {max_lag: 1h}}
        - {name: a, command: {shell: "test -e slow && sleep 60; exit 3"}}
        """,
        'alerts: {team: {to: "${env.HOOK}"}}',
    )
    place.write("crm.csv", "1\n")
    os.utime(place.root / "crm.csv", (5, 5))
    place.call("materialize", HOOK=receiver.url)
    place.call("alerts", "send", HOOK=receiver.url)
    settled(place, 2)
    (place.root / "crm.csv").unlink()
    place.write("slow", "")
    run = place.start("materialize", "--json")
    assert run.stdout is not None
    until(lambda: "step_started" in run.stdout.readline(), "its step")
    run.send_signal(signal.SIGINT)
    assert run.wait(30) == 130
    assert place.call("alerts", "send", HOOK=receiver.url).stdout == ""
    told = sorted(each["title"] for each in listed(place)["messages"])
    assert told == ["[place] a failed", "[place] crm is overdue"]


def test_a_check(place: Place, receiver: Receiver) -> None:
    """That fails and passes again, also when checks are evaluated alone; a warning is none for errors only."""
    place.assets(
        """
        - name: a
          command: {shell: "echo x > a.csv; echo 1 >> a.csv"}
          output: {path: a.csv}
          freshness: {max_lag: 0s}
          checks: [{row_count: {min: 2}, severity: warn}, {name: gone, shell: "test ! -e bad"}]
        """,
        'alerts: {team: {to: "${env.HOOK}", severity: error}, all: {to: "${env.HOOK}"}}',
    )
    place.call("materialize", HOOK=receiver.url)
    settled(place, 1)
    place.write("bad", "")
    place.call("check", HOOK=receiver.url)
    messages = settled(place, 3)
    assert [(each["route"], each["title"]) for each in messages] == [
        ("all", "[place] a check of a failed"),
        ("team", "[place] a check of a failed"),
        ("all", "[place] a check of a failed"),
    ]
    (place.root / "bad").unlink()
    place.call("check", HOOK=receiver.url)
    assert [(each["route"], each["title"]) for each in settled(place, 4)][3:] == [
        ("team", "[place] checks of a pass again")
    ]


# -- what goes wrong -------------------------------------------------------------------------------------------------


def test_a_dead_receiver_is_said_by_the_next_command_and_gets_it_when_it_is_back(
    place: Place, receiver: Receiver
) -> None:
    """The run is as quick and as good as without; nothing is lost."""
    receiver.status = 503
    place.assets(ASSETS, 'alerts: {team: {to: "${env.HOOK}"}}')
    place.write("broken", "")
    place.call("materialize", HOOK=receiver.url)
    until(lambda: listed(place)["messages"][0]["tries"], "a try")
    message = listed(place)["messages"][0]
    assert (message["state"], message["delivered"]) == ("waiting", None)
    assert "503" in message["error"]
    for words in (("runs",), ("materialize",)):
        said = place.call(*words, HOOK=receiver.url).stderr
        assert "warning[A0724]: an alert was not delivered: team: " in said
        assert "hint: see: assets alerts" in said
    receiver.status = 200
    settled(place, 1)
    assert receiver.titles() == ["[place] orders failed"]
    assert "A0724" not in place.call("runs").stderr


def test_a_receiver_that_hangs_delays_nobody(place: Place) -> None:
    """Neither the run nor the other targets."""
    place.assets(ASSETS, 'alerts: {slow: {command: {shell: "sleep 60"}}, quick: {command: {shell: "touch told"}}}')
    place.write("broken", "")
    began = time.monotonic()
    place.call("materialize")
    took = time.monotonic() - began
    place.wait_for("told")
    assert took < 10


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (Target(command="echo a secret12 >&2; exit 3"), "the command ended with 3: a ***"),
        (Target(command="cat > /dev/null; sleep 60 & sleep 60"), "the command took more than 1 s"),
        (Target(command="kill -9 $$"), "the command ended with -9"),
        (Target(problem="the environment variable X is not set"), "the environment variable X is not set"),
        (Target(url="nothing://x"), "no URL of Apprise"),
    ],
)
def test_what_is_said_of_a_try(tmp_path: Path, target: Target, said: str) -> None:
    """In a few words, without secrets; nothing of its processes is left."""
    document = dict.fromkeys(("id", "route", "event", "severity", "title", "text", "markdown"), "x")
    timeout = 1 if target.command else 30
    answer = attempt(target, document, Around(str(tmp_path), os.environ, ("secret12",), timeout))
    assert answer is not None
    assert answer.startswith(said)


@pytest.mark.parametrize("host", ["127.0.0.1:1", "no-such-host.invalid"])
def test_nobody_listens(tmp_path: Path, host: str) -> None:
    """A refused connection, a name that nobody knows: said, and the token is not."""
    document = dict.fromkeys(("id", "route", "event", "severity", "title", "text", "markdown"), "x")
    answer = attempt(Target(url=f"json://{host}/{TOKEN}"), document, Around(str(tmp_path), os.environ))
    assert answer is not None
    assert answer.startswith("A Connection error occurred sending JSON notification")
    assert TOKEN not in answer


def test_a_variable_that_is_not_set(place: Place) -> None:
    """The message waits for it."""
    place.assets(ASSETS, 'alerts: {team: {to: "${env.NOT_SET_AT_ALL}"}}')
    place.write("broken", "")
    place.call("materialize")
    until(lambda: listed(place)["messages"][0]["tries"], "a try")
    assert listed(place)["messages"][0]["error"] == "the environment variable NOT_SET_AT_ALL is not set"


def test_a_selection_that_names_nothing_is_a_warning(place: Place) -> None:
    """The run goes on, and so do the other routes."""
    place.assets(ASSETS, "alerts: {a: {command: {shell: x}, select: tag:nobody}, b: {command: {shell: touch told}}}")
    place.write("broken", "")
    done = place.call("materialize")
    assert done.returncode == 1
    assert "warning[A0722]: alert 'a': select: " in done.stderr
    place.wait_for("told")


def test_the_test_command(place: Place, receiver: Receiver) -> None:
    """Each target says what became of it; nothing is put on record."""
    place.assets(ASSETS, 'alerts: {team: {to: ["${env.HOOK}", "json://127.0.0.1:1"]}}')
    done = place.call("alerts", "test", "team", HOOK=receiver.url)
    first, second = done.stdout.splitlines()
    assert (first, done.returncode) == ("team, number 1: sent", 1)
    assert second.startswith("team, number 2: not sent: ")
    assert receiver.titles() == ["[place] test of route team"]
    unknown = place.call("alerts", "test", "teem")
    assert (unknown.returncode, unknown.stderr) == (
        2,
        "error[A0725]: no alert route is named 'teem'\n  hint: routes: team\n",
    )
    assert place.call("alerts", "test").returncode == 2
    assert place.call("alerts", "send", "team").returncode == 2


# -- at least once, told once ----------------------------------------------------------------------------------------


def test_killed_between_record_and_delivery(place: Place, receiver: Receiver) -> None:
    """What is on record is delivered by the next command, and told once."""
    place.assets(ASSETS, 'alerts: {team: {to: "${env.HOOK}"}}')
    place.write("broken", "")
    dying = (
        "import os, signal, sys\n"
        "from assets_cli.running.alerting import Alerts\n"
        "Alerts.dispatch = lambda self: os.kill(os.getpid(), signal.SIGKILL)\n"
        "from assets_cli.__main__ import main\n"
        "sys.argv = ['assets', 'materialize']\n"
        "main()\n"
    )
    environ = {**os.environ, "HOOK": receiver.url}
    died = subprocess.run([sys.executable, "-c", dying], cwd=place.root, env=environ, capture_output=True, check=False)
    assert died.returncode == -signal.SIGKILL
    assert [each["state"] for each in listed(place)["messages"]] == ["waiting"]
    place.call("materialize", HOOK=receiver.url)
    settled(place, 1)
    assert receiver.titles() == ["[place] orders failed"]


def test_killed_before_it_was_on_record(place: Place, receiver: Receiver) -> None:
    """The next command tells it: what is told goes by what is on record, not by who was there."""
    place.assets(ASSETS, 'alerts: {team: {to: "${env.HOOK}"}}')
    place.write("broken", "")
    place.assets(ASSETS)
    place.call("materialize")
    place.assets(ASSETS, 'alerts: {team: {to: "${env.HOOK}"}}')
    done = place.call("alerts", "send", HOOK=receiver.url)
    assert done.stdout == "team: [place] orders failed\n"
    assert receiver.titles() == ["[place] orders failed"]


def test_twenty_at_once(place: Place, receiver: Receiver) -> None:
    """Tell it once."""
    place.assets(ASSETS)
    place.write("broken", "")
    place.call("materialize")
    place.assets(ASSETS, 'alerts: {team: {to: "${env.HOOK}"}}')
    environ = {**os.environ, "HOOK": receiver.url}
    command = [sys.executable, "-m", "assets_cli", "alerts", "send"]
    crowd = [
        subprocess.Popen(
            command, cwd=place.root, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(20)
    ]
    said = [process.communicate(timeout=120) for process in crowd]
    assert [process.returncode for process in crowd] == [0] * 20
    assert sum(out == "team: [place] orders failed\n" for out, _ in said) == 1
    settled(place, 1)
    assert receiver.titles() == ["[place] orders failed"]


# -- secrets ---------------------------------------------------------------------------------------------------------


def test_no_secret_is_anywhere(place: Place, receiver: Receiver) -> None:
    """Neither on a screen nor in a file, when it is delivered and when it is not, from outside or written."""
    written = "xmlToken98765/W0rdOfMine4321"
    head = f'alerts: {{good: {{to: "${{env.HOOK}}"}}, bad: {{to: "${{env.BAD}}"}}, own: {{to: "slack://{written}"}}}}\n'
    place.assets(ASSETS, head)
    place.write("broken", "")
    secrets = {"HOOK": receiver.url, "BAD": "json://user:Passw0rd77@127.0.0.1:1/pathT0ken8888"}
    said = ""
    for words in ("materialize", "alerts", "alerts --json", "alerts test good", "alerts test bad", "alerts test own"):
        done = place.call(*words.split(), **secrets)
        said += done.stdout + done.stderr
    until(lambda: all(each["tries"] for each in listed(place, **secrets)["messages"]), "every try")
    for words in (
        "runs",
        "validate",
        "validate --format sarif",
        "plan --json",
        "alerts",
        "alerts --json",
        "materialize",
    ):
        done = place.call(*words.split(), **secrets)
        said += done.stdout + done.stderr
    parts = [TOKEN, "Passw0rd77", "pathT0ken8888", *written.split("/")]
    assert [part for part in parts if part in said] == []
    for path in place.root.rglob("*"):
        if path.is_file() and path.name != "assets.yml":
            data = path.read_bytes()
            assert (path.name, [part for part in parts if part.encode() in data]) == (path.name, [])


# -- who tries again, and who is not held up ---------------------------------------------------------------------------


def delivery_processes(place: Place) -> list[int]:
    """The processes that deliver for this project."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (each / "cmdline").read_bytes()
            if b"running.delivery_process" in command and (each / "cwd").readlink() == place.root:
                found.append(int(each.name))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_up_tries_again_by_itself(place: Place, receiver: Receiver) -> None:
    """Also when the process that delivers is gone: nothing has to happen, and nobody has to come by."""
    receiver.status = 503
    place.assets(ASSETS, 'alerts: {team: {to: "${env.HOOK}"}}')
    place.write("broken", "")
    with up(place, HOOK=receiver.url) as one:
        until(lambda: [each for each in listed(place)["messages"] if each["tries"]], "a try")
        for process in delivery_processes(place):
            os.kill(process, signal.SIGKILL)
        assert receiver.taken == []
        receiver.status = 200
        settled(place, 1)
        one.end()
    assert receiver.titles() == ["[place] orders failed"]


def wait_for_later(place: Place, title: str = "told before") -> None:
    """A message is on record that could not be delivered and is to be tried again in a quarter of an hour."""
    now = time.time_ns() // 1_000
    document = dict.fromkeys(("route", "event", "severity", "title", "text", "markdown"), "x")
    with open_alerts(place.root / ".assets" / "state.db") as store:
        store.put("default", [Outgoing("team", 1, "failed", title, now - 1, {**document, "title": title})])
        store.note_failure(store.waiting("default")[-1].id, "no route to host", now + 900_000_000)


def test_a_waking_of_up_says_when_what_waits_is_tried_again(place: Place) -> None:
    """As the moment to look again, if nothing else comes before."""
    place.assets(
        "- {name: a, command: {shell: echo 1 > a}, output: {path: a}}", "alerts: {team: {command: {shell: x}}}"
    )
    place.call("materialize")
    wait_for_later(place)
    (waiting,) = listed(place)["messages"]
    found = ask(Which(str(place.root)), (), 1, Memory()).outlook.next
    assert found is not None
    assert (found.kind, rfc3339(found.at)) == ("alert", waiting["next_try"])


def test_send_tries_what_waits_at_once(place: Place, receiver: Receiver) -> None:
    """Whoever has mended the receiver does not wait until it is due; in vain it is said why, and what waits stays."""
    place.assets(ASSETS, 'alerts: {team: {to: "${env.HOOK}"}}')
    place.call("materialize", HOOK=receiver.url)
    wait_for_later(place, "one")
    wait_for_later(place, "two")
    receiver.status = 500
    vain = place.call("alerts", "send", HOOK=receiver.url)
    assert (vain.stdout, vain.returncode) == ("", 1)
    assert "warning[A0724]: 2 alerts were not delivered: team: " in vain.stderr
    assert [each["state"] for each in listed(place)["messages"]] == ["waiting", "waiting"]
    receiver.status = 200
    done = place.call("alerts", "send", HOOK=receiver.url)
    assert (done.stdout, done.stderr, done.returncode) == ("", "nothing new to tell\n", 0)
    assert receiver.titles() == ["one", "two"]


def told(place: Place) -> str:
    """What a command has written, once it has."""
    file = place.root / "told"
    found: str = until(lambda: file.exists() and file.read_text(), "a message")
    return found


@pytest.mark.parametrize("words", [("observe",), ("state", "mark", "orders"), ("state", "rm", "orders"), ("check",)])
def test_whatever_changes_history_tells_and_delivers(place: Place, words: tuple[str, ...]) -> None:
    """What was put on record and not delivered, because whoever did it died, the next command has delivered."""
    place.assets(
        f"{ASSETS}- {{name: crm, observe: {{path: assets.yml}}}}\n",
        "alerts: {team: {command: {shell: 'echo \"$ASSETS_ALERT_TITLE\" >> told'}}}",
    )
    place.call("materialize")
    document = dict.fromkeys(("route", "event", "severity", "title", "text", "markdown"), "x")
    with open_alerts(place.root / ".assets" / "state.db") as store:
        store.put("default", [Outgoing("team", 1, "failed", "late", 5, {**document, "title": "late"})])
        store.note_failure(store.waiting("default")[0].id, "no", 6)
    done = place.call(*words)
    assert done.returncode == 0, done.stderr
    assert told(place) == "late\n"


def test_what_was_observed_a_moment_ago_counts(place: Place) -> None:
    """`assets observe` tells of the promises that rest on what it has seen."""
    place.assets(
        "- {name: crm, observe: {path: crm.csv}, freshness: {max_lag: 1h}}",
        "alerts: {team: {command: {shell: 'echo \"$ASSETS_ALERT_TITLE\" >> told'}}}",
    )
    place.write("crm.csv", "1\n")
    os.utime(place.root / "crm.csv", (1, 1))
    place.call("observe")
    assert told(place) == "[place] crm is overdue\n"


def large(place: Place, head: str) -> None:
    """A project of more than a thousand assets, of which one can fail."""
    place.assets(ASSETS + "".join(f"- {{name: x{number}}}\n" for number in range(1_001)), head)
    place.write("broken", "")


def test_in_a_large_project_it_is_told_all_the_same(place: Place, receiver: Receiver) -> None:
    """Once; a selection that names nothing is a warning of the run there, too."""
    large(place, 'alerts: {a: {to: "${env.HOOK}"}, b: {to: "${env.HOOK}", select: tag:nobody}}')
    done = place.call("materialize", "orders", HOOK=receiver.url)
    assert done.returncode == 1
    assert "warning[A0722]: alert 'b': select: " in done.stderr
    settled(place, 1)
    place.call("materialize", "orders", HOOK=receiver.url)
    place.call("alerts", "send", HOOK=receiver.url)
    assert receiver.titles() == ["[place] orders failed"]


def test_in_a_large_project_nobody_waits_for_what_is_told(place: Place) -> None:
    """However long it takes: neither the command nor who reads what it prints; a death there changes nothing."""
    large(place, "alerts: {a: {command: {shell: touch told}}}")
    slow = (
        "import sys, time\n"
        "from assets_cli.running.alerting import Alerts\n"
        "Alerts.tell = lambda self: time.sleep(60)\n"
        "from assets_cli.__main__ import main\n"
        "sys.argv = ['assets', 'materialize', 'orders']\n"
        "main()\n"
    )
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", slow], cwd=place.root, capture_output=True, check=False)
    assert (done.returncode, time.monotonic() - began < 20) == (1, True)
    assert not (place.root / "told").exists()
    place.call("check")
    place.wait_for("told")


def test_who_hears_of_what(place: Place, receiver: Receiver) -> None:
    """By owner, group, tag and severity; who holds a promise back is told with what it holds back, in one message."""
    selections = {"owner": "owner:data-team", "group": "group:raw", "tag": "tag:gold", "both": "owner:bi and tag:gold"}
    routes = [f"{name}: {{to: '${{env.HOOK}}/{name}', select: '{said}'}}" for name, said in selections.items()]
    routes.append("errors: {to: '${env.HOOK}/errors', severity: error, tell: [check_failed, recovered]}")
    place.assets(
        """
        - {name: crm, observe: {path: crm.csv}, group: raw, owner: crm-team}
        - {name: a, command: {shell: cp crm.csv a}, output: {path: a}, upstreams: [crm], freshness: {max_lag: 1h}}
        - name: b
          owner: [bi, data-team]
          tags: [gold]
          command: {shell: cp crm.csv b}
          output: {path: b}
          upstreams: [crm]
          freshness: {max_lag: 1h}
          checks: [{name: full, shell: test ! -e bad, severity: warn}]
        """,
        f"alerts: {{{', '.join(routes)}}}",
    )
    place.write("crm.csv", "1\n")
    place.write("bad", "")
    os.utime(place.root / "crm.csv", (5, 5))
    assert place.call("materialize", HOOK=receiver.url).returncode == 0
    settled(place, 7)
    late, one = (
        "[place] crm is late: 2 promises below it are broken",
        "[place] crm is late: 1 promise below it is broken",
    )
    check = "[place] a check of b failed"
    assert sorted((each["path"].rpartition("/")[2], each["type"], each["title"]) for each in receiver.taken) == [
        ("both", "failure", one),
        ("both", "warning", check),
        ("group", "failure", late),
        ("owner", "failure", one),
        ("owner", "warning", check),
        ("tag", "failure", one),
        ("tag", "warning", check),
    ]
    (said,) = {each["message"] for each in receiver.taken if each["title"] == late}
    assert said == (
        "- a: promised 1h, broken since 1970-01-01 01:00 UTC\n"
        "- b: promised 1h, broken since 1970-01-01 01:00 UTC (bi, data-team)\n"
        "crm: external, its data is of 1970-01-01 00:00 UTC (crm-team)\n"
        "next: assets why crm"
    )


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that takes connections and never says a word."""
    with closing(socket.socket()) as server:
        server.bind(("127.0.0.1", 0))
        server.listen(50)
        yield int(server.getsockname()[1])


@pytest.mark.parametrize("kind", ["json://127.0.0.1:{}/x", "mailto://127.0.0.1:{}?from=a@b.de&to=c@d.de&mode=insecure"])
@pytest.mark.parametrize("how", ["refused", "hanging"])
def test_no_receiver_changes_a_run(place: Place, silent: int, kind: str, how: str) -> None:
    """Neither what it says, nor its exit code, nor how long it takes; the next one warns, and is as good."""
    place.assets(ASSETS)
    place.write("broken", "")
    before = place.call("materialize", "--json")
    place.assets(ASSETS, 'alerts: {team: {to: "${env.HOOK}"}}')
    url = kind.format(silent if how == "hanging" else dead_port())
    began = time.monotonic()
    done = place.call("materialize", "--json", HOOK=url)
    assert time.monotonic() - began < 15
    told = [[json.loads(line)["event"] for line in each.stdout.splitlines()] for each in (before, done)]
    assert (done.returncode, done.stderr, told[1]) == (before.returncode, before.stderr, told[0])
    (place.root / "broken").unlink()
    if how == "refused":
        until(lambda: listed(place)["messages"][0]["tries"], "a try")
    done = place.call("materialize", HOOK=url)
    assert (done.returncode, "warning[A0724]: an alert was not delivered" in done.stderr) == (0, how == "refused")
    assert [each["state"] for each in listed(place)["messages"]] == ["waiting", "waiting"]


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_of_a_try_that_takes_too_long_nothing_is_left(tmp_path: Path) -> None:
    """Nor of what it has started."""
    document = dict.fromkeys(("id", "route", "event", "severity", "title", "text", "markdown"), "x")
    command = "sleep 600 & echo $! > pid; wait"
    attempt(Target(command=command), document, Around(str(tmp_path), os.environ, (), 1))
    child = Path("/proc", (tmp_path / "pid").read_text().strip(), "cmdline")
    until(lambda: not child.exists() or not child.read_bytes(), "its end", 5)


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_no_url_is_among_the_arguments_of_a_process(tmp_path: Path, silent: int) -> None:
    """While it is sent."""
    document = dict.fromkeys(("id", "route", "event", "severity", "title", "text", "markdown"), "x")
    target = Target(url=f"json://127.0.0.1:{silent}/{TOKEN}")
    trying = Thread(target=attempt, args=(target, document, Around(str(tmp_path), os.environ, (), 4)))
    trying.start()
    said = b""
    while trying.is_alive():
        for each in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                said += each.read_bytes()
        time.sleep(0.2)
    assert b"running.sender" in said
    assert TOKEN.encode() not in said


def test_a_message_has_no_secret(place: Place, receiver: Receiver) -> None:
    """Also where the manifest's own words are one: in what is sent, on record and shown."""
    place.assets(
        "- name: orders\n  owner: ${env.PASSWORD}-team\n  command: {shell: 'echo ${env.PASSWORD}; exit 3'}\n"
        "- name: of-hunter2hunter2\n  command: {shell: 'exit 4'}\n",
        'alerts: {team: {to: "${env.HOOK}"}}',
    )
    secret = "hunter2hunter2"
    place.call("materialize", HOOK=receiver.url, PASSWORD=secret)
    settled(place, 1, PASSWORD=secret)
    assert secret not in json.dumps(receiver.taken)
    assert receiver.titles() == ["[place] 2 assets failed: of-*** and orders"]
    shown = place.call("alerts", "--json", PASSWORD=secret).stdout
    assert "of-***" in shown
    with closing(sqlite3.connect(place.root / ".assets" / "state.db")) as connection:
        kept = connection.execute("SELECT title, document, error FROM alert_deliveries").fetchall()
    assert secret not in json.dumps(kept)


# -- deliveries by themselves ----------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Iterator[AlertStore]:
    """What is on record."""
    with open_alerts(tmp_path / "state.db") as found:
        yield found


def put(store: AlertStore, *titles: str, at: int = 0) -> None:
    """Put messages on record."""
    document = dict.fromkeys(("route", "event", "severity", "title", "text", "markdown"), "x")
    store.put("default", [Outgoing("team", 1, "failed", title, at, {**document, "title": title}) for title in titles])


def test_messages_of_a_target_come_in_order_and_later_and_later(
    store: AlertStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that fails is tried again before those after it; after a day it counts as undelivered."""
    tried: list[str] = []
    accepts: set[str] = {"a"}

    def attempting(_target: Target, document: dict[str, Any], _around: Around) -> str | None:
        tried.append(document["title"])
        return None if document["title"] in accepts else "no"

    monkeypatch.setattr(delivering, "attempt", attempting)
    put(store, "a", "b", "c")
    around, targets, now = Around(str(tmp_path), {}), {"team": [Target(command="x")]}, 10
    moments = []
    for _ in range(4):
        moment = deliver(store, "default", targets, around, lambda: now)  # noqa: B023 - called at once
        assert moment is not None
        assert deliver(store, "default", targets, around, lambda: now) == moment  # noqa: B023 - as above
        moments.append((moment - now) // 1_000_000)
        now = moment
    assert (tried, moments) == (["a", "b", "b", "b", "b"], [5, 15, 45, 135])
    assert wait_before(50) == 900 * 1_000_000
    now = 2 * delivering.DAY
    accepts.add("c")
    assert deliver(store, "default", targets, around, lambda: now) is None
    assert tried[5:] == ["b", "c"]
    states = [(each.title, each.state) for each in reversed(deliveries(store))]
    assert states == [("a", "sent"), ("b", "undelivered"), ("c", "sent")]


def deliveries(store: AlertStore) -> list[Delivery]:
    """The newest first."""
    from assets_cli.state.alerts import recent

    return recent(store.path, "default", 50)


def test_a_clock_that_was_set_back_keeps_no_message(
    store: AlertStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is to be tried tomorrow is tried now."""
    monkeypatch.setattr(delivering, "attempt", lambda *_: None)
    day = delivering.DAY
    put(store, "a", at=day)
    around = Around(str(tmp_path), {})
    assert deliver(store, "default", {"team": [Target(command="x")]}, around, lambda: 5) is None
    assert [each.state for each in deliveries(store)] == ["sent"]


def test_what_is_of_a_route_that_is_gone_waits(store: AlertStore, tmp_path: Path) -> None:
    """For whoever knows it, for a day."""
    put(store, "a")
    assert deliver(store, "default", {}, Around(str(tmp_path), {}), lambda: 5) is None
    assert [each.state for each in deliveries(store)] == ["waiting"]
    assert deliver(store, "default", {}, Around(str(tmp_path), {}), lambda: 2 * delivering.DAY) is None
    assert [(each.state, each.error) for each in deliveries(store)] == [
        ("undelivered", "its route is not in the manifest any more")
    ]


def test_old_messages_are_forgotten(store: AlertStore) -> None:
    """Not those that wait."""
    put(store, "waits")
    for each in range(600):
        put(store, f"{each}")
        store.note_sent(each + 2, 1)
    with closing(sqlite3.connect(store.path)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM alert_deliveries").fetchone()
    assert count <= 502
    assert [each.title for each in store.waiting("default")] == ["waits"]
