from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets_cli.manifest import Loaded, find, load
from assets_cli.model.codes import CODES
from assets_cli.model.manifest import (
    Asset,
    Connection,
    FreshnessPolicy,
    Output,
    PythonCommand,
    Retries,
    ShellCommand,
    SqlCommand,
)
from assets_cli.model.problem import AssetsError, Place, Problem

HOUR = 3_600_000_000
Load = Callable[..., Loaded]


def shown(problem: Problem) -> str:
    """A problem as text, without its excerpt."""
    place = f"{problem.place}: " if problem.place else ""
    return f"{place}{problem.severity}[{problem.code}]: {problem.message}\n  hint: {problem.hint}"


def project(folder: Path, text: str, files: dict[str, str] | None = None) -> Path:
    """Write a project and return its manifest."""
    for name, content in {"assets.yml": text, **(files or {})}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder / "assets.yml"


@pytest.fixture
def loaded(tmp_path: Path) -> Load:
    """Writes a project and loads it."""

    def run(text: str, files: dict[str, str] | None = None, **more: object) -> Loaded:
        return load(project(tmp_path, text, files), **more)  # type: ignore[arg-type]

    return run


WHOLE = """\
version: 1
project: customer_analytics
include: ["assets/*.yml"]
vars: {currency: EUR, folder: data, n: 3, deep: {er: "${vars.currency}s"}}
connections:
  warehouse: {type: duckdb, path: "${vars.folder}/warehouse.duckdb"}
defaults:
  owner: data-team
  retries: {max: 2, delay: 5s, backoff: exponential}
  env: {TZ: UTC, MODE: slow}
assets:
  - name: raw_events
    description: One row per event.
    owner: [ingest-team, jane]
    group: raw
    tags: [pii, tier=gold]
    metadata: {sla: gold, n: 5}
    command:
      shell: |
          python load.py \\
            --currency ${vars.currency} --more ${vars.deep.er} $HOME ${env.X:-d} $${vars.x}
    code: ["lib/*.py"]
    output: {path: "${vars.folder}/raw.parquet"}
    freshness: {max_lag: 24h, warn_lag: 20h}
    env: {MODE: fast}
  - name: crm_accounts
"""
INCLUDED = """\
defaults: {owner: marts-team, retries: {max: 1}}
assets:
  - name: marts/events
    command: {sql: sql/events.sql}
    output: {table: events, materialization: view}
    upstreams: [raw_events]
    code_version: "7"
  - name: features
    kind: model
    command: {python: "features.build:run"}
    output: {table: features, connection: warehouse}
    upstreams: [marts/events, crm_accounts]
    data_version: {sql: "select 1"}
    timeout: 1h30m
    retries: {retry_on: [75]}
"""


def test_a_whole_manifest(loaded: Load) -> None:
    """Every key reaches its field: variables are filled in, defaults merged, texts dedented, kinds inferred."""
    manifest, problems = loaded(WHOLE, {"assets/marts.yml": INCLUDED})
    assert problems == ()
    assert manifest is not None
    assert manifest.project == "customer_analytics"
    assert (manifest.environment, manifest.state, manifest.file) == ("default", ".assets/state.db", "assets.yml")
    assert manifest.files == ("assets.yml", "assets/marts.yml")
    assert manifest.vars == {"currency": "EUR", "folder": "data", "n": 3, "deep": {"er": "EURs"}}
    assert manifest.connections == {"warehouse": Connection("warehouse", "duckdb", {"path": "data/warehouse.duckdb"})}
    assert manifest.default_connection == "warehouse"
    retries = Retries(max=2, delay=5_000_000, backoff="exponential")
    assert manifest.assets == {
        "raw_events": Asset(
            "raw_events",
            Place("assets.yml", 12, 5),
            "One row per event.",
            ("ingest-team", "jane"),
            "raw",
            ("pii", "tier=gold"),
            {"sla": "gold", "n": 5},
            "shell",
            ShellCommand("python load.py \\\n  --currency EUR --more EURs $HOME ${env.X:-d} $${vars.x}"),
            ("lib/*.py",),
            output=Output(path="data/raw.parquet"),
            freshness=FreshnessPolicy(24 * HOUR, 20 * HOUR),
            retries=retries,
            env={"TZ": "UTC", "MODE": "fast"},
        ),
        "crm_accounts": Asset(
            "crm_accounts",
            Place("assets.yml", 26, 5),
            owners=("data-team",),
            retries=retries,
            env={"TZ": "UTC", "MODE": "slow"},
        ),
        "marts/events": Asset(
            "marts/events",
            Place("assets/marts.yml", 3, 5),
            owners=("marts-team",),
            kind="sql",
            command=SqlCommand(path="sql/events.sql"),
            code_version="7",
            output=Output(table="events", materialization="view"),
            upstreams=("raw_events",),
            retries=retries._replace(max=1),
            env={"TZ": "UTC", "MODE": "slow"},
        ),
        "features": Asset(
            "features",
            Place("assets/marts.yml", 8, 5),
            owners=("marts-team",),
            kind="model",
            command=PythonCommand("features.build", "run"),
            output=Output(table="features", connection="warehouse"),
            upstreams=("marts/events", "crm_accounts"),
            data_version_sql="select 1",
            timeout=3 * HOUR // 2,
            retries=retries._replace(max=1, retry_on=(75,)),
            env={"TZ": "UTC", "MODE": "slow"},
        ),
    }


