"""Fresh machines: `make demo`, `pip install .`, and the schemas from a wheel and from a checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLEAN = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV", "MAKEFLAGS")}


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A command that must succeed, in an environment without ours."""
    done = subprocess.run(
        [str(each) for each in command], cwd=cwd, env=CLEAN, capture_output=True, text=True, check=False, timeout=900
    )
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """What a clone holds, without anything that was made here."""
    target = tmp_path_factory.mktemp("clone") / "assets"
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


def test_make_demo_on_a_clean_checkout(checkout):
    """It installs, materializes real data, shows plan, lineage and result, and leaves nothing to do."""
    shown = run("make", "demo", cwd=checkout).stdout

    assert "raw_events" in shown
    assert "23,570" in shown
    assert "probability alive" in shown
    again = run(
        checkout / ".venv/bin/assets", "-C", "examples/manifests/customer_clv", "plan", "--exit-code", cwd=checkout
    )
    assert "Nothing to do" in again.stdout


def test_pip_install_alone_gives_a_working_command(checkout, tmp_path):
    """From the wheel: a command that starts a project, with the schemas inside the package."""
    run(sys.executable, "-m", "venv", tmp_path / "env", cwd=tmp_path)
    run(tmp_path / "env/bin/python", "-m", "pip", "install", "--quiet", checkout, cwd=tmp_path)
    assets = tmp_path / "env/bin/assets"

    run(assets, "init", "shop", cwd=tmp_path)
    run(assets, "materialize", cwd=tmp_path / "shop")
    run(assets, "plan", "--exit-code", cwd=tmp_path / "shop")
    assert run(assets, "schema", cwd=tmp_path).stdout == (ROOT / "schemas/manifest.schema.json").read_text()
    where = run(tmp_path / "env/bin/python", "-c", "import assets_cli; print(assets_cli.__file__)", cwd=tmp_path).stdout
    packaged = Path(where.strip()).parent / "schemas"
    assert sorted(each.name for each in packaged.iterdir()) == sorted(
        each.name for each in (ROOT / "schemas").iterdir()
    )


def test_schemas_of_an_editable_install():
    """In a checkout they are read where they are edited."""
    from assets_cli.manifest import schema_names, schema_text

    names = sorted(each.name.removesuffix(".schema.json") for each in (ROOT / "schemas").iterdir())
    assert sorted(schema_names()) == names
    assert all(schema_text(name) == (ROOT / "schemas" / f"{name}.schema.json").read_text() for name in names)
