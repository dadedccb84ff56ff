"""Environments, `.env` and masking through the real command line: who writes where, what is seen by whom."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import jsonschema

from assets_cli.manifest.schemas import schema_text

SECRET, SHORT = "s3cret-t0ken", "pw1"


def holding(folder: Path, text: str) -> Iterator[str]:
    """The files in a folder that hold a text."""
    for path in folder.rglob("*"):
        if path.is_file() and text.encode() in path.read_bytes():
            yield str(path.relative_to(folder))


OVERLAYS = """\
vars: {folder: data, currency: EUR}
connections:
  w: {type: duckdb, path: w.duckdb}
environments:
  prod:
    vars: {folder: prod, currency: USD}
    connections:
      w: {path: prod.duckdb}
"""


def test_an_environment_has_values_and_a_history_of_its_own(place):
    """The same assets, elsewhere, with ASSETS_ENV; what one environment ran is news to the other."""
    place.assets(
        """
        - name: raw
          command: {shell: "echo $ASSETS_ENV ${vars.currency} > $ASSETS_OUTPUT"}
          output: {path: "${vars.folder}/raw.txt"}
        - name: orders
          upstreams: [raw]
          command: {sql: "select '${vars.currency}' as currency"}
          output: {table: orders}
        """,
        OVERLAYS,
    )

    assert place.materialize()["succeeded"] == ["raw", "orders"]
    assert place.plan("--env", "prod") == {"raw": ["missing"], "orders": ["missing", "upstream_stale"]}
    assert place.materialize("--env", "prod")["succeeded"] == ["raw", "orders"]

    assert (place.root / "data/raw.txt").read_text() == "default EUR\n"
    assert (place.root / "prod/raw.txt").read_text() == "prod USD\n"
    assert place.query("select * from orders") == [("EUR",)]
    assert place.query("select * from orders", "prod.duckdb") == [("USD",)]
    assert (place.plan(), place.plan("--env", "prod")) == ({}, {})
    for environment in ("default", "prod"):
        runs = json.loads(place.call("--env", environment, "runs", "--json").stdout)["runs"]
        assert [run["environment"] for run in runs] == [environment]
    assert [path.name for path in (place.root / ".assets").glob("*.db")] == ["state.db"]


def test_a_run_says_in_which_environment(place):
    """Nobody should find out afterwards that it was production."""
    place.assets("- {name: a, command: {shell: 'true'}}", "environments: {prod: {}}\n")

    assert "· environment prod: 1 to materialize" in place.call("--env", "prod", "materialize").stderr
    assert "environment" not in place.call("materialize").stderr


def test_an_unknown_environment_is_refused(place):
    """With the nearest name, by every command."""
    place.assets("- {name: a}", OVERLAYS)
    for command in ("plan", "materialize", "validate", "list"):
        done = place.call(command, "--env", "prodd")
        said = "error[A0135]: unknown environment 'prodd'\n  hint: did you mean 'prod'?\n"
        assert (done.returncode, said in done.stdout + done.stderr) == (2, True)


def test_validate_looks_into_every_environment(place):
    """A mistake in an overlay is found where it is written, and stops nobody who is elsewhere."""
    place.assets(
        "- {name: a, command: {shell: 'echo 1 > $ASSETS_OUTPUT'}, output: {path: '${vars.folder}/a'}}",
        """\
        vars: {folder: data}
        environments:
          prod: {vars: {folder: "../out"}}
          test: {conections: {}}
        """,
    )

    done = place.call("validate", "--json")

    found = json.loads(done.stdout)
    jsonschema.validate(found, json.loads(schema_text("validate")))
    assert [(each["code"], each["message"]) for each in found["problems"] if each["severity"] == "error"] == [
        ("A0137", "environment 'prod': asset 'a': output.path '../out/a' leaves the project by '..'"),
        ("A0102", "environment 'test': unknown key 'conections'"),
    ]
    assert done.returncode == 2
    assert place.materialize()["succeeded"] == ["a"]
    assert place.call("plan", "--env", "test").returncode == 2


def test_validate_warns_of_environments_that_write_one_output(place):
    """One warning for each pair, with how many and some of them."""
    assets = "\n".join(
        f"- {{name: f{n}, command: {{shell: x}}, output: {{path: out/f{n}}}, freshness: {{max_lag: 1h}}}}"
        for n in range(5)
    )
    place.assets(
        assets + "\n- {name: t, command: {sql: select 1}, output: {table: t}, freshness: {max_lag: 1h}}",
        """\
        connections:
          w: {type: duckdb, path: w.duckdb}
        environments:
          prod: {connections: {w: {path: prod.duckdb}}}
          test: {}
        """,
    )

    problems = json.loads(place.call("validate", "--json").stdout)["problems"]

    assert [(each["code"], each["line"], each["message"]) for each in problems] == [
        ("A0211", 6, "environments 'default' and 'prod' write the same 5 outputs: f0, f1, f2, …"),
        ("A0211", 7, "environments 'default' and 'test' write the same 6 outputs: f0, f1, f2, …"),
        ("A0211", 6, "environments 'prod' and 'test' write the same 5 outputs: f0, f1, f2, …"),
    ]


def test_a_dotenv_file_is_read(place):
    """For `${env.X}` and for commands; what is really set wins, and validate knows it."""
    place.write(".env", "# of this machine\nexport A='from file'\nB=file\nC=only\n")
    place.assets(
        """
        - name: a
          command: {shell: 'echo "${env.A}/$B/$C/${env.D:-none}" > $ASSETS_OUTPUT'}
          output: {path: a.txt}
        """
    )
    assert "A0311" not in place.call("validate", B="real").stdout

    place.materialize(B="real")

    assert (place.root / "a.txt").read_text() == "from file/real/only/none\n"


def test_a_mistake_in_dotenv_is_located_and_not_quoted(place):
    """The line may hold a secret."""
    place.write(".env", f"A=1\nTOKEN {SECRET}\n")
    place.assets("- {name: a, command: {shell: x}, freshness: {max_lag: 1h}}")
    said = "error[A0145]: this line is not of the form NAME=value\n  --> .env:2:1\n  hint: write NAME=value\n"

    plan, found = place.call("plan"), place.call("validate")

    assert (plan.returncode, plan.stdout, plan.stderr) == (2, "", said)
    assert (found.returncode, found.stdout) == (2, f"{said}\n1 error in 1 file\n")


LEAKY = """
- name: told
  env: {TOKEN: "${env.TOKEN}"}
  command:
    shell: |
      printf s3cret; sleep 0.2; echo -t0ken; echo "https://me:pw1@host/"
      echo '{"data_version": "v-'$TOKEN'", "metadata": {"by": "'$TOKEN'", "'$TOKEN'": 1}}' > $ASSETS_RESULT
      echo made > $ASSETS_OUTPUT
  output: {path: out/told.txt}
