"""Screens of projects with ten thousand assets: what comes first, what is counted, and that nobody waits for them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from support.shop import HOUR, NOON, RUN, CommandLine, asset, manifest, plan, status

from assets_cli.cli import documents
from assets_cli.model.answers import Affected, Holder, Impact, Lineage, Verdict, VerdictStatus
from assets_cli.model.duration import SECOND
from assets_cli.model.history import Attempt, RunRecord, StepRecord
from assets_cli.model.manifest import Asset, FreshnessPolicy
from assets_cli.model.plan import Cause, Step
from assets_cli.model.problem import AssetsError, Place, Problem
from assets_cli.validation import Validation

TEN_THOUSAND = 10_000
MOST_CPU = 1.0  # seconds; each takes less than a tenth of that


@pytest.fixture(autouse=True)
def nobody_waits() -> Iterator[None]:
    """Whatever a test shows takes well under a second of a processor, its values included."""
    begun = time.process_time()
    yield
    assert time.process_time() - begun < MOST_CPU


def problem(number: int, code: str, message: str = "unknown key 'upstrems'", **fields: object) -> Problem:
    """A problem somewhere in a hundred files."""
    place = Place(f"assets/{number % 100}.yml", number + 1, 5)
    return Problem(code, message, place=place)._replace(**fields)


MANY_PROBLEMS = (
    *(problem(number, "A0102") for number in range(9_990)),
    *(problem(number, "A0201", "two assets are named 'raw'") for number in range(6)),
    *(problem(number, "A0305", "nothing will refresh 'raw'", severity="warning") for number in range(4)),
)
GROUPED = """\
error[A0201]: two assets are named 'raw'
  --> assets/0.yml:1:5

error[A0201]: two assets are named 'raw'
  --> assets/1.yml:2:5

error[A0201]: two assets are named 'raw'
  --> assets/2.yml:3:5

error[A0201]: two assets are named 'raw'
  --> assets/3.yml:4:5

error[A0201]: two assets are named 'raw'
  --> assets/4.yml:5:5

error[A0201]: two assets are named 'raw'
  --> assets/5.yml:6:5

error[A0102]: unknown key 'upstrems'
  --> assets/0.yml:1:5

error[A0102]: unknown key 'upstrems'
  --> assets/1.yml:2:5

error[A0102]: unknown key 'upstrems'
  --> assets/2.yml:3:5

error[A0102]: unknown key 'upstrems'
  --> assets/3.yml:4:5

error[A0102]: unknown key 'upstrems'
  --> assets/4.yml:5:5

… and 9,985 more of A0102 in 100 files

warning[A0305]: nothing will refresh 'raw'
  --> assets/0.yml:1:5

warning[A0305]: nothing will refresh 'raw'
  --> assets/1.yml:2:5

warning[A0305]: nothing will refresh 'raw'
  --> assets/2.yml:3:5

warning[A0305]: nothing will refresh 'raw'
  --> assets/3.yml:4:5

  hint: assets validate --all lists them all

9,996 errors, 4 warnings in 100 files
"""


def test_ten_thousand_errors_are_grouped(assets: CommandLine) -> None:
    """The first ones of each code, the rest counted; the few are not hidden behind the many."""
    assets.open(plan=AssetsError(*MANY_PROBLEMS))
    assert assets("plan") == ("", GROUPED, 2)


def test_validate_lists_them_all(assets: CommandLine) -> None:
    """Only when it is asked to, on a screen; a document always has them all."""
    assets.patch.setattr(
        "assets_cli.validation.validate", lambda *_, **__: Validation(MANY_PROBLEMS, TEN_THOUSAND, 100)
    )
    assert assets("validate") == (GROUPED, "", 2)
    every = assets("validate", "--all").out
    assert every.count("\nerror[A0102]: ") == 9_989
    assert every.endswith("\n\n9,996 errors, 4 warnings in 100 files\n")
    assert assets("validate", "--json").out.count('"code": "A0102"') == 9_990


def test_a_few_of_a_thousand_roots_are_of_each_kind(assets: CommandLine) -> None:
    """What is to be created hides no change of code; warnings of a kind are counted."""
    many = [asset(f"asset_{number}", path=f"out/{number}") for number in range(3_000)]
    causes = [Cause("missing", "never materialized") for _ in many]
    causes[900:902] = [Cause("code_changed", "code changed: load.py (1 -> 2)")] * 2
    steps = [
        Step(one.name, (causes[number],), ())
        if number < 1_000
        else Step(one.name, (Cause("upstream_stale", "", upstream="asset_1"),), ("asset_1",))
        for number, one in enumerate(many)
    ]
    warnings = [
        Problem("A0601", f"asset_{number} was not probed", severity="warning", asset=f"asset_{number}")
        for number in range(2_000)
    ]
    assets.open(plan=plan(*steps, warnings=tuple(warnings)), manifest=manifest(*many))
    screen = assets("plan").out
    assert screen == (
        """\
