"""The screens of `assets lineage`, whole."""

from __future__ import annotations

import json

import jsonschema
from support.shop import CommandLine, asset, status

from assets_cli.manifest.schemas import schema_text
from assets_cli.model.answers import Lineage
from assets_cli.model.plan import Cause

LINEAGE = Lineage(
    "features",
    (
        status("raw_events"),
        status("sessions", "stale", Cause("code_changed", "code changed")),
        status("crm", "external"),
        status("features", "stale", Cause("upstream_stale", "x", upstream="sessions"), overdue=True),
        status("model", tentative=True),
        status("report", "missing"),
    ),
    (
        ("raw_events", "sessions"),
        ("raw_events", "crm"),
        ("sessions", "features"),
        ("crm", "features"),
        ("features", "model"),
        ("model", "report"),
        ("features", "report"),
    ),
    {"sessions": 1, "crm": 1, "raw_events": 2},
    {"model": 1, "report": 1},
)


def test_the_tree_grows_both_ways(assets: CommandLine) -> None:
    """Upstreams stand above the asset, downstreams below; what was shown is not followed again."""
    project = assets.open(lineage=LINEAGE)
    screen = assets("lineage", "features")
    assert (
        screen.out
        == """\
     ┌─ raw_events  up to date
  ┌─ sessions  stale
  │  ┌─ raw_events  up to date  (shown above)
  ├─ crm  external
▶ features  stale, overdue
  ├─ model  upstream stale
  │  └─ report  missing
  └─ report  missing  (shown above)

3 ancestors, 2 descendants
"""
    )
    assert (screen.err, screen.code) == ("", 0)
    assert project.asked == [("lineage", ("features",), {"upstream": True, "downstream": True, "depth": None})]


def test_one_direction_alone(assets: CommandLine) -> None:
    """The flags leave the other direction out; the depth is handed on."""
    project = assets.open(lineage=LINEAGE)
    assets("lineage", "features", "--upstream", "--depth", "2")
    assets("lineage", "features", "--downstream")
    assert [asked[2] for asked in project.asked] == [
        {"upstream": True, "downstream": False, "depth": 2},
        {"upstream": False, "downstream": True, "depth": None},
    ]


def test_a_hub_is_not_poured_over_the_screen(assets: CommandLine) -> None:
    """Of three hundred readers fifty are shown and the others counted; `--depth` shows all."""
    many = [asset("hub"), *(asset(f"reader_{n}", "hub") for n in range(300))]
    assets.open(
        lineage=Lineage(
            "hub",
            tuple(status(one.name, among=many) for one in many),
            tuple(("hub", one.name) for one in many[1:]),
            {},
            {one.name: 1 for one in many[1:]},
        )
    )
    lines = assets("lineage", "hub").out.splitlines()
    assert (len(lines), lines[51], lines[-1]) == (
        54,
        "  └─ … and 250 more: 250 up to date (--depth, --json)",
        "0 ancestors, 300 descendants",
    )
    assert len(assets("lineage", "hub", "--depth", "1").out.splitlines()) == 303


def test_mermaid_has_safe_ids(assets: CommandLine) -> None:
    """Names are labels only, so that no name can break the diagram."""
    assets.open(lineage=LINEAGE)
    assert (
        assets("lineage", "features", "--format", "mermaid").out
        == """\
flowchart LR
  n0["raw_events<br/>up to date"]:::up_to_date
  n1["sessions<br/>stale"]:::stale
  n2[("crm<br/>external")]:::external
  n3["features<br/>stale, overdue"]:::stale
  n4["model<br/>upstream stale"]:::up_to_date
  n5["report<br/>missing"]:::missing
  n0 --> n1
  n0 --> n2
  n1 --> n3
  n2 --> n3
  n3 --> n4
  n4 --> n5
  n3 --> n5
  classDef up_to_date fill:#e6f4ea,stroke:#34a853,color:#111
  classDef stale fill:#fef7e0,stroke:#f9ab00,color:#111
  classDef missing fill:#fce8e6,stroke:#d93025,color:#111
  classDef external fill:#e8f0fe,stroke:#4285f4,color:#111
  classDef overdue stroke:#d93025,stroke-width:3px
  classDef asked stroke-width:3px
  class n3 overdue
  class n3 asked
"""
    )


def test_dot_quotes_names(assets: CommandLine) -> None:
    """A digraph that Graphviz reads whatever the names are."""
    odd = [asset('a "b" \\c')]
    assets.open(lineage=Lineage(odd[0].name, (status(odd[0].name, among=odd),), (), {}, {}))
    assert (
        assets("lineage", "a", "--format", "dot").out
        == """\
digraph lineage {
  rankdir=LR
  node [shape=box, style="rounded,filled", fillcolor=white, fontname="Helvetica"]
  "a \\"b\\" \\\\c" [label="a \\"b\\" \\\\c\\nup to date", fillcolor="#e6f4ea", color="#34a853", penwidth=3]
}
"""
    )


def test_trees_without_line_drawing(assets: CommandLine) -> None:
    """Where only ASCII can be shown, the branches are ASCII."""
    assets.patch.setenv("LANG", "C")
    assets.open(lineage=LINEAGE)
    assert (
        assets("lineage", "features").out
        == """\
     ,- raw_events  up to date
  ,- sessions  stale
  |  ,- raw_events  up to date  (shown above)
  |- crm  external
> features  stale, overdue
  |- model  upstream stale
  |  `- report  missing
  `- report  missing  (shown above)

3 ancestors, 2 descendants
"""
    )


def test_json_holds_the_asset_itself_and_edges_from_upstream(assets: CommandLine) -> None:
    """As the contract says; `--json` and `--format json` are the same."""
    assets.open(lineage=LINEAGE)
    text = assets("lineage", "features", "--json").out
    document = json.loads(text)
    jsonschema.validate(document, json.loads(schema_text("lineage")))
    assert document["asset"] == "features"
    assert [node["name"] for node in document["nodes"]] == [
        "raw_events",
        "sessions",
        "crm",
        "features",
        "model",
        "report",
    ]
    assert document["edges"][0] == {"from": "raw_events", "to": "sessions"}
    assert assets("lineage", "features", "--format", "json").out == text
