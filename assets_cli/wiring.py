"""What a project is wired to: its files read whole, its state, locks, caches and secrets, and what is outside it.

Each part is made when it is asked for first, so that a question pays for what it needs. Decides nothing, and knows
nothing of the terminal.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from assets_cli import manifest as manifests
from assets_cli import vocabulary
from assets_cli.compiled import Asked, Compiled, compiled
from assets_cli.graph import AssetGraph
from assets_cli.manifest import dotenv
from assets_cli.model.history import Observation, RunRecord, StateSnapshot, StepRecord
from assets_cli.model.manifest import Manifest
from assets_cli.model.plan import Step
from assets_cli.model.problem import AssetsError, Problem
from assets_cli.model.world import World
from assets_cli.probing import NOTHING, Observed, ObserveSurroundings, ProbeSurroundings, look, observable, observe
from assets_cli.probing.declared import Declarations
from assets_cli.probing.files import FileDigests
from assets_cli.state.locks import LockService, folder_for
from assets_cli.state.store import StateReader, open_reader

if TYPE_CHECKING:
    from assets_cli.inference.catalog import Columns
    from assets_cli.model.event import RunEvent
    from assets_cli.running.alerting import Alerts
    from assets_cli.running.probes import Probes
    from assets_cli.running.repair import Repair
    from assets_cli.running.surroundings import Surroundings

Listener = Callable[["RunEvent"], None]
_LISTS = (list, tuple)


def clock() -> int:
    """The time of day, in microseconds UTC."""
    return time.time_ns() // 1_000


class Declared(NamedTuple):
    """A project as its files have it: the graph, the variables of the environment with those of `.env`, digests.

    `texts` are what it says of the code of assets, for `Declarations`.
    """

    graph: AssetGraph
    environ: Mapping[str, str]
    files: FileDigests
    texts: Mapping[str, str]


def read(
    directory: Path, *, environment: str, variables: Mapping[str, str], state: str | None, environ: Mapping[str, str]
) -> Declared:
    """The project that `directory` lies in, read whole.

    Raises:
        AssetsError: everything that is wrong with the manifest, at once.
    """
    began = time.time_ns()
    path = manifests.find(directory)
    root = os.path.realpath(path.parent)
    file = dotenv.read(root)
    known = file.under(environ)
    files = FileDigests(root, time.time_ns)
    asked = Asked(root, path.name, environment, variables, known)
    found = compiled(asked, files, file.problems)
    declared = _declared(found, file, state or environ.get("ASSETS_STATE"), known, files)
    vocabulary.keep(declared.graph.manifest, began)
    return declared


def read_aside(
    path: Path, *, environment: str, variables: Mapping[str, str], state: str | None, environ: Mapping[str, str]
) -> Declared | None:
    """A project as its manifest at `path` was when it was `set_aside`, whatever has become of it; None if it never was.

    For who goes on while a manifest is being edited.
    """
    from assets_cli.compiled import recall_aside  # one process of many goes on

    file = dotenv.read(str(path.parent))
    known = file.under(environ)
    found = recall_aside(Asked(str(path.parent), path.name, environment, variables, known))
    if found is None:
        return None
    typed = state or environ.get("ASSETS_STATE")
    return _declared(found, file, typed, known, FileDigests(path.parent, time.time_ns))


def set_aside(declared: Declared, variables: Mapping[str, str]) -> bool:
    """Keep a project as it was read for `read_aside`; whether that was possible."""
    from assets_cli import compiled as kept  # as above

    manifest = declared.graph.manifest
    return kept.set_aside(Asked(manifest.root, manifest.file, manifest.environment, variables, declared.environ))


def _declared(
    found: Compiled, file: dotenv.Variables, typed: str | None, environ: Mapping[str, str], files: FileDigests
) -> Declared:
    """What was compiled, with the state file that was typed, or that `.env` names."""
    manifest, arrangement, texts = found
    if typed:
        # What is typed is relative to where it is typed; what the manifest says, to the manifest.
        manifest = manifest._replace(state=str(Path(typed).absolute()))
    elif chosen := file.values.get("ASSETS_STATE"):
        manifest = manifest._replace(state=str(Path(manifest.root, chosen)))
    return Declared(AssetGraph(manifest, arrangement), environ, files, texts)


class Wiring:
    """The parts of a project in one environment."""

    def __init__(self, declared: Declared) -> None:
        self.graph = declared.graph
        self.manifest = declared.graph.manifest
        self.environ = dict(declared.environ)  # os.environ decodes every variable anew whenever it is asked
        self.files = declared.files
        self._texts = declared.texts
        self.state = Path(self.manifest.root, self.manifest.state)
        self._sighted: Observed | None = None
        self._seen: Observed = NOTHING

    @cached_property
    def repair(self) -> Repair:
        """What can be done to the history on purpose, and the record of it."""
        from assets_cli.running.repair import Repair  # only what repairs, or lists repairs, needs it

        return Repair(self.manifest, self.state, self.locks, clock)

    @cached_property
    def alerts(self) -> Alerts:
        """Who is told what is wrong."""
        from assets_cli.running.alerting import Alerts, Parts  # few projects tell anybody

        def observed(snapshot: StateSnapshot | None) -> Mapping[str, Observation]:
            seen = self._seen if snapshot is None else self.outside(self.graph.assets, snapshot)
            return seen.observations

        parts = Parts(self.graph, self.state, self.environ, lambda: self.secrets, observed, clock)
        return Alerts(parts)

    @cached_property
    def reader(self) -> StateReader:
        """The history, to be read; under today's names, also where a rename is not written yet."""
        if self._renames:
            from assets_cli.state.renamed import open_renamed  # only a manifest with `moved:` needs it

            return open_renamed(self.state, self.manifest.environment, self._renames)
        return open_reader(self.state)

    @cached_property
    def _renames(self) -> Mapping[str, tuple[str, ...]]:
        """The names that assets had before, by the name that they have now."""
        return {name: asset.moved_from for name, asset in self.graph.assets.items() if asset.moved_from}

    def settle(self, listeners: Sequence[Listener]) -> None:
        """Write the renames that the manifest declares, before anything else is recorded."""
        if not self._renames or not self.state.exists():
            return

        def tell(event: RunEvent) -> None:
            for listener in listeners:
                listener(event)

        self.repair.settle(self._renames, tell)
        self.reread()

    def reread(self) -> None:
        """What is on record is not what it was when it was read last."""
        self.__dict__.pop("reader", None)

    @cached_property
    def locks(self) -> LockService:
        """The locks of everybody who uses this state."""
        return LockService(folder_for(self.state))

    @cached_property
    def probes(self) -> ProbeSurroundings:
        """What probing needs, but for the names to look at."""
        declarations = Declarations(self.manifest, self.files.root, self._texts)
        return ProbeSurroundings(self.environ, self.files, self.locks, time.time_ns, declarations)

    @contextmanager
    def surroundings(self, listeners: tuple[Listener, ...], *, settling: bool = True) -> Iterator[Surroundings]:
        """What a run needs, as long as this is open; renames are written first, unless told not to."""
        from assets_cli.model.secrets import mask
        from assets_cli.running.executors.local import LocalExecutor
        from assets_cli.running.surroundings import Surroundings, steady
        from assets_cli.state.record import open_recorder

        if settling:
            self.settle(listeners)
        recorder = open_recorder(self.state, hide=lambda value: mask(value, self.secrets))
        executor = LocalExecutor()
        try:
            yield Surroundings(
                root=self.manifest.root,
                recorder=recorder,
                locks=self.locks,
                probes=self.probes,
                executor=executor,
                listeners=listeners,
                clock=steady(clock),
                environ=self.environ,
                secrets=self.secrets,
            )
        finally:
            executor.close()
            recorder.close()
            self.files.save()

    @cached_property
    def secrets(self) -> tuple[str, ...]:
        """The texts that nobody may see."""
        from assets_cli.probing.secrets import secrets_of  # only what runs, or has a warning to show, needs it

        return secrets_of(self.manifest, self.environ, self.files)

    def hide(self, problem: Problem) -> Problem:
        """A problem without secrets."""
        from assets_cli.model.secrets import mask  # as above

        hint = mask(problem.hint, self.secrets)
        return problem._replace(message=mask(problem.message, self.secrets), hint=hint)

    def columns(self) -> Columns:
        """The columns of all assets, with those on record where nothing else says them."""
        from assets_cli.inference.catalog import Columns  # as above

        latest = self.reader.snapshot(self.manifest.environment).latest
        recorded: dict[str, tuple[str, ...]] = {}
        for name, each in latest.items():
            columns = each.materialization.metadata.get("columns") if each.materialization is not None else None
            if isinstance(columns, _LISTS):
                recorded[name] = tuple(str(column[0]) for column in columns if isinstance(column, _LISTS) and column)
        return Columns(self.graph, self.environ, self.files, recorded)

    def outside(self, names: Collection[str], snapshot: StateSnapshot) -> Observed:
        """What external assets hold now; nothing of it is on record yet."""
        wanted = observable(self.graph, names)
        if not wanted:
            return NOTHING
        known = NOTHING if self._sighted is None else self._sighted
        assets = [each for each in wanted if each.name not in {*known.observations, *known.failures}]

        def prober() -> Probes:
            from assets_cli.running.probes import Probes  # only processes need it

            return Probes(self.manifest, self.environ, self.secrets, self.locks)

        around = ObserveSurroundings(self.environ, self.files, prober, clock, self.secrets)
        seen, failures = observe(self.graph, assets, snapshot, around)
        hidden = {name: self.hide(problem) for name, problem in failures.items()}
        known = Observed({**known.observations, **seen}, {**known.failures, **hidden})
        if self._sighted is not None:
            self._sighted = known
        return known.of(each.name for each in wanted)

    @contextmanager
    def looking_once(self) -> Iterator[None]:
        """Each external asset is looked at once at most, however often it is asked for inside."""
        self._sighted = NOTHING
        try:
            yield
        finally:
            self._seen, self._sighted = self._sighted, None

    def look(self, names: frozenset[str], *, observing: bool = True) -> tuple[StateSnapshot, World]:
        """What is on record, and what is there now of these assets and what they are made from."""
        snapshot = self.reader.snapshot(self.manifest.environment)
        if len(names) < len(self.graph.order):
            names |= {upstream for name in names for upstream in self.graph.upstreams(name)}
        observed = self.outside(names, snapshot) if observing else NOTHING
        world = look(self.graph, names, snapshot, self.probes, observed)
        if world.warnings:
            world = world._replace(warnings=tuple(map(self.hide, world.warnings)))
        self.files.save()
        return snapshot, world

    def look_within(
        self, part: AssetGraph, names: frozenset[str], *, observing: bool = True
    ) -> tuple[StateSnapshot, World]:
        """What is on record of a part of the graph, and what is there now: of `names`, and outside of all."""
        # All at once are read for less than half of them by name.
        asked = None if 2 * len(part.order) > len(self.graph.order) else part.assets
        snapshot = self.reader.snapshot(self.manifest.environment, asked, listed=True)
        observed = self.outside(part.assets, snapshot) if observing else NOTHING
        return snapshot, look(self.graph, names, snapshot, self.probes, observed)

    def run_record(self, selection: Sequence[str], jobs: int, started: int) -> RunRecord:
        """The record of a run that this process begins."""
        from socket import gethostname  # only deeds need these

        from assets_cli.state.run_ids import new_run_id

        return RunRecord(
            id=new_run_id(started),
            environment=self.manifest.environment,
            status="running",
            started=started,
            finished=None,
            jobs=jobs,
            selection=tuple(selection),
            host=gethostname(),
            pid=os.getpid(),
            counts={},
        )


def step_record(step: Step) -> StepRecord:
    """A step of a plan as it is put on record before it has ended."""
    causes = tuple(cause._asdict() for cause in step.causes)
    return StepRecord(step.asset, step.kind, causes, step.is_forced, None, unchanged=False, detail=None)


@contextmanager
def quoted(manifest: Manifest) -> Iterator[None]:
    """What is raised inside names places in the manifest; show their lines, too."""
    try:
        yield
    except AssetsError as error:
        raise AssetsError(*manifests.quote(manifest.root, error.problems)) from error
