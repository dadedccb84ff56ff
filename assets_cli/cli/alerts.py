"""`assets alerts`: who is told what, what was told, and what became of it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from assets_cli.cli import console
from assets_cli.cli.announcing import warn
from assets_cli.cli.options import Argument, AsJson, Option
from assets_cli.cli.session import Session
from assets_cli.cli.words import now
from assets_cli.model.problem import AssetsError, Problem

if TYPE_CHECKING:
    from assets_cli.project import Project


class Action(StrEnum):
    """What to do with alerts."""

    LIST = "list"
    SEND = "send"
    TEST = "test"


def command(
    session: Session,
    action: Annotated[
        Action,
        Argument(
            metavar="[ACTION]",
            text="list: what was told; send: tell what there is to tell; test: send a test by ROUTE.",
            show_default=False,
        ),
    ] = Action.LIST,
    route: Annotated[str | None, Argument(metavar="[ROUTE]", text="The route to test.", show_default=False)] = None,
    *,
    limit: Annotated[int, Option("--limit", "-n", metavar="N", least=1, text="How many messages to list.")] = 20,
    as_json: AsJson = False,
) -> int:
    """Show the routes, what was told and is not over yet, and what became of the latest messages.

    `assets alerts send` looks at everything, external assets too, tells what is new, and delivers what waits: for cron,
    where `assets up` does not run. Exit code 1: a message could not be delivered; it is tried again.
    """
    project = session.open()
    if (route is None) == (action is Action.TEST):
        hint = f"write: {session.command('alerts', 'test', 'ROUTE')}"
        raise AssetsError(Problem("A0814", "a route is what `test` is about, and nothing else", hint=hint))
    if action is Action.TEST and route is not None:
        return _test(project, route)
    if action is Action.SEND:
        return _send(project, as_json=as_json)
    from assets_cli.cli.screens import alerts as screen

    standing = screen.Standing(project.alerts.open(), project.alerts.recent(limit), project.alerts.waiting())
    if as_json:
        console.show_json(screen.document(project.manifest, standing))
    elif not project.manifest.alerts:
        console.remark(
            ["nobody is told anything", 'hint: declare a route: alerts: {data-team: {to: "${env.SLACK_URL}"}}']
        )
    else:
        console.show(screen.lines(project.manifest, standing, console.out(), now()))
    return 0


def _test(project: Project, route: str) -> int:
    answers, out = project.alerts.test(route), console.out()
    for position, said in enumerate(answers, 1):
        which = f"{route}, number {position}" if len(answers) > 1 else route
        console.show(out.wrap(f"{which}: {'sent' if said is None else f'not sent: {said}'}", out.width))
    return 1 if any(answers) else 0


def _send(project: Project, *, as_json: bool) -> int:
    outcome = project.alerts.tell(look=True, dispatch=False)
    project.alerts.deliver()
    trouble = project.alerts.trouble()
    if as_json:
        from assets_cli.cli.screens import alerts as screen

        standing = screen.Standing(project.alerts.open(), project.alerts.recent(20), project.alerts.waiting())
        console.show_json(screen.document(project.manifest, standing))
    else:
        told = [f"{route}: {title}" for route, title in outcome.titles]
        console.show(told) if told else console.remark(["nothing new to tell"])
    warn([*outcome.problems, *([trouble] if trouble else [])])
    return 1 if trouble else 0
