"""What an asset may have or not have, by the keys of the manifest: the closed list that `require` and `forbid` name.

The schema offers the same names to editors; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, get_args

from assets_cli.model.manifest import (
    Asset,
    CheckKind,
    PythonCommand,
    Retries,
    ShellCommand,
    SqlCommand,
)


class Feature(NamedTuple):
    """One of them. `lacking` is how its absence is called, `write` what to type for it.

    `keys` of an asset lead to where it is written; `positions` finds the item of a list that it is.
    """

    keys: tuple[str, ...]
    has: Callable[[Asset], object]
    lacking: str
    write: str
    position: Callable[[Asset], int | None] = lambda _: None


def _command(kind: str, of: type) -> Feature:
    text = {"shell": "…", "sql": "sql/….sql", "python": "module:function"}[kind]
    return Feature(
        ("command", kind),
        lambda asset: isinstance(asset.command, of),
        f"no command.{kind}",
        f'command: {{{kind}: "{text}"}}',
    )


def _check(kind: str) -> Feature:
    def position(asset: Asset) -> int | None:
        return next((index for index, check in enumerate(asset.checks) if check.kind == kind), None)

    return Feature(
        ("checks",),
        lambda asset: any(check.kind == kind for check in asset.checks),
        f"no check {kind}",
        f"checks: [{{{kind}: …}}]",
        position,
    )


def _blocking(asset: Asset) -> int | None:
    return next((index for index, check in enumerate(asset.checks) if check.blocking), None)


KEYS: Final[Mapping[str, Feature]] = {
    "owner": Feature(("owner",), lambda asset: asset.owners, "no owner", "owner: …"),
    "description": Feature(
        ("description",), lambda asset: asset.description.strip(), "no description", "description: …"
    ),
    "group": Feature(("group",), lambda asset: asset.group, "no group", "group: …"),
    "tags": Feature(("tags",), lambda asset: asset.tags, "no tags", "tags: […]"),
    "metadata": Feature(("metadata",), lambda asset: asset.metadata, "no metadata", "metadata: {…}"),
    "command": Feature(("command",), lambda asset: asset.command, "no command", "command: {…}"),
    "command.shell": _command("shell", ShellCommand),
    "command.sql": _command("sql", SqlCommand),
    "command.python": _command("python", PythonCommand),
    "output": Feature(("output",), lambda asset: asset.output, "no output", "output: {…}"),
    "output.path": Feature(
        ("output", "path"), lambda asset: asset.output and asset.output.path, "no output.path", "output: {path: …}"
    ),
    "output.table": Feature(
        ("output", "table"), lambda asset: asset.output and asset.output.table, "no output.table", "output: {table: …}"
    ),
    "output.atomic": Feature(
        ("output", "atomic"),
        lambda asset: asset.output and asset.output.atomic,
        "no output.atomic",
        "output: {atomic: true}",
    ),
    "upstreams": Feature(("upstreams",), lambda asset: asset.upstreams, "no upstreams", "upstreams: […]"),
    "columns": Feature(
        ("columns",), lambda asset: asset.columns, "no declared columns", "columns: [{name: …, type: …}]"
    ),
    "checks": Feature(("checks",), lambda asset: asset.checks, "no checks", "checks: [{not_null: […]}]"),
    "checks.blocking": Feature(
        ("checks",),
        lambda asset: _blocking(asset) is not None,
        "no blocking check",
        "checks: [{unique: […], blocking: true}]",
        _blocking,
    ),
    **{f"checks.{kind}": _check(kind) for kind in get_args(CheckKind)},
    "freshness": Feature(
        ("freshness",), lambda asset: asset.freshness, "no freshness policy", "freshness: {max_lag: 24h}"
    ),
    "freshness.warn_lag": Feature(
        ("freshness", "warn_lag"),
        lambda asset: asset.freshness and asset.freshness.warn_lag is not None,
        "no freshness.warn_lag",
        "freshness: {max_lag: 24h, warn_lag: 20h}",
    ),
    "data_version": Feature(
        ("data_version",),
        lambda asset: asset.data_version or asset.data_version_sql,
        "no data_version",
        "data_version: content",
    ),
    "timeout": Feature(("timeout",), lambda asset: asset.timeout is not None, "no timeout", "timeout: 1h"),
    "retries": Feature(("retries",), lambda asset: asset.retries != Retries(), "no retries", "retries: {max: 2}"),
    "pool": Feature(("pool",), lambda asset: asset.pool, "no pool", "pool: …"),
    "env": Feature(("env",), lambda asset: asset.env, "no env", "env: {…}"),
    "code": Feature(("code",), lambda asset: asset.code, "no code", "code: […]"),
    "code_version": Feature(
        ("code_version",), lambda asset: asset.code_version is not None, "no code_version", 'code_version: "1"'
    ),
    "observe": Feature(("observe",), lambda asset: asset.observe, "no observe", "observe: {…}"),
    "moved": Feature(("moved",), lambda asset: asset.moved_from, "no moved", "moved: {from: …}"),
}
"""All but tags and metadata, whose names are the user's."""


def feature(name: str) -> Feature:
    """The feature of a name that the schema has let through."""
    known = KEYS.get(name)
    if known is not None:
        return known
    key, _, detail = name.partition(".")
    if key == "metadata":
        return Feature(
            ("metadata", detail),
            lambda asset: asset.metadata.get(detail) not in (None, ""),
            f"no {name}",
            f"metadata: {{{detail}: …}}",
        )

    def position(asset: Asset) -> int | None:
        # As in selections: of a tag `key=value` the key is a tag, too.
        wanted = (tag == detail or tag.partition("=")[0] == detail for tag in asset.tags)
        return next((index for index, is_it in enumerate(wanted) if is_it), None)

    return Feature(
        ("tags",), lambda asset: position(asset) is not None, f"no tag {detail}", f"tags: [{detail}]", position
    )
