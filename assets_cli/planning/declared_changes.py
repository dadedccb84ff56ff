"""What the manifest says of an asset or of the project that another state of it did not say, in words.

Pure. None of it makes an asset stale: what does is compared by `comparison`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from assets_cli.model import duration
from assets_cli.model.difference import Change, ChangeSort
from assets_cli.model.manifest import (
    Asset,
    Check,
    Column,
    FreshnessPolicy,
    Manifest,
    Output,
    PythonCommand,
    ShellCommand,
    SqlCommand,
)

_SHORT = 60
# What `comparison` compares as code or upstreams, what is compared below by name, and what says nothing.
_ELSEWHERE = frozenset(
    ("name", "place", "upstreams", "inferred", "command", "code", "code_version", "env", "output", "moved_from")
) | frozenset(("checks", "freshness", "columns", "owners", "tags", "group", "description", "metadata", "observe"))

_LENGTHS = frozenset(("timeout", "retries.delay", "observe_every"))


def declared_changes(earlier: Asset, asset: Asset) -> Iterator[Change]:
    """What differs besides code and upstreams."""
    if earlier.observe != asset.observe:
        yield Change("observe", _sort(earlier.observe, asset.observe), "", _probe(earlier), _probe(asset))
    yield from _output(earlier, asset)
    yield from _columns(earlier.columns, asset.columns)
    yield from _checks(earlier.checks, asset.checks)
    yield from _freshness(earlier.freshness, asset.freshness)
    if earlier.owners != asset.owners:
        yield Change("owner", "changed", "", ", ".join(earlier.owners) or "nobody", ", ".join(asset.owners) or "nobody")
    if earlier.group != asset.group:
        yield Change("group", _sort(earlier.group, asset.group), "", earlier.group, asset.group)
    for tag in sorted({*earlier.tags} ^ {*asset.tags}):
        yield Change("tags", "added" if tag in asset.tags else "removed", tag)
    if earlier.description != asset.description:
        yield Change("description", _sort(earlier.description, asset.description), "")
    yield from _mapping("metadata", earlier.metadata, asset.metadata)
    for field in Asset._fields:
        if field not in _ELSEWHERE and (old := getattr(earlier, field)) != (new := getattr(asset, field)):
            yield from _running(field, old, new)


def _running(field: str, old: Any, new: Any) -> Iterator[Change]:
    """How it is run; of what has parts those that differ."""
    if hasattr(old, "_asdict") and type(old) is type(new):
        for part in old._fields:
            yield from _running(f"{field}.{part}", getattr(old, part), getattr(new, part))
    elif old != new:
        yield Change("running", "changed", field, _value(field, old), _value(field, new))


def settings(
    before: Manifest, now: Manifest, overlays: tuple[Mapping[str, Any], Mapping[str, Any]]
) -> tuple[Change, ...]:
    """What differs of the project as a whole."""
    found: list[Change] = []
    for name in ("project", "default_connection"):
        old, new = getattr(before, name), getattr(now, name)
        if old != new:
            found.append(Change("project", _sort(old, new), name, old, new))
    found += _mapping("vars", before.vars, now.vars)
    for name in dict.fromkeys((*before.connections, *now.connections)):
        was, is_now = before.connections.get(name), now.connections.get(name)
        if was is None or is_now is None:
            found.append(Change("connection", _sort(was, is_now), name, was and was.type, is_now and is_now.type))
        else:
            then, there = {"type": was.type, **was.options}, {"type": is_now.type, **is_now.options}
            found += _mapping("connection", then, there, f"{name}.")
    found += _mapping("pool", before.pools, now.pools)
    old_names, new_names = overlays
    for name in dict.fromkeys((*old_names, *new_names)):
        if name not in new_names or name not in old_names:
            found.append(Change("environment", "added" if name in new_names else "removed", name))
        else:
            found += _mapping("environment", _flat(old_names[name]), _flat(new_names[name]), f"{name}.")
    return tuple(found)


# -- words for what counts as code -------------------------------------------------------------------------------------


def command_text(asset: Asset, component: str) -> str | None:
    """What an asset is made by, where that is short; of the component `compute` the kind alone."""
    command = asset.command
    if component == "compute":
        if isinstance(command, ShellCommand):
            return " ".join(("shell", *command.interpreter)) if command.interpreter[0] != "sh" else "shell"
        return "python" if isinstance(command, PythonCommand) else "sql" if command is not None else None
    if isinstance(command, PythonCommand):
        return f"{command.module}:{command.function}"
    text = (
        command.run if isinstance(command, ShellCommand) else (command.query if isinstance(command, SqlCommand) else "")
    )
    return _short(text)


def output_change(old: Output | None, new: Output | None) -> str:
    """The fields of an output that differ: `table a -> b`, `materialization view -> table`."""
    if old is None or new is None:
        known = old or new
        where = (known.table or known.path or "script") if known else ""
        return f"{where} {'added' if old is None else 'removed'}"
    said = []
    for field in Output._fields:
        was, there = (_listed(getattr(each, field)) for each in (old, new))
        if was != there and field != "atomic":
            said.append(f"{field} {was or 'none'} -> {there or 'none'}")
    return ", ".join(said)


def _listed(value: Any) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value or "")


def env_change(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    """The names of the variables that differ: values may be secrets."""
    names = [
        f"{name} {'added' if name not in old else 'removed' if name not in new else 'changed'}"
        for name in dict.fromkeys((*old, *new))
        if old.get(name) != new.get(name)
    ]
    return ", ".join(names)


# -- what is declared besides ------------------------------------------------------------------------------------------


def _output(earlier: Asset, asset: Asset) -> Iterator[Change]:
    """How an output is published, which does not count as code."""
    old, new = earlier.output, asset.output
    if old is not None and new is not None and old.atomic != new.atomic:
        yield Change("output", "changed", "atomic", _short(old.atomic), _short(new.atomic))


def _columns(before: tuple[Column, ...], now: tuple[Column, ...]) -> Iterator[Change]:
    old, new = {each.name.lower(): each for each in before}, {each.name.lower(): each for each in now}
    for key in dict.fromkeys((*old, *new)):
        was, there = old.get(key), new.get(key)
        if was is None or there is None:
            known = was or there
            yield Change("columns", _sort(was, there), known.name if known else key)
        elif was != there:
            said = [field for field in ("description", "tags", "name") if getattr(was, field) != getattr(there, field)]
            types = (was.type or "any", there.type or "any") if was.type != there.type else (None, None)
            yield Change("columns", "changed", there.name, types[0], types[1], ", ".join(said))


def _checks(before: tuple[Check, ...], now: tuple[Check, ...]) -> Iterator[Change]:
    old, new = {each.name: each for each in before}, {each.name: each for each in now}
    for name in dict.fromkeys((*old, *new)):
        was, there = old.get(name), new.get(name)
        if was is None or there is None:
            known = was or there
            yield Change("checks", _sort(was, there), name, note="blocking" if known and known.blocking else "")
        elif was != there:
            sort: ChangeSort = "changed"
            if (was.severity, was.blocking) != (there.severity, there.blocking):
                weaker = there.severity == "warn" if was.severity != there.severity else was.blocking
                sort = "loosened" if weaker else "tightened"
            differs = [field for field in ("kind", "arguments") if getattr(was, field) != getattr(there, field)]
            yield Change("checks", sort, name, _weight(was), _weight(there), ", ".join(differs))


def _weight(check: Check) -> str:
    return f"{check.severity}{', blocking' if check.blocking else ''}"


def _freshness(before: FreshnessPolicy | None, now: FreshnessPolicy | None) -> Iterator[Change]:
    """A promise that is loosened, tightened, made or withdrawn."""
    if before is None or now is None:
        if before != now:
            old, new = (each and _promised(each) for each in (before, now))
            yield Change("freshness", _sort(before, now), "max_lag", old, new)
        return
    for field in before._fields:
        old, new = getattr(before, field), getattr(now, field, None)
        if old != new:
            lengths = isinstance(old, int) and isinstance(new, int)
            sort: ChangeSort = ("loosened" if new > old else "tightened") if lengths else _sort(old, new)
            before_it, after_it = (each if isinstance(each, str) else _length(each) for each in (old, new))
            yield Change("freshness", sort, field, before_it, after_it)


def _promised(policy: FreshnessPolicy) -> str:
    lag = duration.show(policy.max_lag)
    return lag if policy.cron is None else f"{lag} at {policy.cron} {policy.timezone}"


def _probe(asset: Asset) -> str | None:
    probe = asset.observe
    if probe is None:
        return None
    first = next((str(value) for value in probe if isinstance(value, str) and value), "")
    kind = type(probe).__name__.removesuffix("Probe").lower()
    return f"{kind} {_short(first) or ''}".rstrip()


def _mapping(part: Any, before: Mapping[str, Any], now: Mapping[str, Any], under: str = "") -> Iterator[Change]:
    """Entries that came, went or have another value."""
    old, new = _flat(before), _flat(now)
    for key in dict.fromkeys((*old, *new)):
        if key not in old or key not in new or old[key] != new[key]:
            sort: ChangeSort = "added" if key not in old else "removed" if key not in new else "changed"
            yield Change(part, sort, f"{under}{key}", _short(old.get(key)), _short(new.get(key)))


def _flat(value: Any, under: str = "") -> dict[str, Any]:
    """A mapping with a dotted key for each value that is none."""
    if not isinstance(value, Mapping):
        return {under[:-1]: value} if under else {}
    found: dict[str, Any] = {}
    for key, each in value.items():
        name = f"{under}{key}"
        found |= _flat(each, f"{name}.") if isinstance(each, Mapping) and each else {name: each}
    return found


def _sort(old: object, new: object) -> ChangeSort:
    return "added" if not old else "removed" if not new else "changed"


def _value(field: str, value: Any) -> str | None:
    if field in _LENGTHS:
        return _length(value)
    return _short(", ".join(map(str, value)) if isinstance(value, tuple) else value)


def _length(value: Any) -> str | None:
    return duration.show(value) if isinstance(value, int) else None


def _short(value: Any) -> str | None:
    """A value as a text of one line; None where it is too long to be shown."""
    if value is None:
        return None
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= _SHORT and "\n" not in text else None
