"""The screen of `assets why`, whole."""

from __future__ import annotations

import json

import jsonschema
from support.shop import CommandLine, asset, status

from assets_cli.manifest.schemas import schema_text
from assets_cli.model.answers import Why
from assets_cli.model.plan import Cause

SESSIONS = Why(
    status("sessions", "stale", Cause("code_changed", "code changed: sql/sessions.sql (9f31 -> 04bd)")),
    (),
)
FEATURES = Why(
    status(
        "features",
        "stale",
        Cause("upstream_changed", "upstream changed: crm (a1 -> b2)", upstream="crm"),
        Cause("upstream_stale", "sessions is a step of this plan", upstream="sessions"),
        rows=23570,
        overdue=True,
    ),
    (Why(status("crm", "external"), ()), SESSIONS),
)


def test_causes_lead_down_to_their_roots(assets: CommandLine) -> None:
    """Below a cause that is an upstream's stand the causes of that upstream."""
    assets.open(why=FEATURES)
    screen = assets("why", "features")
    assert (
        screen.out
        == """\
features  stale, overdue
├─ upstream changed: crm (a1 -> b2)
│  crm: external, observed 2 hours ago
└─ sessions is a step of this plan
   sessions: stale, materialized 2 hours ago in run 20261121T115800-3f9a
   └─ code changed: sql/sessions.sql (9f31 -> 04bd)

last materialized 2 hours ago in run 20261121T115800-3f9a · 23,570 rows
data time 2 hours ago

run: assets materialize features --upstream
"""
    )
    assert (screen.err, screen.code) == ("", 0)


def test_an_asset_that_is_up_to_date_has_no_tree(assets: CommandLine) -> None:
    """What is on record is said all the same."""
    assets.open(why=Why(status("report", rows=12), ()))
    assert (
        assets("why", "report").out
        == """\
report  up to date

last materialized 2 hours ago in run 20261121T115800-3f9a · 12 rows
data time 2 hours ago
"""
    )


def test_a_shared_upstream_is_followed_once(assets: CommandLine) -> None:
    """In a diamond, the second way to an asset only points at the first."""
    among = [asset(name) for name in "abcd"]

    def made(name: str, *above: Why) -> Why:
        causes = [
            Cause("upstream_stale", f"{up.status.asset.name} is stale", upstream=up.status.asset.name) for up in above
        ]
        root = [] if above else [Cause("code_changed", "code changed: a.sql")]
        return Why(status(name, "stale", *causes, *root, among=among), above)

    a = made("a")
    assets.open(why=made("d", made("b", a), made("c", a)))
    assert (
        assets("why", "d").out
        == """\
d  stale
├─ b is stale
│  b: stale, materialized 2 hours ago in run 20261121T115800-3f9a
│  └─ a is stale
│     a: stale, materialized 2 hours ago in run 20261121T115800-3f9a
│     └─ code changed: a.sql
└─ c is stale
   c: stale, materialized 2 hours ago in run 20261121T115800-3f9a
   └─ a is stale  (shown above)

last materialized 2 hours ago in run 20261121T115800-3f9a
data time 2 hours ago

run: assets materialize d --upstream
"""
    )


def test_a_deep_chain_neither_overflows_nor_leaves_the_screen(assets: CommandLine) -> None:
    """Ten thousand levels end in a line that says that there is more."""
    among = [asset(f"n{n}") for n in range(10_000)]
    why = Why(status("n0", "stale", Cause("code_changed", "code changed"), among=among), ())
    for number in range(1, 10_000):
        cause = Cause("upstream_stale", f"n{number - 1} is stale", upstream=f"n{number - 1}")
        why = Why(
            status("n0", "stale", cause, among=[among[number]._replace(name="n0")])._replace(asset=among[number]),
            (why,),
        )
    assets.open(why=why)
    screen = assets("why", "n9999")
    assert screen.code == 0
    assert "… more below (--json)" in screen.out
    assert max(map(len, screen.out.splitlines())) <= 90
    assert json.loads(assets("why", "n9999", "--json").out)["roots"] == ["n0"]


def test_json_lists_each_asset_once_and_the_roots(assets: CommandLine) -> None:
    """The document is flat, so that a diamond of causes does not multiply."""
    assets.open(why=FEATURES)
    document = json.loads(assets("why", "features", "--json").out)
    jsonschema.validate(document, json.loads(schema_text("why")))
    assert [(one["name"], one["because_of"]) for one in document["assets"]] == [
        ("features", ["crm", "sessions"]),
        ("crm", []),
        ("sessions", []),
    ]
    assert document["roots"] == ["crm", "sessions"]
