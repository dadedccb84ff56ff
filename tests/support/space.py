"""A project in memory for tests of decisions: assets, their history and the world, without a disk or a clock.

`Space` reads like a story: declare assets, say what was made, change something, ask for the plan.
"""

from __future__ import annotations

from collections.abc import Sequence

from assets_cli.graph import AssetGraph
from assets_cli.model import texts
from assets_cli.model.duration import SECOND
from assets_cli.model.history import (
    Attempt,
    Component,
    Fingerprint,
    Input,
    Latest,
    Materialization,
    Observation,
    Settled,
    StateSnapshot,
)
from assets_cli.model.manifest import Asset, FreshnessPolicy, Manifest, Output, ShellCommand
from assets_cli.model.plan import Plan
from assets_cli.model.problem import Place
from assets_cli.model.world import CodeProbe, OutputProbe, World
from assets_cli.planning import freshness
from assets_cli.planning.plan import Selection, plan

HOUR = 3_600 * SECOND
NOON = 1_800_000_000 * SECOND


def graph_of(**upstreams: Sequence[str]) -> AssetGraph:
    """A graph of shell assets, each with an output of its own name: `graph_of(a=[], b=["a"])`."""
    return AssetGraph(manifest_of(*(asset(name, above) for name, above in upstreams.items())))


def asset(name: str, upstreams: Sequence[str] = (), **fields: object) -> Asset:
    """A shell asset with an output of its own name, unless `fields` say otherwise."""
    defaults = {
        "command": ShellCommand(f"make {name}"),
        "output": Output(path=f"out/{name}"),
        "kind": "shell",
        "upstreams": tuple(upstreams),
    }
    return Asset(name, Place("assets.yml", 1, 1))._replace(**{**defaults, **fields})


def manifest_of(*assets: Asset) -> Manifest:
    """A manifest with these assets; every place is its first line."""
    return Manifest(
        root="/project",
        file="assets.yml",
        project="test",
        environment="default",
        state=".assets/state.db",
        vars={},
        connections={},
        default_connection=None,
        assets={each.name: each for each in assets},
        files=("assets.yml",),
        warnings=(),
        locate=lambda *_: Place("assets.yml", 1, 1),
    )