def test_a_value_is_located_wherever_it_was_written(loaded: Load) -> None:
    """In the asset, in its file's defaults, in the root's defaults, or at the nearest enclosing value."""
    manifest, _ = loaded(WHOLE, {"assets/marts.yml": INCLUDED})
    assert manifest is not None
    locate = manifest.locate
    assert locate("features", "upstreams", 1) == Place("assets/marts.yml", 12, 31)
    assert locate("features", "retries", "max") == Place("assets/marts.yml", 1, 46)
    assert locate("features", "retries", "delay") == Place("assets.yml", 9, 28)
    assert locate("features", "owner") == Place("assets/marts.yml", 1, 19)
    assert locate("features", "retries", "nothing") == Place("assets/marts.yml", 15, 14)
    assert locate("features", "nothing") == Place("assets/marts.yml", 8, 5)
    assert locate("features") == Place("assets/marts.yml", 8, 5)
    assert locate("unknown", "owner") == Place("assets.yml", 1, 1)


@pytest.mark.parametrize(
    ("sql", "command"),
    [
        ("sql/a.sql", SqlCommand(path="sql/a.sql")),
        ("my queries/a.sql", SqlCommand(path="my queries/a.sql")),
        ("/abs/a.SQL", SqlCommand(path="/abs/a.SQL")),
        ("select * from a.sql", SqlCommand(query="select * from a.sql")),
        ("  select 1  ", SqlCommand(query="select 1")),
    ],
)
def test_sql_is_a_path_or_a_query(loaded: Load, sql: str, command: SqlCommand) -> None:
    """A text ending in .sql is a path, unless it starts as a statement does."""
    manifest, problems = loaded(
        "version: 1\nconnections: {db: {type: sqlite, path: x.db}}\nassets:\n"
        f'- {{name: a, command: {{sql: "{sql}"}}, output: {{table: a}}}}\n'
    )
    assert problems == ()
    assert manifest is not None
    assert manifest.assets["a"].command == command


def test_another_interpreter(loaded: Load) -> None:
    """`with` is the program and its arguments before the text."""
    manifest, _ = loaded("version: 1\nassets:\n- {name: a, command: {shell: {run: x | y, with: [bash, -c]}}}\n")
    assert manifest is not None
    assert manifest.assets["a"].command == ShellCommand("x | y", ("bash", "-c"))


def test_the_command_line_overrides_variables_as_their_type(loaded: Load) -> None:
    """A number stays a number, a nested one is named with dots, everything else is text."""
    text = (
        "version: 1\nvars: {a: x, n: 3, flag: true, deep: {er: z}}\nassets:\n- {name: 'a_${vars.a}_${vars.deep.er}'}\n"
    )
    manifest, problems = loaded(text, variables={"a": "7", "n": "4", "flag": "maybe", "deep.er": "q"})
    assert problems == ()
    assert manifest is not None
    assert manifest.vars == {"a": "7", "n": 4, "flag": "maybe", "deep": {"er": "q"}}
    assert list(manifest.assets) == ["a_7_q"]


