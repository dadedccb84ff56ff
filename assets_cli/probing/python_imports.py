"""The first-party modules that a Python module imports, transitively: found in the sources, which are never executed.

First-party is what is a file below the project root. What a source says is remembered by its digest; where it leads is
resolved each time, since that depends on the files that are there. Knows nothing of assets.
"""

from __future__ import annotations

import os
import warnings
from _thread import allocate_lock  # threading is a millisecond of every start
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from assets_cli.probing.files import FileDigests

if TYPE_CHECKING:
    import ast

_WARNINGS = allocate_lock()
# Calls that may bind names which no statement shows.
_UNSEEN = frozenset(("exec", "globals", "setattr", "locals", "vars"))


class Source(NamedTuple):
    """What a module's text says. `imports` are (level, module, name); name is "" for `import module`, or "*".

    `names` are bound at its top level; `is_open` means that it may have others. `exported` is its `__all__`. `error`
    says why it is no valid Python, with the line.
    """

    imports: tuple[tuple[int, str, str], ...] = ()
    names: tuple[str, ...] = ()
    is_open: bool = False
    exported: tuple[str, ...] = ()
    error: str | None = None
    line: int = 0

    def binds(self, name: str) -> bool:
        """Whether the module has, or may have, something of this name at its top level."""
        return self.is_open or name in self.names


class Modules:
    """The modules of a project during one look: each path is looked up once."""

    def __init__(self, files: FileDigests) -> None:
        self._files = files
        self._exists: dict[str, bool] = {}
        self._sources: dict[str, Source] = {}
        self._closures: dict[str, tuple[str, ...]] = {}

    def find(self, module: str) -> str | None:
        """The file of a dotted module, relative to the root; None where it is no file of the project."""
        found = self._chain(module)
        return found[-1] if found and _is_file_of(module, found[-1]) else None

    def closure(self, module: str) -> tuple[str, ...]:
        """The files of a module, of the packages that it is in and of all they import, sorted.

        Raises:
            OSError: one of them cannot be read.
        """
        known = self._closures.get(module)
        if known is None:
            known = self._closures[module] = tuple(sorted(_reached(self._chain(module), self._imported_by)))
        return known

    def of_script(self, script: str) -> tuple[str, ...]:
        """The files of the project that a script imports, transitively and without itself, sorted.

        Run by its path it finds modules beside itself; where PYTHONPATH or an installation says so, from the root or
        its `src`. A hint, not a part of any code version: only the interpreter knows where it looks.

        Raises:
            OSError: one of them cannot be read.
        """
        bases = tuple(dict.fromkeys((script.rpartition("/")[0], "", "src")))
        return tuple(sorted(_reached([script], lambda path: self._imported_from(path, bases)) - {script}))

    def _imported_from(self, path: str, bases: Sequence[str]) -> Iterator[str]:
        for level, module, name in self._modules_named_in(path):
            names = [module, *([f"{module}.{name}"] if name not in ("", "*") else [])]
            for base in ("",) if level else bases:
                found = [each for dotted in names for each in self._chain(dotted, base)]
                if found:
                    yield from found
                    break

    def source(self, path: str) -> Source:
        """What the source at a path says.

        Raises:
            OSError: it cannot be read.
        """
        known = self._sources.get(path)
        if known is None:
            _, fact = self._files.content_fact(path, "python", _read)
            imports = tuple((level, module, name) for level, module, name in fact["imports"])
            names, exported = tuple(fact["names"]), tuple(fact["all"])
            known = Source(imports, names, fact["open"], exported, fact["error"], fact["line"])
            self._sources[path] = known
        return known

    def _imported_by(self, path: str) -> Iterator[str]:
        for _, module, name in self._modules_named_in(path):
            yield from self._chain(module)
            if name == "*":
                found = self.find(module)
                for exported in self.source(found).exported if found else ():
                    yield from self._chain(f"{module}.{exported}")
            elif name:
                yield from self._chain(f"{module}.{name}")

    def _modules_named_in(self, path: str) -> Iterator[tuple[int, str, str]]:
        """What a file imports: the dots before it, the module seen from where they lead to, the name taken from it."""
        package = path.split("/")[:-1]
        for level, written, name in self.source(path).imports:
            if level > len(package):
                continue
            above = package[: len(package) - level + 1] if level else []
            module = ".".join([*above, *([written] if written else [])])
            if module:
                yield level, module, name

    def _chain(self, module: str, base: str = "") -> list[str]:
        """The files that importing a module runs: the packages on the way, then the module, as far as they are."""
        found = []
        path = base
        for part in module.split("."):
            path = f"{path}/{part}" if path else part
            if self._is_file(f"{path}/__init__.py"):
                found.append(f"{path}/__init__.py")
            elif self._is_file(f"{path}.py"):
                found.append(f"{path}.py")
                break  # a module has no modules in it
            elif not os.path.isdir(f"{self._files.root}/{path}"):  # noqa: PTH112
                break
        return found

    def _is_file(self, path: str) -> bool:
        known = self._exists.get(path)
        if known is None:
            known = self._exists[path] = os.path.isfile(f"{self._files.root}/{path}")  # noqa: PTH113
        return known


