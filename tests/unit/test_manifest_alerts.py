"""`alerts` in a manifest: what it means, and every mistake at its place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from assets_cli.compiled import Asked, compiled, recall
from assets_cli.manifest import load
from assets_cli.model.manifest import ALERT_EVENTS, AlertRoute
from assets_cli.model.secrets import blurred, parts, reveals, whole
from assets_cli.probing.files import FileDigests
from assets_cli.validation import validate

HOUR = 3_600_000_000


def problems(root: Path, text: str) -> list[str]:
    """Everything that is wrong with the shape of a manifest."""
    (root / "assets.yml").write_text(f"version: 1\n{text}\n")
    found = load(root / "assets.yml").problems
    return [f"{p.place and p.place.line}:{p.place and p.place.column} {p.code} {p.message} | {p.hint}" for p in found]


def test_all_that_there_is(tmp_path: Path) -> None:
    """With variables filled in; what comes from outside stays as written, and one of a wrong shape is left out."""
    (tmp_path / "assets.yml").write_text(
        """\
version: 1
vars: {team: data}
alerts:
  least: {to: "${env.SLACK_URL}"}
  broken: {to: x, quiet: soon}
  all.of-it:
    command: {shell: "./page.sh ${vars.team}"}
    tell: [failed, overdue]
    select: owner:${vars.team}
    severity: error
    quiet: 1h30m
  several: {to: ["json://a", "${env.B}"], tell: []}
"""
    )
    loaded = load(tmp_path / "assets.yml")
    assert [problem.code for problem in loaded.problems] == ["A0127"]
    assert loaded.manifest is not None
    assert loaded.manifest.alerts == (
        AlertRoute("least", ("${env.SLACK_URL}",), None, ALERT_EVENTS, None, "warning", HOUR),
        AlertRoute("all.of-it", (), "./page.sh data", ("overdue", "failed"), "owner:data", "error", HOUR * 3 // 2),
        AlertRoute("several", ("json://a", "${env.B}"), None, (), None, "warning", HOUR),
    )
    assert str(loaded.manifest.locate("", "alerts", "several", "to", 1)) == "assets.yml:12:30"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("alerts: x", ["2:9 A0122 alerts: expected a mapping of names to routes, found text | None"]),
        ("alerts: {a: x}", ["2:13 A0122 alert 'a': expected a mapping with to or command, found text | None"]),
        ("alerts: {a b: {to: x}}", ["2:10 A0124 'a b' is not a route name | write letters, digits, '_', '-' and '.'"]),
        ("alerts: {a: {}}", ["2:13 A0720 alert 'a': nothing says how to deliver it | write one of to, command"]),
        (
            "alerts: {a: {to: x, command: {shell: z}}}",
            ["2:13 A0720 alert 'a': two ways to deliver it: to and command | keep one, or make two routes of it"],
        ),
        ("alerts: {a: {too: x}}", ["2:14 A0102 alert 'a': unknown key 'too' | did you mean 'to'?"]),
        ("alerts: {a: {to: }}", ["2:18 A0126 alert 'a': to has no value | write a value or remove the key"]),
        ("alerts: {a: {to: []}}", ["2:18 A0126 alert 'a': to has no value | write a value or remove the key"]),
        (
            "alerts: {a: {to: [x, x]}}",
            ["2:22 A0130 alert 'a': to item 2: 'x' is here twice | remove one of the two"],
        ),
        (
            "alerts: {a: {to: {x: z}}}",
            ["2:18 A0122 alert 'a': to: expected a URL of Apprise or a list of them, found a mapping | None"],
        ),
        (
            "alerts: {a: {command: ./page.sh}}",
            ["2:23 A0122 alert 'a': command: expected a mapping with shell, found text | write {shell: ./page.sh}"],
        ),
        (
            "alerts: {a: {to: x, tell: failed}}",
            ["2:27 A0122 alert 'a': tell: expected a list of events, found text | write [failed]"],
        ),
        (
            "alerts: {a: {to: x, tell: [faild]}}",
            [
                (
                    "2:28 A0123 alert 'a': tell item 1: 'faild' is none of overdue, at_risk, failed, "
                    "check_failed, recovered | did you mean 'failed'?"
                )
            ],
        ),
        (
            "alerts: {a: {to: x, severity: warn}}",
            ["2:31 A0123 alert 'a': severity: 'warn' is none of error, warning | did you mean 'warning'?"],
        ),
        (
            "alerts: {a: {to: x, quiet: 1 hour}}",
            [
                (
                    "2:28 A0127 alert 'a': quiet: '1 hour' is not a duration | "
                    "write a duration such as 90s, 15m, 6h, 7d or 1h30m"
                )
            ],
        ),
        (
            "alerts: {a: {to: x, quiet: 60}}",
            [
                (
                    "2:28 A0127 alert 'a': quiet: expected a duration, found the number 60 | "
                    "write a unit: 60s; or a duration such as 90s, 15m, 6h, 7d or 1h30m"
                )
            ],
        ),
        (
            "alerts: {a: {to: '${vars.x}'}}",
            [
                (
                    "2:18 A0132 alert 'a': to: variable 'x' has no value | declare it under `vars`, or write "
                    "`$${` to keep '${vars.x}' as it is"
                )
            ],
        ),
    ],
)
def test_every_mistake(tmp_path: Path, text: str, wrong: list[str]) -> None:
    """Named by its route, at its place, with what to write instead."""
    assert problems(tmp_path, text) == wrong


def test_an_environment_turns_a_route_off_and_sends_another_elsewhere(tmp_path: Path) -> None:
    """Keys of routes are merged."""
    (tmp_path / "assets.yml").write_text(
        "version: 1\nalerts: {a: {to: x, select: tag:y}, b: {to: x}}\n"
        "environments: {dev: {alerts: {a: {tell: []}, b: {to: z}, c: {command: {shell: q}}}}}\n"
    )
    loaded = load(tmp_path / "assets.yml", environment="dev")
    assert (loaded.problems, loaded.manifest is not None) == ((), True)
    assert loaded.manifest is not None
    assert [(each.name, each.urls, each.tell == (), each.select) for each in loaded.manifest.alerts] == [
        ("a", ("x",), True, "tag:y"),
        ("b", ("z",), False, None),
        ("c", (), False, None),
    ]


def test_what_validate_says(tmp_path: Path) -> None:
    """Variables that are not set, selections that name nothing, each at its place in the text."""
    (tmp_path / "assets.yml").write_text(
        """\
