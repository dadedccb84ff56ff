"""The routes of alerts of a root file as values. Those of a wrong shape are left out."""

from __future__ import annotations

from assets_cli.manifest.document import Document
from assets_cli.manifest.schema import fits
from assets_cli.model.duration import parse
from assets_cli.model.manifest import ALERT_EVENTS, AlertRoute

_QUIET = "1h"


def make_alerts(document: Document) -> tuple[AlertRoute, ...]:
    """The routes that a root file declares, in its order."""
    written = document.values.get("alerts")
    if not isinstance(written, dict):
        return ()
    return tuple(
        AlertRoute(
            name=name,
            urls=(values["to"],) if isinstance(values.get("to"), str) else tuple(values.get("to", ())),
            command=values["command"]["shell"] if "command" in values else None,
            tell=tuple(event for event in ALERT_EVENTS if event in values.get("tell", ALERT_EVENTS)),
            select=values.get("select"),
            severity=values.get("severity", "warning"),
            quiet=parse(values.get("quiet", _QUIET)),
        )
        for name, values in written.items()
        if fits("alert", values)
    )
