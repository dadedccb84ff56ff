"""What the manifest alone says of an asset's code: its declared parts as components, and these as one text.

Such a text follows from the manifest and the project's root, so whoever has compiled a manifest may keep it. Reads no
files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from posixpath import normpath

from assets_cli.model import texts
from assets_cli.model.history import Component
from assets_cli.model.manifest import Asset, Connection, Manifest, Output, PythonCommand, ShellCommand, SqlCommand
from assets_cli.probing import shell_scripts

FIELDS = frozenset(("compute", "command", "env", "output", "connection", "code_version"))
"""The components that are no files. A file of such a name is kept under `./name`."""
PLAIN_SHELL = ShellCommand("").interpreter


class Declarations:
    """The declared parts of the code of many assets: what they share is digested once."""

    def __init__(self, manifest: Manifest, root: str, known: Mapping[str, str] | None = None) -> None:
        """`known` are texts by asset that were made of the same manifest before."""
        self._manifest = manifest
        self._root = root
        self.texts = {} if known is None else dict(known)
        """What `text` has said until now, by asset."""
        self._computes: dict[tuple[str, ...], str] = {}
        self._connections: dict[str, str] = {}

    def text(self, asset: Asset) -> str:
        """The text of an asset's declared components (`texts.of_components`), without its last brace if more may count.

        What follows then are the files that it is made by, and the query that is written in the manifest.
        """
        known = self.texts.get(asset.name)
        if known is None:
            known = texts.of_components({name: Component(raw) for name, raw in self._digested(asset)})
            known = self.texts[asset.name] = known if _is_all(asset) else known[:-1]
        return known

    def components(self, asset: Asset) -> dict[str, Component]:
        """The declared components of an asset."""
        text = self.text(asset)
        return texts.components(text if is_whole(text) else f"{text}}}")

    def _digested(self, asset: Asset) -> list[tuple[str, str]]:
        if asset.code_version is not None:
            return [("code_version", text_digest(asset.code_version))]
        command = asset.command
        if isinstance(command, ShellCommand):
            fields = [("compute", self._compute("shell", command.interpreter)), ("command", text_digest(command.run))]
        elif isinstance(command, PythonCommand):
            entrypoint = text_digest(f"{command.module}:{command.function}")
            fields = [("compute", self._compute("python")), ("command", entrypoint)]
        else:
            fields = [("compute", self._compute("sql"))]
        if asset.env:
            pairs = [each for pair in sorted(asset.env.items()) for each in pair]
            fields.append(("env", text_digest(joined(pairs))))
        if asset.output is not None:
            fields.append(("output", text_digest(self._output(asset.output))))
        connection = connection_of(self._manifest, asset)
        if connection is not None:
            fields.append(("connection", self._connection(connection)))
        return fields

    def _compute(self, kind: str, interpreter: tuple[str, ...] = ()) -> str:
        key = (kind, *interpreter)
        known = self._computes.get(key)
        if known is None:
            known = self._computes[key] = text_digest(joined(("type", kind, "interpreter", *interpreter)))
        return known

    def _output(self, output: Output) -> str:
        fields = ["materialization", output.materialization]
        if output.path is not None:
            fields += ("path", output.path)
        if output.table is not None:
            fields += ("table", output.table)
        if output.unique_key:
            fields += ("unique_key", joined(output.unique_key))
        if output.time_column is not None:
            fields += ("time_column", output.time_column)
        # Naming the default connection says nothing new; where it is counts as a component of its own.
        if output.connection is not None and output.connection != self._manifest.default_connection:
            fields += ("connection", output.connection)
        return joined(fields)

    def _connection(self, connection: Connection) -> str:
        known = self._connections.get(connection.name)
        if known is None:
            fields = ("type", connection.type, "location", location(connection, self._root))
            known = self._connections[connection.name] = text_digest(joined(fields))
        return known


def declared_texts(manifest: Manifest) -> dict[str, str]:
    """What `Declarations.text` says of assets with a command, as far as it follows from the manifest alone.

    Where a connection leads may be for a driver to say that is not installed yet.
    """
    declarations = Declarations(manifest, manifest.root)
    unknown = {name for name, each in manifest.connections.items() if not location(each, manifest.root)}
    kept: dict[str, str] = {}
    for name, asset in manifest.assets.items():
        connection = connection_of(manifest, asset) if unknown else None
        if asset.command is not None and (connection is None or connection.name not in unknown):
            kept[name] = declarations.text(asset)
    return kept


def is_whole(text: str) -> bool:
    """Whether a text of `Declarations` is that of all components."""
    return text.endswith("}")


def _is_all(asset: Asset) -> bool:
    """Whether it is plain at a glance that nothing counts besides what is declared."""
    if asset.code_version is not None:
        return True
    command = asset.command
    if asset.code or not isinstance(command, ShellCommand):
        return False
    return command.interpreter == PLAIN_SHELL and shell_scripts.runs_no_file(command.run)


def connection_of(manifest: Manifest, asset: Asset) -> Connection | None:
    """The connection that counts as code: that of an SQL command or of a table."""
    if isinstance(asset.command, SqlCommand) or (asset.output is not None and asset.output.table is not None):
        return manifest.connection_of(asset)
    return None


def location(connection: Connection, root: str) -> str:
    """Where a connection leads, without credentials; `${env.X}` as written, so that a rotated secret is no change.

    A path below the project root is relative to it: a project that was moved has not changed.
    """
    path = connection.options.get("path")
    if path is None:
        from pathlib import Path

        from assets_cli.connections import open_database  # servers know what of their address is a credential
        from assets_cli.connections.protocol import DatabaseError

        try:
            return open_database(connection.type, connection.options, Path(root)).location
        except (DatabaseError, ImportError):
            return ""
    path = normpath(path) if path and ":memory:" not in path else path
    return path[len(root) + 1 :] if path.startswith(f"{root}/") else path


def joined(fields: Iterable[str]) -> str:
    """Fields as one text, each behind its length, so that no two lists of fields give the same."""
    return "".join([f"{len(field)}:{field};" for field in fields])


def text_digest(text: str) -> str:
    """The digest of a text."""
    return f"sha256:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"
