"""`assets check`: evaluate checks on what is there now."""

from __future__ import annotations

from assets_cli.cli import console
from assets_cli.cli.announcing import announce
from assets_cli.cli.options import AsJson, Selection
from assets_cli.cli.session import Session
from assets_cli.model.event import RunEvent, StepWaiting, Warned

FAILED, REFUSED = 1, 2


def command(session: Session, selection: Selection = None, as_json: AsJson = False) -> int:
    """Evaluate the checks of the selected assets on what is there now, and record what they find.

    Nothing is materialized. What a blocking check had blocked is unblocked if all of them pass; what is in use stays in
    use even if one fails. Exit code 1: a check of severity error failed; 2: an asset was never materialized.
    """
    from assets_cli.cli.screens import checks as screen

    project = session.open()
    project.recover(_tell)
    found = project.check(tuple(selection or ()), (_tell,))
    if as_json:
        from assets_cli.cli import documents  # only a document needs it

        console.show_json(documents.checks(project.manifest.environment, found.run, found.assets))
    elif found.assets:
        console.show(screen.report(found.assets, console.out()))
    else:
        console.remark(["no selected asset has checks" if selection else "no asset has checks"])
    announce(project)
    if any(result.is_error for answer in found.assets for result in answer.results):
        return FAILED
    return REFUSED if any(answer.refused for answer in found.assets) else 0


def _tell(event: RunEvent) -> None:
    if isinstance(event, Warned):
        console.warn(event.message)
    elif isinstance(event, StepWaiting):
        console.remark([f"{event.asset}: waiting for {event.holder}"])
