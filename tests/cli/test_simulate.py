"""`assets simulate`: its screens, its document and its drawing, of real projects at a virtual noon."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from support.shop import DAY, HOUR, MINUTE, NOON, CommandLine

from assets_cli import wiring
from assets_cli.cli import simulation_document, timeline_svg
from assets_cli.cli.screens import simulation as screen
from assets_cli.cli.terminal import Terminal
from assets_cli.manifest.schemas import schema_text
from assets_cli.model.simulation import Bar, Breach, Day, Saved, Share, Simulated, Simulation, WhatIf
from assets_cli.planning import event_simulation

SHOP = """\
version: 1
project: shop
assets:
  - name: raw_events
    group: raw
    owner: ingest-team
    command: {shell: "true"}
  - name: crm
    observe: {path: crm.csv}
    freshness: {cron: "0 5 * * *", timezone: Europe/Paris, max_lag: 2h}
  - name: sessions
    upstreams: [raw_events]
    command: {shell: "true"}
  - name: features
    group: ml
    upstreams: [sessions, crm]
    command: {shell: "true"}
    freshness: {max_lag: 6h}
  - name: board
    group: ml
    upstreams: [sessions]
    command: {shell: "true"}
    freshness: {cron: "0 9 * * 1-5", timezone: Europe/Paris, max_lag: 1h}
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of five assets, never run, at noon on a Saturday."""
    Path(tmp_path, "assets.yml").write_text(SHOP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(wiring, "clock", lambda: NOON)
    return tmp_path


def test_two_days(assets: CommandLine, shop: Path) -> None:
    """What costs, what breaks and for how long, day by day, and what is assumed."""
    assert assets("simulate", "--for", "2d", "--jobs", "2") == (
        """\
2d from 2026-11-21 13:00 Europe/Paris · 2 jobs · 19 runs · 19m of compute
1 promise broken
promises take 15m: 44 % saved against a cron job for each promise (27m)

asset       runs  compute  promise                      worst age         broken
features       7       7m  6h                                  1d  ! 20h 7m in 3
raw_events     5       5m
sessions       5       5m
board          2       2m  1h at 0 9 * * 1-5 Europe/P…     3m 18s
crm            0           2h at 0 5 * * * Europe/Par…        0 s

day             runs  compute  broken promises
Sat 2026-11-21     4       4m                0
Sun 2026-11-22     7       7m              ! 1
Mon 2026-11-23     8       8m              ! 1

group       assets  runs  compute
ml               2     9       9m
raw              1     5       5m
(no group)       1     5       5m

owner        assets  runs  compute
(no owner)        3    14      14m
ingest-team       1     5       5m

assumed: crm is new at 0 5 * * * Europe/Paris, as it promises, and noticed at
once
assumed: 4 assets have never run and take 1m
""",
        "",
        0,
    )


def test_what_if_compares(assets: CommandLine, shop: Path) -> None:
    """As it is and as it would be."""
    found = assets("simulate", "--for", "2d", "--jobs", "2", "--set", "features.freshness.max_lag=24h", "features")
    assert found.out.splitlines()[4:10] == [
        "What if: features.freshness.max_lag=24h",
        "                 as it is  what if",
        "runs                   19       13",
        "compute               19m      13m",
        "broken promises         1        1",
        "broken for         20h 7m       1m",
    ]
    assert found.code == 0


def test_the_document_is_as_described(assets: CommandLine, shop: Path) -> None:
    """Every field, with and without changes; of the selected assets alone what is theirs."""
    schema = json.loads(schema_text("simulate"))
    for more in ([], ["--set", "features.freshness.max_lag=1h"]):
        document = json.loads(assets("simulate", "--for", "2d", "--jobs", "2", "--json", "features", *more).out)
        jsonschema.validate(document, schema, format_checker=jsonschema.FormatChecker())
        assert {run["asset"] for run in document["runs"]} == {"features"}
        assert (document["before"] is None) == (not more)
    assert document["total"]["runs"] > document["before"]["runs"]


def test_the_same_moment_gives_the_same_document(assets: CommandLine, shop: Path) -> None:
    """Byte by byte."""
    call = ("simulate", "--for", "9d", "--jobs", "3", "--json")
    assert assets(*call).out == assets(*call).out


def test_what_was_observed_is_a_rhythm(assets: CommandLine, shop: Path) -> None:
    """A file that came every four hours, looked at more often than that: it will come every four hours."""
    for turn in range(5):
        Path(shop, "crm.csv").write_text(f"{turn}")
        moment = NOON // 1_000_000 - (5 - turn) * 4 * 3_600
        os.utime(shop / "crm.csv", (moment, moment))
        assert assets("observe").code == 0
        assert assets("observe").code == 0
    [told] = json.loads(assets("simulate", "--for", "1d", "--json").out)["assumed"]
    assert told == {
        "asset": "crm",
        "source": "observed",
        "every_seconds": 14_400.0,
        "cron": None,
        "looked_at_every_seconds": None,
    }


def test_nothing_is_written(assets: CommandLine, shop: Path) -> None:
    """No state, no run."""
    assets("simulate", "--for", "2d")
    assert not Path(shop, ".assets", "state.db").exists()


@pytest.mark.parametrize("length", ["x", "0s", "-1d", "4000d", ""])
def test_a_length_that_is_none_is_refused(assets: CommandLine, shop: Path, length: str) -> None:
    """With what to write."""
    found = assets("simulate", f"--for={length}")
    assert found.err == (
        f"error[A0934]: --for {length!r} is no length of time to simulate\n"
        "  hint: write 12h, 7d or 30d; 3653d at most\n"
    )
    assert found.code == 2


def test_a_change_that_makes_no_sense_is_refused(assets: CommandLine, shop: Path) -> None:
    """With the nearest that does."""
    assert assets("simulate", "--set", "features.freshnes.max_lag=1h").err == (
        "error[A0931]: --set 'features.freshnes.max_lag=1h': there is no key\n  freshnes.max_lag\n"
        "  hint: did you mean features.freshness.max_lag=1h?\n"
    )


def test_a_drawing_is_written_whole(assets: CommandLine, shop: Path) -> None:
    """An SVG by itself; and a file of the project is not lost to it."""
    assert assets("simulate", "--for", "2d", "--svg", "t.svg").err == "drawn in t.svg\n"
    root = ET.fromstring(Path(shop, "t.svg").read_text())
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert assets("simulate", "--for", "2d", "--svg", "assets.yml").err.startswith("error[A0822]")
    assert Path(shop, "assets.yml").read_text() == SHOP


def test_too_much_is_refused(assets: CommandLine, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than have somebody wait for an hour."""
    monkeypatch.setattr(event_simulation, "MOST", 100)
    found = assets("simulate", "--for", "30d")
    assert found.err.startswith("error[A0935]: more than 100 runs are too many to be simulated\n")
    assert found.code == 2


