"""The screen of `assets plan`, whole."""

from __future__ import annotations

import json
import time

import jsonschema
import pytest
from support.shop import HOUR, MINUTE, NOON, SECOND, USUAL_PLAN, CommandLine, asset, manifest, plan

from assets_cli.manifest.schemas import schema_text
from assets_cli.model.manifest import FreshnessPolicy
from assets_cli.model.plan import Cause, Deadline, Overdue, Skip, Step
from assets_cli.model.problem import AssetsError, Problem


def test_says_what_would_run_why_and_how_long_it_takes(assets: CommandLine) -> None:
    """Each step has its causes, what it writes, its usual duration and whom it waits for."""
    assets.open(plan=USUAL_PLAN)
    screen = assets("plan")
    assert (
        screen.out
        == """\
shop · environment default · 6 assets · 2 jobs

  + create      raw_events  never materialized
                            creates data/raw_events.parquet · usually 3.1 s
  ~ update      sessions    code changed: sql/sessions.sql (9f31 -> 04bd)
                            replaces table sessions · usually 2.0 s
                            after raw_events
  ? may change  features    if sessions changes
                            replaces table features · usually 4.0 s

Overdue
  ! features
      data is 9h 12m old, promised at most 6h
      held back by raw_events (runs in this plan) and crm (external: only those
      who produce it can renew it)

No longer in the manifest: old_report; what it wrote is left as it is, and
`assets state rm` forgets it

warning[A0603]: report will read sessions as it stands, although it is stale
  hint: add --upstream to materialize what is above, too

Plan: 3 to materialize (1 may be cut off), 2 up to date, 1 external
      about 9 s with 2 jobs · longest path 9 s: raw_events → sessions → features

run: assets materialize
"""
    )
    assert (screen.err, screen.code) == ("", 0)


def test_all_lists_what_would_not_run(assets: CommandLine) -> None:
    """`--all` names each asset that is skipped, with its reason."""
    assets.open(plan=plan(skips=USUAL_PLAN.skips))
    assert (
        assets("plan", "--all").out
        == """\
shop · environment default · 6 assets · 2 jobs

Not run
    report  up to date
    model   up to date: nothing will refresh it: no freshness policy on it or
            below
    crm     external

Nothing to do: both assets are up to date, 1 external.
"""
    )


@pytest.mark.parametrize(
    ("skips", "said"),
    [
        ([Skip(name, "up_to_date") for name in "abcdef"], "Nothing to do: all 6 assets are up to date."),
        ([Skip("a", "up_to_date")], "Nothing to do: the only asset is up to date."),
        (
            [Skip("a", "up_to_date"), Skip("b", "up_to_date"), Skip("c", "external")],
            "Nothing to do: both assets are up to date, 1 external.",
        ),
        ([Skip("c", "external")], "Nothing to do: 1 external asset, which others produce."),
        ([], "Nothing to do: the project has no assets yet."),
    ],
)
def test_nothing_to_do_is_one_sentence(assets: CommandLine, skips: list[Skip], said: str) -> None:
    """A plan without a step says so, and why."""
    assets.open(plan=plan(skips=tuple(skips)))
    assert assets("plan").out == f"shop · environment default · 6 assets · 2 jobs\n\n{said}\n"


def test_a_selection_that_is_up_to_date_is_named(assets: CommandLine) -> None:
    """With a selection, the sentence names what was asked for rather than everything."""
    assets.open(plan=plan(selection=("report",), skips=(Skip("report", "up_to_date"),)))
    assert assets("plan", "report").out.endswith("Nothing to do: report is up to date.\n")
    assets.open(plan=plan(selection=("is:stale",)))
    assert assets("plan", "is:stale").out.endswith("Nothing to do: no asset is selected.\n")


