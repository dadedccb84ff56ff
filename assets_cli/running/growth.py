"""Tables that grow: whether a run adds to what is there or builds it anew, and whether an attempt's rows have arrived.

The attempt's id is in the database, written with its rows: that alone says whether they are there. Knows nothing of how
rows are added.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any

from assets_cli.connections.protocol import DatabaseError
from assets_cli.model.history import Attempt, Component, Materialization
from assets_cli.model.manifest import Asset, Manifest
from assets_cli.model.plan import Step
from assets_cli.model.world import OutputProbe
from assets_cli.planning.growth import MIXING, REBUILD
from assets_cli.planning.versions import component_changes
from assets_cli.running import commands
from assets_cli.state.record import Recorder


class UnknownError(Exception):
    """Whether an attempt's rows have arrived cannot be asked now. The message is a sentence."""


class RefusedError(commands.CannotStartError):
    """Rows would be added to others that they do not belong to."""


def grows(asset: Asset) -> bool:
    """Whether a run adds to what is there."""
    return asset.output is not None and asset.output.grows


def growth(
    asset: Asset,
    step: Step,
    attempt: Attempt,
    made: Materialization | None,
    now: tuple[Mapping[str, Component], OutputProbe | None],
) -> dict[str, Any]:
    """What the worker is told of how rows come to the table, see `model.growth`; nothing where it does not grow.

    `now` is the code and the output as they were found under the lock.

    Raises:
        RefusedError: an `append` whose code, or whose table, changed since.
    """
    if asset.output is None or not asset.output.grows:
        return {}
    components, output = now
    is_append = asset.output.materialization == "append"
    counted = any(check.kind == "volume" for check in asset.checks)  # which goes by how many there were before
    asked: dict[str, Any] = {"attempt": attempt_id(attempt), "columns": _columns(asset), "counted": counted}
    if step.is_full_refresh:
        return {**asked, "anew": True}
    if made is None:
        return {**asked, "first": True} if is_append else {**asked, "anew": True}
    changed = [change.name for change in component_changes(made.components, components)]
    if _is_rewritten(made, output):
        changed.append("its table")
    if changed and is_append:
        message = f"{' and '.join(changed[:2])} changed since run {made.run}: {MIXING}"
        raise RefusedError(f"{message}; {REBUILD.format(asset.name)}")
    # What was marked was adopted as it stood, whoever had filled it.
    after = None if made.metadata.get("marked") else f"{made.run}/{made.attempt}"
    return {**asked, "anew": bool(changed), "after": after}


def attempt_id(attempt: Attempt) -> str:
    """The attempt's name in the database."""
    return f"{attempt.run}/{attempt.seq}"


def has_arrived(manifest: Manifest, asset: Asset, attempt: Attempt, environ: Mapping[str, str]) -> bool:
    """Whether the rows of an attempt are in the table; the caller holds the database's mutex.

    Raises:
        UnknownError: the database is out of reach for a reason that may pass.
    """
    connection, output = manifest.connection_of(asset), asset.output
    if connection is None or output is None or output.table is None:
        return False
    try:
        database = commands.database(manifest, connection.name, environ)
        with closing(database.open(read_only=True)) as session:
            return session.attempt_of(output.table) == attempt_id(attempt)
    except DatabaseError as error:
        if error.lost or error.in_use:
            message = f"whether the rows of run {attempt.run} have arrived cannot be asked: {error}"
            raise UnknownError(f"{message} ({error.hint})" if error.hint else message) from None
        return False  # what keeps us from asking keeps everybody from adding
    except commands.CannotStartError:
        return False


def committed(
    manifest: Manifest, asset: Asset, attempt: Attempt, recorder: Recorder, environ: Mapping[str, str]
) -> Materialization | None:
    """What an attempt that ended badly had committed all the same; the caller holds the database's mutex.

    Raises:
        UnknownError: as `has_arrived`.
    """
    prepared = recorder.prepared(attempt.seq)
    if prepared is None or not has_arrived(manifest, asset, attempt, environ):
        return None
    return prepared._replace(attempt=attempt.seq)


def _is_rewritten(made: Materialization, output: OutputProbe | None) -> bool:
    known = made.fingerprint
    if output is None or output.state != "present" or output.fingerprint is None or known is None:
        return False
    found = output.fingerprint
    return found.algorithm == known.algorithm and found.digest != known.digest


def _columns(asset: Asset) -> list[tuple[str, str]]:
    """The declared columns, where each has a type: what a table begins with whose query reads it."""
    declared = [(column.name, column.type) for column in asset.columns]
    return declared if all(kind for _, kind in declared) else []
