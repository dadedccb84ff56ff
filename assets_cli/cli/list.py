"""`assets list`: the assets with their state."""

from __future__ import annotations

from assets_cli.cli import console
from assets_cli.cli.options import AsJson, Selection
from assets_cli.cli.session import Session
from assets_cli.cli.words import now


def command(session: Session, selection: Selection = None, as_json: AsJson = False) -> int:
    """List the assets, each after its upstreams: kind, group, owner, state, when it was materialized, rows."""
    from assets_cli.cli.screens import history as screen

    statuses = session.open().list(tuple(selection or ()))
    if as_json:
        from assets_cli.cli import documents  # only a document needs it

        console.show_json(documents.listing(statuses))
    elif statuses:
        console.show(screen.assets(statuses, console.out(), now()))
        console.remark(["", screen.totals(statuses)])
    else:
        console.remark(["no asset matches the selection" if selection else "the project has no assets yet"])
    return 0
