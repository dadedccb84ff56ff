"""What validate says of the parameters of Python functions: those that nothing is handed to, or not what they ask for.

From the text of their modules, which are never imported; so of a function that may be another when it is called
nothing is said. The rules are those of `computes.arguments`, by which a function is called.
"""

from __future__ import annotations

from collections.abc import Iterator

from assets_cli.inference.parameters import Parameter, Signatures
from assets_cli.model.manifest import Asset, Manifest, PythonCommand, parameter_name
from assets_cli.model.problem import Place, Problem
from assets_cli.model.spelling import nearest
from assets_cli.probing.files import FileDigests

_PATHS = frozenset(("Path", "pathlib.Path", "PurePath", "pathlib.PurePath"))
_NEVER = frozenset(("int", "float", "complex", "bool", "bytes", "bytearray", "list", "dict", "set", "tuple"))


def handing(manifest: Manifest, files: FileDigests, *, whole: bool = True) -> Iterator[Problem]:
    """What is doubtful about the parameters of Python assets. `manifest` is the completed one.

    When it is not `whole`, a parameter may be an asset that was left out.
    """
    signatures = Signatures(files)
    by_parameter: dict[str, list[str]] | None = None
    for asset in manifest.assets.values():
        if not isinstance(asset.command, PythonCommand):
            continue
        upstreams = {parameter_name(name): name for name in asset.upstreams}
        for parameter in signatures.of(asset.command):
            if parameter.name == "context" or not parameter.is_certain:
                continue
            if parameter.name in upstreams:
                yield from _cannot_be_handed(manifest, asset, parameter, upstreams[parameter.name])
            elif whole:
                by_parameter = _by_parameter(manifest) if by_parameter is None else by_parameter
                yield _is_nothing(asset, parameter, by_parameter)


def _by_parameter(manifest: Manifest) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in manifest.assets:
        found.setdefault(parameter_name(name), []).append(name)
    return found


def _is_nothing(asset: Asset, parameter: Parameter, by_parameter: dict[str, list[str]]) -> Problem:
    candidates = [name for name in by_parameter.get(parameter.name, ()) if name != asset.name]
    near = nearest(parameter.name, [*(set(by_parameter) - {parameter_name(asset.name)}), "context"])
    if candidates:
        hint = f"write the one that is meant under upstreams: {' or '.join(candidates)}"
    elif near is not None:
        hint = f"did you mean {near}?"
    else:
        hint = "name an asset, or context, or give it a default"
    message = f"the parameter {parameter.name} of {_shown(asset)} is neither an upstream nor `context`"
    return _problem("A0324", message, asset, parameter, hint)


def _cannot_be_handed(manifest: Manifest, asset: Asset, parameter: Parameter, upstream: str) -> Iterator[Problem]:
    made = manifest.assets.get(upstream)
    if made is None or made.is_external:
        return
    whose = f"the parameter {parameter.name} of {_shown(asset)}"
    if parameter.annotation in _NEVER:
        hint = "annotate it str, Path, pandas.DataFrame, polars.DataFrame, pyarrow.Table or duckdb.DuckDBPyRelation"
        yield _problem(
            "A0325", f"{whose} asks for {parameter.annotation}, which no upstream is", asset, parameter, hint
        )
    elif made.output is None:
        hint = f"declare what {upstream} writes, or write it under upstreams and leave the parameter out"
        message = f"{whose} is handed nothing: its upstream {upstream} declares no output"
        yield _problem("A0325", message, asset, parameter, hint)
    elif made.output.table is not None and parameter.annotation in _PATHS:
        hint = f"annotate {parameter.name} str to get the table's name, or as a frame to get its rows"
        message = f"{whose} asks for a Path, but {upstream} is the table {made.output.table}"
        yield _problem("A0325", message, asset, parameter, hint)


def _shown(asset: Asset) -> str:
    command = asset.command
    return f"{command.module}:{command.function}" if isinstance(command, PythonCommand) else asset.name


def _problem(code: str, message: str, asset: Asset, parameter: Parameter, hint: str) -> Problem:
    place = Place(parameter.file, parameter.line, parameter.column)
    return Problem(code, message, "warning", place, hint=hint, asset=asset.name)
