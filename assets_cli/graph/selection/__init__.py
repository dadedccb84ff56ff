"""Which assets an expression names: `raw/*`, `tag:x`, `+x`, `x+2`, `roots(…)`, `is:stale`, `not`, `and`, `or`, `( )`.

`lexer` and `parser` know the grammar and nothing of assets; `resolve` knows the graph. State is known to neither:
what `is:` asks for is handed in, and only asked for where an expression has an `is:`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from assets_cli.graph.graph import AssetGraph

if TYPE_CHECKING:
    from assets_cli.graph.selection.resolve import Statuses


def select(expressions: Sequence[str], graph: AssetGraph, statuses: Statuses | None = None) -> frozenset[str]:
    """The assets that any of the expressions names; every asset where there is no expression.

    `statuses` tells what `is:` asks for, for every asset; it is called once, and only if an expression has an `is:`.

    Raises:
        AssetsError: expressions that cannot be read (A0401), that name nothing (A0402), or that ask for a state where
            none is known (A0404); all of them.
    """
    others = [expression for expression in expressions if expression not in graph.assets]
    if not others:
        return frozenset(expressions or graph.assets)
    from assets_cli.graph.selection.resolve import resolve  # a plan of the whole project does without the grammar

    return resolve(others, graph, statuses).union(name for name in expressions if name in graph.assets)
