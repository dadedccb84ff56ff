"""`assets logs`: what the commands of a run wrote."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from assets_cli.cli import console
from assets_cli.cli.options import Argument, AsJson
from assets_cli.cli.session import Session
from assets_cli.cli.words import count
from assets_cli.model.history import Attempt
from assets_cli.model.problem import AssetsError, Problem

_MOST_EMPTY = 10


def command(
    session: Session,
    run: Annotated[
        str, Argument(metavar="[RUN]", text="A run's id, its beginning or end; or an asset: its last attempts.")
    ] = "latest",
    asset: Annotated[str | None, Argument(metavar="[ASSET]", text="Only this asset.", show_default=False)] = None,
    as_json: AsJson = False,
) -> int:
    """Print what the commands of a run wrote, attempt by attempt; by default of the latest run."""
    files = session.open().log_files(run, asset)
    if as_json:
        console.show_json({"version": 1, "logs": [_document(attempt, path) for attempt, path in files]})
        return 0
    if not files:
        about = f" of {asset}" if asset else ""
        hint = f"{session.command('runs', run)} tells how each step ended"
        raise AssetsError(Problem("A0821", f"run {run} left no log{about}", hint=hint, asset=asset))
    if asset is None and run == files[0][0].asset:
        console.remark([f"run {files[0][0].run}"])  # which one was not said
    _print(files, named=asset is not None)
    return 0


def _document(attempt: Attempt, path: Path) -> dict[str, object]:
    return {
        "asset": attempt.asset,
        "number": attempt.number,
        "state": attempt.state,
        "path": str(path),
        "text": path.read_text(encoding="utf-8", errors="replace"),
    }


def _print(files: Sequence[tuple[Attempt, Path]], *, named: bool) -> None:
    """Copy the logs as they are. Headers go to stderr, where there are several logs, or an empty one to account for.

    Of many that hold nothing, which nobody asked for by name, the number is enough.
    """
    import shutil

    terminal = console.err()
    empty = {path for _, path in files if path.stat().st_size == 0}
    written = [each for each in files if each[1] not in empty]
    shown = written if not named and len(files) - len(written) > _MOST_EMPTY else files
    for number, (attempt, path) in enumerate(shown):
        if len(files) > 1 or path in empty:
            title = f"{attempt.asset}, attempt {attempt.number}, {attempt.state.replace('_', ' ')}"
            title += ", wrote nothing" if path in empty else ""
            head = terminal.paint(f"── {title} " + "─" * max(terminal.width - len(title) - 4, 2), "bold")
            terminal.write(["", head] if number else [head])
        with path.open("rb") as log:
            shutil.copyfileobj(log, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    if len(shown) < len(files):
        more = "more " if shown else ""
        terminal.write(["", f"{count(len(files) - len(shown), f'{more}attempt')} wrote nothing"])
