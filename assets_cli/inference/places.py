"""Where assets keep what they hold, to find the asset behind a table or a path that some code names."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cached_property, lru_cache
from posixpath import isabs, normpath

from assets_cli.inference.names import SEPARATOR, Site, key_of, site_of
from assets_cli.model.manifest import Asset, Manifest, PathProbe, parameter_name
from assets_cli.model.template import UnknownVariableError, fill_environment

_MAGIC = re.compile(r"[*?\[]")


class Places:
    """The outputs of a manifest's assets, by database and by path. External assets have outputs, too."""

    def __init__(self, manifest: Manifest, environ: Mapping[str, str]) -> None:
        self.manifest = manifest
        self.real: dict[str, str] = {}
        """Where paths lead that were followed."""
        self._environ = environ
        self._sites: dict[str, Site] = {}
        self.tables: dict[str, dict[str, str]] = {}
        """By database, the key of each table with the asset that outputs it."""
        for name, asset in manifest.assets.items():
            output = asset.output
            if output is None or output.table is None:
                continue
            site = self.site(asset)
            table = self.filled(output.table)
            if site is not None and table is not None:
                key = site.key(table)
                if key is not None:
                    self.tables.setdefault(site.database, {}).setdefault(key, name)

    def site(self, asset: Asset) -> Site | None:
        """Where an asset's SQL runs and its table is."""
        return self.site_of((asset.output.connection if asset.output else None) or self.manifest.default_connection)

    def site_of(self, name: str | None) -> Site | None:
        """Where the SQL of a connection runs."""
        if name is None:
            return None
        known = self._sites.get(name)
        if known is None:
            connection = self.manifest.connections.get(name)
            if connection is None:
                return None
            known = self._sites[name] = site_of(connection, self._follow, self._environ)
        return known

    def filled(self, text: str) -> str | None:
        """A text with its variables filled in; None where one has no value."""
        if "${" not in text:
            return text
        try:
            return fill_environment(text, self._environ)
        except UnknownVariableError:
            return None

    def table(self, site: Site, key: str, written: str, file: str | None) -> str | None:
        """The asset that outputs a table which a query at a site reads."""
        if "${env." in written:
            name = self.filled(written)
            key = (key_of(name, site.dialect) if name else None) or key
        database = site.database
        if file is not None:
            path = self.filled(file)
            if path is None:
                return None
            database = self._follow(path)
            # In a database that is attached nothing but its schema goes without saying.
            site = site._replace(catalog="")
        return self.tables.get(database, {}).get(site.canonical(key))

    def elsewhere(self, key: str) -> list[str]:
        """Assets that output a table of this name in any database."""
        name = key.rpartition(SEPARATOR)[2]
        return list(dict.fromkeys(each for tables in self.tables.values() if (each := tables.get(name)) is not None))

    def path(self, path: str) -> tuple[str, ...]:
        """The assets that output what is at a path, or what a glob matches."""
        filled = self.filled(path)
        wanted = self._relative(filled) if filled else None
        if wanted is None:
            return ()
        exact = self._paths.get(wanted)
        if exact is not None:
            return (exact,)
        is_glob = _MAGIC.search(wanted) is not None
        found: dict[str, None] = {}
        folder = wanted
        while folder := folder.rpartition("/")[0]:
            # What is in a folder that an asset outputs is that asset's.
            if folder in self._paths:
                found[self._paths[folder]] = None
        for declared, name in self._paths.items() if is_glob else self._globs.items():
            if _matches(wanted, declared) if is_glob else _matches(declared, wanted):
                found[name] = None
        if is_glob:
            found.update(dict.fromkeys(name for declared, name in self._globs.items() if _overlap(declared, wanted)))
        return tuple(found)

    @cached_property
    def _paths(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, asset in self.manifest.assets.items():
            path = asset.output.path if asset.output else None
            if path is None and asset.output is None and isinstance(asset.observe, PathProbe):
                path = asset.observe.path
            if path is not None and (filled := self.filled(path)) and (relative := self._relative(filled)):
                found.setdefault(relative, name)
        return found

    @cached_property
    def _globs(self) -> dict[str, str]:
        return {path: name for path, name in self._paths.items() if _MAGIC.search(path)}

    @cached_property
    def parameters(self) -> dict[str, list[str]]:
        """The assets that each parameter of a function could stand for."""
        found: dict[str, list[str]] = {}
        for name in self.manifest.assets:
            found.setdefault(parameter_name(name), []).append(name)
        return found

    def _follow(self, path: str) -> str:
        """The real path, links followed."""
        known = self.real.get(path)
        if known is None:
            known = self.real[path] = os.path.realpath(os.path.join(self.manifest.root, path))  # noqa: PTH118
        return known

    def _relative(self, path: str) -> str | None:
        if "://" in path and not path.startswith("file://"):
            return path
        path = normpath(path.removeprefix("file://"))
        if isabs(path):
            root = self.manifest.root
            real = self._follow(path) if not path.startswith(f"{root}/") else path
            return real[len(root) + 1 :] if real.startswith(f"{root}/") else path
        return path


@lru_cache(maxsize=4096)
def _pattern(glob: str) -> re.Pattern[str]:
    """A glob as databases match it: `*` stays within a folder, `**` does not."""
    parts = re.split(r"(\*\*/?|\*|\?|\[[^\]]*\])", glob)
    written = {"*": "[^/]*", "?": "[^/]", "**": ".*", "**/": "(?:.*/)?"}
    return re.compile(
        "".join(
            written.get(part)
            or (f"[{part[1:-1].replace('!', '^', 1)}]" if part[:1] == "[" and part[-1:] == "]" else re.escape(part))
            for part in parts
        )
    )


def _matches(glob: str, path: str) -> bool:
    try:
        return _pattern(glob).fullmatch(path) is not None
    except re.error:
        return False


def _overlap(one: str, other: str) -> bool:
    """Whether two globs name files of one folder: one matches the other's text with its wildcards as plain letters."""
    plain_one, plain_other = (_MAGIC.sub("x", each.replace("**/", "").replace("]", "")) for each in (one, other))
    return _matches(one, plain_other) or _matches(other, plain_one)
