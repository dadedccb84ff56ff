"""Policies through the real command line: functions of the project in a process of their own, screens, documents."""

from __future__ import annotations

import json
import time

import jsonschema
import pytest
from support.place import Place

from assets_cli.manifest.schemas import schema_text
from assets_cli.model.problem import Problem
from assets_cli.running import policy_functions
from assets_cli.validation import validate

ASSETS = """\
assets:
- {name: one, group: raw, command: {shell: 'true'}, freshness: {max_lag: 1h}}
- {name: two, upstreams: [one], command: {shell: 'true'}}
- {name: three, upstreams: [two], command: {shell: 'true'}}
"""


def house(place: Place, code: str, more: str = "", policy: str = "") -> None:
    """A project with one policy, whose function is `check` of house.py."""
    lines = f"version: 1\npolicies:\n- {{name: house, python: 'house:check'{policy}}}\n{more}"
    (place.root / "assets.yml").write_text(lines + ASSETS)
    (place.root / "house.py").write_text(code)


def found(place: Place, **options: object) -> list[str]:
    """What `validate` finds."""
    return [line(problem) for problem in validate(place.root, **options).problems]  # type: ignore[arg-type]


def line(problem: Problem) -> str:
    """A problem in one line."""
    return f"{problem.place} {problem.code} {problem.message} | {problem.hint}"


def test_what_a_function_yields(place):
    """A text, or a text and a hint, at the asset; what it prints is no part of a document."""
    house(
        place,
        """\
from assets_cli.policies import Asset
print("imported")

def check(asset: Asset):
    print("looking at", asset.name)
    if asset.name == "one":
        yield "it is\\n   the first"
        yield "it has downstreams", f"remove {asset.downstreams[0]}"
        yield "said twice"
        yield "said twice"
    if asset.is_external or asset.file != "assets.yml":
        yield "never"
""",
    )
    done = place.call("validate", "--json")
    assert done.stderr.splitlines() == ["imported", "looking at one", "looking at two", "looking at three"]
    document = json.loads(done.stdout)
    jsonschema.validate(document, json.loads(schema_text("validate")))
    assert (document["policies"], document["left_out"]) == (1, [])
    assert [(each["message"], each["hint"], each["line"], each["asset"]) for each in document["problems"]] == [
        ("asset 'one': it is the first (policy 'house')", None, 5, "one"),
        ("asset 'one': it has downstreams (policy 'house')", "remove two", 5, "one"),
        ("asset 'one': said twice (policy 'house')", None, 5, "one"),
    ]
    assert document["problems"][0]["related"] == [
        {"file": "assets.yml", "line": 3, "column": 10, "message": "policy 'house'"}
    ]
    assert done.returncode == 2


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("def check(asset): return None", []),
        ("def check(asset): return ' '", []),
        ("def check(asset): return []", []),
        ("def check(asset):\n    if 0: yield", []),
        (
            "def check(asset):\n    if asset.name == 'one': return 'bad'",
            ["assets.yml:5:10 A0707 asset 'one': bad (policy 'house') | None"],
        ),
        (
            "def check(asset):\n    if asset.name == 'one': return ['bad', ('worse', 'mend'), ('worst', None)]",
            [
                "assets.yml:5:10 A0707 asset 'one': bad (policy 'house') | None",
                "assets.yml:5:10 A0707 asset 'one': worse (policy 'house') | mend",
                "assets.yml:5:10 A0707 asset 'one': worst (policy 'house') | None",
            ],
        ),
    ],
)
def test_what_a_function_may_give_back(place, code, expected):
    """Nothing, a text, or any number of findings."""
    house(place, code)
    assert found(place) == expected


REST = "correct house:check; assets after it were not looked at"
WHAT = "what is wrong is a text, or a text and a hint"


