"""The screens of `assets show`, whole."""

from __future__ import annotations

import json
from typing import Any, Literal

import jsonschema
from support.shop import HOUR, MINUTE, NOON, RUN, SECOND, CommandLine, asset, status

from assets_cli.manifest.schemas import schema_text
from assets_cli.model.answers import Holder, Sample, Shown, Verdict
from assets_cli.model.history import Attempt, CheckResult, Latest, Materialization, Observation
from assets_cli.model.manifest import FreshnessPolicy
from assets_cli.model.plan import Cause

SESSIONS = asset(
    "sessions",
    "raw_events",
    table="sessions",
    kind="sql",
    owners=("data-team", "ml-team"),
    group="core",
    tags=("pii", "daily"),
    metadata={"sla": "gold"},
    description="One row per session,\ncut after thirty minutes.",
)
CAUSES = (
    Cause("code_changed", "code changed: sql/sessions.sql (9f31 -> 04bd)", component="sql/sessions.sql"),
    Cause("upstream_changed", "upstream changed: raw_events (aa -> bb)", upstream="raw_events"),
)


def made(hours_ago: int, **changes: Any) -> Materialization:
    """A materialization of one minute and some seconds, so long ago."""
    finished = NOON - hours_ago * HOUR
    fields: dict[str, Any] = {
        "seq": 100 - hours_ago,
        "asset": "sessions",
        "run": RUN,
        "attempt": 1,
        "started": finished - MINUTE - hours_ago * SECOND,
        "finished": finished,
        "code_version": "sha256:c",
        "components": {},
        "data_version": "sha256:" + "9f31" * 16,
        "fingerprint": None,
        "data_time": None,
        "inputs": {},
        "metadata": {"rows": 1_000 + 10 * hours_ago, "bytes": 5_000_000, "auc": 0.8 + hours_ago / 1_000, "note": "ok"},
    }
    return Materialization(**{**fields, **changes})


def check(
    name: str, at: int, message: str = "", *, severity: Literal["error", "warn"] = "error", blocking: bool = False
) -> CheckResult:
    """A check that passed, or failed with a message."""
    return CheckResult(name, not message, severity, blocking, None, message, (), at, RUN)


NEWEST = made(2, metadata={**made(2).metadata, "columns": [["id", "BIGINT"], ["started_at", "TIMESTAMP"]]})
HISTORY = (NEWEST, made(4), made(6, metadata={"marked": True}), made(8))
VERDICT = Verdict(
    "sessions",
    "warn",
    NOON - 5 * HOUR,
    5 * HOUR,
    FreshnessPolicy(6 * HOUR, 4 * HOUR),
    NOON + HOUR,
    (Holder("raw_events", NOON - 5 * HOUR, "root"),),
)
SHOWN = Shown(
    name="sessions",
    status=status("sessions", "stale", *CAUSES, among=[SESSIONS], data_time=NOON - 5 * HOUR),
    latest=Latest(NEWEST, NEWEST, Attempt(1, RUN, "sessions", 1, "failed", NOON - HOUR, NOON, 1, "exit code 1"), ()),
    observation=None,
    freshness=VERDICT,
    history=HISTORY,
    checks=(
        check("not_null(id)", NOON - 2 * HOUR, blocking=True),
        check("unique(id)", NOON, "3 rows repeat a value"),
        check("row_count", NOON, "1,020 rows, expected 2,000", severity="warn"),
    ),
    upstreams=(status("raw_events"),),
    downstreams=(status("features", tentative=True), status("report", "missing")),
)


def test_all_there_is_to_say(assets: CommandLine) -> None:
    """What, who, state with causes, promise, last record, history as small lines, checks, neighbours, what is next."""
    project = assets.open(show=SHOWN)
    assert assets("show", "sessions") == (
        """\
sessions  stale
One row per session,
cut after thirty minutes.

kind         sql
command      true
output       table sessions in warehouse
owner        data-team, ml-team
group        core
tags         pii, daily
metadata     sla: gold
defined at   assets.yml:1:1

why          code changed: sql/sessions.sql (9f31 -> 04bd)
             upstream changed: raw_events (aa -> bb)
freshness    warn: data 5h old, promised at most 6h: will be broken in 1 hour
             waiting for raw_events, 5h old
last         materialized 2 hours ago in 1m 2s, run 20261121T115800-3f9a
             data version 9f319f31
columns      id BIGINT, started_at TIMESTAMP
note         ok
attempt      failed 1 hour ago in run 20261121T115800-3f9a: exit code 1

History  4 materializations, since 8 hours ago
  rows   █ ▃▁  1,020 (1,020 to 1,080)
  bytes  ▄ ▄▄  4.8 MB
  took   █ ▃▁  1m 2s (1m 2s to 1m 8s)
  auc    █ ▃▁  0.802 (0.802 to 0.808)

Checks  1 passed, 1 failed, 1 warned
  failed  unique(id)    just now
          3 rows repeat a value
  warned  row_count     just now
          1,020 rows, expected 2,000
  passed  not_null(id)  2 hours ago

made from    raw_events  (up to date)
made of it   features  (upstream stale)
             report  (missing)

next: assets logs 20261121T115800-3f9a sessions
      assets why sessions
      assets materialize sessions
      assets show sessions --sample
""",
        "",
        0,
    )
    assert project.asked == [("show", ("sessions",), {})]


