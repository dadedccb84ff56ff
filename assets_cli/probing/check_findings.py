"""What can be wrong with checks before anything runs, for `assets validate`: functions and files that are not there.

Reads files; opens no database and runs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from posixpath import normpath
from typing import NamedTuple

from assets_cli.model.manifest import Asset, PythonCommand
from assets_cli.model.problem import Place, Problem, system_reason
from assets_cli.probing import nearest
from assets_cli.probing.code import CodeLook


class Use(NamedTuple):
    """A text of a check that may take variables from the environment, and its keys in the asset."""

    keys: tuple[str | int, ...]
    text: str


def check_findings(look: CodeLook, asset: Asset) -> Iterator[Problem]:
    """What is wrong with the functions and the files that an asset's checks name."""
    for index, check in enumerate(asset.checks):
        place = look.manifest.locate(asset.name, "checks", index, check.kind)
        if check.kind == "python":
            command = PythonCommand(check.arguments["module"], check.arguments["function"])
            yield from function_findings(look, command, place, asset)
        elif (path := check.arguments.get("path")) is not None:
            yield from sql_file(look, asset, normpath(path), place)


def texts(asset: Asset) -> Iterator[Use]:
    """The queries and commands that are written in the manifest itself."""
    for index, check in enumerate(asset.checks):
        text = check.arguments.get("query") or check.arguments.get("run")
        if isinstance(text, str):
            yield Use(("checks", index, check.kind), text)


def function_findings(
    look: CodeLook, command: PythonCommand, place: Place, asset: Asset | None = None
) -> Iterator[Problem]:
    """What is wrong with a function that a check of an asset names, or that the manifest does elsewhere."""
    module, function = command.module, command.function

    def problem(code: str, message: str, hint: str, at: Place = place) -> Problem:
        return Problem(code, message, place=at, hint=hint, asset=asset.name if asset is not None else None)

    try:
        path = look.modules.find(module)
        source = look.modules.source(path) if path is not None else None
    except OSError as error:
        reason = system_reason(error)
        yield problem("A0304", f"the module {module} cannot be read: {reason}", "make it readable")
        return
    if path is None or source is None:
        # One that is installed is taken on trust, as for a command; PYTHONPATH may lead anywhere.
        leads_anywhere = asset is not None and "PYTHONPATH" in asset.env
        if not leads_anywhere and not nearest.is_installed(module, look.files.root):
            files = nearest.files(look.files.root, ".py")
            known = [each.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for each in files]
            hint = nearest.hint(module, known) or "modules are found from the project root, as in package.module"
            yield problem("A0304", f"there is no module {module}", hint)
    elif source.error is not None:
        hint = "correct it; nothing can be run from it"
        yield problem("A0306", f"{path} is not valid Python: {source.error}", hint, Place(path, source.line, 1))
    elif not source.binds(function.partition(".")[0]):
        hint = nearest.hint(function, source.names) or f"define it in {path}"
        yield problem("A0305", f"{path} has no function {function}", hint)


def sql_file(look: CodeLook, asset: Asset, path: str, place: Place) -> Iterator[Problem]:
    """What is wrong with an SQL file that an asset names besides its command."""
    try:
        with open(look.files.full(path), encoding="utf-8") as file:  # noqa: PTH123
            file.read()
    except FileNotFoundError:
        hint = nearest.hint(path, nearest.files(look.files.root, ".sql")) or "create it, or correct the path"
        yield Problem("A0301", f"the SQL file {path} does not exist", place=place, hint=hint, asset=asset.name)
    except UnicodeDecodeError:
        yield Problem("A0302", f"{path} is not UTF-8", place=place, hint="save it as UTF-8", asset=asset.name)
    except OSError as error:
        message = f"the SQL file {path} cannot be read: {system_reason(error)}"
        yield Problem("A0301", message, place=place, hint="make it readable", asset=asset.name)
