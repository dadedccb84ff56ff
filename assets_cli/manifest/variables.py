"""Fills `${vars.x}` into every text of a document, in place, so that whatever comes later sees plain values.

`${env.X}` stays as written: secrets are never part of a manifest. Knows no manifest key but `vars`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from assets_cli.manifest.document import Document, Key
from assets_cli.manifest.scalars import Ambiguous, resolve
from assets_cli.manifest.spelling import Spelling
from assets_cli.manifest.subject import subject
from assets_cli.model.problem import Place, Problem, Related
from assets_cli.model.template import UnknownVariableError, fill_vars, variable_names

_ROOM: Final = 1 << 25
"""How many characters all filled texts of a project may have together: 32 Mi."""
_MALFORMED = re.compile(
    r"\$\$\{|(\$\{vars\.(?![A-Za-z0-9_.-]+\})[^}\s]{0,40}\}?)"
    r"|(\$\{env\.(?![A-Za-z_][A-Za-z0-9_]*(?::-[^}]*)?\})[^}\s]{0,40}\}?)"
)
_VALUE = re.compile(r"\"[^\"]*|'[^']*|(?![{\[])(?:\$\{[^}]*\}|:(?!\s)|[^,}\]#:])*")
"""What is written at a place, up to its end or that of its line; nothing where a list or a mapping begins."""
_NAMED = re.compile(r"(?<!\$)\$\{vars\.([A-Za-z0-9_.-]+)\}")
_TRACED: Final = 20
"""How many variables a problem names at most that its value is made from."""
_OWN: Final = frozenset(("A0118", "A0132", "A0133", "A0136"))
"""The codes of what is wrong with references themselves."""


class Variables:
    """The values of a project's variables, with those of the command line over them."""

    def __init__(self, document: Document, overrides: Mapping[str, str]) -> None:
        declared = document.values.get("vars") if isinstance(document.values, dict) else None
        self.values: dict[str, Any] = _copy(declared) if isinstance(declared, dict) else {}
        self.problems: list[Problem] = []
        self.used: set[str] = set()
        """The names that texts of the manifest refer to, those of other variables among them."""
        self._document = document
        self._overridden = frozenset(overrides)
        self._room = _ROOM
        names = [".".join(path) for path, _ in _texts(self.values)]
        self._spelling = Spelling(names)
        for name, text in overrides.items():
            if not _override(self.values, name.split("."), text):
                hint = self._spelling.hint(name) or "declare it under `vars` in the manifest"
                self.problems.append(Problem("A0134", f"variable '{name[:80]}' is not declared", hint=hint))
        self._longest = max((len(str(value)) for _, value in _texts(self.values)), default=0)
        self._resolve(document)

    def _resolve(self, document: Document) -> None:
        """Fill variables into each other. A round doubles how far a text reaches; what is left then is a circle."""
        waiting = [path for path, value in _texts(self.values) if isinstance(value, str) and "${vars." in value]
        for _ in range(len(waiting).bit_length() + 1):
            still: list[tuple[str, ...]] = []
            for path in waiting:
                holder = _holder(self.values, path)
                text = self._fill(document, ("vars", *path), holder[path[-1]])
                if text is None:
                    holder[path[-1]] = ""
                    continue
                holder[path[-1]] = text
                self._longest = max(self._longest, len(text))
                if re.search(r"(?<!\$)\$\{vars\.[A-Za-z0-9_.-]+\}", text):
                    still.append(path)
            if not still:
                return
            waiting = still
        for path in waiting:
            offset, _ = document.find(("vars", *path))
            document.report(
                offset, "A0136", f"variable '{'.'.join(path)}' is made from itself", "give it a value of its own"
            )
            _holder(self.values, path)[path[-1]] = ""

    def fill(self, document: Document) -> None:
        """Fill the variables into the texts of a document; what cannot be filled is among its problems."""
        if "${vars." not in document.text and "${env." not in document.text:
            return
        seen: set[int] = set()
        stack: list[tuple[Any, tuple[Key, ...]]] = [(document.values, ())]
        while stack:
            node, path = stack.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            entries: Any = (
                list(node.items()) if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
            )
            for key, value in entries:
                if isinstance(value, (dict, list)):
                    if (key, path) != ("vars", ()):
                        stack.append((value, (*path, key)))
                elif isinstance(value, str) and "${" in value:
                    filled = self._fill(document, (*path, key), value)
                    if filled is not None:
                        node[key] = filled

    def declared(self) -> dict[str, Place]:
        """Every variable with its place; of a mapping those in it."""
        return {".".join(path): self._document.place(("vars", *path), key=True) for path in _leaves(self.values)}

    def explained(self, problem: Problem) -> Problem:
        """A problem of a value, with where the variables that it is made from have theirs."""
        if problem.excerpt is None or problem.place is None or "${vars." not in problem.excerpt or problem.code in _OWN:
            return problem
        written = _VALUE.match(problem.excerpt, problem.place.column - 1)
        found: dict[str, Related | None] = {}
        self._trace(written[0] if written else "", found)
        hints = [problem.hint or ""]
        hints += [f"'{name}' has the value of --var" for name, place in found.items() if place is None]
        hint = "; ".join(filter(None, hints)) or None
        return problem._replace(hint=hint, related=(*problem.related, *filter(None, found.values())))

    def _trace(self, text: str, found: dict[str, Related | None]) -> None:
        """Find where the variables of a text are set, and those that they are made from; None on the command line."""
        waiting = _NAMED.findall(text)[::-1]
        while waiting and len(found) < _TRACED:
            name = waiting.pop()
            path = ("vars", *name.split("."))
            offset, depth = self._document.find(path)
            if name in found or depth < len(path):
                continue
            if name in self._overridden:
                found[name] = None
                continue
            found[name] = Related(self._document.place_at(offset), f"variable '{name}' is set here")
            value = _holder(self._document.values, path)[path[-1]]
            waiting += _NAMED.findall(value)[::-1] if isinstance(value, str) else ()

    def _fill(self, document: Document, path: tuple[Key, ...], text: str) -> str | None:
        self.used.update(variable_names(text))
        try:
            room = text.count("${vars.") * self._longest
            filled = text if room > self._room else fill_vars(text, self.values)
        except UnknownVariableError as unknown:
            name = unknown.name.removeprefix("vars.")
            hint = (
                self._spelling.hint(name)
                or f"declare it under `vars`, or write `$${{` to keep '${{{unknown.name}}}' as it is"
            )
            self._report(document, path, "A0132", f"variable '{name[:80]}' has no value", hint)
            return None
        if room > self._room:
            self._report(document, path, "A0118", "too much text comes from variables", "keep it in a file of its own")
            return None
        self._room -= len(filled) - len(text) if len(filled) > len(text) else 0
        for match in _MALFORMED.finditer(filled):
            if match[1] or match[2]:
                hint = "write ${vars.name}" if match[1] else "write ${env.NAME} or ${env.NAME:-default}"
                self._report(
                    document, path, "A0133", f"'{match[0]}' is not a reference", f"{hint}, or $${{ to keep it as it is"
                )
                break
        return filled

    def _report(self, document: Document, path: tuple[Key, ...], code: str, message: str, hint: str) -> None:
        offset, _ = document.find(path)
        if offset in document.flagged:
            return
        asset, label, keys = subject(document.values, path)
        document.report(offset, code, ": ".join(filter(None, (label, keys, message))), hint)
        document.problems[-1] = document.problems[-1]._replace(asset=asset)


def _copy(value: Any) -> Any:
    """A copy of nested values; aliases were bounded when they were read."""
    if isinstance(value, dict):
        return {key: _copy(inner) for key, inner in value.items()}
    return [_copy(inner) for inner in value] if isinstance(value, list) else value


def _leaves(values: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key)


def _texts(values: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _texts(value, (*path, key))
        elif not isinstance(value, list):
            yield (*path, key), value


def _holder(values: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    for key in path[:-1]:
        values = values[key]
    return values


def _override(values: dict[str, Any], path: list[str], text: str) -> bool:
    """Put a text of the command line in place of a declared value, as the type that was declared where it fits."""
    for key in path[:-1]:
        inner = values.get(key)
        if not isinstance(inner, dict):
            return False
        values = inner
    if path[-1] not in values or isinstance(values[path[-1]], dict):
        return False
    declared = values[path[-1]]
    values[path[-1]] = text
    if isinstance(declared, (bool, int, float)):
        try:
            value = resolve(text) if text else text
        except Ambiguous:
            return True
        if type(value) is type(declared):
            values[path[-1]] = value
    return True
