"""What `assets init` writes, and what it refuses."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import jsonschema
import pytest
import yaml

from assets_cli.cli.init_project import project_name, write_project
from assets_cli.model.problem import AssetsError, Problem

FILES = (
    "assets.yml",
    "generate.py",
    "sql/orders.sql",
    "sql/customers.sql",
    "sales_report.py",
    "README.md",
    ".gitignore",
    "assets.schema.json",
)


def files_below(directory: Path) -> set[str]:
    """All files in a directory, by their relative names."""
    return {path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()}


def test_all_files_are_written_and_named(tmp_path: Path) -> None:
    """A directory that is not there is made, and what is returned is exactly what is in it."""
    project = tmp_path / "some" / "shop"
    assert write_project(project) == FILES
    assert files_below(project) == set(FILES)


def test_a_bare_project_is_a_manifest_to_fill_in(tmp_path: Path) -> None:
    """Beside whatever is there; it is valid as it is, and what it shows in a comment is valid, too."""
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / "Makefile").touch()
    assert write_project(tmp_path, bare=True) == ("assets.yml", "assets.schema.json")
    assert files_below(tmp_path) == {"README.md", "Makefile", "assets.yml", "assets.schema.json"}
    text = (tmp_path / "assets.yml").read_text()
    schema = json.loads((tmp_path / "assets.schema.json").read_text())
    assert yaml.safe_load(text) == {"version": 1, "project": project_name(tmp_path), "assets": []}
    shown = yaml.safe_load("\n".join(["version: 1", *(line[4:] for line in text.splitlines() if line[:4] == "#   ")]))
    assert [each["name"] for each in shown["assets"]] == ["raw_orders", "orders"]
    for document in (yaml.safe_load(text), shown):
        jsonschema.validate(document, schema)
    with pytest.raises(
        AssetsError, match=r"A0801: init would overwrite assets\.yml, assets\.schema\.json in "
    ) as again:
        write_project(tmp_path, bare=True)
    assert again.value.problems[0].hint == "nothing was written; name another directory: assets init my_project"


def test_project_is_named_after_its_directory(tmp_path: Path) -> None:
    """The manifest and the README carry the directory's name, and no placeholder is left anywhere."""
    write_project(tmp_path / "shop")
    manifest = yaml.safe_load((tmp_path / "shop" / "assets.yml").read_text())
    assert manifest["project"] == "shop"
    assert (tmp_path / "shop" / "README.md").read_text().startswith("# shop\n")
    assert not [name for name in FILES if "__PROJECT__" in (tmp_path / "shop" / name).read_text()]


@pytest.mark.parametrize(
    ("directory", "name"),
    [
        ("shop", "shop"),
        ("my shop (2)", "my_shop_2"),
        ("shop-v1.2", "shop-v1.2"),
        ("żółw", "żółw"),
        ("(店)", "店"),
        ("$()", "project"),
        ("...x", "x"),
    ],
)
def test_names_are_made_safe(tmp_path: Path, directory: str, name: str) -> None:
    """What is no letter of any script, digit, `_`, `-` or `.` becomes one `_`; of nothing comes `project`."""
    assert project_name(tmp_path / directory) == name


def test_name_like_a_number_stays_a_text(tmp_path: Path) -> None:
    """A directory called 2024 makes a project whose name is the text 2024."""
    write_project(tmp_path / "2024")
    assert yaml.safe_load((tmp_path / "2024" / "assets.yml").read_text())["project"] == "2024"


def test_manifest_obeys_the_schema_beside_it(tmp_path: Path) -> None:
    """The first line names the schema file that was written, and the manifest is valid by it."""
    write_project(tmp_path)
    text = (tmp_path / "assets.yml").read_text()
    assert text.splitlines()[0] == "# yaml-language-server: $schema=./assets.schema.json"
    schema = json.loads((tmp_path / "assets.schema.json").read_text())
    assert list(jsonschema.Draft7Validator(schema).iter_errors(yaml.safe_load(text))) == []


def test_existing_files_are_named_and_kept(tmp_path: Path) -> None:
    """With two of its files already there nothing is written, and both are named."""
    (tmp_path / "README.md").write_text("mine\n")
    (tmp_path / ".gitignore").write_text("mine\n")
    with pytest.raises(AssetsError) as refused:
        write_project(tmp_path)
    assert refused.value.problems == (
        Problem(
            "A0801",
            f"init would overwrite README.md, .gitignore in {tmp_path}",
            hint="nothing was written; name another directory: assets init my_project, "
            "or write a manifest alone: assets init --bare",
        ),
    )
    assert files_below(tmp_path) == {"README.md", ".gitignore"}
    assert (tmp_path / "README.md").read_text() == "mine\n"


