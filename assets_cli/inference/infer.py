"""The upstreams that nobody wrote: what the SQL of assets reads, and what the parameters of their functions name.

Completes a manifest before it becomes a graph. What a text reads is a fact about the text, kept by its digest, so that
a project with nothing new needs no parser. Opens no database, runs nothing, and knows nothing of state or plans.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from posixpath import normpath
from typing import Any, NamedTuple

from assets_cli.inference.names import SEPARATOR, Site
from assets_cli.inference.parameters import Signatures
from assets_cli.inference.places import Places
from assets_cli.inference.reading import FILE, TABLE, Reads, fact_of, kind, read, reads_of, records
from assets_cli.manifest.references import fold
from assets_cli.model.manifest import Asset, Inferred, Manifest, PythonCommand, SqlCommand, parameter_name
from assets_cli.model.problem import Problem
from assets_cli.model.template import UnknownVariableError, fill_vars
from assets_cli.probing.files import FileDigests, kind_of_sql
from assets_cli.probing.normalise import parser_version

_NOTHING: Mapping[str, str] = {}


class Sources(NamedTuple):
    """What an inference has read, in plain values: whoever finds all of this as it was would infer the same.

    `code` are digests of files by path, None of those that could not be read; `modules` the file of each module that
    was looked for; `places` where paths of databases led; `parser` the version of the parser, if it mattered.
    """

    code: tuple[tuple[str, str | None], ...] = ()
    modules: tuple[tuple[str, str | None], ...] = ()
    places: tuple[tuple[str, str], ...] = ()
    parser: str = ""


class Inference(NamedTuple):
    """A manifest whose assets have all their upstreams, and what is wrong with those that were inferred."""

    manifest: Manifest
    problems: tuple[Problem, ...]
    sources: Sources = Sources()


def infer(manifest: Manifest, environ: Mapping[str, str], files: FileDigests) -> Inference:
    """The manifest with the upstreams that its code names. Never fails: what cannot be read names nothing."""
    if not any(isinstance(asset.command, (SqlCommand, PythonCommand)) for asset in manifest.assets.values()):
        return Inference(manifest, ())
    reader = CodeReader(manifest, environ, files)
    assets: dict[str, Asset] = {}
    for name, asset in manifest.assets.items():
        new = reader.upstreams(asset)
        assets[name] = (
            asset._replace(upstreams=(*asset.upstreams, *[each.upstream for each in new]), inferred=new)
            if new
            else asset
        )
    files.save()
    completed = manifest._replace(assets=assets)
    if len({fold(name) for name in assets}) == len(assets):
        return Inference(completed, (), reader.sources())
    clashes = [problem for asset in assets.values() if asset.inferred for problem in _clashes(completed, asset)]
    return Inference(completed, tuple(clashes), reader.sources())


class Text(NamedTuple):
    """The SQL of an asset with `${vars.x}` filled in. `file` is None where it is in the manifest itself."""

    sql: str
    file: str | None


class CodeReader:
    """Reads the code of a manifest's assets at one moment."""

    def __init__(self, manifest: Manifest, environ: Mapping[str, str], files: FileDigests) -> None:
        self.manifest = manifest
        self.places = Places(manifest, environ)
        self._files = files
        self._signatures = Signatures(files)
        self._kinds: dict[str, str] = {}
        self._digests: dict[str, str | None] = {}

    def sources(self) -> Sources:
        """What was read so far."""
        signatures = self._signatures
        missing = {path: None for path in signatures.modules.values() if path is not None}
        code = {**self._digests, **missing, **signatures.digests}
        parser = parser_version() if self._kinds else ""
        return Sources(tuple(code.items()), tuple(signatures.modules.items()), tuple(self.places.real.items()), parser)

    def upstreams(self, asset: Asset) -> tuple[Inferred, ...]:
        """What an asset's code names and nobody wrote, in the order of the code."""
        command = asset.command
        if isinstance(command, SqlCommand):
            return self._read_by_sql(asset, command)
        return self._named_by_python(asset, command) if isinstance(command, PythonCommand) else ()

    def text(self, command: SqlCommand) -> Text | None:
        """The SQL of a command; None where it cannot be read, which is a problem of its own."""
        if command.path is None:
            return Text(command.query or "", None)
        path = normpath(command.path)
        try:
            with open(self._files.full(path), encoding="utf-8", newline="") as file:  # noqa: PTH123
                return Text(fill_vars(file.read(), self.manifest.vars), path)
        except (OSError, ValueError, UnknownVariableError):
            return None

    def reads(self, asset: Asset) -> Reads | None:
        """All that the SQL of an asset reads; None where it has none, or none that can be read."""
        command, site = asset.command, self.places.site(asset)
        if not isinstance(command, SqlCommand) or site is None:
            return None
        return self.reads_at(command, site)

    def reads_at(self, command: SqlCommand, site: Site) -> Reads | None:
        """All that a text reads at a site; None where it cannot be read."""
        return reads_of(self._fact(command, site)) or reads_of(self._fact(command, site, trusting=False))

    def _read_by_sql(self, asset: Asset, command: SqlCommand) -> tuple[Inferred, ...]:
        site = self.places.site(asset)
        if site is None:
            return ()
        fact = self._fact(command, site)
        try:
            found = self._owners(asset, command, site, fact)
        except (ValueError, AttributeError):  # the cache was written by somebody else
            found = self._owners(asset, command, site, self._fact(command, site, trusting=False))
        return tuple(found.values())

    def _owners(self, asset: Asset, command: SqlCommand, site: Site, fact: Any) -> dict[str, Inferred]:
        """The assets that a text reads and that are no upstreams yet, in the order of the text.

        The plain case is a look-up: it is there ten thousand times at every start.
        """
        known = self.places.tables.get(site.database, _NOTHING)
        upstreams, own = asset.upstreams, asset.name
        path = normpath(command.path) if command.path is not None else None
        found: dict[str, Inferred] = {}
        in_order = True
        for sort, name, line, column, written, file in records(fact):
            if sort == TABLE:
                plain = not file and "$" not in written
                owner = known.get(name) if plain else None
                if owner is None and (not plain or SEPARATOR in name):
                    owner = self.places.table(site, name, written, file or None)
                if owner is not None and owner not in upstreams and owner != own and owner not in found:
                    found[owner] = Inferred(owner, path, int(line), int(column))
            elif sort == FILE:
                for each in self.places.path(name):
                    if each not in upstreams and each != own and each not in found:
                        in_order = False  # files are kept behind the tables
                        found[each] = Inferred(each, path, int(line), int(column))
        if not in_order:
            found = dict(sorted(found.items(), key=lambda item: item[1][2:]))
        return found

    def _named_by_python(self, asset: Asset, command: PythonCommand) -> tuple[Inferred, ...]:
        parameters = self._signatures.of(command)
        if not parameters:
            return ()
        written = {parameter_name(upstream) for upstream in asset.upstreams}
        found: list[Inferred] = []
        for each in parameters:
            candidates = [name for name in self.places.parameters.get(each.name, ()) if name != asset.name]
            # Of two assets that a parameter could mean, the manifest has to say which.
            if each.name != "context" and each.name not in written and len(candidates) == 1:
                found.append(Inferred(candidates[0], each.file, each.line, each.column))
        return tuple(found)

    def _fact(self, command: SqlCommand, site: Site, *, trusting: bool = True) -> Any:
        """What the text of a command reads, as one text; empty where it cannot be read."""
        files, dialect = self._files, site.dialect
        name = self._kinds.get(dialect)
        if name is None:
            name = self._kinds[dialect] = kind(dialect)
        text = command.query or ""
        if command.path is not None:
            path = normpath(command.path)
            self._digests[path] = None
            try:
                digest, variables = files.content_fact(path, "sql", kind_of_sql)
            except OSError:
                return ""
            self._digests[path] = digest
            if variables == "plain":
                key = f"{name}:{digest}"
                known = files.known(key)
                if known is not None and trusting:
                    return known
            found = self.text(command)
            if found is None:
                return ""
            text = found.sql
        # Of what was read just now, which may not be what the digest before was of.
        key = f"{name}:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"
        known = files.known(key)
        if known is None or not trusting:
            known = fact_of(read(text, dialect))
            files.keep(key, known)
        return known


def _clashes(manifest: Manifest, asset: Asset) -> list[Problem]:
    """Upstreams of which a command could not tell one from the other by its variables."""
    first: dict[str, str] = {}
    found = []
    for upstream in asset.upstreams:
        variable = fold(upstream)
        other = first.setdefault(variable, upstream)
        if other != upstream and not (upstream in asset.written_upstreams and other in asset.written_upstreams):
            both = f"upstreams '{other}' and '{upstream}' are both ASSETS_UPSTREAM_{variable} to a command"
            message = f"asset '{asset.name}': {both}"
            place = manifest.place_of_upstream(asset.name, upstream)
            found.append(Problem("A0206", message, place=place, hint="rename one of the two assets", asset=asset.name))
    return found
