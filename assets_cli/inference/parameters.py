"""The parameters of Python functions, from the text of their modules: nothing is imported.

Only those without a default: what a function can do without is handed in where it is written. Knows no assets.
"""

from __future__ import annotations

import warnings
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from assets_cli.model.manifest import PythonCommand
from assets_cli.probing.files import FileDigests
from assets_cli.probing.python_imports import Modules

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

_KIND = "python-parameters/2"
_FIELDS = 5  # of a parameter in a fact
_WARNINGS = Lock()
_HOPS = 5


class Parameter(NamedTuple):
    """A parameter and where it stands.

    `annotation` is as written. Of a function that something may have put another in the place of, by a decorator or
    by an assignment, it `is_certain` of nothing.
    """

    name: str
    file: str
    line: int
    column: int
    annotation: str
    is_certain: bool


class Signatures:
    """The functions of a project's modules during one look."""

    def __init__(self, files: FileDigests) -> None:
        self._files = files
        self._modules = Modules(files)
        self._facts: dict[str, tuple[str, dict[str, Any]] | None] = {}
        self.modules: dict[str, str | None] = {}
        """The file of each module that was looked for."""
        self.digests: dict[str, str] = {}
        """By path, of each that was read."""

    def of(self, command: PythonCommand) -> list[Parameter]:
        """The parameters of an entrypoint; none where its function cannot be found without running anything."""
        module, function = command.module, command.function
        for _ in range(_HOPS):
            found = self._module(module)
            if found is None:
                return []
            path, fact = found
            try:
                if function in fact["functions"]:
                    return [
                        Parameter(name, path, line, column, annotation, certain and function not in fact["assigned"])
                        for name, line, column, annotation, certain in fact["functions"][function]
                    ]
                level, written, name = fact["imports"][function]
                package = module.split(".") if path.endswith("/__init__.py") else module.split(".")[:-1]
            except (LookupError, TypeError, ValueError):
                return []
            above = package[: len(package) - level + 1] if level else []
            module, function = ".".join([*above, *([written] if written else [])]), name
        return []

    def _module(self, module: str) -> tuple[str, dict[str, Any]] | None:
        if module not in self._facts:
            self._facts[module] = self._read(module)
        return self._facts[module]

    def _read(self, module: str) -> tuple[str, dict[str, Any]] | None:
        self.modules[module] = None
        try:
            path = self.modules[module] = self._modules.find(module)
            if path is None:
                return None
            digest, fact = self._files.content_fact(path, _KIND, _signatures)
            self.digests[path] = digest
            if not _is_sound(fact):  # the cache was written by somebody else
                with open(self._files.full(path), "rb") as file:  # noqa: PTH123 - a string, as everywhere
                    fact = _signatures(file.read())
                self._files.keep(f"{_KIND}:{digest}", fact)
        except (OSError, ValueError):
            return None
        return path, fact


def _is_sound(fact: Any) -> bool:
    if not isinstance(fact, dict) or not isinstance(fact.get("imports"), dict):
        return False
    functions = fact.get("functions")
    if not isinstance(functions, dict) or not isinstance(fact.get("assigned"), list):
        return False
    return all(
        isinstance(each, list) and len(each) == _FIELDS and isinstance(each[0], str) and isinstance(each[3], str)
        for parameters in functions.values()
        for each in (parameters if isinstance(parameters, list) else [None])
    )


def _signatures(data: bytes) -> dict[str, Any]:
    """The functions of a source with their parameters, and where imported names come from, as a JSON value."""
    import ast

    try:
        with _WARNINGS, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about escapes in the user's strings
            tree = ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {"functions": {}, "imports": {}, "assigned": []}
    functions: dict[str, Any] = {}
    imports: dict[str, Any] = {}
    assigned: dict[str, None] = {}
    certain = {id(node) for node in tree.body}  # not under a condition, nor in a class
    lines = data.decode("utf-8", "replace").splitlines()
    for prefix, node in _statements(tree.body):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                imports[alias.asname or alias.name] = [node.level, node.module or "", alias.name]
                functions.pop(alias.asname or alias.name, None)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            functions[prefix + node.name] = [
                [
                    each.arg,
                    each.lineno,
                    _column(lines, each),
                    _annotation(each),
                    id(node) in certain and not node.decorator_list,
                ]
                for each in _required(node.args)
            ]
        elif isinstance(node, ast.Assign):
            assigned.update((each.id, None) for each in node.targets if isinstance(each, ast.Name))
    return {"functions": functions, "imports": imports, "assigned": list(assigned)}


def _annotation(node: ast.arg) -> str:
    """As written, but for the quotes of one that is text; only a name, or a name of a module."""
    import ast

    match node.annotation:
        case ast.Name(name):
            return name
        case ast.Attribute(ast.Name(module), name):
            return f"{module}.{name}"
        case ast.Constant(str(text)):
            return text
        case _:
            return ""


def _statements(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, ast.stmt]]:
    """What a module's top level defines, also under conditions, and what its classes do."""
    import ast

    for node in body:
        yield prefix, node
        if isinstance(node, ast.ClassDef):
            yield from _statements(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, (ast.If, ast.Try, ast.With)):
            for field in ("body", "handlers", "orelse", "finalbody"):
                for each in getattr(node, field, []):
                    inner = each.body if isinstance(each, ast.ExceptHandler) else [each]
                    yield from _statements(inner, prefix)


def _required(arguments: ast.arguments) -> list[ast.arg]:
    plain = [*arguments.posonlyargs, *arguments.args]
    required = plain[: len(plain) - len(arguments.defaults)]
    return required + [
        each for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if default is None
    ]


def _column(lines: list[str], node: ast.arg) -> int:
    """The column in characters, from 1; the tree counts bytes."""
    line = lines[node.lineno - 1] if node.lineno <= len(lines) else ""
    return len(line.encode()[: node.col_offset].decode("utf-8", "ignore")) + 1