HEAD = "version: 1\nconnections: {db: {type: duckdb, path: a.db}}\nassets:\n"
WRITE_CRON = "write minute, hour, day of the month, month, day of the week: `0 9 * * 1-5` is 9:00 on workdays"
ONE = {
    "upstrems: [a]": ("4:13", "A0102", "asset 'x': unknown key 'upstrems'", "did you mean 'upstreams'?"),
    "columns: []": ("4:22", "A0126", "asset 'x': columns has no value", "write a value or remove the key"),
    "columns: [{type: int}]": ("4:23", "A0121", "asset 'x': key 'name' is missing", "write `name: …`"),
    "columns: id": (
        "4:22",
        "A0122",
        "asset 'x': columns: expected a list of columns, found text",
        "write [{name: id}]",
    ),
    "observe: {sql: select 1, path: x}": (
        "4:22",
        "A0147",
        "asset 'x': two ways to observe it: path and sql",
        "keep one of the two",
    ),
    "observe: {connection: w}": (
        "4:22",
        "A0147",
        "asset 'x': nothing says how to observe it",
        "write one of path, sql, http, shell",
    ),
    "observe: {http: ftp://example.com}": (
        "4:29",
        "A0124",
        "asset 'x': observe.http: 'ftp://example.com' is not a URL",
        "write http://… or https://…",
    ),
    "observe: {path: x, connection: w}": (
        "4:44",
        "A0147",
        "asset 'x': observe.connection has no effect without observe.sql",
        "remove it",
    ),
    "observe: {sql: select 1, connection: nowhere}": (
        "4:50",
        "A0208",
        "asset 'x': unknown connection 'nowhere'",
        "declared connections: db",
    ),
    "command: {sql: select 1}, output: {table: t, materialization: incremental}": (
        "4:75",
        "A0155",
        "asset 'x': an incremental table needs to know which rows a run replaces",
        "write `unique_key` or `time_column`, or `materialization: append` to replace none",
    ),
    "command: {sql: select 1}, output: {table: t, unique_key: [a, b]}": (
        "4:70",
        "A0142",
        "asset 'x': unique_key is for `materialization: incremental`",
        "remove it, or make the table incremental",
    ),
    "command: {sql: select 1}, output: {table: t, materialization: append, time_column: at}": (
        "4:96",
        "A0142",
        "asset 'x': time_column is for `materialization: incremental`",
        "remove it, or make the table incremental",
    ),
    "freshness: {cron: x, max_lag: 1h}": (
        "4:31",
        "A0251",
        "asset 'x': freshness.cron 'x' has 1 fields, and 5 are asked for: minute, hour, day, month, day of the week",
        WRITE_CRON,
    ),
    "freshness: {cron: '0 0 30 2 *', max_lag: 1h}": (
        "4:31",
        "A0251",
        "asset 'x': freshness.cron '0 0 30 2 *' never fires: no month that it names has such a day",
        WRITE_CRON,
    ),
    "freshness: {cron: '0 25 * * *', max_lag: 1h}": (
        "4:31",
        "A0251",
        "asset 'x': freshness.cron '0 25 * * *' has no hour '25'",
        WRITE_CRON,
    ),
    "freshness: {cron: 5, max_lag: 1h}": (
        "4:31",
        "A0125",
        "asset 'x': freshness.cron: expected text, found the number 5",
        'quote it: "5"',
    ),
    "freshness: {cron: '@daily', timezone: Europe/Pariss, max_lag: 1h}": (
        "4:51",
        "A0252",
        "asset 'x': freshness.timezone: there is no time zone 'Europe/Pariss'",
        "did you mean 'Europe/Paris'?",
    ),
    "freshness: {cron: '@daily', timezone: europe/paris, max_lag: 1h}": (
        "4:51",
        "A0252",
        "asset 'x': freshness.timezone: there is no time zone 'europe/paris'",
        "did you mean 'Europe/Paris'?",
    ),
    "freshness: {cron: '@daily'}": (
        "4:24",
        "A0121",
        "asset 'x': key 'max_lag' is missing in freshness",
        "write `max_lag: 6h`",
    ),
    "freshness: {max_lag: 1h, retry_every: 999ms}": (
        "4:51",
        "A0254",
        "asset 'x': freshness.retry_every 999 ms is less than 1s",
        "write 1s or more; by default it is a tenth of max_lag, at least 1m",
    ),
    "freshness: {max_lag: 1h, retry_every: soon}": (
        "4:51",
        "A0127",
        "asset 'x': freshness.retry_every: 'soon' is not a duration",
        "write a duration such as 90s, 15m, 6h, 7d or 1h30m",
    ),
    "command: {shell: z}, schedule: {cron: '0 25 * * *'}": (
        "4:51",
        "A0251",
        "asset 'x': schedule.cron '0 25 * * *' has no hour '25'",
        "write minute, hour, day of the month, month, day of the week: `0 9 * * 1-5` is 9:00 on workdays",
    ),
    "command: {shell: z}, schedule: {cron: '@daily', timezone: Europe/Pariss}": (
        "4:71",
        "A0252",
        "asset 'x': schedule.timezone: there is no time zone 'Europe/Pariss'",
        "did you mean 'Europe/Paris'?",
    ),
    "command: {shell: z}, schedule: {timezone: UTC}": (
        "4:44",
        "A0121",
        "asset 'x': key 'cron' is missing",
        "write `cron: …`",
    ),
    "command: {shell: z}, schedule: daily": (
        "4:44",
        "A0122",
        "asset 'x': schedule: expected a mapping, found text",
        'write {cron: "0 6 * * *"}, or {cron: "@daily"}',
    ),
    "schedule: '@hourly'": (
        "4:23",
        "A0122",
        "asset 'x': schedule: expected a mapping, found text",
        'write {cron: "@hourly"}',
    ),
    "freshness: daily": (
        "4:24",
        "A0122",
        "asset 'x': freshness: expected a mapping, found text",
        "write {max_lag: 24h}",
    ),
    "depends_on: [a]": ("4:13", "A0102", "asset 'x': unknown key 'depends_on'", "did you mean 'upstreams'?"),
    "tests: []": ("4:13", "A0102", "asset 'x': unknown key 'tests'", "did you mean 'checks'?"),
    "command: {bash: x}": ("4:23", "A0102", "asset 'x': unknown key 'bash' in command", "did you mean 'shell'?"),
    "output: {file: x}": ("4:22", "A0102", "asset 'x': unknown key 'file' in output", "did you mean 'path'?"),
    "sql: select 1": ("4:13", "A0102", "asset 'x': unknown key 'sql'", "it belongs below `command`: {sql: …}"),
    "max_lag: 1h": ("4:13", "A0102", "asset 'x': unknown key 'max_lag'", "it belongs below `freshness`: {max_lag: …}"),
    "command: {shell: z, tags: [a]}": (
        "4:33",
        "A0102",
        "asset 'x': unknown key 'tags' in command",
        "it belongs to the asset itself, beside `command`",
    ),
    "checks: [not_null]": (
        "4:22",
        "A0122",
        "asset 'x': checks item 1: expected a mapping, found text",
        "write {not_null: [id]}",
    ),
    "checks: {not_null: [id]}": (
        "4:21",
        "A0122",
        "asset 'x': checks: expected a list of checks, found a mapping",
        "begin each with a dash: - {not_null: [id]}",
    ),
    "checks: [{not_null: true}]": (
        "4:33",
        "A0122",
        "asset 'x': checks item 1.not_null: expected a list of columns, found true",
        "name the columns: [id]",
    ),
    "upstreams: [{name: a}]": (
        "4:25",
        "A0122",
        "asset 'x': upstreams item 1: expected text, found a mapping",
        "write the name alone",
    ),
    "upstreams: raw": (
        "4:24",
        "A0122",
        "asset 'x': upstreams: expected a list of names, found text",
        "write [raw]",
    ),
    "output: data/x.csv": (
        "4:21",
        "A0122",
        "asset 'x': output: expected a mapping, found text",
        "write {path: data/x.csv}",
    ),
    "command: python load.py": (
        "4:22",
        "A0122",
        "asset 'x': command: expected a mapping, found text",
        'write {shell: "python load.py"}',
    ),
    "metadata: [a]": ("4:23", "A0122", "asset 'x': metadata: expected a mapping, found a list", None),
    "retries: {max: '3'}": (
        "4:28",
        "A0122",
        "asset 'x': retries.max: expected a whole number, found text",
        "write it without quotes: 3",
    ),
    "retries: {backoff: exponental}": (
        "4:32",
        "A0123",
        "asset 'x': retries.backoff: 'exponental' is none of constant, exponential",
        "did you mean 'exponential'?",
    ),
    "data_version: contents": (
        "4:27",
        "A0123",
        "asset 'x': data_version: 'contents' is none of content, stat, always",
        "did you mean 'content'?",
    ),
    "tags: [a b]": (
        "4:20",
        "A0124",
        "asset 'x': tags item 1: 'a b' is not a tag",
        "write a word or key=value, without spaces",
    ),
    "command: {python: x.py}": (
        "4:31",
        "A0124",
        "asset 'x': command.python: 'x.py' is not module:function",
        "write module:function, such as features.build:customer_features",
    ),
    "env: {1B: x}": (
        "4:19",
        "A0124",
        "asset 'x': env: '1B' is not a variable name",
        "write letters, digits and '_', not first a digit",
    ),
    "env: {B: 1.10}": ("4:22", "A0125", "asset 'x': env.B: expected text, found the number 1.1", 'quote it: "1.10"'),
    "code_version: 7": (
        "4:27",
        "A0125",
        "asset 'x': code_version: expected text, found the number 7",
        'quote it: "7"',
    ),
    "group: true": ("4:20", "A0125", "asset 'x': group: expected text, found true", 'quote it: "true"'),
    "owner: ": ("4:20", "A0126", "asset 'x': owner has no value", "write a value or remove the key"),
    "output: {}": ("4:21", "A0126", "asset 'x': output has no value", "write a value or remove the key"),
    "upstreams: [~]": ("4:25", "A0126", "asset 'x': upstreams item 1: has no value", "write a value or remove it"),
    "command: {shell: ' '}": ("4:30", "A0126", "asset 'x': command.shell has no value", "write a command"),
    "freshness: {max_lag: 6hours}": (
        "4:34",
        "A0127",
        "asset 'x': freshness.max_lag: '6hours' is not a duration",
        "write a duration such as 90s, 15m, 6h, 7d or 1h30m",
    ),
    "timeout: 600": (
        "4:22",
        "A0127",
        "asset 'x': timeout: expected a duration, found the number 600",
        "write a unit: 600s; or a duration such as 90s, 15m, 6h, 7d or 1h30m",
    ),
    "command: {shell: a, sql: b}": (
        "4:22",
        "A0128",
        "asset 'x': two kinds of command: shell and sql",
        "keep one, or make two assets of it",
    ),
    "command: {}": (
        "4:22",
        "A0128",
        "asset 'x': command names no kind of command",
        "write one of shell, sql, python",
    ),
    "retries: {max: -1}": ("4:28", "A0129", "asset 'x': retries.max: -1 is less than 0", "write 0 or more"),
    "command: {shell: a}, timeout: 0s": (
        "4:43",
        "A0129",
        "asset 'x': timeout must be more than 0s",
        "remove it for no limit",
    ),
    "tags: [a, b, a]": ("4:26", "A0130", "asset 'x': tags item 3: 'a' is here twice", "remove one of the two"),
    "description: '${vars.y}'": (
        "4:26",
        "A0132",
        "asset 'x': description: variable 'y' has no value",
        "declare it under `vars`, or write `$${` to keep '${vars.y}' as it is",
    ),
    "description: '${vars.y:-z}'": (
        "4:26",
        "A0133",
        "asset 'x': description: '${vars.y:-z}' is not a reference",
        "write ${vars.name}, or $${ to keep it as it is",
    ),
    "description: '${env.1X}'": (
        "4:26",
        "A0133",
        "asset 'x': description: '${env.1X}' is not a reference",
        "write ${env.NAME} or ${env.NAME:-default}, or $${ to keep it as it is",
    ),
    "output: {path: ../x}": (
        "4:28",
        "A0137",
        "asset 'x': output.path '../x' leaves the project by '..'",
        "write a path inside the project, or an absolute one",
    ),
    "output: {path: a/..}": (
        "4:28",
        "A0137",
        "asset 'x': output.path 'a/..' is the project folder itself",
        "name a file or a folder inside it",
    ),
    "command: {shell: a}, code: [a, b/../../c]": (
        "4:44",
        "A0137",
        "asset 'x': code 'b/../../c' leaves the project by '..'",
        "write a path inside the project, or an absolute one",
    ),
    "output: {path: p, table: t}": (
        "4:28",
        "A0138",
        "asset 'x': output has both a path and a table",
        "keep one of the two, or make two assets of it",
    ),
    "output: {connection: db}": (
        "4:21",
        "A0138",
        "asset 'x': output has neither a path nor a table",
        "write one of the two",
    ),
    "command: {sql: select 1}": (
        "4:22",
        "A0140",
        "asset 'x': a SQL command fills a table, and no output.table is written",
        "write `output: {table: name}`, or `output: {materialization: script}` for statements run as they stand",
    ),
    "command: {sql: select 1}, output: {path: p}": (
        "4:47",
        "A0140",
        "asset 'x': a SQL command fills a table, and no output.table is written",
        "write `output: {table: name}`, or `materialization: script` for statements run as they stand",
    ),
    "freshness: {max_lag: 1h, warn_lag: 2h}": (
        "4:48",
        "A0141",
        "asset 'x': freshness.warn_lag 2h is more than max_lag 1h",
        "warn before the promise is broken: write a shorter warn_lag",
    ),
    "freshness: {warn_lag: 2h}": (
        "4:24",
        "A0121",
        "asset 'x': key 'max_lag' is missing in freshness",
        "write `max_lag: 6h`",
    ),
    "command: {shell: a}, output: {path: p, materialization: view}": (
        "4:69",
        "A0142",
        "asset 'x': materialization 'view' is for SQL commands",
        "remove it",
    ),
    "output: {path: p, materialization: table}": (
        "4:48",
        "A0142",
        "asset 'x': materialization is for SQL commands, and this asset has no command",
        "remove it, or add a command",
    ),
    "upstreams: [long_name]": (
        "4:25",
        "A0202",
        "asset 'x': unknown upstream 'long_name'",
        "declare an asset with this name; one without a command is external",
    ),
    "upstreams: [x]": ("4:25", "A0203", "asset 'x': it is its own upstream", "remove it from its upstreams"),
    "output: {table: t, connection: dbb}": (
        "4:44",
        "A0208",
        "asset 'x': unknown connection 'dbb'",
        "did you mean 'db'?",
    ),
}