def test_each_kind_of_step_has_a_sign_and_a_word(assets: CommandLine) -> None:
    """Sign and word say the same as the colour, so that none is needed."""
    assets.open(
        plan=plan(
            Step("raw_events", (Cause("overdue", "overdue: its data is 9h old"),), ()),
            Step("sessions", (Cause("forced", "forced"),), ()),
            Step("features", (Cause("check_failed", "a blocking check failed in run r"),), (), kind="check"),
            Step("model", tuple(Cause("upstream_stale", "", upstream=f"up_{n}") for n in range(300)), ()),
            Step(
                "report",
                tuple(Cause("code_changed", f"code changed: lib/{n}.py", component=str(n)) for n in range(9)),
                ("sessions",),
            ),
        )
    )
    assert (
        assets("plan").out
        == """\
shop · environment default · 6 assets · 2 jobs

  ! overdue     raw_events  overdue: its data is 9h old
                            replaces data/raw_events.parquet
  * forced      sessions    forced
                            replaces table sessions
  = recheck     features    a blocking check failed in run r
  ? may change  model       if up_0, up_1, up_2 or 297 more changes
                            replaces models/clv.pkl
  ~ update      report      code changed: lib/0.py
                            code changed: lib/1.py
                            code changed: lib/2.py
                            code changed: lib/3.py
                            and 5 more causes (--json)
                            replaces report.html · after sessions

Plan: 4 to materialize (1 may be cut off), 1 to check again
      no estimate: none of them was timed yet

run: assets materialize
"""
    )


def test_narrow_terminals_put_causes_below_names(assets: CommandLine) -> None:
    """At 40 columns nothing is cut off and no line of the plan itself is wider."""
    assets.patch.setenv("COLUMNS", "40")
    assets.open(plan=USUAL_PLAN)
    screen = assets("plan")
    assert (
        screen.out
        == """\
shop · environment default · 6 assets
2 jobs

  + create      raw_events
      never materialized
      creates data/raw_events.parquet
      usually 3.1 s
  ~ update      sessions
      code changed: sql/sessions.sql
      (9f31 -> 04bd)
      replaces table sessions
      usually 2.0 s · after raw_events
  ? may change  features
      if sessions changes
      replaces table features
      usually 4.0 s

Overdue
  ! features
      data is 9h 12m old, promised at
      most 6h
      held back by raw_events (runs in
      this plan) and crm (external: only
      those who produce it can renew it)

No longer in the manifest: old_report;
what it wrote is left as it is, and
`assets state rm` forgets it

warning[A0603]: report will read
  sessions as it stands, although it is
  stale
  hint: add --upstream to materialize
        what is above, too

Plan: 3 to materialize (1 may be cut
      off), 2 up to date, 1 external
      about 9 s with 2 jobs
      longest path 9 s: raw_events →
      sessions → features

run: assets materialize
"""
    )
    assert max(map(len, screen.out.splitlines())) <= 40


def test_a_pipe_has_no_edge_to_wrap_at(assets: CommandLine) -> None:
    """Without a terminal and without COLUMNS, a sentence stays on one line, for grep."""
    assets.patch.delenv("COLUMNS")
    assets.open(plan=USUAL_PLAN)
    said = "held back by raw_events (runs in this plan) and crm (external: only those who produce it can renew it)"
    assert f"      {said}\n" in assets("plan").out


