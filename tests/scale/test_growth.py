"""What commands cost grows with the assets and their edges, and not at all with history: counted, never timed."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.counting import count

ROOT = Path(__file__).parents[2]
TWICE = 2.5  # of one doubling to the next what is added may grow so much; anything quadratic would make it four
LONGER = 1.1  # ten times the history
SLACK = 400  # of counts so small nothing follows
WHAT = ("calls", "sql steps", "statements", "files")
COLD = {"validate": ["validate"], "plan": ["plan"], "plan --json": ["plan", "--json"]}


def hub(number):
    """One asset that all others read."""
    return {"n0": [], **{f"n{index}": ["n0"] for index in range(1, number)}}


def funnel(number):
    """One asset that reads all others."""
    return {**{f"n{i}": [] for i in range(number - 1)}, f"n{number - 1}": [f"n{i}" for i in range(number - 1)]}


def chain(number):
    """Each asset reads the one before."""
    return {"n0": [], **{f"n{index}": [f"n{index - 1}"] for index in range(1, number)}}


def layers(number):
    """Layers of fifty assets, each of which reads four of the layer before."""
    found = {}
    for index in range(number):
        first = index // 50 * 50 - 50
        found[f"n{index}"] = [f"n{first + (index + step) % 50}" for step in (0, 7, 19, 31)] if index >= 50 else []
    return found


SHAPES = {"hub": (hub, 2_000), "funnel": (funnel, 1_000), "chain": (chain, 3_000), "layers": (layers, 2_000)}


def write(graph, root):
    """A project of these assets; their outputs are there, and nothing is on record."""
    (root / "out").mkdir(parents=True)
    lines = ["version: 1", "assets:"]
    for name, above in graph.items():
        lines.append(f"- name: {name}\n  command: {{shell: ': > out/{name}'}}\n  output: {{path: out/{name}}}")
        lines.append(f"  upstreams: [{', '.join(above)}]\n  freshness: {{max_lag: 9d}}")
        (root / "out" / name).touch()
    (root / "assets.yml").write_text("\n".join(lines) + "\n")
    return root


def made(size):
    """What is asked of a project that is up to date."""
    return {
        "plan": ["plan"],
        "plan of one": ["plan", f"n{size // 2}"],
        "lineage": ["lineage", f"n{size - 1}"],
        "list": ["list"],
        "freshness": ["freshness"],
        "show": ["show", f"n{size // 2}"],
    }


def stale(size):
    """What is asked of one whose first asset has changed."""
    return {
        "plan": ["plan"],
        "plan --json": ["plan", "--json"],
        "lineage --json": ["lineage", "n0", "--json"],
        "why": ["why", f"n{size - 1}"],
        "impact": ["impact", "n0"],
    }


def asked(project, questions, *, cold=False):
    """The counts of each question, by its label."""
    return dict(zip(questions, count(project, *questions.values(), cold=cold), strict=True))


def too_steep(found):
    """What grows more than the assets do, over three sizes, with its counts."""
    counts = {(label, what): tuple(each[label][what] for each in found) for label in found[0] for what in WHAT}
    return {key: each for key, each in counts.items() if each[2] - each[1] > TWICE * max(each[1] - each[0], SLACK)}


@pytest.fixture(params=SHAPES)
def projects(request, tmp_path):
    """Projects of one shape in three sizes, each twice as large as the one before."""
    shape, most = SHAPES[request.param]
    yield {size: write(shape(size), tmp_path / str(size)) for size in (most // 4, most // 2, most)}
    shutil.rmtree(tmp_path)


def test_a_question_costs_what_the_assets_cost(projects):
    """With nothing on record, with all up to date, and with all stale, twice the assets cost twice as much at most."""
    found = {}
    for size, project in projects.items():
        found.setdefault("nothing made", []).append(asked(project, COLD, cold=True))
        found.setdefault("marking", []).append(asked(project, {"state mark": ["state", "mark", "*"]}))
        found.setdefault("up to date", []).append(asked(project, made(size)))
        manifest = project / "assets.yml"
        manifest.write_text(manifest.read_text().replace("': > out/n0'", "': >  out/n0'"))
        found.setdefault("stale", []).append(asked(project, stale(size)))

    assert {state: too_steep(counts) for state, counts in found.items()} == {state: {} for state in found}


def test_a_question_costs_nothing_for_a_long_history(tmp_path):
    """Ten times the history: the same calls, the same steps of SQLite, the same files."""
    project = write(layers(200), tmp_path / "project")
    subprocess.run(
        [sys.executable, "-m", "assets_cli", "state", "mark", "*"], cwd=project, check=True, capture_output=True
    )
    questions = {**made(200), **stale(200), "materialize": ["materialize"], "check": ["check"], "runs": ["runs"]}
    found = []
    for each in (30, 300):
        history = [sys.executable, str(ROOT / "benchmarks" / "history.py"), str(project), "--each", str(each)]
        subprocess.run(history, check=True)
        found.append(asked(project, questions))
    short, long = found

    assert {
        (label, what): (short[label][what], long[label][what])
        for label in questions
        for what in WHAT
        if long[label][what] > LONGER * short[label][what] + SLACK
    } == {}


POLICIES = """\
policies:
- {name: promises, require: [command.shell, output.path, freshness], forbid: [timeout]}
- {name: names, names: "^n[0-9]+$", allowed: {kind: shell, owner: [nobody]}}
- {name: layers, select: "+n9 or not n9", upstreams: "n*"}
- {name: columns, columns: {match: email, tags: [pii], require: [description]}}
- {name: house, python: "house:check"}
"""


def test_policies_cost_what_the_assets_cost(tmp_path):
    """Each kind of rule, and a function that is told of every asset."""
    found = []
    for size in (500, 1_000, 2_000):
        project = write(layers(size), tmp_path / str(size))
        manifest = project / "assets.yml"
        manifest.write_text(manifest.read_text().replace("assets:\n", f"{POLICIES}assets:\n", 1))
        (project / "house.py").write_text("def check(asset):\n    pass\n")
        found.append(asked(project, {"validate": ["validate"]}))

    assert too_steep(found) == {}


ALERTS = """\
alerts:
  team: {command: {shell: "cat > /dev/null"}}
  some: {command: {shell: "cat > /dev/null"}, select: "n9 or n11+"}