@pytest.mark.parametrize(
    ("code", "where", "message"),
    [
        ("def check(asset):\n    yield 1 / 0", "house.py:2:5", "it raised ZeroDivisionError: division by zero"),
        (
            "def check():\n    pass",
            "house.py:1:1",
            "it raised TypeError: check() takes 0 positional arguments but 1 was given",
        ),
        ("def check(asset):\n    assert asset.name == 'x'", "house.py:2:5", "it raised AssertionError"),
        ("import sys\n\n\ndef check(asset):\n    sys.exit(3)", "house.py:5:5", "it called for the end of its process"),
        ("def check(asset):\n    yield 5", "house.py:2:5", f"it yielded 5; {WHAT}"),
        ("def check(asset):\n    yield\n", "house.py:2:5", f"it yielded None; {WHAT}"),
        ("def check(asset):\n    yield ''", "house.py:2:5", f"it yielded an empty text; {WHAT}"),
        ("def check(asset):\n    yield 'a', 'b', 'c'", "house.py:2:5", f"it yielded a value of type tuple; {WHAT}"),
        ("def check(asset):\n    return [{}]", "house.py:1:1", f"it returned a list with a value of type dict; {WHAT}"),
        (
            "def check(asset):\n    return True",
            "house.py:1:1",
            "it returned True; yield texts, or pairs of a text and a hint",
        ),
        (
            "def check(asset):\n    return 'message', 'hint'",
            "house.py:1:1",
            "it returned a value of type tuple; yield texts, or pairs of a text and a hint",
        ),
        (
            "async def check(asset):\n    return 'a'",
            "house.py:1:1",
            "it returned a value of type coroutine; yield texts, or pairs of a text and a hint",
        ),
        (
            "def check(asset):\n    while True:\n        yield 'x'",
            "house.py:1:1",
            "it found more than 1,000 things wrong with one asset",
        ),
        ("def check(asset):\n    asset.name = 'x'", "house.py:2:5", "it raised AttributeError: can't set attribute"),
    ],
)
def test_a_function_that_fails(place, code, where, message):
    """Is a problem at its line, with the asset; there is no traceback anywhere."""
    house(place, code)
    assert found(place) == [f"{where} A0709 policy 'house': {message} (of asset 'one') | {REST}"]
    done = place.call("validate")
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("code", "where", "message", "hint"),
    [
        (
            "import nothing_of_this_name\ndef check(a): pass",
            "house.py:1:1",
            "it raised ModuleNotFoundError: No module named 'nothing_of_this_name'",
            REST,
        ),
        ("def check(a): pass\n\nraise ValueError('no')", "house.py:3:1", "it raised ValueError: no", REST),
        (
            "import os\ndef check(a): os._exit(3)",
            "assets.yml:3:25",
            "its process ended: exit code 3",
            REST,
        ),
        (
            "import os, signal\ndef check(a): os.kill(os.getpid(), signal.SIGKILL)",
            "assets.yml:3:25",
            "its process ended: killed by SIGKILL",
            REST,
        ),
    ],
)
def test_a_function_that_cannot_be_called(place, code, where, message, hint):
    """Its module fails, or it takes its process with it."""
    house(place, code)
    assert found(place) == [f"{where} A0709 policy 'house': {message} | {hint}"]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (
            "def chek(asset): pass",
            "assets.yml:3:25 A0305 policy 'house': house.py has no function check | did you mean chek?",
        ),
        (
            "def check(asset:",
            "assets.yml:3:25",
        ),
    ],
)
def test_what_is_not_there_is_found_without_running(place, code, expected):
    """Also by those who run nothing."""
    house(place, code + "\nopen('ran', 'w')\n")
    for python in (True, False):
        (problem,) = found(place, python=python)
        assert problem.startswith(expected) or " A0306 policy 'house': house.py is not valid Python: " in problem
    (place.root / "house.py").rename(place.root / "home.py")
    (problem,) = found(place)
    assert problem == "assets.yml:3:25 A0304 policy 'house': there is no module house | did you mean home?"
    assert not (place.root / "ran").exists()


