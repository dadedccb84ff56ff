"""The composite action: its `run:` steps are executed, by the shells that they name, on repositories with a change.

What stays GitHub's own: that a runner hands the inputs over as `support.workflows` does, and shows the annotations.
"""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from support.linters import linted, shellchecked
from support.repositories import BROKEN, CHANGED, MANIFEST, commit, git, pull_request
from support.workflows import Runner

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
STEPS = ACTION["runs"]["steps"]
RUN = {"install": "none"}


@pytest.fixture
def runner(tmp_path):
    """Makes a runner for a pull request with this manifest."""

    def make(after: str, folder: str = "") -> Runner:
        base = pull_request(tmp_path / "repository", after, folder=folder)
        event = {"event_name": "pull_request", "event": {"pull_request": {"base": {"sha": base}}}}
        return Runner(tmp_path / "repository", tmp_path / "runner", event, ROOT)

    return make


def outcomes(runner: Runner) -> list[tuple[str, str]]:
    """What became of each step."""
    return [(step.name, step.outcome) for step in runner.ran]


def test_a_change_is_validated_and_its_difference_is_the_summary(runner):
    """The outputs say that all is well and that there is a difference; the summary is the report."""
    machine = runner(CHANGED)
    ended, outputs = machine.composite(RUN)

    assert outcomes(machine) == [
        ("Install assets", "skipped"),
        ("Validate", "success"),
        ("Summarize the difference", "success"),
        ("Summarize the plan", "skipped"),
    ], machine.ran
    assert ended == "success"
    assert outputs["valid"] == outputs["changed"] == "true"
    assert Path(outputs["report"]).read_text() == machine.summary
    assert "orders" in machine.summary
    assert "finance" in machine.summary  # who is below it


def test_a_change_that_changes_nothing_says_so(runner):
    """A comment is no difference."""
    machine = runner(MANIFEST + "# a comment\n")
    _, outputs = machine.composite(RUN)
    assert (outputs["valid"], outputs["changed"]) == ("true", "false")


@pytest.mark.parametrize("folder", ["", "pipelines/shop"])
def test_a_mistake_is_annotated_where_it_stands_in_the_repository(runner, folder):
    """The path is seen from the root of the repository, wherever the manifest lies; the job fails."""
    machine = runner(BROKEN, folder)
    ended, outputs = machine.composite({**RUN, "directory": folder or "."})

    printed = next(step.printed for step in machine.ran if step.name == "Validate")
    path = f"{folder}/assets.yml" if folder else "assets.yml"
    annotation = next(line for line in printed.splitlines() if line.startswith("::error "))
    properties = dict(each.split("=", 1) for each in annotation.split("::")[1].removeprefix("error ").split(","))
    assert (properties["file"], properties["line"], properties["col"]) == (path, "9", "5")
    assert "ownr" in annotation
    assert (ended, outputs["valid"]) == ("failure", "false")


def test_warnings_fail_the_job_only_when_it_is_strict(runner):
    """`strict` is `validate --strict`."""
    doubtful = MANIFEST.replace("    freshness: {max_lag: 24h}\n", "")
    assert runner(doubtful).composite(RUN)[0] == "success"


def test_strict_counts_warnings(runner):
    """The same project, asked strictly."""
    doubtful = MANIFEST.replace("    freshness: {max_lag: 24h}\n", "")
    assert runner(doubtful).composite({**RUN, "strict": "true"})[0] == "failure"


def test_without_a_base_there_is_nothing_to_compare(runner):
    """As on a push: the difference is left out, and nothing fails."""
    machine = runner(CHANGED)
    ended, outputs = machine.composite({**RUN, "base": ""})
    assert (ended, outputs["changed"], outputs["report"], machine.summary) == ("success", "", "", "")


def test_what_others_have_done_since_is_no_part_of_the_change(runner):
    """The base has moved on; the change is compared with the commit where it began."""
    machine = runner(MANIFEST + "# a comment\n")
    git(machine.workspace, "switch", "--quiet", "main")
    ahead = commit(machine.workspace, {"assets.yml": CHANGED}, "Meanwhile")
    git(machine.workspace, "switch", "--quiet", "change")
    _, outputs = machine.composite({**RUN, "base": ahead})
    assert outputs["changed"] == "false"


