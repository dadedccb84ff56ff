"""Options and arguments that several commands share, so that they read the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Selection = Annotated[list[str] | None, typer.Argument(metavar="[SEL]...", help="Which assets.", show_default=False)]
Upstream = Annotated[bool, typer.Option("--upstream", help="Also everything that the selection is made from.")]
Downstream = Annotated[bool, typer.Option("--downstream", help="Also everything that is made from the selection.")]
Force = Annotated[bool, typer.Option("--force", help="Run what the selection names, whatever its state.")]
FullRefresh = Annotated[
    bool,
    typer.Option("--full-refresh", help="Build incremental and append tables that the selection names from nothing."),
]
NoObserve = Annotated[
    bool, typer.Option("--no-observe", help="Take external assets as they were observed last; run no probe.")
]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", "-j", metavar="N", help="How many at once; by default as many as processors."),
]
FailFast = Annotated[bool, typer.Option("--fail-fast", help="Start nothing new once a step has failed.")]
Trace = Annotated[
    Path | None,
    typer.Option("--trace", metavar="FILE", help="Write how the run went as Chrome trace JSON, for ui.perfetto.dev."),
]
AsEvents = Annotated[bool, typer.Option("--json", help="Print events, one JSON document a line.")]
OneAsset = Annotated[str, typer.Argument(metavar="ASSET", help="The asset's name.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print a JSON document instead.")]


def flags_of(**flags: bool) -> tuple[str, ...]:
    """The flags that are set, as they are typed."""
    return tuple(f"--{name.replace('_', '-')}" for name, is_set in flags.items() if is_set)
