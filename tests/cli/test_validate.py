"""`assets validate`: every finding in every format, rules, and what forges make of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from textwrap import dedent
from typing import Any
from urllib.parse import unquote

import pytest
from jsonschema import Draft4Validator, Draft7Validator
from support.findings import CASES, FOLDER, Case, lay_out, said, told, wanted

from assets_cli.cli import github, sarif
from assets_cli.cli.forges import Report, repository_of
from assets_cli.manifest.schemas import schema_text
from assets_cli.model.codes import CODES
from assets_cli.model.problem import Place, Problem, Related

SARIF = Draft4Validator(json.loads((Path(__file__).parent.parent / "standards/sarif-schema-2.1.0.json").read_text()))
DOCUMENT = Draft7Validator(json.loads(schema_text("validate")))


@pytest.mark.parametrize("name", CASES)
def test_every_finding_in_every_format(name: str) -> None:
    """As its golden file says; SARIF as OASIS says. `python tests/support/findings.py` writes the files anew."""
    golden = FOLDER / f"{name}.txt"
    assert told(CASES[name], SARIF.validate) == golden.read_text(encoding="utf-8")
    assert f"[{name[:5]}]" in golden.read_text(encoding="utf-8")


def test_every_code_of_validate_has_a_case() -> None:
    """And no golden file is of a case that is gone."""
    assert {name[:5] for name in CASES} >= wanted()
    assert {path.stem for path in FOLDER.glob("*.txt")} == CASES.keys()


def test_the_schema_names_the_rules_that_there_are() -> None:
    """An editor offers each doubt by its code, with its title and the first paragraph of what it means."""
    rules = json.loads(schema_text("manifest"))["definitions"]["rules"]["properties"]
    assert {code: (rule["title"], rule["description"]) for code, rule in rules.items()} == {
        code: (found.title, found.explanation.split("\n\n")[0].replace("\n", " "))
        for code, found in CODES.items()
        if found.rule is not None
    }
    assert all(rule["enum"] == ["off", "warning", "error"] for rule in rules.values())


# Rules


SHOP = """\
version: 1
{head}assets:
  - {{name: a, command: {{shell: cat x.csv}}{own}}}
  - {{name: b, command: {{shell: cat x.csv}}}}
