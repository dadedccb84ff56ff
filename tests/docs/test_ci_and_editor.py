"""The files that docs/guides/ci.md and editor.md tell readers to write: parsed, linted, and run as far as possible.

Steps of a workflow and lines of a GitLab script are executed on a repository with a change. What they cannot reach from
here is stood in for on the path: `pip` and `gh` only note that they were called. Our own action is run as it is, but
for its installation, which tests/integration/test_action.py runs.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.language_server import SETTINGS, serving
from support.linters import linted, shellchecked
from support.repositories import BROKEN, CHANGED, pull_request
from support.workflows import Runner

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import generate  # noqa: E402 - found beside the pages

SCRIPTS = sysconfig.get_path("scripts")


def found(page: str, language: str) -> list[str]:
    """The blocks of a page in one language; of YAML those that are no manifest of the page's own walk."""
    text = (ROOT / "docs" / "guides" / page).read_text()
    blocks = [block for block in generate.blocks(text) if block.language == language]
    return [block.text for block in blocks if language != "yaml" or not block.words]


CI = [yaml.safe_load(text) for text in found("ci.md", "yaml")]
WORKFLOWS = {each["name"]: each for each in CI if "jobs" in each}
GITLAB = {name: job for each in CI for name, job in each.items() if isinstance(job, dict) and "script" in job}
HOOKS = [each for each in CI if "repos" in each]


def trigger(workflow: dict[Any, Any]) -> dict[str, Any]:
    """What a workflow is started by; YAML 1.1 reads `on` as true."""
    return workflow.get("on", workflow.get(True))


@pytest.fixture
def stand_ins(tmp_path, monkeypatch):
    """`pip` and `gh` that only note their arguments, before everything else on the path."""
    folder = tmp_path / "stand-ins"
    folder.mkdir()
    for name in ("pip", "gh"):
        (folder / name).write_text(f'#!/bin/sh\nprintf "%s\\n" "{name} $*" >> "{tmp_path}/called"\n')
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([str(folder), SCRIPTS, os.environ["PATH"]]))
    return tmp_path / "called"


def test_every_block_of_the_page_is_known_here():
    """A file that nobody runs here would be a promise."""
    assert len(WORKFLOWS) + len(GITLAB) + len(HOOKS) == len(CI)
    assert set(WORKFLOWS) == {"data", "scan", "materialize"}
    assert set(GITLAB) == {"review", "materialize"}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_actionlint_finds_nothing_in_a_workflow(name):
    """Nor shellcheck in what its steps run."""
    [text] = [text for text in found("ci.md", "yaml") if yaml.safe_load(text).get("name") == name]
    assert linted(text) == []
    for job in WORKFLOWS[name]["jobs"].values():
        for step in job["steps"]:
            assert shellchecked(step.get("run", "")) == ""


@pytest.mark.parametrize("after", [CHANGED, BROKEN], ids=["in order", "with a mistake"])
@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_runs(name, after, tmp_path, stand_ins):
    """Every job of it, by what it is started by; with a mistake it fails, and what should be told still is."""
    [event] = trigger(WORKFLOWS[name])
    base = pull_request(tmp_path / "repository", after)
    change = {"base": {"sha": base}, "number": 17, "head": {"repo": {"full_name": "shop/data"}}}
    github = {
        "event_name": event,
        "token": "t",
        "repository": "shop/data",
        "event": {"pull_request": change} if event == "pull_request" else {},
    }
    machine = Runner(tmp_path / "repository", tmp_path / "runner", github, ROOT, {"install": "none"})
    ended = [machine.job(job) for job in WORKFLOWS[name]["jobs"].values()]

    assert ended == ["success" if after is CHANGED else "failure"], machine.ran
    if name == "materialize" and after is CHANGED:
        assert (machine.workspace / "report.txt").read_text().strip() == "1"
    if name == "data" and after is CHANGED:
        report = tmp_path / "runner" / "assets-diff.md"
        called = f"gh pr comment 17 --edit-last --create-if-none --body-file {report}\n"
        assert stand_ins.read_text().endswith(called)
        assert report.read_text() == machine.summary != ""
    if name == "scan":
        assert json.loads((machine.workspace / "assets.sarif").read_text())["version"] == "2.1.0"


