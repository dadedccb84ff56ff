"""What an asset is made by, as named components: its code version, one part at a time.

Reads the files that count and digests what is declared. A part whose bytes are the recorded ones is the recorded
component itself, so that nothing new costs no parser. Knows nothing of which change makes stale.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from posixpath import isabs, join, normpath, relpath
from stat import S_ISREG
from typing import NamedTuple

from assets_cli.model.history import Component
from assets_cli.model.manifest import Asset, Connection, Manifest, Output, PythonCommand, ShellCommand, SqlCommand
from assets_cli.model.problem import Place, Problem
from assets_cli.model.template import UnknownVariableError, fill_vars
from assets_cli.model.world import CodeProbe
from assets_cli.probing import nearest, normalise, shell_scripts
from assets_cli.probing.files import FileDigests
from assets_cli.probing.paths import Walls
from assets_cli.probing.python_imports import Modules

FIELDS = frozenset(("compute", "command", "env", "output", "connection", "code_version"))
"""The components that are no files. A file of such a name is kept under `./name`."""
_PLAIN_SHELL = ShellCommand("").interpreter


def probe_code(
    manifest: Manifest, asset: Asset, recorded: Mapping[str, Component] | None, files: FileDigests
) -> CodeProbe:
    """The components of one asset's code version as they are now."""
    return CodeLook(manifest, files).probe(asset, recorded)


Fields = tuple[tuple[str, str], ...]
"""Components that are declared texts, by name, with their digests."""


class Examined(NamedTuple):
    """The components of one asset, and everything that is wrong with its code."""

    components: dict[str, Component]
    problems: list[Problem]


