"""The values of one asset, already of the right shape, to an `Asset`. Knows no other asset."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from textwrap import dedent
from typing import Any, Final

from assets_cli.manifest.checks import make_check
from assets_cli.model.duration import parse
from assets_cli.model.manifest import (
    Asset,
    Column,
    Command,
    FreshnessPolicy,
    HttpProbe,
    Output,
    PathProbe,
    Probe,
    PythonCommand,
    Retries,
    Schedule,
    ShellCommand,
    ShellProbe,
    SqlCommand,
    SqlProbe,
)
from assets_cli.model.problem import Place

_STATEMENT = re.compile(
    r"(?is)\s*(?:select|with|insert|create|update|delete|merge|copy|from|values|pragma|attach|drop|alter)\s"
)
_duration = lru_cache(maxsize=1024)(parse)


def merge(defaults: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Own values over defaults: mappings are merged key by key, of anything else the own value wins."""
    merged = {**defaults, **own}
    for key in defaults.keys() & own.keys():
        if isinstance(defaults[key], dict) and isinstance(own[key], dict):
            merged[key] = merge(defaults[key], own[key])
    return merged


def make(values: Mapping[str, Any], place: Place) -> Asset:
    """The asset that these values describe."""
    fields = _DEFAULTS.copy()
    for key, value in values.items():
        position, reading = _READ[key]
        fields[position] = value if reading is None else reading(value)
    fields[_PLACE] = place
    command = values.get("command")
    if command is not None and "kind" not in values:
        fields[_KIND] = next(iter(command))
    version = values.get("data_version")
    if isinstance(version, dict):
        fields[_VERSION], fields[_VERSION_SQL] = None, _text(version["sql"])
    if (observed := values.get("observe")) is not None and "every" in observed:
        fields[_EVERY] = _duration(observed["every"])
    del fields[_ASIDE]
    return Asset._make(fields)


def _names(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _output(values: Mapping[str, Any]) -> Output:
    key = values.get("unique_key")
    return Output(**{**values, "unique_key": _names(key)}) if key else Output(**values)


def _text(text: str) -> str:
    if "\n" not in text:
        return text.strip()
    return dedent(text).strip("\n").rstrip()


def command_of(values: Mapping[str, Any]) -> Command:
    """The command that a mapping of one kind to its text describes."""
    kind, value = next(iter(values.items()))
    if kind == "shell":
        return _shell(value)
    text = _text(value)
    if kind == "python":
        module, _, function = text.partition(":")
        return PythonCommand(module, function)
    if text.lower().endswith(".sql") and "\n" not in text and not _STATEMENT.match(text):
        return SqlCommand(path=text)
    return SqlCommand(query=text)


def _probe(values: Mapping[str, Any]) -> Probe:
    if "path" in values:
        return PathProbe(values["path"])
    if "sql" in values:
        query = command_of({"sql": values["sql"]})
        assert isinstance(query, SqlCommand)  # noqa: S101 - for mypy
        return SqlProbe(query.path, query.query, values.get("connection"))
    if "http" in values:
        asked = values["http"]
        return HttpProbe(asked) if isinstance(asked, str) else HttpProbe(asked["url"], asked.get("headers") or {})
    command = _shell(values["shell"])
    return ShellProbe(command.run, command.interpreter)


def _column(values: Mapping[str, Any]) -> Column:
    return Column(
        values["name"], _text(values.get("type", "")), values.get("description", ""), tuple(values.get("tags", ()))
    )


def _shell(value: Any) -> ShellCommand:
    if isinstance(value, str):
        return ShellCommand(_text(value))
    interpreter = value.get("with")
    return ShellCommand(_text(value["run"]), tuple(interpreter)) if interpreter else ShellCommand(_text(value["run"]))


def _freshness(values: Mapping[str, str]) -> FreshnessPolicy | None:
    if "max_lag" not in values:
        return None
    warn, retry = (_duration(values[key]) if key in values else None for key in ("warn_lag", "retry_every"))
    cron, zone = values.get("cron"), values.get("timezone", "UTC").strip()
    # What fires at the same moments is written alike.
    return FreshnessPolicy(_duration(values["max_lag"]), warn, cron and " ".join(cron.split()), zone, retry)


def _schedule(values: Mapping[str, str]) -> Schedule:
    return Schedule(" ".join(values["cron"].split()), values.get("timezone", "UTC").strip())


def _retries(values: Mapping[str, Any]) -> Retries:
    retry_on = values.get("retry_on")
    return Retries(
        max=int(values.get("max", 0)),
        delay=_duration(values.get("delay", "0s")),
        backoff=values.get("backoff", "constant"),
        retry_on=None if retry_on is None else tuple(int(code) for code in retry_on),
    )


_ASIDE: Final = len(Asset._fields)
"""Where values go that are no part of an asset."""
_DEFAULTS: Final[list[Any]] = [*(Asset._field_defaults.get(field) for field in Asset._fields), None]
_PLACE, _KIND, _VERSION, _VERSION_SQL, _EVERY = map(
    Asset._fields.index, ("place", "kind", "data_version", "data_version_sql", "observe_every")
)
_READERS: Final[Mapping[str, tuple[str, Callable[[Any], Any] | None]]] = {
    "name": ("name", None),
    "description": ("description", None),
    "owner": ("owners", _names),
    "group": ("group", None),
    "tags": ("tags", tuple),
    "metadata": ("metadata", None),
    "kind": ("kind", None),
    "command": ("command", command_of),
    "code": ("code", tuple),
    "code_version": ("code_version", None),
    "output": ("output", _output),
    "upstreams": ("upstreams", tuple),
    "freshness": ("freshness", _freshness),
    "schedule": ("schedule", _schedule),
    "data_version": ("data_version", None),
    "timeout": ("timeout", _duration),
    "retries": ("retries", _retries),
    "env": ("env", None),
    "checks": ("checks", lambda value: tuple([make_check(each, command_of) for each in value])),
    "observe": ("observe", _probe),
    "pool": ("pool", None),
    "isolated": ("isolated", None),
    "moved": ("moved_from", lambda value: _names(value["from"])),
    "columns": ("columns", lambda value: tuple([_column(each) for each in value])),
}
"""The field of each key, and what makes its value of what is written."""
_READ: Final = {
    **{key: (Asset._fields.index(field), reading) for key, (field, reading) in _READERS.items()},
    "rules": (_ASIDE, None),  # about findings, not about the asset: `rules.Rules` reads them where they are written
}
