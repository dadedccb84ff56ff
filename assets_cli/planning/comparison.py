"""What differs between two states of a project, and what follows from it for the data: one function, `compare`.

Pure: what code is made of on either side, and which columns SQL gives, is found by others. What counts is what counts
for staleness: components of code as `versions` compares them, and the upstreams; all else is told and makes nothing
stale.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from assets_cli.graph.graph import AssetGraph
from assets_cli.model.difference import AssetChange, Below, Change, Concerned, Difference, Pairs, RemovedColumn
from assets_cli.model.history import Component
from assets_cli.model.manifest import Asset, Manifest
from assets_cli.planning.declared_changes import command_text, declared_changes, env_change, output_change, settings
from assets_cli.planning.versions import DECLARED, component_changes, same


class Side(NamedTuple):
    """One state of a project.

    `code` holds the components of those assets that may differ from the other state, and of those that only this one
    has; of all others they are the same. `overlays` are the environments as written; `locations` where connections
    lead, without credentials.
    """

    graph: AssetGraph
    code: Mapping[str, Mapping[str, Component]] = {}
    overlays: Mapping[str, Any] = {}
    locations: Mapping[str, str] = {}


def match(before: AssetGraph, now: AssetGraph) -> Pairs:
    """Which asset is which: the name says it, or `moved:`."""
    old, new = before.assets, now.assets
    former: dict[str, str] = {}
    taken: set[str] = set()
    for name, asset in new.items():
        if name in old:
            continue
        known = next((each for each in asset.moved_from if each in old and each not in new and each not in taken), None)
        if known is not None:
            former[name] = known
            taken.add(known)
    common = {
        name: (old[former.get(name, name)], asset) for name, asset in new.items() if former.get(name, name) in old
    }
    added = tuple(name for name in now.order if name not in common)
    removed = tuple(name for name in before.order if name not in new and name not in taken)
    return Pairs(common, added, removed, former)


def compare(
    before: Side, now: Side, pairs: Pairs, columns: Sequence[RemovedColumn] = (), apart: Collection[str] = ()
) -> Difference:
    """What differs. `columns` are those that go away; `apart` are assets that are not compared, as nobody could."""
    today = {old: new for new, old in pairs.former.items()}
    guesses = _guesses(before, now, pairs)
    found: list[AssetChange] = []
    for name in pairs.removed:
        asset = before.graph.assets[name]
        readers = [today.get(each, each) for each in before.graph.downstreams(name)]
        there = tuple(each for each in readers if each in now.graph.assets)
        found.append(_told(asset, "removed")._replace(place=None, readers=there))
    cosmetic: dict[str, None] = {}
    for name in now.graph.order:
        asset = now.graph.assets[name]
        if name in apart:
            continue
        if name not in pairs.common:
            stale = not asset.is_external
            one = _told(asset, "added")
            found.append(one._replace(stale=stale, guess=guesses.get(name), upstreams=asset.upstreams))
            continue
        earlier = pairs.common[name][0]
        former = pairs.former.get(name)
        if former is None and _is_plainly_same(earlier, asset, name, before, now):
            continue
        counts = [*_code(earlier, asset, before, now, cosmetic), *_upstreams(earlier, asset, today)]
        changes = (*counts, *declared_changes(earlier, asset))
        if changes or former is not None:
            one = _told(asset, "changed" if former is None else "renamed")
            stale = bool(counts) and not asset.is_external
            found.append(one._replace(changes=changes, stale=stale, former=former))
    below = _below(found, before, now, today)
    return Difference(
        settings=settings(before.graph.manifest, now.graph.manifest, (before.overlays, now.overlays)),
        assets=tuple(found),
        columns=tuple(columns),
        stale=tuple(each.name for each in found if each.stale),
        below=below,
        concerned=_concerned(found, below, pairs),
        cosmetic=tuple(cosmetic),
    )


def _told(asset: Asset, sort: Any) -> AssetChange:
    return AssetChange(asset.name, sort, asset.owners, asset.kind, asset.group, asset.place)


def _is_plainly_same(earlier: Asset, asset: Asset, name: str, before: Side, now: Side) -> bool:
    """Whether all that is declared is the same, and so is the code: the case of nearly all."""
    if name in now.code or earlier.name in before.code:
        return False
    return earlier[2:] == asset[2:] or earlier._replace(place=asset.place, inferred=asset.inferred) == asset


# -- what counts ---------------------------------------------------------------------------------------------------


def _code(earlier: Asset, asset: Asset, before: Side, now: Side, cosmetic: dict[str, None]) -> Iterator[Change]:
    """The components of the code that differ; what differs in bytes alone goes to `cosmetic`."""
    if asset.name not in now.code and earlier.name not in before.code:
        return
    old, new = before.code.get(earlier.name, {}), now.code.get(asset.name, {})
    for name in new:
        if name in old and old[name].raw != new[name].raw and same(old[name], new[name]):
            cosmetic[name if name != "command" else f"command of {asset.name}"] = None
    for name, was, is_now in component_changes(old, new):
        sort: Any = "added" if was is None else "removed" if is_now is None else "changed"
        change = Change("code", sort, name)
        if name in ("command", "compute"):
            change = change._replace(old=command_text(earlier, name), new=command_text(asset, name))
        elif name == "output":
            change = change._replace(note=output_change(earlier.output, asset.output))
        elif name == "connection":
            change = change._replace(old=_leads(earlier, before), new=_leads(asset, now))
        elif name == "env":
            change = change._replace(note=env_change(earlier.env, asset.env))
        elif name == DECLARED:
            change = change._replace(old=earlier.code_version, new=asset.code_version)
        yield change


def _leads(asset: Asset, side: Side) -> str | None:
    """The connection that an asset uses, and where that leads."""
    manifest: Manifest = side.graph.manifest
    connection = manifest.connection_of(asset)
    if connection is None:
        return None
    return f"{connection.name}: {connection.type} {side.locations.get(connection.name, '')}".rstrip()


def _upstreams(earlier: Asset, asset: Asset, today: Mapping[str, str]) -> Iterator[Change]:
    """Upstreams that came and went; one that was renamed did neither."""
    old = {today.get(each, each): None for each in earlier.upstreams}
    for name in asset.upstreams:
        if name not in old:
            seen = next((each for each in asset.inferred if each.upstream == name), None)
            where = "" if seen is None else f"read by {f'{seen.file}:{seen.line}' if seen.file else 'its SQL'}"
            yield Change("upstreams", "added", name, note=where)
    for name in old:
        if name not in asset.upstreams:
            yield Change("upstreams", "removed", name)


# -- renames that nobody declared ------------------------------------------------------------------------------------


def _guesses(before: Side, now: Side, pairs: Pairs) -> dict[str, str]:
    """Of added assets the removed one that has the same code and output, where that is one and no other."""
    known: dict[tuple[str, ...], list[str]] = {}
    for name in pairs.removed:
        if sign := _signature(before.code.get(name)):
            known.setdefault(sign, []).append(name)
    found: dict[str, str] = {}
    for name in pairs.added if known else ():
        sign = _signature(now.code.get(name))
        candidates = known.get(sign, []) if sign else []
        if len(candidates) == 1 and candidates[0] not in found.values():
            found[name] = candidates[0]
    return found


def _signature(code: Mapping[str, Component] | None) -> tuple[str, ...]:
    """What the code and the output are, whatever the files are called and wherever the connection leads now."""
    if not code or "output" not in code:
        return ()
    return tuple(sorted(each.normalised or each.raw for name, each in code.items() if name != "connection"))


# -- who is concerned --------------------------------------------------------------------------------------------------


def _below(found: Sequence[AssetChange], before: Side, now: Side, today: Mapping[str, str]) -> tuple[Below, ...]:
    """What is made from assets whose data changes, the nearest first, without these themselves."""
    starts = {each.name for each in found if each.stale or _moves(each)}
    gone = {each.name for each in found if each.sort == "removed"}
    distances = now.graph.descendants(starts & now.graph.assets.keys())
    for name, distance in before.graph.descendants(gone).items():
        there = today.get(name, name)
        if there in now.graph.assets:
            distances[there] = min(distance, distances.get(there, distance))
    position = now.graph.position
    ordered = sorted(distances.keys() - starts, key=lambda name: (distances[name], position[name]))
    return tuple(Below(name, distances[name], now.graph.assets[name].owners) for name in ordered)


def _moves(change: AssetChange) -> bool:
    """Whether what an external asset is said to hold may be another thing now."""
    return change.sort == "added" or any(each.part in ("observe", "code", "upstreams") for each in change.changes)


def _concerned(found: Sequence[AssetChange], below: Sequence[Below], pairs: Pairs) -> tuple[Concerned, ...]:
    """Whose assets change, or were theirs, or may follow; what is nobody's comes last."""
    changed: dict[str | None, list[str]] = {}
    follow: dict[str | None, list[str]] = {}
    for one in found:
        before = pairs.common[one.name][0].owners if one.name in pairs.common else ()
        for owner in dict.fromkeys((*one.owners, *before)) or (None,):
            changed.setdefault(owner, []).append(one.name)
    for each in below:
        for owner in each.owners or (None,):
            follow.setdefault(owner, []).append(each.asset)
    owners = sorted({*changed, *follow}, key=lambda owner: (owner is None, owner or ""))
    return tuple(Concerned(each, tuple(changed.get(each, ())), tuple(follow.get(each, ()))) for each in owners)
