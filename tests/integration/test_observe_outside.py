"""External assets observed by SQL and by HTTP, through the real command line: what is seen and what follows from it."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from support.place import DUCKDB, Place
from support.web import Asked, Reply, serving

MONDAY, TUESDAY = "Mon, 05 Jan 2026 10:00:00 GMT", "Tue, 06 Jan 2026 10:00:00 GMT"


@pytest.fixture(autouse=True)
def directly(monkeypatch):
    """No proxy stands between a test and its own server."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


def observed(place: Place, *words: str, **environment: str) -> dict[str, dict[str, object]]:
    """`observe --json` by asset."""
    done = place.call("observe", "--json", *words, **environment)
    return {each["asset"]: each for each in json.loads(done.stdout)["observations"]}


def below(observe: str) -> str:
    """An external asset, one that reads it, one that reads that, and one that reads neither."""
    return f"""
        - name: outside
          observe: {observe}
        - {{name: a, upstreams: [outside], command: {{shell: "date +%N > a; echo made a"}}, output: {{path: a}}}}
        - {{name: b, upstreams: [a], command: {{shell: "date +%N > b"}}, output: {{path: b}}}}
        - {{name: apart, command: {{shell: "echo 1 > apart"}}, output: {{path: apart}}}}
    """


def run_sql(place: Place, kind: str, statement: str) -> None:
    """Somebody else writes to a database of the project."""
    if kind == "sqlite":
        with sqlite3.connect(place.root / "crm.sqlite") as raw:
            raw.execute(statement)
        raw.close()
        return
    import duckdb

    with duckdb.connect(place.root / "crm.duckdb") as raw:
        raw.execute(statement)


# -- SQL ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["duckdb", "sqlite"])
def test_a_query_makes_exactly_what_is_below_stale(place, kind):
    """Its answer is the data version, and a time in it the data time."""
    run_sql(place, kind, "create table accounts (id integer, updated_at timestamp)")
    run_sql(place, kind, "insert into accounts values (1, '2026-01-05 10:00:00')")
    head = f"connections: {{crm: {{type: {kind}, path: crm.{kind}}}}}\n"
    place.assets(below('{sql: "select max(updated_at) from accounts", connection: crm}'), head)

    assert sorted(place.materialize()["succeeded"]) == ["a", "apart", "b"]
    assert place.plan() == {}
    run_sql(place, kind, "insert into accounts values (2, '2026-01-04 10:00:00')")
    assert place.plan() == {}, "the newest is what it was"
    run_sql(place, kind, "insert into accounts values (3, '2026-01-06 10:00:00')")
    assert place.plan() == {"a": ["upstream_changed"], "b": ["upstream_stale"]}
    seen = observed(place)["outside"]
    assert (seen["result"], seen["data_time"]) == ("changed", "2026-01-06T10:00:00Z")
    assert sorted(place.materialize()["succeeded"]) == ["a", "b"]
    assert place.plan() == {}


def test_what_a_query_says(place):
    """Numbers and texts are versions, times are data times too, several values are one version."""
    run_sql(place, "duckdb", "create table t as select 7 as n, date '2026-01-05' as day, 'x' as word")
    queries = {
        "number": "select n from t",
        "day": "select day from t",
        "zoned": "select timestamptz '2026-01-05 10:00:00+02'",
        "text": "select '2026-01-05T10:00:00+02:00'",
        "several": "select n, word, timestamp '2026-01-05 08:00:00.5' from t",
        "decimal": "select 1.50::decimal(10, 2)",
        "file": "sql/outside.sql",
    }
    place.write("sql/outside.sql", "select ${vars.n} + n -- of the file\nfrom t\n")
    lines = [f'- {{name: {name}, observe: {{sql: "{query}"}}}}' for name, query in queries.items()]
    head = "connections: {crm: {type: duckdb, path: crm.duckdb}}\ndefault_connection: crm\nvars: {n: 40}\n"
    place.assets("\n".join(lines), head)
    found = {
        name: (each["data_version"], each["data_time"] if each["data_time"] != each["observed"] else None)
        for name, each in observed(place, TZ="America/New_York").items()
    }
    assert found == {
        "number": ("7", None),
        "day": ("2026-01-05", "2026-01-05T00:00:00Z"),
        "zoned": ("2026-01-05T08:00:00Z", "2026-01-05T08:00:00Z"),
        "text": ("2026-01-05T10:00:00+02:00", "2026-01-05T08:00:00Z"),
        "several": ('["7", "x", "2026-01-05T08:00:00.500000Z"]', "2026-01-05T08:00:00.500000Z"),
        "decimal": ("1.50", None),
        "file": ("47", None),
    }


