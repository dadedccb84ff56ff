"""Dagster Pipes, to the script: the two variables by which `dagster-pipes` finds its context and its channel.

Each variable is base64(zlib(json)). The context is in the variable itself, or, where it is long, in a file; messages go
to a file that the script makes, so that a command without Pipes costs nothing after it. Also tells, as cheaply, whether
a command has said anything. What it said is read elsewhere.
"""

from __future__ import annotations

import binascii
import json
import os
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from assets_cli.model.history import Materialization

CONTEXT: Final = "DAGSTER_PIPES_CONTEXT"
MESSAGES: Final = "DAGSTER_PIPES_MESSAGES"
MARK: Final = b'"__dagster_pipes_version"'
"""What every message holds."""

_LONGEST: Final = 49_152
"""Bytes of a context that still goes into a variable, where they take a third more: Linux allows 128 KiB."""

_GLANCE: Final = 4 << 20
"""Bytes at the beginning and at the end of a log in which a message is looked for."""

_encode = json.JSONEncoder(separators=(",", ":"), default=str).encode


class Files(NamedTuple):
    """Where one attempt's messages are, and its context where it is too long for a variable."""

    messages: str
    context: str

    @classmethod
    def beside(cls, result: str | os.PathLike[str]) -> Files:
        """Those of an attempt whose $ASSETS_RESULT is `x.result.json`; they are cleaned up by the same ending."""
        stem = os.fspath(result).removesuffix(".result.json")
        return cls(f"{stem}.pipes.result.json", f"{stem}.context.result.json")

    def remove(self) -> None:
        """Remove them: nothing has masked them."""
        with suppress(OSError):
            Path(self.messages).unlink()
        self.remove_context()

    def remove_context(self) -> None:
        """Remove the context alone, where there are no messages."""
        try:  # noqa: SIM105 - contextlib.suppress costs as much as the call, at every step
            os.unlink(self.context)  # noqa: PTH108 - as above
        except OSError:
            pass


class Context(NamedTuple):
    """What the script is told. `attempt` counts from 1; `last` is the latest materialization on record."""

    asset: str
    run: str
    environment: str
    attempt: int = 1
    code_version: str | None = None
    last: Materialization | None = None
    output: str | None = None
    upstreams: Mapping[str, str | None] = {}
    vars: Mapping[str, Any] = {}


def environment(context: Context, files: Files) -> dict[str, str]:
    """The two variables.

    Raises:
        OSError: the context needs a file, which cannot be written.
    """
    document = _encode(_document(context)).encode()
    if len(document) <= _LONGEST:
        told = _packed(b'{"data":%b}' % document)
    else:
        Path(files.context).write_bytes(document)
        told = _packed(_encode({"path": files.context}).encode())
    return {CONTEXT: told, MESSAGES: _packed(_encode({"path": files.messages}).encode())}


def has_spoken(files: Files, log: str) -> bool:
    """Whether there are messages: in their file, or at the beginning or the end of the log."""
    return os.path.exists(files.messages) or is_marked(log)  # noqa: PTH110 - a third of Path's time, at every step


def _document(context: Context) -> dict[str, Any]:
    """The fields of `PipesContextData`. Extras are the variables by name, and what `assets` says besides."""
    name, last = context.asset, context.last
    provenance = None
    if last is not None:
        provenance = {
            "code_version": last.code_version,
            "input_data_versions": {above: read.data_version or "" for above, read in last.inputs.items()},
            "is_user_provided": False,
        }
    return {
        "asset_keys": [name],
        "code_version_by_asset_key": {name: context.code_version},
        "provenance_by_asset_key": {name: provenance},
        "partition_key": None,
        "partition_key_range": None,
        "partition_time_window": None,
        "run_id": context.run,
        "job_name": None,
        "retry_number": context.attempt - 1,
        "extras": {
            **context.vars,
            "vars": context.vars,
            "environment": context.environment,
            "output": context.output,
            "upstreams": context.upstreams,
        },
    }


def _packed(document: bytes) -> str:
    """base64(zlib(document)).

    The stream has one block that is stored as it is (RFC 1950, RFC 1951): for so few bytes `zlib.compress` takes
    sixty times as long, most of it for its window, and every step pays for it.
    """
    size = len(document)
    head = b"\x78\x01\x01" + size.to_bytes(2, "little") + (size ^ 0xFFFF).to_bytes(2, "little")
    return binascii.b2a_base64(head + document + zlib.adler32(document).to_bytes(4, "big"), newline=False).decode()


def is_marked(log: str) -> bool:
    """Whether a message is at the beginning or the end of a log, of which no more is read."""
    try:
        if os.stat(log).st_size == 0:  # noqa: PTH116 - as above
            return False
        descriptor = os.open(log, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        size = os.fstat(descriptor).st_size
        starts = (0,) if size <= _GLANCE else (0, size - _GLANCE)
        return any(MARK in os.pread(descriptor, min(size, _GLANCE), start) for start in starts)
    except OSError:
        return False
    finally:
        os.close(descriptor)
