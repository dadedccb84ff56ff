"""`${vars.x}`, `${env.X}` and `${env.X:-default}` in texts. Every other `$` is left alone; `$${` writes `${`.

Two passes, since secrets must not enter the manifest: `fill_vars` when it is loaded, `fill_environment` at the moment
of use. Both are pure: the mapping is handed in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_VARS = r"(\$\$\{)|\$\{vars\.([A-Za-z0-9_.-]+)\}"
_ENV = r"(\$\$\{)|\$\{env\.([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}"


class UnknownVariableError(LookupError):
    """A `${vars.x}` without a value, or an unset `${env.X}` without a default; `name` is `vars.x` or `env.X`."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def fill_vars(text: str, values: Mapping[str, Any]) -> str:
    """The text with `${vars.x}` filled in; booleans are written `true` and `false`. `$${` is kept for the second pass.

    Raises:
        UnknownVariableError: a variable has no value, or one that is a list or a mapping.
    """
    if "${vars." not in text:
        return text

    def value(match: re.Match[str]) -> str:
        if match[1]:
            return match[0]
        found: Any = values
        for key in match[2].split("."):
            if not isinstance(found, Mapping) or key not in found:
                raise UnknownVariableError("vars." + match[2])
            found = found[key]
        if found is None or isinstance(found, (Mapping, list)):
            raise UnknownVariableError("vars." + match[2])
        return str(found).lower() if isinstance(found, bool) else str(found)

    return re.sub(_VARS, value, text)


def fill_environment(text: str, environ: Mapping[str, str]) -> str:
    """The text with `${env.X}` filled in and `$${` written as `${`.

    Raises:
        UnknownVariableError: a variable is not set and has no default.
    """
    if "${" not in text:
        return text

    def value(match: re.Match[str]) -> str:
        if match[1]:
            return "${"
        if match[2] in environ:
            return environ[match[2]]
        if match[3] is None:
            raise UnknownVariableError("env." + match[2])
        return match[3]

    return re.sub(_ENV, value, text)


def fill_known(text: str, environ: Mapping[str, str]) -> str:
    """The same; as it stands where a variable is not set."""
    try:
        return fill_environment(text, environ)
    except UnknownVariableError:
        return text


def variable_names(text: str) -> list[str]:
    """The names x of each `${vars.x}` in a text."""
    if "${vars." not in text:
        return []
    return [match[2] for match in re.finditer(_VARS, text) if not match[1]]


def environment_names(text: str) -> list[tuple[str, bool]]:
    """The names X of each `${env.X}` in a text, and whether each has a default."""
    if "${env." not in text:
        return []
    return [(match[2], match[3] is not None) for match in re.finditer(_ENV, text) if not match[1]]