class CodeLook:
    """Looks at the code of many assets at one moment: what they share is looked at once."""

    def __init__(self, manifest: Manifest, files: FileDigests, declared: dict[str, Fields] | None = None) -> None:
        """`declared` keeps the digests of declared texts by asset, for who looks at the same manifest again."""
        self.manifest = manifest
        self.files = files
        self._declared = {} if declared is None else declared
        self.modules = Modules(files)
        self.walls = Walls(files.root)
        self._scripts: dict[shell_scripts.Script, str | None] = {}
        self.sound_entrypoints: dict[PythonCommand, tuple[str, ...]] = {}
        self._digests: dict[str, str] = {}
        self._globs: dict[str, list[str]] = {}
        self._computes: dict[tuple[str, ...], str] = {}
        self._connections: dict[str, str] = {}

    def probe(self, asset: Asset, recorded: Mapping[str, Component] | None) -> CodeProbe:
        """The components as they are now, with the first problem if there is one."""
        recorded = recorded or {}
        if asset.code_version is not None:
            raw = _digest(asset.code_version)
            return CodeProbe({"code_version": _keep(recorded.get("code_version"), raw)})
        files = self._files_at_a_glance(asset)
        if recorded and files is not None and self._is_as_recorded(asset, recorded, files):
            return CodeProbe(recorded)
        if files is not None and not files:
            return CodeProbe({name: _keep(recorded.get(name), raw) for name, raw in self._fields(asset)})
        components, problems = self.examine(asset, recorded)
        if len(components) == len(recorded) and all(recorded.get(name) is each for name, each in components.items()):
            return CodeProbe(recorded, problems[0] if problems else None)  # the very same: nothing to compare
        return CodeProbe(components, problems[0] if problems else None)

    def examine(self, asset: Asset, recorded: Mapping[str, Component]) -> Examined:
        """The components as they are now and every problem, whether or not the manifest declares a version."""
        found = _Examination(self, asset, recorded)
        for name, raw in self._fields(asset):
            found.field(name, raw)
        command = asset.command
        if isinstance(command, ShellCommand):
            for path in self.scripts(command):
                found.file(path, ("command", "shell"))
        elif isinstance(command, SqlCommand):
            found.sql(command)
        elif isinstance(command, PythonCommand):
            found.python(command)
        for index, pattern in enumerate(asset.code):
            found.code(index, pattern)
        return Examined(found.components, found.problems)

    def _files_at_a_glance(self, asset: Asset) -> Sequence[str] | None:
        """The files that an asset is made by, where that is plain; None says nothing."""
        if asset.code:
            return None
        if isinstance(asset.command, ShellCommand):
            return self.scripts(asset.command)
        if isinstance(asset.command, PythonCommand):
            return self.sound_entrypoints.get(asset.command)
        return None

    def _is_as_recorded(self, asset: Asset, recorded: Mapping[str, Component], files: Sequence[str]) -> bool:
        """Whether plainly nothing changed: the common case at its least cost. False says nothing."""
        fields = list(self._fields(asset))
        if len(fields) + len(files) != len(recorded):
            return False
        try:
            fields += [(component_name(path), self.digest(path)) for path in files]
        except OSError:
            return False
        for name, raw in fields:
            known = recorded.get(name)
            if known is None or known.raw != raw:
                return False
        return True

    def _fields(self, asset: Asset) -> Fields:
        """The components that are declared texts and compared as they stand."""
        known = self._declared.get(asset.name)
        if known is None:
            known = self._declared[asset.name] = tuple(self._digested(asset))
        return known

    def _digested(self, asset: Asset) -> list[tuple[str, str]]:
        command = asset.command
        if isinstance(command, ShellCommand):
            fields = [("compute", self.compute("shell", command.interpreter)), ("command", _digest(command.run))]
        elif isinstance(command, PythonCommand):
            entrypoint = _digest(f"{command.module}:{command.function}")
            fields = [("compute", self.compute("python")), ("command", entrypoint)]
        else:
            fields = [("compute", self.compute("sql"))]
        if asset.env:
            pairs = [each for pair in sorted(asset.env.items()) for each in pair]
            fields.append(("env", _digest(joined(pairs))))
        if asset.output is not None:
            fields.append(("output", _digest(self._output(asset.output))))
        connection = self.connection_of(asset)
        if connection is not None:
            fields.append(("connection", self._connection(connection)))
        return fields

    def connection_of(self, asset: Asset) -> Connection | None:
        """The connection that counts as code: that of an SQL command or of a table."""
        if isinstance(asset.command, SqlCommand) or (asset.output is not None and asset.output.table is not None):
            return self.manifest.connection_of(asset)
        return None

    def compute(self, kind: str, interpreter: tuple[str, ...] = ()) -> str:
        """The digest of the compute component's fields."""
        key = (kind, *interpreter)
        known = self._computes.get(key)
        if known is None:
            known = self._computes[key] = _digest(joined(("type", kind, "interpreter", *interpreter)))
        return known

    def digest(self, path: str) -> str:
        """The digest of a file; a file that many assets share is looked at once.

        Raises:
            OSError: it cannot be read.
        """
        known = self._digests.get(path)
        if known is None:
            known = self._digests[path] = f"sha256:{self.files.digest(path)}"
        return known

    def scripts(self, command: ShellCommand) -> list[str]:
        """The files of the project that a shell command runs, as paths relative to the root, that are there."""
        if command.interpreter == _PLAIN_SHELL and shell_scripts.runs_no_file(command.run):
            return []
        key = _digest(joined((*command.interpreter, command.run)))
        named = self.files.fact(
            f"shell:{key}", lambda: [list(each) for each in shell_scripts.scripts(command.interpreter, command.run)]
        )
        found = (self.script(tuple(each)) for each in named)
        return list(dict.fromkeys(path for path in found if path is not None))

    def script(self, script: shell_scripts.Script) -> str | None:
        """The file that a script's name stands for, relative to the root; None where it is no file of the project."""
        if script not in self._scripts:
            self._scripts[script] = next((path for path in map(self._own_file, script) if path is not None), None)
        return self._scripts[script]

    def _own_file(self, path: str) -> str | None:
        if isabs(path):
            path = relpath(path, self.files.root)
        if path.startswith("../"):
            return None
        full = f"{self.files.root}/{path}"
        try:
            regular = S_ISREG(os.stat(full).st_mode)  # noqa: PTH116 - strings, ten thousand times a plan
        except (OSError, ValueError):
            return None
        inside = self.walls.contain_folder_of(full) and (not os.path.islink(full) or self.walls.contain(full))  # noqa: PTH114
        return path if regular and inside else None

    def matches(self, pattern: str) -> list[str]:
        """The files that an entry of `code:` names: a file, all files below a folder, or those that a pattern matches.

        Hidden files count only where a pattern says so, and what Python compiles never does.
        """
        known = self._globs.get(pattern)
        if known is None:
            import glob  # few projects have patterns

            root = self.files.root
            path = normpath(pattern)
            if os.path.isdir(f"{root}/{path}" if not isabs(path) else path):  # noqa: PTH112
                path = join(glob.escape(path), "**")
            found = {normpath(each) for each in glob.glob(path, root_dir=root, recursive=True)}  # noqa: PTH207
            known = sorted(
                each
                for each in found
                if "__pycache__" not in each.split("/")
                and not each.endswith(".pyc")
                and os.path.isfile(self.files.full(each))  # noqa: PTH113
            )
            self._globs[pattern] = known
        return known

    def _output(self, output: Output) -> str:
        fields = ["materialization", output.materialization]
        if output.path is not None:
            fields += ("path", output.path)
        if output.table is not None:
            fields += ("table", output.table)
        if output.unique_key:
            fields += ("unique_key", joined(output.unique_key))
        if output.time_column is not None:
            fields += ("time_column", output.time_column)
        # Naming the default connection says nothing new; where it is counts as a component of its own.
        if output.connection is not None and output.connection != self.manifest.default_connection:
            fields += ("connection", output.connection)
        return joined(fields)

    def _connection(self, connection: Connection) -> str:
        known = self._connections.get(connection.name)
        if known is None:
            place = location(connection, self.files.root)
            known = self._connections[connection.name] = _digest(joined(("type", connection.type, "location", place)))
        return known

    def dialect(self, asset: Asset) -> str | None:
        """The SQL dialect of an asset's connection; None where it has none, or one that is not installed."""
        from pathlib import Path

        from assets_cli.connections import open_database  # only for a text that changed
        from assets_cli.connections.protocol import DatabaseError

        connection = self.manifest.connection_of(asset)
        if connection is None:
            return None
        try:
            return open_database(connection.type, connection.options, Path(self.files.root)).dialect
        except (DatabaseError, ImportError):
            return None