@pytest.mark.parametrize("written", ONE)
def test_a_mistake_in_an_asset(loaded: Load, written: str) -> None:
    """One problem: with its place, its code, the asset's name, what is wrong and what to do. The asset is left out."""
    place, code, message, hint = ONE[written]
    manifest, problems = loaded(HEAD + f"- {{name: x, {written}}}\n- {{name: other}}\n")
    assert [shown(problem) for problem in problems] == [f"assets.yml:{place}: error[{code}]: {message}\n  hint: {hint}"]
    assert problems[0].asset == "x"
    assert problems[0].excerpt == f"- {{name: x, {written}}}"
    assert manifest is not None
    # a variable that cannot be filled in leaves its text as it is, which may be a description
    assert list(manifest.assets) == (["x", "other"] if code in ("A0132", "A0133") else ["other"])


WHOLE_FILE = {
    "project: p\n": ["1:1: error[A0121]: key 'version' is missing\n  hint: write `version: 1`"],
    "version: 2\n": ["1:10: error[A0123]: version 2 is not supported\n  hint: write `version: 1`"],
    "": ["1:1: error[A0108]: the file is empty\n  hint: write `version: 1`, or run `assets init`"],
    "- a\n": ["1:1: error[A0109]: the file should hold a mapping, and holds a list\n  hint: write `key: value` lines"],
    "version: 1\ndbt: {}\n": ["2:1: error[A0120]: key 'dbt' is not yet supported\n  hint: remove it"],
    "version: 1\nassts: []\n": ["2:1: error[A0102]: unknown key 'assts'\n  hint: did you mean 'assets'?"],
    "version: 1\nassets: [x]\n": [
        "2:10: error[A0122]: asset number 1: expected a mapping with a name, found text\n  hint: None"
    ],
    "version: 1\nassets:\n- nam: x\n": [
        "3:3: error[A0102]: asset number 1: unknown key 'nam'\n  hint: did you mean 'name'?"
    ],
    "version: 1\nassets:\n- group: x\n": [
        "3:3: error[A0121]: asset number 1: key 'name' is missing\n  hint: write `name: orders`"
    ],
    "version: 1\nassets:\n- name: a b\n": [
        (
            "3:9: error[A0124]: asset 'a b': 'a b' is not an asset name\n"
            "  hint: write letters, digits, '_', '-', '.' and '/' only, not first or last a '/'"
        )
    ],
    "version: 1\nassets:\n- name: not\n": [
        "3:9: error[A0124]: asset 'not': 'not' is a word of selections\n  hint: give it another name"
    ],
    "version: 1\nassets:\n- name: a/../b\n": [
        "3:9: error[A0124]: asset 'a/../b': a part of its name is '.' or '..'\n  hint: give it another name"
    ],
    "version: 1\nassets:\n- name: 5\n": [
        '3:9: error[A0125]: asset number 1: name: expected text, found the number 5\n  hint: quote it: "5"'
    ],
    "version: 1\nassets:\n- name: a\n  owner: no\n": [
        (
            "4:10: error[A0113]: asset 'a': 'no' is text to some readers of YAML and true or false to others\n"
            '  hint: quote it if it is text: "no"'
        )
    ],
    "version: 1\nassets:\n- {name: a}\n- {name: a}\n": [
        "4:10: error[A0201]: asset 'a': this name is taken\n  hint: give one of the two another name"
    ],
    "version: 1\nassets:\n- {name: raw_events}\n- {name: b, upstreams: [raw_event]}\n": [
        "4:25: error[A0202]: asset 'b': unknown upstream 'raw_event'\n  hint: did you mean 'raw_events'?"
    ],
    "version: 1\nassets:\n- {name: a}\n- {name: b, upstreams: [a, a]}\n": [
        "4:28: error[A0204]: asset 'b': upstream 'a' is here twice\n  hint: remove one of the two"
    ],
    "version: 1\nassets:\n- {name: a.b}\n- {name: A-b}\n- {name: c, upstreams: [a.b, A-b]}\n": [
        (
            "5:30: error[A0206]: asset 'c': upstreams 'a.b' and 'A-b' are both ASSETS_UPSTREAM_A_B to a command\n"
            "  hint: rename one of the two assets"
        )
    ],
    "version: 1\nassets:\n- {name: a, output: {path: x}}\n- {name: b, output: {path: x/y/z.txt}}\n": [
        (
            "4:28: warning[A0212]: asset 'b': writes inside the folder that asset 'a' writes\n"
            "  hint: each would take the other's work for somebody else's change; give each a place of its own"
        )
    ],
    "version: 1\nassets:\n- {name: a, output: {path: .assets/logs/x}}\n": [
        (
            "3:28: error[A0213]: asset 'a': writes into .assets, where history and logs are\n"
            "  hint: write it somewhere else"
        )
    ],
    "version: 1\nassets:\n- {name: a, output: {path: x/y}}\n- {name: b, output: {path: ./x/../x/y}}\n": [
        (
            "4:28: error[A0205]: asset 'b': writes './x/../x/y', which asset 'a' writes too\n"
            "  hint: give each asset an output of its own"
        )
    ],
    "version: 1\nconnections: {c: {type: duckdb, path: d.db}, d: {type: duckdb, path: ./d.db}}\nassets:\n"
    "- {name: a, output: {table: t, connection: c}}\n- {name: b, output: {table: T, connection: d}}\n": [
        (
            "5:29: error[A0205]: asset 'b': writes table 'T', which asset 'a' writes too\n"
            "  hint: give each asset an output of its own"
        )
    ],
    "version: 1\nassets:\n- {name: a, output: {table: x}}\n": [
        (
            "3:29: error[A0209]: asset 'a': output.table needs a connection, and none is declared\n"
            "  hint: declare one: `connections: {warehouse: {type: duckdb, path: data/warehouse.duckdb}}`"
        )
    ],
    "version: 1\nconnections: {c: {type: duckdb, path: d.db}, d: {type: sqlite, path: e.db}}\nassets:\n"
    "- {name: a, command: {sql: drop table x}, output: {materialization: script}}\n": [
        (
            "4:28: error[A0209]: asset 'a': a SQL command needs a connection, and none of the 2 declared is the default"
            "\n  hint: write `output.connection`, or `default_connection` in the manifest: c, d"
        )
    ],
    "version: 1\nconnections: {pg: {type: postgres}}\n": [
        "2:19: error[A0121]: connection 'pg': key 'url' is missing\n  hint: write `url: \"${env.PG_URL}\"`"
    ],
    "version: 1\nconnections: {a b: {type: duckdb}}\n": [
        "2:15: error[A0124]: 'a b' is not a connection name\n  hint: write letters, digits, '_', '-' and '.'",
        "2:20: error[A0121]: connection 'a b': key 'path' is missing\n  hint: write `path: data/warehouse.duckdb`",
    ],
    "version: 1\nconnections: {a: {type: duckdb, path: ../a.db}}\nstate: ../s.db\n": [
        (
            "2:39: error[A0137]: connection 'a': path '../a.db' leaves the project by '..'\n"
            "  hint: write a path inside the project, or an absolute one"
        ),
        (
            "3:8: error[A0137]: state '../s.db' leaves the project by '..'\n"
            "  hint: write a path inside the project, or an absolute one"
        ),
    ],
    "version: 1\ndefault_connection: a\n": [
        "2:21: error[A0208]: unknown connection 'a'\n  hint: declare it under `connections`"
    ],
    "version: 1\nvars: {a: '${vars.b}', b: '${vars.a}'}\n": [
        "2:11: error[A0136]: variable 'a' is made from itself\n  hint: give it a value of its own",
        "2:27: error[A0136]: variable 'b' is made from itself\n  hint: give it a value of its own",
    ],
    "version: 1\ndefaults: {ownr: x, resources: w}\n": [
        "2:12: error[A0102]: defaults: unknown key 'ownr'\n  hint: did you mean 'owner'?",
        "2:21: error[A0120]: defaults: key 'resources' is not yet supported\n  hint: remove it",
    ],
    "version: 1\ninclude: [nothing/*.yml, ../x.yml, sub]\n": [
        (
            "2:11: error[A0131]: include 'nothing/*.yml' names no file\n"
            "  hint: check the path; it is relative to the manifest's folder"
        ),
        (
            "2:26: error[A0137]: include '../x.yml' leaves the project by '..'\n"
            "  hint: write a path inside the project, or an absolute one"
        ),
        "2:36: error[A0131]: include 'sub' names no file\n  hint: name the files in it: sub/*.yml",
    ],
    "version: 1\nassets:\n- {name: a, timeout: 5s}\n": [
        "3:22: warning[A0143]: asset 'a': timeout has no effect without a command\n  hint: remove it, or add a command"
    ],
    "version: 1\nassets:\n- name: a\n  owner: x\n   group: y\n": [
        (
            "5:9: error[A0107]: a ':' is not expected here\n"
            "  hint: quote the value if the ':' is part of it, or check the indentation"
        )
    ],
}