@pytest.mark.parametrize("after", [CHANGED, BROKEN], ids=["in order", "with a mistake"])
@pytest.mark.parametrize("name", GITLAB)
def test_a_job_of_gitlab_runs(name, after, tmp_path, stand_ins):
    """Its lines by one shell, as a runner does; its artifacts are there, whether it fails or not."""
    job, root = GITLAB[name], tmp_path / "repository"
    base = pull_request(root, after)
    (root / "ci").mkdir()
    [script] = found("ci.md", "python")
    (root / "ci" / "code_quality.py").write_text(script)
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", "\n".join(job["script"])],
        cwd=root,
        env={**os.environ, **job["variables"], "CI": "true", "CI_MERGE_REQUEST_DIFF_BASE_SHA": base},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == (0 if after is CHANGED else 2), done.stdout + done.stderr
    kept = job.get("artifacts", {})
    for file in (*kept.get("paths", ()), *kept.get("reports", {}).values()):
        assert (root / file).exists()
    if "reports" in kept and after is BROKEN:
        [entry] = json.loads((root / kept["reports"]["codequality"]).read_text())
        assert entry["check_name"] == "A0102"
        assert entry["location"] == {"path": "assets.yml", "lines": {"begin": 9}}
        assert entry.keys() == {"description", "check_name", "fingerprint", "severity", "location"}


def test_the_table_of_inputs_is_that_of_the_action():
    """Each once, in the action's order, with its default."""
    page = (ROOT / "docs" / "guides" / "ci.md").read_text()
    rows = page.split("| input | default | |\n|---|---|---|\n")[1].split("\n\n")[0]
    table = re.findall(r"^\| `(\w+)` \| ([^|]*?) ?\| ", rows, re.MULTILINE)
    described = yaml.safe_load((ROOT / "action.yml").read_text())["inputs"]
    assert [name for name, _ in table] == list(described)
    for name, shown in table:
        if shown.startswith("`"):
            assert shown.strip("`") == described[name]["default"]


def test_the_hook_that_the_page_names_is_ours():
    """Its id, and arguments that `validate` takes."""
    [hook] = HOOKS[0]["repos"][0]["hooks"]
    [ours] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert hook["id"] == ours["id"]


# -- editor.md -------------------------------------------------------------------------------------------------------


def test_the_lines_that_name_a_schema_work(tmp_path):
    """As the page has them, in files where it says: the language server checks by that schema."""
    lines = [text.strip() for text in found("editor.md", "text")]
    assert len(lines) == 3
    for line in lines:
        place = tmp_path / "assets" / "more.yml" if "included" in line else tmp_path / "assets.yml"
        place.parent.mkdir(exist_ok=True)
    (tmp_path / "assets.schema.json").write_text((ROOT / "schemas" / "manifest.schema.json").read_text())
    with serving() as server:
        for line in lines:
            is_included = "included" in line
            place = tmp_path / "assets" / "more.yml" if is_included else tmp_path / "assets.yml"
            text = f"{line}\n" + ("" if is_included else "version: 1\n") + "assets: []\n"
            assert server.diagnose(place, text) == []
            told = server.diagnose(place, f"{text}nosuchkey: 1\n")
            assert [each.underlined for each in told] == ["nosuchkey"]


def test_the_settings_of_vs_code_work_without_such_a_line(tmp_path):
    """The language server that its extension runs takes them as they are; paths are seen from the folder's root."""
    [settings] = [json.loads(text) for text in found("editor.md", "json") if "yaml.schemas" in text]
    schema = (ROOT / "schemas" / "manifest.schema.json").read_text()
    (tmp_path / "assets.schema.json").write_text(schema)
    configured = {"yaml": {**SETTINGS["yaml"], "schemas": settings["yaml.schemas"]}}
    with serving(configured, root=tmp_path) as server:
        for name in ("assets.yml", "assets.yaml", "folder/assets.yml"):
            assert server.diagnose(tmp_path / name, "version: 1\nassets: []\n") == []
            told = server.diagnose(tmp_path / name, "version: 1\nnosuchkey: 1\n")
            assert [each.underlined for each in told] == ["nosuchkey"]


def test_the_task_of_vs_code_finds_the_problems(tmp_path):
    """Its command prints lines that its patterns match, one after the other: message, then place."""
    [tasks] = [json.loads(text)["tasks"] for text in found("editor.md", "json") if '"tasks"' in text]
    [task] = tasks
    (tmp_path / "assets.yml").write_text(BROKEN)
    path = f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"
    shown = subprocess.run(
        ["sh", "-c", task["command"]],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = shown.stdout.splitlines()
    first, second = task["problemMatcher"]["pattern"]
    matched = [
        (head[first["severity"]], head[first["code"]], place[second["file"]], place[second["line"]])
        for one, two in pairwise(lines)
        if (head := re.match(first["regexp"], one)) and (place := re.match(second["regexp"], two))
    ]
    assert matched == [("error", "A0102", "assets.yml", "9")]