@pytest.mark.parametrize(
    ("asset", "reason"),
    [
        ("sql: select max(1) where 1 = 2", "the query returns null, which is no data version"),
        ("sql: select 1 where 1 = 2", "the query returns no row, which is no data version"),
        (
            "sql: 'select unnest([1, 2])'",
            "the query returns more than one row (write one that returns the newest or the number)",
        ),
        (
            "sql: drop table t",
            "expected a SELECT, found DROP (a probe is one SELECT)",
        ),
        ("sql: select 1, connection: gone", "the database gone.duckdb does not exist"),
        ("sql: 'select ${env.NOT_SET}'", "the environment variable NOT_SET is not set, observe.sql uses it"),
        ("sql: gone.sql", "gone.sql cannot be read: No such file or directory"),
        (
            "sql: 'select count(*) from range(1000000000000) a, range(1000) b where a.range * b.range % 7 = 5'",
            "timed out after 1.0 s (give the asset a longer `timeout`)",
        ),
    ],
)
def test_why_a_query_says_nothing(place, asset, reason):
    """A sentence, in a warning; a slow database does not keep a plan for ever."""
    run_sql(place, "duckdb", "create table t (n integer)")
    head = """\
        connections: {crm: {type: duckdb, path: crm.duckdb}, gone: {type: duckdb, path: gone.duckdb}}
        default_connection: crm
        """
    timeout = "timeout: 1s, " if reason.startswith("timed out") else ""
    place.assets(f"- {{name: x, {timeout}observe: {{{asset}}}}}", head)
    seen = observed(place)["x"]
    assert seen["message"] == f"x could not be observed: {reason}; nothing is known of it yet"
    assert not (place.root / "gone.duckdb").exists()


def test_the_last_answer_stands(place):
    """While the database is in use, or gone."""
    run_sql(place, "duckdb", "create table t as select 1 as n")
    place.assets(below('{sql: "select max(n) from t", connection: w}'), DUCKDB.replace("w.duckdb", "crm.duckdb"))
    place.materialize()
    other = "import duckdb, sys; c = duckdb.connect('crm.duckdb'); print('open', flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", other], cwd=place.root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    document = json.loads(place.call("plan", "--json").stdout)
    process.communicate("")
    (warning,) = document["warnings"]
    who = f"the database crm.duckdb is in use by another program (PID {process.pid})"
    hint = "(close it there: DuckDB lets in one process at a time)"
    assert (document["steps"], warning["message"]) == (
        [],
        f"outside could not be observed: {who} {hint}; what was observed last stands",
    )
    (place.root / "crm.duckdb").unlink()
    assert place.plan() == {}


def test_a_step_that_has_the_database_is_not_disturbed(place):
    """The probe waits for a second, and says who has it."""
    run_sql(place, "duckdb", "create table t as select 1 as n")
    place.assets(
        """
        - {name: outside, observe: {sql: select max(n) from t}}
        - name: slow
          command: {shell: "touch started; sleep 4"}
          output: {table: t, connection: w}
        """,
        DUCKDB.replace("w.duckdb", "crm.duckdb") + "default_connection: w\n",
    )
    process = place.start("materialize", "slow")
    place.wait_for("started")
    seen = observed(place)["outside"]
    process.communicate(timeout=60)
    message = str(seen["message"])
    assert message.startswith("outside could not be observed: its database is in use by run ")
    assert message.endswith(", materializing slow; nothing is known of it yet")
    assert observed(place)["outside"]["data_version"] == "1"


def test_several_queries_of_one_database(place):
    """Take turns."""
    run_sql(place, "duckdb", "create table t as select 1 as n")
    lines = [f"- {{name: x{n}, observe: {{sql: 'select {n} from t'}}}}" for n in range(4)]
    place.assets("\n".join(lines), DUCKDB.replace("w.duckdb", "crm.duckdb") + "default_connection: w\n")
    assert [each["data_version"] for each in observed(place).values()] == ["0", "1", "2", "3"]


