"""Which values of a project must not be shown: those that its connections, alerts and commands take.

A value that some path takes is not among them: a path is meant to be read. Reads SQL files; how texts are masked is
`model.secrets`' business.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from assets_cli.model.manifest import Asset, Manifest, PathProbe, ShellCommand, SqlCommand, SqlProbe
from assets_cli.model.secrets import has_password, secrets, whole
from assets_cli.model.template import environment_names, fill_known
from assets_cli.probing.files import FileDigests


def secrets_of(manifest: Manifest, environ: Mapping[str, str], files: FileDigests) -> tuple[str, ...]:
    """The texts to hide in everything that a project prints or records, longest first."""
    named: set[str] = set()
    urls = {value for value in environ.values() if has_password(value)}
    for text in _hidden(manifest):
        if "${env." in text:
            named.update(name for name, _ in environment_names(text))
        if "://" in text:
            urls.add(fill_known(text, environ))
    values: set[str] = set()
    for route in manifest.alerts:
        values.update(part for url in route.urls for part in whole(fill_known(url, environ)))
    for path in _sql_files(manifest.assets.values()):
        named.update(_names_in_file(path, files))
    shown = {name for text in _paths(manifest) for name, _ in environment_names(text)}
    return secrets((*values, *(environ[name] for name in named - shown if name in environ)), urls)


def _hidden(manifest: Manifest) -> Iterator[str]:
    """The texts of which the values from outside are secret."""
    for connection in manifest.connections.values():
        yield from (text for key, text in connection.options.items() if key != "path" and isinstance(text, str))
    for route in manifest.alerts:
        yield from (*route.urls, route.command or "")
    for asset in manifest.assets.values():
        yield from asset.env.values()
        command = asset.command
        if isinstance(command, ShellCommand):
            yield from (command.run, *command.interpreter)
        elif isinstance(command, SqlCommand) and command.query is not None:
            yield command.query
        if asset.observe is not None and not isinstance(asset.observe, PathProbe):
            yield from _texts(asset.observe._asdict())
        if asset.data_version_sql is not None:
            yield asset.data_version_sql
        for check in asset.checks:
            yield from _texts(check.arguments)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (Mapping, list, tuple)):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(item)


def _paths(manifest: Manifest) -> Iterator[str]:
    yield from (connection.options.get("path", "") for connection in manifest.connections.values())
    for asset in manifest.assets.values():
        if asset.output is not None and asset.output.path is not None:
            yield asset.output.path
        if isinstance(asset.observe, PathProbe):
            yield asset.observe.path


def _sql_files(assets: Iterable[Asset]) -> Iterator[str]:
    for asset in assets:
        if isinstance(asset.command, SqlCommand) and asset.command.path is not None:
            yield asset.command.path
        if isinstance(asset.observe, SqlProbe) and asset.observe.path is not None:
            yield asset.observe.path
        for check in asset.checks:
            if check.kind == "sql" and isinstance(path := check.arguments.get("path"), str):
                yield path


def _names_in_file(path: str, files: FileDigests) -> list[str]:
    """The variables that a SQL file takes from outside; none where it cannot be read, which is a problem of its own."""

    def names(data: bytes) -> list[str]:
        return sorted({name for name, _ in environment_names(data.decode("utf-8", "replace"))})

    try:
        _, found = files.content_fact(path, "environment-names", names)
    except OSError:
        return []
    return list(found)