def test_a_screen_without_unicode(assets: CommandLine) -> None:
    """The small lines are drawn with plain signs."""
    assets.encoding = "ascii"
    assets.open(show=SHOWN)
    assert "  rows   # -_  1,020 (1,020 to 1,080)\n" in assets("show", "sessions").out


def test_what_was_never_made(assets: CommandLine) -> None:
    """Nothing is on record: no history, no sample to suggest."""
    report = status("report", "missing", Cause("missing", "never materialized"))
    assets.open(show=Shown("report", report, Latest(), None, None, (), (), (), ()))
    assert (
        assets("show", "report").out
        == """\
report  missing

kind         shell
command      true
output       report.html
defined at   assets.yml:1:1

why          never materialized
last         never materialized

made from    nothing: it is a root
made of it   nothing

next: assets why report
      assets materialize report
"""
    )


def test_an_external_asset(assets: CommandLine) -> None:
    """What it was observed to hold, and nothing to materialize."""
    crm = status("crm", "external", data_time=NOON - 3 * HOUR)
    seen = Observation(1, "crm", NOON - HOUR, "v7", NOON - 3 * HOUR, {})
    assets.open(show=Shown("crm", crm, Latest(), seen, None, (), (), (), (status("features"),)))
    assert (
        assets("show", "crm").out
        == """\
crm  external

kind         external
command      none: others produce it, assets only observes it
defined at   assets.yml:1:1

data time    3 hours ago; no freshness policy
observed     1 hour ago, data from 3 hours ago
             data version v7

made from    nothing: it is a root
made of it   features  (up to date)

next: assets observe crm
"""
    )


def test_history_of_an_asset_that_the_manifest_no_longer_has(assets: CommandLine) -> None:
    """It says so, shows what is on record, and leads to its runs."""
    gone = Shown("old", None, Latest(NEWEST, NEWEST, None, ()), None, None, (NEWEST,), (), (), ())
    project = assets.open(show=gone)
    assert assets("show", "old", "--sample") == (
        """\
old  not in the manifest
history knows it, the manifest no longer does; its output is left as it is

last         materialized 2 hours ago in 1m 2s, run 20261121T115800-3f9a
             data version 9f319f31
columns      id BIGINT, started_at TIMESTAMP
note         ok

History  1 materialization, since 2 hours ago
  rows   ▄  1,020
  bytes  ▄  4.8 MB
  took   ▄  1m 2s
  auc    ▄  0.802

next: assets runs --asset old
""",
        "",
        0,
    )
    assert [name for name, _, _ in project.asked] == ["show"]
    document = json.loads(assets("show", "old", "--json").out)
    jsonschema.validate(document, json.loads(schema_text("show")))
    assert (document["declared"], document["status"], document["materialization"]["run"]) == (False, None, RUN)


def test_a_marked_asset_says_so(assets: CommandLine) -> None:
    """It was not made by that run."""
    marked = made(2, metadata={"marked": True}, unchanged=True, blocked=True)
    assets.open(show=SHOWN._replace(latest=Latest(marked, None, None, ()), history=(marked,), checks=()))
    assert (
        """\
last         marked as it was 2 hours ago, run 20261121T115800-3f9a
             data version 9f319f31, unchanged, blocked: a blocking check failed

made from"""
        in assets("show", "sessions").out
    )


def test_what_was_reported_is_a_line_for_each_value(assets: CommandLine) -> None:
    """Also of types that JSON has no word for. Numbers are a history; a list that is called columns need be none."""
    told = {
        "page": {"raw_value": "https://x", "type": "url"},
        "notes": {"raw_value": "# Title\n\n" + "many words " * 20, "type": "md"},
        "columns": ["a", "bc"],
        "flag": True,
        "score": 0.5,
        "dagster/column_schema": {"raw_value": {"columns": [{"name": "id", "type": "int"}]}, "type": "table_schema"},
        "nothing": None,
        "odd": "\x1b[31mred",
    }
    said = made(2, metadata=told)
    assets.open(show=SHOWN._replace(latest=Latest(said, said, None, ()), history=(said,), checks=()))
    assert (
        """\
             data version 9f319f31
page         https://x
notes        # Title many words many words many words many words many words man…
columns      ["a", "bc"]
flag         true
nothing      null
odd          red
reported     dagster/column_schema: id int

History  1 materialization, since 2 hours ago
"""
        in assets("show", "sessions").out
    )
    many = made(2, metadata={f"value_{number}": "x" for number in range(25)})
    assets.open(show=SHOWN._replace(latest=Latest(many, many, None, ()), history=(many,), checks=()))
    assert "value_19     x\nreported     … and 5 more values (--json)\n" in assets("show", "sessions").out