"""


def shop(tmp_path: Path, head: str = "", own: str = "", *options: str) -> dict[str, Any]:
    """The JSON document about two assets that have the same two doubts each."""
    case = Case({"assets.yml": SHOP.format(head=head, own=own), "x.csv": ""}, options)
    out, err, code = said(case, lay_out(case, tmp_path), "json")
    document: dict[str, Any] = json.loads(out)
    DOCUMENT.validate(document)
    assert (err, code) == ("", 2 if document["errors"] else 0)
    return document


def found(document: dict[str, Any]) -> list[str]:
    """What is left of the doubts: the asset, the code, and how severe it is."""
    return [f"{each['asset']} {each['code']} {each['severity']}" for each in document["problems"]]


ALL = ["a A0312 warning", "b A0312 warning", "a A0210 warning", "b A0210 warning"]


@pytest.mark.parametrize(
    ("head", "own", "left"),
    [
        ("", "", ALL),
        ("rules: {A0210: off}\n", "", ALL[:2]),
        ("rules: {A0210: off, A0312: off}\n", "", []),
        ("", ", rules: {A0312: off}", [ALL[1], *ALL[2:]]),
        ("defaults: {rules: {A0312: error}}\n", "", ["a A0312 error", "b A0312 error", *ALL[2:]]),
        ("rules: {A0312: off}\n", ", rules: {A0312: warning}", [ALL[0], *ALL[2:]]),
        (
            "rules: {A0312: off}\ndefaults: {rules: {A0312: error}}\n",
            ", rules: {A0312: off}",
            ["b A0312 error", *ALL[2:]],
        ),
        ('rules: {A0210: "off"}\n', "", ALL[:2]),
    ],
)
def test_rules_of_the_project_of_defaults_and_of_an_asset(tmp_path: Path, head: str, own: str, left: list[str]) -> None:
    """The nearest counts; what is turned off is counted, never silent."""
    document = shop(tmp_path, head, own)
    assert found(document) == left
    assert document["suppressed"] == len(ALL) - len(left)


def test_an_environment_has_rules_of_its_own(tmp_path: Path) -> None:
    """They go over those of the file, as any key does."""
    head = "rules: {A0210: off, A0211: off}\nenvironments: {prod: {rules: {A0210: warning, A0312: off}}}\n"
    assert found(shop(tmp_path / "1", head)) == ALL[:2]
    assert found(shop(tmp_path / "2", head, "", "--env", "prod")) == ALL[2:]


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path) -> None:
    for name in ("1", "2"):
        (tmp_path / name).mkdir()


def test_what_does_not_work_cannot_be_turned_off(tmp_path: Path) -> None:
    """Also not where a code has doubts and errors: only its doubts are."""
    case = CASES["A0212"]
    text = "version: 1\nrules: {A0212: off}\n" + str(case.files["assets.yml"]).removeprefix("version: 1\n")
    case = Case({"assets.yml": text})
    document = json.loads(said(case, lay_out(case, tmp_path), "json")[0])
    assert (found(document), document["suppressed"]) == (["d A0212 error"], 1)


def test_text_says_what_was_turned_off(tmp_path: Path) -> None:
    """In a last line, whether something is left or not; strict or not, it fails nothing."""
    root = lay_out(
        Case({"assets.yml": SHOP.format(head="rules: {A0210: off}\n", own=", rules: {A0312: off}"), "x.csv": ""}),
        tmp_path,
    )
    out, err, code = said(Case({}), root, "text")
    assert out.splitlines()[-2:] == [
        "1 warning in 1 file",
        "3 findings turned off by rules: 1 of A0312, 2 of A0210",
    ]
    text = SHOP.format(head="rules: {A0210: off, A0312: off}\n", own="")
    (root / "assets.yml").write_text(text)
    out, err, code = said(Case({}), root, "text")
    assert (out, err, code) == (
        "ok: 2 assets in 1 file, nothing wrong\n4 findings turned off by rules: 2 of A0312, 2 of A0210\n",
        "",
        0,
    )


def test_sarif_lists_what_was_turned_off(tmp_path: Path) -> None:
    """As suppressed results, with the place of the rule."""
    case = Case({"assets.yml": SHOP.format(head="rules: {A0210: off}\n", own=""), "x.csv": ""})
    document = json.loads(said(case, lay_out(case, tmp_path), "sarif")[0])
    SARIF.validate(document)
    results = document["runs"][0]["results"]
    assert [(each["ruleId"], len(each.get("suppressions", ()))) for each in results] == [
        ("A0312", 0),
        ("A0312", 0),
        ("A0210", 1),
        ("A0210", 1),
    ]
    assert results[2]["suppressions"][0]["location"]["physicalLocation"] == {
        "artifactLocation": {"uri": "shop/assets.yml", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 2, "startColumn": 16},
    }


def test_off_is_a_text_only_where_it_is_a_setting(tmp_path: Path) -> None:
    """Elsewhere it is refused unquoted, as ever; as another setting it is none."""
    text = "version: 1\nrules: {A0312: no, A0210: of}\nassets: [{name: a, owner: off, rules: {A0311: OFF}}]\n"
    case = Case({"assets.yml": text})
    document = json.loads(said(case, lay_out(case, tmp_path), "json")[0])
    assert [(each["code"], each["line"], each["column"], each["message"]) for each in document["problems"]] == [
        ("A0113", 2, 16, "'no' is text to some readers of YAML and true or false to others"),
        ("A0123", 2, 27, "rules.A0210: 'of' is none of off, warning, error"),
        ("A0113", 3, 27, "asset 'a': 'off' is text to some readers of YAML and true or false to others"),
        ("A0113", 3, 47, "asset 'a': 'OFF' is text to some readers of YAML and true or false to others"),
    ]


# GitHub


def report(*problems: Problem, root: Path = Path("/r/shop"), everything: bool = False) -> Report:
    """These findings, in a repository above the project."""
    return Report(problems, (), root, Path("/r"), (), everything)


def taken_apart(line: str) -> tuple[str, dict[str, str], str]:
    """A workflow command as the runner reads it: https://github.com/actions/toolkit documents the escapes."""
    match = re.fullmatch(r"::(\w+)(?: ([^:]*))?::(.*)", line)
    assert match, line
    properties = dict(pair.split("=", 1) for pair in (match[2] or "").split(",") if pair)
    return match[1], {key: _plain(value, "%3A", "%2C") for key, value in properties.items()}, _plain(match[3])


