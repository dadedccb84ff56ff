"""What a command left: is the declared output there, what does it hold, which data version is that.

Also keeps the caches of database files true to what each step did. Knows nothing of locks, attempts or order.
"""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from stat import S_ISREG
from typing import Any, NamedTuple

from assets_cli.computes.protocol import ComputeFailedError, Done
from assets_cli.computes.reported import Reported
from assets_cli.computes.sql import look
from assets_cli.connections.protocol import Database, DatabaseError, TableState
from assets_cli.graph.graph import AssetGraph
from assets_cli.model.history import Fingerprint, Input, Latest
from assets_cli.model.manifest import Asset, Manifest, SqlCommand
from assets_cli.model.problem import system_reason
from assets_cli.model.world import SERVER_TABLE, OutputProbe
from assets_cli.probing import look_at_output
from assets_cli.probing.measures import measure
from assets_cli.probing.paths import stat_version
from assets_cli.probing.tables import DatabaseCache, cache_file, database_stat
from assets_cli.running.commands import CannotStartError, fill, locate_output
from assets_cli.running.surroundings import Surroundings

_LITTLE = 1 << 20
"""Bytes that are read and digested in about a millisecond."""

Stats = Mapping[str, str | None]
"""The stat of each touched database file before a command, by connection name."""


class OutputError(Exception):
    """The command ended well and left something else than was declared. The message is a sentence."""


class Left(NamedTuple):
    """What is at the output now. `queried` is the answer of a declared `data_version: {sql: …}`, as a digest.

    `added` is how many rows came to those of a table that grows; None where it was built anew.
    """

    fingerprint: Fingerprint | None = None
    rows: int | None = None
    queried: str | None = None
    added: int | None = None
    metadata: Mapping[str, Any] = {}
    untouched: bool = False


def is_quickly_looked_at(manifest: Manifest, asset: Asset, environ: Mapping[str, str]) -> bool:
    """Whether a look at an output takes no longer than an instant: nothing to open, little to read."""
    output = asset.output
    if asset.data_version_sql is not None or (output is not None and output.table is not None):
        return False
    if output is None or output.path is None:
        return True
    try:
        found = os.stat(fill(os.path.join(manifest.root, output.path), environ, "output.path"))  # noqa: PTH116, PTH118
    except (OSError, CannotStartError):
        return not glob.has_magic(output.path)  # there is nothing to read, or it cannot be read
    return S_ISREG(found.st_mode) and found.st_size <= _LITTLE


def make_room(manifest: Manifest, asset: Asset, environ: Mapping[str, str]) -> None:
    """Make the folder that a declared path lies in, so that a command need not.

    Raises:
        OutputError: it cannot be made.
    """
    output = locate_output(manifest, asset, environ)
    if output is None or output.path is None:
        return
    if os.path.isdir(os.path.dirname(output.path)):  # noqa: PTH112, PTH120 - asked at every step
        return
    folder = Path(output.path).parent
    while glob.has_magic(str(folder).removeprefix(manifest.root)):  # the way to the project is no pattern
        folder = folder.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = system_reason(error)
        raise OutputError(f"the folder of {asset.output and asset.output.path} cannot be made: {reason}") from None


def database_stats(touched: Mapping[str, Database], around: Surroundings) -> dict[str, str | None]:
    """The stat of every touched database file, under its mutex, before the command."""
    now = around.probes.now_ns()
    return {name: database_stat(each.file, now) for name, each in touched.items() if each.file}


def forget_databases(
    touched: Mapping[str, Database], stats: Stats, around: Surroundings, but: str | None = None
) -> None:
    """Where a database file moved, nothing is known of its tables any more: the next plan reads them again."""
    now = around.probes.now_ns()
    for name, each in touched.items():
        if each.file and name != but and database_stat(each.file, now) != stats.get(name):
            cache = DatabaseCache.load(cache_file(around.root, each.file))
            cache.forget()
            cache.save()


def inspect(
    graph: AssetGraph,
    asset: Asset,
    done: Mapping[str, Any],
    before: OutputProbe | None,
    database: Database | None,
    around: Surroundings,
) -> Left:
    """What a command left at a declared path, or nothing where none is declared. Tables: see `inspect_table`.

    `database` answers a declared `data_version: {sql: …}` where no worker did.

    Raises:
        OutputError: the output is not there, or cannot be looked at.
    """
    queried = done.get("data_version") or query_version(asset, database)
    if asset.output is None or asset.output.path is None:
        return Left(queried=queried)
    probe = look_at_output(graph, asset, Latest(), around.probes)
    if probe is None or probe.state != "present" or probe.fingerprint is None:
        reason = f": {probe.detail}" if probe and probe.detail else ""
        raise OutputError(f"the command ended well but left no {asset.output.path}{reason}")
    untouched = (
        before is not None
        and before.state == "present"
        and before.fingerprint is not None
        and before.fingerprint.stat == probe.fingerprint.stat
    )
    held = measure(asset.output.path, around.root)
    if done.get("columns"):  # what the worker wrote itself it need not be asked for
        held |= _schema(TableState(done["rows"], "", tuple((str(name), str(kind)) for name, kind in done["columns"])))
    return Left(probe.fingerprint, held.get("rows"), queried, metadata=held, untouched=untouched)


