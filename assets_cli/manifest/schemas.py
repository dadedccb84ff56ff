"""The JSON schemas that the tool ships: where they are, in the wheel and in a checkout. Knows no contents."""

from __future__ import annotations

from pathlib import Path

_SUFFIX = ".schema.json"


def _folder() -> Path:
    package = Path(__file__).resolve().parents[1]
    shipped = package / "schemas"
    return shipped if shipped.is_dir() else package.parent / "schemas"


def schema_names() -> tuple[str, ...]:
    """The names of all schemas, in order."""
    return tuple(sorted(path.name.removesuffix(_SUFFIX) for path in _folder().glob("*" + _SUFFIX)))


def schema_text(name: str) -> str:
    """The schema with this name, such as `manifest`, as JSON text.

    Raises:
        KeyError: there is no such schema.
    """
    if name not in schema_names():
        raise KeyError(name)
    return (_folder() / (name + _SUFFIX)).read_text(encoding="utf-8")
