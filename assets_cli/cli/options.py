"""How a command declares what it takes, and the options that several share, so that they read the same everywhere.

A parameter of a command is annotated with its type and one of these: `Annotated[bool, Option("--all", text=…)]`. They
are values of our own, which `calls` reads by itself and `application` hands on to Typer, whose import would take
longer than a plan.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

_A_YEAR: Final = 366 * 86_400 * 1_000_000
"""Nobody promises anything for longer."""


class Argument:
    """An argument. `metavar` is how help calls it, and whether it may be left out the parameter's default says."""

    __slots__ = ("metavar", "show_default", "text")

    def __init__(self, *, metavar: str, text: str, show_default: bool = True) -> None:
        self.metavar = metavar
        self.text = text
        self.show_default = show_default


class Option:
    """An option by all its names; a flag, where the parameter is a truth value. `least` is the smallest number."""

    __slots__ = ("least", "metavar", "names", "text")

    def __init__(self, *names: str, text: str, metavar: str | None = None, least: int | None = None) -> None:
        self.names = names
        self.text = text
        self.metavar = metavar
        self.least = least


Selection = Annotated[list[str] | None, Argument(metavar="[SEL]...", text="Which assets.", show_default=False)]
Upstream = Annotated[bool, Option("--upstream", text="Also everything that the selection is made from.")]
Downstream = Annotated[bool, Option("--downstream", text="Also everything that is made from the selection.")]
Force = Annotated[bool, Option("--force", text="Run what the selection names, whatever its state.")]
FullRefresh = Annotated[
    bool,
    Option("--full-refresh", text="Build incremental and append tables that the selection names from nothing."),
]
NoObserve = Annotated[
    bool, Option("--no-observe", text="Take external assets as they were observed last; run no probe.")
]
Ahead = Annotated[
    str | None,
    Option("--ahead", metavar="D", text="Also what would be overdue by then and can already be met, such as 45m."),
]
Jobs = Annotated[
    int | None,
    Option("--jobs", "-j", metavar="N", text="How many at once; by default as many as processors."),
]
FailFast = Annotated[bool, Option("--fail-fast", text="Start nothing new once a step has failed.")]
Trace = Annotated[
    Path | None,
    Option("--trace", metavar="FILE", text="Write how the run went as Chrome trace JSON, for ui.perfetto.dev."),
]
AsEvents = Annotated[bool, Option("--json", text="Print events, one JSON document a line.")]
OneAsset = Annotated[str, Argument(metavar="ASSET", text="The asset's name.", show_default=False)]
AsJson = Annotated[bool, Option("--json", text="Print a JSON document instead.")]


def flags_of(**flags: bool | str | None) -> tuple[str, ...]:
    """The flags that are set, as they are typed, with the value of one that takes any."""
    typed: list[str] = []
    for name, value in flags.items():
        if value:
            typed.append(f"--{name.replace('_', '-')}")
            typed += [value] if isinstance(value, str) else []
    return tuple(typed)


def length_of(ahead: Ahead) -> int:
    """How far ahead to look, in microseconds.

    Raises:
        AssetsError: it is no duration.
    """
    if ahead is None:
        return 0
    from assets_cli.model.duration import parse  # few calls look ahead

    try:
        return min(parse(ahead), _A_YEAR)
    except ValueError:
        from assets_cli.model.problem import AssetsError, Problem  # as above

        hint = "write a duration such as 45m, 6h or 1h30m"
        raise AssetsError(Problem("A0815", f"--ahead: {ahead!r} is not a duration", hint=hint)) from None
