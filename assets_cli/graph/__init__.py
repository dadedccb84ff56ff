"""Edges, closures, order and readable cycles; names for a selection expression. Knows nothing of state."""

from assets_cli.graph.graph import AssetGraph
from assets_cli.graph.selection import select

__all__ = ["AssetGraph", "select"]
