"""`assets state gc`: remove old records and logs that nothing needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from assets_cli.cli import console
from assets_cli.cli.documents import VERSION
from assets_cli.cli.options import AsJson, Option
from assets_cli.cli.session import Session
from assets_cli.cli.words import size
from assets_cli.model import duration
from assets_cli.model.problem import AssetsError, Problem

if TYPE_CHECKING:
    from assets_cli.running.repair import Collected

_HUNDRED_YEARS = 36_500 * 86_400 * duration.SECOND


def command(
    session: Session,
    *,
    keep: Annotated[str, Option("--keep", metavar="D", text="Keep what is no older, such as 30d or 12h.")] = "30d",
    keep_runs: Annotated[
        int, Option("--keep-runs", metavar="N", least=1, text="Keep the newest runs in any case, so many.")
    ] = 20,
    everywhere: Annotated[
        bool, Option("--all-environments", text="In every environment, not only in this one.")
    ] = False,
    dry_run: Annotated[bool, Option("--dry-run", text="Only say what would be removed.")] = False,
    as_json: AsJson = False,
) -> int:
    """Remove old runs, records and logs that nothing needs any more. Every plan is the same before and after.

    What is kept, however old: the newest runs, the latest records of every asset, what those have read, runs that go
    on, and logs of what failed last and was not mended. Outputs are nothing that it touches.
    """
    length = _length(keep)
    found = session.open().repair.collect(length, keep_runs, everywhere=everywhere, dry_run=dry_run)
    if as_json:
        console.show_json(_document(found, dry_run=dry_run))
    else:
        console.show(_lines(found, keep, dry_run=dry_run))
    return 0


def _length(text: str) -> int:
    try:
        return min(duration.parse(text), _HUNDRED_YEARS)
    except ValueError:
        hint = "write a duration such as 30d, 12h or 1h30m"
        raise AssetsError(Problem("A0815", f"--keep: {text!r} is not a duration", hint=hint)) from None


def _lines(found: Collected, keep: str, *, dry_run: bool) -> Iterator[str]:
    if not found.size[0]:
        yield "nothing to remove: there is no history yet"
        return
    if not found.records and not found.logs:
        yield f"nothing to remove: all that is older than {keep} is needed, or there is none"
    else:
        yield "would remove:" if dry_run else "removed:"
        rows = [(name, f"{number:,}", "") for name, number in found.records.items()]
        if found.logs:
            rows.append(("logs", f"{found.logs:,}", size(found.log_bytes)))
        width, digits = max(len(row[0]) for row in rows), max(len(row[1]) for row in rows)
        for name, number, more in rows:
            yield f"  {name:<{width}}  {number:>{digits}}  {more}".rstrip()
    before, after = found.size
    if found.kept_large:
        yield f"the state file stays as large as it is ({size(after)}): {found.kept_large}"
    elif not dry_run and after < before:
        yield f"the state file went from {size(before)} to {size(after)}"


def _document(found: Collected, *, dry_run: bool) -> dict[str, Any]:
    return {
        "version": VERSION,
        "dry_run": dry_run,
        "removed": dict(found.records),
        "logs": found.logs,
        "log_bytes": found.log_bytes,
        "bytes_before": found.size[0],
        "bytes_after": found.size[1],
        "kept_large": found.kept_large,
    }