def test_a_long_plan_is_grouped(assets: CommandLine) -> None:
    """Three thousand steps fit on a screen: where it starts, why, how many in which group."""
    many = [asset(f"asset_{n}", path=f"out/{n}", group=f"group_{n % 30}") for n in range(3000)]
    steps = [
        Step(one.name, (Cause("missing", "never materialized"),), ())
        if number < 1000
        else Step(one.name, (Cause("upstream_stale", "", upstream="asset_1"),), ("asset_1",))
        for number, one in enumerate(many)
    ]
    path = tuple(one.name for one in many[:9])
    assets.open(plan=plan(*steps, estimated=3_723 * SECOND, critical_path=path), manifest=manifest(*many))
    assert (
        assets("plan").out
        == """\
shop · environment default · 3,000 assets · 2 jobs

Where it starts
  + create  asset_0  never materialized
                     creates out/0
  + create  asset_1  never materialized
                     creates out/1
  + create  asset_2  never materialized
                     creates out/2
  + create  asset_3  never materialized
                     creates out/3
  + create  asset_4  never materialized
                     creates out/4
  + create  asset_5  never materialized
                     creates out/5
  + create  asset_6  never materialized
                     creates out/6
  + create  asset_7  never materialized
                     creates out/7
  + create  asset_8  never materialized
                     creates out/8
  + create  asset_9  never materialized
                     creates out/9
  … and 990 more

Why
  2,000  upstream may change
  1,000  never materialized

Groups
  group_0   34 create, 66 may change
  group_1   34 create, 66 may change
  group_2   34 create, 66 may change
  group_3   34 create, 66 may change
  group_4   34 create, 66 may change
  group_5   34 create, 66 may change
  group_6   34 create, 66 may change
  group_7   34 create, 66 may change
  group_8   34 create, 66 may change
  group_9   34 create, 66 may change
  group_10  33 create, 67 may change
  group_11  33 create, 67 may change
  group_12  33 create, 67 may change
  group_13  33 create, 67 may change
  group_14  33 create, 67 may change
  group_15  33 create, 67 may change
  group_16  33 create, 67 may change
  group_17  33 create, 67 may change
  group_18  33 create, 67 may change
  group_19  33 create, 67 may change
  … and 10 more groups with 1,000 steps

  --all lists all 3,000 steps

Plan: 3,000 to materialize (2,000 may be cut off) · about 1h 2m with 2 jobs
      longest path: asset_0 → asset_1 → 5 more → asset_7 → asset_8

run: assets materialize
"""
    )


def test_wide_letters_are_aligned(assets: CommandLine) -> None:
    """Columns go by cells of the terminal, not by characters."""
    two = [asset("数据", path="a"), asset("plain", path="b")]
    steps = [Step(one.name, (Cause("missing", "never materialized"),), ()) for one in two]
    assets.open(plan=plan(*steps), manifest=manifest(*two))
    assert assets("plan").out.splitlines()[2:6:2] == [
        "  + create  数据   never materialized",
        "  + create  plain  never materialized",
    ]


def test_signs_are_ascii_where_nothing_else_can_be_shown(assets: CommandLine) -> None:
    """Under LANG=C the screen holds no character beyond ASCII."""
    assets.patch.setenv("LANG", "C")
    assets.open(plan=USUAL_PLAN)
    out = assets("plan").out
    assert out.isascii()
    assert "longest path 9 s: raw_events -> sessions -> features" in out


def test_colour_only_where_it_is_wanted(assets: CommandLine) -> None:
    """FORCE_COLOR paints a pipe, and the text is the same without the paint."""
    assets.open(plan=USUAL_PLAN)
    plain = assets("plan").out
    assets.patch.delenv("NO_COLOR")
    assert assets("plan").out == plain
    assets.patch.setenv("FORCE_COLOR", "1")
    painted = assets("plan").out
    assert "\x1b[1;32m+ create\x1b[0m" in painted
    from assets_cli.cli.terminal import clean

    assert [clean(line) for line in painted.splitlines()] == plain.splitlines()


def test_json_is_the_contract(assets: CommandLine) -> None:
    """Field by field, and as the schema says."""
    assets.open(plan=USUAL_PLAN)
    document = json.loads(assets("plan", "--json").out)
    jsonschema.validate(document, json.loads(schema_text("plan")))
    assert document["version"] == 1
    assert document["steps"][1] == {
        "asset": "sessions",
        "partition": None,
        "kind": "materialize",
        "causes": [
            {
                "kind": "code_changed",
                "detail": "code changed: sql/sessions.sql (9f31 -> 04bd)",
                "upstream": None,
                "component": "sql/sessions.sql",
                "old": None,
                "new": None,
            },
            {
                "kind": "upstream_stale",
                "detail": "raw_events is a step of this plan",
                "upstream": "raw_events",
                "component": None,
                "old": None,
                "new": None,
            },
        ],
        "tentative": False,
        "after": ["raw_events"],
        "estimated_seconds": 2.0,
    }
    assert document["overdue"] == [
        {"asset": "features", "data_time": "2026-11-21T02:48:00Z", "promise": "6h", "held_by": ["raw_events", "crm"]}
    ]
    assert document["skipped"][2] == {"asset": "crm", "reason": "external", "detail": ""}
    assert document["removed"] == ["old_report"]


