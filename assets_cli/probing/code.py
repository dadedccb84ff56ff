"""What an asset is made by, as named components: its code version, one part at a time.

Reads the files that count and digests what is declared. A part whose bytes are the recorded ones is the recorded
component itself, so that nothing new costs no parser. Knows nothing of which change makes stale.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from posixpath import isabs, join, normpath, relpath
from stat import S_ISREG
from typing import NamedTuple

from assets_cli.model import texts
from assets_cli.model.history import Component
from assets_cli.model.manifest import Asset, Connection, Manifest, PythonCommand, ShellCommand, SqlCommand
from assets_cli.model.problem import Place, Problem, system_reason
from assets_cli.model.template import UnknownVariableError, fill_vars
from assets_cli.model.world import CodeProbe
from assets_cli.probing import nearest, normalise, shell_scripts
from assets_cli.probing.declared import FIELDS, PLAIN_SHELL, Declarations, connection_of, is_whole, joined, text_digest
from assets_cli.probing.files import FileDigests, kind_of_sql
from assets_cli.probing.paths import Walls
from assets_cli.probing.python_imports import Modules
from assets_cli.state.rows import Components, components_text

Keys = tuple[str | int, ...]


class Examined(NamedTuple):
    """The components of one asset, and everything that is wrong with its code."""

    components: dict[str, Component]
    problems: list[Problem]


class CodeLook:
    """Looks at the code of many assets at one moment: what they share is looked at once."""

    def __init__(self, manifest: Manifest, files: FileDigests, declared: Declarations | None = None) -> None:
        """`declared` is for who looks at the same manifest again."""
        self.manifest = manifest
        self.files = files
        self.modules = Modules(files)
        self.walls = Walls(files.root)
        self.sound_entrypoints: dict[PythonCommand, tuple[str, ...]] = {}
        self.declared = Declarations(manifest, files.root) if declared is None else declared
        self._scripts: dict[shell_scripts.Script, str | None] = {}
        self._digests: dict[str, str] = {}
        self._dialects: dict[str, str | None] = {}
        self._globs: dict[str, list[str]] = {}
        self._further: dict[str, dict[str, Component]] = {}

    def probe(self, asset: Asset, recorded: Mapping[str, Component] | None) -> CodeProbe:
        """The components as they are now, with the first problem if there is one."""
        if recorded is not None and self.is_as_recorded(asset, components_text(recorded)):
            return CodeProbe(recorded)
        recorded = recorded or {}
        declared = self.declared.text(asset)
        if is_whole(declared):
            now = Components(declared)
            if not recorded:
                return CodeProbe(now)
            return CodeProbe({name: _keep(recorded.get(name), each) for name, each in now.items()})
        components, problems = self.examine(asset, recorded)
        if len(components) == len(recorded) and all(recorded.get(name) is each for name, each in components.items()):
            return CodeProbe(recorded, problems[0] if problems else None)  # the very same: nothing to compare
        return CodeProbe(components, problems[0] if problems else None)

    def is_as_recorded(self, asset: Asset, text: str) -> bool:
        """Whether code is plainly the one of which this text is on record: the common case. False says nothing."""
        declared = self.declared.text(asset)
        if text == declared:
            return True
        if is_whole(declared) or not text.startswith(declared):
            return False
        try:
            now = self._further_at_a_glance(asset)
        except OSError:
            return False
        if now is None:
            return False
        rest = text[len(declared) :]
        if len(now) == 1:  # as for most: texts say it without being parsed
            ((name, raw),) = now.items()
            return rest[:1] == "," and rest[-1:] == "}" and texts.is_of_component(rest[1:-1], name, raw)
        further = self._further.get(rest)  # of many assets that share a module it is the same
        if further is None:
            further = self._further[rest] = texts.components(f"{{{rest[1:]}") if rest[:1] == "," else {}
        return len(now) == len(further) and all(
            name in further and further[name].raw == raw for name, raw in now.items()
        )

    def outline(self, asset: Asset) -> Examined:
        """As `examine`, of bytes alone, which needs no parser."""
        return self.examine(asset, {}, normalising=False)

    def examine(self, asset: Asset, recorded: Mapping[str, Component], *, normalising: bool = True) -> Examined:
        """The components as they are now and every problem, whether or not the manifest declares a version."""
        found = _Examination(self, asset, recorded, normalising=normalising)
        for name, each in self.declared.components(asset).items():
            found.components[name] = _keep(recorded.get(name), each)
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

    def _further_at_a_glance(self, asset: Asset) -> dict[str, str] | None:
        """The raw digests of what counts besides the declared parts, where that is plain; None says nothing.

        Raises:
            OSError: a file cannot be read.
        """
        command = asset.command
        if asset.code:
            return None
        if isinstance(command, SqlCommand):
            return self._query_at_a_glance(command)
        if isinstance(command, ShellCommand):
            files: Sequence[str] | None = self.scripts(command)
        else:
            files = self.sound_entrypoints.get(command) if command is not None else None
        return None if files is None else {component_name(path): self.digest(path) for path in files}

    def _query_at_a_glance(self, command: SqlCommand) -> dict[str, str] | None:
        if command.path is None:
            return {"command": text_digest(command.query or "")}
        path = normpath(command.path)
        raw, kind = self.files.content_fact(path, "sql", kind_of_sql)
        return {component_name(path): f"sha256:{raw}"} if kind == "plain" else None

    def connection_of(self, asset: Asset) -> Connection | None:
        """The connection that counts as code: that of an SQL command or of a table."""
        return connection_of(self.manifest, asset)

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
        found = map(self.script, self.named_scripts(command))
        return list(dict.fromkeys(path for path in found if path is not None))

    def named_scripts(self, command: ShellCommand) -> list[shell_scripts.Script]:
        """The scripts that a shell command runs, whether they are there or not."""
        if command.interpreter == PLAIN_SHELL and shell_scripts.runs_no_file(command.run):
            return []
        key = text_digest(joined((*command.interpreter, command.run)))
        named = self.files.fact(
            f"shell:{key}", lambda: [list(each) for each in shell_scripts.scripts(command.interpreter, command.run)]
        )
        return [tuple(each) for each in named]

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

    def dialect(self, asset: Asset) -> str | None:
        """The SQL dialect of an asset's connection; None where it has none, or one that is not installed."""
        from pathlib import Path

        from assets_cli.connections import open_database  # only for a text that changed
        from assets_cli.connections.protocol import DatabaseError

        connection = self.manifest.connection_of(asset)
        if connection is None:
            return None
        if connection.name not in self._dialects:
            dialect = None
            with suppress(DatabaseError, ImportError):
                dialect = open_database(connection.type, connection.options, Path(self.files.root)).dialect
            self._dialects[connection.name] = dialect
        return self._dialects[connection.name]