def test_a_function_that_hangs(place, monkeypatch):
    """Is interrupted where it is, and the policies after it are asked."""
    monkeypatch.setattr(policy_functions, "SECONDS", 1.0)
    house(
        place,
        "import time\ndef check(asset):\n    time.sleep(60)\n\ndef other(asset):\n    yield 'other'\n",
        more="- {name: other, select: two, python: 'house:other'}\n",
    )
    began = time.monotonic()
    assert found(place) == [
        f"house.py:3:5 A0709 policy 'house': it took more than 1 s (of asset 'one') | {REST}",
        "assets.yml:7:10 A0707 asset 'two': other (policy 'other') | None",
    ]
    assert time.monotonic() - began < 20


def test_a_function_that_cannot_be_interrupted(place, monkeypatch):
    """Is ended with its process, and the policies after it get another one."""
    monkeypatch.setattr(policy_functions, "SECONDS", 0.5)
    monkeypatch.setattr(policy_functions, "_PATIENCE", 0.5)
    code = """\
import signal, time

def check(asset):
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(60)

def other(asset):
    yield "other"
"""
    house(place, code, more="- {name: other, select: two, python: 'house:other'}\n")
    assert found(place) == [
        f"assets.yml:3:25 A0709 policy 'house': it took more than 0.5 s, and could not be interrupted | {REST}",
        "assets.yml:7:10 A0707 asset 'two': other (policy 'other') | None",
    ]


def test_one_process_asks_all(place):
    """A module is imported once, however many policies are in it."""
    house(
        place,
        "import os\nprint('imported')\n\ndef check(asset):\n    yield str(os.getpid())\n",
        more="- {name: again, python: 'house:check'}\n",
    )
    done = place.call("validate", "--json")
    assert done.stderr == "imported\n"
    said = {each["message"].split(": ")[1].split(" ")[0] for each in json.loads(done.stdout)["problems"]}
    assert len(said) == 1


def test_functions_left_out(place):
    """With --no-python none runs, and that is said, in text and in JSON."""
    house(place, "def check(asset): open('ran', 'w')\n")
    done = place.call("validate", "--no-python")
    assert (
        done.stdout == "ok: 3 assets in 1 file and 1 policy, nothing wrong\nnot looked at, for --no-python: 'house'\n"
    )
    document = json.loads(place.call("validate", "--no-python", "--json").stdout)
    jsonschema.validate(document, json.loads(schema_text("validate")))
    assert document["left_out"] == ["house"]
    assert not (place.root / "ran").exists()
    assert place.call("validate").stdout == "ok: 3 assets in 1 file and 1 policy, nothing wrong\n"
    assert (place.root / "ran").exists()


def test_no_other_command_runs_functions(place):
    """Policies are for `validate`: a plan knows nothing of them, from its files or from what it kept of them."""
    house(place, "def check(asset): open('ran', 'w')\n", policy=", require: [owner]")
    for _ in range(2):
        assert place.call("plan").returncode == 0
    assert not (place.root / "ran").exists()


def test_no_secret_is_shown(place):
    """Neither in what a function prints nor in what it yields."""
    house(
        place,
        "import os\n\ndef check(asset):\n    print(token := os.environ['TOKEN'])\n    yield token, token\n",
        policy=", select: one",
    )
    text = (place.root / "assets.yml").read_text()
    (place.root / "assets.yml").write_text(text.replace("'true'", "'echo ${env.TOKEN}'", 1))
    (place.root / ".env").write_text("TOKEN=correct-horse\n")
    done = place.call("validate", "--json")
    assert "correct-horse" not in done.stdout + done.stderr
    assert json.loads(done.stdout)["problems"][0]["message"] == "asset 'one': *** (policy 'house')"


def test_nothing_is_left_in_the_project(place):
    """Not even what Python compiles."""
    house(place, "def check(asset): pass\n")
    assert place.call("validate", PYTHONDONTWRITEBYTECODE="").returncode == 0
    assert sorted(each.name for each in place.root.iterdir()) == ["assets.yml", "house.py"]