def _plain(text: str, *more: str) -> str:
    for code in ("%0D", "%0A", *more):
        text = text.replace(code, unquote(code))
    return text.replace("%25", "%")


def test_what_a_command_may_not_hold_is_escaped() -> None:
    """Signs that end a property, a line or an escape, in names of files as in messages."""
    problem = Problem(
        "A0102",
        "100% of a: b,\r\nc ::error::d",
        place=Place("a,b:c%2C.yml", 1, 2),
        excerpt=" über: 1",
        hint="x\ny",
        related=(Related(Place("o.yml", 3, 4), "100%: here"),),
    )
    line, total = github.lines(report(problem))
    kind, properties, message = taken_apart(line)
    assert (kind, total) == ("error", "assets validate: 1 error")
    assert properties == {
        "file": "shop/a,b:c%2C.yml",
        "line": "1",
        "col": "2",
        "endLine": "1",
        "endColumn": "6",
        "title": "A0102 unknown key",
    }
    assert message == "100% of a: b,\nc ::error::d\nshop/o.yml:3:4: 100%: here\nhint: x\ny"


def test_no_more_annotations_than_github_shows() -> None:
    """Of each code the first ones, errors first; the rest is in the log, and the last line counts it."""
    many = [Problem("A0312", f"w{n}", "warning", Place("assets.yml", n + 1, 1)) for n in range(200)]
    few = [Problem("A0210", f"few{n}", "warning", Place("assets.yml", n + 1, 1)) for n in range(2)]
    error = Problem("A0102", "e ##[error]\nx", place=Place("assets.yml", 9, 1))
    lines = list(github.lines(report(*many, *few, *[error] * 11)))
    commands = [taken_apart(line) for line in lines if re.match("::(error|warning)", line)]
    assert [kind for kind, _, _ in commands] == ["error"] * 10 + ["warning"] * 10
    assert [message for _, _, message in commands[10:]] == [*(f"w{n}" for n in range(8)), "few0", "few1"]
    log = lines[20:]
    assert log[:3] == [
        "::group::193 further findings",
        "error[A0102] shop/assets.yml:9:1: e ## [error] x",
        "warning[A0312] shop/assets.yml:9:1: w8",
    ]
    assert log[-3:-1] == ["and 93 of A0312: assets validate --all", "::endgroup::"]
    rest = "193 of them without an annotation, since GitHub shows 10 of a kind"
    assert taken_apart(log[-1])[2] == f"assets validate: 11 errors, 202 warnings; {rest}"
    assert len(log) == 100 + 4
    assert len(list(github.lines(report(*many, *few, everything=True)))) == 10 + 192 + 3


def test_no_finding_is_said_too() -> None:
    """One line, so that a log shows that it was looked at."""
    assert list(github.lines(report())) == ["assets validate: nothing wrong"]


# Whose root


