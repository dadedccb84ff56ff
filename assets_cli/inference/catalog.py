"""The columns of a project's assets, and what each is made from in the assets just above.

A table's columns come from its SQL; where that does not say, from what it last held, or from its `columns:`. Into
Python, shell and external assets nobody can look, and that is said. Computed when asked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from assets_cli.graph import AssetGraph
from assets_cli.inference.infer import CodeReader
from assets_cli.inference.names import Site, fold
from assets_cli.inference.parsing import masked, parse, unmasked
from assets_cli.inference.reading import Lines
from assets_cli.inference.relations import Column, Leaf, Open, Relation, Way
from assets_cli.inference.statements import Walk
from assets_cli.model.manifest import Asset, PythonCommand, ShellCommand, SqlCommand
from assets_cli.probing.files import FileDigests
from assets_cli.probing.normalise import parser_version

_KIND = "sql-columns/1"


class Absent(NamedTuple):
    """A column that is read and certainly not there: its place in the text, where it was looked for, what is there."""

    name: str
    line: int
    column: int
    sources: tuple[str, ...]
    known: tuple[str, ...]


class Reading(NamedTuple):
    """What the SQL of an asset gives, and the columns in it that are certainly not there."""

    relation: Relation
    absent: tuple[Absent, ...] = ()


class Columns:
    """The columns of a project's assets. `recorded` are the names that assets had when they were last materialized."""

    def __init__(
        self,
        graph: AssetGraph,
        environ: Mapping[str, str],
        files: FileDigests,
        recorded: Mapping[str, Sequence[str]],
        *,
        expressions: bool = True,
    ) -> None:
        self.graph = graph
        self._code = CodeReader(graph.manifest, environ, files)
        self._files = files
        self._recorded = recorded
        self._expressions = expressions
        self._readings: dict[str, Reading] = {}

    def read(self, names: Iterable[str]) -> None:
        """Follow the SQL of these assets and of all above them, the uppermost first: chains may be long."""
        wanted = set(names)
        self.read_alone(wanted | self.graph.ancestors(wanted).keys())

    def read_alone(self, names: Iterable[str]) -> None:
        """Follow the SQL of these assets, the uppermost first, and of no others."""
        for name in self.graph.sort(names):
            asset = self.graph.assets[name]
            if name not in self._readings and isinstance(asset.command, SqlCommand):
                read = self._read if self._expressions else self._remembered
                self._readings[name] = read(asset, asset.command)

    def has_star(self, name: str) -> bool:
        """Whether the SQL of an asset may give columns that it does not name."""
        command = self.graph.assets[name].command
        text = self._code.text(command) if isinstance(command, SqlCommand) else None
        return text is not None and "*" in text.sql

    def reading(self, name: str) -> Reading | None:
        """What the SQL of an asset gives; None where it is none."""
        return self._readings.get(name)

    def known(self, name: str) -> tuple[tuple[str, ...], bool]:
        """The names of an asset's columns, and whether these are all."""
        asset, reading = self.graph.assets[name], self._readings.get(name)
        given = [*self._recorded.get(name, ()), *(column.name for column in asset.columns)]
        if reading is not None:
            relation = reading.relation
            names = [column.name for column in relation.columns]
            if not relation.opens:
                return tuple(names), all(column.is_certain for column in relation.columns)
            return tuple(dict.fromkeys([*names, *given])), bool(given)
        return tuple(dict.fromkeys(given)), bool(given)

    def column(self, name: str, column: str) -> Column | None:
        """A column of an asset with what it is made from; None where nobody can look into it."""
        reading = self._readings.get(name)
        if reading is None:
            return None
        return reading.relation.seek(self.key(name, column), column)

    def key(self, name: str, column: str) -> str:
        """How a column of an asset is compared."""
        return fold(column, self.dialect(name), quoted=True)

    def dialect(self, name: str) -> str:
        """The dialect of an asset's SQL; empty where it has none."""
        site = self._code.places.site(self.graph.assets[name])
        return site.dialect if site else ""

    # -- one asset ---------------------------------------------------------------------------------------------------

    def _read(self, asset: Asset, command: SqlCommand) -> Reading:
        site, text = self._code.places.site(asset), self._code.text(command)
        if site is None or text is None:
            return Reading(Relation(opens=(Open(None, f"the SQL of {asset.name} cannot be read"),)))
        parsed = parse(masked(text.sql), site.dialect)
        nothing = Relation(opens=(Open(None, f"the SQL of {asset.name} is not understood"),))
        if parsed.trouble is not None:
            return Reading(nothing)
        walk = Walk(self, asset, site, expressions=self._expressions)
        try:
            relation = walk.run(parsed.statements)
        except (RecursionError, AttributeError, KeyError, IndexError, TypeError, ValueError):
            # A tree of a shape that this module does not expect is not understood; it is no reason to fail.
            return Reading(nothing)
        lines = Lines(text.sql, masked(text.sql))
        absent = [
            Absent(name, *lines.at(offset, name), sources, known)
            for name, offset, sources, known in sorted(walk.queries.unknown.values(), key=lambda each: each.offset)
        ]
        return Reading(relation or nothing, tuple(absent))

    def _remembered(self, asset: Asset, command: SqlCommand) -> Reading:
        """As `_read` for names alone, which are a fact about the text and the columns of what it reads."""
        text = self._code.text(command)
        if text is None:
            return self._read(asset, command)
        beside = [
            (each, *self.known(each), self.graph.assets[each].output, self.dialect(each)) for each in asset.upstreams
        ]
        about = repr((text.sql, asset.name, asset.output, self.dialect(asset.name), beside))
        key = f"{_KIND}/{parser_version()}:{hashlib.sha256(about.encode('utf-8', 'surrogatepass')).hexdigest()}"
        known = _reading_of(self._files.known(key))
        if known is None:
            known = self._read(asset, command)
            columns = [[column.name, column.is_certain] for column in known.relation.columns]
            why = [each.why for each in known.relation.opens]
            self._files.keep(key, [columns, why, [list(each) for each in known.absent]])
        return known

    def outside(self, asset: Asset, site: Site, table: tuple[str, str, str | None]) -> Relation:
        """The columns of a table that an asset's SQL reads."""
        key, written, file = unmasked(table[0]), unmasked(table[1]), table[2] and unmasked(table[2])
        owner = self._code.places.table(site, key, written, file)
        if owner is None:
            return Relation(opens=(Open(written, f"{written} belongs to no asset", is_asset=False),))
        return self._of_asset(owner, asset, site)

    def behind(self, asset: Asset, site: Site, path: str) -> Relation:
        """The columns of a file that an asset's SQL reads."""
        owners = self._code.places.path(unmasked(path))
        if len(owners) != 1:
            return Relation(opens=(Open(unmasked(path), f"{unmasked(path)} belongs to no asset", is_asset=False),))
        return self._of_asset(owners[0], asset, site)

    def _of_asset(self, owner: str, reader: Asset, site: Site) -> Relation:
        names, complete = ((), False) if owner == reader.name else self.known(owner)
        columns = tuple(
            Column(fold(name, site.dialect, quoted=True), name, (Way(frozenset({Leaf(owner, name)})),))
            for name in names
        )
        return Relation(columns, () if complete else (Open(owner, self.why(owner)),))

    def why(self, name: str) -> str:
        """Why nobody can look into an asset."""
        command = self.graph.assets[name].command
        if command is None:
            return f"{name} is an external asset"
        if isinstance(command, PythonCommand):
            return f"{name} is a Python asset"
        if isinstance(command, ShellCommand):
            return f"{name} is a shell asset"
        reading = self._readings.get(name)
        reasons = sorted({each.why for each in reading.relation.opens}) if reading else []
        return reasons[0] if reasons else f"the columns of {name}"


def _reading_of(fact: Any) -> Reading | None:
    """A reading that was kept: names without what they are made from. None where it is none of ours."""
    try:
        columns, opens, absent = fact
        given = tuple([Column(name.lower(), name, (), certain is True) for name, certain in columns])
        found = tuple(
            [
                Absent(str(name), int(line), int(at), tuple(sources), tuple(known))
                for name, line, at, sources, known in absent
            ]
        )
        return Reading(Relation(given, tuple([Open(None, str(why)) for why in opens])), found)
    except (TypeError, ValueError, AttributeError):
        return None