"""
FOR_ROUTES = {"materialize": 4_000, "check": 4_000, "plan": 100}  # what there is to tell is found by 40,000 calls


def with_alerts(size, root, promises="{max_lag: 9d}"):
    """A project up to date, with a promise on every asset; what of it is told goes nowhere."""
    project = write(layers(size), root)
    manifest = project / "assets.yml"
    text = manifest.read_text().replace("{max_lag: 9d}", promises)
    manifest.write_text(text)
    mark = [sys.executable, "-m", "assets_cli", "state", "mark", "*"]
    subprocess.run(mark, cwd=project, check=True, capture_output=True)
    # Not before: marking would tell of what is late by then, which differs from machine to machine.
    manifest.write_text(text.replace("assets:\n", f"{ALERTS}assets:\n", 1))
    return project


@pytest.mark.parametrize("promises", ["{max_lag: 9d}", "{max_lag: 1s}", "{cron: '0 9 * * *', max_lag: 1h}"])
def test_what_to_tell_costs_what_the_assets_cost(tmp_path, promises):
    """With all promises kept, all broken, and by cron; the second time nothing of it is news."""
    found = []
    for size in (500, 1_000, 2_000):
        project = with_alerts(size, tmp_path / str(size), promises)
        time.sleep(1.1)  # until a promise of a second is broken for sure
        found.append(asked(project, {"first": ["alerts", "send"], "again": ["alerts", "send"]}))

    assert too_steep(found) == {}


def test_nobody_waits_for_what_is_told_in_a_large_project(tmp_path):
    """A command that does nothing else is not slower with alerts than without by more than the routes cost."""
    project = with_alerts(2_000, tmp_path / "project")
    told = asked(project, {"materialize": ["materialize"], "check": ["check"], "plan": ["plan"]})
    manifest = project / "assets.yml"
    manifest.write_text(manifest.read_text().replace(ALERTS, ""))
    silent = asked(project, {"materialize": ["materialize"], "check": ["check"], "plan": ["plan"]})

    assert {
        (label, what): (silent[label][what], told[label][what])
        for label in told
        for what in WHAT
        if told[label][what] > silent[label][what] + FOR_ROUTES[label]
    } == {}