def inspect_table(
    asset: Asset, database: Database, done: Mapping[str, Any], before: str | None, around: Surroundings
) -> Left:
    """What a command left in the declared table; the worker says it, for a shell command we look.

    Raises:
        OutputError: the table is not there, or cannot be read.
    """
    output = asset.output
    assert output is not None  # noqa: S101 - for mypy: asked only of tables
    assert output.table is not None  # noqa: S101 - as above
    queried = done.get("data_version")
    if done.get("digest"):
        columns = tuple((str(name), str(kind)) for name, kind in done.get("columns") or ())
        state = TableState(done["rows"], done["digest"], columns)
    else:
        found = _ask(asset, output.table, database)
        state, queried = TableState(found.rows, found.digest or "", found.columns or ()), found.data_version
    stat = None
    if database.file is not None:
        stat = database_stat(database.file, around.probes.now_ns())
        cache = DatabaseCache.load(cache_file(around.root, database.file))
        # A SELECT that we publish writes its own table and nothing else; any other command may have written anything.
        alone = isinstance(asset.command, SqlCommand) and output.materialization != "script"
        if stat is not None:
            cache.after_step(before, stat, output.table, state, only_that_table=alone)
            cache.save()
    added = done.get("added")
    return Left(Fingerprint(state.digest, stat), state.rows, queried, added, _schema(state, added))


def prepared(document: Mapping[str, Any]) -> Left:
    """What a worker says that it is about to publish."""
    columns = tuple((str(name), str(kind)) for name, kind in document.get("columns") or ())
    state = TableState(document["rows"], document["digest"], columns)
    metadata = _schema(state, document.get("added"))
    if document.get("bytes") is not None:
        metadata["bytes"] = document["bytes"]
    version, added = document.get("data_version"), document.get("added")
    return Left(Fingerprint(state.digest), state.rows, version, added, metadata)


def data_version(
    asset: Asset,
    left: Left,
    reported: Reported,
    code_version: str,
    inputs: Mapping[str, Input],
    unique: str,
    before: str | None = None,
) -> str:
    """What downstreams compare: the first that applies of the model's list.

    `before` is the version of the materialization before: that of a table to which no row came.
    """
    if reported.data_version is not None:
        return reported.data_version
    if asset.data_version == "always":
        return f"always:{unique}"
    if left.queried is not None:
        return left.queried
    if asset.output is not None and asset.output.materialization == "view" and asset.output.table:
        return _digest_of_view(code_version, inputs)
    if asset.output is not None and asset.output.grows and asset.data_version is None:
        if left.added == 0 and before is not None:
            return before
        return f"attempt:{unique}:{left.rows if left.added is None else left.added}"
    if left.fingerprint is None or left.fingerprint.digest == SERVER_TABLE:
        return f"always:{unique}"
    if asset.data_version == "stat":
        return stat_version(left.fingerprint)
    return left.fingerprint.digest


def _digest_of_view(code_version: str, inputs: Mapping[str, Input]) -> str:
    digest = hashlib.sha256()
    for field in (code_version, *(part for name in sorted(inputs) for part in (name, str(inputs[name].data_version)))):
        digest.update(f"{len(field)}:{field};".encode())
    return f"sha256-view:{digest.hexdigest()}"


def query_version(asset: Asset, database: Database | None) -> str | None:
    """The answer to a declared `data_version: {sql: …}`, as a digest; None where none is declared.

    Raises:
        OutputError: the database has no answer.
    """
    if asset.data_version_sql is None or database is None:
        return None
    return _ask(asset, None, database).data_version


def _ask(asset: Asset, table: str | None, database: Database) -> Done:
    what = f"the table {table}" if table else "its data_version.sql"
    try:
        with closing(database.open(read_only=True)) as session:
            return look(session, table, asset.data_version_sql, asset.data_version)
    except ComputeFailedError:
        raise OutputError(f"the command ended well but left no table {table}") from None
    except DatabaseError as error:
        raise OutputError(f"{what} cannot be read: {error}") from None


def _schema(state: TableState, added: int | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if state.rows is not None:
        found["rows"] = state.rows
    if added is not None:
        found["added"] = added
    if state.columns:
        found["columns"] = [list(column) for column in state.columns]
    return found
