"""What `assets up` has to run and when it has to look again, as values that its processes hand to each other.

Times and lengths are in microseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

Kind = Literal["promise", "schedule", "observe", "retry", "alert"]


class Tried(NamedTuple):
    """What was asked of an asset when it was run last by this process, as one text, and when that had ended."""

    asked: str
    ended: int


class Memory(NamedTuple):
    """What one process knows besides history: what it has tried, and what runs at this moment.

    `looked` is when it failed to look at an external asset. `lead` is how long before the moment of a promise it has
    to wake, since deciding takes time, too. `ended` is what has run since it was asked last.
    """

    tried: Mapping[str, Tried] = {}
    busy: frozenset[str] = frozenset()
    looked: Mapping[str, int] = {}
    lead: int = 0
    ended: frozenset[str] = frozenset()


class Moment(NamedTuple):
    """When to look again, for which asset and why. `until` is when its promise is broken otherwise."""

    at: int
    kind: Kind
    asset: str = ""
    until: int | None = None


class Outlook(NamedTuple):
    """What has to run now, and what comes next.

    `due` are those of which something is asked themselves, each with what that is; `names` all that run with them.
    `forced` run whatever their state. `ahead` is how far the plan has to look for the promises that are due, which are
    those of `promised`. `tried` is what is still worth remembering.
    """

    due: Mapping[str, str] = {}
    names: tuple[str, ...] = ()
    forced: tuple[str, ...] = ()
    ahead: int = 0
    promised: tuple[str, ...] = ()
    next: Moment | None = None
    tried: Mapping[str, Tried] = {}


class Watch(NamedTuple):
    """Files of which a change matters: these and whatever one of the patterns matches, in these folders. All absolute.

    In a pattern `*` stands for slashes, too.
    """

    folders: tuple[str, ...] = ()
    files: frozenset[str] = frozenset()
    patterns: tuple[str, ...] = ()
