"""The arguments of a Python function, from its signature: upstreams by name, each as its annotation asks.

Knows nothing of how functions are found or called, and of frames only who reads them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from assets_cli.computes.annotations import HINT, Asked, Form, asked
from assets_cli.computes.context import Context
from assets_cli.computes.protocol import Address, ComputeFailedError
from assets_cli.model.manifest import parameter_name
from assets_cli.model.spelling import nearest


class Arguments(NamedTuple):
    """What a function is called with."""

    positional: tuple[Any, ...]
    named: dict[str, Any]


class Reader(Protocol):
    """Who reads upstreams as frames."""

    def read(self, wanted: Mapping[str, tuple[Form, str]]) -> dict[str, Any]:
        """The contents of upstreams, each in its form; the form comes with the annotation's name."""
        ...


def bind(function: Callable[..., Any], upstreams: Mapping[str, Address], context: Context, reader: Reader) -> Arguments:
    """The arguments for each parameter of a function: `context`, its upstreams, and nothing for what has a default.

    Nothing is read before every parameter is known to be in order.

    Raises:
        ComputeFailedError: a parameter is neither, or asks for what an upstream cannot be handed as.
    """
    by_parameter = {parameter_name(name): name for name in upstreams}
    values: dict[str, Any] = {}
    frames: dict[str, tuple[Form, str]] = {}
    parameters = _parameters(function)
    for parameter in parameters:
        name = parameter.name
        if name == "context":
            values[name] = context
        elif name in by_parameter:
            what = asked(parameter, function)
            where = upstreams[by_parameter[name]]
            if what.form in ("text", "path"):
                values[name] = _address(name, what, by_parameter[name], where)
            else:
                frames[by_parameter[name]] = (_frame(name, what, by_parameter[name], where), what.name)
        elif parameter.default is parameter.empty:
            raise _unknown(name, by_parameter)
    if frames:
        values.update({parameter_name(name): frame for name, frame in reader.read(frames).items()})
    by_position = [each.name for each in parameters if each.kind is each.POSITIONAL_ONLY and each.name in values]
    positional = tuple(values.pop(name) for name in by_position)
    return Arguments(positional, values)


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        raise ComputeFailedError(f"{function!r} has no signature to read") from None
    return [each for each in parameters if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]


def _unknown(name: str, by_parameter: Mapping[str, str]) -> ComputeFailedError:
    known = [*sorted(by_parameter), "context"]
    near = nearest(name, known)
    hint = f"did you mean {near}?" if near else f"it could be {', '.join(known)}; or give it a default"
    return ComputeFailedError(f"the parameter {name} is neither an upstream nor `context`", hint=hint)


def _address(parameter: str, what: Asked, upstream: str, where: Address) -> str | Path:
    if what.form == "text":
        address = where.path or where.table
        if address is None:
            raise ComputeFailedError(f"the upstream {upstream} declares no output that {parameter} could be")
        return address
    if where.path is not None:
        return Path(where.path)
    where_else = f"is the table {where.table}" if where.table else "declares no output"
    hint = f"annotate {parameter} `str` to get the table's name" if where.table else None
    raise ComputeFailedError(f"the parameter {parameter} asks for a Path, but {upstream} {where_else}", hint=hint)


def _frame(parameter: str, what: Asked, upstream: str, where: Address) -> Form:
    if what.form is None:
        if what.name == "DataFrame":
            message = f"the parameter {parameter} asks for a DataFrame, and that could be pandas' or polars'"
            raise ComputeFailedError(message, hint="annotate it `pandas.DataFrame` or `polars.DataFrame`")
        message = f"the parameter {parameter} asks for {what.name}, which an upstream cannot be handed as"
        raise ComputeFailedError(message, hint=HINT)
    if where.path is None and where.table is None:
        raise ComputeFailedError(f"the upstream {upstream} declares no output that {parameter} could be")
    return what.form
