"""Rules of the house: what a project asks of its assets besides that they work, and who does not keep to it.

Pure: reads the graph, runs nothing. For the project's own functions, `python:` in a policy, this module has the value
that they are called with, which is stable:

    from assets_cli.policies import Asset

    def check(asset: Asset):
        if asset.group == "marts" and not asset.description:
            yield "a mart says what a row of it is", "description: One row per …"
"""

from __future__ import annotations

from assets_cli.policies.asset import Asset, Check, Column, Command, Freshness, Output

__all__ = ["Asset", "Check", "Column", "Command", "Freshness", "Output"]