@pytest.mark.parametrize("text", WHOLE_FILE)
def test_a_mistake_in_a_file(loaded: Load, tmp_path: Path, text: str) -> None:
    """Every problem of a file, in the order of its lines."""
    (tmp_path / "sub").mkdir()
    _, problems = loaded(text)
    assert [shown(problem) for problem in problems] == [f"assets.yml:{expected}" for expected in WHOLE_FILE[text]]
    assert {problem.code for problem in problems} <= CODES.keys()


def test_problems_of_all_files_come_at_once(loaded: Load) -> None:
    """The root's first, then those of included files in order; related places lead to the other file."""
    _, problems = loaded(
        "version: 1\ninclude: ['*/*.yml']\nassets:\n- {name: a, output: {path: o}}\n- {name: b, x: 1}\n",
        {
            "x/2.yml": "assets:\n- {name: a}\n- {name: c, output: {path: o}}\nvars: {}\n",
            "x/1.yml": "assets: [\n",
            "x/3.yml": "",
        },
    )
    assert [shown(problem) for problem in problems] == [
        (
            "assets.yml:5:13: error[A0102]: asset 'b': unknown key 'x'\n"
            "  hint: known keys: checks, code, code_version, columns, command, data_version, description, env, "
            "freshness, group, isolated, kind, metadata, moved, name, observe, output, owner, pool, retries, rules, "
            "schedule, tags, timeout, upstreams"
        ),
        "x/1.yml:1:9: error[A0107]: the file ends too early\n  hint: close what is open: a '[' or '{'",
        "x/2.yml:2:10: error[A0201]: asset 'a': this name is taken\n  hint: give one of the two another name",
        (
            "x/2.yml:3:28: error[A0205]: asset 'c': writes 'o', which asset 'a' writes too\n"
            "  hint: give each asset an output of its own"
        ),
        "x/2.yml:4:1: error[A0102]: unknown key 'vars'\n  hint: it belongs into the root file",
        "x/3.yml:1:1: error[A0108]: the file is empty\n  hint: write `assets:` and assets below it",
    ]
    assert [[(str(related.place), related.message) for related in problem.related] for problem in problems] == [
        [],
        [],
        [("assets.yml:4:10", "first defined here")],
        [("assets.yml:4:28", "asset 'a' writes it here")],
        [],
        [],
    ]