# -- HTTP --------------------------------------------------------------------------------------------------------------


def test_an_etag_makes_exactly_what_is_below_stale(place):
    """HEAD is enough; Last-Modified is the data time."""
    said = {"ETag": '"1"', "Last-Modified": MONDAY}
    with serving(lambda _: Reply(headers=tuple(said.items()))) as web:
        place.assets(below(f"{{http: http://{web.host}/accounts.csv}}"))
        assert sorted(place.materialize()["succeeded"]) == ["a", "apart", "b"]
        assert place.plan() == {}
        said["Last-Modified"] = TUESDAY
        assert place.plan() == {}, "the tag is what it was"
        said["ETag"] = '"2"'
        assert place.plan() == {"a": ["upstream_changed"], "b": ["upstream_stale"]}
        seen = observed(place)["outside"]
        assert (seen["previous"], seen["data_version"], seen["data_time"]) == (
            'etag:"1"',
            'etag:"2"',
            "2026-01-06T10:00:00Z",
        )
        assert seen["metadata"] == {"etag": '"2"', "last_modified": "2026-01-06T10:00:00Z"}
        assert set(web.methods) == {"HEAD"}


@pytest.mark.parametrize(
    ("head", "get", "expected", "methods"),
    [
        (Reply(headers=(("Last-Modified", MONDAY),)), None, "2026-01-05T10:00:00Z", ["HEAD"]),
        (Reply(405), Reply(headers=(("ETag", 'W/"x"'),)), 'etag:W/"x"', ["HEAD", "GET"]),
        (Reply(), Reply(body=b"1\n"), "sha256:4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865", None),
        (Reply(404), Reply(headers=(("Last-Modified", MONDAY),)), "2026-01-05T10:00:00Z", ["HEAD", "GET"]),
        (None, Reply(headers=(("ETag", '"x"'),)), 'etag:"x"', ["HEAD", "GET"]),
        (Reply(headers=(("Last-Modified", "yesterday"),)), Reply(headers=(("ETag", "x"),)), "etag:x", ["HEAD", "GET"]),
    ],
)
def test_what_a_server_says(place, head, get, expected, methods):
    """GET where HEAD is refused or says nothing; the digest of the body where GET says nothing either."""
    with serving(lambda asked: head if asked.method == "HEAD" else get) as web:
        place.assets(f"- {{name: x, observe: {{http: http://{web.host}/x}}}}")
        assert observed(place)["x"]["data_version"] == expected
        assert web.methods == (methods or ["HEAD", "GET"])


def test_redirects_are_followed_without_secrets(place):
    """By the same method; what was meant for one server is not told to another."""
    with serving(lambda _: Reply(headers=(("ETag", '"there"'),))) as there:

        def answers(asked: Asked) -> Reply:
            if asked.path == "/moved":
                return Reply(301, (("Location", "/here"),))
            return Reply(307, (("Location", f"http://{there.host}/x?y=1"),))

        with serving(answers) as here:
            place.assets(
                f"""
                - name: x
                  observe:
                    http:
                      url: http://{here.host}/moved
                      headers: {{X-Token: "${{env.TOKEN}}", Authorization: Bearer abcdefgh}}
                """
            )
            assert observed(place, TOKEN="secret-token")["x"]["data_version"] == 'etag:"there"'
            paths = [(each.method, each.path, each.headers.get("x-token")) for each in here.asked]
            assert paths == [("HEAD", "/moved", "secret-token"), ("HEAD", "/here", "secret-token")]
            (last,) = there.asked
            assert (last.method, last.path) == ("HEAD", "/x?y=1")
            assert not {"x-token", "authorization"} & set(last.headers)