# -- many ------------------------------------------------------------------------------------------------------------


def month(size: int, **fields: object) -> Simulation:
    """Thirty days of so many assets, of which each has a run every six hours, and the first is broken once."""
    names = [f"asset_{number}" for number in range(size)]
    bars = tuple(
        Bar(name, NOON + turn * 6 * HOUR, NOON + turn * 6 * HOUR + 10 * MINUTE, "promise", (name,))
        for turn in range(120)
        for name in names
    )
    breaches = (Breach(names[0], NOON + DAY, NOON + 2 * DAY),)
    simulated = tuple(
        Simulated(name, ("me & <you>",), f'<g "{number % 90}">', is_external=False, runs=120, compute=120 * 10 * MINUTE,
                  promise="6h", worst_age=6 * HOUR, broken=DAY if not number else 0, breaches=int(not number))
        for number, name in enumerate(names)
    )  # fmt: skip
    days = tuple(Day(NOON - 12 * HOUR + number * DAY, 4 * size, size * HOUR, int(number == 1)) for number in range(31))
    value = Simulation(
        start=NOON, end=NOON + 30 * DAY, jobs=4, timezone="UTC", bars=bars, breaches=breaches, assets=simulated,
        days=days, owners=(Share("me", size, 120 * size, DAY),), groups=(), saved=Saved(1, DAY, 2, 2 * DAY), assumed=(),
        unpromised=0, untimed=0, waited=0,
    )  # fmt: skip
    return value._replace(**fields)  # type: ignore[arg-type]


def drawn(value: Simulation, project: str = "shop") -> str:
    """The drawing of all assets."""
    return timeline_svg.drawing(value, frozenset(one.asset for one in value.assets), project)


def test_a_drawing_of_a_thousand_assets_is_bounded() -> None:
    """A row for each group, one path for the runs of a row; every name escaped."""
    text = drawn(month(1_000), 'a <project> & "more"\x00')
    root = ET.fromstring(text)
    assert len(root.findall("{http://www.w3.org/2000/svg}g")) == timeline_svg.MOST_ROWS
    assert len(text) < 400_000
    assert "(others)" in text


def test_what_is_broken_is_no_matter_of_colour() -> None:
    """It is hatched, boxed, and has a mark; the title of the row says it in words."""
    text = drawn(month(3))
    assert text.count('<rect class="b"') == 2  # one in the legend
    assert text.count(">!</text>") == 2
    assert "broken 1 time" in text
    assert "url(#hatch)" in text


def test_a_drawing_has_the_days_of_the_project() -> None:
    """Of a month every third one is named."""
    assert all(label in drawn(month(3)) for label in ("Tue 24 Nov", "Fri 27 Nov"))
    assert "Wed 25 Nov" not in drawn(month(3))
    assert "prefers-color-scheme:dark" in drawn(month(3))


def test_ten_thousand_assets_are_a_few_lines() -> None:
    """The broken ones first, the rest counted; with `--all` each; as a document quickly."""
    value = month(10_000)
    names = frozenset(one.asset for one in value.assets)
    narrow = Terminal(stream=None, width=80)  # type: ignore[arg-type]
    lines = list(screen.lines(WhatIf((), None, value), names, narrow, everything=False))
    assert len(lines) < 90
    assert lines[5].startswith("asset_0 ")
    assert "… and 9,960 more: 1,195,200 runs" in " ".join(lines)
    assert max(map(len, lines)) <= 80
    everything = list(screen.lines(WhatIf((), None, value), names, narrow, everything=True))
    assert sum(line.startswith("asset_") for line in everything) == 10_000
    began = time.process_time()
    simulation_document.document(WhatIf((), None, value), frozenset(["asset_1"]))
    assert time.process_time() - began < 5