class _Examination:
    """One asset being looked at: collects its components and problems."""

    __slots__ = ("asset", "components", "look", "problems", "recorded")

    def __init__(self, look: CodeLook, asset: Asset, recorded: Mapping[str, Component]) -> None:
        self.look = look
        self.asset = asset
        self.recorded = recorded
        self.components: dict[str, Component] = {}
        self.problems: list[Problem] = []

    def field(self, name: str, raw: str) -> None:
        """A part that is declared, by its digest."""
        known = self.recorded.get(name)
        self.components[name] = known if known is not None and known.raw == raw else Component(raw)

    def sql(self, command: SqlCommand) -> None:
        """The query, or its file."""
        if command.path is None:
            query = command.query or ""
            self.components["command"] = self._sql_component("command", query, _digest(query))
        else:
            self.sql_file(normpath(command.path))

    def sql_file(self, path: str) -> None:
        """An SQL file: its text with `${vars.x}` filled in."""
        files = self.look.files
        place = self._place("command", "sql")
        try:
            digest, kind = files.content_fact(path, "sql", _kind_of_sql)
            name, raw = component_name(path), f"sha256:{digest}"
            known = self.recorded.get(name)
            if kind == "plain" and known is not None and known.raw == raw:
                self.components[name] = known
                return
            with open(files.full(path), encoding="utf-8", newline="") as file:  # noqa: PTH123
                text = file.read()
            filled = fill_vars(text, self.look.manifest.vars)
        except UnicodeDecodeError:
            self._problem("A0302", f"{path} is not UTF-8", place, "save it as UTF-8")
        except FileNotFoundError:
            hint = nearest.hint(path, nearest.files(files.root, ".sql")) or "create it, or correct the path"
            self._problem("A0301", f"the SQL file {path} does not exist", place, hint)
        except OSError as error:
            self._problem("A0301", f"the SQL file {path} cannot be read: {_reason(error)}", place, "make it readable")
        except UnknownVariableError as unknown:
            where = _place_in(path, text, "${" + unknown.name + "}")
            hint = f"declare it under vars: in {self.look.manifest.file}, or pass --var {unknown.name[5:]}=…"
            self._problem("A0303", f"{path} uses ${{{unknown.name}}}, which has no value", where, hint)
        else:
            self.components[name] = self._sql_component(name, filled, _digest(filled))

    def python(self, command: PythonCommand) -> None:
        """The entrypoint's module and the modules that this imports."""
        modules, place = self.look.modules, self._place("command", "python")
        try:
            path = modules.find(command.module)
            for each in modules.closure(command.module):
                self.file(each, ("command", "python"))
            if path is None:
                self._foreign_module(command, place)
                return
            source = modules.source(path)
        except OSError as error:
            message = f"the module {command.module} cannot be read: {_reason(error)}"
            self._problem("A0304", message, place, "make it readable")
            return
        if source.error is not None:
            message = f"{path} is not valid Python: {source.error}"
            self._problem("A0306", message, Place(path, source.line, 1), "correct it; nothing can be run from it")
        elif not source.binds(command.function.partition(".")[0]):
            hint = nearest.hint(command.function, source.names) or f"define it in {path}"
            self._problem("A0305", f"{path} has no function {command.function}", place, hint)
        elif not self.problems:
            self.look.sound_entrypoints[command] = modules.closure(command.module)

    def _foreign_module(self, command: PythonCommand, place: Place) -> None:
        """A module that is no file of the project: one that is installed has no version that we could see."""
        # An asset that sets PYTHONPATH finds modules in places that only its own process knows.
        if "PYTHONPATH" not in self.asset.env and not nearest.is_installed(command.module, self.look.files.root):
            known = [_dotted(path) for path in nearest.files(self.look.files.root, ".py")]
            hint = (
                nearest.hint(command.module, known) or "modules are found from the project root, as in package.module"
            )
            self._problem("A0304", f"there is no module {command.module}", place, hint)

    def code(self, index: int, pattern: str) -> None:
        """The files of one entry of `code:`."""
        matches = self.look.matches(pattern)
        if not matches:
            hint = nearest.hint(pattern, nearest.files(self.look.files.root, "")) or "correct the pattern, or remove it"
            self._problem("A0307", f"{pattern} under code: matches no file", self._place("code", index), hint)
        for path in matches:
            self.file(path, ("code", index))

    def file(self, path: str, keys: tuple[str | int, ...]) -> None:
        """A file that counts, under its path. What the asset makes itself is never its code."""
        name = component_name(path)
        if name in self.components or (self.asset.output is not None and _is_in(path, self.asset.output.path)):
            return
        known = self.recorded.get(name)
        try:
            raw = self.look.digest(path)
            if known is not None and known.raw == raw:
                self.components[name] = known
            elif path.endswith(".py"):
                self.components[name] = self._python_component(path, raw, known)
            elif path.endswith(".sql") and (dialect := self.look.dialect(self.asset)):
                self.components[name] = self._sql_bytes(path, raw, known, dialect)
            else:
                self.components[name] = Component(raw)
        except OSError as error:
            self._problem("A0308", f"{path} cannot be read: {_reason(error)}", self._place(*keys), "make it readable")

    def _python_component(self, path: str, raw: str, known: Component | None) -> Component:
        files = self.look.files
        remembered = _remembered(files, raw, known)
        if remembered is not None:
            return remembered
        digest, normalised = files.content_fact(path, normalise.PYTHON, normalise.python)
        return Component(f"sha256:{digest}", normalised, normalise.PYTHON if normalised else None)

    def _sql_bytes(self, path: str, raw: str, known: Component | None, dialect: str) -> Component:
        remembered = _remembered(self.look.files, raw, known)
        if remembered is not None:
            return remembered

        def compute(data: bytes) -> str | None:
            try:
                return normalise.sql(data.decode(), dialect)
            except UnicodeDecodeError:
                return None

        normaliser = normalise.sql_normaliser(dialect)
        digest, normalised = self.look.files.content_fact(path, normaliser, compute)
        return Component(f"sha256:{digest}", normalised, normaliser if normalised else None)

    def _sql_component(self, name: str, text: str, raw: str) -> Component:
        known = self.recorded.get(name)
        if known is not None and known.raw == raw:
            return known
        files = self.look.files
        remembered = _remembered(files, raw, known)
        dialect = None if remembered else self.look.dialect(self.asset)
        if remembered is not None or dialect is None:
            return remembered or Component(raw)
        normaliser = normalise.sql_normaliser(dialect)
        normalised = files.fact(f"{normaliser}:{raw.partition(':')[2]}", lambda: normalise.sql(text, dialect))
        return Component(raw, normalised, normaliser if normalised else None)

    def _place(self, *keys: str | int) -> Place:
        return self.look.manifest.locate(self.asset.name, *keys)

    def _problem(self, code: str, message: str, place: Place, hint: str) -> None:
        self.problems.append(Problem(code, message, place=place, hint=hint, asset=self.asset.name))