def test_an_asset_with_mistakes_still_counts_as_an_upstream(loaded: Load) -> None:
    """One mistake is one problem: whoever names the broken asset is not blamed."""
    manifest, problems = loaded("version: 1\nassets:\n- {name: a, x_y_z: 1}\n- {name: b, upstreams: [a]}\n")
    assert [problem.code for problem in problems] == ["A0102"]
    assert manifest is not None
    assert list(manifest.assets) == ["b"]


def test_a_file_is_read_once_and_hidden_ones_never(loaded: Load) -> None:
    """Two patterns, or a link, may lead to the same file; the root file is none of them."""
    manifest, problems = loaded(
        "version: 1\ninclude: ['**/*.yml', 'x/./a.yml', '*.yml']\n",
        {"x/a.yml": "assets: [{name: a}]\n", ".venv/b.yml": "- no manifest\n"},
    )
    assert problems == ()
    assert manifest is not None
    assert manifest.files == ("assets.yml", "x/a.yml")


def test_links_may_not_lead_out_of_the_project(tmp_path: Path) -> None:
    """Neither a linked folder nor a linked file; an absolute path may."""
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    (outside / "more.yml").write_text("assets: []\n")
    inside.mkdir()
    (inside / "link").symlink_to(outside)
    text = (
        "version: 1\ninclude: ['link/*.yml']\nassets:\n- {name: a, output: {path: link/x}}\n"
        f"- {{name: b, output: {{path: {outside}/y}}}}\n- {{name: c, output: {{path: '${{env.DIR}}/z'}}}}\n"
    )
    _, problems = load(project(inside, text))
    assert [shown(problem) for problem in problems] == [
        (
            "assets.yml:2:11: error[A0137]: include 'link/*.yml' leaves the project by a symlink\n"
            "  hint: write a path inside the project, or an absolute one"
        ),
        (
            "assets.yml:4:28: error[A0137]: asset 'a': output.path 'link/x' leaves the project by a symlink\n"
            "  hint: write a path inside the project, or an absolute one"
        ),
    ]


