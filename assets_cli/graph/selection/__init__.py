"""Which assets an expression names: `raw/*`, `tag:x`, `+x`, `x+2`, `roots(…)`, `is:stale`, `not`, `and`, `or`, `( )`.

`lexer` and `parser` know the grammar and nothing of assets; `resolve` knows the graph. State is known to neither:
what `is:` asks for is handed in, and only asked for where an expression has an `is:`.
"""

from assets_cli.graph.selection.parser import parse, show
from assets_cli.graph.selection.resolve import Facts, select

__all__ = ["Facts", "parse", "select", "show"]