def component_name(path: str) -> str:
    """The name that the component of a file has."""
    return f"./{path}" if path in FIELDS else path


def location(connection: Connection, root: str) -> str:
    """Where a connection leads, without credentials; `${env.X}` as written, so that a rotated secret is no change.

    A path below the project root is relative to it: a project that was moved has not changed.
    """
    path = connection.options.get("path")
    if path is None:
        from pathlib import Path

        from assets_cli.connections import open_database  # servers know what of their address is a credential
        from assets_cli.connections.protocol import DatabaseError

        try:
            return open_database(connection.type, connection.options, Path(root)).location
        except (DatabaseError, ImportError):
            return ""
    path = normpath(path) if path and ":memory:" not in path else path
    return path[len(root) + 1 :] if path.startswith(f"{root}/") else path


def joined(fields: Iterable[str]) -> str:
    """Fields as one text, each behind its length, so that no two lists of fields give the same."""
    return "".join([f"{len(field)}:{field};" for field in fields])


def _remembered(files: FileDigests, raw: str, known: Component | None) -> Component | None:
    """A component as the normaliser of the recorded one saw it, which may be an older version than the one here now."""
    if known is None or known.normaliser is None:
        return None
    normalised = files.known(f"{known.normaliser}:{raw.partition(':')[2]}")
    return Component(raw, normalised, known.normaliser) if isinstance(normalised, str) else None


def _keep(known: Component | None, raw: str) -> Component:
    return known if known is not None and known.raw == raw else Component(raw)


def _digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _kind_of_sql(data: bytes) -> str:
    """Whether an SQL text is the same with variables filled in."""
    return "variables" if b"${vars." in data else "plain"


def _place_in(path: str, text: str, what: str) -> Place:
    at = max(text.find(what), 0)
    return Place(path, text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1)


def _is_in(path: str, output: str | None) -> bool:
    """Whether a file is the declared output, in it, or one of those that it matches."""
    if output is None:
        return False
    output = normpath(output)
    return path == output or path.startswith(f"{output}/") or fnmatchcase(path, output)


def _dotted(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