def test_a_variable_of_the_command_line_must_be_declared(loaded: Load) -> None:
    """The nearest name is offered."""
    _, problems = loaded("version: 1\nvars: {currency: EUR}\n", variables={"curency": "USD", "x": "1"})
    assert [shown(problem) for problem in problems] == [
        "error[A0134]: variable 'curency' is not declared\n  hint: did you mean 'currency'?",
        "error[A0134]: variable 'x' is not declared\n  hint: declare it under `vars` in the manifest",
    ]


def test_variables_that_grow_without_end_are_refused(loaded: Load) -> None:
    """Ten of ten of ten … would be a text of ten thousand million characters."""
    lines = ["  a0: xxxxxxxxxx"] + [f'  a{i}: "{f"${{vars.a{i - 1}}}" * 10}"' for i in range(1, 10)]
    _, problems = loaded("version: 1\nvars:\n" + "\n".join(lines) + "\n")
    assert {problem.code for problem in problems} == {"A0118"}


def test_an_unknown_environment(loaded: Load) -> None:
    """`--env` is refused, not ignored, with the nearest name or with all of them."""

    def said(overlays: str, name: str) -> list[str]:
        return [shown(problem) for problem in loaded(f"version: 1\n{overlays}", environment=name).problems]

    declare = "declare it under `environments`"
    assert said("", "prod") == [f"error[A0135]: unknown environment 'prod'\n  hint: {declare}"]
    overlays = "environments: {prod: {}, staging: {}}\n"
    assert said(overlays, "prd") == ["error[A0135]: unknown environment 'prd'\n  hint: did you mean 'prod'?"]
    assert said(overlays, "x") == ["error[A0135]: unknown environment 'x'\n  hint: environments: prod, staging"]
    assert said(overlays, "prod") == []


