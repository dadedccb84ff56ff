"""What a shell command leaves at its temporary path becomes the output: `output.atomic`. Also tidies up after a death.

The order is the step's: what was left is looked at and brought to the disk (`left_at`), put on record as prepared, put
in the place of the output (`publish`), and put on record as done. Until it is published the output is what it was,
however the command or this process ends; afterwards the record of the preparation tells that it is the new one. Its
permissions are those that the command gave it. How a rename becomes safe is `computes.temporaries`' business. Knows
nothing of records, order or locks.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from pathlib import Path
from stat import S_ISDIR, S_ISLNK, S_ISREG

from assets_cli.computes import temporaries
from assets_cli.computes.temporaries import Places
from assets_cli.model.manifest import Asset, Manifest, PythonCommand, ShellCommand
from assets_cli.model.problem import system_reason
from assets_cli.probing.files import FileDigests
from assets_cli.probing.measures import measure
from assets_cli.probing.paths import LEAVES, Walls, probe_path
from assets_cli.running.commands import fill, locate_output
from assets_cli.running.outputs import Left, OutputError
from assets_cli.running.surroundings import Surroundings


def places_for(manifest: Manifest, asset: Asset, run: str, environ: Mapping[str, str]) -> Places | None:
    """Where a run's command writes and what is published then; None where the command writes the output itself.

    Raises:
        CannotStartError: a variable in the path is not set.
        OutputError: the output is nothing that could be replaced.
    """
    output = asset.output
    if output is None or not output.atomic or not isinstance(asset.command, ShellCommand):
        return None
    places = places_beside(manifest, asset, run, environ)
    if places is None:
        raise OutputError(f"atomic is for one file or folder, and output.path {output.path} is a pattern")
    root = os.path.realpath(manifest.root)
    path = fill(output.path or "", environ, "output.path")
    if not path.startswith("/") and not Walls(root).contain(places.target):
        raise OutputError(f"{output.path} cannot be replaced: {LEAVES}")
    if root == places.target or root.startswith(places.target.rstrip("/") + "/"):
        raise OutputError(f"{output.path} cannot be replaced: it holds the project")
    try:
        Path(places.target).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"the folder of {output.path} cannot be made: {system_reason(error)}") from None
    return places


def left_at(places: Places, asset: Asset, around: Surroundings) -> Left:
    """What the command left at its temporary path, brought to the disk.

    Raises:
        OutputError: nothing, or nothing that can be published.
    """
    path = asset.output.path if asset.output else ""
    try:
        mode = os.lstat(places.new).st_mode
        if S_ISLNK(mode) or not (S_ISDIR(mode) or S_ISREG(mode)):
            what = "a symlink" if S_ISLNK(mode) else "something"
            raise OutputError(f"the command left {what} at $ASSETS_OUTPUT, and only a file or a folder is published")
        temporaries.sync(places.new)
    except (FileNotFoundError, NotADirectoryError):
        message = "the command ended well but left nothing at $ASSETS_OUTPUT, where it has to write"
        raise OutputError(f"{message} {path} (atomic: true)") from None
    except OSError as error:
        reason = system_reason(error)
        raise OutputError(f"what the command left for {path} cannot be brought to the disk: {reason}") from None
    # Kept by nobody: the path is not one that anybody will ask for again.
    probe = probe_path(places.new, None, FileDigests(around.root, around.probes.now_ns, Path(os.devnull)))
    if probe.state != "present" or probe.fingerprint is None:
        raise OutputError(f"what the command left for {path} cannot be looked at: {probe.detail}")
    held = measure(places.new, around.root)
    return Left(probe.fingerprint, held.get("rows"), metadata=held)


def publish(places: Places, manifest: Manifest, asset: Asset, run: str, environ: Mapping[str, str]) -> str | None:
    """Put what the command left in the place of the output; a warning, where something of the old one is left.

    Raises:
        OutputError: it cannot be put there. The output is what it was.
    """
    path = asset.output.path if asset.output else ""
    if places_for(manifest, asset, run, environ) != places:
        raise OutputError(f"{path} cannot be replaced: meanwhile a symlink leads it elsewhere")
    try:
        gone = temporaries.put(places)
    except OSError as error:
        raise OutputError(f"{path} cannot be replaced: {system_reason(error)}") from None
    return None if gone else f"what was at {path} before could not be removed: it is at {places.old} now"


def places_beside(manifest: Manifest, asset: Asset, run: str, environ: Mapping[str, str]) -> Places | None:
    """Where an attempt may leave something beside the output; None where it cannot: nothing of it is published by us.

    What Python functions return is published by a worker, in the same way.

    Raises:
        CannotStartError: a variable in the path is not set.
    """
    published = isinstance(asset.command, PythonCommand) or (asset.output is not None and asset.output.atomic)
    output = locate_output(manifest, asset, environ) if published else None
    if output is None or output.path is None or glob.has_magic(output.path):
        return None
    return temporaries.places(output.path, run)


def tidy(places: Places) -> str | None:
    """After a failure or a death: whatever lies beside an output goes; a warning, where that did not work.

    What was moved aside goes back, unless there is a new one in its place.
    """
    try:
        temporaries.settle(places)
    except OSError as error:
        return f"{places.old} cannot be moved back to {places.target}: {system_reason(error)}"
    return None
