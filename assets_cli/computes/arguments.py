"""The arguments of a Python function, from its signature: upstreams by name, each as its annotation asks.

Knows nothing of how functions are found or called.
"""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from assets_cli.computes.context import Context
from assets_cli.computes.protocol import Address, ComputeFailedError

_OTHER = re.compile(r"[./-]")
_TEXT = ("str", "Any", "typing.Any", "object")
_PATH = ("Path", "pathlib.Path", "PurePath", "pathlib.PurePath", "PosixPath")
_LATER = ("DataFrame", "LazyFrame", "Table", "DuckDBPyRelation")


class Arguments(NamedTuple):
    """What a function is called with."""

    positional: tuple[Any, ...]
    named: dict[str, Any]


def parameter_name(upstream: str) -> str:
    """The parameter of an upstream: `raw/events.daily-1` is handed to `raw_events_daily_1`."""
    return _OTHER.sub("_", upstream)


def bind(function: Callable[..., Any], upstreams: Mapping[str, Address], context: Context) -> Arguments:
    """The arguments for each parameter of a function: `context`, its upstreams, and nothing for what has a default.

    Raises:
        ComputeFailedError: a parameter is neither, or asks for what an upstream cannot be handed as.
    """
    by_parameter = {parameter_name(name): name for name in upstreams}
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        raise ComputeFailedError(f"{function!r} has no signature to read") from None
    hints = _hints(function)
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.name == "context":
            value: Any = context
        elif parameter.name in by_parameter:
            upstream = by_parameter[parameter.name]
            value = _handed(parameter.name, hints.get(parameter.name), upstream, upstreams[upstream])
        elif parameter.default is not parameter.empty:
            continue
        else:
            raise _unknown(parameter.name, by_parameter)
        if parameter.kind is parameter.POSITIONAL_ONLY:
            positional.append(value)
        else:
            named[parameter.name] = value
    return Arguments(tuple(positional), named)


def _unknown(name: str, by_parameter: Mapping[str, str]) -> ComputeFailedError:
    import difflib  # on use: only after an error

    known = [*sorted(by_parameter), "context"]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"it could be {', '.join(known)}; or give it a default"
    return ComputeFailedError(f"the parameter {name} is neither an upstream nor `context`", hint=hint)


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations, resolved where they can be: one that is imported only for type checkers stays text."""
    plain = inspect.unwrap(function)
    try:
        return typing.get_type_hints(plain)
    except Exception:  # noqa: BLE001 - resolving runs any expression that the user wrote as an annotation
        return dict(getattr(plain, "__annotations__", {}))


def _handed(parameter: str, annotation: Any, upstream: str, where: Address) -> str | Path:
    names = _names(annotation)
    if any(name.rpartition(".")[2] in _LATER for name in names):
        raise ComputeFailedError(
            f"the parameter {parameter} asks for {' or '.join(names)}; upstreams as frames and relations come later",
            hint="annotate it `str` or `Path` and read it yourself",
        )
    if not names or any(name in _TEXT for name in names):
        address = where.path or where.table
        if address is None:
            raise ComputeFailedError(f"the upstream {upstream} declares no output that {parameter} could be")
        return address
    if any(name in _PATH for name in names):
        if where.path is not None:
            return Path(where.path)
        what = f"is the table {where.table}" if where.table else "declares no output"
        hint = f"annotate {parameter} `str` to get the table's name" if where.table else None
        raise ComputeFailedError(f"the parameter {parameter} asks for a Path, but {upstream} {what}", hint=hint)
    raise ComputeFailedError(
        f"the parameter {parameter} asks for {' or '.join(names)}, which an upstream cannot be handed as",
        hint="annotate it `str` or `Path`",
    )


def _names(annotation: Any) -> list[str]:
    """The names of the types that an annotation allows, but None: `Path | None` gives `Path`."""
    if annotation is None or annotation is inspect.Parameter.empty:
        return []
    if isinstance(annotation, str):
        names = [part.strip(" '\"") for part in annotation.split("|")]
        return [name for name in names if name and name != "None"]
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return [name for each in typing.get_args(annotation) if each is not type(None) for name in _names(each)]
    if annotation is Any:
        return ["Any"]
    if not isinstance(annotation, type):
        return [str(annotation)]
    module = annotation.__module__.partition(".")[0]
    return [annotation.__qualname__ if module in ("builtins", "pathlib") else f"{module}.{annotation.__qualname__}"]
