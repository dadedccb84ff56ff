"""What differs between two states of a project, and what that makes of the data: the answer of `assets diff`.

Values; the command line shows them. Nothing here is of one screen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from assets_cli.model.manifest import Asset
from assets_cli.model.problem import Place, Problem

Part = Literal[
    "code",
    "upstreams",
    "observe",
    "output",
    "columns",
    "checks",
    "freshness",
    "owner",
    "group",
    "tags",
    "description",
    "metadata",
    "running",
    "project",
    "vars",
    "connection",
    "pool",
    "environment",
]
ChangeSort = Literal["added", "removed", "changed", "loosened", "tightened"]
AssetSort = Literal["added", "removed", "renamed", "changed"]
RemovalSort = Literal["declared", "inferred", "both"]


class Change(NamedTuple):
    """One thing of an asset, or of the project, that differs.

    `name` is the component of the code, the upstream, check, column, tag, key … that it is about, empty where the part
    says it all. `old` and `new` are what it said, as far as that is short; `note` says more.
    """

    part: Part
    sort: ChangeSort
    name: str = ""
    old: str | None = None
    new: str | None = None
    note: str = ""


class AssetChange(NamedTuple):
    """One asset that differs.

    `former` is the name that it had; `guess`, of an added one, that of a removed one that looks the same and that no
    `moved:` mentions. `stale`: this change by itself makes it stale. `readers`, of a removed one, are those that read
    it and are still there; `upstreams` are those of an added one. `place` is where it is declared, None of a removed
    one.
    """

    name: str
    sort: AssetSort
    owners: tuple[str, ...] = ()
    kind: str = ""
    group: str | None = None
    place: Place | None = None
    changes: tuple[Change, ...] = ()
    stale: bool = False
    former: str | None = None
    guess: str | None = None
    readers: tuple[str, ...] = ()
    upstreams: tuple[str, ...] = ()


class Reader(NamedTuple):
    """An asset that reads a column that goes away: in these columns of its own, these clauses, or nobody knows how.

    `still`: its code names the column as it is now, so that it will fail.
    """

    asset: str
    owners: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    clauses: tuple[str, ...] = ()
    note: str = ""
    still: bool = False


class RemovedColumn(NamedTuple):
    """A column that goes away from an asset: its SQL does not give it any more, or nobody declares it any more.

    `declared`: it still is, although the SQL does not give it; `checks` are those of the asset that still look at it.
    """

    asset: str
    column: str
    sort: RemovalSort
    readers: tuple[Reader, ...] = ()
    declared: bool = False
    checks: tuple[str, ...] = ()


class Below(NamedTuple):
    """An asset that is made from one whose data changes, `distance` edges away."""

    asset: str
    distance: int
    owners: tuple[str, ...] = ()


class Concerned(NamedTuple):
    """Somebody who needs to know, or None for what is nobody's: what changes of theirs, and what may follow."""

    owner: str | None
    changed: tuple[str, ...] = ()
    below: tuple[str, ...] = ()


class Difference(NamedTuple):
    """What differs. `stale` are the assets that the change by itself makes stale, `below` what may follow.

    Of that the nearest come first. `cosmetic` are files, and `command of X`, that differ in nothing that counts.
    """

    settings: tuple[Change, ...] = ()
    assets: tuple[AssetChange, ...] = ()
    columns: tuple[RemovedColumn, ...] = ()
    stale: tuple[str, ...] = ()
    below: tuple[Below, ...] = ()
    concerned: tuple[Concerned, ...] = ()
    cosmetic: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing that counts differs."""
        return not (self.settings or self.assets or self.columns)


class Pairs(NamedTuple):
    """Which asset of one state is which of the other: `common` with the asset before and now, by today's name.

    `former` are the names before of those that were renamed.
    """

    common: Mapping[str, tuple[Asset, Asset]]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    former: Mapping[str, str]


class Base(NamedTuple):
    """What was compared with. `name` is what was typed; `commit` is None for a folder.

    `merge_base`: it is where the work tree left that revision, not the revision as it is now. `manifest` is the path
    of the manifest there, None where there is none.
    """

    name: str
    commit: str | None
    merge_base: bool = False
    manifest: str | None = None

    @property
    def label(self) -> str:
        """How it is called in a sentence."""
        if self.commit is None:
            return self.name
        short = self.commit[:8]
        if self.merge_base:
            return f"{short}, where this left {self.name.removesuffix('...') or 'HEAD'}"
        return short if self.commit.startswith(self.name) else f"{self.name} ({short})"


class Next(NamedTuple):
    """What the next `materialize` of the whole project would do, by its history.

    `steps` are its steps, of which `tentative` may be cut off; `own` are those that this change makes stale and that
    are steps; `estimated` is in microseconds, None where something was never timed.
    """

    steps: int
    tentative: int
    own: tuple[str, ...]
    estimated: int | None
    jobs: int


class Report(NamedTuple):
    """The whole answer. `next` is None where there is no history here. `warnings` are what could not be compared."""

    base: Base
    project: str
    environment: str
    before: int
    now: int
    difference: Difference
    next: Next | None
    warnings: Sequence[Problem] = ()
