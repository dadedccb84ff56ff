"""The screens of `assets impact`, whole."""

from __future__ import annotations

import json

import jsonschema
from support.shop import HOUR, NOON, CommandLine, asset, status

from assets_cli.manifest.schemas import schema_text
from assets_cli.model.answers import Affected, Impact, Verdict
from assets_cli.model.manifest import FreshnessPolicy


def kept(name: str, age: int) -> Verdict:
    """A promise of six hours."""
    return Verdict(
        name,
        "fail" if age > 6 * HOUR else "pass",
        NOON - age,
        age,
        FreshnessPolicy(6 * HOUR),
        NOON - age + 6 * HOUR,
        (),
    )


IMPACT = Impact(
    status("raw_events", "stale"),
    (
        Affected(status("sessions", tentative=True), 1, kept("sessions", 9 * HOUR)),
        Affected(status("report", "missing"), 2, None),
        Affected(status("features", overdue=True), 2, kept("features", HOUR)),
        Affected(status("model"), 3, Verdict("model", "unknown", None, None, FreshnessPolicy(24 * HOUR), None, ())),
    ),
)


def test_everything_below_by_owner(assets: CommandLine) -> None:
    """Who has several owners is told to each; who has none comes last; the next promise at risk is named."""
    project = assets.open(impact=IMPACT)
    assert assets("impact", "raw_events") == (
        """\
raw_events  stale

data-team: 2 assets
  asset     edges  state                promise
  sessions      1  upstream stale       6h, broken 3 hours ago
  features      2  up to date, overdue  6h, to be broken in 5 hours

ml-team: 1 asset
  asset     edges  state                promise
  features      2  up to date, overdue  6h, to be broken in 5 hours

(no owner): 2 assets
  asset   edges  state       promise
  report      2  missing
  model       3  up to date  24h, age unknown

4 assets below · 2 owners · 3 promises, 1 broken
next at risk: features in 5 hours

run: assets plan raw_events --downstream
""",
        "",
        0,
    )
    assert project.asked == [("impact", ("raw_events",), {})]


def test_nothing_below(assets: CommandLine) -> None:
    """A sink."""
    assets.open(impact=Impact(status("report", "missing"), ()))
    assert assets("impact", "report") == ("report  missing\nnothing is made from it\n", "", 0)


def test_thousands_below_are_counted(assets: CommandLine) -> None:
    """On a screen the nearest of each owner are listed; a pipe gets them all."""
    many = [asset(f"asset_{number}") for number in range(5_000)]
    affected = tuple(Affected(status(one.name, among=many), 1, None) for one in many)
    assets.open(impact=Impact(status("raw_events"), affected))
    lines = assets("impact", "raw_events").out.splitlines()
    assert len(lines) == 49
    assert lines[-6:-4] == ["  asset_39      1  up to date", "  … and 4,960 more (--json)"]
    assets.patch.delenv("COLUMNS")
    assert len(assets("impact", "raw_events").out.splitlines()) == 5_008


def test_json(assets: CommandLine) -> None:
    """Each asset once, with its distance; the owners with the names."""
    assets.open(impact=IMPACT)
    document = json.loads(assets("impact", "raw_events", "--json").out)
    jsonschema.validate(document, json.loads(schema_text("impact")))
    assert [(one["name"], one["distance"]) for one in document["assets"]] == [
        ("sessions", 1),
        ("report", 2),
        ("features", 2),
        ("model", 3),
    ]
    assert document["owners"] == [
        {"owner": "data-team", "assets": ["sessions", "features"]},
        {"owner": None, "assets": ["report", "model"]},
        {"owner": "ml-team", "assets": ["features"]},
    ]