version: 1
alerts:
  a: {to: ["json://${env.NOT_SET_1}"], select: "group:x and tag:"}
  b: {command: {shell: "curl ${env.NOT_SET_2}"}, select: "is:stale"}
assets: [{name: orders, command: {shell: x}, freshness: {max_lag: 1h}}]
"""
    )
    found = [f"{each.place}: {each.code} {each.message}" for each in validate(tmp_path, environ={}).problems]
    assert found == [
        "assets.yml:3:61: A0401 alert 'a': select: 'tag:' names no tag",
        "assets.yml:3:12: A0311 the environment variable NOT_SET_1 is not set, alert 'a' uses it",
        "assets.yml:4:59: A0404 alert 'b': select: 'is:stale' cannot be asked here",
        "assets.yml:4:24: A0311 the environment variable NOT_SET_2 is not set, alert 'b' uses it",
    ]


def kept(root: Path, alert: str) -> bool:
    """Whether a manifest with such a route is kept, and the route with it."""
    (root / "assets.yml").write_text(f"version: 1\nalerts: {{a: {alert}}}\nassets: []\n")
    asked = Asked(str(root), "assets.yml", "default", {}, dict(os.environ))
    files = FileDigests(str(root), lambda: 0)
    routes = compiled(asked, files)[0].alerts
    found = recall(asked, files)
    assert found is None or found.manifest.alerts == routes
    return found is not None


def test_a_written_token_is_not_kept_in_the_cache(tmp_path: Path) -> None:
    """Everything else is."""
    assert kept(tmp_path, '{to: ["${env.SLACK_URL}", "json://localhost/x"], tell: [failed], quiet: 5m}')
    assert kept(tmp_path, "{command: {shell: x}, select: z}")
    assert not kept(tmp_path, "{to: slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlaz}")
    assert not kept(tmp_path, "{to: mailto://me:secret@example.com}")


def test_what_is_a_secret_of_a_url() -> None:
    """Of a service all of it; of a server of one's own the password."""
    assert [url for url in REVEALING if not reveals(url)] == []
    assert [url for url in HARMLESS if reveals(url)] == []
    assert set(whole("slack://T1AAAAAAAAAA/B2/xoxb-123456789/#team")) == {
        "T1AAAAAAAAAA/B2/xoxb-123456789/#team",
        "T1AAAAAAAAAA",
        "xoxb-123456789",
    }
    assert set(parts("json://user:pa%20ss@localhost:80/hook?token=abcdef")) == {
        *("user", "pa%20ss", "pa ss", "hook", "token", "abcdef")
    }


REVEALING = [
    "slack://T1/B2/C3",
    "https://hooks.slack.com/services/T1/B2/C3",
    "json://me:secret@localhost",
    "${env.URL:-slack://T1/B2/C3}",
]
HARMLESS = ["${env.URL}", "slack://${env.TOKEN}/#team", "json://localhost:8080/x", "mailto://me:${env.P}@example.com"]


def test_lines_of_a_manifest_are_shown_without_secrets() -> None:
    """With as many asterisks, so that columns hold."""
    lines = {
        "  to: slack://T1/B2/C3": "  to: slack://********",
        'to: ["tgram://1:A/2", x]': 'to: ["tgram://*****", x]',
        "to: https://hooks.slack.com/services/T1": "to: https://***************************",
        "url: postgresql://me:secret@host/db": "url: postgresql://me:******@host/db",
        "url: https://example.com/x": "url: https://example.com/x",
        "to: slack://${env.TOKEN}/#team": "to: slack://${env.TOKEN}/#team",
        "w: {type: vertica, url: vertica://me:secret@db}": "w: {type: vertica, url: vertica://me:******@db}",
        "w: {type: vertica, url: slack://T1/B2/C3}": "w: {type: vertica, url: slack://********}",
    }
    assert {line: blurred(line) for line in lines} == lines
