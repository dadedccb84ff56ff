"""The real pre-commit runs our hook as it is published, `language: python`, in a repository made here.

pre-commit clones this project, makes an environment for it and has pip build and install it there: all for real. Only
what assets depends on is not downloaded once more: pip is told to leave dependencies out, and the hook finds them, and
the build backend, where this test run has them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
from support.repositories import BROKEN, MANIFEST, commit, git

ROOT = Path(__file__).parents[2]
NEEDED = (".pre-commit-hooks.yaml", "pyproject.toml", "README.md", "LICENSE")
FOLDERS = ("assets_cli", "schemas")


@pytest.fixture(scope="module")
def hook(tmp_path_factory):
    """A repository that holds what a clone of this one would give pre-commit, and its commit."""
    root = tmp_path_factory.mktemp("hook") / "assets"
    root.mkdir()
    for name in NEEDED:
        shutil.copy2(ROOT / name, root / name)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    git(root, "init", "--quiet")
    return root, commit(root, {}, "assets")


@pytest.fixture
def project(tmp_path, hook, tmp_path_factory):
    """A project that uses the hook, and a way to run pre-commit in it."""
    root, revision = hook
    git(tmp_path, "init", "--quiet")
    config = f"repos:\n  - repo: {root}\n    rev: {revision}\n    hooks:\n      - id: assets-validate\n"

    def run(manifest: str, more: str = "", folder: str = "") -> subprocess.CompletedProcess[str]:
        (tmp_path / ".pre-commit-config.yaml").write_text(config + more)
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "assets.yml").write_text(manifest)
        git(tmp_path, "add", "--all")
        packages = sysconfig.get_path("purelib")
        environment = {
            **os.environ,
            "PRE_COMMIT_HOME": str(root.parent / "cache"),
            "PIP_NO_DEPS": "1",
            "PIP_NO_INDEX": "1",
            "PIP_NO_BUILD_ISOLATION": "0",  # pip reads it as the option's value: no isolation
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PYTHONPATH": packages,
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return subprocess.run(
            [Path(sysconfig.get_path("scripts")) / "pre-commit", "run", "--color", "never"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


def test_the_hook_finds_what_is_wrong_before_it_is_committed(project, hook):
    """A mistake stops the commit, with the place in the file; mended, the commit goes through."""
    wrong = project(BROKEN)
    assert wrong.returncode == 1, wrong.stdout + wrong.stderr
    assert re.search(r"^assets validate\.+Failed$", wrong.stdout, re.MULTILINE)
    assert "- exit code: 2" in wrong.stdout
    assert "unknown key 'ownr'" in wrong.stdout
    assert "--> assets.yml:9:5" in wrong.stdout

    installed = hook[0].parent.glob("cache/repo*/py_env-*/lib/python*/site-packages/assets_cli/__init__.py")
    assert len(list(installed)) == 1

    right = project(MANIFEST)
    assert right.returncode == 0, right.stdout + right.stderr
    assert re.search(r"^assets validate\.+Passed$", right.stdout, re.MULTILINE)


def test_the_hook_takes_arguments(project):
    """`-C` for a project in a folder, and `--strict`, which fails for a warning."""
    doubtful = MANIFEST.replace("    freshness: {max_lag: 24h}\n", "")
    loose = project(doubtful, "        args: [-C, shop]\n", "shop")
    assert loose.returncode == 0, loose.stdout + loose.stderr
    strict = project(doubtful, "        args: [-C, shop, --strict]\n", "shop")
    assert strict.returncode == 1
    assert "--> shop/assets.yml:" in strict.stdout