def test_exit_code_tells_whether_there_is_something_to_do(assets: CommandLine) -> None:
    """0 without the flag and with nothing to do; 3 for a step, 3 for an overdue asset that no step can help."""
    assets.open(plan=USUAL_PLAN)
    assert (assets("plan").code, assets("plan", "--exit-code").code) == (0, 3)
    assets.open(plan=plan(overdue=(Overdue("features", NOON - 9, NOON - 6, FreshnessPolicy(6), ("crm",)),)))
    assert assets("plan", "--exit-code").code == 3
    assets.open(plan=plan(skips=(Skip("crm", "external"),)))
    assert assets("plan", "--exit-code").code == 0


def test_flags_reach_the_project_and_the_next_command(assets: CommandLine) -> None:
    """What to type next repeats the selection, the flags and the global options, quoted for a shell."""
    project = assets.open(plan=USUAL_PLAN)
    flags = ("--upstream", "--force", "--full-refresh", "--no-observe")
    screen = assets("plan", "raw/*", *flags, "--env", "prod", "--var", "a=b c")
    flags = {"upstream": True, "downstream": False, "force": True, "full_refresh": True}
    flags |= {"observe": False, "ahead": 0}
    assert project.asked == [("plan", (("raw/*",),), flags)]
    said = "run: assets --env prod --var 'a=b c' materialize 'raw/*' --upstream --force --full-refresh --no-observe"
    assert " ".join(screen.out.split()).endswith(said)


def test_a_refused_plan_is_an_error_and_no_data(assets: CommandLine) -> None:
    """Refusals go to stderr with exit code 2; stdout stays empty."""
    problem = Problem("A0401", "no asset named 'sesions'", hint="did you mean 'sessions'?")
    assets.open(plan=AssetsError(problem))
    assert assets("plan", "sesions", "--json") == (
        "",
        "error[A0401]: no asset named 'sesions'\n  hint: did you mean 'sessions'?\n",
        2,
    )


def test_ahead_says_until_when_something_has_to_start(assets: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first to be broken first; of what is overdue how long it takes, where all that holds it back runs."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    policy = FreshnessPolicy(6 * HOUR)
    raw = Step("raw", (Cause("overdue", "overdue: its data is 9h old"),), ())
    deadlines = (
        Deadline("mart", NOON + 2 * HOUR, "raw", HOUR, NOON + HOUR, NOON + HOUR),
        Deadline("late", NOON + HOUR, "raw", HOUR + 12 * MINUTE, NOON - HOUR, NOON - HOUR, late=12 * MINUTE),
        Deadline("old", NOON - 3 * HOUR, "raw", 90 * SECOND, NOON - 3 * HOUR, NOON - 3 * HOUR, late=3 * HOUR),
    )
    overdue = (Overdue("old", NOON - 9 * HOUR, NOON - 6 * HOUR, policy, ("raw",)),)
    project = assets.open(plan=plan(raw, overdue=overdue, deadlines=deadlines))
    screen = assets("plan", "--ahead", "3h")
    assert project.asked[0][2]["ahead"] == 3 * HOUR
    assert (
        """\
Overdue
  ! old
      data is 9h old, promised at most 6h
      held back by raw (runs in this plan)
      made in about 1m 30s, if it starts now

Ahead
  late: can't be met: late by 12m, at 13:00
  mart: start by 13:00 to be fresh at 14:00

"""
        in screen.out
    )
    document = json.loads(assets("plan", "--json").out)
    jsonschema.validate(document, json.loads(schema_text("plan")))
    assert document["deadlines"][0] == {
        "asset": "mart",
        "broken_at": "2026-11-21T14:00:00Z",
        "start_by": "2026-11-21T13:00:00Z",
        "takes_seconds": 3600.0,
        "begins_with": "raw",
        "late_seconds": 0.0,
        "may_be_late": False,
        "waits_for": None,
        "deliver_by": None,
    }
    monkeypatch.undo()
    time.tzset()
