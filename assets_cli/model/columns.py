"""Whose a column is by its name, and what changed between two lists of columns. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple

Typed = tuple[str, str]
"""A column's name and type."""

_MOST_NAMED = 8


def split(name: str, assets: Collection[str]) -> tuple[str, str | None]:
    """An asset and a column of `asset.column`: the longest asset name wins. A name that holds none is left whole."""
    if name in assets:
        return name, None
    head = name
    while dot := head.rfind(".") + 1:
        head = head[: dot - 1]
        if head in assets:
            return head, name[dot:] or None
    return name, None


class Difference(NamedTuple):
    """Columns that one list has and the other has not, and those whose types differ: name, type before, type after."""

    added: tuple[Typed, ...] = ()
    removed: tuple[Typed, ...] = ()
    retyped: tuple[tuple[str, str, str], ...] = ()

    def __bool__(self) -> bool:
        """Whether there is any."""
        return any(self)

    def document(self) -> dict[str, list[list[str]]]:
        """What is kept in the metadata of a materialization."""
        return {field: [list(each) for each in value] for field, value in self._asdict().items() if value}

    @classmethod
    def of_document(cls, document: Any) -> Difference:
        """What was kept; nothing where it is something else."""
        if not isinstance(document, Mapping):
            return cls()
        try:
            return cls(
                tuple((str(name), str(kind)) for name, kind in document.get("added", ())),
                tuple((str(name), str(kind)) for name, kind in document.get("removed", ())),
                tuple((str(name), str(old), str(new)) for name, old, new in document.get("retyped", ())),
            )
        except (TypeError, ValueError):
            return cls()

    def sentence(self) -> str:
        """`added b VARCHAR; removed c DATE; retyped a INTEGER -> BIGINT`."""
        parts = [
            ("added", [_typed(name, kind) for name, kind in self.added]),
            ("removed", [_typed(name, kind) for name, kind in self.removed]),
            ("retyped", [f"{name} {old or '?'} -> {new or '?'}" for name, old, new in self.retyped]),
        ]
        return "; ".join(f"{word} {_some(named)}" for word, named in parts if named)


def compare(
    before: Iterable[Typed], after: Iterable[Typed], same: Callable[[str, str], bool] = lambda old, new: old == new
) -> Difference:
    """What `after` has that `before` had not, and so on. Databases ignore the case of a name; `same` compares types."""
    old = {name.lower(): (name, kind) for name, kind in before}
    new = {name.lower(): (name, kind) for name, kind in after}
    return Difference(
        tuple(column for key, column in new.items() if key not in old),
        tuple(column for key, column in old.items() if key not in new),
        tuple(
            (name, old[key][1], kind) for key, (name, kind) in new.items() if key in old and not same(old[key][1], kind)
        ),
    )


def schema_change(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> Difference:
    """The change between the metadata of two materializations; none where one of them says nothing of columns."""
    old, new = _columns(before or {}), _columns(after)
    return compare(old, new) if old and new else Difference()


def _columns(metadata: Mapping[str, Any]) -> list[Typed]:
    columns = metadata.get("columns")
    return [(str(name), str(kind)) for name, kind in columns] if isinstance(columns, (list, tuple)) else []


def _typed(name: str, kind: str) -> str:
    return f"{name} {kind}".rstrip()


def _some(named: list[str]) -> str:
    more = len(named) - _MOST_NAMED
    return ", ".join(named[:_MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")
