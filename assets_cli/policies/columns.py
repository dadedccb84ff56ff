"""What policies ask of columns: tags, other keys, names. Pure.

Columns are those that an asset declares, and those that its SQL is known to give: what nobody has written down is what
a policy about personal data is for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Final, NamedTuple

from assets_cli.model.manifest import Asset, Column, ColumnPolicy
from assets_cli.model.matching import Matches
from assets_cli.policies.finding import Finding, Known, Locate, Rule, listed

MATCH: Final = "columns.match"
NAMES: Final = "columns.names"
"""The keys of the patterns that a policy may have for columns."""

_MOST: Final = 3
_UNDECLARED: Final = "; its SQL gives the column, and nothing declares it"


class _Seen(NamedTuple):
    """A column of an asset; `position` is its place under `columns:`, None where it is not declared."""

    column: Column
    position: int | None


def column_rule(asked: ColumnPolicy, patterns: Mapping[str, Matches], known: Known, locate: Locate) -> Rule:
    """The rule of what a policy asks of columns. `patterns` are those that its texts stand for, by key."""
    texts = {MATCH: asked.match, NAMES: asked.names}
    if any(text is not None and key not in patterns for key, text in texts.items()):
        return lambda _: iter(())  # a pattern that is none is a problem of its own
    asking = _Asking(asked, patterns)

    def rule(assets: Sequence[Asset]) -> Iterator[Finding]:
        for asset in assets:
            wrong = [_Seen(column, at) for at, column in enumerate(asset.columns) if asking.is_wrong(column)]
            further = known(asset.name)
            if further:
                declared = {column.name.lower() for column in asset.columns}
                found = [Column(name) for name in further if name.lower() not in declared]
                wrong += [_Seen(column, None) for column in found if asking.is_wrong(column)]
            for how in asking.hows if wrong else ():
                yield from _told(asset, [each for each in wrong if how.is_wrong(each.column)], how, locate)

    return rule


class _Asking:
    """What is asked, of which columns. Many assets have columns of the same name, and each is looked at once."""

    def __init__(self, asked: ColumnPolicy, patterns: Mapping[str, Matches]) -> None:
        match = patterns.get(MATCH)
        self._is_meant = cache(lambda name: match is None or match(name))
        self.hows: list[_How] = [*map(_Untagged, asked.tags), *map(_Lacking, asked.require)]
        if asked.names is not None:
            self.hows.append(_Misnamed(asked.names, patterns[NAMES]))

    def is_wrong(self, column: Column) -> bool:
        """Whether a column is meant, and something is wrong with it."""
        return self._is_meant(column.name) and any(how.is_wrong(column) for how in self.hows)


def _told(asset: Asset, wrong: Sequence[_Seen], how: _How, locate: Locate) -> Iterator[Finding]:
    """One finding for all columns of an asset that lack the same thing, at the first that is declared."""
    if not wrong:
        return
    names = [each.column.name for each in wrong]
    at = next((each.position for each in wrong if each.position is not None), None)
    place = locate(asset.name, "name") if at is None else locate(asset.name, "columns", at)
    shown = f"column{'s' if len(names) > 1 else ''} {listed(names, most=_MOST)}"
    yield Finding(
        asset.name, "A0705", how.message(shown, len(names)), how.hint(names[0], declared=at is not None), place
    )


class _Untagged(NamedTuple):
    """Columns that lack a tag."""

    tag: str

    def is_wrong(self, column: Column) -> bool:
        """Whether this one does."""
        return self.tag not in column.tags

    def message(self, shown: str, count: int) -> str:
        """What is wrong."""
        return f"{shown} {'are' if count > 1 else 'is'} not tagged {self.tag}"

    def hint(self, name: str, *, declared: bool) -> str:
        """What to write."""
        return f"write `columns: [{{name: {name}, tags: [{self.tag}]}}]`{'' if declared else _UNDECLARED}"


class _Lacking(NamedTuple):
    """Columns that lack a key."""

    key: str

    def is_wrong(self, column: Column) -> bool:
        """Whether this one does."""
        return not getattr(column, self.key)

    def message(self, shown: str, count: int) -> str:
        """What is wrong."""
        return f"{shown} {'have' if count > 1 else 'has'} no {self.key}"

    def hint(self, name: str, *, declared: bool) -> str:
        """What to write."""
        value = "[…]" if self.key == "tags" else "…"
        return f"write `columns: [{{name: {name}, {self.key}: {value}}}]`{'' if declared else _UNDECLARED}"


class _Misnamed(NamedTuple):
    """Columns of which the name is not as it should be."""

    written: str
    matches: Matches

    def is_wrong(self, column: Column) -> bool:
        """Whether that of this one is not."""
        return not self.matches(column.name)

    def message(self, shown: str, count: int) -> str:
        """What is wrong."""
        return f"{shown} {'do' if count > 1 else 'does'} not match {self.written}"

    def hint(self, name: str, *, declared: bool) -> str:  # noqa: ARG002 - as the others have it
        """What to do."""
        return f"rename {name} where it is made, and in all that reads it"


_How = _Untagged | _Lacking | _Misnamed
