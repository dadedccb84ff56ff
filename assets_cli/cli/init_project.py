"""Writes the small working project of `assets init`. Knows nothing of the command line, nor of what the files say."""

from __future__ import annotations

import os
import re
from importlib import resources
from pathlib import Path

from assets_cli.manifest.schemas import schema_text
from assets_cli.model.problem import AssetsError, Problem, system_reason

# Where a file comes from in `templates` and what it is called in the project. A wheel may drop a .gitignore.
TEMPLATES = {
    "assets.yml": "assets.yml",
    "generate.py": "generate.py",
    "sql/orders.sql": "sql/orders.sql",
    "sql/customers.sql": "sql/customers.sql",
    "sales_report.py": "sales_report.py",
    "README.md": "README.md",
    "gitignore": ".gitignore",
}
# For a folder in which there is something already: nothing but a manifest to be filled in.
BARE = {"bare.yml": "assets.yml"}
# The schema goes beside the manifest, to be committed: an editor then needs no network, every clone has it (which
# .assets/, being ignored, would not give), and it is the one of the version that the project was written for.
SCHEMA = "assets.schema.json"
# A project that has one of these has a manifest already.
OTHER_MANIFESTS = ("assets.yaml",)
_PLACEHOLDER = "__PROJECT__"


def write_project(directory: Path, *, bare: bool = False) -> tuple[str, ...]:
    """Write a new project into a directory, made if need be, and return the names of the files, the manifest first.

    A `bare` one has no assets yet.

    Either all of them are written or, where one is in the way or the disk is full, none.

    Raises:
        AssetsError: a file is there already (A0801), or the directory cannot be written to (A0802).
    """
    name, templates = project_name(directory), BARE if bare else TEMPLATES
    contents = {target: _template(source).replace(_PLACEHOLDER, name) for source, target in templates.items()}
    contents[SCHEMA] = schema_text("manifest")
    _refuse_to_overwrite(directory, (*contents, *OTHER_MANIFESTS))
    written: list[Path] = []
    for target, text in contents.items():
        path = directory / target
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # "x": a file that appeared since we looked is not overwritten either.
            with path.open("x", encoding="utf-8", newline="\n") as file:
                written.append(path)
                file.write(text)
        except OSError as error:
            for mine in written:
                mine.unlink(missing_ok=True)
            if isinstance(error, FileExistsError | NotADirectoryError):
                reason = f"{error.filename} is in the way"
            else:
                reason = system_reason(error)
            raise AssetsError(
                Problem("A0802", f"cannot write {path}: {reason}", hint="name a directory that you may write to")
            ) from error
    return tuple(contents)


def project_name(directory: Path) -> str:
    """A project's name from its directory's: letters of any script, digits, `_`, `-`, `.`; or `project`."""
    return re.sub(r"[^\w.-]+", "_", directory.resolve().name).strip("_.-") or "project"


def _template(name: str) -> str:
    return (resources.files("assets_cli.cli") / "templates" / name).read_text(encoding="utf-8")


def _refuse_to_overwrite(directory: Path, targets: tuple[str, ...]) -> None:
    there = [target for target in targets if os.path.lexists(directory / target)]
    if there:
        hint = "nothing was written; name another directory: assets init my_project"
        if not any(os.path.lexists(directory / name) for name in ("assets.yml", SCHEMA, *OTHER_MANIFESTS)):
            hint += ", or write a manifest alone: assets init --bare"
        raise AssetsError(Problem("A0801", f"init would overwrite {', '.join(there)} in {directory}", hint=hint))