def test_a_shallow_clone_is_told_what_it_lacks(runner, tmp_path):
    """Without `fetch-depth: 0` the base is not there: the step fails and says what to write."""
    machine = runner(CHANGED)
    git(tmp_path, "clone", "--quiet", "--depth", "1", machine.workspace.as_uri(), "shallow")
    machine.workspace = tmp_path / "shallow"
    ended, outputs = machine.composite(RUN)
    assert (ended, outputs["changed"]) == ("failure", "")
    assert "fetch-depth: 0" in machine.ran[-2].printed


def test_the_plan_instead(runner):
    """`summary: plan` shows what would run, in a block of its own, and asks no probe."""
    machine = runner(MANIFEST + '  - name: outside\n    observe: {shell: "touch probed"}\n')
    machine.composite({**RUN, "summary": "plan"})
    assert machine.summary.startswith("````text\nshop · environment default · 3 assets")
    assert machine.summary.endswith("````\n")
    assert not (machine.workspace / "probed").exists()


@pytest.mark.parametrize("name", [name for name in ACTION["inputs"] if name not in ("python", "install")])
def test_no_input_is_ever_part_of_a_script(runner, name):
    """What somebody could write into an input is a value, whatever it looks like."""
    machine = runner(CHANGED)
    machine.composite({**RUN, name: "$(touch pwned)`touch pwned`'; touch pwned; \"; touch pwned #"})
    assert list(machine.workspace.glob("**/pwned")) == []


def test_scripts_hold_no_expression_and_name_their_shell():
    """Inputs reach them by the environment; the shell is the same on every runner."""
    scripts = [step for step in STEPS if "run" in step]
    assert len(scripts) == 4
    for step in scripts:
        assert step["shell"] == "bash"
        assert "${{" not in step["run"]


def test_every_input_is_described_and_used():
    """And has a default: none is required."""
    used = set(re.findall(r"inputs\.(\w+)", yaml.safe_dump(STEPS)))
    assert used == set(ACTION["inputs"])
    for about in ACTION["inputs"].values():
        assert about["description"].endswith(".")
        assert "default" in about


def test_installing_puts_the_command_and_nothing_else_onto_the_path(runner, tmp_path):
    """The real `venv` and pip, with the smallest of packages; `pip install` of a checkout is in test_install.py."""
    wheel = tmp_path / "assets_cli-9.9-py3-none-any.whl"
    about = "assets_cli-9.9.dist-info"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("assets_stub.py", "def main(): print('stub')\n")
        file.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: assets-cli\nVersion: 9.9\n")
        file.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{about}/entry_points.txt", "[console_scripts]\nassets = assets_stub:main\n")
        file.writestr(f"{about}/RECORD", "")
    machine = runner(CHANGED)
    machine.composite({"install": str(wheel), "python": sys.executable})

    assert outcomes(machine)[0] == ("Install assets", "success"), machine.ran
    [folder] = [Path(entry) for entry in machine.path]
    assert [each.name for each in folder.iterdir()] == ["assets"]
    shown = subprocess.run([folder / "assets"], capture_output=True, text=True, check=True)
    assert shown.stdout == "stub\n"


def test_actionlint_and_shellcheck_find_nothing():
    """The steps are read as those of a workflow, since actionlint reads no action."""
    inputs = {name: {"type": "string", "description": about["description"]} for name, about in ACTION["inputs"].items()}
    job = {"runs-on": "ubuntu-latest", "steps": STEPS}
    workflow = {"name": "action", "on": {"workflow_call": {"inputs": inputs}}, "jobs": {"assets": job}}
    assert linted(yaml.safe_dump(workflow, sort_keys=False)) == []
    assert [shellchecked(step.get("run", "")) for step in STEPS] == [""] * 4


def test_the_linters_see_what_is_wrong():
    """An input that the action does not have, a script that splits words."""
    step = {"run": "true", "shell": "bash", "env": {"X": "${{ inputs.gone }}"}}
    workflow = {"on": {"workflow_call": {}}, "jobs": {"a": {"runs-on": "ubuntu-latest", "steps": [step]}}}
    [told] = linted(yaml.safe_dump(workflow))
    assert 'property "gone" is not defined' in told
    assert "SC2086" in shellchecked("touch $X")
