"""The names that are visible at one place of a query, and which column each stands for. Knows no SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from assets_cli.inference.relations import Column, Open, Relation, Way


class Missing(NamedTuple):
    """A column that is certainly not there: in none of these sources, of which one may be named."""

    name: str
    sources: tuple[str, ...]
    known: tuple[str, ...]


class Source(NamedTuple):
    """One thing that a query reads: what it is called there, its own name in parts, its columns.

    A hidden one, of a semi join, can be named but is no part of `*`.
    """

    alias: str
    parts: tuple[str, ...]
    relation: Relation
    is_hidden: bool = False
    shown: str = ""


class Scope:
    """What one SELECT sees: its sources, columns that joins merged, its own aliases, and the query around it."""

    def __init__(self, outer: Scope | None = None) -> None:
        self.outer = outer
        self.sources: list[Source] = []
        self.merged: dict[str, Column] = {}
        self.aliases: dict[str, Column] = {}

    def starred(self) -> Relation:
        """What `*` gives: merged columns once, where the first of them stands."""
        columns: list[Column] = []
        done: set[str] = set()
        opens: list[Open] = []
        for source in self.sources:
            if source.is_hidden:
                continue
            for column in source.relation.columns:
                merged = self.merged.get(column.key)
                if merged is None:
                    columns.append(column)
                elif column.key not in done:
                    done.add(column.key)
                    columns.append(merged._replace(name=column.name))
            opens += [each._replace(without=each.without | done) for each in source.relation.opens]
        columns += [column for key, column in self.merged.items() if key not in done]
        return Relation(tuple(columns), tuple(opens))

    def find(self, parts: Sequence[tuple[str, str]]) -> Column | Missing:
        """The column that a name in parts (key, name) stands for."""
        level: Scope | None = self
        missing: Missing | None = None
        while level is not None:
            found = level.here(parts)
            if isinstance(found, Missing):
                missing = missing or found
                if len(parts) > 1 and any(source.alias == parts[0][0] for source in level.sources):
                    return found
            elif found is not None:
                return found
            level = level.outer
        return missing or Missing(parts[0][1], (), ())

    def here(self, parts: Sequence[tuple[str, str]]) -> Column | Missing | None:
        """As `find`, without the queries around; None where this one has no sources to look in."""
        for length in range(len(parts) - 1, 0, -1):
            for source in self.sources:
                if _is_called(source, [key for key, _ in parts[:length]]):
                    key, name = parts[length]
                    column = source.relation.seek(key, name)
                    if column is not None:
                        return column
                    known = tuple(each.name for each in source.relation.columns)
                    return Missing(name, (source.shown or source.alias,), known)
        return self._bare(*parts[0])

    def _bare(self, key: str, name: str) -> Column | Missing | None:
        if key in self.merged:
            return self.merged[key]
        hits = [found for each in self.sources if (found := each.relation.find(key)) is not None]
        if len(hits) == 1:
            return hits[0]
        if hits:
            return Column(key, name, tuple(way for column in hits for way in column.ways))
        if key in self.aliases:
            return self.aliases[key]
        for source in self.sources:
            if source.alias == key:
                return Column(key, name, (source.relation.everything,))
        possible = [(found, each) for each in self.sources if (found := each.relation.beyond(key, name)) is not None]
        if len(possible) == 1:
            return possible[0][0]
        if possible:
            whose = " or ".join(sorted(each.shown or each.alias for _, each in possible))
            return Column(key, name, (Way(frozenset(), None, frozenset({f"whether {name} is a column of {whose}"})),))
        if not self.sources:
            return None
        known = tuple(column.name for source in self.sources for column in source.relation.columns)
        return Missing(name, tuple(source.shown or source.alias for source in self.sources), known)


def _is_called(source: Source, keys: Sequence[str]) -> bool:
    if len(keys) == 1:
        return source.alias == keys[0]
    return len(source.parts) >= len(keys) and list(source.parts[-len(keys) :]) == list(keys)
