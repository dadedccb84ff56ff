"""The documentation is true: every command and every manifest in it runs, and shows what the page says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import generate  # noqa: E402 - found beside the pages

PAGES = generate.pages()
IDS = [str(page.relative_to(ROOT)) for page in PAGES]

RUN_ELSEWHERE = {
    "make demo": "tests/integration/test_install.py",
    "make test": ".ci/run",
    "make setup": ".ci/run",
    "make bench": "tests/integration/test_benchmarks.py",
    "pip install .": "tests/integration/test_install.py",
}
"""Commands of pages that cannot be walked in an empty folder, and the file that runs them."""


NO_FILE = "A0131"
"""An `include` that names no file: a manifest is validated without what it names beside itself."""


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_a_page_shows_what_happens(page):
    """Every `console` block, walked in order, prints what the page says."""
    assert generate.settled(generate.expected(page)) == generate.settled(page.read_text())


@pytest.mark.parametrize("name", sorted(generate.REFERENCE))
def test_the_reference_is_made_from_the_code(name):
    """Run `make docs` after a change of schema, help or codes."""
    page = ROOT / "docs" / "reference" / name
    assert generate.settled(page.read_text()) == generate.settled(generate.REFERENCE[name]())


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_manifest_in_a_page_is_valid(page, tmp_path):
    """A whole manifest is validated as it stands; what it names beside itself need not exist."""
    for number, block in enumerate(generate.blocks(page.read_text())):
        if block.language != "yaml" or not block.text.lstrip().startswith(("version:", "# yaml-language-server")):
            continue
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "assets.yml").write_text(block.text)
        done = subprocess.run(
            [sys.executable, "-m", "assets_cli", "validate", "--format", "json"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        errors = {each["code"] for each in json.loads(done.stdout)["problems"] if each["severity"] == "error"}
        assert not {code for code in errors if code.startswith(("A01", "A02"))} - {NO_FILE}, done.stdout


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_other_command_is_run_by_some_test(page):
    """A command that is not walked is in the table above, with the file that runs it."""
    for block in generate.blocks(page.read_text()):
        if block.language == "sh":
            for line in block.text.splitlines():
                command = line.split("#")[0].strip()
                assert not command or command in RUN_ELSEWHERE, command
                assert not command or (ROOT / RUN_ELSEWHERE[command]).exists()


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_links_lead_somewhere(page):
    """Every relative link names a file that is there."""
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target
