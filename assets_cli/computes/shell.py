"""Shell commands: the variables that they find in their environment, and the file in which they may report.

Pure but for reading that file: starting the command is an executor's business.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from assets_cli.computes import reported
from assets_cli.computes.reported import Reported

_OTHER = re.compile(r"[^A-Z0-9]")


def environment(
    environ: Mapping[str, str],
    *,
    asset: str,
    run: str,
    environment: str,
    output: str | None,
    upstreams: Mapping[str, str | None],
    result: str,
) -> dict[str, str]:
    """What a shell command finds in its environment besides what it inherits from `environ`.

    `output` and `upstreams` are paths or tables; None, where there is neither, sets no variable. `result` is the path
    of a file to which the command may write what `read_result` reads.
    """
    extra = {
        "ASSETS_ASSET": asset,
        "ASSETS_RUN_ID": run,
        "ASSETS_ENV": environment,
        "ASSETS_RESULT": result,
        "PATH": path_with_interpreter(environ),
    }
    if output is not None:
        extra["ASSETS_OUTPUT"] = output
    extra.update({upstream_variable(name): where for name, where in upstreams.items() if where is not None})
    return extra


@lru_cache(maxsize=1 << 16)
def upstream_variable(name: str) -> str:
    """The variable of an upstream: `raw/events.daily` is in `ASSETS_UPSTREAM_RAW_EVENTS_DAILY`."""
    return "ASSETS_UPSTREAM_" + _OTHER.sub("_", name.upper())


def path_with_interpreter(environ: Mapping[str, str]) -> str:
    """The search path with the running interpreter's folder at its end, so that `python load.py` finds a Python."""
    return _with_interpreter(environ.get("PATH", os.defpath))


@lru_cache(maxsize=64)
def _with_interpreter(path: str) -> str:
    own = str(Path(sys.executable).parent)
    return path if own in path.split(os.pathsep) else f"{path}{os.pathsep}{own}" if path else own


def read_result(path: str | os.PathLike[str]) -> Reported:
    """What a command wrote to its `$ASSETS_RESULT`; nothing where it wrote nothing.

    Raises:
        ValueError: it wrote something else than was agreed; the message is a sentence.
    """
    try:
        with open(path, "rb") as stream:  # noqa: PTH123 - a third of Path's time, at every step
            text = stream.read().decode("utf-8-sig")
    except FileNotFoundError:
        return Reported()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ValueError(f"the file at $ASSETS_RESULT cannot be read: {reason.lower()}") from None
    if not text.strip():
        return Reported()
    try:
        document = json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"the file at $ASSETS_RESULT is not JSON: {error.msg.lower()} in line {error.lineno}"
        ) from None
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, ValueError) else "nested too deeply"
        raise ValueError(f"the file at $ASSETS_RESULT is not JSON: {reason}") from None
    try:
        return reported.from_document(document)
    except ValueError as error:
        raise ValueError(f"the file at $ASSETS_RESULT {error}") from None


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON number")
