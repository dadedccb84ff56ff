"""`assets state rm`: forget the history of assets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from assets_cli.cli import console
from assets_cli.cli.announcing import announce
from assets_cli.cli.carry_out import warn
from assets_cli.cli.options import Argument, Option
from assets_cli.cli.session import Session
from assets_cli.cli.words import count, some

if TYPE_CHECKING:
    from assets_cli.running.repair import Forgotten

_MOST = 20


def command(
    session: Session,
    assets: Annotated[
        list[str],
        Argument(metavar="ASSET...", text="Names on record; * and ? stand for others.", show_default=False),
    ],
    *,
    dry_run: Annotated[bool, Option("--dry-run", text="Only say what would be forgotten.")] = False,
) -> int:
    """Forget the history of assets, in this environment. What they wrote is left as it is.

    Mostly for assets that the manifest no longer has, which `assets plan` lists. One that it has is missing then: the
    next plan makes it. Names are those on record, with wildcards as a shell has them; put them between quotes.
    There is no way back but a copy that was made before: `assets state backup` or `export`.
    """
    project = session.open()
    if not dry_run:
        project.recover(warn)
    found = project.repair.forget(assets, warn, dry_run=dry_run)
    console.remark(_lines(found, session, dry_run=dry_run))
    if not dry_run:
        announce(project)
    return 0


def _lines(found: Forgotten, session: Session, *, dry_run: bool) -> Iterator[str]:
    names = list(found.assets)
    for name in names[:_MOST]:
        made = found.assets[name]
        yield f"{name}: {'would forget' if dry_run else 'forgot'} {count(made, 'materialization')}"
    if len(names) > _MOST:
        yield f"… and {len(names) - _MOST:,} more"
    yield "what they wrote is left as it is" if len(names) > 1 else "what it wrote is left as it is"
    if missing := sorted(found.declared):
        are = "is" if len(missing) == 1 else "are"
        yield f"next: {some(missing)} {are} missing for the next plan, which makes {'it' if are == 'is' else 'them'}"
    if dry_run:
        yield f"first: {session.command('state', 'backup', 'FILE')} is the way back"