def test_a_user_and_a_password_are_sent_and_never_shown(place):
    """Neither they nor what a header takes from the environment are in any message or record."""

    def answers(asked: Asked) -> Reply:
        allowed = asked.headers.get("authorization") == "Basic YWRhOnAlQHNzd29yZA=="  # ada:p%@ssword
        return Reply(headers=(("ETag", f'"for {asked.headers.get("x-token")}"'),)) if allowed else Reply(401)

    with serving(answers) as web:
        url = f"http://ada:p%25%40ssword@{web.host}/x"
        place.assets(f"- {{name: x, observe: {{http: {{url: '{url}', headers: {{X-Token: '${{env.TOKEN}}'}}}}}}}}")
        seen = observed(place, TOKEN="hush-hush")
        assert (seen["x"]["result"], seen["x"]["metadata"]) == ("first", {"etag": '"for ***"'})
        assert str(seen["x"]["data_version"]).startswith("sha256:")
        place.assets(f"- {{name: x, observe: {{http: 'http://ada:wrong-one@{web.host}/x'}}}}")
        done = place.call("observe", "--json")
        assert "wrong-one" not in done.stdout + done.stderr
        hint = "(write what it wants to see under `headers`)"
        assert json.loads(done.stdout)["observations"][0]["message"] == (
            f"x could not be observed: 127.0.0.1 answers 401 Unauthorized {hint}; what was observed last stands"
        )
    state = (place.root / ".assets/state.db").read_bytes()
    assert b"hush-hush" not in state
    assert b"ssword" not in state


def test_why_a_server_says_nothing(place):
    """A sentence for each reason; the last answer stands."""
    with serving(lambda _: Reply(500)) as broken:
        free = broken.host
        assets = {
            "broken": f"http://{free}/x",
            "loop": f"http://{free}/loop",
            "unknown": "http://no-such-host.invalid/x",
            "port": "http://127.0.0.1:99999/x",
        }
        broken.answers = lambda asked: Reply(302, (("Location", "/loop"),)) if asked.path == "/loop" else Reply(503)
        place.assets("\n".join(f"- {{name: {name}, observe: {{http: '{url}'}}}}" for name, url in assets.items()))
        found = {name: str(each["message"]) for name, each in observed(place).items()}
    place.assets(f"- {{name: refused, observe: {{http: 'http://{free}/x'}}}}")
    found["refused"] = str(observed(place)["refused"]["message"])
    begin, end = "could not be observed: ", "; nothing is known of it yet"
    assert {name: text.partition(begin)[2].removesuffix(end) for name, text in found.items()} == {
        "broken": "127.0.0.1 answers 503 Service Unavailable",
        "loop": "127.0.0.1 redirects without end, or to where no web server is",
        "unknown": "the host no-such-host.invalid is not known",
        "port": "its URL is not one of a web server (write http://… or https://…)",
        "refused": "127.0.0.1 refuses connections",
    }


def test_a_server_that_never_ends(place):
    """Neither one that does not answer, nor one whose answer trickles on, keeps a plan longer than the timeout."""
    stop = threading.Event()

    def answers(asked: Asked) -> Reply:
        stop.wait(30)
        return Reply()

    with serving(answers) as web:
        place.assets(f"- {{name: x, timeout: 1s, observe: {{http: http://{web.host}/x}}}}")
        began = time.monotonic()
        message = str(observed(place)["x"]["message"])
        took = time.monotonic() - began
        stop.set()
    reasons = ("timed out after 1.0 s (give the asset a longer `timeout`)", "127.0.0.1 did not answer within 1.0 s")
    assert message in [f"x could not be observed: {reason}; nothing is known of it yet" for reason in reasons]
    assert took < 10


def test_certificates_are_verified(place, tmp_path):
    """One that nobody vouches for is refused; SSL_CERT_FILE vouches."""
    if shutil.which("openssl") is None:
        pytest.skip("it takes openssl to make a certificate")
    certificate = tmp_path / "own.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    words += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(certificate), "-out", str(tmp_path / "cert")]
    subprocess.run(words, check=True, capture_output=True)
    public = (tmp_path / "cert").read_text()
    certificate.write_text(certificate.read_text() + public)
    with serving(lambda _: Reply(headers=(("ETag", '"1"'),)), certificate) as web:
        place.assets(f"- {{name: x, observe: {{http: https://{web.host}/x}}}}")
        hint = "(if it is your own, set SSL_CERT_FILE to the certificate of its authority)"
        assert observed(place)["x"]["message"] == (
            "x could not be observed: the certificate of 127.0.0.1 is not trusted: self-signed certificate "
            f"{hint}; nothing is known of it yet"
        )
        assert observed(place, SSL_CERT_FILE=str(Path(tmp_path, "cert")))["x"]["data_version"] == 'etag:"1"'