shop · environment default · 3,000 assets · 2 jobs

Where it starts
  + create  asset_0    never materialized
                       creates out/0
  + create  asset_1    never materialized
                       creates out/1
  + create  asset_2    never materialized
                       creates out/2
  + create  asset_3    never materialized
                       creates out/3
  + create  asset_4    never materialized
                       creates out/4
  + create  asset_5    never materialized
                       creates out/5
  + create  asset_6    never materialized
                       creates out/6
  + create  asset_7    never materialized
                       creates out/7
  ~ update  asset_900  code changed: load.py (1 -> 2)
                       replaces out/900
  ~ update  asset_901  code changed: load.py (1 -> 2)
                       replaces out/901
  … and 990 more: 990 create

Why
  2,000  upstream may change
    998  never materialized
      2  code changed

Groups
  (no group)  998 create, 2 update, 2,000 may change

  --all lists all 3,000 steps

warning[A0601]: asset_0 was not probed

warning[A0601]: asset_1 was not probed

warning[A0601]: asset_2 was not probed

warning[A0601]: asset_3 was not probed

warning[A0601]: asset_4 was not probed

… and 1,995 more of A0601

Plan: 3,000 to materialize (2,000 may be cut off)
      no estimate: none of them was timed yet

run: assets materialize
"""
    )
    every = assets("plan", "--all").out
    assert (every.count("+ create"), every.count("warning[A0601]")) == (998, 2_000)


def verdict(number: int) -> Verdict:
    """Of four promises one is broken, one about to be, one unknown, one kept."""
    verdicts: tuple[VerdictStatus, ...] = ("fail", "warn", "unknown", "pass")
    judged = verdicts[number % 4]
    time = None if judged == "unknown" else NOON - 9 * HOUR
    held = () if judged == "pass" else (Holder(f"root_{number % 12}", NOON - 9 * HOUR, "root"),)
    broken = None if time is None else NOON - 3 * HOUR
    age = None if time is None else 9 * HOUR
    return Verdict(f"asset_{number}", judged, time, age, FreshnessPolicy(6 * HOUR, 4 * HOUR), broken, held)


def test_ten_thousand_promises(assets: CommandLine) -> None:
    """The worst are listed, the rest is counted, who holds back many is named; `--all` and a pipe have every one."""
    assets.open(freshness=tuple(map(verdict, range(TEN_THOUSAND))))
    screen = assets("freshness")
    lines = screen.out.splitlines()
    assert lines[:5] == [
        "asset      status  data age  promise  broken",
        "asset_0    fail    9h        6h       3 hours ago",
        "    waiting for root_0, 9h old",
        "asset_4    fail    9h        6h       3 hours ago",
        "    waiting for root_4, 9h old",
    ]
    assert lines[101:] == [
        "… and 9,950 more: 2,450 fail, 2,500 warn, 2,500 unknown, 2,500 pass (--all lists",
        "them)",
        "",
        "Who holds most back",
        "  834  root_0",
        "  834  root_1",
        "  834  root_2",
        "  833  root_4",
        "  833  root_8",
        "  833  root_5",
        "  833  root_9",
        "  833  root_6",
        "  833  root_10",
    ]
    assert screen.err == "\n10,000 promises: 2,500 fail, 2,500 warn, 2,500 unknown, 2,500 pass\n"
    assert assets("freshness", "--all").out.count("\nasset_") == TEN_THOUSAND
    assets.patch.delenv("COLUMNS")
    assert assets("freshness").out.count("\nasset_") == TEN_THOUSAND


def test_ten_thousand_kept_promises(assets: CommandLine) -> None:
    """Nothing is wrong with any: one line."""
    assets.open(freshness=tuple(verdict(3)._replace(asset=f"asset_{number}") for number in range(TEN_THOUSAND)))
    assert assets("freshness").out == "all 10,000 are kept (--all lists them)\n"


def layers(width: int) -> list[Asset]:
    """A hundred layers and more, each asset below the one above it, all owned by somebody."""
    return [
        asset(
            f"asset_{number}",
            *([f"asset_{number - width}"] if number >= width else []),
            path=f"out/{number}",
            group=f"group_{number % 30}",
            owners=(f"team_{number % 400}",),
        )
        for number in range(TEN_THOUSAND)
    ]


def test_of_a_thousand_ancestors_the_nearest_are_drawn(assets: CommandLine) -> None:
    """As many layers as have room, so that what is next to the asset is not lost among what is far away."""
    names = [(layer, number) for layer in range(1, 11) for number in range(40)]
    many = [asset("mart"), *(asset(f"a{layer}_{number}") for layer, number in names)]
    edges = [(f"a1_{number}", "mart") for number in range(40)]
    edges += [(f"a{layer}_{number}", f"a{layer - 1}_{number}") for layer, number in names if layer > 1]
    statuses = tuple(status(one.name, among=[one]) for one in many)
    depths = {f"a{layer}_{number}": layer for layer, number in names}
    assets.open(lineage=Lineage("mart", statuses, tuple(edges), depths, {}))
    lines = assets("lineage", "mart").out.splitlines()
    assert (len(lines), lines[:2]) == (84, ["     ┌─ a2_0  up to date", "  ┌─ a1_0  up to date"])
    assert lines[-4:] == [
        "▶ mart  up to date",
        "",
        "400 ancestors, 0 descendants",
        "only the nearest are drawn, 2 up: --depth N draws more",
    ]
    assets.open(lineage=Lineage("mart", statuses, tuple(edges), depths, {}))
    assert len(assets("lineage", "mart", "--depth", "10").out.splitlines()) == 403


def test_a_hub_shows_what_is_not_as_it_should_be(assets: CommandLine) -> None:
    """Of three hundred readers fifty have room: those that are stale first, the others counted by their state."""
    many = [asset("hub"), *(asset(f"reader_{number}", "hub") for number in range(300))]
    readers = [
        status(one.name, "stale" if number % 20 == 0 and number else "up_to_date", among=[one])
        for number, one in enumerate(many)
    ]
    edges = tuple(("hub", one.name) for one in many[1:])
    assets.open(lineage=Lineage("hub", tuple(readers), edges, {}, {one.name: 1 for one in many[1:]}))
    lines = assets("lineage", "hub").out.splitlines()
    assert lines[:3] + lines[14:18] + lines[-4:] == [
        "▶ hub  up to date",
        "  ├─ reader_19  stale",
        "  ├─ reader_39  stale",
        "  ├─ reader_279  stale",
        "  ├─ reader_299  stale",
        "  ├─ reader_0  up to date",
        "  ├─ reader_1  up to date",
        "  ├─ reader_35  up to date",
        "  └─ … and 250 more: 250 up to date (--depth, --json)",
        "",
        "0 ancestors, 300 descendants",
    ]


def test_ten_thousand_below_in_every_format(assets: CommandLine) -> None:
    """A tree is bounded; what programs read is whole."""
    many = layers(100)
    nodes = tuple(status(one.name, among=[one]) for one in many)
    edges = tuple((up, one.name) for one in many for up in one.upstreams)
    assets.open(lineage=Lineage("asset_0", nodes, edges, {}, {one.name: 1 for one in many[1:]}))
    assert assets("lineage", "asset_0").out.endswith("\n\n0 ancestors, 9,999 descendants\n")
    assert assets("lineage", "asset_0", "--format", "mermaid").out.count(" --> ") == 9_900
    assert assets("lineage", "asset_0", "--format", "dot").out.count(" -> ") == 9_900


def test_four_hundred_owners(assets: CommandLine) -> None:
    """The nearest of the first owners, and who else is to be told."""
    many = layers(100)
    affected = tuple(Affected(status(one.name, among=[one]), 1, None) for one in many[1:])
    assets.open(impact=Impact(status(many[0].name, among=many[:1]), affected))
    lines = assets("impact", "asset_0").out.splitlines()
    assert len(lines) == 290
    assert lines[:15] == [
        "asset_0  up to date",
        "",
        "team_1: 25 assets",
        "  asset       edges  state",
        "  asset_1         1  up to date",
        "  asset_401       1  up to date",
        "  asset_801       1  up to date",
        "  asset_1201      1  up to date",
        "  asset_1601      1  up to date",
        "  asset_2001      1  up to date",
        "  asset_2401      1  up to date",
        "  asset_2801      1  up to date",
        "  asset_3201      1  up to date",
        "  asset_3601      1  up to date",
        "  … and 15 more (--json)",
    ]
    assert lines[-8:] == [
        "… and 380 more owners with 9,499 assets (--json): team_21, team_22, team_23,",
        "team_24, team_25, team_26, team_27, team_28, team_29, team_30, team_31, team_32,",
        "team_33, team_34, team_35, team_36, team_37, team_38, team_39, team_40 and 360",
        "more",
        "",
        "9,999 assets below · 400 owners",
        "",
        "run: assets plan asset_0 --downstream",
    ]


def test_a_document_of_ten_thousand(assets: CommandLine) -> None:
    """It is laid out as a short one."""
    for count in (100, TEN_THOUSAND):
        listed = [status(one.name, among=[one]) for one in layers(100)[:count]]
        assets.open(list=tuple(listed))
        assert assets("list", "--json").out == json.dumps(documents.listing(listed), indent=2) + "\n"


def test_a_list_of_ten_thousand(assets: CommandLine) -> None:
    """A list lists; its columns fit."""
    assets.open(list=tuple(status(one.name, among=[one]) for one in layers(100)))
    screen = assets("list")
    lines = screen.out.splitlines()
    assert lines[:2] + lines[-1:] == [
        "name        kind   group     owner     state       materialized",
        "asset_0     shell  group_0   team_0    up to date  2 hours ago",
        "asset_9999  shell  group_9   team_399  up to date  2 hours ago",
    ]
    assert screen.err == "\n10,000 assets: 10,000 up to date\n"


def test_a_run_of_ten_thousand_steps(assets: CommandLine) -> None:
    """What failed is listed up to a number, the rest is counted, and the longest are drawn."""
    steps = tuple(
        StepRecord(f"asset_{n}", "materialize", (), False, "failed", False, "exit code 1")
        if n % 10 == 0
        else StepRecord(f"asset_{n}", "materialize", (), False, "succeeded", False, None)
        for n in range(TEN_THOUSAND)
    )
    begun = [NOON - HOUR + n * SECOND // 10 for n in range(TEN_THOUSAND)]
    attempts = tuple(
        Attempt(n, RUN, step.asset, 1, step.result, at, at + SECOND)  # type: ignore[arg-type]
        for n, (step, at) in enumerate(zip(steps, begun, strict=True))
    )
    counts = {"succeeded": 9_000, "failed": 1_000}
    record = RunRecord(RUN, "default", "failed", NOON - HOUR, NOON, 4, (), "host", 1, counts)
    assets.open(run=(record, steps, attempts))
    listed, drawn, following = assets("runs", "latest").out.split("\n\n")[1:]
    rows = listed.splitlines()
    assert [rows[0], rows[1], rows[50], rows[51]] == [
        "asset      result   took  attempts  reason",
        "asset_0    failed  1.0 s         1  exit code 1",
        "asset_490  failed  1.0 s         1  exit code 1",
        "… of 10,000 steps: 1,000 failed, 9,000 succeeded (--all lists them)",
    ]
    assert "… the longest of 10,000 steps that ran, and the critical path (--all draws all)" in drawn
    assert following.splitlines() == [
        f"logs: assets logs {RUN} asset_0",
        "      and of asset_10, asset_20, asset_30 and 996 more",
        f"next: assets retry {RUN}",
    ]
