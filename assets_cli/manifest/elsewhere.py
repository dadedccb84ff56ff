"""Keys that people bring from other tools, or write a level too high or too low, and what they are here.

Imported only when something is wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from assets_cli.manifest.schema import schema

Key = str | int

_UPSTREAMS: Final = (
    "depends_on depends deps dependencies requires needs parents inputs input sources source refs after upstream"
)
_WORDS: Final = {
    **dict.fromkeys(_UPSTREAMS.split(), ("upstreams",)),
    **dict.fromkeys(("tests", "test", "data_tests", "assertions", "audits", "expectations"), ("checks",)),
    **dict.fromkeys(("bash", "sh", "script", "run", "exec", "cmd"), ("shell", "command")),
    **dict.fromkeys(("query", "file", "filename"), ("sql", "path")),
    **dict.fromkeys(("function", "callable", "entrypoint", "module", "py"), ("python",)),
    **dict.fromkeys(("location", "uri", "url", "dir"), ("path",)),
    **dict.fromkeys(("view", "relation"), ("table",)),
    **dict.fromkeys(("sla", "max_age"), ("freshness", "max_lag")),
    **dict.fromkeys(("maximum_lag", "maximum_lag_minutes", "ttl", "fail_window", "error_after"), ("max_lag",)),
    **dict.fromkeys(("warn_window", "warn_after"), ("warn_lag",)),
    **dict.fromkeys(("interval", "schedule_interval", "automation"), ("schedule", "cron")),
    **dict.fromkeys(("desc", "doc", "docs", "comment", "title"), ("description",)),
    **dict.fromkeys(("meta", "labels"), ("metadata",)),
    **dict.fromkeys(("attempts", "times", "count"), ("max", "retries")),
    **dict.fromkeys(("files", "code_files"), ("code",)),
    **dict.fromkeys(("variables", "params", "parameters"), ("vars",)),
    **dict.fromkeys(("profiles", "targets", "env"), ("environments",)),
    **dict.fromkeys(("databases", "resources", "warehouse"), ("connections",)),
    **dict.fromkeys(("models", "tasks", "jobs", "stages"), ("assets",)),
    **dict.fromkeys(("imports", "includes"), ("include",)),
    "concurrency": ("pool", "pools"),
    "sensor": ("observe",),
    "tz": ("timezone",),
    "type": ("kind",),
}
_HOMES: Final = ("command", "output", "schedule", "freshness", "retries")


def meant(path: Sequence[Key], key: str, known: Collection[str]) -> str | None:
    """A hint for a key that is not known where it stands; None where nothing is."""
    if path[:1] in (("policies",), ("alerts",)):
        return None  # they have words of their own
    asset = schema()["definitions"]["asset"]["properties"]
    if key in asset and not path:
        return "it belongs to an asset" + (", or under `defaults`" if key in _defaults() else "")
    if key in asset and path[0] == "assets" and path[2:] and path[2] in _HOMES:
        return f"it belongs to the asset itself, beside `{path[2]}`"
    if path[:1] == ("assets",) and len(path) == 2:  # noqa: PLR2004 - the asset itself
        for home in _HOMES:
            if key in _properties(asset[home]):
                return f"it belongs below `{home}`: {{{key}: …}}"
    return next((f"did you mean '{each}'?" for each in _WORDS.get(key.lower(), ()) if each in known), None)


def _defaults() -> Collection[str]:
    found: Collection[str] = _properties(schema()["properties"]["defaults"])
    return found


def _properties(part: dict[str, object]) -> Collection[str]:
    """The keys of a mapping of the schema, which may be a reference."""
    reference = str(part.get("$ref", ""))
    if reference:
        part = schema()["definitions"][reference.rpartition("/")[2]]
    properties = part.get("properties", {})
    return properties if isinstance(properties, dict) else {}