def test_the_root_of_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of `.git`, a file in a work tree or a submodule; else what CI calls its workspace; else our own."""
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    monkeypatch.delenv("CI_PROJECT_DIR", raising=False)
    shop = tmp_path / "data" / "shop"
    shop.mkdir(parents=True)
    if repository_of(tmp_path) == tmp_path:  # where no folder above is a repository
        assert repository_of(shop) == shop
        monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
        assert repository_of(shop) == tmp_path
        monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path / "elsewhere"))
        assert repository_of(shop) == shop
    (tmp_path / "data" / ".git").write_text("gitdir: ../.git/worktrees/data\n")
    assert repository_of(shop) == tmp_path / "data"


# SARIF


def results(*problems: Problem, root: Path = Path("/r/shop")) -> list[dict[str, Any]]:
    """The results of a document that keeps to the standard."""
    document = sarif.document(report(*problems, root=root), complete=True)
    SARIF.validate(document)
    found: list[dict[str, Any]] = document["runs"][0]["results"]
    return found


def test_paths_are_uris() -> None:
    """Relative to the root of the repository and percent-encoded; outside of it absolute."""
    names = ["ä b/100%.yml", "a:b?.sql", "../up.yml", "../../out.yml", "/data/x y.yml"]
    found = results(*(Problem("A0102", "m", place=Place(name, 1, 1)) for name in names))
    assert [each["locations"][0]["physicalLocation"]["artifactLocation"] for each in found] == [
        {"uri": "shop/%C3%A4%20b/100%25.yml", "uriBaseId": "%SRCROOT%"},
        {"uri": "shop/a%3Ab%3F.sql", "uriBaseId": "%SRCROOT%"},
        {"uri": "up.yml", "uriBaseId": "%SRCROOT%"},
        {"uri": "file:///out.yml"},
        {"uri": "file:///data/x%20y.yml"},
    ]


def prints(*problems: Problem) -> list[str]:
    """The fingerprints of findings."""
    return [each["partialFingerprints"]["assetsFinding/v1"] for each in results(*problems)]


def test_a_finding_that_only_moved_is_the_same() -> None:
    """Its line is no part of what it is; equal ones are told apart by their number; another file is another finding."""
    one = Problem("A0102", "unknown key 'x'", place=Place("assets.yml", 3, 1), asset="a")
    moved = one._replace(place=Place("assets.yml", 30, 5))
    assert prints(one) == prints(moved)
    both = prints(one, moved)
    assert both[0] == prints(one)[0] != both[1]
    others = [
        one._replace(code="A0120"),
        one._replace(asset="b"),
        one._replace(message="unknown key 'y'"),
        one._replace(place=Place("more.yml", 3, 1)),
    ]
    assert len(set(prints(one, *others))) == 5
    lined = one._replace(message="as line 3 says")
    assert prints(lined) == prints(lined._replace(message="as line 44 says"))


def test_a_project_that_is_none_says_that_nothing_was_looked_at(tmp_path: Path) -> None:
    """The golden files hold it; a project in order is a run without results."""
    case = Case({"assets.yml": "version: 1\n"})
    document = json.loads(said(case, lay_out(case, tmp_path), "sarif")[0])
    SARIF.validate(document)
    run = document["runs"][0]
    expected = [{"executionSuccessful": True, "toolExecutionNotifications": []}]
    assert (run["results"], run["invocations"]) == ([], expected)


def test_what_was_not_looked_at_is_said_to_forges_too(tmp_path: Path) -> None:
    """Exceptions from policies, and functions that were not called, for --no-python."""
    case = CASES["A0707"]
    text = str(case.files["assets.yml"]).replace(
        "policies:\n", "policies:\n  - {name: owners, require: [owner], except: orders or crm}\n"
    )
    root = lay_out(Case({**case.files, "assets.yml": text}), tmp_path)
    last = said(Case({}, after=("--no-python",)), root, "github")[0].splitlines()[-1]
    excepted = "2 findings excepted from policies: 2 of A0701"
    assert last == f"assets validate: nothing wrong; {excepted}; not looked at, for --no-python: 'ours'"
    run = json.loads(said(Case({}, after=("--no-python",)), root, "sarif")[0])["runs"][0]
    assert [each["suppressions"][0]["justification"] for each in run["results"]] == ["excepted from the policy"] * 2
    assert [each["message"]["text"] for each in run["invocations"][0]["toolExecutionNotifications"]] == [
        "not looked at, for --no-python: 'ours'"
    ]


# What is found


def messages(tmp_path: Path, manifest: str, *options: str, **files: str) -> list[str]:
    """What `validate` says of a project, each with its place."""
    named = {
        name.replace("__", "/").replace("_py", ".py").replace("_sql", ".sql"): text for name, text in files.items()
    }
    case = Case({"assets.yml": dedent(manifest), **named}, options)
    document = json.loads(said(case, lay_out(case, tmp_path), "json")[0])
    return [f"{each['file']}:{each['line']}:{each['column']} {each['message']}" for each in document["problems"]]


HANDED = """\
    version: 1
    rules: {A0210: off}
    connections: {w: {type: duckdb, path: w.duckdb}}
    assets:
      - {name: t, command: {sql: select 1 as x}, output: {table: t}}
      - {name: mail, command: {shell: x}}
      - {name: f, command: {shell: x}, output: {path: f.csv}}
      - {name: outside, observe: {shell: date}}
      - {name: p, command: {python: 'p:make'}, output: {path: p.txt}}
    """
NOBODY = "p.py:1:10 the parameter nobody of p:make is neither an upstream nor `context`"
TABLE = "p.py:1:10 the parameter t of p:make asks for a Path, but t is the table t"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("def make(t, f: 'Path', outside: Path, context, *args, limit=3, **more): ...", []),
        ("def make(nobody): ...", [NOBODY]),
        ("def make(*, nobody): ...", [NOBODY.replace(":10", ":13")]),
        ("async def make(nobody): ...", [NOBODY.replace(":10", ":16")]),
        ("def make(t: pathlib.Path): ...", [TABLE]),
        ("def make(t: 'Path'): ...", [TABLE]),
        ("def make(t: Path | None): ...", []),
        ("def make(f: dict): ...", ["p.py:1:10 the parameter f of p:make asks for dict, which no upstream is"]),
        ("def make(f: Rows): ...", []),
        (
            "def make(mail): ...",
            ["p.py:1:10 the parameter mail of p:make is handed nothing: its upstream mail declares no output"],
        ),
        # What may be another function when it is called.
        ("@wrapped\ndef make(nobody): ...", []),
        ("def make(nobody): ...\nmake = wrapped(make)", []),
        ("if new:\n    def make(t): ...\nelse:\n    def make(nobody): ...", []),
    ],
)
def test_parameters_that_nothing_could_be_handed_to(tmp_path: Path, code: str, told: list[str]) -> None:
    """Told from the text alone, before a run fails of it; nothing where that is not certain."""
    assert messages(tmp_path, HANDED, p_py=code + "\n") == told


def test_a_parameter_may_be_an_asset_that_is_left_out(tmp_path: Path) -> None:
    """One that has errors of its own is no reason to doubt those that read it."""
    broken = HANDED.replace("name: mail, command", "name: nobody, comand")
    assert [one for one in messages(tmp_path, broken, p_py="def make(nobody): ...\n") if "parameter" in one] == []


USES = """\
    version: 1
    rules: {A0210: off}
    vars: {x: 1}
    connections: {w: {type: duckdb, path: w.duckdb}}
    assets:
      - {name: t, command: {sql: t.sql}, output: {table: t}, checks: [{sql: c.sql}]}
      - {name: p, command: {python: 'p:f'}}
      - {name: s, command: {shell: python s.py}}
    """


@pytest.mark.parametrize(
    ("file", "text", "used"),
    [
        ("t_sql", "select ${vars.x} as x", True),
        ("t_sql", "select $${vars.x}, ${vars.xx:-} as x", False),
        ("c_sql", "select ${vars.x} as x", True),
        ("p_py", "def f(context):\n    return context.vars['x']", True),
        ("p_py", "def f(context):\n    return context.vars.get('y')", False),
        ("p_py", "def f(context):\n    return g(context.vars)", True),
        ("p_py", "def f(context):\n    return vars(context)['x']", True),
        ("p_py", "def f(x):\n    return x", False),
        ("p_py", "import lib\ndef f(context):\n    return lib.take(context)", True),
        ("s_py", "from dagster_pipes import open_dagster_pipes as o\nwith o() as c:\n    c.get_extra('x')", True),
        ("s_py", "from dagster_pipes import open_dagster_pipes as o\nwith o() as c:\n    c.get_extra('y')", False),
    ],
)
def test_a_variable_that_only_code_uses(tmp_path: Path, file: str, text: str, *, used: bool) -> None:
    """SQL files by `${vars.x}`, code from its context; in doubt it is used."""
    files = {
        "t_sql": "select 1 as x",
        "c_sql": "select 1 as x where 1 = 0",
        "p_py": "def f(): ...",
        "s_py": "",
        "lib_py": "",
    }
    files["lib_py"] = "def take(context):\n    return context.vars['x']"
    found = messages(tmp_path, USES, **{**files, file: text})
    dead = [] if used else ["assets.yml:3:8 variable 'x' is used nowhere"]
    assert [each for each in found if "variable" in each] == dead


def test_a_variable_is_used_by_others_and_in_any_environment(tmp_path: Path) -> None:
    """By another variable, by an overlay alone, by a text that an overlay replaces; a comment uses nothing."""
    manifest = """\
        version: 1
        vars: {a: 1, b: "${vars.a}", only_prod: 2, only_default: 3, dead: 4}
        connections: {w: {type: duckdb, path: "${vars.only_default}.duckdb"}}
        environments:
          prod: {connections: {w: {path: "${vars.only_prod}.duckdb"}}, vars: {own: 5}}
        assets:
          - {name: x, description: "${vars.b}"}   # ${vars.dead}
        """
    found = messages(tmp_path, manifest)
    assert found == [
        "assets.yml:2:61 variable 'dead' is used nowhere",
        "assets.yml:5:71 variable 'own' is used nowhere",
    ]


def test_a_variable_that_another_environment_declares_hides_no_dead_one(tmp_path: Path) -> None:
    """It may be set for the one that has it, and the others are looked at all the same."""
    manifest = """\
        version: 1
        vars: {dead: 1}
        environments: {prod: {vars: {x: 1}}}
        assets:
          - {name: a}
        """
    found = messages(tmp_path, manifest, "--env", "prod", "--var", "x=2")
    assert found == ["assets.yml:2:8 variable 'dead' is used nowhere", "assets.yml:3:30 variable 'x' is used nowhere"]


def test_connections_of_probes_and_checks_are_needed_too(tmp_path: Path) -> None:
    """Each once, where its variable stands; what nobody needs may be unset."""
    manifest = """\
        version: 1
        default_connection: w
        connections:
          w: {type: duckdb, path: "${env.NO_SUCH_DIR}/w.duckdb"}
          pg: {type: postgres, url: "postgresql://${env.NO_SUCH_USER}@${env.NO_SUCH_HOST}/${env.NO_SUCH_USER}"}
          idle: {type: postgres, url: "${env.NO_SUCH_URL}"}
        assets:
          - {name: crm, observe: {sql: "select 1", connection: pg}}
          - {name: out, observe: {path: x.csv}, checks: [{sql: "select 1 as x where 1 = 0"}]}
        """
    unset = "is not set, the connection"
    assert messages(tmp_path, manifest) == [
        f"assets.yml:5:43 the environment variable NO_SUCH_USER {unset} pg uses it",
        f"assets.yml:5:63 the environment variable NO_SUCH_HOST {unset} pg uses it",
        f"assets.yml:4:28 the environment variable NO_SUCH_DIR {unset} w uses it",
    ]


def test_every_environment_is_looked_at(tmp_path: Path) -> None:
    """What only an overlay names is missing, unset or a cycle there; what is so everywhere is said once."""
    manifest = """\
        version: 1
        rules: {A0210: off, A0211: off}
        vars: {day: monday}
        connections: {w: {type: duckdb, path: "${env.NO_SUCH_DEV}/w.duckdb"}}
        environments:
          prod:
            vars: {day: sunday}
            connections: {w: {path: "${env.NO_SUCH_PROD}/w.duckdb"}}
        assets:
          - {name: t, command: {sql: "sql/${vars.day}.sql"}, output: {table: t}}
          - {name: u, command: {sql: sql/none.sql}, output: {table: u}}
        """
    unset = "the environment variable NO_SUCH_PROD is not set, the connection w uses it"
    assert messages(tmp_path, manifest, sql__monday_sql="select 1 as x") == [
        "assets.yml:11:30 the SQL file sql/none.sql does not exist",
        "assets.yml:4:40 the environment variable NO_SUCH_DEV is not set, the connection w uses it",
        "assets.yml:10:30 environment 'prod': the SQL file sql/sunday.sql does not exist",
        f"assets.yml:8:30 environment 'prod': {unset}",
    ]