def test_of_many_findings_each_policy_shows_some(place):
    """However many another one has of the same kind."""
    assets = "".join(f"- {{name: a{index}, freshness: {{max_lag: 1h}}}}\n" for index in range(60))
    (place.root / "assets.yml").write_text(
        "version: 1\npolicies: [{name: owners, require: [owner]}, {name: groups, select: a1*, require: [group]}]\n"
        f"rules: {{A0218: off}}\nassets:\n{assets}"
    )
    lines = [line for line in place.call("validate").stdout.splitlines() if line.startswith("…")]
    assert lines == [
        "… and 6 more of A0701 (policy 'groups') in 1 file",
        "… and 55 more of A0701 (policy 'owners') in 1 file",
    ]


def test_exceptions_are_counted(place):
    """In the text, and among what is suppressed."""
    house(place, "def check(asset):\n    yield 'x'\n", policy=", except: 'one or two or three'")
    done = place.call("validate")
    assert done.returncode == 0
    assert done.stdout == (
        "ok: 3 assets in 1 file and 1 policy, nothing wrong\n3 findings excepted from policies: 3 of A0707\n"
    )
    assert json.loads(place.call("validate", "--json").stdout)["suppressed"] == 3


def test_rules_turn_findings_off(place):
    """By their codes, as all doubts."""
    more = "rules: {A0701: off}\n"
    house(place, "def check(asset): pass\n", more=more, policy=", require: [owner]")
    assert place.call("validate").stdout == (
        "ok: 3 assets in 1 file and 1 policy, nothing wrong\n3 findings turned off by rules: 3 of A0701\n"
    )


def test_every_environment_is_held_to_them(place):
    """What only another environment does is found, and said to be there."""
    (place.root / "assets.yml").write_text(
        "version: 1\ndefaults: {owner: ada}\nenvironments: {prod: {defaults: {owner: bob}}}\n"
        "policies:\n- {name: teams, allowed: {owner: ada}}\n- {name: one, require: [description]}\n"
        "assets: [{name: x}]\n"
    )
    assert found(place) == [
        "assets.yml:7:17 A0701 asset 'x': it has no description (policy 'one') | write `description: …`",
        (
            "assets.yml:3:41 A0704 environment 'prod': asset 'x': owner 'bob' is not allowed (policy 'teams') "
            "| allowed: ada"
        ),
    ]


def test_columns_that_a_query_gives(place):
    """Nobody declared them, and they hold what the house wants to know of."""
    (place.root / "assets.yml").write_text(
        """\
version: 1
connections: {w: {type: duckdb, path: w.db}}
policies: [{name: pii, columns: {match: 'mail|phone', tags: [pii]}}]
assets:
- name: people
  command: {sql: "select 1 as id, 'a' as email, 'b' as Phone, count(*)"}
  output: {table: people}
  freshness: {max_lag: 1h}
- {name: mails, command: {sql: select email from people}, output: {table: mails}}
- {name: all_of_it, command: {sql: select * from people}, output: {table: all_of_it}}
"""
    )
    assert [problem.split(" A0705 ")[1].split(" | ")[0] for problem in found(place)] == [
        "asset 'people': columns email and Phone are not tagged pii (policy 'pii')",
        "asset 'mails': column email is not tagged pii (policy 'pii')",
        "asset 'all_of_it': columns email and Phone are not tagged pii (policy 'pii')",
    ]


def test_with_assets_left_out(place):
    """An asset with a mistake is not looked at, and a selection of it is no second one."""
    (place.root / "assets.yml").write_text(
        "version: 1\npolicies: [{name: a, select: group:marts, require: [owner]}, {name: b, require: [owner]}]\n"
        "assets:\n- {name: x, group: marts, owner: 5}\n- {name: z}\n"
    )
    assert [problem.split(" ")[1] for problem in found(place)] == ["A0125", "A0701"]
