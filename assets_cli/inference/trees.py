"""Questions about the syntax trees of queries that need no scope."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from assets_cli.inference.relations import Column

if TYPE_CHECKING:
    from sqlglot import exp


def words(node: exp.Expr) -> Iterator[exp.Expr]:
    """The columns, windows and queries of an expression, and nothing inside of those queries."""
    from sqlglot import exp

    waiting = [node]
    while waiting:
        each = waiting.pop()
        if isinstance(each, exp.Query):
            yield each
            continue
        if isinstance(each, (exp.Column, exp.Window)):
            yield each
            if isinstance(each, exp.Column):
                continue
        if isinstance(each, exp.Comprehension):
            waiting += [inner for key in ("iterator",) if isinstance(inner := each.args.get(key), exp.Expr)]
            continue
        skipped = each.this if isinstance(each, (exp.PropertyEQ, exp.Kwarg)) else None
        for value in each.args.values():
            several = value if isinstance(value, list) else [value]
            waiting += [inner for inner in several if isinstance(inner, exp.Expr) and inner is not skipped]


def counts(expression: exp.Expr) -> bool:
    """Whether every star in an expression is only counted."""
    from sqlglot import exp

    return all(isinstance(star.parent, (exp.Count, exp.Column)) for star in expression.find_all(exp.Star))


def grouped(node: exp.Select, group: exp.Expr, columns: Sequence[Column]) -> list[Column]:
    """The columns of a SELECT that `group by 1` or `group by all` means."""
    from sqlglot import exp

    if len(columns) != len(node.expressions):
        return []
    if group.args.get("all"):
        return [one for one, item in zip(columns, node.expressions, strict=True) if item.find(exp.AggFunc) is None]
    numbers = [int(each.name) for each in group.expressions if isinstance(each, exp.Literal) and each.name.isdigit()]
    return [columns[number - 1] for number in numbers if 0 < number <= len(columns)]


def entries(star: exp.Expr, key: str) -> Sequence[Any]:
    """What a star says under `except`, `replace` or `rename`, whose names differ between versions of the parser."""
    return star.args.get(f"{key}_") or star.args.get(key) or ()
