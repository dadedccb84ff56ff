"""The expressions of GitHub Actions as far as our own files use them: `${{ … }}` and `if:`.

Anything else is a mistake of the file, and said so: nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

_TOKEN = re.compile(r"\s*(?:('(?:[^']|'')*')|(\d+)|([A-Za-z_][\w.-]*)|(&&|\|\||==|!=|!|\(|\)))")
_INSIDE = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)

Contexts = Mapping[str, Any]
Functions = Mapping[str, Callable[[], bool]]


def filled(text: object, contexts: Contexts, functions: Functions = MappingProxyType({})) -> str:
    """A text with the value of every expression in it."""
    return _INSIDE.sub(lambda match: shown(evaluate(match[1], contexts, functions)), shown(text))


def shown(value: object) -> str:
    """A value as a workflow writes it into a text."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def evaluate(text: str, contexts: Contexts, functions: Functions = MappingProxyType({})) -> Any:
    """The value of one expression."""
    bare = text.strip().removeprefix("${{").removesuffix("}}")
    tokens: list[str] = []
    position = 0
    while bare[position:].strip():
        match = _TOKEN.match(bare, position)
        assert match, f"not understood: {bare[position:]!r}"
        tokens.append(match[0].strip())
        position = match.end()
    parser = _Parser(tokens, contexts, functions)
    value = parser.either()
    assert not parser.tokens, f"not understood: {bare!r}"
    return value


class _Parser:
    def __init__(self, tokens: list[str], contexts: Contexts, functions: Functions) -> None:
        self.tokens = tokens
        self.contexts = contexts
        self.functions = functions

    def taken(self, token: str) -> bool:
        """Whether this token comes next; then it is behind us."""
        if self.tokens and self.tokens[0] == token:
            del self.tokens[0]
            return True
        return False

    def either(self) -> Any:
        value = self.both()
        while self.taken("||"):
            other = self.both()
            value = value or other
        return value

    def both(self) -> Any:
        value = self.compared()
        while self.taken("&&"):
            other = self.compared()
            value = value and other
        return value

    def compared(self) -> Any:
        value = self.single()
        if self.taken("=="):
            return shown(value) == shown(self.single())
        if self.taken("!="):
            return shown(value) != shown(self.single())
        return value

    def single(self) -> Any:
        if self.taken("!"):
            return not self.single()
        if self.taken("("):
            value = self.either()
            assert self.taken(")")
            return value
        token = self.tokens.pop(0)
        if token.startswith("'"):
            return token[1:-1].replace("''", "'")
        if token.isdigit():
            return int(token)
        if self.taken("("):
            assert self.taken(")")
            return self.functions[token]()
        return self.looked_up(token)

    def looked_up(self, name: str) -> Any:
        """A value by its path; what a context does not have is null, as there, but the context must be one."""
        first, *rest = name.split(".")
        assert first in self.contexts, f"no context {first!r} here"
        found: Any = self.contexts[first]
        for step in rest:
            found = found.get(step) if isinstance(found, Mapping) else None
        return found
