"""`schedule:` and `observe.every` of a manifest, read, kept in the cache, and compared."""

from __future__ import annotations

from pathlib import Path

from support.manifests import answer, ask, write

from assets_cli.compiled import recall_aside, set_aside
from assets_cli.graph import AssetGraph
from assets_cli.manifest import load
from assets_cli.model.manifest import Schedule
from assets_cli.planning.declared_changes import declared_changes
from assets_cli.planning.freshness import never_refreshed

MANIFEST = """\
version: 1
assets:
  - {name: a, command: {shell: x}, schedule: {cron: " 0  6 * * 1-5", timezone: Europe/Paris}}
  - {name: b, command: {shell: x}, schedule: {cron: "@hourly"}}
  - {name: crm, observe: {path: crm.csv, every: 15m}}
"""


def test_a_schedule_and_an_interval_are_read_and_kept(tmp_path: Path) -> None:
    """From the files as from the cache: what fires at the same moments is written alike; UTC is the default."""
    write(tmp_path, {"assets.yml": MANIFEST})
    for _ in range(2):
        assets = answer(ask(tmp_path)).manifest.assets
        assert [assets[name].schedule for name in ("a", "b", "crm")] == [
            Schedule("0 6 * * 1-5", "Europe/Paris"),
            Schedule("@hourly"),
            None,
        ]
        assert assets["crm"].observe_every == 900_000_000


def test_a_root_with_a_schedule_is_refreshed(tmp_path: Path) -> None:
    """So `validate` has no doubt about it."""
    write(tmp_path, {"assets.yml": MANIFEST + "  - {name: c, command: {shell: x}}\n"})
    manifest, arrangement, _ = answer(ask(tmp_path))
    assert never_refreshed(AssetGraph(manifest, arrangement)) == ("c",)


def test_a_change_of_a_schedule_is_a_change_of_what_is_declared(tmp_path: Path) -> None:
    """It makes nothing stale, and `diff` says it."""
    write(tmp_path, {"assets.yml": MANIFEST})
    before = load(tmp_path / "assets.yml").manifest
    write(tmp_path, {"assets.yml": MANIFEST.replace("@hourly", "@daily").replace("15m", "1h")})
    now = load(tmp_path / "assets.yml").manifest
    assert before is not None
    assert now is not None
    found = [
        (name, each.name, each.old, each.new)
        for name in now.assets
        for each in declared_changes(before.assets[name], now.assets[name])
    ]

    assert found == [
        ("b", "schedule.cron", "@hourly", "@daily"),
        ("crm", "observe_every", "15m", "1h"),
    ]


def test_what_was_set_aside_stands_in_for_files_that_do_not_hold_any_more(tmp_path: Path) -> None:
    """Another good manifest replaces it, a broken one does not."""
    write(tmp_path, {"assets.yml": MANIFEST})
    asked = ask(tmp_path)
    assert recall_aside(asked) is None
    assert not set_aside(asked)
    answer(asked)
    assert set_aside(asked)
    assert set_aside(asked)
    write(tmp_path, {"assets.yml": MANIFEST + "  - broken\n"})
    kept = recall_aside(asked)
    assert kept is not None
    assert list(kept.manifest.assets) == ["a", "b", "crm"]
    write(tmp_path, {"assets.yml": MANIFEST.replace("name: crm", "name: erp")})
    answer(asked)
    assert set_aside(asked)
    again = recall_aside(asked)
    assert again is not None
    assert list(again.manifest.assets) == ["a", "b", "erp"]
