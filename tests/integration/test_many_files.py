"""A project of a thousand files: what is wrong is told where it was written, and files cost little more than one."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.counting import count

from assets_cli.manifest import load
from assets_cli.model.duration import SECOND
from assets_cli.model.manifest import Retries
from assets_cli.validation import validate

FILES = 1_000
ASSETS = (sys.executable, "-m", "assets_cli")
ROOT = """\
version: 1
include: ["teams/**/*.yml", "teams/t?/**/f*.yml", "teams/t0/deep/er/f0.yml"]
vars: {folder: out, lag: 9d, region: {eu: "${vars.folder}/eu"}}
pools: {one: 1}
defaults: {pool: one, retries: {max: 2}}
environments:
  prod:
    vars: {folder: prod}
    defaults: {timeout: 1h}
project: "spread, as in ${vars.region.eu}"
"""


def spread(root: Path, files: int, assets: int, text: str = ROOT) -> Path:
    """A chain of assets in files of twenty folders, three levels deep, each file with defaults of its own."""
    each = assets // files
    for number in range(files):
        folder = root / "teams" / f"t{number % 20}" / ("deep/er" if number % 3 == 0 else "")
        folder.mkdir(parents=True, exist_ok=True)
        lines = [f"defaults: {{owner: team-{number % 20}}}", "assets:"]
        for index in range(number * each, (number + 1) * each):
            above = f"n{index - 1}" if index else ""
            lines.append(f"- name: n{index}\n  command: {{shell: ': > $ASSETS_OUTPUT'}}\n  upstreams: [{above}]")
            lines.append(f'  output: {{path: "${{vars.folder}}/n{index}"}}\n  freshness: {{max_lag: "${{vars.lag}}"}}')
        (folder / f"f{number}.yml").write_text("\n".join(lines) + "\n")
    (root / "assets.yml").write_text(text)
    return root


def change(file: Path, old: str, new: str) -> None:
    """Write something else into a file."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def told(root: Path, environment: str = "default", **variables: str) -> list[str]:
    """Each error with its place, and the related ones behind an arrow."""
    found = validate(root, environment=environment, variables=variables, environ={}).problems
    return [
        " <- ".join([f"{each.place} {each.code} {each.message}", *(f"{other.place}" for other in each.related)])
        for each in found
        if each.severity == "error"
    ]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A thousand files with one asset each; nobody changes them."""
    return spread(tmp_path_factory.mktemp("many"), FILES, FILES)


def test_each_file_is_read_once(written: Path) -> None:
    """However many patterns name it."""
    done = subprocess.run([*ASSETS, "validate"], cwd=written, capture_output=True, text=True, check=True)
    assert "1,000 assets in 1,001 files" in done.stdout + done.stderr


def test_a_thousand_files_cost_little_more_than_one(tmp_path: Path) -> None:
    """Of the same assets, five in a file: in calls; and each file is opened once for each environment that is read."""
    one, spread_out = spread(tmp_path / "one", 1, 5 * FILES), spread(tmp_path / "many", FILES, 5 * FILES)
    commands = (("plan",), ("plan",), ("validate",))
    for few, many, opened in zip(count(one, *commands), count(spread_out, *commands), (1, 1, 2), strict=True):
        assert many["calls"] < 1.3 * few["calls"]
        assert many["files"] - few["files"] < (opened + 0.5) * FILES


LEAVES = "leaves the project by '..'"
SET, PROD = "teams/t7/f7.yml:6:18", "<- assets.yml:3:43 <- assets.yml:8:20"
# What is changed, in which file, from what to what; then how `validate` is called, and what it says.
WRITTEN = {
    "in the asset": (
        ("teams/t7/f7.yml", '"${vars.lag}"', "5x"),
        {},
        ["teams/t7/f7.yml:7:24 A0127 asset 'n7': freshness.max_lag: '5x' is not a duration"],
    ),
    "in the asset, as an upstream": (
        ("teams/t7/f7.yml", "[n6]", "[n6666]"),
        {},
        ["teams/t7/f7.yml:5:15 A0202 asset 'n7': unknown upstream 'n6666'"],
    ),
    "in the defaults of its file": (
        ("teams/t7/f7.yml", "{owner: team-7}", "{owner: team-7, pool: two}"),
        {},
        ["teams/t7/f7.yml:1:33 A0214 asset 'n7': unknown pool 'two'"],
    ),
    "in the defaults of the root, by all": (
        ("assets.yml", "{pool: one,", "{pool: two,"),
        {},
        ["assets.yml:5:18 A0214 asset 'n0': unknown pool 'two'"],
    ),
    "in the defaults of the root, wrong by itself": (
        ("assets.yml", "{pool: one,", "{timeout: 0s, pool: one,"),
        {},
        ["assets.yml:5:21 A0129 asset 'n0': timeout must be more than 0s"],
    ),
    "in an overlay": (
        ("assets.yml", "{timeout: 1h}", "{pool: two}"),
        {"environment": "prod"},
        ["assets.yml:9:22 A0214 asset 'n0': unknown pool 'two'"],
    ),
    "in an overlay, of another environment": (
        ("assets.yml", "{timeout: 1h}", "{pool: two}"),
        {},
        ["assets.yml:9:22 A0214 environment 'prod': asset 'n0': unknown pool 'two'"],
    ),
    "in a variable of a variable": (
        ("teams/t7/f7.yml", "${vars.folder}/n7", "../${vars.region.eu}/n7"),
        {},
        [
            f"{SET} A0137 asset 'n7': output.path '../out/eu/n7' {LEAVES} <- assets.yml:3:43 <- assets.yml:3:16",
            f"{SET} A0137 environment 'prod': asset 'n7': output.path '../prod/eu/n7' {LEAVES} {PROD}",
        ],
    ),
}


@pytest.mark.parametrize("where", WRITTEN)
def test_a_problem_is_told_where_the_value_was_written(written: Path, where: str) -> None:
    """In which of a thousand files, on which line; also where the asset has it from elsewhere, and then once."""
    (name, old, new), asked, expected = WRITTEN[where]
    text = (written / name).read_text()
    try:
        change(written / name, old, new)
        assert told(written, **asked) == expected
    finally:
        (written / name).write_text(text)


def test_a_problem_of_a_variable_of_the_command_line_says_so(written: Path) -> None:
    """There is no line to name; in the other environments it is the same variable."""
    found = [each for each in validate(written, variables={"lag": "x"}, environ={}).problems if each.code == "A0127"]
    assert len(found) == FILES
    assert {each.hint for each in found} == {
        "write a duration such as 90s, 15m, 6h, 7d or 1h30m; 'lag' has the value of --var"
    }


def test_problems_of_a_thousand_files_come_in_order(written: Path, tmp_path: Path) -> None:
    """By file and line, whatever the order in which the disk names them; the screen groups them and counts."""
    folder = tmp_path / "all"
    shutil.copytree(written, folder)
    for number in range(FILES):
        (file,) = folder.glob(f"teams/t{number % 20}/**/f{number}.yml")
        change(file, f"[{f'n{number - 1}' if number else ''}]", f"[gone{number}]")
    found = validate(folder, environ={}).problems
    unknown = [each for each in found if each.code == "A0202"]
    assert len(unknown) == FILES
    assert [each.place.file for each in unknown if each.place] == sorted(
        f"{each.place.file}" for each in unknown if each.place
    )
    done = subprocess.run([*ASSETS, "validate"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert len((done.stdout + done.stderr).splitlines()) < 300
    assert "1,000 errors" in done.stdout + done.stderr


def test_how_assets_are_spread_over_files_decides_nothing(tmp_path: Path) -> None:
    """Other files, other names, another order: the same plan, and what was made stays up to date."""
    project = spread(tmp_path, 50, 50)
    subprocess.run([*ASSETS, "materialize"], cwd=project, capture_output=True, check=True)
    entries = []
    for file in sorted(project.glob("teams/**/f*.yml")):
        head, _, rest = file.read_text().partition("assets:\n")
        owner = head.partition("owner: ")[2].rstrip("}\n")
        entries.append(rest.replace("  upstreams", f"  owner: {owner}\n  upstreams", 1))
        file.unlink()
    random.Random(7).shuffle(entries)
    for number in range(5):
        (project / "teams" / f"z{number}.yml").write_text("assets:\n" + "".join(entries[number::5]))
    change(project / "assets.yml", ', "teams/t?/**/f*.yml", "teams/t0/deep/er/f0.yml"', "")

    plan = subprocess.run([*ASSETS, "plan", "--json"], cwd=project, capture_output=True, text=True, check=True)

    document = json.loads(plan.stdout)
    assert document["steps"] == []
    assert len(document["skipped"]) == 50


def test_files_that_links_and_patterns_lead_to(tmp_path: Path) -> None:
    """A file counts once, under its own name; hidden ones do not, unless they are named; circles of links end."""
    project = spread(tmp_path, 20, 20)
    teams = project / "teams"
    (teams / "t1" / "again.yml").symlink_to("f1.yml")
    (teams / "t2" / "up").symlink_to("..")
    (teams / "t4" / "up").symlink_to("../..")
    (teams / ".old").mkdir()
    (teams / ".old" / "f1.yml").write_text("- no manifest\n")
    (teams / "t5" / ".one.yml").write_text("assets: [{name: hidden}]\n")

    found = validate(project, environ={})
    assert [each for each in found.problems if each.severity == "error"] == []
    assert (found.assets, found.files) == (20, 21)

    change(project / "assets.yml", '"teams/t?/**/f*.yml"', '"teams/t5/.*.yml"')
    found = validate(project, environ={})
    assert (found.assets, found.files) == (21, 22)

    change(teams / "t1" / "f1.yml", "[n0]", "[gone]")
    assert told(project) == ["teams/t1/f1.yml:5:15 A0202 asset 'n1': unknown upstream 'gone'"]


def test_patterns_that_match_nothing(tmp_path: Path) -> None:
    """Each is told, with its place in the root file; one that a variable makes with where that is set."""
    project = spread(tmp_path, 1, 1)
    change(
        project / "assets.yml",
        '"teams/t?/**/f*.yml", "teams/t0/deep/er/f0.yml"',
        '"no/*.yml", "${vars.folder}/*.yml", "teams", "teams/f*"',
    )
    assert told(project) == [
        "assets.yml:2:29 A0131 include 'no/*.yml' names no file",
        "assets.yml:2:41 A0131 include 'out/*.yml' names no file <- assets.yml:3:16",
        "assets.yml:2:65 A0131 include 'teams' names no file",
        "assets.yml:2:74 A0131 include 'teams/f*' names no file",
        "assets.yml:2:41 A0131 environment 'prod': include 'prod/*.yml' names no file <- assets.yml:8:20",
    ]


def test_what_a_file_says_for_its_assets_stays_in_it(tmp_path: Path) -> None:
    """Its defaults over the root's, key by key; those of another file never, whatever the order of the names."""
    project = spread(tmp_path, 3, 3)
    for number, name in enumerate(("t0/deep/er/f0.yml", "t1/f1.yml", "t2/f2.yml")):
        file = project / "teams" / name
        change(file, "owner: team", f"retries: {{delay: {number}s}}, env: {{N: '{number}'}}, owner: team")
    manifest = load(project / "assets.yml").manifest
    assert manifest is not None
    shown = {name: (each.owners, each.retries, each.env) for name, each in manifest.assets.items()}
    assert shown == {
        f"n{number}": ((f"team-{number}",), Retries(max=2, delay=number * SECOND), {"N": str(number)})
        for number in range(3)
    }
