"""What was done to the history on purpose, in a line: for `assets runs`."""

from __future__ import annotations

from datetime import UTC, datetime

from assets_cli.cli.terminal import clean
from assets_cli.cli.words import count, size, some
from assets_cli.model.duration import SECOND
from assets_cli.model.history import Deed


def parts(deed: Deed) -> list[str]:
    """`features -> customer_features`, `on box, process 4711`."""
    return [clean(_done(deed)), f"on {clean(deed.host)}, process {deed.pid}"]


def _done(deed: Deed) -> str:
    told = deed.details
    if deed.kind == "mv":
        moved = some([f"{pair['from']} -> {pair['to']}" for pair in told["moved"]])
        return f"{moved} (moved in the manifest)" if told["by"] == "manifest" else moved
    if deed.kind == "rm":
        return f"forgot {some(list(told['assets']))}"
    if deed.kind == "gc":
        when = datetime.fromtimestamp(told["before"] / SECOND, UTC)
        records = count(sum(told["removed"].values()), "record")
        return f"removed {records} and {count(told['logs'], 'log')} from before {when:%Y-%m-%d %H:%M}"
    if deed.kind == "backup":
        return f"copied to {told['file']} ({size(told['bytes'])})"
    where = told["file"] or "stdout"
    records = count(told["records"], "record")
    return f"{records} to {where}" if deed.kind == "export" else f"{records} from {where}"
