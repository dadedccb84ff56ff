"""The checks of one asset: their values, their names where none is written, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, get_args

from assets_cli.manifest.document import Key
from assets_cli.model.duration import parse
from assets_cli.model.manifest import Asset, Check, CheckKind, Command, ShellCommand, SqlCommand
from assets_cli.model.patterns import PatternError, translate

KINDS: Final[tuple[CheckKind, ...]] = get_args(CheckKind)
ON_OUTPUT: Final = frozenset(KINDS) - {"sql", "python", "shell"}
"""The kinds that look at a declared output; the others look where they like."""


class Mistake(NamedTuple):
    """What is wrong with a value of the check at a position."""

    keys: tuple[Key, ...]
    code: str
    message: str
    hint: str
    warning: bool = False


def make_check(values: Mapping[str, Any], command_of: Callable[[Mapping[str, Any]], Command]) -> Check:
    """The check that an entry of `checks` describes; `command_of` reads the kinds that are commands too."""
    kind = next(kind for kind in KINDS if kind in values)
    arguments = _arguments(kind, values[kind], command_of)
    name = values.get("name") or default_name(kind, arguments)
    return Check(name, kind, arguments, values.get("severity", "error"), values.get("blocking", False))


def _arguments(kind: CheckKind, value: Any, command_of: Callable[[Mapping[str, Any]], Command]) -> dict[str, Any]:
    if kind in ("not_null", "unique"):
        return {"columns": tuple(value)}
    if kind == "max_age":
        return {**value, "max": parse(value["max"])}
    if kind == "relationships":
        return {"field": value["column"], **value}
    if kind not in ("sql", "python", "shell"):
        return dict(value)
    command = command_of({kind: value})
    if isinstance(command, SqlCommand):
        return {"query": command.query} if command.path is None else {"path": command.path}
    if isinstance(command, ShellCommand):
        return {"run": command.run}
    return {"module": command.module, "function": command.function}


def default_name(kind: CheckKind, arguments: Mapping[str, Any]) -> str:
    """What a check without a name is called: `not_null(session_id, customer_id)`, `row_count`, `python(checks:few)`."""
    if kind == "python":
        return f"python({arguments['module']}:{arguments['function']})"
    about = arguments.get("columns") or [name for key in ("column", "path") if (name := arguments.get(key))]
    return f"{kind}({', '.join(about)})" if about else kind


def mistakes(asset: Asset) -> Iterator[Mistake]:
    """Everything that is wrong with an asset's checks, and with the columns that it declares, by themselves."""
    yield from _of_columns(asset)
    has_output = asset.output is not None and (asset.output.path is not None or asset.output.table is not None)
    names: dict[str, int] = {}
    for index, check in enumerate(asset.checks):
        at: tuple[Key, ...] = ("checks", index)
        first = names.setdefault(check.name, index)
        if first != index:
            message = f"check '{check.name}' is here twice"
            yield Mistake((*at, "name"), "A0151", message, "give one of the two another name")
        if check.blocking and check.severity == "warn":
            message = f"check '{check.name}' is blocking, and with severity warn it fails nothing"
            yield Mistake((*at, "blocking"), "A0152", message, "remove one of the two")
        elif check.blocking and asset.is_external:
            message = f"check '{check.name}' cannot block: others produce this asset"
            yield Mistake((*at, "blocking"), "A0152", message, "remove blocking", warning=True)
        if check.kind in ON_OUTPUT and not has_output:
            hint = "declare an output, or write a check of kind sql, python or shell"
            message = f"check '{check.name}' has nothing to look at: the asset declares no path or table"
            yield Mistake((*at, check.kind), "A0153", message, hint)
        if check.kind == "schema" and not asset.columns:
            message = f"check '{check.name}' has nothing to hold the output to: the asset declares no columns"
            yield Mistake((*at, "schema"), "A0161", message, "write `columns: [{name: id, type: integer}]`")
        if check.kind == "volume" and asset.is_external:
            message = f"check '{check.name}' knows no history: others produce this asset"
            yield Mistake((*at, "volume"), "A0154", message, "write row_count with min and max", warning=True)
        yield from _of_arguments(check, (*at, check.kind))


def _of_columns(asset: Asset) -> Iterator[Mistake]:
    seen: set[str] = set()
    for index, column in enumerate(asset.columns):
        name = column.name.lower()
        if name in seen:
            message = f"column '{column.name}' is here twice; databases ignore the case of a name"
            yield Mistake(("columns", index, "name"), "A0164", message, "remove one of the two")
        seen.add(name)


def _of_arguments(check: Check, at: tuple[Key, ...]) -> Iterator[Mistake]:
    arguments = check.arguments
    if check.kind in ("sql", "shell") and not (arguments.get("query") or arguments.get("path") or arguments.get("run")):
        what = "query" if check.kind == "sql" else "command"
        yield Mistake(at, "A0126", f"checks.{check.kind} has no value", f"write a {what}")
    if check.kind == "matches":
        try:
            translate(arguments["pattern"])
        except PatternError as error:
            message = f"check '{check.name}': {error} (character {error.position + 1} of the pattern)"
            yield Mistake((*at, "pattern"), "A0162", message, error.hint or "write the check as a sql check")
    if check.kind in ("row_count", "between"):
        least, most = arguments.get("min"), arguments.get("max")
        if least is None and most is None:
            yield Mistake(at, "A0154", f"check '{check.name}' has neither min nor max", "write one of the two")
        elif _is_above(least, most):
            yield Mistake(
                (*at, "min"), "A0154", f"check '{check.name}': min {least} is above max {most}", "exchange the two"
            )


def _is_above(least: Any, most: Any) -> bool:
    both: Sequence[Any] = (least, most)
    numbers = all(isinstance(each, (int, float)) for each in both)
    return bool((numbers or all(isinstance(each, str) for each in both)) and least > most)
