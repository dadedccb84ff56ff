"""Why an asset is stale: the one function that decides it, called by plan, run, why and whoever comes after.

Pure. Versions decide, never clocks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice

from assets_cli.graph.graph import AssetGraph
from assets_cli.model import duration
from assets_cli.model.history import Component, Materialization, StateSnapshot
from assets_cli.model.manifest import Asset
from assets_cli.model.plan import Cause, Promise
from assets_cli.model.world import World
from assets_cli.planning.versions import component_changes, current_input, short

_FAILED = {
    "failed": "the last attempt failed",
    "timed_out": "the last attempt timed out",
    "cancelled": "the last attempt was cancelled",
    "crashed": "the last attempt was cut off when its run died",
}


def suspects(doubtful: frozenset[str], world: World) -> frozenset[str]:
    """The assets of which `stale_causes` may have something to say; of others only if a promise asks for them.

    Of those that are not `versions.doubtful` nothing is missing, failed or blocked, and they have read what is there
    now. So there is nothing to say unless the world has something to say of them.
    """
    return doubtful.union(world.code, world.outputs)


def stale_causes(
    name: str, graph: AssetGraph, snapshot: StateSnapshot, world: World, promises: Mapping[str, Promise], now: int
) -> list[Cause]:
    """Every cause that an asset with a command is stale for by itself, in the order of the model's table.

    `promises` are what `freshness.promises` asks of roots. Causes that need a plan (`forced`, `upstream_stale`) are
    added by `plan`.
    """
    asset = graph.assets[name]
    latest = snapshot.of(name)
    made = latest.materialization
    causes: list[Cause] = []
    if made is None:
        causes.append(Cause("missing", "never materialized"))
    else:
        code = list(_code_causes(made, world.components(made)))
        causes += code
        causes += _upstream_causes(asset, made, graph, snapshot, world)
    failed = latest.attempt is not None and latest.attempt.state in _FAILED
    if made is not None and not failed and not any(cause.component == "output" for cause in code):
        causes += drift_causes(asset, made, world)
    if failed and latest.attempt is not None:
        reason = f": {latest.attempt.reason}" if latest.attempt.reason else ""
        causes.append(Cause("last_run_failed", f"{_FAILED[latest.attempt.state]} in run {latest.attempt.run}{reason}"))
    if made is not None and made.blocked:
        causes.append(Cause("check_failed", f"a blocking check failed in run {made.run}"))
    causes += _overdue_causes(name, snapshot, promises, now)
    return causes


def _code_causes(made: Materialization, now: Mapping[str, Component]) -> Iterator[Cause]:
    for name, old, new in component_changes(made.components, now):
        if old is None:
            detail = f"code added: {name}"
        elif new is None:
            detail = f"code removed: {name}"
        else:
            detail = f"code changed: {name} ({short(old)} -> {short(new)})"
        yield Cause("code_changed", detail, component=name, old=old, new=new)


def _upstream_causes(
    asset: Asset, made: Materialization, graph: AssetGraph, snapshot: StateSnapshot, world: World
) -> Iterator[Cause]:
    for upstream in asset.upstreams:
        read = made.inputs.get(upstream)
        if read is None:
            continue
        external = graph.assets[upstream].is_external
        now = current_input(upstream, snapshot, world.observations, external=external).data_version
        if now is not None and now != read.data_version:
            yield Cause(
                "upstream_changed",
                f"upstream changed: {upstream} ({short(read.data_version)} -> {short(now)})",
                upstream=upstream,
                old=read.data_version,
                new=now,
            )
    for upstream in asset.upstreams:
        if upstream not in made.inputs:
            seen = next((each for each in asset.inferred if each.upstream == upstream), None)
            where = f", inferred from {f'{seen.file}:{seen.line}' if seen.file else 'its SQL'}" if seen else ""
            yield Cause("upstreams_added", f"upstream added: {upstream}{where}", upstream=upstream)
    for upstream in made.inputs:
        if upstream not in asset.upstreams:
            yield Cause("upstreams_removed", f"upstream removed: {upstream}", upstream=upstream)


def drift_causes(asset: Asset, made: Materialization, world: World) -> Iterator[Cause]:
    """Whether somebody else touched the output since a materialization."""
    probe = world.outputs.get(asset.name)
    if probe is None or made.fingerprint is None:
        return
    where = (asset.output and (asset.output.path or asset.output.table)) or asset.name
    hint = f"materialize it again, or adopt what is there: assets state mark {asset.name}"
    if probe.state == "missing":
        yield Cause("output_missing", f"{where} is gone since run {made.run}", old=made.fingerprint.digest)
    elif probe.state == "present" and probe.fingerprint is not None:
        known, found = made.fingerprint, probe.fingerprint
        if found.algorithm == known.algorithm and found.digest != known.digest:
            yield Cause(
                "output_changed",
                f"{where} was changed by somebody else since run {made.run}; {hint}",
                old=known.digest,
                new=found.digest,
            )


def _overdue_causes(name: str, snapshot: StateSnapshot, promises: Mapping[str, Promise], now: int) -> Iterator[Cause]:
    promise = promises.get(name)
    made = snapshot.of(name).usable
    if promise is None or made is None:
        return
    time = made.started if made.data_time is None else made.data_time
    if time < promise.bound:
        age = duration.show(max(0, now - time))
        allowed = promise.text or duration.show(max(0, now - promise.bound))
        verb = "asks" if len(promise.asked_by) == 1 else "ask"
        when = "overdue"
        if promise.broken_at is not None and promise.broken_at >= now:
            when = f"overdue in {duration.show(promise.broken_at - now)}"
        detail = f"{when}: its data is {age} old, {name_some(promise.asked_by)} {verb} for at most {allowed}"
        yield Cause("overdue", detail)


def name_some(names: Collection[str], most: int = 3) -> str:
    """A few names for a sentence: `a, b and 4 more`."""
    listed = list(islice(names, most))
    if len(names) <= most:
        return " and ".join([", ".join(listed[:-1]), listed[-1]]) if len(listed) > 1 else "".join(listed)
    return f"{', '.join(listed)} and {len(names) - most} more"


def left_stale(
    done: Iterable[str], steps: Iterable[str], graph: AssetGraph, snapshot: StateSnapshot
) -> tuple[str, ...]:
    """What a run left stale: direct downstreams of what it made that were not steps of it."""
    planned = set(steps)
    found: dict[str, None] = {}
    for upstream in done:
        now = snapshot.of(upstream).usable
        for name in graph.downstreams(upstream):
            made = snapshot.of(name).materialization
            if name in planned or now is None or graph.assets[name].is_external:
                continue
            read = made.inputs.get(upstream) if made else None
            if read is None or read.data_version != now.data_version:
                found[name] = None
    return tuple(graph.sort(found))