def test_manifest_by_its_other_name_is_in_the_way(tmp_path: Path) -> None:
    """A project whose manifest is called assets.yaml is not given a second one."""
    (tmp_path / "assets.yaml").write_text("version: 1\n")
    with pytest.raises(AssetsError, match=r"A0801: init would overwrite assets\.yaml in "):
        write_project(tmp_path)
    assert files_below(tmp_path) == {"assets.yaml"}


def test_dangling_link_is_in_the_way(tmp_path: Path) -> None:
    """A link that leads nowhere is not written through."""
    (tmp_path / "assets.yml").symlink_to(tmp_path / "elsewhere.yml")
    with pytest.raises(AssetsError, match=r"A0801: init would overwrite assets\.yml in "):
        write_project(tmp_path)
    assert not (tmp_path / "elsewhere.yml").exists()


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    """A directory with other files in it becomes a project, and they stay as they were."""
    (tmp_path / "notes.txt").write_text("mine\n")
    write_project(tmp_path)
    assert files_below(tmp_path) == {*FILES, "notes.txt"}


def test_file_instead_of_the_directory_is_named(tmp_path: Path) -> None:
    """A file where the project's directory should be is an error that names it."""
    (tmp_path / "shop").write_text("")
    with pytest.raises(AssetsError) as refused:
        write_project(tmp_path / "shop")
    assert refused.value.problems == (
        Problem(
            "A0802",
            f"cannot write {tmp_path}/shop/assets.yml: {tmp_path}/shop is in the way",
            hint="name a directory that you may write to",
        ),
    )


def test_full_disk_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the third file can't be written the two before it are taken back."""
    opened = Path.open

    def full(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.name == "orders.sql" and arguments == ("x",):
            raise OSError(errno.ENOSPC, "No space left on device")
        return opened(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(AssetsError) as refused:
        write_project(tmp_path)
    assert [problem.message for problem in refused.value.problems] == [
        f"cannot write {tmp_path}/sql/orders.sql: no space left on device"
    ]
    assert files_below(tmp_path) == set()


def test_generator_writes_the_same_orders_each_time(tmp_path: Path) -> None:
    """The seed is fixed: two runs of the generator write the same bytes, offline, with the standard library."""
    write_project(tmp_path)
    for name in ("one.csv", "two.csv"):
        environment = os.environ | {"ASSETS_OUTPUT": str(tmp_path / "made" / name)}
        subprocess.run([sys.executable, "-I", "generate.py"], cwd=tmp_path, env=environment, check=True)
    first = (tmp_path / "made" / "one.csv").read_bytes()
    assert first == (tmp_path / "made" / "two.csv").read_bytes()
    assert len(first.splitlines()) == 2_001


def test_queries_and_report_work_on_what_is_generated(tmp_path: Path) -> None:
    """The project's own SQL and Python run on its own data: twelve months, and each paid order counted once."""
    write_project(tmp_path)
    subprocess.run([sys.executable, "generate.py"], cwd=tmp_path, check=True)
    warehouse = duckdb.connect()
    warehouse.execute(f"set file_search_path = '{tmp_path}'")
    for table in ("orders", "customers"):
        warehouse.execute(f"create table {table} as " + (tmp_path / "sql" / f"{table}.sql").read_text())
    module: dict[str, Any] = {}
    exec(compile((tmp_path / "sales_report.py").read_text(), "sales_report.py", "exec"), module)  # ours

    class Context:
        output = tmp_path / "data" / "sales_report.md"
        reported: dict[str, Any]

        def connection(self) -> duckdb.DuckDBPyConnection:
            return warehouse

        def report(self, **facts: Any) -> None:
            self.reported = facts

    context = Context()
    module["build"](context, "orders", "customers")
    paid = (tmp_path / "data" / "raw_orders.csv").read_text().count(",paid\n")
    ((orders, revenue),) = warehouse.execute("select sum(orders), sum(spent)::double from customers").fetchall()
    assert orders == paid
    assert context.reported == {"revenue": revenue}
    assert len([line for line in context.output.read_text().splitlines() if line.startswith("| 2025-")]) == 12
