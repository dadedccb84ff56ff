"""A git repository with a change in it, as a pull request has one: a commit on `main`, and a branch off it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

_SETTINGS = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
    "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
    "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
}

MANIFEST = """\
version: 1
project: shop
assets:
  - name: orders
    owner: sales
    command: {shell: "echo 1,ada,12.50 > orders.csv"}
    output: {path: orders.csv}
  - name: report
    owner: finance
    command: {shell: "wc -l < orders.csv > report.txt"}
    output: {path: report.txt}
    upstreams: [orders]
    freshness: {max_lag: 24h}
"""
CHANGED = MANIFEST.replace("12.50", "13.00")
BROKEN = MANIFEST.replace("    owner: finance", "    ownr: finance")


def git(root: Path, *arguments: str) -> str:
    """Run git in a folder, whatever the user has configured."""
    done = subprocess.run(
        ["git", *arguments], cwd=root, env={**os.environ, **_SETTINGS}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def commit(root: Path, files: Mapping[str, str], message: str) -> str:
    """Write files and commit them; the commit."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", message)
    return git(root, "rev-parse", "HEAD")


def pull_request(root: Path, after: str, *, folder: str = "", before: str = MANIFEST) -> str:
    """A repository on a branch that changes a manifest; the commit of `main` that the branch is to be merged onto."""
    root.mkdir(parents=True, exist_ok=True)
    git(root, "init", "--quiet", "--initial-branch", "main")
    name = f"{folder}/assets.yml" if folder else "assets.yml"
    base = commit(root, {name: before, ".gitignore": ".assets/\n"}, "The shop")
    git(root, "switch", "--quiet", "--create", "change")
    commit(root, {name: after}, "A change")
    return base