- name: fails_in_shell
  command: {shell: "echo '{\\"data_version\\": \\"${env.TOKEN}\\"}' > $ASSETS_RESULT; curl_nothing ${env.TOKEN}"}
- name: says_nonsense
  command: {shell: "echo '{\\"data_time\\": \\"${env.TOKEN}\\"}' > $ASSETS_RESULT"}
- name: fails_in_sql
  command: {sql: "select * from \\"${env.TOKEN}\\""}
  output: {table: t1}
- name: names_a_column
  command: {sql: "select 1 as \\"${env.TOKEN}\\""}
  output: {table: t2}
  checks:
    - {name: finds, sql: "select '${env.TOKEN}' as who", severity: warn}
    - {name: breaks, sql: "select * from \\"${env.TOKEN}\\"", severity: warn}
    - {name: says, shell: "echo it is $TOKEN ${env.TOKEN}; exit 1", severity: warn}
- name: fails_in_file
  command: {sql: sql/f.sql}
  output: {table: t3}
- name: fails_in_python
  env: {TOKEN: "${env.TOKEN}"}
  command: {python: "f:boom"}
- name: seen
  env: {TOKEN: "${env.TOKEN}"}
  observe: {shell: "echo v-$TOKEN; echo to $TOKEN >&2"}
- name: unseen
  env: {TOKEN: "${env.TOKEN}"}
  observe: {shell: "echo no $TOKEN, no $DATABASE >&2; exit 3"}
- name: reads
  upstreams: [seen, unseen, told]
  command: {shell: "echo $TOKEN $DATABASE; cat .env"}
- name: path
  command: {shell: "echo ${env.FOLDER}; echo x > $ASSETS_OUTPUT"}
  output: {path: "${env.FOLDER}/x"}
"""


def test_secrets_are_seen_nowhere(place):
    """Neither in any file under `.assets` nor on any screen, whatever fails and whoever reports them."""
    place.write(".env", f"TOKEN={SECRET}\nFOLDER=long-folder\nDATABASE=postgres://me:{SHORT}@host/db\n")
    place.write("sql/f.sql", "select * from read_csv('${env.TOKEN}.csv')\n")
    place.write("f.py", "import os\ndef boom():\n    raise ValueError('it is ' + os.environ['TOKEN'])\n")
    place.assets(LEAKY, "connections:\n  w: {type: duckdb, path: w.duckdb}\n")
    commands = (
        ("validate",),
        ("plan",),
        ("plan", "--json"),
        ("materialize", "--json"),
        ("materialize", "--force"),
        ("observe",),
        ("observe", "--json"),
        ("plan", "--json", "--force"),
        ("runs",),
        ("runs", "latest", "--json"),
        ("list", "--json"),
        ("why", "reads"),
        ("why", "fails_in_sql", "--json"),
        ("logs", "latest"),
        ("logs", "latest", "--json"),
        ("lineage", "reads", "--json"),
    )

    screens = {words: place.call(*words) for words in commands}

    for words, screen in screens.items():
        said = screen.stdout + screen.stderr
        assert (words, SECRET in said, f":{SHORT}@" in said) == (words, False, False)
        assert (words, "A0819" in said) == (words, False)
    assert list(holding(place.root / ".assets", SECRET)) == []
    assert list(holding(place.root / ".assets", f":{SHORT}@")) == []
    ended = json.loads(screens["materialize", "--json"].stdout.splitlines()[-1])
    assert ended["failed"] == ["fails_in_shell", "says_nonsense", "fails_in_sql", "fails_in_file", "fails_in_python"]
    assert ended["succeeded"] == ["told", "names_a_column", "path", "reads"]
    logs = {each["asset"]: each["text"] for each in json.loads(screens["logs", "latest", "--json"].stdout)["logs"]}
    assert logs["told"] == "***\nhttps://me:***@host/\n"
    assert logs["reads"].startswith("*** postgres://me:***@host/db\nTOKEN=***\n")
    assert logs["path"] == "long-folder\n"  # a path is meant to be read


def test_data_versions_that_differ_in_a_secret_differ(place):
    """What is hidden is still compared."""
    place.assets(
        """
        - name: a
          command: {shell: "echo '{\\"data_version\\": \\"${env.TOKEN}\\"}' > $ASSETS_RESULT"}
        - name: b
          upstreams: [a]
          command: {shell: "true"}
        """
    )
    place.materialize(TOKEN="token-one")

    again = place.materialize("--force", "a", TOKEN="token-two")

    assert again["unchanged"] == []
    assert place.plan(TOKEN="token-two") == {"b": ["upstream_changed"]}
    assert list(holding(place.root / ".assets", "token-")) == []
