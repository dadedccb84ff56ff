"""From an asset to the process that makes it: argument list, environment, job for a worker.

Variables of the environment are filled in here, at the last moment. Knows nothing of order, locks or records.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from assets_cli.computes import pipes, shell
from assets_cli.connections import open_database
from assets_cli.connections.protocol import Database
from assets_cli.model import template
from assets_cli.model.history import Materialization
from assets_cli.model.manifest import (
    Asset,
    Connection,
    Manifest,
    Output,
    PathProbe,
    PythonCommand,
    ShellCommand,
    SqlCommand,
)
from assets_cli.model.problem import system_reason
from assets_cli.running.executors.local import Invocation

WORKER = (sys.executable, "-P", "-m", "assets_cli.running.worker")

_PLAIN: Final = re.compile(r"[^/.][^/]*(?:/[^/.][^/]*)*")
"""Relative paths without anything that `Path` would leave out."""

StrPath = str | os.PathLike[str]
"""A path: a text where one is made for every step, which costs a tenth."""


class CannotStartError(Exception):
    """A step cannot start: an unset variable, a file that is not there. The message says which and where."""


class Target(NamedTuple):
    """A run and the place for one attempt's files.

    `held` are the real paths of the database files whose mutex the step holds; `locks` is the folder of the others.
    `output` is where a command writes its output, where that is not the declared place yet.
    `number` counts attempts from 1; `last` is the latest materialization on record, and `code_version` what runs now.
    `growth` says how rows come to a table that grows.
    """

    run: str
    environment: str
    log: StrPath
    result: StrPath
    locks: str | None = None
    held: tuple[str, ...] = ()
    output: str | None = None
    number: int = 1
    code_version: str | None = None
    last: Materialization | None = None
    growth: Mapping[str, Any] = {}


def invocation(
    manifest: Manifest,
    asset: Asset,
    target: Target,
    environ: Mapping[str, str],
    descriptors: tuple[int, ...],
    secrets: tuple[str, ...] = (),
) -> Invocation:
    """The process that makes an asset once; `secrets` are what its log must not show.

    Raises:
        CannotStartError: a variable is not set, or the SQL file cannot be read.
    """
    own = {name: fill(text, environ, f"env.{name}") for name, text in asset.env.items()}
    command = asset.command
    if isinstance(command, ShellCommand):
        extra = shell_environment(manifest, asset, target, environ)
        extra |= _pipes_environment(manifest, asset, target, extra)
        argv = (*command.interpreter, fill(command.run, environ, "command.shell"))
        job = None
    else:
        argv, extra = WORKER, {"PATH": shell.path_with_interpreter(environ)}
        job = _job_of_command(manifest, asset, target, environ)
    return Invocation(
        argv=argv,
        env={**environ, **extra, **own},
        cwd=manifest.root,
        log=target.log,
        descriptors=descriptors,
        timeout=asset.timeout,
        job=job,
        masks=secrets,
        warm=not asset.isolated,
    )


def shell_environment(manifest: Manifest, asset: Asset, target: Target, environ: Mapping[str, str]) -> dict[str, str]:
    """What a shell command of an asset finds in its environment besides what it inherits and the asset's own."""
    upstreams = {name: address(manifest, manifest.assets[name], environ) for name in asset.upstreams}
    return shell.environment(
        environ,
        asset=asset.name,
        run=target.run,
        environment=target.environment,
        output=target.output or address(manifest, asset, environ),
        upstreams=upstreams,
        result=os.fspath(target.result),
    )


def _pipes_environment(manifest: Manifest, asset: Asset, target: Target, told: Mapping[str, str]) -> dict[str, str]:
    """What a script that uses Dagster Pipes finds, in the words of that; `told` is what any command does."""
    context = pipes.Context(
        asset=asset.name,
        run=target.run,
        environment=target.environment,
        attempt=target.number,
        code_version=target.code_version,
        last=target.last,
        output=told.get("ASSETS_OUTPUT"),
        upstreams={name: told.get(shell.upstream_variable(name)) for name in asset.upstreams},
        vars=manifest.vars,
    )
    try:
        return pipes.environment(context, pipes.Files.beside(target.result))
    except OSError as error:
        reason = system_reason(error)
        raise CannotStartError(f"the context for Dagster Pipes cannot be written: {reason}") from None


def locate_output(manifest: Manifest, asset: Asset, environ: Mapping[str, str]) -> Output | None:
    """The declared output with its variables filled in and its path made absolute.

    What is observed at a path and declares no output is there.
    """
    output = _declared_output(asset)
    if output is None:
        return None
    path = _full_path(manifest, output, environ)
    connection = manifest.connection_of(asset)
    return output._replace(path=path, connection=connection.name if connection else None)


def address(manifest: Manifest, asset: Asset, environ: Mapping[str, str]) -> str | None:
    """What a command is told of an output: its path or its table."""
    output = _declared_output(asset)
    return None if output is None else _full_path(manifest, output, environ) or output.table