def _reached(first: Iterable[str], imports_of: Callable[[str], Iterable[str]]) -> set[str]:
    """These files and all that they import, transitively."""
    seen = set(first)
    waiting = list(seen)
    while waiting:
        new = {found for found in imports_of(waiting.pop()) if found not in seen}
        seen |= new
        waiting += new
    return seen


def _is_file_of(module: str, path: str) -> bool:
    place = module.replace(".", "/")
    return path in (f"{place}.py", f"{place}/__init__.py")


def _read(data: bytes) -> dict[str, Any]:
    """What a source says, as a JSON value."""
    import ast

    empty: dict[str, Any] = {"imports": [], "names": [], "open": False, "all": [], "error": None, "line": 0}
    try:
        with _WARNINGS, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about escapes in the user's strings
            tree = ast.parse(data)
        imports = [found for node in ast.walk(tree) for found in _imports(node)]
        names = set(_bound(tree.body))
        calls = {
            node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
    except SyntaxError as error:
        return {**empty, "open": True, "error": error.msg, "line": error.lineno or 1}
    except (ValueError, RecursionError, MemoryError) as error:
        return {**empty, "open": True, "error": str(error) or "too deeply nested", "line": 1}
    return {
        **empty,
        "imports": [list(found) for found in dict.fromkeys(imports)],
        "names": sorted(names - {"*"}),
        "open": "*" in names or "__getattr__" in names or not _UNSEEN.isdisjoint(calls),
        "all": list(_exported(tree.body)),
    }


def _imports(node: ast.AST) -> Iterator[tuple[int, str, str]]:
    import ast

    if isinstance(node, ast.Import):
        for alias in node.names:
            yield 0, alias.name, ""
    elif isinstance(node, ast.ImportFrom):
        for alias in node.names:
            yield node.level, node.module or "", alias.name
    elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        name = node.args[0].value
        if called in ("import_module", "__import__") and isinstance(name, str) and not name.startswith("."):
            yield 0, name, ""


def _bound(body: Iterable[ast.AST]) -> Iterator[str]:
    """The names that statements bind in their own scope; "*" for those of a star import."""
    import ast

    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
            continue
        if isinstance(node, (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            # Scopes of their own, but for `:=`, whose name belongs to the one around.
            yield from (each.target.id for each in ast.walk(node) if isinstance(each, ast.NamedExpr))
            continue
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                yield alias.asname or (alias.name.partition(".")[0] if isinstance(node, ast.Import) else alias.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
            yield node.name
        yield from _bound(ast.iter_child_nodes(node))


def _exported(body: Iterable[ast.stmt]) -> Iterator[str]:
    import ast

    for node in body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            for each in ast.walk(node):
                if isinstance(each, ast.Constant) and isinstance(each.value, str):
                    yield each.value