def test_long_texts_stay_on_the_screen(assets: CommandLine) -> None:
    """A long command is counted, many names and columns too; nothing is wider than the terminal but a single word."""
    from assets_cli.model.manifest import ShellCommand

    long = SESSIONS._replace(
        command=ShellCommand("\n".join(f"echo line {number} of a command with many words " * 3 for number in range(40)))
    )
    many = [asset(f"asset_{number}") for number in range(30)]
    metadata = {"columns": [[f"column_{number}", "VARCHAR"] for number in range(300)]}
    shown = SHOWN._replace(
        status=status("sessions", "stale", *CAUSES, among=[long]),
        latest=Latest(made(2, metadata=metadata), None, None, ()),
        downstreams=tuple(status(one.name, among=many) for one in many),
    )
    assets.open(show=shown)
    out = assets("show", "sessions").out
    assert max(map(len, out.splitlines())) <= 80
    assert "             … and 36 more lines\n" in out
    assert "column_11 VARCHAR, … and 288 more\n" in out
    assert "             … and 22 more\n" in out


def test_a_sample_of_rows_follows(assets: CommandLine) -> None:
    """Ten rows at most, and whether there are more."""
    rows = tuple((number, f"text {number} " + "x" * 90) for number in range(2))
    assets.open(show=SHOWN, sample=Sample((("id", "BIGINT"), ("text", "VARCHAR")), rows, more=True))
    out = assets("show", "sessions", "--sample").out
    assert "--sample" not in out
    assert out.endswith(
        f"""\
      assets materialize sessions

Sample: the first 2 rows
id  text
 0  text 0 {"x" * 68}…
 1  text 1 {"x" * 68}…
"""
    )


def test_a_sample_of_lines_or_of_nothing(assets: CommandLine) -> None:
    """A text shows its first lines; what cannot be shown says why."""
    for sample, expected in (
        (Sample(lines=("one", "\x1b[31mtwo"), more=True), "\nSample: the first 2 lines\none\ntwo\n"),
        (Sample(lines=("x" * 90,), note="of d/a.txt, one of 2 files"), f"files\n{'x' * 79}…\n"),
        (Sample(note="a binary file of 2.9 KB"), "\nSample: a binary file of 2.9 KB\n"),
        (Sample((("a", ""), ("b", "")), ()), "\nSample\nno rows; columns: a, b\n"),
    ):
        assets.open(show=SHOWN, sample=sample)
        assert assets("show", "sessions", "--sample").out.endswith(expected)


def test_json(assets: CommandLine) -> None:
    """The fields that programs rely on; the sample only where it was asked for."""
    assets.open(show=SHOWN, sample=Sample((("id", "BIGINT"),), ((1,),), more=True))
    document = json.loads(assets("show", "sessions", "--json").out)
    jsonschema.validate(document, json.loads(schema_text("show")))
    assert (document["version"], document["asset"], document["status"]) == (1, "sessions", "stale")
    assert [cause["kind"] for cause in document["causes"]] == ["code_changed", "upstream_changed"]
    made_last = document["materialization"]
    assert {key: made_last[key] for key in ("run", "data_version", "data_time")} == {
        "run": RUN,
        "data_version": NEWEST.data_version,
        "data_time": "2026-11-21T07:00:00Z",
    }
    assert made_last["metadata"]["rows"] == 1_020
    assert [(check["name"], check["passed"]) for check in document["checks"]] == [
        ("not_null(id)", True),
        ("unique(id)", False),
        ("row_count", False),
    ]
    assert [one["numbers"].get("rows") for one in document["history"]] == [1_020, 1_040, None, 1_080]
    assert document["upstreams"] == [{"name": "raw_events", "status": "up_to_date", "overdue": False, "inferred": None}]
    assert "sample" not in document
    sampled = json.loads(assets("show", "sessions", "--json", "--sample").out)
    jsonschema.validate(sampled, json.loads(schema_text("show")))
    assert sampled["sample"] == {
        "columns": [{"name": "id", "type": "BIGINT"}],
        "rows": [[1]],
        "lines": None,
        "more": True,
        "note": None,
    }


def test_numbers_that_are_none_stay_out_of_json(assets: CommandLine) -> None:
    """Somebody may report a NaN; JSON has no word for it."""
    odd = made(2, metadata={"auc": float("nan"), "rows": 3, "flag": True})
    assets.open(show=SHOWN._replace(latest=Latest(odd, odd, None, ()), history=(odd,)))
    text = assets("show", "sessions", "--json").out
    document = json.loads(text, parse_constant=lambda word: f"not JSON: {word}")
    assert document["history"][0]["numbers"] == {"rows": 3}
    assert document["materialization"]["metadata"] == {"auc": "nan", "rows": 3, "flag": True}
