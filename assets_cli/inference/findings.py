"""What validate says of inference: SQL that is not understood, upstreams that it never reads, tables that nobody makes.

All of it is doubt, nothing of it an error: the database has the last word on what a text means.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from posixpath import normpath
from typing import TYPE_CHECKING, NamedTuple

from assets_cli.graph import AssetGraph
from assets_cli.inference.handing import handing
from assets_cli.inference.infer import CodeReader
from assets_cli.inference.names import SEPARATOR, Site, is_own, shown
from assets_cli.inference.reading import Reads, TableRead, looks_like_file
from assets_cli.model.manifest import Asset, Manifest, Spot, SqlCommand, SqlProbe
from assets_cli.model.problem import Place, Problem, Related
from assets_cli.model.spelling import nearest
from assets_cli.probing.files import FileDigests

if TYPE_CHECKING:
    from assets_cli.inference.catalog import Absent, Columns

_MOST_RELATED = 5
_MOST_SHOWN = 12


class _Orphan(NamedTuple):
    """A table that is read and that no asset outputs, where it is read."""

    site: Site
    read: TableRead
    asset: Asset
    place: Place


def findings(
    manifest: Manifest, environ: Mapping[str, str], files: FileDigests, *, whole: bool = True
) -> tuple[Problem, ...]:
    """What is doubtful about the upstreams of SQL assets. `manifest` is the completed one.

    Without the assets that have errors, which is when it is not `whole`, nobody knows what belongs to no asset.
    """
    reader = CodeReader(manifest, environ, files)
    found: list[Problem] = []
    orphans: dict[tuple[str, str], list[_Orphan]] = {}
    for asset in manifest.assets.values():
        if asset.checks or asset.observe is not None or asset.data_version_sql is not None:
            found += _misunderstood(reader, asset)
        command, site = asset.command, reader.places.site(asset)
        reads = reader.reads(asset)
        if not isinstance(command, SqlCommand) or site is None or reads is None:
            continue
        if reads.trouble is not None:
            found.append(_not_understood(manifest, asset, command, reads.trouble))
        else:
            found += _never_read(reader, asset, site, reads)
        for read in reads.tables:
            if whole and _is_orphan(reader, site, read):
                place = manifest.place_in_code(asset.name, command.path, read.line, read.column)
                orphans.setdefault((read.file or site.database, read.key), []).append(_Orphan(site, read, asset, place))
    found += [_belongs_to_nobody(reader, each) for each in orphans.values()]
    found += handing(manifest, files, whole=whole)
    return tuple(found)


def _not_understood(manifest: Manifest, asset: Asset, command: SqlCommand, trouble: tuple[int, int, str]) -> Problem:
    line, column, message = trouble
    return Problem(
        "A0320",
        f"the SQL of {asset.name} is not understood: {message}",
        "warning",
        manifest.place_in_code(asset.name, command.path, line, column),
        hint="it runs as it is; list what it reads under upstreams, since only what is written there is known",
        asset=asset.name,
    )


def _misunderstood(reader: CodeReader, asset: Asset) -> Iterator[Problem]:
    """What is not understood of the texts that an asset has besides its command."""
    for whose, keys, command, site in _further(reader, asset):
        reads = reader.reads_at(command, site) if site is not None else None
        if reads is None or reads.trouble is None:
            continue
        line, column, message = reads.trouble
        place = reader.manifest.locate(asset.name, *keys, Spot(line, column))
        if command.path is not None:
            place = Place(normpath(command.path), line, column)
        yield Problem(
            "A0320",
            f"the SQL of {whose} of {asset.name} is not understood: {message}",
            "warning",
            place,
            hint="it runs as it is, if the database understands it",
            asset=asset.name,
        )


def _further(reader: CodeReader, asset: Asset) -> Iterator[tuple[str, tuple[str | int, ...], SqlCommand, Site | None]]:
    """Whose each of these texts is, its keys, itself, and where it runs."""
    own = reader.places.site(asset)
    for index, check in enumerate(asset.checks):
        if check.kind == "sql":
            command = SqlCommand(check.arguments.get("path"), check.arguments.get("query"))
            yield f"check {check.name}", ("checks", index, "sql"), command, own
    probe = asset.observe
    if isinstance(probe, SqlProbe):
        site = reader.places.site_of(probe.connection or reader.manifest.default_connection)
        yield "observe", ("observe", "sql"), SqlCommand(probe.path, probe.query), site
    if asset.data_version_sql is not None:
        yield "data_version", ("data_version", "sql"), SqlCommand(query=asset.data_version_sql), own


def _never_read(reader: CodeReader, asset: Asset, site: Site, reads: Reads) -> Iterator[Problem]:
    """Of the written upstreams those that have an output which the text does not name."""
    if not asset.written_upstreams:
        return
    places, manifest = reader.places, reader.manifest
    read = {places.table(site, each.key, each.written, each.file) for each in reads.tables}
    read.update(owner for each in reads.files for owner in places.path(each.path))
    # What only a check reads has to be made first, too.
    read.update(check.arguments["to"] for check in asset.checks if check.kind == "relationships")
    for index, upstream in enumerate(asset.written_upstreams):
        output = manifest.assets[upstream].output if upstream in manifest.assets else None
        if output is None or upstream in read or (output.path is None and output.table is None):
            continue
        what = f"table {output.table}" if output.table else output.path
        yield Problem(
            "A0321",
            f"the SQL of {asset.name} never reads its upstream {upstream} ({what})",
            "warning",
            manifest.locate(asset.name, "upstreams", index),
            hint="remove it from upstreams, or read it",
            asset=asset.name,
        )


def _is_orphan(reader: CodeReader, site: Site, read: TableRead) -> bool:
    if reader.places.filled(read.written) is None or is_own(read.key.split(SEPARATOR)):
        return False
    if site.dialect == "duckdb" and looks_like_file(read.key):
        return False
    return reader.places.table(site, read.key, read.written, read.file) is None


def _belongs_to_nobody(reader: CodeReader, orphans: list[_Orphan]) -> Problem:
    """One finding for a table, however many read it."""
    first = orphans[0]
    others = [Related(each.place, f"{each.asset.name} reads it, too") for each in orphans[1 : _MOST_RELATED + 1]]
    name = first.read.written
    inside = f" of {first.read.file}" if first.read.file is not None else ""
    return Problem(
        "A0322",
        f"{first.asset.name} reads table {name}{inside}, which belongs to no asset",
        "warning",
        first.place,
        hint=_hint(reader, first),
        related=tuple(others),
        asset=first.asset.name,
    )


def read_columns(graph: AssetGraph, environ: Mapping[str, str], files: FileDigests) -> Columns:
    """The columns that SQL assets give, as far as that is known without running anything."""
    from assets_cli.inference.catalog import Columns  # only validate and lineage follow columns

    columns = Columns(graph, environ, files, {}, expressions=False)
    columns.read(name for name, asset in graph.assets.items() if isinstance(asset.command, SqlCommand))
    files.save()
    return columns


def column_findings(graph: AssetGraph, columns: Columns) -> tuple[Problem, ...]:
    """Columns that SQL assets read and that no upstream has."""
    found = []
    for name, asset in graph.assets.items():
        reading = columns.reading(name)
        if reading is None or not isinstance(asset.command, SqlCommand):
            continue
        for each in reading.absent:
            place = graph.manifest.place_in_code(name, asset.command.path, each.line, each.column)
            found.append(_no_such_column(name, each, place))
    return tuple(found)


def _no_such_column(asset: str, unknown: Absent, place: Place) -> Problem:
    near = nearest(unknown.name, unknown.known)
    shown_ones = ", ".join(unknown.known[:_MOST_SHOWN]) + (" …" if len(unknown.known) > _MOST_SHOWN else "")
    whose = " and ".join(unknown.sources)
    negated = f"{whose} does not have" if len(unknown.sources) == 1 else f"none of {', '.join(unknown.sources)} has"
    return Problem(
        "A0323",
        f"{asset} reads column {unknown.name}, which {negated}",
        "warning",
        place,
        hint=f"did you mean {near}?" if near else f"the columns of {whose}: {shown_ones}",
        asset=asset,
    )


def _hint(reader: CodeReader, orphan: _Orphan) -> str:
    """The nearest table that an asset outputs, one of this name elsewhere, or how to declare it."""
    places, manifest = reader.places, reader.manifest
    key, site = orphan.read.key, orphan.site
    known = {shown(each): owner for each, owner in places.tables.get(site.database, {}).items()}
    near = nearest(shown(key), known)
    if near is not None and known[near] != orphan.asset.name:
        return f"did you mean {near}, the table of asset {known[near]}? or declare it: {_declared(orphan, manifest)}"
    for owner in places.elsewhere(key):
        connection = manifest.connection_of(manifest.assets[owner])
        if connection is not None and owner != orphan.asset.name:
            return f"asset {owner} outputs a table of this name, but in connection {connection.name}"
    return f"if others make it, declare it: {_declared(orphan, manifest)}"


def _declared(orphan: _Orphan, manifest: Manifest) -> str:
    name = shown(orphan.read.key)
    connection = orphan.asset.output.connection if orphan.asset.output else None
    where = f", connection: {connection}" if connection not in (None, manifest.default_connection) else ""
    return f"- {{name: {name}, output: {{table: {name}{where}}}}}"
