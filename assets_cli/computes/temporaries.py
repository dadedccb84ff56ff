"""Where an output is written before it becomes one, and how it becomes one: whole, or not at all.

A file takes the place of a file by one rename. Where a folder is in the way, or is what comes, what was there is moved
aside, the new one takes its place, and the old one is removed. Whoever dies in between leaves it to `settle`, which
knows which is which: what was moved aside is needed as long as nothing is in its place, and is rubbish as soon as
something is.

The names are those of one run, so that two who write one output (in two environments, with two histories) never write
into each other's. Imported by every Python step, so it imports next to nothing.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from stat import S_ISDIR, S_ISREG
from typing import Final, NamedTuple

_LONGEST: Final = 200
"""Bytes of a name that are kept: file systems take 255, and ours puts something before it."""

_TRIES: Final = 10
"""How often somebody else may put something there while we put ours."""

_IN_THE_WAY: Final = (errno.EISDIR, errno.ENOTDIR, errno.ENOTEMPTY, errno.EEXIST)


class Places(NamedTuple):
    """Real paths, in one folder: the output, where the new one is written, where the old one is for an instant."""

    target: str
    new: str
    old: str


def places(path: str, run: str) -> Places:
    """Where a run writes what shall be at a path; behind a symlink, if the path is one.

    The names end as the output's does, since programs go by the ending, and are hidden, since patterns leave those out.
    """
    from hashlib import sha256  # on use: most Python steps return nothing

    target = os.path.realpath(path)
    folder, name = os.path.split(target)
    mark = sha256(os.fsencode(f"{run}\x1f{name}")).hexdigest()[:12]
    while len(os.fsencode(name)) > _LONGEST:
        name = name[1:]
    return Places(target, os.path.join(folder, f".assets-new-{mark}-{name}"), f"{folder}/.assets-old-{mark}-{name}")  # noqa: PTH118 - `folder` may be the root


def sync(path: str) -> None:
    """Bring a file, or a folder with all that is in it, to the disk.

    Raises:
        OSError: it does not fit, or cannot be read.
    """
    if not S_ISDIR(os.lstat(path).st_mode):
        _sync(path)
        return
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                sync(entry.path)
            elif entry.is_file(follow_symlinks=False):
                _sync(entry.path)
    sync_folder(path)


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: str) -> None:
    """Bring the names in a folder to the disk, on file systems that can."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def put(places: Places) -> bool:
    """Put the new one in the place of the output.

    Returns:
        Whether what was there before is gone; what cannot be removed is left aside.

    Raises:
        OSError: it cannot be put there. The output is what it was.
    """
    _refuse_special(places.target)
    try:
        os.rename(places.new, places.target)  # noqa: PTH104 - paths are text here, as everywhere below
    except OSError as error:
        if error.errno not in _IN_THE_WAY:
            raise
        _exchange(places)
    sync_folder(os.path.dirname(places.target))  # noqa: PTH120
    return remove(places.old)


def _refuse_special(target: str) -> None:
    """A device or a pipe would be replaced by a file as readily as a file."""
    with suppress(FileNotFoundError, NotADirectoryError):
        mode = os.lstat(target).st_mode
        if not (S_ISREG(mode) or S_ISDIR(mode)):
            raise OSError(errno.EINVAL, "neither a file nor a folder is there", target)


def _exchange(places: Places) -> None:
    """Move aside what is in the way, and put the new one there."""
    for _ in range(_TRIES):
        with suppress(FileNotFoundError):
            os.rename(places.target, places.old)  # noqa: PTH104
        try:
            os.rename(places.new, places.target)  # noqa: PTH104
        except OSError as error:
            _restore(places)
            if error.errno not in _IN_THE_WAY:
                raise
        else:
            return
    raise OSError(errno.EBUSY, "others put something there all the time", places.target)


def settle(places: Places) -> None:
    """After a failure or a death: the output is there again if it was moved aside, and nothing lies beside it.

    Raises:
        OSError: what was moved aside cannot be moved back.
    """
    _restore(places)
    remove(places.new)


def _restore(places: Places) -> None:
    if not os.path.lexists(places.old):
        return
    if not os.path.lexists(places.target):
        try:
            os.rename(places.old, places.target)  # noqa: PTH104
        except OSError:
            if not os.path.lexists(places.target):  # else somebody else was quicker
                raise
    remove(places.old)


def remove(path: str) -> bool:
    """Remove a file, or a folder with all that is in it; whether nothing is there any more."""
    try:
        mode = os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return True
    if S_ISDIR(mode):
        from shutil import rmtree  # on use: outputs are files mostly

        rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            os.unlink(path)  # noqa: PTH108
    return not os.path.lexists(path)