class Space:
    """A project whose history and world are changed by hand."""

    def __init__(self, *assets: Asset) -> None:
        self.graph = AssetGraph(manifest_of(*assets))
        self.now = NOON
        self.latest: dict[str, Latest] = {}
        self.observations: dict[str, Observation] = {}
        self.frozen: dict[tuple[str, str], int | None] = {}
        self.code = dict.fromkeys(self.graph.assets, "1")
        self.outputs: dict[str, str | None] = {}
        self.seq = 0

    # -- what happens ------------------------------------------------------------------------------------------------

    def declare(self, *assets: Asset) -> None:
        """The manifest is edited: these assets are what it holds now."""
        self.graph = AssetGraph(manifest_of(*assets))
        self.code = {name: self.code.get(name, "1") for name in self.graph.assets}

    def make(
        self, name: str, version: str | None = None, *, blocked: bool = False, data_time: int | None = None
    ) -> None:
        """An asset is materialized now; its data version is `version`, by default one that follows from its inputs."""
        before = self.latest.get(name, Latest())
        inputs = {up: self._current(up) for up in self.graph.upstreams(name)}
        made_from = "+".join(str(each.data_version) for each in inputs.values())
        version = version or f"{name}:{self.code[name]}({made_from})"
        if before.usable is not None and before.usable.data_version != version and not blocked:
            self.frozen[name, before.usable.data_version] = self.view().times[name]
        self.seq += 1
        self.outputs[name] = version
        made = Materialization(
            seq=self.seq,
            asset=name,
            run="r1",
            attempt=self.seq,
            started=self.now,
            finished=self.now + SECOND,
            code_version=f"test:{self.code[name]}",
            components=self._components(name),
            data_version=version,
            fingerprint=Fingerprint(f"test:{version}"),
            data_time=data_time,
            inputs=inputs,
            blocked=blocked,
        )
        attempt = Attempt(self.seq, "r1", name, 1, "succeeded", self.now)
        usable = before.usable if blocked else made
        self.latest[name] = Latest(made, usable, attempt, (*before.durations, SECOND))

    def fail(self, name: str, state: str = "failed") -> None:
        """An attempt at an asset fails now."""
        self.seq += 1
        attempt = Attempt(self.seq, "r2", name, 1, state, self.now, reason="exit code 1")  # type: ignore[arg-type]
        self.latest[name] = self.latest.get(name, Latest())._replace(attempt=attempt)

    def observe(self, name: str, version: str, data_time: int | None = None) -> None:
        """An external asset is looked at now."""
        before = self.observations.get(name)
        if before is not None and before.data_version != version:
            self.frozen[name, before.data_version] = self.view().times[name]
        self.seq += 1
        self.observations[name] = Observation(self.seq, name, self.now, version, data_time)

    # -- what is asked -----------------------------------------------------------------------------------------------

    @property
    def snapshot(self) -> StateSnapshot:
        """The history as planning sees it."""
        return StateSnapshot("default", self.latest, self.observations, self.frozen)

    @property
    def world(self) -> World:
        """The world as probing would report it."""
        outputs = {}
        for name, each in self.graph.assets.items():
            if each.output is not None and not each.is_external:
                held = self.outputs.get(name)
                present = OutputProbe("present", Fingerprint(f"test:{held}"))
                outputs[name] = OutputProbe("missing") if held is None else present
        code = {name: CodeProbe(self._components(name)) for name in self.graph.assets}
        return World(code, outputs, self.observations)

    def view(self) -> freshness.FreshnessView:
        """Data times now."""
        return freshness.view(self.graph, self.snapshot, self.world, self.now)

    def plan(self, *names: str, forced: Sequence[str] = (), jobs: int = 1) -> Plan:
        """The plan for these assets, or for the whole project."""
        chosen = frozenset(names) if names else frozenset(self.graph.assets)
        return plan(self.graph, Selection(chosen, frozenset(forced)), self.snapshot, self.world, self.now, jobs=jobs)

    def causes(self, *names: str) -> dict[str, list[str]]:
        """The plan's steps as `{asset: [cause kinds]}`, a cause of an upstream as `kind(upstream)`."""
        found = {}
        for step in self.plan(*names).steps:
            found[step.asset] = [
                f"{each.kind}({each.upstream})" if each.upstream else each.kind for each in step.causes
            ]
        return found

    def run(self) -> list[str]:
        """Carry the whole plan out as a run would, with early cutoff; the assets that were made."""
        done = []
        for step in self.plan().steps:
            if step.is_tentative and not any(not each.is_tentative for each in self._causes_now(step.asset)):
                continue
            self.make(step.asset)
            done.append(step.asset)
        return done

    def _causes_now(self, name: str) -> list[object]:
        from assets_cli.planning.staleness import stale_causes

        return stale_causes(name, self.graph, self.snapshot, self.world, freshness.promises(self.view()), self.now)

    def _components(self, name: str) -> dict[str, Component]:
        return {"command": Component(f"test:{self.code.get(name, '1')}")}

    def _current(self, upstream: str) -> Input:
        if self.graph.assets[upstream].is_external:
            seen = self.observations.get(upstream)
            return Input(seen.data_version, seen.seq) if seen else Input(None, None)
        made = self.latest.get(upstream, Latest()).usable
        return Input(made.data_version, made.seq) if made else Input(None, None)


def settled(latest: Latest) -> Settled:
    """The facts of an asset in which nothing is the matter, as a snapshot of a state file says them first."""
    made = latest.materialization
    assert made is not None
    fingerprint = made.fingerprint or (None, None, 0, 0)
    time = made.started if made.data_time is None else made.data_time
    inputs = texts.of_inputs(texts.of_input(name, *read) for name, read in made.inputs.items())
    return Settled(made.seq, made.data_version, texts.of_components(made.components), *fingerprint, time, inputs)


def promise(max_lag: int, warn_lag: int | None = None) -> FreshnessPolicy:
    """A freshness policy in hours."""
    return FreshnessPolicy(max_lag * HOUR, warn_lag and warn_lag * HOUR)
