"""What `assets up` asks of a project each time it wakes, and the runs that follow: each in a process of its own.

`ask` looks at the world and says what has to run now and when to look again; `run` runs it. While the manifest is being
edited both go on with it as it was last whole. Decides nothing itself, and knows nothing of the terminal.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from assets_cli import manifest as manifests
from assets_cli import wiring
from assets_cli.graph import select
from assets_cli.manifest.dotenv import FILE as DOTENV
from assets_cli.model.manifest import PathProbe
from assets_cli.model.memory import collector_paused
from assets_cli.model.problem import AssetsError, Problem
from assets_cli.model.template import UnknownVariableError, fill_environment
from assets_cli.model.upkeep import Memory, Moment, Outlook, Watch
from assets_cli.planning import deciding, freshness, upkeep
from assets_cli.planning.deadlines import deadlines, from_history
from assets_cli.planning.plan import Selection, plan, plan_in
from assets_cli.project import Listener, Project

if TYPE_CHECKING:
    from assets_cli.graph.selection.resolve import Facts
    from assets_cli.model.event import RunFinished
    from assets_cli.model.plan import Deadline
    from assets_cli.model.world import World
    from assets_cli.planning.freshness import FreshnessView

_MOST_FOLDERS: Final = 8_000
_MAGIC: Final = frozenset("*?[")
_MANIFESTS: Final = ("*.yml", "*.yaml")


class Which(NamedTuple):
    """Which project is kept, as it was typed; `file` is its manifest, once it is known."""

    directory: str
    environment: str = "default"
    variables: Mapping[str, str] = {}
    state: str | None = None
    file: str | None = None


class Answer(NamedTuple):
    """What one waking has found.

    `broken` is what is wrong with the manifest where an earlier one stands in for it. `warnings` stop nothing but what
    they are about. `looked` are the external assets that could not be looked at, with the moment.
    """

    outlook: Outlook
    file: str
    locks: str
    watch: Watch
    project: str
    assets: int
    broken: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    looked: Mapping[str, int] = {}


class _Opened(NamedTuple):
    parts: wiring.Wiring
    broken: tuple[Problem, ...] = ()


def _open(which: Which, environ: Mapping[str, str]) -> _Opened:
    """The project as its files have it, or as they had it when they were whole.

    Raises:
        AssetsError: everything that is wrong with it, where nothing stands in for it.
    """
    told = {"environment": which.environment, "variables": which.variables, "state": which.state, "environ": environ}
    try:
        declared = wiring.read(Path(which.directory), **told)  # type: ignore[arg-type]
    except AssetsError as error:
        if which.file is None:
            raise
        kept = wiring.read_aside(Path(which.file), **told)  # type: ignore[arg-type]
        if kept is None:
            raise
        return _Opened(wiring.Wiring(kept), tuple(error.problems))
    wiring.set_aside(declared, which.variables)
    return _Opened(wiring.Wiring(declared))


def ask(
    which: Which,
    selection: Sequence[str],
    jobs: int,
    memory: Memory,
    environ: Mapping[str, str] = os.environ,
) -> Answer:
    """What has to run now, and when to look again. Records what external assets hold, and nothing else.

    Raises:
        AssetsError: the project, its history or the selection cannot be read.
    """
    parts, broken = _open(which, environ)
    with collector_paused(), wiring.quoted(parts.manifest):
        return _Waking(parts, memory).answer(selection, jobs, broken)


class _Waking:
    """One look at a project."""

    def __init__(self, parts: wiring.Wiring, memory: Memory) -> None:
        self.parts, self.graph, self.memory = parts, parts.graph, memory
        self.limits = deciding.strictest(parts.graph)
        self.warnings: list[Problem] = []
        self.looked: dict[str, int] = {}

    def answer(self, selection: Sequence[str], jobs: int, broken: tuple[Problem, ...]) -> Answer:
        parts, graph = self.parts, self.graph
        seen = self._observe()
        snapshot, world = parts.look(frozenset(graph.assets), observing=False)
        world, unreadable = self._readable(world)
        view = freshness.view(graph, snapshot, world, wiring.clock())
        memory = self.memory._replace(busy=self.memory.busy | unreadable)
        among = self._among(selection)
        self.warnings += upkeep.unkept(graph, among, selection) if selection else ()
        promises = deadlines(view, from_history(snapshot), jobs, among)
        ahead = deciding.ahead_for(deciding.due_promises(view, promises, memory.lead), view.now)
        made = plan_in(view, Selection(frozenset(graph.assets)), jobs=jobs, ahead=ahead)
        found = upkeep.outlook(view, made.steps, promises, memory, self.limits, among)
        told = self._alert(view, None if selection else promises)
        moments = [each for each in (found.next, seen, told) if each is not None]
        return Answer(
            outlook=found._replace(next=min(moments, default=None)),
            file=os.path.join(parts.manifest.root, parts.manifest.file),  # noqa: PTH118 - a text
            locks=str(parts.locks.directory),
            watch=watched(parts),
            project=parts.manifest.project,
            assets=len(graph.assets),
            broken=manifests.quote(parts.manifest.root, broken),
            warnings=manifests.quote(parts.manifest.root, map(parts.hide, self.warnings)),
            looked=self.looked,
        )

    def _observe(self) -> Moment | None:
        """Look at the external assets whose turn it is, and put on record what is new or was long not looked at."""
        parts, now = self.parts, wiring.clock()
        snapshot = parts.reader.snapshot(parts.manifest.environment)
        found = upkeep.looks(self.graph, snapshot, self.memory, now, self.limits)
        if not found.now:
            return found.next
        seen, failures = parts.outside(found.now, snapshot)
        self.looked = {name: at for name, at in self.memory.looked.items() if name not in found.now}
        self.looked |= dict.fromkeys(failures, now)
        self.warnings += failures.values()
        new = []
        for name, one in seen.items():
            before = snapshot.observations.get(name)
            every = upkeep.interval(self.graph.assets[name], self.limits.get(name))
            same = before is not None and (before.data_version, before.data_time) == (one.data_version, one.data_time)
            if before is None or not same or not 0 <= now - before.observed < every:
                new.append(one)
        if new:
            from assets_cli.running import observations  # only where something is new

            with parts.surroundings(()) as around:
                observations.record(new, around.recorder, parts.manifest.environment)
            parts.reread()
        return found.next

    def _readable(self, world: World) -> tuple[World, frozenset[str]]:
        """The world without code that cannot be read, and whose that is: they wait, everything else goes on."""
        wrong = {name: probe.problem for name, probe in world.code.items() if probe.problem is not None}
        if not wrong:
            return world, frozenset()
        self.warnings += wrong.values()
        return world._replace(code={name: each for name, each in world.code.items() if name not in wrong}), frozenset(
            wrong
        )

    def _among(self, selection: Sequence[str]) -> frozenset[str]:
        if not selection:
            return frozenset(self.graph.assets)

        def states() -> Mapping[str, Facts]:
            from assets_cli.planning.survey import facts, scope, survey  # only where a selection asks for a state

            seen = scope(self.graph, self.graph.assets)
            snapshot, world = self.parts.look_within(seen.graph, seen.names, observing=False)
            return facts(survey(seen, snapshot, world, wiring.clock()))

        return select(selection, self.graph, states)

    def _alert(self, view: FreshnessView, promises: Mapping[str, Deadline] | None) -> Moment | None:
        """Tell who wants to be told, and say when there may be more to tell."""
        if not self.parts.manifest.alerts:
            return None
        outcome = self.parts.alerts.tell(view, promises)
        self.warnings += outcome.problems
        breaks = [
            moment
            for name, asset in self.graph.assets.items()
            if asset.freshness is not None
            and (time := view.times[name]) is not None
            and (moment := freshness.broken_at(asset.freshness, time) + 1) > view.now
        ]
        at = min([*breaks, *([] if outcome.next_moment is None else [outcome.next_moment])], default=None)
        return None if at is None else Moment(at, "alert")


def run(
    which: Which,
    selection: Sequence[str],
    wanted: Outlook,
    jobs: int,
    listeners: Sequence[Listener],
    environ: Mapping[str, str] = os.environ,
) -> RunFinished:
    """Run what a waking has found to be due.

    Raises:
        AssetsError: the project cannot be read, or something that it rests on is not there any more.
    """
    parts, _ = _open(which, environ)
    project = Project(parts)
    for listener in listeners[:1]:
        project.recover(listener)
    names = frozenset(name for name in wanted.names if name in parts.graph.assets)
    with collector_paused(), wiring.quoted(parts.manifest):
        snapshot, world = parts.look(names, observing=False)
        chosen = Selection(names, names & frozenset(wanted.forced), tuple(selection))
        try:
            made = plan(parts.graph, chosen, snapshot, world, wiring.clock(), jobs=jobs, ahead=wanted.ahead)
        except AssetsError as error:
            if not selection:
                raise
            # A plan is told of `--upstream`, which this command has not.
            hint = upkeep.wider(selection)
            raise AssetsError(
                *(each._replace(hint=hint) if each.code == "A0602" else each for each in error.problems)
            ) from None
    return project.materialize(made, jobs=jobs, listeners=listeners)


# -- what to watch ---------------------------------------------------------------------------------------------------


def watched(parts: wiring.Wiring) -> Watch:
    """The files of which a change matters: those of the manifest, code, and what external assets are observed at.

    Outputs do not: who writes them is mostly ourselves.
    """
    root, manifest, assets = parts.manifest.root, parts.manifest, parts.graph.assets.values()
    files = {_full(root, name) for name in (*manifest.files, DOTENV)}
    patterns = {f"{os.path.dirname(file)}/{each}" for file in files for each in _MANIFESTS}  # noqa: PTH120
    outputs = {_full(root, asset.output.path) for asset in assets if asset.output is not None and asset.output.path}
    for path in (_full(root, each) for each in parts.files.looked_at):
        if path not in outputs and not _is_below(path, outputs):
            files.add(path)
    for asset in assets:
        wanted = [_full(root, each) for each in asset.code]
        if isinstance(asset.observe, PathProbe):
            try:
                wanted.append(_full(root, fill_environment(asset.observe.path, parts.environ)))
            except UnknownVariableError:
                continue
        for path in wanted:
            if _MAGIC.isdisjoint(path):
                files.add(path)
                patterns.add(f"{path}/*")
            else:
                patterns.add(path)
    folders = _folders(root, files, patterns)
    return Watch(tuple(sorted(folders)), frozenset(files), tuple(sorted(patterns)))


def _folders(root: str, files: Collection[str], patterns: Collection[str]) -> set[str]:
    """The folders in which these can be, as far as there are such folders."""
    folders = {_existing(os.path.dirname(path)) for path in files}  # noqa: PTH120 - texts
    folders.add(root)
    for pattern in patterns:
        base = pattern
        while not _MAGIC.isdisjoint(base):
            base = os.path.dirname(base)  # noqa: PTH120
        if base == root and not pattern.endswith("**"):
            continue  # `*.yml` and the like: the whole project would be far too much
        for folder, below, _ in os.walk(base):
            below[:] = [name for name in below if not name.startswith(".")]
            folders.add(folder)
            if len(folders) > _MOST_FOLDERS:
                return folders
    return folders


def _existing(folder: str) -> str:
    while not os.path.isdir(folder):  # noqa: PTH112
        folder = os.path.dirname(folder)  # noqa: PTH120
    return folder


def _full(root: str, path: str) -> str:
    return os.path.normpath(os.path.join(root, path))  # noqa: PTH118


def _is_below(path: str, folders: Collection[str]) -> bool:
    while len(path) > 1:
        path = os.path.dirname(path)  # noqa: PTH120
        if path in folders:
            return True
    return False
