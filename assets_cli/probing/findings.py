"""What can be wrong with code and environment before anything runs, for `assets validate`: all of it at once.

Reads files; opens no database and runs nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from posixpath import normpath
from typing import NamedTuple

from assets_cli.graph.graph import AssetGraph
from assets_cli.model.manifest import (
    Asset,
    Connection,
    HttpProbe,
    PathProbe,
    ShellCommand,
    ShellProbe,
    Spot,
    SqlCommand,
    SqlProbe,
)
from assets_cli.model.problem import Place, Problem
from assets_cli.model.template import environment_names
from assets_cli.probing import nearest, shell_scripts
from assets_cli.probing.check_findings import Use, check_findings, sql_file, texts
from assets_cli.probing.code import CodeLook
from assets_cli.probing.files import FileDigests

_MOST_LISTED = 3


class Findings(NamedTuple):
    """What is wrong with code and environment, in the manifest's order, and the paths of the files that count as code.

    Among the paths are names of components that are no files.
    """

    problems: tuple[Problem, ...]
    code: frozenset[str]


def findings(graph: AssetGraph, environ: Mapping[str, str], files: FileDigests) -> Findings:
    """Problems of code, unset variables, and files that commands name and nobody counts."""
    look = CodeLook(graph.manifest, files)
    outputs = _Outputs(graph)
    found: dict[Problem, None] = {}
    code: set[str] = set()
    for asset in graph.manifest.assets.values():
        if asset.command is not None:
            examined = look.examine(asset, {})
            found.update(dict.fromkeys(examined.problems))
            code.update(examined.components)
            if isinstance(asset.command, ShellCommand):
                found.update(dict.fromkeys(_shell_findings(look, asset, asset.command, examined.components, outputs)))
        found.update(dict.fromkeys(check_findings(look, asset)))
        if isinstance(asset.observe, SqlProbe) and asset.observe.path is not None:
            place = look.manifest.locate(asset.name, "observe", "sql")
            found.update(dict.fromkeys(sql_file(look, asset, normpath(asset.observe.path), place)))
        found.update(dict.fromkeys(_unset(look, asset, environ)))
    found.update(dict.fromkeys(_unset_in_connections(look, environ)))
    files.save()
    return Findings(tuple(found), frozenset(code))


class _Outputs:
    """The paths that assets declare, to tell what is made from what is written by hand."""

    def __init__(self, graph: AssetGraph) -> None:
        declared = [asset.output.path for asset in graph.manifest.assets.values() if asset.output and asset.output.path]
        self._exact = {normpath(path) for path in declared}
        self._patterns = [normpath(path) for path in declared if any(char in path for char in "*?[")]

    def hold(self, path: str) -> bool:
        """Whether a path is an output of an asset, or in one."""
        while path:
            if path in self._exact or any(fnmatch(path, pattern) for pattern in self._patterns):
                return True
            path = path.rpartition("/")[0]
        return False


def _shell_findings(
    look: CodeLook, asset: Asset, command: ShellCommand, counted: Mapping[str, object], outputs: _Outputs
) -> Iterator[Problem]:
    root = look.files.root
    named = []
    for word in shell_scripts.mentions(command.run):
        path = os.path.relpath(word, root) if word.startswith("/") else word
        if path in counted or path.startswith("../") or path in named or outputs.hold(path):
            continue
        if "\0" not in path and os.path.isfile(f"{root}/{path}"):  # noqa: PTH113
            named.append(path)
    if named:
        verb = "is" if len(named) == 1 else "are"
        message = f"the command of {asset.name} names {_listed(named)}, which {verb} no part of its code version"
        pronoun = "it" if len(named) == 1 else "them"
        hint = f"list {pronoun} under code:, or make {pronoun} an asset and an upstream"
        place = _place(look, asset, command, named[0])
        yield Problem("A0312", message, "warning", place, hint=hint, asset=asset.name)
    yield from _imported(look, asset, command, counted)
    for script in look.named_scripts(command):
        missing = script[0]
        elsewhere = missing.startswith(("/", "../")) or os.path.lexists(f"{root}/{missing}")
        # A script that the command writes first, or that an asset makes, will be there in time; and a module
        # after -m is named by no file.
        in_time = outputs.hold(missing) or command.run.count(missing.rpartition("/")[2]) != 1
        if look.script(script) is not None or elsewhere or in_time:
            continue
        hint = nearest.hint(missing, nearest.files(root, "")) or "create it, or correct the command"
        message = f"the command of {asset.name} runs {missing}, which does not exist"
        place = _place(look, asset, command, missing)
        yield Problem("A0313", message, "warning", place, hint=hint, asset=asset.name)


def _imported(look: CodeLook, asset: Asset, command: ShellCommand, counted: Mapping[str, object]) -> Iterator[Problem]:
    """What Python scripts import besides: a script alone counts, so that a change of the rest would go unnoticed."""
    if asset.code_version is not None:
        return
    for script in look.scripts(command):
        if not script.endswith(".py"):
            continue
        try:
            left = [path for path in look.modules.of_script(script) if path not in counted]
        except OSError:
            continue  # which the step that runs it will say
        if not left:
            continue
        verb = "is" if len(left) == 1 else "are"
        message = f"{script}, which the command of {asset.name} runs, imports {_listed(left)}, which {verb} no part"
        message += " of its code version"
        few = len(left) <= _MOST_LISTED
        hint = f"count {'it' if len(left) == 1 else 'them'}, too: code: [{', '.join(left)}]" if few else ""
        hint = hint or f"list them under code:, or the folder, as in code: [{left[0].rpartition('/')[0] or '.'}]"
        place = _place(look, asset, command, script)
        yield Problem("A0312", message, "warning", place, hint=hint, asset=asset.name)


def _place(look: CodeLook, asset: Asset, command: ShellCommand, word: str) -> Place:
    """Where in a command a file is named; its beginning, where that is made up of several parts."""
    return look.manifest.locate(asset.name, "command", "shell", "run", _spot(command.run, word))


def _spot(text: str, what: str) -> Spot:
    at = max(text.find(what), 0)
    return Spot(text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1)


def _unset(look: CodeLook, asset: Asset, environ: Mapping[str, str]) -> Iterator[Problem]:
    """A warning for each variable without value or default, at each place that uses it."""
    manifest = look.manifest
    uses: list[tuple[tuple[str | int, ...], str]] = []
    command = asset.command
    if isinstance(command, ShellCommand):
        uses.append((("command", "shell", "run"), command.run))
    elif isinstance(command, SqlCommand) and command.query is not None:
        uses.append((("command", "sql"), command.query))
    uses += [(("env", key), value) for key, value in asset.env.items()]
    uses += texts(asset)
    uses += _texts_of_probe(asset)
    if asset.output is not None and asset.output.path is not None:
        uses.append((("output", "path"), asset.output.path))
    for keys, text in uses:
        for name in _missing(text, environ):
            place = manifest.locate(asset.name, *keys, _spot(text, f"${{env.{name}"))
            yield _unset_problem(name, asset.name, place, asset.name)
    if isinstance(command, SqlCommand) and command.path is not None:
        yield from _unset_in_file(look.files, asset, command.path, environ)


def _texts_of_probe(asset: Asset) -> Iterator[Use]:
    """The texts by which an asset is observed, as far as they are in the manifest."""
    probe = asset.observe
    if isinstance(probe, PathProbe):
        yield Use(("observe", "path"), probe.path)
    elif isinstance(probe, ShellProbe):
        yield Use(("observe", "shell", "run"), probe.run)
    elif isinstance(probe, SqlProbe) and probe.query is not None:
        yield Use(("observe", "sql"), probe.query)
    elif isinstance(probe, HttpProbe):
        yield Use(("observe", "http", "url"), probe.url)
        yield from (Use(("observe", "http", "headers", name), value) for name, value in probe.headers.items())


def _unset_in_connections(look: CodeLook, environ: Mapping[str, str]) -> Iterator[Problem]:
    """A warning for each variable of a connection that is used, where the connection is declared."""
    manifest = look.manifest
    seen: set[str] = set()
    for asset in manifest.assets.values():
        for connection in _connections_of(look, asset):
            if connection is None or connection.name in seen:
                continue
            seen.add(connection.name)
            told: set[str] = set()
            for key, text in connection.options.items():
                for name in _missing(text, environ):
                    if name not in told:
                        told.add(name)
                        place = manifest.locate("", "connections", connection.name, key, _spot(text, f"${{env.{name}"))
                        yield _unset_problem(name, f"the connection {connection.name}", place, asset.name)


def _connections_of(look: CodeLook, asset: Asset) -> Iterator[Connection | None]:
    """Those that it needs, as far as the manifest says: of its table, its SQL, its checks and its probe."""
    yield look.connection_of(asset)
    manifest, probe = look.manifest, asset.observe
    if isinstance(probe, SqlProbe) and probe.connection is not None:
        yield manifest.connections.get(probe.connection)
    elif (
        isinstance(probe, SqlProbe) or asset.data_version_sql is not None or any(c.kind == "sql" for c in asset.checks)
    ):
        yield manifest.connection_of(asset)


def _unset_in_file(files: FileDigests, asset: Asset, path: str, environ: Mapping[str, str]) -> Iterator[Problem]:
    try:
        with open(files.full(path), encoding="utf-8") as file:  # noqa: PTH123
            lines = file.read().splitlines()
    except (OSError, UnicodeDecodeError):
        return  # a problem of its own
    for number, line in enumerate(lines, 1):
        for name in _missing(line, environ):
            yield _unset_problem(name, path, Place(path, number, line.find("${env." + name) + 1), asset.name)


def _missing(text: str, environ: Mapping[str, str]) -> list[str]:
    return [name for name, default in environment_names(text) if not default and name not in environ]


def _unset_problem(name: str, user: str, place: Place, asset: str) -> Problem:
    message = f"the environment variable {name} is not set, {user} uses it"
    hint = f"set {name}, put it into .env, or give it a default: ${{env.{name}:-…}}"
    return Problem("A0311", message, "warning", place, hint=hint, asset=asset)


def _listed(names: list[str]) -> str:
    if len(names) > _MOST_LISTED:
        return f"{', '.join(names[:_MOST_LISTED])} and {len(names) - _MOST_LISTED} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
