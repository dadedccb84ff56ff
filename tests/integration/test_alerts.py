"""Alerts to real receivers on this machine, web, mail and commands: dead, slow and refusing ones; kills; crowds."""

from __future__ import annotations

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
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import jsonschema
import pytest
from support.place import Place

from assets_cli.manifest.schemas import schema_text
from assets_cli.model.alerts import Delivery
from assets_cli.running import delivering
from assets_cli.running.delivering import Around, Target, attempt, deliver, wait_before
from assets_cli.state.alerts import AlertStore, Outgoing, open_alerts

TOKEN = "T0kenOfNobody12345"
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


class Receiver:
    """A web server that takes messages, and answers as it is told."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.status = 200
        self.pause = 0.0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                time.sleep(receiver.pause)
                if receiver.status == 200:
                    receiver.taken.append({"path": self.path, **json.loads(body)})
                self.send_response(receiver.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it is, as Apprise has it."""
        return f"json://127.0.0.1:{self.server.server_address[1]}/{TOKEN}"

    def titles(self) -> list[str]:
        """What came, in order."""
        return [each["title"] for each in self.taken]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A web server."""
    found = Receiver()
    yield found
    found.server.shutdown()
    found.server.server_close()


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
    """As JSON with a schema, and as variables; it runs in the project's folder."""
    command = 'cat > got.tmp; env | grep "^ASSETS_ALERT_" | sort > vars; mv got.tmp got.json'
    place.assets(ASSETS, f"alerts: {{team: {{command: {{shell: '{command}'}}}}}}")
    place.write("broken", "")
    place.call("materialize")
    place.wait_for("got.json")
    document = json.loads((place.root / "got.json").read_text())
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
