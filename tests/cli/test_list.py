"""The screen of `assets list`, whole."""

from __future__ import annotations

import json

import jsonschema
from support.shop import CommandLine, asset, status

from assets_cli.manifest.schemas import schema_text
from assets_cli.model.plan import Cause

STATUSES = (
    status("raw_events", rows=120),
    status("sessions", "stale", Cause("code_changed", "code changed")),
    status("features", "stale", Cause("code_changed", "code changed"), overdue=True, rows=23570),
    status("model", tentative=True),
    status("report", "missing"),
    status("crm", "external"),
)


def test_columns_are_aligned(assets: CommandLine) -> None:
    """The table is data; the count of states is a remark."""
    assets.open(list=STATUSES)
    assert assets("list") == (
        """\
name        kind      group  owner          state           materialized    rows
raw_events  shell     raw    ingest-team    up to date      2 hours ago      120
sessions    sql              data-team      stale           2 hours ago
features    python    ml     data-team, m…  stale, overdue  2 hours ago   23,570
model       python    ml                    upstream stale  2 hours ago
report      shell                           missing
crm         external                        external        2 hours ago
""",
        """\

6 assets: 1 up to date, 2 stale, 1 upstream stale, 1 missing, 1 external; 1 overdue
""",
        0,
    )


def test_a_wide_terminal_cuts_nothing(assets: CommandLine) -> None:
    """At 200 columns every cell is whole."""
    assets.patch.setenv("COLUMNS", "200")
    assets.open(list=STATUSES)
    assert "data-team, ml-team  stale, overdue" in assets("list").out


def test_a_narrow_terminal_names_what_it_left_out(assets: CommandLine) -> None:
    """At 40 columns some columns do not fit, and the table says which."""
    assets.patch.setenv("COLUMNS", "40")
    assets.open(list=STATUSES)
    assert (
        assets("list").out
        == """\
name        state           materialized
raw_events  up to date      2 hours ago
sessions    stale           2 hours ago
features    stale, overdue  2 hours ago
model       upstream stale  2 hours ago
report      missing
crm         external        2 hours ago
(no room for rows, owner, kind, group;
--json has all)
"""
    )


def test_ten_thousand_assets_are_one_table(assets: CommandLine) -> None:
    """A long name is cut with a sign on a screen, and whole in a pipe."""
    many = [asset(f"asset_{n}") for n in range(9_999)] + [asset("x" * 300)]
    assets.open(list=tuple(status(one.name, among=[one]) for one in many))
    lines = assets("list").out.splitlines()
    assert len(lines) == 10_001
    assert lines[-1].startswith("xxxxx")
    assert "…" in lines[-1]
    assert max(map(len, lines)) <= 80
    assets.patch.delenv("COLUMNS")
    assert "x" * 300 in assets("list").out


def test_names_are_whole_where_forty_characters_do(assets: CommandLine) -> None:
    """Who reads a name wants to type it: owners are cut, or left out, before names are."""
    many = [asset("marts/finance/revenue_by_day_and_region")]
    assets.open(list=tuple(status(one.name, among=[one]) for one in many))
    assert assets("list").out.splitlines()[1].startswith("marts/finance/revenue_by_day_and_region  shell  ")


def test_an_empty_answer_is_no_error(assets: CommandLine) -> None:
    """`is:stale` may match nothing: that is said, and exit code 0."""
    project = assets.open(list=())
    assert assets("list", "is:stale") == ("", "no asset matches the selection\n", 0)
    assert project.asked == [("list", (("is:stale",),), {})]


def test_json(assets: CommandLine) -> None:
    """Every field of every asset, as the schema says."""
    assets.open(list=STATUSES)
    document = json.loads(assets("list", "--json").out)
    jsonschema.validate(document, json.loads(schema_text("list")))
    assert document["assets"][0] == {
        "name": "raw_events",
        "kind": "shell",
        "description": "",
        "group": "raw",
        "owners": ["ingest-team"],
        "tags": [],
        "upstreams": [],
        "status": "up_to_date",
        "overdue": False,
        "tentative": False,
        "causes": [],
        "materialized": "2026-11-21T10:00:00Z",
        "run": "20261121T115800-3f9a",
        "data_time": "2026-11-21T10:00:00Z",
        "rows": 120,
    }
