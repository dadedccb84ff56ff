"""What a parameter's annotation asks for: text, a path, or a frame of one library. Libraries are not imported for it.

An annotation may be a type, text (also of `from __future__ import annotations`), or text that names what the module
imports for type checkers only.
"""

from __future__ import annotations

import inspect
import sys
import types
import typing
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

Form = Literal["text", "path", "pandas", "polars", "lazy", "arrow", "relation"]

HINT = (
    "annotate it `str`, `Path`, `pandas.DataFrame`, `polars.DataFrame`, `polars.LazyFrame`, `pyarrow.Table` "
    "or `duckdb.DuckDBPyRelation`"
)

_FORMS: dict[str, Form] = {
    **dict.fromkeys(("str", "typing.Any", "Any", "object"), "text"),
    **dict.fromkeys(("pathlib.Path", "pathlib.PurePath", "pathlib.PosixPath", "Path", "PurePath"), "path"),
    "pandas.DataFrame": "pandas",
    "polars.DataFrame": "polars",
    "polars.LazyFrame": "lazy",
    "pyarrow.Table": "arrow",
    "duckdb.DuckDBPyRelation": "relation",
    # Names that only one library has.
    "LazyFrame": "lazy",
    "DuckDBPyRelation": "relation",
}
_SHORT = {"pd": "pandas", "pl": "polars", "pa": "pyarrow"}


class Asked(NamedTuple):
    """What an annotation asks for. `form` is None where it is nothing that an upstream can be; `name` is as written."""

    form: Form | None
    name: str = ""


def asked(parameter: inspect.Parameter, function: Callable[..., Any]) -> Asked:
    """What a parameter of a function asks for; without an annotation text."""
    names = _names(_resolved(parameter.annotation, function), function)
    if not names:
        return Asked("text")
    for name in names:
        if name in _FORMS:
            return Asked(_FORMS[name], name)
    return Asked(None, " or ".join(names))


def _resolved(annotation: Any, function: Callable[..., Any]) -> Any:
    """The annotation's type. What can't be resolved, such as an import for type checkers, stays as it is."""
    plain = inspect.unwrap(function)
    scope = getattr(plain, "__globals__", None) or vars(sys.modules.get(plain.__module__, typing))
    holder = types.SimpleNamespace(__annotations__={"it": annotation})
    try:
        return typing.get_type_hints(holder, globalns=scope)["it"]
    except Exception:  # noqa: BLE001 - resolving runs any expression that the user wrote as an annotation
        return annotation


def _names(annotation: Any, function: Callable[..., Any]) -> list[str]:
    """The names of the types that an annotation allows, but None: `Path | None` gives `pathlib.Path`."""
    if annotation is None or annotation is inspect.Parameter.empty or annotation is type(None):
        return []
    if isinstance(annotation, typing.ForwardRef):
        annotation = annotation.__forward_arg__
    if isinstance(annotation, str):
        parts = [part.strip(" '\"") for part in annotation.split("|")]
        return [_canonical(part, function) for part in parts if part and part != "None"]
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return [name for each in typing.get_args(annotation) for name in _names(each, function)]
    if annotation is Any:
        return ["Any"]
    if not isinstance(annotation, type):
        return [str(annotation)]
    return [_canonical(f"{annotation.__module__}.{annotation.__qualname__}", function)]


def _canonical(name: str, function: Callable[..., Any]) -> str:
    """`polars.dataframe.frame.DataFrame`, `pl.DataFrame` and an imported `DataFrame` all give `polars.DataFrame`."""
    head, dot, rest = name.partition(".")
    if name not in _FORMS and head not in _SHORT.values():
        known = _imports(function).get(head)
        if known:
            head, dot, rest = (known + dot + rest).partition(".")
    head = _SHORT.get(head, head).lstrip("_")
    if head == "builtins":
        return rest
    if head in ("pandas", "polars", "pyarrow", "duckdb", "pathlib"):
        return f"{head}.{rest.rpartition('.')[2]}"
    return head + dot + rest


def _imports(function: Callable[..., Any]) -> dict[str, str]:
    """What a name of the function's module stands for by its imports, those for type checkers included."""
    import ast  # on use: only for annotations that could not be resolved

    try:
        tree = ast.parse(inspect.getsource(sys.modules[inspect.unwrap(function).__module__]))
    except (OSError, TypeError, KeyError, SyntaxError):
        return {}
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update({each.asname: each.name for each in node.names if each.asname})
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update({each.asname or each.name: f"{node.module}.{each.name}" for each in node.names})
    return found