def _declared_output(asset: Asset) -> Output | None:
    if asset.output is None and isinstance(asset.observe, PathProbe):
        return Output(path=asset.observe.path)
    return asset.output


def _full_path(manifest: Manifest, output: Output, environ: Mapping[str, str]) -> str | None:
    return None if output.path is None else _absolute(manifest.root, fill(output.path, environ, "output.path"))


@lru_cache(maxsize=1 << 16)
def _absolute(root: str, path: str) -> str:
    # Plain in most cases, and then Path would say the same in ten times the time.
    return f"{root}/{path}" if _PLAIN.fullmatch(path) and not root.endswith("/") else str(Path(root, path))


def databases(manifest: Manifest, asset: Asset, environ: Mapping[str, str]) -> dict[str, Database]:
    """The databases that a step touches: of its SQL, its output and its upstreams' outputs, by connection name."""
    if not manifest.connections:
        return {}
    names: dict[str, None] = {}
    for each in (asset, *(manifest.assets[upstream] for upstream in asset.upstreams)):
        touches_table = each.output is not None and each.output.table is not None
        asks = isinstance(asset.command, SqlCommand) or asset.data_version_sql is not None
        # A query of an asset that is a file is run on the file.
        asks = asks or (each.output is None and any(check.kind == "sql" for check in asset.checks))
        if touches_table or (each is asset and asks):
            connection = manifest.connection_of(each)
            if connection is not None:
                names[connection.name] = None
    return {name: database(manifest, name, environ) for name in names}


def database(manifest: Manifest, name: str, environ: Mapping[str, str]) -> Database:
    """The database of a connection, its variables filled in."""
    connection = manifest.connections[name]
    return open_database(connection.type, _options(connection, environ), Path(manifest.root))


def _options(connection: Connection, environ: Mapping[str, str]) -> dict[str, str]:
    where = f"connection {connection.name}"
    return {key: fill(value, environ, where) for key, value in connection.options.items()}


def _declared(connection: Connection, environ: Mapping[str, str]) -> dict[str, Any]:
    """A connection for the worker. One that cannot be opened is no obstacle to a command that never asks for it."""
    try:
        return {"type": connection.type, "options": _options(connection, environ)}
    except CannotStartError as error:
        return {"type": connection.type, "problem": str(error)}


def read_sql(manifest: Manifest, command: SqlCommand) -> str:
    """The text of an SQL file, with the manifest's variables filled in.

    Raises:
        CannotStartError: it cannot be read, or a variable has no value.
    """
    try:
        text = Path(manifest.root, command.path or "").read_text(encoding="utf-8")
        return template.fill_vars(text, manifest.vars)
    except template.UnknownVariableError as unknown:
        raise CannotStartError(f"{command.path} uses ${{{unknown.name}}}, which has no value") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CannotStartError(f"{command.path} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _job_of_command(manifest: Manifest, asset: Asset, target: Target, environ: Mapping[str, str]) -> dict[str, Any]:
    command = asset.command
    if isinstance(command, SqlCommand):
        compute, text = "sql", command.query or read_sql(manifest, command)
        document: dict[str, Any] = {"query": fill(text, environ, "command.sql"), "path": command.path}
    else:
        assert isinstance(command, PythonCommand)  # noqa: S101 - the union is closed, mypy cannot see it from here
        compute, document = "python", {"module": command.module, "function": command.function}
    return job(manifest, asset, target, environ, (compute, document))


def job(
    manifest: Manifest,
    asset: Asset,
    target: Target,
    environ: Mapping[str, str],
    work: tuple[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """The document of the worker protocol, see `worker`; `work` is the name of the compute and its `command`."""
    compute, document = work
    output = locate_output(manifest, asset, environ)
    upstreams = {name: locate_output(manifest, manifest.assets[name], environ) for name in asset.upstreams}
    return {
        "compute": compute,
        "locks": target.locks,
        "held": target.held,
        "asset": asset.name,
        "run": target.run,
        "environment": target.environment,
        "root": manifest.root,
        "command": document,
        "output": output._asdict() if output else None,
        "connections": {name: _declared(connection, environ) for name, connection in manifest.connections.items()},
        "default_connection": manifest.default_connection,
        "upstreams": {
            name: {
                "path": where.path if where else None,
                "table": where.table if where else None,
                "connection": where.connection if where else None,
            }
            for name, where in upstreams.items()
        },
        "vars": dict(manifest.vars),
        "data_version": asset.data_version,
        "data_version_sql": asset.data_version_sql,
        "growth": dict(target.growth),
    }


def fill(text: str, environ: Mapping[str, str], where: str) -> str:
    """A text with its variables filled in; `where` says what uses them.

    Raises:
        CannotStartError: one is not set.
    """
    if "${" not in text:
        return text
    try:
        return template.fill_environment(text, environ)
    except template.UnknownVariableError as unknown:
        name = unknown.name.removeprefix("env.")
        raise CannotStartError(f"the environment variable {name} is not set, {where} uses it") from None