class _Examination:
    """One asset being looked at: collects its components and problems."""

    __slots__ = ("asset", "components", "look", "normalising", "problems", "recorded")

    def __init__(self, look: CodeLook, asset: Asset, recorded: Mapping[str, Component], *, normalising: bool) -> None:
        self.look = look
        self.normalising = normalising
        self.asset = asset
        self.recorded = recorded
        self.components: dict[str, Component] = {}
        self.problems: list[Problem] = []

    def sql(self, command: SqlCommand) -> None:
        """The query, or its file."""
        if command.path is None:
            query = command.query or ""
            self.components["command"] = self._sql_component("command", query, text_digest(query))
        else:
            self.sql_file(normpath(command.path))

    def sql_file(self, path: str) -> None:
        """An SQL file: its text with `${vars.x}` filled in."""
        files = self.look.files
        place = ("command", "sql")
        try:
            digest, kind = files.content_fact(path, "sql", kind_of_sql)
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
            message = f"the SQL file {path} cannot be read: {system_reason(error)}"
            self._problem("A0301", message, place, "make it readable")
        except UnknownVariableError as unknown:
            where = _place_in(path, text, "${" + unknown.name + "}")
            hint = f"declare it under vars: in {self.look.manifest.file}, or pass --var {unknown.name[5:]}=…"
            self._problem("A0303", f"{path} uses ${{{unknown.name}}}, which has no value", where, hint)
        else:
            self.components[name] = self._sql_component(name, filled, text_digest(filled))

    def python(self, command: PythonCommand) -> None:
        """The entrypoint's module and the modules that this imports."""
        modules, place = self.look.modules, ("command", "python")
        try:
            path = modules.find(command.module)
            for each in modules.closure(command.module):
                self.file(each, ("command", "python"))
            if path is None:
                self._foreign_module(command, place)
                return
            source = modules.source(path)
        except OSError as error:
            message = f"the module {command.module} cannot be read: {system_reason(error)}"
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

    def _foreign_module(self, command: PythonCommand, place: Keys) -> None:
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
            self._problem("A0307", f"{pattern} under code: matches no file", ("code", index), hint)
        for path in matches:
            self.file(path, ("code", index))

    def file(self, path: str, keys: Keys) -> None:
        """A file that counts, under its path. What the asset makes itself is never its code."""
        name = component_name(path)
        if name in self.components or (self.asset.output is not None and _is_in(path, self.asset.output.path)):
            return
        known = self.recorded.get(name)
        try:
            raw = self.look.digest(path)
            if known is not None and known.raw == raw:
                self.components[name] = known
            elif not self.normalising:
                self.components[name] = Component(raw)
            elif path.endswith(".py"):
                self.components[name] = self._python_component(path, raw, known)
            elif path.endswith(".sql") and (dialect := self.look.dialect(self.asset)):
                self.components[name] = self._sql_bytes(path, raw, known, dialect)
            else:
                self.components[name] = Component(raw)
        except OSError as error:
            self._problem("A0308", f"{path} cannot be read: {system_reason(error)}", keys, "make it readable")

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
        if not self.normalising:
            return Component(raw)
        files = self.look.files
        remembered = _remembered(files, raw, known)
        dialect = None if remembered else self.look.dialect(self.asset)
        if remembered is not None or dialect is None:
            return remembered or Component(raw)
        normaliser = normalise.sql_normaliser(dialect)
        normalised = files.fact(f"{normaliser}:{raw.partition(':')[2]}", lambda: normalise.sql(text, dialect))
        return Component(raw, normalised, normaliser if normalised else None)

    def _problem(self, code: str, message: str, where: Place | Keys, hint: str) -> None:
        """`where` is in a file, or at keys of the asset: looking those up reads the whole manifest again."""
        place = where if isinstance(where, Place) else self.look.manifest.locate(self.asset.name, *where)
        self.problems.append(Problem(code, message, place=place, hint=hint, asset=self.asset.name))


def component_name(path: str) -> str:
    """The name that the component of a file has."""
    return f"./{path}" if path in FIELDS else path


def _remembered(files: FileDigests, raw: str, known: Component | None) -> Component | None:
    """A component as the normaliser of the recorded one saw it, which may be an older version than the one here now."""
    if known is None or known.normaliser is None:
        return None
    normalised = files.known(f"{known.normaliser}:{raw.partition(':')[2]}")
    return Component(raw, normalised, known.normaliser) if isinstance(normalised, str) else None


def _keep(known: Component | None, now: Component) -> Component:
    return known if known is not None and known.raw == now.raw else now


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
