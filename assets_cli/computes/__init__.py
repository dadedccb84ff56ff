"""One file for each kind of command. `run_of` finds the kind by its name; each has `run(job, databases, channel)`.

`sql` and `python` run in a worker process; `shell` only prepares a command's environment and reads what it reported.
"""

from __future__ import annotations

from importlib import import_module

from assets_cli.computes.protocol import ComputeFailedError, Run

BUILT_IN = ("sql", "python")


def run_of(kind: str) -> Run:
    """What runs a command of this kind.

    Built-in names resolve without a scan of entry points, which would cost start-up.

    Raises:
        ComputeFailedError: no such compute is installed.
    """
    if kind not in BUILT_IN:
        raise ComputeFailedError(f"unknown compute {kind!r}", hint=f"known computes: {', '.join(BUILT_IN)}")
    run: Run = import_module(f"assets_cli.computes.{kind}").run
    return run