def test_the_manifest_is_found_from_a_folder_below(tmp_path: Path) -> None:
    """The nearest one wins, with either ending."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "assets.yml").touch()
    assert find(tmp_path / "a" / "b") == tmp_path / "assets.yml"
    (tmp_path / "a" / "assets.yaml").touch()
    assert find(tmp_path / "a" / "b") == tmp_path / "a" / "assets.yaml"


def test_two_manifests_in_one_folder_are_an_error(tmp_path: Path) -> None:
    """It is not clear which one counts."""
    (tmp_path / "assets.yml").touch()
    (tmp_path / "assets.yaml").touch()
    with pytest.raises(AssetsError) as error:
        find(tmp_path)
    assert error.value.problems == (
        Problem("A0104", f"folder '{tmp_path}' holds both assets.yml and assets.yaml", hint="keep one of the two"),
    )


def test_no_manifest_and_no_folder_are_errors(tmp_path: Path) -> None:
    """The hint is to write one, or to name another folder."""
    with pytest.raises(AssetsError) as error:
        find(tmp_path)
    hint = "run `assets init` to write one, or name the project's folder with -C"
    assert error.value.problems == (
        Problem("A0101", f"no assets.yml in '{tmp_path}' or in a folder above it", hint=hint),
    )
    with pytest.raises(AssetsError) as error:
        find(tmp_path / "nowhere")
    message = f"folder '{tmp_path / 'nowhere'}' does not exist"
    assert error.value.problems == (Problem("A0103", message, hint="name an existing folder with -C"),)


def test_what_is_no_readable_file_is_a_problem(tmp_path: Path) -> None:
    """A missing file, a folder and a pipe; a pipe is not waited for."""
    reasons = []
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("missing", "folder", "pipe"):
        manifest, problems = load(tmp_path / name)
        assert manifest is None
        reasons += [shown(problem) for problem in problems]
    hint = "  hint: check that it is a file that you may read"
    assert reasons == [
        f"error[A0103]: cannot read 'missing': no such file or directory\n{hint}",
        f"error[A0103]: cannot read 'folder': it is a folder\n{hint}",
        f"error[A0103]: cannot read 'pipe': it is not a regular file\n{hint}",
    ]


KEYS = [
    "name",
    "version",
    "assets",
    "command",
    "sql",
    "shell",
    "output",
    "path",
    "table",
    "vars",
    "defaults",
    "include",
]
KEYS += ["connections", "type", "freshness", "max_lag", "retries", "max", "owner", "upstreams", "env", "data_version"]
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.floats(allow_nan=False, allow_infinity=False))
    | st.sampled_from(
        ["a", "duckdb", "6h", "${vars.a}", "${vars.", "../x", "*", "[", "a.sql", "select 1", "m:f", "", " "]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(
    values=st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5),
    asset=st.dictionaries(st.sampled_from(KEYS), VALUES),
)
def test_no_manifest_raises(values: dict[str, object], asset: dict[str, object]) -> None:
    """Whatever the values are, loading ends with problems whose codes are explained, or with a manifest."""
    import json

    document = {"version": 1, "assets": [asset, {"name": "b", "upstreams": ["a"]}], **values}
    with tempfile.TemporaryDirectory() as folder:
        manifest, problems = load(project(Path(folder), json.dumps(document)))
    assert {problem.code for problem in problems} <= CODES.keys()
    assert all(problem.place is not None and problem.excerpt is not None for problem in problems)
    assert manifest is not None


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60))
def test_no_text_raises(text: str) -> None:
    """Any text is a manifest or has problems."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "assets.yml"
        path.write_bytes(text.encode(errors="replace"))
        manifest, problems = load(path)
    assert manifest is not None or problems


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 12))
def test_the_order_of_files_and_assets_does_not_matter(shuffle: random.Random, count: int) -> None:
    """The same assets come of the same definitions, however they are spread over files."""
    definitions = [
        f"- {{name: a{i}, upstreams: [{f'a{i - 1}' if i else ''}], group: g{i % 3}}}\n" for i in range(count)
    ]
    results = []
    for _ in range(2):
        shuffle.shuffle(definitions)
        files = {
            f"f{index}.yml": "defaults: {owner: x}\nassets:\n" + definition
            for index, definition in enumerate(definitions)
        }
        with tempfile.TemporaryDirectory() as folder:
            manifest, problems = load(project(Path(folder), "version: 1\ninclude: ['f*.yml']\n", files))
        assert problems == ()
        assert manifest is not None
        results.append({name: asset._replace(place=Place("", 0, 0)) for name, asset in manifest.assets.items()})
    assert results[0] == results[1]
